/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each rule has a definition, or an emulator, that breaks it and nothing else. */
#include "qemu/validate.h"
#include <string.h>
#include "conf/domain-xml.h"
#include "qemu/slots.h"

#define TEAM                                                                                                 \
    "<interface type='user'><mac address='52:54:00:00:00:01'/><model type='virtio'/>"                        \
    "<teaming type='persistent'/><alias name='ua-n'/></interface>"                                           \
    "<interface type='hostdev'><source><address type='pci' domain='0' bus='1' slot='2' function='3'/>"       \
    "</source><teaming type='transient' persistent='ua-n'/></interface>"

static char *caps_json;

static VtQemuCaps *
full_caps(void)
{
    g_autoptr(GError) error = NULL;
    VtQemuCaps *caps = vt_qemu_caps_from_json(caps_json, &error);

    g_assert_no_error(error);
    return caps;
}

static void
without_tcg(VtDomainDef *def, VtQemuCaps *caps)
{
    caps->caps[VT_QEMU_CAP_TCG] = FALSE;
}

static void
kvm_without_kvm(VtDomainDef *def, VtQemuCaps *caps)
{
    def->virt_type = VT_VIRT_KVM;
    caps->caps[VT_QEMU_CAP_KVM] = FALSE;
}

static void
other_arch(VtDomainDef *def, VtQemuCaps *caps)
{
    g_free(caps->arch);
    caps->arch = g_strdup("aarch64");
}

static void
other_machine(VtDomainDef *def, VtQemuCaps *caps)
{
    g_free(def->os.machine);
    def->os.machine = g_strdup("microvm");
}

static void
machine_pc(VtDomainDef *def, VtQemuCaps *caps)
{
    VtControllerDef *root = def->controllers->pdata[0];
    guint i;

    g_free(def->os.machine);
    def->os.machine = g_strdup("pc");
    for (i = def->controllers->len; i > 0; i--) {
        root = def->controllers->pdata[i - 1];
        if (root->type == VT_CONTROLLER_PCI && root->index > 0)
            g_ptr_array_remove_index(def->controllers, i - 1);
    }
}

static void
many_vcpus(VtDomainDef *def, VtQemuCaps *caps)
{
    def->vcpus = 289;
}

static void
unknown_cpu(VtDomainDef *def, VtQemuCaps *caps)
{
    def->cpu.mode = VT_CPU_CUSTOM;
    g_free(def->cpu.model);
    def->cpu.model = g_strdup("Zilog80");
}

static void
without_xhci(VtDomainDef *def, VtQemuCaps *caps)
{
    g_hash_table_remove(caps->devices, "qemu-xhci");
}

static void
same_chassis(VtDomainDef *def, VtQemuCaps *caps)
{
    VtControllerDef *first = NULL;
    guint i;

    for (i = 0; i < def->controllers->len; i++) {
        VtControllerDef *port = def->controllers->pdata[i];

        if (g_strcmp0(port->model, "pcie-root-port") != 0)
            continue;
        if (first) {
            port->target_chassis = first->target_chassis;
            return;
        }
        first = port;
    }
}

static void
without_virtio_net(VtDomainDef *def, VtQemuCaps *caps)
{
    g_hash_table_remove(caps->devices, "virtio-net-pci");
}

static void
without_vfio(VtDomainDef *def, VtQemuCaps *caps)
{
    g_hash_table_remove(caps->devices, "vfio-pci");
}

static void
channel_port_zero(VtDomainDef *def, VtQemuCaps *caps)
{
    ((VtCharDef *)def->channels->pdata[0])->info.address.unit = 0;
}

static void
usb_gone(VtDomainDef *def, VtQemuCaps *caps)
{
    guint i;

    for (i = 0; i < def->controllers->len; i++) {
        VtControllerDef *controller = def->controllers->pdata[i];

        if (controller->type == VT_CONTROLLER_USB) {
            g_free(controller->model);
            controller->model = g_strdup("none");
        }
    }
}

static void
without_failover(VtDomainDef *def, VtQemuCaps *caps)
{
    caps->caps[VT_QEMU_CAP_VIRTIO_NET_FAILOVER] = FALSE;
}

static void
without_pair(VtDomainDef *def, VtQemuCaps *caps)
{
    caps->caps[VT_QEMU_CAP_VFIO_FAILOVER_PAIR] = FALSE;
}

static void
transient_on_root(VtDomainDef *def, VtQemuCaps *caps)
{
    ((VtNetDef *)def->nets->pdata[1])->info.address.pci = (VtPciAddress){ .bus = 0, .slot = 9 };
}

static void
transient_multifunction(VtDomainDef *def, VtQemuCaps *caps)
{
    ((VtNetDef *)def->nets->pdata[1])->info.address.pci.multifunction = TRUE;
}

static void
transient_beside_standby(VtDomainDef *def, VtQemuCaps *caps)
{
    ((VtNetDef *)def->nets->pdata[1])->info.address.pci = ((VtNetDef *)def->nets->pdata[0])->info.address.pci;
    ((VtNetDef *)def->nets->pdata[1])->info.address.pci.function = 1;
}

