/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/orchestration.h"

#include <string.h>
#include "conf/domain-xml.h"
#include "qemu/alias.h"
#include "qemu/argv.h"
#include "qemu/prepare.h"

static VtDomainDef *
def_with(const char *policy, const char *transient)
{
    g_autofree char *xml = g_strdup_printf(
        "<domain type='qemu'><name>g</name><uuid>c7a5fdbd-cdaf-9455-926a-000000000001</uuid><metadata>"
        "<virtteam:teaming xmlns:virtteam='urn:virtteam:domain:1'>%s</virtteam:teaming></metadata>"
        "<memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os>"
        "<devices><interface type='user'><mac address='52:54:00:00:00:11'/><model type='virtio'/>"
        "<teaming type='persistent'/><alias name='ua-net'/></interface>%s</devices></domain>",
        policy, transient);
    g_autoptr(GError) error = NULL;
    VtDomainDef *def = vt_domain_xml_parse(xml, &error);

    g_assert_no_error(error);
    return def;
}

#define EMULATED                                                                                             \
    "<interface type='user'><mac address='52:54:00:00:00:11'/><model type='vmxnet3'/>"                       \
    "<teaming type='transient' persistent='ua-net'/><alias name='ua-vf'/></interface>"
#define HOST                                                                                                 \
    "<interface type='hostdev' managed='yes'><mac address='52:54:00:00:00:11'/><source>"                     \
    "<address type='pci' domain='0' bus='0x3b' slot='2' function='1'/></source>"                             \
    "<teaming type='transient' persistent='ua-net'/><alias name='ua-vf'/></interface>"
#define EMULATED_IS "<virtteam:team persistent='ua-net' emulated='yes'"

static void
test_choice(void)
{
    const struct {
        const char *policy, *transient;
        gboolean failover, pair, vfio_pair;
        VtOrchestration fallback, expected, prefers;
    } rows[] = {
        { EMULATED_IS "/>", EMULATED, TRUE, TRUE, TRUE, VT_ORCHESTRATION_AUTO, VT_ORCHESTRATION_MANAGEMENT,
          VT_ORCHESTRATION_MANAGEMENT },
        { EMULATED_IS " orchestration='auto'/>", EMULATED, TRUE, TRUE, TRUE, VT_ORCHESTRATION_QEMU,
          VT_ORCHESTRATION_MANAGEMENT, VT_ORCHESTRATION_MANAGEMENT },
        { EMULATED_IS " orchestration='qemu'/>", EMULATED, TRUE, TRUE, TRUE, VT_ORCHESTRATION_QEMU,
          VT_ORCHESTRATION_QEMU, VT_ORCHESTRATION_MANAGEMENT },
        { EMULATED_IS "/>", EMULATED, TRUE, TRUE, TRUE, VT_ORCHESTRATION_QEMU, VT_ORCHESTRATION_QEMU },
        { EMULATED_IS "/>", EMULATED, TRUE, TRUE, TRUE, VT_ORCHESTRATION_MANAGEMENT,
          VT_ORCHESTRATION_MANAGEMENT },
        { EMULATED_IS "/>", EMULATED, TRUE, TRUE, TRUE, VT_ORCHESTRATION_AUTO, VT_ORCHESTRATION_QEMU },
        { EMULATED_IS "/>", EMULATED, FALSE, TRUE, TRUE, VT_ORCHESTRATION_AUTO, VT_ORCHESTRATION_MANAGEMENT },
        { EMULATED_IS "/>", EMULATED, TRUE, FALSE, TRUE, VT_ORCHESTRATION_DEFAULT,
          VT_ORCHESTRATION_MANAGEMENT },
        { "", HOST, TRUE, FALSE, TRUE, VT_ORCHESTRATION_AUTO, VT_ORCHESTRATION_QEMU },
        { "", HOST, TRUE, TRUE, FALSE, VT_ORCHESTRATION_AUTO, VT_ORCHESTRATION_MANAGEMENT },
        { EMULATED_IS " orchestration='management'/>", EMULATED, TRUE, TRUE, TRUE, VT_ORCHESTRATION_QEMU,
          VT_ORCHESTRATION_MANAGEMENT },
        { EMULATED_IS " orchestration='qemu'/>", EMULATED, TRUE, TRUE, TRUE, VT_ORCHESTRATION_MANAGEMENT,
          VT_ORCHESTRATION_QEMU },
        { EMULATED_IS " orchestration='auto'/>", EMULATED, TRUE, FALSE, TRUE, VT_ORCHESTRATION_QEMU,
          VT_ORCHESTRATION_MANAGEMENT },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(VtDomainDef) def = def_with(rows[i].policy, rows[i].transient);
        g_autoptr(GPtrArray) teams = vt_teaming_teams(def);
        const VtOrchestrationDefaults defaults = { rows[i].fallback, rows[i].prefers };
        VtQemuCaps caps = { 0 };

        caps.caps[VT_QEMU_CAP_VIRTIO_NET_FAILOVER] = rows[i].failover;
        caps.caps[VT_QEMU_CAP_NET_FAILOVER_PAIR] = rows[i].pair;
        caps.caps[VT_QEMU_CAP_VFIO_FAILOVER_PAIR] = rows[i].vfio_pair;
        g_assert_cmpuint(teams->len, ==, 1);
        g_assert_cmpint(vt_orchestration_choose(g_ptr_array_index(teams, 0), &caps, &defaults), ==,
                        rows[i].expected);
    }
}

