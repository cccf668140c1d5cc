/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/mig-params.h"

#include <string.h>
#include "util/json.h"

/* Each bit of virDomainMigrateFlags: its name where it is refused by name, "" where it is taken. */
static const char *const flag_names[32] = {
    [0] = "",
    [1] = "p2p",
    [2] = "tunnelled",
    [3] = "",
    [4] = "",
    [5] = "",
    [6] = "copy-storage-all",
    [7] = "copy-storage-inc",
    [8] = "",
    [9] = "",
    [10] = "offline",
    [11] = "compressed",
    [12] = "",
    [13] = "",
    [14] = "rdma-pin-all",
    [15] = "postcopy",
    [16] = "tls",
    [17] = "parallel",
    [18] = "copy-storage-synchronous-writes",
    [19] = "postcopy-resume",
    [20] = "zerocopy",
};

static void
test_flags(void)
{
    for (guint bit = 0; bit < G_N_ELEMENTS(flag_names); bit++) {
        const char *name = flag_names[bit];
        const int code = name ? VT_ERROR_UNSUPPORTED : VT_ERROR_INVALID_ARG;
        g_autoptr(GError) error = NULL;
        g_autoptr(VtMigParams) params = vt_mig_params_parse(NULL, 1u << bit, &error);
        g_autofree char *said = NULL;

        g_test_message("bit %u", bit);
        if (name && *name == '\0') {
            g_assert_no_error(error);
            g_assert_cmpuint(params->flags, ==, 1u << bit);
            continue;
        }
        g_assert_null(params);
        said = name ? g_strdup_printf("'%s'", name) : g_strdup_printf("0x%x", 1u << bit);
        g_assert_error(error, VT_ERROR, code);
        g_assert_nonnull(strstr(error->message, said));
    }
}

typedef struct {
    const char *name;
    VtParamType type;
    const char *value;
    guint flags;
    int code; /* -1: taken */
} ParamRow;

#define CONVERGE VT_MIG_FLAG_AUTO_CONVERGE
#define LIVE     VT_MIG_FLAG_LIVE
#define TAKEN    -1

