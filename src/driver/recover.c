/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two sources tell what was: the status file of a guest (it runs, or ran until a moment ago) and the journal
 * (an operation was under way). Together:
 *
 *   status  journal        what is done
 *   yes     none           attach to QEMU, ask for its state; if it is gone, stop
 *   yes     start          the start was not reported to anyone: end the guest
 *   yes     migrate-*      attach, then vt_migrate_recover() finishes or undoes
 *   no      start          a QEMU may have been spawned: kill what the pid file names, remove its files
 *   no      migrate-in     likewise: the incoming QEMU never got its status
 *   no      migrate-out    the guest had ended: nothing is left but the journal
 */
#define VT_LOG_DOMAIN "virtteam-driver-recover"

#include "driver/recover.h"
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include "driver/domain-list.h"
#include "driver/domain-private.h"
#include "driver/guest-event.h"
#include "driver/job.h"
#include "driver/journal.h"
#include "driver/migrate.h"
#include "driver/run-files.h"
#include "driver/start-host.h"
#include "driver/stop.h"
#include "driver/store.h"
#include "util/json.h"
#include "util/log.h"

#define RECOVER_JOB_MS     1000
#define RECOVER_CONNECT_MS 30000
#define RECOVER_QMP_MS     30000

enum {
    STOPPED_SHUTDOWN = 0,
    STOPPED_DESTROYED = 1,
    STOPPED_FAILED = 5,
    RUNNING_UNKNOWN = 0,
    PAUSED_UNKNOWN = 0,
    CRASHED_PANICKED = 1,
};

typedef struct {
    VtDriver *driver;
    VtDomain *domain; /* with a reference */
} Recovery;

static void
recover_done(Recovery *recovery)
{
    vt_job_end(recovery->domain);
    vt_domain_unref(recovery->domain);
    g_free(recovery);
}

static void
recover_stopped(gpointer user, const GError *error)
{
    Recovery *recovery = user;

    vt_journal_end(recovery->domain);
    recover_done(recovery);
}

static void
recover_stop(Recovery *recovery, VtShutoffReason reason, int detail)
{
    const VtStopParams params = {
        .driver = recovery->driver,
        .domain = recovery->domain,
        .reason = reason,
        .detail = detail,
    };

    vt_stop_run(&params, recover_stopped, recovery);
}

/* ---- a QEMU that answers ---- */

static void
recover_migrated(gpointer user, const GError *error)
{
    Recovery *recovery = user;

    if (error)
        vt_log_warning("domain '%s': recovery of its migration: %s", recovery->domain->name, error->message);
    recover_done(recovery);
}

static void
recover_finish(Recovery *recovery)
{
    VtDomain *domain = recovery->domain;
    const char *kind = vt_journal_kind(domain);

    if (domain->autodestroy_lost) {
        vt_log_info("domain '%s' was to end with its client, which has gone", domain->name);
        recover_stop(recovery, VT_SHUTOFF_DESTROYED, STOPPED_DESTROYED);
    } else if (g_strcmp0(kind, "start") == 0) {
        vt_log_info("domain '%s': its start was interrupted, ending it", domain->name);
        recover_stop(recovery, VT_SHUTOFF_FAILED, STOPPED_FAILED);
    } else if (kind && g_str_has_prefix(kind, "migrate-")) {
        vt_migrate_recover(recovery->driver, domain, recover_migrated, recovery);
    } else {
        vt_journal_end(domain);
        vt_log_info("domain '%s' is found again", domain->name);
        recover_done(recovery);
    }
}

static void
recover_chardevs(gpointer user, JsonNode *result, const GError *error)
{
    Recovery *recovery = user;

    if (!error && recovery->domain->live)
        vt_start_host_read_chardevs(recovery->domain->live, result);
    vt_domain_status_changed(recovery->domain);
    recover_finish(recovery);
}

