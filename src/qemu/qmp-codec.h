/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * QMP's bytes and messages, and nothing else: no descriptor, no clock, no main loop.
 */
#pragma once

#include <json-glib/json-glib.h>
#include "util/error.h"

#define VT_QMP_CODEC_MESSAGE_MAX ((gsize)64 << 20) /* bytes of one message */
#define VT_QMP_CODEC_DEPTH_MAX   96                /* objects and arrays inside each other */
#define VT_QMP_CODEC_VALUES_MAX  1000000           /* commas of one message: bounds the memory of its tree */

typedef struct _VtQmpCodec VtQmpCodec;

typedef enum {
    VT_QMP_MESSAGE_GREETING, /* {"QMP": ...} */
    VT_QMP_MESSAGE_RETURN,   /* {"return": ..., "id": ...} */
    VT_QMP_MESSAGE_ERROR,    /* {"error": {"class", "desc"}, "id": ...} */
    VT_QMP_MESSAGE_EVENT,    /* {"event": ..., "data": ..., "timestamp": ...} */
} VtQmpMessageKind;

typedef struct {
    VtQmpMessageKind kind;
    char *text;        /* as it came, without the line end */
    JsonNode *root;    /* owns everything the following point into */
    const char *id;    /* RETURN, ERROR: (nullable) when it is a string */
    JsonNode *value;   /* RETURN: "return"; GREETING: "QMP" */
    const char *klass; /* ERROR: "GenericError" */
    const char *desc;  /* ERROR */
    const char *event; /* EVENT: its name */
    JsonObject *data;  /* EVENT: (nullable) */
    gint64 seconds;    /* EVENT: QEMU's clock; 0 when it did not say */
    guint32 micros;
} VtQmpMessage;

/** Free a message and all it points into; accepts NULL. */
void vt_qmp_message_free(VtQmpMessage *message);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtQmpMessage, vt_qmp_message_free)

/** vt_qmp_codec_new - a decoder that has seen nothing yet; (transfer full). */
VtQmpCodec *vt_qmp_codec_new(void);

/** Free a decoder with what it holds; accepts NULL. */
void vt_qmp_codec_free(VtQmpCodec *codec);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtQmpCodec, vt_qmp_codec_free)

/**
 * vt_qmp_codec_feed - hand over bytes as they came from the socket, in pieces of any size
 * @codec: the decoder
 * @data:  the bytes; copied
 * @size:  how many
 * @error: (out) RPC: something that is not QMP, or larger or deeper than allowed; the decoder stays
 *         unusable from then on and repeats the error
 *
 * Return: FALSE on error; messages that were complete before the bad byte can still be taken.
 */
gboolean vt_qmp_codec_feed(VtQmpCodec *codec, const char *data, gsize size, GError **error);

/**
 * vt_qmp_codec_next - take the next complete message
 * @codec: the decoder
 * @error: (out) RPC: it is complete but not valid JSON or no QMP message
 *
 * Return: (transfer full) (nullable) NULL without @error: none is complete yet.
 * Source: QEMU docs/interop/qmp-spec.txt, 2.2 to 2.5.
 */
VtQmpMessage *vt_qmp_codec_next(VtQmpCodec *codec, GError **error);

/**
 * vt_qmp_codec_encode - the bytes of one command
 * @command: QAPI name
 * @args:    (nullable) (transfer none) an object
 * @id:      comes back with the answer
 *
 * Return: (transfer full) one line with its end.
 */
char *vt_qmp_codec_encode(const char *command, JsonNode *args, const char *id);

/**
 * vt_qmp_codec_encode_raw - the bytes of a command that somebody wrote as JSON, under an id of ours
 * @json:    an object with "execute" (or "exec-oob"); its own "id" is replaced
 * @id:      comes back with the answer
 * @command: (out) (optional) (transfer full) the command's name
 * @error:   (out) INVALID_ARG: not JSON, or no command
 *
 * Return: (transfer full) one line with its end, or NULL.
 */
char *vt_qmp_codec_encode_raw(const char *json, const char *id, char **command, GError **error);
