/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A timeline as a picture. A lane a host, and one for a probe where one ran; in a host's lane, from top to bottom: where the guest
 * runs, the phases, a track a leg and team (full: the host feeds it; pale: it gets copies), and the points in time with their
 * names. Across all lanes: when the guest stood still, and when packets were lost.
 */
#include "qemu/timeline-phase.h"

#include <string.h>
#include "datapath/backend.h"
#include "util/enum.h"

#define SVG_WIDTH  1000
#define SVG_LEFT   150
#define SVG_RIGHT  30
#define SVG_TOP    72
#define SVG_RUNS   9  /* height of "guest runs" */
#define SVG_BAR    20 /* of a phase */
#define SVG_TRACK  9  /* of a leg */
#define SVG_TEAM   (2 * SVG_TRACK + 6)
#define SVG_TEAMS  8 /* that are drawn at most */
#define SVG_LABEL  11
#define SVG_LABELS 6   /* rows of names at most */
#define SVG_CHAR   4.9 /* about as wide as a letter of a name is */
#define SVG_DETAIL 90  /* letters of a failure's reason */

#define SVG_STANDBY "#3f9d5f"
#define SVG_PRIMARY "#8a4fbf"
#define SVG_GUEST   "#2b7a9e"
#define SVG_BAD     "#d02020"

typedef struct {
    double x;
    int row;
    gboolean end; /* the text ends at .x */
    gboolean bad;
    char *text;
} SvgLabel;

typedef struct {
    GString *out;
    const VtTimeline *timeline;
    gint64 origin_us, length_us;
    const char *teams[SVG_TEAMS];
    guint n_teams;
    GArray *labels[VT_TIMELINE_SIDE_COUNT]; /* of SvgLabel */
    int y[VT_TIMELINE_SIDE_COUNT + 1];      /* of each lane, and of the axis */
} SvgCanvas;

#define SVG_COPIES 0.35

/* What each leg gets in the host's feeds. */
static const struct {
    double primary, standby; /* opacity */
} svg_feeds[] = {
    [VT_FEED_RELEASED] = { .primary = 0, .standby = 0 },
    [VT_FEED_READY] = { .primary = 0, .standby = 0 },
    [VT_FEED_STANDBY] = { .standby = 1 },
    [VT_FEED_STANDBY_ARMED] = { .standby = 1 },
    [VT_FEED_STANDBY_COPIED] = { .standby = 1, .primary = SVG_COPIES },
    [VT_FEED_FALLBACK] = { .standby = 1, .primary = SVG_COPIES },
    [VT_FEED_PRIMARY_COPIED] = { .primary = 1, .standby = SVG_COPIES },
    [VT_FEED_PRIMARY] = { .primary = 1 },
};
VT_ENUM_TABLE(svg_feeds, VT_FEED_COUNT);

static double
svg_x(const SvgCanvas *canvas, gint64 t_us)
{
    double share = (double)(t_us - canvas->origin_us) / (double)canvas->length_us;

    return SVG_LEFT + share * (SVG_WIDTH - SVG_LEFT - SVG_RIGHT);
}

typedef struct {
    int y, height;
    const char *colour;
    double opacity;
    gboolean open;
    const char *title; /* (nullable) */
} SvgBox;

static void
svg_box(const SvgCanvas *canvas, gint64 from_us, gint64 to_us, const SvgBox *box)
{
    double x = svg_x(canvas, from_us);
    double width = MAX(svg_x(canvas, to_us) - x, 1.0);
    g_autofree char *title = g_markup_escape_text(box->title ? box->title : "", -1);

    g_string_append_printf(canvas->out, "<rect x='%.1f' y='%d' width='%.1f' height='%d' fill='%s'", x, box->y,
                           width, box->height, box->colour);
    if (box->opacity < 1)
        g_string_append_printf(canvas->out, " fill-opacity='%.2f'", box->opacity);
    if (box->open)
        g_string_append(canvas->out, " stroke='" SVG_BAD "' stroke-dasharray='4 2'");
    if (box->title)
        g_string_append_printf(canvas->out, "><title>%s</title></rect>\n", title);
    else
        g_string_append(canvas->out, "/>\n");
}

