/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One client's connection as the procedures see it: what it may do, what hangs on its life, where its frames go.
 * It has no socket: whoever owns one (daemon/session.c, a test, a fuzzer) takes the frames through VtConnFuncs.
 */
#pragma once

#include "driver/driver.h"
#include "rpc/message.h"

typedef struct _VtConn VtConn;

typedef struct {
    /* Take a frame (transfer full). With nothing queued before it, it must be offered to the kernel at once:
     * the source of a migration resumes or ends its guest by what the Finish call was answered. */
    void (*send)(gpointer user, GByteArray *frame);
    /* Bytes taken and not yet written. */
    gsize (*queued)(gpointer user);
    /* End the connection; with @flush, once everything taken before is written. */
    void (*close)(gpointer user, const char *why, gboolean flush);
    /* The client speaks keepalive: it may be pinged from now on. */
    void (*keepalive)(gpointer user);
} VtConnFuncs;

typedef struct {
    gboolean authenticated;
    gboolean readonly;
    gboolean opened;
    gboolean closing; /* CONNECT_CLOSE was answered */
    char *uri;        /* what the client opened */
} VtConnState;

/**
 * vt_conn_new - a new connection
 * @driver: (nullable) what its calls act on; must outlive it
 * @funcs:  copied
 * @user:   for @funcs
 *
 * Return: (transfer full) with one reference; vt_conn_shut() ends it, the last vt_conn_unref() frees it.
 */
VtConn *vt_conn_new(VtDriver *driver, const VtConnFuncs *funcs, gpointer user);
VtConn *vt_conn_ref(VtConn *conn);
void vt_conn_unref(VtConn *conn);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtConn, vt_conn_unref)

/**
 * vt_conn_shut - the client is gone
 * @conn:        the connection
 * @tell_driver: FALSE when the daemon itself ends
 *
 * Frees what hangs on it, newest first, then tells the driver that the owner is gone. Frames sent later go nowhere.
 */
void vt_conn_shut(VtConn *conn, gboolean tell_driver);
gboolean vt_conn_is_shut(const VtConn *conn);

VtDriver *vt_conn_driver(const VtConn *conn);

/** The token by which the driver knows this client. */
VtOwner *vt_conn_owner(VtConn *conn);

/** (transfer none) writable by the procedures and the session. */
VtConnState *vt_conn_state(VtConn *conn);

/** Send a frame (transfer full). One too large to be sent closes the connection. */
void vt_conn_send(VtConn *conn, GByteArray *frame);
gsize vt_conn_queued(VtConn *conn);
void vt_conn_close(VtConn *conn, const char *why, gboolean flush);
void vt_conn_start_keepalive(VtConn *conn);

/**
 * vt_conn_set_data - hang something on the connection's life
 * @conn:    the connection
 * @key:     static string, compared by content
 * @data:    what; replaces what was there
 * @destroy: told when the connection is shut, or it is replaced
 */
void vt_conn_set_data(VtConn *conn, const char *key, gpointer data, GDestroyNotify destroy);
gpointer vt_conn_get_data(VtConn *conn, const char *key);

/* ---- calls in flight ---- */

/** A call begins or has been answered; the watcher is told of each end. */
void vt_conn_call_begun(VtConn *conn);
void vt_conn_call_ended(VtConn *conn);
guint vt_conn_calls(const VtConn *conn);
void vt_conn_watch_calls(VtConn *conn, void (*ended)(gpointer user), gpointer user);
