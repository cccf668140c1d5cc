/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Primaries that stop working while nobody migrates: the link of a tap, and a function of a sysfs tree of the test's own,
 * below a guest without a QEMU that lets go of what it is asked for. No time is measured: what has to last lasts an hour,
 * what has to pass passes at once.
 */
#include "driver/team-guard.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>
#include "conf/teaming.h"
#include "driver/datapath.h"
#include "driver/device-live.h"
#include "driver/hostdev.h"
#include "driver/job.h"
#include "driver/lifecycle.h"
#include "driver/recover.h"
#include "driver/store.h"
#include "driver/team-enforce.h"
#include "driver/team-info.h"
#include "driver/team-keep.h"
#include "driver/team-switch.h"
#include "lib/fake-guest.h"
#include "lib/fake-team.h"

#define TAP     "guardtap9"
#define VF      "0000:3b:10.1"
#define QEMUS   TEAM("orchestration='qemu'")
#define MANAGED TEAM("orchestration='management'")
#define STOP    "{\"event\":\"STOP\",\"timestamp\":{\"seconds\":1,\"microseconds\":2}}"
#define HOUR    3600000
#define LOOK_MS 50 /* more than fake_settle() waits for */

typedef struct {
    FakeHost host;
    VtDomain *domain;
    VtPciHost pci;
    guint down_ms;
    gboolean obeys; /* the guest lets go of its primary when asked */
    gboolean taken; /* and then it is gone from the host */
    GString *acts;  /* what QEMU was told, but for questions */
} GuardTest;

static gboolean link_runs;
static GString *logged;
static const char *fault_sequence, *fault_step;

static gboolean
guardtest_link_get(VtNetlink *netlink, const char *name, VtLinkInfo *info, GError **error)
{
    if (!g_str_equal(name, TAP))
        return vt_error_set(error, VT_ERROR_NO_DEVICE, "no '%s'", name);
    *info = (VtLinkInfo){ .index = 9, .name = TAP, .up = TRUE, .running = link_runs };
    return TRUE;
}

/* Once: the next try finds nothing in its way. */
static gboolean
guardtest_fault(const VtSeqTable *table, const VtStep *step, GError **error)
{
    if (g_strcmp0(fault_sequence, table->name) != 0 || g_strcmp0(fault_step, step->name) != 0)
        return TRUE;
    fault_sequence = NULL;
    return vt_error_set(error, VT_ERROR_OPERATION_FAILED, "injected at %s", step->name);
}

/* ---- a function of the host ---- */

static char *
guardtest_path(const GuardTest *test, const char *name)
{
    return g_build_filename(test->host.dir, "sys/bus/pci/devices", VF, name, NULL);
}

static void
guardtest_bind(const GuardTest *test, const char *driver)
{
    g_autofree char *link = guardtest_path(test, "driver");
    g_autofree char *target = g_strconcat("../../drivers/", driver, NULL);

    g_unlink(link);
    if (*driver)
        g_assert_cmpint(symlink(target, link), ==, 0);
}

static void
guardtest_make_function(const GuardTest *test, const char *driver)
{
    static const struct {
        const char *name, *text;
    } files[] = {
        { "vendor", "0x8086" }, { "device", "0x10ca" },    { "class", "0x020000" },
        { "numa_node", "-1" },  { "driver_override", "" }, { "config", "0123456789abcdef" },
    };
    g_autofree char *dir = guardtest_path(test, "");

    g_assert_cmpint(g_mkdir_with_parents(dir, 0700), ==, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = guardtest_path(test, files[i].name);

        g_assert_true(g_file_set_contents(path, files[i].text, -1, NULL));
    }
    guardtest_bind(test, driver);
}

static void
guardtest_remove_function(const GuardTest *test)
{
    g_autofree char *dir = guardtest_path(test, "");
    g_autoptr(GDir) list = g_dir_open(dir, 0, NULL);
    const char *name;

    while (list && (name = g_dir_read_name(list))) {
        g_autofree char *path = guardtest_path(test, name);

        g_unlink(path);
    }
    g_assert_cmpint(g_rmdir(dir), ==, 0);
}

/* ---- the guest ---- */

static void
guardtest_set_host(GuardTest *test)
{
    VtDriverConfig *config = test->host.driver->config;

    config->link_down_ms = test->down_ms;
    config->link_up_ms = 1;
    vt_hostdev_set_pci_host(test->host.driver, &test->pci);
}

