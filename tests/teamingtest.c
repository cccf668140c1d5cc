/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Teams as a table: two interfaces and an optional policy, and what must be said about them. The messages as a
 * whole are goldens in domainbaddata; here it is the decision that counts, and what is found in good teams.
 */
#include "conf/teaming.h"

#include <string.h>

#include "conf/domain-xml.h"
#include "conf/metadata.h"
#include "conf/teaming-rules.h"

#define HEAD(policy, machine)                                                                                \
    "<domain type='qemu'><name>t</name>"                                                                     \
    "<metadata><v:teaming xmlns:v='urn:virtteam:domain:1'>" policy "</v:teaming></metadata>"                 \
    "<memory unit='MiB'>64</memory><os><type arch='x86_64' machine='" machine "'>hvm</type></os><devices>"
#define TAIL "</devices></domain>"

#define STANDBY(more)                                                                                         \
    "<interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br0'/><model type='virtio'/>" \
    "<teaming type='persistent'/><alias name='ua-s'/>" more "</interface>"
#define VF(more)                                                                                             \
    "<interface type='hostdev' managed='yes'><source><address type='pci' domain='0' bus='0x3b' slot='2' "    \
    "function='1'/></source><teaming type='transient' persistent='ua-s'/>" more "</interface>"
#define HOSTDEV(more)                                                                                        \
    "<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0' bus='0x3b' slot='2' "    \
    "function='2'/></source><teaming type='transient' persistent='ua-s'/>" more "</hostdev>"
#define EMULATED(model, more)                                                                                \
    "<interface type='bridge'><source bridge='br0'/><model type='" model "'/>"                               \
    "<teaming type='transient' persistent='ua-s'/>" more "</interface>"
#define AT(bus, slot, function, more)                                                                        \
    "<address type='pci' domain='0' bus='" bus "' slot='" slot "' function='" function "' " more "/>"
#define EMULATED_OK "<v:team persistent='ua-s' emulated='yes'/>"

typedef struct {
    const char *name;
    const char *policy; /* NULL: none */
    const char *devices;
    const char *words;   /* of the only problem; NULL: none */
    const char *machine; /* NULL: q35 */
} TeamRow;

