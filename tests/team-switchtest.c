/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Teams switched on command, on a guest without a QEMU: every step of both tables fails once, and afterwards all is as
 * it was before.
 */
#include "driver/team-switch.h"

#include <string.h>
#include "driver/device-live.h"
#include "driver/job.h"
#include "driver/lifecycle.h"
#include "driver/recover.h"
#include "driver/store.h"
#include "driver/team-enforce.h"
#include "lib/fake-guest.h"
#include "lib/fake-team.h"

static GString *acts_seen;
static guint limit_ms = 20000;
static const char *fault_sequence, *fault_step;

static gboolean
switchtest_fault(const VtSeqTable *table, const VtStep *step, GError **error)
{
    if (g_strcmp0(fault_sequence, table->name) != 0 || g_strcmp0(fault_step, step->name) != 0)
        return TRUE;
    return vt_error_set(error, VT_ERROR_OPERATION_FAILED, "injected at %s", step->name);
}

typedef struct {
    FakeHost host;
    VtDomain *domain;
} SwitchTest;

typedef struct {
    gboolean done;
    char *said;
    GError *error;
} Told;

static void
switchtest_told(gpointer user, const char *said, const GError *error)
{
    Told *told = user;

    g_assert_false(told->done);
    told->done = TRUE;
    told->said = g_strdup(said);
    told->error = error ? g_error_copy(error) : NULL;
}

static void
told_clear(Told *told)
{
    g_clear_pointer(&told->said, g_free);
    g_clear_error(&told->error);
    told->done = FALSE;
}

static void
switchtest_open(SwitchTest *test, const char *team)
{
    g_autofree char *xml = fake_guest_xml("web", UUID_A, team);
    g_autoptr(GError) error = NULL;
    FakeDone told = { 0 };

    fake_host_open(&test->host);
    test->domain = fake_define(test->host.driver, xml, 0, &error);
    g_assert_no_error(error);
    vt_lifecycle_create(test->host.driver, test->domain, 0, NULL, fake_done, &told);
    fake_wait(&told.done);
    g_assert_no_error(told.error);
    fake_settle();
    g_free(fake_guest_commands());
}

static void
switchtest_close(SwitchTest *test)
{
    FakeDone told = { 0 };

    fault_sequence = fault_step = NULL;
    if (vt_domain_is_active(test->domain)) {
        vt_lifecycle_destroy(test->host.driver, test->domain, 0, fake_done, &told);
        fake_wait(&told.done);
    }
    g_assert_cmpuint(vt_team_keep_get(test->domain, "ua-standby"), ==, 0);
    fake_guest_answer(NULL, NULL);
    fake_host_close(&test->host);
    g_string_truncate(acts_seen, 0);
}

static gboolean
switchtest_has_device(const SwitchTest *test)
{
    return vt_domain_def(test->domain)->nets->len == 2;
}

static guint
switchtest_bits(const SwitchTest *test)
{
    return vt_team_keep_get(test->domain, "ua-standby");
}

/* device_del and device_add among the commands; the rest are questions. */
static void
switchtest_collect(void)
{
    g_autofree char *commands = fake_guest_commands();
    g_auto(GStrv) words = g_strsplit(commands, " ", -1);

    for (char **word = words; *word; word++)
        if (g_str_has_prefix(*word, "device_"))
            g_string_append_printf(acts_seen, "%s%s", acts_seen->len ? " " : "", *word);
}

/* Those since the last call. */
static void
switchtest_acts(const char *expected)
{
    switchtest_collect();
    g_assert_cmpstr(acts_seen->str, ==, expected);
    g_string_truncate(acts_seen, 0);
}

/* Until QEMU was told so, or nobody waits for that any more. */
static void
switchtest_wait_act(const char *act, const gboolean *done)
{
    for (gint64 since = 0; !(done && *done) && !strstr(acts_seen->str, act) && fake_go_on(&since);) {
        fake_settle();
        switchtest_collect();
    }
}

static void
switchtest_begin(SwitchTest *test, VtTeamSwitchTo to, Told *told)
{
    const VtTeamSwitchParams params = { .to = to, .bit = VT_TEAM_KEEP_USER, .timeout_ms = limit_ms };

    vt_team_switch(test->domain, &params, switchtest_told, told);
}

