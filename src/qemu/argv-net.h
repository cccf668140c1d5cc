/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Interfaces: -netdev and the NIC's device, with QEMU's failover properties.
 */
#pragma once

#include "qemu/argv-ctx.h"

/** -netdev and -device of every interface that is not a host's PCI function. */
gboolean vt_argv_net_all(VtArgvBuild *build, GError **error);

/** The value of -device for an emulated or virtio NIC; (transfer full). */
char *vt_argv_net_nic(const VtDomainDef *def, const VtNetDef *net);

/** QEMU's driver of an interface model; NULL for a model that is not known. */
const char *vt_argv_net_driver(const char *model);

/**
 * vt_argv_net_pair_id - value of failover_pair_id= for a leg
 * @def:     the domain
 * @teaming: of the leg
 *
 * Return: (nullable) (transfer none) the persistent's alias, where the leg is a transient that QEMU itself unplugs
 *         and replugs; NULL else, also where the team's policy gives that to us (orchestration='management').
 */
const char *vt_argv_net_pair_id(const VtDomainDef *def, const VtTeaming *teaming);

/**
 * vt_argv_net_add_leg - append -device of a NIC that may be a leg of a team, unless it is to come later
 * @build:   the command line
 * @device:  value of -device
 * @teaming: of the NIC
 * @host:    it is a function of the host
 * @error:   (out) as vt_argv_ctx_add_nic()
 *
 * Return: FALSE with @error set.
 */
gboolean vt_argv_net_add_leg(VtArgvBuild *build, const char *device, const VtTeaming *teaming, gboolean host,
                             GError **error);