static const TeamRow team_rows[] = {
    { "vf", NULL, STANDBY("") VF(""), NULL, NULL },
    { "hostdev", NULL, STANDBY("") HOSTDEV(""), NULL, NULL },
    { "order-of-devices-does-not-matter", NULL, VF("") STANDBY(""), NULL, NULL },
    { "persistent-alone", NULL, STANDBY(""), NULL, NULL },
    { "same-mac", NULL, STANDBY("") VF("<mac address='52:54:00:00:00:01'/>"), NULL, NULL },
    { "other-mac", NULL, STANDBY("") VF("<mac address='52:54:00:00:00:02'/>"), "the guest pairs them by MAC",
      NULL },
    { "two-transients", NULL, STANDBY("") VF("") HOSTDEV(""), "has a transient already", NULL },
    { "pc", NULL, STANDBY("") VF(""), "needs PCI Express", "pc" },
    { "i440fx", NULL, STANDBY("") VF(""), "needs PCI Express", "pc-i440fx-7.2" },
    { "versioned-q35", NULL, STANDBY("") VF(""), NULL, "pc-q35-7.2" },
    { "microvm", NULL, STANDBY("") VF(""), "needs PCI Express", "microvm" },
    { "vlan-of-the-vf-alone", NULL, STANDBY("") VF("<vlan><tag id='5'/></vlan>"), NULL, NULL },
    { "mtu-of-the-transient-alone", EMULATED_OK, STANDBY("") EMULATED("vmxnet3", "<mtu size='9000'/>"),
      "which says none", NULL },
    { "mtu-differs", EMULATED_OK, STANDBY("<mtu size='9000'/>") EMULATED("vmxnet3", "<mtu size='1500'/>"),
      "differs from size='9000'", NULL },
    { "mtu-equal", EMULATED_OK, STANDBY("<mtu size='9000'/>") EMULATED("vmxnet3", "<mtu size='9000'/>"), NULL,
      NULL },
    { "mtu-of-the-persistent-alone", NULL, STANDBY("<mtu size='9000'/>") VF(""), NULL, NULL },
    { "emulated-unasked", NULL, STANDBY("") EMULATED("vmxnet3", ""), "emulated='yes'", NULL },
    { "emulated-no", "<v:team persistent='ua-s' emulated='no'/>", STANDBY("") EMULATED("vmxnet3", ""),
      "emulated='yes'", NULL },
    { "emulated-vmxnet3", EMULATED_OK, STANDBY("") EMULATED("vmxnet3", ""), NULL, NULL },
    { "emulated-e1000e", EMULATED_OK, STANDBY("") EMULATED("e1000e", ""), NULL, NULL },
    { "emulated-igb", EMULATED_OK, STANDBY("") EMULATED("igb", ""), NULL, NULL },
    { "emulated-virtio", EMULATED_OK, STANDBY("") EMULATED("virtio", ""), "cannot be a transient", NULL },
    { "emulated-e1000-is-no-pcie", EMULATED_OK, STANDBY("") EMULATED("e1000", ""), "cannot be a transient",
      NULL },
    { "emulated-rom-off", EMULATED_OK, STANDBY("") EMULATED("e1000e", "<rom enabled='no'/>"), NULL, NULL },
    { "emulated-rom-empty", EMULATED_OK, STANDBY("") EMULATED("e1000e", "<rom file=''/>"), NULL, NULL },
    { "emulated-rom-bar", EMULATED_OK, STANDBY("") EMULATED("e1000e", "<rom bar='on'/>"),
      "breaks the migration", NULL },
    { "vf-rom", NULL, STANDBY("") VF("<rom bar='on'/>"), NULL, NULL },
    { "no-vf-named", NULL,
      STANDBY("") "<interface type='hostdev'><teaming type='transient' persistent='ua-s'/></interface>",
      "it says no VF", NULL },
    { "vf-by-policy", "<v:team persistent='ua-s' pf='eth0'/>",
      STANDBY("") "<interface type='hostdev'><teaming type='transient' persistent='ua-s'/></interface>", NULL,
      NULL },
    { "on-a-root-port", NULL,
      "<controller type='pci' index='1' model='pcie-root-port'/>" STANDBY("") VF(AT("1", "0", "0", "")), NULL,
      NULL },
    { "on-a-port-that-is-not-written-yet", NULL, STANDBY("") VF(AT("7", "0", "0", "")), NULL, NULL },
    { "on-the-root-bus", NULL, STANDBY("") VF(AT("0", "5", "0", "")), "is on bus 0 (pcie-root)", NULL },
    { "on-a-bridge", NULL,
      "<controller type='pci' index='1' model='pcie-to-pci-bridge'/>" STANDBY("") VF(AT("1", "5", "0", "")),
      "is on bus 1 (pcie-to-pci-bridge)", NULL },
    { "on-a-port-without-hotplug", NULL,
      "<controller type='pci' index='1' model='pcie-root-port'><target hotplug='off'/></controller>" STANDBY(
          "") VF(AT("1", "0", "0", "")),
      "hotplug='off'", NULL },
    { "multifunction", NULL, STANDBY("") VF(AT("1", "0", "0", "multifunction='on'")), "function 0", NULL },
    { "function-1", NULL, STANDBY("") VF(AT("1", "0", "1", "")), "function 0", NULL },
    { "same-slot-as-standby", NULL, STANDBY(AT("1", "0", "1", "")) VF(AT("1", "0", "0", "")),
      "same slot as the <interface>", NULL },
    { "same-slot-as-another", NULL,
      STANDBY("")
          VF(AT("1", "0", "0", "")) "<rng model='virtio'><backend model='random'>/dev/urandom</backend>" AT(
              "1", "0", "3", "") "</rng>",
      "same slot as the <rng>", NULL },
    { "third-nic-of-that-mac", NULL,
      STANDBY("") VF("") "<interface type='user'><mac address='52:54:00:00:00:01'/></interface>", "into it",
      NULL },
    { "persistent-is-no-virtio", NULL,
      "<interface type='user'><model type='e1000e'/><teaming type='persistent'/></interface>",
      "must be <model", NULL },
    { "persistent-by-default-model", NULL, "<interface type='user'><teaming type='persistent'/></interface>",
      "must be <model", NULL },
    { "unknown-alias", NULL,
      STANDBY("") "<interface type='hostdev'><source><address type='pci' bus='1' slot='0' "
                  "function='1'/></source><teaming type='transient' persistent='ua-t'/></interface>",
      "names no interface", NULL },
    { "policy-of-nobody", "<v:team persistent='ua-x'/>", STANDBY(""), "is not the alias", NULL },
    { "policy-of-a-plain-interface", "<v:team persistent='ua-y'/>",
      "<interface type='user'><alias name='ua-y'/></interface>", "is not the alias", NULL },
    { "policy-without-ids", "<v:team persistent='ua-s' pci-ids=''/>", STANDBY(""), "is not vendor:device",
      NULL },
    { "policy-twice", "<v:team persistent='ua-s'/><v:team persistent='ua-s'/>", STANDBY(""), "already",
      NULL },
};

