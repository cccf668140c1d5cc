/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/virtualport.h"

#include <string.h>

#include "util/i18n.h"
#include "util/ident.h"

#define VIRTUALPORT_PROFILE_MAX 39 /* libvirt's limit */

static const char *const virtualport_types[] = { "openvswitch" };
static const VtXmlEnum virtualport_type_enum = {
    .names = virtualport_types,
    .count = G_N_ELEMENTS(virtualport_types),
    .refused = "802.1Qbg 802.1Qbh midonet",
};
static const VtElementSchema virtualport_schema = { .attrs = "type", .children = "parameters" };
static const VtElementSchema virtualport_parameters_schema = { .attrs = "interfaceid profileid" };

static gboolean
virtualport_parse_id(VtParseContext *ctx, const xmlNode *parameters, char **id)
{
    g_autofree char *text = vt_xml_attr(parameters, "interfaceid");
    g_autofree char *shown = text ? vt_xml_shown(text) : NULL;
    char buffer[VT_UUID_STRING_SIZE];
    VtUuid uuid;

    if (!text)
        return TRUE;
    if (!vt_uuid_parse(text, &uuid))
        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, parameters,
                              _("interfaceid='%s' is no UUID, e.g. '09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f'"),
                              shown);
    *id = g_strdup(vt_uuid_format(&uuid, buffer));
    return TRUE;
}

/* It goes into a command's argument: what a database's string may hold, without what would need quoting. */
static gboolean
virtualport_parse_profile(VtParseContext *ctx, const xmlNode *parameters, char **profile)
{
    g_autofree char *text = vt_xml_attr(parameters, "profileid");
    g_autofree char *shown = text ? vt_xml_shown(text) : NULL;

    if (!text)
        return TRUE;
    if (!*text || strlen(text) > VIRTUALPORT_PROFILE_MAX || strpbrk(text, "\"\\\r\n"))
        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, parameters,
                              _("profileid='%s' cannot be used: 1 to %d characters without quotes, "
                                "backslashes and line ends"),
                              shown, VIRTUALPORT_PROFILE_MAX);
    *profile = g_steal_pointer(&text);
    return TRUE;
}

gboolean
vt_virtualport_parse(VtParseContext *ctx, const xmlNode *node, VtVirtualPort *port)
{
    const xmlNode *parameters = vt_xml_child(node, "parameters");
    gboolean ok = vt_element_check(ctx, node, &virtualport_schema);
    g_autofree char *text = NULL;
    int type = -1;

    if (!vt_xml_attr_required(ctx->problems, node, "type", &text) ||
        !vt_xml_attr_enum(ctx->problems, node, "type", &virtualport_type_enum, &type))
        return FALSE;
    port->openvswitch = TRUE;
    if (parameters) {
        ok &= vt_element_check(ctx, parameters, &virtualport_parameters_schema);
        ok &= virtualport_parse_id(ctx, parameters, &port->interface_id);
        ok &= virtualport_parse_profile(ctx, parameters, &port->profile_id);
    }
    if (!port->interface_id && !(ctx->flags & VT_PARSE_STATUS)) {
        char buffer[VT_UUID_STRING_SIZE];
        VtUuid uuid;

        vt_uuid_generate(&uuid);
        port->interface_id = g_strdup(vt_uuid_format(&uuid, buffer));
    }
    return ok;
}

void
vt_virtualport_format(VtXmlWriter *writer, const VtVirtualPort *port, guint flags)
{
    if (!port->openvswitch || (!port->interface_id && !(flags & VT_XML_FORMAT_STATUS)))
        return;
    vt_xml_writer_start(writer, "virtualport");
    vt_xml_writer_attr(writer, "type", virtualport_types[0]);
    vt_xml_writer_optional(writer, "parameters", "interfaceid", port->interface_id, "profileid",
                           port->profile_id, NULL);
    vt_xml_writer_end(writer);
}
