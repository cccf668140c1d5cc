/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/listen.h"

#include <errno.h>
#include <glib-unix.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define VT_LOG_DOMAIN "virtteam-daemon-listen"
#include "util/log.h"

#define LISTEN_BACKLOG 128
/* The first descriptor that systemd passes; sd_listen_fds(3). */
#define LISTEN_FDS_START 3
#define LISTEN_FDS_MAX   16
/* How long accepting rests when there are no descriptors left. */
#define LISTEN_PAUSE_MS 500

struct _VtListen {
    VtFd fd;
    char *path; /* removed at the end; NULL: not ours */
    guint watch, pause;
    VtListenFunc func;
    gpointer user;
};

static gboolean listen_readable(int fd, GIOCondition condition, gpointer user);

static void
listen_watch(VtListen *listener)
{
    listener->watch = g_unix_fd_add(listener->fd, G_IO_IN, listen_readable, listener);
}

static gboolean
listen_resume(gpointer user)
{
    VtListen *listener = user;

    listener->pause = 0;
    listen_watch(listener);
    return G_SOURCE_REMOVE;
}

static gboolean
listen_readable(int fd, GIOCondition condition, gpointer user)
{
    VtListen *listener = user;
    VtFd client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (client >= 0) {
        listener->func(client, listener->user);
        return G_SOURCE_CONTINUE;
    }
    if (errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != ENOBUFS)
        return G_SOURCE_CONTINUE; /* the client has gone again */
    vt_log_warning("cannot accept a client now: %s", g_strerror(errno));
    listener->watch = 0;
    listener->pause = g_timeout_add(LISTEN_PAUSE_MS, listen_resume, listener);
    return G_SOURCE_REMOVE;
}

VtListen *
vt_listen_fd(VtFd fd, VtListenFunc func, gpointer user)
{
    VtListen *listener = g_new0(VtListen, 1);

    listener->fd = fd;
    listener->func = func;
    listener->user = user;
    vt_fd_set_nonblock(fd, TRUE, NULL);
    listen_watch(listener);
    return listener;
}

static gboolean
listen_own(const char *path, guint perms, const char *group, GError **error)
{
    const struct group *entry;

    if (group != NULL) {
        entry = getgrnam(group);
        if (entry == NULL)
            return vt_error_set(error, VT_ERROR_INVALID_ARG,
                                "There is no group '%s', which unix_sock_group of virtteamd.conf names.",
                                group);
        if (chown(path, (uid_t)-1, entry->gr_gid) < 0)
            return vt_error_set_errno(error, errno, "cannot give '%s' to group '%s'", path, group);
    }
    if (chmod(path, perms) < 0)
        return vt_error_set_errno(error, errno, "cannot set the permissions of '%s'", path);
    return TRUE;
}

VtListen *
vt_listen_unix(const char *path, guint perms, const char *group, VtListenFunc func, gpointer user,
               GError **error)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    g_auto(VtFd) fd = -1;
    VtListen *listener;
    mode_t mask;
    int failed;

    if (g_strlcpy(address.sun_path, path, sizeof(address.sun_path)) >= sizeof(address.sun_path)) {
        vt_error_set(error, VT_ERROR_INVALID_ARG,
                     "The socket path '%s' is longer than the %zu bytes that unix sockets allow.", path,
                     sizeof(address.sun_path) - 1);
        return NULL;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        vt_error_set_errno(error, errno, "cannot make a socket");
        return NULL;
    }
    unlink(path);
    /* Nobody gets in between bind() and listen_own(). */
    mask = umask(0777);
    failed = bind(fd, (struct sockaddr *)&address, sizeof(address));
    umask(mask);
    if (failed < 0 || !listen_own(path, perms, group, error) || listen(fd, LISTEN_BACKLOG) < 0) {
        if (error == NULL || *error == NULL)
            vt_error_set_errno(error, errno, "cannot listen on '%s'", path);
        return NULL;
    }
    listener = vt_listen_fd(vt_fd_steal(&fd), func, user);
    listener->path = g_strdup(path);
    return listener;
}

void
vt_listen_free(VtListen *listener)
{
    if (listener == NULL)
        return;
    if (listener->watch != 0)
        g_source_remove(listener->watch);
    if (listener->pause != 0)
        g_source_remove(listener->pause);
    if (listener->path != NULL)
        unlink(listener->path);
    vt_fd_clear(&listener->fd);
    g_free(listener->path);
    g_free(listener);
}

static gboolean
listen_is_listener(int fd)
{
    int accepts = 0, family = 0;
    socklen_t accepts_size = sizeof(accepts), family_size = sizeof(family);

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &accepts_size) == 0 && accepts != 0 &&
           getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &family_size) == 0 && family == AF_UNIX;
}

GArray *
vt_listen_activation(GError **error)
{
    g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
    const char *pid = g_getenv("LISTEN_PID"), *count = g_getenv("LISTEN_FDS");
    gboolean for_us = pid != NULL && g_ascii_strtoull(pid, NULL, 10) == (guint64)getpid();
    guint64 n = for_us && count != NULL ? g_ascii_strtoull(count, NULL, 10) : 0;

    g_unsetenv("LISTEN_PID");
    g_unsetenv("LISTEN_FDS");
    g_unsetenv("LISTEN_FDNAMES");
    for (guint64 i = 0; i < MIN(n, LISTEN_FDS_MAX); i++) {
        int fd = LISTEN_FDS_START + (int)i;

        if (!listen_is_listener(fd) || !vt_fd_set_inherit(fd, FALSE, NULL)) {
            vt_error_set(error, VT_ERROR_INVALID_ARG,
                         "Descriptor %d that systemd passed is not a listening unix socket.", fd);
            return NULL;
        }
        g_array_append_val(fds, fd);
    }
    return g_steal_pointer(&fds);
}

void
vt_listen_notify(const char *state)
{
    const char *path = g_getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    g_auto(VtFd) fd = -1;
    socklen_t size;

    if (path == NULL || (*path != '/' && *path != '@') ||
        g_strlcpy(address.sun_path, path, sizeof(address.sun_path)) >= sizeof(address.sun_path))
        return;
    size = (socklen_t)(G_STRUCT_OFFSET(struct sockaddr_un, sun_path) + strlen(path));
    if (*path == '@')
        address.sun_path[0] = '\0'; /* the abstract name space */
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, size) < 0)
        vt_log_warning("cannot notify systemd: %s", g_strerror(errno));
}
