/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Phases of a migration: spans between two entries of one side. One whose end is missing runs to the last entry and is
 * marked as open, so that a migration that hung shows where.
 */
#pragma once

#include "qemu/timeline.h"

typedef struct {
    const char *name;
    VtTimelineWhat from, to, or_to;
    VtTimelineSide side;
    const char *colour;
} VtTimelinePhase;

typedef struct {
    gint64 from_us, to_us;
    gboolean open;
} VtTimelineSpan;

#define VT_TIMELINE_PHASES 5
extern const VtTimelinePhase vt_timeline_phases[VT_TIMELINE_PHASES];

/** When the first entry was noted; 0 without entries. */
gint64 vt_timeline_origin(const VtTimeline *timeline);

/** When the last thing ended. */
gint64 vt_timeline_last(const VtTimeline *timeline);

/** The first span of a phase; FALSE when it never began. */
gboolean vt_timeline_find_span(const VtTimeline *timeline, const VtTimelinePhase *phase,
                               VtTimelineSpan *span);

/** How many gaps a probe has seen, and how long they were together. */
guint vt_timeline_losses(const VtTimeline *timeline, gint64 *us);

/** When the guest's processors ran nowhere: from their stop at the source until they go on at either host; FALSE: never. */
gboolean vt_timeline_find_still(const VtTimeline *timeline, VtTimelineSpan *span);

/** What it tells, in one line: how it ended, how long the guest stood still and was without its primary; (transfer full). */
char *vt_timeline_story(const VtTimeline *timeline);
