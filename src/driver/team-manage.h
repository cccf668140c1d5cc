/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Teams whose primary the driver itself takes out of the guest and puts back (orchestration='management').
 *
 * The live definition keeps a primary all the while; what this module knows is whether QEMU has it. A primary that
 * is missing while the guest is to have it is plugged again, and tried again until it succeeds. It does the same for a
 * primary that QEMU itself unplugs and plugs (orchestration='qemu'), and has lost.
 */
#pragma once

#include "conf/teaming.h"
#include "driver/domain-obj.h"
#include "util/seq.h"

/** TRUE for a team whose primary is this module's business. */
gboolean vt_team_manage_is(const VtTeam *team);

/** TRUE for an active domain that has such a team. */
gboolean vt_team_manage_has(const VtDomain *domain);

/**
 * vt_team_manage_limits - how long a guest may take to let go of a primary
 * @config:     defaults
 * @policy:     (nullable) of the team
 * @timeout_ms: (out) for all requests together
 * @retries:    (out) how often it is asked again within that time
 *
 * Return: TRUE when the time is no limit (on-timeout='wait'); then @timeout_ms only says when to ask again.
 */
gboolean vt_team_manage_limits(const VtDriverConfig *config, const VtTeamPolicy *policy, guint *timeout_ms,
                               guint *retries);

/**
 * vt_team_manage_boots - a guest is about to boot with its primaries plugged
 * @domain: its datapath is open
 *
 * QEMU says nothing about them, and a guest without net_failover neither: the host feeds both legs until it is seen
 * which one the guest takes.
 */
void vt_team_manage_boots(VtDomain *domain);

/**
 * vt_team_manage_unplug - take the primaries out, until vt_team_manage_replug()
 * @domain: active, running; its journal, if open, has the steps
 * @done:   told at once where there is no such team; OPERATION_FAILED: a primary was not let go of, with its name:
 *          those that were are back then, or are tried again; ABORTED: cancelled
 * @user:   for @done
 */
void vt_team_manage_unplug(VtDomain *domain, VtDoneFunc done, gpointer user);

/**
 * vt_team_manage_cancel - give up an unplug that is under way
 * @domain: the domain
 * @error:  (transfer full) what its done() will be told
 *
 * Return: FALSE when none is under way.
 */
gboolean vt_team_manage_cancel(VtDomain *domain, GError *error);

/**
 * vt_team_manage_replug - the guest is here: give it the primaries that QEMU does not have
 * @domain: active
 * @done:   (nullable) told the end of the first attempt; after a failure more follow by themselves. At once while the
 *          guest is paused: it gets them when it is resumed
 * @user:   for @done
 */
void vt_team_manage_replug(VtDomain *domain, VtDoneFunc done, gpointer user);

/** How long a guest that has arrived is left in peace before a VF is plugged, in milliseconds; for tests to change. */
extern guint vt_team_manage_peace_ms;

/**
 * vt_team_manage_arrived - a guest that was migrated or restored is here: give it the primaries that its QEMU was started without
 * @domain: active
 *
 * As vt_team_manage_replug(), also for VFs that QEMU is to unplug and plug. On a destination it would plug them before the
 * guest runs: that stands still for as long as VFIO resets the function and pins the guest's memory.
 */
void vt_team_manage_arrived(VtDomain *domain);

/**
 * vt_team_manage_gone - a device has left the guest
 * @domain: active
 * @alias:  of any device
 *
 * Return: TRUE when it is a primary that stays in the definition since it will be plugged again; FALSE: detach it.
 */
gboolean vt_team_manage_gone(VtDomain *domain, const char *alias);

/** The daemon goes away: what is under way stays as it is, and nobody is told. */
void vt_team_manage_abandon(VtDomain *domain);

/** A client detaches @alias: its going is for good. */
void vt_team_manage_forget(VtDomain *domain, const char *alias);

/** A primary that somebody else has plugged in is there. */
void vt_team_manage_came(VtDomain *domain, const char *alias);

/** TRUE while primaries of the domain are being taken out or put back here. */
gboolean vt_team_manage_is_busy(const VtDomain *domain);

/** TRUE while a primary that @alias names is known to be out of the guest. */
gboolean vt_team_manage_is_away(const VtDomain *domain, const char *alias);

/**
 * vt_team_manage_qemu_asks - QEMU has asked the guest to let go of a primary of its own
 * @domain: active
 * @alias:  of the primary
 * @asks:   FALSE: the guest has let go, as QEMU wanted
 *
 * One that lets go after the migration was given up takes the device away for good, as QEMU sees it: it is plugged
 * again then.
 */
void vt_team_manage_qemu_asks(VtDomain *domain, const char *alias, gboolean asks);

/**
 * vt_team_manage_rescue - QEMU was to plug a primary of its own, and has not
 * @domain: active
 * @alias:  of the primary
 *
 * Return: TRUE: it is plugged now, and tried again until it succeeds; FALSE: that is being done already.
 */
gboolean vt_team_manage_rescue(VtDomain *domain, const char *alias);
