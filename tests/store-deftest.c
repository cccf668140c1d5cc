/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Definitions on their way to the disk: who is told what, and when, what a write that fails leaves, and changes that
 * come while an earlier one is still being written.
 */
#include "driver/store-def.h"

#include <glib/gstdio.h>
#include <string.h>
#include "conf/domain-xml.h"
#include "driver/domain-list.h"
#include "driver/lifecycle.h"
#include "driver/store.h"
#include "lib/fake-guest.h"

#define UUID_A "11111111-2222-3333-4444-00000000000a"
#define UUID_B "11111111-2222-3333-4444-00000000000b"

#define STORE_DEFTEST_MAX 3

static char *
deftest_xml(const char *name, const char *uuid, const char *title)
{
    g_autofree char *extra = g_strdup_printf("<title>%s</title>", title);

    return fake_guest_xml(name, uuid, extra);
}

/* What stands in the file of a domain: its title; NULL without a file. */
static char *
deftest_title(const FakeHost *host, const char *name)
{
    g_autofree char *path = g_strdup_printf("%s/config/%s.xml", host->dir, name);
    g_autofree char *text = NULL;
    g_autoptr(VtDomainDef) def = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return NULL;
    def = vt_domain_xml_parse(text, NULL);
    g_assert_nonnull(def);
    return g_strdup(def->title);
}

static void
deftest_file_is(const FakeHost *host, const char *name, const char *title)
{
    g_autofree char *found = deftest_title(host, name);

    g_assert_cmpstr(found, ==, title);
}

/* No directory to write into: also root cannot. */
static void
deftest_break(FakeHost *host, gboolean broken)
{
    g_free(host->driver->config->config_dir);
    host->driver->config->config_dir =
        broken ? g_strdup("/proc/nowhere") : g_build_filename(host->dir, "config", NULL);
}

static VtDomain *
deftest_define(FakeHost *host, const char *title)
{
    g_autofree char *xml = deftest_xml("web", UUID_A, title);

    return fake_define_well(host->driver, xml);
}

/* Another title, saved; @broken: into a directory that is not there. */
static void
deftest_change(FakeHost *host, VtDomain *domain, const char *title, gboolean broken, FakeDone *told)
{
    VtDomainDef *former = vt_domain_def_copy(domain->persistent);
    VtDomainDef *next = vt_domain_def_copy(domain->persistent);

    g_free(next->title);
    next->title = g_strdup(title);
    vt_domain_set_persistent_def(domain, next);
    deftest_break(host, broken);
    vt_store_def_save(host->driver, domain, former, fake_done, told);
    deftest_break(host, FALSE);
}

/* ---- saves that follow each other closely ---- */

/* The titles are "1", "2", "3"; the definition had "0". */
static const struct {
    const char *name;
    gboolean broken[STORE_DEFTEST_MAX];
    guint n;
    gboolean fails;     /* all are told so; FALSE: none is */
    const char *memory; /* the title at the end */
    const char *file;
} deftest_rows[] = {
    { "one", { FALSE }, 1, .fails = FALSE, .memory = "1", .file = "1" },
    { "one-fails", { TRUE }, 1, .fails = TRUE, .memory = "0", .file = "0" },
    { "three", { FALSE, FALSE, FALSE }, 3, .fails = FALSE, .memory = "3", .file = "3" },
    { "three-fail", { TRUE, TRUE, TRUE }, 3, .fails = TRUE, .memory = "0", .file = "0" },
    { "a-later-one-carries-it", { TRUE, FALSE }, 2, .fails = FALSE, .memory = "2", .file = "2" },
    { "a-later-one-carries-both", { TRUE, TRUE, FALSE }, 3, .fails = FALSE, .memory = "3", .file = "3" },
    { "in-the-middle", { FALSE, TRUE, FALSE }, 3, .fails = FALSE, .memory = "3", .file = "3" },
};

