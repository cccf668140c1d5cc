/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver/reserve.h"

#include <glib/gstdio.h>
#include <string.h>
#include "driver/domain-private.h"
#include "util/file.h"

typedef struct {
    VtDriver driver;
    VtDriverConfig config;
    char *dir;
    gboolean told;
    GError *error;
} Fixture;

/* The driver without its shell: the list of reservations needs its configuration and its data alone. */
static void
reservetest_open(Fixture *fixture)
{
    fixture->config.lib_dir = fixture->dir;
    fixture->driver.config = &fixture->config;
    vt_reserve_load(&fixture->driver);
}

static void
reservetest_close(Fixture *fixture)
{
    g_datalist_clear(&fixture->driver.data);
}

static void
reservetest_set_up(Fixture *fixture, gconstpointer user)
{
    g_autoptr(GError) error = NULL;

    fixture->dir = g_dir_make_tmp("vt-reserve-XXXXXX", &error);
    g_assert_no_error(error);
    reservetest_open(fixture);
}

static void
reservetest_tear_down(Fixture *fixture, gconstpointer user)
{
    g_autofree char *sub = g_build_filename(fixture->dir, "reservations", NULL);
    g_autoptr(GDir) dir = g_dir_open(sub, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(sub, name, NULL);

        g_unlink(path);
    }
    g_rmdir(sub);
    g_assert_cmpint(g_rmdir(fixture->dir), ==, 0);
    reservetest_close(fixture);
    g_clear_error(&fixture->error);
    g_free(fixture->dir);
}

static void
reservetest_done(gpointer user, const GError *error)
{
    Fixture *fixture = user;

    g_assert_false(fixture->told);
    fixture->told = TRUE;
    if (error)
        fixture->error = g_error_copy(error);
}

static void
reservetest_wait(Fixture *fixture)
{
    while (!fixture->told)
        g_main_context_iteration(NULL, TRUE);
    fixture->told = FALSE;
}

static VtReservation
reservetest_sample(guint8 id)
{
    return (VtReservation){ .bdf = { 0, 0x3b, 2, 1 },
                            .uuid = { { id } },
                            .domain = (char *)"web",
                            .managed = TRUE,
                            .driver = (char *)"igbvf",
                            .pf = (char *)"eth0",
                            .vf_index = 1,
                            .settings = (char *)"{\"mac\":\"00:00:00:00:00:00\"}" };
}

/* What a probe has, or has left when it was killed, is not as it should be: nobody may have it. */
static void
test_a_probed_function_is_not_given(Fixture *fixture, gconstpointer user)
{
    g_autofree char *state = g_build_filename(fixture->dir, "qemu", NULL);
    g_autofree char *notes = g_build_filename(fixture->dir, "probe", NULL);
    g_autofree char *note = g_build_filename(notes, "0000:3b:00.0.json", NULL);
    g_autofree char *other = g_build_filename(notes, "0000:3c:00.0.json", NULL);
    VtReservation mine = reservetest_sample(1);
    VtPciBdf free_one = { 0, 0x3b, 2, 2 };

    fixture->config.state_dir = state;
    g_assert_true(vt_file_mkdirs(notes, 0700, NULL));
    g_assert_true(
        g_file_set_contents(note, "{\"vfs\":[{\"bdf\":\"x\"},{\"bdf\":\"0000:3b:02.1\"}]}", -1, NULL));
    g_assert_true(g_file_set_contents(other, "nonsense", -1, NULL));
    g_assert_false(vt_reserve_is_probed(&fixture->driver, &free_one));
    g_assert_true(vt_reserve_is_probed(&fixture->driver, &mine.bdf));
    vt_reserve_take(&fixture->driver, &mine, reservetest_done, fixture);
    reservetest_wait(fixture);
    g_assert_error(fixture->error, VT_ERROR, VT_ERROR_BUSY);
    g_assert_null(vt_reserve_find(&fixture->driver, &mine.bdf));
    g_clear_error(&fixture->error);
    g_assert_cmpint(g_unlink(note), ==, 0);
    vt_reserve_take(&fixture->driver, &mine, reservetest_done, fixture);
    reservetest_wait(fixture);
    g_assert_no_error(fixture->error);
    g_unlink(other);
    g_rmdir(notes);
}

/* The probe's note comes to the disk after we have looked for it, and before our file is there. */
static void
test_a_probe_in_the_same_moment_wins(Fixture *fixture, gconstpointer user)
{
    g_autofree char *state = g_build_filename(fixture->dir, "qemu", NULL);
    g_autofree char *notes = g_build_filename(fixture->dir, "probe", NULL);
    g_autofree char *note = g_build_filename(notes, "0000:3b:00.0.json", NULL);
    g_autofree char *file = NULL;
    VtReservation mine = reservetest_sample(1);

    fixture->config.state_dir = state;
    file = g_build_filename(fixture->config.lib_dir, "reservations", "0000:3b:02.1.json", NULL);
    g_assert_true(vt_file_mkdirs(notes, 0700, NULL));
    vt_reserve_take(&fixture->driver, &mine, reservetest_done, fixture);
    g_assert_true(g_file_set_contents(note, "{\"vfs\":[{\"bdf\":\"0000:3b:02.1\"}]}", -1, NULL));
    reservetest_wait(fixture);
    g_assert_error(fixture->error, VT_ERROR, VT_ERROR_BUSY);
    g_assert_nonnull(strstr(fixture->error->message, "virtteam probe"));
    g_clear_error(&fixture->error);
    g_assert_null(vt_reserve_find(&fixture->driver, &mine.bdf));
    g_assert_false(g_file_test(file, G_FILE_TEST_EXISTS));
    g_assert_cmpint(g_unlink(note), ==, 0);
    vt_reserve_take(&fixture->driver, &mine, reservetest_done, fixture);
    reservetest_wait(fixture);
    g_assert_no_error(fixture->error);
    g_assert_true(g_file_test(file, G_FILE_TEST_EXISTS));
    g_rmdir(notes);
}

