/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Notices about interfaces, from the real kernel in a network namespace of this process' own, and broken ones. */
#include "util/link-watch.h"
#include "util/tap.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

static VtNetlink *netlink;

typedef struct {
    const char *name; /* those of others are not counted */
    guint notices;
    gboolean gone, running, lost;
} Seen;

static void
watched(const VtLinkInfo *info, gboolean gone, gpointer user)
{
    Seen *seen = user;

    if (!info) {
        seen->lost = TRUE;
    } else if (g_str_equal(info->name, seen->name)) {
        seen->notices++;
        seen->gone = gone;
        seen->running = info->running;
    }
}

static gboolean
timed_out(gpointer user)
{
    *(gboolean *)user = TRUE;
    return G_SOURCE_REMOVE;
}

static void
settle(void)
{
    gboolean over = FALSE;

    g_timeout_add(50, timed_out, &over);
    while (!over)
        g_main_context_iteration(NULL, TRUE);
}

/* The kernel tells when it likes; meson gives up on a test that waits for ever. */
static void
wait_until(const gboolean *what, gboolean value)
{
    while (*what != value)
        g_main_context_iteration(NULL, TRUE);
}

static void
test_tap(void)
{
    VtTapSpec spec = { .name = "watch0" };
    char name[IF_NAMESIZE];
    VtFd fd = -1;
    Seen seen = { .name = "watch0" };
    g_autoptr(GError) error = NULL;
    g_autoptr(VtLinkWatch) watch = vt_link_watch_new(watched, &seen, &error);

    g_assert_no_error(error);
    g_assert_true(vt_tap_open(&spec, name, &fd, &error));
    g_assert_no_error(error);
    g_assert_true(vt_link_set_up(netlink, "watch0", TRUE, &error));
    wait_until(&seen.running, TRUE);
    g_assert_cmpuint(seen.notices, >, 0);
    g_assert_true(vt_link_set_up(netlink, "watch0", FALSE, &error));
    wait_until(&seen.running, FALSE);
    g_assert_false(seen.gone);
    vt_fd_clear(&fd);
    wait_until(&seen.gone, TRUE);
    g_assert_false(seen.lost);
}

static void
test_not_told_any_more(void)
{
    Seen seen = { .name = "lo" };
    VtLinkWatch *watch = vt_link_watch_new(watched, &seen, NULL);

    vt_link_watch_free(watch);
    g_assert_true(vt_link_set_up(netlink, "lo", TRUE, NULL));
    settle();
    g_assert_cmpuint(seen.notices, ==, 0);
    vt_link_watch_free(NULL);
}

static gpointer
notice(int type, unsigned char family, gsize *length)
{
    struct ifinfomsg header = { .ifi_family = family, .ifi_index = 7 };
    g_autoptr(VtNetlinkMsg) message = vt_netlink_msg(type, 0, &header, sizeof header);
    struct nlmsghdr *whole = nlmsg_hdr(message);

    nla_put_string(message, IFLA_IFNAME, "eth7");
    *length = whole->nlmsg_len;
    return g_memdup2(whole, whole->nlmsg_len);
}

static void
test_messages(void)
{
    static const struct {
        int type;
        unsigned char family;
        guint notices;
        gboolean gone;
    } rows[] = {
        { .type = RTM_NEWLINK, .family = AF_UNSPEC, .notices = 1 },
        { .type = RTM_DELLINK, .family = AF_UNSPEC, .notices = 1, .gone = TRUE },
        /* A port that leaves its bridge. */
        { .type = RTM_DELLINK, .family = AF_BRIDGE },
        { .type = RTM_NEWADDR, .family = AF_UNSPEC },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        Seen seen = { .name = "eth7" };
        gsize length = 0;
        g_autofree void *bytes = notice(rows[i].type, rows[i].family, &length);

        vt_link_watch_feed(watched, &seen, bytes, length);
        g_assert_cmpuint(seen.notices, ==, rows[i].notices);
        g_assert_cmpint(seen.gone, ==, rows[i].gone);
    }
}

static void
test_truncated(void)
{
    gsize length = 0;
    g_autofree void *whole = notice(RTM_NEWLINK, AF_UNSPEC, &length);

    for (gsize cut = 0; cut < length; cut++) {
        g_autofree void *copy = g_memdup2(whole, cut ? cut : 1);
        Seen seen = { .name = "eth7" };

        vt_link_watch_feed(watched, &seen, copy, cut);
        g_assert_cmpuint(seen.notices, ==, 0);
    }
}

int
main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    if (unshare(CLONE_NEWNET) < 0) {
        fprintf(stderr, "link-watchtest needs root for a network namespace of its own: %s\n",
                g_strerror(errno));
        return 1;
    }
    netlink = vt_netlink_new(NULL);
    g_test_add_func("/util/link-watch/tap", test_tap);
    g_test_add_func("/util/link-watch/not-told-any-more", test_not_told_any_more);
    g_test_add_func("/util/link-watch/messages", test_messages);
    g_test_add_func("/util/link-watch/truncated", test_truncated);
    status = g_test_run();
    vt_netlink_free(netlink);
    return status;
}
