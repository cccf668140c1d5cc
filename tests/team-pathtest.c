/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The shell around the handover: operations in a thread, notes on the disk, waiters, timers. */
#include "datapath/team-path.h"
#include "util/file.h"
#include "util/json.h"
#include "util/log.h"

#include <string.h>
#include <unistd.h>

/* A back end that writes down what it is asked for. Its fields are touched by one thread at a time. */
typedef struct {
    GString *trace;
    gboolean noted;
    gboolean fail_prepare;
    gboolean fail_apply;
    gboolean note_was_there; /* when apply() ran for the first time */
    guint delay_ms;
    char *note_path;
    char *primary;
    VtLifeSigns signs;
    guint freed;
} FakeBackend;

static gboolean
fake_prepare(gpointer state, VtFeed feed, gboolean *noted, GError **error)
{
    FakeBackend *fake = state;

    if (fake->fail_prepare)
        return vt_error_set(error, VT_ERROR_UNSUPPORTED, "not possible");
    *noted = !fake->noted;
    fake->noted = TRUE;
    return TRUE;
}

static JsonObject *
fake_note(gpointer state)
{
    return vt_json_object_new("s:backend", "fake", NULL);
}

static gboolean
fake_apply(gpointer state, VtFeed feed, GError **error)
{
    FakeBackend *fake = state;

    g_usleep(fake->delay_ms * 1000);
    fake->note_was_there = g_file_test(fake->note_path, G_FILE_TEST_EXISTS);
    g_string_append_printf(fake->trace, "%s ", vt_feed_name(feed));
    if (fake->fail_apply)
        return vt_error_set(error, VT_ERROR_SYSTEM, "broken");
    if (feed == VT_FEED_RELEASED)
        fake->noted = FALSE;
    return TRUE;
}

static gboolean
fake_look(gpointer state, VtLifeSigns *signs)
{
    *signs = ((FakeBackend *)state)->signs;
    return TRUE;
}

static void
fake_set_primary(gpointer state, const char *interface)
{
    FakeBackend *fake = state;

    g_free(fake->primary);
    fake->primary = g_strdup(interface);
}

static void
fake_free(gpointer state)
{
    ((FakeBackend *)state)->freed++;
}

static const VtBackendFuncs fake_funcs = {
    .name = "fake",
    .prepare = fake_prepare,
    .note = fake_note,
    .apply = fake_apply,
    .look = fake_look,
    .set_primary = fake_set_primary,
    .free = fake_free,
};

typedef struct {
    char *dir;
    FakeBackend fake;
    VtTeamPath *path;
    VtTeamPathSpec spec;
    GString *states;
    guint failures;
    guint done;
    GError *error;
} Fixture;

static void
note_change(gpointer user, const VtHandoverOutcome *outcome)
{
    Fixture *f = user;

    g_string_append_printf(f->states, "%s ", vt_handover_state_name(outcome->to));
}

static void
note_failure(gpointer user, const GError *error)
{
    ((Fixture *)user)->failures++;
}

static void
set_up(Fixture *f, gconstpointer unused)
{
    VtBackend backend = { .funcs = &fake_funcs, .state = &f->fake };

    f->dir = g_dir_make_tmp("vt-path-XXXXXX", NULL);
    f->fake.note_path = g_build_filename(f->dir, "note", NULL);
    f->fake.trace = g_string_new(NULL);
    f->states = g_string_new(NULL);
    f->spec = (VtTeamPathSpec){
        .note_path = f->fake.note_path,
        .params = { .life_limit_ms = 60000, .stir_limit_ms = 30, .settle_ms = 20 },
        .look_interval_ms = 2,
        .funcs = { .changed = note_change, .failed = note_failure },
        .user = f,
    };
    f->path = vt_team_path_new(&f->spec, &backend);
}

static void
tear_down(Fixture *f, gconstpointer unused)
{
    vt_team_path_free(f->path);
    while (!f->fake.freed)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpuint(f->fake.freed, ==, 1);
    unlink(f->fake.note_path);
    g_assert_cmpint(rmdir(f->dir), ==, 0);
    g_free(f->dir);
    g_free(f->fake.note_path);
    g_free(f->fake.primary);
    g_string_free(f->fake.trace, TRUE);
    g_string_free(f->states, TRUE);
    g_clear_error(&f->error);
}

static void
count_done(gpointer user, const GError *error)
{
    Fixture *f = user;

    f->done++;
    g_clear_error(&f->error);
    f->error = error ? g_error_copy(error) : NULL;
}

static void
event(Fixture *f, VtHandoverEvent what)
{
    guint before = f->done;

    vt_team_path_event(f->path, what, count_done, f);
    g_assert_cmpuint(f->done, ==, before); /* never from within the call */
    while (f->done == before)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpuint(f->done, ==, before + 1);
}

