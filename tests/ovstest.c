/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The back end for Open vSwitch on an Open vSwitch of the test's own, with real taps, in a network namespace; frames are
 * counted. Its datapath is the one in user space, which needs no kernel module; with VT_OVS_KERNEL (tests/switchdev/run.py)
 * it is the kernel's.
 */
#include "datapath/mirror.h"
#include "datapath/ovs.h"
#include "datapath/switchdev.h"
#include "util/command.h"
#include "util/json.h"
#include "util/link.h"
#include "util/ovsctl.h"
#include "util/tap.h"

#include "lib/feed.h"
#include "lib/listen-behind.h"
#include "lib/stream.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define SCHEMA    "/usr/share/openvswitch/vswitch.ovsschema"
#define ETHERTYPE 0x88b5 /* IEEE 802: local experimental */
#define VLAN      5

enum { STANDBY, PRIMARY, UPLINK, PORTS };

static const VtMac guest_mac = { { 0x52, 0x54, 0, 0xaa, 0xbb, 0xcc } };
static const VtMac other_mac = { { 0x52, 0x54, 0, 0x11, 0x22, 0x33 } };
static const VtMac broadcast_mac = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
static const VtMac multicast_mac = { { 0x01, 0x00, 0x5e, 0x01, 0x02, 0x03 } };

/* ---- the switch ---- */

static struct {
    char *dir;
    pid_t database, daemon;
    gboolean kernel; /* the datapath is its module's */
} lab;

/* Run to a good end; what it wrote. */
static char *
run(const char *line)
{
    g_auto(GStrv) argv = NULL;
    const VtCommandSpec spec = { .argv = (const char *const *)(argv = g_strsplit(line, " ", -1)),
                                 .timeout_ms = 30000 };
    g_auto(VtCommandEnd) end = { 0 };
    g_autoptr(GError) error = NULL;

    vt_command_wait(&spec, &end, &error);
    g_assert_no_error(error);
    if (end.exit_status != 0)
        g_error("%s: %s", line, end.err);
    return g_steal_pointer(&end.out);
}

static void
do_run(const char *line)
{
    g_free(run(line));
}

static pid_t
spawn(const char *line)
{
    g_auto(GStrv) argv = g_strsplit(line, " ", -1);
    pid_t pid = fork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execvp(argv[0], argv);
        _exit(127);
    }
    return pid;
}

static void
wait_file(const char *name)
{
    g_autofree char *path = g_build_filename(lab.dir, name, NULL);

    for (guint i = 0; i < 2000 && !g_file_test(path, G_FILE_TEST_EXISTS); i++)
        g_usleep(10000);
    g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS));
}

static void
daemon_up(void)
{
    g_autofree char *daemon = g_strdup_printf(
        "ovs-vswitchd unix:%s/db.sock %s--pidfile=%s/ovs-vswitchd.pid -vconsole:off -vsyslog:off", lab.dir,
        lab.kernel ? "" : "--disable-system ", lab.dir);

    lab.daemon = spawn(daemon);
}

static void
daemon_down(void)
{
    kill(lab.daemon, SIGKILL);
    waitpid(lab.daemon, NULL, 0);
}

static void
lab_up(void)
{
    g_autofree char *create = NULL, *database = NULL;

    lab.dir = g_dir_make_tmp("vt-ovs-XXXXXX", NULL);
    g_assert_nonnull(lab.dir);
    g_setenv("OVS_RUNDIR", lab.dir, TRUE);
    g_setenv("OVS_LOGDIR", lab.dir, TRUE);
    g_setenv("OVS_DBDIR", lab.dir, TRUE);
    g_setenv("OVS_SYSCONFDIR", lab.dir, TRUE);
    create = g_strdup_printf("ovsdb-tool create %s/conf.db " SCHEMA, lab.dir);
    do_run(create);
    database =
        g_strdup_printf("ovsdb-server %s/conf.db --remote=punix:%s/db.sock --pidfile=%s/ovsdb-server.pid "
                        "-vconsole:off -vsyslog:off",
                        lab.dir, lab.dir, lab.dir);
    lab.database = spawn(database);
    wait_file("db.sock");
    do_run("ovs-vsctl --no-wait init");
    /* Most of the test waits for rounds of its revalidators: they shall begin as often as they can, not twice a second. */
    do_run("ovs-vsctl --no-wait set Open_vSwitch . other_config:max-revalidator=100");
    daemon_up();
    wait_file("ovs-vswitchd.pid");
}

