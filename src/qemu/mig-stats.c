/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/mig-stats.h"

#include "util/enum.h"
#include "util/json.h"

static const char *const mig_status_names[] = {
    [VT_MIG_STATUS_NONE] = "none",
    [VT_MIG_STATUS_SETUP] = "setup",
    [VT_MIG_STATUS_WAIT_UNPLUG] = "wait-unplug",
    [VT_MIG_STATUS_ACTIVE] = "active",
    [VT_MIG_STATUS_PRE_SWITCHOVER] = "pre-switchover",
    [VT_MIG_STATUS_DEVICE] = "device",
    [VT_MIG_STATUS_CANCELLING] = "cancelling",
    [VT_MIG_STATUS_COMPLETED] = "completed",
    [VT_MIG_STATUS_CANCELLED] = "cancelled",
    [VT_MIG_STATUS_FAILED] = "failed",
    [VT_MIG_STATUS_OTHER] = NULL,
};
VT_ENUM_TABLE(mig_status_names, VT_MIG_STATUS_COUNT);

const char *
vt_mig_status_name(VtMigStatus status)
{
    return vt_enum_name(mig_status_names, G_N_ELEMENTS(mig_status_names), (int)status);
}

VtMigStatus
vt_mig_status_parse(const char *name)
{
    int status = vt_enum_value(mig_status_names, G_N_ELEMENTS(mig_status_names), name);

    if (!name)
        return VT_MIG_STATUS_NONE;
    return status < 0 ? VT_MIG_STATUS_OTHER : (VtMigStatus)status;
}

gboolean
vt_mig_status_is_active(VtMigStatus status)
{
    switch (status) {
    case VT_MIG_STATUS_NONE:
    case VT_MIG_STATUS_COMPLETED:
    case VT_MIG_STATUS_CANCELLED:
    case VT_MIG_STATUS_FAILED:
    case VT_MIG_STATUS_COUNT:
        return FALSE;
    case VT_MIG_STATUS_SETUP:
    case VT_MIG_STATUS_WAIT_UNPLUG:
    case VT_MIG_STATUS_ACTIVE:
    case VT_MIG_STATUS_PRE_SWITCHOVER:
    case VT_MIG_STATUS_DEVICE:
    case VT_MIG_STATUS_CANCELLING:
    case VT_MIG_STATUS_OTHER:
        break;
    }
    return TRUE;
}

typedef struct {
    const char *path;
    gsize offset;
} MigStatsField;

#define FIELD(p, f)                                                                                          \
    {                                                                                                        \
        .path = p, .offset = G_STRUCT_OFFSET(VtMigStats, f)                                                  \
    }

static const MigStatsField mig_stats_fields[] = {
    FIELD("total-time", total_time_ms),
    FIELD("setup-time", setup_time_ms),
    FIELD("ram.total", ram_total),
    FIELD("ram.transferred", ram_transferred),
    FIELD("ram.remaining", ram_remaining),
    FIELD("ram.duplicate", ram_duplicate),
    FIELD("ram.normal", ram_normal),
    FIELD("ram.normal-bytes", ram_normal_bytes),
    FIELD("ram.page-size", ram_page_size),
    FIELD("ram.dirty-pages-rate", ram_dirty_pages_rate),
    FIELD("ram.dirty-sync-count", ram_iteration),
    FIELD("ram.postcopy-requests", ram_postcopy_requests),
};

void
vt_mig_stats_parse(JsonNode *node, VtMigStats *stats)
{
    gint64 downtime = vt_json_int_or(node, "downtime", -1);
    JsonNode *mbps = vt_json_find(node, "ram.mbps");
    double rate = 0;

    *stats = (VtMigStats){ .status = vt_mig_status_parse(vt_json_string_or(node, "status", NULL)) };
    for (gsize i = 0; i < G_N_ELEMENTS(mig_stats_fields); i++) {
        gint64 value = vt_json_int_or(node, mig_stats_fields[i].path, 0);

        *(guint64 *)G_STRUCT_MEMBER_P(stats, mig_stats_fields[i].offset) = (guint64)MAX(value, 0);
    }
    if (downtime < 0)
        downtime = vt_json_int_or(node, "expected-downtime", -1);
    stats->has_downtime = downtime >= 0;
    stats->downtime_ms = (guint64)MAX(downtime, 0);
    /* Megabits per second. */
    if (mbps && JSON_NODE_HOLDS_VALUE(mbps))
        rate = json_node_get_double(mbps) * 1000.0 * 1000.0 / 8.0;
    stats->ram_bps = rate > 0 && rate < 1e18 ? (guint64)rate : 0;
    stats->error_desc = g_strdup(vt_json_string_or(node, "error-desc", NULL));
}

void
vt_mig_stats_clear(VtMigStats *stats)
{
    g_clear_pointer(&stats->error_desc, g_free);
}
