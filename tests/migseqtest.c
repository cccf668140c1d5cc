/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The step tables of both sides against a small model of QEMU's migration behind a real QMP connection. Each step
 * of each table is made to go wrong in each way, and what was before must be there again.
 */
#include <string.h>
#include "lib/mig-lab.h"

typedef struct {
    const VtSeqTable *table;
    const VtStep *step;
    Wrong wrong;
    gboolean teamed;
} Case;

/* The error of each way, unless the sequence goes on. */
static void
assert_case_error(const Case *c, const GError *error)
{
    static const int codes[] = {
        [WRONG_FAULT] = VT_ERROR_OPERATION_FAILED, [WRONG_REFUSED] = VT_ERROR_OPERATION_FAILED,
        [WRONG_SILENT] = VT_ERROR_TIMEOUT,         [WRONG_CANCELLED] = VT_ERROR_ABORTED,
        [WRONG_GONE] = VT_ERROR_OPERATION_FAILED,  [WRONG_GONE_BETWEEN] = VT_ERROR_OPERATION_FAILED,
    };

    g_assert_nonnull(error);
    g_assert_error(error, VT_ERROR, codes[c->wrong]);
}

static void
test_out(gconstpointer data)
{
    const Case *c = data;
    gboolean live = !g_str_equal(c->step->name, "stop-cpus");
    gboolean is_gone = c->wrong == WRONG_GONE || c->wrong == WRONG_GONE_BETWEEN;
    gboolean begun;
    Lab lab;

    lab_open_src(&lab, c->teamed, live, 30000, 0);
    lab.wrong = c->wrong;
    lab.table = c->table;
    lab.step = c->step;
    /* So that there is something to wait for. */
    if (g_str_equal(c->step->name, "wait-unplug"))
        lab.ejects_after = c->wrong == WRONG_NOT ? 0 : G_MAXUINT;
    if (g_str_equal(c->step->name, "transfer"))
        lab.sends_on = c->wrong != WRONG_NOT;
    vt_mig_src_run(lab.src, lab_done, &lab);
    lab_wait(&lab);
    g_test_message("%s | %s", lab.log->str, lab.error ? lab.error->message : "well");
    if (c->wrong == WRONG_NOT) {
        g_assert_no_error(lab.error);
        g_assert_cmpstr(lab.status, ==, "completed");
        lab_close(&lab);
        return;
    }
    g_assert_true(lab.hit);
    assert_case_error(c, lab.error);
    begun = lab_did(&lab, "migrate");
    if (!is_gone) {
        g_assert_null(strstr(lab.error->message, "could not be undone"));
        g_assert_false(lab_is_active(&lab));
        g_assert_cmpuint(lab.caps_on, ==, 0);
        g_assert_cmpint(lab.bandwidth, ==, 4242);
        g_assert_cmpstr(lab.run_state, ==, "running");
        g_assert_cmpint(lab.plugged, ==, c->teamed);
        /* A migration that neither failed nor was refused is cancelled; one that completed cannot be. */
        if (begun && c->wrong != WRONG_REFUSED)
            g_assert_true(lab_did(&lab, "migrate_cancel") || lab_did(&lab, "migrate-continue"));
        if (begun && c->teamed && lab_did(&lab, "migrate-continue") && !lab_did(&lab, "migrate_cancel"))
            g_assert_true(lab_did(&lab, "migrate:nowhere"));
    }
    lab_close(&lab);
}

static void
lab_run_well(Lab *lab)
{
    vt_mig_src_run(lab->src, lab_done, lab);
    lab_wait(lab);
    g_assert_no_error(lab->error);
}