static void
lab_down(void)
{
    g_autofree char *remove = g_strdup_printf("rm -rf %s", lab.dir);

    daemon_down();
    kill(lab.database, SIGKILL);
    waitpid(lab.database, NULL, 0);
    do_run(remove);
    g_free(lab.dir);
}

/* ---- a bridge with three taps ---- */

static void
add_bridge(const char *name)
{
    g_autofree char *line =
        g_strdup_printf("ovs-vsctl --timeout=20 add-br %s -- set bridge %s datapath_type=%s", name, name,
                        lab.kernel ? "system" : "netdev");

    do_run(line);
}

typedef struct {
    VtNetlink *netlink;
    VtFd fds[PORTS];
    char names[PORTS][IF_NAMESIZE];
    VtBackend backend;
} Net;

static VtNetlink *
new_netlink(void)
{
    g_autoptr(GError) error = NULL;
    VtNetlink *netlink = vt_netlink_new(&error);

    g_assert_no_error(error);
    return netlink;
}

static void
add_port(Net *net, guint port, const char *pattern, guint16 vlan)
{
    VtTapSpec tap = { .name = pattern };
    VtOvsctlPortSpec spec = { .bridge = "br0",
                              .mac = guest_mac,
                              .tags = { vlan },
                              .n_tags = vlan ? 1 : 0,
                              .interface_id = "09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f",
                              .vm_id = "09b11c53-8b5c-4eeb-8f00-d84eaa0aaa40" };
    g_autoptr(GError) error = NULL;

    g_assert_true(vt_tap_open(&tap, net->names[port], &net->fds[port], &error));
    g_assert_true(vt_link_set_up(net->netlink, net->names[port], TRUE, &error));
    spec.name = net->names[port];
    vt_ovsctl_port_add(&spec, &error);
    g_assert_no_error(error);
}

static void
set_up_vlan(Net *net, guint16 vlan)
{
    VtLegsSpec spec = { .mac = guest_mac, .short_queue_frames = 50000 };

    net->netlink = new_netlink();
    add_bridge("br0");
    g_assert_true(vt_link_set_up(net->netlink, "br0", TRUE, NULL));
    add_port(net, STANDBY, "stand%d", vlan);
    add_port(net, PRIMARY, "prim%d", vlan);
    add_port(net, UPLINK, "up%d", 0);
    spec.standby = net->names[STANDBY];
    spec.primary = net->names[PRIMARY];
    net->backend = vt_ovs_new(&spec, new_netlink());
}

static void
set_up(Net *net, gconstpointer unused)
{
    set_up_vlan(net, 0);
}

static void
set_up_tagged(Net *net, gconstpointer unused)
{
    set_up_vlan(net, VLAN);
}

static void
tear_down(Net *net, gconstpointer unused)
{
    vt_backend_clear(&net->backend);
    do_run("ovs-vsctl --timeout=20 del-br br0");
    for (guint port = 0; port < PORTS; port++)
        vt_fd_clear(&net->fds[port]);
    vt_netlink_free(net->netlink);
}

/* The switch takes in changes by and by: wait until all its flows are what they should be now. */
static void
settle(void)
{
    do_run("ovs-appctl revalidator/wait");
    g_usleep(10000); /* a frame more than expected would have come by then */
}

static guint32 next_number;

static void
send_frame(VtFd fd, const VtMac *to, const VtMac *from, guint16 vlan, guint32 number)
{
    guint8 frame[64] = { 0 };
    guint at = 12;

    memcpy(frame, to->bytes, 6);
    memcpy(frame + 6, from->bytes, 6);
    if (vlan) {
        frame[at++] = 0x81;
        frame[at++] = 0;
        frame[at++] = (guint8)(vlan >> 8);
        frame[at++] = (guint8)vlan;
    }
    frame[at++] = ETHERTYPE >> 8;
    frame[at++] = ETHERTYPE & 0xff;
    memcpy(frame + at, &number, sizeof number);
    g_assert_cmpint((int)write(fd, frame, sizeof frame), ==, sizeof frame);
}

