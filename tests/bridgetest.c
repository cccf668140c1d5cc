/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bridge back end on a real bridge with real taps, in a network namespace of its own; frames are counted. */
#include "datapath/bridge.h"
#include "datapath/fdb.h"
#include "datapath/mirror.h"
#include "util/json.h"
#include "util/link.h"
#include "util/tap.h"

#include "lib/feed.h"
#include "lib/kernel-answer.h"
#include "lib/make-link.h"
#include "lib/stream.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ETHERTYPE 0x88b5 /* IEEE 802: local experimental */

enum { STANDBY, PRIMARY, UPLINK, PORTS };

static const VtMac guest_mac = { { 0x52, 0x54, 0, 0xaa, 0xbb, 0xcc } };
static const VtMac other_mac = { { 0x52, 0x54, 0, 0x11, 0x22, 0x33 } };
static const VtMac broadcast_mac = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
static const VtMac multicast_mac = { { 0x01, 0x00, 0x5e, 0x01, 0x02, 0x03 } };

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
add_port(Net *net, guint port, const char *pattern)
{
    VtTapSpec spec = { .name = pattern };
    g_autoptr(GError) error = NULL;

    g_assert_true(vt_tap_open(&spec, net->names[port], &net->fds[port], &error));
    g_assert_true(vt_link_set_master(net->netlink, net->names[port], "br0", &error));
    g_assert_true(vt_link_set_up(net->netlink, net->names[port], TRUE, &error));
    g_assert_no_error(error);
}

static void
set_up(Net *net, gconstpointer hardware)
{
    VtLegsSpec spec = { .mac = guest_mac, .short_queue_frames = 50000, .hardware = hardware != NULL };

    net->netlink = new_netlink();
    make_link(net->netlink, "br0", "bridge");
    g_assert_true(vt_link_set_up(net->netlink, "br0", TRUE, NULL));
    add_port(net, STANDBY, "stand%d");
    add_port(net, PRIMARY, "prim%d");
    add_port(net, UPLINK, "up%d");
    spec.standby = net->names[STANDBY];
    spec.primary = net->names[PRIMARY];
    net->backend = vt_bridge_new(&spec, new_netlink());
}

static void
tear_down(Net *net, gconstpointer unused)
{
    net->backend.funcs->free(net->backend.state);
    for (guint port = 0; port < PORTS; port++)
        vt_fd_clear(&net->fds[port]);
    g_assert_true(vt_link_delete(net->netlink, "br0", NULL));
    vt_netlink_free(net->netlink);
}

static void
send_frame(VtFd fd, const VtMac *to, const VtMac *from, guint32 number)
{
    guint8 frame[60] = { 0 };

    memcpy(frame, to->bytes, 6);
    memcpy(frame + 6, from->bytes, 6);
    frame[12] = ETHERTYPE >> 8;
    frame[13] = ETHERTYPE & 0xff;
    memcpy(frame + 14, &number, sizeof number);
    g_assert_cmpint((int)write(fd, frame, sizeof frame), ==, sizeof frame);
}

/* How often frame @number came; all other frames are thrown away. */
static guint
count_frame(VtFd fd, guint32 number)
{
    guint8 frame[2048];
    guint count = 0;
    ssize_t got;

    while ((got = read(fd, frame, sizeof frame)) > 0) {
        guint32 found;

        memcpy(&found, frame + 14, sizeof found);
        if (got >= 60 && frame[12] == ETHERTYPE >> 8 && frame[13] == (ETHERTYPE & 0xff) && found == number)
            count++;
    }
    return count;
}

static guint32 next_number;

/* Send one frame; check what came to the standby, the primary and the uplink. */
static void
expect(Net *net, guint from_port, const VtMac *to, const VtMac *from, const guint expected[PORTS])
{
    guint32 number = ++next_number;

    send_frame(net->fds[from_port], to, from, number);
    for (guint port = 0; port < PORTS; port++) {
        guint count = count_frame(net->fds[port], number);

        /* Another CPU may be sending something of the kernel's own and take the frame along in a moment. */
        for (guint wait = 0; count < expected[port] && wait < 100; wait++) {
            g_usleep(5000);
            count += count_frame(net->fds[port], number);
        }
        g_assert_cmpuint(count, ==, expected[port]);
    }
}