static void
switchtest_standby(SwitchTest *test)
{
    Told told = { 0 };

    fake_guest_answer("qom-list", THERE);
    switchtest_begin(test, VT_TEAM_SWITCH_STANDBY, &told);
    switchtest_wait_act("device_del", NULL);
    g_assert_false(told.done);
    g_assert_cmpint(vt_job_kind(test->domain), ==, VT_JOB_MODIFY);
    fake_guest_answer("qom-list", "[]");
    fake_guest_event(test->domain, GONE);
    fake_wait(&told.done);
    g_assert_no_error(told.error);
    g_assert_cmpstr(told.said, ==, "team 'ua-standby' is on standby, and is kept there");
    told_clear(&told);
    g_assert_cmpint(vt_job_kind(test->domain), ==, VT_JOB_NONE);
    g_assert_cmpuint(switchtest_bits(test), ==, VT_TEAM_KEEP_USER);
    g_assert_true(switchtest_has_device(test));
    switchtest_acts("device_del");
}

static void
test_there_and_back(gconstpointer team)
{
    SwitchTest test;
    Told told = { 0 };

    switchtest_open(&test, team);
    switchtest_standby(&test);
    /* Once more: nothing to do. */
    switchtest_begin(&test, VT_TEAM_SWITCH_STANDBY, &told);
    fake_wait(&told.done);
    g_assert_no_error(told.error);
    g_assert_nonnull(strstr(told.said, "already"));
    told_clear(&told);
    switchtest_begin(&test, VT_TEAM_SWITCH_PRIMARY, &told);
    fake_wait(&told.done);
    g_assert_no_error(told.error);
    g_assert_cmpstr(told.said, ==, "team 'ua-standby' has its primary 'ua-primary' again");
    told_clear(&told);
    g_assert_cmpuint(switchtest_bits(&test), ==, 0);
    switchtest_acts("device_add");
    fake_guest_answer("qom-list", THERE);
    switchtest_begin(&test, VT_TEAM_SWITCH_PRIMARY, &told);
    fake_wait(&told.done);
    g_assert_nonnull(strstr(told.said, "already"));
    told_clear(&told);
    switchtest_acts("");
    switchtest_close(&test);
}