/* Number of our frame, 0 when it is another; whether it is in a VLAN does not matter. */
static guint32
frame_number(const guint8 *frame, ssize_t got)
{
    guint at = got > 20 && frame[12] == 0x81 && frame[13] == 0 ? 16 : 12;
    guint32 number = 0;

    if (got >= 60 && frame[at] == ETHERTYPE >> 8 && frame[at + 1] == (ETHERTYPE & 0xff))
        memcpy(&number, frame + at + 2, sizeof number);
    return number;
}

static guint
count_frame(VtFd fd, guint32 number)
{
    guint8 frame[2048];
    guint count = 0;
    ssize_t got;

    while ((got = read_behind(fd, frame, sizeof frame)) > 0)
        if (frame_number(frame, got) == number)
            count++;
    return count;
}

static guint
wait_frame(VtFd fd, guint32 number)
{
    guint count = count_frame(fd, number);

    for (guint wait = 0; count == 0 && wait < 12000; wait++) {
        g_usleep(5000);
        count = count_frame(fd, number);
    }
    return count;
}

static void
expect_tagged(Net *net, guint from_port, const VtMac *to, const VtMac *from, guint16 vlan,
              const guint expected[PORTS])
{
    guint32 number = ++next_number;
    guint counts[PORTS] = { 0 };

    send_frame(net->fds[from_port], to, from, vlan, number);
    for (guint wait = 0; wait < 12000; wait++) {
        gboolean all = TRUE;

        for (guint port = 0; port < PORTS; port++) {
            counts[port] += count_frame(net->fds[port], number);
            all &= counts[port] >= expected[port];
        }
        if (all)
            break;
        g_usleep(5000);
    }
    g_usleep(5000);
    for (guint port = 0; port < PORTS; port++)
        g_assert_cmpuint(counts[port] + count_frame(net->fds[port], number), ==, expected[port]);
}

static void
expect(Net *net, guint from_port, const VtMac *to, const VtMac *from, const guint expected[PORTS])
{
    expect_tagged(net, from_port, to, from, 0, expected);
}

#define EXPECT(net, port, to, from, ...) expect(net, port, to, from, (const guint[PORTS]){ __VA_ARGS__ })

/* ---- tests ---- */

static void
expect_feed(Net *net, VtFeed feed, guint16 tag)
{
    expect_tagged(net, UPLINK, &guest_mac, &other_mac, tag, feed_counts(feed));
    expect_tagged(net, UPLINK, &broadcast_mac, &other_mac, tag, feed_counts(feed));
    expect_tagged(net, UPLINK, &multicast_mac, &other_mac, tag, feed_counts(feed));
    /* Nobody reaches the guest from another VLAN. */
    if (tag)
        expect_tagged(net, UPLINK, &guest_mac, &other_mac, tag + 1, (const guint[PORTS]){ 0, 0, 0 });
}

/* From the network to the guest: exactly the legs of the feed, exactly once each, whatever kind of frame it is. */
static void
test_feeds(Net *net, gconstpointer vlan)
{
    static const VtFeed feeds[] = { VT_FEED_STANDBY, VT_FEED_STANDBY_COPIED, VT_FEED_FALLBACK,
                                    VT_FEED_PRIMARY_COPIED, VT_FEED_PRIMARY };
    VtFeed walk[G_N_ELEMENTS(feeds) * G_N_ELEMENTS(feeds)], from = feeds[G_N_ELEMENTS(feeds) - 1];
    gsize steps = 0;

    /* Of three it would be 0 0 1 0 2 1 1 2 2, begun at 2: each comes behind each once. */
    for (gsize i = 0; i < G_N_ELEMENTS(feeds); i++) {
        walk[steps++] = feeds[i];
        for (gsize j = i + 1; j < G_N_ELEMENTS(feeds); j++) {
            walk[steps++] = feeds[i];
            walk[steps++] = feeds[j];
        }
    }
    g_assert_cmpuint(steps, ==, G_N_ELEMENTS(walk));
    feed_apply(&net->backend, from);
    for (gsize i = 0; i < steps; i++) {
        feed_apply(&net->backend, walk[i]);
        settle();
        g_test_message("%s to %s", vt_feed_name(from), vt_feed_name(walk[i]));
        expect_feed(net, walk[i], (guint16)GPOINTER_TO_UINT(vlan));
        from = walk[i];
    }
}

