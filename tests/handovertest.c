/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The handover's decisions as printed conversations: "time event -> state feed [report]", one a line. */
#include "datapath/handover.h"

#include <string.h>

static const char *const reports[] = {
    [VT_HANDOVER_NOTHING_TO_REPORT] = "",
    [VT_HANDOVER_NO_LIFE] = " no-life",
    [VT_HANDOVER_TOOK_OVER] = " took-over",
    [VT_HANDOVER_FELL_BACK] = " fell-back",
};

static VtHandoverEvent
event_from_name(const char *name)
{
    for (guint event = 0; event < VT_HANDOVER_EVENT_COUNT; event++)
        if (strcmp(vt_handover_event_name(event), name) == 0)
            return event;
    g_error("no event '%s'", name);
}

typedef struct {
    const char *path;
    gboolean copy_on_stir;
    const char *const *lines;
    gboolean arm_early;
} Transcript;

static void
play(gconstpointer data)
{
    const Transcript *t = data;
    VtHandoverParams params = vt_handover_params_default;
    VtHandover handover;

    params.copy_on_stir = t->copy_on_stir;
    params.arm_early = t->arm_early;
    vt_handover_init(&handover, &params);
    for (gsize i = 0; t->lines[i]; i++) {
        g_auto(GStrv) words = g_strsplit(t->lines[i], " ", 4); /* time event -> rest */
        gint64 now = g_ascii_strtoll(words[0], NULL, 10);
        g_autofree char *got = NULL;
        VtHandoverOutcome outcome;

        if (vt_handover_event(&handover, event_from_name(words[1]), now, &outcome))
            got = g_strdup_printf("%s %s%s", vt_handover_state_name(outcome.to), vt_feed_name(outcome.feed),
                                  reports[outcome.report]);
        else
            got = g_strdup("refused");
        g_test_message("%s", t->lines[i]);
        g_assert_cmpstr(got, ==, words[3]);
        g_assert_cmpint(outcome.to, ==, handover.state);
    }
}