static VtNetDef *
guardtest_transient(const GuardTest *test)
{
    return g_ptr_array_index(test->domain->live->nets, 1);
}

static void
guardtest_open(GuardTest *test, const char *team, guint down_ms)
{
    g_autofree char *xml = fake_guest_xml("web", UUID_A, team);
    g_autoptr(GError) error = NULL;
    FakeDone told = { 0 };

    *test = (GuardTest){ .down_ms = down_ms, .obeys = TRUE, .acts = g_string_new(NULL) };
    link_runs = TRUE;
    fake_host_open(&test->host);
    test->pci = (VtPciHost){ .root = g_build_filename(test->host.dir, "sys", NULL) };
    guardtest_set_host(test);
    fake_guest_answer("qom-list", THERE);
    test->domain = fake_define(test->host.driver, xml, 0, &error);
    g_assert_no_error(error);
    vt_lifecycle_create(test->host.driver, test->domain, 0, NULL, fake_done, &told);
    fake_wait(&told.done);
    g_assert_no_error(told.error);
    fake_settle();
    /* One that it did not have to make. */
    guardtest_transient(test)->type = VT_NET_ETHERNET;
    guardtest_transient(test)->target_dev = g_strdup(TAP);
    vt_team_guard_open(test->domain);
    vt_domain_status_changed(test->domain);
    fake_settle();
    g_free(fake_guest_commands());
    g_assert_cmpstr(vt_team_guard_interface(test->domain, "ua-standby"), ==, TAP);
}

/* From now on the primary is that function. */
static void
guardtest_give_function(GuardTest *test)
{
    VtNetDef *net = guardtest_transient(test);

    guardtest_make_function(test, VT_PCI_VFIO);
    net->type = VT_NET_HOSTDEV;
    net->has_host = TRUE;
    net->host = (VtHostPci){ .bus = 0x3b, .slot = 0x10, .function = 1 };
    net->managed = VT_TRISTATE_NO;
    g_clear_pointer(&net->target_dev, g_free);
    vt_team_guard_open(test->domain);
    g_assert_null(vt_team_guard_interface(test->domain, "ua-standby"));
}

static void
guardtest_close(GuardTest *test)
{
    FakeDone told = { 0 };

    fault_sequence = NULL;
    vt_lifecycle_destroy(test->host.driver, test->domain, 0, fake_done, &told);
    fake_wait(&told.done);
    g_assert_null(vt_team_guard_state(test->domain, "ua-standby"));
    fake_guest_answer(NULL, NULL);
    fake_guest_log(NULL);
    g_free((char *)test->pci.root);
    fake_host_close(&test->host);
    g_string_free(test->acts, TRUE);
}

/* Let things happen; the guest does what it is asked for. */
static void
guardtest_round(GuardTest *test)
{
    g_autofree char *commands = NULL;
    g_auto(GStrv) words = NULL;

    fake_settle();
    commands = fake_guest_commands();
    words = g_strsplit(commands, " ", -1);
    for (char **word = words; *word; word++) {
        if (!g_str_has_prefix(*word, "device_") && !g_str_equal(*word, "set_link") &&
            !g_str_equal(*word, "system_reset") && !g_str_equal(*word, "cont"))
            continue;
        g_string_append_printf(test->acts, "%s%s", test->acts->len ? " " : "", *word);
        if (g_str_equal(*word, "device_add")) {
            fake_guest_answer("qom-list", THERE);
        } else if (g_str_equal(*word, "device_del") && test->obeys) {
            fake_guest_answer("qom-list", "[]");
            if (test->taken)
                guardtest_remove_function(test);
            fake_guest_event(test->domain, GONE);
        }
    }
}

/* As long as several looks take. */
static void
guardtest_rest(GuardTest *test)
{
    fake_settle_for(3 * LOOK_MS);
    guardtest_round(test);
}

static void
guardtest_acts(GuardTest *test, const char *expected)
{
    g_assert_cmpstr(test->acts->str, ==, expected);
    g_string_truncate(test->acts, 0);
}

static gboolean
guardtest_is(const GuardTest *test, const char *state)
{
    return g_strcmp0(vt_team_guard_state(test->domain, "ua-standby"), state) == 0;
}

static void
guardtest_wait(GuardTest *test, const char *state)
{
    for (gint64 since = 0; !guardtest_is(test, state) && fake_go_on(&since);)
        guardtest_round(test);
    g_assert_cmpstr(vt_team_guard_state(test->domain, "ua-standby"), ==, state);
    guardtest_round(test);
}

