/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * QEMU's migration is a state machine of its own; a step waits until that has left the states that the step is
 * about. What QEMU's state is comes from two sources, its MIGRATION events and a query every quarter of a
 * second, and both end in mig_src_status(): so a lost event (the monitor was reconnected) costs a quarter of a
 * second and no more.
 *
 *     QEMU                 step that waits for its end
 *     setup, wait-unplug   wait-unplug
 *     active               transfer
 *     pre-switchover       (switchover sends migrate-continue)
 *     device               switchover
 *     completed            end
 *
 * The unplug. QEMU asks the guest in 'setup' and waits for all primaries without a limit; ours is a timer. A
 * guest that is asked again gets the same request (device_del is allowed for primaries). QEMU does not tell
 * which primary is still there. After migrate_cancel it waits up to 30 s more in 'cancelling', then plugs what
 * had left again before anything else is served.
 */
#define VT_LOG_DOMAIN "virtteam-qemu-mig-src"
#include "qemu/mig-src.h"

#include <string.h>
#include "qemu/mig-private.h"
#include "qemu/qmp-event.h"
#include "util/i18n.h"
#include "util/json.h"
#include "util/log.h"
#include "util/message-id.h"

#define MIG_SRC_POLL_MS       250
#define MIG_SRC_SWITCHOVER_MS 120000 /* the guest stands still meanwhile */

/* ---- small parts ---- */

/* The sequence whose step is being worked on. */
static VtSeq *
mig_src_seq(VtMigSrc *src)
{
    return src->inner ? src->inner : src->seq;
}

void
vt_mig_src_phase(VtMigSrc *src, const char *phase)
{
    if (src->funcs.phase)
        src->funcs.phase(phase, src->user);
}

/* Every start and undo begins with this: what the step before waited for is over. */
void
vt_mig_src_begin_step(VtMigSrc *src)
{
    vt_mig_calls_forget(src->calls);
    src->on_status = NULL;
    g_clear_handle_id(&src->step_timer, g_source_remove);
    g_clear_pointer(&src->late, vt_mig_late_free);
}

void
vt_mig_src_step_done(VtMigSrc *src)
{
    src->on_status = NULL;
    g_clear_pointer(&src->late, vt_mig_late_free);
    vt_seq_step_done(mig_src_seq(src));
}

void
vt_mig_src_step_failed(VtMigSrc *src, GError *error)
{
    src->on_status = NULL;
    g_clear_pointer(&src->late, vt_mig_late_free);
    vt_seq_step_failed(mig_src_seq(src), error);
}

/* QEMU may go while the journal is written: a step that only waits would never hear of it. */
static VtStepResult
mig_src_await(VtMigSrc *src, VtMigSrcStatusFunc on_status, GError **error)
{
    if (src->gone && !vt_error_set(error, VT_ERROR_OPERATION_FAILED, "%s", src->gone))
        return VT_STEP_FAILED;
    src->on_status = on_status;
    on_status(src, src->status);
    return VT_STEP_WAIT;
}

VtStepResult
vt_mig_src_ask(VtMigSrc *src, const char *command, JsonNode *args, VtQmpReplyFunc reply, GError **error)
{
    return vt_mig_calls_ask(src->calls, command, args, VT_MIG_SRC_ANSWER_MS, reply, src, error)
               ? VT_STEP_WAIT
               : VT_STEP_FAILED;
}

/* The answer ends the step. */
void
vt_mig_src_answered(gpointer user, JsonNode *result, const GError *error)
{
    VtMigSrc *src = user;

    if (error)
        vt_mig_src_step_failed(src, g_error_copy(error));
    else
        vt_mig_src_step_done(src);
}

/* Why QEMU says that the migration failed. */
static GError *
mig_src_failure(const VtMigSrc *src, VtMigStatus status)
{
    if (status == VT_MIG_STATUS_CANCELLED || status == VT_MIG_STATUS_CANCELLING)
        return g_error_new(VT_ERROR, VT_ERROR_ABORTED, _("the migration was cancelled in QEMU's monitor"));
    return g_error_new(VT_ERROR, VT_ERROR_OPERATION_FAILED,
                       _("QEMU could not send the guest to '%s': %s; look at the destination's log too"),
                       src->uri, src->error_desc ? src->error_desc : _("it does not say why"));
}

