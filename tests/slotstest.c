/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Implied controllers and PCI addresses: the properties that goldens cannot show. */
#include "qemu/slots.h"
#include <string.h>
#include "conf/address.h"
#include "conf/domain-xml.h"
#include "qemu/alias.h"

static VtDomainDef *
slots_def(const char *machine, const char *devices)
{
    g_autofree char *xml = g_strdup_printf(
        "<domain type='qemu'><name>g</name><uuid>c7a5fdbd-cdaf-9455-926a-000000000001</uuid>"
        "<memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type arch='x86_64' machine='%s'>hvm</type></os>"
        "<devices>%s</devices></domain>",
        machine, devices);
    g_autoptr(GError) error = NULL;
    VtDomainDef *def = vt_domain_xml_parse(xml, &error);

    g_assert_no_error(error);
    return def;
}

/* NULL, or the first problem. (transfer full) */
static char *
assign(VtDomainDef *def)
{
    g_autoptr(GPtrArray) problems = vt_xml_problems_new();
    VtParseContext ctx = { .problems = problems };
    gboolean ok = vt_slots_assign(&ctx, def);

    g_assert_true(ok == (problems->len == 0));
    return ok ? NULL : g_strdup(((const GError *)problems->pdata[0])->message);
}

static void
assert_assigned(VtDomainDef *def)
{
    g_autofree char *problem = assign(def);

    g_assert_cmpstr(problem, ==, NULL);
}

#define NET(n)                                                                                               \
    "<interface type='user'><mac address='52:54:00:00:00:0" #n "'/><model type='virtio'/></interface>"
#define DISK(d)                                                                                              \
    "<disk type='file' device='disk'><source file='/" #d "'/><target dev='" #d "' bus='virtio'/></disk>"

static void
test_assigning_twice_changes_nothing(void)
{
    static const char *const devices[] = {
        "",
        NET(1) NET(2) DISK(vda) "<channel type='unix'><target type='virtio' name='x'/></channel>",
        "<controller type='usb' model='piix3-uhci'/><input type='tablet' bus='usb'/><input type='mouse' bus='virtio'/>",
    };
    static const char *const machines[] = { "q35", "pc" };
    gsize m, i;

    for (m = 0; m < G_N_ELEMENTS(machines); m++)
        for (i = 0; i < G_N_ELEMENTS(devices); i++) {
            g_autoptr(VtDomainDef) def = slots_def(machines[m], devices[i]);
            g_autofree char *once = NULL, *twice = NULL;

            assert_assigned(def);
            once = vt_domain_xml_format(def, -1, VT_XML_FORMAT_INACTIVE);
            assert_assigned(def);
            twice = vt_domain_xml_format(def, -1, VT_XML_FORMAT_INACTIVE);
            g_assert_cmpstr(once, ==, twice);
        }
}

/* The spare port takes the first new device; what was there stays where it is. */
static void
test_a_new_device_moves_nothing(void)
{
    g_autoptr(VtDomainDef) def = slots_def("q35", NET(1) DISK(vda));
    g_autoptr(VtDomainDef) more = slots_def("q35", NET(2));
    VtNetDef *added = g_ptr_array_steal_index(more->nets, 0);
    VtAddress disk, net;
    guint controllers;

    assert_assigned(def);
    disk = ((VtDiskDef *)def->disks->pdata[0])->info.address;
    net = ((VtNetDef *)def->nets->pdata[0])->info.address;
    controllers = def->controllers->len;
    g_ptr_array_insert(def->nets, 0, added);
    assert_assigned(def);
    g_assert_true(vt_pci_address_equal(&disk.pci, &((VtDiskDef *)def->disks->pdata[0])->info.address.pci));
    g_assert_true(vt_pci_address_equal(&net.pci, &((VtNetDef *)def->nets->pdata[1])->info.address.pci));
    g_assert_cmpuint(def->controllers->len, ==, controllers);
    g_assert_cmpuint(added->info.address.pci.bus, >, 0);
}

static void
test_no_two_devices_share_an_address(void)
{
    g_autoptr(GString) devices = g_string_new(NULL);
    g_autoptr(VtDomainDef) def = NULL;
    g_autoptr(VtPciSet) set = vt_pci_set_new();
    guint i;

    for (i = 0; i < 200; i++)
        g_string_append_printf(
            devices,
            "<interface type='user'><mac address='52:54:00:00:01:%02x'/><model type='%s'/></interface>", i,
            i % 3 ? "virtio" : "e1000");
    def = slots_def("q35", devices->str);
    assert_assigned(def);
    for (i = 0; i < def->nets->len; i++) {
        const VtAddress *address = &((VtNetDef *)def->nets->pdata[i])->info.address;

        g_assert_cmpint(address->type, ==, VT_ADDRESS_PCI);
        g_assert_true(vt_pci_set_add(set, &address->pci, "net", NULL));
    }
    for (i = 0; i < def->controllers->len; i++) {
        const VtControllerDef *controller = def->controllers->pdata[i];

        if (controller->info.address.type == VT_ADDRESS_PCI)
            g_assert_true(vt_pci_set_add(set, &controller->info.address.pci, "controller", NULL));
    }
}