static void
guardtest_wait_act(GuardTest *test, const char *act)
{
    for (gint64 since = 0; !strstr(test->acts->str, act) && fake_go_on(&since);)
        guardtest_round(test);
    g_assert_nonnull(strstr(test->acts->str, act));
}

static guint
guardtest_bits(const GuardTest *test)
{
    return vt_team_keep_get(test->domain, "ua-standby");
}

/* The kernel's notice. */
static void
guardtest_link(GuardTest *test, gboolean runs)
{
    const VtLinkInfo info = { .index = 9, .name = TAP, .up = TRUE, .running = runs };

    link_runs = runs;
    vt_team_guard_link_changed(test->host.driver, &info, FALSE);
}

static VtHandoverState
guardtest_handover(const GuardTest *test)
{
    VtDatapathInfo info;

    g_assert_cmpuint(vt_datapath_count(test->domain), ==, 1);
    vt_datapath_info(test->domain, 0, &info);
    return info.state;
}

/* The host has seen that the guest uses its primary. */
static void
guardtest_to_primary(GuardTest *test)
{
    vt_datapath_event(test->domain, NULL, VT_HANDOVER_PRIMARY_EXPECTED, NULL, NULL);
    vt_datapath_event(test->domain, NULL, VT_HANDOVER_PRIMARY_SPEAKS, NULL, NULL);
    g_assert_cmpint(guardtest_handover(test), ==, VT_HANDOVER_SETTLING);
}

static void
guardtest_restart(GuardTest *test)
{
    vt_team_switch_abandon(test->domain);
    vt_team_enforce_close(test->domain);
    vt_team_guard_close(test->domain);
    fake_host_crash(&test->host);
    guardtest_set_host(test);
    g_string_truncate(test->acts, 0);
    g_free(fake_guest_commands());
    vt_store_load(test->host.driver);
    vt_recover_run(test->host.driver);
    test->domain = vt_driver_lookup_name(test->host.driver, "web", NULL);
    g_assert_nonnull(test->domain);
    for (gint64 since = 0; !vt_team_guard_state(test->domain, "ua-standby") && fake_go_on(&since);)
        guardtest_round(test);
}

/* ---- a link ---- */

static void
test_link_lasts(gconstpointer team)
{
    GuardTest test;

    guardtest_open(&test, team, 1);
    guardtest_link(&test, FALSE);
    guardtest_wait(&test, "lost");
    guardtest_acts(&test, "set_link device_del");
    g_assert_cmpuint(guardtest_bits(&test), ==, VT_TEAM_KEEP_LOST);
    g_assert_cmpstr(vt_team_keep_why(test.domain, "ua-standby"), ==, "the link of '" TAP "' is down");
    guardtest_link(&test, TRUE);
    guardtest_wait(&test, "well");
    guardtest_acts(&test, "device_add");
    g_assert_cmpuint(guardtest_bits(&test), ==, 0);
    guardtest_close(&test);
}

/* What users are shown. */
static void
guardtest_active(GuardTest *test, const char *expected)
{
    g_autoptr(GPtrArray) teams = vt_team_info_list(test->domain);

    g_assert_cmpuint(teams->len, ==, 1);
    g_assert_cmpstr(((const VtTeamInfo *)g_ptr_array_index(teams, 0))->active, ==, expected);
}

static void
test_link_is_waited_for(void)
{
    GuardTest test;

    guardtest_open(&test, QEMUS, HOUR);
    guardtest_to_primary(&test);
    guardtest_link(&test, FALSE);
    g_assert_true(guardtest_is(&test, "suspect"));
    g_assert_cmpint(guardtest_handover(&test), ==, VT_HANDOVER_LOST);
    guardtest_active(&test, "lost");
    guardtest_link(&test, FALSE); /* said again, as the kernel does */
    guardtest_round(&test);
    guardtest_acts(&test, "set_link");
    guardtest_link(&test, TRUE);
    g_assert_true(guardtest_is(&test, "well"));
    g_assert_cmpint(guardtest_handover(&test), ==, VT_HANDOVER_SETTLING);
    guardtest_active(&test, "primary");
    guardtest_round(&test);
    guardtest_acts(&test, "set_link");
    g_assert_cmpuint(guardtest_bits(&test), ==, 0);
    guardtest_close(&test);
}

