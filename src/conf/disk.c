/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/disk.h"

#include <string.h>

#include "conf/address.h"
#include "util/i18n.h"

#define DISK_SERIAL_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_ .+"

static const VtElementSchema disk_schema = {
    .attrs = "type device",
    .children = "driver source backingStore target readonly shareable serial boot alias address",
};
static const VtElementSchema disk_driver_schema = {
    .attrs = "name type cache io discard detect_zeroes queues",
};
/* index= numbers the images of a running guest; it stands in live XML only. */
static const VtElementSchema disk_source_schema = { .attrs = "file index" };
static const VtElementSchema disk_target_schema = { .attrs = "dev bus" };
static const VtElementSchema disk_flag_schema = { 0 };
static const VtElementSchema disk_serial_schema = { .text = TRUE };

static gboolean
disk_parse_driver(VtParseContext *ctx, const xmlNode *node, VtDiskDef *disk)
{
    GPtrArray *problems = ctx->problems;
    gboolean ok = vt_element_check(ctx, node, &disk_driver_schema);

    ok &= vt_xml_attr_choice(problems, node, "name", "qemu", "tap tap2 phy file vbd", &disk->driver_name);
    ok &= vt_xml_attr_choice(problems, node, "type", "raw qcow2",
                             "qcow qed vmdk vdi vpc vhdx luks bochs cloop dmg cow ploop iso dir fat vhd",
                             &disk->format);
    ok &= vt_xml_attr_choice(problems, node, "cache", "default none writethrough writeback directsync unsafe",
                             NULL, &disk->cache);
    ok &= vt_xml_attr_choice(problems, node, "io", "native threads io_uring", NULL, &disk->io);
    ok &= vt_xml_attr_choice(problems, node, "discard", "unmap ignore", NULL, &disk->discard);
    ok &= vt_xml_attr_choice(problems, node, "detect_zeroes", "off on unmap", NULL, &disk->detect_zeroes);
    ok &= vt_xml_attr_uint(problems, node, "queues", 1, 1024, &disk->queues);
    return ok;
}

static gboolean
disk_parse_source(VtParseContext *ctx, const xmlNode *node, VtDiskDef *disk)
{
    gboolean ok = vt_element_check(ctx, node, &disk_source_schema);

    disk->source_file = vt_xml_attr(node, "file");
    if (disk->source_file && !*disk->source_file)
        g_clear_pointer(&disk->source_file, g_free);
    if (disk->source_file && !g_path_is_absolute(disk->source_file)) {
        g_autofree char *shown = vt_xml_shown(disk->source_file);

        ok = vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                            _("file='%s' is no absolute path: begin it with '/'"), shown);
    }
    return ok;
}

/* Live XML has <backingStore/> for "no backing file"; a chain that is written out is not read. */
static gboolean
disk_check_backing(VtParseContext *ctx, const xmlNode *node)
{
    if (!node || (!node->properties && !vt_xml_child(node, NULL)))
        return TRUE;
    return vt_xml_problem(ctx->problems, VT_ERROR_CONFIG_UNSUPPORTED, node,
                          _("a written-out backing chain is not supported by virtteam: remove it, QEMU "
                            "follows what the image itself says"));
}

static const char *
disk_bus_of_name(const char *dev)
{
    static const struct {
        const char *prefix, *bus;
    } table[] = {
        { .prefix = "vd", .bus = "virtio" },
        { .prefix = "sd", .bus = "scsi" },
        { .prefix = "fd", .bus = "fdc" },
        { .prefix = "xvd", .bus = "xen" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(table); i++)
        if (g_str_has_prefix(dev, table[i].prefix))
            return table[i].bus;
    return "ide";
}

/* "a" is 0, "z" 25, "aa" 26; -1 where the name is not a prefix and letters. */
static int
disk_index_of_name(const char *dev)
{
    const char *p = dev + (g_str_has_prefix(dev, "xvd") ? 3 : strlen(dev) < 2 ? strlen(dev) : 2);
    int index = 0;

    if (!g_str_has_prefix(dev, "vd") && !g_str_has_prefix(dev, "sd") && !g_str_has_prefix(dev, "hd") &&
        !g_str_has_prefix(dev, "xvd") && !g_str_has_prefix(dev, "fd"))
        return -1;
    if (!*p || strlen(p) > 3)
        return -1;
    for (; *p; p++) {
        if (*p < 'a' || *p > 'z')
            return -1;
        index = index * 26 + (*p - 'a') + 1;
    }
    return index - 1;
}

static gboolean
disk_parse_target(VtParseContext *ctx, const xmlNode *node, VtDiskDef *disk)
{
    gboolean ok = vt_element_check(ctx, node, &disk_target_schema);
    g_autofree char *shown = NULL;

    if (!vt_xml_attr_required(ctx->problems, node, "dev", &disk->target_dev))
        return FALSE;
    shown = vt_xml_shown(disk->target_dev);
    if (disk_index_of_name(disk->target_dev) < 0)
        ok = vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                            _("dev='%s' is no disk's name: say 'vda', 'vdb', ... or 'sda', ..."), shown);
    if (!vt_xml_attr_choice(ctx->problems, node, "bus", "virtio sata", "ide fdc scsi xen usb uml sd none",
                            &disk->bus))
        return FALSE;
    if (disk->bus)
        return ok;
    disk->bus = g_strdup(disk_bus_of_name(disk->target_dev));
    if (!vt_xml_word_in(disk->bus, "virtio sata"))
        ok = vt_xml_problem(ctx->problems, VT_ERROR_CONFIG_UNSUPPORTED, node,
                            _("dev='%s' without bus= means the bus '%s', which is not supported by "
                              "virtteam: say bus='virtio' or bus='sata'"),
                            shown, disk->bus);
    return ok;
}