/* Before the guest runs here its address is wherever the switch has learned it. */
static void
test_ready(Net *net, gconstpointer unused)
{
    feed_apply(&net->backend, VT_FEED_READY);
    settle();
    EXPECT(net, UPLINK, &broadcast_mac, &guest_mac, 1, 0, 0); /* the guest speaks from its old host */
    EXPECT(net, STANDBY, &guest_mac, &other_mac, 0, 0, 1);
    feed_apply(&net->backend, VT_FEED_STANDBY_COPIED);
    settle();
    EXPECT(net, UPLINK, &guest_mac, &other_mac, 1, 1, 0);
    feed_apply(&net->backend, VT_FEED_READY);
    settle();
    EXPECT(net, UPLINK, &broadcast_mac, &guest_mac, 1, 0, 0);
    EXPECT(net, STANDBY, &guest_mac, &other_mac, 0, 0, 1);
}

/* The guest's own frames go out over either leg, once, and neither move its address nor come back to that leg. */
static void
test_guest_sends(Net *net, gconstpointer unused)
{
    static const VtFeed feeds[] = { VT_FEED_STANDBY, VT_FEED_STANDBY_COPIED, VT_FEED_PRIMARY_COPIED,
                                    VT_FEED_PRIMARY };

    for (gsize i = 0; i < G_N_ELEMENTS(feeds); i++) {
        guint expected[PORTS] = { feeds[i] != VT_FEED_PRIMARY, feeds[i] != VT_FEED_STANDBY, 0 };

        feed_apply(&net->backend, feeds[i]);
        settle();
        EXPECT(net, UPLINK, &broadcast_mac, &other_mac, expected[0], expected[1], 0);
        for (guint leg = STANDBY; leg <= PRIMARY; leg++) {
            guint32 number = ++next_number;

            EXPECT(net, leg, &other_mac, &guest_mac, 0, 0, 1);
            send_frame(net->fds[leg], &broadcast_mac, &guest_mac, 0, number);
            g_assert_cmpuint(wait_frame(net->fds[UPLINK], number), ==, 1);
            settle();
            g_assert_cmpuint(count_frame(net->fds[UPLINK], number), ==, 0);
            g_assert_cmpuint(count_frame(net->fds[leg], number), ==, 0);
            expect(net, UPLINK, &guest_mac, &other_mac, expected);
        }
        /* A late or looped frame from the uplink with the guest's address. */
        send_frame(net->fds[UPLINK], &broadcast_mac, &guest_mac, 0, 0xffffffff);
        settle();
        expect(net, UPLINK, &guest_mac, &other_mac, expected);
    }
}

typedef struct {
    gboolean no_flood[PORTS];
    guint32 queues[PORTS];
    VtMirrorQdisc qdiscs[PORTS];
    gint64 pinned; /* port number; 0: nowhere */
} Snapshot;

static void
snapshot(Net *net, Snapshot *out)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) pins = vt_ovsctl_pins("br0", &guest_mac, &error);

    g_assert_no_error(error);
    memset(out, 0, sizeof *out);
    if (pins->len)
        out->pinned = g_array_index(pins, VtOvsctlPin, 0).number;
    for (guint i = 0; i < PORTS; i++) {
        VtOvsctlPort port;
        VtLinkInfo info;

        vt_ovsctl_port_get(net->names[i], &port, &error);
        g_assert_no_error(error);
        out->no_flood[i] = port.no_flood;
        g_assert_true(vt_link_get(net->netlink, net->names[i], &info, NULL));
        out->queues[i] = info.tx_queue_length;
        g_assert_true(vt_mirror_qdisc(net->netlink, info.index, &out->qdiscs[i], NULL));
    }
}

static void
assert_same(const Snapshot *a, const Snapshot *b)
{
    g_assert_cmpmem(a->no_flood, sizeof a->no_flood, b->no_flood, sizeof b->no_flood);
    g_assert_cmpmem(a->queues, sizeof a->queues, b->queues, sizeof b->queues);
    g_assert_cmpmem(a->qdiscs, sizeof a->qdiscs, b->qdiscs, sizeof b->qdiscs);
    g_assert_cmpint(a->pinned, ==, b->pinned);
}

