/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two sources tell what was: the status file of a guest (it runs, or ran until a moment ago) and the journal
 * (an operation was under way). Together:
 *
 *   status  journal        what is done
 *   yes     none           attach to QEMU, ask for its state; if it is gone, stop
 *   yes     start          the start was not reported to anyone: end the guest
 *   yes     restore        the same, unless the guest has run already: then it is kept
 *   yes     save           attach; vt_save_recover() ends the guest if its file is complete, else it goes on
 *   yes     give-vf        attach; vt_vf_give_recover() keeps the VF if QEMU has it, else gives it back
 *   yes     migrate-*      attach, then vt_migrate_recover() finishes or undoes
 *   no      start          a QEMU may have been spawned: kill what the pid file names, remove its files
 *   no      migrate-in     likewise: the incoming QEMU never got its status
 *   no      migrate-out    the guest had ended: nothing is left but the journal
 *
 * A running guest is sacred. A QEMU whose monitor does not answer is kept on the list in the state last known, for
 * no known reason, and asked again with back-off for as long as its process exists; nobody holds the job
 * meanwhile, and whoever needs the monitor is told that it does not answer. Only guests that were never anybody's
 * (a start that was not reported) or that were to end anyway (autodestroy) are ended without a word from QEMU.
 */
#define VT_LOG_DOMAIN "virtteam-driver-recover"

#include "driver/datapath.h"
#include "driver/device-leaving.h"
#include "driver/device-recover.h"
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
#include "driver/restore.h"
#include "driver/run-files.h"
#include "driver/save.h"
#include "driver/start-host.h"
#include "driver/stop.h"
#include "driver/store.h"
#include "driver/team-enforce.h"
#include "driver/team-keep.h"
#include "driver/team-manage.h"
#include "driver/team-state.h"
#include "driver/team-watch.h"
#include "driver/vf-give.h"
#include "driver/team-guard.h"
#include "util/json.h"
#include "util/file.h"
#include "util/log.h"
#include "util/message-id.h"

#define RECOVER_JOB_MS      30000
#define RECOVER_CONNECT_MS  10000
#define RECOVER_QMP_MS      10000
#define RECOVER_LOOK_MS     1000 /* whether there is a connection again */
#define RECOVER_BACKOFF_MAX 60 /* looks between two questions to a QEMU that is connected and says nothing */

enum {
    STOPPED_SHUTDOWN = 0,
    STOPPED_DESTROYED = 1,
    STOPPED_FAILED = 5,
    REASON_UNKNOWN = 0,
};

#define RECOVER_KEY "recovery"

/* Owned by the domain (its data): gone with it when the daemon ends. */
typedef struct {
    VtDriver *driver;
    VtDomain *domain; /* not owned */
    gboolean has_job;
    guint timer;     /* while QEMU does not answer */
    guint wait_left; /* looks until QEMU is asked again */
    guint backoff;   /* the next wait_left */
} Recovery;

static void recover_qemu_exited(VtDomain *domain, const char *why, gpointer user);
static const VtDomainQmpFuncs recover_listener = { .exited = recover_qemu_exited };

static void
recover_free(gpointer data)
{
    Recovery *recovery = data;

    g_clear_handle_id(&recovery->timer, g_source_remove);
    g_free(recovery);
}

static void
recover_done(Recovery *recovery)
{
    g_autoptr(VtDomain) domain = vt_domain_ref(recovery->domain);

    vt_domain_remove_qmp_listener(domain, &recover_listener, recovery);
    if (domain->live && domain->process && !domain->qemu_gone) {
        vt_team_watch_open(domain);
        vt_team_manage_replug(domain, NULL, NULL);
    }
    if (vt_vf_give_is_due(domain, NULL))
        vt_vf_give_watch(recovery->driver);
    if (domain->live && domain->process)
        vt_team_guard_open(domain);
    if (recovery->has_job)
        vt_job_end(domain);
    vt_domain_set_data(domain, RECOVER_KEY, NULL, NULL);
}

