/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Devices that clients change: which one is meant, what happens to both definitions, what QEMU is told, and that
 * a failure leaves everything as it was. QEMU is lib/fake-guest.c; slots, aliases and rules are the real ones.
 */
#include "driver/device.h"

#include <string.h>
#include "conf/domain-xml.h"
#include "driver/device-find.h"
#include "driver/device-live.h"
#include "driver/job.h"
#include "driver/lifecycle.h"
#include "lib/fake-guest.h"

#define UUID_A "11111111-2222-3333-4444-00000000000a"

enum { LIVE = 1, CONFIG = 2 };

#define NIC(mac, rest) "<interface type='user'><mac address='52:54:00:00:00:" mac "'/>" rest "</interface>"
#define VIRTIO         "<model type='virtio'/>"
#define PORT           "<controller type='pci' model='pcie-root-port'/>"
#define DISK                                                                                                 \
    "<disk type='file'><source file='"                                                                       \
    "/dev/null"                                                                                              \
    "'/><target dev='vdb'/></disk>"

static const char guest_devices[] =
    "<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>"
    "<controller type='usb' model='none'/>" PORT PORT PORT PORT PORT PORT NIC("01", VIRTIO
                                                                              "<alias name='ua-first'/>")
        NIC("02", VIRTIO) NIC("02", "<model type='e1000e'/>") "<memballoon model='none'/></devices>";

typedef struct {
    FakeHost host;
    VtDomain *domain;
    GString *events;
    guint subscriptions[3];
} Fixture;

static void
note_device(const VtEvent *event, gpointer user)
{
    Fixture *f = user;

    g_string_append_printf(f->events, "%s%s %s", f->events->len ? ", " : "",
                           event->id == VT_EVENT_DEVICE_ADDED     ? "added"
                           : event->id == VT_EVENT_DEVICE_REMOVED ? "removed"
                                                                  : "refused",
                           event->device.alias);
}

static void
fixture_open(Fixture *f, gboolean running)
{
    static const int ids[] = { VT_EVENT_DEVICE_ADDED, VT_EVENT_DEVICE_REMOVED,
                               VT_EVENT_DEVICE_REMOVAL_FAILED };
    g_autofree char *xml = fake_guest_xml("web", UUID_A, guest_devices);
    g_autoptr(GError) error = NULL;
    FakeDone told = { 0 };

    fake_host_open(&f->host);
    f->events = g_string_new(NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(ids); i++)
        f->subscriptions[i] = vt_event_subscribe(f->host.driver, ids[i], NULL, NULL, 0, note_device, f);
    f->domain = fake_define(f->host.driver, xml, 0, &error);
    g_assert_no_error(error);
    if (running) {
        vt_lifecycle_create(f->host.driver, f->domain, 0, NULL, fake_done, &told);
        fake_wait(&told.done);
        g_assert_no_error(told.error);
    }
    fake_settle();
    g_free(fake_guest_commands());
}

static void
fixture_close(Fixture *f)
{
    FakeDone told = { 0 };

    g_assert_cmpint(vt_job_kind(f->domain), ==, VT_JOB_NONE);
    if (vt_domain_is_active(f->domain)) {
        vt_lifecycle_destroy(f->host.driver, f->domain, 0, fake_done, &told);
        fake_wait(&told.done);
        g_clear_error(&told.error);
    }
    fake_settle();
    for (gsize i = 0; i < G_N_ELEMENTS(f->subscriptions); i++)
        vt_event_unsubscribe(f->host.driver, f->subscriptions[i]);
    g_string_free(f->events, TRUE);
    fake_host_close(&f->host);
}

typedef void (*DeviceCall)(VtDriver *driver, VtDomain *domain, const char *xml, guint flags, VtDoneFunc done,
                           gpointer user);

static GError *
call(Fixture *f, DeviceCall func, const char *xml, guint flags)
{
    FakeDone told = { 0 };

    func(f->host.driver, f->domain, xml, flags, fake_done, &told);
    fake_wait(&told.done);
    fake_settle();
    return told.error;
}

