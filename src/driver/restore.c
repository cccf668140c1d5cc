/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest that has run on from a managed image must never be started from it again: its disks are ahead of its
 * memory then. So the image is set aside (renamed) before the CPUs run, and removed after; a failure in between
 * brings it back. A daemon killed there leaves the journal (kind "restore"): its successor asks QEMU whether the
 * guest runs.
 *
 * A team's primary comes back by itself: the state says that the guest has negotiated STANDBY, and QEMU plugs the
 * primary while it loads. One that the driver conducts is plugged as soon as the guest runs.
 */
#define VT_LOG_DOMAIN "virtteam-driver-restore"

#include "driver/restore.h"
#include <glib/gstdio.h>
#include <string.h>
#include "conf/domain-xml.h"
#include "driver/domain-list.h"
#include "driver/domain-private.h"
#include "driver/event.h"
#include "driver/job.h"
#include "driver/journal.h"
#include "driver/save-file.h"
#include "driver/save.h"
#include "driver/stop.h"
#include "driver/team-manage.h"
#include "qemu/prepare.h"
#include "util/fd.h"
#include "util/i18n.h"
#include "util/json.h"
#include "util/log.h"

#define RESTORE_KEY      "restore"
#define RESTORE_FD_NAME  "virtteam-restore"
#define RESTORE_URI      "fd:" RESTORE_FD_NAME
#define RESTORE_JOB_MS   30000
#define RESTORE_QMP_MS   30000
#define RESTORE_DISK_MS  120000
#define RESTORE_START_MS 600000 /* bounded by the steps of 'start' */
#define RESTORE_STOP_MS  300000
#define RESTORE_POLL_MS  100

enum {
    CREATE_BYPASS_CACHE = 1 << 2, /* virDomainCreateFlags */
    CREATE_FORCE_BOOT = 1 << 3,
    PAUSED_USER = 1,
    RUNNING_RESTORED = 3, /* virDomainRunningReason */
    EVENT_STARTED = 2,
    EVENT_SUSPENDED = 3,
    STARTED_RESTORED = 2,
    SUSPENDED_RESTORED = 3,
};

typedef struct {
    guint refs;
    VtStartParams start; /* domain with a reference, once it is known */
    char *path, *used;   /* used: a managed image is set aside under this name; else NULL */
    char *xml;
    guint flags;
    VtFd fd;
    gboolean runs;
    gboolean owns_job;
    guint poll;
    VtSeq *seq; /* NULL: not begun, or over */
    VtDoneFunc done;
    gpointer user;
} RestoreRun;

static void
restore_run_unref(gpointer data)
{
    RestoreRun *run = data;

    if (--run->refs > 0)
        return;
    g_clear_handle_id(&run->poll, g_source_remove);
    vt_fd_close(run->fd);
    vt_domain_unref(run->start.domain);
    g_free(run->path);
    g_free(run->used);
    g_free(run->xml);
    g_free(run);
}

static VtSeqAct *
restore_act(RestoreRun *run)
{
    run->refs++;
    return vt_seq_act_new(run->seq, run, restore_run_unref);
}

static void
restore_replied(gpointer user, JsonNode *result, const GError *error)
{
    vt_seq_act_done(user, error);
}

/* ---- steps ---- */

