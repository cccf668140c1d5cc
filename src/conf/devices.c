/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/devices.h"

#include <string.h>

#include "conf/chardev.h"
#include "conf/controller.h"
#include "conf/disk.h"
#include "conf/hostdev.h"
#include "conf/misc-dev.h"
#include "conf/net.h"
#include "util/i18n.h"

/* The files' functions are typed; the table's take any device. */
#define DEVICES_GLUE(name, type, parse_func, validate_func, format_func, free_func)                          \
    static gboolean devices_parse_##name(VtParseContext *ctx, xmlNode *node, gpointer *out)                  \
    {                                                                                                        \
        type *device = NULL;                                                                                 \
        gboolean ok = parse_func(ctx, node, &device);                                                        \
                                                                                                             \
        *out = device;                                                                                       \
        return ok;                                                                                           \
    }                                                                                                        \
    static void devices_validate_##name(VtParseContext *ctx, const VtDomainDef *def, gconstpointer device)   \
    {                                                                                                        \
        validate_func(ctx, def, device);                                                                     \
    }                                                                                                        \
    static void devices_format_##name(VtXmlWriter *writer, gconstpointer device, guint flags)                \
    {                                                                                                        \
        format_func(writer, device, flags);                                                                  \
    }                                                                                                        \
    static void devices_free_##name(gpointer device)                                                         \
    {                                                                                                        \
        free_func(device);                                                                                   \
    }

#define DEVICES_ROW(name, element_name, device_kind, array_offset)                                           \
    {                                                                                                        \
        .element = element_name, .kind = device_kind, .array = array_offset, .parse = devices_parse_##name,  \
        .validate = devices_validate_##name, .format = devices_format_##name, .free = devices_free_##name    \
    }

#define AT(member) G_STRUCT_OFFSET(VtDomainDef, member)

DEVICES_GLUE(disk, VtDiskDef, vt_disk_parse, vt_disk_validate, vt_disk_format, vt_disk_def_free)
DEVICES_GLUE(controller, VtControllerDef, vt_controller_parse, vt_controller_validate, vt_controller_format,
             vt_controller_def_free)
DEVICES_GLUE(net, VtNetDef, vt_net_parse, vt_net_validate, vt_net_format, vt_net_def_free)
DEVICES_GLUE(chardev, VtCharDef, vt_chardev_parse, vt_chardev_validate, vt_chardev_format, vt_char_def_free)
DEVICES_GLUE(input, VtInputDef, vt_misc_dev_parse_input, vt_misc_dev_validate_input, vt_misc_dev_format_input,
             vt_input_def_free)
DEVICES_GLUE(hostdev, VtHostdevDef, vt_hostdev_parse, vt_hostdev_validate, vt_hostdev_format,
             vt_hostdev_def_free)
DEVICES_GLUE(watchdog, VtWatchdogDef, vt_misc_dev_parse_watchdog, vt_misc_dev_validate_watchdog,
             vt_misc_dev_format_watchdog, vt_watchdog_def_free)
DEVICES_GLUE(memballoon, VtMemballoonDef, vt_misc_dev_parse_memballoon, vt_misc_dev_validate_memballoon,
             vt_misc_dev_format_memballoon, vt_memballoon_def_free)
DEVICES_GLUE(rng, VtRngDef, vt_misc_dev_parse_rng, vt_misc_dev_validate_rng, vt_misc_dev_format_rng,
             vt_rng_def_free)

/* In the order in which libvirt writes them; <audio> comes before <hostdev>. */
static const VtDevicesElement devices_elements[] = {
    DEVICES_ROW(disk, "disk", VT_DEVICE_DISK, AT(disks)),
    DEVICES_ROW(controller, "controller", VT_DEVICE_CONTROLLER, AT(controllers)),
    DEVICES_ROW(net, "interface", VT_DEVICE_NET, AT(nets)),
    DEVICES_ROW(chardev, "serial", VT_DEVICE_CHAR, AT(serials)),
    DEVICES_ROW(chardev, "console", VT_DEVICE_CHAR, AT(consoles)),
    DEVICES_ROW(chardev, "channel", VT_DEVICE_CHAR, AT(channels)),
    DEVICES_ROW(input, "input", -1, AT(inputs)),
    DEVICES_ROW(hostdev, "hostdev", VT_DEVICE_HOSTDEV, AT(hostdevs)),
    DEVICES_ROW(watchdog, "watchdog", -1, AT(watchdogs)),
    DEVICES_ROW(memballoon, "memballoon", VT_DEVICE_MEMBALLOON, 0),
    DEVICES_ROW(rng, "rng", VT_DEVICE_RNG, AT(rngs)),
};

