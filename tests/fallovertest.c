/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Falling over, as printed conversations: "time event -> state [act] [deadline]", one a line. */
#include "datapath/fallover.h"

#include <string.h>

static const char *const acts[] = {
    [VT_FALLOVER_DO_NOTHING] = "",
    [VT_FALLOVER_DO_LEAVE] = " leave",
    [VT_FALLOVER_DO_RETURN] = " return",
};

static VtFalloverEvent
event_from_name(const char *name)
{
    for (guint event = 0; event < VT_FALLOVER_EVENT_COUNT; event++)
        if (strcmp(vt_fallover_event_name(event), name) == 0)
            return event;
    g_error("no event '%s'", name);
}

typedef struct {
    const char *path;
    gboolean lost, works;
    const char *const *lines;
} Transcript;

static void
play(gconstpointer data)
{
    const Transcript *t = data;
    VtFallover fallover;

    vt_fallover_init(&fallover, &vt_fallover_params_default, t->lost, t->works, 0);
    for (gsize i = 0; t->lines[i]; i++) {
        g_auto(GStrv) words = g_strsplit(t->lines[i], " ", 4); /* time event -> rest */
        g_autoptr(GString) got = g_string_new(NULL);
        VtFalloverOutcome outcome;

        vt_fallover_event(&fallover, event_from_name(words[1]), g_ascii_strtoll(words[0], NULL, 10),
                          &outcome);
        g_string_append_printf(got, "%s%s", vt_fallover_state_name(outcome.to), acts[outcome.act]);
        if (fallover.deadline_ms >= 0)
            g_string_append_printf(got, " %" G_GINT64_FORMAT, fallover.deadline_ms);
        g_test_message("%s", t->lines[i]);
        g_assert_cmpstr(got->str, ==, words[3]);
        g_assert_cmpint(outcome.to, ==, fallover.state);
    }
}

#define LINES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static const Transcript transcripts[] = {
    { "/datapath/fallover/link-lost-and-healed", FALSE, TRUE,
      LINES("0 link-up -> well", "10 link-down -> suspect 1010", "500 tick -> suspect 1010",
            "1010 tick -> leaving leave", "1300 left -> lost", "1400 tick -> lost",
            "5000 link-up -> healing 8000", "8000 tick -> returning return", "8100 returned -> well") },
    { "/datapath/fallover/a-short-loss-is-waited-for", FALSE, TRUE,
      LINES("10 link-down -> suspect 1010", "900 link-up -> well", "1010 tick -> well",
            "2000 link-down -> suspect 3000", "2500 link-down -> suspect 3000") },
    { "/datapath/fallover/up-again-while-the-guest-lets-go", FALSE, TRUE,
      LINES("10 link-down -> suspect 1010", "1010 tick -> leaving leave", "1100 link-up -> leaving",
            "1300 left -> healing 4300", "2000 link-down -> lost", "3000 link-up -> healing 6000",
            "6000 tick -> returning return", "6100 link-down -> returning", "6200 returned -> suspect 7200",
            "6300 link-up -> well") },
    { "/datapath/fallover/up-again-and-the-guest-kept-it", FALSE, TRUE,
      LINES("10 link-down -> suspect 1010", "1010 tick -> leaving leave", "1100 link-up -> leaving",
            "1300 not-left -> well") },
    { "/datapath/fallover/deaf-guest-is-asked-again-ever-more-seldom", FALSE, TRUE,
      LINES("0 link-down -> suspect 1000", "1000 tick -> leaving leave", "2000 not-left -> stuck 4000",
            "4000 tick -> leaving leave", "5000 not-left -> stuck 9000", "9000 tick -> leaving leave",
            "10000 not-left -> stuck 18000", "11000 left -> lost", "12000 link-up -> healing 15000") },
    { "/datapath/fallover/stuck-and-up-again", FALSE, TRUE,
      LINES("0 link-down -> suspect 1000", "1000 tick -> leaving leave", "2000 not-left -> stuck 4000",
            "3000 link-up -> well", "4000 tick -> well", "5000 link-down -> suspect 6000",
            "6000 tick -> leaving leave", "7000 not-left -> stuck 9000") },
    { "/datapath/fallover/a-link-that-flaps-is-trusted-less", FALSE, TRUE,
      LINES("0 link-down -> suspect 1000", "1000 tick -> leaving leave", "1100 left -> lost",
            "2000 link-up -> healing 5000", "5000 tick -> returning return", "5100 returned -> well",
            "6000 link-down -> suspect 7000", "7000 tick -> leaving leave", "7100 left -> lost",
            "8000 link-up -> healing 14000", "14000 tick -> returning return", "14100 returned -> well",
            "15000 link-down -> suspect 16000", "16000 tick -> leaving leave", "16100 left -> lost",
            "17000 link-up -> healing 29000", "29000 tick -> returning return", "29100 returned -> well",
            "99000 link-down -> suspect 100000", "100000 tick -> leaving leave", "100100 left -> lost",
            "101000 link-up -> healing 104000") },
    { "/datapath/fallover/broken-is-not-waited-for", FALSE, TRUE,
      LINES("0 broken -> leaving leave", "100 left -> lost", "200 broken -> lost",
            "300 link-up -> healing 3300", "400 broken -> lost") },
    { "/datapath/fallover/a-plug-that-fails-is-tried-again", TRUE, TRUE,
      LINES("0 link-up -> healing 3000", "3000 tick -> returning return", "3100 not-returned -> waiting 5100",
            "5100 tick -> returning return", "5200 not-returned -> waiting 9200", "6000 link-down -> lost",
            "7000 link-up -> healing 10000", "10000 tick -> returning return", "10100 link-down -> returning",
            "10200 not-returned -> lost") },
    { "/datapath/fallover/found-lost-after-a-restart", TRUE, FALSE,
      LINES("0 link-down -> lost", "50 left -> lost", "100 link-up -> healing 3100",
            "3100 tick -> returning return", "3200 returned -> well") },
    { "/datapath/fallover/found-down-after-a-restart", FALSE, FALSE,
      LINES("0 link-down -> suspect 1000", "1000 tick -> leaving leave") },
    { "/datapath/fallover/what-is-not-ours-changes-nothing", FALSE, TRUE,
      LINES("0 left -> well", "1 not-left -> well", "2 returned -> well", "3 not-returned -> well",
            "4 tick -> well") },
};

