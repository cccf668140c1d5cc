/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/qmp-codec.h"
#include "qemu/qmp-event.h"

#include <string.h>

/* One conversation: bytes in, the printed messages out; "!" and a message part is the error at its end. */
typedef struct {
    const char *name;
    const char *bytes;
    const char *printed;
} CodecRow;

static const CodecRow codec_rows[] = {
    { "greeting", "{\"QMP\": {\"version\": {}}}\r\n", "greeting\n" },
    { "return", "{\"return\": {}, \"id\": \"vt-1\"}\r\n", "return vt-1 {}\n" },
    { "return-without-id", "{\"return\": []}", "return - []\n" },
    { "return-with-a-number-as-id", "{\"return\": 1, \"id\": 7}", "return - 1\n" },
    { "error", "{\"id\": \"a\", \"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}}",
      "error a GenericError: no\n" },
    { "event", "{\"event\": \"STOP\", \"timestamp\": {\"seconds\": 3, \"microseconds\": 4}}",
      "event STOP 3.000004 null\n" },
    { "event-with-data", "{\"event\": \"X\", \"data\": {\"a\": \"}\"}, \"timestamp\": {}}",
      "event X 0.000000 {\"a\":\"}\"}\n" },
    { "event-with-a-failed-clock",
      "{\"event\": \"X\", \"timestamp\": {\"seconds\": -1, \"microseconds\": -1}}",
      "event X 0.000000 null\n" },
    { "two-in-one-piece", "{\"return\": 1}{\"return\": 2}", "return - 1\nreturn - 2\n" },
    { "pretty", "{\n  \"return\": {\n \"a\": [1,\n 2]}\n}\n", "return - {\"a\":[1,2]}\n" },
    { "brackets-and-quotes-in-strings", "{\"return\": \"}]{[\\\"\\\\\"}", "return - \"}]{[\\\"\\\\\"\n" },
    { "unfinished", "{\"return\": {", "" },
    { "blank-lines", "\r\n \t\r\n", "" },
    { "no-object", "[1]", "!byte 0x5b where a message should begin" },
    { "a-word", "{\"return\": 1}\nQEMU", "return - 1\n!byte 0x51" },
    { "wrong-bracket", "{\"return\": 1]", "!not JSON" },
    { "control-byte", "{\"return\": \"\001\"}", "!control byte 0x01" },
    { "not-utf-8", "{\"return\": \"\xff\xfe\"}", "!not JSON" },
    { "no-qmp-message", "{\"a\": 1}", "!no QMP message" },
    { "error-without-desc", "{\"error\": {\"class\": \"X\"}}", "!no QMP message" },
    { "error-that-is-a-string", "{\"error\": \"no\"}", "!no QMP message" },
    { "event-that-is-a-number", "{\"event\": 1}", "!no QMP message" },
};

static void
codec_print(GString *out, const VtQmpMessage *message)
{
    g_autofree char *value = message->value ? json_to_string(message->value, FALSE) : NULL;
    g_autofree char *data = NULL;

    switch (message->kind) {
    case VT_QMP_MESSAGE_GREETING:
        g_string_append(out, "greeting\n");
        break;
    case VT_QMP_MESSAGE_RETURN:
        g_string_append_printf(out, "return %s %s\n", message->id ? message->id : "-", value);
        break;
    case VT_QMP_MESSAGE_ERROR:
        g_string_append_printf(out, "error %s %s: %s\n", message->id ? message->id : "-", message->klass,
                               message->desc);
        break;
    case VT_QMP_MESSAGE_EVENT:
        if (message->data) {
            g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);

            json_node_set_object(node, message->data);
            data = json_to_string(node, FALSE);
        }
        g_string_append_printf(out, "event %s %" G_GINT64_FORMAT ".%06u %s\n", message->event,
                               message->seconds, message->micros, data ? data : "null");
        break;
    }
}

static void
codec_take(VtQmpCodec *codec, GString *out, GError **error)
{
    VtQmpMessage *message;

    while ((message = vt_qmp_codec_next(codec, error))) {
        codec_print(out, message);
        vt_qmp_message_free(message);
    }
}