#define EXPECT(net, port, to, from, ...) expect(net, port, to, from, (const guint[PORTS]){ __VA_ARGS__ })

/* From the network to the guest: exactly the legs of the feed, exactly once each, whatever kind of frame it is. */
static void
test_feeds(Net *net, gconstpointer unused)
{
    static const struct {
        VtFeed feed;
        guint unicast[PORTS];
        guint flooded[PORTS];
    } rows[] = {
        { VT_FEED_STANDBY, { 1, 0, 0 }, { 1, 0, 0 } },  { VT_FEED_STANDBY_COPIED, { 1, 1, 0 }, { 1, 1, 0 } },
        { VT_FEED_FALLBACK, { 1, 1, 0 }, { 1, 1, 0 } }, { VT_FEED_PRIMARY_COPIED, { 1, 1, 0 }, { 1, 1, 0 } },
        { VT_FEED_PRIMARY, { 0, 1, 0 }, { 0, 1, 0 } },
    };

    for (gsize from = 0; from < G_N_ELEMENTS(rows); from++)
        for (gsize to = 0; to < G_N_ELEMENTS(rows); to++) {
            feed_apply(&net->backend, rows[from].feed);
            feed_apply(&net->backend, rows[to].feed);
            feed_apply(&net->backend, rows[to].feed);
            g_test_message("%s to %s", vt_feed_name(rows[from].feed), vt_feed_name(rows[to].feed));
            expect(net, UPLINK, &guest_mac, &other_mac, rows[to].unicast);
            expect(net, UPLINK, &broadcast_mac, &other_mac, rows[to].flooded);
            expect(net, UPLINK, &multicast_mac, &other_mac, rows[to].flooded);
        }
}

static gboolean in_hardware; /* the NIC forwards to the primary by itself */

/* It is told what is added to the primary's port, and what is deleted there; not what moves away. */
static void
heed_entry(Net *net, const struct nlmsghdr *request)
{
    const struct ndmsg *header = nlmsg_data((struct nlmsghdr *)request);

    if (header->ndm_ifindex == vt_link_index(net->netlink, net->names[PRIMARY], NULL))
        in_hardware = request->nlmsg_type == RTM_NEWNEIGH;
}

/* As mlx5 in its representors: a setting that would change how broadcasts are flooded is refused as a whole. */
static int
answer_as_mlx5(const struct nlmsghdr *request, GByteArray *reply, gpointer user)
{
    Net *net = user;
    struct ifinfomsg *header = nlmsg_data((struct nlmsghdr *)request);
    struct nlattr *attrs[IFLA_MAX + 1] = { NULL }, *port[IFLA_BRPORT_MAX + 1] = { NULL };
    int errnum;

    if (request->nlmsg_type == RTM_SETLINK &&
        nlmsg_parse((struct nlmsghdr *)request, sizeof *header, attrs, IFLA_MAX, NULL) == 0 &&
        attrs[IFLA_PROTINFO] && header->ifi_index == vt_link_index(net->netlink, net->names[PRIMARY], NULL) &&
        nla_parse_nested(port, IFLA_BRPORT_MAX, attrs[IFLA_PROTINFO], NULL) == 0 &&
        port[IFLA_BRPORT_BCAST_FLOOD] && nla_get_u8(port[IFLA_BRPORT_BCAST_FLOOD]) == 0)
        return EINVAL;
    errnum = kernel_answer(request, reply);
    if (!errnum && (request->nlmsg_type == RTM_NEWNEIGH || request->nlmsg_type == RTM_DELNEIGH))
        heed_entry(net, request);
    return errnum;
}