/* What both definitions have, in short: "live / config" as lists of the last bytes of MACs. */
static char *
nics(const VtDomainDef *def)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; def && i < def->nets->len; i++) {
        const VtNetDef *net = g_ptr_array_index(def->nets, i);

        g_string_append_printf(text, "%s%02x%s", i ? " " : "", net->mac.bytes[5],
                               net->link == VT_LINK_DOWN ? "-" : "");
    }
    return g_string_free(text, FALSE);
}

static void
assert_state(Fixture *f, const char *live, const char *config, const char *commands, const char *events)
{
    g_autofree char *is_live = nics(f->domain->live);
    g_autofree char *is_config = nics(f->domain->persistent);
    g_autofree char *is_commands = fake_guest_commands();

    g_assert_cmpstr(is_live, ==, live);
    g_assert_cmpstr(is_config, ==, config);
    g_assert_cmpstr(is_commands, ==, commands);
    g_assert_cmpstr(f->events->str, ==, events);
    g_string_truncate(f->events, 0);
}

/* What is on disk is what is in memory. */
static void
assert_saved(Fixture *f)
{
    g_autofree char *path = g_build_filename(f->host.driver->config->config_dir, "web.xml", NULL);
    g_autofree char *text = NULL;
    g_autofree char *want =
        vt_domain_xml_format(f->domain->persistent, -1, VT_XML_FORMAT_INACTIVE | VT_XML_FORMAT_SECURE);

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, want);
}

/* ---- refusals: nothing changes, QEMU is told nothing ---- */

typedef struct {
    const char *name;
    gboolean running;
    DeviceCall func;
    guint flags;
    const char *xml;
    int code;
    const char *text;
} RefuseCase;

static const RefuseCase refusals[] = {
    { "flags", TRUE, vt_device_attach, 8, NIC("09", VIRTIO), VT_ERROR_INVALID_ARG, "0x8" },
    { "force-is-for-update", TRUE, vt_device_attach, 4, NIC("09", VIRTIO), VT_ERROR_INVALID_ARG, "0x4" },
    { "not-xml", TRUE, vt_device_attach, LIVE, "dev.xml", VT_ERROR_XML, NULL },
    { "not-running", FALSE, vt_device_attach, LIVE, NIC("09", VIRTIO), VT_ERROR_OPERATION_INVALID,
      "domain is not running" },
    { "attach-kind-live", TRUE, vt_device_attach, LIVE, "<memballoon model='virtio'/>", VT_ERROR_UNSUPPORTED,
      "live attach of device 'memballoon'" },
    { "attach-kind-config", TRUE, vt_device_attach, CONFIG, "<memballoon model='virtio'/>",
      VT_ERROR_UNSUPPORTED, "persistent attach of device 'memballoon'" },
    { "attach-sata-live", TRUE, vt_device_attach, LIVE,
      "<disk type='file'><source file='/dev/null'/><target dev='sdb' bus='sata'/></disk>",
      VT_ERROR_UNSUPPORTED, "'sata'" },
    { "attach-taken-alias", TRUE, vt_device_attach, LIVE, NIC("09", VIRTIO "<alias name='ua-first'/>"),
      VT_ERROR_XML_DETAIL, "ua-first" },
    { "attach-taken-slot", TRUE, vt_device_attach, LIVE,
      NIC("09", VIRTIO "<address type='pci' domain='0' bus='1' slot='0' function='0'/>"), -1, NULL },
    { "attach-bad-team", TRUE, vt_device_attach, LIVE,
      NIC("09", "<model type='vmxnet3'/><teaming type='transient' persistent='ua-none'/>"),
      VT_ERROR_XML_DETAIL, "ua-none" },
    { "attach-no-image", TRUE, vt_device_attach, LIVE,
      "<disk type='file'><source file='/nonexistent'/><target dev='vdb'/></disk>", VT_ERROR_OPERATION_FAILED,
      "/nonexistent" },
    { "attach-no-function", TRUE, vt_device_attach, LIVE,
      "<hostdev mode='subsystem' type='pci'><source><address domain='0xfffe' bus='7' slot='0' function='0'/>"
      "</source></hostdev>",
      VT_ERROR_OPERATION_FAILED, "fffe:07:00.0" },
    { "detach-no-mac", TRUE, vt_device_detach, LIVE, NIC("09", ""), VT_ERROR_NO_DEVICE, "52:54:00:00:00:09" },
    { "detach-no-mac-config", TRUE, vt_device_detach, CONFIG, NIC("09", ""), VT_ERROR_NO_DEVICE,
      "52:54:00:00:00:09" },
    { "detach-two-of-a-mac", TRUE, vt_device_detach, LIVE, NIC("02", ""), VT_ERROR_OPERATION_FAILED,
      "multiple devices matching MAC address 52:54:00:00:00:02" },
    { "detach-any", TRUE, vt_device_detach, LIVE, "<interface type='user'/>", VT_ERROR_OPERATION_FAILED,
      "multiple matching devices" },
    { "detach-wrong-alias", TRUE, vt_device_detach, LIVE, NIC("02", "<alias name='net7'/>"),
      VT_ERROR_NO_DEVICE, "net7" },
    { "detach-no-disk", TRUE, vt_device_detach, LIVE, DISK, VT_ERROR_NO_DEVICE, "disk vdb not found" },
    { "detach-no-disk-config", FALSE, vt_device_detach, CONFIG, DISK, VT_ERROR_NO_DEVICE,
      "no target device vdb" },
    { "detach-kind", TRUE, vt_device_detach, LIVE, "<memballoon model='none'/>", VT_ERROR_UNSUPPORTED,
      "memballoon" },
    { "alias-live", TRUE, vt_device_detach_alias, LIVE, "net9", VT_ERROR_NO_DEVICE, "net9" },
    { "alias-config", TRUE, vt_device_detach_alias, CONFIG, "net1", VT_ERROR_NO_DEVICE, "net1" },
    { "update-model", TRUE, vt_device_update, LIVE, NIC("01", "<model type='e1000e'/>"), VT_ERROR_UNSUPPORTED,
      "e1000e" },
    { "update-kind-live", TRUE, vt_device_update, LIVE, DISK, VT_ERROR_UNSUPPORTED, "'disk'" },
    { "update-kind-config", TRUE, vt_device_update, CONFIG,
      "<hostdev mode='subsystem' type='pci'><source><address bus='7' slot='0' function='0'/></source></hostdev>",
      VT_ERROR_UNSUPPORTED, "'hostdev'" },
    { "update-no-mac", TRUE, vt_device_update, LIVE, NIC("09", VIRTIO), VT_ERROR_NO_DEVICE, NULL },
};