static void
wait_for(Fixture *f, VtHandoverState state)
{
    while (vt_team_path_state(f->path) != state || !vt_team_path_is_settled(f->path))
        g_main_context_iteration(NULL, TRUE);
}

static char *
read_state(Fixture *f)
{
    gsize length = 0;
    g_autofree char *text = vt_file_read(f->fake.note_path, 4096, &length, NULL);
    g_autoptr(JsonNode) root = text ? vt_json_parse(text, length, NULL) : NULL;

    return g_strdup(vt_json_string_or(root, "state", NULL));
}

static void
test_whole_life(Fixture *f, gconstpointer unused)
{
    g_autofree char *arriving = NULL;
    g_autofree char *ended = NULL;

    event(f, VT_HANDOVER_INCOMING);
    g_assert_no_error(f->error);
    g_assert_true(f->fake.note_was_there); /* on the disk before anything was set */
    f->fake.signs.frames = 77;             /* from before the guest was here */
    event(f, VT_HANDOVER_GUEST_ARRIVES);
    arriving = read_state(f);
    g_assert_cmpstr(arriving, ==, "arriving");
    for (guint i = 0; i < 20; i++)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpint(vt_team_path_state(f->path), ==, VT_HANDOVER_ARRIVING);
    f->fake.signs.stirs = TRUE;
    wait_for(f, VT_HANDOVER_STIRRING);
    f->fake.signs.frames++;
    wait_for(f, VT_HANDOVER_PRIMARY);
    event(f, VT_HANDOVER_UNPLUG_PLANNED);
    event(f, VT_HANDOVER_PRIMARY_GONE);
    event(f, VT_HANDOVER_GUEST_LEAVES);
    event(f, VT_HANDOVER_GUEST_GONE);
    g_assert_cmpstr(f->states->str, ==,
                    "ready arriving stirring settling primary leaving standby ready idle ");
    g_assert_cmpstr(f->fake.trace->str, ==,
                    "ready standby-copied primary-copied primary primary-copied standby ready released ");
    ended = read_state(f);
    g_assert_null(ended); /* nothing is left to take back */
    g_assert_cmpuint(f->failures, ==, 0);
}

static void
test_a_silent_guest(Fixture *f, gconstpointer unused)
{
    event(f, VT_HANDOVER_GUEST_ARRIVES);
    f->fake.signs.stirs = TRUE;
    wait_for(f, VT_HANDOVER_PRIMARY);
    g_assert_cmpstr(f->states->str, ==, "arriving stirring settling primary ");
}

/* Events that come faster than the host can be switched: what is wanted last counts, and everybody is told. */
static void
test_events_overtake_operations(Fixture *f, gconstpointer unused)
{
    f->fake.delay_ms = 30;
    vt_team_path_event(f->path, VT_HANDOVER_GUEST_ARRIVES, count_done, f);
    vt_team_path_event(f->path, VT_HANDOVER_UNPLUG_PLANNED, count_done, f);
    vt_team_path_event(f->path, VT_HANDOVER_PRIMARY_GONE, count_done, f);
    g_assert_false(vt_team_path_event(f->path, VT_HANDOVER_INCOMING, count_done, f)); /* nonsense */
    while (f->done < 4)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpstr(f->fake.trace->str, ==, "standby-copied standby ");
    g_assert_true(vt_team_path_is_settled(f->path));
}

static void
test_failures(Fixture *f, gconstpointer unused)
{
    g_autofree char *nothing = NULL;

    f->fake.fail_prepare = TRUE;
    event(f, VT_HANDOVER_GUEST_ON_STANDBY);
    g_assert_error(f->error, VT_ERROR, VT_ERROR_UNSUPPORTED);
    nothing = read_state(f);
    g_assert_null(nothing);
    g_assert_cmpstr(f->fake.trace->str, ==, "");
    g_assert_false(vt_team_path_is_settled(f->path));
    f->fake.fail_prepare = FALSE;
    f->fake.fail_apply = TRUE;
    event(f, VT_HANDOVER_PRIMARY_EXPECTED);
    g_assert_error(f->error, VT_ERROR, VT_ERROR_SYSTEM);
    g_assert_cmpuint(f->failures, ==, 0);
    /* Without a waiter somebody else is told, once, and the next event tries again. */
    vt_team_path_event(f->path, VT_HANDOVER_PRIMARY_EXPECTED, NULL, NULL);
    while (!f->failures)
        g_main_context_iteration(NULL, TRUE);
    for (guint i = 0; i < 20; i++)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpuint(f->failures, ==, 1);
    f->fake.fail_apply = FALSE;
    event(f, VT_HANDOVER_PRIMARY_EXPECTED);
    g_assert_no_error(f->error);
    g_assert_true(vt_team_path_is_settled(f->path));
}

