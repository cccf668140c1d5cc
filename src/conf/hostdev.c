/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/hostdev.h"

#include "conf/address.h"
#include "conf/teaming.h"
#include "util/i18n.h"

static const VtElementSchema hostdev_schema = {
    .attrs = "mode type managed",
    .children = "source driver teaming boot alias rom address",
};
static const VtElementSchema hostdev_driver_schema = { .attrs = "name" };
static const VtElementSchema hostdev_source_schema = { .children = "address" };

static gboolean
hostdev_parse_source(VtParseContext *ctx, const xmlNode *node, VtHostdevDef *hostdev)
{
    const xmlNode *source = vt_xml_child(node, "source");
    const xmlNode *address = source ? vt_xml_child(source, "address") : NULL;
    gboolean ok;

    if (!source)
        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                              _("<source> is missing: say <source><address domain='0x0000' bus='0x..' "
                                "slot='0x..' function='0x.'/></source>"));
    ok = vt_element_check(ctx, source, &hostdev_source_schema);
    if (!address)
        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, source,
                              _("<address domain='' bus='' slot='' function=''/> of the host's PCI function "
                                "is missing"));
    return vt_host_pci_parse(ctx, address, &hostdev->host) && ok;
}

gboolean
vt_hostdev_parse(VtParseContext *ctx, xmlNode *node, VtHostdevDef **out)
{
    g_autoptr(VtHostdevDef) hostdev = g_new0(VtHostdevDef, 1);
    g_autofree char *mode = NULL;
    g_autofree char *type = NULL;
    const xmlNode *driver = vt_xml_child(node, "driver");
    gboolean ok = vt_element_check(ctx, node, &hostdev_schema);
    gboolean type_ok;

    vt_device_info_init(&hostdev->info);
    ok &= vt_xml_attr_choice(ctx->problems, node, "mode", "subsystem", "capabilities", &mode);
    type_ok = vt_xml_attr_choice(ctx->problems, node, "type", "pci",
                                 "usb scsi scsi_host mdev storage misc net", &type);
    if (type_ok && !type)
        type_ok = vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                                 _("the attribute 'type' is missing: say type='pci'"));
    ok &= type_ok;
    ok &= vt_parse_yes_no(ctx, node, "managed", &hostdev->managed);
    if (type_ok)
        ok &= hostdev_parse_source(ctx, node, hostdev);
    if (driver) {
        ok &= vt_element_check(ctx, driver, &hostdev_driver_schema);
        ok &= vt_xml_attr_choice(ctx->problems, driver, "name", "vfio", "kvm xen", &hostdev->driver_name);
    }
    ok &= vt_teaming_parse(ctx, node, &hostdev->teaming);
    ok &= vt_device_info_parse(ctx, node, &hostdev->info);
    *out = g_steal_pointer(&hostdev);
    return ok;
}

void
vt_hostdev_validate(VtParseContext *ctx, const VtDomainDef *def, const VtHostdevDef *hostdev)
{
    g_autofree char *host = vt_host_pci_to_string(&hostdev->host);
    int line = hostdev->info.line;

    if (hostdev->teaming.type == VT_TEAMING_PERSISTENT)
        vt_parse_problem(ctx, VT_ERROR_CONFIG_UNSUPPORTED, "hostdev", line,
                         _("<teaming type='persistent'> belongs into a virtio <interface>: a host device can "
                           "only be the transient"));
    if (hostdev->info.address.type != VT_ADDRESS_NONE && hostdev->info.address.type != VT_ADDRESS_PCI)
        vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "hostdev", line,
                         _("a PCI device needs <address type='pci'>: correct or remove the address"));
    for (guint i = 0; i < def->nets->len; i++) {
        const VtNetDef *net = g_ptr_array_index(def->nets, i);

        if (net->type == VT_NET_HOSTDEV && net->has_host && vt_host_pci_equal(&net->host, &hostdev->host))
            vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "hostdev", line,
                             _("the host's function %s is taken by an <interface> of this domain too"), host);
    }
    for (guint i = 0; i < def->hostdevs->len; i++) {
        const VtHostdevDef *other = g_ptr_array_index(def->hostdevs, i);

        if (other == hostdev)
            return;
        if (vt_host_pci_equal(&other->host, &hostdev->host))
            vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "hostdev", line,
                             _("the host's function %s is taken by another <hostdev> of this domain too"),
                             host);
    }
}

void
vt_hostdev_format(VtXmlWriter *writer, const VtHostdevDef *hostdev, guint flags)
{
    vt_xml_writer_start(writer, "hostdev");
    vt_xml_writer_attr(writer, "mode", "subsystem");
    vt_xml_writer_attr(writer, "type", "pci");
    vt_xml_writer_attr(writer, "managed", hostdev->managed == VT_TRISTATE_YES ? "yes" : "no");
    vt_xml_writer_optional(writer, "driver", "name", hostdev->driver_name, NULL);
    vt_xml_writer_start(writer, "source");
    vt_host_pci_format(writer, &hostdev->host, FALSE);
    vt_xml_writer_end(writer);
    vt_teaming_format(writer, &hostdev->teaming);
    vt_device_info_format(writer, &hostdev->info, flags);
    vt_xml_writer_end(writer);
}
