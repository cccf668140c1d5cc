/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/timeline-phase.h"

const VtTimelinePhase vt_timeline_phases[VT_TIMELINE_PHASES] = {
    { "unplug", VT_TIMELINE_UNPLUG_ASKED, VT_TIMELINE_EJECTED, VT_TIMELINE_UNPLUG_TIMEOUT, VT_TIMELINE_SOURCE,
      "#e0a030" },
    { "transfer", VT_TIMELINE_TRANSFER, VT_TIMELINE_STOP, VT_TIMELINE_FAILED, VT_TIMELINE_SOURCE, "#5b8dd9" },
    { "stopped", VT_TIMELINE_STOP, VT_TIMELINE_COMPLETED, VT_TIMELINE_RESUME, VT_TIMELINE_SOURCE, "#404040" },
    { "waiting", VT_TIMELINE_PREPARED, VT_TIMELINE_RESUME, VT_TIMELINE_FAILED, VT_TIMELINE_DESTINATION,
      "#8296b8" },
    { "replug", VT_TIMELINE_RESUME, VT_TIMELINE_REPLUGGED, VT_TIMELINE_FAILED, VT_TIMELINE_DESTINATION,
      "#e0a030" },
};

gint64
vt_timeline_origin(const VtTimeline *timeline)
{
    return timeline->entries->len ? ((VtTimelineEntry *)g_ptr_array_index(timeline->entries, 0))->t_us : 0;
}

gint64
vt_timeline_last(const VtTimeline *timeline)
{
    gint64 last = vt_timeline_origin(timeline);

    for (guint i = 0; i < timeline->entries->len; i++) {
        const VtTimelineEntry *entry = g_ptr_array_index(timeline->entries, i);

        last = MAX(last, entry->t_us + entry->duration_us);
    }
    return last;
}

gboolean
vt_timeline_find_span(const VtTimeline *timeline, const VtTimelinePhase *phase, VtTimelineSpan *span)
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
        span->to_us = vt_timeline_last(timeline);
        span->open = TRUE;
    }
    return begun;
}
