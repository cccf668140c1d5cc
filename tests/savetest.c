/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver/save.h"
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include "conf/domain-xml.h"
#include "driver/domain-list.h"
#include "driver/job.h"
#include "driver/journal.h"
#include "driver/lifecycle.h"
#include "driver/recover.h"
#include "driver/restore.h"
#include "driver/save-file.h"
#include "driver/stop.h"
#include "driver/store.h"
#include "driver/team-manage.h"
#include "lib/fake-guest.h"
#include "lib/fake-team.h"

#define BRIDGED TEAM_BY("", "type='bridge'><source bridge='lo'/>")

static const char *fault_sequence, *fault_step;

static gboolean
savetest_fault(const VtSeqTable *table, const VtStep *step, GError **error)
{
    if (g_strcmp0(fault_sequence, table->name) != 0 || g_strcmp0(fault_step, step->name) != 0)
        return TRUE;
    return vt_error_set(error, VT_ERROR_OPERATION_FAILED, "injected at %s", step->name);
}

typedef struct {
    FakeHost host;
    VtDomain *domain; /* "web", defined */
    char *path;
} SaveTest;

static void
savetest_start(SaveTest *test)
{
    FakeDone told = { 0 };

    vt_lifecycle_create(test->host.driver, test->domain, 0, NULL, fake_done, &told);
    fake_wait(&told.done);
    g_assert_no_error(told.error);
    fake_settle();
    g_ptr_array_set_size(test->host.events, 0);
    g_free(fake_guest_commands());
}

static void
savetest_open(SaveTest *test)
{
    g_autofree char *xml = fake_guest_xml("web", UUID_A, NULL);
    g_autoptr(GError) error = NULL;

    fake_host_open(&test->host);
    test->path = g_build_filename(test->host.dir, "web.image", NULL);
    test->domain = fake_define(test->host.driver, xml, 0, &error);
    g_assert_no_error(error);
    savetest_start(test);
}

static void
savetest_close(SaveTest *test)
{
    FakeDone told = { 0 };

    if (vt_domain_is_active(test->domain)) {
        vt_lifecycle_destroy(test->host.driver, test->domain, 0, fake_done, &told);
        fake_wait(&told.done);
    }
    g_free(test->path);
    fake_host_close(&test->host);
}

static GError *
savetest_save(SaveTest *test, const char *path, guint flags)
{
    const VtSaveParams params = {
        .driver = test->host.driver, .domain = test->domain, .path = path, .flags = flags
    };
    FakeDone told = { 0 };

    vt_save_run(&params, fake_done, &told);
    fake_wait(&told.done);
    fake_settle();
    return told.error;
}

static GError *
savetest_restore(SaveTest *test, guint flags)
{
    const VtRestoreParams params = { .driver = test->host.driver, .path = test->path, .flags = flags };
    FakeDone told = { 0 };

    vt_restore_run(&params, fake_done, &told);
    fake_wait(&told.done);
    fake_settle();
    return told.error;
}

static GError *
savetest_create(SaveTest *test, guint flags)
{
    FakeDone told = { 0 };

    vt_lifecycle_create(test->host.driver, test->domain, flags, NULL, fake_done, &told);
    fake_wait(&told.done);
    fake_settle();
    return told.error;
}

static void
savetest_events(SaveTest *test, const char *expected)
{
    g_autofree char *text = NULL;

    g_ptr_array_add(test->host.events, NULL);
    text = g_strjoinv(" ", (char **)test->host.events->pdata);
    g_assert_cmpstr(text, ==, expected);
    g_ptr_array_set_size(test->host.events, 0);
}

static void
savetest_state(SaveTest *test, VtDomainState state, int reason)
{
    int found = -1;

    g_assert_cmpint(vt_domain_state(test->domain, &found), ==, state);
    g_assert_cmpint(found, ==, reason);
    g_assert_cmpint(vt_job_kind(test->domain), ==, VT_JOB_NONE);
    g_assert_null(vt_journal_kind(test->domain));
}

