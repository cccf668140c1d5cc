/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/argv-disk.h"

#include "qemu/alias.h"

/* What a cache mode is made of. The first two belong to the nodes, the last to the device. */
static const struct {
    const char *name;
    gboolean direct, no_flush, write_cache;
} argv_disk_caches[] = {
    { .name = "none", .direct = TRUE, .write_cache = TRUE },
    { .name = "writeback", .write_cache = TRUE },
    { .name = "writethrough" },
    { .name = "directsync", .direct = TRUE },
    { .name = "unsafe", .no_flush = TRUE, .write_cache = TRUE },
};

/* Index into the table, or -1 where the XML says nothing (or "default"). */
static int
argv_disk_cache(const VtDiskDef *disk)
{
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(argv_disk_caches); i++)
        if (g_strcmp0(disk->cache, argv_disk_caches[i].name) == 0)
            return (int)i;
    return -1;
}

static void
argv_disk_node_cache(VtOpts *opts, const VtDiskDef *disk)
{
    int cache = argv_disk_cache(disk);

    if (cache < 0)
        return;
    vt_opts_flag(opts, "cache.direct", argv_disk_caches[cache].direct);
    vt_opts_flag(opts, "cache.no-flush", argv_disk_caches[cache].no_flush);
}

static void
argv_disk_storage(VtOpts *opts, const VtDiskDef *disk, guint number)
{
    vt_opts_add(opts, "driver", "file");
    vt_opts_add(opts, "filename", disk->source_file);
    vt_opts_add(opts, "aio", disk->io);
    vt_opts_addf(opts, "node-name", "libvirt-%u-storage", number);
    argv_disk_node_cache(opts, disk);
    vt_opts_flag(opts, "auto-read-only", TRUE);
    vt_opts_add(opts, "discard", "unmap");
}

static void
argv_disk_format(VtOpts *opts, const VtDiskDef *disk, guint number)
{
    vt_opts_addf(opts, "node-name", "libvirt-%u-format", number);
    vt_opts_flag(opts, "read-only", disk->readonly);
    vt_opts_add(opts, "discard", disk->discard);
    vt_opts_add(opts, "detect-zeroes", disk->detect_zeroes);
    argv_disk_node_cache(opts, disk);
    vt_opts_add(opts, "driver", disk->format ? disk->format : "raw");
    vt_opts_addf(opts, "file", "libvirt-%u-storage", number);
}

char *
vt_argv_disk_blockdev(const VtDiskDef *disk, guint number, gboolean storage)
{
    VtOpts *opts = vt_opts_new(NULL);

    if (storage)
        argv_disk_storage(opts, disk, number);
    else
        argv_disk_format(opts, disk, number);
    return vt_opts_end(opts);
}

/* "ide.1" on q35's own AHCI, "sata0.1" on any other. */
static void
argv_disk_sata_bus(VtOpts *opts, const VtDomainDef *def, const VtDiskDef *disk)
{
    const VtControllerDef *sata =
        vt_alias_controller(def, VT_CONTROLLER_SATA, (int)disk->info.address.controller);

    vt_opts_addf(opts, "bus", "%s.%u", sata && sata->info.alias ? sata->info.alias : "ide",
                 disk->info.address.unit);
}

char *
vt_argv_disk_device(const VtDomainDef *def, const VtDiskDef *disk, guint number)
{
    gboolean virtio = g_strcmp0(disk->bus, "virtio") == 0, cdrom = g_strcmp0(disk->device, "cdrom") == 0;
    int cache = argv_disk_cache(disk);
    VtOpts *opts = vt_opts_new(virtio ? "virtio-blk-pci" : cdrom ? "ide-cd" : "ide-hd");

    if (virtio && disk->queues)
        vt_opts_addf(opts, "num-queues", "%u", disk->queues);
    if (virtio)
        vt_argv_ctx_pci(opts, def, &disk->info);
    else
        argv_disk_sata_bus(opts, def, disk);
    if (disk->shareable)
        vt_opts_flag(opts, "share-rw", TRUE);
    if (disk->source_file)
        vt_opts_addf(opts, "drive", "libvirt-%u-format", number);
    vt_opts_add(opts, "id", disk->info.alias);
    vt_argv_ctx_bootindex(opts, def, &disk->info);
    if (cache >= 0 && !cdrom)
        vt_opts_flag(opts, "write-cache", argv_disk_caches[cache].write_cache);
    vt_opts_add(opts, "serial", disk->serial);
    return vt_opts_end(opts);
}

gboolean
vt_argv_disk_all(VtArgvBuild *build, GError **error)
{
    const VtDomainDef *def = build->def;
    guint i;

    for (i = 0; i < def->disks->len; i++) {
        const VtDiskDef *disk = def->disks->pdata[i];
        /* Numbered from the end, as libvirt does: the last disk is 1. */
        guint number = def->disks->len - i;
        g_autofree char *device = vt_argv_disk_device(def, disk, number);

        if (disk->source_file) {
            g_autofree char *storage = vt_argv_disk_blockdev(disk, number, TRUE);
            g_autofree char *format = vt_argv_disk_blockdev(disk, number, FALSE);

            vt_argv_ctx_add(build, "-blockdev", storage);
            vt_argv_ctx_add(build, "-blockdev", format);
        }
        vt_argv_ctx_add(build, "-device", device);
    }
    return TRUE;
}
