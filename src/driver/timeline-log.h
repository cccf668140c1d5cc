/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing the timeline of a migration while it happens: one file a migration and host, below the log
 * directory (migrations/NAME-MIGRATION.jsonl). A timeline is for people: what cannot be written is warned
 * of once and never in a migration's way.
 */
#pragma once

#include "qemu/timeline.h"

typedef struct _VtTimelineLog VtTimelineLog;

/* Under this key (vt_domain_set_data) hangs the log of the migration that a domain is in, or last arrived by: what
 * concerns its legs is noted there by whoever sees it. */
#define VT_TIMELINE_LOG_KEY "timeline-log"

/**
 * vt_timeline_log_open - begin, or after a restart go on with, the file of one migration
 * @log_dir:   the driver's log directory
 * @migration: its UUID
 * @domain:    name of the domain
 * @host:      name of this host
 * @side:      which side this host is
 *
 * Keeps the newest VT_TIMELINE_LOG_KEPT files of a domain.
 * Return: (transfer full), also when the file cannot be opened.
 */
VtTimelineLog *vt_timeline_log_open(const char *log_dir, const char *migration, const char *domain,
                                    const char *host, VtTimelineSide side);

#define VT_TIMELINE_LOG_KEPT 20

/**
 * vt_timeline_log_note - something has happened now
 * @log:    (nullable) NULL: nothing is noted
 * @what:   what
 * @team:   (nullable) alias of the persistent leg
 * @detail: (nullable) words for people
 */
void vt_timeline_log_note(VtTimelineLog *log, VtTimelineWhat what, const char *team, const char *detail);

/**
 * vt_timeline_log_adopt - take over what the other host noted, as it came in a cookie
 * @log:  (nullable)
 * @text: a timeline's text; what is not one, or of another migration, is left out
 */
void vt_timeline_log_adopt(VtTimelineLog *log, const char *text);

/** What was noted so far on this host, as a timeline's text, for a cookie; (transfer full). */
char *vt_timeline_log_text(const VtTimelineLog *log);

/** Path of the file, for messages; NULL when it could not be opened. (transfer none) */
const char *vt_timeline_log_path(const VtTimelineLog *log);

/** Close the file; accepts NULL. */
void vt_timeline_log_close(VtTimelineLog *log);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtTimelineLog, vt_timeline_log_close)
