/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each rule is a row of a table and looks at one transient leg with its persistent. What the addresses do
 * not say yet (they are given when QEMU is known) is judged again by qemu/validate.
 */
#include "conf/teaming-rules.h"

#include <string.h>

#include "conf/address.h"
#include "conf/net.h"
#include "conf/teaming.h"
#include "util/i18n.h"

/* One transient leg, whichever element it is. */
typedef struct {
    const char *element;
    const VtTeaming *teaming;
    const VtDeviceInfo *info;
    const VtNetDef *net;        /* nullable: it is a <hostdev> */
    const VtNetDef *persistent; /* nullable: its alias names nothing */
    const VtTeamPolicy *policy; /* nullable */
    const GPtrArray *teams;     /* of VtTeam *: all of the domain */
} TeamingRulesLeg;

typedef gboolean (*TeamingRulesFunc)(VtParseContext *ctx, const VtDomainDef *def, const TeamingRulesLeg *leg);

#define TEAMING_RULES_PROBLEM(ctx, leg, ...)                                                                 \
    vt_parse_problem((ctx), VT_ERROR_XML_DETAIL, (leg)->element, (leg)->info->line, __VA_ARGS__)

/* ---- the persistent ---- */

static char *
teaming_rules_persistent_aliases(const VtDomainDef *def)
{
    g_autoptr(GString) list = g_string_new(NULL);

    for (guint i = 0; i < def->nets->len; i++) {
        const VtNetDef *net = def->nets->pdata[i];

        if (net->teaming.type == VT_TEAMING_PERSISTENT && net->info.alias)
            g_string_append_printf(list, "%s'%s'", list->len ? ", " : "", net->info.alias);
    }
    return g_strdup(list->len ? list->str : _("none"));
}

static gboolean
teaming_rules_alias(VtParseContext *ctx, const VtDomainDef *def, const TeamingRulesLeg *leg)
{
    g_autofree char *shown = vt_xml_shown(leg->teaming->persistent);
    g_autofree char *there = NULL;

    if (leg->persistent)
        return TRUE;
    there = teaming_rules_persistent_aliases(def);
    if (!g_str_has_prefix(shown, "ua-"))
        return TEAMING_RULES_PROBLEM(
            ctx, leg,
            _("<teaming persistent='%s'/> names no interface: only aliases that begin with 'ua-' keep their names, "
              "so give the persistent interface <alias name='ua-%s'/> and name that (persistent interfaces with "
              "such an alias: %s)"),
            shown, shown, there);
    return TEAMING_RULES_PROBLEM(
        ctx, leg,
        _("<teaming persistent='%s'/> names no interface (persistent interfaces with an alias: %s)"), shown,
        there);
}

static gboolean
teaming_rules_kind(VtParseContext *ctx, const VtDomainDef *def, const TeamingRulesLeg *leg)
{
    if (leg->persistent == leg->net && leg->net)
        return TEAMING_RULES_PROBLEM(ctx, leg, _("<teaming persistent='%s'/> names the transient itself"),
                                     leg->teaming->persistent);
    if (leg->persistent->teaming.type != VT_TEAMING_PERSISTENT)
        return TEAMING_RULES_PROBLEM(
            ctx, leg,
            _("<teaming persistent='%s'/> names the interface at line %d, which is no "
              "persistent: give that one <teaming type='persistent'/>"),
            leg->teaming->persistent, leg->persistent->info.line);
    return TRUE;
}

static gboolean
teaming_rules_single(VtParseContext *ctx, const VtDomainDef *def, const TeamingRulesLeg *leg)
{
    for (guint i = 0; i < leg->teams->len; i++) {
        const VtTeam *team = leg->teams->pdata[i];
        const VtDeviceInfo *first = vt_teaming_transient_info(team);

        if (team->persistent == leg->persistent && first != leg->info)
            return TEAMING_RULES_PROBLEM(
                ctx, leg,
                _("'%s' has a transient already, at line %d: a persistent can be teamed with "
                  "one"),
                leg->teaming->persistent, first->line);
    }
    return TRUE;
}

