/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define VT_LOG_DOMAIN "virtteam-driver-vf-policy"

#include "driver/vf-policy.h"

#include <string.h>
#include "conf/address.h"
#include "conf/net.h"
#include "conf/teaming.h"
#include "util/i18n.h"
#include "util/log.h"
#include "util/message-id.h"
#include "util/xml.h"

gboolean
vt_vf_policy_wish(const VtDomainDef *def, const VtNetDef *net, VtVfWish *wish)
{
    const VtNetDef *asked = vt_net_configured(net);
    const VtNetDef *persistent;
    const VtTeamPolicy *policy;

    if (asked->type != VT_NET_HOSTDEV || asked->teaming.type != VT_TEAMING_TRANSIENT)
        return FALSE;
    persistent = vt_teaming_find_persistent(def, asked->teaming.persistent);
    policy = persistent ? vt_teaming_policy(def, persistent) : NULL;
    if (!policy || (!policy->pf && !policy->pci_ids))
        return FALSE;
    *wish = (VtVfWish){
        .pf = policy->pf,
        .pci_ids = policy->pci_ids,
        .managed = asked->managed == VT_TRISTATE_YES,
        .has_hint = asked->has_host,
        .hint = vt_host_pci_bdf(&asked->host),
    };
    return TRUE;
}

static gboolean
vf_policy_fits(const VtVfWish *wish, const VtVfCandidate *candidate)
{
    g_auto(GStrv) ids = NULL;
    char own[10];

    if (wish->pf && strcmp(wish->pf, candidate->pf) != 0)
        return FALSE;
    if (!wish->pci_ids)
        return TRUE;
    g_snprintf(own, sizeof own, "%04x:%04x", candidate->vendor, candidate->device);
    ids = g_strsplit(wish->pci_ids, " ", -1);
    for (char **id = ids; *id; id++)
        if (g_ascii_strcasecmp(*id, own) == 0)
            return TRUE;
    return FALSE;
}

static VtVfObstacle
vf_policy_obstacle(const VtVfWish *wish, const VtVfCandidate *candidate)
{
    if (candidate->obstacle == VT_VF_FREE && !wish->managed && strcmp(candidate->driver, VT_PCI_VFIO) != 0)
        return VT_VF_UNBOUND;
    return candidate->obstacle;
}

typedef struct {
    const VtVfWish *wish;
    const GArray *candidates;
} VfPolicyOrder;

/* Whoever has a VF of a PF, uses that PF: all count, also those that the wish does not fit. */
static guint
vf_policy_used(const VfPolicyOrder *order, const VtVfCandidate *of)
{
    guint n = 0;

    for (guint i = 0; i < order->candidates->len; i++) {
        const VtVfCandidate *candidate = &g_array_index(order->candidates, VtVfCandidate, i);

        n += vt_pci_bdf_equal(&candidate->pf_bdf, &of->pf_bdf) && candidate->obstacle != VT_VF_FREE;
    }
    return n;
}

static gint64
vf_policy_address(const VtPciBdf *bdf)
{
    return (gint64)bdf->domain << 16 | bdf->bus << 8 | bdf->slot << 3 | bdf->function;
}

static int
vf_policy_compare(gconstpointer one, gconstpointer other, gpointer user)
{
    const VtVfCandidate *a = one, *b = other;
    const VfPolicyOrder *order = user;
    gint64 keys[][2] = {
        { order->wish->has_hint && vt_pci_bdf_equal(&b->bdf, &order->wish->hint),
          order->wish->has_hint && vt_pci_bdf_equal(&a->bdf, &order->wish->hint) },
        { a->distance, b->distance },
        { vf_policy_used(order, a), vf_policy_used(order, b) },
        { vf_policy_address(&a->bdf), vf_policy_address(&b->bdf) },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(keys); i++)
        if (keys[i][0] != keys[i][1])
            return keys[i][0] < keys[i][1] ? -1 : 1;
    return 0;
}

GArray *
vt_vf_policy_rank(const VtVfWish *wish, const GArray *candidates)
{
    GArray *ranked = g_array_new(FALSE, FALSE, sizeof(VtVfCandidate));
    VfPolicyOrder order = { .wish = wish, .candidates = candidates };

    for (guint i = 0; i < candidates->len; i++) {
        const VtVfCandidate *candidate = &g_array_index(candidates, VtVfCandidate, i);

        if (vf_policy_fits(wish, candidate) && vf_policy_obstacle(wish, candidate) == VT_VF_FREE)
            g_array_append_val(ranked, *candidate);
    }
    g_array_sort_with_data(ranked, vf_policy_compare, &order);
    return ranked;
}

static char *
vf_policy_wish_text(const VtVfWish *wish)
{
    if (wish->pf && wish->pci_ids)
        return g_strdup_printf("pf='%s' pci-ids='%s'", wish->pf, wish->pci_ids);
    return wish->pf ? g_strdup_printf("pf='%s'", wish->pf) : g_strdup_printf("pci-ids='%s'", wish->pci_ids);
}

char *
vt_vf_policy_explain(const VtVfWish *wish, const GArray *candidates)
{
    const char *const words[VT_VF_OBSTACLES] = {
        [VT_VF_RESERVED] = _("belong to other guests"),
        [VT_VF_OF_HOST] = _("are used by the host itself"),
        [VT_VF_IN_USE] = _("are used through VFIO by another program"),
        [VT_VF_UNBOUND] = _("are not bound to vfio-pci (say managed='yes' in the interface)"),
        [VT_VF_GROUP] = _("share their IOMMU group with a device that the host uses"),
        [VT_VF_REFUSED] = _("cannot be bound to vfio-pci"),
        [VT_VF_NO_IOMMU] = _("are in no IOMMU group (is the IOMMU on?)"),
    };
    g_autofree char *wanted = vf_policy_wish_text(wish);
    guint counts[VT_VF_OBSTACLES] = { 0 }, all = 0;
    g_autoptr(GString) text = NULL;

    for (guint i = 0; i < candidates->len; i++) {
        const VtVfCandidate *candidate = &g_array_index(candidates, VtVfCandidate, i);

        if (!vf_policy_fits(wish, candidate))
            continue;
        counts[vf_policy_obstacle(wish, candidate)]++;
        all++;
    }
    if (all == 0)
        return g_strdup_printf(_("this host has no VF for %s (of %u VFs in all): make some "
                                 "(sriov_numvfs of the PF), or correct the policy"),
                               wanted, candidates->len);
    text = g_string_new(NULL);
    g_string_append_printf(text, _("no VF is free of %u for %s"), all, wanted);
    for (guint i = VT_VF_FREE + 1; i < VT_VF_OBSTACLES; i++)
        if (counts[i] > 0)
            g_string_append_printf(text, "; %u %s", counts[i], words[i]);
    return g_strdup(text->str);
}

void
vt_vf_policy_tell_bare(const char *domain, const VtNetDef *transient, const GError *why)
{
    vt_log_id_warning(VT_MESSAGE_TEAM_BARE, domain,
                      "domain '%s', team '%s': the guest runs on standby alone, for lack of a VF: %s", domain,
                      transient->teaming.persistent, why->message);
}
