/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/element.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "conf/libvirt-names.h"
#include "util/i18n.h"

gboolean
vt_parse_problem(VtParseContext *ctx, VtErrorCode code, const char *element, int line, const char *format,
                 ...)
{
    g_autofree char *text = NULL;
    const xmlNode *child;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    child = line == 0 && ctx->root ? vt_xml_child(ctx->root, element) : NULL;
    if (child)
        line = vt_xml_line(child);
    if (line > 0)
        return vt_xml_problem_add(ctx->problems, code, "<%s> (line %d): %s", element, line, text);
    return vt_xml_problem_add(ctx->problems, code, "<%s>: %s", element, text);
}

static int
element_compare_place(const void *key, const void *row)
{
    return strcmp(key, ((const VtLibvirtName *)row)->place);
}

gboolean
vt_element_known_to_libvirt(const char *parent, const char *element, const char *name)
{
    g_autofree char *place = g_strdup_printf("%s/%s", parent, element);
    const VtLibvirtName *row = bsearch(place, vt_libvirt_names, vt_libvirt_names_count, sizeof(VtLibvirtName),
                                       element_compare_place);

    if (!row)
        return FALSE;
    return *name == '@' ? vt_xml_word_in(name + 1, row->attrs) : vt_xml_word_in(name, row->children);
}

/* Index of a child's name in a schema, -1 when it is not there; @repeats: may stand more than once. */
static int
element_child_index(const char *name, const char *children, gboolean *repeats)
{
    gsize length = strlen(name);
    int index = 0;

    for (const char *p = children ? children : ""; *p; index++) {
        gsize n = strcspn(p, " ");
        gboolean star = n > 0 && p[n - 1] == '*';

        if (n - star == length && strncmp(p, name, length) == 0) {
            *repeats = star;
            return index;
        }
        p += n + (p[n] == ' ');
    }
    return -1;
}

static const char *
element_parent_name(const xmlNode *node)
{
    return node->parent && node->parent->type == XML_ELEMENT_NODE ? (const char *)node->parent->name : "";
}

/* A device that comes alone (attach-device) stands in the schema where a domain has it. */
static gboolean
element_libvirt_has(VtParseContext *ctx, const xmlNode *node, const char *name)
{
    const char *parent = element_parent_name(node);

    if (*parent == '\0' && (ctx->flags & VT_PARSE_DEVICE))
        parent = "devices";
    return vt_element_known_to_libvirt(parent, (const char *)node->name, name);
}

static gboolean
element_check_attr(VtParseContext *ctx, const xmlNode *node, const xmlAttr *attr, const char *allowed)
{
    const char *name = (const char *)attr->name;
    g_autofree char *at_name = g_strconcat("@", name, NULL);
    g_autofree char *shown = vt_xml_shown(name);

    if (attr->ns)
        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                              _("the attribute '%s' has a namespace, which means nothing here: remove it"),
                              shown);
    if (vt_xml_word_in(name, allowed))
        return TRUE;
    if (element_libvirt_has(ctx, node, at_name))
        return vt_xml_problem(ctx->problems, VT_ERROR_CONFIG_UNSUPPORTED, node,
                              _("the attribute '%s' is not supported by virtteam: remove it"), shown);
    return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                          _("the attribute '%s' is unknown: remove it"), shown);
}

static gboolean
element_check_foreign(VtParseContext *ctx, const xmlNode *child)
{
    g_autofree char *name = vt_xml_shown((const char *)child->name);
    g_autofree char *uri = vt_xml_shown(child->ns->href ? (const char *)child->ns->href : "");
    g_autofree char *prefix = vt_xml_shown(child->ns->prefix ? (const char *)child->ns->prefix : "");

    if (g_str_has_prefix(uri, "http://libvirt.org/schemas/domain/"))
        return vt_xml_problem_add(ctx->problems, VT_ERROR_CONFIG_UNSUPPORTED,
                                  _("<%s:%s> (line %d) is not supported by virtteam: remove it"), prefix,
                                  name, vt_xml_line(child));
    return vt_xml_problem_add(ctx->problems, VT_ERROR_XML_DETAIL,
                              _("<%s%s%s> (line %d) is of the namespace '%s', which means nothing outside "
                                "<metadata>: move it there or remove it"),
                              prefix, *prefix ? ":" : "", name, vt_xml_line(child), uri);
}

