/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Macvtaps, and the back end for a standby on one: the kernel's macvlan on a veth in a network namespace, whose other end
 * is the wire, and a fake that answers for the VFs of that "PF".
 */
#include "datapath/macvtap-vf.h"
#include "util/json.h"
#include "util/link.h"
#include "util/macvtap.h"

#include "lib/feed.h"
#include "lib/fake-irqs.h"
#include "lib/fake-pf.h"

#include <linux/if_packet.h>
#include <linux/veth.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>

#define ETHERTYPE 0x88b5 /* IEEE 802: local experimental */
#define VNET_HDR  10     /* struct virtio_net_hdr */
#define PF        "pf0"
#define WIRE      "wire0"

static const VtMac guest_mac = { { 0x52, 0x54, 0, 0xaa, 0xbb, 0xcc } };
static const VtMac other_mac = { { 0x52, 0x54, 0, 0x11, 0x22, 0x33 } };
static const VtMac multicast_mac = { { 0x01, 0x00, 0x5e, 0x01, 0x02, 0x03 } };

typedef struct {
    VtNetlink *netlink;
    VtFd tap, wire;
    FakePf pf;
    VtBackend backend;
} Net;

static void
make_veth(VtNetlink *netlink)
{
    struct ifinfomsg header = { 0 };
    g_autoptr(VtNetlinkMsg) message =
        vt_netlink_msg(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof header);
    g_autoptr(GError) error = NULL;
    struct nlattr *info, *data, *peer;

    nla_put_string(message, IFLA_IFNAME, PF);
    info = nla_nest_start(message, IFLA_LINKINFO);
    nla_put_string(message, IFLA_INFO_KIND, "veth");
    data = nla_nest_start(message, IFLA_INFO_DATA);
    peer = nla_nest_start(message, VETH_INFO_PEER);
    nlmsg_append(message, &header, sizeof header, NLMSG_ALIGNTO);
    nla_put_string(message, IFLA_IFNAME, WIRE);
    nla_nest_end(message, peer);
    nla_nest_end(message, data);
    nla_nest_end(message, info);
    vt_netlink_request(netlink, message, NULL, NULL, 5000, NULL, &error);
    g_assert_no_error(error);
    g_assert_true(vt_link_set_up(netlink, PF, TRUE, NULL));
    g_assert_true(vt_link_set_up(netlink, WIRE, TRUE, NULL));
}

static VtFd
open_wire(VtNetlink *netlink)
{
    struct sockaddr_ll address = { .sll_family = AF_PACKET,
                                   .sll_protocol = htons(ETHERTYPE),
                                   .sll_ifindex = vt_link_index(netlink, WIRE, NULL) };
    VtFd fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETHERTYPE));

    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    return fd;
}

static void
make_macvtap(Net *net, const char *name, const VtMac *mac, const char *mode, VtFd *fd)
{
    const VtMacvtapSpec spec = { .name = name, .lower = PF, .mode = mode, .mac = *mac };
    g_autoptr(GError) error = NULL;

    vt_macvtap_make(net->netlink, &spec, &error);
    g_assert_no_error(error);
    vt_macvtap_open(net->netlink, name, 1, fd, &error);
    g_assert_no_error(error);
}

static VtMacvtapVfSpec
spec_of(void)
{
    return (VtMacvtapVfSpec){ .mac = guest_mac,
                              .standby = "macvtap0",
                              .pf = PF,
                              .vf = 2,
                              .settings = { .fields = VT_VF_VLAN, .vlan = 42, .vlan_proto = 0x8100 },
                              .tries = 3 };
}

static VtNetlink *
fake_netlink(Net *net)
{
    return vt_netlink_new_fake(fake_pf_answer, &net->pf);
}

static void
set_up(Net *net, gconstpointer unused)
{
    const VtMacvtapVfSpec spec = spec_of();

    net->netlink = vt_netlink_new(NULL);
    make_veth(net->netlink);
    make_macvtap(net, "macvtap0", &guest_mac, "bridge", &net->tap);
    net->wire = open_wire(net->netlink);
    fake_pf_init(&net->pf, vt_link_index(net->netlink, PF, NULL));
    net->pf.with_kernel = TRUE;
    net->backend = vt_macvtap_vf_new(&spec, fake_netlink(net));
}

static void
tear_down(Net *net, gconstpointer unused)
{
    vt_backend_clear(&net->backend);
    vt_fd_clear(&net->tap);
    vt_fd_clear(&net->wire);
    g_assert_true(vt_link_delete(net->netlink, PF, NULL));
    vt_netlink_free(net->netlink);
}

/* ---- frames ---- */

static guint32 next_number;

