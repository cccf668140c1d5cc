/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The sriov back end: bridge, FDB and tc are the kernel's, in a network namespace of its own; the PF is a tap, whose
 * other end is the NIC's switch, and a fake answers for its VFs.
 */
#include "datapath/fdb.h"
#include "datapath/mirror.h"
#include "datapath/sriov.h"
#include "util/json.h"
#include "util/link.h"
#include "util/tap.h"

#include "lib/feed.h"
#include "lib/fake-irqs.h"
#include "lib/fake-pf.h"
#include "lib/kernel-answer.h"
#include "lib/make-link.h"

#include <linux/neighbour.h>
#include <sched.h>
#include <stdio.h>

enum { STANDBY, PF, NEIGHBOUR, PORTS };

static const VtMac guest_mac = { { 0x52, 0x54, 0, 0xaa, 0xbb, 0xcc } };
static const VtMac second_mac = { { 0x52, 0x54, 0, 0xaa, 0xbb, 0xdd } };
static const VtMac neighbour_mac = { { 0x52, 0x54, 0, 0x11, 0x22, 0x33 } };
static const VtMac wire_mac = { { 0x52, 0x54, 0, 0x44, 0x55, 0x66 } };
static const VtMac broadcast_mac = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };

typedef struct {
    VtNetlink *netlink;
    VtFd fds[PORTS];
    char names[PORTS][IF_NAMESIZE];
    VtLinkInfo infos[PORTS];
    VtLinkInfo bridge;
    FakePf pf;
    VtBackend backend;
} Net;

static VtNetlink *
fake_netlink(Net *net)
{
    return vt_netlink_new_fake(fake_pf_answer, &net->pf);
}

static VtSriovSpec
spec_of(Net *net)
{
    return (VtSriovSpec){
        .mac = guest_mac,
        .standby = net->names[STANDBY],
        .pf = net->names[PF],
        .vf = 1,
        .settings = { .fields = VT_VF_VLAN | VT_VF_TRUST, .vlan = 42, .vlan_proto = 0x8100, .trust = TRUE },
        .tries = 3,
    };
}

static void
set_up(Net *net, gconstpointer unused)
{
    static const char *const patterns[PORTS] = { "stand%d", "pf%d", "vnet%d" };
    VtSriovSpec spec;

    net->netlink = vt_netlink_new(NULL);
    make_link(net->netlink, "br0", "bridge");
    g_assert_true(vt_link_set_up(net->netlink, "br0", TRUE, NULL));
    for (guint port = 0; port < PORTS; port++) {
        VtTapSpec tap = { .name = patterns[port] };
        g_autoptr(GError) error = NULL;

        g_assert_true(vt_tap_open(&tap, net->names[port], &net->fds[port], &error));
        g_assert_true(vt_link_set_master(net->netlink, net->names[port], "br0", &error));
        g_assert_true(vt_link_set_up(net->netlink, net->names[port], TRUE, &error));
        g_assert_true(vt_link_get(net->netlink, net->names[port], &net->infos[port], &error));
        g_assert_no_error(error);
    }
    g_assert_true(vt_link_get(net->netlink, "br0", &net->bridge, NULL));
    fake_pf_init(&net->pf, net->infos[PF].index);
    net->pf.with_kernel = TRUE;
    spec = spec_of(net);
    net->backend = vt_sriov_new(&spec, fake_netlink(net));
}

static void
tear_down(Net *net, gconstpointer unused)
{
    vt_backend_clear(&net->backend);
    for (guint port = 0; port < PORTS; port++)
        vt_fd_clear(&net->fds[port]);
    g_assert_true(vt_link_delete(net->netlink, "br0", NULL));
    vt_netlink_free(net->netlink);
}

static guint32 next_number;

static guint
count_frame(VtFd fd, guint32 number)
{
    guint8 frame[2048];
    guint count = 0;

    while (read(fd, frame, sizeof frame) > 0) {
        guint32 found;

        memcpy(&found, frame + 14, sizeof found);
        if (frame[12] == 0x88 && frame[13] == 0xb5 && found == number)
            count++;
    }
    return count;
}

