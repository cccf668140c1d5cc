/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What becomes of the primaries that QEMU conducts itself, and who conducts where that is left to us.
 *
 * QEMU keeps a primary away from a guest until its virtio driver has negotiated STANDBY. One that never does (no
 * net_failover, a bond of its own, another operating system, no virtio driver) would never get it, and nobody would
 * know. So a guest that runs is looked at: where orchestration is 'auto' the driver takes over and plugs the primary
 * itself ('management'); where it is 'qemu' it is said.
 *
 * And QEMU only warns in its own log when it cannot plug a primary: then the driver does, until it succeeds.
 */
#pragma once

#include "driver/domain-obj.h"

/* When to look, and what to conclude from. */
typedef struct {
    guint tick_ms; /* between two looks */
    guint
        no_ms; /* from when the guest's virtio driver is seen up without STANDBY to that it stays so: the firmware has
                      a driver too, for booting from the network */
    guint none_ms; /* from when the guest runs to that no virtio driver will come */
} VtTeamWatchTimes;

/** 1 s, 5 s, 60 s; tests have less time. */
extern VtTeamWatchTimes vt_team_watch_times;

/**
 * vt_team_watch_open - begin to look after the teams of a guest
 * @domain: with QEMU's monitor connected, after vt_team_state_open()
 *
 * Also teams that are attached later. It ends with QEMU.
 */
void vt_team_watch_open(VtDomain *domain);
