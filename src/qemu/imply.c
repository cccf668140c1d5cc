/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/imply.h"

#include <string.h>
#include "qemu/alias.h"

#define IMPLY_SATA_UNITS   6
#define IMPLY_SERIAL_PORTS 31

/* ---- controllers that nobody wrote down ---- */

VtControllerDef *
vt_imply_controller(VtDomainDef *def, VtControllerType type, int index, const char *model)
{
    VtControllerDef *controller = g_new0(VtControllerDef, 1);

    controller->type = type;
    controller->index = index;
    controller->model = g_strdup(model);
    controller->target_chassis = controller->target_port = -1;
    controller->info.rom_bar = controller->info.rom_enabled = -1;
    g_ptr_array_add(def->controllers, controller);
    return controller;
}

static void
imply_fill_indexes(VtDomainDef *def)
{
    guint i;

    for (i = 0; i < def->controllers->len; i++) {
        VtControllerDef *controller = def->controllers->pdata[i];
        int index = 0;

        if (controller->index >= 0)
            continue;
        /* Only a root may be PCI controller 0. */
        if (controller->type == VT_CONTROLLER_PCI &&
            !strstr(controller->model ? controller->model : "", "-root"))
            index = 1;
        else if (controller->type == VT_CONTROLLER_PCI && g_str_has_suffix(controller->model, "-port"))
            index = 1;
        while (vt_alias_controller(def, controller->type, index))
            index++;
        controller->index = index;
    }
}

static gboolean
imply_needs_virtio_serial(const VtDomainDef *def)
{
    guint i;

    for (i = 0; i < def->consoles->len; i++)
        if (g_strcmp0(((const VtCharDef *)def->consoles->pdata[i])->target_type, "virtio") == 0)
            return TRUE;
    return def->channels->len > 0;
}

/* Number of SATA controllers that the disks' addresses ask for. */
static int
imply_sata_controllers(const VtDomainDef *def, gboolean q35)
{
    int n = q35 ? 1 : 0;
    guint i;

    for (i = 0; i < def->disks->len; i++) {
        const VtDiskDef *disk = def->disks->pdata[i];

        if (g_strcmp0(disk->bus, "sata") == 0)
            n = MAX(n, (int)MIN(disk->info.address.controller, 15) + 1);
    }
    return n;
}

static gboolean
imply_has_controller(const VtDomainDef *def, VtControllerType type)
{
    guint i;

    for (i = 0; i < def->controllers->len; i++)
        if (((const VtControllerDef *)def->controllers->pdata[i])->type == type)
            return TRUE;
    return FALSE;
}

void
vt_imply_controllers(VtDomainDef *def, gboolean q35)
{
    const char *usb = q35 ? "qemu-xhci" : "piix3-uhci";
    guint i;
    int n;

    imply_fill_indexes(def);
    if (!imply_has_controller(def, VT_CONTROLLER_USB))
        vt_imply_controller(def, VT_CONTROLLER_USB, 0, usb);
    for (n = 0; n < imply_sata_controllers(def, q35); n++)
        if (!vt_alias_controller(def, VT_CONTROLLER_SATA, n))
            vt_imply_controller(def, VT_CONTROLLER_SATA, n, NULL);
    if (!vt_alias_controller(def, VT_CONTROLLER_PCI, 0))
        vt_imply_controller(def, VT_CONTROLLER_PCI, 0, q35 ? "pcie-root" : "pci-root");
    if (imply_needs_virtio_serial(def) && !imply_has_controller(def, VT_CONTROLLER_VIRTIO_SERIAL))
        vt_imply_controller(def, VT_CONTROLLER_VIRTIO_SERIAL, 0, NULL);
    for (i = 0; i < def->controllers->len; i++) {
        VtControllerDef *controller = def->controllers->pdata[i];

        if (controller->type == VT_CONTROLLER_USB && !controller->model)
            controller->model = g_strdup(usb);
    }
}

/* ---- addresses on buses that are not PCI ---- */

/* "sda" -> 0, "sdb" -> 1, "sdaa" -> 26; -1 when there are no letters behind the prefix. */
static int
imply_target_number(const char *target)
{
    int number = 0;
    const char *p;

    if (!target || strlen(target) < 3 || strlen(target) > 5)
        return -1;
    for (p = target + 2; *p; p++) {
        if (*p < 'a' || *p > 'z')
            return -1;
        number = number * 26 + (*p - 'a') + 1;
    }
    return number - 1;
}

void
vt_imply_drive_addresses(VtDomainDef *def)
{
    guint i;

    for (i = 0; i < def->disks->len; i++) {
        VtDiskDef *disk = def->disks->pdata[i];
        VtAddress *address = &disk->info.address;
        int number = imply_target_number(disk->target_dev);

        if (g_strcmp0(disk->bus, "sata") != 0 || address->type != VT_ADDRESS_NONE || number < 0)
            continue;
        address->type = VT_ADDRESS_DRIVE;
        address->controller = (guint)number / IMPLY_SATA_UNITS;
        address->unit = (guint)number % IMPLY_SATA_UNITS;
    }
}

static gboolean
imply_serial_port_taken(const VtDomainDef *def, guint port)
{
    guint i;

    for (i = 0; i < def->channels->len; i++) {
        const VtAddress *address = &((const VtCharDef *)def->channels->pdata[i])->info.address;

        if (address->type == VT_ADDRESS_VIRTIO_SERIAL && address->controller == 0 && address->unit == port)
            return TRUE;
    }
    return FALSE;
}

/* Port 0 is for a console only. */
void
vt_imply_serial_ports(VtDomainDef *def)
{
    guint i, port = 1;

    for (i = 0; i < def->channels->len; i++) {
        VtAddress *address = &((VtCharDef *)def->channels->pdata[i])->info.address;

        if (address->type != VT_ADDRESS_NONE)
            continue;
        while (port < IMPLY_SERIAL_PORTS && imply_serial_port_taken(def, port))
            port++;
        address->type = VT_ADDRESS_VIRTIO_SERIAL;
        address->unit = port;
    }
}

static gboolean
imply_usb_port_taken(const VtDomainDef *def, const char *port)
{
    guint i;

    for (i = 0; i < def->inputs->len; i++) {
        const VtAddress *address = &((const VtInputDef *)def->inputs->pdata[i])->info.address;

        if (address->type == VT_ADDRESS_USB && address->bus == 0 && g_strcmp0(address->port, port) == 0)
            return TRUE;
    }
    return FALSE;
}

void
vt_imply_usb_ports(VtDomainDef *def)
{
    guint i, port = 1;

    for (i = 0; i < def->inputs->len; i++) {
        VtInputDef *input = def->inputs->pdata[i];
        g_autofree char *text = NULL;

        if (g_strcmp0(input->bus, "usb") != 0 || input->info.address.type != VT_ADDRESS_NONE)
            continue;
        for (text = g_strdup_printf("%u", port); imply_usb_port_taken(def, text); port++) {
            g_free(text);
            text = g_strdup_printf("%u", port + 1);
        }
        input->info.address.type = VT_ADDRESS_USB;
        input->info.address.port = g_steal_pointer(&text);
    }
}