static void
test_more_devices_than_buses_is_an_error(void)
{
    g_autoptr(GString) devices = g_string_new(NULL);
    g_autoptr(VtDomainDef) def = NULL;
    g_autofree char *problem = NULL;
    guint i;

    for (i = 0; i < 256; i++)
        g_string_append_printf(
            devices,
            "<interface type='user'><mac address='52:54:00:00:01:%02x'/><model type='virtio'/></interface>",
            i);
    def = slots_def("q35", devices->str);
    problem = assign(def);
    g_assert_nonnull(problem);
}

static void
test_machines_are_told_apart(void)
{
    static const struct {
        const char *machine;
        VtSlotsMachine expected;
    } rows[] = {
        { NULL, VT_SLOTS_MACHINE_OTHER },
        { "", VT_SLOTS_MACHINE_OTHER },
        { "q35", VT_SLOTS_MACHINE_Q35 },
        { "pc-q35-7.2", VT_SLOTS_MACHINE_Q35 },
        { "pc", VT_SLOTS_MACHINE_PC },
        { "pc-i440fx-2.0", VT_SLOTS_MACHINE_PC },
        { "microvm", VT_SLOTS_MACHINE_OTHER },
        { "isapc", VT_SLOTS_MACHINE_OTHER },
        { "pc-bogus-1.0", VT_SLOTS_MACHINE_OTHER },
    };
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(rows); i++)
        g_assert_cmpint(vt_slots_machine(rows[i].machine), ==, rows[i].expected);
}

/* Ports that cannot be unplugged are passed over by transients only. */
static void
test_a_transient_gets_a_pluggable_port(void)
{
    g_autoptr(VtDomainDef) def = slots_def(
        "q35",
        "<controller type='pci' index='0' model='pcie-root'/>"
        "<controller type='pci' index='1' model='pcie-root-port'><target hotplug='off'/></controller>"
        "<interface type='user'><mac address='52:54:00:00:00:01'/><model type='virtio'/><teaming type='persistent'/>"
        "<alias name='ua-n'/><address type='pci' bus='2' slot='0'/></interface>"
        "<interface type='hostdev'><source><address type='pci' domain='0' bus='1' slot='2' function='3'/></source>"
        "<teaming type='transient' persistent='ua-n'/></interface>");
    const VtControllerDef *port;
    const VtNetDef *transient;

    assert_assigned(def);
    transient = def->nets->pdata[1];
    port = vt_alias_controller(def, VT_CONTROLLER_PCI, (int)transient->info.address.pci.bus);
    g_assert_cmpstr(port->model, ==, "pcie-root-port");
    g_assert_cmpint(port->target_hotplug, !=, VT_TRISTATE_NO);
    g_assert_cmpuint(transient->info.address.pci.bus, !=, 1);
}

static void
test_plugging_finds_a_port_or_says_no(void)
{
    g_autoptr(VtDomainDef) def = slots_def("q35", NET(1));
    VtDeviceInfo spare = { 0 }, none = { 0 }, taken = { 0 };
    g_autoptr(GError) error = NULL, second = NULL;
    VtNetDef *net = g_new0(VtNetDef, 1);

    assert_assigned(def);
    g_assert_true(vt_slots_assign_one(def, &spare, &error));
    g_assert_no_error(error);
    g_assert_cmpint(spare.address.type, ==, VT_ADDRESS_PCI);

    net->model = g_strdup("virtio");
    net->info.address = spare.address;
    g_ptr_array_add(def->nets, net);
    g_assert_false(vt_slots_assign_one(def, &none, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
    g_assert_cmpint(none.address.type, ==, VT_ADDRESS_NONE);

    taken.address = spare.address;
    g_assert_false(vt_slots_assign_one(def, &taken, &second));
    g_assert_error(second, VT_ERROR, VT_ERROR_OPERATION_FAILED);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu/slots/assigning-twice-changes-nothing", test_assigning_twice_changes_nothing);
    g_test_add_func("/qemu/slots/a-new-device-moves-nothing", test_a_new_device_moves_nothing);
    g_test_add_func("/qemu/slots/no-two-devices-share-an-address", test_no_two_devices_share_an_address);
    g_test_add_func("/qemu/slots/more-devices-than-buses-is-an-error",
                    test_more_devices_than_buses_is_an_error);
    g_test_add_func("/qemu/slots/machines-are-told-apart", test_machines_are_told_apart);
    g_test_add_func("/qemu/slots/a-transient-gets-a-pluggable-port", test_a_transient_gets_a_pluggable_port);
    g_test_add_func("/qemu/slots/plugging-finds-a-port-or-says-no", test_plugging_finds_a_port_or_says_no);
    return g_test_run();
}
