/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A VF for each transient that a policy chooses for: looked for on this host, reserved and bound to VFIO. And those that
 * networks have lent, since only then it is known whether they can be had.
 */
#pragma once

#include "driver/domain-obj.h"

/**
 * VtVfTaken - how vt_vf_take() ends
 * @user:  what the caller gave
 * @taken: (transfer none) a copy of what it was given, with the functions in it: for vt_net_adopt()
 * @error: (nullable) why it failed
 */
typedef void (*VtVfTaken)(gpointer user, const VtDomainDef *taken, const GError *error);

/**
 * vt_vf_take - find, reserve and bind a VF for each transient of a definition that is to have one by policy, and
 *              bind what networks have lent
 * @driver:      the driver
 * @domain:      whose they will be
 * @def:         its definition; copied
 * @may_be_bare: a transient whose team may do without (standby-only='yes') becomes bare instead of failing
 * @done:        told when all are bound; OPERATION_FAILED: none is free, with what keeps each from it. What was taken
 *               before a failure stays so: vt_hostdev_give_back()
 * @user:        for @done
 *
 * A VF that cannot be bound is left as it was, said in a message, and the next best is tried.
 */
void vt_vf_take(VtDriver *driver, VtDomain *domain, const VtDomainDef *def, gboolean may_be_bare,
                VtVfTaken done, gpointer user);

/**
 * vt_vf_take_forget - take out of a definition what another run, or another host, had found for it
 * @def:      about to be started
 * @migrated: it comes from another host: addresses of its functions are no hints here where a policy chooses
 */
void vt_vf_take_forget(VtDomainDef *def, gboolean migrated);