static void
test_refuse(gconstpointer data)
{
    const RefuseCase *row = data;
    g_autoptr(GError) error = NULL;
    Fixture f = { 0 };

    fixture_open(&f, row->running);
    error = call(&f, row->func, row->xml, row->flags);
    g_assert_nonnull(error);
    g_test_message("%s", error->message);
    if (row->code >= 0)
        g_assert_error(error, VT_ERROR, row->code);
    if (row->text)
        g_assert_nonnull(strstr(error->message, row->text));
    assert_state(&f, row->running ? "01 02 02" : "", "01 02 02", "", "");
    fixture_close(&f);
}

/* A QEMU that dies is logged as an error, which is no failure of the test. */
static void
let_die(Fixture *f, FakeDone *told)
{
    const GLogLevelFlags fatal = G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING;

    g_log_set_always_fatal(G_LOG_FATAL_MASK);
    fake_guest_die(f->domain);
    fake_wait(&told->done);
    fake_settle();
    g_log_set_always_fatal(fatal);
    g_assert_nonnull(told->error);
    g_clear_error(&told->error);
}

/* ---- attach ---- */

static void
test_attach_both(void)
{
    g_autoptr(GError) error = NULL;
    const VtNetDef *live, *config;
    Fixture f = { 0 };

    fixture_open(&f, TRUE);
    error = call(&f, vt_device_attach, NIC("09", VIRTIO), LIVE | CONFIG);
    g_assert_no_error(error);
    assert_state(&f, "01 02 02 09", "01 02 02 09", "netdev_add device_add", "added net2");
    live = g_ptr_array_index(f.domain->live->nets, 3);
    config = g_ptr_array_index(f.domain->persistent->nets, 3);
    g_assert_cmpint(live->info.address.type, ==, VT_ADDRESS_PCI);
    g_assert_cmpint(config->info.address.type, ==, VT_ADDRESS_PCI);
    g_assert_null(config->info.alias);
    assert_saved(&f);
    fixture_close(&f);
}

