/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Teams of QEMU that do not go as QEMU means them to: guests that do not negotiate, primaries that get lost.
 */
#include "driver/team-watch.h"

#include <string.h>
#include "conf/teaming.h"
#include "driver/domain-list.h"
#include "driver/lifecycle.h"
#include "driver/query.h"
#include "driver/recover.h"
#include "driver/store.h"
#include "driver/team-manage.h"
#include "driver/team-state.h"
#include "driver/team-wait.h"
#include "lib/fake-guest.h"
#include "lib/fake-team.h"

#define ASKED    EVENT("UNPLUG_PRIMARY", "{\"device-id\":\"ua-primary\"}")
#define PHASE(s) EVENT("MIGRATION", "{\"status\":\"" s "\"}")

#define NO_DRIVER "{\"guest-features\":{\"dev-features\":[]},\"status\":{\"statuses\":[]}}"
#define PLAIN                                                                                                \
    "{\"guest-features\":{\"dev-features\":[\"VIRTIO_NET_F_MAC: x\"]},\"status\":{\"statuses\":["            \
    "\"VIRTIO_CONFIG_S_DRIVER_OK: x\"]}}"
#define FAILOVER                                                                                             \
    "{\"guest-features\":{\"dev-features\":[\"VIRTIO_NET_F_STANDBY: x\"]},\"status\":{\"statuses\":["        \
    "\"VIRTIO_CONFIG_S_DRIVER_OK: x\"]}}"

#define HOUR_MS 3600000

static const VtTeamWatchTimes usual_times = { .tick_ms = 40, .no_ms = 100, .none_ms = 300 };

typedef struct {
    FakeHost host;
    VtDomain *domain;
} WatchTest;

static void
watchtest_open(WatchTest *test, const char *team, const char *virtio, const char *devices)
{
    g_autofree char *xml = fake_guest_xml("web", UUID_A, team);
    g_autoptr(GError) error = NULL;
    FakeDone told = { 0 };

    fake_host_open(&test->host);
    fake_guest_answer("x-query-virtio-status", virtio);
    fake_guest_answer("qom-list", devices);
    test->domain = fake_define(test->host.driver, xml, 0, &error);
    g_assert_no_error(error);
    vt_lifecycle_create(test->host.driver, test->domain, 0, NULL, fake_done, &told);
    fake_wait(&told.done);
    g_assert_no_error(told.error);
}

static void
watchtest_close(WatchTest *test)
{
    FakeDone told = { 0 };

    if (vt_domain_is_active(test->domain)) {
        vt_lifecycle_destroy(test->host.driver, test->domain, 0, fake_done, &told);
        fake_wait(&told.done);
    }
    fake_guest_answer(NULL, NULL);
    fake_host_close(&test->host);
}

static gboolean
watchtest_told_to_plug(void)
{
    g_autofree char *commands = fake_guest_commands();

    return strstr(commands, "device_add") != NULL;
}

/* For as long as so many times 30 ms. */
static gboolean
watchtest_plugs(guint settles)
{
    gboolean plugs = FALSE;

    for (guint i = 0; i < settles && !plugs; i++) {
        fake_settle_for(30);
        plugs = watchtest_told_to_plug();
    }
    return plugs;
}

static void
watchtest_wait_plug(void)
{
    FAKE_UNTIL(watchtest_told_to_plug());
    fake_settle();
}

static void
watchtest_expect(gboolean plug, guint settles)
{
    if (plug)
        watchtest_wait_plug();
    else
        g_assert_false(watchtest_plugs(settles));
}

static VtOrchestration
watchtest_orchestration(const WatchTest *test)
{
    const VtDomainDef *def = vt_domain_def(test->domain);

    return ((const VtTeamPolicy *)g_ptr_array_index(def->team_policies, 0))->orchestration;
}

static void
test_who_conducts(void)
{
    static const struct {
        const char *policy, *virtio, *devices;
        gboolean plugs;
        VtOrchestration becomes;
    } rows[] = {
        { TEAM("orchestration='auto'"), PLAIN, "[]", TRUE, VT_ORCHESTRATION_MANAGEMENT },
        { TEAM("orchestration='auto'"), NO_DRIVER, "[]", TRUE, VT_ORCHESTRATION_MANAGEMENT },
        { TEAM("orchestration='auto'"), FAILOVER, "[{\"name\":\"ua-primary\"}]", FALSE,
          VT_ORCHESTRATION_AUTO },
        { TEAM("orchestration='qemu'"), PLAIN, "[]", FALSE, VT_ORCHESTRATION_QEMU },
        { TEAM("orchestration='qemu'"), NO_DRIVER, "[]", FALSE, VT_ORCHESTRATION_QEMU },
        { TEAM(""), PLAIN, "[]", TRUE, VT_ORCHESTRATION_MANAGEMENT },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        WatchTest test;

        watchtest_open(&test, rows[i].policy, rows[i].virtio, rows[i].devices);
        watchtest_expect(rows[i].plugs, 15);
        g_assert_cmpint(watchtest_orchestration(&test), ==, rows[i].becomes);
        watchtest_close(&test);
    }
}

