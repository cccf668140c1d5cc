/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/chardev.h"

#include <string.h>
#include <sys/un.h>

#include "conf/address.h"
#include "util/enum.h"
#include "util/i18n.h"

#define CHARDEV_PORT_MAX  31  /* of a virtio-serial controller, and far more than ISA has */
#define CHARDEV_ISA_PORTS 4   /* COM1 to COM4 */
#define CHARDEV_NAME_MAX  255 /* of a virtio-serial port */

static const char *const chardev_types[] = {
    [VT_CHAR_PTY] = "pty",
    [VT_CHAR_FILE] = "file",
    [VT_CHAR_NULL] = "null",
    [VT_CHAR_UNIX] = "unix",
};
VT_ENUM_TABLE(chardev_types, VT_CHAR_COUNT);

static const VtXmlEnum chardev_type_enum = {
    .names = chardev_types,
    .count = G_N_ELEMENTS(chardev_types),
    .refused = "dev vc pipe stdio udp tcp spicevmc spiceport nmdm qemu-vdagent dbus",
};

static const char *const chardev_elements[] = {
    [VT_CHAR_ROLE_SERIAL] = "serial",
    [VT_CHAR_ROLE_CONSOLE] = "console",
    [VT_CHAR_ROLE_CHANNEL] = "channel",
};

/* tty= and state= stand in live XML only. */
static const VtElementSchema chardev_schemas[] = {
    [VT_CHAR_ROLE_SERIAL] = { .attrs = "type tty", .children = "source log target alias address" },
    [VT_CHAR_ROLE_CONSOLE] = { .attrs = "type tty", .children = "source log target alias address" },
    [VT_CHAR_ROLE_CHANNEL] = { .attrs = "type", .children = "source log target alias address" },
};
static const VtElementSchema chardev_target_schemas[] = {
    [VT_CHAR_ROLE_SERIAL] = { .attrs = "type port", .children = "model" },
    [VT_CHAR_ROLE_CONSOLE] = { .attrs = "type port" },
    [VT_CHAR_ROLE_CHANNEL] = { .attrs = "type name state" },
};
static const struct {
    const char *allowed, *refused;
} chardev_target_types[] = {
    [VT_CHAR_ROLE_SERIAL] = { "isa-serial",
                              "usb-serial pci-serial spapr-vio-serial system-serial sclp-serial "
                              "isa-debug" },
    [VT_CHAR_ROLE_CONSOLE] = { "serial virtio", "xen uml openvz lxc sclp sclplm" },
    [VT_CHAR_ROLE_CHANNEL] = { "virtio", "guestfwd xen" },
};
static const VtElementSchema chardev_source_schemas[] = {
    [VT_CHAR_PTY] = { .attrs = "path" },
    [VT_CHAR_FILE] = { .attrs = "path append" },
    [VT_CHAR_NULL] = { 0 },
    [VT_CHAR_UNIX] = { .attrs = "path mode" },
};
VT_ENUM_TABLE(chardev_source_schemas, VT_CHAR_COUNT);
static const VtElementSchema chardev_model_schema = { .attrs = "name" };
static const VtElementSchema chardev_log_schema = { .attrs = "file append" };

/* Paths that libvirt makes up for a channel while a guest runs; they are no part of a definition. */
static gboolean
chardev_path_is_automatic(const char *path)
{
    return g_str_has_prefix(path, "/var/lib/libvirt/qemu/channel/target/") ||
           g_str_has_prefix(path, "/run/libvirt/qemu/channel/");
}

static gboolean
chardev_check_path(VtParseContext *ctx, const xmlNode *node, const char *attr, const char *path, gsize max)
{
    g_autofree char *shown = vt_xml_shown(path);

    if (!g_path_is_absolute(path))
        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                              _("%s='%s' is no absolute path: begin it with '/'"), attr, shown);
    if (strlen(path) > max)
        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                              _("%s='%s' is longer than %" G_GSIZE_FORMAT " characters"), attr, shown, max);
    return TRUE;
}

