/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/address.h"

#include <string.h>

#include "util/i18n.h"

#define ADDRESS_ALIAS_MAX 128

/* ---- <address> ---- */

static const char *const address_type_names[] = {
    [VT_ADDRESS_NONE] = NULL, [VT_ADDRESS_PCI] = "pci",     [VT_ADDRESS_ISA] = "isa",
    [VT_ADDRESS_USB] = "usb", [VT_ADDRESS_DRIVE] = "drive", [VT_ADDRESS_VIRTIO_SERIAL] = "virtio-serial",
};

static const VtXmlEnum address_types = {
    address_type_names,
    G_N_ELEMENTS(address_type_names),
    "ccid spapr-vio ccw virtio-mmio s390 dimm mdev unassigned",
};

static const VtElementSchema address_schemas[] = {
    [VT_ADDRESS_NONE] = { .attrs = "type" },
    [VT_ADDRESS_PCI] = { .attrs = "type domain bus slot function multifunction" },
    [VT_ADDRESS_ISA] = { .attrs = "type" },
    [VT_ADDRESS_USB] = { .attrs = "type bus port" },
    [VT_ADDRESS_DRIVE] = { .attrs = "type controller bus target unit" },
    [VT_ADDRESS_VIRTIO_SERIAL] = { .attrs = "type controller bus port" },
};

static gboolean
address_parse_pci(VtParseContext *ctx, const xmlNode *node, VtPciAddress *out)
{
    VtTristate multifunction = VT_TRISTATE_DEFAULT;
    gboolean ok = vt_xml_attr_hex(ctx->problems, node, "domain", 0xffff, &out->domain);

    ok &= vt_xml_attr_hex(ctx->problems, node, "bus", 0xff, &out->bus);
    ok &= vt_xml_attr_hex(ctx->problems, node, "slot", 0x1f, &out->slot);
    ok &= vt_xml_attr_hex(ctx->problems, node, "function", 7, &out->function);
    ok &= vt_parse_on_off(ctx, node, "multifunction", &multifunction);
    out->multifunction = multifunction == VT_TRISTATE_YES;
    return ok;
}

/* "2" or "1.2.4": the ports on the way through hubs. */
static gboolean
address_usb_port_valid(const char *port)
{
    guint digits = 0, parts = 1;

    for (const char *p = port; *p; p++) {
        if (g_ascii_isdigit(*p) && digits < 3) {
            digits++;
        } else if (*p == '.' && digits > 0 && parts < 4) {
            digits = 0;
            parts++;
        } else {
            return FALSE;
        }
    }
    return digits > 0;
}

static gboolean
address_parse_usb(VtParseContext *ctx, const xmlNode *node, VtAddress *out)
{
    g_autofree char *port = vt_xml_attr(node, "port");
    gboolean ok = vt_xml_attr_uint(ctx->problems, node, "bus", 0, 255, &out->bus);

    if (port && !address_usb_port_valid(port)) {
        g_autofree char *shown = vt_xml_shown(port);

        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                              _("port='%s' is not a USB port like '1.2'"), shown);
    }
    out->port = g_steal_pointer(&port);
    return ok;
}

static gboolean
address_parse_numbers(VtParseContext *ctx, const xmlNode *node, VtAddress *out)
{
    gboolean ok = vt_xml_attr_uint(ctx->problems, node, "controller", 0, 255, &out->controller);

    ok &= vt_xml_attr_uint(ctx->problems, node, "bus", 0, 255, &out->bus);
    ok &= vt_xml_attr_uint(ctx->problems, node, "target", 0, 255, &out->target);
    ok &= vt_xml_attr_uint(ctx->problems, node, out->type == VT_ADDRESS_DRIVE ? "unit" : "port", 0, 511,
                           &out->unit);
    return ok;
}