/* Whatever happens in whatever order: an act is asked for only on the way into its state, and time limits end. */
static void
test_every_event_in_every_state(void)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(7);
    VtFallover fallover;
    gint64 now = 0;

    vt_fallover_init(&fallover, &vt_fallover_params_default, FALSE, TRUE, now);
    for (guint i = 0; i < 100000; i++) {
        VtFalloverEvent event = (VtFalloverEvent)g_rand_int_range(random, 0, VT_FALLOVER_EVENT_COUNT);
        VtFalloverOutcome outcome;
        gboolean changed;

        now += g_rand_int_range(random, 0, 3000);
        changed = vt_fallover_event(&fallover, event, now, &outcome);
        g_assert_cmpint(changed, ==, outcome.from != outcome.to);
        g_assert_cmpint(outcome.act == VT_FALLOVER_DO_LEAVE, ==,
                        changed && outcome.to == VT_FALLOVER_LEAVING);
        g_assert_cmpint(outcome.act == VT_FALLOVER_DO_RETURN, ==,
                        changed && outcome.to == VT_FALLOVER_RETURNING);
        g_assert_true(fallover.deadline_ms < 0 ||
                      fallover.deadline_ms <= now + (gint64)fallover.params.up_max_ms);
        if (outcome.to == VT_FALLOVER_WELL)
            g_assert_true(fallover.works);
        if (outcome.to == VT_FALLOVER_LOST || outcome.to == VT_FALLOVER_SUSPECT)
            g_assert_false(fallover.works);
    }
}

static void
test_names(void)
{
    g_autofree char *table = vt_fallover_to_markdown();

    g_assert_cmpstr(vt_fallover_state_name(VT_FALLOVER_STATE_COUNT), ==, "unknown");
    g_assert_cmpstr(vt_fallover_event_name(VT_FALLOVER_EVENT_COUNT), ==, "unknown");
    g_assert_nonnull(strstr(table, "| `link-down` | **suspect** |"));
    g_assert_nonnull(strstr(table, "**healing** or **lost**"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(transcripts); i++)
        g_test_add_data_func(transcripts[i].path, &transcripts[i], play);
    g_test_add_func("/datapath/fallover/every-event-in-every-state", test_every_event_in_every_state);
    g_test_add_func("/datapath/fallover/names", test_names);
    return g_test_run();
}
