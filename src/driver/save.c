/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A save is a migration into a file. QEMU gets the descriptor, writes behind our head, and stands still; then the
 * head is made complete, and only then the guest is ended. So at every moment either the guest is there, or a
 * complete file is.
 *
 * qemu/mig-src does what is the same as in a migration to another host: a primary that QEMU conducts is ejected while
 * the CPUs run, within the team's time limit; then they are stopped, so that memory is written once; any failure has
 * the guest running again with its primary. Those that the driver conducts leave in a step before that: the image never
 * has a primary, and a restore gives each back. A guest that stands still cannot eject anything, and is refused.
 *
 * The journal (kind "save", key "path") is open from before the file is made until the guest has ended. A
 * successor that finds it looks at the file: complete, and the guest is ended; not complete, and the guest
 * returns and the file goes.
 */
#define VT_LOG_DOMAIN "virtteam-driver-save"

#include "driver/save.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>
#include "conf/domain-xml.h"
#include "conf/teaming.h"
#include "driver/domain-private.h"
#include "driver/job.h"
#include "driver/journal.h"
#include "driver/migrate-common.h"
#include "driver/save-file.h"
#include "driver/stop.h"
#include "driver/team-manage.h"
#include "qemu/argv.h"
#include "qemu/mig-src.h"
#include "util/fd.h"
#include "util/i18n.h"
#include "util/json.h"
#include "util/log.h"

#define SAVE_KEY       "save"
#define SAVE_FD_NAME   "virtteam-save"
#define SAVE_URI       "fd:" SAVE_FD_NAME
#define SAVE_JOB_MS    30000
#define SAVE_QMP_MS    30000
#define SAVE_DISK_MS   600000 /* a full disk or a slow network file system below a large guest */
#define SAVE_RETURN_MS 300000
#define SAVE_STOP_MS   300000

enum {
    PAUSED_SAVE = 3,           /* virDomainPausedReason */
    RUNNING_SAVE_CANCELED = 7, /* virDomainRunningReason */
    STOPPED_SAVED = 4,         /* virDomainEventStoppedDetailType */
};

typedef struct {
    guint refs;
    VtDriver *driver;
    VtDomain *domain; /* with a reference */
    char *path, *xml;
    guint flags;
    gboolean managed;
    gboolean ran;    /* when the save began */
    gboolean moved;  /* mig-src ended well: the guest stands still, all is in the file */
    gboolean caused; /* the journal is ours */
    VtFd fd;
    VtMigSrc *src;
    VtSeqAct *src_call; /* what @src is to end; it tells nobody when it is freed */
    GArray *teams;      /* of VtMigSrcTeam, of QEMU's */
    GArray *ours;       /* likewise, of the driver's */
    VtSeqAct *unplug;   /* what driver/team-manage is to end */
    VtSeq *seq;         /* NULL: over */
    VtDoneFunc done;
    gpointer user;
} SaveRun;

static void
save_team_clear(gpointer data)
{
    VtMigSrcTeam *team = data;

    g_free(team->persistent);
    g_free(team->transient);
    g_free(team->device);
}

static void
save_run_unref(gpointer data)
{
    SaveRun *run = data;

    if (--run->refs > 0)
        return;
    vt_mig_src_free(run->src);
    vt_fd_close(run->fd);
    g_array_unref(run->teams);
    g_array_unref(run->ours);
    vt_domain_unref(run->domain);
    g_free(run->path);
    g_free(run->xml);
    g_free(run);
}

static VtSeqAct *
save_act(SaveRun *run)
{
    run->refs++;
    return vt_seq_act_new(run->seq, run, save_run_unref);
}

static void
save_replied(gpointer user, JsonNode *result, const GError *error)
{
    vt_seq_act_done(user, error);
}

/* An undo: what QEMU answers does not matter. */
static void
save_replied_any(gpointer user, JsonNode *result, const GError *error)
{
    vt_seq_act_done(user, NULL);
}

/* ---- teams ---- */

