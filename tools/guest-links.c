/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guest-links - a line whenever the network interfaces of the guest have changed
 *
 * "gone" when one of them has left, else "changed"; the first line comes at once. What comes together (a driver that takes a
 * NIC makes a dozen changes) is one line: 50 ms after the last change, 300 ms after the first at the latest.
 * For tools/guest-init, whose guests would spend a twentieth of a processor each on looking all the time under TCG.
 * Linked statically; it has no dependency but libc. Source of the messages: Linux, rtnetlink(7).
 */
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

#define QUIET_MS 50
#define LATEST_MS 300

static long
now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000L + t.tv_nsec / 1000000;
}

/* Take what the kernel has told; whether an interface has left. What was lost for want of room may have been that. */
static int
take(int fd)
{
    _Alignas(struct nlmsghdr) char buffer[16384];
    ssize_t size = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
    int gone = size < 0;

    for (struct nlmsghdr *m = (struct nlmsghdr *)buffer; size > 0 && NLMSG_OK(m, (size_t)size); m = NLMSG_NEXT(m, size))
        gone |= m->nlmsg_type == RTM_DELLINK;
    return gone;
}

int
main(void)
{
    struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
    struct pollfd fd = { .fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), .events = POLLIN };
    int gone = 0;

    if (fd.fd < 0 || bind(fd.fd, (struct sockaddr *)&address, sizeof address) < 0) {
        perror("guest-links");
        return 1;
    }
    while (puts(gone ? "gone" : "changed") >= 0 && fflush(stdout) == 0) {
        long first;

        if (poll(&fd, 1, -1) <= 0)
            return 1;
        first = now_ms();
        gone = 0;
        do
            gone |= take(fd.fd);
        while (now_ms() - first < LATEST_MS && poll(&fd, 1, QUIET_MS) > 0);
    }
    return 1;
}