static void
test_save_and_restore(void)
{
    SaveTest test;
    int type;
    g_autoptr(VtTypedParams) stats = NULL;
    g_autoptr(GError) again = NULL;
    g_autofree char *xml = NULL;

    savetest_open(&test);
    g_assert_no_error(savetest_save(&test, test.path, 0));
    savetest_state(&test, VT_DOMAIN_SHUTOFF, VT_SHUTOFF_SAVED);
    savetest_events(&test, "3/0 6/2 5/4");
    g_assert_cmpuint(fake_guest_alive(), ==, 0);
    g_assert_false(vt_save_file_is_partial(test.path));
    stats = vt_job_query(test.domain, 1, &type, NULL);
    g_assert_cmpint(type, ==, VT_JOB_TYPE_COMPLETED);
    xml = vt_save_image_xml(test.host.driver, test.path, NULL, NULL);
    g_assert_nonnull(strstr(xml, "<name>web</name>"));
    g_assert_true(g_str_has_suffix(xml, "</domain>\n"));

    g_assert_no_error(savetest_restore(&test, 0));
    savetest_state(&test, VT_DOMAIN_RUNNING, 3);
    savetest_events(&test, "4/0 2/2");
    g_assert_true(g_file_test(test.path, G_FILE_TEST_EXISTS));
    again = savetest_restore(&test, 0);
    g_assert_error(again, VT_ERROR, VT_ERROR_OPERATION_INVALID);
    savetest_close(&test);
}

static void
test_what_the_image_says_and_what_flags_say(void)
{
    const struct {
        guint save, restore;
        VtDomainState state;
        int reason;
        const char *events;
    } rows[] = {
        { .state = VT_DOMAIN_RUNNING, .reason = 3, .events = "4/0 2/2" },
        { .save = VT_SAVE_PAUSED, .state = VT_DOMAIN_PAUSED, .reason = 1, .events = "2/2 3/3" },
        { .save = VT_SAVE_PAUSED,
          .restore = VT_SAVE_RUNNING,
          .state = VT_DOMAIN_RUNNING,
          .reason = 3,
          .events = "4/0 2/2" },
        { .restore = VT_SAVE_PAUSED, .state = VT_DOMAIN_PAUSED, .reason = 1, .events = "2/2 3/3" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        SaveTest test;

        savetest_open(&test);
        g_assert_no_error(savetest_save(&test, test.path, rows[i].save));
        g_ptr_array_set_size(test.host.events, 0);
        g_assert_no_error(savetest_restore(&test, rows[i].restore));
        savetest_state(&test, rows[i].state, rows[i].reason);
        savetest_events(&test, rows[i].events);
        savetest_close(&test);
    }
}

static void
test_flags_that_are_refused(void)
{
    const struct {
        const char *path;
        guint flags;
        VtErrorCode code;
    } rows[] = {
        { .path = "/x", .flags = VT_SAVE_BYPASS_CACHE, .code = VT_ERROR_UNSUPPORTED },
        { .path = "/x", .flags = VT_SAVE_RESET_NVRAM, .code = VT_ERROR_UNSUPPORTED },
        { .path = "/x", .flags = VT_SAVE_RUNNING | VT_SAVE_PAUSED, .code = VT_ERROR_INVALID_ARG },
        { .path = "x", .code = VT_ERROR_INVALID_ARG },
        { .path = "/proc/no/such/directory", .code = VT_ERROR_SYSTEM },
    };
    SaveTest test;
    g_autoptr(GError) error = NULL;

    savetest_open(&test);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) refusal = savetest_save(&test, rows[i].path, rows[i].flags);

        g_assert_nonnull(refusal);
        g_assert_cmpint(refusal->code, ==, (int)rows[i].code);
        savetest_state(&test, VT_DOMAIN_RUNNING, 1);
    }
    /* What is no regular file is refused, and stays. */
    g_assert_cmpint(mkfifo(test.path, 0600), ==, 0);
    error = savetest_save(&test, test.path, 0);
    g_assert_error(error, VT_ERROR, VT_ERROR_INVALID_ARG);
    g_assert_true(g_file_test(test.path, G_FILE_TEST_EXISTS));
    g_unlink(test.path);
    savetest_close(&test);
}