static void
test_set_primary(Fixture *f, gconstpointer unused)
{
    vt_team_path_set_primary(f->path, "vnet7");
    g_assert_true(vt_team_path_is_settled(f->path));
    event(f, VT_HANDOVER_INCOMING);
    g_assert_cmpstr(f->fake.primary, ==, "vnet7");
    /* The state stays, but the new interface has to be noted. */
    vt_team_path_set_primary(f->path, "vnet8");
    event(f, VT_HANDOVER_PRIMARY_EXPECTED);
    g_assert_cmpstr(f->fake.primary, ==, "vnet8");
    g_assert_cmpstr(f->fake.trace->str, ==, "ready ready ");
    f->fake.delay_ms = 20;
    vt_team_path_event(f->path, VT_HANDOVER_GUEST_ON_STANDBY, NULL, NULL);
    vt_team_path_set_primary(f->path, NULL); /* while an operation is under way */
    g_assert_cmpstr(f->fake.primary, ==, "vnet8");
    wait_for(f, VT_HANDOVER_STANDBY);
    g_assert_null(f->fake.primary);
}

static void
free_path(gpointer user, const GError *error)
{
    Fixture *f = user;

    f->done++;
    vt_team_path_free(g_steal_pointer(&f->path));
}

static void
test_free_from_a_waiter(Fixture *f, gconstpointer unused)
{
    vt_team_path_event(f->path, VT_HANDOVER_INCOMING, free_path, f);
    vt_team_path_event(f->path, VT_HANDOVER_GUEST_ARRIVES, count_done, f);
    while (!f->fake.freed)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpuint(f->done, ==, 1);
}

static void
test_bad_notes(Fixture *f, gconstpointer unused)
{
    static const char *const notes[] = {
        "",
        "{}",
        "{\"state\":\"standby\",\"note\":{\"backend\":\"nobody\"}}",
        "{\"state\":\"confused\",\"note\":{\"backend\":\"bridge\"}}",
        "{\"state\":\"standby\",\"note\":{\"backend\":\"bridge\"}}",
        "[[[[",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(notes); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_true(g_file_set_contents(f->fake.note_path, notes[i], -1, NULL));
        g_assert_null(vt_team_path_load(&f->spec, &error));
        g_assert_nonnull(error);
    }
}

/* The interfaces of the note are gone with the guest: nothing is left to be done, and nothing is in the way. */
static void
test_load_after_the_guest_died(Fixture *f, gconstpointer unused)
{
    static const char note[] =
        "{\"state\":\"primary\",\"note\":{\"backend\":\"bridge\",\"mac\":\"52:54:00:00:00:01\",\"standby\":\"gone0\","
        "\"primary\":\"gone1\",\"legs\":[{\"leg\":\"standby\",\"name\":\"gone0\",\"ifindex\":99999,\"learning\":1,"
        "\"flood\":1,\"mcast-flood\":1,\"bcast-flood\":1,\"multicast-router\":1}],\"fdb\":[]}}";
    g_autoptr(GError) error = NULL;
    VtTeamPath *path;

    g_assert_true(g_file_set_contents(f->fake.note_path, note, -1, NULL));
    path = vt_team_path_load(&f->spec, &error);
    g_assert_no_error(error);
    g_assert_cmpint(vt_team_path_state(path), ==, VT_HANDOVER_PRIMARY);
    vt_team_path_event(path, VT_HANDOVER_GUEST_GONE, count_done, f);
    while (!f->done)
        g_main_context_iteration(NULL, TRUE);
    g_assert_no_error(f->error);
    g_assert_false(g_file_test(f->fake.note_path, G_FILE_TEST_EXISTS));
    vt_team_path_free(path);
}

int
main(int argc, char **argv)
{
    VtLogConfig quiet = { .level = VT_LOG_ERROR };

    g_test_init(&argc, &argv, NULL);
    g_assert_true(vt_log_init(&quiet, NULL));
#define ADD(path, func) g_test_add(path, Fixture, NULL, set_up, func, tear_down)
    ADD("/datapath/team-path/a-whole-life", test_whole_life);
    ADD("/datapath/team-path/a-guest-that-only-receives", test_a_silent_guest);
    ADD("/datapath/team-path/events-overtake-operations", test_events_overtake_operations);
    ADD("/datapath/team-path/failures-are-told-and-tried-again", test_failures);
    ADD("/datapath/team-path/the-primary-changes", test_set_primary);
    ADD("/datapath/team-path/free-from-a-waiter", test_free_from_a_waiter);
    ADD("/datapath/team-path/bad-notes-are-refused", test_bad_notes);
    ADD("/datapath/team-path/load-after-the-guest-died", test_load_after_the_guest_died);
    return g_test_run();
}