/* Who conducts was found out; a client that sets something else leaves it so, and cannot say otherwise. */
static void
test_set_metadata_keeps_who_conducts(void)
{
    static const struct {
        const char *orchestration;
        gboolean accepted;
    } rows[] = {
        { "", TRUE },
        { "orchestration='auto'", TRUE },
        { "orchestration='management'", TRUE },
        { "orchestration='qemu'", FALSE },
    };
    WatchTest test;

    watchtest_open(&test, TEAM("orchestration='auto'"), PLAIN, "[]");
    watchtest_wait_plug();
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *xml = g_strdup_printf(
            "<teaming><team persistent='ua-standby' emulated='yes' unplug-timeout='%u' %s/></teaming>",
            (guint)i + 7, rows[i].orchestration);
        g_autoptr(GError) error = NULL;

        g_assert_cmpint(fake_set_metadata(test.host.driver, test.domain,
                                          &(VtMetadataChange){ 2, xml, VT_TEAMING_PREFIX, VT_TEAMING_URI, 1 },
                                          &error),
                        ==, rows[i].accepted);
        g_assert_true((error == NULL) == rows[i].accepted);
        g_assert_cmpint(watchtest_orchestration(&test), ==, VT_ORCHESTRATION_MANAGEMENT);
    }
    watchtest_close(&test);
}

/* A firmware that boots from the network has a driver too, and the system's comes later. */
static void
test_a_driver_that_is_only_the_firmwares(void)
{
    guint limit_ms = 200;
    gint64 began;

    /* The system has to come within the limit: where this machine is too slow for that, again with a longer one. */
    do {
        WatchTest test;
        guint settles;

        limit_ms *= 2;
        vt_team_watch_times.no_ms = vt_team_watch_times.none_ms = limit_ms;
        began = g_get_monotonic_time();
        watchtest_open(&test, TEAM("orchestration='auto'"), PLAIN, "[]");
        fake_settle_for(120);
        fake_guest_answer("x-query-virtio-status", FAILOVER);
        fake_guest_answer("qom-list", "[{\"name\":\"ua-primary\"}]");
        fake_guest_event(test.domain, NEGOTIATED);
        fake_settle();
        settles = g_get_monotonic_time() - began < (gint64)limit_ms * 1000 ? limit_ms / 20 : 0;
        if (settles) {
            g_assert_false(watchtest_plugs(settles));
            g_assert_cmpint(watchtest_orchestration(&test), ==, VT_ORCHESTRATION_AUTO);
        }
        watchtest_close(&test);
        if (settles)
            break;
    } while (limit_ms < 60000);
    g_assert_cmpuint(limit_ms, <, 60000);
    vt_team_watch_times = usual_times;
}

/* QEMU says that it plugs it, and it does not come: once it can, the driver has plugged it. */
static void
test_qemu_cannot_plug(void)
{
    WatchTest test;
    const VtQemuTeam *team = NULL;

    watchtest_open(&test, TEAM("orchestration='qemu'"), FAILOVER, "[]");
    fake_guest_refuse("device_add", "GenericError");
    fake_guest_event(test.domain, NEGOTIATED);
    watchtest_wait_plug();
    fake_settle();
    fake_guest_refuse(NULL, NULL);
    watchtest_wait_plug();
    fake_guest_answer("qom-list", "[{\"name\":\"ua-primary\"}]");
    team = vt_qemu_teaming_get(vt_team_state_teaming(test.domain), 0);
    FAKE_UNTIL(team->primary == VT_QEMU_PRIMARY_PLUGGED);
    fake_settle();
    team = vt_qemu_teaming_get(vt_team_state_teaming(test.domain), 0);
    g_assert_cmpint(team->primary, ==, VT_QEMU_PRIMARY_PLUGGED);
    g_assert_true(team->by_qemu);
    watchtest_close(&test);
}

/* A guest that lets go after the migration was given up has its device removed by QEMU: it gets it back. */
static void
test_late_eject(void)
{
    static const struct {
        const char *last; /* of the migration's phases; NULL: none */
        gboolean detaches, back;
    } rows[] = {
        { PHASE("cancelled"), FALSE, TRUE },
        { PHASE("active"), FALSE, FALSE }, /* it has let go in time: this is another one's doing */
        { NULL, FALSE, FALSE },
        { PHASE("cancelled"), TRUE, FALSE },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        WatchTest test;

        watchtest_open(&test, TEAM("orchestration='qemu'"), FAILOVER, "[{\"name\":\"ua-primary\"}]");
        fake_guest_event(test.domain, NEGOTIATED);
        fake_settle();
        if (rows[i].last) {
            fake_guest_event(test.domain, PHASE("setup"));
            fake_guest_event(test.domain, ASKED);
            fake_guest_event(test.domain, PHASE("wait-unplug"));
            fake_guest_event(test.domain, rows[i].last);
        }
        if (rows[i].detaches)
            vt_team_manage_forget(test.domain, "ua-primary");
        fake_settle();
        fake_guest_answer("qom-list", "[]");
        fake_guest_event(test.domain, GONE);
        watchtest_expect(rows[i].back, 40);
        g_assert_cmpuint(vt_domain_def(test.domain)->nets->len, ==, rows[i].back ? 2u : 1u);
        watchtest_close(&test);
    }
}

