/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The back end for switchdev with frames: bridge, FDB and tc are the kernel's, in a network namespace. Where there is no NIC in
 * switchdev mode a fake stands for the PF's VFs, and a tap for the representor; with VT_NETDEVSIM the machine is that of
 * tests/switchdev/run.py, and they are netdevsim's. What it answers is played back in netdevsimtest.c.
 *
 * What netdevsim does not have is answered after the kernel's documentation (networking/switchdev.rst, devlink-port.rst):
 * PFs with switches of their own, functions of other hosts, subfunctions.
 */
#include "datapath/mirror.h"
#include "datapath/switchdev.h"
#include "util/json.h"
#include "util/link.h"
#include "util/representor.h"
#include "util/tap.h"

#include "lib/feed.h"
#include "lib/fake-pf.h"
#include "lib/listen-behind.h"
#include "lib/make-link.h"

#include <sched.h>
#include <stdio.h>

enum { STANDBY, REPRESENTOR, UPLINK, PF, PORTS };

static const VtMac guest_mac = { { 0x52, 0x54, 0, 0xaa, 0xbb, 0xcc } };
static const VtMac other_mac = { { 0x52, 0x54, 0, 0x11, 0x22, 0x33 } };
static const VtMac broadcast_mac = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };

/* ---- what a dump of all links says about a NIC with two PFs in switchdev mode, and about others ---- */

typedef struct {
    int index;
    const char *name, *switch_id, *port_name;
} Link;

static const Link links[] = {
    { 1, "lo", NULL, NULL },
    { 4, "ens1f0np0", "\x6a\x2d\x4f\x00\x03\xa1\x88\x98", "p0" },
    { 5, "ens1f1np1", "\x7a\x2d\x4f\x00\x03\xa1\x88\x98", "p1" },
    { 6, "ens2", NULL, NULL },
    { 9, "ens1f0npf0vf0", "\x6a\x2d\x4f\x00\x03\xa1\x88\x98", "pf0vf0" },
    { 10, "ens1f0npf0vf1", "\x6a\x2d\x4f\x00\x03\xa1\x88\x98", "pf0vf1" },
    { 11, "ens1f0npf0vf12", "\x6a\x2d\x4f\x00\x03\xa1\x88\x98", "pf0vf12" },
    { 12, "ens1f1npf1vf1", "\x7a\x2d\x4f\x00\x03\xa1\x88\x98", "pf1vf1" },
    { 13, "ens1f0c1pf0vf2", "\x6a\x2d\x4f\x00\x03\xa1\x88\x98", "c1pf0vf2" },
    { 14, "ens1f0pf0sf88", "\x6a\x2d\x4f\x00\x03\xa1\x88\x98", "pf0sf88" },
    { 15, "odd", "\x6a\x2d\x4f\x00\x03\xa1\x88\x98", "pf0vf3x" },
    { 16, "blank", "\x6a\x2d\x4f\x00\x03\xa1\x88\x98", NULL },
};

static void
put_link(const Link *row, GByteArray *reply)
{
    struct ifinfomsg header = { .ifi_index = row->index };
    struct nl_msg *message = nlmsg_alloc_size(4096);

    nlmsg_put(message, 0, 0, RTM_NEWLINK, 0, NLM_F_MULTI);
    nlmsg_append(message, &header, sizeof header, NLMSG_ALIGNTO);
    nla_put_string(message, IFLA_IFNAME, row->name);
    if (row->switch_id)
        nla_put(message, IFLA_PHYS_SWITCH_ID, 8, row->switch_id);
    if (row->port_name)
        nla_put_string(message, IFLA_PHYS_PORT_NAME, row->port_name);
    g_byte_array_append(reply, (guint8 *)nlmsg_hdr(message), nlmsg_hdr(message)->nlmsg_len);
    nlmsg_free(message);
}

static int
answer_links(const struct nlmsghdr *request, GByteArray *reply, gpointer user)
{
    g_assert_cmpint(request->nlmsg_type, ==, RTM_GETLINK);
    g_assert_cmphex(request->nlmsg_flags & NLM_F_DUMP, ==, NLM_F_DUMP);
    for (gsize i = 0; i < G_N_ELEMENTS(links); i++)
        put_link(&links[i], reply);
    return 0;
}

