/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/json.h"

#include <string.h>

static JsonNode *
parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    JsonNode *node = vt_json_parse(text, strlen(text), &error);

    g_assert_no_error(error);
    return node;
}

static void
test_reads(void)
{
    g_autoptr(JsonNode) root = parse(
        "{\"return\": {\"devices\": [{\"qdev\": \"net0\"}, {\"n\": 7, \"neg\": -1, \"f\": 0.5, \"on\": true}],"
        " \"none\": null}}");
    const char *text = NULL;
    gint64 number = 0;
    guint64 unsigned_number = 0;
    double real = 0;
    gboolean on = FALSE;
    JsonArray *array = NULL;
    JsonObject *object = NULL;

    g_assert_true(vt_json_get_string(root, "return.devices[0].qdev", &text, NULL));
    g_assert_cmpstr(text, ==, "net0");
    g_assert_true(vt_json_get_int(root, "return.devices[1].neg", &number, NULL));
    g_assert_cmpint(number, ==, -1);
    g_assert_true(vt_json_get_uint(root, "return.devices[1].n", &unsigned_number, NULL));
    g_assert_cmpuint(unsigned_number, ==, 7);
    g_assert_true(vt_json_get_double(root, "return.devices[1].n", &real, NULL));
    g_assert_cmpfloat(real, ==, 7);
    g_assert_true(vt_json_get_bool(root, "return.devices[1].on", &on, NULL));
    g_assert_true(on);
    g_assert_true(vt_json_get_array(root, "return.devices", &array, NULL));
    g_assert_true(vt_json_get_object(root, "return", &object, NULL));
    g_assert_cmpstr(vt_json_string_or(root, "return.name", "unnamed"), ==, "unnamed");
    g_assert_cmpint(vt_json_int_or(root, "return.devices[1].n", 3), ==, 7);
    g_assert_true(vt_json_bool_or(root, "nothing", TRUE));
    g_assert_true(vt_json_find(root, "") == root);
    g_assert_null(vt_json_find(NULL, "a"));
}

static void
test_read_errors(void)
{
    static const struct {
        const char *path;
        const char *message;
    } rows[] = {
        { "a.missing", "The JSON member 'a.missing' is missing." },
        { "a.list[2]", "The JSON member 'a.list[2]' is missing." },
        { "a.list[-1]", "The JSON member 'a.list[-1]' is missing." },
        { "a.list[", "The JSON member 'a.list[' is missing." },
        { "a.list[99999999999999999999]", "The JSON member 'a.list[99999999999999999999]' is missing." },
        { "a.null", "The JSON member 'a.null' is missing." },
        { "a.list", "The JSON member 'a.list' is not a string." },
        { "a.list[0]", "The JSON member 'a.list[0]' is not a string." },
        { "a.list.x", "The JSON member 'a.list.x' is missing." },
        { "", "The JSON member '' is not a string." },
    };
    g_autoptr(JsonNode) root = parse("{\"a\": {\"list\": [1, 2], \"null\": null}}");

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        const char *text = "untouched";

        g_assert_false(vt_json_get_string(root, rows[i].path, &text, &error));
        g_assert_cmpstr(error->message, ==, rows[i].message);
        g_assert_cmpstr(text, ==, "untouched");
    }
}

static void
test_parse_refuses(void)
{
    g_autofree char *deep = g_strnfill(100000, '[');
    const char *const texts[] = { "", "   ", "{", "{\"a\": }", "nonsense", "\"\xff\"", "[1,]x", deep };

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(JsonNode) node = vt_json_parse(texts[i], strlen(texts[i]), &error);

        g_test_message("%.20s", texts[i]);
        g_assert_null(node);
        g_assert_error(error, VT_ERROR, VT_ERROR_INVALID_ARG);
    }
    /* Brackets in strings do not count. */
    {
        g_autofree char *text = g_strdup_printf("[\"\\\"%s\"]", deep);
        g_autoptr(JsonNode) node = parse(text);

        g_assert_nonnull(node);
    }
}

static void
test_builder(void)
{
    g_autoptr(JsonObject) object =
        vt_json_object_new("s:driver", "nic", "S:id", NULL, "i:n", -3, "l:big", G_MAXINT64, "b:on", TRUE,
                           "d:half", 0.5, "n:none", "o:inner", vt_json_object_new("s:quo\"te", "a\nb", NULL),
                           "O:gone", NULL, "a:list", json_array_new(), NULL);
    g_autofree char *text = vt_json_object_to_string(object);
    g_autoptr(JsonNode) node = vt_json_node_new(vt_json_object_new(NULL, NULL));
    g_autofree char *empty = vt_json_to_string(node);

    g_assert_cmpstr(
        text, ==,
        "{\"driver\":\"nic\",\"n\":-3,\"big\":9223372036854775807,\"on\":true,\"half\":0.5,\"none\":null,"
        "\"inner\":{\"quo\\\"te\":\"a\\nb\"},\"list\":[]}");
    g_assert_cmpstr(empty, ==, "{}");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/util/json/typed-reads", test_reads);
    g_test_add_func("/util/json/errors-name-the-path", test_read_errors);
    g_test_add_func("/util/json/parse-refuses", test_parse_refuses);
    g_test_add_func("/util/json/builder", test_builder);
    return g_test_run();
}