static void
test_team_row(gconstpointer data)
{
    const TeamRow *row = data;
    g_autofree char *head = g_strdup_printf(HEAD("%s", "%s"), row->policy ? row->policy : "",
                                            row->machine ? row->machine : "q35");
    g_autofree char *xml = g_strconcat(head, row->devices, TAIL, NULL);
    g_autoptr(GPtrArray) problems = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(VtDomainDef) def = vt_domain_xml_check(xml, problems);

    for (guint i = 0; i < problems->len; i++)
        g_test_message("%s", (char *)problems->pdata[i]);
    g_assert_cmpuint(problems->len, ==, row->words ? 1 : 0);
    g_assert_cmpint(def != NULL, ==, row->words == NULL);
    if (row->words)
        g_assert_nonnull(strstr(problems->pdata[0], row->words));
}

static VtDomainDef *
parsed(const char *xml)
{
    g_autoptr(GError) error = NULL;
    VtDomainDef *def = vt_domain_xml_parse(xml, &error);

    g_assert_no_error(error);
    return def;
}

static void
test_teams_are_found(void)
{
    g_autoptr(VtDomainDef) def = parsed(
        HEAD("<v:team persistent='ua-s' orchestration='management' unplug-timeout='7' unplug-retries='0' "
             "on-timeout='wait' on-link-loss='ignore' standby-only='no' pci-ids='8086:1520'/>",
             "q35") STANDBY("") VF("") "<interface type='user'/>" TAIL);
    g_autoptr(GPtrArray) teams = vt_teaming_teams(def);
    const VtTeam *team = teams->pdata[0];

    g_assert_cmpuint(teams->len, ==, 1);
    g_assert_true(team->persistent == def->nets->pdata[0]);
    g_assert_true(team->transient_net == def->nets->pdata[1]);
    g_assert_null(team->transient_hostdev);
    g_assert_true(vt_mac_equal(&team->persistent->mac, &team->transient_net->mac));
    g_assert_cmpint(team->policy->orchestration, ==, VT_ORCHESTRATION_MANAGEMENT);
    g_assert_cmpuint(team->policy->unplug_timeout_ms, ==, 7000);
    g_assert_cmpint(team->policy->unplug_retries, ==, 0);
    g_assert_cmpint(team->policy->on_timeout, ==, VT_TEAM_ON_TIMEOUT_WAIT);
    g_assert_cmpint(team->policy->on_link_loss, ==, VT_TEAM_ON_LINK_LOSS_IGNORE);
    g_assert_cmpint(team->policy->standby_only, ==, VT_TRISTATE_NO);
    g_assert_cmpstr(team->policy->pci_ids, ==, "8086:1520");
    g_assert_false(team->policy->emulated);
}

static void
test_team_of_a_transient(void)
{
    g_autoptr(VtDomainDef) def =
        parsed(HEAD("", "q35") STANDBY("") HOSTDEV("<alias name='ua-p'/>") "<interface type='user'/>" TAIL);
    VtTeam team = { 0 };

    g_assert_false(vt_teaming_find(NULL, "ua-p", &team));
    g_assert_false(vt_teaming_find(def, "ua-s", &team));
    g_assert_false(vt_teaming_find(def, NULL, &team));
    g_assert_null(team.persistent);
    g_assert_true(vt_teaming_find(def, "ua-p", &team));
    g_assert_true(team.persistent == def->nets->pdata[0]);
    g_assert_true(team.transient_hostdev == def->hostdevs->pdata[0]);
}

