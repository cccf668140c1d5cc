/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The calls of a migration at the source alone, against guests without QEMU; the other side is what this file says. */
#include "driver/migrate.h"

#include <string.h>
#include "conf/domain-xml.h"
#include "driver/job.h"
#include "driver/journal.h"
#include "lib/migrate-host.h"

/* ---- the source's calls ---- */

static void
src_begin(FakeHost *host, VtDomain *domain, Reply *reply)
{
    vt_migrate_begin(host->driver, domain, NULL, VT_MIG_FLAG_LIVE, OWNER, note_reply, reply);
    assert_reply(reply, -1);
    g_assert_cmpint(vt_job_kind(domain), ==, VT_JOB_MIGRATION_OUT);
}

static void
src_perform(FakeHost *host, VtDomain *domain, GBytes *cookie, Reply *reply)
{
    g_autoptr(VtTypedParams) params = vt_typed_params_new();

    vt_typed_params_add_string(params, "migrate_uri", "tcp:two.example:49152");
    vt_migrate_perform(host->driver, domain, NULL, params, cookie, VT_MIG_FLAG_LIVE, OWNER, note_reply,
                       reply);
}

static void
src_confirm(FakeHost *host, VtDomain *domain, gboolean cancelled, int code)
{
    g_autoptr(GBytes) none = g_bytes_new(NULL, 0);
    g_auto(Reply) reply = { 0 };

    vt_migrate_confirm(host->driver, domain, NULL, none, VT_MIG_FLAG_LIVE, cancelled, OWNER, note_reply,
                       &reply);
    assert_reply(&reply, code);
}

/* A guest of which everything is sent. */
static VtDomain *
src_performed(FakeHost *host, GBytes **cookie)
{
    VtDomain *domain = host_start(host);
    g_auto(Reply) begin = { 0 }, perform = { 0 };

    src_begin(host, domain, &begin);
    src_perform(host, domain, begin.cookie, &perform);
    assert_reply(&perform, -1);
    g_assert_cmpstr(vt_journal_get(domain, "phase"), ==, "perform-done");
    if (cookie)
        *cookie = g_bytes_ref(perform.cookie);
    fake_guest_event(domain, STOPPED);
    fake_settle();
    g_assert_cmpint(vt_domain_state(domain, NULL), ==, VT_DOMAIN_PAUSED);
    g_free(fake_guest_commands());
    return domain;
}

static void
test_src_order(void)
{
    g_auto(Reply) begin = { 0 }, again = { 0 }, perform = { 0 };
    g_autoptr(GBytes) none = g_bytes_new(NULL, 0);
    FakeHost host;
    VtDomain *domain;

    host_open(&host);
    domain = host_start(&host);
    src_perform(&host, domain, none, &perform);
    assert_reply(&perform, VT_ERROR_OPERATION_INVALID);
    src_confirm(&host, domain, FALSE, VT_ERROR_OPERATION_INVALID);
    src_confirm(&host, domain, TRUE, VT_ERROR_OPERATION_INVALID);
    src_begin(&host, domain, &begin);
    g_assert_nonnull(strstr(begin.text, "<name>web</name>"));
    vt_migrate_begin(host.driver, domain, NULL, 0, OTHER, note_reply, &again);
    assert_reply(&again, VT_ERROR_OPERATION_INVALID);
    src_confirm(&host, domain, FALSE, VT_ERROR_OPERATION_INVALID);
    g_assert_cmpint(vt_job_kind(domain), ==, VT_JOB_MIGRATION_OUT);
    src_confirm(&host, domain, TRUE, -1);
    g_assert_cmpint(vt_job_kind(domain), ==, VT_JOB_NONE);
    g_assert_cmpint(vt_domain_state(domain, NULL), ==, VT_DOMAIN_RUNNING);
    g_assert_null(vt_journal_kind(domain));
    host_stop(&host, domain);
    host_close(&host);
}

static void
test_src_confirm(void)
{
    FakeHost host;
    VtDomain *domain;

    host_open(&host);
    domain = vt_domain_ref(src_performed(&host, NULL));
    src_confirm(&host, domain, FALSE, -1);
    g_assert_cmpuint(fake_guest_alive(), ==, 0);
    g_assert_null(vt_driver_lookup_name(host.driver, "web", NULL));
    vt_domain_unref(domain);
    host_close(&host);
}

