/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What interfaces need on the host beyond their taps, and what does not vanish with QEMU: ports of Open vSwitch, macvtaps.
 *
 * What is made for a guest stands in STATE_DIR/NAME.ports before it is made, and goes from there when it is removed:
 * a daemon that finds such a file of a guest that does not run removes what it names.
 */
#pragma once

#include "driver/domain-obj.h"

typedef enum {
    VT_HOST_PORT_OVS,     /* made when the taps are there */
    VT_HOST_PORT_MACVTAP, /* made instead of a tap, before it is opened */
    VT_HOST_PORT_COUNT
} VtHostPortKind;

/**
 * vt_host_port_add - make what the interfaces of a definition need
 * @domain: that is starting, or active
 * @def:    its live definition, or one with the interfaces that are being attached; target_dev of macvtaps is filled in
 * @kind:   which
 * @done:   told when all are there, or OPERATION_FAILED, SYSTEM, NO_DEVICE ... with none of them there
 * @user:   for @done
 */
void vt_host_port_add(VtDomain *domain, VtDomainDef *def, VtHostPortKind kind, VtDoneFunc done,
                      gpointer user);

/**
 * vt_host_port_remove - remove what vt_host_port_add() has made
 * @domain: was given to it, or not
 * @name:   (nullable) target_dev of one interface; NULL: all
 * @done:   told when it was tried; what could not be removed stays in the file for the next daemon
 * @user:   for @done
 */
void vt_host_port_remove(VtDomain *domain, const char *name, VtDoneFunc done, gpointer user);

/**
 * vt_host_port_remove_unused - remove what no interface of an active domain has: the remains of an attach
 * @domain: active
 * @done:   as of vt_host_port_remove()
 * @user:   for @done
 */
void vt_host_port_remove_unused(VtDomain *domain, VtDoneFunc done, gpointer user);

/**
 * vt_host_port_set_up - macvtaps take frames, and keep them from going elsewhere, while they are up
 * @domain: active
 * @up:     the guest runs here; the standby of a team that has its own back end for this is left out
 */
void vt_host_port_set_up(VtDomain *domain, gboolean up);

/** After a restart, with running domains found: remove what belongs to those that do not run. */
void vt_host_port_recover(VtDriver *driver);
