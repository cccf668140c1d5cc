/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver/lifecycle.h"
#include <glib/gstdio.h>
#include <string.h>
#include "driver/domain-list.h"
#include "driver/job.h"
#include "driver/store.h"
#include "lib/fake-guest.h"

#define UUID_A "11111111-2222-3333-4444-00000000000a"
#define UUID_B "11111111-2222-3333-4444-00000000000b"

static void
lifetest_events(FakeHost *host, const char *expected)
{
    g_autofree char *text = NULL;

    fake_settle();
    g_ptr_array_add(host->events, NULL);
    text = g_strjoinv(" ", (char **)host->events->pdata);
    g_assert_cmpstr(text, ==, expected);
    g_ptr_array_set_size(host->events, 0);
}

static VtDomain *
lifetest_define(FakeHost *host, const char *name, const char *uuid, const char *extra, const char *message)
{
    g_autofree char *xml = fake_guest_xml(name, uuid, extra);
    g_autoptr(GError) error = NULL;
    VtDomain *domain = fake_define(host->driver, xml, 0, &error);

    g_assert_cmpstr(error ? error->message : NULL, ==, message);
    return domain;
}

static void
lifetest_start(FakeHost *host, VtDomain *domain, guint flags, VtOwner *owner)
{
    FakeDone told = { 0 };

    vt_lifecycle_create(host->driver, domain, flags, owner, fake_done, &told);
    fake_wait(&told.done);
    g_assert_no_error(told.error);
}

typedef void (*LifeCall)(VtDriver *driver, VtDomain *domain, VtDoneFunc done, gpointer user);
typedef void (*LifeFlagsCall)(VtDriver *driver, VtDomain *domain, guint flags, VtDoneFunc done,
                              gpointer user);

static GError *
lifetest_call(FakeHost *host, LifeCall call, VtDomain *domain)
{
    FakeDone told = { 0 };

    call(host->driver, domain, fake_done, &told);
    fake_wait(&told.done);
    return told.error;
}

static GError *
lifetest_flags_call(FakeHost *host, LifeFlagsCall call, VtDomain *domain, guint flags)
{
    FakeDone told = { 0 };

    call(host->driver, domain, flags, fake_done, &told);
    fake_wait(&told.done);
    return told.error;
}

static void
lifetest_state(VtDomain *domain, VtDomainState state, int reason)
{
    int found = -1;

    g_assert_cmpint(vt_domain_state(domain, &found), ==, state);
    g_assert_cmpint(found, ==, reason);
}