/* Whoever has taken the link down keeps it down, in QEMU too. */
static void
test_link_of_a_user(void)
{
    GuardTest test;

    guardtest_open(&test, QEMUS, HOUR);
    guardtest_transient(&test)->link = VT_LINK_DOWN;
    vt_team_guard_open(test.domain);
    guardtest_link(&test, FALSE);
    guardtest_link(&test, TRUE);
    guardtest_round(&test);
    guardtest_acts(&test, "");
    guardtest_close(&test);
}

static void
test_interface_is_gone(void)
{
    const VtLinkInfo info = { .index = 9, .name = TAP };
    GuardTest test;

    guardtest_open(&test, QEMUS, HOUR);
    link_runs = FALSE;
    vt_team_guard_link_changed(test.host.driver, NULL, FALSE); /* notices were lost */
    g_assert_true(guardtest_is(&test, "suspect"));
    link_runs = TRUE;
    vt_team_guard_link_changed(test.host.driver, NULL, FALSE);
    g_assert_true(guardtest_is(&test, "well"));
    vt_team_guard_link_changed(test.host.driver, &info, TRUE);
    g_assert_true(guardtest_is(&test, "suspect"));
    guardtest_close(&test);
}

static void
test_ignored(void)
{
    GuardTest test;

    guardtest_open(&test, TEAM("orchestration='qemu' on-link-loss='ignore'"), 1);
    guardtest_link(&test, FALSE);
    guardtest_rest(&test);
    g_assert_true(guardtest_is(&test, "well"));
    guardtest_acts(&test, "");
    guardtest_close(&test);
}

/* ---- what fails is tried again ---- */

static void
test_guest_is_deaf(void)
{
    GuardTest test;

    vt_team_guard_host.retry_ms = HOUR;
    guardtest_open(&test, TEAM("orchestration='qemu' unplug-timeout='1'"), 1);
    guardtest_to_primary(&test);
    test.obeys = FALSE;
    guardtest_link(&test, FALSE);
    guardtest_wait(&test, "stuck");
    g_assert_cmpint(guardtest_handover(&test), ==, VT_HANDOVER_LOST);
    g_assert_cmpuint(guardtest_bits(&test), ==, VT_TEAM_KEEP_ASKED);
    guardtest_link(&test, TRUE);
    g_assert_true(guardtest_is(&test, "well"));
    g_assert_cmpint(guardtest_handover(&test), ==, VT_HANDOVER_SETTLING);
    vt_team_guard_host.retry_ms = 1;
    guardtest_close(&test);
}

static void
test_deaf_guest_is_asked_again(void)
{
    GuardTest test;

    guardtest_open(&test, TEAM("orchestration='qemu' unplug-timeout='1'"), 1);
    test.obeys = FALSE;
    guardtest_link(&test, FALSE);
    guardtest_wait_act(&test, "set_link device_del device_del set_link");
    test.obeys = TRUE;
    guardtest_wait(&test, "lost");
    guardtest_link(&test, TRUE);
    guardtest_wait(&test, "well");
    guardtest_close(&test);
}

static void
test_each_step_fails_once(void)
{
    const VtSeqTable *tables[] = { vt_team_switch_standby_table(), vt_team_switch_primary_table() };

    for (gsize t = 0; t < G_N_ELEMENTS(tables); t++)
        for (gsize i = 0; i < tables[t]->n_steps; i++) {
            GuardTest test;

            g_test_message("%s: %s", tables[t]->name, tables[t]->steps[i].name);
            guardtest_open(&test, QEMUS, 1);
            fault_sequence = tables[t]->name;
            fault_step = tables[t]->steps[i].name;
            guardtest_link(&test, FALSE);
            guardtest_wait(&test, "lost");
            guardtest_link(&test, TRUE);
            guardtest_wait(&test, "well");
            g_assert_null(fault_sequence);
            g_assert_cmpuint(guardtest_bits(&test), ==, 0);
            g_assert_cmpint(vt_job_kind(test.domain), ==, VT_JOB_NONE);
            guardtest_close(&test);
        }
}

/* ---- a daemon that ends in the middle, and the one after it ---- */

