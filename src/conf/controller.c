/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/controller.h"

#include <string.h>

#include "conf/address.h"
#include "util/enum.h"
#include "util/i18n.h"

#define CONTROLLER_INDEX_MAX 255

static const char *const controller_type_names[] = {
    [VT_CONTROLLER_PCI] = "pci",
    [VT_CONTROLLER_USB] = "usb",
    [VT_CONTROLLER_SATA] = "sata",
    [VT_CONTROLLER_VIRTIO_SERIAL] = "virtio-serial",
};
VT_ENUM_TABLE(controller_type_names, VT_CONTROLLER_COUNT);

/* What each type can be. A PCI controller's default is found by its index and address: QEMU's business. */
static const struct {
    const char *models;
    const char *refused;
    VtElementSchema schema;
} controller_types[] = {
    [VT_CONTROLLER_PCI] = {
        .models = "pcie-root pci-root pcie-root-port pcie-to-pci-bridge",
        .refused = "pci-bridge dmi-to-pci-bridge pcie-switch-upstream-port pcie-switch-downstream-port "
                   "pci-expander-bus pcie-expander-bus",
        .schema = { .attrs = "type index model", .children = "model target alias address" },
    },
    [VT_CONTROLLER_USB] = {
        .models = "none qemu-xhci nec-xhci piix3-uhci piix4-uhci ehci ich9-ehci1 ich9-uhci1 ich9-uhci2 ich9-uhci3",
        .refused = "vt82c686b-uhci pci-ohci qusb1 qusb2",
        .schema = { .attrs = "type index model ports", .children = "alias address" },
    },
    [VT_CONTROLLER_SATA] = {
        .schema = { .attrs = "type index", .children = "alias address" },
    },
    [VT_CONTROLLER_VIRTIO_SERIAL] = {
        .schema = { .attrs = "type index ports", .children = "alias address" },
    },
};
VT_ENUM_TABLE(controller_types, VT_CONTROLLER_COUNT);

const char *
vt_controller_type_name(VtControllerType type)
{
    return controller_type_names[type];
}

static gboolean
controller_parse_pci(VtParseContext *ctx, const xmlNode *node, VtControllerDef *controller)
{
    static const VtElementSchema model_schema = { .attrs = "name" };
    static const VtElementSchema target_schema = { .attrs = "chassis port hotplug" };
    const xmlNode *model = vt_xml_child(node, "model");
    const xmlNode *target = vt_xml_child(node, "target");
    guint chassis = G_MAXUINT, port = G_MAXUINT;
    gboolean ok = TRUE;

    if (model) {
        ok &= vt_element_check(ctx, model, &model_schema);
        ok &= vt_xml_attr_choice(
            ctx->problems, model, "name", "pcie-root-port pcie-pci-bridge",
            "ioh3420 i82801b11-bridge pci-bridge pxb pxb-pcie x3130-upstream xio3130-downstream",
            &controller->model_name);
    }
    if (target) {
        ok &= vt_element_check(ctx, target, &target_schema);
        ok &= vt_xml_attr_uint(ctx->problems, target, "chassis", 0, 255, &chassis);
        ok &= vt_xml_attr_hex(ctx->problems, target, "port", 255, &port);
        ok &= vt_parse_on_off(ctx, target, "hotplug", &controller->target_hotplug);
    }
    controller->target_chassis = chassis == G_MAXUINT ? -1 : (int)chassis;
    controller->target_port = port == G_MAXUINT ? -1 : (int)port;
    return ok;
}

gboolean
vt_controller_parse(VtParseContext *ctx, xmlNode *node, VtControllerDef **out)
{
    static const VtXmlEnum types = {
        controller_type_names,
        G_N_ELEMENTS(controller_type_names),
        "ide fdc scsi ccid xenbus isa nvme",
    };
    g_autoptr(VtControllerDef) controller = NULL;
    guint index = G_MAXUINT;
    int type = -1;
    gboolean ok;

    if (!vt_xml_attr_enum(ctx->problems, node, "type", &types, &type))
        return FALSE;
    if (type < 0)
        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node, _("the attribute 'type' is missing"));
    controller = vt_controller_def_new((VtControllerType)type);
    ok = vt_element_check(ctx, node, &controller_types[type].schema);
    ok &= vt_device_info_parse(ctx, node, &controller->info);
    ok &= vt_xml_attr_uint(ctx->problems, node, "index", 0, CONTROLLER_INDEX_MAX, &index);
    controller->index = index == G_MAXUINT ? -1 : (int)index;
    if (controller_types[type].models)
        ok &= vt_xml_attr_choice(ctx->problems, node, "model", controller_types[type].models,
                                 controller_types[type].refused, &controller->model);
    if (type == VT_CONTROLLER_PCI)
        ok &= controller_parse_pci(ctx, node, controller);
    if (type == VT_CONTROLLER_USB)
        ok &= vt_xml_attr_uint(ctx->problems, node, "ports", 1, 15, &controller->ports);
    if (type == VT_CONTROLLER_VIRTIO_SERIAL)
        ok &= vt_xml_attr_uint(ctx->problems, node, "ports", 1, 511, &controller->ports);
    *out = g_steal_pointer(&controller);
    return ok;
}