static void
test_define(void)
{
    FakeHost host;
    VtDomain *domain;
    g_autoptr(GError) error = NULL;

    fake_host_open(&host);
    domain = lifetest_define(&host, "web", UUID_A, NULL, NULL);
    lifetest_events(&host, "0/0");
    g_assert_true(lifetest_define(&host, "web", UUID_A, "<title>x</title>", NULL) == domain);
    g_assert_cmpstr(domain->persistent->title, ==, "x");
    lifetest_events(&host, "0/1");
    lifetest_define(&host, "web", UUID_B, NULL, "domain 'web' already exists with uuid " UUID_A);
    lifetest_define(&host, "db", UUID_A, NULL, "domain 'web' is already defined with uuid " UUID_A);
    g_assert_null(fake_define(host.driver, "<domain/>", 0x8000, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_UNSUPPORTED);
    g_clear_error(&error);
    /* Redefining a running guest changes its next start only. */
    lifetest_start(&host, domain, 0, NULL);
    lifetest_define(&host, "web", UUID_A, "<title>y</title>", NULL);
    g_assert_cmpstr(domain->live->title, ==, "x");
    g_assert_cmpstr(domain->persistent->title, ==, "y");
    /* Without a definition it goes on as a transient one, and is gone at its end. */
    g_assert_true(fake_undefine(host.driver, domain, 0, &error));
    g_assert_false(vt_domain_is_persistent(domain));
    g_assert_false(fake_undefine(host.driver, domain, 0, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_INVALID);
    g_assert_no_error(lifetest_flags_call(&host, vt_lifecycle_destroy, domain, 0));
    g_assert_null(vt_driver_lookup_name(host.driver, "web", NULL));
    fake_host_close(&host);
}

static void
test_define_transient_makes_persistent(void)
{
    g_autofree char *xml = fake_guest_xml("web", UUID_A, NULL);
    FakeHost host;
    FakeDone told = { 0 };
    VtDomain *domain = NULL;

    fake_host_open(&host);
    vt_lifecycle_create_xml(host.driver, xml, 0, NULL, &domain, fake_done, &told);
    fake_wait(&told.done);
    g_assert_no_error(told.error);
    g_assert_false(vt_domain_is_persistent(domain));
    g_assert_true(lifetest_define(&host, "web", UUID_A, NULL, NULL) == domain);
    g_assert_true(vt_domain_is_persistent(domain));
    g_assert_no_error(lifetest_flags_call(&host, vt_lifecycle_destroy, domain, 0));
    g_assert_true(vt_driver_lookup_name(host.driver, "web", NULL) == domain);
    fake_host_close(&host);
}

static void
test_create_xml_twice(void)
{
    g_autofree char *xml = fake_guest_xml("web", UUID_A, NULL);
    FakeHost host;
    FakeDone first = { 0 }, second = { 0 };
    VtDomain *domain = NULL, *none = NULL;

    fake_host_open(&host);
    vt_lifecycle_create_xml(host.driver, xml, 0, NULL, &domain, fake_done, &first);
    vt_lifecycle_create_xml(host.driver, xml, 0, NULL, &none, fake_done, &second);
    g_assert_true(second.done);
    g_assert_error(second.error, VT_ERROR, VT_ERROR_OPERATION_INVALID);
    g_clear_error(&second.error);
    fake_wait(&first.done);
    g_assert_no_error(first.error);
    g_assert_cmpuint(fake_guest_alive(), ==, 1);
    g_assert_no_error(lifetest_flags_call(&host, vt_lifecycle_destroy, domain, 0));
    fake_host_close(&host);
}

static void
test_suspend_resume(void)
{
    FakeHost host;
    VtDomain *domain;
    g_autoptr(GError) error = NULL;

    fake_host_open(&host);
    domain = lifetest_define(&host, "web", UUID_A, NULL, NULL);
    error = lifetest_call(&host, vt_lifecycle_suspend, domain);
    g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_INVALID);
    g_clear_error(&error);
    lifetest_start(&host, domain, 0, NULL);
    lifetest_events(&host, "0/0 4/0 2/0");
    g_assert_no_error(lifetest_call(&host, vt_lifecycle_suspend, domain));
    lifetest_state(domain, VT_DOMAIN_PAUSED, 1);
    g_assert_no_error(lifetest_call(&host, vt_lifecycle_suspend, domain)); /* it is: nothing to do */
    g_assert_no_error(lifetest_call(&host, vt_lifecycle_resume, domain));
    lifetest_state(domain, VT_DOMAIN_RUNNING, 5);
    error = lifetest_call(&host, vt_lifecycle_resume, domain);
    g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_INVALID);
    lifetest_events(&host, "3/0 4/0");
    g_assert_no_error(lifetest_flags_call(&host, vt_lifecycle_destroy, domain, 0));
    lifetest_state(domain, VT_DOMAIN_SHUTOFF, 2);
    lifetest_events(&host, "6/2 5/1");
    fake_host_close(&host);
}

