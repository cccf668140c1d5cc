/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ports of virtual networks: the documents as a table, and taking and releasing with a network daemon that does what
 * the test says, also nothing.
 */
#include "driver/net-port.h"

#include <glib/gstdio.h>
#include <string.h>
#include "conf/domain-xml.h"
#include "conf/net.h"
#include "driver/domain-list.h"
#include "driver/domain-private.h"
#include "driver/net-port-xml.h"
#include "util/file.h"

#define NET_PORTTEST_UUID "11111111-2222-3333-4444-000000000001"
#define NET_PORTTEST_PORT "99999999-2222-4333-8444-000000000009"

/* ---- the documents ---- */

static VtNetDef *
net_porttest_net(const char *inside)
{
    g_autofree char *xml = g_strdup_printf(
        "<domain type='qemu'><name>web</name><uuid>" NET_PORTTEST_UUID "</uuid><memory unit='MiB'>64</memory>"
        "<os><type arch='x86_64' machine='q35'>hvm</type></os><devices>"
        "<interface type='bridge'><mac address='52:54:00:00:00:02'/><source bridge='br0'/><model type='virtio'/>"
        "<teaming type='persistent'/><alias name='ua-s'/></interface>"
        "<interface type='network'>%s</interface></devices></domain>",
        inside);
    g_autoptr(GError) error = NULL;
    g_autoptr(VtDomainDef) def = vt_domain_xml_parse(xml, &error);

    g_assert_no_error(error);
    return vt_net_def_copy(g_ptr_array_index(def->nets, 1));
}

#define NET_PORTTEST_PLAIN                                                                                   \
    "<mac address='52:54:00:00:00:01'/><source network='lan' portgroup='blue'/><model type='virtio'/>"
#define NET_PORTTEST_TRANSIENT                                                                               \
    "<mac address='52:54:00:00:00:02'/><source network='lan'/><teaming type='transient' persistent='ua-s'/>"

static void
test_what_is_asked_for(void)
{
    g_autoptr(VtNetDef) net =
        net_porttest_net("<mac address='52:54:00:00:00:02'/><source network='lan' portgroup='blue'/>"
                         "<vlan><tag id='7'/></vlan><port isolated='yes'/>"
                         "<teaming type='transient' persistent='ua-s'/>");
    VtUuid port, uuid;
    g_autofree char *text = NULL;

    g_assert_true(vt_uuid_parse(NET_PORTTEST_PORT, &port) && vt_uuid_parse(NET_PORTTEST_UUID, &uuid));
    text = vt_net_port_xml_format(net, &port, "a<b", &uuid);
    g_assert_cmpstr(
        text, ==,
        "<networkport>\n  <uuid>" NET_PORTTEST_PORT "</uuid>\n  <owner>\n    <name>a&lt;b</name>\n"
        "    <uuid>" NET_PORTTEST_UUID "</uuid>\n  </owner>\n  <group>blue</group>\n"
        "  <mac address='52:54:00:00:00:02'/>\n  <port isolated='yes'/>\n  <vlan>\n    <tag id='7'/>\n"
        "  </vlan>\n</networkport>\n");
}

