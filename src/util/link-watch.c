/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/link-watch.h"

#include <errno.h>
#include <glib-unix.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#define LINK_WATCH_BUFFER (64 * 1024)
#define LINK_WATCH_BURST  64 /* datagrams a turn of the main loop */

struct _VtLinkWatch {
    VtFd fd;
    guint source;
    VtLinkWatchFunc func;
    gpointer user;
    gboolean dispatching, freed;
    char *buffer;
};

/* Bridges send notices about their ports of the same type: a port that leaves its bridge "goes", though it stays. */
static gboolean
link_watch_is_link(const struct nlmsghdr *header)
{
    const struct ifinfomsg *message = nlmsg_data(header);

    return (header->nlmsg_type == RTM_NEWLINK || header->nlmsg_type == RTM_DELLINK) &&
           nlmsg_datalen(header) >= (int)sizeof *message && message->ifi_family == AF_UNSPEC;
}

void
vt_link_watch_feed(VtLinkWatchFunc func, gpointer user, gpointer bytes, gsize length)
{
    struct nlmsghdr *header = bytes;
    int left = (int)length;

    for (; nlmsg_ok(header, left); header = nlmsg_next(header, &left)) {
        gboolean gone = header->nlmsg_type == RTM_DELLINK;
        VtLinkInfo info;

        if (!link_watch_is_link(header))
            continue;
        header->nlmsg_type = RTM_NEWLINK;
        if (vt_link_parse(header, &info))
            func(&info, gone, user);
    }
}

static void
link_watch_destroy(VtLinkWatch *watch)
{
    vt_fd_clear(&watch->fd);
    g_free(watch->buffer);
    g_free(watch);
}

/* FALSE: there is nothing more to read now. */
static gboolean
link_watch_read(VtLinkWatch *watch)
{
    struct sockaddr_nl from = { 0 };
    socklen_t from_length = sizeof from;
    ssize_t got = recvfrom(watch->fd, watch->buffer, LINK_WATCH_BUFFER, MSG_DONTWAIT,
                           (struct sockaddr *)&from, &from_length);

    if (got < 0 && errno == ENOBUFS) {
        watch->func(NULL, FALSE, watch->user);
        return TRUE;
    }
    if (got <= 0)
        return got < 0 && errno == EINTR;
    if (from.nl_pid == 0) /* other processes may write to our socket */
        vt_link_watch_feed(watch->func, watch->user, watch->buffer, (gsize)got);
    return TRUE;
}

static gboolean
link_watch_ready(gint fd, GIOCondition condition, gpointer user)
{
    VtLinkWatch *watch = user;

    watch->dispatching = TRUE;
    for (guint i = 0; i < LINK_WATCH_BURST && !watch->freed && link_watch_read(watch); i++)
        ;
    watch->dispatching = FALSE;
    if (!watch->freed)
        return G_SOURCE_CONTINUE;
    link_watch_destroy(watch);
    return G_SOURCE_REMOVE;
}

VtLinkWatch *
vt_link_watch_new(VtLinkWatchFunc func, gpointer user, GError **error)
{
    struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
    VtLinkWatch *watch = g_new0(VtLinkWatch, 1);

    watch->func = func;
    watch->user = user;
    watch->buffer = g_malloc(LINK_WATCH_BUFFER);
    watch->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (watch->fd < 0 || bind(watch->fd, (struct sockaddr *)&address, sizeof address) < 0) {
        vt_error_set_errno(error, errno, "Cannot watch the host's network interfaces");
        link_watch_destroy(watch);
        return NULL;
    }
    watch->source = g_unix_fd_add(watch->fd, G_IO_IN | G_IO_ERR, link_watch_ready, watch);
    return watch;
}

void
vt_link_watch_free(VtLinkWatch *watch)
{
    if (!watch)
        return;
    if (watch->dispatching) {
        watch->freed = TRUE;
        return;
    }
    g_source_remove(watch->source);
    link_watch_destroy(watch);
}
