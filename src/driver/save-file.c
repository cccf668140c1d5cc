/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define VT_LOG_DOMAIN "virtteam-driver-save-file"

#include "driver/save-file.h"
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "conf/net.h"
#include "driver/domain-private.h"
#include "util/fd.h"
#include "util/file.h"
#include "util/i18n.h"

#define SAVE_FILE_ROOM  4096 /* for a longer XML later */
#define SAVE_FILE_MAGIC 8

static char *
save_file_managed_path(VtDriver *driver, const char *name, const char *suffix)
{
    g_autofree char *base = g_strconcat(name, suffix, NULL);

    return g_build_filename(driver->config->lib_dir, "save", base, NULL);
}

char *
vt_save_file_managed(VtDriver *driver, const char *name)
{
    return save_file_managed_path(driver, name, ".save");
}

gboolean
vt_save_file_has_managed(VtDriver *driver, const char *name)
{
    g_autofree char *path = vt_save_file_managed(driver, name);

    return g_file_test(path, G_FILE_TEST_IS_REGULAR);
}

char *
vt_save_file_used(VtDriver *driver, const char *name)
{
    return save_file_managed_path(driver, name, ".save-used");
}

/* ---- work in a thread ---- */

typedef struct SaveFileWork SaveFileWork;
struct SaveFileWork {
    gboolean (*act)(SaveFileWork *work, GError **error); /* in the thread */
    char *path, *to;
    GBytes *head;
    gboolean mkdir;
    VtFd fd;
    VtSaveImage image;
    gboolean has_image;
    VtSaveFileOpened opened;
    VtDoneFunc done;
    gpointer user;
};

static void
save_file_work_free(SaveFileWork *work)
{
    vt_fd_close(work->fd);
    vt_save_image_clear(&work->image);
    g_clear_pointer(&work->head, g_bytes_unref);
    g_free(work->path);
    g_free(work->to);
    g_free(work);
}

static void
save_file_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    GError *error = NULL;
    SaveFileWork *work = data;

    if (work->act(work, &error))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

static void
save_file_ended(GObject *source, GAsyncResult *result, gpointer user)
{
    SaveFileWork *work = user;
    g_autoptr(GError) error = NULL;

    g_task_propagate_boolean(G_TASK(result), &error);
    if (work->opened)
        work->opened(work->user, error ? -1 : vt_fd_steal(&work->fd), work->has_image ? &work->image : NULL,
                     error);
    else if (work->done)
        work->done(work->user, error);
    save_file_work_free(work);
}

static void
save_file_work(SaveFileWork *work)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, save_file_ended, work);

    g_task_set_task_data(task, work, NULL);
    g_task_run_in_thread(task, save_file_thread);
}

static gboolean
save_file_write_all(int fd, const void *data, gsize length, off_t at, const char *path, GError **error)
{
    const char *bytes = data;

    while (length > 0) {
        gssize n = pwrite(fd, bytes, length, at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return vt_error_set_errno(error, n < 0 ? errno : EIO, _("cannot write to '%s'"), path);
        bytes += n;
        at += n;
        length -= (gsize)n;
    }
    return TRUE;
}

static gboolean
save_file_sync_dir(const char *path, GError **error)
{
    g_autofree char *dir = g_path_get_dirname(path);
    g_auto(VtFd) fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) < 0)
        return vt_error_set_errno(error, errno, _("cannot write the directory '%s' to the disk"), dir);
    return TRUE;
}

/* Neither a FIFO, which would hang, nor a device, which has no end. */
static gboolean
save_file_check_regular(int fd, const char *path, GError **error)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return vt_error_set_errno(error, errno, _("cannot look at '%s'"), path);
    if (!S_ISREG(st.st_mode))
        return vt_error_set(error, VT_ERROR_INVALID_ARG,
                            _("'%s' is no regular file: a guest is saved to and restored from regular files"),
                            path);
    return TRUE;
}

/* ---- writing ---- */

static gboolean
save_file_write_head(SaveFileWork *work, GError **error)
{
    gsize length;
    const void *head = g_bytes_get_data(work->head, &length);

    if (ftruncate(work->fd, 0) < 0)
        return vt_error_set_errno(error, errno, _("cannot empty '%s'"), work->path);
    if (!save_file_write_all(work->fd, head, length, 0, work->path, error))
        return FALSE;
    if (fsync(work->fd) < 0 || lseek(work->fd, (off_t)length, SEEK_SET) < 0)
        return vt_error_set_errno(error, errno, _("cannot write '%s' to the disk"), work->path);
    return save_file_sync_dir(work->path, error);
}

