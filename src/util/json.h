/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * JSON: bounded parsing, typed reads that say where they failed, and a builder in one call.
 *
 * A path is written as in "return.devices[2].qdev": member names and array indexes from the node it starts
 * at. A read names its path in the error, behind what the caller says it was reading.
 */
#pragma once

#include "util/error.h"

#include <json-glib/json-glib.h>

#define VT_JSON_DEPTH_MAX 64 /* nested containers; QEMU's own limit is 1024 */

/**
 * vt_json_parse - read one document
 * @text:   bytes
 * @length: how many
 * @error:  (out) INVALID_ARG: not JSON, not UTF-8, empty, or nested deeper than VT_JSON_DEPTH_MAX
 *
 * Return: (transfer full) the root, or NULL. Free with json_node_unref().
 */
JsonNode *vt_json_parse(const char *text, gsize length, GError **error);

/** One line of JSON. (transfer full) */
char *vt_json_to_string(JsonNode *node);

/** The same of an object, which stays the caller's. (transfer full) */
char *vt_json_object_to_string(JsonObject *object);

/**
 * vt_json_find - the node at a path
 * @root: (nullable) where the path starts
 * @path: as above; "" is @root itself
 *
 * Return: (transfer none) (nullable) the node, or NULL when there is none or null stands there.
 */
JsonNode *vt_json_find(JsonNode *root, const char *path);

/**
 * vt_json_get_string - a string that must be there
 * @root:  (nullable) where the path starts
 * @path:  as above
 * @value: (out) (transfer none) lives as long as @root
 * @error: (out) INTERNAL naming the path: absent or of another type
 *
 * Return: FALSE with @value untouched. The other getters are alike.
 */
gboolean vt_json_get_string(JsonNode *root, const char *path, const char **value, GError **error);
gboolean vt_json_get_int(JsonNode *root, const char *path, gint64 *value, GError **error);
/** Refuses negative numbers. */
gboolean vt_json_get_uint(JsonNode *root, const char *path, guint64 *value, GError **error);
gboolean vt_json_get_bool(JsonNode *root, const char *path, gboolean *value, GError **error);
/** Takes integers too. */
gboolean vt_json_get_double(JsonNode *root, const char *path, double *value, GError **error);
gboolean vt_json_get_object(JsonNode *root, const char *path, JsonObject **value, GError **error);
gboolean vt_json_get_array(JsonNode *root, const char *path, JsonArray **value, GError **error);

/** The string at @path, or @fallback when it is absent or no string. (transfer none) */
const char *vt_json_string_or(JsonNode *root, const char *path, const char *fallback);
/** The integer at @path, or @fallback when it is absent or no integer. */
gint64 vt_json_int_or(JsonNode *root, const char *path, gint64 fallback);
/** The boolean at @path, or @fallback when it is absent or no boolean. */
gboolean vt_json_bool_or(JsonNode *root, const char *path, gboolean fallback);

/**
 * vt_json_object_new - an object in one call
 * @spec: "TYPE:name", followed by the value, then the next spec, ... and NULL at the end
 *
 *     s string    const char *                  S the same, left out when NULL
 *     i integer   int                           b boolean  gboolean
 *     l integer   gint64                        d number   double
 *     o object    JsonObject * (transfer full)  O the same, left out when NULL
 *     a array     JsonArray * (transfer full)   A the same, left out when NULL
 *     n null      no value follows
 *
 * Return: (transfer full) the object. json_object_unref() frees it.
 */
JsonObject *vt_json_object_new(const char *spec, ...) G_GNUC_NULL_TERMINATED;

/** Wrap an object into a node. (transfer full) both ways */
JsonNode *vt_json_node_new(JsonObject *object);
