/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading XML that nobody vouches for: a parser with limits, and typed reads of attributes and children.
 *
 * Problems are collected, not thrown: every reader takes the array they go to (of GError *, owner frees),
 * so that one pass over a document reports all of them. Each message names the element, its line, the
 * attribute and the value. Where a reader returns FALSE it has added exactly one problem and has not
 * written its out-parameter; an absent optional attribute is TRUE with nothing written.
 */
#pragma once

#include <libxml/tree.h>

#include "util/error.h"

#define VT_XML_MAX_BYTES      (4 * 1024 * 1024)
#define VT_XML_MAX_DEPTH      64
#define VT_XML_MAX_NODES      100000
#define VT_XML_MAX_ATTRIBUTES 128         /* in one tag */
#define VT_XML_MAX_VALUE      (64 * 1024) /* bytes of one attribute's value */
#define VT_XML_MAX_PROBLEMS   200         /* further ones are not recorded */

typedef xmlDoc VtXmlDoc;

/** Free a document; accepts NULL. */
void vt_xml_doc_free(VtXmlDoc *doc);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtXmlDoc, vt_xml_doc_free)

/**
 * vt_xml_parse - parse a document within the limits above, without DTD, entities, XInclude and network
 * @text:  what to parse, NUL-terminated
 * @error: (out) XML, with the line
 *
 * Return: (transfer full) a document with a root element, or NULL.
 * Source: XML 1.0; libxml2's SAX2 interface.
 */
VtXmlDoc *vt_xml_parse(const char *text, GError **error);

/* ---- problems ---- */

/** A new array for problems (GError *, freed with it). */
GPtrArray *vt_xml_problems_new(void);

/**
 * vt_xml_problem_add - record a problem
 * @problems: array of GError *
 * @code:     as VtErrorCode
 * @format:   printf format of a whole sentence
 *
 * Return: always FALSE.
 */
gboolean vt_xml_problem_add(GPtrArray *problems, VtErrorCode code, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/**
 * vt_xml_problem - record a problem of one element: "<mac> (line 12): " and the text
 * @problems: array of GError *
 * @code:     as VtErrorCode
 * @node:     the element
 * @format:   printf format of the rest of the sentence
 *
 * Return: always FALSE.
 */
gboolean vt_xml_problem(GPtrArray *problems, VtErrorCode code, const xmlNode *node, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/** A value as messages show it: at most 80 characters, without control characters. (transfer full) */
char *vt_xml_shown(const char *value);

/** Line of a node; 0 when unknown. */
int vt_xml_line(const xmlNode *node);

/* ---- walking ---- */

/** First child element without a namespace, of that name, or of any name with NULL. */
xmlNode *vt_xml_child(const xmlNode *node, const char *name);
/** Next sibling element without a namespace, of that name, or of any name with NULL. */
xmlNode *vt_xml_next(const xmlNode *node, const char *name);

#define VT_XML_FOREACH(child, node, name)                                                                    \
    for (xmlNode *child = vt_xml_child((node), (name)); child; child = vt_xml_next(child, (name)))

/** TRUE when the element has that name and no namespace. */
gboolean vt_xml_is(const xmlNode *node, const char *name);

/* ---- reading ---- */

/** Value of an attribute without a namespace, or NULL. (transfer full) */
char *vt_xml_attr(const xmlNode *node, const char *name);

/** Text of an element, as it is; "" when empty. (transfer full) */
char *vt_xml_text(const xmlNode *node);

/** Text of the first child of that name, without white space at its ends; NULL without one. (transfer full) */
char *vt_xml_child_text(const xmlNode *node, const char *name);

/**
 * vt_xml_attr_required - read an attribute that must be there and must not be empty
 * @problems: array of GError *
 * @node:     the element
 * @name:     of the attribute
 * @out:      (out) (transfer full)
 *
 * Return: FALSE when it is missing or empty.
 */
gboolean vt_xml_attr_required(GPtrArray *problems, const xmlNode *node, const char *name, char **out);

/* Names of an enum for vt_xml_attr_enum(). */
typedef struct {
    const char *const *names; /* designated; holes are skipped */
    gsize count;
    const char *refused; /* (nullable) space-separated names that libvirt knows and we do not support */
} VtXmlEnum;

/**
 * vt_xml_attr_enum - read an attribute whose value is one of a table
 * @problems: array of GError *
 * @node:     the element
 * @name:     of the attribute
 * @values:   the table
 * @out:      (out) index into the table; untouched when the attribute is absent
 *
 * Problems: CONFIG_UNSUPPORTED for a refused name, XML_DETAIL for an unknown one.
 */
gboolean vt_xml_attr_enum(GPtrArray *problems, const xmlNode *node, const char *name, const VtXmlEnum *values,
                          int *out);

/** As vt_xml_attr_enum(), for a string that stays a string: @allowed is space-separated. (out: transfer full) */
gboolean vt_xml_attr_choice(GPtrArray *problems, const xmlNode *node, const char *name, const char *allowed,
                            const char *refused, char **out);

/** A decimal number within min..max. */
gboolean vt_xml_attr_uint(GPtrArray *problems, const xmlNode *node, const char *name, guint min, guint max,
                          guint *out);
gboolean vt_xml_attr_uint64(GPtrArray *problems, const xmlNode *node, const char *name, guint64 min,
                            guint64 max, guint64 *out);
/** A number as C writes it (0x1f, 31), within 0..max, as addresses have them. */
gboolean vt_xml_attr_hex(GPtrArray *problems, const xmlNode *node, const char *name, guint max, guint *out);

/**
 * vt_xml_attr_flag - read an attribute with two values
 * @problems: array of GError *
 * @node:     the element
 * @name:     of the attribute
 * @words:    "yes no" or "on off": the true word first
 * @out:      (out) 1 for the first word, 0 for the second; untouched when absent
 */
gboolean vt_xml_attr_flag(GPtrArray *problems, const xmlNode *node, const char *name, const char *words,
                          int *out);

/** The element's text as a decimal number within min..max. */
gboolean vt_xml_text_uint(GPtrArray *problems, const xmlNode *node, guint min, guint max, guint *out);

/**
 * vt_xml_text_memory - the element's text and its unit= as an amount of memory
 * @problems: array of GError *
 * @node:     the element, e.g. <memory unit='GiB'>
 * @kib:      (out) rounded up to KiB; at least 1
 *
 * Units: b, bytes; KB (1000), k, KiB (1024); MB, M, MiB; GB, G, GiB; TB, T, TiB; PB, P, PiB; EB, E, EiB;
 * case does not matter except as said. Without a unit: KiB.
 * Source: libvirt formatdomain.rst, "Memory Allocation".
 */
gboolean vt_xml_text_memory(GPtrArray *problems, const xmlNode *node, guint64 *kib);

/** TRUE when @word is one of the space-separated @words. */
gboolean vt_xml_word_in(const char *word, const char *words);
