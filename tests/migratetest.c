/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The calls of a migration at each side alone, against guests without QEMU; the other side is what this file says. */
#include "driver/migrate.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "conf/domain-xml.h"
#include "driver/domain-list.h"
#include "driver/job.h"
#include "driver/journal.h"
#include "driver/lifecycle.h"
#include "driver/recover.h"
#include "driver/stop.h"
#include "lib/fake-guest.h"
#include "qemu/mig-phase.h"
#include "util/fd.h"

#define UUID_A "11111111-2222-3333-4444-00000000000a"
#define ID_A   "55555555-2222-3333-4444-00000000000a"
#define HOST_1 "99999999-2222-3333-4444-000000000001"
#define HOST_2 "99999999-2222-3333-4444-000000000002"

#define RESUMED "{\"event\":\"RESUME\",\"timestamp\":{\"seconds\":1,\"microseconds\":2}}"
#define STOPPED "{\"event\":\"STOP\",\"timestamp\":{\"seconds\":1,\"microseconds\":2}}"

static int owner_token, other_token;
#define OWNER ((VtOwner *)&owner_token)
#define OTHER ((VtOwner *)&other_token)

typedef struct {
    gboolean done, has_domain;
    GError *error;
    GBytes *cookie;
    char *text;
} Reply;

static void
note_reply(gpointer user, const VtMigrateReply *reply, const GError *error)
{
    Reply *note = user;

    g_assert_false(note->done);
    g_assert_true((reply == NULL) != (error == NULL));
    note->done = TRUE;
    note->error = error ? g_error_copy(error) : NULL;
    if (reply) {
        note->cookie = reply->cookie ? g_bytes_ref(reply->cookie) : NULL;
        note->text = g_strdup(reply->text);
        note->has_domain = reply->domain != NULL;
    }
}

static void
reply_clear(Reply *reply)
{
    g_clear_error(&reply->error);
    g_clear_pointer(&reply->cookie, g_bytes_unref);
    g_clear_pointer(&reply->text, g_free);
    *reply = (Reply){ .done = FALSE };
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Reply, reply_clear)

/* -1: it went well. */
static void
assert_reply(Reply *reply, int code)
{
    fake_wait(&reply->done);
    if (code < 0)
        g_assert_no_error(reply->error);
    else
        g_assert_error(reply->error, VT_ERROR, code);
}

/* ---- the host ---- */

static void
host_configure(FakeHost *host)
{
    VtDriverConfig *config = host->driver->config;

    config->hostname = g_strdup("one.example");
    config->migration_address = g_strdup("127.0.0.1");
    config->migration_port_min = 49700;
    config->migration_port_max = 49760;
    g_assert_true(vt_uuid_parse(HOST_1, &config->host_uuid));
}

static void
host_forget(FakeHost *host)
{
    g_clear_pointer(&host->driver->config->hostname, g_free);
    g_clear_pointer(&host->driver->config->migration_address, g_free);
}

static void
host_open(FakeHost *host)
{
    fake_host_open(host);
    host_configure(host);
}

static void
host_close(FakeHost *host)
{
    fake_guest_migrations(FALSE, FALSE);
    fake_guest_answer(NULL, NULL);
    fake_settle();
    host_forget(host);
    fake_host_close(host);
}

static VtDomain *
host_start(FakeHost *host)
{
    g_autofree char *xml = fake_guest_xml("web", UUID_A, NULL);
    FakeDone told = { 0 };
    VtDomain *domain = NULL;

    vt_lifecycle_create_xml(host->driver, xml, 0, NULL, &domain, fake_done, &told);
    fake_wait(&told.done);
    g_assert_no_error(told.error);
    g_free(fake_guest_commands());
    return domain;
}

static void
host_stop(FakeHost *host, VtDomain *domain)
{
    FakeDone told = { 0 };

    vt_lifecycle_destroy(host->driver, domain, 0, fake_done, &told);
    fake_wait(&told.done);
    g_assert_no_error(told.error);
    g_assert_cmpuint(fake_guest_alive(), ==, 0);
}