static const ParamRow param_rows[] = {
    { "migrate_uri", VT_PARAM_STRING, "tcp://two:1", 0, TAKEN },
    { "migrate_uri", VT_PARAM_INT, "1", 0, VT_ERROR_INVALID_ARG },
    { "destination_name", VT_PARAM_STRING, "web2", 0, TAKEN },
    { "destination_name", VT_PARAM_ULLONG, "2", 0, VT_ERROR_INVALID_ARG },
    { "destination_xml", VT_PARAM_STRING, "<domain/>", 0, TAKEN },
    { "persistent_xml", VT_PARAM_STRING, "<domain/>", 0, TAKEN },
    { "listen_address", VT_PARAM_STRING, "192.0.2.1", 0, TAKEN },
    { "bandwidth", VT_PARAM_ULLONG, "0", 0, TAKEN },
    { "bandwidth", VT_PARAM_ULLONG, "100", 0, TAKEN },
    { "bandwidth", VT_PARAM_ULLONG, "8796093022207", 0, TAKEN },
    { "bandwidth", VT_PARAM_ULLONG, "8796093022208", 0, VT_ERROR_INVALID_ARG },
    { "bandwidth", VT_PARAM_ULLONG, "18446744073709551615", 0, VT_ERROR_INVALID_ARG },
    { "bandwidth", VT_PARAM_INT, "100", 0, VT_ERROR_INVALID_ARG },
    { "auto_converge.initial", VT_PARAM_INT, "20", CONVERGE, TAKEN },
    { "auto_converge.initial", VT_PARAM_INT, "99", CONVERGE, TAKEN },
    { "auto_converge.initial", VT_PARAM_INT, "1", CONVERGE, TAKEN },
    { "auto_converge.initial", VT_PARAM_INT, "0", CONVERGE, VT_ERROR_INVALID_ARG },
    { "auto_converge.initial", VT_PARAM_INT, "100", CONVERGE, VT_ERROR_INVALID_ARG },
    { "auto_converge.initial", VT_PARAM_INT, "-20", CONVERGE, VT_ERROR_INVALID_ARG },
    { "auto_converge.initial", VT_PARAM_INT, "20", 0, VT_ERROR_INVALID_ARG },
    { "auto_converge.increment", VT_PARAM_INT, "10", CONVERGE, TAKEN },
    { "auto_converge.increment", VT_PARAM_INT, "10", 0, VT_ERROR_INVALID_ARG },
    { "auto_converge.increment", VT_PARAM_INT, "1000", CONVERGE, VT_ERROR_INVALID_ARG },
    { "auto_converge.increment", VT_PARAM_STRING, "10", CONVERGE, VT_ERROR_INVALID_ARG },
    { "graphics_uri", VT_PARAM_STRING, "x", 0, VT_ERROR_UNSUPPORTED },
    { "migrate_disks", VT_PARAM_STRING, "vda", 0, VT_ERROR_UNSUPPORTED },
    { "migrate_disks_detect_zeroes", VT_PARAM_STRING, "vda", 0, VT_ERROR_UNSUPPORTED },
    { "disks_port", VT_PARAM_INT, "1", 0, VT_ERROR_UNSUPPORTED },
    { "disks_uri", VT_PARAM_STRING, "x", 0, VT_ERROR_UNSUPPORTED },
    { "compression", VT_PARAM_STRING, "mt", 0, VT_ERROR_UNSUPPORTED },
    { "compression.mt.level", VT_PARAM_INT, "1", 0, VT_ERROR_UNSUPPORTED },
    { "compression.mt.threads", VT_PARAM_INT, "1", 0, VT_ERROR_UNSUPPORTED },
    { "compression.mt.dthreads", VT_PARAM_INT, "1", 0, VT_ERROR_UNSUPPORTED },
    { "compression.xbzrle.cache", VT_PARAM_ULLONG, "1", 0, VT_ERROR_UNSUPPORTED },
    { "compression.zlib.level", VT_PARAM_INT, "1", 0, VT_ERROR_UNSUPPORTED },
    { "compression.zstd.level", VT_PARAM_INT, "1", 0, VT_ERROR_UNSUPPORTED },
    { "bandwidth.postcopy", VT_PARAM_ULLONG, "1", 0, VT_ERROR_UNSUPPORTED },
    { "bandwidth.avail.switchover", VT_PARAM_ULLONG, "1", 0, VT_ERROR_UNSUPPORTED },
    { "parallel.connections", VT_PARAM_INT, "2", 0, VT_ERROR_UNSUPPORTED },
    { "tls.destination", VT_PARAM_STRING, "x", 0, VT_ERROR_UNSUPPORTED },
    { "bandwith", VT_PARAM_ULLONG, "1", 0, VT_ERROR_INVALID_ARG },
    { "", VT_PARAM_STRING, "x", 0, VT_ERROR_INVALID_ARG },
};

static void
params_add(VtTypedParams *params, const ParamRow *row)
{
    if (row->type == VT_PARAM_INT)
        vt_typed_params_add_int(params, row->name, (gint32)g_ascii_strtoll(row->value, NULL, 10));
    else if (row->type == VT_PARAM_ULLONG)
        vt_typed_params_add_ullong(params, row->name, g_ascii_strtoull(row->value, NULL, 10));
    else
        vt_typed_params_add_string(params, row->name, row->value);
}

static void
test_params(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(param_rows); i++) {
        const ParamRow *row = &param_rows[i];
        g_autoptr(VtTypedParams) params = vt_typed_params_new();
        g_autoptr(GError) error = NULL;
        g_autoptr(VtMigParams) parsed = NULL;

        g_test_message("%s = %s", row->name, row->value);
        params_add(params, row);
        parsed = vt_mig_params_parse(params, row->flags, &error);
        if (row->code == TAKEN) {
            g_assert_no_error(error);
            g_assert_nonnull(parsed);
            continue;
        }
        g_assert_null(parsed);
        g_assert_error(error, VT_ERROR, row->code);
        if (row->code == VT_ERROR_UNSUPPORTED)
            g_assert_nonnull(strstr(error->message, row->name));
    }
}