/* ---- QEMU's state ---- */

static void
mig_src_status(VtMigSrc *src, VtMigStatus status)
{
    if (status != src->status)
        vt_log_debug("QEMU's migration: %s -> %s", vt_mig_status_name(src->status),
                     vt_mig_status_name(status));
    src->status = status;
    if (status == VT_MIG_STATUS_COMPLETED)
        src->completed = TRUE;
    if (src->on_status)
        src->on_status(src, status);
}

/* A limit of the downtime that nobody chose grows with the passes over the memory. */
static void
mig_src_set_pass(VtMigSrc *src, guint64 pass)
{
    guint before = src->pass;

    if (!src->begun || pass <= before || src->cancelling)
        return;
    src->pass = MIN(pass, G_MAXUINT);
    if (vt_mig_params_downtime(&src->params, &src->limits, before) !=
        vt_mig_params_downtime(&src->params, &src->limits, src->pass))
        vt_mig_calls_ask(src->polls, "migrate-set-parameters",
                         vt_mig_params_parameters(&src->params, &src->limits, src->pass),
                         VT_MIG_SRC_ANSWER_MS, NULL, NULL, NULL);
}

static void
mig_src_polled(gpointer user, JsonNode *result, const GError *error)
{
    VtMigSrc *src = user;
    g_auto(VtMigStats) stats = { 0 };

    src->polling = FALSE;
    if (error)
        return;
    vt_mig_stats_parse(result, &stats);
    if (stats.error_desc) {
        g_free(src->error_desc);
        src->error_desc = g_strdup(stats.error_desc);
    }
    if (src->funcs.stats)
        src->funcs.stats(&stats, src->user);
    if (stats.status == VT_MIG_STATUS_ACTIVE)
        mig_src_set_pass(src, stats.ram_iteration);
    mig_src_status(src, stats.status);
}

void
vt_mig_src_poll(VtMigSrc *src)
{
    if (!src->polling)
        src->polling = vt_mig_calls_ask(src->polls, "query-migrate", NULL, VT_MIG_SRC_ANSWER_MS,
                                        mig_src_polled, src, NULL);
}

static gboolean
mig_src_poll_tick(gpointer user)
{
    vt_mig_src_poll(user);
    return G_SOURCE_CONTINUE;
}

void
vt_mig_src_start_polling(VtMigSrc *src)
{
    if (!src->poll_timer)
        src->poll_timer = g_timeout_add(MIG_SRC_POLL_MS, mig_src_poll_tick, src);
}

void
vt_mig_src_stop_polling(VtMigSrc *src)
{
    g_clear_handle_id(&src->poll_timer, g_source_remove);
}

/* A failure is told with QEMU's reason: ask for it first. The answer comes back here through mig_src_status(). */
static gboolean
mig_src_is_failure(VtMigSrc *src, VtMigStatus status)
{
    if (status == VT_MIG_STATUS_FAILED && !src->error_desc && src->polling)
        return FALSE;
    return status == VT_MIG_STATUS_FAILED || status == VT_MIG_STATUS_CANCELLED ||
           status == VT_MIG_STATUS_CANCELLING || status == VT_MIG_STATUS_OTHER;
}

void
vt_mig_src_event(VtMigSrc *src, const VtQmpEvent *event)
{
    VtQmpEventInfo info;
    VtMigStatus status;

    switch ((int)vt_qmp_event_decode(event, &info)) {
    case VT_QMP_EVENT_MIGRATION:
        if (!src->begun)
            return;
        status = vt_mig_status_parse(info.status);
        if (status == VT_MIG_STATUS_FAILED)
            vt_mig_src_poll(src);
        mig_src_status(src, status);
        break;
    case VT_QMP_EVENT_MIGRATION_PASS:
        mig_src_set_pass(src, (guint64)MAX(info.number, 0));
        break;
    case VT_QMP_EVENT_UNPLUG_PRIMARY:
        for (guint i = 0; i < src->teams->len; i++) {
            const VtMigSrcTeam *team = &g_array_index(src->teams, VtMigSrcTeam, i);

            if (strcmp(team->transient, info.device) == 0 && src->funcs.team)
                src->funcs.team(team->persistent, "asked", src->user);
        }
        break;
    default:
        break;
    }
}