/* What QEMU says while a guest runs, and what becomes of the guest. */
static void
test_guest_events(void)
{
#define GUEST_OFF   "{\"event\":\"SHUTDOWN\",\"data\":{\"guest\":true,\"reason\":\"guest-shutdown\"}," TIME "}"
#define GUEST_RESET "{\"event\":\"RESET\",\"data\":{\"guest\":true,\"reason\":\"guest-reset\"}," TIME "}"
#define PANIC       "{\"event\":\"GUEST_PANICKED\",\"data\":{\"action\":\"pause\"}," TIME "}"
#define TIME        "\"timestamp\":{\"seconds\":1,\"microseconds\":2}"
    static const struct {
        const char *extra; /* XML */
        const char *event;
        VtDomainState state;
        int reason;
        const char *told;
    } rows[] = {
        { NULL, GUEST_OFF, VT_DOMAIN_SHUTOFF, 1, "6/1 5/0" },
        { "<on_poweroff>restart</on_poweroff>", GUEST_OFF, VT_DOMAIN_RUNNING, 1, "event1 4/0" },
        { NULL, GUEST_RESET, VT_DOMAIN_RUNNING, 1, "event1" },
        { "<on_reboot>destroy</on_reboot>", GUEST_RESET, VT_DOMAIN_SHUTOFF, 1, "event1 6/2 5/0" },
        { NULL, PANIC, VT_DOMAIN_SHUTOFF, 3, "8/0 6/2 5/2" },
        { "<on_crash>preserve</on_crash>", PANIC, VT_DOMAIN_CRASHED, 1, "8/0" },
        { NULL, "{\"event\":\"WATCHDOG\",\"data\":{\"action\":\"pause\"}," TIME "}", VT_DOMAIN_PAUSED, 6,
          "event3 3/3" },
        { NULL, "{\"event\":\"WATCHDOG\",\"data\":{\"action\":\"reset\"}," TIME "}", VT_DOMAIN_RUNNING, 1,
          "event3" },
        { NULL,
          "{\"event\":\"BLOCK_IO_ERROR\",\"data\":{\"device\":\"\",\"action\":\"stop\",\"nospace\":true}," TIME
          "}",
          VT_DOMAIN_PAUSED, 5, "event4 3/2" },
        { NULL, "{\"event\":\"RTC_CHANGE\",\"data\":{\"offset\":-3600}," TIME "}", VT_DOMAIN_RUNNING, 1,
          "event2" },
        { NULL, "{\"event\":\"BALLOON_CHANGE\",\"data\":{\"actual\":33554432}," TIME "}", VT_DOMAIN_RUNNING,
          1, "event13" },
        { NULL, "{\"event\":\"STOP\"," TIME "}", VT_DOMAIN_PAUSED, 0, "3/0" },
        { NULL, "{\"event\":\"SUSPEND\"," TIME "}", VT_DOMAIN_PMSUSPENDED, 0, "7/0" },
        { NULL, "{\"event\":\"NEVER_HEARD_OF\",\"data\":{\"x\":[1]}," TIME "}", VT_DOMAIN_RUNNING, 1, "" },
        { NULL, "{\"event\":\"WATCHDOG\",\"data\":{\"action\":7}," TIME "}", VT_DOMAIN_RUNNING, 1, "" },
        { NULL, "{\"event\":\"SHUTDOWN\"," TIME "}", VT_DOMAIN_SHUTOFF, 1, "6/2 5/0" },
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        FakeHost host;
        VtDomain *domain;

        fake_host_open(&host);
        domain = lifetest_define(&host, "web", UUID_A, rows[i].extra, NULL);
        lifetest_start(&host, domain, 0, NULL);
        fake_settle();
        g_ptr_array_set_size(host.events, 0);
        g_test_message("row %u", i);
        fake_guest_event(domain, rows[i].event);
        lifetest_events(&host, rows[i].told);
        lifetest_state(domain, rows[i].state, rows[i].reason);
        if (vt_domain_is_active(domain))
            g_assert_no_error(lifetest_flags_call(&host, vt_lifecycle_destroy, domain, 0));
        g_assert_cmpuint(fake_guest_alive(), ==, 0);
        fake_host_close(&host);
    }
}

static void
test_reboot_is_a_reset_after_shutdown(void)
{
    FakeHost host;
    VtDomain *domain;
    g_autofree char *commands = NULL;

    fake_host_open(&host);
    domain = lifetest_define(&host, "web", UUID_A, NULL, NULL);
    lifetest_start(&host, domain, 0, NULL);
    lifetest_events(&host, "0/0 4/0 2/0");
    g_assert_no_error(lifetest_flags_call(&host, vt_lifecycle_reboot, domain, 0));
    fake_guest_event(domain, GUEST_OFF);
    lifetest_events(&host, "event1 4/0");
    commands = fake_guest_commands();
    g_assert_true(g_str_has_suffix(commands, "system_powerdown system_reset cont"));
    lifetest_state(domain, VT_DOMAIN_RUNNING, 1);
    /* A shutdown after it is a shutdown. */
    g_assert_no_error(lifetest_flags_call(&host, vt_lifecycle_shutdown, domain, 0));
    fake_guest_event(domain, GUEST_OFF);
    lifetest_events(&host, "6/1 5/0");
    lifetest_state(domain, VT_DOMAIN_SHUTOFF, 1);
    fake_host_close(&host);
}

