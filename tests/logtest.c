/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/error.h"
#define VT_LOG_DOMAIN "virtteam-tests-log"
#include "util/log.h"
#include "util/units.h"

#include <glib/gstdio.h>

#include <string.h>

static void
test_format(void)
{
    VtLogObject object = { .mig_id = "7f3a", .domain_name = "web\n1", .domain_uuid = "unused" };
    g_autofree char *line = vt_log_format(VT_LOG_INFO, "virtteam-x", &object, "two\nlines\x1b[2J");
    g_autofree char *bare = vt_log_format(VT_LOG_ERROR, NULL, NULL, "bare");

    g_assert_cmpstr(line, ==, "info virtteam-x: mig=7f3a dom=web\\x0a1 two\\x0alines\\x1b[2J");
    g_assert_cmpstr(bare, ==, "error -: bare");
}

static void
test_file_and_filters(void)
{
    g_autofree char *dir = g_dir_make_tmp("vt-log-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "log", NULL);
    g_autofree char *text = NULL;
    VtLogConfig config = { .level = VT_LOG_WARNING,
                           .filters = "virtteam-tests:info virtteam-tests-log:debug",
                           .path = path };
    VtLogConfig bad = { .filters = "virtteam:loud" };
    g_autoptr(GError) error = NULL;

    g_assert_true(vt_log_init(&config, &error));
    g_assert_no_error(error);
    g_assert_false(vt_log_init(&bad, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_INVALID_ARG);
    g_assert_true(vt_log_enabled("virtteam-tests-other", VT_LOG_INFO));
    g_assert_false(vt_log_enabled("virtteam-tests-other", VT_LOG_DEBUG));
    g_assert_false(vt_log_enabled("virtteam-rpc", VT_LOG_INFO));
    vt_log_debug("first %d", 1);
    vt_log_object_info(&(VtLogObject){ .client = "3", .message_id = "abc" }, "second");
    vt_log_write(VT_LOG_INFO, "virtteam-rpc", NULL, "dropped");
    vt_log_shutdown();

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_nonnull(strstr(text, "Z debug virtteam-tests-log: first 1\n"));
    g_assert_nonnull(strstr(text, "Z info virtteam-tests-log: client=3 msgid=abc second\n"));
    g_assert_null(strstr(text, "dropped"));
    g_unlink(path);
    g_rmdir(dir);
}

static void
test_units(void)
{
    static const struct {
        const char *unit;
        guint64 factor; /* 0: no such unit */
    } rows[] = {
        { NULL, 1024 },
        { "b", 1 },
        { "bytes", 1 },
        { "KB", 1000 },
        { "k", 1024 },
        { "KiB", 1024 },
        { "MB", 1000000 },
        { "M", 1048576 },
        { "GiB", 1073741824 },
        { "T", 1ULL << 40 },
        { "EiB", 1ULL << 60 },
        { "", 0 },
        { "KiBs", 0 },
        { "x", 0 },
        { "Z", 0 },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        guint64 factor = 0;

        g_assert_true(vt_units_memory_factor(rows[i].unit, &factor) == (rows[i].factor != 0));
        g_assert_cmpuint(factor, ==, rows[i].factor);
    }
    g_assert_cmpuint(vt_units_bytes_to_kib(1), ==, 1);
    g_assert_cmpuint(vt_units_bytes_to_kib(G_MAXUINT64), ==, G_GUINT64_CONSTANT(1) << 54);
    g_assert_cmpuint(vt_units_mib_to_bytes(G_MAXUINT64), ==, G_MAXUINT64);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/util/log/one-message-is-one-line", test_format);
    g_test_add_func("/util/log/file-and-filters", test_file_and_filters);
    g_test_add_func("/util/units/memory-and-saturation", test_units);
    return g_test_run();
}
