/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define VT_LOG_DOMAIN "virtteam-util-file"

#include "util/file.h"

#include <gio/gio.h>
#include <glib/gstdio.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/log.h"

#define FILE_TEMP ".tmp" /* at the end of what is not written yet: nobody calls a copy of his own so */

char *
vt_file_read(const char *path, gsize max_bytes, gsize *length, GError **error)
{
    /* O_NONBLOCK: a fifo in the place of the file must not stop the daemon. */
    g_auto(VtFd) fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    guint8 chunk[16384];
    struct stat st;
    ssize_t got;

    if (fd < 0 || fstat(fd, &st) < 0) {
        vt_error_set_errno(error, errno, "Cannot open '%s'", path);
        return NULL;
    }
    if (!S_ISREG(st.st_mode)) {
        vt_error_set(error, VT_ERROR_INVALID_ARG, "'%s' is not a regular file.", path);
        return NULL;
    }
    /* The size is no guide: sysfs and proc files claim others. */
    while ((got = read(fd, chunk, sizeof chunk)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            vt_error_set_errno(error, errno, "Cannot read '%s'", path);
            return NULL;
        }
        if ((gsize)got > max_bytes - bytes->len) {
            vt_error_set(error, VT_ERROR_INVALID_ARG, "'%s' is larger than %zu bytes.", path, max_bytes);
            return NULL;
        }
        g_byte_array_append(bytes, chunk, (guint)got);
    }
    if (length)
        *length = bytes->len;
    g_byte_array_append(bytes, (const guint8 *)"", 1);
    return (char *)g_byte_array_free(g_steal_pointer(&bytes), FALSE);
}

static gboolean
file_write_all(int fd, const char *data, gsize length)
{
    while (length > 0) {
        ssize_t written = write(fd, data, length);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return FALSE;
        data += written;
        length -= (gsize)written;
    }
    return TRUE;
}

static gboolean
file_sync_dir(const char *path, GError **error)
{
    g_autofree char *dir = g_path_get_dirname(path);
    g_auto(VtFd) fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) < 0)
        return vt_error_set_errno(error, errno, "Cannot sync the directory '%s'", dir);
    return TRUE;
}

gboolean
vt_file_write_atomic(const char *path, const void *data, gsize length, mode_t mode, GError **error)
{
    g_autofree char *temp = g_strdup_printf("%s.XXXXXX" FILE_TEMP, path);
    g_auto(VtFd) fd = g_mkstemp_full(temp, O_WRONLY | O_CLOEXEC, 0600);

    if (fd < 0)
        return vt_error_set_errno(error, errno, "Cannot make a temporary file for '%s'", path);
    if (!file_write_all(fd, data, length) || fchmod(fd, mode) < 0 || fsync(fd) < 0 ||
        rename(temp, path) < 0) {
        vt_error_set_errno(error, errno, "Cannot write '%s'", path);
        unlink(temp);
        return FALSE;
    }
    return file_sync_dir(path, error);
}

gboolean
vt_file_remove(const char *path, GError **error)
{
    if (unlink(path) < 0 && errno != ENOENT)
        return vt_error_set_errno(error, errno, "Cannot remove '%s'", path);
    return TRUE;
}

/* One asynchronous operation. */
typedef struct {
    char *path;
    GBytes *data; /* NULL: remove */
    mode_t mode;
    VtDoneFunc done;
    gpointer user;
} FileJob;

/* path -> GQueue of FileJob; the head is under way in a thread. Used in the main thread only. */
static GHashTable *file_queues;

static void
file_job_free(FileJob *job)
{
    g_free(job->path);
    g_clear_pointer(&job->data, g_bytes_unref);
    g_free(job);
}

static void
file_job_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    FileJob *job = data;
    GError *error = NULL;
    gboolean ok;

    if (job->data) {
        gsize length;
        const void *bytes = g_bytes_get_data(job->data, &length);

        ok = vt_file_write_atomic(job->path, length ? bytes : "", length, job->mode, &error);
    } else {
        ok = vt_file_remove(job->path, &error) && file_sync_dir(job->path, &error);
    }
    if (ok)
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

static void file_job_start(FileJob *job);

static void
file_job_ended(GObject *source, GAsyncResult *result, gpointer user)
{
    FileJob *job = user;
    GQueue *queue = g_hash_table_lookup(file_queues, job->path);
    g_autoptr(GError) error = NULL;

    g_task_propagate_boolean(G_TASK(result), &error);
    g_queue_pop_head(queue);
    if (g_queue_is_empty(queue))
        g_hash_table_remove(file_queues, job->path);
    else
        file_job_start(g_queue_peek_head(queue));
    if (job->done)
        job->done(job->user, error);
    file_job_free(job);
}