static void
test_policy_defaults(void)
{
    g_autoptr(VtDomainDef) def = parsed(HEAD("<v:team persistent='ua-s'/>", "q35") STANDBY("") VF("") TAIL);
    const VtTeamPolicy *policy = def->team_policies->pdata[0];

    g_assert_cmpint(policy->orchestration, ==, VT_ORCHESTRATION_DEFAULT);
    g_assert_cmpuint(policy->unplug_timeout_ms, ==, 0);
    g_assert_cmpint(policy->unplug_retries, ==, -1);
    g_assert_cmpint(policy->on_timeout, ==, VT_TEAM_ON_TIMEOUT_DEFAULT);
    g_assert_null(policy->pf);
}

/* Automatic aliases count the interfaces that have no user alias and are no host devices. */
static void
test_automatic_aliases(void)
{
    g_autoptr(VtDomainDef) def =
        parsed(HEAD("", "q35") "<interface type='user'/>" VF("")
                   STANDBY("") "<interface type='user'><alias name='ua-u'/></interface>"
                               "<interface type='user'/>" TAIL);
    VtNetDef *last = def->nets->pdata[4];

    g_assert_true(vt_teaming_find_persistent(def, "net0") == def->nets->pdata[0]);
    g_assert_true(vt_teaming_find_persistent(def, "net1") == last);
    g_assert_null(vt_teaming_find_persistent(def, "net2"));
    g_assert_true(vt_teaming_find_persistent(def, "ua-u") == def->nets->pdata[3]);
    last->info.alias = g_strdup("net5");
    g_assert_true(vt_teaming_find_persistent(def, "net5") == last);
    g_assert_true(vt_teaming_find_persistent(def, "net6") == def->nets->pdata[0]);
    g_assert_null(vt_teaming_find_persistent(def, "net0"));
}

static void
test_persistent_has_its_mac_from_the_transient(void)
{
    g_autoptr(VtDomainDef) def =
        parsed(HEAD("", "q35") "<interface type='bridge'><source bridge='br0'/><model type='virtio'/>"
                               "<teaming type='persistent'/><alias name='ua-s'/></interface>" VF(
                                   "<mac address='52:54:00:00:00:09'/>") TAIL);
    char text[VT_MAC_STRING_SIZE];

    g_assert_cmpstr(vt_mac_format(&((VtNetDef *)def->nets->pdata[0])->mac, text), ==, "52:54:00:00:00:09");
}

/* ---- metadata ---- */

#define OURS "urn:virtteam:domain:1"

/* What libvirtd 9.0 answers to the same: by definition, and by virsh metadata --set. */
static const struct {
    const char *name, *element; /* "@" stands for the prefix and its colon */
    const char *defined, *set;
} blank_rows[] = {
    { "none", "<@a><@b/><@c><@d>1</@d></@c></@a>", "<a>\n  <b/>\n  <c>\n    <d>1</d>\n  </c>\n</a>",
      "<a>\n  <b/>\n  <c>\n    <d>1</d>\n  </c>\n</a>" },
    { "between-elements", "<@a><@b>x</@b>\n\n   <@c/>   </@a>", "<a>\n  <b>x</b>\n  <c/>\n</a>",
      "<a><b>x</b>\n\n   <c/>   </a>" },
    { "preserved", "<@a xml:space='preserve'> <@b/> </@a>", "<a xml:space=\"preserve\"> <b/> </a>",
      "<a xml:space=\"preserve\"> <b/> </a>" },
    { "among-text", "<@a> lead <@b/>\n\n <@c/></@a>", "<a> lead <b/>\n\n <c/></a>",
      "<a> lead <b/>\n\n <c/></a>" },
    { "alone", "<@a>  </@a>", "<a>  </a>", "<a>  </a>" },
    { "a-comment", "<@a><!-- hi --><@b/></@a>", "<a>\n  <!-- hi -->\n  <b/>\n</a>",
      "<a>\n  <!-- hi -->\n  <b/>\n</a>" },
};

static char *
blank_element(gsize row, const char *prefix)
{
    g_auto(GStrv) parts = g_strsplit(blank_rows[row].element, "@", -1);

    return g_strjoinv(prefix, parts);
}

