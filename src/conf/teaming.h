/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Teams: the <teaming> element of interfaces and hostdevs, and our policies in <metadata>.
 * The rules across a team's devices are conf/teaming-rules.
 */
#pragma once

#include "conf/element.h"

#define VT_TEAMING_URI    "urn:virtteam:domain:1"
#define VT_TEAMING_PREFIX "virtteam"

#define VT_TEAMING_EMULATED_MODELS "vmxnet3 e1000e igb" /* PCI Express NICs of QEMU that can be a primary */

/**
 * vt_teaming_parse - read the <teaming> child of an interface or hostdev
 * @ctx:     where problems go
 * @node:    the device's element; without <teaming> @teaming becomes VT_TEAMING_NONE
 * @teaming: (out) the result
 *
 * Return: FALSE when there was a problem.
 */
gboolean vt_teaming_parse(VtParseContext *ctx, const xmlNode *node, VtTeaming *teaming);

/** Write <teaming .../>; nothing for VT_TEAMING_NONE. */
void vt_teaming_format(VtXmlWriter *writer, const VtTeaming *teaming);

/** Read the policies out of the <metadata> element, if any; unknown attributes are refused. */
gboolean vt_teaming_parse_policies(VtParseContext *ctx, const xmlNode *metadata, GPtrArray *policies);

/** Give transients without a MAC that of their persistent; part of postparse, before MACs are generated. */
void vt_teaming_inherit_macs(VtDomainDef *def);

/* One team as the definition has it. Exactly one of net and hostdev is set when there is a transient. */
typedef struct {
    VtNetDef *persistent;
    VtNetDef *transient_net;         /* nullable */
    VtHostdevDef *transient_hostdev; /* nullable */
    const VtTeamPolicy *policy;      /* nullable */
} VtTeam;

/**
 * vt_teaming_find_persistent - the NIC that an alias names
 * @def:   the domain
 * @alias: "ua-x", or an automatic one ("net0"), also before vt_alias_assign()
 *
 * Return: (nullable) (transfer none) any interface of that alias, whatever its <teaming>.
 */
VtNetDef *vt_teaming_find_persistent(const VtDomainDef *def, const char *alias);

/**
 * The teams of a domain: one VtTeam (g_free) a persistent that is named by a transient. A live transient that is bare
 * is none: its guest has the persistent alone. (transfer full)
 */
GPtrArray *vt_teaming_teams(const VtDomainDef *def);

/**
 * vt_teaming_find - the team of a transient
 * @def:       (nullable) the domain
 * @transient: alias
 * @team:      (out) points into @def; set only on success
 */
gboolean vt_teaming_find(const VtDomainDef *def, const char *transient, VtTeam *team);

/** Alias and address of the transient leg. */
const VtDeviceInfo *vt_teaming_transient_info(const VtTeam *team);

/** TRUE for a team whose primary is a host's PCI function, FALSE for an emulated one. */
gboolean vt_teaming_is_host(const VtTeam *team);

/** TRUE for a transient with a host function whose team says standby-only='yes': its guest may run without. */
gboolean vt_teaming_may_be_bare(const VtDomainDef *def, const VtNetDef *transient);

/** The policy for a persistent leg; NULL when the metadata has none. (transfer none) */
const VtTeamPolicy *vt_teaming_policy(const VtDomainDef *def, const VtNetDef *persistent);

/**
 * TRUE for a NIC that is a host's PCI function, FALSE for an emulated or paravirtual one. So is a type='hostdev', and a
 * transient of type='network', unless its model is one that QEMU emulates: its network lends a function at start.
 */
gboolean vt_teaming_net_is_host(const VtNetDef *net);
