/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Never two guests that run, never none that can be had again. The client conducts; each host decides by its
 * own phase alone, because the other may be out of reach. Three orders make it safe:
 *
 * - The destination starts the CPUs only after it has written "finishing" to its disk and then its answer to
 *   the client. Before that, the client's answer to everybody is "it failed", and the source goes on; after
 *   that the client knows that it went well and never asks the source to go on.
 * - The source resumes by itself only where it has not told the client yet that all is sent. Once it has
 *   (its disk says "perform-done" before that), only Confirm(cancelled) resumes it, and Confirm ends it.
 * - What neither rule decides (the client vanished in between) stays paused, at both hosts, in full, with a
 *   message that says what to look at. An operator's `virsh resume` or `virsh destroy` then decides.
 *
 * A call that the table does not list is refused and changes nothing.
 */
#include "qemu/mig-phase.h"

#include <string.h>

#include "util/i18n.h"

static const char *const mig_call_names[] = {
    [VT_MIG_CALL_BEGIN] = "Begin",
    [VT_MIG_CALL_PREPARE] = "Prepare",
    [VT_MIG_CALL_PERFORM] = "Perform",
    [VT_MIG_CALL_FINISH] = "Finish",
    [VT_MIG_CALL_FINISH_CANCELLED] = "Finish(cancelled)",
    [VT_MIG_CALL_CONFIRM] = "Confirm",
    [VT_MIG_CALL_CONFIRM_CANCELLED] = "Confirm(cancelled)",
};
G_STATIC_ASSERT(G_N_ELEMENTS(mig_call_names) == VT_MIG_CALL_COUNT);

static const char *const mig_cleanup_words[] = {
    [VT_MIG_CLEANUP_NOTHING] = "nothing",
    [VT_MIG_CLEANUP_FORGET] = "forget it: nothing was done yet",
    [VT_MIG_CLEANUP_RETURN] = "cancel, run on here, plug the primaries again",
    [VT_MIG_CLEANUP_LEAVE] = "leave it paused, say loudly what to look at",
    [VT_MIG_CLEANUP_STOP_SOURCE] = "end what is left here",
    [VT_MIG_CLEANUP_DESTROY] = "end the waiting QEMU",
    [VT_MIG_CLEANUP_GO_ON] = "go on to the end",
    [VT_MIG_CLEANUP_ASK_QEMU] = "running: adopt it; paused: leave it paused, say loudly what to look at",
    [VT_MIG_CLEANUP_LOOK] =
        "running: plug the primaries again; paused: leave it paused, say loudly what to look at",
    [VT_MIG_CLEANUP_WAIT] = "running: plug the primaries again; paused: wait for its resume",
};
G_STATIC_ASSERT(G_N_ELEMENTS(mig_cleanup_words) == VT_MIG_CLEANUP_COUNT);

