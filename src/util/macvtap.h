/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Macvtaps: taps that share an interface of the host, which tells them apart by their addresses.
 */
#pragma once

#include "util/fd.h"
#include "util/ident.h"
#include "util/link.h"
#include "util/netlink.h"

typedef struct {
    const char *name;  /* that it shall have */
    const char *lower; /* the interface below */
    const char *mode;  /* "vepa", "bridge" or "private" */
    VtMac mac;         /* the guest's: frames to it go to the macvtap while that is up */
} VtMacvtapSpec;

/**
 * vt_macvtap_make - make a macvtap, down
 * @netlink: handle
 * @spec:    what to make
 * @error:   (out) NO_DEVICE (no such interface below), INVALID_ARG (mode), SYSTEM with the kernel's words, TIMEOUT
 *
 * It takes all multicast frames, since nobody tells the host what the guest listens to; the host itself uses no IPv6
 * on it, so that nothing is sent from the guest's address but what the guest sends.
 * Return: FALSE on failure, with nothing left behind.
 * Source: linux/if_link.h, IFLA_MACVLAN_MODE; IFLA_INET6_ADDR_GEN_MODE.
 */
gboolean vt_macvtap_make(VtNetlink *netlink, const VtMacvtapSpec *spec, GError **error);

/**
 * vt_macvtap_remove - remove what vt_macvtap_make() has made
 * @netlink: handle
 * @name:    its name
 * @mac:     its address
 * @error:   (out) SYSTEM, TIMEOUT
 *
 * Anything else of that name is left alone: it has another kind or another address.
 * Return: FALSE on failure; none there is no error.
 */
gboolean vt_macvtap_remove(VtNetlink *netlink, const char *name, const VtMac *mac, GError **error);

/**
 * vt_macvtap_open - the descriptors that a guest's frames go through
 * @netlink:  handle
 * @name:     of a macvtap
 * @n_queues: at least 1
 * @fds:      (out) (transfer full) @n_queues descriptors, close-on-exec
 * @error:    (out) NO_DEVICE, UNSUPPORTED (it is no macvtap), SYSTEM, INVALID_ARG
 *
 * The device node is /dev/tapN, N being the interface's number. Where devtmpfs does not have it (a container, another
 * network namespace with the same number), one is made from what sysfs says, for as long as it takes to open it.
 * Return: FALSE with nothing open.
 */
gboolean vt_macvtap_open(VtNetlink *netlink, const char *name, guint n_queues, VtFd *fds, GError **error);
