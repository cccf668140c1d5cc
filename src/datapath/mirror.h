/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copies: what one interface sends is also sent by another, with tc (clsact, u32, mirred).
 *
 * u32 and not matchall or flower: it is the oldest of them and there in every kernel that has tc at all.
 */
#pragma once

#include "util/ident.h"
#include "util/netlink.h"

#define VT_MIRROR_PREFERENCE 0x7654 /* of our first filter; those after it have one more each */

typedef enum {
    VT_MIRROR_NO_QDISC,
    VT_MIRROR_CLSACT,
    VT_MIRROR_INGRESS, /* its place is taken by an ingress qdisc, which cannot see what is sent */
} VtMirrorQdisc;

/**
 * vt_mirror_qdisc - what stands where our filters need a clsact
 * @netlink: handle
 * @ifindex: of the interface
 * @qdisc:   (out) set only on success
 * @error:   (out) SYSTEM, TIMEOUT
 *
 * Return: FALSE on failure.
 */
gboolean vt_mirror_qdisc(VtNetlink *netlink, int ifindex, VtMirrorQdisc *qdisc, GError **error);

/**
 * vt_mirror_add_qdisc - add the clsact that copies need, if there is none
 * @netlink: handle
 * @ifindex: of the interface
 * @error:   (out) UNSUPPORTED (an ingress qdisc is in the way), SYSTEM, TIMEOUT
 *
 * The kernel stops the interface for a moment when its queueing disciplines change, and what is sent in that
 * moment is lost: this is to be done before anybody listens.
 * Return: FALSE on failure.
 */
gboolean vt_mirror_add_qdisc(VtNetlink *netlink, int ifindex, GError **error);

/**
 * vt_mirror_remove_qdisc - remove a clsact and all of its filters
 * @netlink: handle
 * @ifindex: of the interface
 * @error:   (out) SYSTEM, TIMEOUT; none there is no error
 *
 * Return: FALSE on failure.
 */
gboolean vt_mirror_remove_qdisc(VtNetlink *netlink, int ifindex, GError **error);

typedef enum {
    /*
     * Everything except frames from the address. Those are sent by neither: the guest must not hear its own echo. In a
     * kernel without act_gact they are still sent by @from.
     */
    VT_MIRROR_NOT_FROM,
    VT_MIRROR_NOT_FROM_NOR_BROADCAST, /* nor frames for everybody, which reach the other interface by themselves */
    VT_MIRROR_ONLY_TO,                /* only frames to the address */
} VtMirrorWhat;

/**
 * vt_mirror_start - copy what @from sends to @to, from now on
 * @netlink: handle
 * @from:    ifindex; has a clsact, from vt_mirror_add_qdisc()
 * @to:      ifindex
 * @what:    which frames
 * @mac:     the address that @what is about
 * @error:   (out) UNSUPPORTED (no u32 or mirred in this kernel), SYSTEM, TIMEOUT
 *
 * Copies that were set up before are replaced.
 * Return: FALSE on failure, with no copies.
 */
gboolean vt_mirror_start(VtNetlink *netlink, int from, int to, VtMirrorWhat what, const VtMac *mac,
                         GError **error);

/**
 * vt_mirror_divert - frames to an address that come in over @from leave over @to, and are seen by nobody else
 * @netlink: handle
 * @from:    ifindex; has a clsact
 * @to:      ifindex
 * @mac:     the address
 * @echoes:  (nullable) array of VtMac: what comes from these is dropped, since @from itself has sent it; in a kernel
 *           without act_gact it is diverted, too
 * @error:   (out) as vt_mirror_start()
 *
 * Return: FALSE on failure, with nothing diverted.
 */
gboolean vt_mirror_divert(VtNetlink *netlink, int from, int to, const VtMac *mac, const GArray *echoes,
                          GError **error);

/**
 * vt_mirror_stop - end copies and diversions
 * @netlink: handle
 * @from:    ifindex; its clsact stays
 * @error:   (out) SYSTEM, TIMEOUT; none there is no error
 *
 * Return: FALSE on failure.
 */
gboolean vt_mirror_stop(VtNetlink *netlink, int from, GError **error);
