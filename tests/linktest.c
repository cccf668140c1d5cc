/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Links and taps on the real kernel, in a network namespace of this process' own. */
#include "util/link.h"
#include "util/tap.h"

#include "lib/make-link.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static VtNetlink *netlink;

static void
test_missing(void)
{
    g_autoptr(GError) error = NULL;
    VtLinkInfo info;

    g_assert_false(vt_link_get(netlink, "nowhere0", &info, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_NO_DEVICE);
    g_assert_cmpstr(error->message, ==, "There is no network interface 'nowhere0'.");
    g_clear_error(&error);
    g_assert_false(vt_link_get(netlink, "this-is-too-long-a-name", &info, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_NO_DEVICE);
    g_clear_error(&error);
    g_assert_false(vt_link_get_by_index(netlink, 99999, &info, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_NO_DEVICE);
    g_clear_error(&error);
    g_assert_false(vt_link_set_up(netlink, "nowhere0", TRUE, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_NO_DEVICE);
    g_assert_false(vt_link_exists(netlink, "nowhere0"));
    g_assert_true(vt_link_delete(netlink, "nowhere0", NULL));
}

static void
test_bridge_and_tap(void)
{
    VtTapSpec spec = { .vnet_hdr = TRUE };
    g_auto(VtFd) fd = -1;
    g_autoptr(GError) error = NULL;
    char name[IF_NAMESIZE];
    VtMac mac = { { 0x52, 0x54, 0, 1, 2, 3 } };
    VtLinkPort port;
    VtLinkInfo info, bridge;

    make_link(netlink, "vtbr0", "bridge");
    g_assert_true(vt_tap_open(&spec, name, &fd, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(name, ==, "vnet0");
    g_assert_true(vt_link_is_bridge(netlink, "vtbr0"));
    g_assert_false(vt_link_is_bridge(netlink, name));

    g_assert_true(vt_link_set_master(netlink, name, "vtbr0", &error));
    g_assert_true(vt_link_set_mtu(netlink, name, 1400, &error));
    g_assert_true(vt_link_set_mac(netlink, name, &mac, &error));
    g_assert_true(vt_link_set_tx_queue_length(netlink, name, 17, &error));
    g_assert_true(vt_link_set_up(netlink, name, TRUE, &error));
    g_assert_true(vt_link_set_up(netlink, "vtbr0", TRUE, &error));
    g_assert_no_error(error);
    g_assert_true(vt_link_get(netlink, name, &info, &error));
    g_assert_true(vt_link_get(netlink, "vtbr0", &bridge, &error));
    g_assert_cmpstr(info.kind, ==, "tun");
    g_assert_cmpstr(bridge.kind, ==, "bridge");
    g_assert_cmpint(info.master, ==, bridge.index);
    g_assert_cmpuint(info.mtu, ==, 1400);
    g_assert_cmpuint(info.tx_queue_length, ==, 17);
    g_assert_true(vt_mac_equal(&info.mac, &mac));
    g_assert_true(info.up && info.running && info.is_bridge_port);
    g_assert_cmpuint(info.port.learning, ==, 1);
    g_assert_cmpuint(info.port.flood, ==, 1);

    port =
        (VtLinkPort){ .learning = 0, .flood = 0, .mcast_flood = 0, .bcast_flood = 0, .multicast_router = 2 };
    g_assert_true(vt_link_set_port(netlink, name, &port, &error));
    g_assert_no_error(error);
    g_assert_true(vt_link_get_by_index(netlink, info.index, &info, &error));
    g_assert_cmpuint(info.port.learning, ==, 0);
    g_assert_cmpuint(info.port.flood, ==, 0);
    g_assert_cmpuint(info.port.mcast_flood, ==, 0);
    g_assert_cmpuint(info.port.bcast_flood, ==, 0);
    g_assert_cmpuint(info.port.multicast_router, ==, 2);

    g_assert_true(vt_link_set_master(netlink, name, NULL, &error));
    g_assert_true(vt_link_get(netlink, name, &info, &error));
    g_assert_cmpint(info.master, ==, 0);
    g_assert_false(info.is_bridge_port);
    g_assert_false(vt_link_set_port(netlink, name, &port, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_SYSTEM);
    g_clear_error(&error);
    g_assert_false(vt_link_set_master(netlink, name, "nowhere0", &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_NO_DEVICE);

    vt_fd_clear(&fd);
    g_assert_false(vt_link_exists(netlink, name)); /* a tap ends with its descriptor */
    g_assert_true(vt_link_delete(netlink, "vtbr0", NULL));
    g_assert_false(vt_link_exists(netlink, "vtbr0"));
}

static void
test_statistics(void)
{
    VtTapSpec spec = { .name = "vtstat%d" };
    g_auto(VtFd) fd = -1;
    g_autoptr(GError) error = NULL;
    char name[IF_NAMESIZE];
    char frame[60] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, (char)0xb5 };
    VtLinkInfo info;

    g_assert_true(vt_tap_open(&spec, name, &fd, &error));
    g_assert_cmpstr(name, ==, "vtstat0");
    g_assert_true(vt_link_set_up(netlink, name, TRUE, &error));
    for (guint i = 0; i < 3; i++)
        g_assert_cmpint((int)write(fd, frame, sizeof frame), ==, sizeof frame);
    g_assert_true(vt_link_get(netlink, name, &info, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(info.stats.rx_packets, ==, 3); /* received by the host, sent by the guest */
    g_assert_cmpuint(info.stats.rx_bytes, ==, 3 * sizeof frame);
}

static void
test_queues(void)
{
    VtTapSpec spec = { .name = "vtmq0", .vnet_hdr = TRUE, .n_queues = 4 };
    VtFd fds[VT_TAP_QUEUES_MAX];
    g_autoptr(GError) error = NULL;
    char name[IF_NAMESIZE];

    g_assert_true(vt_tap_open(&spec, name, fds, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(name, ==, "vtmq0");
    spec.n_queues = 1;
    g_assert_false(vt_tap_open(&spec, name, fds + 4, &error)); /* single-queue on a multi-queue tap */
    g_assert_error(error, VT_ERROR, VT_ERROR_SYSTEM);
    g_clear_error(&error);
    for (guint i = 0; i < 4; i++)
        vt_fd_close(fds[i]);
    spec.n_queues = VT_TAP_QUEUES_MAX + 1;
    g_assert_false(vt_tap_open(&spec, name, fds, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_INVALID_ARG);
}

static void
test_bad_tap_names(void)
{
    static const char *const names[] = { "",    ".",     "..", "a/b",  "a b", "a:b", "much-too-long-name",
                                         "x%s", "x%d%d", "%n", "tab\t" };

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        VtTapSpec spec = { .name = names[i] };
        g_autoptr(GError) error = NULL;
        char name[IF_NAMESIZE];
        VtFd fd;

        g_assert_false(vt_tap_open(&spec, name, &fd, &error));
        g_assert_error(error, VT_ERROR, VT_ERROR_INVALID_ARG);
    }
    g_assert_false(vt_link_name_valid(NULL));
    g_assert_true(vt_link_name_valid("vnet0"));
}

static void
test_missing_devices(void)
{
    VtTapSpec spec = { .device = "/nonexistent/tun" };
    g_autoptr(GError) error = NULL;
    char name[IF_NAMESIZE];
    VtFd fd;

    g_assert_false(vt_tap_open(&spec, name, &fd, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_SYSTEM);
    g_clear_error(&error);
    g_assert_cmpint(vt_tap_vhost_open("/nonexistent/vhost", &error), ==, -1);
    g_assert_error(error, VT_ERROR, VT_ERROR_SYSTEM);
    vt_tap_has_vhost();
}

/* Hostile or truncated messages must be refused, never read past. */
static void
test_parse_truncated(void)
{
    struct ifinfomsg header = { .ifi_index = 7 };
    g_autoptr(VtNetlinkMsg) message = vt_netlink_msg(RTM_NEWLINK, 0, &header, sizeof header);
    struct nlmsghdr *whole = nlmsg_hdr(message);
    guint32 length;
    VtLinkInfo info;

    nla_put_string(message, IFLA_IFNAME, "eth7");
    nla_put(message, IFLA_STATS64, 12, "abcdefghijkl");
    nla_put(message, IFLA_LINKINFO, 3, "abc");
    nla_put(message, IFLA_ADDRESS, 20, "12345678901234567890");
    g_assert_true(vt_link_parse(whole, &info));
    g_assert_cmpstr(info.name, ==, "eth7");
    g_assert_true(vt_mac_is_zero(&info.mac));
    length = whole->nlmsg_len;
    for (guint32 cut = NLMSG_HDRLEN; cut < length; cut++) {
        g_autofree struct nlmsghdr *copy = g_memdup2(whole, cut);

        copy->nlmsg_len = cut;
        vt_link_parse(copy, &info);
    }
    whole->nlmsg_type = RTM_DELLINK;
    g_assert_false(vt_link_parse(whole, &info));
}

static int
answer_eperm(const struct nlmsghdr *request, GByteArray *reply, gpointer user)
{
    ++*(guint *)user;
    return EPERM;
}

static void
test_fake(void)
{
    guint asked = 0;
    g_autoptr(VtNetlink) fake = vt_netlink_new_fake(answer_eperm, &asked);
    g_autoptr(GError) error = NULL;
    VtLinkInfo info;

    g_assert_false(vt_link_get(fake, "eth0", &info, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_SYSTEM);
    g_assert_nonnull(strstr(error->message, "Operation not permitted"));
    g_assert_cmpuint(asked, ==, 1);
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    int status;

    g_test_init(&argc, &argv, NULL);
    if (unshare(CLONE_NEWNET) < 0) {
        fprintf(stderr, "linktest needs root for a network namespace of its own: %s\n", g_strerror(errno));
        return 1;
    }
    netlink = vt_netlink_new(&error);
    g_assert_no_error(error);
    g_test_add_func("/util/link/a-missing-interface-is-named", test_missing);
    g_test_add_func("/util/link/bridge-and-tap", test_bridge_and_tap);
    g_test_add_func("/util/link/statistics", test_statistics);
    g_test_add_func("/util/link/truncated-messages", test_parse_truncated);
    g_test_add_func("/util/tap/queues", test_queues);
    g_test_add_func("/util/tap/bad-names", test_bad_tap_names);
    g_test_add_func("/util/tap/missing-devices", test_missing_devices);
    g_test_add_func("/util/netlink/fake-answers", test_fake);
    status = g_test_run();
    vt_netlink_free(netlink);
    return status;
}