static void
test_flags_are_refused(void)
{
    static const struct {
        LifeFlagsCall call;
        guint flags;
        int code;
    } rows[] = {
        { vt_lifecycle_shutdown, 2, VT_ERROR_AGENT },
        { vt_lifecycle_shutdown, 8, VT_ERROR_UNSUPPORTED },
        { vt_lifecycle_reboot, 2, VT_ERROR_AGENT },
        { vt_lifecycle_reboot, 4, VT_ERROR_UNSUPPORTED },
        { vt_lifecycle_reset, 1, VT_ERROR_UNSUPPORTED },
        { vt_lifecycle_destroy, 4, VT_ERROR_UNSUPPORTED },
        { vt_lifecycle_destroy, 64, VT_ERROR_UNSUPPORTED },
    };
    FakeHost host;
    VtDomain *domain;
    FakeDone told = { 0 };

    fake_host_open(&host);
    domain = lifetest_define(&host, "web", UUID_A, NULL, NULL);
    vt_lifecycle_create(host.driver, domain, 0x100, NULL, fake_done, &told);
    g_assert_error(told.error, VT_ERROR, VT_ERROR_UNSUPPORTED);
    g_clear_error(&told.error);
    lifetest_start(&host, domain, 0, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = lifetest_flags_call(&host, rows[i].call, domain, rows[i].flags);

        g_assert_error(error, VT_ERROR, rows[i].code);
    }
    g_assert_no_error(lifetest_flags_call(&host, vt_lifecycle_destroy, domain, 0));
    lifetest_start(&host, domain, 0, NULL);
    g_assert_no_error(lifetest_flags_call(&host, vt_lifecycle_destroy, domain, 1)); /* gracefully */
    g_assert_false(vt_domain_is_active(domain));
    fake_host_close(&host);
}

/* The daemon lets go of QEMU when it ends: that is not the guest's end. */
static void
test_destroy_is_abandoned(void)
{
    FakeHost host;
    VtDomain *domain;
    FakeDone told = { 0 };

    fake_host_open(&host);
    domain = lifetest_define(&host, "web", UUID_A, NULL, NULL);
    lifetest_start(&host, domain, 0, NULL);
    vt_lifecycle_destroy(host.driver, domain, 1, fake_done, &told);
    FAKE_UNTIL(domain->stopping);
    vt_lifecycle_abandon(domain);
    g_clear_pointer(&domain->process, vt_process_free);
    for (guint i = 0; i < 4; i++)
        fake_settle();
    g_assert_false(told.done);
    g_assert_false(domain->stopping);
    g_assert_true(vt_domain_is_active(domain));
    vt_lifecycle_abandon(domain); /* there is none any more */
    fake_host_close(&host);
}

static void
test_destroy_beats_a_hanging_job(void)
{
    FakeHost host;
    VtDomain *domain;
    FakeDone told = { 0 };
    g_autoptr(GError) error = NULL;

    fake_host_open(&host);
    domain = lifetest_define(&host, "web", UUID_A, NULL, NULL);
    lifetest_start(&host, domain, 0, NULL);
    fake_guest_mute("system_reset");
    vt_lifecycle_reset(host.driver, domain, 0, fake_done, &told);
    fake_settle();
    g_assert_false(told.done);
    g_assert_no_error(lifetest_flags_call(&host, vt_lifecycle_destroy, domain, 0));
    fake_wait(&told.done);
    g_assert_nonnull(told.error);
    g_clear_error(&told.error);
    g_assert_cmpint(vt_job_kind(domain), ==, VT_JOB_NONE);
    lifetest_state(domain, VT_DOMAIN_SHUTOFF, 2);
    error = lifetest_flags_call(&host, vt_lifecycle_destroy, domain, 0);
    g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_INVALID);
    fake_host_close(&host);
}

static void
test_destroy_beside_a_migration(void)
{
    FakeHost host;
    VtDomain *domain;
    FakeDone job = { 0 };
    g_autoptr(GError) error = NULL;

    fake_host_open(&host);
    domain = lifetest_define(&host, "web", UUID_A, NULL, NULL);
    lifetest_start(&host, domain, 0, NULL);
    vt_job_begin(domain, VT_JOB_MIGRATION_OUT, 10, fake_done, &job);
    g_assert_no_error(job.error);
    error = lifetest_flags_call(&host, vt_lifecycle_reset, domain, 0);
    g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_INVALID);
    g_clear_error(&error);
    g_assert_false(fake_undefine(host.driver, domain, 0, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_INVALID);
    g_assert_no_error(lifetest_call(&host, vt_lifecycle_suspend, domain));
    lifetest_state(domain, VT_DOMAIN_PAUSED, 2);
    g_assert_no_error(lifetest_flags_call(&host, vt_lifecycle_destroy, domain, 0));
    lifetest_state(domain, VT_DOMAIN_SHUTOFF, 2);
    g_assert_cmpint(vt_job_kind(domain), ==, VT_JOB_MIGRATION_OUT);
    vt_domain_ref(domain);
    g_clear_error(&error);
    g_assert_true(fake_undefine(host.driver, domain, 0, &error));
    vt_job_end(domain);
    vt_domain_unref(domain);
    fake_host_close(&host);
}