static void
test_find(void)
{
    static const struct {
        const char *uplink;
        guint pf, vf;
        const char *found; /* NULL: none */
    } rows[] = {
        { "ens1f0np0", 0, 0, "ens1f0npf0vf0" },
        { "ens1f0np0", 0, 1, "ens1f0npf0vf1" },
        { "ens1f0np0", 0, 12, "ens1f0npf0vf12" },
        { "ens1f1np1", 1, 1, "ens1f1npf1vf1" },
        { "ens1f1np1", 0, 1, NULL },  /* of the other port's switch */
        { "ens1f0np0", 1, 1, NULL },  /* likewise */
        { "ens1f0np0", 0, 2, NULL },  /* that of a SmartNIC's host */
        { "ens1f0np0", 0, 3, NULL },  /* a name that is not quite one */
        { "ens1f0np0", 0, 88, NULL }, /* a subfunction */
        { "ens2", 0, 0, NULL },       /* in legacy mode */
        { "nothing", 0, 0, NULL },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(VtNetlink) netlink = vt_netlink_new_fake(answer_links, NULL);
        g_autoptr(GError) error = NULL;
        VtRepresentor port;

        if (vt_representor_find(netlink, rows[i].uplink, rows[i].pf, rows[i].vf, &port, &error)) {
            g_assert_cmpstr(port.name, ==, rows[i].found);
            continue;
        }
        g_assert_null(rows[i].found);
        g_assert_error(error, VT_ERROR, VT_ERROR_NO_DEVICE);
        g_assert_nonnull(strstr(error->message, "switchdev"));
    }
}

/* ---- the back end ---- */

typedef struct {
    gboolean netdevsim;
    VtNetlink *netlink;
    VtFd fds[PORTS];
    VtFd vf; /* netdevsim: where VF 1 sends; .fds[REPRESENTOR] hears what it is sent */
    char names[PORTS][IF_NAMESIZE];
    FakePf pf;
    VtBackend backend;
} Net;

static VtNetlink *
fake_netlink(Net *net)
{
    if (net->netdevsim)
        return vt_netlink_new(NULL);
    return vt_netlink_new_fake(fake_pf_answer, &net->pf);
}

static void
set_up_netdevsim(Net *net)
{
    VtTapSpec vf = { .name = "vf1" };
    char name[IF_NAMESIZE];

    g_strlcpy(net->names[REPRESENTOR], "ens1f0_1", IF_NAMESIZE);
    g_strlcpy(net->names[PF], "ens1f0", IF_NAMESIZE);
    net->fds[PF] = -1;
    g_assert_true(vt_tap_open(&vf, name, &net->vf, NULL));
    net->fds[REPRESENTOR] = listen_behind(net->netlink, net->names[REPRESENTOR]);
}

static void
set_up(Net *net, gconstpointer unused)
{
    static const char *const patterns[PORTS] = { "stand%d", "rep%d", "up%d", "pf%d" };
    VtSwitchdevSpec spec = { .mac = guest_mac, .vf = 1, .tries = 2 };

    net->netdevsim = g_getenv("VT_NETDEVSIM") != NULL;
    net->vf = -1;
    net->netlink = vt_netlink_new(NULL);
    make_link(net->netlink, "br0", "bridge");
    g_assert_true(vt_link_set_up(net->netlink, "br0", TRUE, NULL));
    for (guint port = 0; port < PORTS; port++) {
        VtTapSpec tap = { .name = patterns[port] };

        if (net->netdevsim && (port == REPRESENTOR || port == PF))
            continue;
        g_assert_true(vt_tap_open(&tap, net->names[port], &net->fds[port], NULL));
        if (port == STANDBY || port == UPLINK)
            g_assert_true(vt_link_set_master(net->netlink, net->names[port], "br0", NULL));
        if (port != REPRESENTOR)
            g_assert_true(vt_link_set_up(net->netlink, net->names[port], TRUE, NULL));
    }
    if (net->netdevsim)
        set_up_netdevsim(net);
    fake_pf_init(&net->pf, vt_link_index(net->netlink, net->names[PF], NULL));
    net->pf.with_kernel = TRUE;
    spec.standby = net->names[STANDBY];
    spec.representor = net->names[REPRESENTOR];
    spec.pf = net->names[PF];
    net->backend = vt_switchdev_new(&spec, fake_netlink(net), fake_netlink(net));
}

