/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A daemon was killed while a device was attached or detached: by what the journal says and what QEMU has, the next
 * one finishes it or takes it back. QEMU is lib/fake-guest.c.
 */
#include "driver/device-recover.h"

#include <string.h>
#include "driver/device-leaving.h"
#include "driver/journal.h"
#include "driver/lifecycle.h"
#include "driver/recover.h"
#include "driver/store.h"
#include "lib/fake-guest.h"

#define UUID_A "11111111-2222-3333-4444-00000000000a"

enum { LIVE = 1, CONFIG = 2 };

#define NIC(mac, rest)                                                                                       \
    "<interface type='user'><mac address='52:54:00:00:00:" mac "'/><model type='virtio'/>" rest "</interface>"
#define PORT "<controller type='pci' model='pcie-root-port'/>"
#define NEW                                                                                                  \
    NIC("09",                                                                                                \
        "<alias name='net1'/><address type='pci' domain='0x0000' bus='0x03' slot='0x00' function='0x0'/>")

static const char guest_devices[] =
    "<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><controller type='usb' model='none'/>" PORT PORT
        PORT PORT NIC("01", "<alias name='ua-first'/>") "<memballoon model='none'/></devices>";

typedef struct {
    const char *name;
    const char *kind, *step;
    guint flags;
    const char *has;           /* QEMU's devices */
    const char *live, *config; /* MACs afterwards */
    const char *command;       /* (nullable) QEMU was told */
    const char *leaving;       /* (nullable) is to leave still */
} Row;

#define FIRST "[{\"name\":\"ua-first\"}]"
#define BOTH  "[{\"name\":\"ua-first\"},{\"name\":\"net1\"}]"
#define NONE  "[]"

static const Row rows[] = {
    { "attach-before-qemu", "attach", "make-tap", LIVE | CONFIG, FIRST, "01", "01", "netdev_del", NULL },
    { "attach-back-end-only", "attach", "plug", LIVE | CONFIG, FIRST, "01", "01", "netdev_del", NULL },
    { "attach-names-are-closed", "attach", "plug", LIVE, FIRST, "01", "01", "closefd", NULL },
    { "attach-plugged", "attach", "plug", LIVE | CONFIG, BOTH, "01 09", "01 09", NULL, NULL },
    { "attach-plugged-live", "attach", "plug", LIVE, BOTH, "01 09", "01", NULL, NULL },
    { "attach-hidden", "attach", "adopt", LIVE, FIRST, "01 09", "01", NULL, NULL },
    { "detach-not-asked", "detach", "plan-unplug", LIVE | CONFIG, FIRST, "01", "01", NULL, NULL },
    { "detach-perhaps-asked", "detach", "ask-guest", LIVE | CONFIG, FIRST, "01", "", "device_del",
      "ua-first" },
    { "detach-gone-meanwhile", "detach", "ask-guest", LIVE, NONE, "", "01", "netdev_del", NULL },
    { "detach-gone", "detach", "clean-up", LIVE | CONFIG, NONE, "", "", "netdev_del", NULL },
    { "detach-gone-but-not-cleaned", "detach", "clean-up", LIVE, NONE, "", "01", "netdev_del", NULL },
    { "leaving-and-there", NULL, NULL, 0, FIRST, "01", "01", NULL, "ua-first" },
    { "leaving-and-gone", NULL, NULL, 0, NONE, "", "01", "netdev_del", NULL },
};

static char *
nics(const VtDomainDef *def)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < def->nets->len; i++)
        g_string_append_printf(text, "%s%02x", i ? " " : "",
                               ((VtNetDef *)g_ptr_array_index(def->nets, i))->mac.bytes[5]);
    return g_string_free(text, FALSE);
}

static VtDomain *
guest_start(FakeHost *host)
{
    g_autofree char *xml = fake_guest_xml("web", UUID_A, guest_devices);
    g_autoptr(GError) error = NULL;
    FakeDone told = { 0 };
    VtDomain *domain = fake_define(host->driver, xml, 0, &error);

    g_assert_no_error(error);
    vt_lifecycle_create(host->driver, domain, 0, NULL, fake_done, &told);
    fake_wait(&told.done);
    g_assert_no_error(told.error);
    fake_settle();
    return domain;
}