static const struct {
    const char *name, *asked, *answer;
    const char *live;  /* what the live interface must say; NULL: it is refused */
    const char *words; /* of the refusal */
} net_porttest_answers[] = {
    { .name = "network",
      .asked = NET_PORTTEST_PLAIN,
      .answer = "<plug type='network' bridge='virbr0'/>",
      .live = "<source network='lan' portgroup='blue' portid='" NET_PORTTEST_PORT "' bridge='virbr0'/>" },
    { .name = "bridge",
      .asked = NET_PORTTEST_PLAIN,
      .answer = "<mac address='52:54:00:00:00:01'/><plug type='bridge' bridge='br9'/>",
      .live = "<source network='lan' portgroup='blue' portid='" NET_PORTTEST_PORT "' bridge='br9'/>" },
    { .name = "isolated",
      .asked = NET_PORTTEST_PLAIN,
      .answer = "<port isolated='yes'/><plug type='bridge' bridge='br9'/>",
      .live = "<port isolated='yes'/>" },
    { .name = "direct",
      .asked = NET_PORTTEST_PLAIN,
      .answer = "<plug type='direct' dev='ens3' mode='vepa'/>",
      .live = "dev='ens3' mode='vepa'/>" },
    { .name = "hostdev",
      .asked = NET_PORTTEST_TRANSIENT,
      .answer = "<plug type='hostdev-pci' managed='yes'><driver name='vfio'/>"
                "<address domain='0x0000' bus='0x3b' slot='0x10' function='0x1'/></plug>",
      .live = "<address type='pci' domain='0x0000' bus='0x3b' slot='0x10' function='0x1'/>" },
    { .name = "hostdev-vlan",
      .asked = NET_PORTTEST_TRANSIENT,
      .answer = "<vlan><tag id='42'/></vlan><plug type='hostdev-pci' managed='yes'>"
                "<address domain='0x0000' bus='0x3b' slot='0x10' function='0x1'/></plug>",
      .live = "<tag id='42'/>" },
    { .name = "hostdev-trunk",
      .asked = NET_PORTTEST_TRANSIENT,
      .answer = "<vlan trunk='yes'><tag id='42'/><tag id='43'/></vlan><plug type='hostdev-pci' managed='yes'>"
                "<address domain='0x0000' bus='0x3b' slot='0x10' function='0x1'/></plug>",
      .words = "VLAN trunk" },
    { .name = "hostdev-kvm",
      .asked = NET_PORTTEST_TRANSIENT,
      .answer =
          "<plug type='hostdev-pci'><driver name='kvm'/><address bus='1' slot='1' function='1'/></plug>",
      .words = "'kvm'" },
    { .name = "hostdev-nowhere",
      .asked = NET_PORTTEST_TRANSIENT,
      .answer = "<plug type='hostdev-pci' managed='yes'/>",
      .words = "<address>" },
    { .name = "hostdev-bad-address",
      .asked = NET_PORTTEST_TRANSIENT,
      .answer = "<plug type='hostdev-pci'><address bus='0x1ff' slot='1' function='1'/></plug>",
      .words = "bus" },
    { .name = "transient-on-bridge",
      .asked = NET_PORTTEST_TRANSIENT,
      .answer = "<plug type='bridge' bridge='br9'/>",
      .words = "lends no VFs" },
    { .name = "transient-on-macvtap",
      .asked = NET_PORTTEST_TRANSIENT,
      .answer = "<plug type='direct' dev='ens3'/>",
      .words = "lends no VFs" },
    { .name = "virtualport",
      .asked = NET_PORTTEST_PLAIN,
      .answer = "<virtualport type='802.1Qbh'><parameters profileid='x'/></virtualport>"
                "<plug type='direct' dev='ens3' mode='vepa'/>",
      .words = "<virtualport type='802.1Qbh'>" },
    { .name = "openvswitch",
      .asked = NET_PORTTEST_PLAIN,
      .answer =
          "<virtualport type='openvswitch'>"
          "<parameters interfaceid='09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f' profileid='web'/></virtualport>"
          "<plug type='bridge' bridge='ovs0'/>",
      .live = "<parameters interfaceid='09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f' profileid='web'/>" },
    { .name = "openvswitch-vlan",
      .asked = NET_PORTTEST_PLAIN,
      .answer = "<vlan trunk='yes'><tag id='42' nativeMode='untagged'/><tag id='43'/></vlan>"
                "<virtualport type='openvswitch'/><plug type='bridge' bridge='ovs0'/>",
      .live = "<tag id='42' nativeMode='untagged'/>" },
    { .name = "openvswitch-on-macvtap",
      .asked = NET_PORTTEST_PLAIN,
      .answer = "<virtualport type='openvswitch'/><plug type='direct' dev='ens3' mode='vepa'/>",
      .words = "<virtualport type='openvswitch'>" },
    { .name = "bandwidth",
      .asked = NET_PORTTEST_PLAIN,
      .answer = "<bandwidth><inbound average='1000'/></bandwidth><plug type='bridge' bridge='br9'/>",
      .words = "<bandwidth>" },
    { .name = "mac-table",
      .asked = NET_PORTTEST_PLAIN,
      .answer = "<plug type='network' bridge='virbr0' macTableManager='libvirt'/>",
      .words = "macTableManager" },
    { .name = "vlan-on-bridge",
      .asked = NET_PORTTEST_PLAIN,
      .answer = "<vlan><tag id='42'/></vlan><plug type='bridge' bridge='br9'/>",
      .words = "VLAN" },
    { .name = "long-bridge",
      .asked = NET_PORTTEST_PLAIN,
      .answer = "<plug type='bridge' bridge='abcdefghijklmnopq'/>",
      .words = "name of a link" },
    { .name = "unknown-plug",
      .asked = NET_PORTTEST_PLAIN,
      .answer = "<plug type='pigeon'/>",
      .words = "'pigeon'" },
    { .name = "no-plug", .asked = NET_PORTTEST_PLAIN, .answer = "", .words = "<plug>" },
};