static void
recover_stopped(gpointer user, const GError *error)
{
    Recovery *recovery = user;

    vt_save_sweep(recovery->domain);
    vt_restore_sweep(recovery->domain, FALSE);
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

/* It was never anybody's, or was to end with a client that has gone: this needs no word from its QEMU. */
static gboolean
recover_is_to_end(Recovery *recovery)
{
    VtDomain *domain = recovery->domain;

    if (domain->autodestroy_lost) {
        vt_log_id_info(VT_MESSAGE_AUTODESTROY_AFTER_RESTART, domain->name,
                       "domain '%s' was to end with its client, which has gone", domain->name);
        recover_stop(recovery, VT_SHUTOFF_DESTROYED, STOPPED_DESTROYED);
        return TRUE;
    }
    if (g_strcmp0(vt_journal_kind(domain), "start") == 0) {
        vt_log_id_info(VT_MESSAGE_RECOVER_START_INTERRUPTED, domain->name,
                       "domain '%s': its start was interrupted, ending it", domain->name);
        recover_stop(recovery, VT_SHUTOFF_FAILED, STOPPED_FAILED);
        return TRUE;
    }
    return FALSE;
}

/* ---- a QEMU that answers ---- */

static void
recover_migrated(gpointer user, const GError *error)
{
    Recovery *recovery = user;
    g_autoptr(VtDomain) domain = recovery->domain; /* the reference of recover_finish() */

    if (error)
        vt_log_id_warning(VT_MESSAGE_RECOVER_NOT_CLEAN, domain->name,
                          "domain '%s': recovery of what was interrupted: %s", domain->name, error->message);
    recover_done(recovery);
}

/* Was its client told, or has it run? Then its image is behind it. */
static void
recover_restored(Recovery *recovery)
{
    VtDomain *domain = recovery->domain;

    if (domain->state != VT_DOMAIN_RUNNING && g_strcmp0(vt_journal_get(domain, "step"), "tell") != 0) {
        vt_log_info("domain '%s': its restore was interrupted, ending it", domain->name);
        recover_stop(recovery, VT_SHUTOFF_FAILED, STOPPED_FAILED);
        return;
    }
    vt_restore_sweep(domain, TRUE);
    vt_journal_end(domain);
    recover_done(recovery);
}

static void
recover_finish(Recovery *recovery)
{
    VtDomain *domain = recovery->domain;
    const char *kind = vt_journal_kind(domain);

    if (recover_is_to_end(recovery))
        return;
    vt_team_enforce_recover(domain);
    vt_datapath_recover_connected(domain);
    if (g_strcmp0(kind, "restore") == 0) {
        recover_restored(recovery);
    } else if (g_strcmp0(kind, "save") == 0) {
        vt_domain_ref(domain);
        vt_save_recover(recovery->driver, domain, recover_migrated, recovery);
    } else if (g_strcmp0(kind, VT_VF_GIVE_JOURNAL) == 0) {
        vt_domain_ref(domain);
        vt_vf_give_recover(domain, recover_migrated, recovery);
    } else if (kind && g_str_has_prefix(kind, "migrate-")) {
        vt_domain_ref(domain);
        vt_migrate_recover(recovery->driver, domain, recover_migrated, recovery);
    } else {
        vt_journal_end(domain);
        vt_log_id_info(VT_MESSAGE_RECOVER_FOUND, domain->name, "domain '%s' is found again", domain->name);
        recover_done(recovery);
    }
}

static void
recover_devices(gpointer user, const GError *nothing)
{
    Recovery *recovery = user;

    if (recovery->domain->process)
        recover_finish(recovery);
}

static void
recover_chardevs(gpointer user, JsonNode *result, const GError *error)
{
    Recovery *recovery = user;

    if (!recovery->domain->process)
        return; /* the daemon ends */
    if (!error && recovery->domain->live)
        vt_start_host_read_chardevs(recovery->domain->live, result);
    vt_domain_status_changed(recovery->domain);
    vt_team_state_ask(recovery->domain, NULL, NULL);
    vt_device_recover(recovery->driver, recovery->domain, recover_devices, recovery);
}

static void recover_ask(Recovery *recovery);
static void recover_watch(Recovery *recovery);

static void
recover_has_job_again(gpointer user, const GError *error)
{
    Recovery *recovery = user;

    if (error) {
        recover_watch(recovery);
        return;
    }
    recovery->has_job = TRUE;
    recover_ask(recovery);
}

static gboolean
recover_look(gpointer user)
{
    Recovery *recovery = user;

    if (recovery->wait_left > 0) {
        recovery->wait_left--;
        return G_SOURCE_CONTINUE;
    }
    if (!vt_domain_qmp(recovery->domain, NULL) || vt_job_kind(recovery->domain) != VT_JOB_NONE)
        return G_SOURCE_CONTINUE;
    recovery->timer = 0;
    vt_job_begin(recovery->domain, VT_JOB_MODIFY, RECOVER_JOB_MS, recover_has_job_again, recovery);
    return G_SOURCE_REMOVE;
}

static void
recover_watch(Recovery *recovery)
{
    recovery->wait_left = recovery->backoff;
    recovery->backoff = CLAMP(recovery->backoff * 2, 1, RECOVER_BACKOFF_MAX);
    if (!recovery->timer)
        recovery->timer = g_timeout_add(RECOVER_LOOK_MS, recover_look, recovery);
}

/* The guest stays what it was; the connection is tried again by its VtProcess. */
static void
recover_no_answer(Recovery *recovery, const GError *error)
{
    VtDomain *domain = recovery->domain;

    if (recover_is_to_end(recovery))
        return;
    vt_log_id_error(
        VT_MESSAGE_RECOVER_SILENT, domain->name,
        "the monitor of domain '%s' (process %d) does not answer: the guest is left running in the "
        "state last known, and is asked again until it answers: %s",
        domain->name, (int)vt_process_pid(domain->process),
        error ? error->message : "its connection is lost");
    vt_domain_set_state(domain, domain->state, REASON_UNKNOWN);
    if (recovery->has_job)
        vt_job_end(domain);
    recovery->has_job = FALSE;
    recover_watch(recovery);
}

/* The guest has ended while nobody could speak to it; guest-event.c stops it as it stops every guest. */
static void
recover_qemu_exited(VtDomain *domain, const char *why, gpointer user)
{
    Recovery *recovery = user;

    if (!recovery->has_job) {
        vt_save_sweep(domain);
        vt_restore_sweep(domain, FALSE);
        vt_journal_end(domain);
    }
    if (recovery->timer)
        recover_done(recovery);
}

static void
recover_status(gpointer user, JsonNode *result, const GError *error)
{
    Recovery *recovery = user;
    VtDomain *domain = recovery->domain;
    VtQmpClient *qmp = vt_domain_qmp(domain, NULL);

    if (!domain->process)
        return; /* the daemon ends */
    if (error || !qmp) {
        recover_no_answer(recovery, error);
        return;
    }
    vt_guest_event_run_state(domain, vt_json_string_or(result, "status", ""));
    if (domain->state == VT_DOMAIN_SHUTDOWN && domain->live->on_poweroff != VT_LIFECYCLE_PRESERVE &&
        !vt_journal_kind(domain)) {
        recover_stop(recovery, VT_SHUTOFF_SHUTDOWN, STOPPED_SHUTDOWN);
        return;
    }
    vt_qmp_client_call(qmp, "query-chardev", NULL, RECOVER_QMP_MS, recover_chardevs, recovery);
}

static void
recover_ask(Recovery *recovery)
{
    VtQmpClient *qmp = vt_domain_qmp(recovery->domain, NULL);

    if (qmp)
        vt_qmp_client_call(qmp, "query-status", NULL, RECOVER_QMP_MS, recover_status, recovery);
    else if (!vt_domain_is_active(recovery->domain) || !recovery->domain->process)
        recover_done(recovery); /* ended while we waited for the job */
    else
        recover_no_answer(recovery, NULL);
}

static void
recover_connected(gpointer user, const GError *error)
{
    Recovery *recovery = user;
    VtDomain *domain = recovery->domain;

    if (!domain->process) {
        vt_log_debug("the daemon ends while domain '%s' is looked for", domain->name);
    } else if (!error) {
        recover_ask(recovery);
    } else if (g_error_matches(error, VT_ERROR, VT_ERROR_TIMEOUT)) {
        recover_no_answer(recovery, error);
    } else {
        vt_log_id_error(VT_MESSAGE_RECOVER_DIED, domain->name, "domain '%s' has ended: %s", domain->name,
                        error->message);
        recover_stop(recovery, VT_SHUTOFF_FAILED, STOPPED_FAILED);
    }
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

    recovery->has_job = TRUE;
    domain->process = vt_process_attach(status->pid, status->start_time, monitor, log, vt_guest_event_funcs(),
                                        domain, &local);
    vt_team_state_restore(domain, status->teams);
    if (status->kept && !vt_team_keep_restore(domain, status->kept))
        vt_log_warning("dom=%s the status file says nothing usable about teams kept on standby ('%s')",
                       domain->name, status->kept);
    vt_domain_set_data(domain, "recover", NULL, NULL);
    if (!domain->process) {
        gboolean powered_off = domain->state == VT_DOMAIN_SHUTDOWN;

        vt_log_id_info(VT_MESSAGE_RECOVER_ENDED, domain->name,
                       "domain '%s' ended while no daemon watched it: %s", domain->name, local->message);
        recover_stop(recovery, powered_off ? VT_SHUTOFF_SHUTDOWN : VT_SHUTOFF_CRASHED,
                     powered_off ? STOPPED_SHUTDOWN : STOPPED_FAILED);
        return;
    }
    vt_domain_add_qmp_listener(domain, &recover_listener, recovery);
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
        vt_log_id_error(VT_MESSAGE_RECOVER_CLASH, NULL,
                        "the running guest '%s' (pid %d) clashes with a definition: it is left alone",
                        status->def->name, status->pid);
        vt_store_status_free(status);
        return;
    }
    domain->id = status->id;
    domain->live = g_steal_pointer(&status->def);
    domain->run_dir = g_steal_pointer(&status->run_dir);
    domain->autodestroy_lost = status->autodestroy;
    vt_device_leaving_restore(domain, (const char *const *)status->leaving);
    domain->state = status->state;
    domain->reason = status->reason;
    vt_domain_list_reserve_id(driver, status->id);
    vt_domain_set_data(domain, "recover", status, (GDestroyNotify)vt_store_status_free);
    if (!vt_journal_load(domain, &error))
        vt_log_error("%s", error->message);
    recovery = g_new0(Recovery, 1);
    recovery->driver = driver;
    recovery->domain = domain;
    vt_domain_set_data(domain, RECOVER_KEY, recovery, recover_free);
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

/* Only what never ran by itself is nobody's: a guest in another operation that was set aside is its owner's. */
static gboolean
recover_is_unborn(const char *journal)
{
    static const char *const kinds[] = { "start", "restore", "migrate-in", NULL };
    g_autoptr(GKeyFile) keys = g_key_file_new();
    g_autofree char *kind = NULL;

    if (!g_key_file_load_from_file(keys, journal, G_KEY_FILE_NONE, NULL))
        return FALSE;
    kind = g_key_file_get_string(keys, "journal", "kind", NULL);
    return kind && g_strv_contains(kinds, kind);
}

/* Its guest may run, though the status file says nothing that we understand. */
static gboolean
recover_is_set_aside(VtDriver *driver, const char *name)
{
    g_autofree char *base = g_strconcat(name, ".status.corrupt", NULL);
    g_autofree char *path = g_build_filename(driver->config->state_dir, base, NULL);

    return g_file_test(path, G_FILE_TEST_EXISTS);
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
            if (recover_is_set_aside(driver, strchr(file, '-') + 1))
                continue;
            g_autofree char *socket = g_build_filename(path, "monitor.sock", NULL);

            g_unlink(socket);
            g_rmdir(path);
        } else if (dot && g_str_equal(dot, ".journal") && !(domain && vt_domain_is_active(domain))) {
            if (recover_is_unborn(path))
                recover_sweep_start(driver, name);
            g_unlink(path);
        }
    }
}

void
vt_recover_run(VtDriver *driver)
{
    static const char *const suffixes[] = { ".journal", ".datapath", ".ports", ".pid" };
    g_autoptr(GPtrArray) found = vt_store_status_load(driver);

    for (gsize i = 0; i < G_N_ELEMENTS(suffixes); i++) /* before anybody writes such files */
        vt_file_sweep(driver->config->state_dir, suffixes[i]);
    g_ptr_array_set_free_func(found, NULL);
    for (guint i = 0; i < found->len; i++)
        recover_one(driver, g_ptr_array_index(found, i));
    recover_sweep(driver);
}
