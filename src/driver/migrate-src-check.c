/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver/migrate-src-check.h"

#include <gio/gio.h>
#include "conf/domain-xml.h"
#include "conf/teaming.h"
#include "driver/domain-obj.h"
#include "util/i18n.h"
#include "util/shared-fs.h"

/* The XML for the destination may name other host resources, and nothing that the guest sees. */
static gboolean
migrate_check_xml(const VtDomainDef *ours, const char *xml, const char *what, GError **error)
{
    g_autoptr(VtDomainDef) theirs = vt_domain_xml_parse(xml, error);

    if (!theirs) {
        g_prefix_error(error, "%s: ", what);
        return FALSE;
    }
    if (!vt_uuid_equal(&theirs->uuid, &ours->uuid) || theirs->memory_kib != ours->memory_kib ||
        theirs->vcpus != ours->vcpus || g_strcmp0(theirs->os.arch, ours->os.arch) != 0 ||
        theirs->nets->len != ours->nets->len || theirs->disks->len != ours->disks->len)
        return vt_error_set(
            error, VT_ERROR_CONFIG_UNSUPPORTED,
            _("%s: the guest of that XML is another one: its uuid, memory, vcpu, arch, disks and "
              "interfaces must be those of the running guest"),
            what);
    return TRUE;
}

/* A paused guest cannot eject anything: QEMU would wait for it for ever. */
gboolean
vt_migrate_src_check_state(const VtDomain *domain, GError **error)
{
    g_autoptr(GPtrArray) teams = NULL;
    int reason = 0;

    if (!vt_domain_is_active(domain))
        return vt_error_set(error, VT_ERROR_OPERATION_INVALID, _("domain is not running"));
    teams = vt_teaming_teams(vt_domain_def(domain));
    if (vt_domain_state(domain, &reason) == VT_DOMAIN_PAUSED && teams->len > 0)
        return vt_error_set(
            error, VT_ERROR_OPERATION_INVALID,
            _("domain '%s' is paused and has a team: its guest cannot eject the primary; resume it "
              "first ('virsh resume'), or detach the transient device"),
            vt_domain_name(domain));
    return TRUE;
}

static gboolean
migrate_check_device(const VtDomain *domain, const VtTeaming *teaming, const VtDeviceInfo *info,
                     const VtHostPci *host, GError **error)
{
    if (teaming->type == VT_TEAMING_TRANSIENT)
        return TRUE;
    return vt_error_set(
        error, VT_ERROR_OPERATION_INVALID,
        _("domain '%s' has the host's PCI function %04x:%02x:%02x.%x ('%s'), which cannot move to another host: "
          "detach it first ('virsh detach-device-alias %s %s --live'), or make it the transient of a team"),
        vt_domain_name(domain), host->domain, host->bus, host->slot, host->function,
        info->alias ? info->alias : "", vt_domain_name(domain), info->alias ? info->alias : "");
}