/* A failure at each step leaves the guest running, no file, no journal, no job. */
static void
test_each_step_of_a_save_fails(void)
{
    const VtSeqTable *table = vt_save_table();
    SaveTest test;

    savetest_open(&test);
    vt_seq_set_fault_hook(savetest_fault);
    fault_sequence = "save";
    for (gsize i = 0; i < table->n_steps; i++) {
        g_autoptr(GError) error = NULL;

        fault_step = table->steps[i].name;
        error = savetest_save(&test, test.path, 0);
        g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
        g_assert_cmpstr(error->message + strlen("injected at "), ==, fault_step);
        if (g_str_equal(fault_step, "end-guest")) {
            /* The file is complete: both are there, and the guest stands still. */
            g_assert_cmpint(vt_domain_state(test.domain, NULL), ==, VT_DOMAIN_PAUSED);
            g_assert_false(vt_save_file_is_partial(test.path));
            continue;
        }
        g_assert_cmpint(vt_domain_state(test.domain, NULL), ==, VT_DOMAIN_RUNNING);
        g_assert_cmpint(vt_job_kind(test.domain), ==, VT_JOB_NONE);
        g_assert_null(vt_journal_kind(test.domain));
        g_assert_false(g_file_test(test.path, G_FILE_TEST_EXISTS));
    }
    fault_step = NULL;
    g_assert_no_error(savetest_save(&test, test.path, 0));
    vt_seq_set_fault_hook(NULL);
    savetest_close(&test);
}

/* A failure at each step of the start from a managed image leaves the image, and no QEMU. */
static void
test_each_step_of_a_restore_fails(void)
{
    const VtSeqTable *table = vt_restore_table();
    SaveTest test;

    savetest_open(&test);
    g_assert_no_error(savetest_save(&test, NULL, 0));
    vt_seq_set_fault_hook(savetest_fault);
    fault_sequence = "restore";
    for (gsize i = 0; i < table->n_steps; i++) {
        g_autoptr(GError) error = NULL;

        fault_step = table->steps[i].name;
        error = savetest_create(&test, 0);
        g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
        if (g_str_equal(fault_step, "tell")) {
            /* Past the point of no return. */
            g_assert_cmpint(vt_domain_state(test.domain, NULL), ==, VT_DOMAIN_RUNNING);
            g_assert_false(vt_save_has_managed(test.host.driver, test.domain));
            continue;
        }
        g_assert_false(vt_domain_is_active(test.domain));
        g_assert_cmpuint(fake_guest_alive(), ==, 0);
        g_assert_null(test.domain->live);
        g_assert_null(vt_journal_kind(test.domain));
        g_assert_cmpint(vt_job_kind(test.domain), ==, VT_JOB_NONE);
        g_assert_true(vt_save_has_managed(test.host.driver, test.domain));
    }
    fault_step = NULL;
    vt_seq_set_fault_hook(NULL);
    savetest_close(&test);
}

