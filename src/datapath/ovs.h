/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Back end: both legs are ports of one bridge of Open vSwitch (an emulated primary; also a representor).
 *
 * As the back end for Linux bridges does it: a static entry of the bridge's MAC table for the leg that is fed, no
 * flooding to the other, and copies from one to the other with tc, which works below Open vSwitch. No flow is added.
 *
 * Static entries and flooding are forgotten when ovs-vswitchd starts anew; funcs->holds() tells.
 */
#pragma once

#include "datapath/legs.h"

/**
 * vt_ovs_new - a back end for one team
 * @spec:    copied
 * @netlink: (transfer full) handle
 *
 * Whether the bridge forwards by its MAC table is looked at by funcs->prepare(), which refuses (UNSUPPORTED) if not.
 * Return: (transfer full) the back end; funcs->free() frees it.
 */
VtBackend vt_ovs_new(const VtLegsSpec *spec, VtNetlink *netlink);

/**
 * vt_ovs_from_note - a back end as a former process has left it
 * @note:    what funcs->note() gave
 * @netlink: (transfer full) handle
 * @backend: (out) (transfer full) set only on success
 * @error:   (out) INVALID_ARG: not a note of this back end
 *
 * Return: FALSE on failure, with @netlink freed.
 */
gboolean vt_ovs_from_note(JsonNode *note, VtNetlink *netlink, VtBackend *backend, GError **error);