/* A MAC that is made up is the same in both. */
static void
test_attach_made_mac(void)
{
    g_autoptr(GError) error = NULL;
    const VtNetDef *live, *config;
    Fixture f = { 0 };

    fixture_open(&f, TRUE);
    error =
        call(&f, vt_device_attach,
             "<interface type='user'><model type='virtio'/><link state='down'/></interface>", LIVE | CONFIG);
    g_assert_no_error(error);
    live = g_ptr_array_index(f.domain->live->nets, 3);
    config = g_ptr_array_index(f.domain->persistent->nets, 3);
    g_assert_true(vt_mac_equal(&live->mac, &config->mac));
    g_assert_cmpint(live->link, ==, VT_LINK_DOWN);
    fixture_close(&f);
}

static void
test_attach_current(void)
{
    g_autoptr(GError) error = NULL;
    Fixture f = { 0 };

    fixture_open(&f, FALSE);
    error = call(&f, vt_device_attach, NIC("09", VIRTIO), 0);
    g_assert_no_error(error);
    assert_state(&f, "", "01 02 02 09", "", "");
    assert_saved(&f);
    fixture_close(&f);
}

static void
test_attach_refused_by_qemu(void)
{
    g_autoptr(GError) error = NULL;
    Fixture f = { 0 };

    fixture_open(&f, TRUE);
    fake_guest_refuse("device_add", "GenericError");
    error = call(&f, vt_device_attach, NIC("09", VIRTIO), LIVE | CONFIG);
    fake_guest_refuse(NULL, NULL);
    g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
    assert_state(&f, "01 02 02", "01 02 02", "netdev_add device_add netdev_del", "");
    assert_saved(&f);
    fixture_close(&f);
}

static void
test_attach_qemu_dies(void)
{
    FakeDone told = { 0 };
    Fixture f = { 0 };

    fixture_open(&f, TRUE);
    fake_guest_mute("device_add");
    vt_device_attach(f.host.driver, f.domain, NIC("09", VIRTIO), LIVE | CONFIG, fake_done, &told);
    fake_settle();
    g_assert_false(told.done);
    let_die(&f, &told);
    fake_guest_mute(NULL);
    g_free(fake_guest_commands());
    assert_state(&f, "", "01 02 02", "", "");
    fixture_close(&f);
}

/* Six ports, three taken: the fourth that comes finds none. */
static void
test_attach_until_full(void)
{
    g_autoptr(GError) error = NULL;
    Fixture f = { 0 };
    guint n = 0;

    fixture_open(&f, TRUE);
    while (!(error = call(&f, vt_device_attach, "<interface type='user'><model type='virtio'/></interface>",
                          LIVE)))
        g_assert_cmpuint(++n, <, 10);
    g_test_message("%u, then: %s", n, error->message);
    g_assert_cmpuint(n, ==, 3);
    g_assert_cmpuint(f.domain->live->nets->len, ==, 6);
    fixture_close(&f);
}

static void
test_attach_disk(void)
{
    g_autoptr(GError) error = NULL;
    Fixture f = { 0 };

    fixture_open(&f, TRUE);
    fake_guest_answer("query-named-block-nodes",
                      "[{\"node-name\":\"libvirt-4-format\",\"file\":\"/other\"},{\"node-name\":\"x\"}]");
    error = call(&f, vt_device_attach, DISK, LIVE);
    g_assert_no_error(error);
    assert_state(&f, "01 02 02", "01 02 02", "query-named-block-nodes blockdev-add blockdev-add device_add",
                 "added virtio-disk0");
    g_assert_cmpuint(f.domain->live->disks->len, ==, 1);
    g_assert_cmpuint(f.domain->persistent->disks->len, ==, 0);
    /* It goes again, with its nodes, although nobody here asked for it. */
    fake_guest_answer("query-named-block-nodes",
                      "[{\"node-name\":\"libvirt-4-format\",\"file\":\"/other\"},"
                      "{\"node-name\":\"libvirt-5-format\",\"file\":\"/dev/null\"},"
                      "{\"node-name\":\"libvirt-5-storage\",\"file\":\"/dev/null\"}]");
    fake_guest_event(f.domain, "{\"event\":\"DEVICE_DELETED\",\"data\":{\"device\":\"virtio-disk0\","
                               "\"path\":\"/x\"},\"timestamp\":{\"seconds\":1,\"microseconds\":2}}");
    fake_settle();
    fake_guest_answer(NULL, NULL);
    g_assert_cmpuint(f.domain->live->disks->len, ==, 0);
    assert_state(&f, "01 02 02", "01 02 02", "query-named-block-nodes blockdev-del blockdev-del",
                 "removed virtio-disk0");
    fixture_close(&f);
}

