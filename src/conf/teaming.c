/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A team is a transient (fast, goes away for a migration) that names a persistent (virtio-net, stays).
 * QEMU checks of it only what it needs for hiding the primary, and the guest pairs the two by MAC alone, so
 * most mistakes come out as a guest that silently has one NIC too few, or as a migration that never ends.
 * All of them are found here, where the XML still has line numbers.
 *
 * A team's alias may be an automatic one ("net0"). Those are numbered over the interfaces that have no user
 * alias and are no host device, so it is resolved the same way before the numbers are given.
 */
#include "conf/teaming.h"

#include <string.h>

#include "util/i18n.h"

#define TEAMING_TIMEOUT_MAX_S (24 * 60 * 60)
#define TEAMING_RETRIES_MAX   100
#define TEAMING_POLICIES_MAX  64

/* ---- <teaming> ---- */

static const char *const teaming_type_names[] = {
    [VT_TEAMING_NONE] = NULL,
    [VT_TEAMING_PERSISTENT] = "persistent",
    [VT_TEAMING_TRANSIENT] = "transient",
};

gboolean
vt_teaming_parse(VtParseContext *ctx, const xmlNode *node, VtTeaming *teaming)
{
    static const VtElementSchema schema = { .attrs = "type persistent" };
    static const VtXmlEnum types = { teaming_type_names, G_N_ELEMENTS(teaming_type_names), NULL };
    const xmlNode *child = vt_xml_child(node, "teaming");
    g_autofree char *persistent = NULL;
    int type = VT_TEAMING_NONE;

    if (!child)
        return TRUE;
    if (!vt_element_check(ctx, child, &schema) ||
        !vt_xml_attr_enum(ctx->problems, child, "type", &types, &type))
        return FALSE;
    if (type == VT_TEAMING_NONE)
        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, child,
                              _("the attribute 'type' is missing: use 'persistent' or 'transient'"));
    persistent = vt_xml_attr(child, "persistent");
    if (type == VT_TEAMING_TRANSIENT && (!persistent || !*persistent))
        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, child,
                              _("a transient needs persistent= with the alias of its persistent interface"));
    if (type == VT_TEAMING_PERSISTENT && persistent)
        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, child,
                              _("persistent= belongs to the transient: remove it from type='persistent'"));
    teaming->type = (VtTeamingType)type;
    g_free(teaming->persistent);
    teaming->persistent = g_steal_pointer(&persistent);
    return TRUE;
}

void
vt_teaming_format(VtXmlWriter *writer, const VtTeaming *teaming)
{
    if (teaming->type == VT_TEAMING_NONE)
        return;
    vt_xml_writer_empty(writer, "teaming", "type", teaming_type_names[teaming->type], "persistent",
                        teaming->persistent, NULL);
}

/* ---- policies ---- */

static gboolean
teaming_is_ours(const xmlNode *node, const char *name)
{
    return node->type == XML_ELEMENT_NODE && node->ns && node->ns->href &&
           strcmp((const char *)node->ns->href, VT_TEAMING_URI) == 0 &&
           (!name || strcmp((const char *)node->name, name) == 0);
}

static gboolean
teaming_parse_names(VtParseContext *ctx, const xmlNode *node, VtTeamPolicy *policy)
{
    g_autofree char *pf = vt_xml_attr(node, "pf");
    g_autofree char *ids = vt_xml_attr(node, "pci-ids");
    g_auto(GStrv) each = g_strsplit(ids && *ids ? ids : " ", " ", -1);
    g_autofree char *shown = vt_xml_shown(pf ? pf : "");

    if (pf &&
        (!*pf || strlen(pf) > 15 || strpbrk(pf, "/ \t\n") || strcmp(pf, ".") == 0 || strcmp(pf, "..") == 0))
        return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                              _("pf='%s' is not a network device's name"), shown);
    for (char **id = each; ids && *id; id++) {
        if (!g_regex_match_simple("^[0-9a-fA-F]{4}:[0-9a-fA-F]{4}$", *id, G_REGEX_DOLLAR_ENDONLY, 0)) {
            g_autofree char *bad = vt_xml_shown(*id);

            return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                                  _("pci-ids= has '%s', which is not vendor:device like '8086:1520'"), bad);
        }
    }
    policy->pf = g_steal_pointer(&pf);
    policy->pci_ids = g_steal_pointer(&ids);
    return TRUE;
}

