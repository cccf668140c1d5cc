/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/json.h"

#include <stdarg.h>
#include <string.h>

/* json-glib's parser recurses without a limit, so the depth is checked before it sees the text. */
static gboolean
json_depth_ok(const char *text, gsize length)
{
    gboolean in_string = FALSE;
    guint depth = 0;

    for (gsize i = 0; i < length; i++) {
        char c = text[i];

        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = FALSE;
        } else if (c == '"') {
            in_string = TRUE;
        } else if (c == '{' || c == '[') {
            if (++depth > VT_JSON_DEPTH_MAX)
                return FALSE;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return TRUE;
}

JsonNode *
vt_json_parse(const char *text, gsize length, GError **error)
{
    g_autoptr(JsonParser) parser = NULL;
    g_autoptr(GError) inner = NULL;
    JsonNode *root;

    if (length > G_MAXSSIZE || !g_utf8_validate_len(text, length, NULL)) {
        vt_error_set(error, VT_ERROR_INVALID_ARG, "The JSON text is not valid UTF-8.");
        return NULL;
    }
    if (!json_depth_ok(text, length)) {
        vt_error_set(error, VT_ERROR_INVALID_ARG, "The JSON text is nested deeper than %d.",
                     VT_JSON_DEPTH_MAX);
        return NULL;
    }
    parser = json_parser_new_immutable();
    if (!json_parser_load_from_data(parser, text, (gssize)length, &inner)) {
        vt_error_set(error, VT_ERROR_INVALID_ARG, "The JSON text cannot be read: %s", inner->message);
        return NULL;
    }
    root = json_parser_steal_root(parser);
    if (!root)
        vt_error_set(error, VT_ERROR_INVALID_ARG, "The JSON text is empty.");
    return root;
}

char *
vt_json_to_string(JsonNode *node)
{
    return json_to_string(node, FALSE);
}

char *
vt_json_object_to_string(JsonObject *object)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);

    json_node_set_object(node, object);
    return json_to_string(node, FALSE);
}

static JsonNode *
json_member(JsonNode *node, const char *name, gsize length)
{
    g_autofree char *key = g_strndup(name, length);

    if (!JSON_NODE_HOLDS_OBJECT(node))
        return NULL;
    return json_object_get_member(json_node_get_object(node), key);
}

static JsonNode *
json_element(JsonNode *node, guint64 index)
{
    JsonArray *array = JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;

    if (!array || index >= json_array_get_length(array))
        return NULL;
    return json_array_get_element(array, (guint)index);
}

JsonNode *
vt_json_find(JsonNode *root, const char *path)
{
    JsonNode *node = root;

    while (node && *path) {
        if (*path == '[') {
            char *end = NULL;
            guint64 index = g_ascii_strtoull(path + 1, &end, 10);

            if (end == path + 1 || *end != ']')
                return NULL;
            node = json_element(node, index);
            path = end + 1;
        } else {
            gsize length = strcspn(path, ".[");

            node = json_member(node, path, length);
            path += length;
        }
        if (*path == '.')
            path++;
    }
    return node && !JSON_NODE_HOLDS_NULL(node) ? node : NULL;
}

/* The value at @path when it is of @type, else NULL with the reason. */
static JsonNode *
json_value_at(JsonNode *root, const char *path, GType type, const char *type_name, GError **error)
{
    JsonNode *node = vt_json_find(root, path);

    if (!node) {
        vt_error_set(error, VT_ERROR_INTERNAL, "The JSON member '%s' is missing.", path);
        return NULL;
    }
    if (!JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) != type) {
        vt_error_set(error, VT_ERROR_INTERNAL, "The JSON member '%s' is not %s.", path, type_name);
        return NULL;
    }
    return node;
}

gboolean
vt_json_get_string(JsonNode *root, const char *path, const char **value, GError **error)
{
    JsonNode *node = json_value_at(root, path, G_TYPE_STRING, "a string", error);

    if (node)
        *value = json_node_get_string(node);
    return node != NULL;
}

gboolean
vt_json_get_int(JsonNode *root, const char *path, gint64 *value, GError **error)
{
    JsonNode *node = json_value_at(root, path, G_TYPE_INT64, "an integer", error);

    if (node)
        *value = json_node_get_int(node);
    return node != NULL;
}

