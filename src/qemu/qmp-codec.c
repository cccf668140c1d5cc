/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a QMP message ends. QEMU ends each with CR LF, but a monitor with pretty=on breaks lines inside a
 * message too, so the end is found by structure: a message is one JSON object, and it ends where the bracket
 * that opened it closes, brackets inside strings not counted. The scanner looks at each byte once, whatever
 * the size of the pieces, and refuses what grows beyond the limits before any tree is built: json-glib
 * recurses by depth and needs about a hundred bytes a value, so both are counted here.
 */
#include "qemu/qmp-codec.h"

#include <string.h>

#include "util/i18n.h"

struct _VtQmpCodec {
    GByteArray *buffer; /* bytes from the start of the oldest message that was not taken */
    gsize scanned;      /* bytes of @buffer the scanner has seen */
    gsize start;        /* of the message being scanned */
    guint depth, values;
    gboolean in_string, escaped;
    GQueue *complete; /* of GBytes *, whole messages */
    GError *failed;
};

void
vt_qmp_message_free(VtQmpMessage *message)
{
    if (!message)
        return;
    g_free(message->text);
    if (message->root)
        json_node_unref(message->root);
    g_free(message);
}

VtQmpCodec *
vt_qmp_codec_new(void)
{
    VtQmpCodec *codec = g_new0(VtQmpCodec, 1);

    codec->buffer = g_byte_array_new();
    codec->complete = g_queue_new();
    return codec;
}

void
vt_qmp_codec_free(VtQmpCodec *codec)
{
    if (!codec)
        return;
    g_byte_array_unref(codec->buffer);
    g_queue_free_full(codec->complete, g_free);
    g_clear_error(&codec->failed);
    g_free(codec);
}

static gboolean
qmp_codec_open(VtQmpCodec *codec, gsize at, GError **error)
{
    if (codec->depth == 0) {
        codec->start = at;
        codec->values = 0;
    }
    if (++codec->depth > VT_QMP_CODEC_DEPTH_MAX)
        return vt_error_set(error, VT_ERROR_RPC, _("QEMU sent a message nested deeper than %d levels"),
                            VT_QMP_CODEC_DEPTH_MAX);
    return TRUE;
}

static void
qmp_codec_close(VtQmpCodec *codec, gsize at)
{
    if (--codec->depth > 0)
        return;
    g_queue_push_tail(codec->complete,
                      g_strndup((const char *)codec->buffer->data + codec->start, at + 1 - codec->start));
    codec->start = at + 1;
}

/* One byte outside of a string. */
static gboolean
qmp_codec_structure(VtQmpCodec *codec, gsize at, char c, GError **error)
{
    if (c == '{' || (c == '[' && codec->depth > 0))
        return qmp_codec_open(codec, at, error);
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
        return TRUE;
    if (codec->depth == 0)
        return vt_error_set(error, VT_ERROR_RPC, _("QEMU sent byte 0x%02x where a message should begin"),
                            (guint)(guchar)c);
    if (c == '}' || c == ']')
        qmp_codec_close(codec, at);
    else if (c == '"')
        codec->in_string = TRUE;
    else if (c == ',' && ++codec->values > VT_QMP_CODEC_VALUES_MAX)
        return vt_error_set(error, VT_ERROR_RPC, _("QEMU sent a message of more than %d values"),
                            VT_QMP_CODEC_VALUES_MAX);
    return TRUE;
}

