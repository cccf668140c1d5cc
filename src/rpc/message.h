/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames: a length word, a header of six words, a payload; and how a byte stream is cut into them. Pure.
 *
 * A frame that announces file descriptors is followed by one byte for each, outside its length; those bytes must be
 * received one by one with recvmsg(), so the assembler says how many bytes may be read next and never more.
 */
#pragma once

#include "rpc/xdr.h"
#include "util/error.h"

#define VT_MESSAGE_LENGTH_SIZE 4u
#define VT_MESSAGE_HEADER_SIZE 24u
#define VT_MESSAGE_MIN         (VT_MESSAGE_LENGTH_SIZE + VT_MESSAGE_HEADER_SIZE)
/* The length word counts itself; what follows it may have this many bytes. */
#define VT_MESSAGE_BODY_MAX    33554432u
#define VT_MESSAGE_MAX         (VT_MESSAGE_BODY_MAX + VT_MESSAGE_LENGTH_SIZE)
#define VT_MESSAGE_PAYLOAD_MAX (VT_MESSAGE_BODY_MAX - VT_MESSAGE_HEADER_SIZE)
#define VT_MESSAGE_FDS_MAX     32u
/* The most bytes of a stream that one frame carries, as stock daemons do it. */
#define VT_MESSAGE_STREAM_MAX 262120u

typedef enum {
    VT_MESSAGE_CALL = 0,
    VT_MESSAGE_REPLY = 1,
    VT_MESSAGE_EVENT = 2, /* also keepalive */
    VT_MESSAGE_STREAM = 3,
    VT_MESSAGE_CALL_FDS = 4,
    VT_MESSAGE_REPLY_FDS = 5,
    VT_MESSAGE_STREAM_HOLE = 6,
} VtMessageType;

typedef enum {
    VT_MESSAGE_OK = 0,
    VT_MESSAGE_ERROR = 1,
    VT_MESSAGE_CONTINUE = 2, /* streams only */
} VtMessageStatus;

/* type and status stay plain numbers: what a peer sends need not be in the enums. */
typedef struct {
    guint32 program, version;
    gint32 procedure, type;
    guint32 serial;
    gint32 status;
} VtMessageHeader;

/**
 * vt_message_begin - start a frame
 * @header: its header
 *
 * Return: (transfer full) length word (not yet right) and header; append the payload, then vt_message_end().
 */
GByteArray *vt_message_begin(const VtMessageHeader *header);

/**
 * vt_message_end - put the right length into a frame
 * @frame: from vt_message_begin(), with its payload
 *
 * Return: FALSE when it is too large to be sent.
 */
gboolean vt_message_end(GByteArray *frame);

/** Does a frame of this type announce file descriptors? */
gboolean vt_message_has_fds(gint32 type);

/* ---- the assembler ---- */

typedef struct {
    GByteArray *bytes; /* of the frame under way, its length word included */
    gsize want;        /* size of that frame; VT_MESSAGE_LENGTH_SIZE until the length is known */
    guint n_fds;       /* announced by a complete frame */
    gboolean complete;
} VtMessageReader;

void vt_message_reader_init(VtMessageReader *reader);
void vt_message_reader_clear(VtMessageReader *reader);

/** How many bytes may be read next; 0 when a frame is complete (its descriptors come first, then _next()). */
gsize vt_message_reader_want(const VtMessageReader *reader);

/**
 * vt_message_reader_feed - add what was read
 * @reader: the assembler
 * @data:   bytes
 * @size:   at most vt_message_reader_want()
 * @error:  (out) RPC: a length below 28 or above the limit, or too many descriptors: the connection is to be closed
 */
gboolean vt_message_reader_feed(VtMessageReader *reader, const guint8 *data, gsize size, GError **error);

/**
 * vt_message_reader_take - hand out a complete frame and begin the next
 * @reader:  an assembler that is complete
 * @header:  (out) the frame's header
 * @payload: (out) (transfer full) what follows the header (and the count of descriptors, where there is one)
 */
void vt_message_reader_take(VtMessageReader *reader, VtMessageHeader *header, GBytes **payload);