static void
test_release_restores(Net *net, gconstpointer unused)
{
    Snapshot before, set, after;

    /* An administrator's settings. */
    g_assert_true(vt_link_set_tx_queue_length(net->netlink, net->names[PRIMARY], 900, NULL));
    g_assert_true(vt_ovsctl_set_flood("br0", net->names[STANDBY], FALSE, NULL));
    g_assert_true(vt_ovsctl_pin("br0", net->names[UPLINK], 0, &guest_mac, NULL));
    snapshot(net, &before);
    for (VtFeed feed = VT_FEED_READY; feed < VT_FEED_COUNT; feed++) {
        feed_apply(&net->backend, feed);
        snapshot(net, &set);
        g_assert_true((set.pinned == before.pinned) == (feed == VT_FEED_READY)); /* that pins nothing */
        g_assert_cmpint(set.qdiscs[PRIMARY], ==, VT_MIRROR_CLSACT);
        feed_apply(&net->backend, VT_FEED_RELEASED);
        snapshot(net, &after);
        assert_same(&before, &after);
        feed_apply(&net->backend, VT_FEED_RELEASED);
    }
}

/* The process dies after each feed; another one goes on, and takes everything back. */
static void
test_note_restores(Net *net, gconstpointer unused)
{
    Snapshot before, after;

    snapshot(net, &before);
    for (VtFeed feed = VT_FEED_READY; feed < VT_FEED_COUNT; feed++) {
        g_autoptr(JsonNode) node = NULL;
        g_autoptr(JsonNode) again = NULL;
        g_autoptr(GError) error = NULL;
        VtBackend heir;

        feed_apply(&net->backend, feed);
        node = vt_json_node_new(net->backend.funcs->note(net->backend.state));
        g_assert_true(vt_ovs_from_note(node, new_netlink(), &heir, &error));
        g_assert_no_error(error);
        again = vt_json_node_new(heir.funcs->note(heir.state));
        g_assert_true(json_node_equal(node, again));
        feed_apply(&heir, VT_FEED_PRIMARY_COPIED);
        settle();
        EXPECT(net, UPLINK, &guest_mac, &other_mac, 1, 1, 0);
        feed_apply(&heir, VT_FEED_RELEASED);
        vt_backend_clear(&heir);
        snapshot(net, &after);
        assert_same(&before, &after);
        feed_apply(&net->backend, VT_FEED_RELEASED);
    }
}

static void
test_bad_notes(void)
{
    static const char *const notes[] = {
        "{}",
        "{\"backend\":\"bridge\"}",
        "{\"backend\":\"ovs\",\"mac\":\"52:54:00:00:00:01\"}",
        "{\"backend\":\"ovs\",\"mac\":\"nonsense\",\"standby\":\"a\",\"legs\":[],\"pins\":[],\"vlans\":[]}",
        "{\"backend\":\"ovs\",\"mac\":\"52:54:00:00:00:01\",\"standby\":\"a\",\"legs\":[7],\"pins\":[],\"vlans\":[]}",
        "{\"backend\":\"ovs\",\"mac\":\"52:54:00:00:00:01\",\"standby\":\"a\",\"legs\":[],\"pins\":[{\"port\":\"a b\"}],"
        "\"vlans\":[]}",
        "{\"backend\":\"ovs\",\"mac\":\"52:54:00:00:00:01\",\"standby\":\"a\",\"legs\":[{\"leg\":\"standby\",\"name\":\"a\","
        "\"learning\":0,\"flood\":1,\"mcast-flood\":0,\"bcast-flood\":0,\"multicast-router\":0}],\"pins\":[],"
        "\"vlans\":[]}",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(notes); i++) {
        g_autoptr(JsonNode) node = vt_json_parse(notes[i], strlen(notes[i]), NULL);
        g_autoptr(GError) error = NULL;
        VtBackend backend;

        g_assert_nonnull(node);
        g_assert_false(vt_ovs_from_note(node, new_netlink(), &backend, &error));
        g_assert_nonnull(error);
    }
}

