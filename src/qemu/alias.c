/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/alias.h"

#include <string.h>
#include "conf/teaming.h"

/* One more than the highest N of the aliases "<prefix>N" in an array of devices with an info. */
static guint
alias_next(const GPtrArray *array, gsize info_offset, const char *prefix)
{
    gsize length = strlen(prefix);
    guint next = 0, i;

    for (i = 0; i < array->len; i++) {
        const VtDeviceInfo *info = G_STRUCT_MEMBER_P(array->pdata[i], info_offset);
        guint64 number;

        if (!info->alias || !g_str_has_prefix(info->alias, prefix) ||
            !g_ascii_string_to_unsigned(info->alias + length, 10, 0, G_MAXINT32, &number, NULL))
            continue;
        next = MAX(next, (guint)number + 1);
    }
    return next;
}

static void
alias_set(VtDeviceInfo *info, char *alias)
{
    g_free(info->alias);
    info->alias = alias;
}

static void
alias_number(const GPtrArray *array, gsize info_offset, VtDeviceInfo *info, const char *prefix)
{
    if (!info->alias)
        alias_set(info, g_strdup_printf("%s%u", prefix, alias_next(array, info_offset, prefix)));
}

#define ALIAS_NUMBER(array, type, device, prefix)                                                            \
    alias_number(array, G_STRUCT_OFFSET(type, info), &(device)->info, prefix)

static char *
alias_of_controller(const VtDomainDef *def, const VtControllerDef *controller)
{
    switch (controller->type) {
    case VT_CONTROLLER_PCI:
        if (g_strcmp0(controller->model, "pcie-root") == 0)
            return g_strdup("pcie.0");
        return g_strdup_printf("pci.%d", controller->index);
    case VT_CONTROLLER_USB:
        return controller->index == 0 ? g_strdup("usb") : g_strdup_printf("usb%d", controller->index);
    case VT_CONTROLLER_SATA: {
        const VtControllerDef *root = vt_alias_controller(def, VT_CONTROLLER_PCI, 0);

        /* q35's own AHCI is called "ide" by QEMU. */
        if (controller->index == 0 && root && g_strcmp0(root->model, "pcie-root") == 0)
            return g_strdup("ide");
        return g_strdup_printf("sata%d", controller->index);
    }
    case VT_CONTROLLER_VIRTIO_SERIAL:
        return g_strdup_printf("virtio-serial%d", controller->index);
    case VT_CONTROLLER_COUNT:
        break;
    }
    return NULL;
}

static void
alias_disk(const VtDomainDef *def, VtDiskDef *disk)
{
    if (disk->info.alias)
        return;
    if (g_strcmp0(disk->bus, "virtio") == 0)
        ALIAS_NUMBER(def->disks, VtDiskDef, disk, "virtio-disk");
    else
        alias_set(&disk->info, g_strdup_printf("%s%u-%u-%u", disk->bus, disk->info.address.controller,
                                               disk->info.address.target, disk->info.address.unit));
}

/* Interfaces that are host devices share the host devices' numbers, and come first. */
static void
alias_hostdev(const VtDomainDef *def, VtDeviceInfo *info)
{
    guint nets = alias_next(def->nets, G_STRUCT_OFFSET(VtNetDef, info), "hostdev");
    guint others = alias_next(def->hostdevs, G_STRUCT_OFFSET(VtHostdevDef, info), "hostdev");

    if (!info->alias)
        alias_set(info, g_strdup_printf("hostdev%u", MAX(nets, others)));
}

/* A console's number is its place; the first one may be nothing but another view of the first serial port. */
static void
alias_console(const VtDomainDef *def, guint place)
{
    VtCharDef *console = def->consoles->pdata[place];

    if (console->info.alias)
        return;
    if (place == 0 && g_strcmp0(console->target_type, "serial") == 0 && def->serials->len) {
        const VtCharDef *serial = def->serials->pdata[0];

        alias_set(&console->info, g_strdup(serial->info.alias));
        console->info.user_alias = serial->info.user_alias;
    } else {
        alias_set(&console->info, g_strdup_printf("console%u", place));
    }
}

static void
alias_devices(VtDomainDef *def)
{
    guint i;

    for (i = 0; i < def->serials->len; i++)
        ALIAS_NUMBER(def->serials, VtCharDef, (VtCharDef *)def->serials->pdata[i], "serial");
    for (i = 0; i < def->consoles->len; i++)
        alias_console(def, i);
    for (i = 0; i < def->channels->len; i++)
        ALIAS_NUMBER(def->channels, VtCharDef, (VtCharDef *)def->channels->pdata[i], "channel");
    for (i = 0; i < def->inputs->len; i++)
        ALIAS_NUMBER(def->inputs, VtInputDef, (VtInputDef *)def->inputs->pdata[i], "input");
    for (i = 0; i < def->rngs->len; i++)
        ALIAS_NUMBER(def->rngs, VtRngDef, (VtRngDef *)def->rngs->pdata[i], "rng");
    for (i = 0; i < def->watchdogs->len; i++)
        ALIAS_NUMBER(def->watchdogs, VtWatchdogDef, (VtWatchdogDef *)def->watchdogs->pdata[i], "watchdog");
    if (def->memballoon && !def->memballoon->info.alias && g_strcmp0(def->memballoon->model, "none") != 0)
        alias_set(&def->memballoon->info, g_strdup("balloon0"));
}

void
vt_alias_assign(VtDomainDef *def)
{
    guint i;

    for (i = 0; i < def->controllers->len; i++) {
        VtControllerDef *controller = def->controllers->pdata[i];

        if (!controller->info.alias)
            alias_set(&controller->info, alias_of_controller(def, controller));
    }
    for (i = 0; i < def->disks->len; i++)
        alias_disk(def, def->disks->pdata[i]);
    for (i = 0; i < def->nets->len; i++) {
        VtNetDef *net = def->nets->pdata[i];

        if (vt_teaming_net_is_host(net))
            alias_hostdev(def, &net->info);
        else
            ALIAS_NUMBER(def->nets, VtNetDef, net, "net");
    }
    for (i = 0; i < def->hostdevs->len; i++)
        alias_hostdev(def, &((VtHostdevDef *)def->hostdevs->pdata[i])->info);
    alias_devices(def);
}

VtControllerDef *
vt_alias_controller(const VtDomainDef *def, VtControllerType type, int index)
{
    guint i;

    for (i = 0; i < def->controllers->len; i++) {
        VtControllerDef *controller = def->controllers->pdata[i];

        if (controller->type == type && controller->index == index)
            return controller;
    }
    return NULL;
}

const char *
vt_alias_pci_bus(const VtDomainDef *def, guint bus)
{
    const VtControllerDef *controller = vt_alias_controller(def, VT_CONTROLLER_PCI, (int)MIN(bus, G_MAXINT));

    return controller ? controller->info.alias : NULL;
}