/* ---- what must be equal ---- */

static gboolean
teaming_rules_mac(VtParseContext *ctx, const VtDomainDef *def, const TeamingRulesLeg *leg)
{
    char mine[VT_MAC_STRING_SIZE], other[VT_MAC_STRING_SIZE];

    if (!leg->net || !leg->net->has_mac || !leg->persistent->has_mac ||
        vt_mac_equal(&leg->net->mac, &leg->persistent->mac))
        return TRUE;
    return TEAMING_RULES_PROBLEM(
        ctx, leg,
        _("<mac address='%s'/> differs from '%s' of its persistent '%s': the guest pairs them "
          "by MAC, so make them equal or leave the transient's out"),
        vt_mac_format(&leg->net->mac, mine), vt_mac_format(&leg->persistent->mac, other),
        leg->teaming->persistent);
}

static gboolean
teaming_rules_mtu(VtParseContext *ctx, const VtDomainDef *def, const TeamingRulesLeg *leg)
{
    if (!leg->net || !leg->net->mtu || leg->net->mtu == leg->persistent->mtu)
        return TRUE;
    if (!leg->persistent->mtu)
        return TEAMING_RULES_PROBLEM(
            ctx, leg,
            _("<mtu size='%u'/> is not that of its persistent '%s', which says none: write it "
              "there, too"),
            leg->net->mtu, leg->teaming->persistent);
    return TEAMING_RULES_PROBLEM(ctx, leg,
                                 _("<mtu size='%u'/> differs from size='%u' of its persistent '%s'"),
                                 leg->net->mtu, leg->persistent->mtu, leg->teaming->persistent);
}

static char *
teaming_rules_vlan_text(const VtVlanDef *vlan)
{
    g_autoptr(GString) text = g_string_new(vlan->trunk ? "trunk " : "");

    for (guint i = 0; i < vlan->n_tags; i++)
        g_string_append_printf(text, "%s%u", i ? "," : "", vlan->tags[i]);
    return g_strdup(text->str);
}

static gboolean
teaming_rules_vlan(VtParseContext *ctx, const VtDomainDef *def, const TeamingRulesLeg *leg)
{
    static const VtVlanDef untagged = { .n_tags = 0 };
    const VtVlanDef *mine = leg->net ? &leg->net->vlan : &untagged;
    const VtVlanDef *other = &leg->persistent->vlan;
    g_autofree char *mine_text = teaming_rules_vlan_text(mine);
    g_autofree char *other_text = teaming_rules_vlan_text(other);

    if (!other->n_tags || strcmp(mine_text, other_text) == 0)
        return TRUE; /* an untagged persistent may be on a bridge that is within the VLAN */
    if (!leg->net)
        return TEAMING_RULES_PROBLEM(
            ctx, leg,
            _("its persistent '%s' is in VLAN %s, which a <hostdev> cannot say: write it as "
              "<interface type='hostdev'> with the same <vlan>"),
            leg->teaming->persistent, other_text);
    return TEAMING_RULES_PROBLEM(ctx, leg,
                                 _("<vlan> is %s, but its persistent '%s' is in VLAN %s: make them equal"),
                                 *mine_text ? mine_text : _("missing"), leg->teaming->persistent, other_text);
}

/* ---- where the transient is plugged in ---- */

static gboolean
teaming_rules_machine(VtParseContext *ctx, const VtDomainDef *def, const TeamingRulesLeg *leg)
{
    const char *machine = def->os.machine ? def->os.machine : "pc";

    if (!g_str_has_prefix(machine, "pc") && !g_str_has_prefix(machine, "isapc") &&
        !g_str_has_prefix(machine, "microvm"))
        return TRUE;
    if (g_str_has_prefix(machine, "pc-q35"))
        return TRUE;
    return TEAMING_RULES_PROBLEM(ctx, leg,
                                 _("a transient needs PCI Express, which <type machine='%s'> has not: use "
                                   "machine='q35'"),
                                 machine);
}