static gboolean
teaming_parse_policy(VtParseContext *ctx, const xmlNode *node, VtTeamPolicy *policy)
{
    static const VtElementSchema schema = {
        .attrs = "persistent emulated orchestration unplug-timeout unplug-retries on-timeout "
                 "on-link-loss pf pci-ids standby-only",
    };
    static const char *const orchestrations[] = { NULL, "auto", "qemu", "management" };
    static const char *const on_timeouts[] = { NULL, "abort", "wait" };
    static const char *const on_losses[] = { NULL, "standby", "ignore" };
    static const VtXmlEnum orchestration_values = { orchestrations, G_N_ELEMENTS(orchestrations), NULL };
    static const VtXmlEnum on_timeout_values = { on_timeouts, G_N_ELEMENTS(on_timeouts), NULL };
    static const VtXmlEnum on_loss_values = { on_losses, G_N_ELEMENTS(on_losses), NULL };
    int orchestration = VT_ORCHESTRATION_DEFAULT, on_timeout = VT_TEAM_ON_TIMEOUT_DEFAULT;
    int on_loss = VT_TEAM_ON_LINK_LOSS_DEFAULT;
    guint timeout_s = 0, retries = G_MAXUINT;
    gboolean ok = vt_element_check(ctx, node, &schema);

    policy->line = vt_xml_line(node);
    ok &= vt_xml_attr_required(ctx->problems, node, "persistent", &policy->persistent);
    ok &= vt_xml_attr_flag(ctx->problems, node, "emulated", "yes no", &policy->emulated);
    ok &= vt_xml_attr_enum(ctx->problems, node, "orchestration", &orchestration_values, &orchestration);
    ok &= vt_xml_attr_enum(ctx->problems, node, "on-timeout", &on_timeout_values, &on_timeout);
    ok &= vt_xml_attr_enum(ctx->problems, node, "on-link-loss", &on_loss_values, &on_loss);
    ok &= vt_xml_attr_uint(ctx->problems, node, "unplug-timeout", 1, TEAMING_TIMEOUT_MAX_S, &timeout_s);
    ok &= vt_xml_attr_uint(ctx->problems, node, "unplug-retries", 0, TEAMING_RETRIES_MAX, &retries);
    ok &= vt_parse_yes_no(ctx, node, "standby-only", &policy->standby_only);
    ok &= teaming_parse_names(ctx, node, policy);
    policy->orchestration = (VtOrchestration)orchestration;
    policy->on_timeout = (VtTeamOnTimeout)on_timeout;
    policy->on_link_loss = (VtTeamOnLinkLoss)on_loss;
    policy->unplug_timeout_ms = timeout_s * 1000;
    policy->unplug_retries = retries == G_MAXUINT ? -1 : (int)retries;
    return ok;
}

static gboolean
teaming_parse_element(VtParseContext *ctx, const xmlNode *element, GPtrArray *policies)
{
    gboolean ok = TRUE;

    for (const xmlAttr *attr = element->properties; attr; attr = attr->next) {
        g_autofree char *shown = vt_xml_shown((const char *)attr->name);

        ok = vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, element,
                            _("the attribute '%s' is unknown: remove it"), shown);
    }
    for (const xmlNode *node = element->children; node; node = node->next) {
        g_autoptr(VtTeamPolicy) policy = NULL;

        if (node->type != XML_ELEMENT_NODE)
            continue;
        if (!teaming_is_ours(node, "team")) {
            ok = vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                                _("only <team> of the namespace '%s' can stand here"), VT_TEAMING_URI);
            continue;
        }
        if (policies->len >= TEAMING_POLICIES_MAX)
            return vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node, _("there are more than %d teams"),
                                  TEAMING_POLICIES_MAX);
        policy = g_new0(VtTeamPolicy, 1);
        ok &= teaming_parse_policy(ctx, node, policy);
        if (policy->persistent)
            g_ptr_array_add(policies, g_steal_pointer(&policy));
    }
    return ok;
}

gboolean
vt_teaming_parse_policies(VtParseContext *ctx, const xmlNode *metadata, GPtrArray *policies)
{
    gboolean ok = TRUE, seen = FALSE;

    for (const xmlNode *node = metadata->children; node; node = node->next) {
        if (!teaming_is_ours(node, NULL))
            continue;
        if (!teaming_is_ours(node, "teaming"))
            ok = vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                                _("the namespace '%s' has only the element <teaming>"), VT_TEAMING_URI);
        else if (seen)
            ok = vt_xml_problem(ctx->problems, VT_ERROR_XML_DETAIL, node,
                                _("it stands a second time in <metadata>: put all teams into one"));
        else
            ok &= teaming_parse_element(ctx, node, policies);
        seen = TRUE;
    }
    return ok;
}

/* ---- finding ---- */

gboolean
vt_teaming_net_is_host(const VtNetDef *net)
{
    if (net->type != VT_NET_NETWORK || net->teaming.type != VT_TEAMING_TRANSIENT)
        return net->type == VT_NET_HOSTDEV;
    return !net->model || !vt_xml_word_in(net->model, VT_TEAMING_EMULATED_MODELS);
}

const VtDeviceInfo *
vt_teaming_transient_info(const VtTeam *team)
{
    return team->transient_net ? &team->transient_net->info : &team->transient_hostdev->info;
}

gboolean
vt_teaming_is_host(const VtTeam *team)
{
    return team->transient_hostdev || (team->transient_net && vt_teaming_net_is_host(team->transient_net));
}