static void
port_not_pluggable(VtDomainDef *def, VtQemuCaps *caps)
{
    guint i;

    for (i = 0; i < def->controllers->len; i++)
        ((VtControllerDef *)def->controllers->pdata[i])->target_hotplug = VT_TRISTATE_NO;
}

static const struct {
    const char *rule;
    void (*breaks)(VtDomainDef *def, VtQemuCaps *caps);
    const char *devices;
    const char *word; /* of the message */
} rows[] = {
    { "arch", other_arch, "", "arch='x86_64'" },
    { "machine", other_machine, "", "'microvm'" },
    { "virt-type", without_tcg, "", "without TCG" },
    { "virt-type", kvm_without_kvm, "", "type='kvm'" },
    { "vcpus", many_vcpus, "", "289" },
    { "cpu", unknown_cpu, "", "Zilog80" },
    { "controllers", without_xhci, "", "qemu-xhci" },
    { "controller-numbers", same_chassis, TEAM, "chassis=" },
    { "nets", without_virtio_net, TEAM, "virtio-net-pci" },
    { "drivers", without_vfio, TEAM, "vfio-pci" },
    { "chars", channel_port_zero, "<channel type='unix'><target type='virtio' name='x'/></channel>",
      "port 1" },
    { "inputs", usb_gone, "<input type='tablet' bus='usb'/>", "USB controller" },
    { "team-failover", without_failover, TEAM, "4.2" },
    { "team-failover", without_pair, TEAM, "failover_pair_id" },
    { "team-machine", machine_pc, TEAM, "machine='q35'" },
    { "team-ports", transient_on_root, TEAM, "pcie-root" },
    { "team-ports", transient_multifunction, TEAM, "single function" },
    { "team-ports", transient_beside_standby, TEAM, "shares its slot" },
    { "team-ports", port_not_pluggable, TEAM, "hotplug='off'" },
};

static VtDomainDef *
def_with(const char *devices)
{
    g_autofree char *xml = g_strdup_printf(
        "<domain type='qemu'><name>g</name><uuid>c7a5fdbd-cdaf-9455-926a-000000000001</uuid>"
        "<memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os>"
        "<devices>%s</devices></domain>",
        devices);
    g_autoptr(GPtrArray) problems = vt_xml_problems_new();
    VtParseContext ctx = { .problems = problems };
    g_autoptr(GError) error = NULL;
    VtDomainDef *def = vt_domain_xml_parse(xml, &error);

    g_assert_no_error(error);
    g_assert_true(vt_slots_assign(&ctx, def));
    return def;
}

static void
test_each_rule_is_broken_alone(void)
{
    gsize i, j;

    for (i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(VtQemuCaps) caps = full_caps();
        g_autoptr(VtDomainDef) def = def_with(rows[i].devices);

        g_test_message("%s: %s", rows[i].rule, rows[i].word);
        for (j = 0; j < vt_qemu_validate_rules_count; j++) {
            g_autoptr(GPtrArray) problems = vt_xml_problems_new();
            VtParseContext ctx = { .problems = problems };

            if (!g_str_equal(vt_qemu_validate_rules[j].name, rows[i].rule))
                continue;
            vt_qemu_validate_rules[j].check(&ctx, def, caps);
            g_assert_cmpuint(problems->len, ==, 0);
            rows[i].breaks(def, caps);
            vt_qemu_validate_rules[j].check(&ctx, def, caps);
            g_assert_cmpuint(problems->len, ==, 1);
            g_assert_nonnull(strstr(((GError *)problems->pdata[0])->message, rows[i].word));
        }
    }
}

static void
test_every_rule_has_a_row(void)
{
    gsize i, j;

    for (j = 0; j < vt_qemu_validate_rules_count; j++) {
        gboolean found = FALSE;

        for (i = 0; i < G_N_ELEMENTS(rows); i++)
            found = found || g_str_equal(rows[i].rule, vt_qemu_validate_rules[j].name);
        g_test_message("%s: %s", vt_qemu_validate_rules[j].name, vt_qemu_validate_rules[j].what);
        g_assert_true(found);
    }
}

static void
test_all_problems_are_told(void)
{
    g_autoptr(VtQemuCaps) caps = full_caps();
    g_autoptr(VtDomainDef) def = def_with(TEAM);
    g_autoptr(GPtrArray) problems = vt_xml_problems_new();
    VtParseContext ctx = { .problems = problems };

    g_assert_true(vt_qemu_validate_domain(&ctx, def, caps));
    many_vcpus(def, caps);
    unknown_cpu(def, caps);
    transient_multifunction(def, caps);
    g_assert_false(vt_qemu_validate_domain(&ctx, def, caps));
    g_assert_cmpuint(problems->len, ==, 3);
}

int
main(int argc, char **argv)
{
    int result;

    g_test_init(&argc, &argv, NULL);
    g_assert_true(g_file_get_contents(VT_TEST_DATA_DIR "/data/caps-7.2.json", &caps_json, NULL, NULL));
    g_test_add_func("/qemu/validate/each-rule-is-broken-alone", test_each_rule_is_broken_alone);
    g_test_add_func("/qemu/validate/every-rule-has-a-row", test_every_rule_has_a_row);
    g_test_add_func("/qemu/validate/all-problems-are-told", test_all_problems_are_told);
    result = g_test_run();
    g_free(caps_json);
    return result;
}