static void
guest_journal(VtDomain *domain, const Row *row)
{
    g_autofree char *flags = g_strdup_printf("%u", row->flags);
    gboolean attach = g_strcmp0(row->kind, "attach") == 0;
    FakeDone told = { 0 };

    if (!row->kind) {
        vt_device_leaving_add(domain, "ua-first");
        fake_settle();
        return;
    }
    vt_journal_begin(domain, row->kind);
    vt_journal_set(domain, "step", row->step);
    vt_journal_set(domain, "flags", flags);
    vt_journal_set(domain, "alias", attach ? "net1" : "ua-first");
    vt_journal_set(domain, "request", attach ? NIC("09", "") : NIC("01", ""));
    vt_journal_set(domain, "device", attach ? NEW : NIC("01", "<alias name='ua-first'/>"));
    vt_journal_sync(domain, fake_done, &told);
    fake_wait(&told.done);
    if (strstr(row->name, "not-cleaned")) {
        g_ptr_array_set_size(domain->live->nets, 0);
        vt_domain_status_changed(domain);
        fake_settle();
    }
}

static void
test_row(gconstpointer data)
{
    const Row *row = data;
    g_autofree char *live = NULL, *config = NULL, *commands = NULL;
    g_auto(GStrv) leaving = NULL, words = NULL;
    FakeDone told = { 0 };
    VtDomain *domain;
    FakeHost host;

    fake_host_open(&host);
    guest_journal(guest_start(&host), row);
    fake_host_crash(&host);
    fake_guest_answer("qom-list", row->has);
    g_free(fake_guest_commands());
    vt_store_load(host.driver);
    vt_recover_run(host.driver);
    fake_settle_for(300);
    domain = vt_driver_lookup_name(host.driver, "web", NULL);
    g_assert_true(domain && vt_domain_is_active(domain));
    live = nics(domain->live);
    config = nics(domain->persistent);
    commands = fake_guest_commands();
    words = g_strsplit(commands, " ", -1);
    leaving = vt_device_leaving_list(domain);
    g_test_message("%s", commands);
    g_assert_cmpstr(live, ==, row->live);
    g_assert_cmpstr(config, ==, row->config);
    if (row->command)
        g_assert_true(g_strv_contains((const char *const *)words, row->command));
    g_assert_cmpstr(leaving[0], ==, row->leaving);
    g_assert_null(vt_journal_kind(domain));
    g_assert_cmpuint(fake_guest_alive(), ==, 1);
    fake_guest_answer(NULL, NULL);
    vt_lifecycle_destroy(host.driver, domain, 0, fake_done, &told);
    fake_wait(&told.done);
    fake_host_close(&host);
}

/* What a guest leaves later, under another daemon, is not forgotten, and cleaned up behind. */
static void
test_leaves_later(void)
{
    static const Row row = { .kind = NULL };
    FakeDone told = { 0 };
    VtDomain *domain;
    FakeHost host;

    fake_host_open(&host);
    guest_journal(guest_start(&host), &row);
    fake_host_crash(&host);
    fake_guest_answer("qom-list", FIRST);
    vt_store_load(host.driver);
    vt_recover_run(host.driver);
    fake_settle_for(300);
    domain = vt_driver_lookup_name(host.driver, "web", NULL);
    g_assert_true(vt_device_leaving_has(domain, "ua-first"));
    fake_guest_event(domain,
                     "{\"event\":\"DEVICE_DELETED\",\"data\":{\"device\":\"ua-first\",\"path\":\"/x\"},"
                     "\"timestamp\":{\"seconds\":1,\"microseconds\":2}}");
    fake_settle();
    g_assert_cmpuint(domain->live->nets->len, ==, 0);
    g_assert_false(vt_device_leaving_has(domain, "ua-first"));
    fake_guest_answer(NULL, NULL);
    vt_lifecycle_destroy(host.driver, domain, 0, fake_done, &told);
    fake_wait(&told.done);
    fake_host_close(&host);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strconcat("/driver/device-recover/", rows[i].name, NULL);

        g_test_add_data_func(path, &rows[i], test_row);
    }
    g_test_add_func("/driver/device-recover/leaves-later", test_leaves_later);
    return g_test_run();
}