/* Hardware copies nothing: it forwards to the primary only while that alone is fed. */
static void
test_hardware(Net *net, gconstpointer unused)
{
    static const VtFeed feeds[] = { VT_FEED_STANDBY,       VT_FEED_STANDBY_COPIED, VT_FEED_PRIMARY_COPIED,
                                    VT_FEED_PRIMARY,       VT_FEED_FALLBACK,       VT_FEED_PRIMARY,
                                    VT_FEED_PRIMARY_COPIED };
    VtLegsSpec spec = {
        .mac = guest_mac, .standby = net->names[STANDBY], .primary = net->names[PRIMARY], .hardware = TRUE
    };

    vt_backend_clear(&net->backend);
    net->backend = vt_bridge_new(&spec, vt_netlink_new_fake(answer_as_mlx5, net));
    in_hardware = FALSE;
    for (gsize i = 0; i < 2 * G_N_ELEMENTS(feeds); i++) {
        VtFeed feed = feeds[i % G_N_ELEMENTS(feeds)];

        feed_apply(&net->backend, feed);
        g_test_message("%s", vt_feed_name(feed));
        g_assert_true(in_hardware == (feed == VT_FEED_PRIMARY));
        expect(net, UPLINK, &guest_mac, &other_mac, feed_counts(feed));
        expect(net, UPLINK, &multicast_mac, &other_mac, feed_counts(feed));
    }
    feed_apply(&net->backend, VT_FEED_PRIMARY);
    feed_apply(&net->backend, VT_FEED_RELEASED);
    g_assert_false(in_hardware);
}

/* Broadcasts come by flooding all the time, and not as copies too. */
static void
test_broadcasts_that_cannot_be_switched(Net *net, gconstpointer unused)
{
    static const struct {
        VtFeed feed;
        guint unicast[PORTS];
        guint broadcast[PORTS];
    } rows[] = {
        { VT_FEED_STANDBY, { 1, 0, 0 }, { 1, 1, 0 } },
        { VT_FEED_STANDBY_COPIED, { 1, 1, 0 }, { 1, 1, 0 } },
        { VT_FEED_PRIMARY_COPIED, { 1, 1, 0 }, { 1, 1, 0 } },
        { VT_FEED_PRIMARY, { 0, 1, 0 }, { 0, 1, 0 } },
    };
    VtLegsSpec spec = { .mac = guest_mac, .standby = net->names[STANDBY], .primary = net->names[PRIMARY] };
    VtLinkInfo before, after;

    g_assert_true(vt_link_get(net->netlink, net->names[PRIMARY], &before, NULL));
    vt_backend_clear(&net->backend);
    net->backend = vt_bridge_new(&spec, vt_netlink_new_fake(answer_as_mlx5, net));
    for (gsize i = 0; i < 2 * G_N_ELEMENTS(rows); i++) {
        gsize row = i % G_N_ELEMENTS(rows);

        feed_apply(&net->backend, rows[row].feed);
        g_test_message("%s", vt_feed_name(rows[row].feed));
        expect(net, UPLINK, &guest_mac, &other_mac, rows[row].unicast);
        expect(net, UPLINK, &multicast_mac, &other_mac, rows[row].unicast);
        expect(net, UPLINK, &broadcast_mac, &other_mac, rows[row].broadcast);
    }
    feed_apply(&net->backend, VT_FEED_RELEASED);
    g_assert_true(vt_link_get(net->netlink, net->names[PRIMARY], &after, NULL));
    g_assert_cmpmem(&before.port, sizeof before.port, &after.port, sizeof after.port);
}

/* Before the guest runs here its address is wherever the bridge has learned it. */
static void
test_ready(Net *net, gconstpointer unused)
{
    feed_apply(&net->backend, VT_FEED_READY);
    EXPECT(net, UPLINK, &other_mac, &guest_mac, 1, 0, 0); /* the guest speaks from its old host: flooded */
    EXPECT(net, STANDBY, &guest_mac, &other_mac, 0, 0, 1);
    feed_apply(&net->backend, VT_FEED_STANDBY_COPIED);
    EXPECT(net, UPLINK, &guest_mac, &other_mac, 1, 1, 0);
    feed_apply(&net->backend, VT_FEED_READY);
    /* Not pinned any more: not here only, but flooded to where it may be now. */
    EXPECT(net, PRIMARY, &guest_mac, &other_mac, 1, 0, 1);
}

