/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver/store.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>
#include "conf/domain-xml.h"
#include "driver/disk-file.h"
#include "driver/domain-list.h"
#include "driver/journal.h"
#include "lib/fake-guest.h"
#include "util/file.h"

#define UUID_A "11111111-2222-3333-4444-00000000000a"
#define UUID_B "11111111-2222-3333-4444-00000000000b"

static void
storetest_put(FakeHost *host, const char *dir, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(host->dir, dir, name, NULL);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static gboolean
storetest_has(FakeHost *host, const char *dir, const char *name)
{
    g_autofree char *path = g_build_filename(host->dir, dir, name, NULL);

    return g_file_test(path, G_FILE_TEST_EXISTS);
}

static VtDomain *
storetest_admit(FakeHost *host, const char *name, const char *uuid)
{
    g_autofree char *xml = fake_guest_xml(name, uuid, NULL);
    g_autoptr(GError) error = NULL;
    VtDomain *domain;

    domain = vt_domain_list_admit(host->driver, vt_domain_xml_parse(xml, NULL), FALSE, &error);
    g_assert_no_error(error);
    return domain;
}

static void
test_save_load(void)
{
    FakeHost host;
    VtDomain *domain;
    g_autoptr(GError) error = NULL;

    fake_host_open(&host);
    domain = storetest_admit(&host, "web", UUID_A);
    g_assert_true(fake_store_save(host.driver, domain, &error));
    g_assert_true(vt_store_set_autostart(host.driver, domain, TRUE, &error));
    domain = storetest_admit(&host, "db", UUID_B);
    g_assert_true(fake_store_save(host.driver, domain, &error));
    fake_host_crash(&host);
    vt_store_load(host.driver);
    domain = vt_driver_lookup_name(host.driver, "web", NULL);
    g_assert_nonnull(domain);
    g_assert_true(vt_store_get_autostart(host.driver, domain));
    g_assert_true(fake_rename(host.driver, domain, "www", &error));
    g_assert_false(storetest_has(&host, "config", "web.xml"));
    g_assert_false(storetest_has(&host, "config/autostart", "web.xml"));
    g_assert_true(storetest_has(&host, "config", "www.xml"));
    g_assert_true(storetest_has(&host, "config/autostart", "www.xml"));
    g_assert_true(fake_undefine(host.driver, domain, 0, &error));
    g_assert_false(storetest_has(&host, "config", "www.xml"));
    g_assert_false(storetest_has(&host, "config/autostart", "www.xml"));
    g_assert_true(storetest_has(&host, "config", "db.xml"));
    fake_host_close(&host);
}

static void
test_save_failure_keeps_the_old_file(void)
{
    FakeHost host;
    VtDomain *domain;
    g_autofree char *path = NULL;
    g_autofree char *before = NULL;
    g_autofree char *after = NULL;
    g_autofree char *blocker = NULL;
    g_autoptr(GError) error = NULL;

    fake_host_open(&host);
    domain = storetest_admit(&host, "web", UUID_A);
    g_assert_true(fake_store_save(host.driver, domain, NULL));
    path = g_build_filename(host.dir, "config", "web.xml", NULL);
    g_assert_true(g_file_get_contents(path, &before, NULL, NULL));
    /* No directory to write into: also root cannot. */
    blocker = g_strdup(host.driver->config->config_dir);
    g_free(host.driver->config->config_dir);
    host.driver->config->config_dir = g_strdup("/proc/nowhere");
    g_assert_false(fake_store_save(host.driver, domain, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_SYSTEM);
    g_free(host.driver->config->config_dir);
    host.driver->config->config_dir = g_steal_pointer(&blocker);
    g_assert_true(g_file_get_contents(path, &after, NULL, NULL));
    g_assert_cmpstr(before, ==, after);
    fake_host_close(&host);
}

/* Each file alone must neither stop the daemon nor hide the good one beside it. In a subprocess, because they
 * are reported as errors, which GTest would take for its own. */
static void
test_corrupt_definitions(void)
{
    g_autofree char *good = fake_guest_xml("good", UUID_A, NULL);
    g_autofree char *twin = fake_guest_xml("twin", UUID_A, NULL);
    g_autofree char *other = fake_guest_xml("other", UUID_B, NULL);
    const struct {
        const char *file, *text;
    } rows[] = {
        { "empty.xml", "" },
        { "text.xml", "hello" },
        { "half.xml", "<domain type='qemu'><name>half</na" },
        { "network.xml", "<network><name>network</name></network>" },
        { "wrongname.xml", other },
        { "twin.xml", twin },
        { "binary.xml", "\xff\xfe<domain/>" },
        { "device.xml",
          "<domain type='qemu'><name>device</name><memory>1</memory><devices><nonsense/></devices></domain>" },
    };
    FakeHost host;

    if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 0, 0);
        g_test_trap_assert_passed();
        g_test_trap_assert_stderr("*text.xml*renamed to*");
        return;
    }
    g_log_set_always_fatal(G_LOG_LEVEL_ERROR);
    fake_host_open(&host);
    storetest_put(&host, "config", "good.xml", good);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        storetest_put(&host, "config", rows[i].file, rows[i].text);
    /* What a crash between write and rename leaves; what is no file of ours stays. */
    storetest_put(&host, "config", "good.xml.a1B2c3.tmp", "<domain");
    storetest_put(&host, "config", "notes.txt", "mine");
    vt_store_load(host.driver);
    g_assert_nonnull(vt_driver_lookup_name(host.driver, "good", NULL));
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *aside = g_strconcat(rows[i].file, ".corrupt", NULL);

        g_assert_false(storetest_has(&host, "config", rows[i].file));
        g_assert_true(storetest_has(&host, "config", aside));
    }
    g_assert_false(storetest_has(&host, "config", "good.xml.a1B2c3.tmp"));
    g_assert_true(storetest_has(&host, "config", "notes.txt"));
    fake_host_close(&host);
}

