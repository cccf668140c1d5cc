/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A network daemon lends the first function of its pool that nobody has a port for. It does not know whether that can
 * be bound, and would lend the same one again as soon as it is given back: so the ports of refused functions are kept
 * until one that does is found, or the search is over. It ends when the pool has no more, when it repeats itself, after
 * VF_LENT_TRIES_MAX, or with a driver that hangs: who waits for a start has waited a minute for it already.
 */
#define VT_LOG_DOMAIN "virtteam-driver-vf-take"

#include "driver/vf-lent.h"

#include "conf/address.h"
#include "conf/net.h"
#include "conf/teaming.h"
#include "driver/domain-private.h"
#include "driver/hostdev.h"
#include "driver/net-port.h"
#include "driver/reserve.h"
#include "driver/vf-policy.h"
#include "driver/vf-refused.h"
#include "util/i18n.h"
#include "util/log.h"

#define VF_LENT_TRIES_MAX 8

typedef struct {
    VtPciBdf bdf;
    char port[VT_UUID_STRING_SIZE];
} VfLentRefusal;

typedef struct {
    VtDomain *domain; /* with a reference */
    VtDomainDef *def;
    gboolean may_be_bare;
    guint next;
    GArray *refused; /* of VfLentRefusal: lent to the interface at @next, and of no use */
    GString *why;    /* what each of them was refused for */
    VtVfLent done;
    gpointer user;
} VfLent;

static void vf_lent_next(VfLent *lent);

static gboolean
vf_lent_is_lent(const VtNetDef *net)
{
    return net->type == VT_NET_HOSTDEV && net->has_host && net->port && net->configured;
}

gboolean
vt_vf_lent_is_due(const VtDomain *domain, const VtNetDef *net)
{
    VtPciBdf bdf = vt_host_pci_bdf(&net->host);
    const VtReservation *held;

    if (!vf_lent_is_lent(net) || !domain->driver)
        return FALSE;
    /* What it has while it runs is in QEMU's hands; before that, it is what an earlier end could not give back. */
    held = vt_reserve_find(domain->driver, &bdf);
    return domain->starting || !held || !vt_uuid_equal(&held->uuid, &domain->uuid);
}

static void
vf_lent_return_refused(VfLent *lent)
{
    for (guint i = 0; i < lent->refused->len && lent->domain->driver; i++)
        vt_net_port_release_one(lent->domain->driver, g_array_index(lent->refused, VfLentRefusal, i).port,
                                NULL, NULL);
    g_array_set_size(lent->refused, 0);
    g_string_truncate(lent->why, 0);
}

static void
vf_lent_end(VfLent *lent, const GError *error)
{
    vf_lent_return_refused(lent);
    lent->done(lent->user, lent->def, error);
    vt_domain_unref(lent->domain);
    g_array_unref(lent->refused);
    g_string_free(lent->why, TRUE);
    g_free(lent);
}

/* The ports were released while this went on: whoever wanted them has given up. */
static void
vf_lent_gone(VfLent *lent)
{
    g_autoptr(GError) gone = NULL;

    vt_error_set(&gone, VT_ERROR_ABORTED, _("domain '%s' does not want its VF any more"), lent->domain->name);
    vf_lent_end(lent, gone);
}

static void
vf_lent_settled(VfLent *lent)
{
    vf_lent_return_refused(lent);
    lent->next++;
    vf_lent_next(lent);
}

/* The interface at @next is as it was asked for; @error: (nullable) why there is no more to be tried. */
static void
vf_lent_none(VfLent *lent, const GError *error)
{
    VtNetDef *net = g_ptr_array_index(lent->def->nets, lent->next);
    g_autofree char *more = error ? g_strconcat("; ", error->message, NULL) : g_strdup("");
    g_autoptr(GError) all = g_error_new(
        VT_ERROR, VT_ERROR_OPERATION_FAILED, _("interface '%s': no VF of the network '%s' can be had: %s%s"),
        net->info.alias ? net->info.alias : "?", net->network, lent->why->str, more);

    if (!lent->may_be_bare || !vt_teaming_may_be_bare(lent->def, net)) {
        vf_lent_end(lent, all);
        return;
    }
    vt_vf_policy_tell_bare(lent->domain->name, net, all);
    net->bare = TRUE;
    vf_lent_settled(lent);
}

static gboolean
vf_lent_was_refused(const VfLent *lent, const VtPciBdf *bdf)
{
    for (guint i = 0; i < lent->refused->len; i++)
        if (vt_pci_bdf_equal(&g_array_index(lent->refused, VfLentRefusal, i).bdf, bdf))
            return TRUE;
    return FALSE;
}

