/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames in, answers out: finds the procedure, judges whether this client may call it now, decodes, calls.
 *
 * Calls of one connection are served concurrently. At most max_calls are in flight; further ones wait here, so
 * that keepalive and stream frames behind them are still seen. When too much waits, the session stops reading.
 */
#pragma once

#include "rpc/call.h"

#define VT_KEEPALIVE_PROGRAM 0x6b656570u
#define VT_KEEPALIVE_VERSION 1u
#define VT_KEEPALIVE_PING    1
#define VT_KEEPALIVE_PONG    2

typedef struct _VtDispatch VtDispatch;

/**
 * vt_dispatch_new - serve a connection
 * @conn:       the connection; must be shut before the dispatcher is freed
 * @programs:   (transfer none) NULL-terminated
 * @max_calls:  in flight at once
 * @may_read:   told when vt_dispatch_wants_more() has become TRUE again
 * @user:       for @may_read
 */
VtDispatch *vt_dispatch_new(VtConn *conn, const VtProgram *const *programs, guint max_calls,
                            void (*may_read)(gpointer user), gpointer user);
void vt_dispatch_free(VtDispatch *dispatch);

/**
 * vt_dispatch_frame - one complete frame has come
 * @dispatch: the dispatcher
 * @header:   its header
 * @payload:  (transfer none) what follows it
 * @fds:      (transfer full) (nullable) descriptors that came with it, of int
 */
void vt_dispatch_frame(VtDispatch *dispatch, const VtMessageHeader *header, GBytes *payload, GArray *fds);

/** FALSE: too much waits, read no further frame. */
gboolean vt_dispatch_wants_more(const VtDispatch *dispatch);

/** A keepalive frame; (transfer full). */
GByteArray *vt_dispatch_keepalive(gint32 procedure);

/** Descriptors that nobody wants are closed with their array; accepts NULL. */
void vt_dispatch_close_fds(GArray *fds);
