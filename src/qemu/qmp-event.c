/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/qmp-event.h"

#include "util/enum.h"

static const char *const event_names[] = {
    [VT_QMP_EVENT_OTHER] = NULL,
    [VT_QMP_EVENT_BALLOON_CHANGE] = "BALLOON_CHANGE",
    [VT_QMP_EVENT_BLOCK_IO_ERROR] = "BLOCK_IO_ERROR",
    [VT_QMP_EVENT_DEVICE_DELETED] = "DEVICE_DELETED",
    [VT_QMP_EVENT_DEVICE_UNPLUG_GUEST_ERROR] = "DEVICE_UNPLUG_GUEST_ERROR",
    [VT_QMP_EVENT_FAILOVER_NEGOTIATED] = "FAILOVER_NEGOTIATED",
    [VT_QMP_EVENT_GUEST_PANICKED] = "GUEST_PANICKED",
    [VT_QMP_EVENT_MIGRATION] = "MIGRATION",
    [VT_QMP_EVENT_MIGRATION_PASS] = "MIGRATION_PASS",
    [VT_QMP_EVENT_NIC_RX_FILTER_CHANGED] = "NIC_RX_FILTER_CHANGED",
    [VT_QMP_EVENT_POWERDOWN] = "POWERDOWN",
    [VT_QMP_EVENT_RESET] = "RESET",
    [VT_QMP_EVENT_RESUME] = "RESUME",
    [VT_QMP_EVENT_RTC_CHANGE] = "RTC_CHANGE",
    [VT_QMP_EVENT_SHUTDOWN] = "SHUTDOWN",
    [VT_QMP_EVENT_STOP] = "STOP",
    [VT_QMP_EVENT_SUSPEND] = "SUSPEND",
    [VT_QMP_EVENT_SUSPEND_DISK] = "SUSPEND_DISK",
    [VT_QMP_EVENT_UNPLUG_PRIMARY] = "UNPLUG_PRIMARY",
    [VT_QMP_EVENT_VSERPORT_CHANGE] = "VSERPORT_CHANGE",
    [VT_QMP_EVENT_WAKEUP] = "WAKEUP",
    [VT_QMP_EVENT_WATCHDOG] = "WATCHDOG",
};
VT_ENUM_TABLE(event_names, VT_QMP_EVENT_COUNT);

typedef struct {
    VtQmpEventKind kind;
    const char *member;
    char type; /* s string, i integer, b boolean */
    gboolean required;
    gsize offset;
} QmpEventField;

#define FIELD(k, m, t, r, f)                                                                                 \
    {                                                                                                        \
        .kind = VT_QMP_EVENT_##k, .member = m, .type = t, .required = r,                                     \
        .offset = G_STRUCT_OFFSET(VtQmpEventInfo, f)                                                         \
    }

static const QmpEventField event_fields[] = {
    FIELD(BALLOON_CHANGE, "actual", 'i', TRUE, number),
    FIELD(BLOCK_IO_ERROR, "device", 's', FALSE, device),
    FIELD(BLOCK_IO_ERROR, "node-name", 's', FALSE, device),
    FIELD(BLOCK_IO_ERROR, "operation", 's', FALSE, operation),
    FIELD(BLOCK_IO_ERROR, "action", 's', TRUE, action),
    FIELD(BLOCK_IO_ERROR, "reason", 's', FALSE, reason),
    FIELD(BLOCK_IO_ERROR, "nospace", 'b', FALSE, nospace),
    FIELD(DEVICE_DELETED, "device", 's', FALSE, device),
    FIELD(DEVICE_DELETED, "path", 's', TRUE, path),
    FIELD(DEVICE_UNPLUG_GUEST_ERROR, "device", 's', FALSE, device),
    FIELD(DEVICE_UNPLUG_GUEST_ERROR, "path", 's', TRUE, path),
    FIELD(FAILOVER_NEGOTIATED, "device-id", 's', TRUE, device),
    FIELD(GUEST_PANICKED, "action", 's', FALSE, action),
    FIELD(MIGRATION, "status", 's', TRUE, status),
    FIELD(MIGRATION_PASS, "pass", 'i', TRUE, number),
    FIELD(NIC_RX_FILTER_CHANGED, "name", 's', FALSE, device),
    FIELD(NIC_RX_FILTER_CHANGED, "path", 's', TRUE, path),
    FIELD(RESET, "guest", 'b', FALSE, guest),
    FIELD(RESET, "reason", 's', FALSE, reason),
    FIELD(RTC_CHANGE, "offset", 'i', TRUE, number),
    FIELD(SHUTDOWN, "guest", 'b', FALSE, guest),
    FIELD(SHUTDOWN, "reason", 's', FALSE, reason),
    FIELD(UNPLUG_PRIMARY, "device-id", 's', TRUE, device),
    FIELD(VSERPORT_CHANGE, "id", 's', TRUE, device),
    FIELD(VSERPORT_CHANGE, "open", 'b', TRUE, open),
    FIELD(WATCHDOG, "action", 's', TRUE, action),
};

const char *
vt_qmp_event_name(VtQmpEventKind kind)
{
    return vt_enum_name(event_names, G_N_ELEMENTS(event_names), (int)kind);
}

/* TRUE when @field is in @data with its type; an empty string is "not said". */
static gboolean
qmp_event_take(const QmpEventField *field, JsonObject *data, VtQmpEventInfo *info)
{
    JsonNode *node = data ? json_object_get_member(data, field->member) : NULL;
    GType type = node ? json_node_get_value_type(node) : G_TYPE_INVALID;
    gpointer at = G_STRUCT_MEMBER_P(info, field->offset);

    if (field->type == 's' && type == G_TYPE_STRING) {
        const char *text = json_node_get_string(node);

        if (*text)
            *(const char **)at = text;
    } else if (field->type == 'i' && type == G_TYPE_INT64) {
        *(gint64 *)at = json_node_get_int(node);
    } else if (field->type == 'b' && type == G_TYPE_BOOLEAN) {
        *(gboolean *)at = json_node_get_boolean(node);
    } else {
        return FALSE;
    }
    return TRUE;
}

VtQmpEventKind
vt_qmp_event_decode(const VtQmpEvent *event, VtQmpEventInfo *info)
{
    int kind = vt_enum_value(event_names, G_N_ELEMENTS(event_names), event->name);

    *info = (VtQmpEventInfo){ .kind = kind < 0 ? VT_QMP_EVENT_OTHER : (VtQmpEventKind)kind };
    for (gsize i = 0; i < G_N_ELEMENTS(event_fields); i++) {
        const QmpEventField *field = &event_fields[i];

        if (field->kind != info->kind || qmp_event_take(field, event->data, info) || !field->required)
            continue;
        *info = (VtQmpEventInfo){ .kind = VT_QMP_EVENT_OTHER };
        break;
    }
    return info->kind;
}
