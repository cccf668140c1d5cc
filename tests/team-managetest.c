/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Primaries that the driver takes out and puts back, on a guest without a QEMU: every step of both tables fails
 * once, and afterwards the guest has its primary, or it is tried again.
 */
#include "driver/team-manage.h"

#include <string.h>
#include "driver/device-live.h"
#include "driver/lifecycle.h"
#include "driver/team-legs.h"
#include "lib/fake-guest.h"
#include "lib/fake-team.h"

#define RESUMED "{\"event\":\"RESUME\",\"timestamp\":{\"seconds\":1,\"microseconds\":2}}"

static const char *fault_sequence, *fault_step;

static gboolean
managetest_fault(const VtSeqTable *table, const VtStep *step, GError **error)
{
    if (g_strcmp0(fault_sequence, table->name) != 0 || g_strcmp0(fault_step, step->name) != 0)
        return TRUE;
    return vt_error_set(error, VT_ERROR_OPERATION_FAILED, "injected at %s", step->name);
}

typedef struct {
    FakeHost host;
    VtDomain *domain;
} ManageTest;

static void
managetest_open(ManageTest *test, const char *team)
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
managetest_close(ManageTest *test)
{
    FakeDone told = { 0 };

    fault_sequence = fault_step = NULL;
    if (vt_domain_is_active(test->domain)) {
        vt_lifecycle_destroy(test->host.driver, test->domain, 0, fake_done, &told);
        fake_wait(&told.done);
    }
    fake_guest_answer(NULL, NULL);
    fake_guest_refuse(NULL, NULL);
    fake_host_close(&test->host);
}

static gboolean
managetest_has_device(const ManageTest *test)
{
    return vt_domain_def(test->domain)->nets->len == 2;
}

static void
managetest_commands(const char *expected)
{
    g_autofree char *commands = fake_guest_commands();

    g_assert_cmpstr(commands, ==, expected);
}

static void
managetest_unplug(ManageTest *test)
{
    FakeDone told = { 0 };

    vt_team_manage_unplug(test->domain, fake_done, &told);
    fake_settle();
    g_assert_false(told.done);
    fake_guest_event(test->domain, GONE);
    fake_wait(&told.done);
    g_assert_no_error(told.error);
    managetest_commands("qom-list device_del");
    g_assert_true(vt_team_manage_is_away(test->domain, "ua-primary"));
    g_assert_true(managetest_has_device(test));
}

static GError *
managetest_replug(ManageTest *test)
{
    FakeDone told = { 0 };

    fake_guest_answer("qom-list", "[]");
    vt_team_manage_replug(test->domain, fake_done, &told);
    fake_wait(&told.done);
    return told.error;
}

/* Beside what driver/team-watch asks by itself. */
static gboolean
managetest_plugs(void)
{
    g_autofree char *commands = fake_guest_commands();

    return strstr(commands, "device_add") != NULL;
}

/* VFs and managed primaries come when the guest runs; what QEMU plugs by itself, or keeps from this guest, is left to it. */
static void
test_arrived(void)
{
    const struct {
        const char *team;
        gboolean host, negotiated, paused, plugged;
    } rows[] = {
        { TEAM("orchestration='management'"), FALSE, FALSE, FALSE, TRUE },
        { TEAM("orchestration='qemu'"), FALSE, TRUE, FALSE, FALSE },
        { TEAM("orchestration='qemu'"), TRUE, TRUE, FALSE, TRUE },
        { TEAM("orchestration='qemu'"), TRUE, TRUE, TRUE, TRUE },
        { TEAM("orchestration='qemu'"), TRUE, FALSE, FALSE, FALSE },
    };

    vt_team_manage_peace_ms = 1;
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        ManageTest test;
        VtNetDef *primary;
        gboolean plugged = FALSE;

        managetest_open(&test, rows[i].team);
        primary = g_ptr_array_index(test.domain->live->nets, 1);
        if (rows[i].negotiated)
            fake_guest_event(test.domain, NEGOTIATED);
        fake_settle();
        g_free(fake_guest_commands());
        fake_guest_answer("qom-list", "[]");
        primary->type = rows[i].host ? VT_NET_HOSTDEV : primary->type;
        if (rows[i].paused) {
            test.domain->state = VT_DOMAIN_PAUSED;
            vt_team_manage_arrived(test.domain);
            fake_settle();
            g_assert_false(managetest_plugs());
            fake_guest_event(test.domain, RESUMED);
        } else {
            vt_team_manage_arrived(test.domain);
        }
        fake_settle();
        for (guint t = 0; t < 20000 && !plugged && rows[i].plugged; t++) {
            while (g_main_context_iteration(NULL, FALSE))
                ;
            plugged = managetest_plugs();
            g_usleep(1000);
        }
        g_assert_true((plugged || managetest_plugs()) == rows[i].plugged);
        fake_settle();
        primary->type = VT_NET_USER;
        managetest_close(&test);
    }
}

