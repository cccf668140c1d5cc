/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf/postparse.h"

#include <string.h>

#include "conf/address.h"
#include "conf/controller.h"
#include "conf/teaming.h"

#define POSTPARSE_SATA_PORTS 6

static void
postparse_string(char **string, const char *value)
{
    if (!*string)
        *string = g_strdup(value);
}

/* ---- the root ---- */

static gboolean
postparse_has_boot_order(const char *element, VtDeviceInfo *info, gpointer device, gpointer user)
{
    return info->boot_order == 0;
}

static void
postparse_root(VtDomainDef *def)
{
    if (!def->has_uuid)
        vt_uuid_generate(&def->uuid);
    def->has_uuid = TRUE;
    postparse_string(&def->os.arch, "x86_64");
    postparse_string(&def->os.machine, "pc");
    postparse_string(&def->clock.offset, "utc");
    if (def->vcpus == 0)
        def->vcpus = 1;
    if (def->current_memory_kib == 0 || def->current_memory_kib > def->memory_kib)
        def->current_memory_kib = def->memory_kib;
    if (def->os.n_boot == 0 && vt_device_info_foreach(def, postparse_has_boot_order, NULL))
        def->os.boot[def->os.n_boot++] = VT_BOOT_HD;
    if (def->cpu.mode == VT_CPU_CUSTOM && def->cpu.model) {
        postparse_string(&def->cpu.match, "exact");
        postparse_string(&def->cpu.check, def->virt_type == VT_VIRT_KVM ? "partial" : "none");
        postparse_string(&def->cpu.fallback, "allow");
    } else if (def->cpu.mode == VT_CPU_HOST_MODEL) {
        postparse_string(&def->cpu.check, "partial");
    } else if (def->cpu.mode == VT_CPU_HOST_PASSTHROUGH || def->cpu.mode == VT_CPU_MAXIMUM) {
        postparse_string(&def->cpu.check, "none");
        postparse_string(&def->cpu.migratable, "on");
    }
}

/* ---- serial and console ---- */

/* The first console of a PC is its first serial port, seen a second time. */
static gboolean
postparse_is_serial_console(const VtCharDef *console)
{
    return !console->target_type || strcmp(console->target_type, "serial") == 0;
}

static VtCharDef *
postparse_console_of(const VtCharDef *serial)
{
    VtCharDef *console = vt_char_def_copy(serial);

    console->role = VT_CHAR_ROLE_CONSOLE;
    g_free(console->target_type);
    console->target_type = g_strdup("serial");
    g_clear_pointer(&console->target_model, g_free);
    console->target_port = 0;
    return console;
}

static VtCharDef *
postparse_serial_of(const VtCharDef *console)
{
    VtCharDef *serial = vt_char_def_copy(console);

    serial->role = VT_CHAR_ROLE_SERIAL;
    g_clear_pointer(&serial->target_type, g_free);
    serial->target_port = 0;
    return serial;
}

static void
postparse_pair_console(VtDomainDef *def)
{
    VtCharDef *first = def->consoles->len > 0 ? def->consoles->pdata[0] : NULL;
    gboolean paired = first && postparse_is_serial_console(first);

    if (paired && def->serials->len == 0)
        g_ptr_array_add(def->serials, postparse_serial_of(first));
    if (def->serials->len == 0)
        return;
    if (paired)
        g_ptr_array_remove_index(def->consoles, 0);
    g_ptr_array_insert(def->consoles, 0, postparse_console_of(def->serials->pdata[0]));
}

static void
postparse_ports(GPtrArray *chars, const char *target_type)
{
    guint64 taken = 0;
    int next = 0;

    for (guint i = 0; i < chars->len; i++) {
        VtCharDef *chr = chars->pdata[i];

        postparse_string(&chr->target_type, target_type);
        if (chr->target_port >= 0 && chr->target_port < 64)
            taken |= G_GUINT64_CONSTANT(1) << chr->target_port;
    }
    for (guint i = 0; i < chars->len; i++) {
        VtCharDef *chr = chars->pdata[i];

        if (chr->target_port >= 0)
            continue;
        while (next < 64 && (taken >> next & 1))
            next++;
        chr->target_port = next++;
    }
}

/* Port 0 of a virtio-serial controller is kept for a console. */
static void
postparse_channels(VtDomainDef *def)
{
    for (guint i = 0; i < def->channels->len; i++) {
        VtCharDef *channel = def->channels->pdata[i];
        guint port = 1;

        if (channel->info.address.type != VT_ADDRESS_NONE)
            continue;
        for (guint j = 0; j < def->channels->len; j++) {
            const VtAddress *other = &((VtCharDef *)def->channels->pdata[j])->info.address;

            if (other->type == VT_ADDRESS_VIRTIO_SERIAL && other->controller == 0 && other->unit >= port)
                port = other->unit + 1;
        }
        channel->info.address.type = VT_ADDRESS_VIRTIO_SERIAL;
        channel->info.address.unit = port;
    }
}

static void
postparse_serials(VtDomainDef *def)
{
    postparse_ports(def->serials, "isa-serial");
    for (guint i = 0; i < def->serials->len; i++) {
        VtCharDef *serial = def->serials->pdata[i];

        if (strcmp(serial->target_type, "isa-serial") == 0)
            postparse_string(&serial->target_model, "isa-serial");
    }
}

