/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Streams: bytes that go on under a call's header after its reply. docs/protocol.md, "Streams".
 */
#pragma once

#include "rpc/call.h"

typedef struct _VtStream VtStream;

typedef struct {
    /* The client sent bytes. */
    void (*data)(VtStream *stream, const guint8 *data, gsize size, gpointer user);
    /* What was queued for the client has gone out: more may be sent. */
    void (*drained)(VtStream *stream, gpointer user);
    /* The client finished or aborted, or is gone. The last call; the stream is freed after it. */
    void (*ended)(VtStream *stream, gpointer user);
} VtStreamFuncs;

/**
 * vt_stream_open - begin a stream, before the call that opens it is answered
 * @call:  the call
 * @funcs: static
 * @user:  for @funcs
 *
 * Return: (transfer none) valid until ended() is told or vt_stream_fail() is called.
 */
VtStream *vt_stream_open(VtCall *call, const VtStreamFuncs *funcs, gpointer user);

/**
 * vt_stream_send - bytes for the client
 * @stream: the stream
 * @data:   bytes
 * @size:   how many; more than a frame carries is split
 *
 * Return: FALSE when the client is slow: send no more until drained() is told.
 */
gboolean vt_stream_send(VtStream *stream, const guint8 *data, gsize size);

/** No more bytes will come from here; the client will finish, ended() follows. */
void vt_stream_eof(VtStream *stream);

/** End it with an error. The stream is freed; ended() is not told. */
void vt_stream_fail(VtStream *stream, const GError *error);

/**
 * vt_stream_incoming - a stream frame has come
 * @conn:    from whom
 * @header:  of the frame
 * @payload: its bytes
 *
 * A frame of no living stream is dropped: the client may not know yet that it ended.
 */
void vt_stream_incoming(VtConn *conn, const VtMessageHeader *header, GBytes *payload);

/** The connection's queue is empty: tell the streams that wait for it. */
void vt_stream_drained(VtConn *conn);
