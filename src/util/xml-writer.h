/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing XML the way libvirt writes it: two spaces a level, single quotes, one element a line.
 */
#pragma once

#include <glib.h>

typedef struct _VtXmlWriter VtXmlWriter;

VtXmlWriter *vt_xml_writer_new(void);
/** Free a writer; accepts NULL. */
void vt_xml_writer_free(VtXmlWriter *writer);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtXmlWriter, vt_xml_writer_free)

/**
 * vt_xml_writer_finish - take what was written
 * @writer: freed by this
 *
 * Return: (transfer full) the text. Elements left open are closed.
 */
char *vt_xml_writer_finish(VtXmlWriter *writer);

/** Begin an element; attributes follow, then children, then vt_xml_writer_end(). */
void vt_xml_writer_start(VtXmlWriter *writer, const char *name);

/** End the innermost element: "/>" when nothing was put into it. */
void vt_xml_writer_end(VtXmlWriter *writer);

/** An attribute of the element just begun; nothing when @value is NULL. */
void vt_xml_writer_attr(VtXmlWriter *writer, const char *name, const char *value);

/** An attribute by printf format; the result is escaped. */
void vt_xml_writer_attrf(VtXmlWriter *writer, const char *name, const char *format, ...) G_GNUC_PRINTF(3, 4);

/** An unsigned attribute; nothing when @value is 0 ("not said"). */
void vt_xml_writer_attr_uint(VtXmlWriter *writer, const char *name, guint value);

/** <name>text</name>; nothing when @text is NULL. */
void vt_xml_writer_text(VtXmlWriter *writer, const char *name, const char *text);

/** End the innermost element with text as its only content: <source mode='x'>text</source>. */
void vt_xml_writer_end_text(VtXmlWriter *writer, const char *text);

/**
 * vt_xml_writer_empty - an element with attributes only, in one call
 * @writer: where to
 * @name:   of the element
 * @...:    pairs of name and value, NULL at the end; a pair whose value is NULL is left out
 */
void vt_xml_writer_empty(VtXmlWriter *writer, const char *name, ...) G_GNUC_NULL_TERMINATED;

/** As vt_xml_writer_empty(), but nothing at all is written when every value is NULL. */
void vt_xml_writer_optional(VtXmlWriter *writer, const char *name, ...) G_GNUC_NULL_TERMINATED;

/** Text that is XML already, as it is, after closing the tag just begun. */
void vt_xml_writer_raw(VtXmlWriter *writer, const char *xml);

/** Depth: how many elements are open. */
guint vt_xml_writer_depth(const VtXmlWriter *writer);

/** & < > ' " as entities; control characters that XML cannot hold are left out. (transfer full) */
char *vt_xml_escape(const char *text);
