/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One client on a socket: bytes in and out, partial frames, keepalive, limits. What a frame means is rpc's.
 */
#pragma once

#include "rpc/conn.h"
#include "util/fd.h"

typedef struct _VtSession VtSession;

typedef struct {
    VtDriver *driver; /* nullable in tests */
    gboolean readonly, authenticated;
    guint max_requests;
    guint keepalive_interval_ms; /* 0: never ping */
    guint keepalive_count;
    const char *name; /* for the log, e.g. "uid 0 pid 4711" */
    /* The session has ended and is freed after this call; told from the main loop. */
    void (*ended)(VtSession *session, gpointer user);
    gpointer user;
} VtSessionParams;

/**
 * vt_session_new - serve a client
 * @fd:     (transfer full) connected stream socket
 * @params: copied
 * @error:  (out) SYSTEM
 *
 * Return: (transfer full) runs by the main loop until params.ended is told, or vt_session_free().
 */
VtSession *vt_session_new(VtFd fd, const VtSessionParams *params, GError **error);

gboolean vt_session_is_authenticated(const VtSession *session);

/**
 * vt_session_free - end it now; params.ended is not told
 * @session:     the session
 * @tell_driver: FALSE when the daemon itself ends: the driver goes the same way, and what the client began is taken
 *               up by the recovery of the next start
 */
void vt_session_free(VtSession *session, gboolean tell_driver);