/* ---- migrate-out: capabilities, parameters ---- */

static VtStepResult
step_capabilities(VtSeq *seq, gpointer data, GError **error)
{
    VtMigSrc *src = data;

    vt_mig_src_begin_step(src);
    vt_mig_src_phase(src, "setup");
    return vt_mig_src_ask(src, "migrate-set-capabilities",
                          vt_mig_params_capabilities(&src->params, VT_MIG_PARTY_SOURCE), vt_mig_src_answered,
                          error);
}

static VtStepResult
undo_capabilities(VtSeq *seq, gpointer data, GError **error)
{
    VtMigSrc *src = data;

    vt_mig_src_begin_step(src);
    if (src->gone)
        return VT_STEP_DONE;
    return vt_mig_src_ask(src, "migrate-set-capabilities",
                          vt_mig_params_capabilities(NULL, VT_MIG_PARTY_SOURCE), vt_mig_src_answered, error);
}

static void
mig_src_got_parameters(gpointer user, JsonNode *result, const GError *error)
{
    VtMigSrc *src = user;
    g_autoptr(GError) local = NULL;

    if (error) {
        vt_mig_src_step_failed(src, g_error_copy(error));
        return;
    }
    src->saved = vt_mig_params_saved(result);
    if (vt_mig_src_ask(src, "migrate-set-parameters",
                       vt_mig_params_parameters(&src->params, &src->limits, src->pass), vt_mig_src_answered,
                       &local) != VT_STEP_WAIT)
        vt_mig_src_step_failed(src, g_steal_pointer(&local));
}

static VtStepResult
step_parameters(VtSeq *seq, gpointer data, GError **error)
{
    VtMigSrc *src = data;

    vt_mig_src_begin_step(src);
    g_clear_pointer(&src->saved, json_node_unref);
    return vt_mig_src_ask(src, "query-migrate-parameters", NULL, mig_src_got_parameters, error);
}

static VtStepResult
undo_parameters(VtSeq *seq, gpointer data, GError **error)
{
    VtMigSrc *src = data;

    vt_mig_src_begin_step(src);
    if (src->gone || !src->saved)
        return VT_STEP_DONE;
    return vt_mig_src_ask(src, "migrate-set-parameters", g_steal_pointer(&src->saved), vt_mig_src_answered,
                          error);
}

/* ---- migrate-out: migrate and its undo ---- */

static VtStepResult
step_migrate(VtSeq *seq, gpointer data, GError **error)
{
    VtMigSrc *src = data;

    vt_mig_src_begin_step(src);
    src->status = VT_MIG_STATUS_NONE;
    src->pass = 0;
    src->completed = FALSE;
    src->cancelling = FALSE;
    g_clear_pointer(&src->error_desc, g_free);
    src->begun = vt_mig_src_ask(src, "migrate", vt_json_node_new(vt_json_object_new("s:uri", src->uri, NULL)),
                                vt_mig_src_answered, error) == VT_STEP_WAIT;
    return src->begun ? VT_STEP_WAIT : VT_STEP_FAILED;
}

static void
mig_src_inner_done(VtSeq *seq, gpointer data, const GError *error)
{
    VtMigSrc *src = data;

    src->inner = NULL;
    if (error)
        vt_seq_step_failed(src->seq, g_error_copy(error));
    else
        vt_seq_step_done(src->seq);
}

static VtStepResult
undo_migrate(VtSeq *seq, gpointer data, GError **error)
{
    VtMigSrc *src = data;

    src->inner = vt_seq_new(vt_mig_src_return_table(), src, &src->hooks, mig_src_inner_done);
    vt_seq_run(src->inner);
    return VT_STEP_WAIT;
}

/* ---- migrate-out: wait-unplug ---- */

