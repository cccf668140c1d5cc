/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an interface of the host sends that nobody of the test's own stands behind, as a representor. */
#pragma once

#include "util/fd.h"
#include "util/link.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <sys/socket.h>

/** A socket that hears it, among what is received there. */
static inline VtFd
listen_behind(VtNetlink *netlink, const char *name)
{
    struct sockaddr_ll address = { .sll_family = AF_PACKET,
                                   .sll_protocol = htons(ETH_P_ALL),
                                   .sll_ifindex = vt_link_index(netlink, name, NULL) };
    VtFd fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL));

    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    return fd;
}

/** The next frame that was sent, from that socket or from a tap; its length, or -1. */
static inline ssize_t
read_behind(VtFd fd, guint8 *frame, gsize size)
{
    for (;;) {
        struct sockaddr_ll from = { .sll_pkttype = PACKET_OUTGOING };
        socklen_t length = sizeof from;
        ssize_t got = recvfrom(fd, frame, size, 0, (struct sockaddr *)&from, &length);

        if (got < 0 && errno == ENOTSOCK)
            return read(fd, frame, size);
        if (got < 0 || from.sll_pkttype == PACKET_OUTGOING)
            return got;
    }
}
