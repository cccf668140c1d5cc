/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a PF has set for its virtual functions: MAC, VLAN, spoof check, trust, link state, rates, counters.
 *
 * All of it goes through the PF's interface over rtnetlink. Drivers differ in what they support, and some
 * accept what they do not do: whoever sets something reads it back.
 */
#pragma once

#include "util/ident.h"
#include "util/netlink.h"

typedef enum {
    VT_VF_MAC = 1 << 0,
    VT_VF_VLAN = 1 << 1, /* with its priority and protocol */
    VT_VF_SPOOFCHK = 1 << 2,
    VT_VF_TRUST = 1 << 3,
    VT_VF_LINK_STATE = 1 << 4,
    VT_VF_RATE = 1 << 5,
} VtVfField;

#define VT_VF_FIELDS_ALL 0x3f

typedef enum {
    VT_VF_LINK_AUTO, /* numbers are the kernel's IFLA_VF_LINK_STATE_* */
    VT_VF_LINK_ENABLE,
    VT_VF_LINK_DISABLE,
} VtVfLinkState;

typedef struct {
    guint fields; /* VtVfField: which of the following are known, or are to be set */
    VtMac mac;
    guint16 vlan; /* 0: none */
    guint8 qos;
    guint16 vlan_proto; /* 0x8100 or 0x88a8 */
    gboolean spoofchk;
    gboolean trust;
    VtVfLinkState link_state;
    guint32 min_rate_mbit_per_s; /* 0: none */
    guint32 max_rate_mbit_per_s;
} VtVfSettings;

typedef struct {
    gboolean known;                 /* zeroes are told also for a driver that does not count */
    guint64 rx_packets, tx_packets; /* as the VF sees them */
} VtVfCounters;

/**
 * vt_vf_get - what the PF has set for a VF
 * @netlink:  handle
 * @pf:       ifindex of the PF's interface
 * @vf:       number of the VF
 * @settings: (out) fields that the driver reports; set only on success
 * @counters: (out) (nullable)
 * @error:    (out) NO_DEVICE when the PF has no such VF, SYSTEM, TIMEOUT
 *
 * Return: FALSE on failure.
 * Source: linux/if_link.h, IFLA_VFINFO_LIST with RTEXT_FILTER_VF.
 */
gboolean vt_vf_get(VtNetlink *netlink, int pf, guint vf, VtVfSettings *settings, VtVfCounters *counters,
                   GError **error);

/**
 * vt_vf_set - set what @settings names, each field by a request of its own
 * @netlink:  handle
 * @pf:       ifindex of the PF's interface
 * @vf:       number of the VF
 * @settings: only .fields are set
 * @errnum:   (out) (nullable) errno of the request that failed
 * @error:    (out) SYSTEM naming the field, TIMEOUT
 *
 * Return: FALSE with the fields before the failed one set.
 */
gboolean vt_vf_set(VtNetlink *netlink, int pf, guint vf, const VtVfSettings *settings, int *errnum,
                   GError **error);

/**
 * vt_vf_diff - which fields of a wish are not as they should be
 * @wanted: what shall be
 * @got:    what is
 *
 * Return: VtVfField bits of @wanted that differ or that @got does not know.
 */
guint vt_vf_diff(const VtVfSettings *wanted, const VtVfSettings *got);

/**
 * vt_vf_program - set, retry while the VF is in reset, and read back
 * @netlink:    handle
 * @pf:         ifindex of the PF's interface
 * @vf:         number of the VF
 * @wanted:     what shall be
 * @tries:      at least 1; between them 100 ms pass
 * @error:      (out) SYSTEM, OPERATION_FAILED naming the fields that the driver accepted but did not set
 *
 * Blocks; for threads. What the driver does not report back (fields absent from its answer) counts as set.
 * Return: TRUE when everything is as wanted.
 */
gboolean vt_vf_program(VtNetlink *netlink, int pf, guint vf, const VtVfSettings *wanted, guint tries,
                       GError **error);

/** "mac, trust" for the bits of a field set. (transfer full) */
char *vt_vf_field_names(guint fields);
