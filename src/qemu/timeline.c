/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/timeline.h"

#include <string.h>
#include "util/enum.h"
#include "util/json.h"

#define TIMELINE_VERSION         1
#define TIMELINE_MAX_BYTES       (16 * 1024 * 1024)
#define TIMELINE_US_MAX          (G_GINT64_CONSTANT(1) << 53) /* sums and differences fit, too */
#define TIMELINE_DURATION_MAX_US (G_GINT64_CONSTANT(86400) * G_USEC_PER_SEC)

static const char *const timeline_sides[] = {
    [VT_TIMELINE_SOURCE] = "source",
    [VT_TIMELINE_DESTINATION] = "destination",
    [VT_TIMELINE_PROBE] = "probe",
};
VT_ENUM_TABLE(timeline_sides, VT_TIMELINE_SIDE_COUNT);

static const char *const timeline_whats[] = {
    [VT_TIMELINE_BEGIN] = "begin",
    [VT_TIMELINE_PREPARED] = "prepared",
    [VT_TIMELINE_UNPLUG_ASKED] = "unplug-asked",
    [VT_TIMELINE_EJECTED] = "ejected",
    [VT_TIMELINE_UNPLUG_TIMEOUT] = "unplug-timeout",
    [VT_TIMELINE_TRANSFER] = "transfer",
    [VT_TIMELINE_STOP] = "stop",
    [VT_TIMELINE_SWITCHOVER] = "switchover",
    [VT_TIMELINE_COMPLETED] = "completed",
    [VT_TIMELINE_RESUME] = "resume",
    [VT_TIMELINE_NEGOTIATED] = "negotiated",
    [VT_TIMELINE_REPLUGGED] = "replugged",
    [VT_TIMELINE_DATAPATH] = "datapath",
    [VT_TIMELINE_CANCELLED] = "cancelled",
    [VT_TIMELINE_FAILED] = "failed",
    [VT_TIMELINE_END] = "end",
    [VT_TIMELINE_LOST] = "lost",
};
VT_ENUM_TABLE(timeline_whats, VT_TIMELINE_WHAT_COUNT);

const char *
vt_timeline_side_name(VtTimelineSide side)
{
    return vt_enum_name(timeline_sides, VT_TIMELINE_SIDE_COUNT, (int)side);
}

const char *
vt_timeline_what_name(VtTimelineWhat what)
{
    return vt_enum_name(timeline_whats, VT_TIMELINE_WHAT_COUNT, (int)what);
}

static void
timeline_entry_free(gpointer data)
{
    VtTimelineEntry *entry = data;

    g_free(entry->team);
    g_free(entry->detail);
    g_free(entry);
}

VtTimeline *
vt_timeline_new(const char *migration, const char *domain, const char *host)
{
    VtTimeline *timeline = g_new0(VtTimeline, 1);

    timeline->migration = g_strdup(migration);
    timeline->domain = g_strdup(domain);
    timeline->host = g_strdup(host);
    timeline->entries = g_ptr_array_new_with_free_func(timeline_entry_free);
    return timeline;
}

void
vt_timeline_free(VtTimeline *timeline)
{
    if (!timeline)
        return;
    g_free(timeline->migration);
    g_free(timeline->domain);
    g_free(timeline->host);
    g_ptr_array_unref(timeline->entries);
    g_free(timeline);
}

const VtTimelineEntry *
vt_timeline_add(VtTimeline *timeline, const VtTimelineEntry *entry)
{
    VtTimelineEntry *copy = g_new(VtTimelineEntry, 1);

    *copy = *entry;
    copy->team = g_strdup(entry->team);
    copy->detail = g_strdup(entry->detail);
    g_ptr_array_add(timeline->entries, copy);
    return copy;
}

static char *
timeline_line(JsonObject *object)
{
    g_autofree char *text = vt_json_object_to_string(object);

    return g_strconcat(text, "\n", NULL);
}

char *
vt_timeline_head_line(const VtTimeline *timeline)
{
    g_autoptr(JsonObject) object = json_object_new();

    json_object_set_int_member(object, "virtteam-timeline", TIMELINE_VERSION);
    json_object_set_string_member(object, "migration", timeline->migration);
    json_object_set_string_member(object, "domain", timeline->domain);
    json_object_set_string_member(object, "host", timeline->host);
    return timeline_line(object);
}

char *
vt_timeline_entry_line(const VtTimelineEntry *entry)
{
    g_autoptr(JsonObject) object = json_object_new();

    json_object_set_int_member(object, "t", entry->t_us);
    json_object_set_string_member(object, "side", vt_timeline_side_name(entry->side));
    json_object_set_string_member(object, "what", vt_timeline_what_name(entry->what));
    if (entry->duration_us)
        json_object_set_int_member(object, "duration", entry->duration_us);
    if (entry->team)
        json_object_set_string_member(object, "team", entry->team);
    if (entry->detail)
        json_object_set_string_member(object, "detail", entry->detail);
    return timeline_line(object);
}

