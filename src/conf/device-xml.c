/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/device-xml.h"

#include <string.h>

#include "util/i18n.h"

/* The element a device is written as. */
static const char *
device_xml_element(const VtDevice *device)
{
    static const char *const roles[] = {
        [VT_CHAR_ROLE_SERIAL] = "serial",
        [VT_CHAR_ROLE_CONSOLE] = "console",
        [VT_CHAR_ROLE_CHANNEL] = "channel",
    };
    static const char *const names[] = {
        [VT_DEVICE_DISK] = "disk",
        [VT_DEVICE_NET] = "interface",
        [VT_DEVICE_HOSTDEV] = "hostdev",
        [VT_DEVICE_CONTROLLER] = "controller",
        [VT_DEVICE_CHAR] = NULL,
        [VT_DEVICE_RNG] = "rng",
        [VT_DEVICE_MEMBALLOON] = "memballoon",
    };

    return device->kind == VT_DEVICE_CHAR ? roles[device->chr->role] : names[device->kind];
}

void
vt_device_free(VtDevice *device)
{
    if (!device)
        return;
    if (device->any)
        vt_devices_element(device_xml_element(device))->free(device->any);
    g_free(device);
}

static gboolean
device_xml_refuse(VtParseContext *ctx, const xmlNode *root)
{
    g_autofree char *name = vt_xml_shown((const char *)root->name);

    if (!root->ns && vt_element_known_to_libvirt("domain", "devices", (const char *)root->name))
        return vt_xml_problem(ctx->problems, VT_ERROR_CONFIG_UNSUPPORTED, root,
                              _("a device of this kind cannot be attached, detached or changed"));
    return vt_xml_problem_add(ctx->problems, VT_ERROR_XML_DETAIL, _("<%s> is not a device"), name);
}

static VtDevice *
device_xml_read(const char *xml, guint flags, GError **error)
{
    g_autoptr(GPtrArray) problems = vt_xml_problems_new();
    VtParseContext ctx = { .problems = problems, .flags = flags };
    g_autoptr(VtXmlDoc) doc = vt_xml_parse(xml, error);
    g_autoptr(VtDevice) device = NULL;
    const VtDevicesElement *element;
    xmlNode *root;

    if (!doc)
        return NULL;
    root = xmlDocGetRootElement(doc);
    element = root->ns ? NULL : vt_devices_element((const char *)root->name);
    if (!element || element->kind < 0) {
        device_xml_refuse(&ctx, root);
    } else {
        device = g_new0(VtDevice, 1);
        device->kind = (VtDeviceKind)element->kind;
        element->parse(&ctx, root, &device->any);
        if (!device->any && problems->len == 0)
            vt_xml_problem(problems, VT_ERROR_INTERNAL, root, _("the device could not be read"));
    }
    if (problems->len > 0) {
        g_propagate_error(error, g_error_copy(problems->pdata[0]));
        return NULL;
    }
    return g_steal_pointer(&device);
}

VtDevice *
vt_device_xml_parse(const char *xml, GError **error)
{
    return device_xml_read(xml, VT_PARSE_DEVICE, error);
}

VtDevice *
vt_device_xml_parse_status(const char *xml, GError **error)
{
    return device_xml_read(xml, VT_PARSE_DEVICE | VT_PARSE_STATUS, error);
}

char *
vt_device_xml_format(const VtDevice *device, guint flags)
{
    g_autoptr(VtXmlWriter) writer = vt_xml_writer_new();

    vt_devices_element(device_xml_element(device))->format(writer, device->any, flags);
    return vt_xml_writer_finish(g_steal_pointer(&writer));
}
