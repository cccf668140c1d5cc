/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/argv-ctx.h"

#include "qemu/alias.h"
#include "qemu/hotplug.h"
#include "util/json.h"

#define ARGV_CTX_JSON_DEVICE 6002000 /* QEMU 6.2 */

void
vt_argv_ctx_add(VtArgvBuild *build, const char *option, const char *value)
{
    g_ptr_array_add(build->args, g_strdup(option));
    if (value)
        g_ptr_array_add(build->args, g_strdup(value));
}

gboolean
vt_argv_ctx_add_nic(VtArgvBuild *build, const char *device, gboolean primary, GError **error)
{
    g_autoptr(JsonNode) args = NULL;
    g_autofree char *json = NULL;

    if (!primary || build->ctx->standalone || build->caps->version < ARGV_CTX_JSON_DEVICE) {
        vt_argv_ctx_add(build, "-device", device);
        return TRUE;
    }
    args = vt_hotplug_args(device, error);
    if (!args)
        return FALSE;
    json = vt_json_to_string(args);
    vt_argv_ctx_add(build, "-device", json);
    return TRUE;
}

void
vt_argv_ctx_add_opts(VtArgvBuild *build, const char *option, VtOpts *opts)
{
    g_ptr_array_add(build->args, g_strdup(option));
    g_ptr_array_add(build->args, vt_opts_end(opts));
}

void
vt_argv_ctx_pci(VtOpts *opts, const VtDomainDef *def, const VtDeviceInfo *info)
{
    const VtPciAddress *address = &info->address.pci;

    if (info->address.type != VT_ADDRESS_PCI)
        return;
    vt_opts_add(opts, "bus", vt_alias_pci_bus(def, address->bus));
    if (address->multifunction)
        vt_opts_flag(opts, "multifunction", TRUE);
    if (address->function)
        vt_opts_addf(opts, "addr", "0x%x.0x%x", address->slot, address->function);
    else
        vt_opts_addf(opts, "addr", "0x%x", address->slot);
}

/* The first device of the kind that a <boot dev=> names. */
static const VtDeviceInfo *
argv_ctx_boot_device(const VtDomainDef *def, VtBootDev dev)
{
    const char *wanted = dev == VT_BOOT_CDROM ? "cdrom" : "disk";
    guint i;

    if (dev == VT_BOOT_NETWORK && def->nets->len)
        return &((const VtNetDef *)def->nets->pdata[0])->info;
    for (i = 0; (dev == VT_BOOT_CDROM || dev == VT_BOOT_HD) && i < def->disks->len; i++) {
        const VtDiskDef *disk = def->disks->pdata[i];

        if (g_strcmp0(disk->device ? disk->device : "disk", wanted) == 0)
            return &disk->info;
    }
    return NULL;
}

void
vt_argv_ctx_bootindex(VtOpts *opts, const VtDomainDef *def, const VtDeviceInfo *info)
{
    guint i;

    if (info->boot_order) {
        vt_opts_addf(opts, "bootindex", "%u", info->boot_order);
        return;
    }
    for (i = 0; i < def->os.n_boot; i++)
        if (argv_ctx_boot_device(def, def->os.boot[i]) == info) {
            vt_opts_addf(opts, "bootindex", "%u", i + 1);
            return;
        }
}

void
vt_argv_ctx_rom(VtOpts *opts, const VtDeviceInfo *info, gboolean no_rom)
{
    if (info->rom_enabled == 0) {
        vt_opts_add(opts, "romfile", "");
        return;
    }
    if (info->rom_bar >= 0)
        vt_opts_addf(opts, "rombar", "%d", info->rom_bar);
    if (info->rom_file)
        vt_opts_add(opts, "romfile", info->rom_file);
    else if (no_rom)
        vt_opts_add(opts, "romfile", "");
}

char *
vt_argv_ctx_state_path(const VtArgvBuild *build, const char *name)
{
    if (build->ctx->state_dir)
        return g_build_filename(build->ctx->state_dir, name, NULL);
    return g_strdup_printf("/run/virtteam/qemu/%s/%s", build->def->name, name);
}
