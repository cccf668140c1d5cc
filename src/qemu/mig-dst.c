/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define VT_LOG_DOMAIN "virtteam-qemu-mig-dst"

#include "qemu/mig-dst.h"

#include <string.h>
#include "qemu/qmp-event.h"
#include "util/i18n.h"
#include "util/json.h"
#include "util/log.h"

#define MIG_DST_ANSWER_MS 30000
#define MIG_DST_LOAD_MS                                                                                      \
    120000 /* the source has sent everything: this is a slow disk's or VFIO device's time */
#define MIG_DST_POLL_MS 250

struct _VtMigDst {
    VtMigParams params; /* flags and numbers alone */
    VtSeqHooks hooks;
    VtMigDstFuncs funcs;
    gpointer user;
    VtMigCalls *calls;
    VtSeq *seq;
    VtDoneFunc done;
    gpointer done_user;
    char *uri;
    char *error_desc;
    char *gone; /* (nullable) QEMU is: why */
    VtMigStatus status;
    guint poll_timer;
    gboolean polling;
};

/* Every start begins with this: answers to what the step before asked are not this one's. */
static void
mig_dst_begin_step(VtMigDst *dst)
{
    vt_mig_calls_forget(dst->calls);
    dst->polling = FALSE;
}

static VtStepResult
mig_dst_ask(VtMigDst *dst, const char *command, JsonNode *args, VtQmpReplyFunc reply, GError **error)
{
    return vt_mig_calls_ask(dst->calls, command, args, MIG_DST_ANSWER_MS, reply, dst, error) ? VT_STEP_WAIT
                                                                                             : VT_STEP_FAILED;
}

static void
mig_dst_answered(gpointer user, JsonNode *result, const GError *error)
{
    VtMigDst *dst = user;

    if (error)
        vt_seq_step_failed(dst->seq, g_error_copy(error));
    else
        vt_seq_step_done(dst->seq);
}

/* ---- listening ---- */

static VtStepResult
dst_step_capabilities(VtSeq *seq, gpointer data, GError **error)
{
    VtMigDst *dst = data;

    mig_dst_begin_step(dst);
    return mig_dst_ask(dst, "migrate-set-capabilities",
                       vt_mig_params_capabilities(&dst->params, VT_MIG_PARTY_DESTINATION), mig_dst_answered,
                       error);
}

/* QEMU's message does not say where. */
static void
mig_dst_listened(gpointer user, JsonNode *result, const GError *error)
{
    VtMigDst *dst = user;
    g_autoptr(GError) local = error ? g_error_copy(error) : NULL;

    if (local)
        g_prefix_error(&local, _("the migration cannot be listened for on '%s': "), dst->uri);
    mig_dst_answered(user, result, local);
}

static VtStepResult
dst_step_listen(VtSeq *seq, gpointer data, GError **error)
{
    VtMigDst *dst = data;

    mig_dst_begin_step(dst);
    return mig_dst_ask(dst, "migrate-incoming", vt_json_node_new(vt_json_object_new("s:uri", dst->uri, NULL)),
                       mig_dst_listened, error);
}

/* No undos: whoever lets QEMU listen ends that QEMU when it fails. */
static const VtStep mig_dst_listen_steps[] = {
    { .name = "capabilities",
      .waits_for = "QEMU's answer",
      .start = dst_step_capabilities,
      .timeout_ms = MIG_DST_ANSWER_MS },
    { .name = "listen",
      .waits_for = "QEMU's answer",
      .start = dst_step_listen,
      .timeout_ms = MIG_DST_ANSWER_MS },
};

/* ---- awaiting ---- */

static GError *
mig_dst_failure(const VtMigDst *dst)
{
    return g_error_new(VT_ERROR, VT_ERROR_OPERATION_FAILED,
                       _("the guest could not be loaded here: %s; the log of its QEMU says more"),
                       dst->error_desc ? dst->error_desc : _("QEMU does not say why"));
}

static void
mig_dst_status(VtMigDst *dst, VtMigStatus status)
{
    dst->status = status;
    if (!dst->seq || !vt_seq_is_waiting(dst->seq) || g_strcmp0(vt_seq_current(dst->seq), "await") != 0)
        return;
    if (status == VT_MIG_STATUS_COMPLETED)
        vt_seq_step_done(dst->seq);
    else if (status == VT_MIG_STATUS_FAILED || status == VT_MIG_STATUS_CANCELLED)
        vt_seq_step_failed(dst->seq, mig_dst_failure(dst));
}

static void
mig_dst_polled(gpointer user, JsonNode *result, const GError *error)
{
    VtMigDst *dst = user;
    g_auto(VtMigStats) stats = { 0 };

    dst->polling = FALSE;
    if (error)
        return;
    vt_mig_stats_parse(result, &stats);
    if (stats.error_desc) {
        g_free(dst->error_desc);
        dst->error_desc = g_strdup(stats.error_desc);
    }
    if (dst->funcs.stats)
        dst->funcs.stats(&stats, dst->user);
    /* Status NONE is a QEMU that nobody has connected to yet. */
    if (stats.status != VT_MIG_STATUS_NONE)
        mig_dst_status(dst, stats.status);
}

static gboolean
mig_dst_poll(gpointer user)
{
    VtMigDst *dst = user;

    if (!dst->polling)
        dst->polling =
            vt_mig_calls_ask(dst->calls, "query-migrate", NULL, MIG_DST_ANSWER_MS, mig_dst_polled, dst, NULL);
    return G_SOURCE_CONTINUE;
}