static void
test_conversation(gconstpointer data)
{
    const CodecRow *row = data;
    gsize size = strlen(row->bytes);
    const char *bang = strchr(row->printed, '!');
    g_autofree char *want =
        bang ? g_strndup(row->printed, (gsize)(bang - row->printed)) : g_strdup(row->printed);

    /* Whatever the size of the pieces, the same comes out. */
    for (gsize piece = 1; piece <= size; piece++) {
        g_autoptr(VtQmpCodec) codec = vt_qmp_codec_new();
        g_autoptr(GString) out = g_string_new(NULL);
        g_autoptr(GError) error = NULL;

        for (gsize at = 0; at < size && !error; at += piece) {
            g_autoptr(GError) feed_error = NULL;

            vt_qmp_codec_feed(codec, row->bytes + at, MIN(piece, size - at), &feed_error);
            codec_take(codec, out, &error);
            if (!error)
                error = g_steal_pointer(&feed_error);
        }
        g_assert_cmpstr(out->str, ==, want);
        if (bang) {
            g_assert_error(error, VT_ERROR, VT_ERROR_RPC);
            g_assert_nonnull(strstr(error->message, bang + 1));
        } else {
            g_assert_no_error(error);
        }
    }
}

static void
test_depth_is_bounded(void)
{
    for (int extra = 0; extra < 2; extra++) {
        g_autoptr(VtQmpCodec) codec = vt_qmp_codec_new();
        g_autoptr(GString) text = g_string_new("{\"return\":");
        g_autoptr(GError) error = NULL;

        for (int i = 0; i < VT_QMP_CODEC_DEPTH_MAX - 1 + extra; i++)
            g_string_append_c(text, '[');
        g_assert_cmpint(vt_qmp_codec_feed(codec, text->str, text->len, &error), ==, extra == 0);
        if (extra)
            g_assert_error(error, VT_ERROR, VT_ERROR_RPC);
    }
}