/* From 'completed': each step of the return fails, and the others are done all the same. */
static void
test_return(gconstpointer data)
{
    const Case *c = data;
    gboolean is_gone = c->wrong == WRONG_GONE || c->wrong == WRONG_GONE_BETWEEN;
    const char *name = c->step->name;
    Lab lab;

    lab_open_src(&lab, TRUE, TRUE, 30000, 0);
    lab_run_well(&lab);
    g_assert_cmpstr(lab.run_state, ==, "postmigrate");
    g_assert_false(lab.plugged);
    lab.done = FALSE;
    lab.wrong = c->wrong;
    lab.table = c->table;
    lab.step = c->step;
    vt_mig_src_return(lab.src, lab_done, &lab);
    lab_wait(&lab);
    g_test_message("%s | %s", lab.log->str, lab.error ? lab.error->message : "well");
    if (c->wrong == WRONG_NOT || c->wrong == WRONG_CANCELLED) {
        g_assert_no_error(lab.error);
        g_assert_false(lab.cancel_accepted);
    } else if (c->wrong == WRONG_REFUSED && g_str_equal(name, "cancel")) {
        /* It asks for nothing here. */
        g_assert_no_error(lab.error);
    } else {
        assert_case_error(c, lab.error);
    }
    if (!is_gone) {
        gboolean resumes =
            !g_str_equal(name, "resume") || c->wrong == WRONG_NOT || c->wrong == WRONG_CANCELLED;
        gboolean replugs = !g_str_equal(name, "replug") || c->wrong == WRONG_NOT ||
                           c->wrong == WRONG_CANCELLED || c->wrong == WRONG_SILENT;

        /* A QEMU that was silent does it when it can. */
        if (c->wrong != WRONG_SILENT)
            g_assert_cmpstr(lab.run_state, ==, resumes ? "running" : "postmigrate");
        /* In 'postmigrate' QEMU begins no other migration. */
        g_assert_cmpint(lab.plugged, ==, replugs && resumes);
        g_assert_true(lab_did(&lab, "qom-list") || g_str_equal(name, "check-primaries") ||
                      vt_mig_src_awaits_resume(lab.src));
    }
    lab_close(&lab);
}

static void
test_listen(gconstpointer data)
{
    const Case *c = data;
    Lab lab;

    lab_open_dst(&lab);
    lab.wrong = c->wrong;
    lab.table = c->table;
    lab.step = c->step;
    vt_mig_dst_listen(lab.dst, "tcp:0.0.0.0:49152", lab_done, &lab);
    lab_wait(&lab);
    if (c->wrong == WRONG_NOT) {
        g_assert_no_error(lab.error);
        g_assert_cmpstr(lab.log->str, ==, "migrate-set-capabilities migrate-incoming");
    } else {
        assert_case_error(c, lab.error);
    }
    lab_close(&lab);
}

static void
test_await(gconstpointer data)
{
    const Case *c = data;
    Lab lab;

    lab_open_dst(&lab);
    vt_mig_dst_listen(lab.dst, "tcp:0.0.0.0:49152", lab_done, &lab);
    lab_wait(&lab);
    g_assert_no_error(lab.error);
    lab.done = FALSE;
    lab.wrong = c->wrong;
    lab.table = c->table;
    lab.step = c->step;
    /* The source is still sending where the wait is to end badly. */
    lab.run_state = "paused";
    lab.status = c->wrong == WRONG_NOT || !lab_only_waits(c->step) ? "completed" : "active";
    vt_mig_dst_await(lab.dst, lab_done, &lab);
    lab_wait(&lab);
    if (c->wrong == WRONG_NOT)
        g_assert_no_error(lab.error);
    else
        assert_case_error(c, lab.error);
    if (c->wrong == WRONG_REFUSED && lab_only_waits(c->step))
        g_assert_cmpstr(
            lab.error->message, ==,
            "the guest could not be loaded here: Connection reset; the log of its QEMU says more");
    lab_close(&lab);
}

/* ---- single stories ---- */

static void
test_unplug_timeout(void)
{
    Lab lab;

    lab_open_src(&lab, TRUE, TRUE, 90, 2);
    lab.ejects_after = G_MAXUINT;
    vt_mig_src_run(lab.src, lab_done, &lab);
    lab_wait(&lab);
    g_assert_error(lab.error, VT_ERROR, VT_ERROR_TIMEOUT);
    g_assert_nonnull(strstr(lab.error->message, "'ua-vf0' (team 'ua-net0')"));
    g_assert_nonnull(strstr(lab.error->message, "the guest runs on here"));
    g_assert_cmpuint(lab.asked, ==, 2);
    g_assert_nonnull(strstr(lab.log->str, "device_del:ua-vf0 device_del:ua-vf0 migrate_cancel"));
    g_assert_cmpstr(lab.told->str, ==, "ua-net0:asked ua-net0:timeout ua-net0:replugged");
    g_assert_cmpstr(lab.run_state, ==, "running");
    g_assert_true(lab.plugged);
    lab_close(&lab);
}

