/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Back end: both legs are ports of Linux bridges (an emulated primary; also a representor).
 *
 * The guest's address is pinned to the port of the leg that is fed (static, sticky), learning is off on both
 * ports, the other port is not flooded, and where both legs are fed it gets a copy of all that the fed port
 * sends: exactly one copy of each frame, except those that the guest itself has sent.
 */
#pragma once

#include "datapath/legs.h"
#include "util/netlink.h"

/**
 * vt_bridge_new - a back end for one team
 * @spec:    copied
 * @netlink: (transfer full) handle
 *
 * Return: (transfer full) the back end; funcs->free() frees it.
 */
VtBackend vt_bridge_new(const VtLegsSpec *spec, VtNetlink *netlink);

/**
 * vt_bridge_from_note - a back end as a former process has left it
 * @note:    what funcs->note() gave
 * @netlink: (transfer full) handle
 * @backend: (out) (transfer full) set only on success
 * @error:   (out) INVALID_ARG: not a note of this back end
 *
 * Return: FALSE on failure, with @netlink freed.
 */
gboolean vt_bridge_from_note(JsonNode *note, VtNetlink *netlink, VtBackend *backend, GError **error);