static void
test_saves(gconstpointer data)
{
    gsize row = GPOINTER_TO_SIZE(data);
    const char *const titles[] = { "1", "2", "3" };
    FakeDone told[STORE_DEFTEST_MAX] = { 0 };
    FakeHost host;
    VtDomain *domain;

    fake_host_open(&host);
    domain = deftest_define(&host, "0");
    for (guint i = 0; i < deftest_rows[row].n; i++) {
        deftest_change(&host, domain, titles[i], deftest_rows[row].broken[i], &told[i]);
        g_assert_cmpstr(domain->persistent->title, ==, titles[i]); /* at once */
        g_assert_false(told[i].done);                              /* but not told */
    }
    for (guint i = 0; i < deftest_rows[row].n; i++) {
        fake_wait(&told[i].done);
        if (deftest_rows[row].fails)
            g_assert_error(told[i].error, VT_ERROR, VT_ERROR_SYSTEM);
        else
            g_assert_no_error(told[i].error);
        g_clear_error(&told[i].error);
    }
    g_assert_cmpstr(domain->persistent->title, ==, deftest_rows[row].memory);
    deftest_file_is(&host, "web", deftest_rows[row].file);
    fake_host_close(&host);
}

/* What failed first is put back, not what came in between: the last one fails, behind one that is on the disk. */
static void
test_back_to_what_is_on_the_disk(void)
{
    FakeDone first = { 0 }, second = { 0 };
    FakeHost host;
    VtDomain *domain;

    fake_host_open(&host);
    domain = deftest_define(&host, "0");
    deftest_change(&host, domain, "1", FALSE, &first);
    fake_wait(&first.done);
    g_assert_no_error(first.error);
    deftest_change(&host, domain, "2", TRUE, &second);
    fake_wait(&second.done);
    g_assert_error(second.error, VT_ERROR, VT_ERROR_SYSTEM);
    g_clear_error(&second.error);
    g_assert_cmpstr(domain->persistent->title, ==, "1");
    deftest_file_is(&host, "web", "1");
    fake_host_close(&host);
}

/* ---- define ---- */

typedef struct {
    const FakeHost *host;
    gboolean done, had_file;
    GError *error;
} DeftestDefined;

static void
deftest_defined(gpointer user, VtDomain *domain, const GError *error)
{
    DeftestDefined *told = user;
    g_autofree char *title = deftest_title(told->host, "web");

    told->done = TRUE;
    told->had_file = title != NULL;
    told->error = error ? g_error_copy(error) : NULL;
}

/* Another domain of the name that the first one gives up. */
static void
deftest_define_heir(FakeHost *host, const char *title)
{
    g_autofree char *xml = deftest_xml("web", UUID_B, title);
    DeftestDefined told = { .host = host };

    vt_lifecycle_define(host->driver, xml, 0, deftest_defined, &told);
    fake_wait(&told.done);
    g_assert_no_error(told.error);
}

static void
test_a_client_is_answered_when_it_is_on_the_disk(void)
{
    g_autofree char *xml = deftest_xml("web", UUID_A, "0");
    FakeHost host;
    DeftestDefined told = { .host = &host };

    fake_host_open(&host);
    vt_lifecycle_define(host.driver, xml, 0, deftest_defined, &told);
    g_assert_false(told.done);
    fake_wait(&told.done);
    g_assert_no_error(told.error);
    g_assert_true(told.had_file);
    fake_host_close(&host);
}