static const VtControllerDef *
teaming_rules_bus(const VtDomainDef *def, guint bus)
{
    for (guint i = 0; i < def->controllers->len; i++) {
        const VtControllerDef *controller = def->controllers->pdata[i];

        if (controller->type == VT_CONTROLLER_PCI && controller->index == (int)bus)
            return controller;
    }
    return NULL;
}

static gboolean
teaming_rules_port(VtParseContext *ctx, const VtDomainDef *def, const TeamingRulesLeg *leg)
{
    const VtPciAddress *pci = &leg->info->address.pci;
    g_autofree char *text = vt_pci_address_to_string(pci);
    const VtControllerDef *bus;

    if (leg->info->address.type == VT_ADDRESS_NONE)
        return TRUE;
    if (leg->info->address.type != VT_ADDRESS_PCI)
        return TEAMING_RULES_PROBLEM(ctx, leg, _("a transient's <address> must be of type='pci'"));
    if (pci->multifunction || pci->function != 0)
        return TEAMING_RULES_PROBLEM(ctx, leg,
                                     _("<address> %s: a transient must be function 0 of a slot without "
                                       "multifunction='on', else it cannot be unplugged alone"),
                                     text);
    bus = teaming_rules_bus(def, pci->bus);
    if (pci->bus == 0 || (bus && g_strcmp0(bus->model, "pcie-root-port") != 0))
        return TEAMING_RULES_PROBLEM(
            ctx, leg,
            _("<address> %s is on bus %u (%s), where nothing can be hot-plugged for PCI "
              "Express: use the bus of a pcie-root-port, or leave <address> out"),
            text, pci->bus, bus && bus->model ? bus->model : "pcie-root");
    if (bus && bus->target_hotplug == VT_TRISTATE_NO)
        return TEAMING_RULES_PROBLEM(
            ctx, leg,
            _("<address> %s is on the pcie-root-port %u with hotplug='off', from which it "
              "cannot be unplugged: use another port"),
            text, pci->bus);
    return TRUE;
}

typedef struct {
    const VtDeviceInfo *info;
    const char *element;
    int line;
} TeamingRulesSlot;

static gboolean
teaming_rules_slot_visit(const char *element, VtDeviceInfo *info, gpointer device, gpointer user)
{
    TeamingRulesSlot *search = user;
    const VtPciAddress *mine = &search->info->address.pci;

    if (info == search->info || info->address.type != VT_ADDRESS_PCI ||
        info->address.pci.domain != mine->domain || info->address.pci.bus != mine->bus ||
        info->address.pci.slot != mine->slot)
        return TRUE;
    search->element = element;
    search->line = info->line;
    return FALSE;
}

static gboolean
teaming_rules_slot(VtParseContext *ctx, const VtDomainDef *def, const TeamingRulesLeg *leg)
{
    TeamingRulesSlot search = { .info = leg->info };
    g_autofree char *text = vt_pci_address_to_string(&leg->info->address.pci);

    if (leg->info->address.type != VT_ADDRESS_PCI ||
        vt_device_info_foreach(def, teaming_rules_slot_visit, &search))
        return TRUE;
    return TEAMING_RULES_PROBLEM(
        ctx, leg,
        _("<address> %s is in the same slot as the <%s> at line %d, which would be unplugged "
          "with it: give the transient a slot of its own"),
        text, search.element, search.line);
}

/* ---- what the transient is ---- */