/* As a daemon that was killed in the middle of it left them. */
static void
test_half_of_a_disk_goes(void)
{
    g_autoptr(GError) error = NULL;
    Fixture f = { 0 };

    fixture_open(&f, TRUE);
    fake_guest_answer("query-named-block-nodes", "[]");
    error = call(&f, vt_device_attach, DISK, LIVE);
    g_assert_no_error(error);
    assert_state(&f, "01 02 02", "01 02 02", "query-named-block-nodes blockdev-add blockdev-add device_add",
                 "added virtio-disk0");
    fake_guest_answer("query-named-block-nodes",
                      "[{\"node-name\":\"libvirt-4-storage\",\"file\":\"/other\"},"
                      "{\"node-name\":\"libvirt-5-storage\",\"file\":\"/dev/null\"}]");
    fake_guest_event(f.domain, "{\"event\":\"DEVICE_DELETED\",\"data\":{\"device\":\"virtio-disk0\","
                               "\"path\":\"/x\"},\"timestamp\":{\"seconds\":1,\"microseconds\":2}}");
    fake_settle();
    fake_guest_answer(NULL, NULL);
    assert_state(&f, "01 02 02", "01 02 02", "query-named-block-nodes blockdev-del", "removed virtio-disk0");
    fixture_close(&f);
}

/* ---- detach ---- */

static void
let_go(Fixture *f, const char *alias)
{
    g_autofree char *json =
        g_strdup_printf("{\"event\":\"DEVICE_DELETED\",\"data\":{\"device\":\"%s\",\"path\":\"/x\"},"
                        "\"timestamp\":{\"seconds\":1,\"microseconds\":2}}",
                        alias);

    fake_guest_event(f->domain, json);
    fake_settle();
}

static void
test_detach(void)
{
    FakeDone told = { 0 };
    Fixture f = { 0 };

    fixture_open(&f, TRUE);
    vt_device_detach(f.host.driver, f.domain,
                     NIC("02", "<address type='pci' domain='0' bus='2' slot='0' function='0'/>"),
                     LIVE | CONFIG, fake_done, &told);
    fake_settle();
    g_assert_false(told.done);
    assert_state(&f, "01 02 02", "01 02 02", "device_del", "");
    let_go(&f, "net0");
    fake_wait(&told.done);
    fake_settle();
    g_assert_no_error(told.error);
    assert_state(&f, "01 02", "01 02", "netdev_del", "removed net0");
    assert_saved(&f);
    fixture_close(&f);
}

/* As under libvirt: the call succeeds after a while, the event comes when the guest has let go. */
static void
test_detach_slow_guest(void)
{
    g_autoptr(GError) error = NULL;
    Fixture f = { 0 };

    fixture_open(&f, TRUE);
    error = call(&f, vt_device_detach, NIC("01", ""), LIVE);
    g_assert_no_error(error);
    assert_state(&f, "01 02 02", "01 02 02", "device_del", "");
    let_go(&f, "ua-first");
    assert_state(&f, "02 02", "01 02 02", "netdev_del", "removed ua-first");
    fixture_close(&f);
}

static void
test_detach_alias(void)
{
    g_autoptr(GError) error = NULL;
    Fixture f = { 0 };

    fixture_open(&f, TRUE);
    error = call(&f, vt_device_detach_alias, "ua-first", LIVE | CONFIG);
    g_assert_no_error(error);
    assert_state(&f, "01 02 02", "02 02", "device_del", "");
    let_go(&f, "ua-first");
    assert_state(&f, "02 02", "02 02", "netdev_del", "removed ua-first");
    fixture_close(&f);
}