static void
test_metadata_blanks(gconstpointer data)
{
    gsize row = GPOINTER_TO_SIZE(data);
    g_autofree char *with = blank_element(row, "t:"), *without = blank_element(row, "");
    /* The first of its two names gets the declaration. */
    g_autofree char *rest = g_strdup(strpbrk(with + 1, " >"));
    g_autofree char *xml = g_strdup_printf(
        "<domain type='qemu'><name>t</name><metadata><t:a xmlns:t='urn:t'%s</metadata><memory>65536</memory>"
        "<os><type machine='q35'>hvm</type></os></domain>",
        rest);
    g_autoptr(VtDomainDef) def = parsed(xml), copy = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *defined = vt_metadata_get(def, "urn:t", NULL), *set = NULL, *copied = NULL;

    g_assert_cmpstr(defined, ==, blank_rows[row].defined);
    g_assert_true(vt_metadata_set(def, "t", "urn:t", without, &error));
    g_assert_no_error(error);
    set = vt_metadata_get(def, "urn:t", NULL);
    g_assert_cmpstr(set, ==, blank_rows[row].set);
    /* Another element changes nothing about it, and a start copies the definition. */
    g_assert_true(vt_metadata_set(def, "z", "urn:z", "<z/>", NULL));
    copy = vt_domain_def_copy(def);
    copied = vt_metadata_get(copy, "urn:t", NULL);
    g_assert_cmpstr(copied, ==, blank_rows[row].set);
    g_assert_true(vt_metadata_set(copy, NULL, "urn:t", NULL, NULL));
    g_assert_cmpstr(copy->metadata_set, ==, "{\"urn:z\":\"<z/>\"}");
}

static void
test_metadata_is_set_and_read(void)
{
    g_autoptr(VtDomainDef) def = parsed(
        "<domain type='qemu'><name>t</name><metadata><a:b xmlns:a='urn:a'><a:c>1</a:c></a:b></metadata>"
        "<memory>65536</memory><os><type machine='q35'>hvm</type></os><devices>" STANDBY("") VF("") TAIL);
    g_autoptr(GError) error = NULL;
    g_autofree char *a = NULL, *ours = NULL, *gone = NULL;

    a = vt_metadata_get(def, "urn:a", &error);
    g_assert_no_error(error);
    g_assert_cmpstr(a, ==, "<b>\n  <c>1</c>\n</b>");
    g_assert_true(vt_metadata_set(def, "vt", OURS,
                                  "<teaming><team persistent='ua-s' unplug-timeout='3'/></teaming>", &error));
    g_assert_no_error(error);
    g_assert_cmpuint(def->team_policies->len, ==, 1);
    g_assert_cmpuint(((VtTeamPolicy *)def->team_policies->pdata[0])->unplug_timeout_ms, ==, 3000);
    g_assert_cmpstr(def->metadata, ==,
                    "<a:b xmlns:a=\"urn:a\"><a:c>1</a:c></a:b>\n"
                    "    <vt:teaming xmlns:vt=\"urn:virtteam:domain:1\">\n"
                    "      <vt:team persistent=\"ua-s\" unplug-timeout=\"3\"/>\n"
                    "    </vt:teaming>\n  ");
    ours = vt_metadata_get(def, OURS, NULL);
    g_assert_nonnull(strstr(ours, "<teaming>"));
    g_assert_nonnull(strstr(ours, "<team persistent=\"ua-s\" unplug-timeout=\"3\"/>"));
    g_assert_null(strstr(ours, "urn:"));
    g_assert_true(vt_metadata_set(def, NULL, OURS, NULL, &error));
    g_assert_cmpuint(def->team_policies->len, ==, 0);
    gone = vt_metadata_get(def, OURS, &error);
    g_assert_null(gone);
    g_assert_error(error, VT_ERROR, VT_ERROR_NO_METADATA);
    g_clear_error(&error);
    g_assert_true(vt_metadata_set(def, NULL, "urn:a", NULL, &error));
    g_assert_null(def->metadata);
}