/* Source: QAPI RunState. What is not in the table is a state in which the CPUs stand still. */
static void
recover_set_state(VtDomain *domain, const char *status)
{
    if (g_str_equal(status, "running")) {
        if (domain->state != VT_DOMAIN_RUNNING)
            vt_domain_set_state(domain, VT_DOMAIN_RUNNING, RUNNING_UNKNOWN);
    } else if (g_str_equal(status, "shutdown")) {
        vt_domain_set_state(domain, VT_DOMAIN_SHUTDOWN, 0);
    } else if (g_str_equal(status, "suspended")) {
        vt_domain_set_state(domain, VT_DOMAIN_PMSUSPENDED, 0);
    } else if (g_str_equal(status, "guest-panicked")) {
        vt_domain_set_state(domain, VT_DOMAIN_CRASHED, CRASHED_PANICKED);
    } else if (domain->state != VT_DOMAIN_PAUSED) {
        vt_domain_set_state(domain, VT_DOMAIN_PAUSED, PAUSED_UNKNOWN);
    }
}

static void
recover_status(gpointer user, JsonNode *result, const GError *error)
{
    Recovery *recovery = user;
    VtDomain *domain = recovery->domain;
    VtQmpClient *qmp = vt_domain_qmp(domain, NULL);

    if (error || !qmp) {
        vt_log_error("domain '%s' does not answer, ending it: %s", domain->name,
                     error ? error->message : "its monitor is lost");
        recover_stop(recovery, VT_SHUTOFF_FAILED, STOPPED_FAILED);
        return;
    }
    recover_set_state(domain, vt_json_string_or(result, "status", ""));
    if (domain->state == VT_DOMAIN_SHUTDOWN && domain->live->on_poweroff != VT_LIFECYCLE_PRESERVE &&
        !vt_journal_kind(domain)) {
        recover_stop(recovery, VT_SHUTOFF_SHUTDOWN, STOPPED_SHUTDOWN);
        return;
    }
    vt_qmp_client_call(qmp, "query-chardev", NULL, RECOVER_QMP_MS, recover_chardevs, recovery);
}

static void
recover_connected(gpointer user, const GError *error)
{
    Recovery *recovery = user;
    VtDomain *domain = recovery->domain;
    VtQmpClient *qmp = vt_domain_qmp(domain, NULL);

    if (error || !qmp) {
        vt_log_error("domain '%s': its QEMU (pid %d) cannot be reached, ending it: %s", domain->name,
                     (int)vt_process_pid(domain->process), error ? error->message : "its monitor is lost");
        recover_stop(recovery, VT_SHUTOFF_FAILED, STOPPED_FAILED);
        return;
    }
    vt_qmp_client_call(qmp, "query-status", NULL, RECOVER_QMP_MS, recover_status, recovery);
}

static void
recover_has_job(gpointer user, const GError *error)
{
    Recovery *recovery = user;
    VtDomain *domain = recovery->domain;
    g_autofree char *monitor = vt_run_files_monitor(domain);
    g_autofree char *log = vt_run_files_log(recovery->driver, domain);
    const VtStoreStatus *status = vt_domain_data(domain, "recover");
    g_autoptr(GError) local = NULL;

    domain->process = vt_process_attach(status->pid, status->start_time, monitor, log, vt_guest_event_funcs(),
                                        domain, &local);
    vt_domain_set_data(domain, "recover", NULL, NULL);
    if (!domain->process) {
        gboolean powered_off = domain->state == VT_DOMAIN_SHUTDOWN;

        vt_log_info("domain '%s' ended while no daemon watched it: %s", domain->name, local->message);
        recover_stop(recovery, powered_off ? VT_SHUTOFF_SHUTDOWN : VT_SHUTOFF_CRASHED,
                     powered_off ? STOPPED_SHUTDOWN : STOPPED_FAILED);
        return;
    }
    vt_process_connect(domain->process, RECOVER_CONNECT_MS, recover_connected, recovery);
}

/* ---- from the status file ---- */

static VtDomain *
recover_domain(VtDriver *driver, const VtStoreStatus *status)
{
    VtDomain *domain = vt_driver_lookup_uuid(driver, &status->def->uuid, NULL);
    g_autoptr(VtDomain) fresh = NULL;

    if (domain)
        return g_str_equal(domain->name, status->def->name) ? domain : NULL;
    fresh = vt_domain_new(driver, status->def->name, &status->def->uuid);
    return vt_domain_list_insert(driver, fresh) ? fresh : NULL;
}