static void
test_managed_image(void)
{
    SaveTest test;
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) list = NULL;

    savetest_open(&test);
    g_assert_false(vt_save_has_managed(test.host.driver, test.domain));
    g_assert_no_error(savetest_save(&test, NULL, 0));
    savetest_state(&test, VT_DOMAIN_SHUTOFF, VT_SHUTOFF_SAVED);
    g_assert_true(vt_save_has_managed(test.host.driver, test.domain));
    list = vt_driver_list(test.host.driver, 1 << 8);
    g_assert_cmpuint(list->len, ==, 1);
    g_assert_false(fake_undefine(test.host.driver, test.domain, 0, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_INVALID);
    g_clear_error(&error);
    g_assert_false(fake_rename(test.host.driver, test.domain, "other", &error));
    g_clear_error(&error);
    error = savetest_create(&test, 1 << 2); /* bypass-cache */
    g_assert_error(error, VT_ERROR, VT_ERROR_UNSUPPORTED);
    g_clear_error(&error);
    g_ptr_array_set_size(test.host.events, 0);
    g_assert_no_error(savetest_create(&test, 0));
    savetest_state(&test, VT_DOMAIN_RUNNING, 3);
    savetest_events(&test, "4/0 2/2");
    g_assert_false(vt_save_has_managed(test.host.driver, test.domain));
    /* --force-boot */
    g_assert_no_error(savetest_save(&test, NULL, 0));
    g_ptr_array_set_size(test.host.events, 0);
    g_log_set_always_fatal(G_LOG_FATAL_MASK);
    g_assert_no_error(savetest_create(&test, 1 << 3));
    savetest_state(&test, VT_DOMAIN_RUNNING, 1);
    savetest_events(&test, "4/0 2/0");
    g_assert_false(vt_save_has_managed(test.host.driver, test.domain));
    /* undefine --managed-save */
    g_assert_no_error(savetest_save(&test, NULL, 0));
    g_assert_true(vt_save_has_managed(test.host.driver, test.domain));
    vt_domain_ref(test.domain);
    g_assert_true(fake_undefine(test.host.driver, test.domain, 1, &error));
    g_assert_false(vt_save_has_managed(test.host.driver, test.domain));
    vt_domain_unref(test.domain);
    g_free(test.path);
    fake_host_close(&test.host);
}

/* QEMU cannot write, or cannot load. */
static void
test_qemu_fails(void)
{
    SaveTest test;
    g_autoptr(GError) error = NULL;

    savetest_open(&test);
    fake_guest_migrations(FALSE, TRUE);
    error = savetest_save(&test, test.path, 0);
    g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
    g_assert_nonnull(strstr(error->message, "No space left on device"));
    g_assert_nonnull(strstr(error->message, test.path));
    g_assert_cmpint(vt_domain_state(test.domain, NULL), ==, VT_DOMAIN_RUNNING);
    g_assert_false(g_file_test(test.path, G_FILE_TEST_EXISTS));
    g_clear_error(&error);
    fake_guest_migrations(FALSE, FALSE);
    g_assert_no_error(savetest_save(&test, NULL, 0));
    fake_guest_migrations(FALSE, TRUE);
    error = savetest_create(&test, 0);
    g_assert_nonnull(strstr(error->message, "No space left on device"));
    g_assert_true(vt_save_has_managed(test.host.driver, test.domain));
    g_assert_false(vt_domain_is_active(test.domain));
    savetest_close(&test);
}

static void
savetest_begin_stuck(SaveTest *test, FakeDone *told)
{
    const VtSaveParams params = { .driver = test->host.driver, .domain = test->domain, .path = test->path };

    fake_guest_migrations(TRUE, FALSE);
    vt_save_run(&params, fake_done, told);
    fake_settle_for(360);
    g_assert_false(told->done);
    g_assert_true(vt_save_file_is_partial(test->path));
}

static void
test_abort(void)
{
    SaveTest test;
    FakeDone told = { 0 };
    g_autoptr(VtTypedParams) stats = NULL;
    guint64 total = 0;
    int type;

    savetest_open(&test);
    savetest_begin_stuck(&test, &told);
    stats = vt_job_query(test.domain, 0, &type, NULL);
    g_assert_cmpint(type, ==, VT_JOB_TYPE_UNBOUNDED);
    g_assert_true(vt_typed_params_get_ullong(stats, "memory_total", &total));
    g_assert_cmpuint(total, ==, 1000);
    g_assert_true(vt_job_abort(test.domain, 0, NULL));
    fake_wait(&told.done);
    g_assert_error(told.error, VT_ERROR, VT_ERROR_ABORTED);
    g_clear_error(&told.error);
    savetest_state(&test, VT_DOMAIN_RUNNING, 7);
    g_assert_false(g_file_test(test.path, G_FILE_TEST_EXISTS));
    savetest_close(&test);
}