static void
expect(Net *net, guint from_port, const VtMac *to, const VtMac *from, const guint expected[PORTS])
{
    guint8 frame[60] = { [12] = 0x88, [13] = 0xb5 };
    guint32 number = ++next_number;

    memcpy(frame, to->bytes, 6);
    memcpy(frame + 6, from->bytes, 6);
    memcpy(frame + 14, &number, sizeof number);
    g_assert_cmpint((int)write(net->fds[from_port], frame, sizeof frame), ==, sizeof frame);
    for (guint port = 0; port < PORTS; port++) {
        guint count = count_frame(net->fds[port], number);

        for (guint wait = 0; count < expected[port] && wait < 100; wait++) {
            g_usleep(5000);
            count += count_frame(net->fds[port], number);
        }
        g_assert_cmpuint(count, ==, expected[port]);
    }
}

#define EXPECT(net, port, to, from, ...) expect(net, port, to, from, (const guint[PORTS]){ __VA_ARGS__ })

static gboolean
pf_has(Net *net, const VtMac *mac)
{
    g_autoptr(GArray) entries = vt_fdb_list(net->netlink, 0, net->infos[PF].index, mac, NULL);

    return entries->len > 0;
}

static gboolean
vf_has_guest(Net *net, guint vf)
{
    return vt_mac_equal(&net->pf.vfs[vf].mac, &guest_mac);
}

static void
test_feeds(Net *net, gconstpointer unused)
{
    static const struct {
        VtFeed feed;
        gboolean vf, self;
        guint from_neighbour[PORTS], from_wire[PORTS], broadcast[PORTS];
    } rows[] = {
        { VT_FEED_STANDBY, FALSE, TRUE, { 1, 0, 0 }, { 1, 0, 0 }, { 1, 0, 1 } },
        { VT_FEED_STANDBY_ARMED, TRUE, TRUE, { 1, 0, 0 }, { 1, 0, 0 }, { 1, 0, 1 } },
        { VT_FEED_STANDBY_COPIED, TRUE, TRUE, { 1, 1, 0 }, { 1, 0, 0 }, { 1, 0, 1 } },
        { VT_FEED_FALLBACK, TRUE, TRUE, { 1, 0, 0 }, { 1, 0, 0 }, { 1, 0, 1 } },
        { VT_FEED_PRIMARY_COPIED, TRUE, TRUE, { 1, 1, 0 }, { 1, 0, 0 }, { 1, 0, 1 } },
        { VT_FEED_PRIMARY, TRUE, FALSE, { 0, 1, 0 }, { 0, 0, 0 }, { 0, 0, 1 } },
    };

    for (gsize from = 0; from < G_N_ELEMENTS(rows); from++)
        for (gsize to = 0; to < G_N_ELEMENTS(rows); to++) {
            gboolean had;

            feed_apply(&net->backend, rows[from].feed);
            had = vf_has_guest(net, 1);
            feed_apply(&net->backend, rows[to].feed);
            g_test_message("%s to %s", vt_feed_name(rows[from].feed), vt_feed_name(rows[to].feed));
            g_assert_true(vf_has_guest(net, 1) == (rows[to].feed == VT_FEED_FALLBACK ? had : rows[to].vf));
            g_assert_true(pf_has(net, &guest_mac) == rows[to].self);
            expect(net, NEIGHBOUR, &guest_mac, &neighbour_mac, rows[to].from_neighbour);
            expect(net, PF, &guest_mac, &wire_mac, rows[to].from_wire);
            expect(net, PF, &broadcast_mac, &wire_mac, rows[to].broadcast);
        }
    g_assert_cmpuint(net->pf.vfs[1].vlan, ==, 42);
    g_assert_true(net->pf.vfs[1].trust);
    g_assert_false(vf_has_guest(net, 0) || vf_has_guest(net, 2));
}

