/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/mig-phase.h"

#include <string.h>

/* Each phase and each call: the phase that follows, or "-" where the call is refused. */
typedef struct {
    const char *phase;
    const char *next[VT_MIG_CALL_COUNT];
} PhaseRow;

#define CALLS(begin, prepare, perform, finish, finish_cancelled, confirm, confirm_cancelled)                 \
    {                                                                                                        \
        [VT_MIG_CALL_BEGIN] = begin, [VT_MIG_CALL_PREPARE] = prepare, [VT_MIG_CALL_PERFORM] = perform,       \
        [VT_MIG_CALL_FINISH] = finish, [VT_MIG_CALL_FINISH_CANCELLED] = finish_cancelled,                    \
        [VT_MIG_CALL_CONFIRM] = confirm, [VT_MIG_CALL_CONFIRM_CANCELLED] = confirm_cancelled                 \
    }

static const PhaseRow src_rows[] = {
    [VT_MIG_SRC_NONE] = { "none", CALLS("begun", "-", "-", "-", "-", "-", "-") },
    [VT_MIG_SRC_BEGUN] = { "begun", CALLS("-", "-", "perform", "-", "-", "-", "none") },
    [VT_MIG_SRC_PERFORM] = { "perform", CALLS("-", "-", "-", "-", "-", "-", "-") },
    [VT_MIG_SRC_PERFORM_DONE] = { "perform-done", CALLS("-", "-", "-", "-", "-", "confirming", "returning") },
    [VT_MIG_SRC_RETURNING] = { "returning", CALLS("-", "-", "-", "-", "-", "-", "-") },
    [VT_MIG_SRC_CONFIRMING] = { "confirming", CALLS("-", "-", "-", "-", "-", "-", "-") },
    [VT_MIG_SRC_LEFT] = { "left", CALLS("-", "-", "-", "-", "-", "confirming", "returning") },
    [VT_MIG_SRC_SUSPENDED] = { "suspended", CALLS("-", "-", "-", "-", "-", "-", "-") },
};
G_STATIC_ASSERT(G_N_ELEMENTS(src_rows) == VT_MIG_SRC_COUNT);

static const PhaseRow dst_rows[] = {
    [VT_MIG_DST_NONE] = { "none", CALLS("-", "preparing", "-", "-", "-", "-", "-") },
    [VT_MIG_DST_PREPARING] = { "preparing", CALLS("-", "-", "-", "-", "-", "-", "-") },
    [VT_MIG_DST_PREPARED] = { "prepared", CALLS("-", "-", "-", "awaiting", "none", "-", "-") },
    [VT_MIG_DST_AWAITING] = { "awaiting", CALLS("-", "-", "-", "-", "-", "-", "-") },
    [VT_MIG_DST_FINISHING] = { "finishing", CALLS("-", "-", "-", "-", "-", "-", "-") },
    [VT_MIG_DST_RESUMING] = { "resuming", CALLS("-", "-", "-", "-", "-", "-", "-") },
    [VT_MIG_DST_DEAD] = { "dead", CALLS("-", "-", "-", "none", "none", "-", "-") },
};
G_STATIC_ASSERT(G_N_ELEMENTS(dst_rows) == VT_MIG_DST_COUNT);

/* FALSE: refused, with an error that names call and phase. */
static void
assert_refusal(const GError *error, VtMigCall call, const char *phase)
{
    g_autofree char *quoted_call = g_strdup_printf("'%s'", vt_mig_phase_call_name(call));
    g_autofree char *quoted_phase = g_strdup_printf("'%s'", phase);

    g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_INVALID);
    g_assert_nonnull(strstr(error->message, quoted_call));
    g_assert_nonnull(strstr(error->message, quoted_phase));
}

static void
test_src_calls(void)
{
    for (guint p = 0; p < VT_MIG_SRC_COUNT; p++)
        for (guint c = 0; c < VT_MIG_CALL_COUNT; c++) {
            VtMigSrcPhase next = VT_MIG_SRC_COUNT;
            g_autoptr(GError) error = NULL;
            gboolean ok = vt_mig_phase_src_call((VtMigSrcPhase)p, (VtMigCall)c, &next, &error);

            g_test_message("%s, %s", src_rows[p].phase, vt_mig_phase_call_name((VtMigCall)c));
            g_assert_cmpstr(ok ? vt_mig_phase_src_row(next)->name : "-", ==, src_rows[p].next[c]);
            if (ok)
                g_assert_true(vt_mig_phase_src_may_follow((VtMigSrcPhase)p, next));
            else
                assert_refusal(error, (VtMigCall)c, src_rows[p].phase);
        }
}

