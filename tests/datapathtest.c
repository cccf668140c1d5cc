/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The driver's datapath on a real bridge with real taps, in a network namespace of this process' own: what QEMU
 * says goes in, what the bridge has comes out, also when the daemon dies in between.
 */
#include "driver/datapath.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>
#include "datapath/fdb.h"
#include "driver/domain-private.h"
#include "util/file.h"
#include "util/link.h"
#include "util/tap.h"

#include "lib/make-link.h"

#define DATAPATHTEST_TEAM "ua-standby"

typedef struct {
    VtDriver driver;
    VtDriverConfig config;
    VtDomain domain;
    VtNetlink *netlink;
    char *dir;
    int taps[2];
    char names[2][IF_NAMESIZE];
    gboolean told;
    GError *error;
} Fixture;

static const VtMac datapathtest_mac = { { 0x52, 0x54, 0, 0x77, 0, 2 } };

static VtNetDef *
datapathtest_net(Fixture *fixture, guint leg)
{
    VtNetDef *net = g_new0(VtNetDef, 1);

    net->type = VT_NET_BRIDGE;
    net->mac = datapathtest_mac;
    net->has_mac = TRUE;
    net->bridge = g_strdup("vtbr0");
    net->model = g_strdup(leg == VT_LEG_STANDBY ? "virtio" : "vmxnet3");
    net->target_dev = g_strdup(fixture->names[leg]);
    net->info.alias = g_strdup(leg == VT_LEG_STANDBY ? DATAPATHTEST_TEAM : "ua-primary");
    net->teaming.type = leg == VT_LEG_STANDBY ? VT_TEAMING_PERSISTENT : VT_TEAMING_TRANSIENT;
    net->teaming.persistent = leg == VT_LEG_STANDBY ? NULL : g_strdup(DATAPATHTEST_TEAM);
    return net;
}

static void
datapathtest_set_up(Fixture *fixture, gconstpointer user)
{
    const VtTapSpec spec = { .vnet_hdr = FALSE };
    g_autoptr(GError) error = NULL;

    fixture->netlink = vt_netlink_new(&error);
    g_assert_no_error(error);
    fixture->dir = g_dir_make_tmp("vt-datapath-XXXXXX", &error);
    g_assert_no_error(error);
    make_link(fixture->netlink, "vtbr0", "bridge");
    g_assert_true(vt_link_set_up(fixture->netlink, "vtbr0", TRUE, NULL));
    fixture->config.state_dir = fixture->dir;
    fixture->driver.config = &fixture->config;
    vt_domain_list_init(&fixture->driver);
    fixture->domain = (VtDomain){ .refs = 1,
                                  .driver = &fixture->driver,
                                  .name = (char *)"web",
                                  .uuid = { { 1 } },
                                  .id = 1,
                                  .state = VT_DOMAIN_RUNNING };
    fixture->domain.live = vt_domain_def_new();
    fixture->domain.listeners = g_ptr_array_new_with_free_func(g_free);
    g_datalist_init(&fixture->domain.data);
    for (guint leg = 0; leg < VT_LEG_COUNT; leg++) {
        fixture->taps[leg] = -1;
        g_assert_true(vt_tap_open(&spec, fixture->names[leg], &fixture->taps[leg], &error));
        g_assert_true(vt_link_set_master(fixture->netlink, fixture->names[leg], "vtbr0", &error));
        g_assert_true(vt_link_set_up(fixture->netlink, fixture->names[leg], TRUE, &error));
        g_ptr_array_add(fixture->domain.live->nets, datapathtest_net(fixture, leg));
    }
    g_assert_true(vt_domain_list_insert(&fixture->driver, &fixture->domain));
}

static void
datapathtest_tear_down(Fixture *fixture, gconstpointer user)
{
    for (guint leg = 0; leg < VT_LEG_COUNT; leg++)
        if (fixture->taps[leg] >= 0)
            close(fixture->taps[leg]);
    g_assert_true(vt_link_delete(fixture->netlink, "vtbr0", NULL));
    vt_netlink_free(fixture->netlink);
    g_datalist_clear(&fixture->domain.data);
    g_clear_pointer(&fixture->domain.live, vt_domain_def_free);
    g_ptr_array_unref(fixture->domain.listeners);
    fixture->domain.refs = 2; /* it is not the heap's: the list must not free it */
    vt_domain_list_clear(&fixture->driver);
    g_clear_error(&fixture->error);
    vt_file_flush_async();
    g_assert_cmpint(rmdir(fixture->dir), ==, 0); /* and nothing is left on the disk */
    g_free(fixture->dir);
}