/* A NIC that delivers to every match, the sender too: standby has had the frame as a copy. */
static void
test_echo(Net *net, gconstpointer unused)
{
    static const VtFeed feeds[] = { VT_FEED_STANDBY_COPIED, VT_FEED_PRIMARY_COPIED };
    const guint echoes[PORTS] = { kernel_can_drop() ? 0 : 1, 0, 0 };

    EXPECT(net, NEIGHBOUR, &broadcast_mac, &neighbour_mac, 1, 1, 0); /* is learned */
    for (gsize i = 0; i < G_N_ELEMENTS(feeds); i++) {
        feed_apply(&net->backend, feeds[i]);
        EXPECT(net, NEIGHBOUR, &guest_mac, &neighbour_mac, 1, 1, 0);
        expect(net, PF, &guest_mac, &neighbour_mac, echoes);
        expect(net, PF, &guest_mac, &net->bridge.mac, echoes);
        EXPECT(net, PF, &guest_mac, &wire_mac, 1, 0, 0);
        EXPECT(net, PF, &neighbour_mac, &wire_mac, 0, 0, 1); /* it has not been learned behind the PF */
    }
    EXPECT(net, NEIGHBOUR, &broadcast_mac, &second_mac, 1, 1, 0); /* one more */
    feed_apply(&net->backend, VT_FEED_STANDBY_COPIED);
    expect(net, PF, &guest_mac, &second_mac, echoes);
    feed_apply(&net->backend, VT_FEED_PRIMARY);
    feed_apply(&net->backend, VT_FEED_STANDBY);
    EXPECT(net, NEIGHBOUR, &guest_mac, &neighbour_mac, 1, 0, 0);
}

static void
test_ready(Net *net, gconstpointer unused)
{
    VtSriovSpec late = spec_of(net);
    VtBackend backend;

    feed_apply(&net->backend, VT_FEED_READY);
    g_assert_false(vf_has_guest(net, 1));
    g_assert_false(pf_has(net, &guest_mac));
    EXPECT(net, NEIGHBOUR, &guest_mac, &neighbour_mac, 0, 1, 0); /* nothing waits for the guest on standby */
    EXPECT(net, NEIGHBOUR, &broadcast_mac, &neighbour_mac, 0, 1, 0);
    feed_apply(&net->backend, VT_FEED_RELEASED);
    late.late_filter = TRUE;
    backend = vt_sriov_new(&late, fake_netlink(net));
    feed_apply(&backend, VT_FEED_READY);
    g_assert_true(vf_has_guest(net, 1)); /* it may be there early */
    g_assert_false(pf_has(net, &guest_mac));
    feed_apply(&backend, VT_FEED_RELEASED);
    g_assert_false(vf_has_guest(net, 1));
    vt_backend_clear(&backend);
}

static void
assert_untouched(Net *net)
{
    VtVfSettings pristine = { .fields = VT_VF_FIELDS_ALL, .spoofchk = TRUE, .vlan_proto = 0x8100 };
    g_autoptr(GArray) pins = vt_fdb_list(net->netlink, net->bridge.index, 0, &guest_mac, NULL);
    VtMirrorQdisc qdisc;
    VtLinkInfo info;

    g_assert_cmphex(vt_vf_diff(&pristine, &net->pf.vfs[1]), ==, 0);
    g_assert_false(pf_has(net, &guest_mac));
    g_assert_false(pf_has(net, &neighbour_mac));
    g_assert_false(pf_has(net, &net->bridge.mac));
    for (guint i = 0; i < pins->len; i++)
        g_assert_cmphex(g_array_index(pins, VtFdbEntry, i).state, !=, NUD_NOARP);
    for (guint port = 0; port < PORTS; port++) {
        g_assert_true(vt_link_get(net->netlink, net->names[port], &info, NULL));
        g_assert_cmpmem(&info.port, sizeof info.port, &net->infos[port].port, sizeof info.port);
        g_assert_true(vt_mirror_qdisc(net->netlink, info.index, &qdisc, NULL));
        g_assert_cmpint(qdisc, ==, VT_MIRROR_NO_QDISC);
    }
}

static void
test_release_and_note(Net *net, gconstpointer unused)
{
    for (VtFeed feed = VT_FEED_READY; feed < VT_FEED_COUNT; feed++) {
        g_autoptr(JsonNode) note = NULL;
        g_autoptr(JsonNode) again = NULL;
        g_autoptr(GError) error = NULL;
        VtBackend heir;

        EXPECT(net, NEIGHBOUR, &broadcast_mac, &neighbour_mac, 1, 1, 0); /* is learned */
        feed_apply(&net->backend, feed);
        note = vt_json_node_new(net->backend.funcs->note(net->backend.state));
        feed_apply(&net->backend, VT_FEED_RELEASED);
        assert_untouched(net);
        /* The same, but the process dies, and another one takes everything back. */
        feed_apply(&net->backend, feed);
        vt_backend_clear(&net->backend);
        g_assert_true(vt_sriov_from_note(note, NULL, fake_netlink(net), &heir, &error));
        again = vt_json_node_new(heir.funcs->note(heir.state));
        g_assert_true(json_node_equal(note, again));
        net->backend = heir;
        feed_apply(&net->backend, VT_FEED_RELEASED);
        assert_untouched(net);
    }
}

