/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/misc-dev.h"

#include <string.h>

#include "conf/address.h"
#include "util/i18n.h"

#define MISC_DEV_VIRTIO_REFUSED "virtio-transitional virtio-non-transitional"

static const VtElementSchema misc_dev_balloon_schema = {
    .attrs = "model autodeflate freePageReporting",
    .children = "stats alias address",
};
static const VtElementSchema misc_dev_stats_schema = { .attrs = "period" };
static const VtElementSchema misc_dev_rng_schema = {
    .attrs = "model",
    .children = "rate backend alias address",
};
static const VtElementSchema misc_dev_rate_schema = { .attrs = "bytes period" };
static const VtElementSchema misc_dev_backend_schema = { .attrs = "model", .text = TRUE };
static const VtElementSchema misc_dev_input_schema = { .attrs = "type bus", .children = "alias address" };
static const VtElementSchema misc_dev_watchdog_schema = {
    .attrs = "model action",
    .children = "alias address",
};
static const VtElementSchema misc_dev_audio_schema = { .attrs = "id type" };

/* An attribute that must be there and be one of some words. */
static gboolean
misc_dev_choice(VtParseContext *ctx, const xmlNode *node, const char *name, const char *allowed,
                const char *refused, char **out)
{
    g_autofree char *text = NULL;

    return vt_xml_attr_required(ctx->problems, node, name, &text) &&
           vt_xml_attr_choice(ctx->problems, node, name, allowed, refused, out);
}

static void
misc_dev_validate_pci(VtParseContext *ctx, const char *element, const VtDeviceInfo *info)
{
    if (info->address.type != VT_ADDRESS_NONE && info->address.type != VT_ADDRESS_PCI)
        vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, element, info->line,
                         _("this device needs <address type='pci'>: correct or remove the address"));
}

/* ---- <memballoon> ---- */

gboolean
vt_misc_dev_parse_memballoon(VtParseContext *ctx, xmlNode *node, VtMemballoonDef **out)
{
    g_autoptr(VtMemballoonDef) balloon = g_new0(VtMemballoonDef, 1);
    const xmlNode *stats = vt_xml_child(node, "stats");
    gboolean ok = vt_element_check(ctx, node, &misc_dev_balloon_schema);
    guint period = 0;

    vt_device_info_init(&balloon->info);
    ok &= misc_dev_choice(ctx, node, "model", "virtio none", "xen " MISC_DEV_VIRTIO_REFUSED, &balloon->model);
    if (!balloon->model)
        balloon->model = g_strdup("virtio");
    ok &= vt_parse_on_off(ctx, node, "autodeflate", &balloon->autodeflate);
    ok &= vt_parse_on_off(ctx, node, "freePageReporting", &balloon->free_page_reporting);
    if (stats) {
        ok &= vt_element_check(ctx, stats, &misc_dev_stats_schema);
        ok &= vt_xml_attr_uint(ctx->problems, stats, "period", 0, G_MAXINT, &period);
        balloon->stats_period = (int)period;
    }
    ok &= vt_device_info_parse(ctx, node, &balloon->info);
    *out = g_steal_pointer(&balloon);
    return ok;
}

void
vt_misc_dev_validate_memballoon(VtParseContext *ctx, const VtDomainDef *def, const VtMemballoonDef *balloon)
{
    gboolean none = g_strcmp0(balloon->model, "none") == 0;

    if (none && (balloon->autodeflate == VT_TRISTATE_YES || balloon->free_page_reporting == VT_TRISTATE_YES ||
                 balloon->stats_period > 0))
        vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "memballoon", balloon->info.line,
                         _("autodeflate=, freePageReporting= and <stats> mean nothing with model='none'"));
    if (none && balloon->info.address.type != VT_ADDRESS_NONE)
        vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "memballoon", balloon->info.line,
                         _("<address> means nothing with model='none': remove it"));
    misc_dev_validate_pci(ctx, "memballoon", &balloon->info);
}

void
vt_misc_dev_format_memballoon(VtXmlWriter *writer, const VtMemballoonDef *balloon, guint flags)
{
    vt_xml_writer_start(writer, "memballoon");
    vt_xml_writer_attr(writer, "model", balloon->model);
    vt_xml_writer_attr(writer, "autodeflate", vt_tristate_on_off(balloon->autodeflate));
    vt_xml_writer_attr(writer, "freePageReporting", vt_tristate_on_off(balloon->free_page_reporting));
    if (balloon->stats_period > 0) {
        vt_xml_writer_start(writer, "stats");
        vt_xml_writer_attr_uint(writer, "period", (guint)balloon->stats_period);
        vt_xml_writer_end(writer);
    }
    vt_device_info_format(writer, &balloon->info, flags);
    vt_xml_writer_end(writer);
}