void
vt_controller_format(VtXmlWriter *writer, const VtControllerDef *controller, guint flags)
{
    vt_xml_writer_start(writer, "controller");
    vt_xml_writer_attr(writer, "type", controller_type_names[controller->type]);
    if (controller->index >= 0)
        vt_xml_writer_attrf(writer, "index", "%d", controller->index);
    vt_xml_writer_attr(writer, "model", controller->model);
    vt_xml_writer_attr_uint(writer, "ports", controller->ports);
    vt_xml_writer_optional(writer, "model", "name", controller->model_name, NULL);
    if (controller->target_chassis >= 0 || controller->target_port >= 0 || controller->target_hotplug) {
        vt_xml_writer_start(writer, "target");
        if (controller->target_chassis >= 0)
            vt_xml_writer_attrf(writer, "chassis", "%d", controller->target_chassis);
        if (controller->target_port >= 0)
            vt_xml_writer_attrf(writer, "port", "0x%x", (guint)controller->target_port);
        vt_xml_writer_attr(writer, "hotplug", vt_tristate_on_off(controller->target_hotplug));
        vt_xml_writer_end(writer);
    }
    vt_device_info_format(writer, &controller->info, flags);
    vt_xml_writer_end(writer);
}

VtControllerDef *
vt_controller_find(const VtDomainDef *def, VtControllerType type, int index)
{
    for (guint i = 0; i < def->controllers->len; i++) {
        VtControllerDef *controller = def->controllers->pdata[i];

        if (controller->type == type && controller->index == index)
            return controller;
    }
    return NULL;
}

/* ---- rules ---- */

static gboolean
controller_is_pci_root(const VtControllerDef *controller)
{
    return controller->model && vt_xml_word_in(controller->model, "pcie-root pci-root");
}

static void
controller_validate_pci(VtParseContext *ctx, const VtControllerDef *controller)
{
    int line = controller->info.line;
    gboolean is_port = g_strcmp0(controller->model, "pcie-root-port") == 0;

    if (!controller->model) {
        vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "controller", line,
                         _("type='pci' needs a model=, such as 'pcie-root-port'"));
        return;
    }
    if (controller->index >= 0 && controller_is_pci_root(controller) != (controller->index == 0))
        vt_parse_problem(
            ctx, VT_ERROR_XML_DETAIL, "controller", line,
            _("index='%d' and model='%s' do not fit: the root bus has index 0, and no other has"),
            controller->index, controller->model);
    if (controller_is_pci_root(controller) && controller->info.address.type != VT_ADDRESS_NONE)
        vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "controller", line,
                         _("the root bus has no <address>: remove it"));
    if (!is_port &&
        (controller->target_chassis >= 0 || controller->target_port >= 0 || controller->target_hotplug))
        vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "controller", line,
                         _("<target> belongs to model='pcie-root-port', not to '%s'"), controller->model);
    if (controller->model_name &&
        strcmp(controller->model_name, is_port ? "pcie-root-port" : "pcie-pci-bridge") != 0)
        vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "controller", line,
                         _("<model name='%s'/> does not fit model='%s'"), controller->model_name,
                         controller->model);
}

void
vt_controller_validate(VtParseContext *ctx, const VtDomainDef *def, const VtControllerDef *controller)
{
    const VtControllerDef *first =
        controller->index >= 0 ? vt_controller_find(def, controller->type, controller->index) : NULL;

    /* The companions of an EHCI controller share its index, at functions of the same slot. */
    if (first && first != controller &&
        !(controller->type == VT_CONTROLLER_USB && controller->model &&
          g_str_has_prefix(controller->model, "ich9-")))
        vt_parse_problem(
            ctx, VT_ERROR_XML_DETAIL, "controller", controller->info.line,
            _("type='%s' index='%d' stands at line %d, too: give this one another index, or none"),
            controller_type_names[controller->type], controller->index, first->info.line);
    if (controller->type == VT_CONTROLLER_PCI)
        controller_validate_pci(ctx, controller);
    if (controller->type != VT_CONTROLLER_PCI && controller->info.address.type != VT_ADDRESS_NONE &&
        controller->info.address.type != VT_ADDRESS_PCI)
        vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "controller", controller->info.line,
                         _("a controller's <address> must be of type='pci'"));
}
