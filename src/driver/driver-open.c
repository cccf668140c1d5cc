/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opening and closing the driver: the part of driver/driver.h that needs to know the other modules.
 */
#define VT_LOG_DOMAIN "virtteam-driver-driver"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "driver/datapath.h"
#include "driver/domain-list.h"
#include "driver/domain-private.h"
#include "driver/driver.h"
#include "driver/host-port.h"
#include "driver/hostdev.h"
#include "driver/journal.h"
#include "driver/lifecycle.h"
#include "driver/migrate.h"
#include "driver/net-port.h"
#include "driver/recover.h"
#include "driver/reserve.h"
#include "driver/restore.h"
#include "driver/save.h"
#include "driver/start.h"
#include "driver/stop.h"
#include "driver/store.h"
#include "driver/team-enforce.h"
#include "driver/team-guard.h"
#include "driver/team-switch.h"
#include "driver/vf-give.h"
#include "util/file.h"
#include "util/i18n.h"
#include "util/log.h"
#include "util/message-id.h"

#define DRIVER_DETAIL_DESTROYED 1
#define DRIVER_BOOT_ID_BYTES    64

void
vt_driver_config_free(VtDriverConfig *config)
{
    if (!config)
        return;
    g_free(config->root);
    g_free(config->config_dir);
    g_free(config->state_dir);
    g_free(config->lib_dir);
    g_free(config->log_dir);
    g_free(config->cache_dir);
    g_free(config->hostname);
    g_free(config->migration_address);
    g_free(config->migration_host);
    g_free(config->default_emulator);
    g_free(config->network_uri);
    g_free(config);
}

const VtDriverConfig *
vt_driver_config(const VtDriver *driver)
{
    return driver->config;
}

/* ---- capabilities of emulators ---- */

typedef struct {
    VtQemuCaps *caps;
    gint64 size, mtime_ns;
} DriverCaps;

static void
driver_caps_free(DriverCaps *entry)
{
    vt_qemu_caps_unref(entry->caps);
    g_free(entry);
}

static char *
driver_default_emulator(const VtDriver *driver)
{
    static const char *const names[] = { "qemu-system-x86_64", "qemu-kvm", "kvm" };
    char *path = g_strdup(driver->config->default_emulator);

    for (guint i = 0; i < G_N_ELEMENTS(names) && !path; i++)
        path = g_find_program_in_path(names[i]);
    return path;
}

VtQemuCaps *
vt_driver_caps(VtDriver *driver, const char *binary, GError **error)
{
    g_autofree char *path = binary ? g_strdup(binary) : driver_default_emulator(driver);
    DriverCaps *entry;
    VtQemuCaps *caps;
    struct stat st;
    gint64 mtime_ns;

    if (!path) {
        vt_error_set(error, VT_ERROR_CONFIG_UNSUPPORTED,
                     _("no emulator was found: install qemu-system-x86_64, or name one in <emulator>"));
        return NULL;
    }
    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || access(path, X_OK) < 0) {
        vt_error_set(error, VT_ERROR_CONFIG_UNSUPPORTED, _("the emulator '%s' cannot be executed: %s"), path,
                     g_strerror(errno));
        return NULL;
    }
    mtime_ns = (gint64)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    entry = g_hash_table_lookup(driver->caps, path);
    if (entry && entry->size == st.st_size && entry->mtime_ns == mtime_ns)
        return entry->caps;
    caps = vt_qemu_caps_probe(path, driver->config->cache_dir, error);
    if (!caps)
        return NULL;
    entry = g_new0(DriverCaps, 1);
    entry->caps = caps;
    entry->size = st.st_size;
    entry->mtime_ns = mtime_ns;
    g_hash_table_replace(driver->caps, g_steal_pointer(&path), entry);
    return caps;
}

/* ---- open, close ---- */

static gboolean
driver_make_dirs(const VtDriverConfig *config, GError **error)
{
    g_autofree char *autostart = g_build_filename(config->config_dir, "autostart", NULL);
    const char *dirs[] = { config->config_dir, autostart,       config->state_dir,
                           config->lib_dir,    config->log_dir, config->cache_dir };

    for (guint i = 0; i < G_N_ELEMENTS(dirs); i++) {
        if (!vt_file_mkdirs(dirs[i], 0700, error))
            return FALSE;
    }
    return TRUE;
}

/* Two daemons on one state directory would both believe that a guest is theirs. */
static gboolean
driver_lock(VtDriver *driver, GError **error)
{
    g_autofree char *path = g_build_filename(driver->config->state_dir, "driver.pid", NULL);

    if (vt_file_pid_lock(path, &driver->lock_fd, error))
        return TRUE;
    g_prefix_error(error, _("the directory '%s' is in use by another virtteamd: "),
                   driver->config->state_dir);
    return FALSE;
}