static gboolean
address_parse(VtParseContext *ctx, const xmlNode *node, VtAddress *out)
{
    int type = VT_ADDRESS_NONE;

    if (!vt_xml_attr_enum(ctx->problems, node, "type", &address_types, &type))
        return FALSE;
    if (type == VT_ADDRESS_NONE)
        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node, _("the attribute 'type' is missing"));
    if (!vt_element_check(ctx, node, &address_schemas[type]))
        return FALSE;
    out->type = (VtAddressType)type;
    if (type == VT_ADDRESS_PCI) {
        if (!address_parse_pci(ctx, node, &out->pci)) {
            out->type = VT_ADDRESS_NONE; /* so that nothing is judged by half an address */
            return FALSE;
        }
        /* Function 0 of slot 0 of bus 0 is the host bridge: libvirt's way of saying "any". */
        if (!out->pci.domain && !out->pci.bus && !out->pci.slot && !out->pci.function)
            out->type = VT_ADDRESS_NONE;
        return TRUE;
    }
    if (type == VT_ADDRESS_USB)
        return address_parse_usb(ctx, node, out);
    return type == VT_ADDRESS_ISA || address_parse_numbers(ctx, node, out);
}

static void
address_format(VtXmlWriter *writer, const VtAddress *address)
{
    if (address->type == VT_ADDRESS_NONE)
        return;
    vt_xml_writer_start(writer, "address");
    vt_xml_writer_attr(writer, "type", address_type_names[address->type]);
    if (address->type == VT_ADDRESS_PCI) {
        vt_xml_writer_attrf(writer, "domain", "0x%04x", address->pci.domain);
        vt_xml_writer_attrf(writer, "bus", "0x%02x", address->pci.bus);
        vt_xml_writer_attrf(writer, "slot", "0x%02x", address->pci.slot);
        vt_xml_writer_attrf(writer, "function", "0x%x", address->pci.function);
        vt_xml_writer_attr(writer, "multifunction", address->pci.multifunction ? "on" : NULL);
    } else if (address->type == VT_ADDRESS_USB) {
        vt_xml_writer_attrf(writer, "bus", "%u", address->bus);
        vt_xml_writer_attr(writer, "port", address->port);
    } else if (address->type == VT_ADDRESS_DRIVE) {
        vt_xml_writer_attrf(writer, "controller", "%u", address->controller);
        vt_xml_writer_attrf(writer, "bus", "%u", address->bus);
        vt_xml_writer_attrf(writer, "target", "%u", address->target);
        vt_xml_writer_attrf(writer, "unit", "%u", address->unit);
    } else if (address->type == VT_ADDRESS_VIRTIO_SERIAL) {
        vt_xml_writer_attrf(writer, "controller", "%u", address->controller);
        vt_xml_writer_attrf(writer, "bus", "%u", address->bus);
        vt_xml_writer_attrf(writer, "port", "%u", address->unit);
    }
    vt_xml_writer_end(writer);
}

/* ---- alias, boot, rom ---- */

static gboolean
address_parse_alias(VtParseContext *ctx, const xmlNode *node, VtDeviceInfo *info)
{
    static const VtElementSchema schema = { .attrs = "name" };
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    g_autofree char *name = NULL;
    gboolean user;

    if (!vt_element_check(ctx, node, &schema) || !vt_xml_attr_required(ctx->problems, node, "name", &name))
        return FALSE;
    user = g_str_has_prefix(name, "ua-");
    if (!user && !(ctx->flags & (VT_PARSE_STATUS | VT_PARSE_DEVICE)))
        return TRUE; /* libvirt numbers its own aliases anew, too */
    if (user && (strspn(name, allowed) != strlen(name) || strlen(name) > ADDRESS_ALIAS_MAX || !name[3])) {
        g_autofree char *shown = vt_xml_shown(name);

        return vt_xml_problem(
            ctx->problems, VT_ERROR_XML_DETAIL, node,
            _("name='%s' is not an alias: after 'ua-' use up to %d letters, digits, '_' and '-'"), shown,
            ADDRESS_ALIAS_MAX - 3);
    }
    info->user_alias = user;
    g_free(info->alias);
    info->alias = g_steal_pointer(&name);
    return TRUE;
}

static gboolean
address_parse_rom(VtParseContext *ctx, const xmlNode *node, VtDeviceInfo *info)
{
    static const VtElementSchema schema = { .attrs = "bar file enabled" };
    gboolean ok = vt_element_check(ctx, node, &schema);

    ok &= vt_xml_attr_flag(ctx->problems, node, "bar", "on off", &info->rom_bar);
    ok &= vt_xml_attr_flag(ctx->problems, node, "enabled", "yes no", &info->rom_enabled);
    g_free(info->rom_file);
    info->rom_file = vt_xml_attr(node, "file");
    if (info->rom_enabled == 0 && (info->rom_bar == 1 || (info->rom_file && *info->rom_file)))
        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                              _("enabled='no' contradicts bar='on' and file=: remove one of them"));
    return ok;
}