static void
test_pin(void)
{
    const struct {
        const char *policy, *transient;
        VtOrchestration fallback;
        const char *expected; /* NULL: unchanged */
        gboolean failover;    /* QEMU has it */
    } rows[] = {
        { EMULATED_IS "/>", EMULATED, VT_ORCHESTRATION_AUTO,
          "persistent=\"ua-net\" emulated=\"yes\" orchestration=\"auto\"", TRUE },
        { EMULATED_IS "/>", EMULATED, VT_ORCHESTRATION_AUTO,
          "persistent=\"ua-net\" emulated=\"yes\" orchestration=\"management\"", FALSE },
        { EMULATED_IS " orchestration='auto'/>", EMULATED, VT_ORCHESTRATION_QEMU, NULL, TRUE },
        { EMULATED_IS " orchestration='qemu'/>", EMULATED, VT_ORCHESTRATION_AUTO, NULL, TRUE },
        { EMULATED_IS "/>", EMULATED, VT_ORCHESTRATION_QEMU, NULL },
        { EMULATED_IS " orchestration='management'/>", EMULATED, VT_ORCHESTRATION_QEMU, NULL },
        { EMULATED_IS " unplug-timeout='7' unplug-retries='2' on-timeout='wait'/>", EMULATED,
          VT_ORCHESTRATION_MANAGEMENT,
          "persistent=\"ua-net\" emulated=\"yes\" orchestration=\"management\" unplug-timeout=\"7\" "
          "unplug-retries=\"2\" on-timeout=\"wait\"" },
        { "", HOST, VT_ORCHESTRATION_MANAGEMENT, "persistent=\"ua-net\" orchestration=\"management\"" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(VtDomainDef) def = def_with(rows[i].policy, rows[i].transient);
        g_autofree char *before = g_strdup(def->metadata);
        g_autofree char *plain = NULL;
        g_autoptr(GError) error = NULL;
        const VtOrchestrationDefaults defaults = { .orchestration = rows[i].fallback };
        VtQemuCaps caps = { 0 };

        caps.caps[VT_QEMU_CAP_VIRTIO_NET_FAILOVER] = caps.caps[VT_QEMU_CAP_NET_FAILOVER_PAIR] =
            rows[i].failover;
        g_assert_true(vt_orchestration_pin(def, &caps, &defaults, &error));
        g_assert_no_error(error);
        if (!rows[i].expected) {
            g_assert_cmpstr(def->metadata, ==, before);
            continue;
        }
        plain = g_strdelimit(g_strdup(def->metadata), "'", '"');
        if (!strstr(plain, rows[i].expected))
            g_error("%s is not in %s", rows[i].expected, plain);
        g_assert_cmpuint(def->team_policies->len, ==, 1);
    }
}

static void
test_write(void)
{
    g_autoptr(VtDomainDef) def = def_with(EMULATED_IS " orchestration='auto' unplug-timeout='9'/>", EMULATED);
    g_autoptr(VtDomainDef) bare = def_with("", HOST);
    g_autoptr(GError) error = NULL;
    const VtTeamPolicy *policy;

    g_assert_true(vt_orchestration_write(def, "ua-net", VT_ORCHESTRATION_MANAGEMENT, &error));
    g_assert_no_error(error);
    policy = g_ptr_array_index(def->team_policies, 0);
    g_assert_cmpint(policy->orchestration, ==, VT_ORCHESTRATION_MANAGEMENT);
    g_assert_cmpuint(policy->unplug_timeout_ms, ==, 9000);
    g_assert_true(policy->emulated);
    g_assert_true(vt_orchestration_write(bare, "ua-net", VT_ORCHESTRATION_MANAGEMENT, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(bare->team_policies->len, ==, 1);
}

static void
test_rewrite(void)
{
    g_autoptr(VtDomainDef) def = def_with("<virtteam:team persistent='ua-net' unplug-timeout='9'/>", HOST);
    g_autoptr(GError) error = NULL;

    g_assert_nonnull(strstr(def->metadata, "unplug-timeout"));
    g_ptr_array_set_size(def->team_policies, 0);
    g_assert_true(vt_orchestration_rewrite(def, &error));
    g_assert_no_error(error);
    g_assert_true(def->metadata == NULL || !strstr(def->metadata, "unplug-timeout"));
}

/* A destination's QEMU has the netdev of a primary that comes later, and not the device; a VF always comes later. */
static void
test_argv_without_managed(void)
{
    const struct {
        const char *orchestration, *transient, *driver;
        gboolean without, device, pair;
    } rows[] = {
        { "qemu", EMULATED, "vmxnet3", FALSE, TRUE, TRUE },
        { "qemu", EMULATED, "vmxnet3", TRUE, TRUE, TRUE },
        { "management", EMULATED, "vmxnet3", FALSE, TRUE, FALSE },
        { "management", EMULATED, "vmxnet3", TRUE, FALSE, FALSE },
        { "qemu", HOST, "vfio-pci", FALSE, TRUE, TRUE },
        { "qemu", HOST, "vfio-pci", TRUE, FALSE, FALSE },
        { "management", HOST, "vfio-pci", TRUE, FALSE, FALSE },
    };
    g_autofree char *json = NULL;
    VtQemuCaps *caps;

    g_assert_true(g_file_get_contents(VT_TEST_DATA_DIR "/data/caps-7.2.json", &json, NULL, NULL));
    caps = vt_qemu_caps_from_json(json, NULL);
    g_assert_nonnull(caps);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *policy = g_strdup_printf(EMULATED_IS " orchestration='%s'/>", rows[i].orchestration);
        g_autoptr(VtDomainDef) def = def_with(policy, rows[i].transient);
        const VtArgvContext ctx = { .monitor_fd = -1,
                                    .standalone = TRUE,
                                    .without_managed = rows[i].without };
        g_autoptr(GError) error = NULL;
        g_auto(GStrv) argv = NULL;
        g_autofree char *text = NULL;

        g_assert_true(vt_qemu_prepare_define(def, caps, &error));
        vt_alias_assign(def);
        argv = vt_argv_build(def, caps, &ctx, &error);
        g_assert_no_error(error);
        text = g_strjoinv(" ", argv);
        g_assert_nonnull(strstr(text, "failover=on"));
        g_assert_true((strstr(text, "id=hostua-vf") != NULL) == g_str_equal(rows[i].driver, "vmxnet3"));
        g_assert_true((strstr(text, rows[i].driver) != NULL) == rows[i].device);
        g_assert_true((strstr(text, "failover_pair_id") != NULL) == rows[i].pair);
    }
    vt_qemu_caps_unref(caps);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu/orchestration/choice", test_choice);
    g_test_add_func("/qemu/orchestration/pin-writes-down-who", test_pin);
    g_test_add_func("/qemu/orchestration/write-changes-hands", test_write);
    g_test_add_func("/qemu/orchestration/rewrite-forgets", test_rewrite);
    g_test_add_func("/qemu/orchestration/argv-without-managed-primaries", test_argv_without_managed);
    return g_test_run();
}