static VtStepResult
restore_journal(VtSeq *seq, gpointer data, GError **error)
{
    RestoreRun *run = data;

    vt_journal_begin(run->start.domain, "restore");
    vt_journal_set(run->start.domain, "managed", run->used ? "yes" : "no");
    vt_journal_set(run->start.domain, "step", "journal");
    vt_journal_sync(run->start.domain, vt_seq_act_done, restore_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
restore_journal_undo(VtSeq *seq, gpointer data, GError **error)
{
    vt_journal_end(((RestoreRun *)data)->start.domain);
    return VT_STEP_DONE;
}

static VtStepResult
restore_start_qemu(VtSeq *seq, gpointer data, GError **error)
{
    RestoreRun *run = data;
    VtStartParams params = run->start;

    params.incoming = "defer";
    params.migrated = TRUE; /* the driver's primaries had left before the guest was saved */
    vt_start_run(&params, vt_seq_act_done, restore_act(run));
    return VT_STEP_WAIT;
}

/* Nobody was told that it had started. */
static VtStepResult
restore_start_qemu_undo(VtSeq *seq, gpointer data, GError **error)
{
    RestoreRun *run = data;
    const VtStopParams params = {
        .driver = run->start.driver,
        .domain = run->start.domain,
        .reason = VT_SHUTOFF_FAILED,
        .detail = -1,
    };

    vt_stop_run(&params, vt_seq_act_done, restore_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
restore_pass_fd(VtSeq *seq, gpointer data, GError **error)
{
    RestoreRun *run = data;
    VtQmpClient *qmp = vt_domain_qmp(run->start.domain, error);

    if (!qmp)
        return VT_STEP_FAILED;
    vt_qmp_client_pass_fd(qmp, RESTORE_FD_NAME, run->fd, RESTORE_QMP_MS, restore_replied, restore_act(run));
    return VT_STEP_WAIT;
}

static gboolean restore_poll(gpointer user);

static void
restore_polled(gpointer user, JsonNode *result, const GError *error)
{
    VtSeqAct *act = user;
    RestoreRun *run = vt_seq_act_data(act);
    const char *status = error ? "" : vt_json_string_or(result, "status", "");

    if (!vt_seq_act_is_current(act)) {
        vt_log_debug("an answer about a restore that is over");
    } else if (error) {
        vt_seq_step_failed(run->seq, g_error_copy(error));
    } else if (g_str_equal(status, "completed")) {
        vt_seq_step_done(run->seq);
    } else if (g_str_equal(status, "failed")) {
        vt_seq_step_failed(
            run->seq, g_error_new(VT_ERROR, VT_ERROR_OPERATION_FAILED,
                                  _("QEMU could not load domain '%s' from '%s': %s"), run->start.domain->name,
                                  run->path, vt_json_string_or(result, "error-desc", _("its log says why"))));
    } else if (!run->poll) {
        run->poll = g_timeout_add(RESTORE_POLL_MS, restore_poll, run);
    }
    vt_seq_act_free(act);
}

static gboolean
restore_poll(gpointer user)
{
    RestoreRun *run = user;
    g_autoptr(GError) error = NULL;
    VtQmpClient *qmp = vt_domain_qmp(run->start.domain, &error);

    run->poll = 0;
    if (!run->seq)
        return G_SOURCE_REMOVE;
    if (qmp)
        vt_qmp_client_call(qmp, "query-migrate", NULL, 0, restore_polled, restore_act(run));
    else
        vt_seq_step_failed(run->seq, g_steal_pointer(&error));
    return G_SOURCE_REMOVE;
}

static void
restore_accepted(gpointer user, JsonNode *result, const GError *error)
{
    VtSeqAct *act = user;
    RestoreRun *run = vt_seq_act_data(act);

    if (error) {
        vt_seq_act_done(act, error);
        return;
    }
    if (vt_seq_act_is_current(act))
        run->poll = g_timeout_add(RESTORE_POLL_MS, restore_poll, run);
    vt_seq_act_free(act);
}

static VtStepResult
restore_load(VtSeq *seq, gpointer data, GError **error)
{
    RestoreRun *run = data;
    VtQmpClient *qmp = vt_domain_qmp(run->start.domain, error);

    if (!qmp)
        return VT_STEP_FAILED;
    vt_qmp_client_callv(qmp, "migrate-incoming", RESTORE_QMP_MS, restore_accepted, restore_act(run), "uri",
                        "s", RESTORE_URI, NULL);
    return VT_STEP_WAIT;
}

static VtStepResult
restore_load_undo(VtSeq *seq, gpointer data, GError **error)
{
    g_clear_handle_id(&((RestoreRun *)data)->poll, g_source_remove);
    return VT_STEP_DONE;
}

static VtStepResult
restore_set_aside(VtSeq *seq, gpointer data, GError **error)
{
    RestoreRun *run = data;

    if (!run->used)
        return VT_STEP_DONE;
    vt_save_file_rename(run->path, run->used, vt_seq_act_done, restore_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
restore_set_aside_undo(VtSeq *seq, gpointer data, GError **error)
{
    RestoreRun *run = data;

    if (!run->used || !g_file_test(run->used, G_FILE_TEST_EXISTS))
        return VT_STEP_DONE;
    vt_save_file_rename(run->used, run->path, vt_seq_act_done, restore_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
restore_cont(VtSeq *seq, gpointer data, GError **error)
{
    RestoreRun *run = data;
    VtDomain *domain = run->start.domain;
    VtQmpClient *qmp = vt_domain_qmp(domain, error);

    if (!qmp)
        return VT_STEP_FAILED;
    if (!run->runs) {
        vt_domain_set_state(domain, VT_DOMAIN_PAUSED, PAUSED_USER);
        return VT_STEP_DONE;
    }
    vt_domain_expect_resume(domain, RUNNING_RESTORED);
    vt_qmp_client_call(qmp, "cont", NULL, RESTORE_QMP_MS, restore_replied, restore_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
restore_tell(VtSeq *seq, gpointer data, GError **error)
{
    RestoreRun *run = data;
    VtDomain *domain = run->start.domain;

    if (run->used && g_unlink(run->used) < 0)
        vt_log_warning("'%s', from which domain '%s' was started, cannot be removed; no start will use it",
                       run->used, domain->name);
    vt_journal_end(domain);
    vt_event_lifecycle(run->start.driver, domain, EVENT_STARTED, STARTED_RESTORED);
    if (!run->runs)
        vt_event_lifecycle(run->start.driver, domain, EVENT_SUSPENDED, SUSPENDED_RESTORED);
    return VT_STEP_DONE;
}

static const VtStep restore_steps[] = {
    { .name = "journal",
      .waits_for = "the journal is on disk",
      .start = restore_journal,
      .undo = restore_journal_undo,
      .timeout_ms = RESTORE_QMP_MS },
    { .name = "start-qemu",
      .waits_for = "a QEMU waits for the guest ('start')",
      .start = restore_start_qemu,
      .undo = restore_start_qemu_undo,
      .timeout_ms = RESTORE_START_MS,
      .undo_timeout_ms = RESTORE_STOP_MS },
    { .name = "pass-fd",
      .waits_for = "QEMU has the file",
      .start = restore_pass_fd,
      .timeout_ms = RESTORE_QMP_MS + 1000 },
    { .name = "load", .waits_for = "the guest is loaded", .start = restore_load, .undo = restore_load_undo },
    { .name = "set-aside",
      .waits_for = "a managed image has its other name on disk",
      .start = restore_set_aside,
      .undo = restore_set_aside_undo,
      .timeout_ms = RESTORE_DISK_MS,
      .undo_timeout_ms = RESTORE_DISK_MS },
    { .name = "cont",
      .waits_for = "QEMU has let the CPUs run",
      .start = restore_cont,
      .timeout_ms = RESTORE_QMP_MS + 1000,
      .commit = TRUE },
    { .name = "tell", .start = restore_tell },
};

static const VtSeqTable restore_table = {
    .name = "restore",
    .steps = restore_steps,
    .n_steps = G_N_ELEMENTS(restore_steps),
};

const VtSeqTable *
vt_restore_table(void)
{
    return &restore_table;
}

/* ---- running it ---- */

static void
restore_qemu_exited(VtDomain *domain, const char *why, gpointer user)
{
    RestoreRun *run = user;
    const char *step = run->seq ? vt_seq_current(run->seq) : "";

    if (g_str_equal(step, "load") && vt_seq_direction(run->seq) == VT_SEQ_FORWARD)
        vt_seq_cancel(run->seq, g_error_new(VT_ERROR, VT_ERROR_OPERATION_FAILED,
                                            _("QEMU could not load domain '%s' from '%s': %s"), domain->name,
                                            run->path, why));
}

static const VtDomainQmpFuncs restore_listener = { .exited = restore_qemu_exited };

static void
restore_end(RestoreRun *run, const GError *error)
{
    if (run->owns_job)
        vt_job_end(run->start.domain);
    run->done(run->user, error);
    restore_run_unref(run);
}

static void
restore_ended(VtSeq *seq, gpointer data, const GError *error)
{
    RestoreRun *run = data;
    VtDomain *domain = run->start.domain;

    run->seq = NULL;
    vt_domain_remove_qmp_listener(domain, &restore_listener, run);
    vt_domain_set_data(domain, RESTORE_KEY, NULL, NULL);
    if (error && domain->live && !vt_domain_is_active(domain)) {
        /* It failed before 'start' took the definition over. */
        vt_domain_end_run(domain, VT_SHUTOFF_FAILED);
        vt_domain_list_prune(run->start.driver, domain);
    }
    if (!error)
        vt_team_manage_arrived(domain);
    restore_end(run, error);
}

static void
restore_begin(RestoreRun *run)
{
    VtDomain *domain = run->start.domain;
    VtSeqHooks hooks;

    vt_domain_set_data(domain, RESTORE_KEY, run, NULL);
    vt_domain_add_qmp_listener(domain, &restore_listener, run);
    vt_journal_hooks(domain, &hooks);
    run->seq = vt_seq_new(&restore_table, run, &hooks, restore_ended);
    vt_seq_run(run->seq);
}

/* The definition to run: the image's, or what was given instead. */
static VtDomainDef *
restore_read(RestoreRun *run, const VtSaveImage *image, GError **error)
{
    g_autoptr(VtDomainDef) saved = vt_domain_xml_parse(image->xml, error);
    g_autoptr(VtDomainDef) given = NULL;
    VtDomainDef *def = saved;
    VtQemuCaps *caps;

    if (!saved) {
        g_prefix_error(error, _("the definition in '%s' cannot be used: "), run->path);
        return NULL;
    }
    if (run->xml) {
        given = vt_domain_xml_parse(run->xml, error);
        if (!given || !vt_save_file_same_machine(saved, given, error))
            return NULL;
        def = given;
    }
    caps = vt_driver_caps(run->start.driver, def->emulator, error);
    if (!caps)
        return NULL;
    if (!def->emulator)
        def->emulator = g_strdup(caps->binary);
    if (!vt_qemu_prepare_define(def, caps, error))
        return NULL;
    return given ? g_steal_pointer(&given) : g_steal_pointer(&saved);
}

static void
restore_take_image(RestoreRun *run, int fd, const VtSaveImage *image)
{
    run->fd = fd;
    run->runs = !!(image->flags & VT_SAVE_IMAGE_RUNNING);
    if (run->flags & VT_SAVE_RUNNING)
        run->runs = TRUE;
    if (run->flags & VT_SAVE_PAUSED || run->start.paused)
        run->runs = FALSE;
    run->start.paused = FALSE;
}

static void
restore_has_job(gpointer user, const GError *error)
{
    RestoreRun *run = user;
    VtDomain *domain = run->start.domain;

    if (!error) {
        run->owns_job = TRUE;
        restore_begin(run);
        return;
    }
    if (domain->live && !vt_domain_is_active(domain) && !domain->starting) {
        vt_domain_end_run(domain, domain->reason);
        vt_domain_list_prune(run->start.driver, domain);
    }
    restore_end(run, error);
}

static void
restore_opened(gpointer user, int fd, const VtSaveImage *image, const GError *error)
{
    RestoreRun *run = user;
    g_autoptr(GError) refusal = error ? g_error_copy(error) : NULL;
    VtDomainDef *def = NULL;
    VtDomain *domain = NULL;

    if (!error) {
        restore_take_image(run, fd, image);
        def = restore_read(run, image, &refusal);
    }
    if (def)
        domain = vt_domain_list_admit(run->start.driver, def, TRUE, &refusal);
    if (!domain) {
        restore_end(run, refusal);
        return;
    }
    run->start.domain = vt_domain_ref(domain);
    vt_job_begin(domain, VT_JOB_MODIFY, RESTORE_JOB_MS, restore_has_job, run);
}

static RestoreRun *
restore_run_new(VtDriver *driver, const char *path, VtDoneFunc done, gpointer user)
{
    RestoreRun *run = g_new0(RestoreRun, 1);

    run->refs = 1;
    run->start.driver = driver;
    run->path = g_strdup(path);
    run->fd = -1;
    run->done = done;
    run->user = user;
    return run;
}

static gboolean
restore_check(const VtRestoreParams *params, GError **error)
{
    if (params->flags & VT_SAVE_BYPASS_CACHE)
        return vt_error_set(error, VT_ERROR_UNSUPPORTED,
                            _("QEMU reads an image through the page cache: a restore cannot bypass it"));
    if (params->flags & ~(guint)(VT_SAVE_RUNNING | VT_SAVE_PAUSED))
        return vt_error_set(error, VT_ERROR_UNSUPPORTED, _("flags 0x%x of a restore are not supported"),
                            params->flags);
    if (params->flags == (VT_SAVE_RUNNING | VT_SAVE_PAUSED))
        return vt_error_set(error, VT_ERROR_INVALID_ARG,
                            _("to restore a guest running and paused are mutually exclusive"));
    if (!g_path_is_absolute(params->path))
        return vt_error_set(error, VT_ERROR_INVALID_ARG, _("'%s' is no absolute path"), params->path);
    return TRUE;
}

void
vt_restore_run(const VtRestoreParams *params, VtDoneFunc done, gpointer user)
{
    g_autoptr(GError) refusal = NULL;
    RestoreRun *run;

    if (!restore_check(params, &refusal)) {
        done(user, refusal);
        return;
    }
    run = restore_run_new(params->driver, params->path, done, user);
    run->xml = g_strdup(params->xml);
    run->flags = params->flags;
    vt_save_file_open(params->path, restore_opened, run);
}

/* ---- the managed image ---- */

static void
restore_managed_opened(gpointer user, int fd, const VtSaveImage *image, const GError *error)
{
    RestoreRun *run = user;
    VtDomain *domain = run->start.domain;
    g_autoptr(GError) refusal = NULL;

    if (error) {
        g_propagate_prefixed_error(
            &refusal, g_error_copy(error),
            _("the managed image of domain '%s' cannot be used (virsh start --force-boot "
              "boots without it): "),
            domain->name);
        restore_end(run, refusal);
        return;
    }
    restore_take_image(run, fd, image);
    if (!domain->live && !vt_domain_is_active(domain))
        domain->live = restore_read(run, image, &refusal);
    if (domain->live)
        restore_begin(run);
    else
        restore_end(run, refusal);
}

void
vt_restore_start(const VtStartParams *params, guint flags, VtDoneFunc done, gpointer user)
{
    VtDomain *domain = params->domain;
    g_autofree char *path = vt_save_file_managed(params->driver, domain->name);
    g_autoptr(GError) error = NULL;
    RestoreRun *run;

    if (domain->live || !vt_save_has_managed(params->driver, domain)) {
        vt_start_run(params, done, user);
        return;
    }
    if (flags & CREATE_FORCE_BOOT || vt_save_file_is_partial(path)) {
        vt_log_warning("domain '%s' boots: its managed image is removed, %s", domain->name,
                       flags & CREATE_FORCE_BOOT ? "as asked" : "it was never completed");
        if (vt_save_remove_managed(params->driver, domain, FALSE, &error))
            vt_start_run(params, done, user);
        else
            done(user, error);
        return;
    }
    if (flags & CREATE_BYPASS_CACHE) {
        vt_error_set(
            &error, VT_ERROR_UNSUPPORTED,
            _("QEMU reads the managed image of domain '%s' through the page cache: a start cannot bypass it"),
            domain->name);
        done(user, error);
        return;
    }
    run = restore_run_new(params->driver, path, done, user);
    run->start = *params;
    vt_domain_ref(domain);
    run->used = vt_save_file_used(params->driver, domain->name);
    vt_save_file_open(path, restore_managed_opened, run);
}

void
vt_restore_sweep(VtDomain *domain, gboolean runs)
{
    g_autofree char *path = NULL, *used = NULL;

    if (!domain->driver || g_strcmp0(vt_journal_kind(domain), "restore") != 0 ||
        g_strcmp0(vt_journal_get(domain, "managed"), "yes") != 0)
        return;
    path = vt_save_file_managed(domain->driver, domain->name);
    used = vt_save_file_used(domain->driver, domain->name);
    if (!g_file_test(used, G_FILE_TEST_EXISTS))
        return;
    if (runs ? g_unlink(used) < 0 : g_rename(used, path) < 0)
        vt_log_warning("domain '%s': '%s' is left over from a restore that was interrupted", domain->name,
                       used);
}

void
vt_restore_abandon(VtDomain *domain)
{
    RestoreRun *run = vt_domain_data(domain, RESTORE_KEY);

    if (!run)
        return;
    vt_seq_free(g_steal_pointer(&run->seq));
    vt_domain_set_data(domain, RESTORE_KEY, NULL, NULL);
    vt_domain_remove_qmp_listener(domain, &restore_listener, run);
    restore_run_unref(run);
}
