/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A timeline as a picture: a lane a host and one for a probe; in it the phases as bars, below them what the host feeds of each
 * team, below that the points in time.
 */
#include "qemu/timeline-phase.h"

#include <string.h>

#define SVG_WIDTH 1000
#define SVG_LEFT  110
#define SVG_RIGHT 30
#define SVG_TOP   56
#define SVG_LANE  92
#define SVG_BAR   22
#define SVG_FEED  9 /* a team's row below the bar */
#define SVG_FEEDS 8 /* rows that are drawn at most */
#define SVG_LANES 3

typedef struct {
    GString *out;
    gint64 origin_us, length_us;
    const char *teams[SVG_FEEDS]; /* of the timeline */
    guint n_teams;
} SvgCanvas;

/* What the host's feeds look like: which leg, and which leg gets copies. Names: vt_feed_name(). */
typedef struct {
    const char *name;
    const char *leg; /* (nullable) nothing is drawn */
    const char *copies;
} SvgFeed;

#define SVG_STANDBY "#3f9d5f"
#define SVG_PRIMARY "#8a4fbf"

static const SvgFeed svg_feeds[] = {
    { "standby", SVG_STANDBY, NULL },
    { "standby-copied", SVG_STANDBY, SVG_PRIMARY },
    { "primary-copied", SVG_PRIMARY, SVG_STANDBY },
    { "primary", SVG_PRIMARY, NULL },
};

static double
svg_x(const SvgCanvas *canvas, gint64 t_us)
{
    double share = (double)(t_us - canvas->origin_us) / (double)canvas->length_us;

    return SVG_LEFT + share * (SVG_WIDTH - SVG_LEFT - SVG_RIGHT);
}

static int
svg_lane_y(const SvgCanvas *canvas, VtTimelineSide side)
{
    return SVG_TOP + (int)side * (SVG_LANE + SVG_FEED * (int)canvas->n_teams);
}

static void
svg_box(const SvgCanvas *canvas, const VtTimelineSpan *span, int y, int height, const char *colour,
        const char *title)
{
    double x = svg_x(canvas, span->from_us);
    double width = MAX(svg_x(canvas, span->to_us) - x, 1.0);
    g_autofree char *escaped = g_markup_escape_text(title, -1);

    g_string_append_printf(
        canvas->out, "<rect x='%.1f' y='%d' width='%.1f' height='%d' fill='%s'%s><title>%s</title></rect>\n",
        x, y, width, height, colour, span->open ? " fill-opacity='0.4' stroke='#c00'" : "", escaped);
}

static void
svg_rect(const SvgCanvas *canvas, const VtTimelineSpan *span, int y, const char *colour, const char *title)
{
    svg_box(canvas, span, y, SVG_BAR, colour, title);
}

static void
svg_text(const SvgCanvas *canvas, double x, int y, const char *attributes, const char *text)
{
    g_autofree char *escaped = g_markup_escape_text(text, -1);

    g_string_append_printf(canvas->out, "<text x='%.1f' y='%d' %s>%s</text>\n", x, y, attributes, escaped);
}

static void
svg_axis(const SvgCanvas *canvas)
{
    static const gint64 steps_us[] = {
        10000,   20000,   50000,    100000,   200000,   500000,    1000000,
        2000000, 5000000, 10000000, 30000000, 60000000, 300000000, 3600000000
    };
    gint64 step = steps_us[G_N_ELEMENTS(steps_us) - 1];
    int bottom = svg_lane_y(canvas, SVG_LANES) - 20;

    for (gsize i = 0; i < G_N_ELEMENTS(steps_us); i++) {
        if (canvas->length_us / steps_us[i] <= 12) {
            step = steps_us[i];
            break;
        }
    }
    for (gint64 t = 0; t <= canvas->length_us && t / step <= 200; t += step) {
        double x = svg_x(canvas, canvas->origin_us + t);
        g_autofree char *label = g_strdup_printf("%.2f s", (double)t / 1e6);

        g_string_append_printf(canvas->out, "<line x1='%.1f' y1='%d' x2='%.1f' y2='%d' stroke='#ddd'/>\n", x,
                               SVG_TOP - 8, x, bottom);
        svg_text(canvas, x, bottom + 14, "text-anchor='middle' fill='#777'", label);
    }
}

/* ---- the legs ---- */

static void
svg_find_teams(SvgCanvas *canvas, const VtTimeline *timeline)
{
    for (guint i = 0; i < timeline->entries->len && canvas->n_teams < SVG_FEEDS; i++) {
        const VtTimelineEntry *entry = g_ptr_array_index(timeline->entries, i);
        guint known = 0;

        if (entry->what != VT_TIMELINE_DATAPATH || !entry->team)
            continue;
        while (known < canvas->n_teams && !g_str_equal(canvas->teams[known], entry->team))
            known++;
        if (known == canvas->n_teams)
            canvas->teams[canvas->n_teams++] = entry->team;
    }
}

static gboolean
svg_is_feed(const VtTimelineEntry *entry, VtTimelineSide side, const char *team)
{
    return entry->what == VT_TIMELINE_DATAPATH && entry->side == side && g_strcmp0(entry->team, team) == 0;
}

/* Both legs are fed: the lower half shows the one that gets copies. */
static void
svg_feed(const SvgCanvas *canvas, const VtTimelineSpan *span, int y, const VtTimelineEntry *entry)
{
    for (gsize i = 0; i < G_N_ELEMENTS(svg_feeds); i++) {
        const SvgFeed *feed = &svg_feeds[i];
        int half = (SVG_FEED - 1) / 2;

        if (g_strcmp0(entry->detail, feed->name) != 0)
            continue;
        svg_box(canvas, span, y, feed->copies ? half : 2 * half, feed->leg, entry->detail);
        if (feed->copies)
            svg_box(canvas, span, y + half, half, feed->copies, entry->detail);
    }
}

