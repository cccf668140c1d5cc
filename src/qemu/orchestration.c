/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/orchestration.h"

#include "conf/metadata.h"
#include "util/xml-writer.h"

VtOrchestration
vt_orchestration_choose(const VtTeam *team, const VtQemuCaps *caps, const VtOrchestrationDefaults *defaults)
{
    gboolean host = vt_teaming_is_host(team);
    VtQemuCap pair = host ? VT_QEMU_CAP_VFIO_FAILOVER_PAIR : VT_QEMU_CAP_NET_FAILOVER_PAIR;
    VtOrchestration wanted = team->policy ? team->policy->orchestration : VT_ORCHESTRATION_DEFAULT;

    if (wanted == VT_ORCHESTRATION_DEFAULT)
        wanted = defaults->orchestration;
    if (wanted == VT_ORCHESTRATION_QEMU || wanted == VT_ORCHESTRATION_MANAGEMENT)
        return wanted;
    if (!caps->caps[VT_QEMU_CAP_VIRTIO_NET_FAILOVER] || !caps->caps[pair] ||
        defaults->auto_prefers == VT_ORCHESTRATION_MANAGEMENT)
        return VT_ORCHESTRATION_MANAGEMENT;
    return VT_ORCHESTRATION_QEMU;
}

static const char *const orchestration_names[] = {
    [VT_ORCHESTRATION_DEFAULT] = NULL,
    [VT_ORCHESTRATION_AUTO] = "auto",
    [VT_ORCHESTRATION_QEMU] = "qemu",
    [VT_ORCHESTRATION_MANAGEMENT] = "management",
};

static void
orchestration_write_policy(VtXmlWriter *writer, const VtTeamPolicy *policy, VtOrchestration orchestration)
{
    static const char *const on_timeout[] = {
        [VT_TEAM_ON_TIMEOUT_DEFAULT] = NULL,
        [VT_TEAM_ON_TIMEOUT_ABORT] = "abort",
        [VT_TEAM_ON_TIMEOUT_WAIT] = "wait",
    };
    static const char *const on_link_loss[] = {
        [VT_TEAM_ON_LINK_LOSS_DEFAULT] = NULL,
        [VT_TEAM_ON_LINK_LOSS_STANDBY] = "standby",
        [VT_TEAM_ON_LINK_LOSS_IGNORE] = "ignore",
    };
    g_autofree char *timeout =
        policy->unplug_timeout_ms ? g_strdup_printf("%u", policy->unplug_timeout_ms / 1000) : NULL;
    g_autofree char *retries =
        policy->unplug_retries >= 0 ? g_strdup_printf("%d", policy->unplug_retries) : NULL;
    const char *standby_only = policy->standby_only == VT_TRISTATE_YES  ? "yes"
                               : policy->standby_only == VT_TRISTATE_NO ? "no"
                                                                        : NULL;

    vt_xml_writer_empty(writer, "team", "persistent", policy->persistent, "emulated",
                        policy->emulated ? "yes" : NULL, "orchestration", orchestration_names[orchestration],
                        "unplug-timeout", timeout, "unplug-retries", retries, "on-timeout",
                        on_timeout[policy->on_timeout], "on-link-loss", on_link_loss[policy->on_link_loss],
                        "pf", policy->pf, "pci-ids", policy->pci_ids, "standby-only", standby_only, NULL);
}

/* All policies anew, with those of @changed (alias of a persistent -> VtOrchestration) as said there. */
static gboolean
orchestration_write(VtDomainDef *def, GHashTable *changed, GError **error)
{
    g_autoptr(VtXmlWriter) writer = vt_xml_writer_new();
    g_autofree char *xml = NULL;
    GHashTableIter iter;
    gpointer alias, value;

    if (def->team_policies->len + g_hash_table_size(changed) == 0)
        return vt_metadata_set(def, NULL, VT_TEAMING_URI, NULL, error);
    vt_xml_writer_start(writer, "teaming");
    for (guint i = 0; i < def->team_policies->len; i++) {
        const VtTeamPolicy *policy = g_ptr_array_index(def->team_policies, i);
        gboolean is_changed = g_hash_table_lookup_extended(changed, policy->persistent, NULL, &value);

        orchestration_write_policy(
            writer, policy, is_changed ? (VtOrchestration)GPOINTER_TO_INT(value) : policy->orchestration);
        g_hash_table_remove(changed, policy->persistent);
    }
    g_hash_table_iter_init(&iter, changed);
    while (g_hash_table_iter_next(&iter, &alias, &value)) {
        const VtTeamPolicy fresh = { .persistent = alias, .unplug_retries = -1 };

        orchestration_write_policy(writer, &fresh, (VtOrchestration)GPOINTER_TO_INT(value));
    }
    vt_xml_writer_end(writer);
    xml = vt_xml_writer_finish(g_steal_pointer(&writer));
    return vt_metadata_set(def, VT_TEAMING_PREFIX, VT_TEAMING_URI, xml, error);
}

/* The name by which a policy would speak of the team. */
static const char *
orchestration_team(const VtTeam *team)
{
    if (team->policy)
        return team->policy->persistent;
    return team->transient_net ? team->transient_net->teaming.persistent
                               : team->transient_hostdev->teaming.persistent;
}

gboolean
vt_orchestration_pin(VtDomainDef *def, const VtQemuCaps *caps, const VtOrchestrationDefaults *defaults,
                     GError **error)
{
    g_autoptr(GPtrArray) teams = vt_teaming_teams(def);
    g_autoptr(GHashTable) changed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < teams->len; i++) {
        const VtTeam *team = g_ptr_array_index(teams, i);
        VtOrchestration is = team->policy ? team->policy->orchestration : VT_ORCHESTRATION_DEFAULT;
        VtOrchestration becomes = vt_orchestration_choose(team, caps, defaults);

        /* A team that may yet change hands is written down as such; one that may not and says nothing is QEMU's. */
        if (becomes == VT_ORCHESTRATION_QEMU && is == VT_ORCHESTRATION_DEFAULT &&
            defaults->orchestration != VT_ORCHESTRATION_QEMU)
            becomes = VT_ORCHESTRATION_AUTO;
        else if (becomes == VT_ORCHESTRATION_QEMU)
            becomes = is;
        if (becomes != is)
            g_hash_table_insert(changed, g_strdup(orchestration_team(team)), GINT_TO_POINTER((int)becomes));
    }
    return g_hash_table_size(changed) == 0 || orchestration_write(def, changed, error);
}

gboolean
vt_orchestration_write(VtDomainDef *def, const char *persistent, VtOrchestration orchestration,
                       GError **error)
{
    g_autoptr(GPtrArray) teams = vt_teaming_teams(def);
    g_autoptr(GHashTable) changed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < teams->len; i++) {
        const VtTeam *team = g_ptr_array_index(teams, i);

        if (g_strcmp0(team->persistent->info.alias, persistent) == 0)
            g_hash_table_insert(changed, g_strdup(orchestration_team(team)),
                                GINT_TO_POINTER((int)orchestration));
    }
    return orchestration_write(def, changed, error);
}

gboolean
vt_orchestration_rewrite(VtDomainDef *def, GError **error)
{
    g_autoptr(GHashTable) none = g_hash_table_new(g_str_hash, g_str_equal);

    return orchestration_write(def, none, error);
}
