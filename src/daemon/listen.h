/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Listening unix sockets: made by us, or handed over by systemd.
 */
#pragma once

#include "util/fd.h"

typedef struct _VtListen VtListen;

/**
 * VtListenFunc - a client has connected
 * @fd:   (transfer full) its socket
 * @user: as given
 */
typedef void (*VtListenFunc)(VtFd fd, gpointer user);

/**
 * vt_listen_unix - make a socket and listen
 * @path:  where; a socket left there by a daemon that is gone is replaced (the caller holds the pid file's lock)
 * @perms: permissions of the socket
 * @group: (nullable) its group
 * @func:  told of each client
 * @user:  for @func
 * @error: (out) INVALID_ARG (path too long, no such group), SYSTEM
 *
 * Return: (transfer full) listens until vt_listen_free(), which removes the socket.
 */
VtListen *vt_listen_unix(const char *path, guint perms, const char *group, VtListenFunc func, gpointer user,
                         GError **error);

/** Listen on a socket that somebody else made; (transfer full), never removed by us. */
VtListen *vt_listen_fd(VtFd fd, VtListenFunc func, gpointer user);

void vt_listen_free(VtListen *listen);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtListen, vt_listen_free)

/**
 * vt_listen_activation - the sockets that systemd has opened for us
 * @error: (out) INVALID_ARG: what was passed is no listening unix socket
 *
 * Return: (transfer full) array of int, empty without activation; NULL on error. The variables are unset, so that
 * no child takes them for its own.
 * Source: sd_listen_fds(3).
 */
GArray *vt_listen_activation(GError **error);

/**
 * vt_listen_notify - tell systemd about us; nothing without NOTIFY_SOCKET
 * @state: e.g. "READY=1"
 *
 * Source: sd_notify(3).
 */
void vt_listen_notify(const char *state);
