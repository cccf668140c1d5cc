/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver/device-find.h"

#include <string.h>

#include "conf/address.h"
#include "util/i18n.h"

const char *
vt_device_find_name(VtDeviceKind kind)
{
    static const char *const names[] = {
        [VT_DEVICE_DISK] = "disk",
        [VT_DEVICE_NET] = "interface",
        [VT_DEVICE_HOSTDEV] = "hostdev",
        [VT_DEVICE_CONTROLLER] = "controller",
        [VT_DEVICE_CHAR] = "chr",
        [VT_DEVICE_RNG] = "rng",
        [VT_DEVICE_MEMBALLOON] = "memballoon",
    };

    G_STATIC_ASSERT(G_N_ELEMENTS(names) == VT_DEVICE_COUNT);
    return names[kind];
}

GPtrArray *
vt_device_find_list(const VtDomainDef *def, const VtDevice *device)
{
    switch (device->kind) {
    case VT_DEVICE_DISK:
        return def->disks;
    case VT_DEVICE_NET:
        return def->nets;
    case VT_DEVICE_HOSTDEV:
        return def->hostdevs;
    case VT_DEVICE_CONTROLLER:
        return def->controllers;
    case VT_DEVICE_RNG:
        return def->rngs;
    case VT_DEVICE_CHAR:
        return device->chr->role == VT_CHAR_ROLE_SERIAL    ? def->serials
               : device->chr->role == VT_CHAR_ROLE_CONSOLE ? def->consoles
                                                           : def->channels;
    case VT_DEVICE_MEMBALLOON:
    case VT_DEVICE_COUNT:
        break;
    }
    return NULL;
}

VtDeviceInfo *
vt_device_find_info(const VtDevice *device)
{
    switch (device->kind) {
    case VT_DEVICE_DISK:
        return &device->disk->info;
    case VT_DEVICE_NET:
        return &device->net->info;
    case VT_DEVICE_HOSTDEV:
        return &device->hostdev->info;
    case VT_DEVICE_CONTROLLER:
        return &device->controller->info;
    case VT_DEVICE_CHAR:
        return &device->chr->info;
    case VT_DEVICE_RNG:
        return &device->rng->info;
    case VT_DEVICE_MEMBALLOON:
    case VT_DEVICE_COUNT:
        break;
    }
    return &device->memballoon->info;
}

VtDevice *
vt_device_find_copy(const VtDevice *device)
{
    g_autoptr(VtDevice) copy = g_new0(VtDevice, 1);

    copy->kind = device->kind;
    switch (device->kind) {
    case VT_DEVICE_DISK:
        copy->disk = vt_disk_def_copy(device->disk);
        break;
    case VT_DEVICE_NET:
        copy->net = vt_net_def_copy(device->net);
        break;
    case VT_DEVICE_HOSTDEV:
        copy->hostdev = vt_hostdev_def_copy(device->hostdev);
        break;
    case VT_DEVICE_CONTROLLER:
        copy->controller = vt_controller_def_copy(device->controller);
        break;
    case VT_DEVICE_RNG:
        copy->rng = vt_rng_def_copy(device->rng);
        break;
    case VT_DEVICE_CHAR:
        copy->chr = vt_char_def_copy(device->chr);
        break;
    case VT_DEVICE_MEMBALLOON:
    case VT_DEVICE_COUNT:
        return NULL;
    }
    return g_steal_pointer(&copy);
}

const char *
vt_device_find_team(const VtDevice *device)
{
    const VtTeaming *teaming = device->kind == VT_DEVICE_NET       ? &device->net->teaming
                               : device->kind == VT_DEVICE_HOSTDEV ? &device->hostdev->teaming
                                                                   : NULL;

    return teaming && teaming->type == VT_TEAMING_TRANSIENT ? teaming->persistent : NULL;
}

/* ---- interfaces ---- */

static gboolean
device_find_net_matches(const VtNetDef *net, const VtNetDef *want)
{
    if (want->has_mac && !vt_mac_equal(&net->mac, &want->mac))
        return FALSE;
    if (want->info.address.type == VT_ADDRESS_PCI &&
        (net->info.address.type != VT_ADDRESS_PCI ||
         !vt_pci_address_equal(&net->info.address.pci, &want->info.address.pci)))
        return FALSE;
    /* A definition that is not live has no automatic aliases: what it does not say cannot differ. */
    return !want->info.alias || !net->info.alias || strcmp(net->info.alias, want->info.alias) == 0;
}

