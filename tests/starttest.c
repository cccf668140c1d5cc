/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver/start.h"
#include <glib/gstdio.h>
#include <string.h>
#include "conf/domain-xml.h"
#include "driver/domain-list.h"
#include "driver/job.h"
#include "driver/journal.h"
#include "driver/lifecycle.h"
#include "driver/recover.h"
#include "driver/stop.h"
#include "lib/fake-guest.h"

#define UUID_A "11111111-2222-3333-4444-000000000001"

static const char *fault_sequence, *fault_step;

static gboolean
starttest_fault(const VtSeqTable *table, const VtStep *step, GError **error)
{
    if (g_strcmp0(fault_sequence, table->name) != 0 || g_strcmp0(fault_step, step->name) != 0)
        return TRUE;
    return vt_error_set(error, VT_ERROR_OPERATION_FAILED, "injected at %s", step->name);
}

static VtDomain *
starttest_domain(FakeHost *host, const char *name, gboolean live)
{
    g_autofree char *xml =
        fake_guest_xml(name, UUID_A, "<devices><serial type='pty'><target port='0'/></serial></devices>");
    g_autoptr(GError) error = NULL;
    VtDomainDef *def = vt_domain_xml_parse(xml, &error);

    g_assert_no_error(error);
    return vt_domain_list_admit(host->driver, def, live, NULL);
}

static GError *
starttest_start(FakeHost *host, VtDomain *domain)
{
    const VtStartParams params = { .driver = host->driver, .domain = domain };
    FakeDone told = { 0 };

    vt_start_run(&params, fake_done, &told);
    fake_wait(&told.done);
    return told.error;
}

static GError *
starttest_stop(FakeHost *host, VtDomain *domain)
{
    const VtStopParams params = {
        .driver = host->driver, .domain = domain, .reason = VT_SHUTOFF_DESTROYED, .detail = 1
    };
    FakeDone told = { 0 };

    vt_stop_run(&params, fake_done, &told);
    fake_wait(&told.done);
    return told.error;
}

static guint
starttest_count(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    guint n = 0;

    while (dir && g_dir_read_name(dir))
        n++;
    return n;
}

static void
starttest_assert_nothing_left(FakeHost *host)
{
    fake_settle();
    g_assert_cmpuint(fake_guest_alive(), ==, 0);
    g_assert_cmpuint(fake_guest_objects(), ==, 0);
    g_assert_cmpuint(starttest_count(host->driver->config->state_dir), ==, 0);
}

static void
starttest_assert_off(VtDomain *domain, int reason)
{
    int found = -1;

    g_assert_cmpint(vt_domain_state(domain, &found), ==, VT_DOMAIN_SHUTOFF);
    g_assert_cmpint(found, ==, reason);
    g_assert_cmpint(vt_domain_id(domain), ==, -1);
    g_assert_null(domain->live);
    g_assert_null(domain->process);
    g_assert_false(domain->starting);
}

static void
starttest_events(FakeHost *host, const char *expected)
{
    g_autofree char *text = NULL;

    g_ptr_array_add(host->events, NULL);
    text = g_strjoinv(" ", (char **)host->events->pdata);
    g_assert_cmpstr(text, ==, expected);
    g_ptr_array_set_size(host->events, 0);
}

static void
test_start_stop(void)
{
    FakeHost host;
    VtDomain *domain;
    int reason;
    g_autofree char *commands = NULL;

    fake_host_open(&host);
    domain = starttest_domain(&host, "web", FALSE);
    g_assert_no_error(starttest_start(&host, domain));
    g_assert_cmpint(vt_domain_state(domain, &reason), ==, VT_DOMAIN_RUNNING);
    g_assert_cmpint(reason, ==, 1);
    g_assert_cmpint(vt_domain_id(domain), ==, 1);
    commands = fake_guest_commands();
    g_assert_cmpstr(commands, ==, "query-chardev cont");
    g_assert_cmpstr(((VtCharDef *)g_ptr_array_index(domain->live->serials, 0))->path, ==, "/dev/pts/77");
    fake_settle();
    starttest_events(&host, "4/0 2/0");
    g_assert_null(vt_journal_kind(domain));
    g_assert_no_error(starttest_stop(&host, domain));
    starttest_assert_off(domain, VT_SHUTOFF_DESTROYED);
    starttest_assert_nothing_left(&host);
    starttest_events(&host, "6/2 5/1");
    fake_host_close(&host);
}

