/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/timeline.h"

#include <string.h>
#include "datapath/backend.h"
#include <libxml/parser.h>

#define HEAD "{\"virtteam-timeline\":1,\"migration\":\"m1\",\"domain\":\"web<1>\",\"host\":\"a\"}\n"

static void
test_lines_come_back(void)
{
    g_autoptr(VtTimeline) timeline = vt_timeline_new("m1", "web", "host-a");
    g_autoptr(VtTimeline) again = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *head = vt_timeline_head_line(timeline);
    const VtTimelineEntry *entry;

    g_string_append(text, head);
    for (int what = 0; what < VT_TIMELINE_WHAT_COUNT; what++) {
        VtTimelineEntry row = { .t_us = 1000 - what,
                                .side = (VtTimelineSide)(what % VT_TIMELINE_SIDE_COUNT),
                                .what = (VtTimelineWhat)what,
                                .duration_us = what,
                                .team = (char *)"ua-net",
                                .detail = (char *)"a \"quoted\" detail" };
        g_autofree char *line = vt_timeline_entry_line(&row);

        g_string_append(text, line);
    }
    again = vt_timeline_parse(text->str, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(again->domain, ==, "web");
    g_assert_cmpuint(again->entries->len, ==, VT_TIMELINE_WHAT_COUNT);
    entry = g_ptr_array_index(again->entries, 0); /* the earliest was written last */
    g_assert_cmpint(entry->what, ==, VT_TIMELINE_LOST);
    g_assert_cmpstr(entry->detail, ==, "a \"quoted\" detail");
    g_assert_cmpint(entry->duration_us, ==, VT_TIMELINE_LOST);
}

static void
test_bad_files_are_refused(void)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        { "", "*empty*" },
        { "hello\n", "*first line*" },
        { "[1]\n", "*first line*" },
        { "{\"virtteam-timeline\":2}\n", "*first line*" },
        { HEAD "nonsense\n", "Line 2*JSON*" },
        { HEAD "{\"side\":\"source\",\"what\":\"stop\"}\n", "Line 2*time*" },
        { HEAD "{\"t\":\"x\",\"side\":\"source\",\"what\":\"stop\"}\n", "Line 2*time*" },
        { HEAD "{\"t\":1,\"side\":\"moon\",\"what\":\"stop\"}\n", "Line 2*moon*" },
        { HEAD "{\"t\":1,\"side\":\"source\",\"what\":\"party\"}\n", "Line 2*party*" },
        { HEAD "{\"t\":1,\"side\":\"source\",\"what\":\"stop\",\"duration\":-1}\n", "Line 2*negative*" },
        { HEAD "{\"t\":9223372036854775807,\"side\":\"source\",\"what\":\"stop\"}\n", "Line 2*time*" },
        { HEAD "{\"t\":1,\"side\":\"probe\",\"what\":\"lost\",\"duration\":9223372036854775807}\n",
          "Line 2*longer than a day*" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(VtTimeline) timeline = vt_timeline_parse(rows[i].text, &error);

        g_test_message("'%s'", rows[i].text);
        g_assert_null(timeline);
        g_assert_error(error, VT_ERROR, VT_ERROR_INVALID_ARG);
        g_assert_true(g_pattern_match_simple(rows[i].message, error->message));
    }
}

static void
test_a_torn_last_line_is_left_out(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VtTimeline) timeline =
        vt_timeline_parse(HEAD "{\"t\":1,\"side\":\"source\",\"what\":\"stop\"}\n{\"t\":2,\"si", &error);

    g_assert_no_error(error);
    g_assert_cmpuint(timeline->entries->len, ==, 1);
}

static VtTimeline *
timelinetest_sample(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VtTimeline) source = vt_timeline_parse(
        HEAD "{\"t\":1000000,\"side\":\"source\",\"what\":\"begin\"}\n"
             "{\"t\":1100000,\"side\":\"source\",\"what\":\"unplug-asked\",\"team\":\"ua-net\"}\n"
             "{\"t\":3100000,\"side\":\"source\",\"what\":\"ejected\",\"team\":\"ua-net\"}\n"
             "{\"t\":3110000,\"side\":\"source\",\"what\":\"transfer\"}\n"
             "{\"t\":4110000,\"side\":\"source\",\"what\":\"stop\"}\n"
             "{\"t\":4120000,\"side\":\"source\",\"what\":\"completed\"}\n",
        &error);
    g_autoptr(VtTimeline) destination = NULL;

    g_assert_no_error(error);
    destination =
        vt_timeline_parse(HEAD "{\"t\":1050000,\"side\":\"destination\",\"what\":\"prepared\"}\n"
                               "{\"t\":4124000,\"side\":\"destination\",\"what\":\"negotiated\"}\n"
                               "{\"t\":4125000,\"side\":\"destination\",\"what\":\"resume\"}\n"
                               "{\"t\":4130000,\"side\":\"probe\",\"what\":\"lost\",\"duration\":40000,"
                               "\"detail\":\"8 <lost>\"}\n",
                          &error);
    g_assert_no_error(error);
    vt_timeline_merge(source, destination);
    return g_steal_pointer(&source);
}

