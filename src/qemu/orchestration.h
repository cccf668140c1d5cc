/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who takes a team's primary out of the guest and puts it back: QEMU's failover, or the driver ("management").
 */
#pragma once

#include "conf/teaming.h"
#include "qemu/caps.h"

/**
 * vt_orchestration_choose - who unplugs and replugs the primary of a team
 * @team:     of the definition
 * @caps:     of the QEMU that runs it
 * @fallback: what virtteamd.conf says, for teams whose policy does not
 *
 * Return: VT_ORCHESTRATION_QEMU or VT_ORCHESTRATION_MANAGEMENT; 'auto' is QEMU where it can.
 */
VtOrchestration vt_orchestration_choose(const VtTeam *team, const VtQemuCaps *caps, VtOrchestration fallback);

/**
 * vt_orchestration_pin - write down for a guest that boots who unplugs its primaries
 * @def:      the live definition
 * @caps:     as above
 * @fallback: as above
 * @error:    (out) as vt_metadata_set()
 *
 * Its QEMU is started one way or the other; from now on, and on every host it goes to, it stays so, whatever their
 * virtteamd.conf says. Teams that are QEMU's remain as they are written: a policy that says nothing means that
 * everywhere after this.
 */
gboolean vt_orchestration_pin(VtDomainDef *def, const VtQemuCaps *caps, VtOrchestration fallback,
                              GError **error);