/* Its primary is plugged, and then another system boots, which has no use for STANDBY: QEMU would not wait for it. */
static void
test_another_system_boots(void)
{
    static const struct {
        const char *policy, *virtio;
        VtOrchestration becomes;
    } rows[] = {
        { TEAM("orchestration='auto'"), PLAIN, VT_ORCHESTRATION_MANAGEMENT },
        { TEAM("orchestration='auto'"), NO_DRIVER, VT_ORCHESTRATION_MANAGEMENT },
        { TEAM("orchestration='auto'"), FAILOVER, VT_ORCHESTRATION_AUTO },
        { TEAM("orchestration='qemu'"), PLAIN, VT_ORCHESTRATION_QEMU },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        WatchTest test;

        watchtest_open(&test, rows[i].policy, FAILOVER, "[{\"name\":\"ua-primary\"}]");
        fake_guest_event(test.domain, NEGOTIATED);
        fake_settle_for(150);
        fake_guest_answer("x-query-virtio-status", rows[i].virtio);
        fake_guest_event(test.domain, EVENT("RESET", "{\"guest\":true,\"reason\":\"guest-reset\"}"));
        g_assert_false(watchtest_plugs(20)); /* it is there */
        FAKE_UNTIL(watchtest_orchestration(&test) == rows[i].becomes);
        watchtest_close(&test);
    }
}

/* The daemon dies before it has plugged what QEMU has lost: the next one does. */
static void
test_lost_over_a_restart(void)
{
    WatchTest test;

    vt_team_watch_times.tick_ms = HOUR_MS; /* it never looks */
    watchtest_open(&test, TEAM("orchestration='qemu'"), FAILOVER, "[{\"name\":\"ua-primary\"}]");
    fake_guest_event(test.domain, NEGOTIATED);
    fake_settle();
    fake_guest_event(test.domain, PHASE("setup"));
    fake_guest_event(test.domain, ASKED);
    fake_guest_event(test.domain, PHASE("cancelled"));
    fake_settle();
    fake_guest_answer("qom-list", "[]");
    fake_guest_event(test.domain, GONE);
    fake_settle();
    fake_host_crash(&test.host);
    vt_team_watch_times = usual_times;
    g_free(fake_guest_commands());
    vt_store_load(test.host.driver);
    vt_recover_run(test.host.driver);
    watchtest_wait_plug();
    test.domain = vt_driver_lookup_name(test.host.driver, "web", NULL);
    g_assert_cmpuint(vt_domain_def(test.domain)->nets->len, ==, 2);
    watchtest_close(&test);
}

static guint waits_told;

static GLogWriterOutput
watchtest_log(GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user)
{
    for (gsize i = 0; i < n_fields; i++)
        if (g_str_equal(fields[i].key, "MESSAGE") && strstr(fields[i].value, "waited for"))
            waits_told++;
    return G_LOG_WRITER_HANDLED;
}

static void
test_wait_is_told(void)
{
    VtTeamWait *wait = vt_team_wait_new("web", "'ua-vf' (team 'ua-net')", 20);

    waits_told = 0;
    FAKE_UNTIL(waits_told >= 2);
    vt_team_wait_free(wait);
    waits_told = 0;
    fake_settle();
    g_assert_cmpuint(waits_told, ==, 0);
    vt_team_wait_free(NULL);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_LEVEL_ERROR);
    g_log_set_writer_func(watchtest_log, NULL, NULL);
    vt_team_watch_times = usual_times;
    g_test_add_func("/driver/team-watch/who-conducts", test_who_conducts);
    g_test_add_func("/driver/team-watch/a-driver-that-is-only-the-firmwares",
                    test_a_driver_that_is_only_the_firmwares);
    g_test_add_func("/driver/team-watch/qemu-cannot-plug", test_qemu_cannot_plug);
    g_test_add_func("/driver/team-watch/late-eject", test_late_eject);
    g_test_add_func("/driver/team-watch/another-system-boots", test_another_system_boots);
    g_test_add_func("/driver/team-watch/set-metadata-keeps-who-conducts",
                    test_set_metadata_keeps_who_conducts);
    g_test_add_func("/driver/team-watch/lost-over-a-restart", test_lost_over_a_restart);
    g_test_add_func("/driver/team-watch/wait-is-told", test_wait_is_told);
    return g_test_run();
}
