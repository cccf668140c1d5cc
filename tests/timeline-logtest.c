/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver/timeline-log.h"

#include <glib/gstdio.h>
#include <string.h>
#include "util/file.h"

#define MIGRATION "11111111-2222-3333-4444-555555555555"

static char *
timeline_logtest_dir(void)
{
    g_autoptr(GError) error = NULL;
    char *dir = g_dir_make_tmp("vt-timeline-XXXXXX", &error);

    g_assert_no_error(error);
    return dir;
}

static void
timeline_logtest_remove(const char *dir)
{
    g_autofree char *sub = g_build_filename(dir, "migrations", NULL);
    g_autoptr(GDir) entries = g_dir_open(sub, 0, NULL);
    const char *name;

    while (entries && (name = g_dir_read_name(entries))) {
        g_autofree char *path = g_build_filename(sub, name, NULL);

        g_unlink(path);
    }
    g_rmdir(sub);
    g_assert_cmpint(g_rmdir(dir), ==, 0);
}

static void
test_notes_of_both_hosts_end_in_one_file(void)
{
    g_autofree char *dir = timeline_logtest_dir();
    g_autofree char *text = NULL;
    g_autofree char *path = NULL;
    g_autoptr(VtTimeline) read = NULL;
    g_autoptr(GError) error = NULL;
    VtTimelineLog *log = vt_timeline_log_open(dir, MIGRATION, "web", "a", VT_TIMELINE_SOURCE);
    VtTimelineLog *other = vt_timeline_log_open(dir, MIGRATION, "web-b", "b", VT_TIMELINE_DESTINATION);

    vt_timeline_log_note(log, VT_TIMELINE_BEGIN, NULL, NULL);
    vt_timeline_log_note(other, VT_TIMELINE_PREPARED, NULL, "port 49200");
    vt_timeline_log_note(log, VT_TIMELINE_UNPLUG_ASKED, "ua-net", NULL);
    text = vt_timeline_log_text(other);
    vt_timeline_log_adopt(log, text);
    vt_timeline_log_adopt(log, text); /* a later cookie repeats it */
    vt_timeline_log_adopt(log, "rubbish");
    path = g_strdup(vt_timeline_log_path(log));
    vt_timeline_log_close(log);
    vt_timeline_log_close(other);
    g_clear_pointer(&text, g_free);
    text = vt_file_read(path, 65536, NULL, &error);
    g_assert_no_error(error);
    read = vt_timeline_parse(text, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(read->entries->len, ==, 3);
    g_assert_cmpint(((VtTimelineEntry *)g_ptr_array_index(read->entries, 1))->side, ==,
                    VT_TIMELINE_DESTINATION);
    timeline_logtest_remove(dir);
}

static void
test_a_restart_goes_on_in_the_same_file(void)
{
    g_autofree char *dir = timeline_logtest_dir();
    g_autofree char *text = NULL;
    g_autofree char *path = NULL;
    g_autoptr(VtTimeline) read = NULL;
    g_autoptr(GError) error = NULL;

    for (int i = 0; i < 2; i++) {
        g_autoptr(VtTimelineLog) log = vt_timeline_log_open(dir, MIGRATION, "web", "a", VT_TIMELINE_SOURCE);

        vt_timeline_log_note(log, i ? VT_TIMELINE_FAILED : VT_TIMELINE_BEGIN, NULL, NULL);
        g_free(path);
        path = g_strdup(vt_timeline_log_path(log));
    }
    text = vt_file_read(path, 65536, NULL, &error);
    g_assert_no_error(error);
    read = vt_timeline_parse(text, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(read->entries->len, ==, 2);
    timeline_logtest_remove(dir);
}

static void
test_old_files_are_pruned_by_domain(void)
{
    g_autofree char *dir = timeline_logtest_dir();
    g_autofree char *sub = g_build_filename(dir, "migrations", NULL);
    g_autoptr(GDir) entries = NULL;
    guint left = 0;

    for (int i = 0; i < VT_TIMELINE_LOG_KEPT + 5; i++) {
        g_autofree char *migration = g_strdup_printf("11111111-2222-3333-4444-5555555555%02d", i);
        g_autoptr(VtTimelineLog) log = vt_timeline_log_open(dir, migration, "web", "a", VT_TIMELINE_SOURCE);
        g_autoptr(VtTimelineLog) like = NULL;

        vt_timeline_log_note(log, VT_TIMELINE_BEGIN, NULL, NULL);
        if (i == 0)
            like = vt_timeline_log_open(dir, migration, "web-2", "a", VT_TIMELINE_SOURCE);
    }
    entries = g_dir_open(sub, 0, NULL);
    while (g_dir_read_name(entries))
        left++;
    g_assert_cmpuint(left, ==,
                     VT_TIMELINE_LOG_KEPT + 1); /* and that of the other domain, whose name begins alike */
    timeline_logtest_remove(dir);
}

static void
test_an_unwritable_directory_is_no_failure(void)
{
    g_autoptr(VtTimelineLog) log =
        vt_timeline_log_open("/proc/no-such-directory", MIGRATION, "web", "a", VT_TIMELINE_SOURCE);
    g_autofree char *text = NULL;

    vt_timeline_log_note(log, VT_TIMELINE_BEGIN, NULL, NULL);
    vt_timeline_log_note(NULL, VT_TIMELINE_BEGIN, NULL, NULL);
    text = vt_timeline_log_text(log);
    g_assert_nonnull(strstr(text, "\"begin\""));
    g_assert_null(vt_timeline_log_path(log));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK); /* the warning is what is expected */
    g_test_add_func("/driver/timeline-log/notes-of-both-hosts-end-in-one-file",
                    test_notes_of_both_hosts_end_in_one_file);
    g_test_add_func("/driver/timeline-log/a-restart-goes-on-in-the-same-file",
                    test_a_restart_goes_on_in_the_same_file);
    g_test_add_func("/driver/timeline-log/old-files-are-pruned-by-domain",
                    test_old_files_are_pruned_by_domain);
    g_test_add_func("/driver/timeline-log/an-unwritable-directory-is-no-failure",
                    test_an_unwritable_directory_is_no_failure);
    return g_test_run();
}