static gboolean
chardev_parse_mode(VtParseContext *ctx, const xmlNode *node, VtCharDef *chr)
{
    g_autofree char *mode = NULL;
    gboolean ok = vt_xml_attr_choice(ctx->problems, node, "mode", "bind connect", NULL, &mode);

    chr->listen = g_strcmp0(mode, "bind") == 0;
    return ok;
}

static gboolean
chardev_parse_source(VtParseContext *ctx, const xmlNode *node, VtCharDef *chr)
{
    gboolean ok = vt_element_check(ctx, node, &chardev_source_schemas[chr->type]);
    g_autofree char *path = vt_xml_attr(node, "path");

    if (chr->type == VT_CHAR_FILE)
        ok &= vt_parse_on_off(ctx, node, "append", &chr->append);
    if (chr->type == VT_CHAR_UNIX)
        ok &= chardev_parse_mode(ctx, node, chr);
    if (!path || !*path || chr->type == VT_CHAR_NULL)
        return ok;
    if (!(ctx->flags & VT_PARSE_STATUS) && (chr->type == VT_CHAR_PTY || chardev_path_is_automatic(path)))
        return ok;
    ok &= chardev_check_path(ctx, node, "path", path,
                             chr->type == VT_CHAR_UNIX ? sizeof(((struct sockaddr_un *)0)->sun_path) - 1
                                                       : 4095);
    chr->path = g_steal_pointer(&path);
    return ok;
}

static gboolean
chardev_parse_log(VtParseContext *ctx, const xmlNode *node, VtCharDef *chr)
{
    gboolean ok = vt_element_check(ctx, node, &chardev_log_schema);

    ok &= vt_parse_on_off(ctx, node, "append", &chr->log_append);
    return vt_xml_attr_required(ctx->problems, node, "file", &chr->log_file) &&
           chardev_check_path(ctx, node, "file", chr->log_file, 4095) && ok;
}

static gboolean
chardev_parse_model(VtParseContext *ctx, const xmlNode *target, VtCharDef *chr)
{
    const xmlNode *model = vt_xml_child(target, "model");
    gboolean ok;

    if (chr->role != VT_CHAR_ROLE_SERIAL || !model)
        return TRUE;
    ok = vt_element_check(ctx, model, &chardev_model_schema);
    return vt_xml_attr_choice(ctx->problems, model, "name", "isa-serial",
                              "usb-serial pci-serial spapr-vty pl011 sclpconsole sclplmconsole 16550a "
                              "isa-debugcon",
                              &chr->target_model) &&
           ok;
}

static gboolean
chardev_parse_target(VtParseContext *ctx, const xmlNode *node, VtCharDef *chr)
{
    gboolean ok = vt_element_check(ctx, node, &chardev_target_schemas[chr->role]);
    guint port = 0;

    ok &= vt_xml_attr_choice(ctx->problems, node, "type", chardev_target_types[chr->role].allowed,
                             chardev_target_types[chr->role].refused, &chr->target_type);
    ok &= chardev_parse_model(ctx, node, chr);
    if (chr->role == VT_CHAR_ROLE_CHANNEL) {
        chr->target_name = vt_xml_attr(node, "name");
        if (chr->target_name && (!*chr->target_name || strlen(chr->target_name) > CHARDEV_NAME_MAX))
            ok = vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                                _("name= must have 1 to %d characters"), CHARDEV_NAME_MAX);
    } else if (xmlHasProp((xmlNode *)node, BAD_CAST "port")) {
        if (!vt_xml_attr_uint(ctx->problems, node, "port", 0, CHARDEV_PORT_MAX, &port))
            return FALSE;
        chr->target_port = (int)port;
    }
    return ok;
}