static gboolean
commands_have(const char *command)
{
    g_autofree char *text = fake_guest_commands();
    g_auto(GStrv) words = g_strsplit(text, " ", -1);

    g_test_message("%s", text);
    return g_strv_contains((const char *const *)words, command);
}

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
    for (guint i = 0; i < 50 && vt_journal_kind(domain); i++)
        fake_settle();
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
    for (guint i = 0; i < 50 && vt_job_kind(domain) != VT_JOB_NONE; i++)
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
    fake_settle();
    fake_settle();
    g_assert_false(perform.done);
    vt_migrate_owner_gone(host.driver, OWNER);
    for (guint i = 0; i < 50 && vt_job_kind(domain) != VT_JOB_NONE; i++)
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
    for (guint i = 0; i < 50 && vt_job_kind(domain) != VT_JOB_NONE; i++)
        fake_settle();
    g_assert_cmpint(vt_job_kind(domain), ==, VT_JOB_NONE);
    g_assert_cmpint(vt_domain_state(domain, NULL), ==, VT_DOMAIN_RUNNING);
    g_assert_null(vt_journal_kind(domain));
    host_stop(&host, domain);
    host_close(&host);
}

/* ---- the destination ---- */

static GBytes *
dst_cookie(const char *host_uuid)
{
    g_autoptr(VtMigCookie) cookie = vt_mig_cookie_new();

    g_assert_true(vt_uuid_parse(ID_A, &cookie->id));
    g_assert_true(vt_uuid_parse(UUID_A, &cookie->uuid));
    g_assert_true(vt_uuid_parse(host_uuid, &cookie->host_uuid));
    cookie->name = g_strdup("web");
    cookie->hostname = g_strdup("two.example");
    return vt_mig_cookie_format(cookie);
}

static void
dst_prepare(FakeHost *host, const char *host_uuid, guint flags, Reply *reply)
{
    g_autofree char *xml = fake_guest_xml("web", UUID_A, NULL);
    g_autoptr(VtTypedParams) params = vt_typed_params_new();
    g_autoptr(GBytes) cookie = dst_cookie(host_uuid);

    vt_typed_params_add_string(params, "destination_xml", xml);
    vt_typed_params_add_string(params, "destination_name", "web");
    vt_migrate_prepare(host->driver, params, cookie, flags, OWNER, note_reply, reply);
}

static void
dst_finish(FakeHost *host, guint flags, gboolean cancelled, Reply *reply)
{
    g_autoptr(VtTypedParams) params = vt_typed_params_new();
    g_autoptr(GBytes) none = g_bytes_new(NULL, 0);

    vt_typed_params_add_string(params, "destination_name", "web");
    vt_migrate_finish(host->driver, params, none, flags, cancelled, OWNER, note_reply, reply);
}

static void
dst_assert_nothing_left(FakeHost *host)
{
    /* A QEMU that is not spawned yet is not gone yet. */
    for (guint i = 0; i < 150 && (fake_guest_alive() > 0 || vt_driver_lookup_name(host->driver, "web", NULL));
         i++)
        fake_settle();
    fake_settle();
    g_assert_cmpuint(fake_guest_alive(), ==, 0);
    g_assert_null(vt_driver_lookup_name(host->driver, "web", NULL));
}