static void
test_dst_calls(void)
{
    for (guint p = 0; p < VT_MIG_DST_COUNT; p++)
        for (guint c = 0; c < VT_MIG_CALL_COUNT; c++) {
            VtMigDstPhase next = VT_MIG_DST_COUNT;
            g_autoptr(GError) error = NULL;
            gboolean ok = vt_mig_phase_dst_call((VtMigDstPhase)p, (VtMigCall)c, &next, &error);

            g_test_message("%s, %s", dst_rows[p].phase, vt_mig_phase_call_name((VtMigCall)c));
            g_assert_cmpstr(ok ? vt_mig_phase_dst_row(next)->name : "-", ==, dst_rows[p].next[c]);
            if (ok)
                g_assert_true(vt_mig_phase_dst_may_follow((VtMigDstPhase)p, next));
            else
                assert_refusal(error, (VtMigCall)c, dst_rows[p].phase);
        }
}

static void
assert_row(const VtMigPhaseRow *row, const char *name, int n_phases)
{
    g_assert_cmpstr(row->name, ==, name);
    g_assert_true(row->guest && *row->guest);
    g_assert_cmpuint(row->n_calls, <=, VT_MIG_PHASE_CALLS_MAX);
    g_assert_cmpint(row->done, <, n_phases);
    g_assert_cmpint(row->failed, <, n_phases);
    g_assert_cmpint(row->client_gone, <, VT_MIG_CLEANUP_COUNT);
    g_assert_cmpint(row->restart, <, VT_MIG_CLEANUP_COUNT);
    /* It waits for a call, or ends by itself: no phase is for ever. */
    g_assert_true(row->n_calls > 0 || row->done >= 0);
    for (guint c = 0; c < row->n_calls; c++) {
        g_assert_cmpint(row->calls[c].next, >=, 0);
        g_assert_cmpint(row->calls[c].next, <, n_phases);
    }
}

static void
test_names(void)
{
    for (int p = 0; p < VT_MIG_SRC_COUNT; p++) {
        assert_row(vt_mig_phase_src_row((VtMigSrcPhase)p), src_rows[p].phase, VT_MIG_SRC_COUNT);
        g_assert_cmpint(vt_mig_phase_src_parse(src_rows[p].phase), ==, p);
    }
    for (int p = 0; p < VT_MIG_DST_COUNT; p++) {
        assert_row(vt_mig_phase_dst_row((VtMigDstPhase)p), dst_rows[p].phase, VT_MIG_DST_COUNT);
        g_assert_cmpint(vt_mig_phase_dst_parse(dst_rows[p].phase), ==, p);
    }
    g_assert_cmpint(vt_mig_phase_src_parse("prepared"), ==, -1);
    g_assert_cmpint(vt_mig_phase_dst_parse("perform"), ==, -1);
    g_assert_cmpint(vt_mig_phase_src_parse(""), ==, -1);
    g_assert_cmpint(vt_mig_phase_src_parse(NULL), ==, -1);
    g_assert_cmpint(vt_mig_phase_dst_parse(NULL), ==, -1);
}

/* What a host does on its own, without the other host's word, when the client vanishes or its daemon restarts. */
static gboolean
resumes_here(VtMigCleanup cleanup)
{
    return cleanup == VT_MIG_CLEANUP_FORGET || cleanup == VT_MIG_CLEANUP_RETURN;
}

static gboolean
keeps_what_arrived(VtMigCleanup cleanup)
{
    return cleanup == VT_MIG_CLEANUP_GO_ON || cleanup == VT_MIG_CLEANUP_ASK_QEMU;
}

/*
 * Pairs of phases that the two hosts may be in at the same time, because the client conducts: while Perform is
 * under way the destination has at most been asked to receive, and Finish is sent only when Perform was answered
 * (perform-done). In no such pair may the source go on by itself where the destination may run.
 */
static void
test_never_two(void)
{
    for (guint p = 0; p < VT_MIG_SRC_COUNT; p++) {
        const VtMigPhaseRow *src = vt_mig_phase_src_row((VtMigSrcPhase)p);
        gboolean answered =
            p == VT_MIG_SRC_PERFORM_DONE || p == VT_MIG_SRC_LEFT || p == VT_MIG_SRC_CONFIRMING;

        g_test_message("source %s", src->name);
        if (answered) {
            g_assert_false(resumes_here(src->client_gone));
            g_assert_false(resumes_here(src->restart));
        }
        for (guint q = 0; q < VT_MIG_DST_COUNT; q++) {
            const VtMigPhaseRow *dst = vt_mig_phase_dst_row((VtMigDstPhase)q);
            gboolean may_run = q == VT_MIG_DST_RESUMING;
            gboolean before_finish = q <= VT_MIG_DST_PREPARED || q == VT_MIG_DST_DEAD;

            /* Finish comes only after Perform was answered. */
            if (!before_finish && !answered)
                continue;
            g_assert_false(may_run && (resumes_here(src->client_gone) || resumes_here(src->restart)));
            /* Nobody has told the source: what has not finished is given up, what may run is kept. */
            g_assert_cmpint(keeps_what_arrived(dst->client_gone), ==, may_run);
        }
    }
}

