/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define VT_LOG_DOMAIN "virtteam-driver-datapath-announce"

#include "driver/datapath-announce.h"

#include "conf/teaming.h"
#include "driver/domain-private.h"
#include "util/json.h"
#include "util/log.h"

#define DATAPATH_ANNOUNCE_TIMEOUT_MS 10000

/* QEMU's own schedule. Source: QAPI MigrationParameters, announce-*. */
#define DATAPATH_ANNOUNCE_INITIAL_MS 50
#define DATAPATH_ANNOUNCE_MAX_MS     550
#define DATAPATH_ANNOUNCE_ROUNDS     5
#define DATAPATH_ANNOUNCE_STEP_MS    100

/*
 * How often QEMU announces by itself. Not 0: virtio-net frees its timer then when its state is loaded, and every later reset of
 * the device (the guest reboots, its driver is unloaded) ends QEMU. Source: QEMU 4.0 to 10, virtio_net_reset() and
 * qemu_announce_timer_del().
 */
#define DATAPATH_ANNOUNCE_OWN 1

static gboolean
datapath_announce_is_primary(const VtNetDef *net)
{
    return net->teaming.type == VT_TEAMING_TRANSIENT;
}

/* Only an emulated primary is a NIC to QEMU: without one its own way is right. */
static gboolean
datapath_announce_is_ours(const VtDomainDef *def)
{
    for (guint i = 0; def && i < def->nets->len; i++) {
        const VtNetDef *net = g_ptr_array_index(def->nets, i);

        if (datapath_announce_is_primary(net) && !vt_teaming_net_is_host(net))
            return TRUE;
    }
    return FALSE;
}

static void
datapath_announce_answered(gpointer user, JsonNode *result, const GError *error)
{
    if (error)
        vt_log_debug("%s: %s", (const char *)user, error->message);
}

void
vt_datapath_announce_defer(VtDomain *domain)
{
    VtQmpClient *qmp = vt_domain_qmp(domain, NULL);

    if (!qmp || !datapath_announce_is_ours(domain->live))
        return;
    vt_qmp_client_call(qmp, "migrate-set-parameters",
                       vt_json_node_new(vt_json_object_new("i:announce-rounds", DATAPATH_ANNOUNCE_OWN, NULL)),
                       DATAPATH_ANNOUNCE_TIMEOUT_MS, datapath_announce_answered, "announce-rounds");
}

void
vt_datapath_announce(VtDomain *domain)
{
    VtQmpClient *qmp = vt_domain_qmp(domain, NULL);
    JsonArray *names;

    if (!qmp || !datapath_announce_is_ours(domain->live))
        return;
    names = json_array_new();
    for (guint i = 0; i < domain->live->nets->len; i++) {
        const VtNetDef *net = g_ptr_array_index(domain->live->nets, i);

        if (net->info.alias && !datapath_announce_is_primary(net))
            json_array_add_string_element(names, net->info.alias);
    }
    vt_qmp_client_call(
        qmp, "announce-self",
        vt_json_node_new(vt_json_object_new(
            "i:initial", DATAPATH_ANNOUNCE_INITIAL_MS, "i:max", DATAPATH_ANNOUNCE_MAX_MS, "i:rounds",
            DATAPATH_ANNOUNCE_ROUNDS, "i:step", DATAPATH_ANNOUNCE_STEP_MS, "a:interfaces", names, NULL)),
        DATAPATH_ANNOUNCE_TIMEOUT_MS, datapath_announce_answered, "announce-self");
}
