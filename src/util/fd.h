/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * File descriptors as owned values, and how they travel over unix sockets.
 *
 *     g_auto(VtFd) fd = open(...);     closed when it goes out of scope; -1 means "none"
 *     return vt_fd_steal(&fd);         given away
 */
#pragma once

#include "util/error.h"

typedef int VtFd;

/** Close a descriptor; -1 is nothing, and errno stays as it was. */
void vt_fd_close(VtFd fd);

G_DEFINE_AUTO_CLEANUP_FREE_FUNC(VtFd, vt_fd_close, -1)

/** Give the descriptor away: returns it, and leaves -1 in its place. */
static inline int
vt_fd_steal(VtFd *fd)
{
    int out = *fd;

    *fd = -1;
    return out;
}

/** Close it now, and leave -1 in its place. */
static inline void
vt_fd_clear(VtFd *fd)
{
    vt_fd_close(vt_fd_steal(fd));
}

/**
 * vt_fd_pipe - a pipe whose ends no child inherits
 * @read_end:  (out) set only on success
 * @write_end: (out) set only on success
 * @error:     (out) SYSTEM
 *
 * Return: FALSE on failure.
 */
gboolean vt_fd_pipe(VtFd *read_end, VtFd *write_end, GError **error);

/**
 * vt_fd_set_inherit - whether a child that is exec'ed gets the descriptor
 * @fd:      open descriptor
 * @inherit: TRUE takes FD_CLOEXEC away
 * @error:   (out) SYSTEM
 *
 * Return: FALSE on failure.
 */
gboolean vt_fd_set_inherit(int fd, gboolean inherit, GError **error);

/**
 * vt_fd_set_nonblock - whether reads and writes return at once
 * @fd:       open descriptor
 * @nonblock: TRUE sets O_NONBLOCK
 * @error:    (out) SYSTEM
 *
 * Return: FALSE on failure.
 */
gboolean vt_fd_set_nonblock(int fd, gboolean nonblock, GError **error);

typedef enum {
    VT_FD_IO_DONE,
    VT_FD_IO_AGAIN, /* the socket is not ready */
    VT_FD_IO_EOF,   /* the peer closed (receiving only) */
    VT_FD_IO_FAILED,
} VtFdIo;

/**
 * vt_fd_send - pass one descriptor: one zero byte that carries it
 * @socket: a connected unix stream socket
 * @fd:     (transfer none) the descriptor
 * @error:  (out) SYSTEM
 *
 * Return: VT_FD_IO_FAILED with @error set, AGAIN when the socket's buffer is full, or DONE.
 * Source: wire of libvirt's remote protocol (one sendmsg per descriptor behind the frame); unix(7).
 */
VtFdIo vt_fd_send(int socket, int fd, GError **error);

/**
 * vt_fd_recv - receive one descriptor: exactly one byte is read
 * @socket: a connected unix stream socket
 * @fd:     (out) (transfer full) close-on-exec; set only with DONE
 * @error:  (out) SYSTEM, or RPC when the byte carries no descriptor or more than one
 *
 * Reading exactly one byte is the point: a plain read() that runs past a frame loses the descriptor.
 * Return: as VtFdIo says; @error is set with FAILED only.
 */
VtFdIo vt_fd_recv(int socket, VtFd *fd, GError **error);
