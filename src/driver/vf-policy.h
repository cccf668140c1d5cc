/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which VF of the host a team gets, by the policy in its metadata (pf=, pci-ids=). Pure: what the host has goes in, an
 * order comes out.
 */
#pragma once

#include "conf/domain-def.h"
#include "util/pci.h"

/* Why a VF cannot be had. */
typedef enum {
    VT_VF_FREE,
    VT_VF_RESERVED,  /* another guest of ours has it */
    VT_VF_OF_HOST,   /* its interface has an address, or is part of a bridge or bond */
    VT_VF_IN_USE,    /* another program has it open through VFIO */
    VT_VF_UNBOUND,   /* managed='no' was said, and it is not bound to vfio-pci */
    VT_VF_NO_IOMMU,  /* it is in no IOMMU group */
    VT_VF_GROUP,     /* its IOMMU group has a device that the host uses */
    VT_VF_REFUSED,   /* it was tried, and could not be bound to vfio-pci */
    VT_VF_OBSTACLES, /* their number */
} VtVfObstacle;

typedef struct {
    VtPciBdf bdf;
    VtPciBdf pf_bdf;
    char pf[16]; /* network interface of the PF; "" none */
    char driver[32];
    guint16 vendor, device;
    guint distance; /* from the memory that the guest gets, as the kernel counts: 10 is local */
    VtVfObstacle obstacle;
} VtVfCandidate;

typedef struct {
    const char *pf;      /* (nullable) only VFs of this one */
    const char *pci_ids; /* (nullable) only these: "8086:10ca 15b3:1018" */
    gboolean managed;    /* else only those that are bound to vfio-pci already */
    gboolean has_hint;
    VtPciBdf hint; /* taken first where it fits */
} VtVfWish;

/**
 * vt_vf_policy_wish - what the transient of a team wants
 * @def:  the domain
 * @net:  one of its interfaces
 * @wish: (out) strings stay the domain's
 *
 * Return: FALSE when no policy chooses for it.
 */
gboolean vt_vf_policy_wish(const VtDomainDef *def, const VtNetDef *net, VtVfWish *wish);

/**
 * vt_vf_policy_rank - those that can be had, the best first
 * @wish:       what is wanted
 * @candidates: of VtVfCandidate: all VFs of the host
 *
 * The hint, then those whose PF is nearest to the guest's memory, then those of the PF that has the fewest VFs in use,
 * then by address.
 * Return: (transfer full) of VtVfCandidate.
 */
GArray *vt_vf_policy_rank(const VtVfWish *wish, const GArray *candidates);

/** Why vt_vf_policy_rank() found none: "PF 'ens1f0' has 4 VFs, of which 3 belong to other guests ...". (transfer full) */
char *vt_vf_policy_explain(const VtVfWish *wish, const GArray *candidates);

/** Say, once, that a guest runs without the VF of that transient. */
void vt_vf_policy_tell_bare(const char *domain, const VtNetDef *transient, const GError *why);
