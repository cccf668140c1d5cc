/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/fd.h"
#include "util/file.h"

#include <glib/gstdio.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
    char *dir;
    char *path;
} Fixture;

static void
set_up(Fixture *f, gconstpointer unused)
{
    f->dir = g_dir_make_tmp("vt-file-XXXXXX", NULL);
    g_assert_nonnull(f->dir);
    f->path = g_build_filename(f->dir, "file", NULL);
}

static void
tear_down(Fixture *f, gconstpointer unused)
{
    unlink(f->path);
    g_assert_cmpint(rmdir(f->dir), ==, 0); /* no temporary file is left over */
    g_free(f->path);
    g_free(f->dir);
}

static void
test_write_and_read(Fixture *f, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    struct stat st;
    gsize length = 0;

    g_assert_true(vt_file_write_atomic(f->path, "old", 3, 0644, &error));
    g_assert_true(vt_file_write_atomic(f->path, "a\0b", 3, 0600, &error));
    g_assert_no_error(error);
    g_assert_cmpint(stat(f->path, &st), ==, 0);
    g_assert_cmpint(st.st_mode & 0777, ==, 0600);
    text = vt_file_read(f->path, 3, &length, &error);
    g_assert_cmpmem(text, length, "a\0b", 3);
    g_assert_null(vt_file_read(f->path, 2, NULL, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_INVALID_ARG);
    g_clear_error(&error);
    g_assert_null(vt_file_read(f->dir, 100, NULL, &error));
    g_assert_nonnull(error);
}

static void
test_failed_write_leaves_old(Fixture *f, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *nowhere = g_build_filename(f->dir, "nowhere", "file", NULL);

    g_assert_cmpint(mkdir(f->path, 0700), ==, 0);
    g_assert_false(vt_file_write_atomic(f->path, "x", 1, 0600, &error)); /* rename over a directory */
    g_assert_error(error, VT_ERROR, VT_ERROR_SYSTEM);
    g_clear_error(&error);
    g_assert_false(vt_file_write_atomic(nowhere, "x", 1, 0600, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_SYSTEM);
    g_assert_cmpint(rmdir(f->path), ==, 0);
}

static void
count_done(gpointer user, const GError *error)
{
    g_assert_no_error(error);
    ++*(guint *)user;
}

static void
note_error(gpointer user, const GError *error)
{
    *(GError **)user = g_error_copy(error);
}

static void
test_async_keeps_order(Fixture *f, gconstpointer unused)
{
    g_autofree char *text = NULL;
    guint done = 0;

    for (guint i = 0; i < 50; i++) {
        char number[16];

        g_snprintf(number, sizeof number, "%u", i);
        vt_file_write_atomic_async(f->path, number, strlen(number), 0600, count_done, &done);
        if (i == 20)
            vt_file_remove_async(f->path, count_done, &done);
    }
    g_assert_cmpuint(done, ==, 0);
    vt_file_flush_async();
    g_assert_cmpuint(done, ==, 51);
    text = vt_file_read(f->path, 100, NULL, NULL);
    g_assert_cmpstr(text, ==, "49");
    vt_file_remove_async(f->path, count_done, &done);
    vt_file_remove_async(f->path, count_done, &done);
    vt_file_flush_async();
    g_assert_cmpuint(done, ==, 53);
    g_assert_false(g_file_test(f->path, G_FILE_TEST_EXISTS));
}

static void
test_async_error(Fixture *f, gconstpointer unused)
{
    g_autofree char *nowhere = g_build_filename(f->dir, "nowhere", "file", NULL);
    GError *error = NULL;

    vt_file_write_atomic_async(nowhere, "", 0, 0600, note_error, &error);
    vt_file_flush_async();
    g_assert_error(error, VT_ERROR, VT_ERROR_SYSTEM);
    g_error_free(error);
}

static void
test_pid_file(Fixture *f, gconstpointer unused)
{
    g_auto(VtFd) first = -1;
    g_auto(VtFd) second = -1;
    g_autoptr(GError) error = NULL;
    g_autofree char *pid = g_strdup_printf("%ld", (long)getpid());
    g_autofree char *text = NULL;

    g_assert_true(vt_file_pid_lock(f->path, &first, &error));
    g_assert_no_error(error);
    text = vt_file_read(f->path, 100, NULL, NULL);
    g_assert_cmpstr(g_strstrip(text), ==, pid);
    g_assert_false(vt_file_pid_lock(f->path, &second, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_BUSY);
    g_assert_nonnull(strstr(error->message, pid));
    vt_file_pid_unlock(f->path, &first);
    g_assert_cmpint(first, ==, -1);
    g_clear_error(&error);
    g_assert_true(vt_file_pid_lock(f->path, &second, &error));
    vt_file_pid_unlock(f->path, &second);
    vt_file_pid_unlock(f->path, &second);
}

static void
test_mkdirs(Fixture *f, gconstpointer unused)
{
    g_autofree char *deep = g_build_filename(f->path, "b", NULL);
    g_autoptr(GError) error = NULL;
    struct stat st;

    g_assert_true(vt_file_mkdirs(deep, 0700, &error));
    g_assert_true(vt_file_mkdirs(deep, 0755, &error));
    g_assert_cmpint(stat(deep, &st), ==, 0);
    g_assert_cmpint(st.st_mode & 0777, ==, 0700);
    rmdir(deep);
    rmdir(f->path);
    g_assert_true(g_file_set_contents(f->path, "x", 1, NULL));
    g_assert_false(vt_file_mkdirs(deep, 0700, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_SYSTEM);
}

static void
test_fd_passing(void)
{
    int sockets[2];
    g_auto(VtFd) read_end = -1;
    g_auto(VtFd) write_end = -1;
    g_auto(VtFd) received = -1;
    g_autoptr(GError) error = NULL;
    char text[8] = "";

    g_assert_true(vt_fd_pipe(&read_end, &write_end, &error));
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets), ==, 0);
    g_assert_cmpint(vt_fd_recv(sockets[1], &received, &error), ==, VT_FD_IO_AGAIN);
    g_assert_cmpint(vt_fd_send(sockets[0], write_end, &error), ==, VT_FD_IO_DONE);
    g_assert_cmpint((int)write(sockets[0], "next", 4), ==, 4);
    g_assert_cmpint(vt_fd_recv(sockets[1], &received, &error), ==, VT_FD_IO_DONE);
    g_assert_cmpint(fcntl(received, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
    g_assert_cmpint((int)write(received, "x", 1), ==, 1);
    g_assert_cmpint((int)read(read_end, text, 1), ==, 1);
    /* What follows the descriptor is still there. */
    g_assert_cmpint((int)read(sockets[1], text, 4), ==, 4);
    g_assert_cmpint(memcmp(text, "next", 4), ==, 0);
    close(sockets[0]);
    vt_fd_clear(&received);
    g_assert_cmpint(vt_fd_recv(sockets[1], &received, &error), ==, VT_FD_IO_EOF);
    g_assert_no_error(error);
    g_assert_cmpint(vt_fd_send(sockets[1], read_end, &error), ==, VT_FD_IO_FAILED);
    g_assert_error(error, VT_ERROR, VT_ERROR_SYSTEM);
    close(sockets[1]);
}

static guint
count_fds(void)
{
    g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
    guint n = 0;

    while (g_dir_read_name(dir))
        n++;
    return n;
}

/* One byte with @n descriptors of standard error. */
static void
send_many(int socket, guint n)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(32 * sizeof(int))];
    } control = { .bytes = { 0 } };
    char byte = 0;
    struct iovec iov = { &byte, 1 };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
    int fds[32];

    for (guint i = 0; i < n; i++)
        fds[i] = STDERR_FILENO;
    if (n > 0) {
        struct cmsghdr *cmsg;

        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(n * sizeof(int));
        cmsg = CMSG_FIRSTHDR(&message);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(n * sizeof(int));
        memcpy(CMSG_DATA(cmsg), fds, n * sizeof(int));
    }
    g_assert_cmpint((int)sendmsg(socket, &message, 0), ==, 1);
}

static void
test_fd_hostile_peer(void)
{
    static const guint counts[] = { 0, 2, 16, 17, 32 };
    int sockets[2];
    guint before;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), ==, 0);
    before = count_fds();
    for (gsize i = 0; i < G_N_ELEMENTS(counts); i++) {
        g_autoptr(GError) error = NULL;
        VtFd fd = -1;

        send_many(sockets[0], counts[i]);
        g_assert_cmpint(vt_fd_recv(sockets[1], &fd, &error), ==, VT_FD_IO_FAILED);
        g_assert_error(error, VT_ERROR, VT_ERROR_RPC);
        g_assert_cmpint(fd, ==, -1);
    }
    g_assert_cmpuint(count_fds(), ==, before);
    close(sockets[0]);
    close(sockets[1]);
}