/* What the VF sends to neighbours reaches them because the NIC knows them; it forgets them with the last team. */
static void
test_neighbours(Net *net, gconstpointer unused)
{
    VtSriovSpec spec = spec_of(net);
    VtFdbEntry foreign = {
        .ifindex = net->infos[PF].index, .mac = wire_mac, .state = NUD_PERMANENT, .flags = NTF_SELF
    };
    VtBackend second;

    spec.mac = second_mac;
    spec.vf = 2;
    second = vt_sriov_new(&spec, fake_netlink(net));
    g_assert_true(vt_fdb_set(net->netlink, &foreign, NULL)); /* an administrator's */
    EXPECT(net, NEIGHBOUR, &broadcast_mac, &neighbour_mac, 1, 1, 0);
    EXPECT(net, NEIGHBOUR, &broadcast_mac, &wire_mac, 1, 1, 0);
    feed_apply(&net->backend, VT_FEED_STANDBY);
    g_assert_false(pf_has(net, &neighbour_mac));
    feed_apply(&net->backend, VT_FEED_PRIMARY_COPIED);
    g_assert_true(pf_has(net, &neighbour_mac));
    g_assert_true(pf_has(net, &net->bridge.mac));
    feed_apply(&second, VT_FEED_PRIMARY);
    feed_apply(&net->backend, VT_FEED_RELEASED);
    g_assert_true(pf_has(net, &neighbour_mac));
    feed_apply(&second, VT_FEED_RELEASED);
    g_assert_false(pf_has(net, &neighbour_mac));
    g_assert_false(pf_has(net, &net->bridge.mac));
    g_assert_true(pf_has(net, &wire_mac));
    vt_backend_clear(&second);
}

/* A NIC with few filters: the guest's own comes first, then the bridge's, then the neighbours' as they fit. */
static void
test_no_room(Net *net, gconstpointer unused)
{
    EXPECT(net, NEIGHBOUR, &broadcast_mac, &neighbour_mac, 1, 1, 0);
    net->pf.room = 2;
    feed_apply(&net->backend, VT_FEED_PRIMARY);
    g_assert_true(pf_has(net, &net->bridge.mac));
    g_assert_true(pf_has(net, &neighbour_mac));
    feed_apply(&net->backend, VT_FEED_PRIMARY_COPIED);
    g_assert_true(pf_has(net, &guest_mac));
    g_assert_true(pf_has(net, &net->bridge.mac));
    g_assert_false(pf_has(net, &neighbour_mac));
    feed_apply(&net->backend, VT_FEED_STANDBY);
    g_assert_true(pf_has(net, &guest_mac));
    feed_apply(&net->backend, VT_FEED_PRIMARY);
    feed_apply(&net->backend, VT_FEED_RELEASED);
    assert_untouched(net);
}