static void
test_src_confirm_cancelled(void)
{
    FakeHost host;
    VtDomain *domain;

    host_open(&host);
    domain = src_performed(&host, NULL);
    src_confirm(&host, domain, TRUE, -1);
    g_assert_true(commands_have("cont"));
    fake_settle();
    g_assert_cmpint(vt_domain_state(domain, NULL), ==, VT_DOMAIN_RUNNING);
    g_assert_cmpint(vt_job_kind(domain), ==, VT_JOB_NONE);
    g_assert_null(vt_journal_kind(domain));
    host_stop(&host, domain);
    host_close(&host);
}

static void
test_src_other_cookie(void)
{
    g_auto(Reply) begin = { 0 }, perform = { 0 };
    g_autoptr(VtMigCookie) cookie = NULL;
    g_autoptr(GBytes) bytes = NULL;
    FakeHost host;
    VtDomain *domain;

    host_open(&host);
    domain = host_start(&host);
    src_begin(&host, domain, &begin);
    cookie = vt_mig_cookie_parse(begin.cookie, NULL);
    cookie->id.bytes[0] ^= 1;
    bytes = vt_mig_cookie_format(cookie);
    src_perform(&host, domain, bytes, &perform);
    assert_reply(&perform, VT_ERROR_OPERATION_FAILED);
    g_assert_nonnull(strstr(perform.error->message, "another migration"));
    /* The client never comes back after this: the guest is free again. */
    g_assert_cmpint(vt_job_kind(domain), ==, VT_JOB_NONE);
    g_assert_false(commands_have("migrate"));
    host_stop(&host, domain);
    host_close(&host);
}

/* What another client does wrong is not the migration's end. */
static void
test_src_other_client(void)
{
    g_auto(Reply) begin = { 0 }, bad = { 0 }, perform = { 0 }, stranger = { 0 }, known = { 0 };
    g_autoptr(GBytes) none = g_bytes_new(NULL, 0);
    g_autoptr(VtTypedParams) nothing = vt_typed_params_new();
    FakeHost host;
    VtDomain *domain;

    host_open(&host);
    domain = vt_domain_ref(host_start(&host));
    src_begin(&host, domain, &begin);
    vt_migrate_perform(host.driver, domain, NULL, nothing, none, VT_MIG_FLAG_LIVE, OTHER, note_reply, &bad);
    fake_wait(&bad.done);
    g_assert_nonnull(bad.error);
    g_assert_cmpint(vt_job_kind(domain), ==, VT_JOB_MIGRATION_OUT);
    src_perform(&host, domain, begin.cookie, &perform);
    assert_reply(&perform, -1);
    /* Without the cookie it may neither end the guest here nor run it a second time. */
    for (int cancelled = 0; cancelled < 2; cancelled++) {
        vt_migrate_confirm(host.driver, domain, NULL, none, VT_MIG_FLAG_LIVE, cancelled, OTHER, note_reply,
                           &stranger);
        assert_reply(&stranger, VT_ERROR_OPERATION_INVALID);
        g_assert_nonnull(strstr(stranger.error->message, "another client"));
        reply_clear(&stranger);
    }
    g_assert_cmpstr(vt_journal_get(domain, "phase"), ==, "perform-done");
    vt_migrate_confirm(host.driver, domain, NULL, perform.cookie, VT_MIG_FLAG_LIVE, FALSE, OTHER, note_reply,
                       &known);
    assert_reply(&known, -1);
    g_assert_cmpuint(fake_guest_alive(), ==, 0);
    vt_domain_unref(domain);
    host_close(&host);
}

static void
test_src_fails(void)
{
    g_auto(Reply) begin = { 0 }, perform = { 0 };
    FakeHost host;
    VtDomain *domain;

    host_open(&host);
    domain = host_start(&host);
    fake_guest_migrations(FALSE, TRUE);
    src_begin(&host, domain, &begin);
    src_perform(&host, domain, begin.cookie, &perform);
    assert_reply(&perform, VT_ERROR_OPERATION_FAILED);
    g_assert_nonnull(strstr(perform.error->message, "No space left on device"));
    g_assert_cmpint(vt_job_kind(domain), ==, VT_JOB_NONE);
    g_assert_cmpint(vt_domain_state(domain, NULL), ==, VT_DOMAIN_RUNNING);
    g_assert_null(vt_journal_kind(domain));
    host_stop(&host, domain);
    host_close(&host);
}

