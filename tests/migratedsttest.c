/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The calls of a migration at the destination alone, against guests without QEMU; the other side is what this file says. */
#include "driver/migrate.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "driver/domain-list.h"
#include "driver/job.h"
#include "driver/journal.h"
#include "driver/recover.h"
#include "lib/migrate-host.h"
#include "util/fd.h"

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
    FAKE_UNTIL(fake_guest_alive() == 0 && !vt_driver_lookup_name(host->driver, "web", NULL));
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

static const RecoverRow dst_rows[] = {
    { "none", "inmigrate", FALSE, FALSE, NULL },     { "preparing", "inmigrate", FALSE, FALSE, NULL },
    { "prepared", "inmigrate", FALSE, FALSE, NULL }, { "awaiting", "inmigrate", FALSE, FALSE, NULL },
    { "awaiting", "paused", FALSE, FALSE, NULL },    { "finishing", "paused", TRUE, FALSE, NULL },
    { "finishing", "running", TRUE, FALSE, NULL },   { "resuming", "paused", TRUE, FALSE, NULL },
    { "resuming", "running", TRUE, FALSE, NULL },    { "no-such-phase", "paused", FALSE, FALSE, NULL },
};

static void
test_dst_recover(gconstpointer row)
{
    recover_row("migrate-in", row);
}

int
main(int argc, char **argv)
{
    static const char *const gone[] = { "preparing", "prepared", "awaiting", "finishing" };

    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK); /* a guest that is left paused is said loudly */
    g_test_add_func("/driver/migrate/destination/order-of-calls", test_dst_order);
    g_test_add_func("/driver/migrate/destination/another-client-has-no-say", test_dst_other_client);
    g_test_add_func("/driver/migrate/destination/arrives-paused", test_dst_paused);
    g_test_add_func("/driver/migrate/destination/cancelled", test_dst_cancelled);
    g_test_add_func("/driver/migrate/destination/qemu-dies-before-finish", test_dst_dies);
    g_test_add_func("/driver/migrate/destination/refused-before-start-leaves-nothing", test_dst_refused);
    g_test_add_func("/driver/migrate/destination/answer-unheard-does-not-resume", test_dst_unheard);
    g_test_add_func("/driver/migrate/destination/not-loaded", test_dst_not_loaded);
    for (gsize i = 0; i < G_N_ELEMENTS(gone); i++) {
        g_autofree char *path = g_strdup_printf("/driver/migrate/destination/client-gone/%s", gone[i]);

        g_test_add_data_func(path, gone[i], test_dst_gone);
    }
    g_test_add_data_func("/driver/migrate/destination/socket-is-removed/well", "well", test_dst_socket);
    g_test_add_data_func("/driver/migrate/destination/socket-is-removed/cancelled", "cancelled",
                         test_dst_socket);
    g_test_add_data_func("/driver/migrate/destination/socket-is-removed/crash", "crash", test_dst_socket);
    add_rows("destination", dst_rows, G_N_ELEMENTS(dst_rows), test_dst_recover);
    return g_test_run();
}