static void
tear_down(Net *net, gconstpointer unused)
{
    vt_backend_clear(&net->backend);
    for (guint port = 0; port < PORTS; port++)
        vt_fd_clear(&net->fds[port]);
    vt_fd_clear(&net->vf);
    g_assert_true(vt_link_delete(net->netlink, "br0", NULL));
    if (net->netdevsim)
        g_assert_true(vt_link_set_up(net->netlink, net->names[REPRESENTOR], FALSE, NULL));
    vt_netlink_free(net->netlink);
}

static guint32 next_number;

static guint
count_frame(VtFd fd, guint32 number)
{
    guint8 frame[2048];
    guint count = 0;

    while (read_behind(fd, frame, sizeof frame) > 0) {
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
    if (from_port == REPRESENTOR && net->netdevsim)
        g_assert_cmpint((int)write(net->vf, frame, sizeof frame), ==, sizeof frame);
    else
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

static VtVfSettings
vf_now(Net *net)
{
    VtVfSettings settings = net->pf.vfs[1];

    if (net->netdevsim)
        g_assert_true(vt_vf_get(net->netlink, vt_link_index(net->netlink, net->names[PF], NULL), 1, &settings,
                                NULL, NULL));
    return settings;
}

static gboolean
vf_has_guest(Net *net)
{
    VtVfSettings now = vf_now(net);

    return vt_mac_equal(&now.mac, &guest_mac);
}

/* The representor becomes a port, and frames for the VF go to it as to any other leg. */
static void
test_feeds(Net *net, gconstpointer first)
{
    static const struct {
        VtFeed feed;
        guint counts[PORTS];
    } rows[] = {
        { VT_FEED_STANDBY, { 1, 0 } },  { VT_FEED_STANDBY_COPIED, { 1, 1 } },
        { VT_FEED_FALLBACK, { 1, 1 } }, { VT_FEED_PRIMARY_COPIED, { 1, 1 } },
        { VT_FEED_PRIMARY, { 0, 1 } },
    };

    feed_apply(&net->backend, (VtFeed)GPOINTER_TO_UINT(first));
    g_assert_true(vf_has_guest(net)); /* its driver must find it whenever it probes */
    for (gsize i = 0; i < 2 * G_N_ELEMENTS(rows); i++) {
        gsize row = i % G_N_ELEMENTS(rows);

        feed_apply(&net->backend, rows[row].feed);
        g_test_message("%s", vt_feed_name(rows[row].feed));
        expect(net, UPLINK, &guest_mac, &other_mac, rows[row].counts);
        expect(net, UPLINK, &broadcast_mac, &other_mac, rows[row].counts);
        expect(net, REPRESENTOR, &other_mac, &guest_mac, (const guint[PORTS]){ 0, 0, 1 });
    }
    feed_apply(&net->backend, VT_FEED_RELEASED);
}

static void
assert_untouched(Net *net, gboolean is_port, gboolean up)
{
    VtVfSettings pristine = { .fields = VT_VF_FIELDS_ALL, .spoofchk = !net->netdevsim, .vlan_proto = 0x8100 };
    VtVfSettings now = vf_now(net);
    VtMirrorQdisc qdisc;
    VtLinkInfo info;

    g_assert_cmphex(vt_vf_diff(&pristine, &now), ==, 0);
    g_assert_true(vt_link_get(net->netlink, net->names[REPRESENTOR], &info, NULL));
    g_assert_true(info.is_bridge_port == is_port);
    g_assert_true(info.up == up);
    for (guint leg = STANDBY; leg <= REPRESENTOR; leg++) {
        g_assert_true(vt_link_get(net->netlink, net->names[leg], &info, NULL));
        g_assert_true(vt_mirror_qdisc(net->netlink, info.index, &qdisc, NULL));
        g_assert_cmpint(qdisc, ==, VT_MIRROR_NO_QDISC);
    }
}

static void
test_release_and_note(Net *net, gconstpointer is_port)
{
    if (is_port) {
        g_assert_true(vt_link_set_master(net->netlink, net->names[REPRESENTOR], "br0", NULL));
        g_assert_true(vt_link_set_up(net->netlink, net->names[REPRESENTOR], TRUE, NULL));
    }
    for (VtFeed feed = VT_FEED_READY; feed < VT_FEED_COUNT; feed++) {
        g_autoptr(JsonNode) note = NULL;
        g_autoptr(JsonNode) again = NULL;
        g_autoptr(GError) error = NULL;
        VtBackend heir;

        feed_apply(&net->backend, feed);
        feed_apply(&net->backend, VT_FEED_RELEASED);
        assert_untouched(net, is_port != NULL, is_port != NULL);
        feed_apply(&net->backend, feed);
        note = vt_json_node_new(net->backend.funcs->note(net->backend.state));
        vt_backend_clear(&net->backend);
        vt_switchdev_from_note(note, NULL, fake_netlink(net), fake_netlink(net), &heir, &error);
        g_assert_no_error(error);
        again = vt_json_node_new(heir.funcs->note(heir.state));
        g_assert_true(json_node_equal(note, again));
        net->backend = heir;
        feed_apply(&net->backend, VT_FEED_RELEASED);
        assert_untouched(net, is_port != NULL, is_port != NULL);
    }
}

static void
test_life(Net *net, gconstpointer unused)
{
    VtLifeSigns before, after;

    if (net->netdevsim) {
        g_test_skip("netdevsim does not count what it receives");
        return;
    }
    feed_apply(&net->backend, VT_FEED_STANDBY_COPIED);
    g_assert_true(net->backend.funcs->look(net->backend.state, &before));
    expect(net, REPRESENTOR, &other_mac, &guest_mac, (const guint[PORTS]){ 1, 0, 1 });
    g_assert_true(net->backend.funcs->look(net->backend.state, &after));
    g_assert_cmpuint(after.frames, ==, before.frames + 1);
    feed_apply(&net->backend, VT_FEED_RELEASED);
}

static void
test_refusals(Net *net, gconstpointer unused)
{
    static const char *const notes[] = {
        "{}",
        "{\"backend\":\"switchdev\",\"standby\":\"a\",\"representor\":\"b\"}",
        "{\"backend\":\"switchdev\",\"standby\":\"a\",\"representor\":\"b\",\"inner\":{},\"vf\":{}}",
    };
    g_autoptr(GError) error = NULL;
    VtBackend backend;

    for (gsize i = 0; i < G_N_ELEMENTS(notes); i++) {
        g_autoptr(JsonNode) node = vt_json_parse(notes[i], strlen(notes[i]), NULL);

        g_assert_false(
            vt_switchdev_from_note(node, NULL, fake_netlink(net), fake_netlink(net), &backend, &error));
        g_assert_error(error, VT_ERROR, VT_ERROR_INVALID_ARG);
        g_clear_error(&error);
    }
    g_assert_true(vt_link_set_master(net->netlink, net->names[STANDBY], NULL, NULL));
    g_assert_false(feed_try(&net->backend, VT_FEED_STANDBY, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_UNSUPPORTED);
    g_clear_error(&error);
    if (net->netdevsim)
        return; /* it does not go away */
    vt_fd_clear(&net->fds[REPRESENTOR]);
    g_assert_false(feed_try(&net->backend, VT_FEED_STANDBY, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_NO_DEVICE);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (!g_getenv("VT_NETDEVSIM") && unshare(CLONE_NEWNET) < 0) {
        fprintf(stderr, "switchdevtest needs root for a network namespace of its own: %s\n",
                g_strerror(errno));
        return 1;
    }
#define ADD(path, user, func) g_test_add(path, Net, user, set_up, func, tear_down)
    g_test_add_func("/util/representor/is-found-by-switch-and-port", test_find);
    ADD("/datapath/switchdev/feeds-after-ready", GUINT_TO_POINTER(VT_FEED_READY), test_feeds);
    ADD("/datapath/switchdev/feeds-when-both-come-first", GUINT_TO_POINTER(VT_FEED_STANDBY_COPIED),
        test_feeds);
    ADD("/datapath/switchdev/a-representor-that-was-no-port-is-none-again", NULL, test_release_and_note);
    ADD("/datapath/switchdev/a-representor-that-was-a-port-stays-one", GUINT_TO_POINTER(1),
        test_release_and_note);
    ADD("/datapath/switchdev/signs-of-life", NULL, test_life);
    ADD("/datapath/switchdev/refusals", NULL, test_refusals);
    return g_test_run();
}
