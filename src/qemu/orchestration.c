/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/orchestration.h"

#include "conf/metadata.h"
#include "util/xml-writer.h"

VtOrchestration
vt_orchestration_choose(const VtTeam *team, const VtQemuCaps *caps, VtOrchestration fallback)
{
    gboolean host =
        team->transient_hostdev || (team->transient_net && vt_teaming_net_is_host(team->transient_net));
    VtQemuCap pair = host ? VT_QEMU_CAP_VFIO_FAILOVER_PAIR : VT_QEMU_CAP_NET_FAILOVER_PAIR;
    VtOrchestration wanted = team->policy ? team->policy->orchestration : VT_ORCHESTRATION_DEFAULT;

    if (wanted == VT_ORCHESTRATION_DEFAULT)
        wanted = fallback;
    if (wanted == VT_ORCHESTRATION_QEMU || wanted == VT_ORCHESTRATION_MANAGEMENT)
        return wanted;
    return caps->caps[VT_QEMU_CAP_VIRTIO_NET_FAILOVER] && caps->caps[pair] ? VT_ORCHESTRATION_QEMU
                                                                           : VT_ORCHESTRATION_MANAGEMENT;
}

static void
orchestration_write_policy(VtXmlWriter *writer, const VtTeamPolicy *policy, const char *orchestration)
{
    static const char *const own[] = {
        [VT_ORCHESTRATION_DEFAULT] = NULL,
        [VT_ORCHESTRATION_AUTO] = "auto",
        [VT_ORCHESTRATION_QEMU] = "qemu",
        [VT_ORCHESTRATION_MANAGEMENT] = "management",
    };
    static const char *const on_timeout[] = {
        [VT_TEAM_ON_TIMEOUT_DEFAULT] = NULL,
        [VT_TEAM_ON_TIMEOUT_ABORT] = "abort",
        [VT_TEAM_ON_TIMEOUT_WAIT] = "wait",
    };
    g_autofree char *timeout =
        policy->unplug_timeout_ms ? g_strdup_printf("%u", policy->unplug_timeout_ms / 1000) : NULL;
    g_autofree char *retries =
        policy->unplug_retries >= 0 ? g_strdup_printf("%d", policy->unplug_retries) : NULL;
    const char *standby_only = policy->standby_only == VT_TRISTATE_YES  ? "yes"
                               : policy->standby_only == VT_TRISTATE_NO ? "no"
                                                                        : NULL;

    vt_xml_writer_empty(writer, "team", "persistent", policy->persistent, "emulated",
                        policy->emulated ? "yes" : NULL, "orchestration",
                        orchestration ? orchestration : own[policy->orchestration], "unplug-timeout", timeout,
                        "unplug-retries", retries, "on-timeout", on_timeout[policy->on_timeout], "pf",
                        policy->pf, "pci-ids", policy->pci_ids, "standby-only", standby_only, NULL);
}

gboolean
vt_orchestration_pin(VtDomainDef *def, const VtQemuCaps *caps, VtOrchestration fallback, GError **error)
{
    g_autoptr(GPtrArray) teams = vt_teaming_teams(def);
    g_autoptr(GHashTable) managed = g_hash_table_new(NULL, NULL);
    g_autoptr(VtXmlWriter) writer = vt_xml_writer_new();
    g_autofree char *xml = NULL;
    gboolean any = FALSE;

    vt_xml_writer_start(writer, "teaming");
    for (guint i = 0; i < teams->len; i++) {
        const VtTeam *team = g_ptr_array_index(teams, i);
        const VtTeamPolicy fresh = { .persistent = team->transient_net
                                                       ? team->transient_net->teaming.persistent
                                                       : team->transient_hostdev->teaming.persistent,
                                     .unplug_retries = -1 };

        if (vt_orchestration_choose(team, caps, fallback) != VT_ORCHESTRATION_MANAGEMENT)
            continue;
        any = any || !team->policy || team->policy->orchestration != VT_ORCHESTRATION_MANAGEMENT;
        if (team->policy)
            g_hash_table_add(managed, (gpointer)team->policy);
        else
            orchestration_write_policy(writer, &fresh, "management");
    }
    if (!any)
        return TRUE;
    for (guint i = 0; i < def->team_policies->len; i++) {
        const VtTeamPolicy *policy = g_ptr_array_index(def->team_policies, i);

        orchestration_write_policy(writer, policy,
                                   g_hash_table_contains(managed, policy) ? "management" : NULL);
    }
    vt_xml_writer_end(writer);
    xml = vt_xml_writer_finish(g_steal_pointer(&writer));
    return vt_metadata_set(def, VT_TEAMING_PREFIX, VT_TEAMING_URI, xml, error);
}