static void
test_answer(gconstpointer user)
{
    gsize row = GPOINTER_TO_SIZE(user);
    g_autoptr(VtNetDef) net = net_porttest_net(net_porttest_answers[row].asked);
    g_autoptr(VtXmlWriter) live = vt_xml_writer_new(), inactive = vt_xml_writer_new(),
                           asked = vt_xml_writer_new();
    g_autofree char *xml = g_strdup_printf("<networkport>%s</networkport>", net_porttest_answers[row].answer);
    g_autofree char *live_text = NULL, *inactive_text = NULL, *asked_text = NULL;
    g_autoptr(GError) error = NULL;
    VtUuid port;
    gboolean ok;

    g_assert_true(vt_uuid_parse(NET_PORTTEST_PORT, &port));
    vt_net_format(asked, net, VT_XML_FORMAT_INACTIVE);
    asked_text = vt_xml_writer_finish(g_steal_pointer(&asked));
    ok = vt_net_port_xml_apply(net, &port, xml, &error);
    if (net_porttest_answers[row].live) {
        g_assert_no_error(error);
        g_assert_true(ok);
        g_assert_cmpstr(net->port, ==, NET_PORTTEST_PORT);
    } else {
        g_assert_false(ok);
        g_assert_nonnull(error);
        g_test_message("refused: %s", error->message);
        g_assert_nonnull(strstr(error->message, net_porttest_answers[row].words));
        g_assert_null(net->port);
        g_assert_null(net->configured);
    }
    vt_net_format(live, net, 0);
    vt_net_format(inactive, net, VT_XML_FORMAT_INACTIVE);
    live_text = vt_xml_writer_finish(g_steal_pointer(&live));
    inactive_text = vt_xml_writer_finish(g_steal_pointer(&inactive));
    g_test_message("%s", live_text);
    if (net_porttest_answers[row].live)
        g_assert_nonnull(strstr(live_text, net_porttest_answers[row].live));
    g_assert_cmpstr(inactive_text, ==, asked_text);
}

