/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who takes a team's primary out of the guest and puts it back: QEMU's failover, or the driver ("management").
 */
#pragma once

#include "conf/teaming.h"
#include "qemu/caps.h"

/* What virtteamd.conf says. */
typedef struct {
    VtOrchestration orchestration; /* for teams whose policy does not say it */
    VtOrchestration auto_prefers;  /* what 'auto' is where both are possible; MANAGEMENT, else QEMU */
} VtOrchestrationDefaults;

/**
 * vt_orchestration_choose - who unplugs and replugs the primary of a team that boots
 * @team:     of the definition
 * @caps:     of the QEMU that runs it
 * @defaults: of this host
 *
 * Return: VT_ORCHESTRATION_QEMU or VT_ORCHESTRATION_MANAGEMENT; 'auto' is what it prefers, where QEMU can.
 */
VtOrchestration vt_orchestration_choose(const VtTeam *team, const VtQemuCaps *caps,
                                        const VtOrchestrationDefaults *defaults);

/**
 * vt_orchestration_pin - write down for a guest that boots who unplugs its primaries
 * @def:      the live definition
 * @caps:     as above
 * @defaults: as above
 * @error:    (out) as vt_metadata_set()
 *
 * Its QEMU is started one way or the other; from now on, and on every host it goes to, it stays so, whatever their
 * virtteamd.conf says: 'management' is written, and a policy that says nothing means 'qemu' after this. 'auto' remains,
 * or is written, where the primary is QEMU's until it is known whether the guest negotiates STANDBY.
 */
gboolean vt_orchestration_pin(VtDomainDef *def, const VtQemuCaps *caps,
                              const VtOrchestrationDefaults *defaults, GError **error);

/**
 * vt_orchestration_write - write down that a team changes hands
 * @def:           the live definition
 * @persistent:    alias of the team's persistent leg
 * @orchestration: from now on
 * @error:         (out) as vt_metadata_set()
 */
gboolean vt_orchestration_write(VtDomainDef *def, const char *persistent, VtOrchestration orchestration,
                                GError **error);

/**
 * vt_orchestration_rewrite - make the metadata say what the policies are
 * @def:   some of its team_policies were taken away
 * @error: (out) as vt_metadata_set()
 */
gboolean vt_orchestration_rewrite(VtDomainDef *def, GError **error);
