/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define VT_LOG_DOMAIN "virtteam-driver-disk-file"

#include "driver/disk-file.h"
#include <string.h>
#include "util/file.h"
#include "util/i18n.h"
#include "util/log.h"

#define DISK_FILE_MODE 0600

typedef struct {
    VtDoneFunc done;
    gpointer user;
} DiskFileWaiter;

struct _VtDiskFile {
    guint refs; /* the owner's, and one while a write is under way */
    char *path;
    gboolean writing;
    GArray *told_now;  /* of DiskFileWaiter: wait for the write under way */
    char *pending;     /* to be written after it */
    GArray *told_next; /* wait for @pending */
};

static void disk_file_start(VtDiskFile *file);

static GArray *
disk_file_waiters_new(void)
{
    return g_array_new(FALSE, FALSE, sizeof(DiskFileWaiter));
}

VtDiskFile *
vt_disk_file_new(const char *path)
{
    VtDiskFile *file = g_new0(VtDiskFile, 1);

    file->refs = 1;
    file->path = g_strdup(path);
    file->told_now = disk_file_waiters_new();
    file->told_next = disk_file_waiters_new();
    return file;
}

static void
disk_file_unref(VtDiskFile *file)
{
    if (--file->refs > 0)
        return;
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
disk_file_written(gpointer user, const GError *error)
{
    VtDiskFile *file = user;
    g_autoptr(GArray) waiters = g_steal_pointer(&file->told_now);

    file->writing = FALSE;
    file->told_now = disk_file_waiters_new();
    if (file->pending)
        disk_file_start(file);
    disk_file_tell(waiters, error);
    disk_file_unref(file);
}

static void
disk_file_start(VtDiskFile *file)
{
    g_autofree char *contents = g_steal_pointer(&file->pending);
    g_autoptr(GArray) empty = g_steal_pointer(&file->told_now);

    file->told_now = g_steal_pointer(&file->told_next);
    file->told_next = g_steal_pointer(&empty);
    file->writing = TRUE;
    file->refs++;
    vt_file_write_atomic_async(file->path, contents, strlen(contents), DISK_FILE_MODE, disk_file_written,
                               file);
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
    g_autoptr(GError) aborted = g_error_new(VT_ERROR, VT_ERROR_ABORTED, _("'%s' was removed"), file->path);
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) waiters = g_steal_pointer(&file->told_next);

    file->told_next = disk_file_waiters_new();
    g_clear_pointer(&file->pending, g_free);
    if (!vt_file_remove(file->path, &error))
        vt_log_warning("%s", error->message);
    /* What is being written would come back. */
    if (file->writing)
        vt_file_remove_async(file->path, NULL, NULL);
    disk_file_tell(waiters, aborted);
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

void
vt_disk_file_each(const char *dir, const char *suffix, VtDiskFileEach each, gpointer user)
{
    g_autoptr(GDir) entries = g_dir_open(dir, 0, NULL);
    const char *file;

    while (entries && (file = g_dir_read_name(entries))) {
        g_autofree char *path = g_build_filename(dir, file, NULL);
        g_autofree char *name = NULL;

        if (!g_str_has_suffix(file, suffix))
            continue;
        name = g_strndup(file, strlen(file) - strlen(suffix));
        each(name, path, user);
    }
}