static void
postparse_chars(VtDomainDef *def)
{
    postparse_serials(def);
    postparse_pair_console(def);
    postparse_serials(def); /* of one that a console brought */
    postparse_ports(def->consoles, "virtio");
    postparse_channels(def);
}

/* ---- the other devices ---- */

/* "sdc" is 2; -1 for a name that is not letters behind "sd". */
static int
postparse_disk_index(const char *target)
{
    int index = 0;

    if (!target || strncmp(target, "sd", 2) != 0 || !target[2] || strlen(target) > 5)
        return -1;
    for (const char *p = target + 2; *p; p++) {
        if (!g_ascii_islower(*p))
            return -1;
        index = index * 26 + (*p - 'a') + 1;
    }
    return index - 1;
}

static void
postparse_disks(VtDomainDef *def)
{
    for (guint i = 0; i < def->disks->len; i++) {
        VtDiskDef *disk = def->disks->pdata[i];
        int index = postparse_disk_index(disk->target_dev);

        postparse_string(&disk->device, "disk");
        postparse_string(&disk->driver_name, "qemu");
        postparse_string(&disk->format, "raw");
        if (!disk->bus && disk->target_dev)
            disk->bus = g_strdup(g_str_has_prefix(disk->target_dev, "vd") ? "virtio" : "sata");
        if (disk->info.address.type == VT_ADDRESS_NONE && g_strcmp0(disk->bus, "sata") == 0 && index >= 0) {
            disk->info.address.type = VT_ADDRESS_DRIVE;
            disk->info.address.controller = (guint)index / POSTPARSE_SATA_PORTS;
            disk->info.address.unit = (guint)index % POSTPARSE_SATA_PORTS;
        }
    }
}

static void
postparse_controllers(VtDomainDef *def)
{
    for (guint i = 0; i < def->controllers->len; i++) {
        VtControllerDef *controller = def->controllers->pdata[i];
        gboolean root = controller->model && vt_xml_word_in(controller->model, "pcie-root pci-root");
        int index = controller->type == VT_CONTROLLER_PCI && !root ? 1 : 0;

        if (controller->index >= 0)
            continue;
        while (!root && vt_controller_find(def, controller->type, index))
            index++;
        controller->index = index;
    }
}

static void
postparse_macs(VtDomainDef *def, gboolean transients)
{
    for (guint i = 0; i < def->nets->len; i++) {
        VtNetDef *net = def->nets->pdata[i];

        if (net->has_mac || (net->teaming.type == VT_TEAMING_TRANSIENT && !transients))
            continue;
        vt_mac_generate(&net->mac);
        net->has_mac = TRUE;
    }
}

static void
postparse_nets(VtDomainDef *def)
{
    vt_teaming_inherit_macs(def); /* a persistent may have its MAC from the transient, too */
    postparse_macs(def, FALSE);
    vt_teaming_inherit_macs(def);
    postparse_macs(def, TRUE); /* those whose persistent is not there: validation will say so */
    for (guint i = 0; i < def->nets->len; i++) {
        VtNetDef *net = def->nets->pdata[i];

        if (!vt_teaming_net_is_host(net))
            postparse_string(&net->model, "rtl8139");
    }
}

static void
postparse_input(VtDomainDef *def, const char *type)
{
    VtInputDef *input;

    for (guint i = 0; i < def->inputs->len; i++) {
        const VtInputDef *other = def->inputs->pdata[i];

        if (g_strcmp0(other->type, type) == 0 && g_strcmp0(other->bus, "ps2") == 0)
            return;
    }
    input = g_new0(VtInputDef, 1);
    vt_device_info_init(&input->info);
    input->type = g_strdup(type);
    input->bus = g_strdup("ps2");
    g_ptr_array_add(def->inputs, input);
}

/* USB devices are given the ports of the first controller in turn. */
static void
postparse_usb_ports(VtDomainDef *def)
{
    guint next = 1;

    for (guint i = 0; i < def->inputs->len; i++) {
        const VtAddress *address = &((VtInputDef *)def->inputs->pdata[i])->info.address;
        guint64 port = 0;

        if (address->type == VT_ADDRESS_USB && address->bus == 0 && address->port &&
            g_ascii_string_to_unsigned(address->port, 10, 1, 255, &port, NULL))
            next = MAX(next, (guint)port + 1);
    }
    for (guint i = 0; i < def->inputs->len; i++) {
        VtInputDef *input = def->inputs->pdata[i];

        if (g_strcmp0(input->bus, "usb") != 0 || input->info.address.type != VT_ADDRESS_NONE)
            continue;
        input->info.address.type = VT_ADDRESS_USB;
        input->info.address.port = g_strdup_printf("%u", next++);
    }
}

static void
postparse_implied(VtDomainDef *def)
{
    postparse_input(def, "mouse");
    postparse_input(def, "keyboard");
    postparse_usb_ports(def);
    def->audio_none = TRUE;
    if (!def->memballoon) {
        def->memballoon = g_new0(VtMemballoonDef, 1);
        vt_device_info_init(&def->memballoon->info);
    }
    postparse_string(&def->memballoon->model, "virtio");
}

void
vt_postparse_domain(VtDomainDef *def)
{
    postparse_root(def);
    postparse_chars(def);
    postparse_disks(def);
    postparse_controllers(def);
    postparse_nets(def);
    postparse_implied(def);
}