static void
test_corrupt_status(void)
{
    g_autofree char *xml = fake_guest_xml("s", UUID_A, NULL);
    g_autofree char *boot = NULL;
    g_autofree char *good = NULL;
    g_autofree char *old = NULL;
    g_autoptr(GPtrArray) found = NULL;
    FakeHost host;

    if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 0, 0);
        g_test_trap_assert_passed();
        return;
    }
    g_log_set_always_fatal(G_LOG_LEVEL_ERROR);
    g_assert_true(g_file_get_contents("/proc/sys/kernel/random/boot_id", &boot, NULL, NULL));
    good = g_strdup_printf(
        "[status]\nid=4\npid=77\nstart-time=5\nstate=1\nreason=1\nrun-dir=/x/4-s\nboot-id=%s\n\n%s",
        g_strstrip(boot), xml);
    old = g_strdup_printf(
        "[status]\nid=4\npid=77\nstart-time=5\nstate=1\nreason=1\nrun-dir=/x/4-s\nboot-id=old\n\n%s", xml);
    fake_host_open(&host);
    storetest_put(&host, "state", "s.status", good);
    storetest_put(&host, "state", "nohead.status", xml);
    storetest_put(&host, "state", "nobody.status", "[status]\nid=4\n\n");
    storetest_put(&host, "state", "nopid.status", "[status]\nid=4\n\n<domain/>");
    storetest_put(&host, "state", "garbage.status", "\x01\x02\n\n<");
    found = vt_store_status_load(host.driver);
    g_assert_cmpuint(found->len, ==, 1);
    g_assert_cmpint(((VtStoreStatus *)found->pdata[0])->pid, ==, 77);
    g_assert_true(storetest_has(&host, "state", "nohead.status.corrupt"));
    g_assert_true(storetest_has(&host, "state", "nobody.status.corrupt"));
    g_assert_true(storetest_has(&host, "state", "nopid.status.corrupt"));
    g_assert_true(storetest_has(&host, "state", "garbage.status.corrupt"));
    /* Of another boot: its QEMU cannot exist. */
    storetest_put(&host, "state", "s.status", old);
    g_clear_pointer(&found, g_ptr_array_unref);
    found = vt_store_status_load(host.driver);
    g_assert_cmpuint(found->len, ==, 0);
    g_assert_false(storetest_has(&host, "state", "s.status"));
    fake_host_close(&host);
}

/* ---- files rewritten in a thread ---- */

static void
test_disk_file_merges_and_removes(void)
{
    FakeHost host;
    g_autofree char *path = NULL;
    g_autofree char *text = NULL;
    VtDiskFile *file;
    FakeDone first = { 0 }, second = { 0 }, third = { 0 }, dropped = { 0 };

    fake_host_open(&host);
    path = g_build_filename(host.dir, "f", NULL);
    file = vt_disk_file_new(path);
    vt_disk_file_write(file, g_strdup("1"), fake_done, &first);
    vt_disk_file_write(file, g_strdup("2"), fake_done, &second);
    vt_disk_file_write(file, g_strdup("3"), fake_done, &third);
    fake_wait(&third.done);
    g_assert_true(first.done && second.done);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "3");
    vt_disk_file_write(file, g_strdup("4"), NULL, NULL);
    vt_disk_file_write(file, g_strdup("5"), fake_done, &dropped);
    vt_disk_file_remove(file);
    g_assert_error(dropped.error, VT_ERROR, VT_ERROR_ABORTED);
    g_clear_error(&dropped.error);
    vt_disk_file_free(file);
    vt_file_flush_async();
    fake_settle();
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    fake_host_close(&host);
}

static void
test_journal_survives(void)
{
    FakeHost host;
    VtDomain *domain;
    FakeDone told = { 0 };
    g_autoptr(GError) error = NULL;

    fake_host_open(&host);
    domain = storetest_admit(&host, "web", UUID_A);
    g_assert_true(fake_store_save(host.driver, domain, NULL));
    vt_journal_begin(domain, "migrate-out");
    vt_journal_set(domain, "phase", "performing");
    vt_journal_set(domain, "text", "two\nlines = [x]");
    vt_journal_sync(domain, fake_done, &told);
    fake_wait(&told.done);
    g_assert_no_error(told.error);
    fake_host_crash(&host);
    vt_store_load(host.driver);
    domain = vt_driver_lookup_name(host.driver, "web", NULL);
    g_assert_true(vt_journal_load(domain, &error));
    g_assert_cmpstr(vt_journal_kind(domain), ==, "migrate-out");
    g_assert_cmpstr(vt_journal_get(domain, "text"), ==, "two\nlines = [x]");
    vt_journal_end(domain);
    g_assert_null(vt_journal_kind(domain));
    g_assert_false(storetest_has(&host, "state", "web.journal"));
    storetest_put(&host, "state", "web.journal", "not a journal");
    g_assert_false(vt_journal_load(domain, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_XML_DETAIL);
    fake_host_close(&host);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/driver/store/save-load-rename-remove", test_save_load);
    g_test_add_func("/driver/store/failure-keeps-the-old-file", test_save_failure_keeps_the_old_file);
    g_test_add_func("/driver/store/corrupt-definitions-are-set-aside", test_corrupt_definitions);
    g_test_add_func("/driver/store/corrupt-status-is-set-aside", test_corrupt_status);
    g_test_add_func("/driver/disk-file/merges-writes-and-stays-removed", test_disk_file_merges_and_removes);
    g_test_add_func("/driver/journal/survives-the-daemon", test_journal_survives);
    return g_test_run();
}