#define LINES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static const Transcript transcripts[] = {
    { "/datapath/handover/a-vf-is-armed-while-it-is-awaited", TRUE,
      LINES("0 guest-on-standby -> standby standby", "10 primary-expected -> arriving standby-armed",
            "200 primary-stirs -> stirring standby-copied", "300 primary-speaks -> settling primary-copied",
            "1300 tick -> primary primary took-over", "2000 guest-reset -> arriving standby-armed",
            "2001 primary-expected -> arriving standby-armed", "32001 tick -> unsure standby-armed no-life",
            "40000 primary-gone -> standby standby fell-back"),
      .arm_early = TRUE },
    { "/datapath/handover/source-of-a-migration", FALSE,
      LINES("0 guest-on-standby -> standby standby", "10 primary-expected -> arriving standby-copied",
            "200 primary-speaks -> settling primary-copied", "300 tick -> settling primary-copied",
            "1200 tick -> primary primary took-over", "60000 unplug-planned -> leaving primary-copied",
            "60400 primary-speaks -> leaving primary-copied",
            "60500 primary-gone -> standby standby fell-back", "62000 guest-leaves -> ready ready",
            "62100 guest-gone -> idle released") },
    { "/datapath/handover/destination-of-a-migration", FALSE,
      LINES("0 incoming -> ready ready", "5 primary-expected -> ready ready",
            "3000 guest-arrives -> arriving standby-copied", "3150 primary-stirs -> stirring standby-copied",
            "3160 primary-stirs -> stirring standby-copied", "3200 primary-speaks -> settling primary-copied",
            "4200 tick -> primary primary took-over") },
    { "/datapath/handover/copies-wait-for-the-early-sign", TRUE,
      LINES("0 incoming -> ready ready", "3000 guest-arrives -> arriving standby",
            "3150 primary-stirs -> stirring standby-copied",
            "3200 primary-speaks -> settling primary-copied") },
    { "/datapath/handover/a-guest-that-only-receives", FALSE,
      LINES("0 guest-arrives -> arriving standby-copied", "100 primary-stirs -> stirring standby-copied",
            "5099 tick -> stirring standby-copied", "5100 tick -> settling primary-copied",
            "6100 tick -> primary primary took-over") },
    { "/datapath/handover/a-guest-without-the-driver", FALSE,
      LINES("0 guest-arrives -> arriving standby-copied", "29999 tick -> arriving standby-copied",
            "30000 tick -> unsure standby-copied no-life", "90000 tick -> unsure standby-copied",
            "95000 primary-speaks -> settling primary-copied") },
    { "/datapath/handover/never-seen-never-starved", FALSE,
      LINES("0 guest-arrives -> arriving standby-copied", "100 unplug-planned -> unsure standby-copied",
            "200 unplug-revoked -> unsure standby-copied", "90000 tick -> unsure standby-copied",
            "90001 primary-gone -> standby standby fell-back") },
    { "/datapath/handover/no-early-sign-no-copies", TRUE,
      LINES("0 guest-arrives -> arriving standby", "30000 tick -> unsure standby no-life",
            "40000 primary-stirs -> stirring standby-copied") },
    { "/datapath/handover/cancelled-before-the-eject", FALSE,
      LINES("0 guest-arrives -> arriving standby-copied", "1 primary-speaks -> settling primary-copied",
            "1001 tick -> primary primary took-over", "2000 unplug-planned -> leaving primary-copied",
            "9000 tick -> leaving primary-copied", "32000 unplug-revoked -> settling primary-copied",
            "33000 tick -> primary primary took-over") },
    { "/datapath/handover/cancelled-after-the-eject", FALSE,
      LINES("0 guest-arrives -> arriving standby-copied", "1 primary-speaks -> settling primary-copied",
            "500 unplug-planned -> leaving primary-copied", "900 primary-gone -> standby standby fell-back",
            "950 unplug-revoked -> standby standby", "1000 primary-expected -> arriving standby-copied",
            "1300 primary-speaks -> settling primary-copied") },
    { "/datapath/handover/a-source-that-resumes", FALSE,
      LINES("0 guest-on-standby -> standby standby", "1 guest-leaves -> ready ready",
            "2 guest-on-standby -> standby standby", "3 primary-expected -> arriving standby-copied") },
    { "/datapath/handover/reset-in-the-middle", FALSE,
      LINES("0 guest-arrives -> arriving standby-copied", "1 primary-speaks -> settling primary-copied",
            "1001 tick -> primary primary took-over", "2000 guest-reset -> arriving standby-copied",
            "99000 tick -> arriving standby-copied", "99500 primary-expected -> arriving standby-copied",
            "120000 primary-expected -> arriving standby-copied", "149999 tick -> arriving standby-copied",
            "150000 tick -> unsure standby-copied no-life") },
    { "/datapath/handover/malfunction-and-healing", FALSE,
      LINES("0 guest-arrives -> arriving standby-copied", "1 primary-speaks -> settling primary-copied",
            "1001 tick -> primary primary took-over", "2000 primary-lost -> lost fallback",
            "2500 unplug-revoked -> settling primary-copied", "3500 tick -> primary primary took-over",
            "4000 primary-lost -> lost fallback", "4050 unplug-planned -> lost fallback",
            "4100 primary-gone -> standby standby fell-back") },
    { "/datapath/handover/malfunction-while-it-leaves", FALSE,
      LINES("0 guest-arrives -> arriving standby-copied", "1 primary-speaks -> settling primary-copied",
            "1001 tick -> primary primary took-over", "2000 unplug-planned -> leaving primary-copied",
            "2500 primary-lost -> lost fallback", "2600 unplug-revoked -> settling primary-copied",
            "2601 unplug-planned -> leaving primary-copied",
            "2700 primary-gone -> standby standby fell-back") },
    { "/datapath/handover/nonsense-is-refused", FALSE,
      LINES("0 primary-speaks -> refused", "0 unplug-planned -> refused", "0 tick -> idle released",
            "0 guest-leaves -> refused", "0 guest-gone -> idle released", "0 incoming -> ready ready",
            "0 incoming -> refused", "0 primary-speaks -> refused", "0 guest-gone -> idle released") },
};