static const char *const migratetest_team =
    "<metadata><virtteam:teaming xmlns:virtteam='urn:virtteam:domain:1'>"
    "<virtteam:team persistent='ua-net0' emulated='yes'/></virtteam:teaming></metadata>"
    "<devices><interface type='user'><mac address='52:54:00:12:34:56'/><model type='virtio'/>"
    "<teaming type='persistent'/><alias name='ua-net0'/></interface>"
    "<interface type='user'><mac address='52:54:00:12:34:56'/><model type='vmxnet3'/>"
    "<teaming type='transient' persistent='ua-net0'/><rom enabled='no'/><alias name='ua-primary'/></interface></devices>";

/* A client suspends the guest while it is sent: it comes back suspended, and has its primary once it is resumed. */
static void
test_src_suspended_meanwhile(void)
{
    g_autofree char *xml = fake_guest_xml("web", UUID_A, migratetest_team);
    g_auto(Reply) begin = { 0 }, perform = { 0 }, again = { 0 };
    VtDomainDef *teamed = vt_domain_xml_parse(xml, NULL);
    VtDomainDef *plain;
    FakeHost host;
    VtDomain *domain;

    host_open(&host);
    domain = host_start(&host);
    plain = domain->live;
    domain->live = teamed;
    src_begin(&host, domain, &begin);
    src_perform(&host, domain, begin.cookie, &perform);
    assert_reply(&perform, -1);
    fake_guest_event(domain, STOPPED);
    fake_guest_stop_cpus(domain);
    fake_settle();
    vt_domain_set_state(domain, VT_DOMAIN_PAUSED, VT_MIGRATE_PAUSED_USER);
    g_free(fake_guest_commands());
    src_confirm(&host, domain, TRUE, -1);
    g_assert_cmpint(vt_job_kind(domain), ==, VT_JOB_NONE);
    g_assert_cmpstr(vt_journal_get(domain, "phase"), ==, "suspended");
    g_assert_false(commands_have("migrate"));
    vt_migrate_begin(host.driver, domain, NULL, VT_MIG_FLAG_LIVE, OTHER, note_reply, &again);
    assert_reply(&again, VT_ERROR_OPERATION_INVALID);
    vt_migrate_owner_gone(host.driver, OWNER);
    g_assert_cmpstr(vt_journal_get(domain, "phase"), ==, "suspended");
    fake_guest_migrations(FALSE, TRUE);
    fake_guest_answer("query-status", "{\"status\":\"running\",\"running\":true}");
    fake_guest_event(domain, RESUMED);
    FAKE_UNTIL(!vt_journal_kind(domain));
    g_assert_null(vt_journal_kind(domain));
    g_assert_true(commands_have("migrate"));
    domain->live = plain;
    vt_domain_def_free(teamed);
    host_stop(&host, domain);
    host_close(&host);
}

/* A paused guest cannot let go of its primary. */
static void
test_src_paused_team(void)
{
    g_autofree char *xml = fake_guest_xml("web", UUID_A, migratetest_team);
    g_auto(Reply) reply = { 0 };
    g_autoptr(GError) error = NULL;
    VtDomainDef *teamed = vt_domain_xml_parse(xml, &error);
    VtDomainDef *plain;
    FakeHost host;
    VtDomain *domain;

    g_assert_no_error(error);
    host_open(&host);
    domain = host_start(&host);
    fake_guest_event(domain, STOPPED);
    fake_settle();
    plain = domain->live;
    domain->live = teamed;
    vt_migrate_begin(host.driver, domain, NULL, VT_MIG_FLAG_LIVE, OWNER, note_reply, &reply);
    assert_reply(&reply, VT_ERROR_OPERATION_INVALID);
    g_assert_nonnull(strstr(reply.error->message, "is paused and has a team"));
    g_assert_cmpint(vt_job_kind(domain), ==, VT_JOB_NONE);
    domain->live = plain;
    vt_domain_def_free(teamed);
    host_stop(&host, domain);
    host_close(&host);
}

typedef struct {
    const char *name, *devices;
    guint flags;
    int code; /* -1: it begins */
    const char *says;
} BeginRow;

