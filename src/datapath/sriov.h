/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Back end: the primary is a VF of a legacy SR-IOV PF that is the uplink of standby's Linux bridge.
 *
 * The NIC has a switch of its own between the wire, the PF and the VFs, which knows nothing of the bridge and
 * of which the bridge knows nothing. This back end keeps the two in agreement; sriov.c tells how.
 */
#pragma once

#include "datapath/backend.h"
#include "util/netlink.h"
#include "util/pci.h"
#include "util/vf.h"

typedef struct {
    VtMac mac;             /* of the team */
    const char *standby;   /* interface of the host, a port of the bridge */
    const char *pf;        /* the PF's interface, a port of the same bridge */
    guint vf;              /* number of the VF */
    VtVfSettings settings; /* what the guest's XML wants besides the MAC: VLAN, trust, rates, ... */
    const VtPciHost
        *host; /* (nullable) whose sysfs shows the VF; lives as long as the back end. NULL: no early signs */
    VtPciBdf bdf; /* of the VF, with .host */
    gboolean
        late_filter; /* this NIC filters for a VF only once a driver has it: its MAC may be set any time before */
    guint tries;     /* of a setting, 100 ms apart, while the VF is in reset; 0: 30 */
} VtSriovSpec;

/**
 * vt_sriov_new - a back end for one team
 * @spec:    copied
 * @netlink: (transfer full) handle
 *
 * Return: (transfer full) the back end; funcs->free() frees it.
 */
VtBackend vt_sriov_new(const VtSriovSpec *spec, VtNetlink *netlink);

/**
 * vt_sriov_from_note - a back end as a former process has left it
 * @note:    what funcs->note() gave
 * @host:    (nullable) as in VtSriovSpec
 * @netlink: (transfer full) handle
 * @backend: (out) (transfer full) set only on success
 * @error:   (out) INVALID_ARG: not a note of this back end
 *
 * Return: FALSE on failure, with @netlink freed.
 */
gboolean vt_sriov_from_note(JsonNode *note, const VtPciHost *host, VtNetlink *netlink, VtBackend *backend,
                            GError **error);
