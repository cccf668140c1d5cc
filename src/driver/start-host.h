/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's side of a start: what must be there, taps and vhost, and what QEMU says about its terminals.
 */
#pragma once

#include <json-glib/json-glib.h>
#include <sys/types.h>
#include "conf/domain-def.h"
#include "qemu/argv.h"
#include "qemu/caps.h"

/** That bridges, disk images, kernel and initrd of a definition are there. OPERATION_FAILED names what is not. */
gboolean vt_start_host_check(const VtDomainDef *def, const VtQemuCaps *caps, GError **error);

/** RLIMIT_MEMLOCK for QEMU: guest memory and 1 GiB for VFIO's mappings; 0 without a host device. */
guint64 vt_start_host_memlock_bytes(const VtDomainDef *def);

/** Put the pty paths of query-chardev's answer into the live definition. */
void vt_start_host_read_chardevs(VtDomainDef *def, JsonNode *chardevs);

/** A QEMU that was started without VFIO may lock too little memory for it: raise its limit to that of @def. */
void vt_start_host_raise_memlock(const VtDomainDef *def, pid_t pid);

typedef struct _VtStartNet VtStartNet;

/**
 * vt_start_net_open - make the taps of all interfaces, in their order
 * @def:   live; target_dev of each tap is filled in ("vnetN" where none was asked for)
 * @caps:  whether vhost can be used
 * @error: (out) SYSTEM, OPERATION_FAILED: which interface, which bridge, why
 *
 * Taps vanish with their descriptors: nothing of them is left once QEMU is gone or this is freed.
 * Return: (transfer full).
 */
VtStartNet *vt_start_net_open(VtDomainDef *def, const VtQemuCaps *caps, GError **error);

/** One entry an interface, valid until freed. */
const VtArgvNetFd *vt_start_net_fds(const VtStartNet *net);

/** The descriptors that QEMU inherits. (transfer full) of int. */
GArray *vt_start_net_inherit(const VtStartNet *net);

/** The descriptors of the first interface: one a queue, its taps or its vhosts (none: empty). (transfer full) of int. */
GArray *vt_start_net_taps(const VtStartNet *net, gboolean vhost);

/** Close our copies. */
void vt_start_net_close(VtStartNet *net);
void vt_start_net_free(VtStartNet *net);