/* libvirt gives a SATA disk the place that its name says: six to a controller. */
static void
disk_place_by_name(VtDiskDef *disk)
{
    int index = disk->target_dev ? disk_index_of_name(disk->target_dev) : -1;

    if (index < 0 || g_strcmp0(disk->bus, "sata") != 0 || disk->info.address.type != VT_ADDRESS_NONE)
        return;
    disk->info.address.type = VT_ADDRESS_DRIVE;
    disk->info.address.controller = index / 6;
    disk->info.address.unit = index % 6;
}

static gboolean
disk_parse_flag(VtParseContext *ctx, const xmlNode *node, const char *name, gboolean *out)
{
    const xmlNode *child = vt_xml_child(node, name);

    if (!child)
        return TRUE;
    *out = TRUE;
    return vt_element_check(ctx, child, &disk_flag_schema);
}

static gboolean
disk_parse_serial(VtParseContext *ctx, const xmlNode *node, VtDiskDef *disk)
{
    gboolean ok = vt_element_check(ctx, node, &disk_serial_schema);
    g_autofree char *text = g_strstrip(vt_xml_text(node));
    g_autofree char *shown = vt_xml_shown(text);

    if (!*text)
        return ok;
    if (strspn(text, DISK_SERIAL_CHARS) != strlen(text) || strlen(text) > 255)
        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                              _("'%s' cannot be a serial number: use up to 255 letters, digits, blanks and "
                                "-_.+"),
                              shown);
    disk->serial = g_steal_pointer(&text);
    return ok;
}

static gboolean
disk_parse_children(VtParseContext *ctx, const xmlNode *node, VtDiskDef *disk)
{
    static const struct {
        const char *name;
        gboolean (*parse)(VtParseContext *ctx, const xmlNode *node, VtDiskDef *disk);
    } table[] = {
        { .name = "driver", .parse = disk_parse_driver },
        { .name = "source", .parse = disk_parse_source },
        { .name = "target", .parse = disk_parse_target },
        { .name = "serial", .parse = disk_parse_serial },
    };
    gboolean ok = TRUE;

    for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
        const xmlNode *child = vt_xml_child(node, table[i].name);

        if (child)
            ok &= table[i].parse(ctx, child, disk);
    }
    if (!vt_xml_child(node, "target"))
        ok = vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                            _("<target dev=''> is missing: say what the guest shall call it, e.g. 'vda'"));
    return ok;
}

gboolean
vt_disk_parse(VtParseContext *ctx, xmlNode *node, VtDiskDef **out)
{
    g_autoptr(VtDiskDef) disk = g_new0(VtDiskDef, 1);
    g_autofree char *type = NULL;
    gboolean ok = vt_element_check(ctx, node, &disk_schema);

    *out = NULL;
    /* What a disk of another type holds is refused with the type. */
    if (!vt_xml_attr_choice(ctx->problems, node, "type", "file",
                            "block dir network volume nvme vhostuser vhostvdpa", &type))
        return FALSE;
    vt_device_info_init(&disk->info);
    ok &= vt_xml_attr_choice(ctx->problems, node, "device", "disk cdrom", "floppy lun", &disk->device);
    if (!disk->device)
        disk->device = g_strdup("disk");
    ok &= disk_parse_children(ctx, node, disk);
    ok &= disk_check_backing(ctx, vt_xml_child(node, "backingStore"));
    ok &= disk_parse_flag(ctx, node, "readonly", &disk->readonly);
    ok &= disk_parse_flag(ctx, node, "shareable", &disk->shareable);
    ok &= vt_device_info_parse(ctx, node, &disk->info);
    if (!disk->driver_name)
        disk->driver_name = g_strdup("qemu");
    if (!disk->format)
        disk->format = g_strdup("raw");
    if (strcmp(disk->device, "cdrom") == 0)
        disk->readonly = TRUE;
    disk_place_by_name(disk);
    *out = g_steal_pointer(&disk);
    return ok;
}

