/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Back end: the primary is a VF of a NIC in switchdev mode; its representor is the other leg's port.
 *
 * What to do with two ports is what the back ends for bridges know. This one sees to the VF's address and to the
 * representor's being up and a port, and leaves the rest to one of them.
 */
#pragma once

#include "datapath/backend.h"
#include "util/netlink.h"
#include "util/pci.h"
#include "util/vf.h"

typedef struct {
    VtMac mac;               /* of the team */
    const char *standby;     /* interface of the host, a port of a bridge */
    const char *representor; /* of the VF */
    gboolean ovs;            /* the bridge is Open vSwitch's, and has the representor */
    const char *pf;          /* the PF's interface */
    guint vf;                /* number of the VF */
    VtVfSettings settings;   /* what the guest's XML wants besides the MAC */
    const VtPciHost
        *host; /* (nullable) whose sysfs shows the VF; lives as long as the back end. NULL: no early signs */
    VtPciBdf bdf; /* of the VF, with .host */
    guint tries;  /* of a setting, 100 ms apart, while the VF is in reset; 0: 30 */
} VtSwitchdevSpec;

/**
 * vt_switchdev_new - a back end for one team
 * @spec:    copied
 * @netlink: (transfer full) handle
 * @inner:   (transfer full) handle for the back end that feeds the two ports
 *
 * Return: (transfer full) the back end; funcs->free() frees it.
 */
VtBackend vt_switchdev_new(const VtSwitchdevSpec *spec, VtNetlink *netlink, VtNetlink *inner);

/**
 * vt_switchdev_from_note - a back end as a former process has left it
 * @note:    what funcs->note() gave
 * @host:    (nullable) as in VtSwitchdevSpec
 * @netlink: (transfer full) handle
 * @inner:   (transfer full) as for vt_switchdev_new()
 * @backend: (out) (transfer full) set only on success
 * @error:   (out) INVALID_ARG: not a note of this back end
 *
 * Return: FALSE on failure, with both handles freed.
 */
gboolean vt_switchdev_from_note(JsonNode *note, const VtPciHost *host, VtNetlink *netlink, VtNetlink *inner,
                                VtBackend *backend, GError **error);