gboolean
vt_device_info_parse(VtParseContext *ctx, const xmlNode *node, VtDeviceInfo *info)
{
    static const VtElementSchema boot_schema = { .attrs = "order" };
    xmlNode *address = vt_xml_child(node, "address");
    xmlNode *alias = vt_xml_child(node, "alias");
    xmlNode *boot = vt_xml_child(node, "boot");
    xmlNode *rom = vt_xml_child(node, "rom");
    gboolean ok = TRUE;

    info->line = vt_xml_line(node);
    if (alias)
        ok &= address_parse_alias(ctx, alias, info);
    if (boot) {
        ok &= vt_element_check(ctx, boot, &boot_schema);
        ok &= vt_xml_attr_uint(ctx->problems, boot, "order", 1, 1024, &info->boot_order);
        if (!xmlHasProp(boot, BAD_CAST "order"))
            ok = vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, boot,
                                _("the attribute 'order' is missing"));
    }
    if (rom)
        ok &= address_parse_rom(ctx, rom, info);
    if (address)
        ok &= address_parse(ctx, address, &info->address);
    return ok;
}

void
vt_device_info_format(VtXmlWriter *writer, const VtDeviceInfo *info, guint flags)
{
    static const char *const on_off[] = { "off", "on" };
    static const char *const yes_no[] = { "no", "yes" };

    if (info->boot_order) {
        vt_xml_writer_start(writer, "boot");
        vt_xml_writer_attr_uint(writer, "order", info->boot_order);
        vt_xml_writer_end(writer);
    }
    if (info->alias && (info->user_alias || !(flags & VT_XML_FORMAT_INACTIVE)))
        vt_xml_writer_empty(writer, "alias", "name", info->alias, NULL);
    vt_xml_writer_optional(writer, "rom", "enabled", info->rom_enabled < 0 ? NULL : yes_no[info->rom_enabled],
                           "bar", info->rom_bar < 0 ? NULL : on_off[info->rom_bar], "file", info->rom_file,
                           NULL);
    address_format(writer, &info->address);
}

/* ---- host functions ---- */

gboolean
vt_host_pci_parse(VtParseContext *ctx, const xmlNode *node, VtHostPci *out)
{
    static const VtElementSchema schema = { .attrs = "type domain bus slot function" };
    static const char *const needed[] = { "bus", "slot", "function" };
    g_autofree char *type = NULL;
    gboolean ok = vt_element_check(ctx, node, &schema);

    ok &= vt_xml_attr_choice(ctx->problems, node, "type", "pci", "usb drive ccw mdev", &type);
    for (gsize i = 0; i < G_N_ELEMENTS(needed); i++)
        if (!xmlHasProp(node, BAD_CAST needed[i]))
            ok = vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node, _("the attribute '%s' is missing"),
                                needed[i]);
    ok &= vt_xml_attr_hex(ctx->problems, node, "domain", 0xffffffff, &out->domain);
    ok &= vt_xml_attr_hex(ctx->problems, node, "bus", 0xff, &out->bus);
    ok &= vt_xml_attr_hex(ctx->problems, node, "slot", 0x1f, &out->slot);
    ok &= vt_xml_attr_hex(ctx->problems, node, "function", 7, &out->function);
    return ok;
}

void
vt_host_pci_format(VtXmlWriter *writer, const VtHostPci *host, gboolean with_type)
{
    vt_xml_writer_start(writer, "address");
    vt_xml_writer_attr(writer, "type", with_type ? "pci" : NULL);
    vt_xml_writer_attrf(writer, "domain", "0x%04x", host->domain);
    vt_xml_writer_attrf(writer, "bus", "0x%02x", host->bus);
    vt_xml_writer_attrf(writer, "slot", "0x%02x", host->slot);
    vt_xml_writer_attrf(writer, "function", "0x%x", host->function);
    vt_xml_writer_end(writer);
}