static void
test_size_is_bounded(void)
{
    g_autoptr(VtQmpCodec) codec = vt_qmp_codec_new();
    g_autofree char *piece = g_malloc(1 << 20);
    g_autoptr(GError) error = NULL;
    gsize fed = 0;

    memset(piece, 'a', 1 << 20);
    g_assert_true(vt_qmp_codec_feed(codec, "{\"return\":\"", 11, NULL));
    while (vt_qmp_codec_feed(codec, piece, 1 << 20, &error))
        fed += 1 << 20;
    g_assert_error(error, VT_ERROR, VT_ERROR_RPC);
    g_assert_cmpuint(fed, <=, VT_QMP_CODEC_MESSAGE_MAX);
    g_clear_error(&error);
    g_assert_false(vt_qmp_codec_feed(codec, "\"}", 2, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_RPC);
}

static void
test_values_are_bounded(void)
{
    g_autoptr(VtQmpCodec) codec = vt_qmp_codec_new();
    g_autoptr(GError) error = NULL;
    char piece[4096];

    memset(piece, ',', sizeof(piece));
    g_assert_true(vt_qmp_codec_feed(codec, "{\"return\":[", 11, NULL));
    while (vt_qmp_codec_feed(codec, piece, sizeof(piece), &error))
        ;
    g_assert_error(error, VT_ERROR, VT_ERROR_RPC);
    g_assert_nonnull(strstr(error->message, "values"));
}

static void
test_encode(void)
{
    g_autoptr(JsonNode) args = json_from_string("{\"id\": \"net0\", \"n\": 5}", NULL);
    g_autofree char *plain = vt_qmp_codec_encode("query-status", NULL, "vt-1");
    g_autofree char *full = vt_qmp_codec_encode("device_del", args, "vt-2");

    g_assert_cmpstr(plain, ==, "{\"execute\":\"query-status\",\"id\":\"vt-1\"}\n");
    g_assert_cmpstr(full, ==,
                    "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"net0\",\"n\":5},\"id\":\"vt-2\"}\n");
}

static void
test_encode_raw(void)
{
    static const struct {
        const char *json, *line, *command; /* NULL: refused */
    } rows[] = {
        { "{\"execute\":\"stop\"}", "{\"execute\":\"stop\",\"id\":\"i\"}\n", "stop" },
        { " {\"execute\":\"stop\",\"id\":\"mine\"} ", "{\"execute\":\"stop\",\"id\":\"i\"}\n", "stop" },
        { "{\"exec-oob\":\"migrate-pause\"}", "{\"exec-oob\":\"migrate-pause\",\"id\":\"i\"}\n",
          "migrate-pause" },
        { "{\"execute\":1}", NULL, NULL },
        { "{\"a\":1}", NULL, NULL },
        { "{\"execute\":\"stop\"}{\"execute\":\"stop\"}", NULL, NULL },
        { "{\"execute\":", NULL, NULL },
        { "[]", NULL, NULL },
        { "stop", NULL, NULL },
        { "", NULL, NULL },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *command = NULL;
        g_autoptr(GError) error = NULL;
        g_autofree char *line = vt_qmp_codec_encode_raw(rows[i].json, "i", &command, &error);

        g_assert_cmpstr(line, ==, rows[i].line);
        g_assert_cmpstr(command, ==, rows[i].command);
        if (!rows[i].line)
            g_assert_error(error, VT_ERROR, VT_ERROR_INVALID_ARG);
    }
}

static void
test_event_rows(void)
{
    static const struct {
        const char *name, *data; /* data NULL: none */
        VtQmpEventKind kind;
        const char *device, *status;
        gint64 number;
    } rows[] = {
        { "STOP", NULL, VT_QMP_EVENT_STOP, NULL, NULL, 0 },
        { "MIGRATION", "{\"status\": \"wait-unplug\"}", VT_QMP_EVENT_MIGRATION, NULL, "wait-unplug", 0 },
        { "MIGRATION", "{\"status\": 5}", VT_QMP_EVENT_OTHER, NULL, NULL, 0 },
        { "MIGRATION", NULL, VT_QMP_EVENT_OTHER, NULL, NULL, 0 },
        { "MIGRATION_PASS", "{\"pass\": 2}", VT_QMP_EVENT_MIGRATION_PASS, NULL, NULL, 2 },
        { "MIGRATION_PASS", "{\"pass\": \"2\"}", VT_QMP_EVENT_OTHER, NULL, NULL, 0 },
        { "UNPLUG_PRIMARY", "{\"device-id\": \"hostdev0\"}", VT_QMP_EVENT_UNPLUG_PRIMARY, "hostdev0", NULL,
          0 },
        { "FAILOVER_NEGOTIATED", "{\"device-id\": \"net0\"}", VT_QMP_EVENT_FAILOVER_NEGOTIATED, "net0", NULL,
          0 },
        { "DEVICE_DELETED", "{\"device\": \"net1\", \"path\": \"/machine/x\"}", VT_QMP_EVENT_DEVICE_DELETED,
          "net1", NULL, 0 },
        { "DEVICE_DELETED", "{\"path\": \"/machine/x\"}", VT_QMP_EVENT_DEVICE_DELETED, NULL, NULL, 0 },
        { "BALLOON_CHANGE", "{\"actual\": 4096}", VT_QMP_EVENT_BALLOON_CHANGE, NULL, NULL, 4096 },
        { "SPICE_CONNECTED", "{}", VT_QMP_EVENT_OTHER, NULL, NULL, 0 },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(JsonNode) node = rows[i].data ? json_from_string(rows[i].data, NULL) : NULL;
        const VtQmpEvent event = { .name = (char *)rows[i].name,
                                   .data = node ? json_node_get_object(node) : NULL };
        VtQmpEventInfo info;

        g_assert_cmpint(vt_qmp_event_decode(&event, &info), ==, rows[i].kind);
        g_assert_cmpstr(info.device, ==, rows[i].device);
        g_assert_cmpstr(info.status, ==, rows[i].status);
        g_assert_cmpint(info.number, ==, rows[i].number);
    }
    for (int i = VT_QMP_EVENT_OTHER + 1; i < VT_QMP_EVENT_COUNT; i++)
        g_assert_nonnull(vt_qmp_event_name((VtQmpEventKind)i));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(codec_rows); i++) {
        g_autofree char *path = g_strdup_printf("/qemu/qmp-codec/conversation/%s", codec_rows[i].name);

        g_test_add_data_func(path, &codec_rows[i], test_conversation);
    }
    g_test_add_func("/qemu/qmp-codec/depth-is-bounded", test_depth_is_bounded);
    g_test_add_func("/qemu/qmp-codec/size-is-bounded", test_size_is_bounded);
    g_test_add_func("/qemu/qmp-codec/number-of-values-is-bounded", test_values_are_bounded);
    g_test_add_func("/qemu/qmp-codec/encode", test_encode);
    g_test_add_func("/qemu/qmp-codec/encode-raw", test_encode_raw);
    g_test_add_func("/qemu/qmp-event/rows", test_event_rows);
    return g_test_run();
}