#define DISK(path, cache)                                                                                    \
    "<disk type='file' device='disk'><driver name='qemu' type='raw' cache='" cache "'/><source file='" path  \
    "'/><target dev='vda' bus='virtio'/></disk>"

static const BeginRow begin_rows[] = {
    { "hostdev",
      "<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0x0000' bus='0x3b' slot='0x02' "
      "function='0x1'/></source><alias name='ua-gpu'/></hostdev>",
      0, VT_ERROR_OPERATION_INVALID, "0000:3b:02.1 ('ua-gpu')" },
    { "hostdev-unsafe-does-not-help",
      "<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0x0000' bus='0x3b' slot='0x02' "
      "function='0x1'/></source><alias name='ua-gpu'/></hostdev>",
      VT_MIG_FLAG_UNSAFE, VT_ERROR_OPERATION_INVALID, "detach it first" },
    { "interface-hostdev",
      "<interface type='hostdev' managed='yes'><mac address='52:54:00:12:34:56'/><source><address type='pci' "
      "domain='0x0000' bus='0x3b' slot='0x02' function='0x1'/></source><alias name='ua-vf'/></interface>",
      0, VT_ERROR_OPERATION_INVALID, "transient of a team" },
    { "disk-of-this-host", DISK("/proc/self/stat", "none"), 0, VT_ERROR_MIGRATE_UNSAFE, "'vda'" },
    { "disk-unsafe", DISK("/proc/self/stat", "none"), VT_MIG_FLAG_UNSAFE, -1, NULL },
    { "disk-gone", DISK("/proc/no-such-file", "none"), 0, VT_ERROR_SYSTEM, "/proc/no-such-file" },
    { "cdrom",
      "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='/proc/self/stat'/>"
      "<target dev='sda' bus='sata'/><readonly/></disk>",
      0, -1, NULL },
};

static void
test_src_begin(gconstpointer user)
{
    const BeginRow *row = user;
    g_autofree char *extra = g_strconcat("<devices>", row->devices, "</devices>", NULL);
    g_autofree char *xml = fake_guest_xml("web", UUID_A, extra);
    g_autoptr(GError) error = NULL;
    VtDomainDef *other = vt_domain_xml_parse(xml, &error);
    g_auto(Reply) reply = { 0 };
    VtDomainDef *plain;
    FakeHost host;
    VtDomain *domain;

    g_assert_no_error(error);
    host_open(&host);
    domain = host_start(&host);
    plain = domain->live;
    domain->live = other;
    vt_migrate_begin(host.driver, domain, NULL, VT_MIG_FLAG_LIVE | row->flags, OWNER, note_reply, &reply);
    assert_reply(&reply, row->code);
    if (row->code < 0)
        src_confirm(&host, domain, TRUE, -1);
    else
        g_assert_nonnull(strstr(reply.error->message, row->says));
    g_assert_cmpint(vt_job_kind(domain), ==, VT_JOB_NONE);
    domain->live = plain;
    vt_domain_def_free(other);
    host_stop(&host, domain);
    host_close(&host);
}

/* Its client goes while the file systems are looked at: nobody holds the guest afterwards. */
static void
test_src_gone_looking(void)
{
    g_autofree char *xml =
        fake_guest_xml("web", UUID_A, "<devices>" DISK("/proc/self/stat", "none") "</devices>");
    VtDomainDef *other = vt_domain_xml_parse(xml, NULL);
    g_auto(Reply) reply = { 0 };
    VtDomainDef *plain;
    FakeHost host;
    VtDomain *domain;

    host_open(&host);
    domain = host_start(&host);
    plain = domain->live;
    domain->live = other;
    vt_migrate_begin(host.driver, domain, NULL, VT_MIG_FLAG_LIVE, OWNER, note_reply, &reply);
    g_assert_false(reply.done);
    vt_migrate_owner_gone(host.driver, OWNER);
    g_assert_true(reply.done);
    FAKE_UNTIL(vt_job_kind(domain) == VT_JOB_NONE);
    fake_settle();
    g_assert_cmpint(vt_job_kind(domain), ==, VT_JOB_NONE);
    domain->live = plain;
    vt_domain_def_free(other);
    host_stop(&host, domain);
    host_close(&host);
}