static void
test_restarts(void)
{
    static const struct {
        const char *at; /* when the daemon ends */
        gboolean heals; /* before the next one begins */
        const char *then;
    } rows[] = {
        { "suspect", FALSE, "suspect" }, { "suspect", TRUE, "well" }, { "leaving", FALSE, "lost" },
        { "leaving", TRUE, "well" },     { "lost", FALSE, "lost" },   { "lost", TRUE, "well" },
        { "returning", TRUE, "well" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        gboolean waits = g_str_equal(rows[i].at, "suspect"), leaves = g_str_equal(rows[i].at, "leaving");
        GuardTest test;

        g_test_message("%s, %s", rows[i].at, rows[i].heals ? "healed" : "not healed");
        guardtest_open(&test, QEMUS, waits ? HOUR : 1);
        test.obeys = !leaves;
        guardtest_link(&test, FALSE);
        if (leaves)
            guardtest_wait_act(&test, "device_del");
        else
            guardtest_wait(&test, waits ? "suspect" : "lost");
        if (g_str_equal(rows[i].at, "returning")) {
            fake_guest_mute("device_add");
            guardtest_link(&test, TRUE);
            guardtest_wait_act(&test, "device_add");
            fake_guest_answer("qom-list", "[]");
        }
        g_assert_true(guardtest_is(&test, rows[i].at));
        link_runs = rows[i].heals;
        test.obeys = TRUE;
        fake_guest_mute(NULL);
        guardtest_restart(&test);
        guardtest_wait(&test, rows[i].then);
        if (g_str_equal(rows[i].then, "well"))
            for (gint64 since = 0; guardtest_bits(&test) && fake_go_on(&since);)
                guardtest_round(&test);
        g_assert_cmpuint(guardtest_bits(&test) & VT_TEAM_KEEP_REASONS, ==,
                         g_str_equal(rows[i].then, "lost") ? VT_TEAM_KEEP_LOST : 0);
        guardtest_close(&test);
    }
}

/* ---- a function of the host ---- */

/* The kernel asks QEMU for it, which asks the guest; the guard sees that it is on its way. */
static void
test_function_is_taken(gconstpointer team)
{
    GuardTest test;

    guardtest_open(&test, team, HOUR);
    guardtest_give_function(&test);
    test.taken = TRUE;
    guardtest_bind(&test, "");
    guardtest_wait(&test, "lost");
    guardtest_acts(&test, "device_del");
    g_assert_cmpstr(vt_team_keep_why(test.domain, "ua-standby"), ==,
                    "the host has taken PCI device " VF " from vfio-pci");
    guardtest_rest(&test);
    g_assert_true(guardtest_is(&test, "lost"));
    guardtest_acts(&test, "");
    guardtest_make_function(&test, VT_PCI_VFIO);
    guardtest_wait(&test, "well");
    guardtest_acts(&test, "device_add");
    g_assert_cmpuint(guardtest_bits(&test), ==, 0);
    guardtest_close(&test);
}

/* The guest was faster than any look. Nobody may plug again what is not there, whoever conducts the team. */
static void
test_function_is_gone(gconstpointer team)
{
    GuardTest test;

    vt_team_guard_host.look_ms = HOUR;
    guardtest_open(&test, team, HOUR);
    guardtest_give_function(&test);
    guardtest_remove_function(&test);
    fake_guest_answer("qom-list", "[]");
    fake_guest_event(test.domain, GONE);
    guardtest_wait(&test, "lost");
    g_assert_cmpuint(test.domain->live->nets->len, ==, 2);
    g_assert_cmpstr(vt_team_keep_why(test.domain, "ua-standby"), ==,
                    "the host has no PCI device " VF " any more");
    guardtest_rest(&test);
    guardtest_acts(&test, "");
    vt_team_guard_host.look_ms = LOOK_MS;
    guardtest_close(&test);
}

/* Detached, for good: what the host does with it is no business of the team any more. */
static void
test_function_of_nobody(void)
{
    GuardTest test;

    guardtest_open(&test, QEMUS, HOUR);
    guardtest_give_function(&test);
    g_assert_false(vt_team_guard_taken(test.domain, "ua-standby"));
    g_assert_false(vt_team_guard_gone(test.domain, "nobody"));
    g_assert_false(vt_team_guard_taken(test.domain, "ua-primary")); /* it is there */
    vt_team_keep_add(test.domain, "ua-standby", VT_TEAM_KEEP_USER, NULL);
    guardtest_bind(&test, "igbvf");
    guardtest_rest(&test);
    g_assert_true(guardtest_is(&test, "well")); /* whoever wants it on standby may use the VF meanwhile */
    vt_team_keep_remove(test.domain, "ua-standby", VT_TEAM_KEEP_USER);
    guardtest_wait(&test, "well");
    guardtest_close(&test);
}

/* What is logged is printed, and kept. */
static GLogWriterOutput
guardtest_log(GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user)
{
    for (gsize i = 0; i < n_fields; i++)
        if (g_str_equal(fields[i].key, "MESSAGE") && level == G_LOG_LEVEL_CRITICAL)
            g_string_append(user, fields[i].value);
    return g_log_writer_default(level, fields, n_fields, NULL);
}

/* QEMU tells no reason: its log does. */
static void
test_device_error(void)
{
    static const struct {
        const char *status, *log, *said;
    } rows[] = {
        { "{\"status\":\"paused\",\"running\":false}", "", "" },
        { "{\"status\":\"internal-error\",\"running\":false}",
          "vfio_err_notifier_handler(" VF ") Unrecoverable error detected.",
          "an error of 'ua-primary' (team 'ua-standby', PCI device " VF ")" },
        { "{\"status\":\"internal-error\",\"running\":false}", "KVM: entry failed", "an error of a device," },
    };
    GuardTest test;

    guardtest_open(&test, QEMUS, HOUR);
    guardtest_give_function(&test);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_string_truncate(logged, 0);
        fake_guest_log(rows[i].log);
        fake_guest_answer("query-status", rows[i].status);
        fake_guest_event(test.domain, STOP);
        if (*rows[i].said)
            FAKE_UNTIL(logged->len > 0);
        guardtest_rest(&test);
        g_assert_nonnull(strstr(logged->str, rows[i].said));
        g_assert_true(*rows[i].said || !logged->len);
        guardtest_round(&test);
        guardtest_acts(&test, "");
    }
    guardtest_close(&test);
}