/* The source may end its own only where the destination has said that the guest is there. */
static void
test_never_none(void)
{
    for (guint p = 0; p < VT_MIG_SRC_COUNT; p++) {
        const VtMigPhaseRow *row = vt_mig_phase_src_row((VtMigSrcPhase)p);

        g_assert_cmpint(row->restart == VT_MIG_CLEANUP_STOP_SOURCE, ==, p == VT_MIG_SRC_CONFIRMING);
        g_assert_cmpint(row->client_gone, !=, VT_MIG_CLEANUP_STOP_SOURCE);
        g_assert_cmpint(row->client_gone, !=, VT_MIG_CLEANUP_DESTROY);
        g_assert_cmpint(row->restart, !=, VT_MIG_CLEANUP_DESTROY);
        for (guint c = 0; c < row->n_calls; c++)
            if (row->calls[c].next == VT_MIG_SRC_CONFIRMING)
                g_assert_cmpint(row->calls[c].call, ==, VT_MIG_CALL_CONFIRM);
    }
    for (guint p = 0; p < VT_MIG_DST_COUNT; p++) {
        const VtMigPhaseRow *row = vt_mig_phase_dst_row((VtMigDstPhase)p);
        /* The answer to Finish may have been sent: a daemon that does not know must not end the guest. */
        gboolean answered = p == VT_MIG_DST_FINISHING || p == VT_MIG_DST_RESUMING;

        g_test_message("destination %s", row->name);
        g_assert_cmpint(row->restart == VT_MIG_CLEANUP_ASK_QEMU, ==, answered);
        if (p == VT_MIG_DST_RESUMING)
            g_assert_cmpint(row->client_gone, ==, VT_MIG_CLEANUP_GO_ON);
    }
}

/* Steps that the tables know, and no others. */
static void
test_follow(void)
{
    static const char *const src_steps =
        "none>begun begun>none begun>perform perform>none perform>perform-done "
        "perform>returning perform-done>returning perform-done>confirming "
        "perform-done>left returning>none returning>returning returning>suspended "
        "confirming>none confirming>confirming left>none left>returning "
        "left>confirming left>left suspended>none suspended>returning";
    static const char *const dst_steps =
        "none>preparing preparing>none preparing>prepared prepared>none prepared>awaiting prepared>dead "
        "awaiting>none awaiting>finishing finishing>none finishing>resuming resuming>none dead>none";
    g_autoptr(GString) found = g_string_new(NULL);

    for (guint from = 0; from < VT_MIG_SRC_COUNT; from++)
        for (guint to = 0; to < VT_MIG_SRC_COUNT; to++)
            if (vt_mig_phase_src_may_follow((VtMigSrcPhase)from, (VtMigSrcPhase)to))
                g_string_append_printf(found, "%s%s>%s", found->len ? " " : "", src_rows[from].phase,
                                       src_rows[to].phase);
    g_assert_cmpstr(found->str, ==, src_steps);
    g_string_truncate(found, 0);
    for (guint from = 0; from < VT_MIG_DST_COUNT; from++)
        for (guint to = 0; to < VT_MIG_DST_COUNT; to++)
            if (vt_mig_phase_dst_may_follow((VtMigDstPhase)from, (VtMigDstPhase)to))
                g_string_append_printf(found, "%s%s>%s", found->len ? " " : "", dst_rows[from].phase,
                                       dst_rows[to].phase);
    g_assert_cmpstr(found->str, ==, dst_steps);
}

/* One line a phase, six cells each. */
static void
test_markdown(void)
{
    g_autofree char *text = vt_mig_phase_to_markdown();
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    guint rows = 0;

    for (guint i = 0; lines[i]; i++) {
        guint bars = 0;

        for (const char *at = lines[i]; *at; at++)
            bars += *at == '|';
        if (bars == 0)
            continue;
        g_test_message("%s", lines[i]);
        g_assert_cmpuint(bars, ==, 7);
        g_assert_null(strstr(lines[i], "(null)"));
        rows++;
    }
    g_assert_cmpuint(rows, ==, 2 + VT_MIG_SRC_COUNT + 2 + VT_MIG_DST_COUNT);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu/mig-phase/each-call-in-each-phase-of-the-source", test_src_calls);
    g_test_add_func("/qemu/mig-phase/each-call-in-each-phase-of-the-destination", test_dst_calls);
    g_test_add_func("/qemu/mig-phase/names-are-read-back", test_names);
    g_test_add_func("/qemu/mig-phase/never-two-that-run", test_never_two);
    g_test_add_func("/qemu/mig-phase/never-none-that-can-be-had", test_never_none);
    g_test_add_func("/qemu/mig-phase/what-may-follow", test_follow);
    g_test_add_func("/qemu/mig-phase/prints-itself", test_markdown);
    return g_test_run();
}