static void
test_unplug_and_replug(void)
{
    ManageTest test;

    managetest_open(&test, TEAM("orchestration='management'"));
    g_assert_true(vt_team_manage_has(test.domain));
    managetest_unplug(&test);
    g_assert_no_error(managetest_replug(&test));
    managetest_commands("qom-list device_add");
    g_assert_false(vt_team_manage_is_away(test.domain, "ua-primary"));
    /* QEMU has it: nothing is added twice. */
    fake_guest_answer(NULL, NULL);
    vt_team_manage_replug(test.domain, NULL, NULL);
    fake_settle();
    managetest_commands("qom-list");
    managetest_close(&test);
}

static void
test_team_of_qemu_is_left_alone(void)
{
    ManageTest test;
    FakeDone told = { 0 };

    managetest_open(&test, TEAM("orchestration='qemu'"));
    g_assert_false(vt_team_manage_has(test.domain));
    vt_team_manage_unplug(test.domain, fake_done, &told);
    g_assert_true(told.done);
    g_assert_no_error(told.error);
    g_assert_false(vt_team_manage_gone(test.domain, "ua-primary"));
    managetest_commands("");
    managetest_close(&test);
}

static void
test_deaf_guest(void)
{
    ManageTest test;
    FakeDone told = { 0 };

    managetest_open(&test, TEAM("orchestration='management' unplug-timeout='1' unplug-retries='0'"));
    vt_team_manage_unplug(test.domain, fake_done, &told);
    fake_wait(&told.done);
    g_assert_error(told.error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
    g_assert_nonnull(strstr(told.error->message, "'ua-primary' (team 'ua-standby')"));
    g_clear_error(&told.error);
    managetest_commands("qom-list device_del qom-list");
    /* It lets go after all: it gets it back. */
    fake_guest_answer("qom-list", "[]");
    fake_guest_event(test.domain, GONE);
    fake_settle();
    g_assert_true(vt_team_manage_is_away(test.domain, "ua-primary"));
    g_assert_true(managetest_has_device(&test));
    FAKE_UNTIL(!vt_team_manage_is_away(test.domain, "ua-primary"));
    fake_settle();
    managetest_commands("qom-list device_add");
    managetest_close(&test);
}

static void
test_guest_refuses(void)
{
    ManageTest test;
    FakeDone told = { 0 };

    managetest_open(&test, TEAM("orchestration='management'"));
    vt_team_manage_unplug(test.domain, fake_done, &told);
    fake_settle();
    fake_guest_event(test.domain, REFUSES);
    fake_wait(&told.done);
    g_assert_error(told.error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
    g_clear_error(&told.error);
    managetest_close(&test);
}

static void
test_cancel(void)
{
    ManageTest test;
    FakeDone told = { 0 };

    managetest_open(&test, TEAM("orchestration='management'"));
    g_assert_false(vt_team_manage_cancel(test.domain, g_error_new(VT_ERROR, VT_ERROR_ABORTED, "early")));
    vt_team_manage_unplug(test.domain, fake_done, &told);
    fake_settle();
    g_assert_true(vt_team_manage_cancel(test.domain, g_error_new(VT_ERROR, VT_ERROR_ABORTED, "enough")));
    fake_wait(&told.done);
    g_assert_error(told.error, VT_ERROR, VT_ERROR_ABORTED);
    g_clear_error(&told.error);
    managetest_close(&test);
}

static void
test_qemu_dies_meanwhile(void)
{
    ManageTest test;
    FakeDone told = { 0 };

    managetest_open(&test, TEAM("orchestration='management'"));
    vt_team_manage_unplug(test.domain, fake_done, &told);
    fake_settle();
    fake_guest_die(test.domain);
    fake_wait(&told.done);
    g_assert_nonnull(told.error);
    g_clear_error(&told.error);
    fake_settle();
    managetest_close(&test);
}

static void
test_each_step_fails(void)
{
    const VtSeqTable *unplug = vt_team_legs_unplug_table(), *replug = vt_team_legs_replug_table();

    for (gsize i = 0; i < unplug->n_steps; i++) {
        ManageTest test;
        FakeDone told = { 0 };

        managetest_open(&test, TEAM("orchestration='management'"));
        fault_sequence = unplug->name;
        fault_step = unplug->steps[i].name;
        vt_team_manage_unplug(test.domain, fake_done, &told);
        fake_wait(&told.done);
        g_assert_error(told.error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
        g_clear_error(&told.error);
        g_assert_false(vt_team_manage_is_away(test.domain, "ua-primary"));
        managetest_close(&test);
    }
    for (gsize i = 0; i < replug->n_steps; i++) {
        g_autoptr(GError) error = NULL;
        ManageTest test;

        managetest_open(&test, TEAM("orchestration='management'"));
        managetest_unplug(&test);
        fault_sequence = replug->name;
        fault_step = replug->steps[i].name;
        error = managetest_replug(&test);
        g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
        g_assert_true(vt_team_manage_is_away(test.domain, "ua-primary"));
        g_assert_true(managetest_has_device(&test));
        /* It is tried again, after a second. */
        fault_sequence = NULL;
        FAKE_UNTIL(!vt_team_manage_is_away(test.domain, "ua-primary"));
        fake_settle();
        g_assert_false(vt_team_manage_is_away(test.domain, "ua-primary"));
        managetest_close(&test);
    }
}

static void
test_detach_is_for_good(void)
{
    ManageTest test;

    managetest_open(&test, TEAM("orchestration='management'"));
    vt_team_manage_forget(test.domain, "ua-primary");
    fake_guest_event(test.domain, GONE);
    fake_settle();
    g_assert_false(managetest_has_device(&test));
    managetest_close(&test);
}

#define TEAMS(first, second)                                                                                     \
    "<metadata><v:teaming xmlns:v='urn:virtteam:domain:1'><v:team persistent='ua-standby' emulated='yes' " first \
    "/><v:team persistent='ua-standby2' emulated='yes' " second "/></v:teaming></metadata><devices>"             \
    "<interface type='user'><mac address='52:54:00:00:00:01'/><model type='virtio'/>"                            \
    "<teaming type='persistent'/><alias name='ua-standby'/></interface>"                                         \
    "<interface type='user'><mac address='52:54:00:00:00:01'/><model type='vmxnet3'/>"                           \
    "<teaming type='transient' persistent='ua-standby'/><alias name='ua-primary'/></interface>"                  \
    "<interface type='user'><mac address='52:54:00:00:00:02'/><model type='virtio'/>"                            \
    "<teaming type='persistent'/><alias name='ua-standby2'/></interface>"                                        \
    "<interface type='user'><mac address='52:54:00:00:00:02'/><model type='vmxnet3'/>"                           \
    "<teaming type='transient' persistent='ua-standby2'/><alias name='ua-primary2'/></interface></devices>"
#define BOTH "[{\"name\":\"ua-primary\"},{\"name\":\"ua-primary2\"}]"

/* QEMU's team is none of this; the driver's leaves and comes back. */
static void
test_one_team_of_each(void)
{
    ManageTest test;
    FakeDone told = { 0 };
    g_autoptr(GError) error = NULL;

    managetest_open(&test, TEAMS("orchestration='management'", "orchestration='qemu'"));
    fake_guest_answer("qom-list", BOTH);
    vt_team_manage_unplug(test.domain, fake_done, &told);
    fake_settle();
    fake_guest_event(test.domain, GONE);
    fake_wait(&told.done);
    g_assert_no_error(told.error);
    managetest_commands("qom-list device_del");
    g_assert_true(vt_team_manage_is_away(test.domain, "ua-primary"));
    g_assert_false(vt_team_manage_is_away(test.domain, "ua-primary2"));
    fake_guest_answer("qom-list", "[{\"name\":\"ua-primary2\"}]");
    told = (FakeDone){ 0 };
    vt_team_manage_replug(test.domain, fake_done, &told);
    fake_wait(&told.done);
    g_assert_no_error(told.error);
    managetest_commands("qom-list device_add");
    managetest_close(&test);
}

/* The late one alone is named, whether the other has left (and comes back) or has no time limit. */
static void
test_one_team_is_late(void)
{
    static const struct {
        const char *xml;
        gboolean leaves; /* the second does */
    } rows[] = {
        { TEAMS("orchestration='management' unplug-timeout='1'",
                "orchestration='management' unplug-timeout='60'"),
          TRUE },
        { TEAMS("orchestration='management' unplug-timeout='1'",
                "orchestration='management' on-timeout='wait'"),
          FALSE },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        ManageTest test;
        FakeDone told = { 0 };

        managetest_open(&test, rows[i].xml);
        fake_guest_answer("qom-list", BOTH);
        vt_team_manage_unplug(test.domain, fake_done, &told);
        fake_settle();
        if (rows[i].leaves) {
            fake_guest_answer("qom-list", "[{\"name\":\"ua-primary\"}]");
            fake_guest_event(
                test.domain,
                "{\"event\":\"DEVICE_DELETED\",\"data\":{\"device\":\"ua-primary2\",\"path\":\"/x\"},"
                "\"timestamp\":{\"seconds\":1,\"microseconds\":2}}");
        }
        fake_wait(&told.done);
        g_assert_error(told.error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
        g_assert_nonnull(strstr(told.error->message, "'ua-primary' (team 'ua-standby')"));
        g_assert_null(strstr(told.error->message, "ua-primary2"));
        g_clear_error(&told.error);
        g_assert_false(vt_team_manage_is_away(test.domain, "ua-primary2"));
        managetest_commands(rows[i].leaves ? "qom-list device_del device_del qom-list device_add"
                                           : "qom-list device_del device_del qom-list");
        managetest_close(&test);
    }
}

/* What comes back while the guest stands still waits for it. */
static void
test_paused_guest_gets_it_later(void)
{
    ManageTest test;
    FakeDone told = { 0 };

    managetest_open(&test, TEAM("orchestration='management'"));
    managetest_unplug(&test);
    vt_lifecycle_suspend(test.host.driver, test.domain, fake_done, &told);
    fake_wait(&told.done);
    fake_guest_answer("qom-list", "[]");
    g_free(fake_guest_commands());
    told = (FakeDone){ 0 };
    vt_team_manage_replug(test.domain, fake_done, &told);
    g_assert_true(told.done);
    g_assert_no_error(told.error);
    fake_settle();
    managetest_commands("");
    told = (FakeDone){ 0 };
    vt_lifecycle_resume(test.host.driver, test.domain, fake_done, &told);
    fake_wait(&told.done);
    FAKE_UNTIL(!vt_team_manage_is_away(test.domain, "ua-primary"));
    fake_settle();
    g_assert_false(vt_team_manage_is_away(test.domain, "ua-primary"));
    managetest_close(&test);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* What is warned of here belongs to what is tested. */
    g_log_set_always_fatal(G_LOG_LEVEL_ERROR);
    vt_seq_set_fault_hook(managetest_fault);
    g_test_add_func("/driver/team-manage/unplug-and-replug", test_unplug_and_replug);
    g_test_add_func("/driver/team-manage/arrived-without-its-primary", test_arrived);
    g_test_add_func("/driver/team-manage/team-of-qemu-is-left-alone", test_team_of_qemu_is_left_alone);
    g_test_add_func("/driver/team-manage/deaf-guest", test_deaf_guest);
    g_test_add_func("/driver/team-manage/guest-refuses", test_guest_refuses);
    g_test_add_func("/driver/team-manage/cancel", test_cancel);
    g_test_add_func("/driver/team-manage/qemu-dies-meanwhile", test_qemu_dies_meanwhile);
    g_test_add_func("/driver/team-manage/each-step-fails", test_each_step_fails);
    g_test_add_func("/driver/team-manage/one-team-of-each", test_one_team_of_each);
    g_test_add_func("/driver/team-manage/one-team-is-late", test_one_team_is_late);
    g_test_add_func("/driver/team-manage/paused-guest-gets-it-later", test_paused_guest_gets_it_later);
    g_test_add_func("/driver/team-manage/detach-is-for-good", test_detach_is_for_good);
    return g_test_run();
}