static gboolean
qmp_codec_scan(VtQmpCodec *codec, GError **error)
{
    while (codec->scanned < codec->buffer->len) {
        gsize at = codec->scanned++;
        char c = (char)codec->buffer->data[at];

        if ((guchar)c < 0x20 && c != '\t' && c != '\r' && c != '\n')
            return vt_error_set(error, VT_ERROR_RPC, _("QEMU sent control byte 0x%02x inside a message"),
                                (guint)(guchar)c);
        if (codec->in_string) {
            if (codec->escaped)
                codec->escaped = FALSE;
            else if (c == '\\')
                codec->escaped = TRUE;
            else if (c == '"')
                codec->in_string = FALSE;
        } else if (!qmp_codec_structure(codec, at, c, error)) {
            return FALSE;
        }
        if (codec->depth > 0 && at - codec->start >= VT_QMP_CODEC_MESSAGE_MAX)
            return vt_error_set(error, VT_ERROR_RPC,
                                _("QEMU sent a message larger than %" G_GSIZE_FORMAT " bytes"),
                                VT_QMP_CODEC_MESSAGE_MAX);
    }
    return TRUE;
}

/* Drop what belongs to no unfinished message. */
static void
qmp_codec_compact(VtQmpCodec *codec)
{
    gsize keep_from = codec->depth > 0 ? codec->start : codec->scanned;

    if (keep_from == 0)
        return;
    g_byte_array_remove_range(codec->buffer, 0, (guint)keep_from);
    codec->scanned -= keep_from;
    codec->start = 0;
}

gboolean
vt_qmp_codec_feed(VtQmpCodec *codec, const char *data, gsize size, GError **error)
{
    /* In pieces, so that no message limit can be jumped over by one huge piece. */
    const gsize piece = (gsize)1 << 20;

    while (!codec->failed && size > 0) {
        gsize n = MIN(size, piece);

        g_byte_array_append(codec->buffer, (const guint8 *)data, (guint)n);
        data += n;
        size -= n;
        if (qmp_codec_scan(codec, &codec->failed))
            qmp_codec_compact(codec);
    }
    if (!codec->failed)
        return TRUE;
    if (error)
        *error = g_error_copy(codec->failed);
    return FALSE;
}

/* ---- messages ---- */

static const char *
qmp_codec_string(JsonObject *object, const char *member)
{
    JsonNode *node = json_object_get_member(object, member);

    return node && json_node_get_value_type(node) == G_TYPE_STRING ? json_node_get_string(node) : NULL;
}

static gint64
qmp_codec_int(JsonObject *object, const char *member)
{
    JsonNode *node = json_object_get_member(object, member);

    return node && json_node_get_value_type(node) == G_TYPE_INT64 ? json_node_get_int(node) : 0;
}