static void
disk_validate_driver(VtParseContext *ctx, const VtDiskDef *disk)
{
    int line = disk->info.line;

    if (disk->queues > 0 && g_strcmp0(disk->bus, "virtio") != 0)
        vt_parse_problem(ctx, VT_ERROR_CONFIG_UNSUPPORTED, "disk", line,
                         _("queues='%u' works with bus='virtio' only: remove it"), disk->queues);
    if (g_strcmp0(disk->io, "native") == 0 && g_strcmp0(disk->cache, "none") != 0 &&
        g_strcmp0(disk->cache, "directsync") != 0)
        vt_parse_problem(ctx, VT_ERROR_CONFIG_UNSUPPORTED, "disk", line,
                         _("io='native' needs cache='none' or cache='directsync'"));
    if (disk->shareable && !disk->readonly && g_strcmp0(disk->format, "raw") != 0)
        vt_parse_problem(ctx, VT_ERROR_CONFIG_UNSUPPORTED, "disk", line,
                         _("<shareable/> is safe with the format 'raw' only, not with '%s'"), disk->format);
}

static gboolean
disk_same_drive(const VtAddress *a, const VtAddress *b)
{
    return a->type == VT_ADDRESS_DRIVE && b->type == VT_ADDRESS_DRIVE && a->controller == b->controller &&
           a->bus == b->bus && a->target == b->target && a->unit == b->unit;
}

/* Only the later of two that clash is told, so that a pair is one problem. */
static void
disk_validate_others(VtParseContext *ctx, const VtDomainDef *def, const VtDiskDef *disk)
{
    for (guint i = 0; i < def->disks->len; i++) {
        const VtDiskDef *other = g_ptr_array_index(def->disks, i);

        if (other == disk)
            return;
        if (disk->target_dev && g_strcmp0(other->target_dev, disk->target_dev) == 0)
            vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "disk", disk->info.line,
                             _("target dev='%s' is taken by the disk '%s': choose another name"),
                             disk->target_dev, other->source_file ? other->source_file : "(empty)");
        else if (disk_same_drive(&other->info.address, &disk->info.address))
            vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "disk", disk->info.line,
                             _("the drive address controller='%u' bus='%u' target='%u' unit='%u' is taken "
                               "by the disk '%s'"),
                             disk->info.address.controller, disk->info.address.bus, disk->info.address.target,
                             disk->info.address.unit, other->target_dev);
    }
}

void
vt_disk_validate(VtParseContext *ctx, const VtDomainDef *def, const VtDiskDef *disk)
{
    gboolean cdrom = g_strcmp0(disk->device, "cdrom") == 0;
    int line = disk->info.line;

    if (!disk->source_file && !cdrom)
        vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "disk", line,
                         _("<source file=''> is missing: only a cdrom can be empty"));
    if (cdrom && g_strcmp0(disk->bus, "virtio") == 0)
        vt_parse_problem(ctx, VT_ERROR_CONFIG_UNSUPPORTED, "disk", line,
                         _("device='cdrom' cannot be on bus='virtio': say bus='sata'"));
    if (g_strcmp0(disk->bus, "virtio") == 0 && disk->info.address.type != VT_ADDRESS_NONE &&
        disk->info.address.type != VT_ADDRESS_PCI)
        vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "disk", line,
                         _("bus='virtio' needs <address type='pci'>: correct or remove the address"));
    if (g_strcmp0(disk->bus, "sata") == 0 && disk->info.address.type != VT_ADDRESS_DRIVE)
        vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "disk", line,
                         _("bus='sata' needs <address type='drive'>: correct or remove the address"));
    if (g_strcmp0(disk->bus, "sata") == 0 && disk->info.address.type == VT_ADDRESS_DRIVE &&
        (disk->info.address.bus != 0 || disk->info.address.target != 0 || disk->info.address.unit > 5))
        vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "disk", line,
                         _("a SATA disk's address has bus='0', target='0' and unit='0' to '5'"));
    disk_validate_driver(ctx, disk);
    disk_validate_others(ctx, def, disk);
}

static void
disk_format_driver(VtXmlWriter *writer, const VtDiskDef *disk)
{
    vt_xml_writer_start(writer, "driver");
    vt_xml_writer_attr(writer, "name", disk->driver_name);
    vt_xml_writer_attr(writer, "type", disk->format);
    vt_xml_writer_attr(writer, "cache", disk->cache);
    vt_xml_writer_attr(writer, "io", disk->io);
    vt_xml_writer_attr(writer, "discard", disk->discard);
    vt_xml_writer_attr(writer, "detect_zeroes", disk->detect_zeroes);
    vt_xml_writer_attr_uint(writer, "queues", disk->queues);
    vt_xml_writer_end(writer);
}

void
vt_disk_format(VtXmlWriter *writer, const VtDiskDef *disk, guint flags)
{
    vt_xml_writer_start(writer, "disk");
    vt_xml_writer_attr(writer, "type", "file");
    vt_xml_writer_attr(writer, "device", disk->device);
    disk_format_driver(writer, disk);
    vt_xml_writer_optional(writer, "source", "file", disk->source_file, NULL);
    vt_xml_writer_empty(writer, "target", "dev", disk->target_dev, "bus", disk->bus, NULL);
    if (disk->readonly)
        vt_xml_writer_empty(writer, "readonly", NULL);
    if (disk->shareable)
        vt_xml_writer_empty(writer, "shareable", NULL);
    vt_xml_writer_text(writer, "serial", disk->serial);
    vt_device_info_format(writer, &disk->info, flags);
    vt_xml_writer_end(writer);
}
