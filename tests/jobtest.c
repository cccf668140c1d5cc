/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver/job.h"
#include <string.h>
#include "driver/domain-private.h"

typedef struct {
    guint told;
    int code; /* -1: success */
} Told;

static void
jobtest_told(gpointer user, const GError *error)
{
    Told *told = user;

    told->told++;
    told->code = error ? error->code : -1;
}

static VtDomain *
jobtest_domain(void)
{
    VtUuid uuid = { .bytes = { 1 } };

    return vt_domain_new(NULL, "web", &uuid);
}

static void
jobtest_loop(guint ms)
{
    gint64 end = g_get_monotonic_time() + ms * 1000;

    while (g_get_monotonic_time() < end) {
        if (!g_main_context_iteration(NULL, FALSE))
            g_usleep(500);
    }
}

/* Who gets in beside whom. */
static void
test_seats(void)
{
    static const struct {
        VtJobKind holder;
        gboolean holder_side;
        VtJobKind kind;
        gboolean side;
        enum { IN, WAITS, REFUSED } expected;
    } rows[] = {
        { VT_JOB_NONE, FALSE, VT_JOB_MODIFY, FALSE, IN },
        { VT_JOB_NONE, FALSE, VT_JOB_MODIFY, TRUE, IN },
        { VT_JOB_NONE, FALSE, VT_JOB_MIGRATION_OUT, FALSE, IN },
        { VT_JOB_MODIFY, FALSE, VT_JOB_MODIFY, FALSE, WAITS },
        { VT_JOB_MODIFY, FALSE, VT_JOB_MODIFY, TRUE, WAITS },
        { VT_JOB_MODIFY, FALSE, VT_JOB_MIGRATION_OUT, FALSE, WAITS },
        { VT_JOB_NONE, TRUE, VT_JOB_MODIFY, FALSE, WAITS },
        { VT_JOB_NONE, TRUE, VT_JOB_MODIFY, TRUE, WAITS },
        { VT_JOB_NONE, TRUE, VT_JOB_MIGRATION_OUT, FALSE, WAITS },
        { VT_JOB_MIGRATION_OUT, FALSE, VT_JOB_MODIFY, FALSE, REFUSED },
        { VT_JOB_MIGRATION_OUT, FALSE, VT_JOB_MIGRATION_OUT, FALSE, REFUSED },
        { VT_JOB_MIGRATION_OUT, FALSE, VT_JOB_MODIFY, TRUE, IN },
        { VT_JOB_MIGRATION_IN, FALSE, VT_JOB_MODIFY, TRUE, IN },
        { VT_JOB_MIGRATION_IN, FALSE, VT_JOB_SAVE, FALSE, REFUSED },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(VtDomain) domain = jobtest_domain();
        Told holder = { 0 }, told = { 0 };

        if (rows[i].holder)
            vt_job_begin(domain, rows[i].holder, 1000, jobtest_told, &holder);
        if (rows[i].holder_side)
            vt_job_begin_during_migration(domain, 1000, jobtest_told, &holder);
        if (rows[i].side)
            vt_job_begin_during_migration(domain, 1000, jobtest_told, &told);
        else
            vt_job_begin(domain, rows[i].kind, 1000, jobtest_told, &told);
        g_test_message("row %u", i);
        g_assert_cmpuint(told.told, ==, rows[i].expected == WAITS ? 0 : 1);
        if (rows[i].expected != WAITS)
            g_assert_cmpint(told.code, ==, rows[i].expected == IN ? -1 : VT_ERROR_OPERATION_INVALID);
        if (rows[i].expected == WAITS) {
            if (rows[i].holder_side)
                vt_job_end_during_migration(domain);
            else
                vt_job_end(domain);
            g_assert_cmpuint(told.told, ==, 0); /* from the main loop only */
            jobtest_loop(5);
            g_assert_cmpuint(told.told, ==, 1);
            g_assert_cmpint(told.code, ==, -1);
        }
    }
}

static void
test_queue_is_fair_and_times_out(void)
{
    g_autoptr(VtDomain) domain = jobtest_domain();
    Told a = { 0 }, b = { 0 }, c = { 0 };

    vt_job_begin(domain, VT_JOB_MODIFY, 1000, jobtest_told, &a);
    vt_job_begin(domain, VT_JOB_MODIFY, 20, jobtest_told, &b);
    vt_job_begin(domain, VT_JOB_MODIFY, 1000, jobtest_told, &c);
    jobtest_loop(40);
    g_assert_cmpuint(b.told, ==, 1);
    g_assert_cmpint(b.code, ==, VT_ERROR_BUSY);
    g_assert_cmpuint(c.told, ==, 0);
    vt_job_end(domain);
    /* The seat is free, but who comes now is behind the one who waits. */
    a.told = 0;
    vt_job_begin(domain, VT_JOB_MODIFY, 1000, jobtest_told, &a);
    jobtest_loop(5);
    g_assert_cmpuint(c.told, ==, 1);
    g_assert_cmpuint(a.told, ==, 0);
    vt_job_end(domain);
    jobtest_loop(5);
    g_assert_cmpuint(a.told, ==, 1);
    vt_job_end(domain);
}