static void
send_frame(VtFd fd, gboolean to_tap, const VtMac *to, const VtMac *from, guint32 number)
{
    guint8 buffer[VNET_HDR + 60] = { 0 };
    guint8 *frame = buffer + VNET_HDR;
    gsize length = to_tap ? sizeof buffer : 60;

    memcpy(frame, to->bytes, 6);
    memcpy(frame + 6, from->bytes, 6);
    frame[12] = ETHERTYPE >> 8;
    frame[13] = ETHERTYPE & 0xff;
    memcpy(frame + 14, &number, sizeof number);
    /* A macvtap that is down takes nothing. */
    if (write(fd, to_tap ? buffer : frame, length) < 0)
        g_assert_true(to_tap);
}

static guint
count_frame(VtFd fd, gboolean is_tap, guint32 number)
{
    guint8 buffer[2048];
    guint count = 0;
    ssize_t got;

    while ((got = read(fd, buffer, sizeof buffer)) > 0) {
        const guint8 *frame = buffer + (is_tap ? VNET_HDR : 0);
        guint32 found;

        memcpy(&found, frame + 14, sizeof found);
        if (got >= 60 && frame[12] == ETHERTYPE >> 8 && frame[13] == (ETHERTYPE & 0xff) && found == number)
            count++;
    }
    return count;
}

static guint
wait_frame(VtFd fd, gboolean is_tap, guint32 number, guint expected)
{
    guint count = count_frame(fd, is_tap, number);

    for (guint wait = 0; count < expected && wait < 12000; wait++) {
        g_usleep(5000);
        count += count_frame(fd, is_tap, number);
    }
    if (expected == 0) {
        g_usleep(5000);
        count += count_frame(fd, is_tap, number);
    }
    return count;
}

/* From the wire to the macvtap's guest. */
static guint
from_wire(Net *net, const VtMac *to, guint expected)
{
    guint32 number = ++next_number;

    send_frame(net->wire, FALSE, to, &other_mac, number);
    return wait_frame(net->tap, TRUE, number, expected);
}

/* ---- tests ---- */

static void
test_life(Net *net, gconstpointer unused)
{
    guint32 number = ++next_number;
    g_autoptr(GError) error = NULL;
    VtLinkInfo info;

    g_assert_true(vt_link_get(net->netlink, "macvtap0", &info, NULL));
    g_assert_cmpstr(info.kind, ==, "macvtap");
    g_assert_false(info.up);
    g_assert_true(vt_mac_equal(&info.mac, &guest_mac));
    g_assert_cmpuint(from_wire(net, &guest_mac, 0), ==, 0);
    g_assert_true(vt_link_set_up(net->netlink, "macvtap0", TRUE, NULL));
    g_assert_cmpuint(from_wire(net, &guest_mac, 1), ==, 1);
    g_assert_cmpuint(from_wire(net, &other_mac, 0), ==, 0);
    g_assert_cmpuint(from_wire(net, &multicast_mac, 1), ==, 1); /* whatever the guest listens to */
    send_frame(net->tap, TRUE, &other_mac, &guest_mac, number);
    g_assert_cmpuint(wait_frame(net->wire, FALSE, number, 1), ==, 1);
    /* Only what we have made is removed. */
    g_assert_true(vt_macvtap_remove(net->netlink, "macvtap0", &other_mac, &error));
    g_assert_true(vt_link_exists(net->netlink, "macvtap0"));
    g_assert_true(vt_macvtap_remove(net->netlink, PF, &guest_mac, &error));
    g_assert_true(vt_link_exists(net->netlink, PF));
    g_assert_true(vt_macvtap_remove(net->netlink, "macvtap0", &guest_mac, &error));
    g_assert_false(vt_link_exists(net->netlink, "macvtap0"));
    g_assert_true(vt_macvtap_remove(net->netlink, "macvtap0", &guest_mac, &error));
    g_assert_no_error(error);
}