/* What libvirt says for a guest of this architecture where the XML is silent. */
static gboolean
chardev_complete_target(VtParseContext *ctx, const xmlNode *node, VtCharDef *chr)
{
    const xmlNode *target = vt_xml_child(node, "target");

    switch (chr->role) {
    case VT_CHAR_ROLE_SERIAL:
        if (!chr->target_type)
            chr->target_type = g_strdup("isa-serial");
        if (!chr->target_model)
            chr->target_model = g_strdup("isa-serial");
        return TRUE;
    case VT_CHAR_ROLE_CONSOLE:
        if (!chr->target_type)
            chr->target_type = g_strdup("serial");
        return TRUE;
    case VT_CHAR_ROLE_CHANNEL:
        break;
    }
    if (chr->target_type)
        return TRUE;
    chr->target_type = g_strdup("virtio");
    if (target && xmlHasProp((xmlNode *)target, BAD_CAST "type"))
        return TRUE; /* it was refused */
    return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                          _("<target type=''> is missing: say <target type='virtio' name='...'/>"));
}

static gboolean
chardev_role_of(const xmlNode *node, VtCharRole *role)
{
    int index = vt_enum_value(chardev_elements, G_N_ELEMENTS(chardev_elements), (const char *)node->name);

    *role = index < 0 ? VT_CHAR_ROLE_SERIAL : (VtCharRole)index;
    return index >= 0;
}

gboolean
vt_chardev_parse(VtParseContext *ctx, xmlNode *node, VtCharDef **out)
{
    g_autoptr(VtCharDef) chr = g_new0(VtCharDef, 1);
    const xmlNode *source = vt_xml_child(node, "source");
    const xmlNode *target = vt_xml_child(node, "target");
    const xmlNode *log = vt_xml_child(node, "log");
    g_autofree char *text = NULL;
    gboolean ok;
    int type = -1;

    *out = NULL;
    if (!chardev_role_of(node, &chr->role))
        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                              _("is neither <serial> nor <console> nor <channel>"));
    ok = vt_element_check(ctx, node, &chardev_schemas[chr->role]);
    /* Without its type nothing else can be judged. */
    if (!vt_xml_attr_required(ctx->problems, node, "type", &text) ||
        !vt_xml_attr_enum(ctx->problems, node, "type", &chardev_type_enum, &type))
        return FALSE;
    chr->type = (VtCharType)type;
    chr->target_port = -1;
    vt_device_info_init(&chr->info);
    if (source)
        ok &= chardev_parse_source(ctx, source, chr);
    if (log)
        ok &= chardev_parse_log(ctx, log, chr);
    if (target)
        ok &= chardev_parse_target(ctx, target, chr);
    ok &= chardev_complete_target(ctx, node, chr);
    /* Where libvirt chooses the path it also listens there. */
    if (chr->type == VT_CHAR_UNIX && !chr->path)
        chr->listen = TRUE;
    ok &= vt_device_info_parse(ctx, node, &chr->info);
    *out = g_steal_pointer(&chr);
    return ok;
}

/* ---- validation ---- */

static void
chardev_validate_path(VtParseContext *ctx, const VtCharDef *chr)
{
    const char *element = chardev_elements[chr->role];

    if (chr->type == VT_CHAR_FILE && !chr->path)
        vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, element, chr->info.line,
                         _("<source path=''> is missing, which type='file' needs"));
    if (chr->type == VT_CHAR_UNIX && !chr->path && chr->role != VT_CHAR_ROLE_CHANNEL)
        vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, element, chr->info.line,
                         _("<source mode='' path=''> is missing, which type='unix' needs"));
}

static gboolean
chardev_same_place(const VtCharDef *a, const VtCharDef *b)
{
    const VtAddress *x = &a->info.address, *y = &b->info.address;

    return x->type == VT_ADDRESS_VIRTIO_SERIAL && y->type == VT_ADDRESS_VIRTIO_SERIAL &&
           x->controller == y->controller && x->bus == y->bus && x->unit == y->unit;
}

static void
chardev_validate_pair(VtParseContext *ctx, const VtCharDef *chr, const VtCharDef *other)
{
    const char *element = chardev_elements[chr->role];

    if (chr->role != VT_CHAR_ROLE_CHANNEL && chr->target_port >= 0 &&
        chr->target_port == other->target_port && g_strcmp0(chr->target_type, other->target_type) == 0)
        vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, element, chr->info.line,
                         _("<target port='%d'> is taken by another <%s>: choose another number"),
                         chr->target_port, element);
    if (chr->target_name && g_strcmp0(chr->target_name, other->target_name) == 0)
        vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, element, chr->info.line,
                         _("<target name='%s'> is taken by another <channel>: choose another name"),
                         chr->target_name);
    if (chardev_same_place(chr, other))
        vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, element, chr->info.line,
                         _("the virtio-serial address controller='%u' bus='%u' port='%u' is taken by another "
                           "<%s>"),
                         chr->info.address.controller, chr->info.address.bus, chr->info.address.unit,
                         element);
}