/* Whatever happens in whatever order: the properties that make it safe. */
static void
test_random_walks(void)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(1);

    for (guint walk = 0; walk < 2000; walk++) {
        VtHandoverParams params = vt_handover_params_default;
        VtHandover handover;
        gint64 now = 0;

        params.copy_on_stir = walk & 1;
        params.arm_early = walk & 2;
        vt_handover_init(&handover, &params);
        for (guint step = 0; step < 100; step++) {
            VtHandoverEvent event = (VtHandoverEvent)g_rand_int_range(random, 0, VT_HANDOVER_EVENT_COUNT + 1);
            VtHandoverState before = handover.state;
            VtHandoverOutcome outcome;
            gboolean taken;

            now += g_rand_int_range(random, 0, 3000);
            taken = vt_handover_event(&handover, event, now, &outcome);
            g_assert_cmpint(outcome.from, ==, before);
            g_assert_cmpint(outcome.to, ==, handover.state);
            if (!taken)
                g_assert_cmpint(outcome.to, ==, before);
            /* After the end nothing stays set, and only a guest that is gone ends it. */
            g_assert_true((outcome.to == VT_HANDOVER_IDLE) == (outcome.feed == VT_FEED_RELEASED));
            if (outcome.to == VT_HANDOVER_IDLE && before != VT_HANDOVER_IDLE)
                g_assert_cmpint(event, ==, VT_HANDOVER_GUEST_GONE);
            /* The primary alone is fed only after a time with copies to both. */
            if (outcome.feed == VT_FEED_PRIMARY && before != VT_HANDOVER_PRIMARY)
                g_assert_cmpint(before, ==, VT_HANDOVER_SETTLING);
            /* Whoever waits for signs waits with a limit, unless the guest was reset. */
            if (outcome.to == VT_HANDOVER_STIRRING || outcome.to == VT_HANDOVER_SETTLING)
                g_assert_cmpint(handover.deadline_ms, >=, 0);
        }
    }
}

static void
test_resume(void)
{
    for (guint state = 0; state < VT_HANDOVER_STATE_COUNT; state++) {
        VtHandover handover;
        VtHandoverState parsed;

        vt_handover_init(&handover, &vt_handover_params_default);
        g_assert_true(vt_handover_state_parse(vt_handover_state_name(state), &parsed));
        vt_handover_resume(&handover, parsed, 1000);
        g_assert_cmpint(handover.state, ==, state);
        g_assert_true((handover.deadline_ms > 0) ==
                      ((vt_handover_wants_signs(&handover) && state != VT_HANDOVER_UNSURE) ||
                       state == VT_HANDOVER_SETTLING));
    }
    {
        VtHandoverState parsed;

        g_assert_false(vt_handover_state_parse("nowhere", &parsed));
        g_assert_false(vt_handover_state_parse(NULL, &parsed));
    }
}

/* The document has the table as it is printed; VT_REGENERATE=1 rewrites it, and still fails. */
static void
test_document(void)
{
    static const char begin[] = "<!-- begin: printed by vt_handover_to_markdown() -->\n";
    g_autofree char *path = g_build_filename(VT_TEST_DATA_DIR, "..", "docs", "datapath.md", NULL);
    g_autofree char *table = vt_handover_to_markdown();
    g_autofree char *text = NULL;
    g_autofree char *found = NULL;
    const char *from, *to;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    from = strstr(text, begin);
    to = strstr(text, "<!-- end -->");
    g_assert_true(from && to);
    from += strlen(begin);
    found = g_strndup(from, (gsize)(to - from));
    if (strcmp(found, table) != 0 && g_getenv("VT_REGENERATE")) {
        g_autofree char *head = g_strndup(text, (gsize)(from - text));
        g_autofree char *whole = g_strconcat(head, table, to, NULL);

        g_assert_true(g_file_set_contents(path, whole, -1, NULL));
    }
    g_assert_cmpstr(found, ==, table);
}

static void
test_markdown(void)
{
    g_autofree char *text = vt_handover_to_markdown();

    g_assert_nonnull(strstr(text, "| `primary-gone` | - | stays | stays | **standby** |"));
    g_assert_nonnull(strstr(text, "| leaving | primary-copied |"));
    for (guint event = 0; event < VT_HANDOVER_EVENT_COUNT; event++)
        g_assert_nonnull(strstr(text, vt_handover_event_name(event)));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(transcripts); i++)
        g_test_add_data_func(transcripts[i].path, &transcripts[i], play);
    g_test_add_func("/datapath/handover/random-walks-keep-the-rules", test_random_walks);
    g_test_add_func("/datapath/handover/resumes-in-every-state", test_resume);
    g_test_add_func("/datapath/handover/prints-its-table", test_markdown);
    g_test_add_func("/datapath/handover/the-document-has-its-table", test_document);
    return g_test_run();
}