VtPciBdf
vt_host_pci_bdf(const VtHostPci *host)
{
    return (VtPciBdf){ host->domain, (guint8)host->bus, (guint8)host->slot, (guint8)host->function };
}

char *
vt_host_pci_to_string(const VtHostPci *host)
{
    return g_strdup_printf("%04x:%02x:%02x.%x", host->domain, host->bus, host->slot, host->function);
}

char *
vt_pci_address_to_string(const VtPciAddress *address)
{
    return g_strdup_printf("%04x:%02x:%02x.%x", address->domain, address->bus, address->slot,
                           address->function);
}

gboolean
vt_pci_address_equal(const VtPciAddress *a, const VtPciAddress *b)
{
    return a->domain == b->domain && a->bus == b->bus && a->slot == b->slot && a->function == b->function;
}

gboolean
vt_host_pci_equal(const VtHostPci *a, const VtHostPci *b)
{
    return a->domain == b->domain && a->bus == b->bus && a->slot == b->slot && a->function == b->function;
}

/* ---- which functions are taken ---- */

struct _VtPciSet {
    GHashTable *holders; /* "0000:01:00.0" -> name */
};

VtPciSet *
vt_pci_set_new(void)
{
    VtPciSet *set = g_new0(VtPciSet, 1);

    set->holders = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return set;
}

void
vt_pci_set_free(VtPciSet *set)
{
    if (!set)
        return;
    g_hash_table_unref(set->holders);
    g_free(set);
}

gboolean
vt_pci_set_add(VtPciSet *set, const VtPciAddress *address, const char *name, const char **holder)
{
    g_autofree char *key = vt_pci_address_to_string(address);
    const char *there = g_hash_table_lookup(set->holders, key);

    if (there) {
        if (holder)
            *holder = there;
        return FALSE;
    }
    g_hash_table_insert(set->holders, g_steal_pointer(&key), g_strdup(name));
    return TRUE;
}

void
vt_pci_set_remove(VtPciSet *set, const VtPciAddress *address)
{
    g_autofree char *key = vt_pci_address_to_string(address);

    g_hash_table_remove(set->holders, key);
}

gboolean
vt_pci_set_has_slot(const VtPciSet *set, const VtPciAddress *address)
{
    VtPciAddress each = *address;

    for (each.function = 0; each.function < 8; each.function++) {
        g_autofree char *key = vt_pci_address_to_string(&each);

        if (g_hash_table_contains(set->holders, key))
            return TRUE;
    }
    return FALSE;
}

/* ---- walking ---- */

gboolean
vt_device_info_foreach(const VtDomainDef *def, VtDeviceInfoFunc func, gpointer user)
{
    const struct {
        const char *element;
        const GPtrArray *devices;
        gsize info;
    } lists[] = {
        { "disk", def->disks, G_STRUCT_OFFSET(VtDiskDef, info) },
        { "controller", def->controllers, G_STRUCT_OFFSET(VtControllerDef, info) },
        { "interface", def->nets, G_STRUCT_OFFSET(VtNetDef, info) },
        { "serial", def->serials, G_STRUCT_OFFSET(VtCharDef, info) },
        { "console", def->consoles, G_STRUCT_OFFSET(VtCharDef, info) },
        { "channel", def->channels, G_STRUCT_OFFSET(VtCharDef, info) },
        { "input", def->inputs, G_STRUCT_OFFSET(VtInputDef, info) },
        { "hostdev", def->hostdevs, G_STRUCT_OFFSET(VtHostdevDef, info) },
        { "watchdog", def->watchdogs, G_STRUCT_OFFSET(VtWatchdogDef, info) },
        { "rng", def->rngs, G_STRUCT_OFFSET(VtRngDef, info) },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(lists); i++) {
        for (guint j = 0; j < lists[i].devices->len; j++) {
            guchar *device = lists[i].devices->pdata[j];

            if (!func(lists[i].element, (VtDeviceInfo *)(device + lists[i].info), device, user))
                return FALSE;
        }
        if (strcmp(lists[i].element, "watchdog") == 0 && def->memballoon &&
            !func("memballoon", &def->memballoon->info, def->memballoon, user))
            return FALSE;
    }
    return TRUE;
}
