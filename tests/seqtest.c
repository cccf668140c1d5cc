/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Step sequences: a failure is injected at every step of a table in every way there is. */
#include "util/error.h"
#include "util/fault.h"
#include "util/log.h"
#include "util/seq.h"

#include <string.h>

#define STEPS 4

typedef enum {
    END_WELL,
    FAIL_AT_ONCE,
    FAIL_LATER,
    FAIL_EARLY_EVENT, /* reports its failure from within start(), then answers WAIT */
    TIME_OUT,
    CANCEL_IN_START_DONE,
    CANCEL_IN_START_WAIT,
    CANCEL_WHILE_WAITING,
    FAULT_HOOK,
    WAYS
} Way;

/* Whether the failing step itself must be undone. */
static const gboolean acted[WAYS] = {
    [FAIL_LATER] = TRUE,           [FAIL_EARLY_EVENT] = TRUE,     [TIME_OUT] = TRUE,
    [CANCEL_IN_START_DONE] = TRUE, [CANCEL_IN_START_WAIT] = TRUE, [CANCEL_WHILE_WAITING] = TRUE,
};

static const char *const way_names[WAYS] = {
    [END_WELL] = "end-well",
    [FAIL_AT_ONCE] = "fail-at-once",
    [FAIL_LATER] = "fail-later",
    [FAIL_EARLY_EVENT] = "fail-early-event",
    [TIME_OUT] = "time-out",
    [CANCEL_IN_START_DONE] = "cancel-in-start-done",
    [CANCEL_IN_START_WAIT] = "cancel-in-start-wait",
    [CANCEL_WHILE_WAITING] = "cancel-while-waiting",
    [FAULT_HOOK] = "fault-hook",
};

typedef enum { UNDO_AT_ONCE, UNDO_LATER, UNDO_FAILS, UNDO_TIMES_OUT, UNDO_MODES } UndoMode;

typedef struct {
    const char *victim; /* name of the step that goes wrong */
    Way way;
    UndoMode undo;
    gboolean others_wait;
    gboolean async_journal;
    GString *trace;
    GString *journal;
    guint pending; /* idle source */
    gboolean ended;
    GError *error;
    GMainLoop *loop;
} Run;

static Run *run_now; /* the fault hook has no data */

static gboolean
later_done(gpointer user)
{
    vt_seq_step_done(user);
    return G_SOURCE_REMOVE;
}

static gboolean
later_failed(gpointer user)
{
    vt_seq_step_failed(user, g_error_new(VT_ERROR, VT_ERROR_OPERATION_FAILED, "broken later"));
    return G_SOURCE_REMOVE;
}

static gboolean
later_cancel(gpointer user)
{
    g_assert_true(vt_seq_cancel(user, g_error_new(VT_ERROR, VT_ERROR_ABORTED, "cancelled")));
    return G_SOURCE_REMOVE;
}

static gboolean
later_enter_done(gpointer user)
{
    vt_seq_enter_done(user);
    return G_SOURCE_REMOVE;
}

static VtStepResult
victim_start(VtSeq *seq, Run *run, GError **error)
{
    switch (run->way) {
    case FAIL_AT_ONCE:
        vt_error_set(error, VT_ERROR_OPERATION_FAILED, "broken at once");
        return VT_STEP_FAILED;
    case FAIL_LATER:
        g_idle_add(later_failed, seq);
        return VT_STEP_WAIT;
    case FAIL_EARLY_EVENT:
        later_failed(seq);
        return VT_STEP_WAIT;
    case TIME_OUT:
        vt_seq_set_timeout(seq, 1);
        return VT_STEP_WAIT;
    case CANCEL_IN_START_DONE:
        later_cancel(seq);
        return VT_STEP_DONE;
    case CANCEL_IN_START_WAIT:
        later_cancel(seq);
        return VT_STEP_WAIT;
    case CANCEL_WHILE_WAITING:
        g_idle_add(later_cancel, seq);
        return VT_STEP_WAIT;
    case FAULT_HOOK:
    case END_WELL:
    case WAYS:
        break;
    }
    g_assert_not_reached();
}