/* Whoever wants a guest that has crashed to boot again gets that. */
static void
test_device_error_restarts(void)
{
    GuardTest test;

    guardtest_open(&test, "<on_crash>restart</on_crash>" QEMUS, HOUR);
    guardtest_give_function(&test);
    fake_guest_stop_cpus(test.domain);
    fake_guest_answer("query-status", "{\"status\":\"internal-error\",\"running\":false}");
    fake_guest_event(test.domain, STOP);
    guardtest_wait_act(&test, "cont");
    guardtest_acts(&test, "system_reset cont");
    guardtest_round(&test);
    g_assert_cmpint(vt_domain_state(test.domain, NULL), ==, VT_DOMAIN_RUNNING);
    guardtest_close(&test);
}

int
main(int argc, char **argv)
{
    int status;

    logged = g_string_new(NULL);
    g_log_set_writer_func(guardtest_log, logged, NULL);
    g_test_init(&argc, &argv, NULL);
    /* What is warned of here belongs to what is tested. */
    g_log_set_always_fatal(G_LOG_LEVEL_ERROR);
    vt_seq_set_fault_hook(guardtest_fault);
    vt_team_guard_host =
        (VtTeamGuardHost){ .link_get = guardtest_link_get, .look_ms = LOOK_MS, .retry_ms = 1 };
    g_test_add_data_func("/driver/team-guard/link-lasts", QEMUS, test_link_lasts);
    g_test_add_data_func("/driver/team-guard/link-lasts-managed", MANAGED, test_link_lasts);
    g_test_add_func("/driver/team-guard/link-is-waited-for", test_link_is_waited_for);
    g_test_add_func("/driver/team-guard/link-of-a-user", test_link_of_a_user);
    g_test_add_func("/driver/team-guard/interface-is-gone", test_interface_is_gone);
    g_test_add_func("/driver/team-guard/ignored", test_ignored);
    g_test_add_func("/driver/team-guard/guest-is-deaf", test_guest_is_deaf);
    g_test_add_func("/driver/team-guard/deaf-guest-is-asked-again", test_deaf_guest_is_asked_again);
    g_test_add_func("/driver/team-guard/each-step-fails-once", test_each_step_fails_once);
    g_test_add_func("/driver/team-guard/restarts", test_restarts);
    g_test_add_data_func("/driver/team-guard/function-is-taken", QEMUS, test_function_is_taken);
    g_test_add_data_func("/driver/team-guard/function-is-taken-managed", MANAGED, test_function_is_taken);
    g_test_add_data_func("/driver/team-guard/function-is-gone", QEMUS, test_function_is_gone);
    g_test_add_data_func("/driver/team-guard/function-is-gone-managed", MANAGED, test_function_is_gone);
    g_test_add_func("/driver/team-guard/function-of-nobody", test_function_of_nobody);
    g_test_add_func("/driver/team-guard/device-error", test_device_error);
    g_test_add_func("/driver/team-guard/device-error-restarts", test_device_error_restarts);
    status = g_test_run();
    g_string_free(logged, TRUE);
    return status;
}