static void
test_metadata_is_refused(void)
{
    static const struct {
        const char *key, *uri, *xml;
        int code;
    } rows[] = {
        { "vt", OURS, "<teaming><team persistent='ua-q'/></teaming>", VT_ERROR_XML_DETAIL },
        { "vt", OURS, "<teaming><team persistent='ua-s' colour='red'/></teaming>", VT_ERROR_XML_DETAIL },
        { "vt", OURS, "<squad/>", VT_ERROR_XML_DETAIL },
        { "vt", OURS, "<teaming>", VT_ERROR_XML },
        { "vt", OURS, "<!DOCTYPE a><teaming/>", VT_ERROR_XML },
        { "", "urn:a", "<a/>", VT_ERROR_INVALID_ARG },
        { NULL, "urn:a", "<a/>", VT_ERROR_INVALID_ARG },
        { "xml", "urn:a", "<a/>", VT_ERROR_INVALID_ARG },
        { "a b", "urn:a", "<a/>", VT_ERROR_INVALID_ARG },
        { "a", "", "<a/>", VT_ERROR_INVALID_ARG },
        { "a", "a b", "<a/>", VT_ERROR_INVALID_ARG },
        { "a", "urn:a", "<a xmlns='urn:b'/>", VT_ERROR_INVALID_ARG },
        { "a", "urn:a", "<a xmlns:a='urn:b'/>", VT_ERROR_INVALID_ARG },
    };
    g_autoptr(VtDomainDef) def = parsed(HEAD("<v:team persistent='ua-s'/>", "q35") STANDBY("") VF("") TAIL);
    g_autofree char *before = g_strdup(def->metadata);

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;

        g_test_message("%s %s", rows[i].uri, rows[i].xml);
        g_assert_false(vt_metadata_set(def, rows[i].key, rows[i].uri, rows[i].xml, &error));
        g_assert_error(error, VT_ERROR, rows[i].code);
        g_assert_cmpstr(def->metadata, ==, before);
        g_assert_cmpuint(def->team_policies->len, ==, 1);
    }
}

static void
test_metadata_has_a_limit(void)
{
    g_autoptr(VtDomainDef) def = parsed(HEAD("", "q35") TAIL);
    g_autofree char *filler = g_strnfill(VT_METADATA_MAX, 'x');
    g_autofree char *xml = g_strconcat("<a>", filler, "</a>", NULL);
    g_autoptr(GError) error = NULL;

    g_assert_false(vt_metadata_set(def, "a", "urn:a", xml, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_INVALID_ARG);
}

/* A namespace that is declared above <metadata> goes with its elements. */
static void
test_metadata_namespaces_of_the_root(void)
{
    g_autoptr(VtDomainDef) def =
        parsed("<domain type='qemu' xmlns:a='urn:a'><name>t</name><metadata><a:b/></metadata>"
               "<memory>65536</memory><os><type machine='q35'>hvm</type></os></domain>");
    g_autofree char *xml = vt_domain_xml_format(def, -1, 0);
    g_autoptr(VtDomainDef) again = parsed(xml);

    g_assert_cmpstr(def->metadata, ==, "<a:b xmlns:a=\"urn:a\"/>");
    g_assert_cmpstr(again->metadata, ==, def->metadata);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(team_rows); i++) {
        g_autofree char *path = g_strconcat("/conf/teaming-rules/", team_rows[i].name, NULL);

        g_test_add_data_func(path, &team_rows[i], test_team_row);
    }
    g_test_add_func("/conf/teaming/teams-are-found", test_teams_are_found);
    g_test_add_func("/conf/teaming/team-of-a-transient", test_team_of_a_transient);
    g_test_add_func("/conf/teaming/policy-defaults", test_policy_defaults);
    g_test_add_func("/conf/teaming/automatic-aliases", test_automatic_aliases);
    g_test_add_func("/conf/teaming/persistent-has-its-mac-from-the-transient",
                    test_persistent_has_its_mac_from_the_transient);
    for (gsize i = 0; i < G_N_ELEMENTS(blank_rows); i++) {
        g_autofree char *path = g_strconcat("/conf/metadata/blanks/", blank_rows[i].name, NULL);

        g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_metadata_blanks);
    }
    g_test_add_func("/conf/metadata/set-and-read", test_metadata_is_set_and_read);
    g_test_add_func("/conf/metadata/refused", test_metadata_is_refused);
    g_test_add_func("/conf/metadata/has-a-limit", test_metadata_has_a_limit);
    g_test_add_func("/conf/metadata/namespaces-of-the-root", test_metadata_namespaces_of_the_root);
    return g_test_run();
}