static void
test_destroy_in_the_middle(void)
{
    SaveTest test;
    FakeDone told = { 0 }, destroyed = { 0 };

    savetest_open(&test);
    savetest_begin_stuck(&test, &told);
    vt_lifecycle_destroy(test.host.driver, test.domain, 0, fake_done, &destroyed);
    fake_wait(&told.done);
    fake_wait(&destroyed.done);
    g_assert_no_error(destroyed.error);
    g_assert_nonnull(told.error);
    g_clear_error(&told.error);
    fake_settle();
    savetest_state(&test, VT_DOMAIN_SHUTOFF, VT_SHUTOFF_DESTROYED);
    g_assert_false(g_file_test(test.path, G_FILE_TEST_EXISTS));
    savetest_close(&test);
}

/* The daemon dies while QEMU writes: the next one has the guest running again and no file. */
static void
test_daemon_dies_in_the_middle(void)
{
    SaveTest test;
    FakeDone *told = g_new0(FakeDone, 1); /* never told: the daemon is dead */

    savetest_open(&test);
    savetest_begin_stuck(&test, told);
    vt_save_abandon(test.domain);
    fake_host_crash(&test.host);
    vt_store_load(test.host.driver);
    vt_recover_run(test.host.driver);
    test.domain = vt_driver_lookup_name(test.host.driver, "web", NULL);
    g_assert_nonnull(test.domain);
    FAKE_UNTIL(!vt_journal_kind(test.domain));
    fake_settle();
    g_assert_cmpint(vt_domain_state(test.domain, NULL), ==, VT_DOMAIN_RUNNING);
    g_assert_null(vt_journal_kind(test.domain));
    g_assert_cmpint(vt_job_kind(test.domain), ==, VT_JOB_NONE);
    g_assert_false(g_file_test(test.path, G_FILE_TEST_EXISTS));
    g_free(told);
    savetest_close(&test);
}

/* It stands still, so it cannot let go of its primary. */
static void
test_paused_team_is_refused(void)
{
    SaveTest test;
    g_autofree char *xml = fake_guest_xml("web", UUID_A, BRIDGED);
    g_autoptr(GError) error = NULL;
    VtDomainDef *teamed = vt_domain_xml_parse(xml, &error);
    FakeDone told = { 0 };

    g_assert_no_error(error);
    savetest_open(&test);
    vt_domain_def_free(test.domain->live);
    test.domain->live = teamed;
    vt_lifecycle_suspend(test.host.driver, test.domain, fake_done, &told);
    fake_wait(&told.done);
    error = savetest_save(&test, test.path, 0);
    g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_INVALID);
    g_assert_nonnull(strstr(error->message, "ua-primary"));
    g_assert_nonnull(strstr(error->message, "virsh resume web"));
    g_assert_false(g_file_test(test.path, G_FILE_TEST_EXISTS));
    g_assert_cmpint(vt_domain_state(test.domain, NULL), ==, VT_DOMAIN_PAUSED);
    savetest_close(&test);
}

/* A save of a guest whose primary the driver takes out; the guest lets go when it is asked. */
static GError *
savetest_save_managed(SaveTest *test)
{
    const VtSaveParams params = { .driver = test->host.driver, .domain = test->domain, .path = test->path };
    FakeDone told = { 0 };

    g_free(fake_guest_commands());
    vt_save_run(&params, fake_done, &told);
    for (gint64 since = 0; !told.done && fake_go_on(&since);) {
        g_autofree char *commands = NULL;

        fake_settle();
        commands = fake_guest_commands();
        if (strstr(commands, "device_del"))
            fake_guest_event(test->domain,
                             "{\"event\":\"DEVICE_DELETED\",\"data\":{\"device\":\"ua-primary\","
                             "\"path\":\"/machine/peripheral/ua-primary\"},"
                             "\"timestamp\":{\"seconds\":1,\"microseconds\":2}}");
    }
    g_assert_true(told.done);
    fake_settle();
    return told.error;
}