/* The guest's own frames go out over either leg, once, and neither move its address nor come back to it. */
static void
test_guest_sends(Net *net, gconstpointer unused)
{
    static const VtFeed feeds[] = { VT_FEED_STANDBY, VT_FEED_STANDBY_COPIED, VT_FEED_PRIMARY_COPIED,
                                    VT_FEED_PRIMARY };

    for (gsize i = 0; i < G_N_ELEMENTS(feeds); i++) {
        gboolean on_standby = feeds[i] <= VT_FEED_STANDBY_COPIED;
        gboolean copied = feeds[i] == VT_FEED_STANDBY_COPIED || feeds[i] == VT_FEED_PRIMARY_COPIED;
        guint expected[PORTS] = { on_standby || copied, !on_standby || copied, 0 };

        feed_apply(&net->backend, feeds[i]);
        EXPECT(net, UPLINK, &broadcast_mac, &other_mac, expected[0], expected[1], 0);
        for (guint leg = STANDBY; leg <= PRIMARY; leg++) {
            guint32 number = ++next_number;

            EXPECT(net, leg, &other_mac, &guest_mac, 0, 0, 1);
            send_frame(net->fds[leg], &broadcast_mac, &guest_mac, number);
            g_usleep(2000);
            g_assert_cmpuint(count_frame(net->fds[UPLINK], number), ==, 1);
            g_assert_cmpuint(count_frame(net->fds[leg], number), ==, 0);
            expect(net, UPLINK, &guest_mac, &other_mac, expected);
        }
        /* A late or looped frame from the uplink with the guest's address. */
        send_frame(net->fds[UPLINK], &broadcast_mac, &guest_mac, 1);
        expect(net, UPLINK, &guest_mac, &other_mac, expected);
    }
}

/* A kernel that has no act_gact. */
static int
answer_without_gact(const struct nlmsghdr *request, GByteArray *reply, gpointer user)
{
    static const char gact[] = "gact";

    if (request->nlmsg_type == RTM_NEWTFILTER && memmem(request, request->nlmsg_len, gact, sizeof gact))
        return ENOENT;
    return kernel_answer(request, reply);
}

/* A guest that sends over one leg while the other is fed: its broadcast goes to everybody but itself. */
static void
test_echoes(Net *net, gconstpointer without_gact)
{
    const guint echoes = without_gact || !kernel_can_drop() ? 1 : 0;
    VtLegsSpec spec = { .mac = guest_mac, .standby = net->names[STANDBY], .primary = net->names[PRIMARY] };

    if (without_gact) {
        vt_backend_clear(&net->backend);
        net->backend = vt_bridge_new(&spec, vt_netlink_new_fake(answer_without_gact, NULL));
    }
    for (guint turn = 0; turn < 2; turn++) {
        feed_apply(&net->backend, VT_FEED_PRIMARY_COPIED);
        EXPECT(net, STANDBY, &broadcast_mac, &guest_mac, 0, echoes, 1);
        EXPECT(net, PRIMARY, &broadcast_mac, &guest_mac, 0, 0, 1);
        EXPECT(net, UPLINK, &broadcast_mac, &other_mac, 1, 1, 0);
        feed_apply(&net->backend, VT_FEED_STANDBY_COPIED);
        EXPECT(net, PRIMARY, &broadcast_mac, &guest_mac, echoes, 0, 1);
        EXPECT(net, STANDBY, &broadcast_mac, &guest_mac, 0, 0, 1);
        EXPECT(net, UPLINK, &guest_mac, &other_mac, 1, 1, 0);
    }
}

typedef struct {
    VtLinkPort ports[PORTS];
    guint32 queues[PORTS];
    VtMirrorQdisc qdiscs[PORTS];
    guint fdb;
} Snapshot;

static void
snapshot(Net *net, Snapshot *out)
{
    memset(out, 0, sizeof *out);
    for (guint port = 0; port < PORTS; port++) {
        g_autoptr(GArray) fdb = NULL;
        g_autoptr(GError) error = NULL;
        VtLinkInfo info;

        g_assert_true(vt_link_get(net->netlink, net->names[port], &info, NULL));
        out->ports[port] = info.port;
        out->queues[port] = info.tx_queue_length;
        g_assert_true(vt_mirror_qdisc(net->netlink, info.index, &out->qdiscs[port], NULL));
        fdb = vt_fdb_list(net->netlink, info.master, info.index, &guest_mac, &error);
        g_assert_no_error(error);
        for (guint i = 0; i < fdb->len; i++)
            if (g_array_index(fdb, VtFdbEntry, i).state == NUD_NOARP)
                out->fdb |= 1u << port;
    }
}