/* What would not work is refused before anything is set, and the message says what is in the way. */
static void
test_refusals(Net *net, gconstpointer unused)
{
    static const struct {
        const char *set, *unset, *said;
    } rows[] = {
        { "ovs-vsctl set-controller br0 tcp:127.0.0.1:1", "ovs-vsctl del-controller br0", "controller" },
        { "ovs-vsctl set-fail-mode br0 secure", "ovs-vsctl del-fail-mode br0", "secure" },
        { "ovs-ofctl mod-flows br0 actions=drop", "ovs-ofctl mod-flows br0 actions=NORMAL", "NORMAL" },
        { "ovs-ofctl add-flow br0 priority=9,dl_dst=52:54:00:aa:bb:cc,actions=drop",
          "ovs-ofctl --strict del-flows br0 priority=9,dl_dst=52:54:00:aa:bb:cc", "guest's address" },
        { "ovs-vsctl set port prim0 tag=9", "ovs-vsctl clear port prim0 tag", "VLANs" },
        { "ovs-vsctl --timeout=20 set interface prim0 type=dpdk",
          "ovs-vsctl --timeout=20 set interface prim0 type=system", "'dpdk', which sends past the kernel" },
    };

    g_assert_cmpstr(net->names[PRIMARY], ==, "prim0");
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;

        do_run(rows[i].set);
        g_assert_false(feed_try(&net->backend, VT_FEED_STANDBY, &error));
        g_assert_error(error, VT_ERROR, VT_ERROR_UNSUPPORTED);
        g_test_message("%s", error->message);
        g_assert_nonnull(strstr(error->message, rows[i].said));
        do_run(rows[i].unset);
        feed_apply(&net->backend, VT_FEED_RELEASED);
    }
    feed_apply(&net->backend, VT_FEED_STANDBY);
    feed_apply(&net->backend, VT_FEED_RELEASED);
}

static void
test_other_bridge(Net *net, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *move = g_strdup_printf("ovs-vsctl --timeout=20 del-port %s -- add-port br1 %s",
                                            net->names[PRIMARY], net->names[PRIMARY]);
    g_autofree char *drop = g_strdup_printf("ovs-vsctl --timeout=20 del-br br1");

    add_bridge("br1");
    do_run(move);
    g_assert_false(feed_try(&net->backend, VT_FEED_STANDBY, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "two bridges"));
    g_clear_error(&error);
    do_run(drop);
    g_assert_false(feed_try(&net->backend, VT_FEED_STANDBY, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "no port of Open vSwitch"));
    feed_apply(&net->backend, VT_FEED_RELEASED);
}