static gboolean
save_file_act_create(SaveFileWork *work, GError **error)
{
    g_autofree char *dir = g_path_get_dirname(work->path);

    if (work->mkdir && !vt_file_mkdirs(dir, 0700, error))
        return FALSE;
    work->fd = open(work->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
    if (work->fd < 0)
        return vt_error_set_errno(error, errno, _("cannot create '%s'"), work->path);
    if (!save_file_check_regular(work->fd, work->path, error))
        return FALSE;
    if (save_file_write_head(work, error))
        return TRUE;
    g_unlink(work->path);
    return FALSE;
}

void
vt_save_file_create(const char *path, gboolean mkdir, GBytes *head, VtSaveFileOpened opened, gpointer user)
{
    SaveFileWork *work = g_new0(SaveFileWork, 1);

    work->act = save_file_act_create;
    work->path = g_strdup(path);
    work->mkdir = mkdir;
    work->head = g_bytes_ref(head);
    work->fd = -1;
    work->opened = opened;
    work->user = user;
    save_file_work(work);
}

static gboolean
save_file_act_complete(SaveFileWork *work, GError **error)
{
    g_autoptr(GBytes) head = vt_save_image_head(0, "", TRUE);

    /* The stream first: the head must not be on the disk before it. */
    if (fsync(work->fd) < 0)
        return vt_error_set_errno(error, errno, _("cannot write '%s' to the disk"), work->path);
    if (!save_file_write_all(work->fd, g_bytes_get_data(head, NULL), SAVE_FILE_MAGIC, 0, work->path, error))
        return FALSE;
    if (fsync(work->fd) < 0)
        return vt_error_set_errno(error, errno, _("cannot write '%s' to the disk"), work->path);
    return TRUE;
}

void
vt_save_file_complete(int fd, const char *path, VtDoneFunc done, gpointer user)
{
    SaveFileWork *work = g_new0(SaveFileWork, 1);

    work->act = save_file_act_complete;
    work->path = g_strdup(path);
    work->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    work->done = done;
    work->user = user;
    save_file_work(work);
}

/* ---- reading ---- */

static gboolean
save_file_act_open(SaveFileWork *work, GError **error)
{
    work->fd = open(work->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (work->fd < 0)
        return vt_error_set_errno(error, errno, _("cannot open '%s'"), work->path);
    if (!save_file_check_regular(work->fd, work->path, error) ||
        !vt_save_image_read(work->path, &work->image, error))
        return FALSE;
    work->has_image = TRUE;
    if (lseek(work->fd, (off_t)work->image.stream_offset, SEEK_SET) < 0)
        return vt_error_set_errno(error, errno, _("cannot read '%s'"), work->path);
    return TRUE;
}

void
vt_save_file_open(const char *path, VtSaveFileOpened opened, gpointer user)
{
    SaveFileWork *work = g_new0(SaveFileWork, 1);

    work->act = save_file_act_open;
    work->path = g_strdup(path);
    work->fd = -1;
    work->opened = opened;
    work->user = user;
    save_file_work(work);
}

gboolean
vt_save_file_read(const char *path, VtSaveImage *image, GError **error)
{
    g_auto(VtFd) fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return vt_error_set_errno(error, errno, _("cannot open '%s'"), path);
    return save_file_check_regular(fd, path, error) && vt_save_image_read(path, image, error);
}

static gboolean
save_file_act_rename(SaveFileWork *work, GError **error)
{
    if (g_rename(work->path, work->to) < 0)
        return vt_error_set_errno(error, errno, _("cannot rename '%s' to '%s'"), work->path, work->to);
    return save_file_sync_dir(work->to, error);
}

void
vt_save_file_rename(const char *from, const char *to, VtDoneFunc done, gpointer user)
{
    SaveFileWork *work = g_new0(SaveFileWork, 1);

    work->act = save_file_act_rename;
    work->path = g_strdup(from);
    work->to = g_strdup(to);
    work->fd = -1;
    work->done = done;
    work->user = user;
    save_file_work(work);
}

gboolean
vt_save_file_is_partial(const char *path)
{
    g_auto(VtFd) fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    g_autoptr(GBytes) head = vt_save_image_head(0, "", FALSE);
    char magic[SAVE_FILE_MAGIC];

    return fd >= 0 && pread(fd, magic, sizeof magic, 0) == (gssize)sizeof magic &&
           memcmp(magic, g_bytes_get_data(head, NULL), sizeof magic) == 0;
}

/* ---- changing the head ---- */

char *
vt_save_file_pad(const char *xml)
{
    gsize length = strlen(xml);
    g_autofree char *blank = g_strnfill(SAVE_FILE_ROOM, ' ');

    if (length + SAVE_FILE_ROOM > VT_SAVE_IMAGE_XML_MAX)
        return g_strdup(xml);
    blank[SAVE_FILE_ROOM - 1] = '\n';
    return g_strconcat(xml, blank, NULL);
}

gboolean
vt_save_file_define(const char *path, const char *xml, guint flags, GError **error)
{
    g_auto(VtFd) fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    g_auto(VtSaveImage) image = { 0 };
    g_autofree char *text = g_strchomp(g_strdup(xml));
    g_autofree char *blank = NULL, *padded = NULL;
    g_autoptr(GBytes) head = NULL;
    gsize length = strlen(text), room;

    if (fd < 0)
        return vt_error_set_errno(error, errno, _("cannot open '%s'"), path);
    if (!save_file_check_regular(fd, path, error) || !vt_save_image_read(path, &image, error))
        return FALSE;
    room = image.stream_offset - VT_SAVE_IMAGE_HEAD_BYTES;
    if (length > room)
        return vt_error_set(error, VT_ERROR_OPERATION_FAILED,
                            _("the XML has %" G_GSIZE_FORMAT
                              " bytes, and the head of '%s' has room for %" G_GSIZE_FORMAT
                              ": shorten it, or give it to the restore instead"),
                            length, path, room);
    /* As long as the room, so that the stream stays where it is. */
    blank = g_strnfill(room - length, ' ');
    padded = g_strconcat(text, blank, NULL);
    head = vt_save_image_head(flags, padded, TRUE);
    if (!head || g_bytes_get_size(head) != image.stream_offset)
        return vt_error_set(error, VT_ERROR_INTERNAL, _("the head of '%s' would change its size"), path);
    if (!save_file_write_all(fd, g_bytes_get_data(head, NULL), g_bytes_get_size(head), 0, path, error))
        return FALSE;
    if (fsync(fd) < 0)
        return vt_error_set_errno(error, errno, _("cannot write '%s' to the disk"), path);
    return TRUE;
}

/* ---- is it the same machine? ---- */

static gboolean
save_file_differs(const char *what, GError **error)
{
    return vt_error_set(
        error, VT_ERROR_UNSUPPORTED,
        _("the guest was saved with another %s: what the guest sees must stay as it was saved"), what);
}

static gboolean
save_file_same_address(const VtDeviceInfo *a, const VtDeviceInfo *b)
{
    /* An address that is not said is assigned, as it was when the guest was defined. */
    const VtPciAddress *x = &a->address.pci, *y = &b->address.pci;

    if (a->address.type != VT_ADDRESS_PCI || b->address.type != VT_ADDRESS_PCI)
        return TRUE;
    return x->bus == y->bus && x->slot == y->slot && x->function == y->function;
}

static gboolean
save_file_same_nets(const VtDomainDef *saved, const VtDomainDef *given, GError **error)
{
    if (saved->nets->len != given->nets->len)
        return save_file_differs(_("number of interfaces"), error);
    for (guint i = 0; i < saved->nets->len; i++) {
        const VtNetDef *a = vt_net_configured(g_ptr_array_index(saved->nets, i));
        const VtNetDef *b = vt_net_configured(g_ptr_array_index(given->nets, i));

        if (!vt_mac_equal(&a->mac, &b->mac))
            return save_file_differs(_("MAC address of an interface"), error);
        if (g_strcmp0(a->model, b->model) != 0 ||
            (a->type == VT_NET_HOSTDEV) != (b->type == VT_NET_HOSTDEV) || a->teaming.type != b->teaming.type)
            return save_file_differs(_("model or <teaming> of an interface"), error);
        if (!save_file_same_address(&a->info, &b->info))
            return save_file_differs(_("address of an interface"), error);
    }
    return TRUE;
}

static gboolean
save_file_same_disks(const VtDomainDef *saved, const VtDomainDef *given, GError **error)
{
    if (saved->disks->len != given->disks->len)
        return save_file_differs(_("number of disks"), error);
    for (guint i = 0; i < saved->disks->len; i++) {
        const VtDiskDef *a = g_ptr_array_index(saved->disks, i), *b = g_ptr_array_index(given->disks, i);

        if (g_strcmp0(a->target_dev, b->target_dev) != 0 || g_strcmp0(a->bus, b->bus) != 0 ||
            g_strcmp0(a->device, b->device) != 0)
            return save_file_differs(_("target of a disk"), error);
        if (!save_file_same_address(&a->info, &b->info))
            return save_file_differs(_("address of a disk"), error);
    }
    return TRUE;
}

gboolean
vt_save_file_same_machine(const VtDomainDef *saved, const VtDomainDef *given, GError **error)
{
    const struct {
        const char *what;
        gboolean same;
    } rows[] = {
        { .what = _("name"), .same = g_strcmp0(saved->name, given->name) == 0 },
        { .what = _("UUID"), .same = memcmp(&saved->uuid, &given->uuid, sizeof saved->uuid) == 0 },
        { .what = _("machine type"), .same = g_strcmp0(saved->os.machine, given->os.machine) == 0 },
        { .what = _("architecture"), .same = g_strcmp0(saved->os.arch, given->os.arch) == 0 },
        { .what = _("kind of virtualization"), .same = saved->virt_type == given->virt_type },
        { .what = _("size of memory"), .same = saved->memory_kib == given->memory_kib },
        { .what = _("number of CPUs"), .same = saved->vcpus == given->vcpus },
        { .what = _("number of controllers"), .same = saved->controllers->len == given->controllers->len },
        { .what = _("number of host devices"), .same = saved->hostdevs->len == given->hostdevs->len },
        { .what = _("number of serial devices"), .same = saved->serials->len == given->serials->len },
        { .what = _("number of channels"), .same = saved->channels->len == given->channels->len },
        { .what = _("number of random number generators"), .same = saved->rngs->len == given->rngs->len },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (!rows[i].same)
            return save_file_differs(rows[i].what, error);
    }
    return save_file_same_nets(saved, given, error) && save_file_same_disks(saved, given, error);
}
