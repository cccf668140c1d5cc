/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/mig-stats.h"

#include <string.h>
#include "util/json.h"

static void
stats_parse(const char *json, VtMigStats *stats)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) node = vt_json_parse(json, strlen(json), &error);

    g_assert_no_error(error);
    vt_mig_stats_parse(node, stats);
}

/* Statuses: QEMU's word, and whether something is under way. */
static const struct {
    VtMigStatus status;
    const char *name;
    gboolean active;
} statuses[] = {
    { VT_MIG_STATUS_NONE, "none", FALSE },
    { VT_MIG_STATUS_SETUP, "setup", TRUE },
    { VT_MIG_STATUS_WAIT_UNPLUG, "wait-unplug", TRUE },
    { VT_MIG_STATUS_ACTIVE, "active", TRUE },
    { VT_MIG_STATUS_PRE_SWITCHOVER, "pre-switchover", TRUE },
    { VT_MIG_STATUS_DEVICE, "device", TRUE },
    { VT_MIG_STATUS_CANCELLING, "cancelling", TRUE },
    { VT_MIG_STATUS_COMPLETED, "completed", FALSE },
    { VT_MIG_STATUS_CANCELLED, "cancelled", FALSE },
    { VT_MIG_STATUS_FAILED, "failed", FALSE },
};

static void
test_statuses(void)
{
    g_assert_cmpuint(G_N_ELEMENTS(statuses), ==, VT_MIG_STATUS_OTHER);
    for (gsize i = 0; i < G_N_ELEMENTS(statuses); i++) {
        g_assert_cmpstr(vt_mig_status_name(statuses[i].status), ==, statuses[i].name);
        g_assert_cmpint(vt_mig_status_parse(statuses[i].name), ==, statuses[i].status);
        g_assert_cmpint(vt_mig_status_is_active(statuses[i].status), ==, statuses[i].active);
    }
    g_assert_null(vt_mig_status_name(VT_MIG_STATUS_OTHER));
    g_assert_cmpint(vt_mig_status_parse("postcopy-active"), ==, VT_MIG_STATUS_OTHER);
    g_assert_cmpint(vt_mig_status_parse("colo"), ==, VT_MIG_STATUS_OTHER);
    g_assert_cmpint(vt_mig_status_parse(""), ==, VT_MIG_STATUS_OTHER);
    g_assert_cmpint(vt_mig_status_parse(NULL), ==, VT_MIG_STATUS_NONE);
    /* One that is not known may be under way: it must not be taken for the end. */
    g_assert_true(vt_mig_status_is_active(VT_MIG_STATUS_OTHER));
}

static void
test_active(void)
{
    g_auto(VtMigStats) stats = { 0 };

    stats_parse("{\"status\":\"active\",\"total-time\":2500,\"setup-time\":7,\"expected-downtime\":300,"
                "\"ram\":{\"total\":1000,\"transferred\":400,\"remaining\":600,\"mbps\":8.0,\"duplicate\":3,"
                "\"normal\":5,\"normal-bytes\":20480,\"page-size\":4096,\"dirty-pages-rate\":11,"
                "\"dirty-sync-count\":2,\"postcopy-requests\":0}}",
                &stats);
    g_assert_cmpint(stats.status, ==, VT_MIG_STATUS_ACTIVE);
    g_assert_cmpuint(stats.total_time_ms, ==, 2500);
    g_assert_cmpuint(stats.setup_time_ms, ==, 7);
    g_assert_true(stats.has_downtime);
    g_assert_cmpuint(stats.downtime_ms, ==, 300);
    g_assert_cmpuint(stats.ram_total, ==, 1000);
    g_assert_cmpuint(stats.ram_transferred, ==, 400);
    g_assert_cmpuint(stats.ram_remaining, ==, 600);
    g_assert_cmpuint(stats.ram_bps, ==, 1000000);
    g_assert_cmpuint(stats.ram_duplicate, ==, 3);
    g_assert_cmpuint(stats.ram_normal, ==, 5);
    g_assert_cmpuint(stats.ram_normal_bytes, ==, 20480);
    g_assert_cmpuint(stats.ram_page_size, ==, 4096);
    g_assert_cmpuint(stats.ram_dirty_pages_rate, ==, 11);
    g_assert_cmpuint(stats.ram_iteration, ==, 2);
    g_assert_null(stats.error_desc);
}

static void
test_ends(void)
{
    g_auto(VtMigStats) done = { 0 }, failed = { 0 };

    /* The measured downtime wins over the expected one. */
    stats_parse("{\"status\":\"completed\",\"downtime\":12,\"expected-downtime\":300,\"total-time\":900}",
                &done);
    g_assert_cmpint(done.status, ==, VT_MIG_STATUS_COMPLETED);
    g_assert_cmpuint(done.downtime_ms, ==, 12);
    stats_parse("{\"status\":\"failed\",\"error-desc\":\"Connection refused\"}", &failed);
    g_assert_cmpint(failed.status, ==, VT_MIG_STATUS_FAILED);
    g_assert_cmpstr(failed.error_desc, ==, "Connection refused");
    g_assert_false(failed.has_downtime);
}

/* From a QEMU that a guest may have taken over. */
static void
test_hostile(void)
{
    static const char *const texts[] = {
        "{}",
        "[]",
        "null",
        "7",
        "\"active\"",
        "{\"status\":7}",
        "{\"status\":null,\"ram\":null}",
        "{\"status\":\"active\",\"ram\":[]}",
        "{\"status\":\"active\",\"ram\":\"x\"}",
        "{\"status\":{\"status\":\"active\"}}",
        "{\"ram\":{\"total\":-1,\"mbps\":-5.5,\"remaining\":\"x\",\"normal\":{},\"duplicate\":[1]}}",
        "{\"ram\":{\"total\":1.5,\"mbps\":\"fast\",\"page-size\":true}}",
        "{\"ram\":{\"mbps\":1e300}}",
        "{\"ram\":{\"mbps\":null}}",
        "{\"downtime\":-3,\"expected-downtime\":-4}",
        "{\"downtime\":\"long\"}",
        "{\"error-desc\":5}",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_auto(VtMigStats) stats = { .ram_total = 99 };

        g_test_message("%s", texts[i]);
        stats_parse(texts[i], &stats);
        g_assert_cmpuint(stats.ram_total, <=, 1);
        g_assert_cmpuint(stats.ram_remaining, ==, 0);
        g_assert_cmpuint(stats.ram_bps, ==, 0);
        g_assert_false(stats.has_downtime);
        g_assert_null(stats.error_desc);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu/mig-stats/each-status", test_statuses);
    g_test_add_func("/qemu/mig-stats/active", test_active);
    g_test_add_func("/qemu/mig-stats/completed-and-failed", test_ends);
    g_test_add_func("/qemu/mig-stats/hostile-numbers-count-as-not-said", test_hostile);
    return g_test_run();
}
