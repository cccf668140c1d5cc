/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's own answer to a netlink request, for functions that stand in its place (VtNetlinkFake) and leave some of it
 * to the kernel; and what this kernel can do.
 */
#pragma once

#include "util/netlink.h"

#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

/* Ask the kernel and hand its answer on, as it is. */
static inline int
kernel_answer(const struct nlmsghdr *request, GByteArray *reply)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    static char buffer[65536];
    int errnum = -1;

    g_assert_cmpint((int)send(fd, request, request->nlmsg_len, 0), ==, (int)request->nlmsg_len);
    while (errnum < 0) {
        int left = (int)recv(fd, buffer, sizeof buffer, 0);
        struct nlmsghdr *one = (struct nlmsghdr *)buffer;

        for (; nlmsg_ok(one, left); one = nlmsg_next(one, &left)) {
            if (one->nlmsg_type == NLMSG_ERROR || one->nlmsg_type == NLMSG_DONE)
                errnum = one->nlmsg_type == NLMSG_ERROR ? -((struct nlmsgerr *)nlmsg_data(one))->error : 0;
            else
                g_byte_array_append(reply, (guint8 *)one, NLMSG_ALIGN(one->nlmsg_len));
        }
    }
    close(fd);
    return errnum;
}

/* Whether it has act_gact, which drops frames. */
static inline gboolean
kernel_can_drop(void)
{
    const char *argv[] = { "tc", "actions", "add", "action", "drop", "index", "7", NULL };
    int status = -1;

    return g_spawn_sync(NULL, (char **)argv, NULL,
                        G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL | G_SPAWN_STDOUT_TO_DEV_NULL, NULL,
                        NULL, NULL, NULL, &status, NULL) &&
           status == 0;
}