static void
test_a_reservation_survives_a_restart(Fixture *fixture, gconstpointer user)
{
    VtReservation mine = reservetest_sample(1);
    const VtReservation *found;

    vt_reserve_take(&fixture->driver, &mine, reservetest_done, fixture);
    reservetest_wait(fixture);
    g_assert_no_error(fixture->error);
    reservetest_close(fixture);
    reservetest_open(fixture);
    found = vt_reserve_find(&fixture->driver, &mine.bdf);
    g_assert_nonnull(found);
    g_assert_cmpstr(found->domain, ==, "web");
    g_assert_cmpstr(found->driver, ==, "igbvf");
    g_assert_cmpstr(found->settings, ==, mine.settings);
    g_assert_cmpint(found->vf_index, ==, 1);
    g_assert_true(found->managed);
    g_assert_null(found->network);
}

static void
test_two_guests_never_get_one_function(Fixture *fixture, gconstpointer user)
{
    VtReservation mine = reservetest_sample(1), other = reservetest_sample(2);
    g_autoptr(GPtrArray) list = NULL;

    other.domain = (char *)"db";
    vt_reserve_take(&fixture->driver, &mine, reservetest_done, fixture);
    fixture->told = FALSE; /* still being written when the other asks */
    {
        Fixture second = { .told = FALSE };

        vt_reserve_take(&fixture->driver, &other, reservetest_done, &second);
        g_assert_true(second.told);
        g_assert_error(second.error, VT_ERROR, VT_ERROR_BUSY);
        g_assert_nonnull(strstr(second.error->message, "0000:3b:02.1 is in use by domain 'web'"));
        g_clear_error(&second.error);
    }
    reservetest_wait(fixture);
    list = vt_reserve_of(&fixture->driver, &other.uuid);
    g_assert_cmpuint(list->len, ==, 0);
}

static void
test_a_dropped_function_is_free(Fixture *fixture, gconstpointer user)
{
    VtReservation mine = reservetest_sample(1), other = reservetest_sample(2);

    vt_reserve_take(&fixture->driver, &mine, reservetest_done, fixture);
    reservetest_wait(fixture);
    vt_reserve_drop(&fixture->driver, &mine.bdf, reservetest_done, fixture);
    reservetest_wait(fixture);
    vt_reserve_drop(&fixture->driver, &mine.bdf, reservetest_done, fixture);
    reservetest_wait(fixture);
    reservetest_close(fixture);
    reservetest_open(fixture);
    g_assert_null(vt_reserve_find(&fixture->driver, &mine.bdf));
    vt_reserve_take(&fixture->driver, &other, reservetest_done, fixture);
    reservetest_wait(fixture);
    g_assert_no_error(fixture->error);
}

static void
test_a_corrupt_file_is_set_aside(Fixture *fixture, gconstpointer user)
{
    static const struct {
        const char *file, *text;
    } rows[] = {
        { "0000:3b:02.2.json", "nonsense" },
        { "0000:3b:02.3.json", "{\"uuid\":\"x\",\"domain\":\"a\"}" },
        { "rubbish.json", "{\"uuid\":\"00000000000000000000000000000001\",\"domain\":\"a\"}" },
        { "0000:3b:02.4.json", "{\"uuid\":\"00000000000000000000000000000001\",\"domain\":\"a\",\"vf\":-7}" },
    };
    g_autofree char *sub = g_build_filename(fixture->dir, "reservations", NULL);
    g_autoptr(GPtrArray) all = NULL;

    g_assert_cmpint(g_mkdir(sub, 0700), ==, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_build_filename(sub, rows[i].file, NULL);

        g_assert_true(g_file_set_contents(path, rows[i].text, -1, NULL));
    }
    reservetest_close(fixture);
    reservetest_open(fixture);
    all = vt_reserve_all(&fixture->driver);
    g_assert_cmpuint(all->len, ==, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *aside = g_strdup_printf("%s/%s.corrupt", sub, rows[i].file);

        g_assert_true(g_file_test(aside, G_FILE_TEST_EXISTS));
    }
}

#define RESERVETEST_ADD(path, func)                                                                          \
    g_test_add(path, Fixture, NULL, reservetest_set_up, func, reservetest_tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK); /* corrupt files are reported, as they should be */
    RESERVETEST_ADD("/driver/reserve/a-reservation-survives-a-restart",
                    test_a_reservation_survives_a_restart);
    RESERVETEST_ADD("/driver/reserve/two-guests-never-get-one-function",
                    test_two_guests_never_get_one_function);
    RESERVETEST_ADD("/driver/reserve/a-dropped-function-is-free", test_a_dropped_function_is_free);
    RESERVETEST_ADD("/driver/reserve/a-corrupt-file-is-set-aside", test_a_corrupt_file_is_set_aside);
    RESERVETEST_ADD("/driver/reserve/a-probed-function-is-not-given", test_a_probed_function_is_not_given);
    RESERVETEST_ADD("/driver/reserve/a-probe-in-the-same-moment-wins", test_a_probe_in_the_same_moment_wins);
    return g_test_run();
}
