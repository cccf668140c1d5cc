/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Back end: standby is a macvtap on a legacy SR-IOV PF, the primary is a VF of that PF.
 *
 * There is no bridge: which of the two gets the guest's frames is decided by the NIC's own switch, by the addresses
 * that it knows of the PF and of the VF. A macvtap puts its address on the PF while it is up, and only then.
 */
#pragma once

#include "datapath/backend.h"
#include "util/netlink.h"
#include "util/pci.h"
#include "util/vf.h"

typedef struct {
    VtMac mac;             /* of the team, and of the macvtap */
    const char *standby;   /* the macvtap */
    const char *pf;        /* the interface below it */
    guint vf;              /* number of the VF */
    VtVfSettings settings; /* what the guest's XML wants besides the MAC */
    const VtPciHost
        *host; /* (nullable) whose sysfs shows the VF; lives as long as the back end. NULL: no early signs */
    VtPciBdf bdf;         /* of the VF, with .host */
    gboolean late_filter; /* this NIC filters for a VF only once a driver has it */
    guint tries;          /* of a setting, 100 ms apart, while the VF is in reset; 0: 30 */
} VtMacvtapVfSpec;

/**
 * vt_macvtap_vf_new - a back end for one team
 * @spec:    copied
 * @netlink: (transfer full) handle
 *
 * Return: (transfer full) the back end; funcs->free() frees it.
 */
VtBackend vt_macvtap_vf_new(const VtMacvtapVfSpec *spec, VtNetlink *netlink);

/**
 * vt_macvtap_vf_from_note - a back end as a former process has left it
 * @note:    what funcs->note() gave
 * @host:    (nullable) as in VtMacvtapVfSpec
 * @netlink: (transfer full) handle
 * @backend: (out) (transfer full) set only on success
 * @error:   (out) INVALID_ARG: not a note of this back end
 *
 * Return: FALSE on failure, with @netlink freed.
 */
gboolean vt_macvtap_vf_from_note(JsonNode *note, const VtPciHost *host, VtNetlink *netlink,
                                 VtBackend *backend, GError **error);