static void
test_twice(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(param_rows); i++) {
        const ParamRow *row = &param_rows[i];
        g_autoptr(VtTypedParams) params = vt_typed_params_new();
        g_autoptr(GError) error = NULL;

        if (row->code != TAKEN)
            continue;
        params_add(params, row);
        params_add(params, row);
        g_assert_null(vt_mig_params_parse(params, row->flags, &error));
        g_assert_error(error, VT_ERROR, VT_ERROR_INVALID_ARG);
        g_assert_nonnull(strstr(error->message, row->name));
    }
}

static void
test_all(void)
{
    g_autoptr(VtTypedParams) params = vt_typed_params_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(VtMigParams) parsed = NULL;

    vt_typed_params_add_string(params, "migrate_uri", "tcp://two:1");
    vt_typed_params_add_string(params, "destination_name", "web2");
    vt_typed_params_add_string(params, "destination_xml", "<a/>");
    vt_typed_params_add_string(params, "persistent_xml", "<b/>");
    vt_typed_params_add_string(params, "listen_address", "::");
    vt_typed_params_add_ullong(params, "bandwidth", 7);
    vt_typed_params_add_int(params, "auto_converge.initial", 20);
    vt_typed_params_add_int(params, "auto_converge.increment", 10);
    parsed = vt_mig_params_parse(params, VT_MIG_FLAG_LIVE | CONVERGE, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(parsed->migrate_uri, ==, "tcp://two:1");
    g_assert_cmpstr(parsed->destination_name, ==, "web2");
    g_assert_cmpstr(parsed->destination_xml, ==, "<a/>");
    g_assert_cmpstr(parsed->persistent_xml, ==, "<b/>");
    g_assert_cmpstr(parsed->listen_address, ==, "::");
    g_assert_cmpuint(parsed->bandwidth_mib_per_s, ==, 7);
    g_assert_cmpint(parsed->converge_initial, ==, 20);
    g_assert_cmpint(parsed->converge_increment, ==, 10);
}

/* "+name" is on, "-name" is off; every one of our capabilities is named. */
static void
assert_capabilities(guint flags, gboolean given, VtMigParty party, const char *expected)
{
    const VtMigParams params = { .flags = flags };
    g_autoptr(JsonNode) node = vt_mig_params_capabilities(given ? &params : NULL, party);
    g_autoptr(GString) text = g_string_new(NULL);
    JsonArray *array = json_object_get_array_member(json_node_get_object(node), "capabilities");

    for (guint i = 0; i < json_array_get_length(array); i++) {
        JsonObject *entry = json_array_get_object_element(array, i);

        g_string_append_printf(text, "%s%c%s", i ? " " : "",
                               json_object_get_boolean_member(entry, "state") ? '+' : '-',
                               json_object_get_string_member(entry, "capability"));
    }
    g_assert_cmpstr(text->str, ==, expected);
}

static void
test_capabilities(void)
{
    assert_capabilities(0, TRUE, VT_MIG_PARTY_SOURCE,
                        "+events +pause-before-switchover -auto-converge -xbzrle -postcopy-ram");
    assert_capabilities(CONVERGE, TRUE, VT_MIG_PARTY_SOURCE,
                        "+events +pause-before-switchover +auto-converge -xbzrle -postcopy-ram");
    assert_capabilities(~0u, FALSE, VT_MIG_PARTY_SOURCE,
                        "-events -pause-before-switchover -auto-converge -xbzrle -postcopy-ram");
    assert_capabilities(CONVERGE, TRUE, VT_MIG_PARTY_DESTINATION,
                        "+events +late-block-activate -xbzrle -postcopy-ram");
    assert_capabilities(0, FALSE, VT_MIG_PARTY_DESTINATION,
                        "-events -late-block-activate -xbzrle -postcopy-ram");
}

static void
test_parameters(void)
{
    static const struct {
        VtMigParams params;
        VtMigLimits limits;
        const char *json;
    } rows[] = {
        { { 0 }, { 0 }, "{\"max-bandwidth\":9223372036854775807,\"downtime-limit\":300}" },
        { { 0 }, { 1048576, 20 }, "{\"max-bandwidth\":1048576,\"downtime-limit\":20}" },
        { { 0 },
          { G_MAXUINT64, G_MAXUINT64 },
          "{\"max-bandwidth\":9223372036854775807,\"downtime-limit\":2000000}" },
        { { .converge_initial = 20, .converge_increment = 10 },
          { 1, 1 },
          "{\"max-bandwidth\":1,\"downtime-limit\":1,\"cpu-throttle-initial\":20,"
          "\"cpu-throttle-increment\":10}" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(JsonNode) node = vt_mig_params_parameters(&rows[i].params, &rows[i].limits, 1);
        g_autofree char *text = json_to_string(node, FALSE);

        g_assert_cmpstr(text, ==, rows[i].json);
    }
}

static void
test_downtime(void)
{
    static const struct {
        guint flags;
        guint64 limit;
        guint pass;
        guint64 told;
    } rows[] = {
        { LIVE, 0, 0, 30 },
        { LIVE, 0, 1, 30 },
        { LIVE, 0, 2, 30 },
        { LIVE, 0, 3, 100 },
        { LIVE, 0, 4, 300 },
        { LIVE, 0, 5, 300 },
        { LIVE, 300, 0, 300 },
        { LIVE, 50, 1, 50 },
        { LIVE, 0, G_MAXUINT, 300 },
        { CONVERGE, 0, 1, 300 },
        { LIVE | CONVERGE, 0, 1, 30 },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        VtMigParams params = { .flags = rows[i].flags };
        VtMigLimits limits = { .downtime_ms = rows[i].limit };

        g_assert_cmpuint(vt_mig_params_downtime(&params, &limits, rows[i].pass), ==, rows[i].told);
    }
}

static void
test_saved(void)
{
    static const struct {
        const char *current, *saved;
    } rows[] = {
        { "{\"max-bandwidth\":134217728,\"downtime-limit\":300,\"tls-creds\":\"\",\"multifd-channels\":2}",
          "{\"max-bandwidth\":134217728,\"downtime-limit\":300}" },
        { "{\"cpu-throttle-initial\":20,\"cpu-throttle-increment\":0}",
          "{\"cpu-throttle-initial\":20,\"cpu-throttle-increment\":0}" },
        { "{\"max-bandwidth\":\"fast\",\"downtime-limit\":-1}", NULL },
        { "{}", NULL },
        { "[]", NULL },
        { "7", NULL },
    };

    g_assert_null(vt_mig_params_saved(NULL));
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(JsonNode) current = vt_json_parse(rows[i].current, strlen(rows[i].current), NULL);
        g_autoptr(JsonNode) saved = vt_mig_params_saved(current);
        g_autofree char *text = saved ? json_to_string(saved, FALSE) : NULL;

        g_test_message("%s", rows[i].current);
        g_assert_cmpstr(text, ==, rows[i].saved);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu/mig-params/each-flag", test_flags);
    g_test_add_func("/qemu/mig-params/each-parameter", test_params);
    g_test_add_func("/qemu/mig-params/given-twice-is-refused", test_twice);
    g_test_add_func("/qemu/mig-params/all-together", test_all);
    g_test_add_func("/qemu/mig-params/capabilities", test_capabilities);
    g_test_add_func("/qemu/mig-params/parameters", test_parameters);
    g_test_add_func("/qemu/mig-params/downtime-grows-with-the-passes", test_downtime);
    g_test_add_func("/qemu/mig-params/what-is-put-back", test_saved);
    return g_test_run();
}