/* The most patient policy of QEMU's teams counts, since QEMU waits for all of them together; 0: no limit. */
static guint
save_unplug_timeout(const SaveRun *run, guint *retries)
{
    g_autoptr(GPtrArray) teams = vt_teaming_teams(run->domain->live);
    guint longest_ms = 0;
    gboolean waits = FALSE;

    *retries = 0;
    for (guint i = 0; i < teams->len; i++) {
        const VtTeam *team = g_ptr_array_index(teams, i);
        guint timeout_ms, again;

        if (vt_team_manage_is(team))
            continue;
        waits |= vt_team_manage_limits(run->driver->config, team->policy, &timeout_ms, &again);
        longest_ms = MAX(longest_ms, timeout_ms);
        *retries = MAX(*retries, again);
    }
    return waits ? 0 : longest_ms;
}

static void
save_list_teams(SaveRun *run)
{
    const VtDomainDef *def = run->domain->live;
    g_autoptr(GPtrArray) teams = vt_teaming_teams(def);

    for (guint i = 0; i < teams->len; i++) {
        const VtTeam *team = g_ptr_array_index(teams, i);
        const VtDeviceInfo *info = team->transient_net       ? &team->transient_net->info
                                   : team->transient_hostdev ? &team->transient_hostdev->info
                                                             : NULL;
        VtMigSrcTeam entry = { 0 };
        GArray *into;

        if (!info || !info->alias)
            continue;
        entry.persistent = g_strdup(team->persistent->info.alias);
        entry.transient = g_strdup(info->alias);
        entry.device = team->transient_hostdev ? vt_argv_hostdev_device(def, team->transient_hostdev)
                                               : vt_argv_net_device(def, team->transient_net);
        into = vt_team_manage_is(team) ? run->ours : run->teams;
        g_array_append_val(into, entry);
    }
}

/* ---- steps ---- */

/* The primary among @teams that QEMU has; NULL: none. */
static const VtMigSrcTeam *
save_find_plugged(const GArray *teams, JsonArray *devices)
{
    for (guint i = 0; i < json_array_get_length(devices); i++) {
        const char *name = vt_json_string_or(json_array_get_element(devices, i), "name", "");

        for (guint t = 0; t < teams->len; t++)
            if (g_str_equal(name, g_array_index(teams, VtMigSrcTeam, t).transient))
                return &g_array_index(teams, VtMigSrcTeam, t);
    }
    return NULL;
}

/* What stands still cannot eject: is a primary in the guest? */
static void
save_got_devices(gpointer user, JsonNode *result, const GError *error)
{
    VtSeqAct *act = user;
    SaveRun *run = vt_seq_act_data(act);
    JsonArray *array = result && JSON_NODE_HOLDS_ARRAY(result) ? json_node_get_array(result) : NULL;
    const VtMigSrcTeam *team = array ? save_find_plugged(run->teams, array) : NULL;
    g_autoptr(GError) refusal = error ? g_error_copy(error) : NULL;

    if (array && !team)
        team = save_find_plugged(run->ours, array);
    if (team)
        vt_error_set(&refusal, VT_ERROR_OPERATION_INVALID,
                     _("domain '%s' is paused and cannot let go of its primary network device '%s' (team "
                       "'%s'): resume it first (virsh resume %s), then save it; with --paused it is "
                       "restored as a paused guest"),
                     run->domain->name, team->transient, team->persistent, run->domain->name);
    vt_seq_act_done(act, refusal);
}

static VtStepResult
save_check(VtSeq *seq, gpointer data, GError **error)
{
    SaveRun *run = data;
    VtQmpClient *qmp = vt_domain_qmp(run->domain, error);
    VtDomainState state = run->domain->state;

    if (!qmp)
        return VT_STEP_FAILED;
    if (state != VT_DOMAIN_RUNNING && state != VT_DOMAIN_PAUSED) {
        vt_error_set(error, VT_ERROR_OPERATION_INVALID,
                     _("domain '%s' can be saved only while it runs or is paused"), run->domain->name);
        return VT_STEP_FAILED;
    }
    run->ran = state == VT_DOMAIN_RUNNING;
    save_list_teams(run);
    if (run->ran || run->teams->len + run->ours->len == 0)
        return VT_STEP_DONE;
    vt_qmp_client_callv(qmp, "qom-list", SAVE_QMP_MS, save_got_devices, save_act(run), "path", "s",
                        "/machine/peripheral", NULL);
    return VT_STEP_WAIT;
}