static void
test_team_of_the_driver(void)
{
    const VtSeqTable *table = vt_save_table();
    g_autofree char *xml =
        fake_guest_xml("web", UUID_A, TEAM_BY("orchestration='management'", "type='user'>"));
    g_autofree char *commands = NULL;
    SaveTest test;

    savetest_open(&test);
    vt_domain_def_free(test.domain->live);
    test.domain->live = vt_domain_xml_parse(xml, NULL);
    g_assert_nonnull(test.domain->live);
    vt_seq_set_fault_hook(savetest_fault);
    fault_sequence = "save";
    for (gsize i = 0; i < table->n_steps; i++) {
        g_autoptr(GError) error = NULL;

        fault_step = table->steps[i].name;
        if (g_str_equal(fault_step, "end-guest"))
            break; /* as for any other guest */
        error = savetest_save_managed(&test);
        g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
        g_assert_cmpint(vt_domain_state(test.domain, NULL), ==, VT_DOMAIN_RUNNING);
        FAKE_UNTIL(!vt_team_manage_is_away(test.domain, "ua-primary"));
        fake_settle();
        g_assert_false(vt_team_manage_is_away(test.domain, "ua-primary"));
        g_assert_false(g_file_test(test.path, G_FILE_TEST_EXISTS));
    }
    fault_step = NULL;
    vt_seq_set_fault_hook(NULL);
    g_assert_no_error(savetest_save_managed(&test));
    g_assert_false(vt_domain_is_active(test.domain));
    fake_guest_answer("qom-list", "[]");
    g_free(fake_guest_commands());
    g_assert_no_error(savetest_restore(&test, 0));
    commands = fake_guest_commands();
    g_assert_nonnull(strstr(commands, "cont"));
    g_assert_nonnull(strstr(strstr(commands, "cont"), "device_add"));
    fake_guest_answer(NULL, NULL);
    savetest_close(&test);
}

static void
test_image_is_changed(void)
{
    SaveTest test;
    g_autoptr(GError) error = NULL;
    g_autofree char *larger = fake_guest_xml("web", UUID_A, "<title>of the image</title>");
    g_autofree char *other = fake_guest_xml("other", UUID_A, NULL);
    g_autofree char *xml = NULL;
    VtSaveParams params;

    savetest_open(&test);
    g_assert_no_error(savetest_save(&test, test.path, 0));
    params = (VtSaveParams){ .driver = test.host.driver, .path = test.path, .xml = other };
    g_assert_false(vt_save_image_define(&params, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_UNSUPPORTED);
    g_clear_error(&error);
    params.xml = larger;
    params.flags = VT_SAVE_PAUSED;
    g_assert_true(vt_save_image_define(&params, &error));
    g_assert_no_error(error);
    xml = vt_save_image_xml(test.host.driver, test.path, NULL, &error);
    g_assert_nonnull(strstr(xml, "of the image"));
    g_assert_no_error(savetest_restore(&test, 0));
    savetest_state(&test, VT_DOMAIN_PAUSED, 1);
    g_assert_cmpstr(test.domain->live->title, ==, "of the image");
    savetest_close(&test);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/driver/save/team-of-the-driver", test_team_of_the_driver);
    g_test_add_func("/driver/save/a-guest-comes-back", test_save_and_restore);
    g_test_add_func("/driver/save/runs-as-the-image-or-the-flags-say",
                    test_what_the_image_says_and_what_flags_say);
    g_test_add_func("/driver/save/what-cannot-be-is-refused", test_flags_that_are_refused);
    g_test_add_func("/driver/save/failure-at-each-step-leaves-the-guest-running",
                    test_each_step_of_a_save_fails);
    g_test_add_func("/driver/save/paused-team-is-refused", test_paused_team_is_refused);
    g_test_add_func("/driver/save/abort", test_abort);
    g_test_add_func("/driver/save/destroy-in-the-middle", test_destroy_in_the_middle);
    g_test_add_func("/driver/save/daemon-dies-in-the-middle", test_daemon_dies_in_the_middle);
    g_test_add_func("/driver/save/qemu-fails", test_qemu_fails);
    g_test_add_func("/driver/save/managed-image", test_managed_image);
    g_test_add_func("/driver/save/image-is-changed", test_image_is_changed);
    g_test_add_func("/driver/restore/failure-at-each-step-leaves-the-image",
                    test_each_step_of_a_restore_fails);
    return g_test_run();
}
