/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/process.h"
#include "qemu/process-spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define QEMU "/usr/bin/qemu-system-x86_64"

typedef struct {
    char *dir, *log, *pid, *monitor;
    VtProcess *process;
    GString *told;
} Fixture;

static Fixture *
fixture_new(void)
{
    Fixture *f = g_new0(Fixture, 1);

    f->dir = g_dir_make_tmp("vt-process-XXXXXX", NULL);
    g_assert_nonnull(f->dir);
    f->log = g_build_filename(f->dir, "log", NULL);
    f->pid = g_build_filename(f->dir, "pid", NULL);
    f->monitor = g_build_filename(f->dir, "monitor", NULL);
    f->told = g_string_new(NULL);
    return f;
}

static void
fixture_free(Fixture *f)
{
    vt_process_free(f->process);
    g_unlink(f->log);
    g_unlink(f->pid);
    g_unlink(f->monitor);
    g_assert_cmpint(g_rmdir(f->dir), ==, 0);
    g_free(f->dir);
    g_free(f->log);
    g_free(f->pid);
    g_free(f->monitor);
    g_string_free(f->told, TRUE);
    g_free(f);
}

static void
note_event(VtProcess *process, const VtQmpEvent *event, gpointer user)
{
    Fixture *f = user;

    g_string_append_printf(f->told, "event %s\n", event->name);
}

static void
note_exited(VtProcess *process, const char *why, gpointer user)
{
    Fixture *f = user;

    g_string_append_printf(f->told, "exited %s\n", why);
}

static void
note_done(gpointer user, const GError *error)
{
    Fixture *f = user;

    g_string_append_printf(f->told, "done %s\n", error ? error->message : "ok");
}

static void
note_reply(gpointer user, JsonNode *result, const GError *error)
{
    Fixture *f = user;

    g_string_append_printf(f->told, "reply %s\n", error ? error->message : "ok");
}

static const VtProcessFuncs funcs = { .event = note_event, .exited = note_exited };

static void
fixture_wait(Fixture *f, const char *text)
{
    gint64 deadline = g_get_monotonic_time() + 120 * G_USEC_PER_SEC;

    while (!strstr(f->told->str, text)) {
        if (g_get_monotonic_time() > deadline)
            g_error("'%s' was not told, but:\n%s", text, f->told->str);
        g_main_context_iteration(NULL, FALSE);
        g_usleep(500);
    }
}

/* Start @argv with the listening monitor as descriptor @fd of the list. */
static gboolean
fixture_spawn(Fixture *f, char *const *argv, int fd, GError **error)
{
    const VtProcessParams params = {
        .argv = argv,
        .fds = &fd,
        .n_fds = fd >= 0 ? 1 : 0,
        .log_path = f->log,
        .pid_path = f->pid,
        .monitor_path = f->monitor,
    };

    f->process = vt_process_spawn(&params, &funcs, f, error);
    return f->process != NULL;
}

static void
fixture_spawn_fake(Fixture *f, const char *transcript)
{
    g_autofree char *path = g_strdup_printf("%s/data/qmp/%s.qmp", VT_TEST_DATA_DIR, transcript);
    g_autoptr(GError) error = NULL;
    int fd = vt_process_monitor_listen(f->monitor, &error);
    g_autofree char *number = g_strdup_printf("%d", fd);
    char *argv[] = { (char *)VT_FAKE_QEMU, path, (char *)"--listen-fd", number, NULL };

    g_assert_no_error(error);
    fixture_spawn(f, argv, fd, &error);
    g_assert_no_error(error);
    close(fd);
}

static gboolean
fixture_spawn_qemu(Fixture *f)
{
    g_autoptr(GError) error = NULL;
    int fd = vt_process_monitor_listen(f->monitor, &error);
    g_autofree char *chardev = g_strdup_printf("socket,id=m,fd=%d,server=on,wait=off", fd);
    char *argv[] = { (char *)QEMU,
                     (char *)"-machine",
                     (char *)"none",
                     (char *)"-nodefaults",
                     (char *)"-nographic",
                     (char *)"-chardev",
                     chardev,
                     (char *)"-mon",
                     (char *)"chardev=m,mode=control",
                     NULL };

    g_assert_no_error(error);
    fixture_spawn(f, argv, fd, &error);
    g_assert_no_error(error);
    close(fd);
    return TRUE;
}