/* Keep the port at @next for now, and put the interface back to what was asked for. */
static void
vf_lent_set_aside(VfLent *lent)
{
    VtNetDef *net = g_ptr_array_index(lent->def->nets, lent->next);
    VfLentRefusal refusal = { .bdf = vt_host_pci_bdf(&net->host) };
    VtNetDef *asked = g_steal_pointer(&net->configured);

    g_strlcpy(refusal.port, net->port, sizeof refusal.port);
    g_array_append_val(lent->refused, refusal);
    vt_net_def_free(net);
    lent->def->nets->pdata[lent->next] = asked;
}

static void vf_lent_bind(VfLent *lent);

static void
vf_lent_another(gpointer user, const VtDomainDef *taken, const GError *error)
{
    VfLent *lent = user;
    VtPciBdf bdf;
    VtNetDef *net;

    if (!lent->domain->driver) {
        vf_lent_gone(lent);
        return;
    }
    if (error) {
        vf_lent_none(lent, error);
        return;
    }
    net = vt_net_def_copy(g_ptr_array_index(taken->nets, lent->next));
    vt_net_def_free(lent->def->nets->pdata[lent->next]);
    lent->def->nets->pdata[lent->next] = net;
    bdf = vt_host_pci_bdf(&net->host);
    if (!vf_lent_is_lent(net)) {
        vf_lent_settled(lent); /* the network was made another one meanwhile */
    } else if (vf_lent_was_refused(lent, &bdf)) {
        vf_lent_set_aside(lent);
        vf_lent_none(lent, NULL);
    } else {
        vf_lent_bind(lent);
    }
}

static void
vf_lent_refused(VfLent *lent, const GError *error)
{
    const VtNetDef *net = g_ptr_array_index(lent->def->nets, lent->next);
    VtPciBdf bdf = vt_host_pci_bdf(&net->host);
    char address[VT_PCI_BDF_STRING_SIZE];

    vt_vf_refused_tell(lent->domain, &bdf, error);
    g_string_append_printf(lent->why, "%s%s: %s", lent->why->len > 0 ? "; " : "",
                           vt_pci_bdf_format(&bdf, address), error->message);
    vf_lent_set_aside(lent);
    if (lent->refused->len >= VF_LENT_TRIES_MAX || g_error_matches(error, VT_ERROR, VT_ERROR_TIMEOUT))
        vf_lent_none(lent, NULL);
    else
        vt_net_port_take(lent->domain->driver, lent->domain, lent->def, FALSE, vf_lent_another, lent);
}

static void
vf_lent_bound(gpointer user, const GError *error)
{
    VfLent *lent = user;
    VtDomain *domain = lent->domain;
    const VtNetDef *net = g_ptr_array_index(lent->def->nets, lent->next);
    VtPciBdf bdf = vt_host_pci_bdf(&net->host);

    if (!domain->driver) {
        vf_lent_gone(lent);
    } else if (!vt_net_port_is_kept(domain->driver, net->port)) {
        if (!error)
            vt_hostdev_give_back_one(domain->driver, &domain->uuid, &bdf, NULL, NULL);
        vf_lent_gone(lent);
    } else if (error) {
        vf_lent_refused(lent, error);
    } else {
        vt_vf_refused_over(domain->driver, &bdf);
        vf_lent_settled(lent);
    }
}

static void
vf_lent_bind(VfLent *lent)
{
    const VtNetDef *net = g_ptr_array_index(lent->def->nets, lent->next);
    const VtHostdevWant want = { .bdf = vt_host_pci_bdf(&net->host),
                                 .managed = net->managed == VT_TRISTATE_YES,
                                 .alias = net->info.alias,
                                 .net = net };

    vt_hostdev_take_one(lent->domain->driver, lent->domain, &want, vf_lent_bound, lent);
}

static void
vf_lent_next(VfLent *lent)
{
    for (; lent->next < lent->def->nets->len; lent->next++)
        if (vt_vf_lent_is_due(lent->domain, g_ptr_array_index(lent->def->nets, lent->next))) {
            vf_lent_bind(lent);
            return;
        }
    vf_lent_end(lent, NULL);
}

void
vt_vf_lent_take(VtDomain *domain, VtDomainDef *def, gboolean may_be_bare, VtVfLent done, gpointer user)
{
    VfLent *lent = g_new0(VfLent, 1);

    lent->domain = vt_domain_ref(domain);
    lent->def = def;
    lent->may_be_bare = may_be_bare;
    lent->refused = g_array_new(FALSE, FALSE, sizeof(VfLentRefusal));
    lent->why = g_string_new(NULL);
    lent->done = done;
    lent->user = user;
    vf_lent_next(lent);
}
