/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a timeline looks: as a table for a terminal, and as a picture.
 *
 * Both rest on spans: pairs of entries of one side (and team) that begin and end a phase. A span whose end
 * is missing runs to the last entry and is marked as open, so that a migration that hung shows where.
 */
#include "qemu/timeline.h"

#include <string.h>

typedef struct {
    const char *name;
    VtTimelineWhat from, to, or_to;
    VtTimelineSide side;
    const char *colour;
} TimelinePhase;

static const TimelinePhase timeline_phases[] = {
    { "unplug", VT_TIMELINE_UNPLUG_ASKED, VT_TIMELINE_EJECTED, VT_TIMELINE_UNPLUG_TIMEOUT, VT_TIMELINE_SOURCE,
      "#e0a030" },
    { "transfer", VT_TIMELINE_TRANSFER, VT_TIMELINE_STOP, VT_TIMELINE_FAILED, VT_TIMELINE_SOURCE, "#5b8dd9" },
    { "stopped", VT_TIMELINE_STOP, VT_TIMELINE_COMPLETED, VT_TIMELINE_RESUME, VT_TIMELINE_SOURCE, "#404040" },
    { "waiting", VT_TIMELINE_PREPARED, VT_TIMELINE_RESUME, VT_TIMELINE_FAILED, VT_TIMELINE_DESTINATION,
      "#8296b8" },
    { "replug", VT_TIMELINE_RESUME, VT_TIMELINE_REPLUGGED, VT_TIMELINE_FAILED, VT_TIMELINE_DESTINATION,
      "#e0a030" },
};

typedef struct {
    gint64 from_us, to_us;
    gboolean open;
} TimelineSpan;

static gint64
timeline_origin(const VtTimeline *timeline)
{
    return timeline->entries->len ? ((VtTimelineEntry *)g_ptr_array_index(timeline->entries, 0))->t_us : 0;
}

static gint64
timeline_last(const VtTimeline *timeline)
{
    gint64 last = timeline_origin(timeline);

    for (guint i = 0; i < timeline->entries->len; i++) {
        const VtTimelineEntry *entry = g_ptr_array_index(timeline->entries, i);

        last = MAX(last, entry->t_us + entry->duration_us);
    }
    return last;
}

/* The first span of a phase; FALSE when it never began. */
static gboolean
timeline_find_span(const VtTimeline *timeline, const TimelinePhase *phase, TimelineSpan *span)
{
    gboolean begun = FALSE, negotiated = FALSE;

    for (guint i = 0; i < timeline->entries->len; i++) {
        const VtTimelineEntry *entry = g_ptr_array_index(timeline->entries, i);

        if (entry->side != phase->side)
            continue;
        negotiated |= entry->what == VT_TIMELINE_NEGOTIATED;
        if (!begun && entry->what == phase->from) {
            begun = TRUE;
            span->from_us = entry->t_us;
        } else if (begun && (entry->what == phase->to || entry->what == phase->or_to)) {
            span->to_us = entry->t_us;
            span->open = FALSE;
            return TRUE;
        }
    }
    /* A guest without a team has nothing to plug again. */
    if (begun && phase->to == VT_TIMELINE_REPLUGGED && !negotiated)
        return FALSE;
    if (begun) {
        span->to_us = timeline_last(timeline);
        span->open = TRUE;
    }
    return begun;
}

static void
timeline_text_summary(const VtTimeline *timeline, GString *out)
{
    guint64 lost_us = 0;
    guint losses = 0;

    g_string_append(out, "\n");
    for (gsize i = 0; i < G_N_ELEMENTS(timeline_phases); i++) {
        const TimelinePhase *phase = &timeline_phases[i];
        TimelineSpan span;

        if (!timeline_find_span(timeline, phase, &span))
            continue;
        g_string_append_printf(out, "%-11s %-9s %9.3f s%s\n", vt_timeline_side_name(phase->side), phase->name,
                               (double)(span.to_us - span.from_us) / 1e6, span.open ? " (never ended)" : "");
    }
    for (guint i = 0; i < timeline->entries->len; i++) {
        const VtTimelineEntry *entry = g_ptr_array_index(timeline->entries, i);

        if (entry->what != VT_TIMELINE_LOST)
            continue;
        losses++;
        lost_us += (guint64)entry->duration_us;
    }
    if (losses)
        g_string_append_printf(out, "%-11s %-9s %9.3f s in %u gaps\n", "probe", "dark", (double)lost_us / 1e6,
                               losses);
}

char *
vt_timeline_to_text(const VtTimeline *timeline)
{
    GString *out = g_string_new(NULL);
    gint64 origin = timeline_origin(timeline);

    g_string_append_printf(out, "migration %s of domain '%s'\n\n",
                           timeline->migration ? timeline->migration : "?",
                           timeline->domain ? timeline->domain : "?");
    for (guint i = 0; i < timeline->entries->len; i++) {
        const VtTimelineEntry *entry = g_ptr_array_index(timeline->entries, i);

        g_string_append_printf(out, "%9.3f s  %-11s  %-14s  %-10s", (double)(entry->t_us - origin) / 1e6,
                               vt_timeline_side_name(entry->side), vt_timeline_what_name(entry->what),
                               entry->team ? entry->team : "");
        if (entry->duration_us)
            g_string_append_printf(out, "  for %.3f s", (double)entry->duration_us / 1e6);
        if (entry->detail)
            g_string_append_printf(out, "  %s", entry->detail);
        while (out->len && out->str[out->len - 1] == ' ')
            g_string_truncate(out, out->len - 1);
        g_string_append_c(out, '\n');
    }
    timeline_text_summary(timeline, out);
    return g_string_free(out, FALSE);
}