static void
test_unplug_asked_again(void)
{
    Lab lab;

    lab_open_src(&lab, TRUE, TRUE, 3000, 50);
    lab.ejects_after = 2;
    lab_run_well(&lab);
    g_assert_cmpuint(lab.asked, ==, 2);
    g_assert_cmpstr(lab.told->str, ==, "ua-net0:asked -:ejected");
    g_assert_cmpstr(lab.status, ==, "completed");
    lab_close(&lab);
}

/* Nobody is resumed that somebody had suspended. */
/* Nobody chose a downtime: it grows, and is put back when the migration is cancelled. */
static void
test_downtime_grows(void)
{
    static const guint passes[] = { 1, 2, 2, 3, 3, 4, 5, 3 };
    Lab lab;

    lab_open_src(&lab, FALSE, TRUE, 0, 0);
    lab.sends_on = TRUE;
    vt_mig_src_run(lab.src, lab_done, &lab);
    while (!lab_is_active(&lab) || !g_str_equal(lab.status, "active"))
        g_main_context_iteration(NULL, TRUE);
    for (gsize i = 0; i < G_N_ELEMENTS(passes); i++) {
        g_autofree char *text = g_strdup_printf("{\"event\":\"MIGRATION_PASS\",\"data\":{\"pass\":%u},"
                                                "\"timestamp\":{\"seconds\":1,\"microseconds\":2}}\r\n",
                                                passes[i]);

        lab_send(&lab, text);
    }
    while (!g_str_equal(lab.downtimes->str, " 30 100 300"))
        g_main_context_iteration(NULL, TRUE);
    g_assert_true(vt_mig_src_cancel(lab.src, g_error_new_literal(VT_ERROR, VT_ERROR_ABORTED, "enough")));
    lab_wait(&lab);
    g_assert_error(lab.error, VT_ERROR, VT_ERROR_ABORTED);
    lab_close(&lab);
}

static void
test_suspended_stays(void)
{
    Lab lab;

    lab_open_src(&lab, FALSE, TRUE, 0, 0);
    lab.run_state = "paused";
    lab.should_run = FALSE;
    lab.wrong = WRONG_FAULT;
    lab.table = vt_mig_src_out_table();
    lab.step = &lab.table->steps[lab.table->n_steps - 1];
    vt_mig_src_run(lab.src, lab_done, &lab);
    lab_wait(&lab);
    g_assert_nonnull(lab.error);
    g_assert_cmpstr(lab.run_state, ==, "paused");
    g_assert_false(lab_did(&lab, "cont"));
    lab_close(&lab);
}

static void
lab_return_well(Lab *lab)
{
    lab->done = FALSE;
    vt_mig_src_return(lab->src, lab_done, lab);
    lab_wait(lab);
    g_assert_no_error(lab->error);
}

/* The client comes back from a destination that failed at once. */
static void
test_return_waits_for_the_end(void)
{
    Lab lab;

    lab_open_src(&lab, TRUE, TRUE, 0, 0);
    lab.ending = 3;
    lab_run_well(&lab);
    g_assert_cmpstr(lab.run_state, ==, "finish-migrate");
    lab_return_well(&lab);
    g_assert_cmpstr(lab.run_state, ==, "running");
    g_assert_true(lab_did(&lab, "migrate:nowhere"));
    g_assert_true(lab.plugged);
    lab_close(&lab);
}

/* It was suspended while it was sent, and comes back: its primary is plugged when it is resumed. */
static void
test_suspended_gets_its_primary_later(void)
{
    Lab lab;

    lab_open_src(&lab, TRUE, TRUE, 0, 0);
    lab_run_well(&lab);
    lab.should_run = FALSE;
    g_string_truncate(lab.told, 0);
    lab_return_well(&lab);
    g_assert_cmpstr(lab.run_state, ==, "postmigrate");
    g_assert_false(lab_did(&lab, "migrate:nowhere"));
    lab.should_run = TRUE;
    lab.run_state = "running";
    lab_return_well(&lab);
    g_assert_cmpstr(lab.told->str, ==, "ua-net0:replugged");
    g_assert_true(lab.plugged);
    lab_close(&lab);
}

