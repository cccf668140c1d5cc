/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The NIC that a probe asks: which of its VFs may be used, what they were before, and how they become so again.
 *
 * The note tells all that is going to be changed. It goes to the disk before the first change, and restoring needs
 * nothing else, so a probe that was killed can be cleaned up by another process.
 */
#pragma once

#include "datapath/probe-nic.h"
#include "util/netlink.h"
#include "util/pci.h"

#include <json-glib/json-glib.h>

typedef struct {
    const VtPciHost *host; /* whose sysfs */
    const char *dev;       /* (nullable) where device nodes are; NULL: "/dev" */
    const char *pf;        /* interface */
    const char *wire;      /* (nullable) interface that is cabled to the PF */
    int vf;                /* to test; -1: any that is free */
    const char *driver;    /* (nullable) network driver of the VFs; NULL: find out */
    const char *reserved;  /* directory of the daemon's reservations */
    /* Of a PF in another network namespace; NULL: it is in ours. Its VFs' drivers make their interfaces in ours. */
    const VtPciHost *pf_host; /* sysfs as it is seen there: vt_probe_port_sysfs() */
    VtNetlink *pf_netlink;    /* (transfer none) of there; kept */
} VtProbeHostSpec;

typedef struct {
    guint index;
    VtPciBdf bdf;
    char driver[32];   /* that it has; "" none */
    char override[32]; /* driver_override; "" none */
    VtMac mac;         /* as the PF reports it */
} VtProbeHostVf;

typedef struct {
    const VtPciHost *host;
    VtNetlink *netlink;    /* not owned */
    VtNetlink *pf_netlink; /* of the PF's namespace; not owned */
    char pf[16];
    int ifindex;
    int wire; /* number of the interface; 0: none */
    VtMac wire_mac;
    VtPciBdf bdf;
    VtPciInfo info;        /* of the PF */
    char net_driver[32];   /* of its VFs */
    VtProbeHostVf vf;      /* the tested one */
    VtProbeHostVf sibling; /* when has_sibling */
    gboolean has_sibling;
    VtMac guest, behind, other, brother; /* random */
} VtProbeHost;

/**
 * vt_probe_host_open - look at a PF and choose VFs; changes nothing
 * @spec:    what is asked for
 * @netlink: (transfer none) of our namespace; kept
 * @out:     (out) set only on success
 * @error:   (out) NO_DEVICE; UNSUPPORTED: not a PF, down; OPERATION_INVALID: no VFs enabled, or naming why each VF
 *           is in use
 *
 * Return: FALSE when this PF cannot be probed.
 */
gboolean vt_probe_host_open(const VtProbeHostSpec *spec, VtNetlink *netlink, VtProbeHost *out,
                            GError **error);

/** The NIC of a probe; @host must outlive it. */
VtProbeNic vt_probe_host_nic(VtProbeHost *host);

/** What is going to be changed, for the disk. (transfer full) */
JsonObject *vt_probe_host_note(const VtProbeHost *host);

/**
 * vt_probe_host_restore - make everything as a note says it was
 * @note:    what vt_probe_host_note() gave, perhaps to another process
 * @host:    whose sysfs
 * @pf_host: (nullable) as VtProbeHostSpec's
 * @netlink: of the PF's namespace
 * @error:   (out) INVALID_ARG: not a note; else the first thing that could not be restored
 *
 * Does as much as can be done. A PF or VF that is gone has nothing to restore.
 * Return: FALSE when something is not as it was.
 */
gboolean vt_probe_host_restore(JsonNode *note, const VtPciHost *host, const VtPciHost *pf_host,
                               VtNetlink *netlink, GError **error);

/**
 * vt_probe_host_uses - whether a probe has a VF just now, or had it when it was killed
 * @dir: directory of the notes
 * @vf:  the VF
 *
 * Return: TRUE when a note speaks of it: it must not be given to anybody before it is restored.
 */
gboolean vt_probe_host_uses(const char *dir, const VtPciBdf *vf);