static const VtMigPhaseRow mig_src_rows[] = {
    [VT_MIG_SRC_NONE] = { .name = "none",
                          .guest = "as it was",
                          .calls = { { .call = VT_MIG_CALL_BEGIN, .next = VT_MIG_SRC_BEGUN } },
                          .n_calls = 1,
                          .done = -1,
                          .failed = -1,
                          .client_gone = VT_MIG_CLEANUP_NOTHING,
                          .restart = VT_MIG_CLEANUP_NOTHING },
    [VT_MIG_SRC_BEGUN] = { .name = "begun",
                           .guest = "runs here",
                           .calls = { { .call = VT_MIG_CALL_PERFORM, .next = VT_MIG_SRC_PERFORM },
                                      { .call = VT_MIG_CALL_CONFIRM_CANCELLED, .next = VT_MIG_SRC_NONE } },
                           .n_calls = 2,
                           .done = -1,
                           .failed = -1,
                           .client_gone = VT_MIG_CLEANUP_FORGET,
                           .restart = VT_MIG_CLEANUP_FORGET },
    [VT_MIG_SRC_PERFORM] = { .name = "perform",
                             .guest = "runs here, stands still at the end",
                             .done = VT_MIG_SRC_PERFORM_DONE,
                             .failed = VT_MIG_SRC_NONE,
                             .client_gone = VT_MIG_CLEANUP_RETURN,
                             .restart = VT_MIG_CLEANUP_RETURN },
    [VT_MIG_SRC_PERFORM_DONE] = { .name = "perform-done",
                                  .guest = "paused here, complete at the destination",
                                  .calls = { { .call = VT_MIG_CALL_CONFIRM, .next = VT_MIG_SRC_CONFIRMING },
                                             { .call = VT_MIG_CALL_CONFIRM_CANCELLED,
                                               .next = VT_MIG_SRC_RETURNING } },
                                  .n_calls = 2,
                                  .done = -1,
                                  .failed = -1,
                                  .client_gone = VT_MIG_CLEANUP_LEAVE,
                                  .restart = VT_MIG_CLEANUP_LOOK },
    [VT_MIG_SRC_RETURNING] = { .name = "returning",
                               .guest = "being resumed here",
                               .done = VT_MIG_SRC_NONE,
                               .suspended = VT_MIG_SRC_SUSPENDED,
                               .failed = VT_MIG_SRC_NONE,
                               .client_gone = VT_MIG_CLEANUP_GO_ON,
                               .restart = VT_MIG_CLEANUP_RETURN },
    [VT_MIG_SRC_CONFIRMING] = { .name = "confirming",
                                .guest = "runs at the destination",
                                .done = VT_MIG_SRC_NONE,
                                .failed = VT_MIG_SRC_NONE,
                                .client_gone = VT_MIG_CLEANUP_GO_ON,
                                .restart = VT_MIG_CLEANUP_STOP_SOURCE },
    [VT_MIG_SRC_LEFT] = { .name = "left",
                          .guest = "paused here, perhaps runs at the destination",
                          .calls = { { .call = VT_MIG_CALL_CONFIRM, .next = VT_MIG_SRC_CONFIRMING },
                                     { .call = VT_MIG_CALL_CONFIRM_CANCELLED,
                                       .next = VT_MIG_SRC_RETURNING } },
                          .n_calls = 2,
                          .done = VT_MIG_SRC_RETURNING,
                          .failed = VT_MIG_SRC_NONE,
                          .client_gone = VT_MIG_CLEANUP_LEAVE,
                          .restart = VT_MIG_CLEANUP_LOOK },
    [VT_MIG_SRC_SUSPENDED] = { .name = "suspended",
                               .guest = "suspended here by a client, complete but for its primaries",
                               .done = VT_MIG_SRC_RETURNING,
                               .failed = VT_MIG_SRC_NONE,
                               .client_gone = VT_MIG_CLEANUP_NOTHING,
                               .restart = VT_MIG_CLEANUP_WAIT },
};
G_STATIC_ASSERT(G_N_ELEMENTS(mig_src_rows) == VT_MIG_SRC_COUNT);