/* A primary that was removed for good meanwhile is plugged in anew. */
static void
test_removed_is_added(void)
{
    Lab lab;

    lab_open_src(&lab, TRUE, TRUE, 0, 0);
    vt_mig_src_run(lab.src, lab_done, &lab);
    lab_wait(&lab);
    lab.device_exists = FALSE;
    lab_return_well(&lab);
    g_assert_true(lab_did(&lab, "human-monitor-command"));
    g_assert_true(lab.plugged);
    lab_close(&lab);
}

static void
test_cancelled_in_the_monitor(void)
{
    Lab lab;

    lab_open_src(&lab, TRUE, TRUE, 0, 0);
    lab.ejects_after = G_MAXUINT;
    vt_mig_src_run(lab.src, lab_done, &lab);
    while (!g_str_equal(lab.status, "wait-unplug"))
        g_main_context_iteration(NULL, TRUE);
    lab_afterwards(&lab, "migrate_cancel", NULL); /* somebody else's */
    lab_wait(&lab);
    g_assert_error(lab.error, VT_ERROR, VT_ERROR_ABORTED);
    g_assert_true(lab.plugged);
    lab_close(&lab);
}

/* Freed where it stands: nothing is told afterwards. */
static void
test_freed(void)
{
    Lab lab;

    lab_open_src(&lab, TRUE, TRUE, 100, 3);
    lab.ejects_after = G_MAXUINT;
    vt_mig_src_run(lab.src, lab_done, &lab);
    while (!g_str_equal(lab.status, "wait-unplug"))
        g_main_context_iteration(NULL, TRUE);
    g_clear_pointer(&lab.src, vt_mig_src_free);
    while (g_main_context_iteration(NULL, FALSE))
        continue;
    g_assert_false(lab.done);
    lab_close(&lab);
}

static void
add_table(const VtSeqTable *table, GTestDataFunc test, gboolean teamed)
{
    for (gsize i = 0; i < table->n_steps; i++)
        for (guint wrong = 0; wrong < WRONG_COUNT; wrong++) {
            g_autofree char *path =
                g_strdup_printf("/qemu/mig-seq/%s/%s/%s%s", table->name, table->steps[i].name,
                                wrong_names[wrong], teamed ? "/teamed" : "");
            Case *c;

            /* The destination's engine has no cancel: its QEMU is ended. A guest without a primary is not waited for. */
            if (wrong == WRONG_CANCELLED && (test == test_listen || test == test_await))
                continue;
            if (!teamed && test == test_out && g_str_equal(table->steps[i].name, "wait-unplug") &&
                wrong > WRONG_FAULT)
                continue;
            c = g_new0(Case, 1);
            *c = (Case){ .table = table, .step = &table->steps[i], .wrong = (Wrong)wrong, .teamed = teamed };
            g_test_add_data_func_full(path, c, test, g_free);
        }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_table(vt_mig_src_out_table(), test_out, TRUE);
    add_table(vt_mig_src_out_table(), test_out, FALSE);
    add_table(vt_mig_src_return_table(), test_return, TRUE);
    add_table(vt_mig_dst_listen_table(), test_listen, FALSE);
    add_table(vt_mig_dst_await_table(), test_await, FALSE);
    g_test_add_func("/qemu/mig-src/unplug-time-limit-names-team-and-primary", test_unplug_timeout);
    g_test_add_func("/qemu/mig-src/unplug-is-asked-again", test_unplug_asked_again);
    g_test_add_func("/qemu/mig-src/downtime-grows-with-the-passes", test_downtime_grows);
    g_test_add_func("/qemu/mig-src/who-was-suspended-stays-so", test_suspended_stays);
    g_test_add_func("/qemu/mig-src/suspended-gets-its-primary-when-resumed",
                    test_suspended_gets_its_primary_later);
    g_test_add_func("/qemu/mig-src/return-waits-for-the-end", test_return_waits_for_the_end);
    g_test_add_func("/qemu/mig-src/removed-primary-is-added-again", test_removed_is_added);
    g_test_add_func("/qemu/mig-src/cancelled-in-the-monitor", test_cancelled_in_the_monitor);
    g_test_add_func("/qemu/mig-src/freed-where-it-stands", test_freed);
    return g_test_run();
}