static void
assert_same(const Snapshot *a, const Snapshot *b)
{
    g_assert_cmpmem(a->ports, sizeof a->ports, b->ports, sizeof b->ports);
    g_assert_cmpmem(a->queues, sizeof a->queues, b->queues, sizeof b->queues);
    g_assert_cmpmem(a->qdiscs, sizeof a->qdiscs, b->qdiscs, sizeof b->qdiscs);
    g_assert_cmpuint(a->fdb, ==, b->fdb);
}

static void
test_release_restores(Net *net, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    VtLinkPort odd = { .learning = 1, .flood = 0, .mcast_flood = 1, .bcast_flood = 0, .multicast_router = 0 };
    Snapshot before, after, set;
    VtLinkInfo info;

    g_assert_true(vt_link_set_port(net->netlink, net->names[PRIMARY], &odd, NULL));
    g_assert_true(vt_link_set_tx_queue_length(net->netlink, net->names[PRIMARY], 900, NULL));
    /* An administrator's pin, and a clsact with a filter of somebody else's. */
    g_assert_true(vt_link_get(net->netlink, net->names[UPLINK], &info, NULL));
    g_assert_true(vt_fdb_pin(net->netlink, info.index, &guest_mac, NULL));
    g_assert_true(vt_link_get(net->netlink, net->names[STANDBY], &info, NULL));
    g_assert_true(vt_mirror_add_qdisc(net->netlink, info.index, NULL));
    vt_mirror_start(net->netlink, info.index, info.index + 2, VT_MIRROR_ONLY_TO, &other_mac, &error);
    g_assert_no_error(error);
    g_assert_true(vt_mirror_stop(net->netlink, info.index, NULL));
    snapshot(net, &before);
    g_assert_cmpint(before.qdiscs[STANDBY], ==, VT_MIRROR_CLSACT);
    g_assert_cmpint(before.qdiscs[PRIMARY], ==, VT_MIRROR_NO_QDISC);
    g_assert_cmpuint(before.fdb, ==, 1u << UPLINK);
    for (VtFeed feed = VT_FEED_READY; feed < VT_FEED_COUNT; feed++) {
        feed_apply(&net->backend, feed);
        snapshot(net, &set);
        g_assert_cmpuint(set.ports[PRIMARY].learning, ==, 0);
        g_assert_cmpuint(set.ports[STANDBY].learning, ==, 0);
        feed_apply(&net->backend, VT_FEED_RELEASED);
        snapshot(net, &after);
        assert_same(&before, &after);
        feed_apply(&net->backend, VT_FEED_RELEASED);
    }
}

/* The process dies after each feed; another one restores from the note. */
static void
test_note_restores(Net *net, gconstpointer unused)
{
    Snapshot before, after;

    snapshot(net, &before);
    for (VtFeed feed = VT_FEED_READY; feed < VT_FEED_COUNT; feed++) {
        g_autoptr(JsonNode) node = NULL;
        g_autoptr(JsonNode) again = NULL;
        g_autoptr(GError) error = NULL;
        g_autofree char *text = NULL;
        VtBackend heir;

        feed_apply(&net->backend, feed);
        node = vt_json_node_new(net->backend.funcs->note(net->backend.state));
        text = vt_json_to_string(node);
        g_assert_true(vt_bridge_from_note(node, new_netlink(), &heir, &error));
        g_assert_no_error(error);
        again = vt_json_node_new(heir.funcs->note(heir.state));
        g_assert_true(json_node_equal(node, again));
        /* It can go on ... */
        feed_apply(&heir, VT_FEED_PRIMARY_COPIED);
        EXPECT(net, UPLINK, &guest_mac, &other_mac, 1, 1, 0);
        /* ... and take everything back. */
        feed_apply(&heir, VT_FEED_RELEASED);
        heir.funcs->free(heir.state);
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
        "{\"backend\":\"sriov\"}",
        "{\"backend\":\"bridge\",\"mac\":\"52:54:00:00:00:01\"}",
        "{\"backend\":\"bridge\",\"mac\":\"nonsense\",\"standby\":\"a\",\"legs\":[],\"pins\":[]}",
        "{\"backend\":\"bridge\",\"mac\":\"52:54:00:00:00:01\",\"standby\":\"a\",\"legs\":[7],\"pins\":[]}",
        "{\"backend\":\"bridge\",\"mac\":\"52:54:00:00:00:01\",\"standby\":\"a\",\"legs\":[{\"leg\":\"third\",\"name\":\"a\"}],"
        "\"pins\":[]}",
        "{\"backend\":\"bridge\",\"mac\":\"52:54:00:00:00:01\",\"standby\":\"a\",\"legs\":[{\"leg\":\"standby\",\"name\":\"a\","
        "\"learning\":1000}],\"pins\":[]}",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(notes); i++) {
        g_autoptr(JsonNode) node = vt_json_parse(notes[i], strlen(notes[i]), NULL);
        g_autoptr(GError) error = NULL;
        VtBackend backend;

        g_assert_nonnull(node);
        g_assert_false(vt_bridge_from_note(node, new_netlink(), &backend, &error));
        g_assert_nonnull(error);
    }
}