static void
test_waiters_are_refused_when_a_migration_wins(void)
{
    g_autoptr(VtDomain) domain = jobtest_domain();
    Told modify = { 0 }, migrate = { 0 }, late = { 0 };

    vt_job_begin(domain, VT_JOB_MODIFY, 1000, jobtest_told, &modify);
    vt_job_begin(domain, VT_JOB_MIGRATION_OUT, 1000, jobtest_told, &migrate);
    vt_job_begin(domain, VT_JOB_MODIFY, 1000, jobtest_told, &late);
    vt_job_end(domain);
    jobtest_loop(5);
    g_assert_cmpint(migrate.code, ==, -1);
    g_assert_cmpuint(late.told, ==, 1);
    g_assert_cmpint(late.code, ==, VT_ERROR_OPERATION_INVALID);
    vt_job_end(domain);
}

static void
jobtest_abort(gpointer user, guint flags)
{
    *(guint *)user = flags + 1;
}

static void
test_stats_and_abort(void)
{
    g_autoptr(VtDomain) domain = jobtest_domain();
    g_autoptr(GError) error = NULL;
    g_autoptr(VtTypedParams) running = NULL;
    g_autoptr(VtTypedParams) done = NULL;
    g_autoptr(VtTypedParams) again = NULL;
    Told told = { 0 };
    guint aborted = 0;
    guint64 value = 0;
    int type = -1;

    g_assert_null(vt_job_query(domain, 0, &type, &error)); /* not running */
    g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_INVALID);
    g_clear_error(&error);
    domain->id = 3;
    g_assert_false(vt_job_abort(domain, 0, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_INVALID);
    g_clear_error(&error);
    vt_job_begin(domain, VT_JOB_MODIFY, 10, jobtest_told, &told);
    g_assert_null(vt_job_stats(domain));
    vt_job_end(domain);
    vt_job_begin(domain, VT_JOB_MIGRATION_OUT, 10, jobtest_told, &told);
    vt_job_set_abort(domain, jobtest_abort, &aborted);
    vt_job_stats(domain)->mem_total = 100;
    g_strlcpy(vt_job_stats(domain)->phase, "unplug", sizeof vt_job_stats(domain)->phase);
    vt_job_team_asked(domain, "ua-one");
    vt_job_team_asked(domain, "ua-two");
    vt_job_team_asked(domain, "ua-one"); /* again */
    vt_job_team_ejected(domain, "ua-one");
    running = vt_job_query(domain, 0, &type, &error);
    g_assert_cmpint(type, ==, VT_JOB_TYPE_UNBOUNDED);
    g_assert_cmpstr(vt_typed_params_get_string(running, "virtteam.phase"), ==, "unplug");
    g_assert_cmpstr(vt_typed_params_get_string(running, "virtteam.team.0.name"), ==, "ua-one");
    g_assert_cmpstr(vt_typed_params_get_string(running, "virtteam.team.1.name"), ==, "ua-two");
    g_assert_null(vt_typed_params_get_string(running, "virtteam.team.2.name"));
    g_assert_true(vt_typed_params_get_ullong(running, "virtteam.team.0.unplug_time", &value));
    g_assert_true(vt_typed_params_get_ullong(running, "virtteam.team.1.unplug_time", &value));
    g_assert_true(vt_typed_params_get_ullong(running, "memory_total", &value));
    g_assert_cmpuint(value, ==, 100);
    g_assert_true(vt_job_abort(domain, 0, &error));
    g_assert_cmpuint(aborted, ==, 1);
    vt_job_complete(domain, VT_JOB_TYPE_CANCELLED);
    vt_job_end(domain);
    done = vt_job_query(domain, 1 | 2, &type, &error);
    g_assert_cmpint(type, ==, VT_JOB_TYPE_CANCELLED);
    g_assert_true(vt_typed_params_get_ullong(done, "virtteam.team.0.unplug_time", &value));
    g_assert_false(vt_typed_params_get_ullong(done, "virtteam.team.1.unplug_time", &value)); /* it stayed */
    g_clear_pointer(&done, vt_typed_params_free);
    done = vt_job_query(domain, 1, &type, &error); /* that was kept, this is not */
    g_assert_cmpint(type, ==, VT_JOB_TYPE_CANCELLED);
    again = vt_job_query(domain, 1, &type, &error);
    g_assert_cmpint(type, ==, VT_JOB_TYPE_NONE);
    g_assert_cmpuint(again->items->len, ==, 0);
    domain->id = -1;
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/driver/job/who-gets-in-beside-whom", test_seats);
    g_test_add_func("/driver/job/queue-is-fair-and-times-out", test_queue_is_fair_and_times_out);
    g_test_add_func("/driver/job/waiters-are-refused-when-a-migration-wins",
                    test_waiters_are_refused_when_a_migration_wins);
    g_test_add_func("/driver/job/statistics-and-abort", test_stats_and_abort);
    return g_test_run();
}