static void
lifetest_note_exit(VtDomain *domain, const char *why, gpointer user)
{
    *(gboolean *)user = vt_domain_is_active(domain);
}

static void
test_qemu_dies(void)
{
    static gboolean was_active;
    static const VtDomainQmpFuncs listener = { .exited = lifetest_note_exit };
    FakeHost host;
    VtDomain *domain;

    if (!g_test_subprocess()) { /* it is logged as an error */
        g_test_trap_subprocess(NULL, 0, 0);
        g_test_trap_assert_passed();
        g_test_trap_assert_stderr("*QEMU has ended by itself: it was told to*");
        return;
    }
    g_log_set_always_fatal(G_LOG_LEVEL_ERROR);
    fake_host_open(&host);
    domain = lifetest_define(&host, "web", UUID_A, NULL, NULL);
    lifetest_start(&host, domain, 0, NULL);
    lifetest_events(&host, "0/0 4/0 2/0");
    vt_domain_add_qmp_listener(domain, &listener, &was_active);
    fake_guest_die(domain);
    lifetest_events(&host, "5/5");
    g_assert_true(was_active); /* listeners come before the stop */
    lifetest_state(domain, VT_DOMAIN_SHUTOFF, 3);
    g_assert_cmpuint(fake_guest_objects(), ==, 0);
    fake_host_close(&host);
}

static void
test_rename_and_autostart(void)
{
    FakeHost host;
    VtDomain *domain;
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL;

    fake_host_open(&host);
    domain = lifetest_define(&host, "web", UUID_A, NULL, NULL);
    lifetest_define(&host, "db", UUID_B, NULL, NULL);
    g_assert_true(vt_lifecycle_set_autostart(host.driver, domain, TRUE, &error));
    g_assert_false(fake_rename(host.driver, domain, "a/b", &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_XML_DETAIL);
    g_clear_error(&error);
    g_assert_false(fake_rename(host.driver, domain, "db", &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_DOMAIN_EXISTS);
    g_clear_error(&error);
    g_assert_true(fake_rename(host.driver, domain, "www", &error));
    g_assert_true(vt_lifecycle_get_autostart(host.driver, domain));
    path = g_build_filename(host.dir, "config", "autostart", "www.xml", NULL);
    g_assert_true(g_file_test(path, G_FILE_TEST_IS_REGULAR)); /* the link leads to it */
    lifetest_events(&host, "0/0 0/0 1/1 0/2");
    fake_host_close(&host);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/driver/lifecycle/define-redefine-undefine", test_define);
    g_test_add_func("/driver/lifecycle/define-makes-a-transient-persistent",
                    test_define_transient_makes_persistent);
    g_test_add_func("/driver/lifecycle/create-twice-starts-once", test_create_xml_twice);
    g_test_add_func("/driver/lifecycle/suspend-and-resume", test_suspend_resume);
    g_test_add_func("/driver/lifecycle/what-guests-say", test_guest_events);
    g_test_add_func("/driver/lifecycle/reboot-is-a-reset-after-shutdown",
                    test_reboot_is_a_reset_after_shutdown);
    g_test_add_func("/driver/lifecycle/unsupported-flags-are-refused", test_flags_are_refused);
    g_test_add_func("/driver/lifecycle/a-graceful-destroy-is-abandoned", test_destroy_is_abandoned);
    g_test_add_func("/driver/lifecycle/destroy-beats-a-hanging-job", test_destroy_beats_a_hanging_job);
    g_test_add_func("/driver/lifecycle/destroy-beside-a-migration", test_destroy_beside_a_migration);
    g_test_add_func("/driver/lifecycle/qemu-that-dies-is-noticed", test_qemu_dies);
    g_test_add_func("/driver/lifecycle/rename-and-autostart", test_rename_and_autostart);
    return g_test_run();
}