static void
datapathtest_done(gpointer user, const GError *error)
{
    Fixture *fixture = user;

    fixture->told = TRUE;
    g_clear_error(&fixture->error);
    if (error)
        fixture->error = g_error_copy(error);
}

static void
datapathtest_wait(Fixture *fixture)
{
    while (!fixture->told)
        g_main_context_iteration(NULL, TRUE);
    fixture->told = FALSE;
}

static void
datapathtest_settle(Fixture *fixture, VtHandoverState state, VtFeed feed)
{
    gint64 deadline = g_get_monotonic_time() + 120 * G_USEC_PER_SEC;
    VtDatapathInfo info;

    for (;;) {
        g_assert_cmpuint(vt_datapath_count(&fixture->domain), ==, 1);
        vt_datapath_info(&fixture->domain, 0, &info);
        if (info.state == state && info.feed == feed)
            break;
        if (g_get_monotonic_time() > deadline)
            g_error("state %s feed %s", vt_handover_state_name(info.state), vt_feed_name(info.feed));
        g_usleep(1000);
        g_main_context_iteration(NULL, FALSE);
    }
    g_assert_null(info.error);
}

static void
datapathtest_qmp(Fixture *fixture, const char *name, const char *member, const char *value)
{
    VtQmpEvent event = { .name = (char *)name, .data = json_object_new() };

    if (member)
        json_object_set_string_member(event.data, member, value);
    vt_domain_tell_event(&fixture->domain, &event);
    json_object_unref(event.data);
}

/* The leg to which the bridge sends the guest's frames for certain; VT_LEG_COUNT: none. */
static VtLeg
datapathtest_pinned(Fixture *fixture)
{
    for (guint leg = 0; leg < VT_LEG_COUNT; leg++) {
        g_autoptr(GArray) entries = NULL;
        g_autoptr(GError) error = NULL;
        VtLinkInfo info;

        if (!vt_link_get(fixture->netlink, fixture->names[leg], &info, NULL))
            continue;
        entries = vt_fdb_list(fixture->netlink, info.master, info.index, &datapathtest_mac, &error);
        g_assert_no_error(error);
        if (entries->len)
            return (VtLeg)leg;
    }
    return VT_LEG_COUNT;
}

static void
datapathtest_expect_untouched(Fixture *fixture)
{
    g_assert_cmpint(datapathtest_pinned(fixture), ==, VT_LEG_COUNT);
    for (guint leg = 0; leg < VT_LEG_COUNT; leg++) {
        VtLinkInfo info;

        g_assert_true(vt_link_get(fixture->netlink, fixture->names[leg], &info, NULL));
        g_assert_cmpuint(info.port.learning, ==, 1);
        g_assert_cmpuint(info.port.flood, ==, 1);
        g_assert_cmpuint(info.port.bcast_flood, ==, 1);
        g_assert_cmpuint(info.tx_queue_length, ==, 1000);
    }
}

/* A frame of the guest, as if its driver had sent it over a leg. */
static void
datapathtest_speak(Fixture *fixture, VtLeg leg)
{
    guint8 frame[64] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0, 0x77, 0, 2, 0x88, 0xb5 };

    g_assert_cmpint(write(fixture->taps[leg], frame, sizeof frame), ==, sizeof frame);
}

static void
datapathtest_open(Fixture *fixture, gboolean incoming)
{
    vt_datapath_open(&fixture->driver, &fixture->domain, incoming, datapathtest_done, fixture);
    datapathtest_wait(fixture);
}

static void
datapathtest_to_primary(Fixture *fixture)
{
    datapathtest_open(fixture, FALSE);
    datapathtest_settle(fixture, VT_HANDOVER_STANDBY, VT_FEED_STANDBY);
    datapathtest_qmp(fixture, "FAILOVER_NEGOTIATED", "device-id", DATAPATHTEST_TEAM);
    datapathtest_settle(fixture, VT_HANDOVER_ARRIVING, VT_FEED_STANDBY_COPIED);
    g_assert_cmpint(datapathtest_pinned(fixture), ==, VT_LEG_STANDBY);
    datapathtest_speak(fixture, VT_LEG_PRIMARY);
    datapathtest_settle(fixture, VT_HANDOVER_PRIMARY, VT_FEED_PRIMARY);
    g_assert_cmpint(datapathtest_pinned(fixture), ==, VT_LEG_PRIMARY);
}