/* ---- <rng> ---- */

static gboolean
misc_dev_parse_backend(VtParseContext *ctx, const xmlNode *node, VtRngDef *rng)
{
    g_autofree char *text = NULL;
    gboolean ok;

    /* What an egd backend holds is refused with its model. */
    if (!misc_dev_choice(ctx, node, "model", "random builtin", "egd", &rng->backend_model))
        return FALSE;
    ok = vt_element_check(ctx, node, &misc_dev_backend_schema);
    text = g_strstrip(vt_xml_text(node));
    if (strcmp(rng->backend_model, "builtin") == 0) {
        if (*text)
            ok = vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                                _("model='builtin' takes no path: remove the text"));
        return ok;
    }
    rng->backend_path = g_strdup(*text ? text : "/dev/random");
    if (!g_path_is_absolute(rng->backend_path)) {
        g_autofree char *shown = vt_xml_shown(rng->backend_path);

        ok = vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                            _("'%s' is no path of a device: say e.g. '/dev/urandom'"), shown);
    }
    return ok;
}

gboolean
vt_misc_dev_parse_rng(VtParseContext *ctx, xmlNode *node, VtRngDef **out)
{
    g_autoptr(VtRngDef) rng = g_new0(VtRngDef, 1);
    const xmlNode *rate = vt_xml_child(node, "rate");
    const xmlNode *backend = vt_xml_child(node, "backend");
    gboolean ok = vt_element_check(ctx, node, &misc_dev_rng_schema);

    vt_device_info_init(&rng->info);
    ok &= misc_dev_choice(ctx, node, "model", "virtio", MISC_DEV_VIRTIO_REFUSED, &rng->model);
    if (rate) {
        g_autofree char *bytes = NULL;

        ok &= vt_element_check(ctx, rate, &misc_dev_rate_schema);
        ok &= vt_xml_attr_required(ctx->problems, rate, "bytes", &bytes) &&
              vt_xml_attr_uint(ctx->problems, rate, "bytes", 1, G_MAXUINT, &rng->rate_bytes);
        ok &= vt_xml_attr_uint(ctx->problems, rate, "period", 1, G_MAXUINT, &rng->rate_period_ms);
    }
    if (backend)
        ok &= misc_dev_parse_backend(ctx, backend, rng);
    else
        ok = vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                            _("<backend> is missing: say <backend model='random'>/dev/urandom</backend>"));
    ok &= vt_device_info_parse(ctx, node, &rng->info);
    *out = g_steal_pointer(&rng);
    return ok;
}

void
vt_misc_dev_validate_rng(VtParseContext *ctx, const VtDomainDef *def, const VtRngDef *rng)
{
    misc_dev_validate_pci(ctx, "rng", &rng->info);
}

void
vt_misc_dev_format_rng(VtXmlWriter *writer, const VtRngDef *rng, guint flags)
{
    vt_xml_writer_start(writer, "rng");
    vt_xml_writer_attr(writer, "model", rng->model);
    if (rng->rate_bytes > 0) {
        vt_xml_writer_start(writer, "rate");
        vt_xml_writer_attr_uint(writer, "bytes", rng->rate_bytes);
        vt_xml_writer_attr_uint(writer, "period", rng->rate_period_ms);
        vt_xml_writer_end(writer);
    }
    vt_xml_writer_start(writer, "backend");
    vt_xml_writer_attr(writer, "model", rng->backend_model);
    if (rng->backend_path)
        vt_xml_writer_end_text(writer, rng->backend_path);
    else
        vt_xml_writer_end(writer);
    vt_device_info_format(writer, &rng->info, flags);
    vt_xml_writer_end(writer);
}

/* ---- <input> ---- */

gboolean
vt_misc_dev_parse_input(VtParseContext *ctx, xmlNode *node, VtInputDef **out)
{
    g_autoptr(VtInputDef) input = g_new0(VtInputDef, 1);
    gboolean ok = vt_element_check(ctx, node, &misc_dev_input_schema);

    vt_device_info_init(&input->info);
    ok &= misc_dev_choice(ctx, node, "type", "mouse keyboard tablet", "passthrough evdev", &input->type);
    ok &= vt_xml_attr_choice(ctx->problems, node, "bus", "ps2 usb virtio", "xen parallels none", &input->bus);
    if (!input->bus)
        input->bus = g_strdup(g_strcmp0(input->type, "tablet") == 0 ? "usb" : "ps2");
    ok &= vt_device_info_parse(ctx, node, &input->info);
    *out = g_steal_pointer(&input);
    return ok;
}