static const VtMigPhaseRow mig_dst_rows[] = {
    [VT_MIG_DST_NONE] = { .name = "none",
                          .guest = "at the source",
                          .calls = { { .call = VT_MIG_CALL_PREPARE, .next = VT_MIG_DST_PREPARING } },
                          .n_calls = 1,
                          .done = -1,
                          .failed = -1,
                          .client_gone = VT_MIG_CLEANUP_NOTHING,
                          .restart = VT_MIG_CLEANUP_NOTHING },
    [VT_MIG_DST_PREPARING] = { .name = "preparing",
                               .guest = "at the source",
                               .done = VT_MIG_DST_PREPARED,
                               .failed = VT_MIG_DST_NONE,
                               .client_gone = VT_MIG_CLEANUP_DESTROY,
                               .restart = VT_MIG_CLEANUP_DESTROY },
    [VT_MIG_DST_PREPARED] = { .name = "prepared",
                              .guest = "at the source",
                              .calls = { { .call = VT_MIG_CALL_FINISH, .next = VT_MIG_DST_AWAITING },
                                         { .call = VT_MIG_CALL_FINISH_CANCELLED, .next = VT_MIG_DST_NONE } },
                              .n_calls = 2,
                              .done = -1,
                              .failed = VT_MIG_DST_DEAD,
                              .client_gone = VT_MIG_CLEANUP_DESTROY,
                              .restart = VT_MIG_CLEANUP_DESTROY },
    [VT_MIG_DST_AWAITING] = { .name = "awaiting",
                              .guest = "paused at the source, being loaded here",
                              .done = VT_MIG_DST_FINISHING,
                              .failed = VT_MIG_DST_NONE,
                              .client_gone = VT_MIG_CLEANUP_DESTROY,
                              .restart = VT_MIG_CLEANUP_DESTROY },
    [VT_MIG_DST_FINISHING] = { .name = "finishing",
                               .guest = "paused at both",
                               .done = VT_MIG_DST_RESUMING,
                               .failed = VT_MIG_DST_NONE,
                               .client_gone = VT_MIG_CLEANUP_DESTROY,
                               .restart = VT_MIG_CLEANUP_ASK_QEMU },
    [VT_MIG_DST_RESUMING] = { .name = "resuming",
                              .guest = "runs here",
                              .done = VT_MIG_DST_NONE,
                              .failed = VT_MIG_DST_NONE,
                              .client_gone = VT_MIG_CLEANUP_GO_ON,
                              .restart = VT_MIG_CLEANUP_ASK_QEMU },
    [VT_MIG_DST_DEAD] = { .name = "dead",
                          .guest = "at the source",
                          .calls = { { .call = VT_MIG_CALL_FINISH, .next = VT_MIG_DST_NONE },
                                     { .call = VT_MIG_CALL_FINISH_CANCELLED, .next = VT_MIG_DST_NONE } },
                          .n_calls = 2,
                          .done = -1,
                          .failed = -1,
                          .client_gone = VT_MIG_CLEANUP_FORGET,
                          .restart = VT_MIG_CLEANUP_NOTHING },
};
G_STATIC_ASSERT(G_N_ELEMENTS(mig_dst_rows) == VT_MIG_DST_COUNT);

const VtMigPhaseRow *
vt_mig_phase_src_row(VtMigSrcPhase phase)
{
    return &mig_src_rows[phase];
}

const VtMigPhaseRow *
vt_mig_phase_dst_row(VtMigDstPhase phase)
{
    return &mig_dst_rows[phase];
}

static gboolean
mig_phase_call(const VtMigPhaseRow *row, VtMigCall call, const char *side, int *next, GError **error)
{
    for (guint i = 0; i < row->n_calls; i++)
        if (row->calls[i].call == call) {
            *next = row->calls[i].next;
            return TRUE;
        }
    return vt_error_set(error, VT_ERROR_OPERATION_INVALID,
                        _("the migration call '%s' cannot come now: the migration's phase at the %s is '%s'"),
                        mig_call_names[call], side, row->name);
}

gboolean
vt_mig_phase_src_call(VtMigSrcPhase phase, VtMigCall call, VtMigSrcPhase *next, GError **error)
{
    int found = 0;

    if (!mig_phase_call(&mig_src_rows[phase], call, "source", &found, error))
        return FALSE;
    *next = (VtMigSrcPhase)found;
    return TRUE;
}

gboolean
vt_mig_phase_dst_call(VtMigDstPhase phase, VtMigCall call, VtMigDstPhase *next, GError **error)
{
    int found = 0;

    if (!mig_phase_call(&mig_dst_rows[phase], call, "destination", &found, error))
        return FALSE;
    *next = (VtMigDstPhase)found;
    return TRUE;
}