static void
datapathtest_close(Fixture *fixture)
{
    vt_datapath_close(&fixture->domain, datapathtest_done, fixture);
    datapathtest_wait(fixture);
    g_assert_no_error(fixture->error);
    g_assert_cmpuint(vt_datapath_count(&fixture->domain), ==, 0);
}

static void
test_boot_plug_and_end(Fixture *fixture, gconstpointer user)
{
    datapathtest_to_primary(fixture);
    datapathtest_close(fixture);
    datapathtest_expect_untouched(fixture);
}

static void
test_a_source_that_leaves(Fixture *fixture, gconstpointer user)
{
    datapathtest_to_primary(fixture);
    vt_datapath_event(&fixture->domain, NULL, VT_HANDOVER_UNPLUG_PLANNED, datapathtest_done, fixture);
    datapathtest_wait(fixture);
    datapathtest_settle(fixture, VT_HANDOVER_LEAVING, VT_FEED_PRIMARY_COPIED);
    datapathtest_qmp(fixture, "UNPLUG_PRIMARY", "device-id", "ua-primary");
    datapathtest_qmp(fixture, "MIGRATION", "status", "wait-unplug");
    datapathtest_qmp(fixture, "MIGRATION", "status", "active");
    datapathtest_settle(fixture, VT_HANDOVER_STANDBY, VT_FEED_STANDBY);
    g_assert_cmpint(datapathtest_pinned(fixture), ==, VT_LEG_STANDBY);
    datapathtest_close(fixture);
    datapathtest_expect_untouched(fixture);
}

static void
test_a_cancelled_unplug_comes_back(Fixture *fixture, gconstpointer user)
{
    datapathtest_to_primary(fixture);
    datapathtest_qmp(fixture, "UNPLUG_PRIMARY", "device-id", "ua-primary");
    datapathtest_settle(fixture, VT_HANDOVER_LEAVING, VT_FEED_PRIMARY_COPIED);
    datapathtest_qmp(fixture, "MIGRATION", "status", "cancelled");
    datapathtest_settle(fixture, VT_HANDOVER_PRIMARY, VT_FEED_PRIMARY);
    datapathtest_qmp(fixture, "UNPLUG_PRIMARY", "device-id", "ua-primary");
    datapathtest_qmp(fixture, "MIGRATION", "status", "active");
    datapathtest_qmp(fixture, "MIGRATION", "status", "failed");
    datapathtest_settle(fixture, VT_HANDOVER_ARRIVING, VT_FEED_STANDBY_COPIED);
    datapathtest_close(fixture);
    datapathtest_expect_untouched(fixture);
}

static void
test_a_destination_is_ready_and_takes_over(Fixture *fixture, gconstpointer user)
{
    datapathtest_open(fixture, TRUE);
    datapathtest_settle(fixture, VT_HANDOVER_READY, VT_FEED_READY);
    g_assert_cmpint(datapathtest_pinned(fixture), ==, VT_LEG_COUNT);
    datapathtest_qmp(fixture, "FAILOVER_NEGOTIATED", "device-id", DATAPATHTEST_TEAM);
    datapathtest_settle(fixture, VT_HANDOVER_READY, VT_FEED_READY);
    vt_datapath_event(&fixture->domain, NULL, VT_HANDOVER_GUEST_ARRIVES, datapathtest_done, fixture);
    datapathtest_wait(fixture);
    datapathtest_settle(fixture, VT_HANDOVER_ARRIVING, VT_FEED_STANDBY_COPIED);
    datapathtest_qmp(fixture, "RESUME", NULL, NULL);
    datapathtest_settle(fixture, VT_HANDOVER_ARRIVING, VT_FEED_STANDBY_COPIED);
    datapathtest_close(fixture);
    datapathtest_expect_untouched(fixture);
}