static void
test_detach_gone_before(void)
{
    g_autoptr(GError) error = NULL;
    Fixture f = { 0 };

    fixture_open(&f, TRUE);
    fake_guest_refuse("device_del", "DeviceNotFound");
    error = call(&f, vt_device_detach, NIC("01", ""), LIVE);
    fake_guest_refuse(NULL, NULL);
    g_assert_no_error(error);
    assert_state(&f, "02 02", "01 02 02", "device_del netdev_del", "removed ua-first");
    fixture_close(&f);
}

static void
test_detach_refused(void)
{
    g_autoptr(GError) error = NULL;
    Fixture f = { 0 };

    fixture_open(&f, TRUE);
    fake_guest_refuse("device_del", "GenericError");
    error = call(&f, vt_device_detach, NIC("01", ""), LIVE | CONFIG);
    fake_guest_refuse(NULL, NULL);
    g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
    assert_state(&f, "01 02 02", "01 02 02", "device_del", "");
    fixture_close(&f);
}

static void
test_detach_qemu_dies(void)
{
    FakeDone told = { 0 };
    Fixture f = { 0 };

    fixture_open(&f, TRUE);
    vt_device_detach(f.host.driver, f.domain, NIC("01", ""), LIVE, fake_done, &told);
    fake_settle();
    let_die(&f, &told);
    g_assert_cmpstr(f.events->str, ==, "");
    fixture_close(&f);
}

static void
test_stranger_gone(void)
{
    Fixture f = { 0 };

    fixture_open(&f, TRUE);
    let_go(&f, "stranger");
    fake_guest_event(f.domain, "{\"event\":\"DEVICE_DELETED\",\"data\":{\"path\":\"/machine/x/bus\"},"
                               "\"timestamp\":{\"seconds\":1,\"microseconds\":2}}");
    fake_guest_event(f.domain, "{\"event\":\"DEVICE_UNPLUG_GUEST_ERROR\",\"data\":{\"device\":\"ua-first\","
                               "\"path\":\"/x\"},\"timestamp\":{\"seconds\":1,\"microseconds\":2}}");
    fake_settle();
    assert_state(&f, "01 02 02", "01 02 02", "", "refused ua-first");
    fixture_close(&f);
}

/* ---- update ---- */

static void
test_update_link(void)
{
    static const struct {
        const char *xml, *live, *config, *commands;
        guint flags;
    } table[] = {
        { NIC("01", VIRTIO "<link state='down'/>"), "01- 02 02", "01 02 02", "set_link", LIVE },
        { NIC("01", VIRTIO "<link state='down'/>"), "01- 02 02", "01 02 02", "", LIVE },
        { NIC("01", VIRTIO "<link state='down'/><alias name='ua-first'/>"), "01- 02 02", "01- 02 02", "",
          CONFIG },
        { NIC("01", VIRTIO "<link state='up'/><alias name='ua-first'/>"), "01 02 02", "01 02 02", "set_link",
          LIVE | CONFIG },
        { NIC("02", "<model type='e1000e'/><link state='down'/><alias name='net1'/>"), "01 02 02-",
          "01 02 02", "set_link", 0 },
    };
    Fixture f = { 0 };

    fixture_open(&f, TRUE);
    for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autoptr(GError) error = call(&f, vt_device_update, table[i].xml, table[i].flags);

        g_assert_no_error(error);
        assert_state(&f, table[i].live, table[i].config, table[i].commands, "");
    }
    fixture_close(&f);
}

/* What the live XML says goes back in as it is: domif-setlink does that. */
static void
test_update_with_live_xml(void)
{
    Fixture f = { 0 };

    fixture_open(&f, TRUE);
    for (guint i = 0; i < f.domain->live->nets->len; i++) {
        const VtDevice device = { .kind = VT_DEVICE_NET, .net = g_ptr_array_index(f.domain->live->nets, i) };
        g_autofree char *xml = vt_device_xml_format(&device, 0);
        g_autoptr(GError) error = call(&f, vt_device_update, xml, LIVE);

        g_assert_no_error(error);
    }
    assert_state(&f, "01 02 02", "01 02 02", "", "");
    fixture_close(&f);
}