/* As the sriov back end uses it: of what leaves over the uplink, the guest's frames are copied to standby. */
static void
test_mirror_only_to(Net *net, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    VtLinkInfo uplink, standby;

    g_assert_true(vt_link_get(net->netlink, net->names[UPLINK], &uplink, NULL));
    g_assert_true(vt_link_get(net->netlink, net->names[STANDBY], &standby, NULL));
    g_assert_true(vt_fdb_pin(net->netlink, uplink.index, &guest_mac, NULL));
    g_assert_true(vt_fdb_pin(net->netlink, uplink.index, &other_mac, NULL));
    g_assert_true(vt_mirror_add_qdisc(net->netlink, uplink.index, NULL));
    vt_mirror_start(net->netlink, uplink.index, standby.index, VT_MIRROR_ONLY_TO, &guest_mac, &error);
    g_assert_no_error(error);
    EXPECT(net, PRIMARY, &guest_mac, &other_mac, 1, 0, 1);
    EXPECT(net, PRIMARY, &other_mac, &guest_mac, 0, 0, 1);
    g_assert_true(vt_mirror_stop(net->netlink, uplink.index, &error));
    EXPECT(net, PRIMARY, &guest_mac, &other_mac, 0, 0, 1);
}

static void
test_missing_interfaces(Net *net, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    gboolean noted = FALSE;
    Snapshot before, after;

    snapshot(net, &before);
    /* Without a primary standby works, and what needs the primary is refused. */
    net->backend.funcs->set_primary(net->backend.state, NULL);
    feed_apply(&net->backend, VT_FEED_STANDBY);
    EXPECT(net, UPLINK, &guest_mac, &other_mac, 1, 0, 0);
    g_assert_false(net->backend.funcs->prepare(net->backend.state, VT_FEED_PRIMARY, &noted, &error));
    g_clear_error(&error);
    net->backend.funcs->set_primary(net->backend.state, net->names[PRIMARY]);
    g_assert_true(net->backend.funcs->prepare(net->backend.state, VT_FEED_PRIMARY_COPIED, &noted, &error));
    g_assert_true(noted);
    g_assert_true(net->backend.funcs->apply(net->backend.state, VT_FEED_PRIMARY_COPIED, &error));
    g_assert_true(net->backend.funcs->prepare(net->backend.state, VT_FEED_PRIMARY, &noted, &error));
    g_assert_false(noted);
    g_assert_no_error(error);

    /* The primary's tap goes away with its QEMU; another interface takes its name. */
    vt_fd_clear(&net->fds[PRIMARY]);
    feed_apply(&net->backend, VT_FEED_STANDBY);
    EXPECT(net, UPLINK, &guest_mac, &other_mac, 1, 0, 0);
    g_assert_false(net->backend.funcs->prepare(net->backend.state, VT_FEED_PRIMARY, &noted, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_NO_DEVICE);
    g_clear_error(&error);
    add_port(net, PRIMARY, net->names[PRIMARY]);
    feed_apply(&net->backend, VT_FEED_STANDBY_COPIED);
    EXPECT(net, UPLINK, &guest_mac, &other_mac, 1, 1, 0);
    feed_apply(&net->backend, VT_FEED_RELEASED);
    snapshot(net, &after);
    assert_same(&before, &after);
}

static void
test_refusals(Net *net, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    gboolean noted;

    /* The host's side of the tap has the guest's own address: the bridge would keep the frames. */
    g_assert_true(vt_link_set_mac(net->netlink, net->names[STANDBY], &guest_mac, NULL));
    g_assert_false(net->backend.funcs->prepare(net->backend.state, VT_FEED_STANDBY, &noted, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_UNSUPPORTED);
    g_clear_error(&error);
    g_assert_true(vt_link_set_master(net->netlink, net->names[STANDBY], NULL, NULL));
    g_assert_false(net->backend.funcs->prepare(net->backend.state, VT_FEED_STANDBY, &noted, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_UNSUPPORTED);
    g_clear_error(&error);
    vt_fd_clear(&net->fds[STANDBY]);
    g_assert_false(net->backend.funcs->prepare(net->backend.state, VT_FEED_STANDBY, &noted, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_NO_DEVICE);
}

static void
test_life(Net *net, gconstpointer unused)
{
    VtLifeSigns before, after;

    g_assert_true(net->backend.funcs->look(net->backend.state, &before));
    EXPECT(net, PRIMARY, &other_mac, &guest_mac, 1, 0, 1);
    g_assert_true(net->backend.funcs->look(net->backend.state, &after));
    g_assert_cmpuint(after.frames, ==, before.frames + 1);
    net->backend.funcs->set_primary(net->backend.state, NULL);
    g_assert_false(net->backend.funcs->look(net->backend.state, &after));
}

/* ---- a stream of frames during a switch ---- */

static void
test_nothing_is_lost(Net *net, gconstpointer unused)
{
    const StreamLab stream = { .backend = &net->backend,
                               .uplink = net->fds[UPLINK],
                               .legs = { net->fds[STANDBY], net->fds[PRIMARY] },
                               .guest = guest_mac,
                               .other = other_mac,
                               .pause_us = 30,
                               .rounds = 3 };

    stream_switches(&stream);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (unshare(CLONE_NEWNET) < 0) {
        fprintf(stderr, "bridgetest needs root for a network namespace of its own: %s\n", g_strerror(errno));
        return 1;
    }
#define ADD(path, func) g_test_add(path, Net, NULL, set_up, func, tear_down)
    ADD("/datapath/bridge/every-feed-reaches-its-legs-exactly-once", test_feeds);
    ADD("/datapath/bridge/broadcasts-that-cannot-be-switched-are-not-copied",
        test_broadcasts_that_cannot_be_switched);
    ADD("/datapath/bridge/hardware-forwards-when-nothing-is-copied", test_hardware);
    ADD("/datapath/bridge/ready-pins-nothing", test_ready);
    ADD("/datapath/bridge/what-the-guest-sends-moves-nothing", test_guest_sends);
    ADD("/datapath/bridge/what-the-guest-sends-does-not-come-back", test_echoes);
    g_test_add("/datapath/bridge/nor-is-it-copied-without-act-gact", Net, GUINT_TO_POINTER(TRUE), set_up,
               test_echoes, tear_down);
    ADD("/datapath/bridge/release-restores-everything", test_release_restores);
    ADD("/datapath/bridge/a-note-restores-everything", test_note_restores);
    g_test_add_func("/datapath/bridge/bad-notes-are-refused", test_bad_notes);
    ADD("/datapath/mirror/only-to-an-address", test_mirror_only_to);
    ADD("/datapath/bridge/interfaces-that-are-gone", test_missing_interfaces);
    ADD("/datapath/bridge/refusals", test_refusals);
    ADD("/datapath/bridge/signs-of-life", test_life);
    ADD("/datapath/bridge/no-frame-is-lost-or-doubled-during-a-switch", test_nothing_is_lost);
    g_test_add("/datapath/bridge/nor-where-hardware-forwards", Net, GUINT_TO_POINTER(TRUE), set_up,
               test_nothing_is_lost, tear_down);
    return g_test_run();
}