/* The daemon forgets everything, as after kill -9, and comes again. */
static void
datapathtest_restart(Fixture *fixture)
{
    for (int i = 0; i < 200; i++) { /* writes of the state that are under way end first */
        g_usleep(1000);
        g_main_context_iteration(NULL, FALSE);
    }
    g_ptr_array_set_size(fixture->domain.listeners, 0);
    g_datalist_clear(&fixture->domain.data);
}

static void
test_a_restart_goes_on_where_it_was(Fixture *fixture, gconstpointer user)
{
    datapathtest_to_primary(fixture);
    datapathtest_restart(fixture);
    vt_datapath_recover(&fixture->driver);
    datapathtest_settle(fixture, VT_HANDOVER_PRIMARY, VT_FEED_PRIMARY);
    g_assert_cmpint(datapathtest_pinned(fixture), ==, VT_LEG_PRIMARY);
    datapathtest_qmp(fixture, "DEVICE_DELETED", "device", "ua-primary");
    datapathtest_settle(fixture, VT_HANDOVER_STANDBY, VT_FEED_STANDBY);
    datapathtest_close(fixture);
    datapathtest_expect_untouched(fixture);
}

static void
test_what_a_dead_guest_left_is_taken_back(Fixture *fixture, gconstpointer user)
{
    g_autofree char *path = g_build_filename(fixture->dir, "web.datapath", NULL);

    datapathtest_to_primary(fixture);
    datapathtest_restart(fixture);
    fixture->domain.id = -1;
    fixture->domain.state = VT_DOMAIN_SHUTOFF;
    vt_datapath_recover(&fixture->driver);
    while (g_file_test(path, G_FILE_TEST_EXISTS))
        g_main_context_iteration(NULL, TRUE);
    datapathtest_expect_untouched(fixture);
}

static void
test_taps_that_are_gone_are_no_failure(Fixture *fixture, gconstpointer user)
{
    datapathtest_to_primary(fixture);
    for (guint leg = 0; leg < VT_LEG_COUNT; leg++) {
        close(fixture->taps[leg]); /* QEMU has ended */
        fixture->taps[leg] = -1;
    }
    datapathtest_close(fixture);
}

static void
test_a_guest_without_bridges_is_left_alone(Fixture *fixture, gconstpointer user)
{
    VtDatapathInfo info;

    g_assert_true(vt_link_set_master(fixture->netlink, fixture->names[VT_LEG_PRIMARY], NULL, NULL));
    datapathtest_open(fixture, FALSE);
    vt_datapath_info(&fixture->domain, 0, &info);
    g_assert_cmpstr(info.backend, ==, "none");
    g_assert_nonnull(strstr(info.why, "no port of a Linux bridge"));
    datapathtest_qmp(fixture, "FAILOVER_NEGOTIATED", "device-id", DATAPATHTEST_TEAM);
    vt_datapath_info(&fixture->domain, 0, &info);
    g_assert_cmpint(info.state, ==, VT_HANDOVER_ARRIVING);
    datapathtest_close(fixture);
}

/* Whatever comes between the last act for a team and its being forgotten must not free it under its thread. */
static void
test_a_team_that_wakes_while_it_is_closed(Fixture *fixture, gconstpointer user)
{
    gint64 deadline = g_get_monotonic_time() + 120 * G_USEC_PER_SEC;
    VtDatapathInfo info = { 0 };

    datapathtest_to_primary(fixture);
    vt_datapath_close_team(&fixture->domain, DATAPATHTEST_TEAM, datapathtest_done, fixture);
    do {
        g_main_context_iteration(NULL, TRUE);
        g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        g_assert_cmpuint(vt_datapath_count(&fixture->domain), ==, 1);
        vt_datapath_info(&fixture->domain, 0, &info);
    } while (info.state != VT_HANDOVER_IDLE || info.feed != VT_FEED_RELEASED);
    vt_datapath_event(&fixture->domain, NULL, VT_HANDOVER_GUEST_ON_STANDBY, NULL, NULL);
    vt_datapath_info(&fixture->domain, 0, &info);
    g_assert_cmpint(info.state, ==, VT_HANDOVER_STANDBY);
    datapathtest_wait(fixture);
    g_assert_cmpuint(vt_datapath_count(&fixture->domain), ==, 0);
    datapathtest_expect_untouched(fixture);
    datapathtest_close(fixture);
}