static VtStepResult
dst_step_await(VtSeq *seq, gpointer data, GError **error)
{
    VtMigDst *dst = data;

    mig_dst_begin_step(dst);
    /* It may go while the journal is written. */
    if (dst->gone) {
        vt_error_set(error, VT_ERROR_OPERATION_FAILED, "%s", dst->gone);
        return VT_STEP_FAILED;
    }
    if (dst->status == VT_MIG_STATUS_COMPLETED)
        return VT_STEP_DONE;
    dst->poll_timer = g_timeout_add(MIG_DST_POLL_MS, mig_dst_poll, dst);
    mig_dst_poll(dst);
    return VT_STEP_WAIT;
}

/* Source: QAPI RunState: "inmigrate" ends in "paused" (we started with -S); disks that could not be taken over
 * leave it elsewhere, and then it must not run. */
static void
mig_dst_got_run_state(gpointer user, JsonNode *result, const GError *error)
{
    VtMigDst *dst = user;
    const char *status = error ? NULL : vt_json_string_or(result, "status", "");

    if (error)
        vt_seq_step_failed(dst->seq, g_error_copy(error));
    else if (g_strcmp0(status, "paused") == 0 || g_strcmp0(status, "prelaunch") == 0)
        vt_seq_step_done(dst->seq);
    else
        vt_seq_step_failed(dst->seq,
                           g_error_new(VT_ERROR, VT_ERROR_OPERATION_FAILED,
                                       _("the guest was loaded, but its QEMU is in the state '%s'"), status));
}

static VtStepResult
dst_step_check_state(VtSeq *seq, gpointer data, GError **error)
{
    VtMigDst *dst = data;

    mig_dst_begin_step(dst);
    g_clear_handle_id(&dst->poll_timer, g_source_remove);
    return mig_dst_ask(dst, "query-status", NULL, mig_dst_got_run_state, error);
}

static const VtStep mig_dst_await_steps[] = {
    { .name = "await",
      .waits_for = "QEMU has loaded everything",
      .start = dst_step_await,
      .timeout_ms = MIG_DST_LOAD_MS },
    { .name = "check-state",
      .waits_for = "QEMU's answer",
      .start = dst_step_check_state,
      .timeout_ms = MIG_DST_ANSWER_MS },
};

static const VtSeqTable mig_dst_listen_table = {
    .name = "migrate-listen",
    .steps = mig_dst_listen_steps,
    .n_steps = G_N_ELEMENTS(mig_dst_listen_steps),
};

static const VtSeqTable mig_dst_await_table = {
    .name = "migrate-await",
    .steps = mig_dst_await_steps,
    .n_steps = G_N_ELEMENTS(mig_dst_await_steps),
};

const VtSeqTable *
vt_mig_dst_listen_table(void)
{
    return &mig_dst_listen_table;
}

const VtSeqTable *
vt_mig_dst_await_table(void)
{
    return &mig_dst_await_table;
}

/* ---- public ---- */

VtMigDst *
vt_mig_dst_new(const VtMigParams *params, const VtSeqHooks *hooks, const VtMigDstFuncs *funcs, gpointer user)
{
    VtMigDst *dst = g_new0(VtMigDst, 1);

    if (params)
        dst->params = (VtMigParams){ .flags = params->flags };
    if (hooks)
        dst->hooks = *hooks;
    dst->funcs = *funcs;
    dst->user = user;
    dst->calls = vt_mig_calls_new(funcs->qmp, user);
    return dst;
}

void
vt_mig_dst_free(VtMigDst *dst)
{
    if (!dst)
        return;
    g_clear_pointer(&dst->seq, vt_seq_free);
    g_clear_handle_id(&dst->poll_timer, g_source_remove);
    vt_mig_calls_free(dst->calls);
    g_free(dst->uri);
    g_free(dst->error_desc);
    g_free(dst->gone);
    g_free(dst);
}

static void
mig_dst_ended(VtSeq *seq, gpointer data, const GError *error)
{
    VtMigDst *dst = data;

    dst->seq = NULL;
    mig_dst_begin_step(dst);
    g_clear_handle_id(&dst->poll_timer, g_source_remove);
    dst->done(dst->done_user, error);
}

static void
mig_dst_start(VtMigDst *dst, const VtSeqTable *table, VtDoneFunc done, gpointer user)
{
    dst->done = done;
    dst->done_user = user;
    dst->seq = vt_seq_new(table, dst, dst->hooks.enter ? &dst->hooks : NULL, mig_dst_ended);
    vt_seq_run(dst->seq);
}

void
vt_mig_dst_listen(VtMigDst *dst, const char *uri, VtDoneFunc done, gpointer user)
{
    g_free(dst->uri);
    dst->uri = g_strdup(uri);
    mig_dst_start(dst, &mig_dst_listen_table, done, user);
}

void
vt_mig_dst_await(VtMigDst *dst, VtDoneFunc done, gpointer user)
{
    mig_dst_start(dst, &mig_dst_await_table, done, user);
}

void
vt_mig_dst_event(VtMigDst *dst, const VtQmpEvent *event)
{
    VtQmpEventInfo info;

    if (vt_qmp_event_decode(event, &info) != VT_QMP_EVENT_MIGRATION)
        return;
    /* The event does not say why; the answer, or QEMU's end, does. */
    if (vt_mig_status_parse(info.status) == VT_MIG_STATUS_FAILED && dst->poll_timer)
        mig_dst_poll(dst);
    else
        mig_dst_status(dst, vt_mig_status_parse(info.status));
}

void
vt_mig_dst_gone(VtMigDst *dst, const char *why)
{
    g_free(dst->gone);
    dst->gone = g_strdup(why);
    vt_mig_calls_forget(dst->calls);
    if (dst->seq && vt_seq_is_waiting(dst->seq))
        vt_seq_step_failed(dst->seq, g_error_new(VT_ERROR, VT_ERROR_OPERATION_FAILED, "%s", why));
}
