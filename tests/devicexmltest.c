/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The elements of single devices. devicexmldata/ holds what stock libvirt 9.0 wrote for each (dumpxml of an
 * inactive domain): it must come back unchanged. The tables below hold what is completed, what is only
 * live, and what is refused.
 */
#include <string.h>

#include "conf/address.h"
#include "conf/chardev.h"
#include "conf/disk.h"
#include "conf/domain-xml.h"
#include "conf/hostdev.h"
#include "conf/misc-dev.h"
#include "conf/net.h"

typedef gboolean (*TestParse)(VtParseContext *ctx, xmlNode *node, gpointer *out);
typedef void (*TestValidate)(VtParseContext *ctx, const VtDomainDef *def, gconstpointer device);
typedef void (*TestFormat)(VtXmlWriter *writer, gconstpointer device, guint flags);

typedef struct {
    const char *element;
    TestParse parse;
    TestValidate validate;
    TestFormat format;
    gpointer (*copy)(gconstpointer device);
    GDestroyNotify free;
    gsize list; /* offset of its GPtrArray in VtDomainDef; 0: it has none */
} TestKind;

#define TEST_KIND(name, parse_, validate_, format_, stem, list_)                                             \
    {                                                                                                        \
        .element = name, .parse = (TestParse)(void *)parse_, .validate = (TestValidate)(void *)validate_,    \
        .format = (TestFormat)(void *)format_,                                                               \
        .copy = (gpointer(*)(gconstpointer))(void *)vt_##stem##_def_copy,                                    \
        .free = (GDestroyNotify)(void *)vt_##stem##_def_free, .list = list_                                  \
    }

#define TEST_LIST(member) G_STRUCT_OFFSET(VtDomainDef, member)

static const TestKind kinds[] = {
    TEST_KIND("disk", vt_disk_parse, vt_disk_validate, vt_disk_format, disk, TEST_LIST(disks)),
    TEST_KIND("interface", vt_net_parse, vt_net_validate, vt_net_format, net, TEST_LIST(nets)),
    TEST_KIND("hostdev", vt_hostdev_parse, vt_hostdev_validate, vt_hostdev_format, hostdev,
              TEST_LIST(hostdevs)),
    TEST_KIND("serial", vt_chardev_parse, vt_chardev_validate, vt_chardev_format, char, TEST_LIST(serials)),
    TEST_KIND("console", vt_chardev_parse, vt_chardev_validate, vt_chardev_format, char, TEST_LIST(consoles)),
    TEST_KIND("channel", vt_chardev_parse, vt_chardev_validate, vt_chardev_format, char, TEST_LIST(channels)),
    TEST_KIND("memballoon", vt_misc_dev_parse_memballoon, vt_misc_dev_validate_memballoon,
              vt_misc_dev_format_memballoon, memballoon, 0),
    TEST_KIND("rng", vt_misc_dev_parse_rng, vt_misc_dev_validate_rng, vt_misc_dev_format_rng, rng,
              TEST_LIST(rngs)),
    TEST_KIND("input", vt_misc_dev_parse_input, vt_misc_dev_validate_input, vt_misc_dev_format_input, input,
              TEST_LIST(inputs)),
    TEST_KIND("watchdog", vt_misc_dev_parse_watchdog, vt_misc_dev_validate_watchdog,
              vt_misc_dev_format_watchdog, watchdog, TEST_LIST(watchdogs)),
};

static const TestKind *
test_kind(const char *element)
{
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
        if (strcmp(kinds[i].element, element) == 0)
            return &kinds[i];
    return NULL;
}

/* A document of devices, read as a domain's are; every device goes into @def and is judged there. */
typedef struct {
    GPtrArray *problems;
    GPtrArray *texts; /* each device as written with @format_flags */
} TestResult;