static JsonObject *
qmp_codec_object(JsonObject *object, const char *member)
{
    JsonNode *node = json_object_get_member(object, member);

    return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

static gboolean
qmp_codec_fill_error(VtQmpMessage *message, JsonObject *object)
{
    JsonObject *failure = qmp_codec_object(object, "error");

    if (!failure)
        return FALSE;
    message->kind = VT_QMP_MESSAGE_ERROR;
    message->klass = qmp_codec_string(failure, "class");
    message->desc = qmp_codec_string(failure, "desc");
    return message->klass && message->desc;
}

static gboolean
qmp_codec_fill_event(VtQmpMessage *message, JsonObject *object)
{
    JsonObject *stamp = qmp_codec_object(object, "timestamp");

    message->kind = VT_QMP_MESSAGE_EVENT;
    message->event = qmp_codec_string(object, "event");
    message->data = qmp_codec_object(object, "data");
    if (stamp) {
        gint64 micros = qmp_codec_int(stamp, "microseconds");

        /* QEMU sends -1 for both when its clock fails. */
        message->seconds = MAX(qmp_codec_int(stamp, "seconds"), 0);
        message->micros = micros >= 0 && micros < 1000000 ? (guint32)micros : 0;
    }
    return message->event != NULL;
}

static gboolean
qmp_codec_fill(VtQmpMessage *message, JsonObject *object)
{
    message->id = qmp_codec_string(object, "id");
    if (json_object_has_member(object, "event"))
        return qmp_codec_fill_event(message, object);
    if (json_object_has_member(object, "error"))
        return qmp_codec_fill_error(message, object);
    if (json_object_has_member(object, "return")) {
        message->kind = VT_QMP_MESSAGE_RETURN;
        message->value = json_object_get_member(object, "return");
        return TRUE;
    }
    message->kind = VT_QMP_MESSAGE_GREETING;
    message->value = json_object_get_member(object, "QMP");
    return message->value != NULL;
}

VtQmpMessage *
vt_qmp_codec_next(VtQmpCodec *codec, GError **error)
{
    g_autofree char *text = g_queue_pop_head(codec->complete);
    g_autoptr(JsonParser) parser = NULL;
    g_autoptr(VtQmpMessage) message = NULL;
    g_autoptr(GError) local = NULL;
    JsonNode *root;

    if (!text)
        return NULL;
    parser = json_parser_new_immutable();
    if (!json_parser_load_from_data(parser, text, -1, &local)) {
        vt_error_set(error, VT_ERROR_RPC, _("QEMU sent a message that is not JSON: %s"), local->message);
        return NULL;
    }
    root = json_parser_get_root(parser);
    message = g_new0(VtQmpMessage, 1);
    if (root && JSON_NODE_HOLDS_OBJECT(root)) {
        message->root = json_node_ref(root);
        message->text = g_steal_pointer(&text);
        if (qmp_codec_fill(message, json_node_get_object(root)))
            return g_steal_pointer(&message);
    }
    vt_error_set(error, VT_ERROR_RPC, _("QEMU sent an object that is no QMP message"));
    return NULL;
}

/* ---- commands ---- */

static char *
qmp_codec_line(JsonNode *root)
{
    g_autoptr(JsonGenerator) generator = json_generator_new();
    g_autofree char *text = NULL;

    json_generator_set_root(generator, root);
    text = json_generator_to_data(generator, NULL);
    return g_strconcat(text, "\n", NULL);
}

char *
vt_qmp_codec_encode(const char *command, JsonNode *args, const char *id)
{
    JsonObject *object = json_object_new();
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);

    json_node_take_object(root, object);
    json_object_set_string_member(object, "execute", command);
    if (args)
        json_object_set_member(object, "arguments", json_node_copy(args));
    json_object_set_string_member(object, "id", id);
    return qmp_codec_line(root);
}

/* TRUE when @json is one object and not too deep: the same scanner that guards against QEMU guards here. */
static gboolean
qmp_codec_check_raw(const char *json, GError **error)
{
    g_autoptr(VtQmpCodec) codec = vt_qmp_codec_new();
    g_autoptr(GError) local = NULL;

    if (vt_qmp_codec_feed(codec, json, strlen(json), &local) && codec->depth == 0 &&
        g_queue_get_length(codec->complete) == 1)
        return TRUE;
    return vt_error_set(error, VT_ERROR_INVALID_ARG,
                        _("the monitor command is not one JSON object like {\"execute\": \"query-status\"}"));
}

char *
vt_qmp_codec_encode_raw(const char *json, const char *id, char **command, GError **error)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autoptr(GError) local = NULL;
    JsonObject *object;
    const char *name;

    if (!qmp_codec_check_raw(json, error))
        return NULL;
    if (!json_parser_load_from_data(parser, json, -1, &local)) {
        vt_error_set(error, VT_ERROR_INVALID_ARG, _("the monitor command is not valid JSON: %s"),
                     local->message);
        return NULL;
    }
    object = json_node_get_object(json_parser_get_root(parser));
    name = qmp_codec_string(object, "execute");
    if (!name)
        name = qmp_codec_string(object, "exec-oob");
    if (!name) {
        vt_error_set(error, VT_ERROR_INVALID_ARG, _("the monitor command has no \"execute\" member"));
        return NULL;
    }
    if (command)
        *command = g_strdup(name);
    json_object_set_string_member(object, "id", id);
    return qmp_codec_line(json_parser_get_root(parser));
}
