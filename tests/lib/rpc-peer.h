/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client for tests: makes calls as frames, reads answers from frames.
 */
#pragma once

#include "rpc/call.h"

#define RPC_PEER_REMOTE 0x20008086u
#define RPC_PEER_QEMU   0x20008087u

/** A whole frame; @args of @type may be NULL for none; (transfer full). */
GByteArray *rpc_peer_frame(const VtMessageHeader *header, const VtXdrType *type, gconstpointer args);

/** A frame that calls; (transfer full). */
GByteArray *rpc_peer_call(gint32 procedure, guint32 serial, const VtXdrType *type, gconstpointer args);

typedef struct {
    VtMessageHeader header;
    GBytes *payload;
} RpcPeerMessage;

void rpc_peer_message_free(gpointer message);

/** Cut bytes into messages and append them to @messages; what is left of an unfinished frame stays in @reader. */
void rpc_peer_read(VtMessageReader *reader, const guint8 *data, gsize size, GPtrArray *messages);

/** Decode a payload, all of it, or fail the test. */
void rpc_peer_decode(const RpcPeerMessage *message, const VtXdrType *type, gpointer value);

/** What a message says in one line: "reply 16 serial 3 ok 36 bytes", "reply 16 serial 3 error 42/10 Domain ..." */
char *rpc_peer_describe(const RpcPeerMessage *message);

/** Iterate the main context until nothing is ready, or, with @ms, that long. */
void rpc_peer_run(guint ms);