static void
test_text_shows_phases_and_losses(void)
{
    g_autoptr(VtTimeline) timeline = timelinetest_sample();
    g_autofree char *text = vt_timeline_to_text(timeline);

    g_assert_nonnull(strstr(text, "    0.050 s  destination  prepared\n"));
    g_assert_nonnull(strstr(text, "    0.100 s  source       unplug-asked    ua-net\n"));
    g_assert_nonnull(strstr(text, "source      unplug        2.000 s\n"));
    g_assert_nonnull(strstr(text, "source      stopped       0.010 s\n"));
    g_assert_nonnull(strstr(text, "destination replug        0.045 s (never ended)\n"));
    g_assert_nonnull(strstr(text, "probe       dark          0.040 s in 1 gaps\n"));
}

static void
test_svg_is_well_formed(void)
{
    g_autoptr(VtTimeline) timeline = timelinetest_sample();
    g_autoptr(VtTimeline) empty = vt_timeline_new(NULL, NULL, NULL);
    g_autofree char *svg = vt_timeline_to_svg(timeline);
    g_autofree char *bare = vt_timeline_to_svg(empty);
    xmlDoc *doc = xmlReadMemory(svg, (int)strlen(svg), "t.svg", NULL, XML_PARSE_NONET);

    g_assert_nonnull(doc);
    xmlFreeDoc(doc);
    doc = xmlReadMemory(bare, (int)strlen(bare), "t.svg", NULL, XML_PARSE_NONET);
    g_assert_nonnull(doc);
    xmlFreeDoc(doc);
    g_assert_nonnull(strstr(svg, "web&lt;1&gt;"));
    g_assert_nonnull(strstr(svg, "8 &lt;lost&gt;"));
}

static guint
timelinetest_count(const char *text, const char *what)
{
    guint count = 0;

    for (; (text = strstr(text, what)); text += strlen(what))
        count++;
    return count;
}

/* Two teams, more than are drawn, and a feed that is not drawn at all. */
static void
test_svg_shows_the_legs(void)
{
    static const char *const feeds[] = { "ready", "standby", "standby-copied", "primary" };
    g_autoptr(VtTimeline) timeline = vt_timeline_new("m", "web", "a");
    g_autofree char *svg = NULL;

    for (guint i = 0; i < 2 * G_N_ELEMENTS(feeds); i++) {
        VtTimelineEntry entry = { .t_us = 1000000 + i * 1000,
                                  .side = VT_TIMELINE_DESTINATION,
                                  .what = VT_TIMELINE_DATAPATH,
                                  .team = (char *)(i % 2 ? "ua-<x>" : "ua-y"),
                                  .detail = (char *)feeds[i / 2] };

        vt_timeline_add(timeline, &entry);
    }
    svg = vt_timeline_to_svg(timeline);
    g_assert_cmpuint(timelinetest_count(svg, "<title>standby</title>"), ==, 2);
    g_assert_cmpuint(timelinetest_count(svg, "<title>standby-copied</title>"), ==, 4); /* a box a leg */
    g_assert_cmpuint(timelinetest_count(svg, "<title>primary</title>"), ==, 2);
    g_assert_cmpuint(timelinetest_count(svg, "<title>ready</title>"), ==, 0);
    g_assert_cmpuint(timelinetest_count(svg, ">ua-&lt;x&gt;</text>"), ==, 1);
    for (guint i = 0; i < 20; i++) {
        g_autofree char *name = g_strdup_printf("team%u", i);
        VtTimelineEntry entry = {
            .t_us = 2000000 + i, .what = VT_TIMELINE_DATAPATH, .team = name, .detail = (char *)"standby"
        };

        vt_timeline_add(timeline, &entry);
    }
    g_free(svg);
    svg = vt_timeline_to_svg(timeline);
    g_assert_cmpuint(timelinetest_count(svg, ">team5</text>"), ==, 1);
    g_assert_cmpuint(timelinetest_count(svg, ">team6</text>"), ==, 0);
}