static void
test_a_new_domain_that_cannot_be_written_is_gone(void)
{
    g_autofree char *xml = deftest_xml("web", UUID_A, "0");
    g_autoptr(GError) error = NULL;
    FakeHost host;

    fake_host_open(&host);
    deftest_break(&host, TRUE);
    g_assert_null(fake_define(host.driver, xml, 0, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_SYSTEM);
    g_assert_null(vt_driver_lookup_name(host.driver, "web", NULL));
    g_assert_cmpuint(host.events->len, ==, 0);
    deftest_break(&host, FALSE);
    g_assert_nonnull(deftest_define(&host, "1"));
    deftest_file_is(&host, "web", "1");
    fake_host_close(&host);
}

/* ---- undefine ---- */

static void
test_what_is_removed_while_it_is_written_stays_removed(void)
{
    FakeDone saved = { 0 }, removed = { 0 };
    FakeHost host;
    VtDomain *domain;

    fake_host_open(&host);
    domain = vt_domain_ref(deftest_define(&host, "0"));
    deftest_change(&host, domain, "1", FALSE, &saved);
    vt_lifecycle_undefine(host.driver, domain, 0, fake_done, &removed);
    g_assert_null(vt_driver_lookup_name(host.driver, "web", NULL));
    fake_wait(&removed.done);
    g_assert_no_error(removed.error);
    g_assert_true(saved.done);
    deftest_file_is(&host, "web", NULL);
    vt_domain_unref(domain);
    fake_host_close(&host);
}

static void
test_a_failed_save_does_not_bring_back_what_was_removed(void)
{
    FakeDone saved = { 0 }, removed = { 0 };
    FakeHost host;
    VtDomain *domain;

    fake_host_open(&host);
    domain = vt_domain_ref(deftest_define(&host, "0"));
    deftest_change(&host, domain, "1", TRUE, &saved);
    vt_lifecycle_undefine(host.driver, domain, 0, fake_done, &removed);
    fake_wait(&removed.done);
    fake_wait(&saved.done);
    g_assert_no_error(removed.error);
    g_assert_nonnull(saved.error);
    g_clear_error(&saved.error);
    g_assert_null(domain->persistent);
    g_assert_null(vt_driver_lookup_name(host.driver, "web", NULL));
    vt_domain_unref(domain);
    fake_host_close(&host);
}

/* Undefined and defined anew, before the disk knows of either. */
static void
test_defined_anew_while_it_is_removed(void)
{
    FakeHost host;
    FakeDone removed = { 0 };

    fake_host_open(&host);
    vt_lifecycle_undefine(host.driver, deftest_define(&host, "0"), 0, fake_done, &removed);
    deftest_define_heir(&host, "new");
    g_assert_true(removed.done);
    g_assert_no_error(removed.error);
    deftest_file_is(&host, "web", "new");
    fake_host_close(&host);
}

/* ---- rename ---- */

static void
test_a_rename_that_fails_keeps_the_name(void)
{
    g_autoptr(GError) error = NULL;
    FakeHost host;
    VtDomain *domain;

    fake_host_open(&host);
    domain = deftest_define(&host, "0");
    deftest_break(&host, TRUE);
    g_assert_false(fake_rename(host.driver, domain, "www", &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_SYSTEM);
    deftest_break(&host, FALSE);
    g_assert_true(vt_driver_lookup_name(host.driver, "web", NULL) == domain);
    g_assert_null(vt_driver_lookup_name(host.driver, "www", NULL));
    g_assert_cmpstr(domain->persistent->name, ==, "web");
    deftest_file_is(&host, "web", "0");
    deftest_file_is(&host, "www", NULL);
    g_clear_error(&error);
    g_assert_true(fake_rename(host.driver, domain, "www", &error));
    deftest_file_is(&host, "web", NULL);
    deftest_file_is(&host, "www", "0");
    fake_host_close(&host);
}

/* Somebody takes the old name before its file has gone. */
static void
test_the_old_name_may_be_taken_at_once(void)
{
    FakeHost host;
    FakeDone renamed = { 0 };

    fake_host_open(&host);
    vt_lifecycle_rename(host.driver, deftest_define(&host, "0"), "www", fake_done, &renamed);
    deftest_define_heir(&host, "heir");
    fake_wait(&renamed.done);
    g_assert_no_error(renamed.error);
    deftest_file_is(&host, "www", "0");
    deftest_file_is(&host, "web", "heir");
    fake_host_close(&host);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK);
    for (gsize i = 0; i < G_N_ELEMENTS(deftest_rows); i++) {
        g_autofree char *path = g_strconcat("/driver/store-def/saves/", deftest_rows[i].name, NULL);

        g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_saves);
    }
    g_test_add_func("/driver/store-def/back-to-what-is-on-the-disk", test_back_to_what_is_on_the_disk);
    g_test_add_func("/driver/store-def/a-client-is-answered-when-it-is-on-the-disk",
                    test_a_client_is_answered_when_it_is_on_the_disk);
    g_test_add_func("/driver/store-def/a-new-domain-that-cannot-be-written-is-gone",
                    test_a_new_domain_that_cannot_be_written_is_gone);
    g_test_add_func("/driver/store-def/what-is-removed-while-it-is-written-stays-removed",
                    test_what_is_removed_while_it_is_written_stays_removed);
    g_test_add_func("/driver/store-def/a-failed-save-does-not-bring-back-what-was-removed",
                    test_a_failed_save_does_not_bring_back_what_was_removed);
    g_test_add_func("/driver/store-def/defined-anew-while-it-is-removed",
                    test_defined_anew_while_it_is_removed);
    g_test_add_func("/driver/store-def/a-rename-that-fails-keeps-the-name",
                    test_a_rename_that_fails_keeps_the_name);
    g_test_add_func("/driver/store-def/the-old-name-may-be-taken-at-once",
                    test_the_old_name_may_be_taken_at_once);
    return g_test_run();
}