static void
svg_text(const SvgCanvas *canvas, double x, int y, const char *attributes, const char *text)
{
    g_autofree char *escaped = g_markup_escape_text(text, -1);

    g_string_append_printf(canvas->out, "<text x='%.1f' y='%d' %s>%s</text>\n", x, y, attributes, escaped);
}

/* ---- the plan: which teams, which names where, how high each lane is ---- */

static void
svg_find_teams(SvgCanvas *canvas)
{
    const GPtrArray *entries = canvas->timeline->entries;

    for (guint i = 0; i < entries->len && canvas->n_teams < SVG_TEAMS; i++) {
        const VtTimelineEntry *entry = g_ptr_array_index(entries, i);
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
svg_is_bad(VtTimelineWhat what)
{
    return what == VT_TIMELINE_UNPLUG_TIMEOUT || what == VT_TIMELINE_CANCELLED || what == VT_TIMELINE_FAILED;
}

static void
svg_label_clear(gpointer data)
{
    g_free(((SvgLabel *)data)->text);
}

static char *
svg_name(const VtTimelineEntry *entry)
{
    const char *name = vt_timeline_what_name(entry->what);

    if (entry->what == VT_TIMELINE_LOST)
        return g_strdup(entry->detail ? entry->detail : name);
    if (svg_is_bad(entry->what) && entry->detail)
        return g_strdup_printf(
            "%s: %.*s%s", name,
            (int)(g_utf8_offset_to_pointer(entry->detail, MIN(g_utf8_strlen(entry->detail, -1), SVG_DETAIL)) -
                  entry->detail),
            entry->detail, g_utf8_strlen(entry->detail, -1) > SVG_DETAIL ? "..." : "");
    return g_strdup(name);
}

/* The first row in which nothing is in the way. */
static void
svg_place(SvgCanvas *canvas, const VtTimelineEntry *entry, double taken[SVG_LABELS])
{
    SvgLabel label = { .x = svg_x(canvas, entry->t_us),
                       .bad = svg_is_bad(entry->what),
                       .text = svg_name(entry) };
    double width = SVG_CHAR * (double)g_utf8_strlen(label.text, -1);
    double left = label.x;

    label.end = label.x + width > SVG_WIDTH - 6;
    if (label.end)
        left = MAX(label.x - width, 0);
    while (label.row < SVG_LABELS - 1 && taken[label.row] > left)
        label.row++;
    taken[label.row] = left + width + 8;
    g_array_append_val(canvas->labels[entry->side], label);
}

static int
svg_label_rows(const SvgCanvas *canvas, VtTimelineSide side)
{
    int rows = 0;

    for (guint i = 0; i < canvas->labels[side]->len; i++)
        rows = MAX(rows, g_array_index(canvas->labels[side], SvgLabel, i).row + 1);
    return rows;
}

static int
svg_tracks_y(const SvgCanvas *canvas, VtTimelineSide side)
{
    return canvas->y[side] + SVG_RUNS + 3 + SVG_BAR + 4;
}

static void
svg_plan(SvgCanvas *canvas)
{
    double taken[VT_TIMELINE_SIDE_COUNT][SVG_LABELS] = { { 0 } };
    const GPtrArray *entries = canvas->timeline->entries;
    int y = SVG_TOP;

    svg_find_teams(canvas);
    for (int side = 0; side < VT_TIMELINE_SIDE_COUNT; side++) {
        canvas->labels[side] = g_array_new(FALSE, TRUE, sizeof(SvgLabel));
        g_array_set_clear_func(canvas->labels[side], svg_label_clear);
    }
    for (guint i = 0; i < entries->len; i++) {
        const VtTimelineEntry *entry = g_ptr_array_index(entries, i);

        if (entry->what != VT_TIMELINE_DATAPATH)
            svg_place(canvas, entry, taken[entry->side]);
    }
    for (int side = 0; side < VT_TIMELINE_SIDE_COUNT; side++) {
        canvas->y[side] = y;
        if (side != VT_TIMELINE_PROBE)
            y = svg_tracks_y(canvas, (VtTimelineSide)side) + SVG_TEAM * (int)canvas->n_teams +
                SVG_LABEL * svg_label_rows(canvas, (VtTimelineSide)side) + 22;
        else if (canvas->labels[side]->len)
            y += SVG_BAR + SVG_LABEL * svg_label_rows(canvas, VT_TIMELINE_PROBE) + 14;
    }
    canvas->y[VT_TIMELINE_SIDE_COUNT] = y;
}

/* ---- behind the lanes ---- */

static void
svg_axis(const SvgCanvas *canvas)
{
    static const gint64 steps_us[] = { 1000,     2000,     5000,     10000,     20000,     50000,
                                       100000,   200000,   500000,   1000000,   2000000,   5000000,
                                       10000000, 30000000, 60000000, 300000000, 3600000000 };
    gint64 step = steps_us[G_N_ELEMENTS(steps_us) - 1];
    int bottom = canvas->y[VT_TIMELINE_SIDE_COUNT];

    for (gsize i = 0; i < G_N_ELEMENTS(steps_us); i++) {
        if (canvas->length_us / steps_us[i] <= 12) {
            step = steps_us[i];
            break;
        }
    }
    for (gint64 t = 0; t <= canvas->length_us && t / step <= 200; t += step) {
        double x = svg_x(canvas, canvas->origin_us + t);
        g_autofree char *label = step < 1000000 ? g_strdup_printf("%" G_GINT64_FORMAT " ms", t / 1000)
                                                : g_strdup_printf("%" G_GINT64_FORMAT " s", t / 1000000);

        g_string_append_printf(canvas->out, "<line x1='%.1f' y1='%d' x2='%.1f' y2='%d' stroke='#e4e4e4'/>\n",
                               x, SVG_TOP - 6, x, bottom);
        svg_text(canvas, x, bottom + 13, "text-anchor='middle' fill='#777' font-size='10'", label);
    }
}

/* The two things that one looks for first go through all lanes. */
static void
svg_bands(const SvgCanvas *canvas)
{
    const GPtrArray *entries = canvas->timeline->entries;
    int height = canvas->y[VT_TIMELINE_SIDE_COUNT] - SVG_TOP + 6;
    VtTimelineSpan still;

    for (guint i = 0; i < entries->len; i++) {
        const VtTimelineEntry *entry = g_ptr_array_index(entries, i);
        const SvgBox lost = { .y = SVG_TOP - 6, .height = height, .colour = SVG_BAD, .opacity = 0.14 };

        if (entry->what == VT_TIMELINE_LOST)
            svg_box(canvas, entry->t_us, entry->t_us + entry->duration_us, &lost);
    }
    if (vt_timeline_find_still(canvas->timeline, &still)) {
        const SvgBox box = { .y = SVG_TOP - 6, .height = height, .colour = "#000", .opacity = 0.12 };
        g_autofree char *text =
            still.open ? g_strdup("stands still")
                       : g_strdup_printf("stands still %.0f ms", (double)(still.to_us - still.from_us) / 1e3);
        double x = svg_x(canvas, still.from_us);

        svg_box(canvas, still.from_us, still.to_us, &box);
        svg_text(canvas, x, SVG_TOP - 10,
                 x > SVG_WIDTH - 160 ? "fill='#444' font-size='9' text-anchor='end'"
                                     : "fill='#444' font-size='9'",
                 text);
    }
}

/* ---- a lane ---- */

/* Where the guest's processors run: at the source from the start until they stop, and again when they are resumed. */
static void
svg_runs(const SvgCanvas *canvas, VtTimelineSide side)
{
    const GPtrArray *entries = canvas->timeline->entries;
    const SvgBox box = { .y = canvas->y[side],
                         .height = SVG_RUNS,
                         .colour = SVG_GUEST,
                         .opacity = 1,
                         .title = "the guest runs here" };
    gint64 end = canvas->origin_us + canvas->length_us;
    gint64 from = -1;

    for (guint i = 0; i < entries->len; i++) {
        const VtTimelineEntry *entry = g_ptr_array_index(entries, i);

        if (entry->side != side)
            continue;
        if (from < 0 && (entry->what == VT_TIMELINE_RESUME || entry->what == VT_TIMELINE_BEGIN)) {
            from = entry->t_us;
        } else if (from >= 0 && entry->what == VT_TIMELINE_STOP) {
            svg_box(canvas, from, entry->t_us, &box);
            from = -1;
        }
    }
    if (from >= 0)
        svg_box(canvas, from, end, &box);
}

static void
svg_phases(const SvgCanvas *canvas, VtTimelineSide side)
{
    int y = canvas->y[side] + SVG_RUNS + 3;

    for (gsize i = 0; i < VT_TIMELINE_PHASES; i++) {
        const VtTimelinePhase *phase = &vt_timeline_phases[i];
        VtTimelineSpan span;
        double x, width;

        if (phase->side != side || !vt_timeline_find_span(canvas->timeline, phase, &span))
            continue;
        const SvgBox box = { .y = y,
                             .height = SVG_BAR,
                             .colour = phase->colour,
                             .opacity = span.open ? 0.5 : 1,
                             .open = span.open,
                             .title = phase->name };
        x = svg_x(canvas, span.from_us);
        width = svg_x(canvas, span.to_us) - x;
        svg_box(canvas, span.from_us, span.to_us, &box);
        if (width > 5.8 * (double)strlen(phase->name) + 8)
            svg_text(canvas, x + 4, y + 14, "fill='#fff'", phase->name);
    }
}

static void
svg_feed(const SvgCanvas *canvas, const VtTimelineEntry *entry, gint64 to_us, int y)
{
    for (guint feed = 0; feed < VT_FEED_COUNT; feed++) {
        const SvgBox primary = { .y = y,
                                 .height = SVG_TRACK,
                                 .colour = SVG_PRIMARY,
                                 .opacity = svg_feeds[feed].primary,
                                 .title = entry->detail };
        const SvgBox standby = { .y = y + SVG_TRACK + 1,
                                 .height = SVG_TRACK,
                                 .colour = SVG_STANDBY,
                                 .opacity = svg_feeds[feed].standby,
                                 .title = entry->detail };

        if (g_strcmp0(entry->detail, vt_feed_name((VtFeed)feed)) != 0)
            continue;
        if (primary.opacity > 0)
            svg_box(canvas, entry->t_us, to_us, &primary);
        if (standby.opacity > 0)
            svg_box(canvas, entry->t_us, to_us, &standby);
    }
}

static void
svg_legs(const SvgCanvas *canvas, VtTimelineSide side, guint team)
{
    const GPtrArray *entries = canvas->timeline->entries;
    int y = svg_tracks_y(canvas, side) + SVG_TEAM * (int)team;
    const VtTimelineEntry *last = NULL;

    for (guint i = 0; i < entries->len; i++) {
        const VtTimelineEntry *entry = g_ptr_array_index(entries, i);

        if (entry->what != VT_TIMELINE_DATAPATH || entry->side != side ||
            g_strcmp0(entry->team, canvas->teams[team]) != 0)
            continue;
        if (last)
            svg_feed(canvas, last, entry->t_us, y);
        last = entry;
    }
    if (!last)
        return;
    svg_feed(canvas, last, canvas->origin_us + canvas->length_us, y);
    svg_text(canvas, 12, y + SVG_TRACK + 4, "fill='#555' font-size='9'", canvas->teams[team]);
    svg_text(canvas, SVG_LEFT - 8, y + SVG_TRACK - 1, "fill='#555' font-size='9' text-anchor='end'",
             "primary");
    svg_text(canvas, SVG_LEFT - 8, y + 2 * SVG_TRACK + 1, "fill='#555' font-size='9' text-anchor='end'",
             "standby");
}

static void
svg_labels(const SvgCanvas *canvas, VtTimelineSide side)
{
    int top = side == VT_TIMELINE_PROBE ? canvas->y[side] + SVG_BAR
                                        : svg_tracks_y(canvas, side) + SVG_TEAM * (int)canvas->n_teams;

    for (guint i = 0; i < canvas->labels[side]->len; i++) {
        const SvgLabel *label = &g_array_index(canvas->labels[side], SvgLabel, i);
        int y = top + SVG_LABEL * (label->row + 1);
        g_autofree char *attributes =
            g_strdup_printf("fill='%s' font-size='9'%s", label->bad ? SVG_BAD : "#222",
                            label->end ? " text-anchor='end'" : "");

        if (side != VT_TIMELINE_PROBE)
            g_string_append_printf(
                canvas->out, "<line x1='%.1f' y1='%d' x2='%.1f' y2='%d' stroke='%s' stroke-width='0.7'/>\n",
                label->x, canvas->y[side] - 2, label->x, y - 7, label->bad ? SVG_BAD : "#555");
        svg_text(canvas, label->end ? label->x - 2 : label->x + 2, y, attributes, label->text);
    }
}

static void
svg_lane(const SvgCanvas *canvas, VtTimelineSide side)
{
    int y = canvas->y[side];

    if (side == VT_TIMELINE_PROBE && !canvas->labels[side]->len)
        return;
    svg_text(canvas, 12, y + (side == VT_TIMELINE_PROBE ? 14 : 9), "font-weight='bold'",
             vt_timeline_side_name(side));
    if (side == VT_TIMELINE_PROBE) {
        for (guint i = 0; i < canvas->timeline->entries->len; i++) {
            const VtTimelineEntry *entry = g_ptr_array_index(canvas->timeline->entries, i);
            const SvgBox box = { .y = y,
                                 .height = SVG_BAR,
                                 .colour = SVG_BAD,
                                 .opacity = 1,
                                 .title = entry->detail ? entry->detail : "lost" };

            if (entry->what == VT_TIMELINE_LOST)
                svg_box(canvas, entry->t_us, entry->t_us + entry->duration_us, &box);
        }
    } else {
        svg_text(canvas, SVG_LEFT - 8, y + 8, "fill='#555' font-size='9' text-anchor='end'", "guest runs");
        svg_runs(canvas, side);
        svg_phases(canvas, side);
        for (guint team = 0; team < canvas->n_teams; team++)
            svg_legs(canvas, side, team);
    }
    svg_labels(canvas, side);
}

static void
svg_legend(const SvgCanvas *canvas)
{
    static const struct {
        const char *colour, *text;
        double opacity;
    } legend[] = {
        { SVG_GUEST, "the guest runs", 1 },
        { SVG_PRIMARY, "primary is fed", 1 },
        { SVG_PRIMARY, "gets copies", SVG_COPIES },
        { SVG_STANDBY, "standby is fed", 1 },
        { SVG_STANDBY, "gets copies", SVG_COPIES },
        { "#000", "the guest stands still", 0.12 },
        { SVG_BAD, "packets lost", 1 },
    };
    int y = canvas->y[VT_TIMELINE_SIDE_COUNT] + 28;
    int x = SVG_LEFT;

    for (gsize i = 0; i < G_N_ELEMENTS(legend); i++) {
        g_string_append_printf(canvas->out,
                               "<rect x='%d' y='%d' width='12' height='9' fill='%s' fill-opacity='%.2f'/>\n",
                               x, y, legend[i].colour, legend[i].opacity);
        svg_text(canvas, x + 16, y + 8, "fill='#555' font-size='10'", legend[i].text);
        x += 34 + (int)(5.6 * (double)strlen(legend[i].text));
    }
}

char *
vt_timeline_to_svg(const VtTimeline *timeline)
{
    SvgCanvas canvas = { .out = g_string_new(NULL),
                         .timeline = timeline,
                         .origin_us = vt_timeline_origin(timeline) };
    g_autofree char *title = g_strdup_printf("Migration of '%s'", timeline->domain ? timeline->domain : "?");
    g_autofree char *story = vt_timeline_story(timeline);
    int height;

    canvas.length_us = MAX(vt_timeline_last(timeline) - canvas.origin_us, 1);
    svg_plan(&canvas);
    height = canvas.y[VT_TIMELINE_SIDE_COUNT] + 48;
    g_string_append_printf(
        canvas.out,
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %d' width='%d' height='%d' "
        "font-family='sans-serif' font-size='11'>\n<rect width='%d' height='%d' fill='#fff'/>\n",
        SVG_WIDTH, height, SVG_WIDTH, height, SVG_WIDTH, height);
    svg_text(&canvas, 12, 24, "font-size='16' font-weight='bold'", title);
    svg_text(&canvas, 12, 43, "fill='#444' font-size='12'", story);
    svg_axis(&canvas);
    svg_bands(&canvas);
    for (int side = 0; side < VT_TIMELINE_SIDE_COUNT; side++)
        svg_lane(&canvas, (VtTimelineSide)side);
    svg_legend(&canvas);
    g_string_append(canvas.out, "</svg>\n");
    for (int side = 0; side < VT_TIMELINE_SIDE_COUNT; side++)
        g_array_unref(canvas.labels[side]);
    return g_string_free(canvas.out, FALSE);
}