static void
test_start_paused(void)
{
    FakeHost host;
    VtDomain *domain;
    FakeDone told = { 0 };
    VtStartParams params;
    int reason;

    fake_host_open(&host);
    domain = starttest_domain(&host, "web", FALSE);
    params = (VtStartParams){ .driver = host.driver, .domain = domain, .paused = TRUE };
    vt_start_run(&params, fake_done, &told);
    fake_wait(&told.done);
    g_assert_no_error(told.error);
    g_assert_cmpint(vt_domain_state(domain, &reason), ==, VT_DOMAIN_PAUSED);
    g_assert_cmpint(reason, ==, 1);
    fake_settle();
    starttest_events(&host, "2/0 3/0");
    g_assert_no_error(starttest_stop(&host, domain));
    fake_host_close(&host);
}

static void
test_start_incoming_is_silent(void)
{
    FakeHost host;
    VtDomain *domain;
    FakeDone told = { 0 };
    VtStartParams params;
    int reason;

    fake_host_open(&host);
    domain = starttest_domain(&host, "web", TRUE);
    params = (VtStartParams){ .driver = host.driver, .domain = domain, .incoming = "defer" };
    vt_journal_begin(domain, "migrate-in");
    vt_start_run(&params, fake_done, &told);
    fake_wait(&told.done);
    g_assert_no_error(told.error);
    g_assert_cmpint(vt_domain_state(domain, &reason), ==, VT_DOMAIN_PAUSED);
    g_assert_cmpint(reason, ==, 2);
    g_assert_cmpstr(vt_journal_kind(domain), ==, "migrate-in");
    fake_settle();
    starttest_events(&host, "");
    vt_journal_end(domain);
    g_assert_no_error(starttest_stop(&host, domain));
    /* It was transient: off the list. */
    g_assert_null(vt_driver_lookup_name(host.driver, "web", NULL));
    starttest_assert_nothing_left(&host);
    fake_host_close(&host);
}

static void
test_start_each_step_fails(void)
{
    const VtSeqTable *table = vt_start_table();
    FakeHost host;
    VtDomain *domain;
    guint fds;

    fake_host_open(&host);
    domain = starttest_domain(&host, "web", FALSE);
    /* Once through, so that what is made only once (threads, caches) is there before descriptors are counted. */
    g_assert_no_error(starttest_start(&host, domain));
    g_assert_no_error(starttest_stop(&host, domain));
    starttest_assert_nothing_left(&host);
    fds = starttest_count("/proc/self/fd");
    vt_seq_set_fault_hook(starttest_fault);
    fault_sequence = "start";
    for (gsize i = 0; i < table->n_steps; i++) {
        g_autoptr(GError) error = NULL;

        g_ptr_array_set_size(host.events, 0);
        fault_step = table->steps[i].name;
        error = starttest_start(&host, domain);
        g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
        g_assert_true(g_str_has_prefix(error->message, "injected at "));
        starttest_assert_off(domain, VT_SHUTOFF_FAILED);
        starttest_assert_nothing_left(&host);
        g_assert_null(vt_journal_kind(domain));
        g_assert_cmpuint(starttest_count("/proc/self/fd"), ==, fds);
        g_assert_true(vt_driver_lookup_name(host.driver, "web", NULL) == domain);
    }
    fault_step = NULL;
    g_assert_no_error(starttest_start(&host, domain));
    g_assert_no_error(starttest_stop(&host, domain));
    vt_seq_set_fault_hook(NULL);
    fake_host_close(&host);
}

static void
test_stop_each_step_fails(void)
{
    const VtSeqTable *table = vt_stop_table();
    FakeHost host;
    VtDomain *domain;

    fake_host_open(&host);
    domain = starttest_domain(&host, "web", FALSE);
    vt_seq_set_fault_hook(starttest_fault);
    for (gsize i = 0; i < table->n_steps; i++) {
        g_autoptr(GError) error = NULL;

        g_assert_no_error(starttest_start(&host, domain));
        fault_sequence = "stop";
        fault_step = table->steps[i].name;
        error = starttest_stop(&host, domain);
        g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
        fault_step = NULL;
        /* It goes on, unless QEMU is still there: then all of it is for a second try. */
        g_assert_cmpint(vt_domain_is_active(domain), ==,
                        i == 0 || g_str_equal(table->steps[i].name, "set-state"));
        g_assert_no_error(starttest_stop(&host, domain));
        g_clear_pointer(&domain->process, vt_process_free);
        starttest_assert_off(domain, VT_SHUTOFF_DESTROYED);
    }
    vt_seq_set_fault_hook(NULL);
    fake_host_close(&host);
}