static void
test_reset_and_lies(Net *net, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;

    net->pf.busy = 2;
    feed_apply(&net->backend, VT_FEED_PRIMARY);
    g_assert_true(vf_has_guest(net, 1));
    net->pf.lies = VT_VF_MAC;
    g_assert_false(feed_try(&net->backend, VT_FEED_STANDBY, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
    g_clear_error(&error);
    /* What can be taken back is taken back, and the failure is told. */
    g_assert_false(feed_try(&net->backend, VT_FEED_RELEASED, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
    g_assert_false(pf_has(net, &net->bridge.mac));
}

static void
test_refusals(Net *net, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    VtSriovSpec spec = spec_of(net);
    VtBackend backend;

    spec.vf = FAKE_PF_VFS;
    backend = vt_sriov_new(&spec, fake_netlink(net));
    g_assert_false(feed_try(&backend, VT_FEED_STANDBY, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_NO_DEVICE);
    g_clear_error(&error);
    vt_backend_clear(&backend);
    net->pf.unsupported = VT_VF_TRUST;
    g_assert_false(feed_try(&net->backend, VT_FEED_PRIMARY, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_SYSTEM);
    g_clear_error(&error);
    feed_apply(&net->backend, VT_FEED_STANDBY); /* needs nothing of that VF */
    g_assert_true(vt_link_set_up(net->netlink, net->names[PF], FALSE, NULL));
    feed_apply(&net->backend, VT_FEED_FALLBACK); /* is what one falls back to */
    feed_apply(&net->backend, VT_FEED_STANDBY);
    net->pf.unsupported = 0;
    feed_apply(&net->backend, VT_FEED_RELEASED);
    g_assert_false(feed_try(&net->backend, VT_FEED_STANDBY, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "is down"));
    g_clear_error(&error);
    g_assert_true(vt_link_set_up(net->netlink, net->names[PF], TRUE, NULL));
    g_assert_true(vt_link_set_master(net->netlink, net->names[PF], NULL, NULL));
    g_assert_false(feed_try(&net->backend, VT_FEED_STANDBY, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_UNSUPPORTED);
}

static void
test_life(Net *net, gconstpointer unused)
{
    VtLifeSigns signs;

    g_assert_false(net->backend.funcs->look(net->backend.state, &signs));
    feed_apply(&net->backend, VT_FEED_STANDBY_COPIED);
    net->pf.sent[1] = 17;
    g_assert_true(net->backend.funcs->look(net->backend.state, &signs));
    g_assert_cmpuint(signs.frames, ==, 17);
    g_assert_false(signs.stirs);
}

/* A driver that counts no frames: interrupts stand for them. */
static void
test_life_by_interrupts(Net *net, gconstpointer unused)
{
    VtSriovSpec spec = spec_of(net);
    FakeIrqs irqs;
    VtBackend backend;

    fake_irqs_init(&irqs);
    spec.host = &irqs.host;
    spec.bdf = irqs.bdf;
    backend = vt_sriov_new(&spec, fake_netlink(net));
    fake_irqs_check(&irqs, &backend);
}

static void
test_bad_notes(Net *net, gconstpointer unused)
{
    static const char *const notes[] = {
        "{}",
        "{\"backend\":\"bridge\"}",
        "{\"backend\":\"sriov\",\"mac\":\"52:54:00:00:00:01\",\"standby\":\"a\",\"pf\":\"b\",\"bdf\":\"x\"}",
        "{\"backend\":\"sriov\",\"mac\":\"52:54:00:00:00:01\",\"standby\":\"a\",\"pf\":\"b\",\"bdf\":\"0000:01:00.1\","
        "\"wanted\":{\"mac\":\"52:54:00:00:00:01\"},\"pins\":[],\"neighbours\":[7]}",
        "{\"backend\":\"sriov\",\"mac\":\"52:54:00:00:00:01\",\"standby\":\"a\",\"pf\":\"b\",\"bdf\":\"0000:01:00.1\","
        "\"wanted\":{\"mac\":\"52:54:00:00:00:01\"},\"pf-port\":{},\"pins\":[],\"neighbours\":[]}",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(notes); i++) {
        g_autoptr(JsonNode) node = vt_json_parse(notes[i], strlen(notes[i]), NULL);
        g_autoptr(GError) error = NULL;
        VtBackend backend;

        g_assert_nonnull(node);
        g_assert_false(vt_sriov_from_note(node, NULL, fake_netlink(net), &backend, &error));
        g_assert_nonnull(error);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (unshare(CLONE_NEWNET) < 0) {
        fprintf(stderr, "sriovtest needs root for a network namespace of its own: %s\n", g_strerror(errno));
        return 1;
    }
#define ADD(path, func) g_test_add(path, Net, NULL, set_up, func, tear_down)
    ADD("/datapath/sriov/every-feed-reaches-its-legs", test_feeds);
    ADD("/datapath/sriov/an-echo-of-the-nic-reaches-nobody", test_echo);
    ADD("/datapath/sriov/ready-arms-only-late-filters", test_ready);
    ADD("/datapath/sriov/release-and-note-restore-everything", test_release_and_note);
    ADD("/datapath/sriov/neighbours-stay-for-the-last-team", test_neighbours);
    ADD("/datapath/sriov/a-nic-with-few-filters", test_no_room);
    ADD("/datapath/sriov/reset-is-waited-for-and-lies-are-found", test_reset_and_lies);
    ADD("/datapath/sriov/refusals", test_refusals);
    ADD("/datapath/sriov/signs-of-life", test_life);
    ADD("/datapath/sriov/interrupts-stand-for-frames", test_life_by_interrupts);
    ADD("/datapath/sriov/bad-notes-are-refused", test_bad_notes);
    return g_test_run();
}