static VtStepResult
step_start(VtSeq *seq, gpointer data, GError **error)
{
    Run *run = data;
    const char *name = vt_seq_current(seq);

    g_assert_cmpint(vt_seq_direction(seq), ==, VT_SEQ_FORWARD);
    g_string_append_printf(run->trace, "%s ", name);
    if (run->way != FAULT_HOOK && g_strcmp0(name, run->victim) == 0)
        return victim_start(seq, run, error);
    if (!run->others_wait)
        return VT_STEP_DONE;
    g_idle_add(later_done, seq);
    return VT_STEP_WAIT;
}

static VtStepResult
step_undo(VtSeq *seq, gpointer data, GError **error)
{
    Run *run = data;

    g_assert_cmpint(vt_seq_direction(seq), ==, VT_SEQ_UNDO);
    g_string_append_printf(run->trace, "-%s ", vt_seq_current(seq));
    switch (run->undo) {
    case UNDO_AT_ONCE:
        return VT_STEP_DONE;
    case UNDO_LATER:
        /* An undo that is under way cannot be cancelled. */
        g_assert_false(vt_seq_cancel(seq, g_error_new(VT_ERROR, VT_ERROR_ABORTED, "again")));
        g_idle_add(later_done, seq);
        return VT_STEP_WAIT;
    case UNDO_FAILS:
        vt_error_set(error, VT_ERROR_OPERATION_FAILED, "stuck");
        return VT_STEP_FAILED;
    case UNDO_TIMES_OUT:
        return VT_STEP_WAIT;
    case UNDO_MODES:
        break;
    }
    g_assert_not_reached();
}

/* The third step has nothing to take back. */
static const VtStep steps[STEPS] = {
    { .name = "one", .start = step_start, .undo = step_undo, .undo_timeout_ms = 1, .timeout_ms = 60000 },
    { .name = "two", .start = step_start, .undo = step_undo, .undo_timeout_ms = 1, .timeout_ms = 60000 },
    { .name = "three", .start = step_start, .timeout_ms = 60000, .waits_for = "nothing much" },
    { .name = "four", .start = step_start, .undo = step_undo, .undo_timeout_ms = 1 },
};
static const VtSeqTable table = { .name = "test", .steps = steps, .n_steps = STEPS };

static const VtStep commit_steps[STEPS] = {
    { .name = "one", .start = step_start, .undo = step_undo },
    { .name = "two", .start = step_start, .undo = step_undo, .commit = TRUE },
    { .name = "three", .start = step_start, .undo = step_undo },
    { .name = "four", .start = step_start, .undo = step_undo },
};
static const VtSeqTable commit_table = { .name = "commit", .steps = commit_steps, .n_steps = STEPS };

static const VtSeqTable stop_table = { .name = "stop", .steps = steps, .n_steps = STEPS, .keep_going = TRUE };

static gboolean
journal_enter(VtSeq *seq, const VtStep *step, VtSeqDirection direction, gpointer user)
{
    Run *run = user;

    g_string_append_printf(run->journal, "%s%s ", direction == VT_SEQ_UNDO ? "-" : "", step->name);
    if (!run->async_journal)
        return TRUE;
    g_idle_add(later_enter_done, seq);
    return FALSE;
}

static void
run_ended(VtSeq *seq, gpointer data, const GError *error)
{
    Run *run = data;

    g_assert_false(run->ended);
    g_assert_cmpstr(vt_seq_current(seq), ==, "");
    run->ended = TRUE;
    run->error = error ? g_error_copy(error) : NULL;
    g_main_loop_quit(run->loop);
}

static gboolean
fault_hook(const VtSeqTable *unused, const VtStep *step, GError **error)
{
    if (run_now->way == FAULT_HOOK && g_strcmp0(step->name, run_now->victim) == 0)
        return vt_error_set(error, VT_ERROR_OPERATION_FAILED, "injected");
    return TRUE;
}

