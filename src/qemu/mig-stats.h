/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What QEMU says about a migration under way.
 */
#pragma once

#include <json-glib/json-glib.h>
#include "util/error.h"

typedef enum {
    VT_MIG_STATUS_NONE,
    VT_MIG_STATUS_SETUP,
    VT_MIG_STATUS_WAIT_UNPLUG,
    VT_MIG_STATUS_ACTIVE,
    VT_MIG_STATUS_PRE_SWITCHOVER,
    VT_MIG_STATUS_DEVICE,
    VT_MIG_STATUS_CANCELLING,
    VT_MIG_STATUS_COMPLETED,
    VT_MIG_STATUS_CANCELLED,
    VT_MIG_STATUS_FAILED,
    VT_MIG_STATUS_OTHER, /* one that our migrations never have (post-copy, COLO) */
    VT_MIG_STATUS_COUNT
} VtMigStatus;

/** QEMU's word for a status; NULL for OTHER. */
const char *vt_mig_status_name(VtMigStatus status);

/** Status of a word; OTHER for one that is not known. @name may be NULL (NONE). */
VtMigStatus vt_mig_status_parse(const char *name);

/** TRUE while QEMU has a migration that is neither over nor not begun. */
gboolean vt_mig_status_is_active(VtMigStatus status);

typedef struct {
    VtMigStatus status;
    guint64 total_time_ms, setup_time_ms, downtime_ms;
    gboolean has_downtime;                             /* measured, or expected while it runs */
    guint64 ram_total, ram_transferred, ram_remaining; /* bytes */
    guint64 ram_bps;                                   /* bytes per second */
    guint64 ram_duplicate, ram_normal;                 /* pages */
    guint64 ram_normal_bytes, ram_page_size;
    guint64 ram_dirty_pages_rate; /* pages per second */
    guint64 ram_iteration, ram_postcopy_requests;
    char *error_desc; /* (nullable) why it failed */
} VtMigStats;

/**
 * vt_mig_stats_parse - read the answer to query-migrate
 * @node:  the "return" value
 * @stats: (out) what it says; what it does not say is 0
 *
 * Numbers that are negative or of another type count as not said: they come from a process that a guest may
 * have taken over.
 * Source: QEMU qapi/migration.json, MigrationInfo.
 */
void vt_mig_stats_parse(JsonNode *node, VtMigStats *stats);

/** Free what it holds. */
void vt_mig_stats_clear(VtMigStats *stats);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VtMigStats, vt_mig_stats_clear)