/* Whether a cleanup leads to a phase. */
static gboolean
mig_phase_cleanup_leads(VtMigCleanup cleanup, int to)
{
    switch (cleanup) {
    case VT_MIG_CLEANUP_FORGET:
    case VT_MIG_CLEANUP_DESTROY:
        return to == 0; /* NONE of either side */
    case VT_MIG_CLEANUP_RETURN:
    case VT_MIG_CLEANUP_WAIT:
        return to == VT_MIG_SRC_RETURNING;
    case VT_MIG_CLEANUP_LEAVE:
        return to == VT_MIG_SRC_LEFT;
    case VT_MIG_CLEANUP_LOOK:
        return to == VT_MIG_SRC_LEFT || to == VT_MIG_SRC_RETURNING;
    case VT_MIG_CLEANUP_STOP_SOURCE:
        return to == VT_MIG_SRC_CONFIRMING;
    case VT_MIG_CLEANUP_NOTHING:
    case VT_MIG_CLEANUP_GO_ON:
    case VT_MIG_CLEANUP_ASK_QEMU:
    case VT_MIG_CLEANUP_COUNT:
        break;
    }
    return FALSE;
}

static gboolean
mig_phase_may_follow(const VtMigPhaseRow *row, int to)
{
    for (guint i = 0; i < row->n_calls; i++)
        if (row->calls[i].next == to)
            return TRUE;
    return row->done == to || row->failed == to || (row->suspended && row->suspended == to) ||
           mig_phase_cleanup_leads(row->client_gone, to) || mig_phase_cleanup_leads(row->restart, to);
}

gboolean
vt_mig_phase_src_may_follow(VtMigSrcPhase from, VtMigSrcPhase to)
{
    return mig_phase_may_follow(&mig_src_rows[from], (int)to);
}

gboolean
vt_mig_phase_dst_may_follow(VtMigDstPhase from, VtMigDstPhase to)
{
    return mig_phase_may_follow(&mig_dst_rows[from], (int)to);
}

static int
mig_phase_parse(const VtMigPhaseRow *rows, gsize n, const char *name)
{
    for (gsize i = 0; name && i < n; i++)
        if (strcmp(rows[i].name, name) == 0)
            return (int)i;
    return -1;
}

int
vt_mig_phase_src_parse(const char *name)
{
    return mig_phase_parse(mig_src_rows, G_N_ELEMENTS(mig_src_rows), name);
}

int
vt_mig_phase_dst_parse(const char *name)
{
    return mig_phase_parse(mig_dst_rows, G_N_ELEMENTS(mig_dst_rows), name);
}

const char *
vt_mig_phase_call_name(VtMigCall call)
{
    return mig_call_names[call];
}

static void
mig_phase_print(GString *out, const VtMigPhaseRow *rows, gsize n, const char *side)
{
    g_string_append_printf(out, "### %s\n\n", side);
    g_string_append(out, "| phase | the guest | calls that may come (then) | its own end | client vanishes | "
                         "daemon restarts |\n|---|---|---|---|---|---|\n");
    for (gsize i = 0; i < n; i++) {
        const VtMigPhaseRow *row = &rows[i];

        g_string_append_printf(out, "| %s | %s | ", row->name, row->guest);
        for (guint c = 0; c < row->n_calls; c++)
            g_string_append_printf(out, "%s%s (%s)", c ? ", " : "", mig_call_names[row->calls[c].call],
                                   rows[row->calls[c].next].name);
        g_string_append(out, row->n_calls ? " | " : "none | ");
        if (row->done >= 0)
            g_string_append_printf(out, "well: %s", rows[row->done].name);
        if (row->suspended)
            g_string_append_printf(out, "; suspended: %s", rows[row->suspended].name);
        if (row->failed >= 0)
            g_string_append_printf(out, "%sbadly: %s", row->done >= 0 ? "; " : "", rows[row->failed].name);
        g_string_append_printf(out, " | %s | %s |\n", mig_cleanup_words[row->client_gone],
                               mig_cleanup_words[row->restart]);
    }
    g_string_append_c(out, '\n');
}

char *
vt_mig_phase_to_markdown(void)
{
    GString *out = g_string_new(NULL);

    mig_phase_print(out, mig_src_rows, G_N_ELEMENTS(mig_src_rows), "Source");
    mig_phase_print(out, mig_dst_rows, G_N_ELEMENTS(mig_dst_rows), "Destination");
    return g_string_free(out, FALSE);
}