/* From here on a successor looks at the file. */
static VtStepResult
save_journal(VtSeq *seq, gpointer data, GError **error)
{
    SaveRun *run = data;

    vt_journal_begin(run->domain, "save");
    vt_journal_set(run->domain, "path", run->path);
    vt_journal_set(run->domain, "ran", run->ran ? "yes" : "no");
    run->caused = TRUE;
    vt_journal_sync(run->domain, vt_seq_act_done, save_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
save_journal_undo(VtSeq *seq, gpointer data, GError **error)
{
    SaveRun *run = data;

    vt_journal_end(run->domain);
    run->caused = FALSE;
    return VT_STEP_DONE;
}

static void
save_created(gpointer user, int fd, const VtSaveImage *image, const GError *error)
{
    VtSeqAct *act = user;
    SaveRun *run = vt_seq_act_data(act);

    if (fd >= 0 && vt_seq_act_is_current(act)) {
        run->fd = fd;
    } else if (fd >= 0) {
        /* It came too late: nobody waits for it any more. */
        vt_fd_close(fd);
        g_unlink(run->path);
    }
    vt_seq_act_done(act, error);
}

static VtStepResult
save_make_file(VtSeq *seq, gpointer data, GError **error)
{
    SaveRun *run = data;
    g_autofree char *live =
        vt_domain_xml_format(run->domain->live, -1, VT_XML_FORMAT_SECURE | VT_XML_FORMAT_MIGRATABLE);
    g_autofree char *text = vt_save_file_pad(run->xml ? run->xml : live);
    gboolean runs = run->flags & VT_SAVE_RUNNING || (run->ran && !(run->flags & VT_SAVE_PAUSED));
    g_autoptr(GBytes) head = vt_save_image_head(runs ? VT_SAVE_IMAGE_RUNNING : 0, text, FALSE);

    if (!head) {
        vt_error_set(error, VT_ERROR_INVALID_ARG, _("the XML of domain '%s' is too long for an image"),
                     run->domain->name);
        return VT_STEP_FAILED;
    }
    vt_save_file_create(run->path, run->managed, head, save_created, save_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
save_make_file_undo(VtSeq *seq, gpointer data, GError **error)
{
    SaveRun *run = data;

    if (run->fd < 0)
        return VT_STEP_DONE; /* it was not made: whatever has that path is not ours */
    vt_fd_clear(&run->fd);
    if (g_unlink(run->path) < 0 && errno != ENOENT) {
        vt_error_set_errno(error, errno, _("cannot remove '%s'"), run->path);
        return VT_STEP_FAILED;
    }
    return VT_STEP_DONE;
}

static VtStepResult
save_pass_fd(VtSeq *seq, gpointer data, GError **error)
{
    SaveRun *run = data;
    VtQmpClient *qmp = vt_domain_qmp(run->domain, error);

    if (!qmp)
        return VT_STEP_FAILED;
    vt_qmp_client_pass_fd(qmp, SAVE_FD_NAME, run->fd, SAVE_QMP_MS, save_replied, save_act(run));
    return VT_STEP_WAIT;
}

/* QEMU drops it by itself once a migration has taken it. */
static VtStepResult
save_pass_fd_undo(VtSeq *seq, gpointer data, GError **error)
{
    SaveRun *run = data;
    VtQmpClient *qmp = vt_domain_qmp(run->domain, NULL);

    if (!qmp)
        return VT_STEP_DONE;
    vt_qmp_client_callv(qmp, "closefd", SAVE_QMP_MS, save_replied_any, save_act(run), "fdname", "s",
                        SAVE_FD_NAME, NULL);
    return VT_STEP_WAIT;
}

static void
save_unplugged(gpointer user, const GError *error)
{
    ((SaveRun *)vt_seq_act_data(user))->unplug = NULL;
    vt_seq_act_done(user, error);
}

static VtStepResult
save_eject(VtSeq *seq, gpointer data, GError **error)
{
    SaveRun *run = data;

    if (!run->ran || run->ours->len == 0)
        return VT_STEP_DONE;
    vt_migrate_job_phase(run->domain, "unplug");
    run->unplug = save_act(run);
    vt_team_manage_unplug(run->domain, save_unplugged, run->unplug);
    return VT_STEP_WAIT;
}

/* What cannot be plugged at once is tried again; the save does not wait for that. */
static VtStepResult
save_eject_undo(VtSeq *seq, gpointer data, GError **error)
{
    vt_team_manage_replug(((SaveRun *)data)->domain, NULL, NULL);
    return VT_STEP_DONE;
}

static VtQmpClient *
save_src_qmp(gpointer user)
{
    SaveRun *run = user;

    return vt_domain_qmp(run->domain, NULL);
}

static gboolean
save_src_should_run(gpointer user)
{
    return ((SaveRun *)user)->ran;
}

static void
save_src_phase(const char *phase, gpointer user)
{
    SaveRun *run = user;

    if (g_str_equal(phase, "return")) {
        vt_domain_expect_pause(run->domain, 0);
        if (run->ran)
            vt_domain_expect_resume(run->domain, RUNNING_SAVE_CANCELED);
    }
    vt_migrate_job_phase(run->domain, phase);
}

static void
save_src_stats(const VtMigStats *said, gpointer user)
{
    vt_migrate_job_stats(((SaveRun *)user)->domain, said);
}

static const VtMigSrcFuncs save_src_funcs = {
    .qmp = save_src_qmp,
    .should_run = save_src_should_run,
    .phase = save_src_phase,
    .stats = save_src_stats,
};

static void
save_make_src(SaveRun *run)
{
    const VtMigParams migration = { .flags = 0 }; /* not live: the CPUs stop once the primaries are out */
    guint retries = 0;
    guint timeout_ms = save_unplug_timeout(run, &retries);
    const VtMigSrcParams params = {
        .uri = SAVE_URI,
        .params = &migration,
        .unplug_timeout_ms = timeout_ms,
        .unplug_retries = retries,
        .teams = (const VtMigSrcTeam *)run->teams->data,
        .n_teams = run->teams->len,
    };

    run->src = vt_mig_src_new(&params, &save_src_funcs, run);
}

static void
save_written(gpointer user, const GError *error)
{
    VtSeqAct *act = user;
    SaveRun *run = vt_seq_act_data(act);
    g_autoptr(GError) told = error ? g_error_copy(error) : NULL;

    run->src_call = NULL;
    run->moved = !error;
    if (told && told->code != VT_ERROR_ABORTED)
        g_prefix_error(&told, _("domain '%s' could not be saved to '%s': "), run->domain->name, run->path);
    vt_seq_act_done(act, told);
}

static VtStepResult
save_write_guest(VtSeq *seq, gpointer data, GError **error)
{
    SaveRun *run = data;

    save_make_src(run);
    if (run->ran)
        vt_domain_expect_pause(run->domain, PAUSED_SAVE);
    run->src_call = save_act(run);
    vt_mig_src_run(run->src, save_written, run->src_call);
    return VT_STEP_WAIT;
}

static void
save_returned(gpointer user, const GError *error)
{
    ((SaveRun *)vt_seq_act_data(user))->src_call = NULL;
    vt_seq_act_done(user, error);
}

/* A write that failed has been undone by itself. */
static VtStepResult
save_write_guest_undo(VtSeq *seq, gpointer data, GError **error)
{
    SaveRun *run = data;

    if (!run->moved || run->domain->qemu_gone)
        return VT_STEP_DONE;
    run->src_call = save_act(run);
    vt_mig_src_return(run->src, save_returned, run->src_call);
    return VT_STEP_WAIT;
}

static VtStepResult
save_complete(VtSeq *seq, gpointer data, GError **error)
{
    SaveRun *run = data;

    vt_save_file_complete(run->fd, run->path, vt_seq_act_done, save_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
save_end_guest(VtSeq *seq, gpointer data, GError **error)
{
    SaveRun *run = data;
    const VtStopParams params = {
        .driver = run->driver,
        .domain = run->domain,
        .reason = VT_SHUTOFF_SAVED,
        .detail = STOPPED_SAVED,
    };

    vt_job_complete(run->domain, VT_JOB_TYPE_COMPLETED);
    vt_stop_run(&params, vt_seq_act_done, save_act(run));
    return VT_STEP_WAIT;
}

static const VtStep save_steps[] = {
    { .name = "check",
      .waits_for = "QEMU has said whether a paused guest has a primary",
      .start = save_check,
      .timeout_ms = SAVE_QMP_MS + 1000 },
    { .name = "journal",
      .waits_for = "the journal is on disk",
      .start = save_journal,
      .undo = save_journal_undo,
      .timeout_ms = SAVE_QMP_MS },
    { .name = "make-file",
      .waits_for = "the head of the file is on disk",
      .start = save_make_file,
      .undo = save_make_file_undo,
      .timeout_ms = SAVE_DISK_MS },
    { .name = "pass-fd",
      .waits_for = "QEMU has the file",
      .start = save_pass_fd,
      .undo = save_pass_fd_undo,
      .timeout_ms = SAVE_QMP_MS + 1000,
      .undo_timeout_ms = SAVE_QMP_MS + 1000 },
    { .name = "eject",
      .waits_for = "the primaries that the driver conducts are ejected ('team-unplug')",
      .start = save_eject,
      .undo = save_eject_undo },
    { .name = "write-guest",
      .waits_for = "the primaries that QEMU conducts are ejected, and the guest is in the file",
      .start = save_write_guest,
      .undo = save_write_guest_undo,
      .undo_timeout_ms = SAVE_RETURN_MS },
    { .name = "complete",
      .waits_for = "the file is on disk as a complete one",
      .start = save_complete,
      .timeout_ms = SAVE_DISK_MS,
      .commit = TRUE },
    { .name = "end-guest",
      .waits_for = "the guest has ended",
      .start = save_end_guest,
      .timeout_ms = SAVE_STOP_MS },
};

static const VtSeqTable save_table = {
    .name = "save",
    .steps = save_steps,
    .n_steps = G_N_ELEMENTS(save_steps),
};

const VtSeqTable *
vt_save_table(void)
{
    return &save_table;
}

/* ---- running it ---- */

static void
save_qmp_event(VtDomain *domain, const VtQmpEvent *event, gpointer user)
{
    SaveRun *run = user;

    if (run->src)
        vt_mig_src_event(run->src, event);
}

static void
save_qemu_exited(VtDomain *domain, const char *why, gpointer user)
{
    SaveRun *run = user;

    if (run->src)
        vt_mig_src_gone(run->src, why);
}

static const VtDomainQmpFuncs save_listener = { .event = save_qmp_event, .exited = save_qemu_exited };

static void
save_abort(gpointer user, guint flags)
{
    SaveRun *run = user;
    GError *error = g_error_new(VT_ERROR, VT_ERROR_ABORTED,
                                _("operation aborted: the save of domain '%s' was cancelled by a client"),
                                run->domain->name);

    if (run->unplug)
        vt_team_manage_cancel(run->domain, error);
    else if (run->src && g_strcmp0(vt_seq_current(run->seq), "write-guest") == 0)
        vt_mig_src_cancel(run->src, error);
    else
        vt_seq_cancel(run->seq, error);
}

static void
save_ended(VtSeq *seq, gpointer data, const GError *error)
{
    SaveRun *run = data;
    VtDomain *domain = run->domain;

    run->seq = NULL;
    vt_domain_remove_qmp_listener(domain, &save_listener, run);
    vt_domain_set_data(domain, SAVE_KEY, NULL, NULL);
    if (run->caused)
        vt_journal_end(domain);
    if (error) {
        vt_domain_expect_pause(domain, 0);
        vt_job_complete(domain, error->code == VT_ERROR_ABORTED ? VT_JOB_TYPE_CANCELLED : VT_JOB_TYPE_FAILED);
    }
    vt_job_end(domain);
    run->done(run->user, error);
    save_run_unref(run);
}

static void
save_has_job(gpointer user, const GError *error)
{
    SaveRun *run = user;
    g_autoptr(GError) gone = NULL;
    VtSeqHooks hooks;

    if (!error && !vt_domain_is_active(run->domain)) {
        vt_error_set(&gone, VT_ERROR_OPERATION_INVALID, _("domain is not running"));
        vt_job_end(run->domain);
    }
    if (error || gone) {
        run->done(run->user, error ? error : gone);
        save_run_unref(run);
        return;
    }
    vt_domain_set_data(run->domain, SAVE_KEY, run, NULL);
    vt_domain_add_qmp_listener(run->domain, &save_listener, run);
    vt_job_set_abort(run->domain, save_abort, run);
    vt_journal_hooks(run->domain, &hooks);
    run->seq = vt_seq_new(&save_table, run, &hooks, save_ended);
    vt_seq_run(run->seq);
}

static gboolean
save_check_params(const VtSaveParams *params, GError **error)
{
    g_autoptr(VtDomainDef) given = NULL;

    if (params->flags & ~(guint)(VT_SAVE_BYPASS_CACHE | VT_SAVE_RUNNING | VT_SAVE_PAUSED))
        return vt_error_set(error, VT_ERROR_UNSUPPORTED, _("flags 0x%x of a save are not supported"),
                            params->flags);
    if (params->flags & VT_SAVE_BYPASS_CACHE)
        return vt_error_set(error, VT_ERROR_UNSUPPORTED,
                            _("QEMU writes an image through the page cache: a save cannot bypass it"));
    if (params->flags & VT_SAVE_RUNNING && params->flags & VT_SAVE_PAUSED)
        return vt_error_set(error, VT_ERROR_INVALID_ARG,
                            _("to restore a guest running and paused are mutually exclusive"));
    if (params->path && !g_path_is_absolute(params->path))
        return vt_error_set(error, VT_ERROR_INVALID_ARG, _("'%s' is no absolute path"), params->path);
    if (!vt_domain_is_active(params->domain))
        return vt_error_set(error, VT_ERROR_OPERATION_INVALID, _("domain is not running"));
    if (!params->path && !params->domain->persistent)
        return vt_error_set(error, VT_ERROR_OPERATION_INVALID,
                            _("cannot do managed save for transient domain"));
    if (!params->xml)
        return TRUE;
    given = vt_domain_xml_parse(params->xml, error);
    return given && vt_save_file_same_machine(params->domain->live, given, error);
}

void
vt_save_run(const VtSaveParams *params, VtDoneFunc done, gpointer user)
{
    g_autoptr(GError) refusal = NULL;
    SaveRun *run;

    if (!save_check_params(params, &refusal)) {
        done(user, refusal);
        return;
    }
    run = g_new0(SaveRun, 1);
    run->refs = 1;
    run->driver = params->driver;
    run->domain = vt_domain_ref(params->domain);
    run->path =
        params->path ? g_strdup(params->path) : vt_save_file_managed(params->driver, params->domain->name);
    run->managed = !params->path;
    run->xml = g_strdup(params->xml);
    run->flags = params->flags;
    run->fd = -1;
    run->teams = g_array_new(FALSE, TRUE, sizeof(VtMigSrcTeam));
    run->ours = g_array_new(FALSE, TRUE, sizeof(VtMigSrcTeam));
    g_array_set_clear_func(run->teams, save_team_clear);
    g_array_set_clear_func(run->ours, save_team_clear);
    run->done = done;
    run->user = user;
    vt_job_begin(run->domain, VT_JOB_SAVE, SAVE_JOB_MS, save_has_job, run);
}

void
vt_save_abandon(VtDomain *domain)
{
    SaveRun *run = vt_domain_data(domain, SAVE_KEY);

    if (!run)
        return;
    vt_seq_free(g_steal_pointer(&run->seq));
    vt_team_manage_abandon(domain);
    g_clear_pointer(&run->unplug, vt_seq_act_free);
    g_clear_pointer(&run->src, vt_mig_src_free);
    g_clear_pointer(&run->src_call, vt_seq_act_free);
    vt_domain_set_data(domain, SAVE_KEY, NULL, NULL);
    vt_domain_remove_qmp_listener(domain, &save_listener, run);
    save_run_unref(run);
}