/* A redefinition of a NIC keeps its slot. */
static void
test_update_config(void)
{
    g_autoptr(GError) error = NULL;
    const VtNetDef *net;
    VtPciAddress before;
    Fixture f = { 0 };

    fixture_open(&f, FALSE);
    before = ((VtNetDef *)g_ptr_array_index(f.domain->persistent->nets, 0))->info.address.pci;
    error = call(&f, vt_device_update, NIC("01", "<model type='e1000e'/>"), CONFIG);
    g_assert_no_error(error);
    net = g_ptr_array_index(f.domain->persistent->nets, 0);
    g_assert_cmpstr(net->model, ==, "e1000e");
    g_assert_cmpstr(net->info.alias, ==, "ua-first");
    g_assert_cmpuint(net->info.address.pci.bus, ==, before.bus);
    assert_saved(&f);
    fixture_close(&f);
}

/* ---- the attach table ---- */

static const char *fault_step;

static gboolean
fault_hook(const VtSeqTable *table, const VtStep *step, GError **error)
{
    if (table == vt_device_live_attach_table() && g_strcmp0(step->name, fault_step) == 0)
        return vt_error_set(error, VT_ERROR_OPERATION_FAILED, "injected at %s", step->name);
    return TRUE;
}

/* "adopt" is after the plug, which nothing takes back: it can fail only when the guest has ended. */
static void
test_fault_at_every_step(void)
{
    const VtSeqTable *table = vt_device_live_attach_table();
    Fixture f = { 0 };

    fixture_open(&f, TRUE);
    vt_seq_set_fault_hook(fault_hook);
    for (gsize i = 0; i + 1 < table->n_steps; i++) {
        g_autoptr(GError) error = NULL;

        fault_step = table->steps[i].name;
        error = call(&f, vt_device_attach, NIC("09", VIRTIO), LIVE | CONFIG);
        g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
        g_assert_nonnull(strstr(error->message, fault_step));
        assert_state(&f, "01 02 02", "01 02 02", "", "");
    }
    vt_seq_set_fault_hook(NULL);
    fixture_close(&f);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(refusals); i++) {
        g_autofree char *path = g_strconcat("/driver/device/refuse/", refusals[i].name, NULL);

        g_test_add_data_func(path, &refusals[i], test_refuse);
    }
    g_test_add_func("/driver/device/attach/live-and-config", test_attach_both);
    g_test_add_func("/driver/device/attach/made-mac-is-the-same", test_attach_made_mac);
    g_test_add_func("/driver/device/attach/current-of-a-stopped-guest", test_attach_current);
    g_test_add_func("/driver/device/attach/refused-by-qemu", test_attach_refused_by_qemu);
    g_test_add_func("/driver/device/attach/qemu-dies", test_attach_qemu_dies);
    g_test_add_func("/driver/device/attach/until-full", test_attach_until_full);
    g_test_add_func("/driver/device/attach/disk-and-back", test_attach_disk);
    g_test_add_func("/driver/device/half-of-a-disk-goes", test_half_of_a_disk_goes);
    g_test_add_func("/driver/device/attach/fault-at-every-step", test_fault_at_every_step);
    g_test_add_func("/driver/device/detach/live-and-config", test_detach);
    g_test_add_func("/driver/device/detach/slow-guest", test_detach_slow_guest);
    g_test_add_func("/driver/device/detach/alias-does-not-wait", test_detach_alias);
    g_test_add_func("/driver/device/detach/gone-before", test_detach_gone_before);
    g_test_add_func("/driver/device/detach/refused-by-qemu", test_detach_refused);
    g_test_add_func("/driver/device/detach/qemu-dies", test_detach_qemu_dies);
    g_test_add_func("/driver/device/detach/strangers-are-ignored", test_stranger_gone);
    g_test_add_func("/driver/device/update/link", test_update_link);
    g_test_add_func("/driver/device/update/live-xml-as-it-is", test_update_with_live_xml);
    g_test_add_func("/driver/device/update/config-keeps-the-slot", test_update_config);
    return g_test_run();
}