/* A note is written for one team while the thread of the other works. */
static void
test_two_teams_switch_at_once(Fixture *fixture, gconstpointer user)
{
    static const VtHandoverEvent events[] = { VT_HANDOVER_PRIMARY_EXPECTED, VT_HANDOVER_PRIMARY_SPEAKS,
                                              VT_HANDOVER_UNPLUG_PLANNED, VT_HANDOVER_PRIMARY_GONE };
    static const char *const teams[] = { DATAPATHTEST_TEAM, "ua-second" };
    g_autofree char *path = g_build_filename(fixture->dir, "web.datapath", NULL);
    g_autofree char *text = NULL;
    const VtTapSpec spec = { .vnet_hdr = FALSE };
    int taps[VT_LEG_COUNT];

    for (guint leg = 0; leg < VT_LEG_COUNT; leg++) {
        VtNetDef *net = datapathtest_net(fixture, leg);

        taps[leg] = -1;
        memset(fixture->names[leg], 0, IF_NAMESIZE);
        g_assert_true(vt_tap_open(&spec, fixture->names[leg], &taps[leg], NULL));
        g_assert_true(vt_link_set_master(fixture->netlink, fixture->names[leg], "vtbr0", NULL));
        g_free(net->target_dev);
        net->target_dev = g_strdup(fixture->names[leg]);
        net->mac.bytes[5]++;
        g_free(net->info.alias);
        net->info.alias = g_strdup(leg == VT_LEG_STANDBY ? teams[1] : "ua-second-primary");
        if (leg == VT_LEG_PRIMARY) {
            g_free(net->teaming.persistent);
            net->teaming.persistent = g_strdup(teams[1]);
        }
        g_ptr_array_add(fixture->domain.live->nets, net);
    }
    datapathtest_open(fixture, FALSE);
    g_assert_cmpuint(vt_datapath_count(&fixture->domain), ==, 2);
    for (guint i = 0; i < 40; i++)
        for (guint team = 0; team < 2; team++) {
            vt_datapath_event(&fixture->domain, teams[team], events[(i + team) % G_N_ELEMENTS(events)], NULL,
                              NULL);
            g_main_context_iteration(NULL, FALSE);
        }
    vt_datapath_event(&fixture->domain, NULL, VT_HANDOVER_TICK, datapathtest_done, fixture);
    datapathtest_wait(fixture);
    for (guint i = 0; i < 200 && g_main_context_iteration(NULL, FALSE); i++)
        continue;
    vt_file_flush_async();
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_nonnull(strstr(text, "ua-second-primary"));
    g_assert_nonnull(strstr(text, "\"ua-primary\""));
    datapathtest_close(fixture);
    for (guint leg = 0; leg < VT_LEG_COUNT; leg++)
        close(taps[leg]);
}

#define DATAPATHTEST_ADD(path, func)                                                                         \
    g_test_add("/driver/datapath/" path, Fixture, NULL, datapathtest_set_up, func, datapathtest_tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (unshare(CLONE_NEWNET) < 0)
        g_error("this test needs a network namespace of its own, and so root: %s", g_strerror(errno));
    DATAPATHTEST_ADD("boot-plug-and-end", test_boot_plug_and_end);
    DATAPATHTEST_ADD("a-source-that-leaves", test_a_source_that_leaves);
    DATAPATHTEST_ADD("a-cancelled-unplug-comes-back", test_a_cancelled_unplug_comes_back);
    DATAPATHTEST_ADD("a-destination-is-ready-and-takes-over", test_a_destination_is_ready_and_takes_over);
    DATAPATHTEST_ADD("a-restart-goes-on-where-it-was", test_a_restart_goes_on_where_it_was);
    DATAPATHTEST_ADD("what-a-dead-guest-left-is-taken-back", test_what_a_dead_guest_left_is_taken_back);
    DATAPATHTEST_ADD("taps-that-are-gone-are-no-failure", test_taps_that_are_gone_are_no_failure);
    DATAPATHTEST_ADD("a-guest-without-bridges-is-left-alone", test_a_guest_without_bridges_is_left_alone);
    DATAPATHTEST_ADD("a-team-that-wakes-while-it-is-closed", test_a_team_that_wakes_while_it_is_closed);
    DATAPATHTEST_ADD("two-teams-switch-at-once", test_two_teams_switch_at_once);
    return g_test_run();
}