static gboolean
element_check_child(VtParseContext *ctx, const xmlNode *node, const xmlNode *child,
                    const VtElementSchema *schema, guint64 *seen)
{
    const char *name = (const char *)child->name;
    g_autofree char *shown = vt_xml_shown(name);
    gboolean repeats = FALSE;
    int index;

    if (child->ns)
        return element_check_foreign(ctx, child);
    index = element_child_index(name, schema->children, &repeats);
    if (index >= 0) {
        guint64 bit = G_GUINT64_CONSTANT(1) << (index % 64);

        if ((*seen & bit) && !repeats)
            return vt_xml_problem_add(ctx->problems, VT_ERROR_XML_DETAIL,
                                      _("<%s> (line %d) stands a second time in <%s>: remove one"), shown,
                                      vt_xml_line(child), (const char *)node->name);
        *seen |= bit;
        return TRUE;
    }
    if (element_libvirt_has(ctx, node, name))
        return vt_xml_problem_add(ctx->problems, VT_ERROR_CONFIG_UNSUPPORTED,
                                  _("<%s> (line %d) in <%s> is not supported by virtteam: remove it"), shown,
                                  vt_xml_line(child), (const char *)node->name);
    return vt_xml_problem_add(ctx->problems, VT_ERROR_XML_DETAIL,
                              _("<%s> (line %d) is unknown in <%s>: remove it"), shown, vt_xml_line(child),
                              (const char *)node->name);
}

static gboolean
element_is_blank(const xmlNode *text)
{
    for (const xmlChar *p = text->content; p && *p; p++)
        if (!g_ascii_isspace(*p))
            return FALSE;
    return TRUE;
}

gboolean
vt_element_check(VtParseContext *ctx, const xmlNode *node, const VtElementSchema *schema)
{
    guint64 seen = 0;
    gboolean ok = TRUE, text_told = FALSE;

    for (const xmlAttr *attr = node->properties; attr; attr = attr->next)
        ok &= element_check_attr(ctx, node, attr, schema->attrs);
    for (const xmlNode *child = node->children; child; child = child->next) {
        if (child->type == XML_ELEMENT_NODE) {
            ok &= element_check_child(ctx, node, child, schema, &seen);
        } else if ((child->type == XML_TEXT_NODE || child->type == XML_CDATA_SECTION_NODE) && !schema->text &&
                   !text_told && !element_is_blank(child)) {
            g_autofree char *shown = vt_xml_shown((const char *)child->content);

            text_told = TRUE;
            ok = vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                                _("the text '%s' means nothing here"), g_strstrip(shown));
        }
    }
    return ok;
}

static gboolean
element_parse_flag(VtParseContext *ctx, const xmlNode *node, const char *name, const char *words,
                   VtTristate *out)
{
    int value = -1;

    if (!vt_xml_attr_flag(ctx->problems, node, name, words, &value))
        return FALSE;
    if (value >= 0)
        *out = value ? VT_TRISTATE_YES : VT_TRISTATE_NO;
    return TRUE;
}

gboolean
vt_parse_yes_no(VtParseContext *ctx, const xmlNode *node, const char *name, VtTristate *out)
{
    return element_parse_flag(ctx, node, name, "yes no", out);
}

gboolean
vt_parse_on_off(VtParseContext *ctx, const xmlNode *node, const char *name, VtTristate *out)
{
    return element_parse_flag(ctx, node, name, "on off", out);
}

const char *
vt_tristate_yes_no(VtTristate value)
{
    static const char *const names[] = {
        [VT_TRISTATE_DEFAULT] = NULL,
        [VT_TRISTATE_YES] = "yes",
        [VT_TRISTATE_NO] = "no",
    };

    return names[value];
}

const char *
vt_tristate_on_off(VtTristate value)
{
    static const char *const names[] = {
        [VT_TRISTATE_DEFAULT] = NULL,
        [VT_TRISTATE_YES] = "on",
        [VT_TRISTATE_NO] = "off",
    };

    return names[value];
}
