/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The timeline of one migration: what happened on both hosts, when, and to which leg of which team.
 *
 * A file of JSON lines, so that it can be written as things happen and a torn last line loses only itself:
 * the first line is the head {"virtteam-timeline": 1, "migration": ..., "domain": ..., "host": ...}, each
 * further one an entry {"t": wall clock in microseconds, "side": "source", "what": "unplug-asked", ...}.
 * The source's file also gets the destination's entries, as far as they arrive in cookies.
 */
#pragma once

#include "util/error.h"

typedef enum {
    VT_TIMELINE_SOURCE,
    VT_TIMELINE_DESTINATION,
    VT_TIMELINE_PROBE, /* lost or late packets, noted by a measuring tool */
    VT_TIMELINE_SIDE_COUNT
} VtTimelineSide;

/* What an entry says. The names are stable: scripts read them. */
typedef enum {
    VT_TIMELINE_BEGIN,          /* a client asked for the migration */
    VT_TIMELINE_PREPARED,       /* the destination's QEMU waits */
    VT_TIMELINE_UNPLUG_ASKED,   /* QEMU asked the guest to eject a primary */
    VT_TIMELINE_EJECTED,        /* the guest let go of it */
    VT_TIMELINE_UNPLUG_TIMEOUT, /* it did not, in time */
    VT_TIMELINE_TRANSFER,       /* memory is being copied */
    VT_TIMELINE_STOP,           /* the source's CPUs stand still */
    VT_TIMELINE_SWITCHOVER,     /* device state is being sent */
    VT_TIMELINE_COMPLETED,      /* the source's QEMU has sent everything */
    VT_TIMELINE_RESUME,         /* CPUs run (destination; source after a failure) */
    VT_TIMELINE_NEGOTIATED,     /* the guest's driver took STANDBY */
    VT_TIMELINE_REPLUGGED,      /* a primary is back in the guest */
    VT_TIMELINE_DATAPATH,       /* the host's side of a team was switched; detail says to which leg */
    VT_TIMELINE_CANCELLED,
    VT_TIMELINE_FAILED, /* detail says why */
    VT_TIMELINE_END,    /* nothing of this migration is left to do here */
    VT_TIMELINE_LOST,   /* PROBE: packets lost from .t on, for .duration_us */
    VT_TIMELINE_WHAT_COUNT
} VtTimelineWhat;

typedef struct {
    gint64 t_us; /* microseconds since 1970, of the host that noted it */
    VtTimelineSide side;
    VtTimelineWhat what;
    gint64 duration_us; /* 0: a point in time */
    char *team;         /* (nullable) alias of the persistent leg */
    char *detail;       /* (nullable) words for people */
} VtTimelineEntry;

typedef struct {
    char *migration; /* UUID of the migration, the same on both hosts */
    char *domain;
    char *host;
    GPtrArray *entries; /* of VtTimelineEntry *, sorted by time after vt_timeline_parse() */
} VtTimeline;

VtTimeline *vt_timeline_new(const char *migration, const char *domain, const char *host);
void vt_timeline_free(VtTimeline *timeline);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtTimeline, vt_timeline_free)

/**
 * vt_timeline_add - note an entry
 * @timeline: the timeline
 * @entry:    copied
 *
 * Return: (transfer none) the copy.
 */
const VtTimelineEntry *vt_timeline_add(VtTimeline *timeline, const VtTimelineEntry *entry);

/** The head line, with its newline; (transfer full). */
char *vt_timeline_head_line(const VtTimeline *timeline);

/** One entry as its line, with its newline; (transfer full). */
char *vt_timeline_entry_line(const VtTimelineEntry *entry);

/**
 * vt_timeline_parse - read a timeline file's text
 * @text:  UTF-8 or not; at most 16 MiB
 * @error: (out) INVALID_ARG: no timeline, naming the line that is wrong
 *
 * A torn last line (no newline at its end) is left out. Unknown members are ignored, an unknown "what" or
 * "side" is an error. Entries come out sorted by time, those of one time in the order of the file.
 * Return: (transfer full) the timeline.
 */
VtTimeline *vt_timeline_parse(const char *text, GError **error);

/** TRUE when the same moment of the same side is there already: it came over in a cookie, too. */
gboolean vt_timeline_has(const VtTimeline *timeline, const VtTimelineEntry *entry);

/** Add copies of the entries of @other that are not there yet, keeping the order by time. */
void vt_timeline_merge(VtTimeline *timeline, const VtTimeline *other);

/**
 * vt_timeline_skew - how far the hosts' clocks are apart at least
 * @timeline: sorted, with both hosts' entries
 *
 * Return: microseconds that have to be added to the destination's times, so that nothing comes before its cause; 0: none.
 */
gint64 vt_timeline_skew(const VtTimeline *timeline);

/** Add microseconds to the times of one host's entries, keeping the order by time. */
void vt_timeline_shift(VtTimeline *timeline, VtTimelineSide side, gint64 by_us);

const char *vt_timeline_side_name(VtTimelineSide side);
const char *vt_timeline_what_name(VtTimelineWhat what);

/**
 * vt_timeline_to_text - a table for a terminal: time since the first entry, side, team, event, detail
 * @timeline: sorted
 *
 * Return: (transfer full) lines, a summary of phases and of lost packets and one sentence at the end.
 */
char *vt_timeline_to_text(const VtTimeline *timeline);

/**
 * vt_timeline_to_svg - a picture: one lane a host, with phases as bars and a track a leg, losses as red bars
 * @timeline: sorted
 *
 * Return: (transfer full) a complete SVG document.
 */
char *vt_timeline_to_svg(const VtTimeline *timeline);