static void
run_init(Run *run)
{
    run->trace = g_string_new(NULL);
    run->journal = g_string_new(NULL);
    run->loop = g_main_loop_new(NULL, FALSE);
    run_now = run;
    vt_seq_set_fault_hook(fault_hook);
}

static void
run_clear(Run *run)
{
    vt_seq_set_fault_hook(NULL);
    g_string_free(run->trace, TRUE);
    g_string_free(run->journal, TRUE);
    g_main_loop_unref(run->loop);
    g_clear_error(&run->error);
}

static void
run_to_end(Run *run, const VtSeqTable *seq_table)
{
    VtSeqHooks hooks = { .enter = journal_enter, .user = run };
    VtSeq *seq = vt_seq_new(seq_table, run, &hooks, run_ended);

    g_assert_cmpstr(vt_seq_current(seq), ==, "");
    vt_seq_run(seq);
    if (!run->ended)
        g_main_loop_run(run->loop);
    while (g_main_context_iteration(NULL, FALSE))
        continue;
}

static void
expect_trace(GString *out, gsize victim, Way way)
{
    gsize top = acted[way] ? victim + 1 : victim;

    for (gsize i = 0; i < victim + (way == FAULT_HOOK ? 0 : 1); i++)
        g_string_append_printf(out, "%s ", steps[i].name);
    for (gsize i = top; i-- > 0;)
        if (steps[i].undo)
            g_string_append_printf(out, "-%s ", steps[i].name);
}

static void
check_one(gsize victim, Way way, UndoMode undo, gboolean others_wait, gboolean async_journal)
{
    Run run = { .victim = steps[victim].name,
                .way = way,
                .undo = undo,
                .others_wait = others_wait,
                .async_journal = async_journal };
    g_autoptr(GString) expected = g_string_new(NULL);
    gboolean undone;

    run_init(&run);
    run_to_end(&run, &table);
    expect_trace(expected, victim, way);
    g_test_message("%s at '%s': %s", way_names[way], steps[victim].name, run.trace->str);
    g_assert_cmpstr(run.trace->str, ==, expected->str);
    if (way == FAULT_HOOK) /* it was journalled, though it never acted */
        g_assert_nonnull(strstr(run.journal->str, steps[victim].name));
    else
        g_assert_cmpstr(run.journal->str, ==, run.trace->str);
    g_assert_nonnull(run.error);
    g_assert_cmpint(run.error->code, ==,
                    way == TIME_OUT                                              ? VT_ERROR_TIMEOUT
                    : way >= CANCEL_IN_START_DONE && way <= CANCEL_WHILE_WAITING ? VT_ERROR_ABORTED
                                                                                 : VT_ERROR_OPERATION_FAILED);
    undone = strchr(run.trace->str, '-') != NULL;
    g_assert_true((strstr(run.error->message, "could not be undone") != NULL) ==
                  (undone && (undo == UNDO_FAILS || undo == UNDO_TIMES_OUT)));
    run_clear(&run);
}

static void
test_every_failure(void)
{
    guint n = 0;

    for (gsize victim = 0; victim < STEPS; victim++)
        for (Way way = FAIL_AT_ONCE; way < WAYS; way++)
            for (UndoMode undo = UNDO_AT_ONCE; undo < UNDO_MODES; undo++)
                for (guint bits = 0; bits < 4; bits++, n++)
                    check_one(victim, way, undo, bits & 1, bits & 2);
    g_assert_cmpuint(n, ==, STEPS * (WAYS - 1) * UNDO_MODES * 4);
}

static void
test_success(void)
{
    for (guint bits = 0; bits < 4; bits++) {
        Run run = { .others_wait = bits & 1, .async_journal = bits & 2 };

        run_init(&run);
        run_to_end(&run, &table);
        g_assert_no_error(run.error);
        g_assert_cmpstr(run.trace->str, ==, "one two three four ");
        g_assert_cmpstr(run.journal->str, ==, run.trace->str);
        run_clear(&run);
    }
}