void
vt_misc_dev_validate_input(VtParseContext *ctx, const VtDomainDef *def, const VtInputDef *input)
{
    VtAddressType address = input->info.address.type;

    if (g_strcmp0(input->type, "tablet") == 0 && g_strcmp0(input->bus, "ps2") == 0)
        vt_parse_problem(ctx, VT_ERROR_CONFIG_UNSUPPORTED, "input", input->info.line,
                         _("there is no tablet on bus='ps2': say bus='usb' or bus='virtio'"));
    if (g_strcmp0(input->bus, "usb") == 0) {
        if (address != VT_ADDRESS_NONE && address != VT_ADDRESS_USB)
            vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "input", input->info.line,
                             _("bus='usb' needs <address type='usb'>: correct or remove the address"));
    } else if (g_strcmp0(input->bus, "virtio") == 0) {
        misc_dev_validate_pci(ctx, "input", &input->info);
    } else if (address != VT_ADDRESS_NONE) {
        vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "input", input->info.line,
                         _("<address> means nothing with bus='ps2': remove it"));
    }
}

void
vt_misc_dev_format_input(VtXmlWriter *writer, const VtInputDef *input, guint flags)
{
    vt_xml_writer_start(writer, "input");
    vt_xml_writer_attr(writer, "type", input->type);
    vt_xml_writer_attr(writer, "bus", input->bus);
    vt_device_info_format(writer, &input->info, flags);
    vt_xml_writer_end(writer);
}

/* ---- <watchdog> ---- */

gboolean
vt_misc_dev_parse_watchdog(VtParseContext *ctx, xmlNode *node, VtWatchdogDef **out)
{
    g_autoptr(VtWatchdogDef) watchdog = g_new0(VtWatchdogDef, 1);
    gboolean ok = vt_element_check(ctx, node, &misc_dev_watchdog_schema);

    vt_device_info_init(&watchdog->info);
    ok &= misc_dev_choice(ctx, node, "model", "itco i6300esb", "ib700 diag288", &watchdog->model);
    ok &= vt_xml_attr_choice(ctx->problems, node, "action", "reset shutdown poweroff pause none inject-nmi",
                             "dump", &watchdog->action);
    if (!watchdog->action)
        watchdog->action = g_strdup("reset");
    ok &= vt_device_info_parse(ctx, node, &watchdog->info);
    *out = g_steal_pointer(&watchdog);
    return ok;
}

void
vt_misc_dev_validate_watchdog(VtParseContext *ctx, const VtDomainDef *def, const VtWatchdogDef *watchdog)
{
    const VtWatchdogDef *first = def->watchdogs->len ? g_ptr_array_index(def->watchdogs, 0) : NULL;

    /* QEMU has one action for all of them. */
    if (first && first != watchdog && g_strcmp0(first->action, watchdog->action) != 0)
        vt_parse_problem(ctx, VT_ERROR_CONFIG_UNSUPPORTED, "watchdog", watchdog->info.line,
                         _("action='%s' differs from the first watchdog's '%s': all must be the same"),
                         watchdog->action, first->action);
    misc_dev_validate_pci(ctx, "watchdog", &watchdog->info);
}

void
vt_misc_dev_format_watchdog(VtXmlWriter *writer, const VtWatchdogDef *watchdog, guint flags)
{
    vt_xml_writer_start(writer, "watchdog");
    vt_xml_writer_attr(writer, "model", watchdog->model);
    vt_xml_writer_attr(writer, "action", watchdog->action);
    vt_device_info_format(writer, &watchdog->info, flags);
    vt_xml_writer_end(writer);
}

/* ---- <audio> ---- */

gboolean
vt_misc_dev_parse_audio(VtParseContext *ctx, xmlNode *node)
{
    g_autofree char *type = NULL;
    g_autofree char *id_text = NULL;
    guint id = 0;
    gboolean ok;

    /* What the other types hold is refused with the type. */
    if (!misc_dev_choice(ctx, node, "type", "none", "alsa coreaudio dbus file jack oss pulseaudio sdl spice",
                         &type))
        return FALSE;
    ok = vt_element_check(ctx, node, &misc_dev_audio_schema);
    return vt_xml_attr_required(ctx->problems, node, "id", &id_text) &&
           vt_xml_attr_uint(ctx->problems, node, "id", 1, 1, &id) && ok;
}

void
vt_misc_dev_format_audio(VtXmlWriter *writer)
{
    vt_xml_writer_empty(writer, "audio", "id", "1", "type", "none", NULL);
}