static void
recover_one(VtDriver *driver, VtStoreStatus *status)
{
    g_autoptr(GError) error = NULL;
    VtDomain *domain = recover_domain(driver, status);
    Recovery *recovery;

    if (!domain) {
        vt_log_error("the running guest '%s' (pid %d) clashes with a definition: it is left alone",
                     status->def->name, status->pid);
        vt_store_status_free(status);
        return;
    }
    domain->id = status->id;
    domain->live = g_steal_pointer(&status->def);
    domain->run_dir = g_steal_pointer(&status->run_dir);
    domain->autodestroy_lost = status->autodestroy;
    domain->state = status->state;
    domain->reason = status->reason;
    vt_domain_list_reserve_id(driver, status->id);
    vt_domain_set_data(domain, "recover", status, (GDestroyNotify)vt_store_status_free);
    if (!vt_journal_load(domain, &error))
        vt_log_error("%s", error->message);
    recovery = g_new0(Recovery, 1);
    recovery->driver = driver;
    recovery->domain = vt_domain_ref(domain);
    vt_job_begin(domain, VT_JOB_MODIFY, RECOVER_JOB_MS, recover_has_job, recovery);
}

/* ---- what killed starts left ---- */

/* A pid file with the time at which that process began: a recycled pid is never killed. */
static void
recover_sweep_start(VtDriver *driver, const char *name)
{
    g_autofree char *base = g_strconcat(name, ".pid", NULL);
    g_autofree char *path = g_build_filename(driver->config->state_dir, base, NULL);
    const VtProcessFuncs nobody = { 0 };
    VtProcess *stray = NULL;
    guint64 start_time = 0;
    pid_t pid = 0;

    if (vt_process_read_pid_file(path, &pid, &start_time))
        stray = vt_process_attach(pid, start_time, "", "", &nobody, NULL, NULL);
    if (stray) {
        vt_log_info("domain '%s': its start was interrupted, killing its QEMU (process %d)", name, (int)pid);
        vt_process_kill(stray, 0, NULL, NULL); /* no time to end by itself: SIGKILL is sent in here */
    }
    vt_process_free(stray);
    g_unlink(path);
}

/* "7-web1": the directory of a run whose guest is not active any more. */
static gboolean
recover_is_run_dir(VtDriver *driver, const char *file)
{
    char *end = NULL;
    long id = strtol(file, &end, 10);

    return id > 0 && end != file && *end == '-' && id <= G_MAXINT &&
           !vt_driver_lookup_id(driver, (int)id, NULL);
}

static void
recover_sweep(VtDriver *driver)
{
    const char *dir_path = driver->config->state_dir;
    g_autoptr(GDir) dir = g_dir_open(dir_path, 0, NULL);
    const char *file;

    while (dir && (file = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(dir_path, file, NULL);
        const char *dot = strrchr(file, '.');
        g_autofree char *name = dot ? g_strndup(file, (gsize)(dot - file)) : NULL;
        VtDomain *domain = name ? vt_driver_lookup_name(driver, name, NULL) : NULL;

        if (recover_is_run_dir(driver, file) && g_file_test(path, G_FILE_TEST_IS_DIR)) {
            g_autofree char *socket = g_build_filename(path, "monitor.sock", NULL);

            g_unlink(socket);
            g_rmdir(path);
        } else if (dot && g_str_equal(dot, ".journal") && !(domain && vt_domain_is_active(domain))) {
            recover_sweep_start(driver, name);
            g_unlink(path);
        }
    }
}

void
vt_recover_run(VtDriver *driver)
{
    g_autoptr(GPtrArray) found = vt_store_status_load(driver);

    g_ptr_array_set_free_func(found, NULL);
    for (guint i = 0; i < found->len; i++)
        recover_one(driver, g_ptr_array_index(found, i));
    recover_sweep(driver);
}