/* ---- the source's client goes ---- */

static void
test_src_gone_waiting(void)
{
    g_auto(Reply) first = { 0 }, second = { 0 }, third = { 0 };
    FakeDone job = { 0 };
    FakeHost host;
    VtDomain *domain;

    host_open(&host);
    domain = host_start(&host);
    vt_job_begin(domain, VT_JOB_MODIFY, 1000, fake_done, &job);
    g_assert_true(job.done);
    vt_migrate_begin(host.driver, domain, NULL, VT_MIG_FLAG_LIVE, OWNER, note_reply, &first);
    g_assert_false(first.done);
    /* Two that wait would both believe to have it. */
    vt_migrate_begin(host.driver, domain, NULL, VT_MIG_FLAG_LIVE, OTHER, note_reply, &second);
    assert_reply(&second, VT_ERROR_OPERATION_INVALID);
    vt_migrate_owner_gone(host.driver, OWNER);
    vt_job_end(domain);
    fake_settle();
    g_assert_cmpint(vt_job_kind(domain), ==, VT_JOB_NONE);
    src_begin(&host, domain, &third);
    src_confirm(&host, domain, TRUE, -1);
    host_stop(&host, domain);
    host_close(&host);
}

static void
test_src_gone_begun(void)
{
    g_auto(Reply) begin = { 0 };
    FakeHost host;
    VtDomain *domain;

    host_open(&host);
    domain = host_start(&host);
    src_begin(&host, domain, &begin);
    vt_migrate_owner_gone(host.driver, OTHER);
    g_assert_cmpint(vt_job_kind(domain), ==, VT_JOB_MIGRATION_OUT);
    vt_migrate_owner_gone(host.driver, OWNER);
    g_assert_cmpint(vt_job_kind(domain), ==, VT_JOB_NONE);
    src_confirm(&host, domain, TRUE, VT_ERROR_OPERATION_INVALID);
    host_stop(&host, domain);
    host_close(&host);
}

static void
test_src_gone_perform(void)
{
    g_auto(Reply) begin = { 0 }, perform = { 0 };
    FakeHost host;
    VtDomain *domain;

    host_open(&host);
    domain = host_start(&host);
    fake_guest_migrations(TRUE, FALSE);
    src_begin(&host, domain, &begin);
    src_perform(&host, domain, begin.cookie, &perform);
    while (!commands_have("migrate"))
        fake_settle();
    g_assert_false(perform.done);
    vt_migrate_owner_gone(host.driver, OWNER);
    FAKE_UNTIL(vt_job_kind(domain) == VT_JOB_NONE);
    fake_settle();
    g_assert_cmpint(vt_job_kind(domain), ==, VT_JOB_NONE);
    g_assert_true(commands_have("migrate_cancel"));
    g_assert_cmpint(vt_domain_state(domain, NULL), ==, VT_DOMAIN_RUNNING);
    g_assert_null(vt_journal_kind(domain));
    host_stop(&host, domain);
    host_close(&host);
}

/* It may run there: it stays paused, for whoever knows. */
static void
test_src_gone_performed(void)
{
    g_autoptr(GBytes) cookie = NULL;
    g_auto(Reply) known = { 0 };
    FakeHost host;
    VtDomain *domain;

    host_open(&host);
    domain = src_performed(&host, &cookie);
    vt_migrate_owner_gone(host.driver, OWNER);
    fake_settle();
    g_assert_false(commands_have("cont"));
    g_assert_cmpint(vt_domain_state(domain, NULL), ==, VT_DOMAIN_PAUSED);
    g_assert_cmpstr(vt_journal_get(domain, "phase"), ==, "left");
    g_assert_cmpint(vt_job_kind(domain), ==, VT_JOB_NONE);
    /* Its connection is gone: what would make the guest run here is believed of nobody without the cookie. */
    src_confirm(&host, domain, TRUE, VT_ERROR_OPERATION_INVALID);
    vt_migrate_confirm(host.driver, domain, NULL, cookie, VT_MIG_FLAG_LIVE, TRUE, OTHER, note_reply, &known);
    assert_reply(&known, -1);
    g_assert_true(commands_have("cont"));
    g_assert_null(vt_journal_kind(domain));
    host_stop(&host, domain);
    host_close(&host);
}