/* What the status file has comes back as it was. */
static void
test_status_round_trip(void)
{
    g_autoptr(VtNetDef) net = net_porttest_net(NET_PORTTEST_TRANSIENT);
    g_autoptr(GPtrArray) problems = vt_xml_problems_new();
    VtParseContext ctx = { .problems = problems, .flags = VT_PARSE_STATUS };
    g_autoptr(VtXmlWriter) writer = vt_xml_writer_new(), again = vt_xml_writer_new();
    g_autofree char *text = NULL, *text_again = NULL;
    g_autoptr(VtXmlDoc) doc = NULL;
    g_autoptr(VtNetDef) back = NULL;
    g_autoptr(GError) error = NULL;
    VtUuid port;

    g_assert_true(vt_uuid_parse(NET_PORTTEST_PORT, &port));
    g_assert_true(
        vt_net_port_xml_apply(net, &port,
                              "<networkport><plug type='hostdev-pci' managed='yes'>"
                              "<address bus='0x3b' slot='0x10' function='0x1'/></plug></networkport>",
                              &error));
    vt_net_format(writer, net, VT_XML_FORMAT_STATUS);
    text = vt_xml_writer_finish(g_steal_pointer(&writer));
    doc = vt_xml_parse(text, &error);
    g_assert_no_error(error);
    g_assert_true(vt_net_parse(&ctx, xmlDocGetRootElement(doc), &back));
    vt_net_format(again, back, VT_XML_FORMAT_STATUS);
    text_again = vt_xml_writer_finish(g_steal_pointer(&again));
    g_assert_cmpstr(text_again, ==, text);
    g_assert_cmpstr(back->port, ==, NET_PORTTEST_PORT);
    g_assert_cmpstr(back->network, ==, "lan");
    g_assert_nonnull(back->configured);
    g_assert_cmpint(back->configured->type, ==, VT_NET_NETWORK);
}

/* ---- taking and releasing ---- */

/* The network daemon, as it is for all threads. */
static struct {
    GMutex mutex;
    GCond changed;
    gboolean hangs;      /* calls wait until it does not */
    const char *refuses; /* words of a refusal; NULL: it gives */
    gboolean down;       /* it cannot be reached, for deleting neither */
    GHashTable *ports;   /* UUIDs */
    guint calls;
} net_porttest_daemon;

static gboolean
net_porttest_enter(GError **error)
{
    g_mutex_lock(&net_porttest_daemon.mutex);
    net_porttest_daemon.calls++;
    while (net_porttest_daemon.hangs)
        g_cond_wait(&net_porttest_daemon.changed, &net_porttest_daemon.mutex);
    if (!net_porttest_daemon.down)
        return TRUE;
    return vt_error_set(error, VT_ERROR_SYSTEM, "it is down");
}

static gboolean
net_porttest_leave(gboolean ok)
{
    g_mutex_unlock(&net_porttest_daemon.mutex);
    return ok;
}

static gboolean
net_porttest_create(const char *uri, const char *network, const char *xml, char **port_xml, GError **error)
{
    const char *uuid = strstr(xml, "<uuid>") + strlen("<uuid>");
    gboolean ok = net_porttest_enter(error);

    g_assert_cmpstr(network, ==, "lan");
    if (ok && net_porttest_daemon.refuses)
        ok = vt_error_set(error, VT_ERROR_OPERATION_FAILED, "%s", net_porttest_daemon.refuses);
    if (ok) {
        g_hash_table_add(net_porttest_daemon.ports, g_strndup(uuid, VT_UUID_STRING_SIZE - 1));
        *port_xml = g_strdup("<networkport><plug type='bridge' bridge='br9'/></networkport>");
    }
    return net_porttest_leave(ok);
}

static gboolean
net_porttest_remove(const char *uri, const char *network, const char *port, GError **error)
{
    gboolean ok = net_porttest_enter(error);

    if (ok)
        g_hash_table_remove(net_porttest_daemon.ports, port);
    return net_porttest_leave(ok);
}

static const VtNetPortClient net_porttest_client = { .create = net_porttest_create,
                                                     .remove = net_porttest_remove };

static void
net_porttest_hang(gboolean hangs)
{
    g_mutex_lock(&net_porttest_daemon.mutex);
    net_porttest_daemon.hangs = hangs;
    g_cond_broadcast(&net_porttest_daemon.changed);
    g_mutex_unlock(&net_porttest_daemon.mutex);
}

static guint
net_porttest_ports(void)
{
    guint n;

    g_mutex_lock(&net_porttest_daemon.mutex);
    n = g_hash_table_size(net_porttest_daemon.ports);
    g_mutex_unlock(&net_porttest_daemon.mutex);
    return n;
}