/* It has no time left, and lets go later: then it is given back. */
static void
test_deaf_guest(void)
{
    SwitchTest test;
    Told told = { 0 };

    switchtest_open(&test, TEAM("orchestration='qemu'"));
    fake_guest_answer("qom-list", THERE);
    limit_ms = 2000;
    switchtest_begin(&test, VT_TEAM_SWITCH_STANDBY, &told);
    limit_ms = 20000;
    fake_wait(&told.done);
    g_assert_error(told.error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
    g_assert_nonnull(strstr(told.error->message, "'ua-primary' (team 'ua-standby') within 2 s"));
    told_clear(&told);
    g_assert_false(vt_team_keep_is(test.domain, "ua-standby"));
    switchtest_acts("device_del device_del");
    fake_guest_answer("qom-list", "[]");
    fake_guest_event(test.domain, GONE);
    switchtest_wait_act("device_add", NULL);
    FAKE_UNTIL(!switchtest_bits(&test));
    fake_settle();
    g_assert_cmpuint(switchtest_bits(&test), ==, 0);
    g_assert_true(switchtest_has_device(&test));
    switchtest_acts("device_add");
    switchtest_close(&test);
}

static void
test_each_step_fails(void)
{
    const VtSeqTable *standby = vt_team_switch_standby_table(), *primary = vt_team_switch_primary_table();

    for (gsize i = 0; i < standby->n_steps; i++) {
        SwitchTest test;
        Told told = { 0 };

        switchtest_open(&test, TEAM("orchestration='qemu'"));
        fake_guest_answer("qom-list", THERE);
        fault_sequence = standby->name;
        fault_step = standby->steps[i].name;
        switchtest_begin(&test, VT_TEAM_SWITCH_STANDBY, &told);
        switchtest_wait_act("device_del", &told.done);
        if (!told.done)
            fake_guest_event(test.domain, GONE);
        fake_wait(&told.done);
        g_assert_error(told.error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
        told_clear(&told);
        g_assert_false(vt_team_keep_is(test.domain, "ua-standby"));
        g_assert_true(switchtest_has_device(&test));
        g_assert_cmpint(vt_job_kind(test.domain), ==, VT_JOB_NONE);
        /* It had left already. */
        if (i + 1 == standby->n_steps)
            switchtest_acts("device_del device_add");
        switchtest_close(&test);
    }
    for (gsize i = 0; i < primary->n_steps; i++) {
        SwitchTest test;
        Told told = { 0 };

        switchtest_open(&test, TEAM("orchestration='qemu'"));
        switchtest_standby(&test);
        fault_sequence = primary->name;
        fault_step = primary->steps[i].name;
        switchtest_begin(&test, VT_TEAM_SWITCH_PRIMARY, &told);
        switchtest_wait_act("device_del", &told.done);
        if (!told.done) /* it was plugged, and has to leave again */
            fake_guest_event(test.domain, GONE);
        fake_wait(&told.done);
        g_assert_error(told.error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
        told_clear(&told);
        g_assert_cmpuint(switchtest_bits(&test), ==, VT_TEAM_KEEP_USER);
        switchtest_close(&test);
    }
}

static void
test_refused(void)
{
    static const struct {
        const char *team, *message;
    } rows[] = {
        { "ua-other", "domain 'web' has no team 'ua-other'; it has 'ua-standby'" },
        { "", "domain 'web' has no team ''; it has 'ua-standby'" },
    };
    SwitchTest test;
    Told told = { 0 };

    switchtest_open(&test, TEAM("orchestration='qemu'"));
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        const VtTeamSwitchParams params = { .team = rows[i].team, .bit = VT_TEAM_KEEP_USER };

        vt_team_switch(test.domain, &params, switchtest_told, &told);
        fake_wait(&told.done);
        g_assert_error(told.error, VT_ERROR, VT_ERROR_INVALID_ARG);
        g_assert_cmpstr(told.error->message, ==, rows[i].message);
        told_clear(&told);
    }
    fake_guest_stop_cpus(test.domain);
    vt_domain_set_state(test.domain, VT_DOMAIN_PAUSED, 1);
    switchtest_begin(&test, VT_TEAM_SWITCH_STANDBY, &told);
    fake_wait(&told.done);
    g_assert_error(told.error, VT_ERROR, VT_ERROR_OPERATION_INVALID);
    g_assert_nonnull(strstr(told.error->message, "is paused"));
    told_clear(&told);
    switchtest_acts("");
    switchtest_close(&test);
}

static void
test_guest_without_a_team(void)
{
    SwitchTest test;
    Told told = { 0 };

    switchtest_open(&test, "");
    switchtest_begin(&test, VT_TEAM_SWITCH_STANDBY, &told);
    fake_wait(&told.done);
    g_assert_error(told.error, VT_ERROR, VT_ERROR_OPERATION_INVALID);
    g_assert_cmpstr(told.error->message, ==, "domain 'web' has no team");
    told_clear(&told);
    switchtest_close(&test);
    switchtest_open(&test, TEAM("orchestration='qemu'"));
    fake_guest_die(test.domain);
    fake_settle();
    switchtest_begin(&test, VT_TEAM_SWITCH_STANDBY, &told);
    fake_wait(&told.done);
    g_assert_error(told.error, VT_ERROR, VT_ERROR_OPERATION_INVALID);
    told_clear(&told);
    switchtest_close(&test);
}

static void
test_qemu_dies_meanwhile(void)
{
    SwitchTest test;
    Told told = { 0 };

    switchtest_open(&test, TEAM("orchestration='qemu'"));
    fake_guest_answer("qom-list", THERE);
    switchtest_begin(&test, VT_TEAM_SWITCH_STANDBY, &told);
    switchtest_wait_act("device_del", NULL);
    fake_guest_die(test.domain);
    fake_wait(&told.done);
    g_assert_nonnull(told.error);
    told_clear(&told);
    fake_settle();
    switchtest_close(&test);
}

/* A daemon that ends, and the one that comes after it. */
static void
test_daemon_ends_meanwhile(void)
{
    SwitchTest test;
    Told told = { 0 };

    switchtest_open(&test, TEAM("orchestration='qemu'"));
    fake_guest_answer("qom-list", THERE);
    switchtest_begin(&test, VT_TEAM_SWITCH_STANDBY, &told);
    switchtest_wait_act("device_del", NULL);
    g_assert_false(told.done);
    vt_team_switch_abandon(test.domain);
    fake_host_crash(&test.host);
    g_string_truncate(acts_seen, 0);
    g_free(fake_guest_commands());
    /* It was written down before the guest was asked: it is asked again. */
    vt_store_load(test.host.driver);
    vt_recover_run(test.host.driver);
    test.domain = vt_driver_lookup_name(test.host.driver, "web", NULL);
    g_assert_nonnull(test.domain);
    switchtest_wait_act("device_del", NULL);
    switchtest_acts("device_del");
    fake_guest_answer("qom-list", "[]");
    fake_guest_event(test.domain, GONE);
    FAKE_UNTIL(vt_job_kind(test.domain) == VT_JOB_NONE);
    fake_settle();
    g_assert_cmpuint(switchtest_bits(&test), ==, VT_TEAM_KEEP_USER);
    g_assert_true(switchtest_has_device(&test));
    switchtest_close(&test);
}

/* QEMU plugs it by itself when a rebooted guest negotiates. */
static void
test_kept_over_a_reboot(void)
{
    SwitchTest test;

    switchtest_open(&test, TEAM("orchestration='qemu'"));
    switchtest_standby(&test);
    fake_guest_answer("qom-list", THERE);
    fake_guest_event(test.domain, NEGOTIATED);
    switchtest_wait_act("device_del", NULL);
    fake_guest_answer("qom-list", "[]");
    fake_guest_event(test.domain, GONE);
    FAKE_UNTIL(vt_job_kind(test.domain) == VT_JOB_NONE);
    fake_settle();
    switchtest_acts("device_del");
    g_assert_cmpuint(switchtest_bits(&test), ==, VT_TEAM_KEEP_USER);
    g_assert_true(switchtest_has_device(&test));
    switchtest_close(&test);
}

static void
test_detach_is_for_good(void)
{
    SwitchTest test;

    switchtest_open(&test, TEAM("orchestration='qemu'"));
    switchtest_standby(&test);
    vt_team_enforce_forget(test.domain, "ua-primary");
    g_assert_cmpuint(switchtest_bits(&test), ==, 0);
    vt_device_live_gone(test.domain, "ua-primary");
    fake_settle();
    g_assert_false(switchtest_has_device(&test));
    switchtest_close(&test);
}

static void
test_reasons(void)
{
    SwitchTest test;
    g_autofree char *text = NULL;
    g_auto(GStrv) list = NULL;

    switchtest_open(&test, TEAM("orchestration='qemu'"));
    vt_team_keep_add(test.domain, "ua-standby", VT_TEAM_KEEP_LOST, "the link of 'eth0' is down");
    vt_team_keep_add(test.domain, "ua-standby", VT_TEAM_KEEP_USER, NULL);
    g_assert_cmpint(vt_team_keep_since(test.domain, "ua-standby"), >, 0);
    g_assert_cmpstr(vt_team_keep_why(test.domain, "ua-standby"), ==, "the link of 'eth0' is down");
    g_assert_cmpstr(vt_team_keep_name(switchtest_bits(&test)), ==, "user, lost");
    text = vt_team_keep_text(test.domain);
    vt_team_keep_remove(test.domain, "ua-standby", VT_TEAM_KEEP_LOST);
    g_assert_null(vt_team_keep_why(test.domain, "ua-standby"));
    g_assert_true(vt_team_keep_restore(test.domain, text));
    g_assert_cmpuint(switchtest_bits(&test), ==, VT_TEAM_KEEP_USER | VT_TEAM_KEEP_LOST);
    list = vt_team_keep_list(test.domain, VT_TEAM_KEEP_LOST);
    g_assert_cmpstr(list[0], ==, "ua-standby");
    g_assert_null(list[1]);
    g_assert_null(vt_team_keep_list(test.domain, VT_TEAM_KEEP_AWAY));
    g_assert_false(
        vt_team_keep_restore(test.domain, "{\"teams\":[{\"team\":\"a\",\"bits\":64,\"since\":0}]}"));
    g_assert_cmpuint(switchtest_bits(&test), ==, 0);
    g_assert_false(vt_team_keep_restore(test.domain, "nonsense"));
    g_assert_null(vt_team_keep_text(test.domain));
    switchtest_close(&test);
}

int
main(int argc, char **argv)
{
    int status;

    acts_seen = g_string_new(NULL);
    g_test_init(&argc, &argv, NULL);
    /* What is warned of here belongs to what is tested. */
    g_log_set_always_fatal(G_LOG_LEVEL_ERROR);
    vt_seq_set_fault_hook(switchtest_fault);
    g_test_add_data_func("/driver/team-switch/there-and-back", TEAM("orchestration='qemu'"),
                         test_there_and_back);
    g_test_add_data_func("/driver/team-switch/there-and-back-managed", TEAM("orchestration='management'"),
                         test_there_and_back);
    g_test_add_func("/driver/team-switch/deaf-guest", test_deaf_guest);
    g_test_add_func("/driver/team-switch/each-step-fails", test_each_step_fails);
    g_test_add_func("/driver/team-switch/refused", test_refused);
    g_test_add_func("/driver/team-switch/guest-without-a-team", test_guest_without_a_team);
    g_test_add_func("/driver/team-switch/qemu-dies-meanwhile", test_qemu_dies_meanwhile);
    g_test_add_func("/driver/team-switch/daemon-ends-meanwhile", test_daemon_ends_meanwhile);
    g_test_add_func("/driver/team-switch/kept-over-a-reboot", test_kept_over_a_reboot);
    g_test_add_func("/driver/team-switch/detach-is-for-good", test_detach_is_for_good);
    g_test_add_func("/driver/team-keep/reasons", test_reasons);
    status = g_test_run();
    g_string_free(acts_seen, TRUE);
    return status;
}