static void
svg_feeds_of(const SvgCanvas *canvas, const VtTimeline *timeline, VtTimelineSide side, guint team)
{
    int y = svg_lane_y(canvas, side) + SVG_BAR + 2 + SVG_FEED * (int)team;
    const VtTimelineEntry *last = NULL;
    VtTimelineSpan span = { 0, canvas->origin_us + canvas->length_us, FALSE };

    for (guint i = 0; i < timeline->entries->len; i++) {
        const VtTimelineEntry *entry = g_ptr_array_index(timeline->entries, i);

        if (!svg_is_feed(entry, side, canvas->teams[team]))
            continue;
        span = (VtTimelineSpan){ last ? last->t_us : 0, entry->t_us, FALSE };
        if (last)
            svg_feed(canvas, &span, y, last);
        last = entry;
    }
    if (last) {
        span = (VtTimelineSpan){ last->t_us, canvas->origin_us + canvas->length_us, FALSE };
        svg_feed(canvas, &span, y, last);
        svg_text(canvas, 20, y + SVG_FEED - 2, "fill='#555' font-size='9'", canvas->teams[team]);
    }
}

static void
svg_legend(const SvgCanvas *canvas)
{
    static const struct {
        const char *colour, *text;
    } legend[] = {
        { SVG_STANDBY, "fed: standby" },
        { SVG_PRIMARY, "fed: primary" },
        { "#d02020", "packets lost" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(legend); i++) {
        int x = SVG_WIDTH - SVG_RIGHT - 110 * (int)(G_N_ELEMENTS(legend) - i);

        g_string_append_printf(canvas->out, "<rect x='%d' y='14' width='12' height='10' fill='%s'/>\n", x,
                               legend[i].colour);
        svg_text(canvas, x + 17, 23, "fill='#555'", legend[i].text);
    }
}

/* Points in time: a tick on the lane, its name above or below in turn, so that neighbours stay readable. */
static void
svg_points(const SvgCanvas *canvas, const VtTimeline *timeline)
{
    guint count[VT_TIMELINE_SIDE_COUNT] = { 0 };

    for (guint i = 0; i < timeline->entries->len; i++) {
        const VtTimelineEntry *entry = g_ptr_array_index(timeline->entries, i);
        int y = svg_lane_y(canvas, entry->side);
        int below = SVG_BAR + SVG_FEED * (int)canvas->n_teams;
        double x = svg_x(canvas, entry->t_us);
        VtTimelineSpan span = { entry->t_us, entry->t_us + entry->duration_us, FALSE };
        const char *name = vt_timeline_what_name(entry->what);

        if (entry->what == VT_TIMELINE_LOST) {
            svg_rect(canvas, &span, y, "#d02020", entry->detail ? entry->detail : "lost");
            continue;
        }
        if (entry->what == VT_TIMELINE_DATAPATH)
            continue; /* drawn as a row */
        g_string_append_printf(canvas->out, "<line x1='%.1f' y1='%d' x2='%.1f' y2='%d' stroke='#222'/>\n", x,
                               y - 2, x, y + below + 4);
        svg_text(canvas, x, y + below + 14 + 11 * (int)(count[entry->side]++ % 4),
                 x > 0.88 * SVG_WIDTH ? "fill='#222' font-size='9' text-anchor='end'"
                                      : "fill='#222' font-size='9'",
                 name);
    }
}

char *
vt_timeline_to_svg(const VtTimeline *timeline)
{
    SvgCanvas canvas = { .out = g_string_new(NULL), .origin_us = vt_timeline_origin(timeline) };
    g_autofree char *title = g_strdup_printf("Migration of '%s'", timeline->domain ? timeline->domain : "?");
    int height;

    canvas.length_us = MAX(vt_timeline_last(timeline) - canvas.origin_us, 1);
    svg_find_teams(&canvas, timeline);
    height = svg_lane_y(&canvas, SVG_LANES) + 10;
    g_string_append_printf(
        canvas.out,
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %d' width='%d' height='%d' "
        "font-family='sans-serif' font-size='11'>\n<rect width='%d' height='%d' fill='#fff'/>\n",
        SVG_WIDTH, height, SVG_WIDTH, height, SVG_WIDTH, height);
    svg_text(&canvas, 12, 24, "font-size='16' font-weight='bold'", title);
    svg_axis(&canvas);
    svg_legend(&canvas);
    for (int side = 0; side < VT_TIMELINE_SIDE_COUNT; side++)
        svg_text(&canvas, 12, svg_lane_y(&canvas, (VtTimelineSide)side) + 15, "font-weight='bold'",
                 vt_timeline_side_name((VtTimelineSide)side));
    for (gsize i = 0; i < VT_TIMELINE_PHASES; i++) {
        const VtTimelinePhase *phase = &vt_timeline_phases[i];
        VtTimelineSpan span;
        double x;

        if (!vt_timeline_find_span(timeline, phase, &span))
            continue;
        svg_rect(&canvas, &span, svg_lane_y(&canvas, phase->side), phase->colour, phase->name);
        x = svg_x(&canvas, span.from_us);
        if (svg_x(&canvas, span.to_us) - x > 50)
            svg_text(&canvas, x + 4, svg_lane_y(&canvas, phase->side) + 15, "fill='#fff'", phase->name);
    }
    for (int side = 0; side < VT_TIMELINE_SIDE_COUNT; side++)
        for (guint team = 0; team < canvas.n_teams; team++)
            svg_feeds_of(&canvas, timeline, (VtTimelineSide)side, team);
    svg_points(&canvas, timeline);
    g_string_append(canvas.out, "</svg>\n");
    return g_string_free(canvas.out, FALSE);
}