static void
test_dst_order(void)
{
    g_auto(Reply) finish = { 0 }, same = { 0 }, prepare = { 0 }, again = { 0 }, end = { 0 };
    FakeHost host;
    VtDomain *domain;

    host_open(&host);
    dst_finish(&host, 0, FALSE, &finish);
    assert_reply(&finish, VT_ERROR_NO_DOMAIN);
    dst_prepare(&host, HOST_1, 0, &same);
    assert_reply(&same, VT_ERROR_OPERATION_FAILED);
    g_assert_nonnull(strstr(same.error->message, "host UUID"));
    dst_prepare(&host, HOST_2, 0, &prepare);
    assert_reply(&prepare, -1);
    g_assert_true(g_str_has_prefix(prepare.text, "tcp:one.example:497"));
    dst_prepare(&host, HOST_2, 0, &again);
    fake_wait(&again.done);
    g_assert_nonnull(again.error);
    domain = vt_driver_lookup_name(host.driver, "web", NULL);
    g_assert_cmpstr(vt_journal_get(domain, "phase"), ==, "prepared");
    g_free(fake_guest_commands());
    dst_finish(&host, 0, FALSE, &end);
    assert_reply(&end, -1);
    g_assert_true(end.has_domain);
    fake_settle();
    g_assert_true(commands_have("cont"));
    g_assert_cmpint(vt_domain_state(domain, NULL), ==, VT_DOMAIN_RUNNING);
    g_assert_cmpint(vt_job_kind(domain), ==, VT_JOB_NONE);
    g_assert_null(vt_journal_kind(domain));
    host_stop(&host, domain);
    host_close(&host);
}

/* Whoever suspended it before it came here keeps it suspended. */
static void
assert_suspended(FakeHost *host)
{
    VtDomain *domain = vt_driver_lookup_name(host->driver, "web", NULL);
    int reason = 0;

    g_assert_cmpint(vt_domain_state(domain, &reason), ==, VT_DOMAIN_PAUSED);
    g_assert_cmpint(reason, ==, VT_MIGRATE_PAUSED_USER);
}

/* QEMU leaves the socket where it was. */
static void
test_dst_socket(gconstpointer ends)
{
    g_autofree char *xml = fake_guest_xml("web", UUID_A, NULL);
    g_autoptr(VtTypedParams) params = vt_typed_params_new();
    g_autoptr(GBytes) cookie = dst_cookie(HOST_2);
    g_auto(Reply) prepare = { 0 }, finish = { 0 };
    g_autofree char *path = NULL, *uri = NULL;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    g_auto(VtFd) fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    FakeHost host;

    host_open(&host);
    path = g_build_filename(host.dir, "migrate.sock", NULL);
    uri = g_strconcat("unix://", path, NULL);
    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    vt_typed_params_add_string(params, "destination_xml", xml);
    vt_typed_params_add_string(params, "destination_name", "web");
    vt_typed_params_add_string(params, "migrate_uri", uri);
    vt_migrate_prepare(host.driver, params, cookie, 0, OWNER, note_reply, &prepare);
    assert_reply(&prepare, -1);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof address), ==, 0); /* as QEMU does */
    if (g_str_equal(ends, "crash")) {
        host_forget(&host);
        fake_host_crash(&host);
        host_configure(&host);
        vt_recover_run(host.driver);
        dst_assert_nothing_left(&host);
    } else {
        dst_finish(&host, 0, g_str_equal(ends, "cancelled"), &finish);
        fake_wait(&finish.done);
        fake_settle();
    }
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    if (g_str_equal(ends, "well"))
        host_stop(&host, vt_driver_lookup_name(host.driver, "web", NULL));
    host_close(&host);
}

/* Another client neither ends the QEMU that waits nor starts the guest. */
static void
test_dst_other_client(void)
{
    g_auto(Reply) prepare = { 0 }, stranger = { 0 }, end = { 0 };
    g_autoptr(VtTypedParams) params = vt_typed_params_new();
    g_autoptr(GBytes) none = g_bytes_new(NULL, 0);
    FakeHost host;

    host_open(&host);
    dst_prepare(&host, HOST_2, 0, &prepare);
    assert_reply(&prepare, -1);
    vt_typed_params_add_string(params, "destination_name", "web");
    for (int cancelled = 0; cancelled < 2; cancelled++) {
        vt_migrate_finish(host.driver, params, none, 0, cancelled, OTHER, note_reply, &stranger);
        assert_reply(&stranger, VT_ERROR_OPERATION_INVALID);
        reply_clear(&stranger);
    }
    g_assert_cmpuint(fake_guest_alive(), ==, 1);
    vt_migrate_finish(host.driver, params, prepare.cookie, 0, FALSE, OTHER, note_reply, &end);
    assert_reply(&end, -1);
    fake_settle();
    host_stop(&host, vt_driver_lookup_name(host.driver, "web", NULL));
    host_close(&host);
}