/* What one sees first: where the guest runs, when it stood still, when packets were lost, and why it failed. */
static void
test_svg_tells_the_story(void)
{
    g_autoptr(VtTimeline) timeline = timelinetest_sample();
    VtTimelineEntry failed = { .t_us = 4300000, .what = VT_TIMELINE_FAILED, .detail = (char *)"no <way>" };
    g_autofree char *svg = vt_timeline_to_svg(timeline);
    g_autofree char *bad = NULL;

    g_assert_cmpuint(timelinetest_count(svg, "<title>the guest runs here</title>"), ==, 2);
    g_assert_nonnull(strstr(svg, ">stands still 15 ms</text>"));
    g_assert_nonnull(
        strstr(svg, ">The guest has moved; it stood still for 15 ms; packets were lost for 40 ms</text>"));
    g_assert_nonnull(strstr(svg, ">probe</text>"));
    vt_timeline_add(timeline, &failed);
    bad = vt_timeline_to_svg(timeline);
    g_assert_nonnull(strstr(bad, ">failed: no &lt;way&gt;</text>"));
    g_assert_nonnull(strstr(bad, ">Failed; "));
}

/* A feed without its row in the picture would look as if nobody were fed. */
static void
test_svg_shows_every_feed(void)
{
    for (VtFeed feed = VT_FEED_STANDBY; feed < VT_FEED_COUNT; feed++) {
        g_autoptr(VtTimeline) timeline = timelinetest_sample();
        const VtTimelineEntry entry = { .t_us = 4300000,
                                        .what = VT_TIMELINE_DATAPATH,
                                        .team = (char *)"ua-every",
                                        .detail = (char *)vt_feed_name(feed) };
        g_autofree char *title = g_strdup_printf("<title>%s</title>", entry.detail);
        g_autofree char *svg = NULL;
        guint before;

        svg = vt_timeline_to_svg(timeline);
        before = timelinetest_count(svg, title);
        g_free(svg);
        vt_timeline_add(timeline, &entry);
        svg = vt_timeline_to_svg(timeline);
        g_assert_cmpuint(timelinetest_count(svg, title), >, before);
    }
}

/* Rows: what is noted where and when; how far the destination's clock is off. */
static void
test_clocks_that_differ_are_seen(void)
{
    static const struct {
        const char *name;
        gint64 begin, transfer, completed, prepared, resume, skew;
    } rows[] = {
        { "none", 100, 300, 500, 200, 600, 0 },
        { "behind-at-the-begin", 100, 300, 500, 40, 500, 60 },
        { "behind-at-the-end", 100, 300, 500, 110, 420, 80 },
        { "behind-at-both", 100, 300, 500, 90, 420, 80 },
        { "ahead", 100, 300, 500, 350, 700, -50 },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(VtTimeline) timeline = vt_timeline_new("m", "web", "a");
        const VtTimelineEntry entries[] = {
            { .t_us = rows[i].begin, .what = VT_TIMELINE_BEGIN },
            { .t_us = rows[i].transfer, .what = VT_TIMELINE_TRANSFER },
            { .t_us = rows[i].completed, .what = VT_TIMELINE_COMPLETED },
            { .t_us = rows[i].prepared, .side = VT_TIMELINE_DESTINATION, .what = VT_TIMELINE_PREPARED },
            { .t_us = rows[i].resume, .side = VT_TIMELINE_DESTINATION, .what = VT_TIMELINE_RESUME },
        };

        g_test_message("%s", rows[i].name);
        for (gsize k = 0; k < G_N_ELEMENTS(entries); k++)
            vt_timeline_add(timeline, &entries[k]);
        g_assert_cmpint(vt_timeline_skew(timeline), ==, rows[i].skew);
        vt_timeline_shift(timeline, VT_TIMELINE_DESTINATION, rows[i].skew);
        g_assert_cmpint(vt_timeline_skew(timeline), ==, 0);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu/timeline/svg-tells-the-story", test_svg_tells_the_story);
    g_test_add_func("/qemu/timeline/svg-shows-every-feed", test_svg_shows_every_feed);
    g_test_add_func("/qemu/timeline/clocks-that-differ-are-seen", test_clocks_that_differ_are_seen);
    g_test_add_func("/qemu/timeline/lines-come-back", test_lines_come_back);
    g_test_add_func("/qemu/timeline/bad-files-are-refused", test_bad_files_are_refused);
    g_test_add_func("/qemu/timeline/a-torn-last-line-is-left-out", test_a_torn_last_line_is_left_out);
    g_test_add_func("/qemu/timeline/text-shows-phases-and-losses", test_text_shows_phases_and_losses);
    g_test_add_func("/qemu/timeline/svg-is-well-formed", test_svg_is_well_formed);
    g_test_add_func("/qemu/timeline/svg-shows-the-legs", test_svg_shows_the_legs);
    return g_test_run();
}
