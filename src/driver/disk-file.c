/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define VT_LOG_DOMAIN "virtteam-driver-disk-file"

#include "driver/disk-file.h"
#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include "util/i18n.h"
#include "util/log.h"

#define DISK_FILE_MODE 0600

typedef struct {
    VtDoneFunc done;
    gpointer user;
} DiskFileWaiter;

/* What the thread works on; the mutex only serves vt_disk_file_flush(). */
typedef struct {
    char *path;
    char *contents;
    GMutex mutex;
    GCond cond;
    gboolean finished;
} DiskFileWrite;

struct _VtDiskFile {
    guint refs; /* the owner's, and one a write under way */
    char *path;
    GTask *writing;    /* under way */
    GArray *told_now;  /* of DiskFileWaiter: wait for @writing */
    char *pending;     /* to be written after it */
    GArray *told_next; /* wait for @pending */
    gboolean removed;  /* after @writing, remove what it has written */
};

/* Path -> VtDiskFile: a write under way outlives its owner, and whoever opens that path next (a guest of the same
 * name) must come after it, not beside it. */
static GHashTable *disk_files;

static void disk_file_start(VtDiskFile *file);

static void
disk_file_write_free(DiskFileWrite *write)
{
    g_mutex_clear(&write->mutex);
    g_cond_clear(&write->cond);
    g_free(write->path);
    g_free(write->contents);
    g_free(write);
}

static gboolean
disk_file_put(const char *path, const char *contents, GError **error)
{
    g_autoptr(GError) local = NULL;

    if (g_file_set_contents_full(path, contents, -1,
                                 G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, DISK_FILE_MODE,
                                 &local))
        return TRUE;
    return vt_error_set(error, VT_ERROR_SYSTEM, _("cannot write '%s': %s"), path, local->message);
}

static void
disk_file_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    DiskFileWrite *write = data;
    GError *error = NULL;
    gboolean ok = disk_file_put(write->path, write->contents, &error);

    g_mutex_lock(&write->mutex);
    write->finished = TRUE;
    g_cond_broadcast(&write->cond);
    g_mutex_unlock(&write->mutex);
    if (ok)
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

VtDiskFile *
vt_disk_file_new(const char *path)
{
    VtDiskFile *file;

    if (!disk_files)
        disk_files = g_hash_table_new(g_str_hash, g_str_equal);
    file = g_hash_table_lookup(disk_files, path);
    if (file) {
        file->refs++;
        return file;
    }
    file = g_new0(VtDiskFile, 1);
    file->refs = 1;
    file->path = g_strdup(path);
    g_hash_table_insert(disk_files, file->path, file);
    file->told_now = g_array_new(FALSE, FALSE, sizeof(DiskFileWaiter));
    file->told_next = g_array_new(FALSE, FALSE, sizeof(DiskFileWaiter));
    return file;
}

static void
disk_file_unref(VtDiskFile *file)
{
    if (--file->refs > 0)
        return;
    g_hash_table_remove(disk_files, file->path);
    if (g_hash_table_size(disk_files) == 0)
        g_clear_pointer(&disk_files, g_hash_table_unref);
    g_array_unref(file->told_now);
    g_array_unref(file->told_next);
    g_free(file->pending);
    g_free(file->path);
    g_free(file);
}

static void
disk_file_tell(GArray *waiters, const GError *error)
{
    for (guint i = 0; i < waiters->len; i++) {
        DiskFileWaiter *waiter = &g_array_index(waiters, DiskFileWaiter, i);

        waiter->done(waiter->user, error);
    }
}

static void
disk_file_written(GObject *source, GAsyncResult *result, gpointer user)
{
    VtDiskFile *file = user;
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) waiters = g_steal_pointer(&file->told_now);

    g_task_propagate_boolean(G_TASK(result), &error);
    file->writing = NULL;
    file->told_now = g_array_new(FALSE, FALSE, sizeof(DiskFileWaiter));
    if (file->removed)
        g_unlink(file->path);
    file->removed = FALSE;
    if (file->pending)
        disk_file_start(file);
    disk_file_tell(waiters, error);
    disk_file_unref(file);
}

static void
disk_file_start(VtDiskFile *file)
{
    DiskFileWrite *write = g_new0(DiskFileWrite, 1);
    g_autoptr(GArray) empty = g_steal_pointer(&file->told_now);

    g_mutex_init(&write->mutex);
    g_cond_init(&write->cond);
    write->path = g_strdup(file->path);
    write->contents = g_steal_pointer(&file->pending);
    file->told_now = g_steal_pointer(&file->told_next);
    file->told_next = g_steal_pointer(&empty);
    file->refs++;
    file->writing = g_task_new(NULL, NULL, disk_file_written, file);
    g_task_set_priority(file->writing, G_PRIORITY_HIGH);
    g_task_set_task_data(file->writing, write, (GDestroyNotify)disk_file_write_free);
    g_task_run_in_thread(file->writing, disk_file_thread);
    g_object_unref(file->writing); /* the thread holds it; ours is looked at only until it has returned */
}

void
vt_disk_file_write(VtDiskFile *file, char *contents, VtDoneFunc done, gpointer user)
{
    g_free(file->pending);
    file->pending = contents;
    if (done) {
        DiskFileWaiter waiter = { .done = done, .user = user };

        g_array_append_val(file->told_next, waiter);
    }
    if (!file->writing)
        disk_file_start(file);
}

void
vt_disk_file_remove(VtDiskFile *file)
{
    g_autoptr(GError) error = g_error_new(VT_ERROR, VT_ERROR_ABORTED, _("'%s' was removed"), file->path);
    g_autoptr(GArray) waiters = g_steal_pointer(&file->told_next);

    file->told_next = g_array_new(FALSE, FALSE, sizeof(DiskFileWaiter));
    g_clear_pointer(&file->pending, g_free);
    file->removed = file->writing != NULL;
    if (g_unlink(file->path) < 0 && errno != ENOENT)
        vt_log_warning("cannot remove '%s': %s", file->path, g_strerror(errno));
    disk_file_tell(waiters, error);
}

void
vt_disk_file_flush(VtDiskFile *file)
{
    g_autoptr(GError) error = NULL;

    if (file->writing) {
        DiskFileWrite *write = g_task_get_task_data(file->writing);

        g_mutex_lock(&write->mutex);
        while (!write->finished)
            g_cond_wait(&write->cond, &write->mutex);
        g_mutex_unlock(&write->mutex);
        if (file->removed)
            g_unlink(file->path);
    }
    if (file->pending && !disk_file_put(file->path, file->pending, &error))
        vt_log_warning("%s", error->message);
    g_clear_pointer(&file->pending, g_free);
}

void
vt_disk_file_free(VtDiskFile *file)
{
    if (!file)
        return;
    g_array_set_size(file->told_now, 0);
    g_array_set_size(file->told_next, 0);
    disk_file_unref(file);
}