typedef struct {
    VtDriver driver;
    VtDriverConfig config;
    VtDomain *domain;
    char *dir;
    gboolean told;
    GError *error;
    VtDomainDef *taken;
} Fixture;

static void
net_porttest_open(Fixture *fixture, guint timeout_ms)
{
    fixture->driver = (VtDriver){ .config = &fixture->config };
    g_datalist_init(&fixture->driver.data);
    vt_domain_list_init(&fixture->driver);
    vt_net_port_set_client(&fixture->driver, &net_porttest_client, timeout_ms);
    vt_net_port_load(&fixture->driver);
}

static void
net_porttest_set_up(Fixture *fixture, gconstpointer user)
{
    VtUuid uuid;

    fixture->dir = g_dir_make_tmp("vt-net-port-XXXXXX", NULL);
    g_assert_nonnull(fixture->dir);
    fixture->config.lib_dir = fixture->dir;
    net_porttest_daemon.ports = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    net_porttest_daemon.refuses = NULL;
    net_porttest_daemon.down = FALSE;
    net_porttest_open(fixture, GPOINTER_TO_UINT(user));
    g_assert_true(vt_uuid_parse(NET_PORTTEST_UUID, &uuid));
    fixture->domain = vt_domain_new(NULL, "web", &uuid);
    fixture->domain->live = vt_domain_def_new();
    for (guint i = 0; i < 2; i++) {
        VtNetDef *net = net_porttest_net(NET_PORTTEST_PLAIN);

        net->mac.bytes[5] = (guint8)i;
        g_ptr_array_add(fixture->domain->live->nets, net);
    }
}