static gboolean
device_find_net_missing(const VtNetDef *want, GError **error)
{
    g_autofree char *address = want->info.address.type == VT_ADDRESS_PCI
                                   ? vt_pci_address_to_string(&want->info.address.pci)
                                   : g_strdup("(any)");
    char mac[VT_MAC_STRING_SIZE] = "(any)";

    if (want->has_mac)
        vt_mac_format(&want->mac, mac);
    return vt_error_set(error, VT_ERROR_NO_DEVICE,
                        _("no device found at address '%s' matching MAC address '%s' and alias '%s'"),
                        address, mac, want->info.alias ? want->info.alias : "(any)");
}

static gboolean
device_find_net(const GPtrArray *nets, const VtNetDef *want, guint *index, GError **error)
{
    char mac[VT_MAC_STRING_SIZE];
    gboolean found = FALSE;

    for (guint i = 0; i < nets->len; i++) {
        if (!device_find_net_matches(g_ptr_array_index(nets, i), want))
            continue;
        if (found && want->has_mac)
            return vt_error_set(error, VT_ERROR_OPERATION_FAILED,
                                _("multiple devices matching MAC address %s found: say the alias or the "
                                  "address too"),
                                vt_mac_format(&want->mac, mac));
        if (found)
            return vt_error_set(error, VT_ERROR_OPERATION_FAILED,
                                _("multiple matching devices found: say the MAC address, the alias or the "
                                  "address"));
        found = TRUE;
        *index = i;
    }
    return found || device_find_net_missing(want, error);
}

/* ---- disks, host devices ---- */

static gboolean
device_find_disk(const GPtrArray *disks, const VtDiskDef *want, gboolean live, guint *index, GError **error)
{
    for (guint i = 0; i < disks->len; i++) {
        const VtDiskDef *disk = g_ptr_array_index(disks, i);

        if (g_strcmp0(disk->target_dev, want->target_dev) == 0) {
            *index = i;
            return TRUE;
        }
    }
    return vt_error_set(error, VT_ERROR_NO_DEVICE, live ? _("disk %s not found") : _("no target device %s"),
                        want->target_dev);
}

static gboolean
device_find_hostdev(const GPtrArray *hostdevs, const VtHostdevDef *want, gboolean live, guint *index,
                    GError **error)
{
    g_autofree char *host = vt_host_pci_to_string(&want->host);

    for (guint i = 0; i < hostdevs->len; i++) {
        const VtHostdevDef *hostdev = g_ptr_array_index(hostdevs, i);

        if (vt_host_pci_equal(&hostdev->host, &want->host)) {
            *index = i;
            return TRUE;
        }
    }
    if (live)
        return vt_error_set(error, VT_ERROR_NO_DEVICE, _("host pci device %s not found"), host);
    return vt_error_set(error, VT_ERROR_NO_DEVICE, _("device not present in domain configuration"));
}

gboolean
vt_device_find(const VtDomainDef *def, const VtDevice *device, gboolean live, guint *index, GError **error)
{
    switch (device->kind) {
    case VT_DEVICE_NET:
        return device_find_net(def->nets, device->net, index, error);
    case VT_DEVICE_DISK:
        return device_find_disk(def->disks, device->disk, live, index, error);
    case VT_DEVICE_HOSTDEV:
        return device_find_hostdev(def->hostdevs, device->hostdev, live, index, error);
    case VT_DEVICE_CONTROLLER:
    case VT_DEVICE_CHAR:
    case VT_DEVICE_RNG:
    case VT_DEVICE_MEMBALLOON:
    case VT_DEVICE_COUNT:
        break;
    }
    return vt_error_set(error, VT_ERROR_UNSUPPORTED,
                        live ? _("live change of device '%s' is not supported")
                             : _("persistent change of device '%s' is not supported"),
                        vt_device_find_name(device->kind));
}

gboolean
vt_device_find_alias(const VtDomainDef *def, const char *alias, VtDevice *found, guint *index)
{
    static const VtDeviceKind kinds[] = { VT_DEVICE_NET, VT_DEVICE_HOSTDEV, VT_DEVICE_DISK };

    for (gsize k = 0; k < G_N_ELEMENTS(kinds); k++) {
        VtDevice candidate = { .kind = kinds[k] };
        GPtrArray *list = vt_device_find_list(def, &candidate);

        for (guint i = 0; i < list->len; i++) {
            candidate.any = g_ptr_array_index(list, i);
            if (g_strcmp0(vt_device_find_info(&candidate)->alias, alias) == 0) {
                *found = candidate;
                *index = i;
                return TRUE;
            }
        }
    }
    return FALSE;
}

void
vt_device_find_drop_policies(VtDomainDef *def)
{
    for (guint i = def->team_policies->len; i > 0; i--) {
        const VtTeamPolicy *policy = g_ptr_array_index(def->team_policies, i - 1);
        VtDevice found;
        guint index = 0;

        if (!vt_device_find_alias(def, policy->persistent, &found, &index))
            g_ptr_array_remove_index(def->team_policies, i - 1);
    }
}