gboolean
vt_json_get_uint(JsonNode *root, const char *path, guint64 *value, GError **error)
{
    gint64 number;

    if (!vt_json_get_int(root, path, &number, error))
        return FALSE;
    if (number < 0)
        return vt_error_set(error, VT_ERROR_INTERNAL, "The JSON member '%s' is negative.", path);
    *value = (guint64)number;
    return TRUE;
}

gboolean
vt_json_get_bool(JsonNode *root, const char *path, gboolean *value, GError **error)
{
    JsonNode *node = json_value_at(root, path, G_TYPE_BOOLEAN, "a boolean", error);

    if (node)
        *value = json_node_get_boolean(node);
    return node != NULL;
}

gboolean
vt_json_get_double(JsonNode *root, const char *path, double *value, GError **error)
{
    JsonNode *node = vt_json_find(root, path);

    if (node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_INT64) {
        *value = (double)json_node_get_int(node);
        return TRUE;
    }
    node = json_value_at(root, path, G_TYPE_DOUBLE, "a number", error);
    if (node)
        *value = json_node_get_double(node);
    return node != NULL;
}

gboolean
vt_json_get_object(JsonNode *root, const char *path, JsonObject **value, GError **error)
{
    JsonNode *node = vt_json_find(root, path);

    if (!node || !JSON_NODE_HOLDS_OBJECT(node))
        return vt_error_set(error, VT_ERROR_INTERNAL, "The JSON member '%s' is %s.", path,
                            node ? "not an object" : "missing");
    *value = json_node_get_object(node);
    return TRUE;
}

gboolean
vt_json_get_array(JsonNode *root, const char *path, JsonArray **value, GError **error)
{
    JsonNode *node = vt_json_find(root, path);

    if (!node || !JSON_NODE_HOLDS_ARRAY(node))
        return vt_error_set(error, VT_ERROR_INTERNAL, "The JSON member '%s' is %s.", path,
                            node ? "not an array" : "missing");
    *value = json_node_get_array(node);
    return TRUE;
}

const char *
vt_json_string_or(JsonNode *root, const char *path, const char *fallback)
{
    const char *value = fallback;

    vt_json_get_string(root, path, &value, NULL);
    return value;
}

gint64
vt_json_int_or(JsonNode *root, const char *path, gint64 fallback)
{
    gint64 value = fallback;

    vt_json_get_int(root, path, &value, NULL);
    return value;
}

gboolean
vt_json_bool_or(JsonNode *root, const char *path, gboolean fallback)
{
    gboolean value = fallback;

    vt_json_get_bool(root, path, &value, NULL);
    return value;
}

JsonObject *
vt_json_object_new(const char *spec, ...)
{
    JsonObject *object = json_object_new();
    va_list args;

    va_start(args, spec);
    for (; spec; spec = va_arg(args, const char *)) {
        const char *name = spec + 2;
        char type = spec[0];

        if (type == 's' || type == 'S') {
            const char *text = va_arg(args, const char *);

            if (text)
                json_object_set_string_member(object, name, text);
            else if (type == 's')
                json_object_set_null_member(object, name);
        } else if (type == 'i') {
            json_object_set_int_member(object, name, va_arg(args, int));
        } else if (type == 'l') {
            json_object_set_int_member(object, name, va_arg(args, gint64));
        } else if (type == 'b') {
            json_object_set_boolean_member(object, name, va_arg(args, gboolean));
        } else if (type == 'd') {
            json_object_set_double_member(object, name, va_arg(args, double));
        } else if (type == 'o' || type == 'O') {
            JsonObject *member = va_arg(args, JsonObject *);

            if (member)
                json_object_set_object_member(object, name, member);
        } else if (type == 'a' || type == 'A') {
            JsonArray *member = va_arg(args, JsonArray *);

            if (member)
                json_object_set_array_member(object, name, member);
        } else {
            json_object_set_null_member(object, name);
        }
    }
    va_end(args);
    return object;
}

JsonNode *
vt_json_node_new(JsonObject *object)
{
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);

    json_node_take_object(node, object);
    return node;
}