static void
test_commit(void)
{
    static const struct {
        const char *victim;
        const char *trace;
    } rows[] = {
        { "one", "one " },
        { "two", "one two -one " },
        { "three", "one two three " },
        { "four", "one two three four -three " },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        Run run = { .victim = rows[i].victim, .way = FAIL_AT_ONCE };

        run_init(&run);
        run_to_end(&run, &commit_table);
        g_assert_error(run.error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
        g_assert_cmpstr(run.trace->str, ==, rows[i].trace);
        run_clear(&run);
    }
}

static VtStepResult
cancel_too_late(VtSeq *seq, gpointer data, GError **error)
{
    Run *run = data;

    g_string_append_printf(run->trace, "%s ", vt_seq_current(seq));
    g_assert_false(vt_seq_cancel(seq, g_error_new(VT_ERROR, VT_ERROR_ABORTED, "too late")));
    return VT_STEP_DONE;
}

static void
test_cancel_after_commit(void)
{
    static const VtStep late_steps[] = {
        { .name = "one", .start = step_start, .undo = step_undo, .commit = TRUE },
        { .name = "two", .start = cancel_too_late, .undo = step_undo },
    };
    static const VtSeqTable late = { .name = "late", .steps = late_steps, .n_steps = 2 };
    Run run = { .victim = NULL };

    run_init(&run);
    run_to_end(&run, &late);
    g_assert_no_error(run.error);
    g_assert_cmpstr(run.trace->str, ==, "one two ");
    run_clear(&run);
}

static void
test_keep_going(void)
{
    for (gsize victim = 0; victim < STEPS; victim++)
        for (Way way = FAIL_AT_ONCE; way <= TIME_OUT; way++) {
            Run run = { .victim = steps[victim].name, .way = way };

            run_init(&run);
            run_to_end(&run, &stop_table);
            g_assert_nonnull(run.error);
            g_assert_cmpstr(run.trace->str, ==, "one two three four ");
            run_clear(&run);
        }
}

static void
test_keep_going_cannot_be_cancelled(void)
{
    Run run = { .victim = "one", .way = TIME_OUT };
    VtSeq *seq = vt_seq_new(&stop_table, &run, NULL, run_ended);

    run_init(&run);
    vt_seq_run(seq);
    g_assert_true(vt_seq_is_waiting(seq));
    g_assert_false(vt_seq_cancel(seq, g_error_new(VT_ERROR, VT_ERROR_ABORTED, "no")));
    vt_seq_free(seq);
    g_assert_false(run.ended);
    run_clear(&run);
}

static void
test_resume_undo(void)
{
    static const struct {
        const VtSeqTable *table;
        const char *step;
        const char *trace; /* NULL: refused */
    } rows[] = {
        { &table, "one", "-one " },
        { &table, "two", "-two -one " },
        { &table, "three", "-two -one " },
        { &table, "four", "-four -two -one " },
        { &table, "five", NULL },
        { &table, NULL, NULL },
        { &commit_table, "two", "-two -one " },
        { &commit_table, "four", "-four -three " },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        for (UndoMode undo = UNDO_AT_ONCE; undo <= UNDO_FAILS; undo++) {
            Run run = { .undo = undo };
            VtSeq *seq = vt_seq_new(rows[i].table, &run, NULL, run_ended);

            run_init(&run);
            if (!rows[i].trace) {
                g_assert_false(vt_seq_resume_undo(seq, rows[i].step));
                vt_seq_free(seq);
                g_assert_false(run.ended);
            } else {
                g_assert_true(vt_seq_resume_undo(seq, rows[i].step));
                if (!run.ended)
                    g_main_loop_run(run.loop);
                g_assert_cmpstr(run.trace->str, ==, rows[i].trace);
                g_assert_error(run.error, VT_ERROR, VT_ERROR_ABORTED);
            }
            run_clear(&run);
        }
}

static VtStepResult
free_in_start(VtSeq *seq, gpointer data, GError **error)
{
    vt_seq_free(seq);
    return VT_STEP_WAIT;
}

static void
test_free(void)
{
    static const VtStep dying[] = { { .name = "dying", .start = free_in_start, .undo = step_undo } };
    static const VtSeqTable dying_table = { .name = "dying", .steps = dying, .n_steps = 1 };
    Run run = { .victim = "two", .way = TIME_OUT };
    VtSeq *seq;

    run_init(&run);
    vt_seq_run(vt_seq_new(&dying_table, &run, NULL, run_ended));
    seq = vt_seq_new(&table, &run, NULL, run_ended);
    vt_seq_run(seq);
    g_assert_cmpstr(vt_seq_current(seq), ==, "two");
    g_assert_true(vt_seq_table(seq) == &table);
    /* Freed with a cancel on its way: nothing of it may be left in the main context. */
    g_assert_true(vt_seq_cancel(seq, g_error_new(VT_ERROR, VT_ERROR_ABORTED, "bye")));
    vt_seq_free(seq);
    while (g_main_context_iteration(NULL, FALSE))
        continue;
    g_assert_false(run.ended);
    run_clear(&run);
}

static void
test_cancel_during_journal(void)
{
    Run run = { .async_journal = TRUE };
    VtSeqHooks hooks = { .enter = journal_enter, .user = &run };
    VtSeq *seq = vt_seq_new(&table, &run, &hooks, run_ended);

    run_init(&run);
    vt_seq_run(seq);
    g_assert_true(vt_seq_cancel(seq, g_error_new(VT_ERROR, VT_ERROR_ABORTED, "stop")));
    g_main_loop_run(run.loop);
    g_assert_cmpstr(run.trace->str, ==, ""); /* it was journalled, but never acted */
    g_assert_cmpstr(run.journal->str, ==, "one ");
    g_assert_error(run.error, VT_ERROR, VT_ERROR_ABORTED);
    run_clear(&run);
}

static void
test_stray_events(void)
{
    Run run = { .victim = "one", .way = TIME_OUT };
    VtSeq *seq = vt_seq_new(&table, &run, NULL, run_ended);

    run_init(&run);
    vt_seq_step_done(seq);
    vt_seq_step_failed(seq, g_error_new(VT_ERROR, VT_ERROR_ABORTED, "stray"));
    vt_seq_enter_done(seq);
    vt_seq_run(seq);
    vt_seq_run(seq);
    vt_seq_enter_done(seq);
    g_assert_cmpstr(run.trace->str, ==, "one ");
    vt_seq_free(seq);
    run_clear(&run);
}

static void
test_limit_taken_away(void)
{
    Run run = { .victim = "one", .way = TIME_OUT };
    VtSeq *seq = vt_seq_new(&table, &run, NULL, run_ended);

    run_init(&run);
    vt_seq_run(seq);
    vt_seq_set_timeout(seq, 0);
    g_usleep(3000);
    while (g_main_context_iteration(NULL, FALSE))
        continue;
    g_assert_true(vt_seq_is_waiting(seq));
    vt_seq_step_done(seq);
    g_assert_true(run.ended);
    g_assert_no_error(run.error);
    run_clear(&run);
}

static void
test_markdown(void)
{
    static const VtStep rows[] = {
        { .name = "ask",
          .waits_for = "the answer",
          .start = step_start,
          .undo = step_undo,
          .timeout_ms = 30000,
          .undo_timeout_ms = 1500 },
        { .name = "go", .start = step_start, .commit = TRUE },
    };
    static const VtSeqTable printed = { .name = "printed", .steps = rows, .n_steps = 2 };
    g_autofree char *text = vt_seq_table_to_markdown(&printed);

    g_assert_cmpstr(text, ==,
                    "| step | waits for | time limit | on failure |\n"
                    "| --- | --- | --- | --- |\n"
                    "| `ask` | the answer | 30 s | undone within 1500 ms |\n"
                    "| `go` (point of no return) | - | - | nothing to undo |\n");
}

static void
test_fault_spec(void)
{
    static const struct {
        const char *spec, *sequence, *step;
        VtFaultAction action;
        gboolean found;
    } rows[] = {
        { "start/spawn", "start", "spawn", VT_FAULT_FAIL, TRUE },
        { "start/spawn:fail", "start", "spawn", VT_FAULT_FAIL, TRUE },
        { "start/spawn", "start", "spawn", VT_FAULT_KILL_AFTER, FALSE },
        { "start/spawn:kill-after", "start", "spawn", VT_FAULT_KILL_AFTER, TRUE },
        { "a/b:kill-before, start/spawn:kill-undo\n", "start", "spawn", VT_FAULT_KILL_UNDO, TRUE },
        { "start/spawn:maim", "start", "spawn", VT_FAULT_FAIL, FALSE },
        { "start/spawn:", "start", "spawn", VT_FAULT_NONE, FALSE },
        { "start/spawner", "start", "spawn", VT_FAULT_FAIL, FALSE },
        { "", "start", "spawn", VT_FAULT_FAIL, FALSE },
        { NULL, "start", "spawn", VT_FAULT_FAIL, FALSE },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        g_assert_true(vt_fault_lookup(rows[i].spec, rows[i].sequence, rows[i].step, rows[i].action) ==
                      rows[i].found);
}

/* ---- acts ---- */

typedef struct {
    VtSeqAct *step_act, *undo_act;
    guint released;
    gboolean at_once; /* the act ends before start() returns */
    gboolean ended;
    char *error;
} Acting;

static void
acting_release(gpointer data)
{
    ((Acting *)data)->released++;
}

static VtStepResult
acting_start(VtSeq *seq, gpointer data, GError **error)
{
    Acting *acting = data;

    acting->step_act = vt_seq_act_new(seq, acting, acting_release);
    g_assert_true(vt_seq_act_data(acting->step_act) == acting);
    g_assert_true(vt_seq_act_is_current(acting->step_act));
    if (acting->at_once)
        vt_seq_act_done(g_steal_pointer(&acting->step_act), NULL);
    return VT_STEP_WAIT;
}

static VtStepResult
acting_undo(VtSeq *seq, gpointer data, GError **error)
{
    ((Acting *)data)->undo_act = vt_seq_act_new(seq, data, acting_release);
    return VT_STEP_WAIT;
}

static void
acting_ended(VtSeq *seq, gpointer data, const GError *error)
{
    Acting *acting = data;

    g_assert_false(acting->ended);
    acting->ended = TRUE;
    acting->error = g_strdup(error ? error->message : "");
}

static const VtStep acting_steps[] = { { .name = "act", .start = acting_start, .undo = acting_undo } };
static const VtSeqTable acting_table = { .name = "acting", .steps = acting_steps, .n_steps = 1 };

static VtSeq *
acting_begin(Acting *acting)
{
    VtSeq *seq = vt_seq_new(&acting_table, acting, NULL, acting_ended);

    vt_seq_run(seq);
    return seq;
}

static void
test_act_ends_its_step(void)
{
    g_autoptr(GError) broken = g_error_new(VT_ERROR, VT_ERROR_OPERATION_FAILED, "broken");
    Acting well = { 0 }, badly = { 0 }, at_once = { .at_once = TRUE };

    acting_begin(&well);
    g_assert_false(well.ended);
    vt_seq_act_done(well.step_act, NULL);
    g_assert_cmpstr(well.error, ==, "");
    g_assert_cmpuint(well.released, ==, 1);

    acting_begin(&badly);
    vt_seq_act_done(badly.step_act, broken);
    g_assert_false(badly.ended);
    vt_seq_act_done(badly.undo_act, NULL);
    g_assert_cmpstr(badly.error, ==, "broken");
    g_assert_cmpuint(badly.released, ==, 2);

    acting_begin(&at_once);
    g_assert_cmpstr(at_once.error, ==, "");
    g_assert_cmpuint(at_once.released, ==, 1);
    g_free(well.error);
    g_free(badly.error);
    g_free(at_once.error);
}

/* The undo has the name of its step: only the number of the visit tells their acts apart. */
static void
test_act_too_late(void)
{
    g_autoptr(GError) late = g_error_new(VT_ERROR, VT_ERROR_OPERATION_FAILED, "late");
    Acting acting = { 0 };
    VtSeq *seq = acting_begin(&acting);

    vt_seq_step_failed(seq, g_error_new(VT_ERROR, VT_ERROR_TIMEOUT, "slow"));
    g_assert_cmpint(vt_seq_direction(seq), ==, VT_SEQ_UNDO);
    g_assert_true(vt_seq_is_waiting(seq));
    g_assert_false(vt_seq_act_is_current(acting.step_act));
    vt_seq_act_done(acting.step_act, late);
    g_assert_cmpuint(acting.released, ==, 1);
    g_assert_true(vt_seq_is_waiting(seq));
    vt_seq_act_done(acting.undo_act, NULL);
    g_assert_cmpstr(acting.error, ==, "slow");
    g_free(acting.error);
}

static void
test_act_outlives_its_sequence(void)
{
    Acting acting = { 0 }, ended = { 0 };
    VtSeq *seq = acting_begin(&acting);
    VtSeqAct *second;

    vt_seq_free(seq);
    g_assert_false(vt_seq_act_is_current(acting.step_act));
    vt_seq_act_done(acting.step_act, NULL);
    g_assert_cmpuint(acting.released, ==, 1);
    g_assert_false(acting.ended);

    seq = acting_begin(&ended);
    second = vt_seq_act_new(seq, NULL, NULL);
    vt_seq_act_free(vt_seq_act_new(seq, NULL, NULL));
    vt_seq_act_free(NULL);
    g_assert_true(vt_seq_is_waiting(seq));
    vt_seq_act_done(ended.step_act, NULL);
    g_assert_true(ended.ended);
    vt_seq_act_done(second, NULL);
    g_free(ended.error);
}

int
main(int argc, char **argv)
{
    VtLogConfig quiet = { .level = VT_LOG_ERROR };

    g_test_init(&argc, &argv, NULL);
    g_assert_true(vt_log_init(&quiet, NULL));
    g_test_add_func("/util/seq/every-failure-at-every-step-is-undone-in-reverse", test_every_failure);
    g_test_add_func("/util/seq/success-runs-every-step", test_success);
    g_test_add_func("/util/seq/commit-forgets-the-undos-before-it", test_commit);
    g_test_add_func("/util/seq/cancel-after-commit-is-too-late", test_cancel_after_commit);
    g_test_add_func("/util/seq/keep-going-reports-the-first-failure", test_keep_going);
    g_test_add_func("/util/seq/keep-going-cannot-be-cancelled", test_keep_going_cannot_be_cancelled);
    g_test_add_func("/util/seq/resume-undo-runs-undos-only", test_resume_undo);
    g_test_add_func("/util/seq/free-ends-without-done", test_free);
    g_test_add_func("/util/seq/cancel-during-journal-stops-before-the-step-acts", test_cancel_during_journal);
    g_test_add_func("/util/seq/stray-events-change-nothing", test_stray_events);
    g_test_add_func("/util/seq/a-limit-can-be-taken-away", test_limit_taken_away);
    g_test_add_func("/util/seq/act-ends-its-step", test_act_ends_its_step);
    g_test_add_func("/util/seq/act-too-late-is-dropped", test_act_too_late);
    g_test_add_func("/util/seq/act-may-outlive-its-sequence", test_act_outlives_its_sequence);
    g_test_add_func("/util/seq/prints-markdown", test_markdown);
    g_test_add_func("/util/fault/specification", test_fault_spec);
    return g_test_run();
}
