/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * <metadata>: elements that belong to applications, told apart by their XML namespaces.
 *
 * A definition keeps them as text, as they were written. Only the element of our own namespace is read.
 */
#pragma once

#include "conf/element.h"

#define VT_METADATA_MAX (256 * 1024) /* bytes of text within <metadata> */

/**
 * vt_metadata_parse - take the content of <metadata> as it stands in the document
 * @ctx:      where problems go
 * @text:     the document's text, which has been parsed
 * @metadata: the element
 * @def:      gets metadata and team_policies
 *
 * Where namespaces of the content are declared above <metadata>, they are written into its elements.
 * Return: FALSE when our own element has a problem.
 */
gboolean vt_metadata_parse(VtParseContext *ctx, const char *text, const xmlNode *metadata, VtDomainDef *def);

/** Write <metadata>; nothing when there is none. */
void vt_metadata_format(VtXmlWriter *writer, const VtDomainDef *def);

/**
 * vt_metadata_get - the element of one namespace, as virDomainGetMetadata gives it
 * @def:   the domain
 * @uri:   the namespace
 * @error: (out) NO_METADATA
 *
 * Return: (transfer full) the element's text, without that namespace's prefix and declaration.
 */
char *vt_metadata_get(const VtDomainDef *def, const char *uri, GError **error);

/**
 * vt_metadata_set - put, replace or (with NULL) remove the element of one namespace
 * @def:   the domain; its team_policies follow when @uri is ours
 * @key:   prefix to write it with; needed unless @xml is NULL
 * @uri:   the namespace
 * @xml:   (nullable) one element; what has no namespace in it gets @uri
 * @error: (out) INVALID_ARG (@key, @uri), XML (@xml), XML_DETAIL (our element is wrong, or does not fit @def)
 *
 * Return: FALSE with @def as it was.
 * Source: libvirt, virDomainSetMetadata.
 */
gboolean vt_metadata_set(VtDomainDef *def, const char *key, const char *uri, const char *xml, GError **error);