/* It goes while its answer waits for the disk: it cannot have asked the destination to go on. */
static void
test_src_gone_unanswered(void)
{
    g_auto(Reply) begin = { 0 }, perform = { 0 };
    FakeHost host;
    VtDomain *domain;

    host_open(&host);
    domain = host_start(&host);
    src_begin(&host, domain, &begin);
    src_perform(&host, domain, begin.cookie, &perform);
    while (g_strcmp0(vt_journal_get(domain, "phase"), "perform-done") != 0)
        g_main_context_iteration(NULL, TRUE);
    g_assert_false(perform.done);
    vt_migrate_owner_gone(host.driver, OWNER);
    FAKE_UNTIL(vt_job_kind(domain) == VT_JOB_NONE);
    fake_settle();
    g_assert_cmpint(vt_job_kind(domain), ==, VT_JOB_NONE);
    g_assert_cmpint(vt_domain_state(domain, NULL), ==, VT_DOMAIN_RUNNING);
    g_assert_null(vt_journal_kind(domain));
    host_stop(&host, domain);
    host_close(&host);
}

static const RecoverRow src_rows[] = {
    { "none", "running", TRUE, FALSE, NULL },
    { "none", "paused", TRUE, FALSE, NULL },
    { "begun", "running", TRUE, FALSE, NULL },
    { "begun", "paused", TRUE, FALSE, NULL },
    { "no-such-phase", "paused", TRUE, FALSE, NULL },
    { "perform", "running", TRUE, FALSE, NULL },
    { "perform", "postmigrate", TRUE, TRUE, NULL },
    { "perform", "paused", TRUE, FALSE, NULL },
    { "perform-done", "postmigrate", TRUE, FALSE, "left" },
    { "perform-done", "running", TRUE, FALSE, NULL },
    { "returning", "running", TRUE, FALSE, NULL },
    { "returning", "postmigrate", TRUE, TRUE, NULL },
    { "confirming", "postmigrate", FALSE, FALSE, NULL },
    { "left", "postmigrate", TRUE, FALSE, "left" },
    { "left", "running", TRUE, FALSE, NULL },
    { "suspended", "postmigrate", TRUE, FALSE, "suspended" },
    { "suspended", "running", TRUE, FALSE, NULL },
};

static void
test_src_recover(gconstpointer row)
{
    recover_row("migrate-out", row);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK); /* a guest that is left paused is said loudly */
    g_test_add_func("/driver/migrate/source/order-of-calls", test_src_order);
    g_test_add_func("/driver/migrate/source/confirm-ends-it", test_src_confirm);
    g_test_add_func("/driver/migrate/source/confirm-cancelled-resumes-it", test_src_confirm_cancelled);
    g_test_add_func("/driver/migrate/source/cookie-of-another-migration-is-refused", test_src_other_cookie);
    g_test_add_func("/driver/migrate/source/another-client-has-no-say", test_src_other_client);
    g_test_add_func("/driver/migrate/source/failure-says-why", test_src_fails);
    g_test_add_func("/driver/migrate/source/paused-with-a-team-is-refused", test_src_paused_team);
    g_test_add_func("/driver/migrate/source/suspended-meanwhile-gets-its-primary-when-resumed",
                    test_src_suspended_meanwhile);
    for (gsize i = 0; i < G_N_ELEMENTS(begin_rows); i++) {
        g_autofree char *path = g_strconcat("/driver/migrate/source/begin/", begin_rows[i].name, NULL);

        g_test_add_data_func(path, &begin_rows[i], test_src_begin);
    }
    g_test_add_func("/driver/migrate/source/client-gone/looking-at-disks", test_src_gone_looking);
    g_test_add_func("/driver/migrate/source/client-gone/waiting", test_src_gone_waiting);
    g_test_add_func("/driver/migrate/source/client-gone/begun", test_src_gone_begun);
    g_test_add_func("/driver/migrate/source/client-gone/perform", test_src_gone_perform);
    g_test_add_func("/driver/migrate/source/client-gone/perform-done", test_src_gone_performed);
    g_test_add_func("/driver/migrate/source/client-gone-unanswered-runs-on", test_src_gone_unanswered);
    add_rows("source", src_rows, G_N_ELEMENTS(src_rows), test_src_recover);
    return g_test_run();
}