/* A primary comes and goes with its tap; its port may be there without an interface for a while. */
static void
test_missing_interfaces(Net *net, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *name = g_strdup(net->names[PRIMARY]);

    net->backend.funcs->set_primary(net->backend.state, NULL);
    feed_apply(&net->backend, VT_FEED_STANDBY);
    settle();
    EXPECT(net, UPLINK, &guest_mac, &other_mac, 1, 0, 0);
    g_assert_false(feed_try(&net->backend, VT_FEED_PRIMARY, &error));
    g_clear_error(&error);
    net->backend.funcs->set_primary(net->backend.state, name);
    feed_apply(&net->backend, VT_FEED_PRIMARY_COPIED);
    vt_fd_clear(&net->fds[PRIMARY]);
    feed_apply(&net->backend, VT_FEED_STANDBY);
    settle();
    EXPECT(net, UPLINK, &guest_mac, &other_mac, 1, 0, 0);
    g_assert_false(feed_try(&net->backend, VT_FEED_PRIMARY, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_NO_DEVICE);
    g_clear_error(&error);
    add_port(net, PRIMARY, name, 0);
    feed_apply(&net->backend, VT_FEED_STANDBY_COPIED);
    settle();
    EXPECT(net, UPLINK, &guest_mac, &other_mac, 1, 1, 0);
    feed_apply(&net->backend, VT_FEED_RELEASED);
}

/* A switch that is started anew has forgotten everything but its ports: that is seen, and set again. */
static void
test_restart(Net *net, gconstpointer unused)
{
    const VtBackendFuncs *funcs = net->backend.funcs;
    gpointer state = net->backend.state;
    Snapshot before, after;
    guint tries = 0;

    snapshot(net, &before);
    g_assert_true(funcs->holds(state)); /* nothing is set yet */
    feed_apply(&net->backend, VT_FEED_PRIMARY_COPIED);
    g_assert_true(funcs->holds(state));
    daemon_down();
    g_assert_true(funcs->holds(state)); /* nobody is there to be told */
    daemon_up();
    for (guint i = 0; i < 3000 && funcs->holds(state); i++)
        g_usleep(10000);
    g_assert_false(funcs->holds(state));
    while (!feed_try(&net->backend, VT_FEED_PRIMARY_COPIED, NULL) && tries++ < 300) {
        g_assert_false(funcs->holds(state));
        g_usleep(100000);
    }
    g_assert_true(funcs->holds(state));
    settle();
    EXPECT(net, UPLINK, &guest_mac, &other_mac, 1, 1, 0);
    EXPECT(net, UPLINK, &broadcast_mac, &other_mac, 1, 1, 0);
    feed_apply(&net->backend, VT_FEED_PRIMARY);
    settle();
    EXPECT(net, UPLINK, &guest_mac, &other_mac, 0, 1, 0);
    feed_apply(&net->backend, VT_FEED_RELEASED);
    snapshot(net, &after);
    assert_same(&before, &after);
}

/* The primary is a VF of netdevsim's, its representor a port of the kernel's datapath. */
static void
test_representor(Net *net, gconstpointer unused)
{
    static const VtFeed feeds[] = { VT_FEED_STANDBY, VT_FEED_STANDBY_COPIED, VT_FEED_PRIMARY_COPIED,
                                    VT_FEED_PRIMARY, VT_FEED_PRIMARY_COPIED, VT_FEED_STANDBY };
    VtOvsctlPortSpec port = { .bridge = "br0", .name = "ens1f0_1", .mac = guest_mac };
    VtSwitchdevSpec spec = { .mac = guest_mac,
                             .standby = net->names[STANDBY],
                             .representor = "ens1f0_1",
                             .ovs = TRUE,
                             .pf = "ens1f0",
                             .vf = 1,
                             .tries = 2 };
    g_autoptr(GError) error = NULL;

    vt_backend_clear(&net->backend);
    net->backend = vt_switchdev_new(&spec, new_netlink(), new_netlink());
    g_assert_false(feed_try(&net->backend, VT_FEED_STANDBY, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_UNSUPPORTED); /* it is no port yet */
    g_clear_error(&error);
    feed_apply(&net->backend, VT_FEED_RELEASED);
    vt_ovsctl_port_add(&port, &error);
    g_assert_no_error(error);
    vt_fd_clear(&net->fds[PRIMARY]);
    net->fds[PRIMARY] = listen_behind(net->netlink, "ens1f0_1");
    for (gsize i = 0; i < G_N_ELEMENTS(feeds); i++) {
        feed_apply(&net->backend, feeds[i]);
        settle();
        g_test_message("%s", vt_feed_name(feeds[i]));
        expect(net, UPLINK, &guest_mac, &other_mac, feed_counts(feeds[i]));
        expect(net, UPLINK, &broadcast_mac, &other_mac, feed_counts(feeds[i]));
    }
    feed_apply(&net->backend, VT_FEED_RELEASED);
}

static void
test_life(Net *net, gconstpointer unused)
{
    VtLifeSigns before, after;

    g_assert_true(net->backend.funcs->look(net->backend.state, &before));
    EXPECT(net, PRIMARY, &other_mac, &guest_mac, 1, 0, 1);
    g_assert_true(net->backend.funcs->look(net->backend.state, &after));
    g_assert_cmpuint(after.frames, ==, before.frames + 1);
}

static void
test_ports(Net *net, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *ids = NULL;
    VtOvsctlPort port;
    VtOvsctlPortSpec trunk = { .bridge = "br0",
                               .name = net->names[UPLINK],
                               .mac = other_mac,
                               .tags = { 7, 9 },
                               .n_tags = 2,
                               .trunk = TRUE,
                               .mode = "native-untagged",
                               .native = 7,
                               .isolated = TRUE,
                               .profile_id = "a profile" };

    ids = run("ovs-vsctl get Interface stand0 external_ids");
    g_assert_nonnull(strstr(ids, "attached-mac=\"52:54:00:aa:bb:cc\""));
    g_assert_nonnull(strstr(ids, "iface-id=\"09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f\""));
    g_assert_nonnull(strstr(ids, "iface-status=active"));
    g_assert_nonnull(strstr(ids, "vm-id=\"09b11c53-8b5c-4eeb-8f00-d84eaa0aaa40\""));
    g_assert_true(vt_ovsctl_port_add(&trunk, &error));
    g_assert_true(vt_ovsctl_port_get(net->names[UPLINK], &port, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(port.bridge, ==, "br0");
    g_assert_cmpuint(port.n_vlans, ==, 2);
    g_assert_cmpuint(port.vlans[0], ==, 7);
    g_assert_cmpuint(port.vlans[1], ==, 9);
    trunk.bridge = "nowhere";
    g_assert_false(vt_ovsctl_port_add(&trunk, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
    g_assert_nonnull(strstr(error->message, "nowhere"));
    g_clear_error(&error);
    g_assert_true(vt_ovsctl_port_delete(net->names[UPLINK], &error));
    g_assert_true(vt_ovsctl_port_delete(net->names[UPLINK], &error));
    g_assert_false(vt_ovsctl_port_get(net->names[UPLINK], &port, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_UNSUPPORTED);
}

static void
test_nothing_is_lost(Net *net, gconstpointer unused)
{
    const StreamLab stream = { .backend = &net->backend,
                               .uplink = net->fds[UPLINK],
                               .legs = { net->fds[STANDBY], net->fds[PRIMARY] },
                               .guest = guest_mac,
                               .other = other_mac,
                               .pause_us = 500,
                               .settle = settle,
                               .rounds = 1 };

    stream_switches(&stream);
}

static int
run_tests(int *argc, char ***argv)
{
    int status;

    g_test_init(argc, argv, NULL);
    lab.kernel = g_getenv("VT_OVS_KERNEL") != NULL;
    lab_up();
#define ADD(path, func) g_test_add(path, Net, NULL, set_up, func, tear_down)
    ADD("/datapath/ovs/every-feed-reaches-its-legs-exactly-once", test_feeds);
    g_test_add("/datapath/ovs/and-in-its-vlan-only", Net, GUINT_TO_POINTER(VLAN), set_up_tagged, test_feeds,
               tear_down);
    ADD("/datapath/ovs/ready-pins-nothing", test_ready);
    ADD("/datapath/ovs/what-the-guest-sends-moves-nothing", test_guest_sends);
    ADD("/datapath/ovs/release-restores-everything", test_release_restores);
    ADD("/datapath/ovs/a-note-restores-everything", test_note_restores);
    g_test_add_func("/datapath/ovs/bad-notes-are-refused", test_bad_notes);
    ADD("/datapath/ovs/refusals-say-what-is-in-the-way", test_refusals);
    ADD("/datapath/ovs/legs-on-two-bridges-are-refused", test_other_bridge);
    ADD("/datapath/ovs/interfaces-that-are-gone", test_missing_interfaces);
    ADD("/datapath/ovs/a-switch-that-is-started-anew-is-told-again", test_restart);
    if (lab.kernel)
        ADD("/datapath/ovs/a-representor-is-a-leg", test_representor);
    ADD("/datapath/ovs/signs-of-life", test_life);
    ADD("/util/ovsctl/ports-are-as-they-were-asked-for", test_ports);
    ADD("/datapath/ovs/no-frame-is-lost-or-doubled-during-a-switch", test_nothing_is_lost);
    status = g_test_run();
    lab_down();
    return status;
}

int
main(int argc, char **argv)
{
    if (!g_file_test(SCHEMA, G_FILE_TEST_EXISTS)) {
        printf("1..0 # SKIP there is no Open vSwitch (package openvswitch-switch)\n");
        return 0;
    }
    if (!g_getenv("VT_OVS_KERNEL") && unshare(CLONE_NEWNET) < 0) {
        fprintf(stderr, "ovstest needs root for a network namespace of its own: %s\n", g_strerror(errno));
        return 1;
    }
    return run_tests(&argc, &argv);
}