/* ---- the picture ---- */

#define SVG_WIDTH 1000
#define SVG_LEFT  110
#define SVG_RIGHT 30
#define SVG_TOP   56
#define SVG_LANE  92
#define SVG_BAR   22
#define SVG_LANES 3

typedef struct {
    GString *out;
    gint64 origin_us, length_us;
} SvgCanvas;

static double
svg_x(const SvgCanvas *canvas, gint64 t_us)
{
    double share = (double)(t_us - canvas->origin_us) / (double)canvas->length_us;

    return SVG_LEFT + share * (SVG_WIDTH - SVG_LEFT - SVG_RIGHT);
}

static int
svg_lane_y(VtTimelineSide side)
{
    return SVG_TOP + (int)side * SVG_LANE;
}

static void
svg_rect(const SvgCanvas *canvas, const TimelineSpan *span, int y, const char *colour, const char *title)
{
    double x = svg_x(canvas, span->from_us);
    double width = MAX(svg_x(canvas, span->to_us) - x, 1.0);
    g_autofree char *escaped = g_markup_escape_text(title, -1);

    g_string_append_printf(
        canvas->out, "<rect x='%.1f' y='%d' width='%.1f' height='%d' fill='%s'%s><title>%s</title></rect>\n",
        x, y, width, SVG_BAR, colour, span->open ? " fill-opacity='0.4' stroke='#c00'" : "", escaped);
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
    int bottom = SVG_TOP + SVG_LANES * SVG_LANE - 20;

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

/* Points in time: a tick on the lane, its name above or below in turn, so that neighbours stay readable. */
static void
svg_points(const SvgCanvas *canvas, const VtTimeline *timeline)
{
    guint count[VT_TIMELINE_SIDE_COUNT] = { 0 };

    for (guint i = 0; i < timeline->entries->len; i++) {
        const VtTimelineEntry *entry = g_ptr_array_index(timeline->entries, i);
        int y = svg_lane_y(entry->side);
        double x = svg_x(canvas, entry->t_us);
        TimelineSpan span = { entry->t_us, entry->t_us + entry->duration_us, FALSE };
        const char *name = vt_timeline_what_name(entry->what);

        if (entry->what == VT_TIMELINE_LOST) {
            svg_rect(canvas, &span, y, "#d02020", entry->detail ? entry->detail : "lost");
            continue;
        }
        g_string_append_printf(canvas->out, "<line x1='%.1f' y1='%d' x2='%.1f' y2='%d' stroke='#222'/>\n", x,
                               y - 2, x, y + SVG_BAR + 4);
        svg_text(canvas, x, y + SVG_BAR + 14 + 11 * (int)(count[entry->side]++ % 4),
                 x > 0.88 * SVG_WIDTH ? "fill='#222' font-size='9' text-anchor='end'"
                                      : "fill='#222' font-size='9'",
                 name);
    }
}

char *
vt_timeline_to_svg(const VtTimeline *timeline)
{
    SvgCanvas canvas = { g_string_new(NULL), timeline_origin(timeline), 0 };
    g_autofree char *title = g_strdup_printf("Migration of '%s'", timeline->domain ? timeline->domain : "?");
    int height = SVG_TOP + SVG_LANES * SVG_LANE + 10;

    canvas.length_us = MAX(timeline_last(timeline) - canvas.origin_us, 1);
    g_string_append_printf(
        canvas.out,
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %d' width='%d' height='%d' "
        "font-family='sans-serif' font-size='11'>\n<rect width='%d' height='%d' fill='#fff'/>\n",
        SVG_WIDTH, height, SVG_WIDTH, height, SVG_WIDTH, height);
    svg_text(&canvas, 12, 24, "font-size='16' font-weight='bold'", title);
    svg_axis(&canvas);
    for (int side = 0; side < VT_TIMELINE_SIDE_COUNT; side++)
        svg_text(&canvas, 12, svg_lane_y((VtTimelineSide)side) + 15, "font-weight='bold'",
                 vt_timeline_side_name((VtTimelineSide)side));
    for (gsize i = 0; i < G_N_ELEMENTS(timeline_phases); i++) {
        const TimelinePhase *phase = &timeline_phases[i];
        TimelineSpan span;
        double x;

        if (!timeline_find_span(timeline, phase, &span))
            continue;
        svg_rect(&canvas, &span, svg_lane_y(phase->side), phase->colour, phase->name);
        x = svg_x(&canvas, span.from_us);
        if (svg_x(&canvas, span.to_us) - x > 50)
            svg_text(&canvas, x + 4, svg_lane_y(phase->side) + 15, "fill='#fff'", phase->name);
    }
    svg_points(&canvas, timeline);
    g_string_append(canvas.out, "</svg>\n");
    return g_string_free(canvas.out, FALSE);
}
