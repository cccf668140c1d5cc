/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a timeline tells, in one line; and the two hosts' clocks.
 *
 * Each entry has the time of the host that noted it. Some things are the causes of others on the other host, so where a
 * consequence seems to come first, the clocks differ by at least that much: the destination's entries are moved until it does not.
 */
#include "qemu/timeline-phase.h"

static const VtTimelineEntry *
story_find(const VtTimeline *timeline, VtTimelineSide side, VtTimelineWhat what)
{
    for (guint i = 0; i < timeline->entries->len; i++) {
        const VtTimelineEntry *entry = g_ptr_array_index(timeline->entries, i);

        if (entry->side == side && entry->what == what)
            return entry;
    }
    return NULL;
}

/* An act of Perform at the source, which has the destination's answer by then. */
static const VtTimelineEntry *
story_find_perform(const VtTimeline *timeline)
{
    for (guint i = 0; i < timeline->entries->len; i++) {
        const VtTimelineEntry *entry = g_ptr_array_index(timeline->entries, i);

        if (entry->side == VT_TIMELINE_SOURCE &&
            (entry->what == VT_TIMELINE_UNPLUG_ASKED || entry->what == VT_TIMELINE_TRANSFER))
            return entry;
    }
    return NULL;
}

gint64
vt_timeline_skew(const VtTimeline *timeline)
{
    const VtTimelineEntry *begin = story_find(timeline, VT_TIMELINE_SOURCE, VT_TIMELINE_BEGIN);
    const VtTimelineEntry *prepared = story_find(timeline, VT_TIMELINE_DESTINATION, VT_TIMELINE_PREPARED);
    const VtTimelineEntry *perform = story_find_perform(timeline);
    const VtTimelineEntry *completed = story_find(timeline, VT_TIMELINE_SOURCE, VT_TIMELINE_COMPLETED);
    const VtTimelineEntry *resume = story_find(timeline, VT_TIMELINE_DESTINATION, VT_TIMELINE_RESUME);

    gint64 behind = 0;

    if (begin && prepared)
        behind = MAX(behind, begin->t_us - prepared->t_us);
    if (completed && resume)
        behind = MAX(behind, completed->t_us - resume->t_us);
    if (behind)
        return behind;
    if (prepared && perform && prepared->t_us > perform->t_us)
        return perform->t_us - prepared->t_us;
    return 0;
}

gboolean
vt_timeline_find_still(const VtTimeline *timeline, VtTimelineSpan *span)
{
    gint64 from = -1;

    for (guint i = 0; i < timeline->entries->len; i++) {
        const VtTimelineEntry *entry = g_ptr_array_index(timeline->entries, i);

        if (from < 0 && entry->side == VT_TIMELINE_SOURCE && entry->what == VT_TIMELINE_STOP)
            from = entry->t_us;
        if (from >= 0 && entry->what == VT_TIMELINE_RESUME) {
            *span = (VtTimelineSpan){ .from_us = from, .to_us = entry->t_us };
            return TRUE;
        }
    }
    *span = (VtTimelineSpan){ .from_us = from, .to_us = vt_timeline_last(timeline), .open = TRUE };
    return from >= 0;
}

/* How it ended, and whether the other host's file would tell more. */
static void
story_end(const VtTimeline *timeline, GString *out)
{
    const VtTimelineEntry *failed = story_find(timeline, VT_TIMELINE_SOURCE, VT_TIMELINE_FAILED);
    const VtTimelineEntry *cancelled = story_find(timeline, VT_TIMELINE_SOURCE, VT_TIMELINE_CANCELLED);
    const VtTimelineEntry *resume = story_find(timeline, VT_TIMELINE_DESTINATION, VT_TIMELINE_RESUME);
    const VtTimelineEntry *end = story_find(timeline, VT_TIMELINE_SOURCE, VT_TIMELINE_END);

    if (cancelled)
        g_string_append(out, "Cancelled");
    else if (failed)
        g_string_append(out, "Failed");
    else if (resume)
        g_string_append(out, "The guest has moved");
    else if (story_find(timeline, VT_TIMELINE_SOURCE, VT_TIMELINE_COMPLETED) && end)
        g_string_append(out, "The guest has moved (what came after is in the destination's file: --with)");
    else
        g_string_append(out, end ? "Ended" : "Under way");
}

guint
vt_timeline_losses(const VtTimeline *timeline, gint64 *us)
{
    guint gaps = 0;

    *us = 0;
    for (guint i = 0; i < timeline->entries->len; i++) {
        const VtTimelineEntry *entry = g_ptr_array_index(timeline->entries, i);

        if (entry->what != VT_TIMELINE_LOST)
            continue;
        gaps++;
        *us += entry->duration_us;
    }
    return gaps;
}

char *
vt_timeline_story(const VtTimeline *timeline)
{
    const VtTimelineEntry *ejected = story_find(timeline, VT_TIMELINE_SOURCE, VT_TIMELINE_EJECTED);
    const VtTimelineEntry *back = story_find(timeline, VT_TIMELINE_DESTINATION, VT_TIMELINE_REPLUGGED);
    GString *out = g_string_new(NULL);
    VtTimelineSpan still;
    gint64 lost_us;
    guint gaps = vt_timeline_losses(timeline, &lost_us);

    if (!back)
        back = story_find(timeline, VT_TIMELINE_SOURCE, VT_TIMELINE_REPLUGGED);
    story_end(timeline, out);
    if (vt_timeline_find_still(timeline, &still) && !still.open)
        g_string_append_printf(out, "; it stood still for %.0f ms",
                               (double)(still.to_us - still.from_us) / 1e3);
    if (ejected && back && back->t_us > ejected->t_us)
        g_string_append_printf(out, "; without its primary for %.2f s",
                               (double)(back->t_us - ejected->t_us) / 1e6);
    if (gaps)
        g_string_append_printf(out, "; packets were lost for %.0f ms%s", (double)lost_us / 1e3,
                               gaps > 1 ? " in all" : "");
    return g_string_free(out, FALSE);
}
