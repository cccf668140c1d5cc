/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A timeline as a table for a terminal. */
#include "qemu/timeline-phase.h"

static void
timeline_text_summary(const VtTimeline *timeline, GString *out)
{
    g_autofree char *story = vt_timeline_story(timeline);
    gint64 lost_us;
    guint losses = vt_timeline_losses(timeline, &lost_us);

    g_string_append(out, "\n");
    for (gsize i = 0; i < VT_TIMELINE_PHASES; i++) {
        const VtTimelinePhase *phase = &vt_timeline_phases[i];
        VtTimelineSpan span;

        if (!vt_timeline_find_span(timeline, phase, &span))
            continue;
        g_string_append_printf(out, "%-11s %-9s %9.3f s%s\n", vt_timeline_side_name(phase->side), phase->name,
                               (double)(span.to_us - span.from_us) / 1e6, span.open ? " (never ended)" : "");
    }
    if (losses)
        g_string_append_printf(out, "%-11s %-9s %9.3f s in %u gaps\n", "probe", "dark", (double)lost_us / 1e6,
                               losses);
    g_string_append_printf(out, "%s.\n", story);
}

char *
vt_timeline_to_text(const VtTimeline *timeline)
{
    GString *out = g_string_new(NULL);
    gint64 origin = vt_timeline_origin(timeline);

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