static void
test_start_says_qemu_words(void)
{
    FakeHost host;
    VtDomain *domain;
    g_autoptr(GError) error = NULL;

    fake_host_open(&host);
    domain = starttest_domain(&host, "web", FALSE);
    fake_guest_fail_next("qemu: -device nonsense: not a valid device model name");
    error = starttest_start(&host, domain);
    g_assert_error(error, VT_ERROR, VT_ERROR_INTERNAL);
    g_assert_true(
        g_str_has_prefix(error->message, "process exited while connecting to monitor: qemu: -device"));
    starttest_assert_off(domain, VT_SHUTOFF_FAILED);
    starttest_assert_nothing_left(&host);
    fake_host_close(&host);
}

static void
test_start_qemu_dies_later(void)
{
    FakeHost host;
    VtDomain *domain;
    VtStartParams params;
    FakeDone told = { 0 };
    g_autoptr(GError) error = NULL;

    fake_host_open(&host);
    domain = starttest_domain(&host, "web", FALSE);
    params = (VtStartParams){ .driver = host.driver, .domain = domain };
    fake_guest_mute("query-chardev");
    vt_start_run(&params, fake_done, &told);
    fake_settle();
    g_assert_false(told.done);
    fake_guest_die(domain);
    fake_wait(&told.done);
    error = told.error;
    g_assert_nonnull(error);
    starttest_assert_off(domain, VT_SHUTOFF_FAILED);
    starttest_assert_nothing_left(&host);
    fake_host_close(&host);
}

static void
test_start_is_cancelled(void)
{
    FakeHost host;
    VtDomain *domain;
    VtStartParams params;
    FakeDone started = { 0 }, cancelled = { 0 };

    fake_host_open(&host);
    domain = starttest_domain(&host, "web", FALSE);
    params = (VtStartParams){ .driver = host.driver, .domain = domain };
    fake_guest_mute("query-chardev");
    vt_start_run(&params, fake_done, &started);
    fake_settle();
    g_assert_true(vt_start_cancel(domain, fake_done, &cancelled));
    fake_wait(&cancelled.done);
    g_assert_true(started.done);
    g_assert_error(started.error, VT_ERROR, VT_ERROR_ABORTED);
    g_assert_no_error(cancelled.error);
    g_clear_error(&started.error);
    starttest_assert_off(domain, VT_SHUTOFF_FAILED);
    starttest_assert_nothing_left(&host);
    g_assert_false(vt_start_cancel(domain, fake_done, &cancelled));
    fake_host_close(&host);
}

static void
test_transient_fails_and_is_gone(void)
{
    FakeHost host;
    VtDomain *domain;
    g_autoptr(GError) error = NULL;

    fake_host_open(&host);
    domain = starttest_domain(&host, "web", TRUE);
    fake_guest_fail_next("no");
    error = starttest_start(&host, domain);
    g_assert_nonnull(error);
    g_assert_null(vt_driver_lookup_name(host.driver, "web", NULL));
    starttest_assert_nothing_left(&host);
    fake_host_close(&host);
}

/* ---- restarts of the daemon ---- */

static void
test_recover_finds_running_guest(void)
{
    FakeHost host;
    VtDomain *domain;
    int reason;

    fake_host_open(&host);
    domain = starttest_domain(&host, "web", TRUE);
    g_assert_no_error(starttest_start(&host, domain));
    fake_host_crash(&host);
    g_assert_cmpuint(fake_guest_alive(), ==, 1);
    vt_recover_run(host.driver);
    domain = vt_driver_lookup_name(host.driver, "web", NULL);
    g_assert_nonnull(domain);
    g_assert_cmpint(vt_job_kind(domain), ==, VT_JOB_MODIFY);
    fake_settle();
    g_assert_cmpint(vt_job_kind(domain), ==, VT_JOB_NONE);
    g_assert_cmpint(vt_domain_state(domain, &reason), ==, VT_DOMAIN_RUNNING);
    g_assert_cmpint(vt_domain_id(domain), ==, 1);
    g_assert_cmpint(vt_domain_list_next_id(host.driver), ==, 2);
    g_assert_cmpstr(((VtCharDef *)g_ptr_array_index(domain->live->serials, 0))->path, ==, "/dev/pts/77");
    g_assert_no_error(starttest_stop(&host, domain));
    starttest_assert_nothing_left(&host);
    fake_host_close(&host);
}