static void
test_dst_paused(void)
{
    g_auto(Reply) prepare = { 0 }, end = { 0 };
    FakeHost host;

    host_open(&host);
    dst_prepare(&host, HOST_2, VT_MIG_FLAG_PAUSED, &prepare);
    assert_reply(&prepare, -1);
    dst_finish(&host, VT_MIG_FLAG_PAUSED, FALSE, &end);
    assert_reply(&end, -1);
    fake_settle();
    g_assert_false(commands_have("cont"));
    assert_suspended(&host);
    host_stop(&host, vt_driver_lookup_name(host.driver, "web", NULL));
    host_close(&host);
}

/* Prepare fails before QEMU is started: no domain stays behind that cannot be started any more. */
static void
test_dst_refused(void)
{
    g_autofree char *xml = fake_guest_xml("web", UUID_A, NULL);
    g_autoptr(VtTypedParams) params = vt_typed_params_new();
    g_autoptr(GBytes) cookie = dst_cookie(HOST_2);
    g_auto(Reply) refused = { 0 }, prepare = { 0 }, finish = { 0 };
    FakeHost host;

    host_open(&host);
    vt_typed_params_add_string(params, "destination_xml", xml);
    vt_typed_params_add_string(params, "migrate_uri", "exec:rm");
    vt_migrate_prepare(host.driver, params, cookie, 0, OWNER, note_reply, &refused);
    assert_reply(&refused, VT_ERROR_INVALID_ARG);
    dst_assert_nothing_left(&host);
    dst_prepare(&host, HOST_2, 0, &prepare);
    assert_reply(&prepare, -1);
    dst_finish(&host, 0, TRUE, &finish);
    assert_reply(&finish, VT_ERROR_MIGRATE_FINISH_OK);
    dst_assert_nothing_left(&host);
    host_close(&host);
}

static VtDriver *unheard_driver;

/* The answer does not get out: its session ends on the way. */
static void
note_unheard(gpointer user, const VtMigrateReply *reply, const GError *error)
{
    note_reply(user, reply, error);
    vt_migrate_owner_gone(unheard_driver, OWNER);
}

static void
test_dst_unheard(void)
{
    g_autoptr(VtTypedParams) params = vt_typed_params_new();
    g_autoptr(GBytes) none = g_bytes_new(NULL, 0);
    g_auto(Reply) prepare = { 0 }, finish = { 0 };
    FakeHost host;

    host_open(&host);
    dst_prepare(&host, HOST_2, 0, &prepare);
    assert_reply(&prepare, -1);
    g_free(fake_guest_commands());
    vt_typed_params_add_string(params, "destination_name", "web");
    unheard_driver = host.driver;
    vt_migrate_finish(host.driver, params, none, 0, FALSE, OWNER, note_unheard, &finish);
    assert_reply(&finish, -1);
    dst_assert_nothing_left(&host);
    g_assert_false(commands_have("cont"));
    host_close(&host);
}

static void
test_dst_cancelled(void)
{
    g_auto(Reply) prepare = { 0 }, finish = { 0 }, late = { 0 };
    FakeHost host;

    host_open(&host);
    dst_prepare(&host, HOST_2, 0, &prepare);
    assert_reply(&prepare, -1);
    dst_finish(&host, 0, TRUE, &finish);
    assert_reply(&finish, VT_ERROR_MIGRATE_FINISH_OK);
    dst_assert_nothing_left(&host);
    dst_finish(&host, 0, TRUE, &late);
    assert_reply(&late, VT_ERROR_NO_DOMAIN);
    host_close(&host);
}