VtDriver *
vt_driver_new(VtDriverConfig *config, GError **error)
{
    VtDriver *driver = g_new0(VtDriver, 1);
    g_autoptr(GError) no_qemu = NULL;

    driver->config = config;
    driver->lock_fd = -1;
    g_datalist_init(&driver->data);
    driver->caps = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)driver_caps_free);
    vt_domain_list_init(driver);
    if (!driver_make_dirs(config, error) || !driver_lock(driver, error)) {
        vt_driver_free(driver);
        return NULL;
    }
    /* Not fatal: a client still sees its definitions, and is told the reason when it starts one. */
    if (!vt_driver_caps(driver, NULL, &no_qemu))
        vt_log_warning("%s", no_qemu->message);
    driver->status_changed = vt_store_status_soon;
    vt_store_load(driver);
    vt_reserve_load(driver);
    vt_net_port_load(driver);
    vt_recover_run(driver);
    vt_datapath_recover(driver);
    vt_host_port_recover(driver);
    vt_hostdev_recover(driver);
    vt_net_port_recover(driver);
    return driver;
}

void
vt_driver_free(VtDriver *driver)
{
    g_autoptr(GPtrArray) domains = NULL;

    if (!driver)
        return;
    domains = vt_driver_list(driver, 0);
    for (guint i = 0; i < domains->len; i++) {
        VtDomain *domain = g_ptr_array_index(domains, i);

        vt_save_abandon(domain);
        vt_restore_abandon(domain);
        vt_start_abandon(domain);
        vt_stop_abandon(domain);
        vt_lifecycle_abandon(domain);
        vt_vf_give_abandon(domain);
        vt_team_enforce_close(domain);
        vt_team_guard_close(domain);
        vt_team_switch_abandon(domain);
        if (vt_domain_is_active(domain) && !vt_journal_kind(domain))
            vt_store_status_write(driver, domain, NULL, NULL);
        /* Letting go of the process leaves QEMU alone. */
        g_clear_pointer(&domain->process, vt_process_free);
    }
    driver->status_changed = NULL;
    if (driver->lock_fd >= 0) {
        g_autofree char *path = g_build_filename(driver->config->state_dir, "driver.pid", NULL);

        vt_file_flush_async();
        vt_file_pid_unlock(path, &driver->lock_fd);
    }
    vt_domain_list_clear(driver);
    g_datalist_clear(&driver->data);
    g_hash_table_unref(driver->caps);
    vt_driver_config_free(driver->config);
    g_free(driver);
}

/* ---- autostart ---- */

static void
driver_autostarted(gpointer user, const GError *error)
{
    g_autoptr(VtDomain) domain = user;

    if (error)
        vt_log_error("domain '%s' was not started with the daemon: %s", domain->name, error->message);
    else
        vt_log_info("domain '%s' was started with the daemon", domain->name);
}

/* A daemon that is restarted must not start what an administrator has shut down since the host booted: a mark in
 * the state directory holds the boot's id. */
static gboolean
driver_autostart_due(VtDriver *driver)
{
    g_autofree char *path = g_build_filename(driver->config->state_dir, "autostarted", NULL);
    g_autofree char *boot = vt_file_read("/proc/sys/kernel/random/boot_id", DRIVER_BOOT_ID_BYTES, NULL, NULL);
    g_autofree char *mark = vt_file_read(path, DRIVER_BOOT_ID_BYTES, NULL, NULL);
    g_autoptr(GError) error = NULL;

    if (boot && g_strcmp0(boot, mark) == 0)
        return FALSE;
    if (boot && !g_file_set_contents(path, boot, -1, &error))
        vt_log_warning("autostart may happen once more at the next restart: %s", error->message);
    return TRUE;
}

void
vt_driver_autostart(VtDriver *driver)
{
    g_autoptr(GPtrArray) domains = NULL;

    if (!driver_autostart_due(driver))
        return;
    domains = vt_driver_list(driver, 0);
    for (guint i = 0; i < domains->len; i++) {
        VtDomain *domain = g_ptr_array_index(domains, i);

        if (domain->autostart && !vt_domain_is_active(domain))
            vt_lifecycle_create(driver, domain, 0, NULL, driver_autostarted, vt_domain_ref(domain));
    }
}

/* ---- clients ---- */

static void
driver_autodestroy(VtDriver *driver, VtDomain *domain)
{
    const VtStopParams params = {
        .driver = driver,
        .domain = domain,
        .reason = VT_SHUTOFF_DESTROYED,
        .detail = DRIVER_DETAIL_DESTROYED,
    };

    vt_log_id_info(VT_MESSAGE_AUTODESTROY, domain->name, "domain '%s' ends with the client that started it",
                   domain->name);
    domain->autodestroy = NULL;
    domain->autodestroy_lost = TRUE; /* a start under way looks at this at its end */
    if (!domain->starting)
        vt_stop_run(&params, NULL, NULL);
}

void
vt_driver_owner_gone(VtDriver *driver, VtOwner *owner)
{
    g_autoptr(GPtrArray) domains = vt_driver_list(driver, 0);

    g_ptr_array_set_free_func(domains, (GDestroyNotify)vt_domain_unref);
    for (guint i = 0; i < domains->len; i++)
        vt_domain_ref(g_ptr_array_index(domains, i));
    for (guint i = 0; i < domains->len; i++) {
        VtDomain *domain = g_ptr_array_index(domains, i);

        if (owner && domain->autodestroy == owner)
            driver_autodestroy(driver, domain);
    }
    vt_migrate_owner_gone(driver, owner);
}
