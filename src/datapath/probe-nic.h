/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a probe does to a NIC: a struct of functions, so that tests can put a switch of their own in its place.
 */
#pragma once

#include "util/error.h"
#include "util/ident.h"

typedef struct {
    /** Set a VF's MAC on the PF and read it back; @tries as in vt_vf_program(). A MAC of zeros: none. */
    gboolean (*set_mac)(gpointer nic, guint vf, const VtMac *mac, guint tries, GError **error);

    /** The VF's MAC as the PF reports it. */
    gboolean (*get_mac)(gpointer nic, guint vf, VtMac *mac, GError **error);

    /** Add an address to the PF's own (an FDB entry, `self`), or take it away. */
    gboolean (*set_self)(gpointer nic, const VtMac *mac, gboolean on, GError **error);

    /** Give the VF to its network driver; returns the number of the interface in our namespace, or 0. */
    int (*drive)(gpointer nic, guint vf, GError **error);

    /** Take the driver away; none there is no error. */
    gboolean (*undrive)(gpointer nic, guint vf, GError **error);

    /** (nullable) Reset the VF, which has no driver. Blocks, and is called in a thread of its own. */
    gboolean (*reset)(gpointer nic, guint vf, GError **error);
} VtProbeNicFuncs;

typedef struct {
    const VtProbeNicFuncs *funcs;
    gpointer state;
} VtProbeNic;