static void
test_dst_dies(void)
{
    g_auto(Reply) prepare = { 0 }, finish = { 0 };
    FakeHost host;

    host_open(&host);
    dst_prepare(&host, HOST_2, 0, &prepare);
    assert_reply(&prepare, -1);
    fake_guest_die(vt_driver_lookup_name(host.driver, "web", NULL));
    fake_settle();
    dst_finish(&host, 0, FALSE, &finish);
    assert_reply(&finish, VT_ERROR_OPERATION_FAILED);
    g_assert_nonnull(strstr(finish.error->message, "it was told to"));
    dst_assert_nothing_left(&host);
    host_close(&host);
}

static void
test_dst_not_loaded(void)
{
    g_auto(Reply) prepare = { 0 }, finish = { 0 };
    FakeHost host;

    host_open(&host);
    fake_guest_migrations(FALSE, TRUE);
    dst_prepare(&host, HOST_2, 0, &prepare);
    assert_reply(&prepare, -1);
    dst_finish(&host, 0, FALSE, &finish);
    assert_reply(&finish, VT_ERROR_OPERATION_FAILED);
    dst_assert_nothing_left(&host);
    host_close(&host);
}

/* The client goes in each phase before its answer: what waits here ends, and nothing of it stays. */
static void
test_dst_gone(gconstpointer phase)
{
    g_auto(Reply) prepare = { 0 }, finish = { 0 };
    gboolean has_finish = g_str_equal(phase, "awaiting") || g_str_equal(phase, "finishing");
    FakeHost host;
    VtDomain *domain;

    host_open(&host);
    fake_guest_migrations(g_str_equal(phase, "awaiting"), FALSE);
    dst_prepare(&host, HOST_2, VT_MIG_FLAG_PERSIST_DEST, &prepare);
    domain = vt_driver_lookup_name(host.driver, "web", NULL);
    if (!g_str_equal(phase, "preparing"))
        assert_reply(&prepare, -1);
    if (has_finish)
        dst_finish(&host, VT_MIG_FLAG_PERSIST_DEST, FALSE, &finish);
    while (g_strcmp0(vt_journal_get(domain, "phase"), phase) != 0)
        g_main_context_iteration(NULL, TRUE);
    g_free(fake_guest_commands());
    vt_migrate_owner_gone(host.driver, OWNER);
    dst_assert_nothing_left(&host);
    g_assert_false(commands_have("cont"));
    host_close(&host);
}

/* ---- a daemon that comes ---- */

typedef struct {
    const char *phase;
    const char *status; /* QEMU's run state */
    gboolean alive;
    gboolean cont;       /* it is resumed here */
    const char *journal; /* phase afterwards; NULL: none */
} RecoverRow;

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

static const RecoverRow dst_rows[] = {
    { "none", "inmigrate", FALSE, FALSE, NULL },     { "preparing", "inmigrate", FALSE, FALSE, NULL },
    { "prepared", "inmigrate", FALSE, FALSE, NULL }, { "awaiting", "inmigrate", FALSE, FALSE, NULL },
    { "awaiting", "paused", FALSE, FALSE, NULL },    { "finishing", "paused", TRUE, FALSE, NULL },
    { "finishing", "running", TRUE, FALSE, NULL },   { "resuming", "paused", TRUE, FALSE, NULL },
    { "resuming", "running", TRUE, FALSE, NULL },    { "no-such-phase", "paused", FALSE, FALSE, NULL },
};