static void
file_job_start(FileJob *job)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, file_job_ended, job);

    g_task_set_task_data(task, job, NULL);
    g_task_run_in_thread(task, file_job_thread);
}

static void
file_job_queue(FileJob *job)
{
    GQueue *queue;

    if (!file_queues)
        file_queues = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_queue_free);
    queue = g_hash_table_lookup(file_queues, job->path);
    if (queue) {
        g_queue_push_tail(queue, job);
        return;
    }
    queue = g_queue_new();
    g_queue_push_tail(queue, job);
    g_hash_table_insert(file_queues, g_strdup(job->path), queue);
    file_job_start(job);
}

void
vt_file_write_atomic_async(const char *path, const void *data, gsize length, mode_t mode, VtDoneFunc done,
                           gpointer user)
{
    FileJob *job = g_new0(FileJob, 1);

    job->path = g_strdup(path);
    job->data = g_bytes_new(data, length);
    job->mode = mode;
    job->done = done;
    job->user = user;
    file_job_queue(job);
}

void
vt_file_remove_async(const char *path, VtDoneFunc done, gpointer user)
{
    FileJob *job = g_new0(FileJob, 1);

    job->path = g_strdup(path);
    job->done = done;
    job->user = user;
    file_job_queue(job);
}

void
vt_file_flush_async(void)
{
    while (file_queues && g_hash_table_size(file_queues) > 0)
        g_main_context_iteration(NULL, TRUE);
    g_clear_pointer(&file_queues, g_hash_table_unref);
}

gboolean
vt_file_mkdirs(const char *path, mode_t mode, GError **error)
{
    if (g_mkdir_with_parents(path, (int)mode) < 0)
        return vt_error_set_errno(error, errno, "Cannot make the directory '%s'", path);
    return TRUE;
}

/* Whether @fd is (still) what @path names: the former owner may have removed it before we got the lock. */
static gboolean
file_is_at(int fd, const char *path)
{
    struct stat by_fd, by_path;

    return fstat(fd, &by_fd) == 0 && stat(path, &by_path) == 0 && by_fd.st_dev == by_path.st_dev &&
           by_fd.st_ino == by_path.st_ino;
}

static gboolean
file_pid_busy(int fd, const char *path, GError **error)
{
    char text[32] = "";
    ssize_t got = pread(fd, text, sizeof text - 1, 0);

    text[got > 0 ? got : 0] = '\0';
    g_strstrip(text);
    return vt_error_set(error, VT_ERROR_BUSY, "The pid file '%s' is held by a running process (pid '%s').",
                        path, text);
}

gboolean
vt_file_pid_lock(const char *path, VtFd *fd, GError **error)
{
    g_autofree char *text = g_strdup_printf("%ld\n", (long)getpid());

    while (TRUE) {
        g_auto(VtFd) lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

        if (lock < 0)
            return vt_error_set_errno(error, errno, "Cannot open the pid file '%s'", path);
        if (flock(lock, LOCK_EX | LOCK_NB) < 0) {
            if (errno == EWOULDBLOCK)
                return file_pid_busy(lock, path, error);
            return vt_error_set_errno(error, errno, "Cannot lock the pid file '%s'", path);
        }
        if (!file_is_at(lock, path))
            continue;
        if (ftruncate(lock, 0) < 0 || !file_write_all(lock, text, strlen(text)))
            return vt_error_set_errno(error, errno, "Cannot write the pid file '%s'", path);
        *fd = vt_fd_steal(&lock);
        return TRUE;
    }
}

void
vt_file_pid_unlock(const char *path, VtFd *fd)
{
    if (*fd < 0)
        return;
    if (file_is_at(*fd, path))
        unlink(path);
    vt_fd_clear(fd);
}

/* ---- what crashes leave ---- */

/* NAME, suffix, a dot, six characters of GLib's, and ours. */
static gboolean
file_is_leftover(const char *name, const char *suffix)
{
    gsize length = strlen(name), tail = strlen(suffix) + strlen(".XXXXXX" FILE_TEMP);
    const char *end = name + length - MIN(tail, length);

    return length > tail && g_str_has_suffix(name, FILE_TEMP) && g_str_has_prefix(end, suffix) &&
           end[strlen(suffix)] == '.';
}

void
vt_file_sweep(const char *dir_path, const char *suffix)
{
    g_autoptr(GDir) dir = g_dir_open(dir_path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(dir_path, name, NULL);

        if (file_is_leftover(name, suffix) && unlink(path) == 0)
            vt_log_info("removed '%s', which an interrupted write left", path);
    }
}