static void
test_fake(void)
{
    Fixture *f = fixture_new();
    guint64 start_time;
    pid_t pid;

    fixture_spawn_fake(f, "silent");
    g_assert_true(vt_process_read_pid_file(f->pid, &pid, &start_time));
    g_assert_cmpint(pid, ==, vt_process_pid(f->process));
    g_assert_cmpuint(start_time, ==, vt_process_start_time(f->process));
    /* Neither our child nor in our session. */
    g_assert_cmpint(waitpid(pid, NULL, WNOHANG), ==, -1);
    g_assert_cmpint(errno, ==, ECHILD);
    g_assert_cmpint(getsid(pid), !=, getsid(0));
    g_assert_cmpint(getpgid(pid), !=, getpgid(0));
    g_assert_null(vt_process_qmp(f->process));
    vt_process_connect(f->process, 120000, note_done, f);
    fixture_wait(f, "done");
    vt_qmp_client_call(vt_process_qmp(f->process), "query-status", NULL, 0, note_reply, f);
    vt_qmp_client_call(vt_process_qmp(f->process), "query-migrate", NULL, 0, note_reply, f);
    fixture_wait(f, "exited");
    g_assert_nonnull(strstr(f->told->str, "event SHUTDOWN\n"));
    g_assert_nonnull(strstr(f->told->str, "has ended: host-signal"));
    g_assert_null(vt_process_qmp(f->process));
    fixture_free(f);
}

static void
test_dies_while_connecting(void)
{
    Fixture *f = fixture_new();

    fixture_spawn_fake(f, "dies");
    vt_process_connect(f->process, 120000, note_done, f);
    fixture_wait(f, "exited");
    g_assert_true(g_str_has_prefix(f->told->str, "done QEMU (process "));
    g_assert_nonnull(strstr(f->told->str, "ended unexpectedly; the last lines of its log:\n"
                                          "qemu-system-x86_64: the fake machine has a fake problem"));
    fixture_free(f);
}

