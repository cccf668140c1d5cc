/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of the domain's elements have in common.
 *
 * Each device file has, for its VtXxxDef (struct, free and copy are domain-def's):
 *     gboolean vt_xxx_parse(VtParseContext *ctx, xmlNode *node, VtXxxDef **out);
 *     void vt_xxx_validate(VtParseContext *ctx, const VtDomainDef *def, const VtXxxDef *xxx);
 *     void vt_xxx_format(VtXmlWriter *writer, const VtXxxDef *xxx, guint flags);
 * Parse reads and notes every problem of its element; where the result is still of use for finding more
 * problems it may be given out although there were some: the caller looks at ctx->problems, not only at the
 * return value. Validate judges what was parsed and completed (postparse), by values and across the domain.
 * Format writes any definition; flags are VtXmlFormatFlags.
 */
#pragma once

#include "conf/domain-def.h"
#include "util/xml-writer.h"
#include "util/xml.h"

typedef enum {
    VT_XML_FORMAT_SECURE = 1 << 0,   /* virDomainXMLFlags has the same numbers */
    VT_XML_FORMAT_INACTIVE = 1 << 1, /* no id, no live-only values (pty paths, vnetN, automatic aliases) */
    VT_XML_FORMAT_UPDATE_CPU = 1 << 2,
    VT_XML_FORMAT_MIGRATABLE = 1 << 3, /* what a destination (also a stock libvirt) can read */
    VT_XML_FORMAT_STATUS = 1 << 8,     /* everything, for our own status files */
} VtXmlFormatFlags;

typedef enum {
    VT_PARSE_STATUS =
        1 << 0, /* our own status files: live values (automatic aliases, vnetN, pty paths) count */
    VT_PARSE_DEVICE = 1 << 1, /* one device alone (attach-device), not a domain */
} VtParseFlags;

typedef struct {
    GPtrArray *problems; /* of GError * */
    guint flags;         /* VtParseFlags */
    const xmlNode *root; /* (nullable) <domain>, for the lines of what has no VtDeviceInfo */
} VtParseContext;

/**
 * vt_parse_problem - note a problem that validation found: "<interface> (line 12): " and the text
 * @ctx:     where to
 * @code:    as VtErrorCode
 * @element: name of the element
 * @line:    VtDeviceInfo.line; 0: that of <domain>'s child of that name, or none
 * @format:  printf format of the rest of the sentence
 *
 * Return: always FALSE.
 */
gboolean vt_parse_problem(VtParseContext *ctx, VtErrorCode code, const char *element, int line,
                          const char *format, ...) G_GNUC_PRINTF(5, 6);

/*
 * What an element may hold, as space-separated names. A child name followed by '*' may repeat; any other
 * child may stand once. What libvirt's schema knows in this place and this list has not is refused as
 * unsupported; what libvirt does not know either is refused as unknown; text where .text is FALSE, too.
 */
typedef struct {
    const char *attrs;
    const char *children;
    gboolean text;
} VtElementSchema;

/**
 * vt_element_check - judge an element's attributes, children and text by its schema
 * @ctx:    gets a problem for each name that is not in @schema
 * @node:   the element; only itself, not its children's content
 * @schema: what is supported
 *
 * Return: TRUE when there was no problem. Going on with parsing is fine in either case.
 * Source: names known to libvirt: its domaincommon.rng 9.0, through conf/libvirt-names.c.
 */
gboolean vt_element_check(VtParseContext *ctx, const xmlNode *node, const VtElementSchema *schema);

/** TRUE when libvirt's schema has that child ("name") or attribute ("@name") in <parent><element>. */
gboolean vt_element_known_to_libvirt(const char *parent, const char *element, const char *name);

/** yes/no and on/off attributes; absent leaves @out as it is. */
gboolean vt_parse_yes_no(VtParseContext *ctx, const xmlNode *node, const char *name, VtTristate *out);
gboolean vt_parse_on_off(VtParseContext *ctx, const xmlNode *node, const char *name, VtTristate *out);

/** "yes", "no" or NULL, for vt_xml_writer_attr(). */
const char *vt_tristate_yes_no(VtTristate value);
/** "on", "off" or NULL. */
const char *vt_tristate_on_off(VtTristate value);