/* Only what leaves the guest before it migrates can stay behind. */
static gboolean
migrate_check_devices(const VtDomain *domain, GError **error)
{
    const VtDomainDef *def = vt_domain_def(domain);

    for (guint i = 0; i < def->nets->len; i++) {
        const VtNetDef *net = g_ptr_array_index(def->nets, i);

        if ((net->type == VT_NET_HOSTDEV || net->has_host) &&
            !migrate_check_device(domain, &net->teaming, &net->info, &net->host, error))
            return FALSE;
    }
    for (guint i = 0; i < def->hostdevs->len; i++) {
        const VtHostdevDef *hostdev = g_ptr_array_index(def->hostdevs, i);

        if (!migrate_check_device(domain, &hostdev->teaming, &hostdev->info, &hostdev->host, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
vt_migrate_src_check(VtDomain *domain, const VtMigParams *params, GError **error)
{
    const VtDomainDef *def = vt_domain_def(domain);

    if (!vt_migrate_src_check_state(domain, error) || !migrate_check_devices(domain, error))
        return FALSE;
    if ((params->flags & VT_MIG_FLAG_UNDEFINE_SOURCE) && !vt_domain_is_persistent(domain))
        return vt_error_set(error, VT_ERROR_OPERATION_INVALID,
                            _("cannot undefine transient domain '%s' after the migration"),
                            vt_domain_name(domain));
    if (params->destination_xml && !migrate_check_xml(def, params->destination_xml, "destination_xml", error))
        return FALSE;
    return !params->persistent_xml || migrate_check_xml(def, params->persistent_xml, "persistent_xml", error);
}

/* ---- disks: a look at a file system may take as long as its server is away ---- */

typedef struct {
    char *target, *path;
    gboolean careful; /* nothing stays in this host's cache */
} MigrateDisk;

typedef struct {
    GArray *disks; /* of MigrateDisk */
    VtDoneFunc done;
    gpointer user;
} MigrateDisks;

static void
migrate_disk_clear(gpointer data)
{
    MigrateDisk *disk = data;

    g_free(disk->target);
    g_free(disk->path);
}

static void
migrate_disks_free(gpointer data)
{
    MigrateDisks *look = data;

    g_array_unref(look->disks);
    g_free(look);
}

static gboolean
migrate_disk_is_safe(const MigrateDisk *disk, GError **error)
{
    VtSharedFs kind;

    if (!vt_shared_fs_of(disk->path, &kind, error))
        return FALSE;
    if (kind == VT_SHARED_FS_NONE)
        return vt_error_set(
            error, VT_ERROR_MIGRATE_UNSAFE,
            _("disk '%s' is '%s', which is on a file system of this host alone: put it on shared storage, or say "
              "--unsafe if the destination sees the same file there all the same"),
            disk->target, disk->path);
    if (kind == VT_SHARED_FS_NETWORK && !disk->careful)
        return vt_error_set(
            error, VT_ERROR_MIGRATE_UNSAFE,
            _("disk '%s' ('%s') may lose data, since the destination may have an old copy of it in its cache: "
              "give it cache='none' or cache='directsync', or say --unsafe"),
            disk->target, disk->path);
    return TRUE;
}

static void
migrate_disks_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    const MigrateDisks *look = data;
    GError *error = NULL;

    for (guint i = 0; i < look->disks->len && !error; i++)
        migrate_disk_is_safe(&g_array_index(look->disks, MigrateDisk, i), &error);
    if (error)
        g_task_return_error(task, error);
    else
        g_task_return_boolean(task, TRUE);
}

static void
migrate_disks_seen(GObject *source, GAsyncResult *result, gpointer user)
{
    const MigrateDisks *look = g_task_get_task_data(G_TASK(result));
    g_autoptr(GError) error = NULL;

    g_task_propagate_boolean(G_TASK(result), &error);
    look->done(look->user, error);
}

void
vt_migrate_src_check_disks(const VtDomain *domain, VtDoneFunc done, gpointer user)
{
    const VtDomainDef *def = vt_domain_def(domain);
    g_autoptr(GArray) disks = g_array_new(FALSE, FALSE, sizeof(MigrateDisk));
    g_autoptr(GTask) task = NULL;
    MigrateDisks *look;

    g_array_set_clear_func(disks, migrate_disk_clear);
    for (guint i = 0; i < def->disks->len; i++) {
        const VtDiskDef *disk = g_ptr_array_index(def->disks, i);
        MigrateDisk row = {
            .target = g_strdup(disk->target_dev),
            .path = g_strdup(disk->source_file),
            .careful = disk->shareable || g_strcmp0(disk->cache, "none") == 0 ||
                       g_strcmp0(disk->cache, "directsync") == 0,
        };

        /* What the guest cannot write to is the same everywhere, or the destination's Prepare says that it is not. */
        if (row.path && !disk->readonly && g_strcmp0(disk->device, "cdrom") != 0)
            g_array_append_val(disks, row);
        else
            migrate_disk_clear(&row);
    }
    if (disks->len == 0) {
        done(user, NULL);
        return;
    }
    look = g_new0(MigrateDisks, 1);
    look->disks = g_steal_pointer(&disks);
    look->done = done;
    look->user = user;
    task = g_task_new(NULL, NULL, migrate_disks_seen, NULL);
    g_task_set_task_data(task, look, migrate_disks_free);
    g_task_run_in_thread(task, migrate_disks_thread);
}