static gboolean
timeline_parse_entry(VtTimeline *timeline, JsonNode *object, guint number, GError **error)
{
    VtTimelineEntry entry = { 0 };
    const char *side = vt_json_string_or(object, "side", NULL);
    const char *what = vt_json_string_or(object, "what", NULL);
    int side_value = vt_enum_value(timeline_sides, VT_TIMELINE_SIDE_COUNT, side);
    int what_value = vt_enum_value(timeline_whats, VT_TIMELINE_WHAT_COUNT, what);

    entry.t_us = vt_json_int_or(object, "t", -1);
    entry.duration_us = vt_json_int_or(object, "duration", 0);
    if (entry.t_us < 0 || entry.t_us > TIMELINE_US_MAX)
        return vt_error_set(error, VT_ERROR_INVALID_ARG, "Line %u of the timeline has no time 't'.", number);
    if (side_value < 0)
        return vt_error_set(error, VT_ERROR_INVALID_ARG, "Line %u of the timeline has an unknown side '%s'.",
                            number, side ? side : "");
    if (what_value < 0)
        return vt_error_set(error, VT_ERROR_INVALID_ARG, "Line %u of the timeline has an unknown event '%s'.",
                            number, what ? what : "");
    if (entry.duration_us < 0 || entry.duration_us > TIMELINE_DURATION_MAX_US)
        return vt_error_set(error, VT_ERROR_INVALID_ARG,
                            "Line %u of the timeline has a duration that is negative or longer than a day.",
                            number);
    entry.side = (VtTimelineSide)side_value;
    entry.what = (VtTimelineWhat)what_value;
    entry.team = (char *)vt_json_string_or(object, "team", NULL);
    entry.detail = (char *)vt_json_string_or(object, "detail", NULL);
    vt_timeline_add(timeline, &entry);
    return TRUE;
}

static VtTimeline *
timeline_parse_head(JsonNode *object)
{
    if (!object || vt_json_int_or(object, "virtteam-timeline", 0) != TIMELINE_VERSION)
        return NULL;
    return vt_timeline_new(vt_json_string_or(object, "migration", NULL),
                           vt_json_string_or(object, "domain", NULL),
                           vt_json_string_or(object, "host", NULL));
}

/* Insertion sort: stable, and the input is nearly sorted (each host writes in order). */
static void
timeline_sort(VtTimeline *timeline)
{
    GPtrArray *entries = timeline->entries;

    for (guint i = 1; i < entries->len; i++) {
        VtTimelineEntry *moving = g_ptr_array_index(entries, i);
        guint j = i;

        while (j > 0 && ((VtTimelineEntry *)g_ptr_array_index(entries, j - 1))->t_us > moving->t_us) {
            g_ptr_array_index(entries, j) = g_ptr_array_index(entries, j - 1);
            j--;
        }
        g_ptr_array_index(entries, j) = moving;
    }
}

VtTimeline *
vt_timeline_parse(const char *text, GError **error)
{
    g_autoptr(VtTimeline) timeline = NULL;
    const char *line = text;
    guint number = 0;

    if (strlen(text) > TIMELINE_MAX_BYTES) {
        vt_error_set(error, VT_ERROR_INVALID_ARG, "The timeline is larger than 16 MiB.");
        return NULL;
    }
    for (const char *end; (end = strchr(line, '\n')); line = end + 1) {
        g_autoptr(JsonNode) object = vt_json_parse(line, (gsize)(end - line), NULL);

        number++;
        if (!timeline) {
            timeline = timeline_parse_head(object);
            if (!timeline) {
                vt_error_set(error, VT_ERROR_INVALID_ARG,
                             "This is no timeline of a migration: its first line is not a timeline's head.");
                return NULL;
            }
            continue;
        }
        if (!object || !JSON_NODE_HOLDS_OBJECT(object)) {
            vt_error_set(error, VT_ERROR_INVALID_ARG, "Line %u of the timeline is not a JSON object.",
                         number);
            return NULL;
        }
        if (!timeline_parse_entry(timeline, object, number, error))
            return NULL;
    }
    if (!timeline) {
        vt_error_set(error, VT_ERROR_INVALID_ARG, "This is no timeline of a migration: it is empty.");
        return NULL;
    }
    timeline_sort(timeline);
    return g_steal_pointer(&timeline);
}

gboolean
vt_timeline_has(const VtTimeline *timeline, const VtTimelineEntry *entry)
{
    for (guint i = 0; i < timeline->entries->len; i++) {
        const VtTimelineEntry *there = g_ptr_array_index(timeline->entries, i);

        if (there->t_us == entry->t_us && there->side == entry->side && there->what == entry->what &&
            g_strcmp0(there->team, entry->team) == 0)
            return TRUE;
    }
    return FALSE;
}

void
vt_timeline_merge(VtTimeline *timeline, const VtTimeline *other)
{
    for (guint i = 0; i < other->entries->len; i++) {
        const VtTimelineEntry *entry = g_ptr_array_index(other->entries, i);

        if (!vt_timeline_has(timeline, entry))
            vt_timeline_add(timeline, entry);
    }
    timeline_sort(timeline);
}

void
vt_timeline_shift(VtTimeline *timeline, VtTimelineSide side, gint64 by_us)
{
    for (guint i = 0; i < timeline->entries->len; i++) {
        VtTimelineEntry *entry = g_ptr_array_index(timeline->entries, i);

        if (entry->side == side)
            entry->t_us += by_us;
    }
    timeline_sort(timeline);
}