static void
test_result_free(TestResult *result)
{
    g_ptr_array_unref(result->problems);
    g_ptr_array_unref(result->texts);
    g_free(result);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(TestResult, test_result_free)

static void
test_format(const TestKind *kind, gpointer device, guint flags, GPtrArray *texts)
{
    g_autoptr(VtXmlWriter) writer = vt_xml_writer_new();
    g_autoptr(VtXmlWriter) copy_writer = vt_xml_writer_new();
    gpointer copy = kind->copy(device);
    g_autofree char *copied = NULL;
    char *text;

    kind->format(writer, device, flags);
    kind->format(copy_writer, copy, flags);
    text = vt_xml_writer_finish(g_steal_pointer(&writer));
    copied = vt_xml_writer_finish(g_steal_pointer(&copy_writer));
    g_assert_cmpstr(copied, ==, text);
    kind->free(copy);
    g_ptr_array_add(texts, text);
}

static TestResult *
test_run(const char *devices, guint parse_flags, guint format_flags)
{
    g_autofree char *xml = g_strdup_printf("<devices>%s</devices>", devices);
    g_autoptr(GError) error = NULL;
    g_autoptr(VtXmlDoc) doc = vt_xml_parse(xml, &error);
    g_autoptr(VtDomainDef) def = vt_domain_def_new();
    TestResult *result = g_new0(TestResult, 1);
    VtParseContext ctx = { .problems = vt_xml_problems_new(), .flags = parse_flags };

    g_assert_no_error(error);
    result->problems = ctx.problems;
    result->texts = g_ptr_array_new_with_free_func(g_free);
    VT_XML_FOREACH(node, xmlDocGetRootElement(doc), NULL)
    {
        const TestKind *kind = test_kind((const char *)node->name);
        guint before = ctx.problems->len;
        gpointer device = NULL;
        gboolean ok;

        g_assert_nonnull(kind);
        ok = kind->parse(&ctx, node, &device);
        g_assert_cmpint(ok, ==, ctx.problems->len == before);
        g_assert_true(device || !ok);
        if (!device)
            continue;
        if (kind->list)
            g_ptr_array_add(G_STRUCT_MEMBER(GPtrArray *, def, kind->list), device);
        else
            def->memballoon = device;
        kind->validate(&ctx, def, device);
        test_format(kind, device, format_flags, result->texts);
    }
    return result;
}

static void
test_assert_clean(const TestResult *result)
{
    for (guint i = 0; i < result->problems->len; i++)
        g_test_message("problem: %s", ((GError *)g_ptr_array_index(result->problems, i))->message);
    g_assert_cmpuint(result->problems->len, ==, 0);
}

/* ---- what stock libvirt wrote ---- */

static void
test_golden(gconstpointer data)
{
    const char *path = data;
    g_autofree char *want = NULL;
    g_autoptr(TestResult) result = NULL;

    g_assert_true(g_file_get_contents(path, &want, NULL, NULL));
    result = test_run(want, 0, VT_XML_FORMAT_INACTIVE);
    test_assert_clean(result);
    g_assert_cmpuint(result->texts->len, ==, 1);
    g_assert_cmpstr(g_ptr_array_index(result->texts, 0), ==, want);
}

static void
test_add_goldens(void)
{
    g_autofree char *dir_path = g_build_filename(VT_TEST_DATA_DIR, "devicexmldata", NULL);
    g_autoptr(GDir) dir = g_dir_open(dir_path, 0, NULL);
    guint count = 0;

    g_assert_nonnull(dir);
    for (const char *name = g_dir_read_name(dir); name; name = g_dir_read_name(dir)) {
        g_autofree char *path = g_strconcat("/conf/device-xml/golden/", name, NULL);

        g_assert_true(g_str_has_suffix(name, ".xml"));
        g_test_add_data_func_full(path, g_build_filename(dir_path, name, NULL), test_golden, g_free);
        count++;
    }
    g_assert_cmpuint(count, >, 20);
}

/* ---- what is completed, kept or left out ---- */

typedef struct {
    const char *name, *in, *out;
    guint parse_flags, format_flags;
} TestConvert;

#define TEST_PTY_LIVE                                                                                        \
    "<serial type='pty'>\n  <source path='/dev/pts/3'/>\n  <target type='isa-serial' port='0'>\n"            \
    "    <model name='isa-serial'/>\n  </target>\n  <alias name='serial0'/>\n</serial>\n"
#define TEST_TAP_LIVE                                                                                        \
    "<interface type='bridge'>\n  <mac address='52:54:00:00:00:01'/>\n  <source bridge='br0'/>\n"            \
    "  <target dev='vnet12'/>\n  <model type='virtio'/>\n  <alias name='net0'/>\n</interface>\n"
#define TEST_NETWORK_LIVE                                                                                    \
    "<interface type='network'>\n  <source network='default' bridge='virbr0'/>\n</interface>\n"

static const TestConvert converts[] = {
    { "disk-bus-from-name", "<disk type='file'><source file='/a'/><target dev='vdc'/></disk>",
      "<disk type='file' device='disk'>\n  <driver name='qemu' type='raw'/>\n  <source file='/a'/>\n"
      "  <target dev='vdc' bus='virtio'/>\n</disk>\n",
      0, VT_XML_FORMAT_INACTIVE },
    { "sata-place-from-name", "<disk type='file'><source file='/a'/><target dev='sdh' bus='sata'/></disk>",
      "<disk type='file' device='disk'>\n  <driver name='qemu' type='raw'/>\n  <source file='/a'/>\n"
      "  <target dev='sdh' bus='sata'/>\n  <address type='drive' controller='1' bus='0' target='0' "
      "unit='1'/>\n</disk>\n",
      0, VT_XML_FORMAT_INACTIVE },
    { "live-disk-loses-index-and-backing-store",
      "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/a' index='3'/>"
      "<backingStore/><target dev='vda' bus='virtio'/><alias name='virtio-disk0'/></disk>",
      "<disk type='file' device='disk'>\n  <driver name='qemu' type='raw'/>\n  <source file='/a'/>\n"
      "  <target dev='vda' bus='virtio'/>\n</disk>\n",
      0, 0 },
    { "pty-path-kept-in-status", TEST_PTY_LIVE, TEST_PTY_LIVE, VT_PARSE_STATUS, 0 },
    { "pty-path-is-no-definition", TEST_PTY_LIVE,
      "<serial type='pty'>\n  <target type='isa-serial' port='0'>\n    <model name='isa-serial'/>\n"
      "  </target>\n</serial>\n",
      0, 0 },
    { "pty-path-left-out-when-inactive", TEST_PTY_LIVE,
      "<serial type='pty'>\n  <target type='isa-serial' port='0'>\n    <model name='isa-serial'/>\n"
      "  </target>\n</serial>\n",
      VT_PARSE_STATUS, VT_XML_FORMAT_INACTIVE },
    { "console-tty-in-live-xml",
      "<console type='pty' tty='/dev/pts/1'><source path='/dev/pts/1'/><target type='serial' port='0'/>"
      "</console>",
      "<console type='pty' tty='/dev/pts/1'>\n  <source path='/dev/pts/1'/>\n"
      "  <target type='serial' port='0'/>\n</console>\n",
      VT_PARSE_STATUS, 0 },
    { "channel-loses-state-and-made-up-path",
      "<channel type='unix'><source mode='bind' "
      "path='/var/lib/libvirt/qemu/channel/target/domain-1-a/org.qemu.guest_agent.0'/>"
      "<target type='virtio' name='org.qemu.guest_agent.0' state='disconnected'/></channel>",
      "<channel type='unix'>\n  <target type='virtio' name='org.qemu.guest_agent.0'/>\n</channel>\n", 0, 0 },
    { "automatic-tap-kept-in-status", TEST_TAP_LIVE, TEST_TAP_LIVE, VT_PARSE_STATUS, 0 },
    { "automatic-tap-is-no-definition", TEST_TAP_LIVE,
      "<interface type='bridge'>\n  <mac address='52:54:00:00:00:01'/>\n  <source bridge='br0'/>\n"
      "  <model type='virtio'/>\n</interface>\n",
      0, 0 },
    { "automatic-tap-left-out-when-inactive", TEST_TAP_LIVE,
      "<interface type='bridge'>\n  <mac address='52:54:00:00:00:01'/>\n  <source bridge='br0'/>\n"
      "  <model type='virtio'/>\n</interface>\n",
      VT_PARSE_STATUS, VT_XML_FORMAT_INACTIVE },
    { "named-tap-is-kept",
      "<interface type='bridge'><source bridge='br0'/><target dev='vnetwork'/></interface>",
      "<interface type='bridge'>\n  <source bridge='br0'/>\n  <target dev='vnetwork'/>\n</interface>\n", 0,
      VT_XML_FORMAT_INACTIVE },
    { "network-bridge-kept-in-status", TEST_NETWORK_LIVE, TEST_NETWORK_LIVE, VT_PARSE_STATUS, 0 },
    { "network-bridge-is-no-definition",
      "<interface type='network'><source network='default' portid='8d9f' bridge='virbr0'/></interface>",
      "<interface type='network'>\n  <source network='default'/>\n</interface>\n", 0, 0 },
    { "mac-in-lower-case", "<interface type='user'><mac address='52:54:00:AB:CD:EF'/></interface>",
      "<interface type='user'>\n  <mac address='52:54:00:ab:cd:ef'/>\n</interface>\n", 0, 0 },
    { "two-tags-are-a-trunk-only-elsewhere",
      "<interface type='hostdev'><source><address type='pci' bus='7' slot='0' function='0'/></source><vlan><tag id='7'/></vlan>"
      "</interface>",
      "<interface type='hostdev'>\n  <source>\n    <address type='pci' domain='0x0000' bus='0x07' "
      "slot='0x00' function='0x0'/>\n  </source>\n  <vlan>\n    <tag id='7'/>\n  </vlan>\n</interface>\n",
      0, 0 },
    { "transient-may-leave-its-source-to-the-policy",
      "<interface type='hostdev'><teaming type='transient' persistent='ua-n'/></interface>",
      "<interface type='hostdev'>\n  <teaming type='transient' persistent='ua-n'/>\n</interface>\n", 0, 0 },
    { "serial-completed", "<serial type='null'/>",
      "<serial type='null'>\n  <target type='isa-serial'>\n    <model name='isa-serial'/>\n  </target>\n"
      "</serial>\n",
      0, 0 },
    { "memballoon-none", "<memballoon model='none'/>", "<memballoon model='none'/>\n", 0, 0 },
    { "tablet-is-usb", "<input type='tablet'/>", "<input type='tablet' bus='usb'/>\n", 0, 0 },
    { "watchdog-resets", "<watchdog model='itco'/>", "<watchdog model='itco' action='reset'/>\n", 0, 0 },
};

static void
test_convert(gconstpointer data)
{
    const TestConvert *row = data;
    g_autoptr(TestResult) result = test_run(row->in, row->parse_flags, row->format_flags);

    test_assert_clean(result);
    g_assert_cmpuint(result->texts->len, ==, 1);
    g_assert_cmpstr(g_ptr_array_index(result->texts, 0), ==, row->out);
}

/* ---- what is refused ---- */

typedef struct {
    const char *name, *xml;
    VtErrorCode code;
    const char *text; /* must stand in the one message */
} TestRefuse;

#define TEST_DISK(rest)           "<disk type='file'><source file='/a'/>" rest "</disk>"
#define TEST_NET(type, rest)      "<interface type='" type "'>" rest "</interface>"
#define TEST_BRIDGE(rest)         TEST_NET("bridge", "<source bridge='br0'/>" rest)
#define TEST_HOST(rest)           "<source><address type='pci' bus='7' slot='0' function='0'/></source>" rest
#define TEST_HOSTDEV(attrs, rest) "<hostdev mode='subsystem' " attrs ">" rest "</hostdev>"
#define TEST_HOSTDEV_SOURCE       "<source><address bus='7' slot='0' function='0'/></source>"

static const TestRefuse refuses[] = {
    { "disk-type-block", "<disk type='block'><source dev='/dev/sda'/><target dev='vda'/></disk>",
      VT_ERROR_CONFIG_UNSUPPORTED, "'block'" },
    { "disk-type-network", "<disk type='network'><source protocol='rbd'/><target dev='vda'/></disk>",
      VT_ERROR_CONFIG_UNSUPPORTED, "'network'" },
    { "disk-device-lun", "<disk type='file' device='lun'><source file='/a'/><target dev='vda'/></disk>",
      VT_ERROR_CONFIG_UNSUPPORTED, "'lun'" },
    { "disk-device-unknown", "<disk type='file' device='tape'><source file='/a'/><target dev='vda'/></disk>",
      VT_ERROR_XML_DETAIL, "'tape'" },
    { "disk-format-vmdk", TEST_DISK("<driver type='vmdk'/><target dev='vda'/>"), VT_ERROR_CONFIG_UNSUPPORTED,
      "'vmdk'" },
    { "disk-iotune", TEST_DISK("<target dev='vda'/><iotune/>"), VT_ERROR_CONFIG_UNSUPPORTED, "<iotune>" },
    { "disk-driver-iothread", TEST_DISK("<driver iothread='1'/><target dev='vda'/>"),
      VT_ERROR_CONFIG_UNSUPPORTED, "'iothread'" },
    { "disk-target-tray", TEST_DISK("<target dev='vda' tray='open'/>"), VT_ERROR_CONFIG_UNSUPPORTED,
      "'tray'" },
    { "disk-unknown-child", TEST_DISK("<target dev='vda'/><bogus/>"), VT_ERROR_XML_DETAIL, "<bogus>" },
    { "disk-without-target", TEST_DISK(""), VT_ERROR_XML_DETAIL, "<target dev=''>" },
    { "disk-target-no-letters", TEST_DISK("<target dev='vd1' bus='virtio'/>"), VT_ERROR_XML_DETAIL, "'vd1'" },
    { "disk-target-short", TEST_DISK("<target dev='v' bus='virtio'/>"), VT_ERROR_XML_DETAIL, "'v'" },
    { "disk-bus-scsi-by-name", TEST_DISK("<target dev='sda'/>"), VT_ERROR_CONFIG_UNSUPPORTED, "'scsi'" },
    { "disk-bus-ide", TEST_DISK("<target dev='hda' bus='ide'/>"), VT_ERROR_CONFIG_UNSUPPORTED, "'ide'" },
    { "disk-without-source", "<disk type='file'><target dev='vda'/></disk>", VT_ERROR_XML_DETAIL,
      "<source file=''>" },
    { "disk-relative-path", "<disk type='file'><source file='a'/><target dev='vda'/></disk>",
      VT_ERROR_XML_DETAIL, "'a'" },
    { "disk-backing-chain",
      TEST_DISK("<backingStore type='file'><format type='raw'/><source file='/b'/></backingStore>"
                "<target dev='vda'/>"),
      VT_ERROR_CONFIG_UNSUPPORTED, "<backingStore>" },
    { "disk-serial-unsafe", TEST_DISK("<target dev='vda'/><serial>a,b</serial>"), VT_ERROR_XML_DETAIL,
      "'a,b'" },
    { "disk-io-native-cached", TEST_DISK("<driver io='native'/><target dev='vda'/>"),
      VT_ERROR_CONFIG_UNSUPPORTED, "cache='none'" },
    { "disk-queues-on-sata", TEST_DISK("<driver queues='2'/><target dev='sda' bus='sata'/>"),
      VT_ERROR_CONFIG_UNSUPPORTED, "queues='2'" },
    { "disk-cdrom-on-virtio", "<disk type='file' device='cdrom'><target dev='vda' bus='virtio'/></disk>",
      VT_ERROR_CONFIG_UNSUPPORTED, "bus='sata'" },
    { "disk-target-twice", TEST_DISK("<target dev='vda'/>") TEST_DISK("<target dev='vda'/>"),
      VT_ERROR_XML_DETAIL, "'vda'" },
    { "disk-drive-address-twice",
      TEST_DISK("<target dev='sda' bus='sata'/>") TEST_DISK(
          "<target dev='sdb' bus='sata'/><address type='drive' controller='0' bus='0' target='0' unit='0'/>"),
      VT_ERROR_XML_DETAIL, "unit='0'" },
    { "disk-shareable-qcow2", TEST_DISK("<driver type='qcow2'/><target dev='vda'/><shareable/>"),
      VT_ERROR_CONFIG_UNSUPPORTED, "'qcow2'" },
    { "net-without-type", "<interface><source bridge='br0'/></interface>", VT_ERROR_XML_DETAIL, "'type'" },
    { "net-type-vhostuser", TEST_NET("vhostuser", ""), VT_ERROR_CONFIG_UNSUPPORTED, "'vhostuser'" },
    { "net-type-vdpa", TEST_NET("vdpa", "<source dev='/dev/v'/>"), VT_ERROR_CONFIG_UNSUPPORTED, "'vdpa'" },
    { "net-type-unknown", TEST_NET("pigeon", ""), VT_ERROR_XML_DETAIL, "'pigeon'" },
    { "net-bridge-without-source", TEST_NET("bridge", ""), VT_ERROR_XML_DETAIL, "<source bridge=''>" },
    { "net-bridge-name-too-long", TEST_NET("bridge", "<source bridge='abcdefghijklmnop'/>"),
      VT_ERROR_XML_DETAIL, "'abcdefghijklmnop'" },
    { "net-bridge-source-device", TEST_NET("bridge", "<source bridge='br0' dev='n'/>"),
      VT_ERROR_CONFIG_UNSUPPORTED, "'dev'" },
    { "net-hostdev-source-network",
      TEST_NET("hostdev", "<source network='n'><address type='pci' bus='7' slot='0' function='0'/></source>"),
      VT_ERROR_CONFIG_UNSUPPORTED, "'network'" },
    { "net-bare-is-ours", "<interface type='bridge' bare='yes'><source bridge='br0'/></interface>",
      VT_ERROR_XML_DETAIL, "'bare'" },
    { "net-configured-is-ours", TEST_NET("bridge", "<source bridge='br0'/><configured/>"),
      VT_ERROR_XML_DETAIL, "configured" },
    { "net-vlan-of-network", TEST_NET("network", "<source network='n'/><vlan><tag id='5'/></vlan>"),
      VT_ERROR_CONFIG_UNSUPPORTED, "<vlan>" },
    { "net-network-without-source", TEST_NET("network", ""), VT_ERROR_XML_DETAIL, "<source network=''>" },
    { "net-direct-passthrough", TEST_NET("direct", "<source dev='eth0' mode='passthrough'/>"),
      VT_ERROR_CONFIG_UNSUPPORTED, "'passthrough'" },
    { "net-user-source", TEST_NET("user", "<source dev='eth0'/>"), VT_ERROR_CONFIG_UNSUPPORTED, "'dev'" },
    { "net-hostdev-without-source", TEST_NET("hostdev", ""), VT_ERROR_XML_DETAIL, "<source>" },
    { "net-hostdev-without-address", TEST_NET("hostdev", "<source/>"), VT_ERROR_XML_DETAIL, "<address" },
    { "net-mac-multicast", TEST_BRIDGE("<mac address='01:00:5e:00:00:01'/>"), VT_ERROR_XML_DETAIL,
      "unicast" },
    { "net-mac-zero", TEST_BRIDGE("<mac address='00:00:00:00:00:00'/>"), VT_ERROR_XML_DETAIL,
      "'00:00:00:00:00:00'" },
    { "net-mac-bad", TEST_BRIDGE("<mac address='52:54:00:00:00'/>"), VT_ERROR_XML_DETAIL,
      "'52:54:00:00:00'" },
    { "net-mac-twice", TEST_BRIDGE("<mac address='52:54:00:00:00:01'/><mac address='52:54:00:00:00:02'/>"),
      VT_ERROR_XML_DETAIL, "second time" },
    { "net-mac-type", TEST_BRIDGE("<mac address='52:54:00:00:00:01' type='static'/>"),
      VT_ERROR_CONFIG_UNSUPPORTED, "'type'" },
    { "net-bandwidth", TEST_BRIDGE("<bandwidth/>"), VT_ERROR_CONFIG_UNSUPPORTED, "<bandwidth>" },
    { "net-filterref", TEST_BRIDGE("<filterref filter='x'/>"), VT_ERROR_CONFIG_UNSUPPORTED, "<filterref>" },
    { "net-coalesce", TEST_BRIDGE("<coalesce/>"), VT_ERROR_CONFIG_UNSUPPORTED, "<coalesce>" },
    { "net-virtualport-kind", TEST_BRIDGE("<virtualport type='802.1Qbh'/>"), VT_ERROR_CONFIG_UNSUPPORTED,
      "'802.1Qbh'" },
    { "net-virtualport-unknown", TEST_BRIDGE("<virtualport type='patch'/>"), VT_ERROR_XML_DETAIL, "'patch'" },
    { "net-virtualport-id",
      TEST_BRIDGE("<virtualport type='openvswitch'><parameters interfaceid='7'/></virtualport>"),
      VT_ERROR_XML_DETAIL, "'7'" },
    { "net-virtualport-profile",
      TEST_BRIDGE("<virtualport type='openvswitch'><parameters profileid='a&quot;b'/></virtualport>"),
      VT_ERROR_XML_DETAIL, "profileid" },
    { "net-virtualport-instance",
      TEST_BRIDGE("<virtualport type='openvswitch'><parameters instanceid='7'/></virtualport>"),
      VT_ERROR_CONFIG_UNSUPPORTED, "'instanceid'" },
    { "net-virtualport-on-user", TEST_NET("user", "<virtualport type='openvswitch'/>"),
      VT_ERROR_CONFIG_UNSUPPORTED, "<virtualport>" },
    { "net-vlan-two-natives",
      TEST_BRIDGE("<vlan><tag id='5' nativeMode='tagged'/><tag id='6' nativeMode='untagged'/></vlan>"
                  "<virtualport type='openvswitch'/>"),
      VT_ERROR_XML_DETAIL, "nativeMode" },
    { "net-vlan-native-without-trunk",
      TEST_BRIDGE(
          "<vlan trunk='no'><tag id='5' nativeMode='tagged'/></vlan><virtualport type='openvswitch'/>"),
      VT_ERROR_XML_DETAIL, "trunk='no'" },
    { "net-script", TEST_NET("ethernet", "<script path='/x'/>"), VT_ERROR_CONFIG_UNSUPPORTED, "<script>" },
    { "net-tune", TEST_BRIDGE("<tune><sndbuf>1</sndbuf></tune>"), VT_ERROR_CONFIG_UNSUPPORTED, "<tune>" },
    { "net-ip", TEST_NET("user", "<ip address='1.2.3.4'/>"), VT_ERROR_CONFIG_UNSUPPORTED, "<ip>" },
    { "net-backend", TEST_NET("user", "<backend type='passt'/>"), VT_ERROR_CONFIG_UNSUPPORTED, "<backend>" },
    { "net-acpi-index", TEST_BRIDGE("<acpi index='3'/>"), VT_ERROR_CONFIG_UNSUPPORTED, "<acpi>" },
    { "net-driver-packed", TEST_BRIDGE("<model type='virtio'/><driver packed='on'/>"),
      VT_ERROR_CONFIG_UNSUPPORTED, "'packed'" },
    { "net-driver-host", TEST_BRIDGE("<model type='virtio'/><driver><host csum='off'/></driver>"),
      VT_ERROR_CONFIG_UNSUPPORTED, "<host>" },
    { "net-model-bad", TEST_BRIDGE("<model type='virtio,x=y'/>"), VT_ERROR_XML_DETAIL, "'virtio,x=y'" },
    { "net-queues-on-e1000e", TEST_BRIDGE("<model type='e1000e'/><driver queues='4'/>"),
      VT_ERROR_CONFIG_UNSUPPORTED, "'e1000e'" },
    { "net-queue-size-odd", TEST_BRIDGE("<model type='virtio'/><driver rx_queue_size='300'/>"),
      VT_ERROR_XML_DETAIL, "'300'" },
    { "net-queues-user", TEST_NET("user", "<model type='virtio'/><driver queues='4'/>"),
      VT_ERROR_CONFIG_UNSUPPORTED, "type='user'" },
    { "net-queues-too-many", TEST_BRIDGE("<model type='virtio'/><driver queues='17'/>"), VT_ERROR_XML_DETAIL,
      "'17'" },
    { "net-trust-bridge",
      "<interface type='bridge' trustGuestRxFilters='yes'><source bridge='br0'/><model type='virtio'/></interface>",
      VT_ERROR_CONFIG_UNSUPPORTED, "trustGuestRxFilters" },
    { "net-mtu-user", TEST_NET("user", "<mtu size='1400'/>"), VT_ERROR_CONFIG_UNSUPPORTED, "<mtu size=''>" },
    { "net-mtu-small", TEST_BRIDGE("<mtu size='60'/>"), VT_ERROR_XML_DETAIL, "'60'" },
    { "net-link-bad", TEST_BRIDGE("<link state='sideways'/>"), VT_ERROR_XML_DETAIL, "'sideways'" },
    { "net-link-down-hostdev", TEST_NET("hostdev", TEST_HOST("<link state='down'/>")),
      VT_ERROR_CONFIG_UNSUPPORTED, "<link state='down'>" },
    { "net-vlan-on-bridge", TEST_BRIDGE("<vlan><tag id='5'/></vlan>"), VT_ERROR_CONFIG_UNSUPPORTED,
      "<vlan>" },
    { "net-vlan-trunk-on-hostdev", TEST_NET("hostdev", TEST_HOST("<vlan><tag id='5'/><tag id='6'/></vlan>")),
      VT_ERROR_CONFIG_UNSUPPORTED, "trunk" },
    { "net-vlan-id", TEST_NET("hostdev", TEST_HOST("<vlan><tag id='4096'/></vlan>")), VT_ERROR_XML_DETAIL,
      "'4096'" },
    { "net-vlan-empty", TEST_NET("hostdev", TEST_HOST("<vlan/>")), VT_ERROR_XML_DETAIL, "<tag id=''/>" },
    { "net-vlan-native", TEST_NET("hostdev", TEST_HOST("<vlan><tag id='4' nativeMode='tagged'/></vlan>")),
      VT_ERROR_CONFIG_UNSUPPORTED, "trunk" },
    { "net-isolated-ethernet", TEST_NET("ethernet", "<port isolated='yes'/>"), VT_ERROR_CONFIG_UNSUPPORTED,
      "isolated" },
    { "net-managed-bridge", "<interface type='bridge' managed='yes'><source bridge='br0'/></interface>",
      VT_ERROR_CONFIG_UNSUPPORTED, "managed=" },
    { "net-target-not-managed-without-name", TEST_NET("ethernet", "<target managed='no'/>"),
      VT_ERROR_XML_DETAIL, "dev=" },
    { "net-target-name", TEST_NET("ethernet", "<target dev='a/b'/>"), VT_ERROR_XML_DETAIL, "'a/b'" },
    { "net-target-twice",
      TEST_NET("ethernet", "<target dev='t0'/>") TEST_NET("ethernet", "<target dev='t0'/>"),
      VT_ERROR_XML_DETAIL, "'t0'" },
    { "net-host-twice", TEST_NET("hostdev", TEST_HOST("")) TEST_NET("hostdev", TEST_HOST("")),
      VT_ERROR_XML_DETAIL, "0000:07:00.0" },
    { "net-hostdev-driver-kvm", TEST_NET("hostdev", TEST_HOST("<driver name='kvm'/>")),
      VT_ERROR_CONFIG_UNSUPPORTED, "'kvm'" },
    { "hostdev-without-type", TEST_HOSTDEV("", TEST_HOSTDEV_SOURCE), VT_ERROR_XML_DETAIL, "'type'" },
    { "hostdev-usb", TEST_HOSTDEV("type='usb'", "<source><vendor id='1'/></source>"),
      VT_ERROR_CONFIG_UNSUPPORTED, "'usb'" },
    { "hostdev-mdev-model", TEST_HOSTDEV("type='mdev' model='vfio-pci'", ""), VT_ERROR_CONFIG_UNSUPPORTED,
      NULL },
    { "hostdev-without-source", TEST_HOSTDEV("type='pci'", ""), VT_ERROR_XML_DETAIL, "<source>" },
    { "hostdev-without-address", TEST_HOSTDEV("type='pci'", "<source/>"), VT_ERROR_XML_DETAIL, "<address" },
    { "hostdev-write-filtering",
      TEST_HOSTDEV("type='pci'",
                   "<source writeFiltering='no'><address bus='7' slot='0' function='0'/></source>"),
      VT_ERROR_CONFIG_UNSUPPORTED, "'writeFiltering'" },
    { "hostdev-persistent", TEST_HOSTDEV("type='pci'", TEST_HOSTDEV_SOURCE "<teaming type='persistent'/>"),
      VT_ERROR_CONFIG_UNSUPPORTED, "persistent" },
    { "hostdev-managed-maybe", TEST_HOSTDEV("type='pci' managed='maybe'", TEST_HOSTDEV_SOURCE),
      VT_ERROR_XML_DETAIL, "'maybe'" },
    { "hostdev-twice",
      TEST_HOSTDEV("type='pci'", TEST_HOSTDEV_SOURCE) TEST_HOSTDEV("type='pci'", TEST_HOSTDEV_SOURCE),
      VT_ERROR_XML_DETAIL, "0000:07:00.0" },
    { "hostdev-and-interface",
      TEST_NET("hostdev", TEST_HOST("")) TEST_HOSTDEV("type='pci'", TEST_HOSTDEV_SOURCE), VT_ERROR_XML_DETAIL,
      "0000:07:00.0" },
    { "serial-tcp", "<serial type='tcp'><source mode='bind' host='h' service='1'/></serial>",
      VT_ERROR_CONFIG_UNSUPPORTED, "'tcp'" },
    { "serial-file-without-path", "<serial type='file'/>", VT_ERROR_XML_DETAIL, "<source path=''>" },
    { "serial-unix-without-path", "<serial type='unix'/>", VT_ERROR_XML_DETAIL, "path=''" },
    { "serial-usb", "<serial type='pty'><target type='usb-serial'/></serial>", VT_ERROR_CONFIG_UNSUPPORTED,
      "'usb-serial'" },
    { "serial-fifth-port", "<serial type='pty'><target port='4'/></serial>", VT_ERROR_CONFIG_UNSUPPORTED,
      "port='4'" },
    { "serial-port-twice",
      "<serial type='pty'><target port='1'/></serial><serial type='pty'><target port='1'/></serial>",
      VT_ERROR_XML_DETAIL, "port='1'" },
    { "serial-source-reconnect",
      "<serial type='unix'><source mode='connect' path='/s'><reconnect enabled='yes'/></source></serial>",
      VT_ERROR_CONFIG_UNSUPPORTED, "<reconnect>" },
    { "console-xen", "<console type='pty'><target type='xen'/></console>", VT_ERROR_CONFIG_UNSUPPORTED,
      "'xen'" },
    { "channel-guestfwd", "<channel type='unix'><target type='guestfwd' name='n'/></channel>",
      VT_ERROR_CONFIG_UNSUPPORTED, "'guestfwd'" },
    { "channel-without-target", "<channel type='unix'/>", VT_ERROR_XML_DETAIL, "<target type=''>" },
    { "channel-name-twice",
      "<channel type='unix'><target type='virtio' name='n'/></channel>"
      "<channel type='unix'><target type='virtio' name='n'/></channel>",
      VT_ERROR_XML_DETAIL, "'n'" },
    { "channel-spicevmc", "<channel type='spicevmc'><target type='virtio'/></channel>",
      VT_ERROR_CONFIG_UNSUPPORTED, "'spicevmc'" },
    { "memballoon-xen", "<memballoon model='xen'/>", VT_ERROR_CONFIG_UNSUPPORTED, "'xen'" },
    { "memballoon-driver", "<memballoon model='virtio'><driver iommu='on'/></memballoon>",
      VT_ERROR_CONFIG_UNSUPPORTED, "<driver>" },
    { "memballoon-none-with-stats", "<memballoon model='none'><stats period='3'/></memballoon>",
      VT_ERROR_XML_DETAIL, "<stats>" },
    { "rng-egd", "<rng model='virtio'><backend model='egd' type='udp'/></rng>", VT_ERROR_CONFIG_UNSUPPORTED,
      "'egd'" },
    { "rng-without-backend", "<rng model='virtio'/>", VT_ERROR_XML_DETAIL, "<backend>" },
    { "rng-relative", "<rng model='virtio'><backend model='random'>urandom</backend></rng>",
      VT_ERROR_XML_DETAIL, "'urandom'" },
    { "rng-builtin-with-path", "<rng model='virtio'><backend model='builtin'>/dev/random</backend></rng>",
      VT_ERROR_XML_DETAIL, "no path" },
    { "rng-rate-without-bytes", "<rng model='virtio'><rate period='1'/><backend model='builtin'/></rng>",
      VT_ERROR_XML_DETAIL, "'bytes'" },
    { "input-evdev", "<input type='evdev'><source dev='/x'/></input>", VT_ERROR_CONFIG_UNSUPPORTED, NULL },
    { "input-tablet-ps2", "<input type='tablet' bus='ps2'/>", VT_ERROR_CONFIG_UNSUPPORTED, "bus='ps2'" },
    { "watchdog-diag288", "<watchdog model='diag288'/>", VT_ERROR_CONFIG_UNSUPPORTED, "'diag288'" },
    { "watchdog-two-actions",
      "<watchdog model='itco' action='reset'/><watchdog model='i6300esb' action='pause'/>",
      VT_ERROR_CONFIG_UNSUPPORTED, "'pause'" },
};

/* Every row has exactly one fault, except those without text, which have several. */
static void
test_refuse(gconstpointer data)
{
    const TestRefuse *row = data;
    g_autofree char *indented = g_strconcat("\n\n", row->xml, NULL);
    g_autoptr(TestResult) result = test_run(indented, 0, 0);
    const GError *first;

    for (guint i = 0; i < result->problems->len; i++)
        g_test_message("problem: %s", ((GError *)g_ptr_array_index(result->problems, i))->message);
    g_assert_cmpuint(result->problems->len, >=, 1);
    first = g_ptr_array_index(result->problems, 0);
    g_assert_cmpint(first->code, ==, row->code);
    g_assert_nonnull(strstr(first->message, "(line 3)"));
    if (!row->text)
        return;
    g_assert_nonnull(strstr(first->message, row->text));
    g_assert_cmpuint(result->problems->len, ==, 1);
}

/* ---- names ---- */

static void
test_automatic_targets(void)
{
    static const struct {
        const char *name;
        gboolean automatic;
    } table[] = {
        { "vnet0", TRUE }, { "vnet123", TRUE }, { "macvtap7", TRUE }, { "macvlan1", TRUE },
        { "vnet", FALSE }, { "vnetx", FALSE },  { "vnet1x", FALSE },  { "tap0", FALSE },
        { "", FALSE },     { NULL, FALSE },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(table); i++)
        g_assert_cmpint(vt_net_target_is_automatic(table[i].name), ==, table[i].automatic);
}

static void
test_audio(void)
{
    static const struct {
        const char *xml;
        guint problems;
    } table[] = {
        { "<audio id='1' type='none'/>", 0 },
        { "<audio id='1' type='spice'/>", 1 },
        { "<audio id='2' type='none'/>", 1 },
        { "<audio id='1' type='none' timerPeriod='4'/>", 1 },
        { "<audio id='1'/>", 1 },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autofree char *xml = g_strdup_printf("<devices>%s</devices>", table[i].xml);
        g_autoptr(VtXmlDoc) doc = vt_xml_parse(xml, NULL);
        g_autoptr(GPtrArray) problems = vt_xml_problems_new();
        VtParseContext ctx = { .problems = problems };
        gboolean ok = vt_misc_dev_parse_audio(&ctx, vt_xml_child(xmlDocGetRootElement(doc), NULL));

        g_assert_cmpuint(problems->len, ==, table[i].problems);
        g_assert_cmpint(ok, ==, problems->len == 0);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/conf/net/automatic-target-names", test_automatic_targets);
    g_test_add_func("/conf/misc-dev/only-audio-none", test_audio);
    test_add_goldens();
    for (gsize i = 0; i < G_N_ELEMENTS(converts); i++) {
        g_autofree char *path = g_strconcat("/conf/device-xml/convert/", converts[i].name, NULL);

        g_test_add_data_func(path, &converts[i], test_convert);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(refuses); i++) {
        g_autofree char *path = g_strconcat("/conf/device-xml/refuse/", refuses[i].name, NULL);

        g_test_add_data_func(path, &refuses[i], test_refuse);
    }
    return g_test_run();
}
