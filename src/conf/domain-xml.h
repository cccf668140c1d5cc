/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A domain's XML: text to definition and back.
 */
#pragma once

#include "conf/element.h"

/**
 * vt_domain_xml_parse - read a domain document, give defaults that do not depend on QEMU, and validate it
 * @xml:   UTF-8 text, NUL-terminated, at most 4 MiB; no entities, no network
 * @error: (out) XML (not well-formed), XML_DETAIL (a value is wrong), CONFIG_UNSUPPORTED (known to libvirt,
 *         not to us), INVALID_ARG; the message names the element, the value, the line and the remedy
 *
 * Parse, postparse (generated UUID and MACs, implied devices) and every rule of vt_validate_domain().
 * Return: (transfer full) the definition, or NULL.
 */
VtDomainDef *vt_domain_xml_parse(const char *xml, GError **error);

/**
 * vt_domain_xml_parse_status - as vt_domain_xml_parse(), of what VT_XML_FORMAT_STATUS wrote
 * @xml:   our own status file, or the XML of a running guest that a migration brings
 * @error: (out) as vt_domain_xml_parse()
 *
 * Live values count: automatic aliases, names of taps, paths of ptys.
 * Return: (transfer full) the definition, or NULL.
 */
VtDomainDef *vt_domain_xml_parse_status(const char *xml, GError **error);

/**
 * vt_domain_xml_check - as vt_domain_xml_parse(), but collect every problem, not the first
 * @xml:      as above
 * @problems: array of char * (g_free), one message per problem is appended
 *
 * Return: (transfer full) (nullable) the definition when there was no problem.
 */
VtDomainDef *vt_domain_xml_check(const char *xml, GPtrArray *problems);

/**
 * vt_domain_xml_format - write a definition as libvirt writes it
 * @def:   any definition (also one that would not validate)
 * @id:    run-time id, or -1 when it is not running
 * @flags: VtXmlFormatFlags
 *
 * Return: (transfer full) the document, ending in a newline.
 */
char *vt_domain_xml_format(const VtDomainDef *def, int id, guint flags);