static void
test_fd_flags(void)
{
    g_auto(VtFd) read_end = -1;
    g_auto(VtFd) write_end = -1;
    g_autoptr(GError) error = NULL;
    char byte;

    g_assert_true(vt_fd_pipe(&read_end, &write_end, &error));
    g_assert_true(vt_fd_set_inherit(read_end, TRUE, &error));
    g_assert_cmpint(fcntl(read_end, F_GETFD) & FD_CLOEXEC, ==, 0);
    g_assert_true(vt_fd_set_nonblock(read_end, TRUE, &error));
    g_assert_cmpint((int)read(read_end, &byte, 1), ==, -1);
    g_assert_cmpint(errno, ==, EAGAIN);
    g_assert_false(vt_fd_set_nonblock(-1, TRUE, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_SYSTEM);
}

/* Rows: names in a directory, and whether they are still there afterwards. */
static void
test_sweep(void)
{
    static const struct {
        const char *name;
        gboolean stays;
    } rows[] = {
        { "web.journal", TRUE },
        { "web.journal.Ab3dEf.tmp", FALSE },
        { "web.journal.Ab3dE.tmp", TRUE },
        { "web.journal.backup", TRUE },
        { "web.journal.251121", TRUE },
        { "web.status.Ab3dEf.tmp", TRUE },
        { "web.journal.Ab3dEf.tmp.status", TRUE },
        { ".journal.Ab3dEf.tmp", TRUE },
        { "journal.Ab3dEf.tmp", TRUE },
        { "Ab3dEf.tmp", TRUE },
        { ".tmp", TRUE },
    };
    g_autofree char *dir = g_dir_make_tmp("vt-sweep-XXXXXX", NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_build_filename(dir, rows[i].name, NULL);

        g_assert_true(g_file_set_contents(path, "x", 1, NULL));
    }
    vt_file_sweep(dir, ".journal");
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_build_filename(dir, rows[i].name, NULL);

        g_test_message("%s", rows[i].name);
        g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS) == rows[i].stays);
        g_unlink(path);
    }
    g_assert_cmpint(g_rmdir(dir), ==, 0);
    vt_file_sweep(dir, ".journal"); /* there is none */
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/util/file/sweep", test_sweep);
#define ADD(path, func) g_test_add(path, Fixture, NULL, set_up, func, tear_down)
    ADD("/util/file/write-replaces-and-read-is-bounded", test_write_and_read);
    ADD("/util/file/a-failed-write-leaves-nothing-behind", test_failed_write_leaves_old);
    ADD("/util/file/async-writes-of-one-path-keep-their-order", test_async_keeps_order);
    ADD("/util/file/async-reports-its-error", test_async_error);
    ADD("/util/file/pid-file-admits-one-owner", test_pid_file);
    ADD("/util/file/mkdirs", test_mkdirs);
    g_test_add_func("/util/fd/passing-reads-one-byte", test_fd_passing);
    g_test_add_func("/util/fd/a-hostile-peer-leaks-nothing", test_fd_hostile_peer);
    g_test_add_func("/util/fd/flags", test_fd_flags);
    return g_test_run();
}