static gboolean
teaming_rules_emulated(VtParseContext *ctx, const VtDomainDef *def, const TeamingRulesLeg *leg)
{
    const char *alias = leg->teaming->persistent;

    if (!leg->net || vt_teaming_net_is_host(leg->net))
        return TRUE;
    if (!leg->net->model || !vt_xml_word_in(leg->net->model, VT_TEAMING_EMULATED_MODELS))
        return TEAMING_RULES_PROBLEM(ctx, leg,
                                     _("<model type='%s'/> cannot be a transient: it must be a host's VF "
                                       "(type='hostdev'), or for tests vmxnet3, e1000e or igb"),
                                     leg->net->model ? leg->net->model : "");
    if (!leg->policy || !leg->policy->emulated)
        return TEAMING_RULES_PROBLEM(
            ctx, leg,
            _("the transient is an emulated NIC, which gains nothing over virtio: use "
              "type='hostdev', or for tests say <virtteam:team persistent='%s' "
              "emulated='yes'/> in <metadata>"),
            alias);
    if (leg->info->rom_bar == 1 || leg->info->rom_enabled == 1 ||
        (leg->info->rom_file && *leg->info->rom_file))
        return TEAMING_RULES_PROBLEM(
            ctx, leg,
            _("<rom>: an emulated transient with a ROM breaks the migration: remove it or say "
              "<rom enabled='no'/>"));
    return TRUE;
}

static gboolean
teaming_rules_source(VtParseContext *ctx, const VtDomainDef *def, const TeamingRulesLeg *leg)
{
    if (!leg->net || leg->net->type != VT_NET_HOSTDEV || leg->net->has_host)
        return TRUE;
    if (leg->policy && (leg->policy->pf || leg->policy->pci_ids))
        return TRUE;
    return TEAMING_RULES_PROBLEM(
        ctx, leg,
        _("it says no VF: give <source><address .../></source>, or say pf= or pci-ids= in "
          "<virtteam:team persistent='%s'/> in <metadata>"),
        leg->teaming->persistent);
}

/* Whoever names the function is who chooses it: a policy for another kind of transient would never be asked. */
static gboolean
teaming_rules_chooser(VtParseContext *ctx, const VtDomainDef *def, const TeamingRulesLeg *leg)
{
    const char *alias = leg->teaming->persistent;

    if (!leg->policy || (!leg->policy->pf && !leg->policy->pci_ids))
        return TRUE;
    if (!leg->net)
        return TEAMING_RULES_PROBLEM(
            ctx, leg,
            _("a <hostdev> names its function itself, but <virtteam:team persistent='%s'/> has pf= or "
              "pci-ids=: write it as <interface type='hostdev'>, or remove those"),
            alias);
    if (vt_net_configured(leg->net)->type == VT_NET_HOSTDEV)
        return TRUE;
    return TEAMING_RULES_PROBLEM(
        ctx, leg,
        _("pf= and pci-ids= of <virtteam:team persistent='%s'/> choose for <interface type='hostdev'> only: "
          "remove them"),
        alias);
}

static const struct {
    const char *name;
    TeamingRulesFunc check;
    gboolean needs_persistent;
} teaming_rules[] = {
    { .name = "alias", .check = teaming_rules_alias },
    { .name = "kind", .check = teaming_rules_kind, .needs_persistent = TRUE },
    { .name = "single", .check = teaming_rules_single, .needs_persistent = TRUE },
    { .name = "mac", .check = teaming_rules_mac, .needs_persistent = TRUE },
    { .name = "mtu", .check = teaming_rules_mtu, .needs_persistent = TRUE },
    { .name = "vlan", .check = teaming_rules_vlan, .needs_persistent = TRUE },
    { .name = "machine", .check = teaming_rules_machine },
    { .name = "port", .check = teaming_rules_port },
    { .name = "slot", .check = teaming_rules_slot },
    { .name = "emulated", .check = teaming_rules_emulated },
    { .name = "source", .check = teaming_rules_source },
    { .name = "chooser", .check = teaming_rules_chooser },
};

static void
teaming_rules_leg(VtParseContext *ctx, const VtDomainDef *def, TeamingRulesLeg *leg)
{
    leg->persistent = vt_teaming_find_persistent(def, leg->teaming->persistent);
    leg->policy = leg->persistent ? vt_teaming_policy(def, leg->persistent) : NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(teaming_rules); i++)
        if (leg->persistent || !teaming_rules[i].needs_persistent)
            teaming_rules[i].check(ctx, def, leg);
}

/* ---- rules that begin at the persistent, or at a policy ---- */

