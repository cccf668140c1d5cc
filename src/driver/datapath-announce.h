/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who tells the network that a guest has arrived: QEMU, on every NIC but emulated primaries.
 *
 * By itself QEMU announces a guest that came by migration on all its NICs (RARP, five times in 1.5 s), on a primary
 * too, long before the guest's driver has it. To the host that looks as if the guest spoke over its primary. So QEMU is
 * told to do it once, which cannot be turned off, and driver/datapath-team takes no frame of that time for a sign of life.
 */
#pragma once

#include "driver/domain-obj.h"

/** Tell a QEMU that waits for a migration to announce once by itself at most; no answer is waited for. */
void vt_datapath_announce_defer(VtDomain *domain);

/** Announce the guest on what is no primary; no answer is waited for. Right before its CPUs go on. */
void vt_datapath_announce(VtDomain *domain);