/* Numbering goes on behind the highest number that is there, as qemu/alias does it. */
static guint
teaming_next_automatic(const VtDomainDef *def)
{
    guint next = 0;

    for (guint i = 0; i < def->nets->len; i++) {
        const char *alias = ((VtNetDef *)def->nets->pdata[i])->info.alias;
        guint64 number = 0;

        if (alias && g_str_has_prefix(alias, "net") &&
            g_ascii_string_to_unsigned(alias + 3, 10, 0, G_MAXINT, &number, NULL))
            next = MAX(next, (guint)number + 1);
    }
    return next;
}

VtNetDef *
vt_teaming_find_persistent(const VtDomainDef *def, const char *alias)
{
    guint automatic = teaming_next_automatic(def);

    for (guint i = 0; i < def->nets->len; i++) {
        VtNetDef *net = def->nets->pdata[i];
        char name[16];

        if (net->info.alias && strcmp(net->info.alias, alias) == 0)
            return net;
        if (net->info.alias || vt_teaming_net_is_host(net))
            continue;
        g_snprintf(name, sizeof(name), "net%u", automatic++);
        if (strcmp(name, alias) == 0)
            return net;
    }
    return NULL;
}

const VtTeamPolicy *
vt_teaming_policy(const VtDomainDef *def, const VtNetDef *persistent)
{
    for (guint i = 0; i < def->team_policies->len; i++) {
        const VtTeamPolicy *policy = def->team_policies->pdata[i];

        if (vt_teaming_find_persistent(def, policy->persistent) == persistent)
            return policy;
    }
    return NULL;
}

gboolean
vt_teaming_may_be_bare(const VtDomainDef *def, const VtNetDef *transient)
{
    const VtNetDef *persistent;
    const VtTeamPolicy *policy;

    if (transient->teaming.type != VT_TEAMING_TRANSIENT || !vt_teaming_net_is_host(transient))
        return FALSE;
    persistent = vt_teaming_find_persistent(def, transient->teaming.persistent);
    policy = persistent ? vt_teaming_policy(def, persistent) : NULL;
    return policy && policy->standby_only == VT_TRISTATE_YES;
}

static VtTeam *
teaming_team_of(GPtrArray *teams, const VtDomainDef *def, const char *alias)
{
    VtNetDef *persistent = vt_teaming_find_persistent(def, alias);
    VtTeam *team;

    if (!persistent)
        return NULL;
    for (guint i = 0; i < teams->len; i++)
        if (((VtTeam *)teams->pdata[i])->persistent == persistent)
            return teams->pdata[i];
    team = g_new0(VtTeam, 1);
    team->persistent = persistent;
    team->policy = vt_teaming_policy(def, persistent);
    g_ptr_array_add(teams, team);
    return team;
}

GPtrArray *
vt_teaming_teams(const VtDomainDef *def)
{
    GPtrArray *teams = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < def->nets->len; i++) {
        VtNetDef *net = def->nets->pdata[i];
        VtTeam *team = net->teaming.type == VT_TEAMING_TRANSIENT && !net->bare
                           ? teaming_team_of(teams, def, net->teaming.persistent)
                           : NULL;

        if (team && !team->transient_net && !team->transient_hostdev)
            team->transient_net = net;
    }
    for (guint i = 0; i < def->hostdevs->len; i++) {
        VtHostdevDef *hostdev = def->hostdevs->pdata[i];
        VtTeam *team = hostdev->teaming.type == VT_TEAMING_TRANSIENT
                           ? teaming_team_of(teams, def, hostdev->teaming.persistent)
                           : NULL;

        if (team && !team->transient_net && !team->transient_hostdev)
            team->transient_hostdev = hostdev;
    }
    return teams;
}

gboolean
vt_teaming_find(const VtDomainDef *def, const char *transient, VtTeam *team)
{
    g_autoptr(GPtrArray) teams = def ? vt_teaming_teams(def) : NULL;

    for (guint i = 0; teams && i < teams->len; i++) {
        const VtTeam *one = g_ptr_array_index(teams, i);

        if (g_strcmp0(vt_teaming_transient_info(one)->alias, transient) == 0) {
            *team = *one;
            return TRUE;
        }
    }
    return FALSE;
}

void
vt_teaming_inherit_macs(VtDomainDef *def)
{
    for (guint i = 0; i < def->nets->len; i++) {
        VtNetDef *net = def->nets->pdata[i];
        VtNetDef *persistent;

        if (net->teaming.type != VT_TEAMING_TRANSIENT)
            continue;
        persistent = vt_teaming_find_persistent(def, net->teaming.persistent);
        if (!persistent || persistent == net || net->has_mac == persistent->has_mac)
            continue;
        if (net->has_mac)
            persistent->mac = net->mac;
        else
            net->mac = persistent->mac;
        net->has_mac = persistent->has_mac = TRUE;
    }
}