static void
mig_src_unplug_timed_out(gpointer user, const char *names, gboolean sure, const char *persistent)
{
    VtMigSrc *src = user;

    src->late = NULL;
    if (src->funcs.team)
        src->funcs.team(persistent, "timeout", src->user);
    vt_mig_src_step_failed(
        src,
        g_error_new(VT_ERROR, VT_ERROR_TIMEOUT,
                    _("the guest did not eject its primary network device within %u s, so the migration was "
                      "cancelled and the guest runs on here: %s%s; a guest needs its driver of PCI hotplug "
                      "and must run to eject it"),
                    (src->unplug_timeout_ms + 500) / 1000, sure ? "" : _("at least one of "), names));
}

static gboolean
mig_src_unplug_tick(gpointer user)
{
    VtMigSrc *src = user;

    src->step_timer = 0;
    if (src->unplug_asked >= src->unplug_retries) {
        src->late = vt_mig_late_ask(src->funcs.qmp(src->user), src->teams, &vt_pci_host_system,
                                    mig_src_unplug_timed_out, src);
        return G_SOURCE_REMOVE;
    }
    src->unplug_asked++;
    vt_log_id_info(VT_MESSAGE_UNPLUG_ASKED_AGAIN, NULL, "the guest is asked to eject again (%u of %u)",
                   src->unplug_asked, src->unplug_retries);
    for (guint i = 0; i < src->teams->len; i++)
        vt_mig_calls_ask(src->polls, "device_del",
                         vt_json_node_new(vt_json_object_new(
                             "s:id", g_array_index(src->teams, VtMigSrcTeam, i).transient, NULL)),
                         VT_MIG_SRC_ANSWER_MS, NULL, NULL, NULL);
    src->step_timer =
        g_timeout_add(src->unplug_timeout_ms / (src->unplug_retries + 1), mig_src_unplug_tick, src);
    return G_SOURCE_REMOVE;
}

static void
mig_src_unplug_status(VtMigSrc *src, VtMigStatus status)
{
    if (mig_src_is_failure(src, status)) {
        vt_mig_src_step_failed(src, mig_src_failure(src, status));
        return;
    }
    if (status == VT_MIG_STATUS_NONE || status == VT_MIG_STATUS_SETUP || status == VT_MIG_STATUS_FAILED)
        return;
    if (status == VT_MIG_STATUS_WAIT_UNPLUG) {
        if (src->step_timer || src->late)
            return;
        vt_mig_src_phase(src, "unplug");
        /* A guest without teams of ours has primaries all the same when its QEMU was started by hand. */
        if (src->unplug_timeout_ms)
            src->step_timer =
                g_timeout_add(src->unplug_timeout_ms / (src->unplug_retries + 1), mig_src_unplug_tick, src);
        return;
    }
    if (src->teams->len > 0 && src->funcs.team)
        src->funcs.team(NULL, "ejected", src->user);
    g_clear_handle_id(&src->step_timer, g_source_remove);
    vt_mig_src_step_done(src);
}

static VtStepResult
step_wait_unplug(VtSeq *seq, gpointer data, GError **error)
{
    VtMigSrc *src = data;

    vt_mig_src_begin_step(src);
    src->unplug_asked = 0;
    vt_mig_src_start_polling(src);
    vt_mig_src_poll(src);
    return mig_src_await(src, mig_src_unplug_status, error);
}

/* ---- migrate-out: stop-cpus, transfer, switchover ---- */

/* Without --live the guest stands still while its memory goes; it had to run to eject its primary. */
static VtStepResult
step_stop_cpus(VtSeq *seq, gpointer data, GError **error)
{
    VtMigSrc *src = data;

    vt_mig_src_begin_step(src);
    if ((src->params.flags & VT_MIG_FLAG_LIVE) || !src->funcs.should_run(src->user))
        return VT_STEP_DONE;
    return vt_mig_src_ask(src, "stop", NULL, vt_mig_src_answered, error);
}

static void
mig_src_transfer_status(VtMigSrc *src, VtMigStatus status)
{
    if (mig_src_is_failure(src, status))
        vt_mig_src_step_failed(src, mig_src_failure(src, status));
    else if (status == VT_MIG_STATUS_PRE_SWITCHOVER || status == VT_MIG_STATUS_DEVICE ||
             status == VT_MIG_STATUS_COMPLETED)
        vt_mig_src_step_done(src);
}

