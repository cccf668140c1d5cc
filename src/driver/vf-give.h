/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest that runs on standby alone, because its host had no VF for it (standby-only='yes'), gets one: when a VF
 * becomes free, every half a minute where only another daemon knows what is free, or when somebody asks.
 */
#pragma once

#include "driver/domain-obj.h"
#include "util/seq.h"

/** TRUE for an active domain with a transient that has no VF and whose team is not kept on standby; @team: (nullable) only that of this persistent. */
gboolean vt_vf_give_is_due(const VtDomain *domain, const char *team);

/**
 * vt_vf_give_try - find a VF for a team that has none and plug it into the running guest
 * @domain: active, running; its job is held by the caller
 * @team:   alias of the persistent leg
 * @done:   told when the guest has it, also when it had one before; OPERATION_FAILED: none is free, with the reasons;
 *          else as vt_net_port_take(), vt_hostdev_take(), vt_hotplug_plug(). Nothing is left of what failed
 * @user:   for @done
 *
 * Where no journal is open it opens its own, so that a daemon killed in between is cleaned up after.
 */
void vt_vf_give_try(VtDomain *domain, const char *team, VtDoneFunc done, gpointer user);

/**
 * vt_vf_give_watch - see to it that bare teams get a VF as soon as there is one
 * @driver: the driver
 *
 * To be called when a guest has come up; costs nothing where no guest waits for a VF.
 */
void vt_vf_give_watch(VtDriver *driver);

/**
 * vt_vf_give_recover - a daemon ended while it gave a VF: keep it if QEMU has it, else take everything back
 * @domain: active, its monitor connected, its journal of the kind VT_VF_GIVE_JOURNAL
 * @done:   told the end; never with an error
 * @user:   for @done
 */
void vt_vf_give_recover(VtDomain *domain, VtDoneFunc done, gpointer user);

/** The daemon goes away in the middle: nothing is undone, nobody is told. */
void vt_vf_give_abandon(VtDomain *domain);

/** The table, for docs and for tests that walk it. */
const VtSeqTable *vt_vf_give_table(void);