static guint
net_porttest_notes(Fixture *fixture)
{
    g_autofree char *path = g_build_filename(fixture->dir, "network-ports", NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    guint n = 0;

    while (dir && g_dir_read_name(dir))
        n++;
    return n;
}

static void
net_porttest_close(Fixture *fixture)
{
    g_datalist_clear(&fixture->driver.data);
    vt_domain_list_clear(&fixture->driver);
}

static void
net_porttest_tear_down(Fixture *fixture, gconstpointer user)
{
    g_autofree char *notes = g_build_filename(fixture->dir, "network-ports", NULL);

    net_porttest_hang(FALSE);
    vt_file_flush_async();
    net_porttest_close(fixture);
    vt_domain_unref(fixture->domain);
    vt_domain_def_free(fixture->taken);
    g_clear_error(&fixture->error);
    g_rmdir(notes);
    g_assert_cmpint(g_rmdir(fixture->dir), ==, 0);
    g_free(fixture->dir);
    g_hash_table_unref(net_porttest_daemon.ports);
}

static void
net_porttest_taken(gpointer user, const VtDomainDef *taken, const GError *error)
{
    Fixture *fixture = user;

    g_assert_false(fixture->told);
    fixture->told = TRUE;
    vt_domain_def_free(fixture->taken);
    fixture->taken = vt_domain_def_copy(taken);
    g_clear_error(&fixture->error);
    fixture->error = error ? g_error_copy(error) : NULL;
}

static void
net_porttest_done(gpointer user, const GError *error)
{
    Fixture *fixture = user;

    g_assert_no_error(error);
    fixture->told = TRUE;
}

static void
net_porttest_wait(Fixture *fixture)
{
    while (!fixture->told)
        g_main_context_iteration(NULL, TRUE);
    fixture->told = FALSE;
}

/* Until nothing is noted any more, which a hanging daemon delays. */
static void
net_porttest_wait_forgotten(Fixture *fixture)
{
    while (vt_net_port_count(&fixture->driver) > 0)
        g_main_context_iteration(NULL, TRUE);
    vt_file_flush_async();
    g_assert_cmpuint(net_porttest_notes(fixture), ==, 0);
    g_assert_cmpuint(net_porttest_ports(), ==, 0);
}

static void
net_porttest_take(Fixture *fixture)
{
    vt_net_port_take(&fixture->driver, fixture->domain, fixture->domain->live, FALSE, net_porttest_taken,
                     fixture);
    net_porttest_wait(fixture);
}

static void
net_porttest_release(Fixture *fixture)
{
    vt_net_port_release(&fixture->driver, &fixture->domain->uuid, net_porttest_done, fixture);
    net_porttest_wait(fixture);
}

static void
test_there_and_back(Fixture *fixture, gconstpointer user)
{
    const VtNetDef *net;

    g_assert_true(vt_net_port_wanted(fixture->domain->live));
    net_porttest_take(fixture);
    g_assert_no_error(fixture->error);
    vt_net_adopt(fixture->domain->live, fixture->taken);
    g_assert_false(vt_net_port_wanted(fixture->domain->live));
    net = g_ptr_array_index(fixture->domain->live->nets, 1);
    g_assert_cmpint(net->type, ==, VT_NET_BRIDGE);
    g_assert_cmpstr(net->bridge, ==, "br9");
    g_assert_cmpuint(net_porttest_ports(), ==, 2);
    g_assert_cmpuint(net_porttest_notes(fixture), ==, 2);
    vt_net_port_release_one(&fixture->driver, net->port, net_porttest_done, fixture);
    net_porttest_wait(fixture);
    g_assert_cmpuint(net_porttest_ports(), ==, 1);
    net_porttest_release(fixture);
    net_porttest_wait_forgotten(fixture);
}

static void
test_a_refusal_is_told(Fixture *fixture, gconstpointer user)
{
    net_porttest_daemon.refuses = "nothing left";
    net_porttest_take(fixture);
    g_assert_error(fixture->error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
    g_assert_cmpstr(fixture->error->message, ==, "nothing left");
    net_porttest_release(fixture);
    net_porttest_wait_forgotten(fixture);
}

static void
test_a_daemon_that_hangs_is_not_waited_for(Fixture *fixture, gconstpointer user)
{
    net_porttest_hang(TRUE);
    net_porttest_take(fixture);
    g_assert_error(fixture->error, VT_ERROR, VT_ERROR_TIMEOUT);
    net_porttest_release(fixture);
    g_assert_cmpuint(net_porttest_notes(fixture), ==, 1);
    /* It makes the port after all, when nobody wants it any more: it must not stay. */
    net_porttest_hang(FALSE);
    net_porttest_wait_forgotten(fixture);
}

static void
test_a_port_released_while_it_is_made_goes(Fixture *fixture, gconstpointer user)
{
    net_porttest_hang(TRUE);
    vt_net_port_take(&fixture->driver, fixture->domain, fixture->domain->live, FALSE, net_porttest_taken,
                     fixture);
    while (net_porttest_daemon.calls == 0)
        g_main_context_iteration(NULL, FALSE);
    vt_net_port_release(&fixture->driver, &fixture->domain->uuid, NULL, NULL);
    net_porttest_hang(FALSE);
    net_porttest_wait(fixture);
    g_assert_error(fixture->error, VT_ERROR, VT_ERROR_ABORTED);
    net_porttest_wait_forgotten(fixture);
}

static void
test_a_port_that_cannot_be_deleted_stays_noted(Fixture *fixture, gconstpointer user)
{
    net_porttest_take(fixture);
    net_porttest_daemon.down = TRUE;
    net_porttest_release(fixture); /* told all the same: the guest is gone */
    g_assert_cmpuint(net_porttest_notes(fixture), ==, 2);
    net_porttest_close(fixture); /* the daemon is gone, and comes back */
    net_porttest_daemon.down = FALSE;
    net_porttest_open(fixture, 10000);
    g_assert_cmpuint(vt_net_port_count(&fixture->driver), ==, 2);
    vt_net_port_recover(&fixture->driver);
    net_porttest_wait_forgotten(fixture);
}

static void
test_a_restart_keeps_what_a_running_guest_has(Fixture *fixture, gconstpointer user)
{
    VtUuid other;

    net_porttest_take(fixture);
    vt_net_adopt(fixture->domain->live, fixture->taken);
    g_ptr_array_remove_index(fixture->domain->live->nets,
                             1); /* one was not written to the status file any more */
    net_porttest_close(fixture);
    net_porttest_open(fixture, 10000);
    g_assert_true(vt_domain_list_insert(&fixture->driver, fixture->domain));
    vt_net_port_recover(&fixture->driver);
    while (vt_net_port_count(&fixture->driver) > 1)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpuint(net_porttest_ports(), ==, 1);
    vt_uuid_generate(&other);
    vt_net_port_release(&fixture->driver, &other, net_porttest_done, fixture);
    net_porttest_wait(fixture);
    g_assert_cmpuint(net_porttest_ports(), ==, 1);
    vt_net_port_release_unused(&fixture->driver, &fixture->domain->uuid, net_porttest_done, fixture);
    net_porttest_wait(fixture);
    g_assert_cmpuint(net_porttest_ports(), ==, 1);
    net_porttest_release(fixture);
    net_porttest_wait_forgotten(fixture);
}

static void
test_a_note_that_is_no_note_is_set_aside(Fixture *fixture, gconstpointer user)
{
    static const char *const files[] = { NET_PORTTEST_PORT ".json", "not-a-uuid.json" };
    g_autofree char *dir = g_build_filename(fixture->dir, "network-ports", NULL);

    g_assert_cmpint(g_mkdir(dir, 0700), ==, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(dir, files[i], NULL);

        g_assert_true(g_file_set_contents(
            path, i ? "{\"network\":\"n\",\"domain\":\"d\",\"uuid\":\"" NET_PORTTEST_UUID "\"}" : "{", -1,
            NULL));
    }
    vt_net_port_load(&fixture->driver);
    g_assert_cmpuint(vt_net_port_count(&fixture->driver), ==, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *name = g_strconcat(files[i], ".corrupt", NULL);
        g_autofree char *path = g_build_filename(dir, name, NULL);

        g_assert_cmpint(g_unlink(path), ==, 0);
    }
}

#define NET_PORTTEST_ADD(path, timeout_ms, func)                                                             \
    g_test_add("/driver/net-port/" path, Fixture, GUINT_TO_POINTER(timeout_ms), net_porttest_set_up, func,   \
               net_porttest_tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK); /* what cannot be deleted is said, as it should be */
    g_test_add_func("/driver/net-port/what-is-asked-for", test_what_is_asked_for);
    g_test_add_func("/driver/net-port/status-round-trip", test_status_round_trip);
    for (gsize i = 0; i < G_N_ELEMENTS(net_porttest_answers); i++) {
        g_autofree char *path = g_strconcat("/driver/net-port/answer/", net_porttest_answers[i].name, NULL);

        g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_answer);
    }
    NET_PORTTEST_ADD("there-and-back", 10000, test_there_and_back);
    NET_PORTTEST_ADD("a-refusal-is-told", 10000, test_a_refusal_is_told);
    NET_PORTTEST_ADD("a-daemon-that-hangs-is-not-waited-for", 50, test_a_daemon_that_hangs_is_not_waited_for);
    NET_PORTTEST_ADD("a-port-released-while-it-is-made-goes", 10000,
                     test_a_port_released_while_it_is_made_goes);
    NET_PORTTEST_ADD("a-port-that-cannot-be-deleted-stays-noted", 10000,
                     test_a_port_that_cannot_be_deleted_stays_noted);
    NET_PORTTEST_ADD("a-restart-keeps-what-a-running-guest-has", 10000,
                     test_a_restart_keeps_what_a_running_guest_has);
    NET_PORTTEST_ADD("a-note-that-is-no-note-is-set-aside", 10000, test_a_note_that_is_no_note_is_set_aside);
    return g_test_run();
}
