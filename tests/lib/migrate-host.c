/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib/migrate-host.h"

#include <string.h>
#include "driver/domain-list.h"
#include "driver/job.h"
#include "driver/journal.h"
#include "driver/lifecycle.h"
#include "driver/recover.h"

int owner_token, other_token;

void
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

void
reply_clear(Reply *reply)
{
    g_clear_error(&reply->error);
    g_clear_pointer(&reply->cookie, g_bytes_unref);
    g_clear_pointer(&reply->text, g_free);
    *reply = (Reply){ .done = FALSE };
}

/* -1: it went well. */
void
assert_reply(Reply *reply, int code)
{
    fake_wait(&reply->done);
    if (code < 0)
        g_assert_no_error(reply->error);
    else
        g_assert_error(reply->error, VT_ERROR, code);
}

/* ---- the host ---- */

void
host_configure(FakeHost *host)
{
    VtDriverConfig *config = host->driver->config;

    config->hostname = g_strdup("one.example");
    config->migration_address = g_strdup("127.0.0.1");
    config->migration_port_min = 49700;
    config->migration_port_max = 49760;
    g_assert_true(vt_uuid_parse(HOST_1, &config->host_uuid));
}

void
host_forget(FakeHost *host)
{
    g_clear_pointer(&host->driver->config->hostname, g_free);
    g_clear_pointer(&host->driver->config->migration_address, g_free);
}

void
host_open(FakeHost *host)
{
    fake_host_open(host);
    host_configure(host);
}

void
host_close(FakeHost *host)
{
    fake_guest_migrations(FALSE, FALSE);
    fake_guest_answer(NULL, NULL);
    fake_settle();
    host_forget(host);
    fake_host_close(host);
}

VtDomain *
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

void
host_stop(FakeHost *host, VtDomain *domain)
{
    FakeDone told = { 0 };

    vt_lifecycle_destroy(host->driver, domain, 0, fake_done, &told);
    fake_wait(&told.done);
    g_assert_no_error(told.error);
    g_assert_cmpuint(fake_guest_alive(), ==, 0);
}

gboolean
commands_have(const char *command)
{
    g_autofree char *text = fake_guest_commands();
    g_auto(GStrv) words = g_strsplit(text, " ", -1);

    g_test_message("%s", text);
    return g_strv_contains((const char *const *)words, command);
}

/* ---- a daemon that comes ---- */

void
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

void
add_rows(const char *side, const RecoverRow *rows, gsize n, GTestDataFunc test)
{
    for (gsize i = 0; i < n; i++) {
        g_autofree char *path =
            g_strdup_printf("/driver/migrate/%s/recover/%s/%s", side, rows[i].phase, rows[i].status);

        g_test_add_data_func(path, &rows[i], test);
    }
}