static void
recover_row(const char *kind, const RecoverRow *row)
{
    gboolean runs = g_str_equal(row->status, "running");
    g_autofree char *status =
        g_strdup_printf("{\"status\":\"%s\",\"running\":%s}", row->status, runs ? "true" : "false");
    FakeHost host;
    VtDomain *domain;
    FakeDone synced = { 0 };

    g_test_message("%s %s, QEMU %s", kind, row->phase, row->status);
    host_open(&host);
    domain = host_start(&host);
    vt_journal_begin(domain, kind);
    vt_journal_set(domain, "phase", row->phase);
    vt_journal_set(domain, "id", ID_A);
    vt_journal_sync(domain, fake_done, &synced);
    fake_wait(&synced.done);
    if (!runs)
        fake_guest_stop_cpus(domain);
    fake_settle();
    host_forget(&host);
    fake_host_crash(&host);
    host_configure(&host);
    fake_guest_answer("query-status", status);
    g_free(fake_guest_commands());
    vt_recover_run(host.driver);
    for (guint i = 0; i < 20; i++)
        fake_settle();
    g_assert_cmpint(commands_have("cont"), ==, row->cont);
    g_assert_cmpuint(fake_guest_alive(), ==, row->alive);
    domain = vt_driver_lookup_name(host.driver, "web", NULL);
    g_assert_cmpint(domain != NULL, ==, row->alive);
    if (domain) {
        g_assert_cmpstr(vt_journal_get(domain, "phase"), ==, row->journal);
        g_assert_cmpint(vt_job_kind(domain), ==, VT_JOB_NONE);
        g_assert_cmpint(vt_domain_state(domain, NULL), ==,
                        runs || row->cont ? VT_DOMAIN_RUNNING : VT_DOMAIN_PAUSED);
        host_stop(&host, domain);
    }
    host_close(&host);
}

static void
test_src_recover(gconstpointer row)
{
    recover_row("migrate-out", row);
}

static void
test_dst_recover(gconstpointer row)
{
    recover_row("migrate-in", row);
}

static void
add_rows(const char *side, const RecoverRow *rows, gsize n, GTestDataFunc test)
{
    for (gsize i = 0; i < n; i++) {
        g_autofree char *path =
            g_strdup_printf("/driver/migrate/%s/recover/%s/%s", side, rows[i].phase, rows[i].status);

        g_test_add_data_func(path, &rows[i], test);
    }
}

int
main(int argc, char **argv)
{
    static const char *const gone[] = { "preparing", "prepared", "awaiting", "finishing" };

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
    g_test_add_func("/driver/migrate/destination/order-of-calls", test_dst_order);
    g_test_add_func("/driver/migrate/destination/another-client-has-no-say", test_dst_other_client);
    g_test_add_func("/driver/migrate/destination/arrives-paused", test_dst_paused);
    g_test_add_func("/driver/migrate/destination/cancelled", test_dst_cancelled);
    g_test_add_func("/driver/migrate/destination/qemu-dies-before-finish", test_dst_dies);
    g_test_add_func("/driver/migrate/destination/refused-before-start-leaves-nothing", test_dst_refused);
    g_test_add_func("/driver/migrate/destination/answer-unheard-does-not-resume", test_dst_unheard);
    g_test_add_func("/driver/migrate/source/client-gone-unanswered-runs-on", test_src_gone_unanswered);
    g_test_add_func("/driver/migrate/destination/not-loaded", test_dst_not_loaded);
    for (gsize i = 0; i < G_N_ELEMENTS(gone); i++) {
        g_autofree char *path = g_strdup_printf("/driver/migrate/destination/client-gone/%s", gone[i]);

        g_test_add_data_func(path, gone[i], test_dst_gone);
    }
    g_test_add_data_func("/driver/migrate/destination/socket-is-removed/well", "well", test_dst_socket);
    g_test_add_data_func("/driver/migrate/destination/socket-is-removed/cancelled", "cancelled",
                         test_dst_socket);
    g_test_add_data_func("/driver/migrate/destination/socket-is-removed/crash", "crash", test_dst_socket);
    add_rows("source", src_rows, G_N_ELEMENTS(src_rows), test_src_recover);
    add_rows("destination", dst_rows, G_N_ELEMENTS(dst_rows), test_dst_recover);
    return g_test_run();
}