static const GPtrArray *
chardev_list(const VtDomainDef *def, VtCharRole role)
{
    switch (role) {
    case VT_CHAR_ROLE_SERIAL:
        return def->serials;
    case VT_CHAR_ROLE_CONSOLE:
        return def->consoles;
    case VT_CHAR_ROLE_CHANNEL:
        break;
    }
    return def->channels;
}

void
vt_chardev_validate(VtParseContext *ctx, const VtDomainDef *def, const VtCharDef *chr)
{
    const GPtrArray *list = chardev_list(def, chr->role);

    chardev_validate_path(ctx, chr);
    if (chr->role == VT_CHAR_ROLE_SERIAL && chr->target_port >= CHARDEV_ISA_PORTS)
        vt_parse_problem(ctx, VT_ERROR_CONFIG_UNSUPPORTED, "serial", chr->info.line,
                         _("<target port='%d'>: a guest has at most %d ISA serial ports, 0 to %d"),
                         chr->target_port, CHARDEV_ISA_PORTS, CHARDEV_ISA_PORTS - 1);
    for (guint i = 0; i < list->len; i++) {
        const VtCharDef *other = g_ptr_array_index(list, i);

        if (other == chr)
            return;
        chardev_validate_pair(ctx, chr, other);
    }
}

/* ---- format ---- */

static void
chardev_format_source(VtXmlWriter *writer, const VtCharDef *chr, gboolean live)
{
    if (!chr->path)
        return;
    switch (chr->type) {
    case VT_CHAR_PTY:
        if (live)
            vt_xml_writer_empty(writer, "source", "path", chr->path, NULL);
        return;
    case VT_CHAR_FILE:
        vt_xml_writer_empty(writer, "source", "path", chr->path, "append", vt_tristate_on_off(chr->append),
                            NULL);
        return;
    case VT_CHAR_UNIX:
        vt_xml_writer_empty(writer, "source", "mode", chr->listen ? "bind" : "connect", "path", chr->path,
                            NULL);
        return;
    case VT_CHAR_NULL:
    case VT_CHAR_COUNT:
        return;
    }
}

static void
chardev_format_target(VtXmlWriter *writer, const VtCharDef *chr)
{
    vt_xml_writer_start(writer, "target");
    vt_xml_writer_attr(writer, "type", chr->target_type);
    vt_xml_writer_attr(writer, "name", chr->target_name);
    if (chr->target_port >= 0)
        vt_xml_writer_attrf(writer, "port", "%d", chr->target_port);
    if (chr->role == VT_CHAR_ROLE_SERIAL)
        vt_xml_writer_optional(writer, "model", "name", chr->target_model, NULL);
    vt_xml_writer_end(writer);
}

void
vt_chardev_format(VtXmlWriter *writer, const VtCharDef *chr, guint flags)
{
    gboolean live = !(flags & VT_XML_FORMAT_INACTIVE);

    vt_xml_writer_start(writer, chardev_elements[chr->role]);
    vt_xml_writer_attr(writer, "type", vt_enum_name(chardev_types, VT_CHAR_COUNT, chr->type));
    if (live && chr->role == VT_CHAR_ROLE_CONSOLE && chr->type == VT_CHAR_PTY)
        vt_xml_writer_attr(writer, "tty", chr->path);
    chardev_format_source(writer, chr, live);
    vt_xml_writer_optional(writer, "log", "file", chr->log_file, "append",
                           vt_tristate_on_off(chr->log_append), NULL);
    chardev_format_target(writer, chr);
    vt_device_info_format(writer, &chr->info, flags);
    vt_xml_writer_end(writer);
}