static VtStepResult
step_transfer(VtSeq *seq, gpointer data, GError **error)
{
    VtMigSrc *src = data;

    vt_mig_src_begin_step(src);
    vt_mig_src_phase(src, "transfer");
    return mig_src_await(src, mig_src_transfer_status, error);
}

static void
mig_src_continued(gpointer user, JsonNode *result, const GError *error)
{
    VtMigSrc *src = user;

    if (error && /* a failure meanwhile is the better reason */ !mig_src_is_failure(src, src->status))
        vt_mig_src_step_failed(src, g_error_copy(error));
}

/* An answer to an older query may make the status step back once: continue is sent whenever it is due. */
static void
mig_src_switchover_status(VtMigSrc *src, VtMigStatus status)
{
    if (mig_src_is_failure(src, status))
        vt_mig_src_step_failed(src, mig_src_failure(src, status));
    else if (status == VT_MIG_STATUS_COMPLETED)
        vt_mig_src_step_done(src);
    else if (status == VT_MIG_STATUS_PRE_SWITCHOVER && !src->continued)
        src->continued =
            vt_mig_src_ask(src, "migrate-continue",
                           vt_json_node_new(vt_json_object_new("s:state", "pre-switchover", NULL)),
                           mig_src_continued, NULL) == VT_STEP_WAIT;
}

static VtStepResult
step_switchover(VtSeq *seq, gpointer data, GError **error)
{
    VtMigSrc *src = data;

    vt_mig_src_begin_step(src);
    vt_mig_src_phase(src, "switchover");
    src->continued = FALSE;
    return mig_src_await(src, mig_src_switchover_status, error);
}

/* ---- the tables ---- */

static const VtStep mig_src_out_steps[] = {
    { .name = "capabilities",
      .waits_for = "QEMU's answer",
      .start = step_capabilities,
      .undo = undo_capabilities,
      .timeout_ms = VT_MIG_SRC_ANSWER_MS,
      .undo_timeout_ms = VT_MIG_SRC_ANSWER_MS },
    { .name = "parameters",
      .waits_for = "QEMU's answers",
      .start = step_parameters,
      .undo = undo_parameters,
      .timeout_ms = VT_MIG_SRC_ANSWER_MS,
      .undo_timeout_ms = VT_MIG_SRC_ANSWER_MS },
    { .name = "migrate",
      .waits_for = "QEMU's answer",
      .start = step_migrate,
      .undo = undo_migrate,
      .timeout_ms = VT_MIG_SRC_ANSWER_MS,
      .undo_timeout_ms = VT_MIG_SRC_CANCEL_MS + 4 * VT_MIG_SRC_ANSWER_MS },
    { .name = "wait-unplug",
      .waits_for = "all primaries ejected, or the time limit",
      .start = step_wait_unplug },
    { .name = "stop-cpus",
      .waits_for = "QEMU's answer",
      .start = step_stop_cpus,
      .timeout_ms = VT_MIG_SRC_ANSWER_MS },
    { .name = "transfer", .waits_for = "pre-switchover", .start = step_transfer },
    { .name = "switchover",
      .waits_for = "completed",
      .start = step_switchover,
      .timeout_ms = MIG_SRC_SWITCHOVER_MS },
};

static const VtSeqTable mig_src_out_table = {
    .name = "migrate-out",
    .steps = mig_src_out_steps,
    .n_steps = G_N_ELEMENTS(mig_src_out_steps),
};

const VtSeqTable *
vt_mig_src_out_table(void)
{
    return &mig_src_out_table;
}

/* ---- public ---- */

static void
mig_src_copy_teams(VtMigSrc *src, const VtMigSrcParams *params)
{
    src->teams = g_array_new(FALSE, TRUE, sizeof(VtMigSrcTeam));
    for (gsize i = 0; i < params->n_teams; i++) {
        const VtMigSrcTeam *from = &params->teams[i];
        const VtMigSrcTeam team = { g_strdup(from->persistent), g_strdup(from->transient),
                                    g_strdup(from->device) };

        g_array_append_val(src->teams, team);
    }
}