const VtDevicesElement *
vt_devices_element(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(devices_elements); i++)
        if (strcmp(devices_elements[i].element, name) == 0)
            return &devices_elements[i];
    return NULL;
}

static GPtrArray *
devices_array(const VtDomainDef *def, const VtDevicesElement *element)
{
    return *(GPtrArray **)((guchar *)def + element->array);
}

/* ---- parse ---- */

static gboolean
devices_parse_emulator(VtParseContext *ctx, const xmlNode *node, VtDomainDef *def)
{
    static const VtElementSchema schema = { .text = TRUE };
    g_autofree char *path = g_strstrip(vt_xml_text(node));
    g_autofree char *shown = vt_xml_shown(path);

    if (!vt_element_check(ctx, node, &schema))
        return FALSE;
    if (*path != '/')
        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node, _("'%s' is not an absolute path"),
                              shown);
    g_free(def->emulator);
    def->emulator = g_steal_pointer(&path);
    return TRUE;
}

static gboolean
devices_parse_one(VtParseContext *ctx, xmlNode *node, VtDomainDef *def)
{
    const VtDevicesElement *element = vt_devices_element((const char *)node->name);
    gpointer device = NULL;
    gboolean ok;

    if (!element)
        return TRUE; /* told by the schema */
    ok = element->parse(ctx, node, &device);
    if (!device)
        return ok;
    if (element->array) {
        g_ptr_array_add(devices_array(def, element), device);
    } else {
        vt_memballoon_def_free(def->memballoon);
        def->memballoon = device;
    }
    return ok;
}

gboolean
vt_devices_parse(VtParseContext *ctx, const xmlNode *node, VtDomainDef *def)
{
    static const VtElementSchema schema = {
        .children =
            "emulator disk* controller* interface* serial* console* channel* input* audio hostdev* watchdog* "
            "memballoon rng*",
    };
    gboolean ok = vt_element_check(ctx, node, &schema);
    guint count = 0;

    VT_XML_FOREACH(child, node, NULL)
    {
        if (++count > VT_DEVICES_MAX)
            return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                                  _("there are more than %d devices"), VT_DEVICES_MAX);
        if (vt_xml_is(child, "emulator")) {
            ok &= devices_parse_emulator(ctx, child, def);
        } else if (vt_xml_is(child, "audio")) {
            def->audio_none = TRUE;
            ok &= vt_misc_dev_parse_audio(ctx, child);
        } else {
            ok &= devices_parse_one(ctx, child, def);
        }
    }
    return ok;
}

/* ---- format ---- */

void
vt_devices_format(VtXmlWriter *writer, const VtDomainDef *def, guint flags)
{
    vt_xml_writer_start(writer, "devices");
    vt_xml_writer_text(writer, "emulator", def->emulator);
    for (gsize i = 0; i < G_N_ELEMENTS(devices_elements); i++) {
        const VtDevicesElement *element = &devices_elements[i];

        if (def->audio_none && strcmp(element->element, "hostdev") == 0)
            vt_misc_dev_format_audio(writer);
        if (!element->array) {
            if (def->memballoon)
                element->format(writer, def->memballoon, flags);
            continue;
        }
        for (guint j = 0; j < devices_array(def, element)->len; j++)
            element->format(writer, devices_array(def, element)->pdata[j], flags);
    }
    vt_xml_writer_end(writer);
}

/* ---- validate ---- */

void
vt_devices_validate(VtParseContext *ctx, const VtDomainDef *def)
{
    for (gsize i = 0; i < G_N_ELEMENTS(devices_elements); i++) {
        const VtDevicesElement *element = &devices_elements[i];

        if (!element->array) {
            if (def->memballoon)
                element->validate(ctx, def, def->memballoon);
            continue;
        }
        for (guint j = 0; j < devices_array(def, element)->len; j++)
            element->validate(ctx, def, devices_array(def, element)->pdata[j]);
    }
}