static void
test_recover_guest_ended_meanwhile(void)
{
    FakeHost host;
    VtDomain *domain;

    fake_host_open(&host);
    domain = starttest_domain(&host, "web", TRUE);
    g_assert_no_error(starttest_start(&host, domain));
    fake_settle();
    g_ptr_array_set_size(host.events, 0);
    domain->qemu_gone = TRUE;
    domain->starting = TRUE; /* nobody looks */
    fake_guest_die(domain);
    fake_host_crash(&host);
    vt_recover_run(host.driver);
    fake_settle();
    g_assert_null(vt_driver_lookup_name(host.driver, "web", NULL));
    starttest_events(&host, "5/5");
    starttest_assert_nothing_left(&host);
    fake_host_close(&host);
}

/* QEMU is there and does not answer: the guest stays, whoever needs its monitor is told, and it comes back. */
static void
test_recover_leaves_a_silent_guest_running(void)
{
    const GLogLevelFlags fatal = G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING;
    FakeHost host;
    VtDomain *domain;
    FakeDone told = { 0 };
    g_autoptr(GError) error = NULL;
    int reason;

    g_log_set_always_fatal(G_LOG_FATAL_MASK); /* it says loudly that the guest does not answer */
    fake_host_open(&host);
    domain = starttest_domain(&host, "web", TRUE);
    g_assert_no_error(starttest_start(&host, domain));
    fake_host_crash(&host);
    fake_guest_silence(TRUE);
    vt_recover_run(host.driver);
    fake_settle();
    domain = vt_driver_lookup_name(host.driver, "web", NULL);
    g_assert_nonnull(domain);
    g_assert_cmpuint(fake_guest_alive(), ==, 1);
    g_assert_cmpint(vt_domain_state(domain, &reason), ==, VT_DOMAIN_RUNNING);
    g_assert_cmpint(reason, ==, 0);
    g_assert_cmpint(vt_job_kind(domain), ==, VT_JOB_NONE);
    g_assert_null(vt_domain_qmp(domain, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
    g_assert_cmpstr(error->message, ==, "the monitor of domain 'web' does not answer");
    vt_lifecycle_suspend(host.driver, domain, fake_done, &told);
    g_assert_true(told.done);
    g_assert_cmpstr(told.error->message, ==, "the monitor of domain 'web' does not answer");
    g_clear_error(&told.error);
    fake_guest_silence(FALSE);
    FAKE_UNTIL(vt_domain_qmp(domain, NULL) && vt_job_kind(domain) == VT_JOB_NONE);
    fake_settle();
    g_assert_cmpint(vt_job_kind(domain), ==, VT_JOB_NONE);
    g_assert_nonnull(vt_domain_qmp(domain, NULL));
    g_assert_cmpint(vt_domain_state(domain, NULL), ==, VT_DOMAIN_RUNNING);
    g_assert_cmpstr(((VtCharDef *)g_ptr_array_index(domain->live->serials, 0))->path, ==, "/dev/pts/77");
    g_assert_no_error(starttest_stop(&host, domain));
    starttest_assert_nothing_left(&host);
    fake_host_close(&host);
    g_log_set_always_fatal(fatal);
}

/* It greets, and says nothing afterwards. */
static void
test_recover_leaves_a_hanging_guest_running(void)
{
    const GLogLevelFlags fatal = G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING;
    FakeHost host;
    VtDomain *domain;

    g_log_set_always_fatal(G_LOG_FATAL_MASK); /* it says loudly that the guest does not answer */
    fake_host_open(&host);
    domain = starttest_domain(&host, "web", TRUE);
    g_assert_no_error(starttest_start(&host, domain));
    fake_host_crash(&host);
    fake_guest_mute("query-status");
    vt_recover_run(host.driver);
    fake_settle();
    domain = vt_driver_lookup_name(host.driver, "web", NULL);
    g_assert_cmpint(vt_job_kind(domain), ==, VT_JOB_MODIFY);
    /* The connection breaks with the question open. */
    fake_guest_silence(TRUE);
    fake_settle();
    g_assert_cmpint(vt_job_kind(domain), ==, VT_JOB_NONE);
    g_assert_cmpuint(fake_guest_alive(), ==, 1);
    g_assert_true(vt_domain_is_active(domain));
    /* Then the process ends, and with it the guest. */
    fake_guest_die(domain);
    fake_settle();
    g_assert_null(vt_driver_lookup_name(host.driver, "web", NULL));
    starttest_assert_nothing_left(&host);
    fake_guest_mute(NULL);
    fake_guest_silence(FALSE);
    fake_host_close(&host);
    g_log_set_always_fatal(fatal);
}

/* A guest that was found again, and whose monitor breaks later: what it did meanwhile is seen afterwards. */
static void
test_state_follows_a_monitor_that_was_lost(void)
{
    FakeHost host;
    VtDomain *domain;

    fake_host_open(&host);
    domain = starttest_domain(&host, "web", TRUE);
    g_assert_no_error(starttest_start(&host, domain));
    fake_guest_silence(TRUE);
    fake_settle();
    g_assert_true(vt_domain_is_active(domain));
    fake_guest_stop_cpus(domain);
    fake_guest_silence(FALSE);
    fake_settle();
    g_assert_cmpint(vt_domain_state(domain, NULL), ==, VT_DOMAIN_PAUSED);
    g_assert_no_error(starttest_stop(&host, domain));
    starttest_assert_nothing_left(&host);
    fake_host_close(&host);
}

/* The daemon dies when a start has reached each of its waits; the next one leaves nothing of it. */
static void
test_recover_interrupted_start(void)
{
    static const char *const mutes[] = { "query-chardev", "cont" };

    for (guint i = 0; i < G_N_ELEMENTS(mutes); i++) {
        FakeHost host;
        VtDomain *domain;
        VtStartParams params;
        FakeDone *told = g_new0(FakeDone, 1); /* never told: the daemon is dead */

        fake_host_open(&host);
        domain = starttest_domain(&host, "web", FALSE);
        params = (VtStartParams){ .driver = host.driver, .domain = domain };
        fake_guest_mute(mutes[i]);
        vt_start_run(&params, fake_done, told);
        while (fake_guest_alive() == 0)
            g_main_context_iteration(NULL, TRUE); /* the journal takes its time on a busy disk */
        fake_settle();
        g_assert_cmpuint(fake_guest_alive(), ==, 1);
        vt_start_abandon(domain);
        fake_host_crash(&host);
        fake_guest_mute(NULL);
        vt_recover_run(host.driver);
        fake_settle();
        g_assert_cmpuint(fake_guest_alive(), ==, 0);
        g_assert_null(vt_driver_lookup_name(host.driver, "web", NULL));
        starttest_assert_nothing_left(&host);
        g_free(told);
        fake_host_close(&host);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/driver/start/starts-and-stops-without-trace", test_start_stop);
    g_test_add_func("/driver/start/paused-waits-with-user-reason", test_start_paused);
    g_test_add_func("/driver/start/incoming-is-silent", test_start_incoming_is_silent);
    g_test_add_func("/driver/start/failure-at-each-step-leaves-nothing", test_start_each_step_fails);
    g_test_add_func("/driver/start/error-is-qemus-own-words", test_start_says_qemu_words);
    g_test_add_func("/driver/start/qemu-dying-midway-is-undone", test_start_qemu_dies_later);
    g_test_add_func("/driver/start/destroy-cancels-it", test_start_is_cancelled);
    g_test_add_func("/driver/start/transient-that-fails-is-gone", test_transient_fails_and_is_gone);
    g_test_add_func("/driver/stop/goes-on-after-failure-at-each-step", test_stop_each_step_fails);
    g_test_add_func("/driver/recover/finds-running-guest", test_recover_finds_running_guest);
    g_test_add_func("/driver/recover/guest-that-ended-meanwhile-is-stopped",
                    test_recover_guest_ended_meanwhile);
    g_test_add_func("/driver/recover/silent-guest-is-left-running",
                    test_recover_leaves_a_silent_guest_running);
    g_test_add_func("/driver/recover/hanging-guest-is-left-running",
                    test_recover_leaves_a_hanging_guest_running);
    g_test_add_func("/driver/recover/state-follows-a-monitor-that-was-lost",
                    test_state_follows_a_monitor_that_was_lost);
    g_test_add_func("/driver/recover/interrupted-start-is-undone", test_recover_interrupted_start);
    return g_test_run();
}
