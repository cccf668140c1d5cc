/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VFs that networks have lent (driver/net-port): reserved and bound to VFIO, or handed back for another.
 */
#pragma once

#include "driver/domain-obj.h"

/** Whether an interface has a VF of a network that its domain does not have yet. */
gboolean vt_vf_lent_is_due(const VtDomain *domain, const VtNetDef *net);

/**
 * VtVfLent - how vt_vf_lent_take() ends
 * @user: what the caller gave
 * @def:  (transfer full) what it gave, with the functions and ports in it that are bound now
 * @error: (nullable) why it failed
 */
typedef void (*VtVfLent)(gpointer user, VtDomainDef *def, const GError *error);

/**
 * vt_vf_lent_take - reserve and bind the VFs that networks have lent
 * @domain:      whose they will be, of a driver
 * @def:         (transfer full) its definition, with its ports
 * @may_be_bare: a transient whose team may do without (standby-only='yes') becomes bare instead of failing
 * @done:        told when all are bound; OPERATION_FAILED: none of those that were lent can be had, each with why not.
 *               What was taken before stays so: vt_hostdev_give_back(), vt_net_port_release()
 * @user:        for @done
 *
 * In the place of one that cannot be bound the network is asked for another.
 */
void vt_vf_lent_take(VtDomain *domain, VtDomainDef *def, gboolean may_be_bare, VtVfLent done, gpointer user);