static void
test_cannot_execute(void)
{
    Fixture *f = fixture_new();
    char *argv[] = { (char *)"/nonexistent/qemu", NULL };
    g_autoptr(GError) error = NULL;

    g_assert_false(fixture_spawn(f, argv, -1, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_SYSTEM);
    g_assert_nonnull(strstr(error->message, "cannot execute '/nonexistent/qemu'"));
    g_assert_false(g_file_test(f->pid, G_FILE_TEST_EXISTS));
    fixture_free(f);
}

static void
test_descriptors(void)
{
    Fixture *f = fixture_new();
    char *argv[] = { (char *)"/bin/ls", (char *)"/proc/self/fd", NULL };
    g_autofree char *log = NULL;
    g_autofree char *want = NULL;
    g_autofree char *leak = NULL;
    int stray = open("/dev/null", O_RDONLY); /* no CLOEXEC: must not be inherited all the same */
    int given = fcntl(stray, F_DUPFD_CLOEXEC, 20);
    const VtProcessParams params = { .argv = argv, .fds = &given, .n_fds = 1, .log_path = f->log };
    g_autoptr(GError) error = NULL;

    f->process = vt_process_spawn(&params, &funcs, f, &error);
    if (f->process)
        fixture_wait(f, "exited");
    close(stray);
    close(given);
    g_assert_true(g_file_get_contents(f->log, &log, NULL, NULL));
    want = g_strdup_printf("\n%d\n", given);
    leak = g_strdup_printf("\n%d\n", stray > 3 ? stray : 99);
    g_assert_nonnull(strstr(log, want));
    g_assert_null(strstr(log, leak));
    fixture_free(f);
}

static void
test_real_qemu(void)
{
    Fixture *f = fixture_new();

    if (!g_file_test(QEMU, G_FILE_TEST_IS_EXECUTABLE)) {
        g_test_skip("no " QEMU);
        fixture_free(f);
        return;
    }
    fixture_spawn_qemu(f);
    vt_process_connect(f->process, 120000, note_done, f);
    fixture_wait(f, "done ok");
    vt_qmp_client_call(vt_process_qmp(f->process), "query-status", NULL, 120000, note_reply, f);
    fixture_wait(f, "reply ok");
    vt_process_kill(f->process, 120000, note_done, f);
    fixture_wait(f, "exited");
    g_assert_true(g_str_has_prefix(f->told->str, "done ok\nreply ok\nevent SHUTDOWN\nexited "));
    g_assert_nonnull(strstr(f->told->str, "host-signal"));
    fixture_wait(f, "\ndone ok");
    fixture_free(f);
}

static void
test_attach_after_kill_nine(void)
{
    Fixture *f = fixture_new();
    g_autoptr(GError) error = NULL;
    guint64 start_time = 0;
    pid_t daemon, pid = 0;
    int status;

    if (!g_file_test(QEMU, G_FILE_TEST_IS_EXECUTABLE)) {
        g_test_skip("no " QEMU);
        fixture_free(f);
        return;
    }
    /* A process that starts QEMU and is killed with its whole process group. */
    daemon = fork();
    if (daemon == 0) {
        setpgid(0, 0);
        fixture_spawn_qemu(f);
        kill(0, SIGKILL);
        _exit(1);
    }
    waitpid(daemon, &status, 0);
    g_assert_true(WIFSIGNALED(status));
    g_assert_true(vt_process_read_pid_file(f->pid, &pid, &start_time));
    f->process = vt_process_attach(pid, start_time, f->monitor, f->log, &funcs, f, &error);
    g_assert_no_error(error);
    vt_process_connect(f->process, 120000, note_done, f);
    fixture_wait(f, "done ok");
    vt_process_kill(f->process, 0, note_done, f);
    fixture_wait(f, "exited");
    g_assert_nonnull(strstr(f->told->str, "was killed"));
    fixture_wait(f, "\ndone ok");
    vt_process_free(f->process);
    f->process = vt_process_attach(pid, start_time, f->monitor, f->log, &funcs, f, &error);
    g_assert_null(f->process);
    g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
    fixture_free(f);
}

static void
test_attach_to_a_recycled_pid(void)
{
    g_autoptr(GError) error = NULL;
    VtProcess *process = vt_process_attach(getpid(), 1, "/nowhere", "/nowhere", &funcs, NULL, &error);

    g_assert_null(process);
    g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
}

static void
test_stat_rows(void)
{
    static const struct {
        const char *text;
        gboolean ok;
        guint64 start_time;
    } rows[] = {
        { "7 (a) S 1 7 7 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 12345 0 0", TRUE, 12345 },
        { "7 (a) b (c) R 1 7 7 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 9 0 0", TRUE, 9 },
        { "7 (a) S 1 7", FALSE, 0 },
        { "7 (a)", FALSE, 0 },
        { "7 (a) S 1 7 7 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 -5 0 0", FALSE, 0 },
        { "", FALSE, 0 },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        guint64 start_time = 0;
        char state;

        g_assert_cmpint(vt_process_stat_start_time(rows[i].text, &state, &start_time), ==, rows[i].ok);
        g_assert_cmpuint(start_time, ==, rows[i].start_time);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu/process/stat-line", test_stat_rows);
    g_test_add_func("/qemu/process/fake-ends-with-its-last-event", test_fake);
    g_test_add_func("/qemu/process/dies-while-connecting", test_dies_while_connecting);
    g_test_add_func("/qemu/process/cannot-execute", test_cannot_execute);
    g_test_add_func("/qemu/process/only-the-given-descriptors", test_descriptors);
    g_test_add_func("/qemu/process/real-qemu", test_real_qemu);
    g_test_add_func("/qemu/process/attach-after-kill-nine", test_attach_after_kill_nine);
    g_test_add_func("/qemu/process/attach-refuses-a-recycled-pid", test_attach_to_a_recycled_pid);
    return g_test_run();
}