static void
teaming_rules_persistent(VtParseContext *ctx, const VtDomainDef *def, const VtNetDef *net)
{
    if (vt_teaming_net_is_host(net))
        vt_parse_problem(
            ctx, VT_ERROR_XML_DETAIL, "interface", net->info.line,
            _("type='hostdev' cannot be the persistent of a team: use a virtio interface on the host's "
              "bridge"));
    else if (g_strcmp0(net->model, "virtio") != 0)
        vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "interface", net->info.line,
                         _("the persistent of a team must be <model type='virtio'/>, not '%s'"),
                         net->model ? net->model : _("the default model"));
}

/* A third NIC with a team's MAC would be taken into the team by the guest, which looks at nothing else. */
static void
teaming_rules_strangers(VtParseContext *ctx, const VtDomainDef *def, const VtTeam *team)
{
    for (guint i = 0; i < def->nets->len; i++) {
        const VtNetDef *net = def->nets->pdata[i];
        char text[VT_MAC_STRING_SIZE];

        if (net == team->persistent || net == team->transient_net || !net->has_mac ||
            !team->persistent->has_mac || !vt_mac_equal(&net->mac, &team->persistent->mac))
            continue;
        if (net->teaming.type == VT_TEAMING_TRANSIENT &&
            vt_teaming_find_persistent(def, net->teaming.persistent) == team->persistent)
            continue; /* a second transient: told by its own rule */
        vt_parse_problem(
            ctx, VT_ERROR_XML_DETAIL, "interface", net->info.line,
            _("<mac address='%s'/> is that of the team at line %d, and the guest would put this interface "
              "into it: give it another"),
            vt_mac_format(&net->mac, text), team->persistent->info.line);
    }
}

static void
teaming_rules_policies(VtParseContext *ctx, const VtDomainDef *def)
{
    for (guint i = 0; i < def->team_policies->len; i++) {
        const VtTeamPolicy *policy = def->team_policies->pdata[i];
        const VtNetDef *net = vt_teaming_find_persistent(def, policy->persistent);
        g_autofree char *shown = vt_xml_shown(policy->persistent);

        /* A running guest may be without its legs for a while: the policy stays for when they come back. */
        if (!net && (ctx->flags & VT_PARSE_STATUS))
            continue;
        if (!net || net->teaming.type != VT_TEAMING_PERSISTENT)
            vt_parse_problem(
                ctx, VT_ERROR_XML_DETAIL, "virtteam:team", policy->line,
                _("persistent='%s' is not the alias of an interface with <teaming type='persistent'/>"),
                shown);
        else if (vt_teaming_policy(def, net) != policy)
            vt_parse_problem(ctx, VT_ERROR_XML_DETAIL, "virtteam:team", policy->line,
                             _("persistent='%s' has a <virtteam:team> already: put all attributes into one"),
                             shown);
    }
}

void
vt_teaming_rules_check(VtParseContext *ctx, const VtDomainDef *def)
{
    g_autoptr(GPtrArray) teams = vt_teaming_teams(def);

    for (guint i = 0; i < def->nets->len; i++) {
        const VtNetDef *net = def->nets->pdata[i];
        TeamingRulesLeg leg = { "interface", &net->teaming, &net->info, net, NULL, NULL, teams };

        if (net->teaming.type == VT_TEAMING_PERSISTENT)
            teaming_rules_persistent(ctx, def, net);
        else if (net->teaming.type == VT_TEAMING_TRANSIENT)
            teaming_rules_leg(ctx, def, &leg);
    }
    for (guint i = 0; i < def->hostdevs->len; i++) {
        const VtHostdevDef *hostdev = def->hostdevs->pdata[i];
        TeamingRulesLeg leg = { "hostdev", &hostdev->teaming, &hostdev->info, NULL, NULL, NULL, teams };

        if (hostdev->teaming.type == VT_TEAMING_TRANSIENT)
            teaming_rules_leg(ctx, def, &leg);
    }
    for (guint i = 0; i < teams->len; i++)
        teaming_rules_strangers(ctx, def, teams->pdata[i]);
    teaming_rules_policies(ctx, def);
}
