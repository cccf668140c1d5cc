/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What comes for the guest while its driver closes the primary, before an eject.
 *
 * A guest with net_failover drops what comes on standby until the primary is unregistered, and that comes after its driver has closed
 * it: for e1000e some 80 ms in which it hears neither leg. Where the host sees an emulated NIC being closed, QEMU keeps standby's
 * frames back until the primary is gone: they come late and are not lost.
 */
#pragma once

#include "qemu/qmp-client.h"

typedef struct _VtDatapathEject VtDatapathEject;

typedef struct {
    const char *domain;     /* its name, for messages */
    const char *persistent; /* alias of the leg whose frames are kept back */
    const char *transient;  /* alias of the one that is being closed */
    const char *model;      /* of the latter; vt_nic_sight_tells_closing() */
    guint keep_ms;          /* nothing is kept back for longer */
} VtDatapathEjectSpec;

/** QEMU's monitor; NULL while it is not connected. */
typedef VtQmpClient *(*VtDatapathEjectMonitor)(gpointer owner);

/**
 * vt_datapath_eject_new - the primary is about to leave: look at it from now on
 * @spec:    copied
 * @monitor: asked for every look
 * @owner:   for @monitor
 *
 * Return: (transfer full) for vt_datapath_eject_free().
 */
VtDatapathEject *vt_datapath_eject_new(const VtDatapathEjectSpec *spec, VtDatapathEjectMonitor monitor,
                                       gpointer owner);

/** The primary is gone, or stays: let go of what was kept back. Accepts NULL. */
void vt_datapath_eject_free(VtDatapathEject *eject);