static void
test_queues(Net *net, gconstpointer unused)
{
    VtFd fds[3] = { -1, -1, -1 };
    g_autoptr(GError) error = NULL;

    vt_fd_clear(&net->tap);
    g_assert_true(vt_macvtap_open(net->netlink, "macvtap0", 3, fds, &error));
    g_assert_no_error(error);
    for (guint i = 0; i < 3; i++)
        vt_fd_clear(&fds[i]);
    g_assert_false(vt_macvtap_open(net->netlink, "macvtap0", 99, fds, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_INVALID_ARG);
    g_clear_error(&error);
    g_assert_false(vt_macvtap_open(net->netlink, PF, 1, fds, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_UNSUPPORTED);
    g_clear_error(&error);
    g_assert_false(vt_macvtap_open(net->netlink, "nothing", 1, fds, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_NO_DEVICE);
}

static void
test_refused(Net *net, gconstpointer unused)
{
    static const struct {
        const char *name, *lower, *mode;
        int code;
    } rows[] = {
        { "macvtap1", "nothing", "bridge", VT_ERROR_NO_DEVICE },
        { "macvtap1", PF, "passthrough", VT_ERROR_INVALID_ARG },
        { "macvtap1", "lo", "bridge", VT_ERROR_SYSTEM },
        { "macvtap0", PF, "bridge", VT_ERROR_SYSTEM },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        const VtMacvtapSpec spec = {
            .name = rows[i].name, .lower = rows[i].lower, .mode = rows[i].mode, .mac = other_mac
        };
        g_autoptr(GError) error = NULL;

        g_assert_false(vt_macvtap_make(net->netlink, &spec, &error));
        g_assert_error(error, VT_ERROR, rows[i].code);
        g_assert_false(vt_link_exists(net->netlink, "macvtap1"));
    }
}

static gboolean
vf_has_guest(Net *net)
{
    return vt_mac_equal(&net->pf.vfs[2].mac, &guest_mac);
}

/* The macvtap takes the guest's frames exactly while the feed has standby; so does a neighbour's on the same PF. */
static void
test_feeds(Net *net, gconstpointer unused)
{
    static const struct {
        VtFeed feed;
        gboolean up, vf;
    } rows[] = {
        { VT_FEED_READY, FALSE, FALSE },        { VT_FEED_STANDBY, TRUE, FALSE },
        { VT_FEED_STANDBY_ARMED, TRUE, TRUE },  { VT_FEED_STANDBY_COPIED, TRUE, TRUE },
        { VT_FEED_PRIMARY_COPIED, TRUE, TRUE }, { VT_FEED_PRIMARY, FALSE, TRUE },
        { VT_FEED_FALLBACK, TRUE, TRUE },
    };
    VtFd neighbour = -1;

    make_macvtap(net, "macvtap7", &other_mac, "bridge", &neighbour);
    g_assert_true(vt_link_set_up(net->netlink, "macvtap7", TRUE, NULL));
    for (gsize from = 0; from < G_N_ELEMENTS(rows); from++)
        for (gsize to = 0; to < G_N_ELEMENTS(rows); to++) {
            guint32 number = ++next_number;

            feed_apply(&net->backend, rows[from].feed);
            feed_apply(&net->backend, rows[to].feed);
            g_test_message("%s to %s", vt_feed_name(rows[from].feed), vt_feed_name(rows[to].feed));
            g_assert_true(vf_has_guest(net) == rows[to].vf);
            g_assert_cmpuint(from_wire(net, &guest_mac, rows[to].up), ==, rows[to].up);
            /* Where standby is not fed, the neighbour's frame goes to the NIC's switch. */
            send_frame(neighbour, TRUE, &guest_mac, &other_mac, number);
            g_assert_cmpuint(wait_frame(net->tap, TRUE, number, rows[to].up), ==, rows[to].up);
            g_assert_cmpuint(wait_frame(net->wire, FALSE, number, !rows[to].up), ==, !rows[to].up);
        }
    g_assert_cmpuint(net->pf.vfs[2].vlan, ==, 42);
    vt_fd_clear(&neighbour);
}

static void
assert_untouched(Net *net, gboolean up)
{
    VtVfSettings pristine = { .fields = VT_VF_FIELDS_ALL, .spoofchk = TRUE, .vlan_proto = 0x8100 };
    VtLinkInfo info;

    g_assert_cmphex(vt_vf_diff(&pristine, &net->pf.vfs[2]), ==, 0);
    g_assert_true(vt_link_get(net->netlink, "macvtap0", &info, NULL));
    g_assert_true(info.up == up);
}

static void
test_release_and_note(Net *net, gconstpointer unused)
{
    for (VtFeed feed = VT_FEED_READY; feed < VT_FEED_COUNT; feed++) {
        g_autoptr(JsonNode) note = NULL;
        g_autoptr(JsonNode) again = NULL;
        g_autoptr(GError) error = NULL;
        gboolean up = feed % 2 == 0;
        VtBackend heir;

        g_assert_true(vt_link_set_up(net->netlink, "macvtap0", up, NULL));
        feed_apply(&net->backend, feed);
        note = vt_json_node_new(net->backend.funcs->note(net->backend.state));
        feed_apply(&net->backend, VT_FEED_RELEASED);
        assert_untouched(net, up);
        /* The same, but the process dies, and another one takes everything back. */
        feed_apply(&net->backend, feed);
        vt_backend_clear(&net->backend);
        vt_macvtap_vf_from_note(note, NULL, fake_netlink(net), &heir, &error);
        g_assert_no_error(error);
        again = vt_json_node_new(heir.funcs->note(heir.state));
        g_assert_true(json_node_equal(note, again));
        net->backend = heir;
        feed_apply(&net->backend, VT_FEED_RELEASED);
        assert_untouched(net, up);
    }
}

static void
test_late_filter(Net *net, gconstpointer unused)
{
    VtMacvtapVfSpec spec = spec_of();
    VtBackend late;

    spec.late_filter = TRUE;
    late = vt_macvtap_vf_new(&spec, fake_netlink(net));
    feed_apply(&late, VT_FEED_READY);
    g_assert_true(vf_has_guest(net)); /* it may be there early */
    g_assert_cmpuint(from_wire(net, &guest_mac, 0), ==, 0);
    feed_apply(&late, VT_FEED_RELEASED);
    assert_untouched(net, FALSE);
    vt_backend_clear(&late);
}

static void
test_signs(Net *net, gconstpointer unused)
{
    VtLifeSigns signs;

    g_assert_false(net->backend.funcs->look(net->backend.state, &signs));
    feed_apply(&net->backend, VT_FEED_STANDBY_COPIED);
    net->pf.sent[2] = 3;
    g_assert_true(net->backend.funcs->look(net->backend.state, &signs));
    g_assert_cmpuint(signs.frames, ==, 3);
    feed_apply(&net->backend, VT_FEED_RELEASED);
}

/* igb counts no frames of its VFs: interrupts stand for them. */
static void
test_interrupts(Net *net, gconstpointer unused)
{
    VtMacvtapVfSpec spec = spec_of();
    FakeIrqs irqs;
    VtBackend backend;

    fake_irqs_init(&irqs);
    spec.host = &irqs.host;
    spec.bdf = irqs.bdf;
    backend = vt_macvtap_vf_new(&spec, fake_netlink(net));
    fake_irqs_check(&irqs, &backend);
}

static void
test_backend_refusals(Net *net, gconstpointer unused)
{
    static const char *const notes[] = {
        "{}",
        "{\"backend\":\"macvtap\",\"mac\":\"52:54:00:00:00:01\"}",
        "{\"backend\":\"macvtap\",\"mac\":\"52:54:00:00:00:01\",\"standby\":\"a b\"}",
        "{\"backend\":\"macvtap\",\"mac\":\"52:54:00:00:00:01\",\"standby\":\"a\",\"vf\":{\"pf\":\"x\"}}",
    };
    g_autoptr(GError) error = NULL;
    VtMacvtapVfSpec spec = spec_of();
    VtBackend backend;

    for (gsize i = 0; i < G_N_ELEMENTS(notes); i++) {
        g_autoptr(JsonNode) node = vt_json_parse(notes[i], strlen(notes[i]), NULL);

        g_assert_false(vt_macvtap_vf_from_note(node, NULL, fake_netlink(net), &backend, &error));
        g_assert_error(error, VT_ERROR, VT_ERROR_INVALID_ARG);
        g_clear_error(&error);
    }
    spec.standby = WIRE;
    backend = vt_macvtap_vf_new(&spec, fake_netlink(net));
    g_assert_false(feed_try(&backend, VT_FEED_STANDBY, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_UNSUPPORTED);
    g_clear_error(&error);
    vt_backend_clear(&backend);
    g_assert_true(vt_link_set_up(net->netlink, PF, FALSE, NULL));
    g_assert_false(feed_try(&net->backend, VT_FEED_STANDBY, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "is down"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* The numbers of device nodes stand in the sysfs of the namespace. */
    if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("sysfs", "/sys", "sysfs", 0, NULL) < 0) {
        fprintf(stderr, "macvtaptest needs root for a network namespace of its own: %s\n", g_strerror(errno));
        return 1;
    }
#define ADD(path, func) g_test_add(path, Net, NULL, set_up, func, tear_down)
    ADD("/util/macvtap/takes-frames-while-it-is-up", test_life);
    ADD("/util/macvtap/several-queues", test_queues);
    ADD("/util/macvtap/refusals-leave-nothing", test_refused);
    ADD("/datapath/macvtap/every-feed-has-its-legs", test_feeds);
    ADD("/datapath/macvtap/release-and-note-restore-everything", test_release_and_note);
    ADD("/datapath/macvtap/a-late-filter-may-be-set-early", test_late_filter);
    ADD("/datapath/macvtap/signs-of-life", test_signs);
    ADD("/datapath/macvtap/interrupts-stand-for-frames", test_interrupts);
    ADD("/datapath/macvtap/refusals", test_backend_refusals);
    return g_test_run();
}