VtMigSrc *
vt_mig_src_new(const VtMigSrcParams *params, const VtMigSrcFuncs *funcs, gpointer user)
{
    VtMigSrc *src = g_new0(VtMigSrc, 1);

    src->uri = g_strdup(params->uri);
    if (params->params)
        src->params = (VtMigParams){
            .flags = params->params->flags,
            .converge_initial = params->params->converge_initial,
            .converge_increment = params->params->converge_increment,
        };
    src->limits = params->limits;
    src->unplug_timeout_ms = params->unplug_timeout_ms;
    src->unplug_retries = MIN(params->unplug_retries, 100);
    src->hooks = params->hooks;
    src->funcs = *funcs;
    src->user = user;
    mig_src_copy_teams(src, params);
    src->calls = vt_mig_calls_new(funcs->qmp, user);
    src->polls = vt_mig_calls_new(funcs->qmp, user);
    return src;
}

void
vt_mig_src_free(VtMigSrc *src)
{
    if (!src)
        return;
    g_clear_pointer(&src->inner, vt_seq_free);
    g_clear_pointer(&src->seq, vt_seq_free);
    vt_mig_calls_free(src->calls);
    vt_mig_calls_free(src->polls);
    vt_mig_src_stop_polling(src);
    g_clear_handle_id(&src->step_timer, g_source_remove);
    vt_mig_late_free(src->late);
    for (guint i = 0; i < src->teams->len; i++) {
        VtMigSrcTeam *team = &g_array_index(src->teams, VtMigSrcTeam, i);
        g_free(team->persistent);
        g_free(team->transient);
        g_free(team->device);
    }
    g_array_unref(src->teams);
    g_clear_pointer(&src->saved, json_node_unref);
    g_free(src->error_desc);
    g_free(src->gone);
    g_free(src->uri);
    g_free(src);
}

static void
mig_src_ended(VtSeq *seq, gpointer data, const GError *error)
{
    g_autoptr(GError) gone = NULL;
    VtMigSrc *src = data;

    /* All was sent before it went: that is no failure. A guest that was to run here is lost. */
    if (!error && src->gone && vt_seq_table(seq) == vt_mig_src_return_table())
        vt_error_set(&gone, VT_ERROR_OPERATION_FAILED, "%s", src->gone);
    src->seq = NULL;
    vt_mig_src_begin_step(src);
    vt_mig_src_stop_polling(src);
    /* The last numbers, for whoever asks later: nobody waits for them. */
    if (!error && src->completed)
        vt_mig_src_poll(src);
    src->done(src->done_user, error ? error : gone);
}

static void
mig_src_start(VtMigSrc *src, const VtSeqTable *table, VtDoneFunc done, gpointer user)
{
    src->done = done;
    src->done_user = user;
    src->seq = vt_seq_new(table, src, &src->hooks, mig_src_ended);
    vt_seq_run(src->seq);
}

void
vt_mig_src_run(VtMigSrc *src, VtDoneFunc done, gpointer user)
{
    mig_src_start(src, &mig_src_out_table, done, user);
}

void
vt_mig_src_return(VtMigSrc *src, VtDoneFunc done, gpointer user)
{
    mig_src_start(src, vt_mig_src_return_table(), done, user);
}

gboolean
vt_mig_src_cancel(VtMigSrc *src, GError *error)
{
    if (src->seq && vt_seq_table(src->seq) == &mig_src_out_table)
        return vt_seq_cancel(src->seq, error);
    g_error_free(error);
    return FALSE;
}

void
vt_mig_src_gone(VtMigSrc *src, const char *why)
{
    VtSeq *seq = mig_src_seq(src);

    if (!src->gone)
        src->gone = g_strdup(why);
    vt_mig_calls_forget(src->calls);
    if (seq && vt_seq_is_waiting(seq))
        vt_mig_src_step_failed(src, g_error_new(VT_ERROR, VT_ERROR_OPERATION_FAILED, "%s", why));
}

void
vt_mig_src_set_limits(VtMigSrc *src, const VtMigLimits *limits, VtDoneFunc done, gpointer user)
{
    src->limits = *limits;
    if (src->begun && vt_mig_status_is_active(src->status))
        vt_mig_calls_ask(src->polls, "migrate-set-parameters",
                         vt_mig_params_parameters(&src->params, limits, src->pass), VT_MIG_SRC_ANSWER_MS,
                         NULL, NULL, NULL);
    if (done)
        done(user, NULL);
}
