/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "datapath/port-note.h"

#include "datapath/mirror.h"
#include "util/json.h"

#include <linux/neighbour.h>
#include <string.h>

gboolean
vt_port_note_take_link(VtNetlink *netlink, const VtLinkInfo *info, VtPortNote *note, GError **error)
{
    VtMirrorQdisc qdisc;

    if (!vt_mirror_qdisc(netlink, info->index, &qdisc, error))
        return FALSE;
    *note = (VtPortNote){
        .noted = TRUE,
        .ifindex = info->index,
        .master = info->master,
        .port = info->port,
        .is_tap = strcmp(info->kind, "tun") == 0,
        .queue_frames = info->tx_queue_length,
        .had_clsact = qdisc == VT_MIRROR_CLSACT,
    };
    g_strlcpy(note->name, info->name, sizeof note->name);
    return TRUE;
}

gboolean
vt_port_note_take(VtNetlink *netlink, const char *name, VtPortNote *note, gboolean *grew, GError **error)
{
    VtLinkInfo info;

    if (!vt_link_get(netlink, name, &info, error))
        return FALSE;
    if (!info.is_bridge_port)
        return vt_error_set(error, VT_ERROR_UNSUPPORTED,
                            "The interface '%s' is not a port of a Linux bridge.", info.name);
    if (note->noted && note->ifindex == info.index)
        return TRUE;
    if (!vt_port_note_take_link(netlink, &info, note, error))
        return FALSE;
    *grew = TRUE;
    return TRUE;
}

gboolean
vt_port_note_is_there(VtNetlink *netlink, const VtPortNote *note)
{
    VtLinkInfo info;

    return note->noted && vt_link_get(netlink, note->name, &info, NULL) && info.index == note->ifindex &&
           info.is_bridge_port;
}

void
vt_port_note_restore_link(VtNetlink *netlink, const VtPortNote *note, GError **first)
{
    vt_mirror_stop(netlink, note->ifindex, vt_port_note_first(first));
    if (!note->had_clsact)
        vt_mirror_remove_qdisc(netlink, note->ifindex, vt_port_note_first(first));
    if (note->is_tap)
        vt_link_set_tx_queue_length(netlink, note->name, note->queue_frames, vt_port_note_first(first));
}

void
vt_port_note_restore(VtNetlink *netlink, const VtPortNote *note, GError **first)
{
    vt_port_note_restore_link(netlink, note, first);
    vt_link_set_port(netlink, note->name, &note->port, vt_port_note_first(first));
}

gboolean
vt_port_note_pins(VtNetlink *netlink, int bridge, const VtMac *mac, GArray *pins, GError **error)
{
    g_autoptr(GArray) found = vt_fdb_list(netlink, bridge, 0, mac, error);

    if (!found)
        return FALSE;
    for (guint i = 0; i < found->len; i++) {
        VtFdbEntry *entry = &g_array_index(found, VtFdbEntry, i);

        if (entry->state & NUD_PERMANENT)
            return vt_error_set(
                error, VT_ERROR_UNSUPPORTED,
                "The team's MAC address is also that of a port of the bridge itself: give the "
                "host's side of the interface another one.");
        if (entry->state & NUD_NOARP)
            g_array_append_val(pins, *entry);
    }
    return TRUE;
}

void
vt_port_note_restore_pins(VtNetlink *netlink, const GArray *pins, GError **first)
{
    for (guint i = 0; i < pins->len; i++) {
        const VtFdbEntry *entry = &g_array_index(pins, VtFdbEntry, i);
        VtLinkInfo info;

        if (vt_link_get_by_index(netlink, entry->ifindex, &info, NULL) && info.is_bridge_port)
            vt_fdb_set(netlink, entry, vt_port_note_first(first));
    }
}

JsonObject *
vt_port_note_to_json(const VtPortNote *note)
{
    return vt_json_object_new("s:name", note->name, "i:ifindex", note->ifindex, "i:master", note->master,
                              "i:learning", (int)note->port.learning, "i:flood", (int)note->port.flood,
                              "i:mcast-flood", (int)note->port.mcast_flood, "i:bcast-flood",
                              (int)note->port.bcast_flood, "i:multicast-router",
                              (int)note->port.multicast_router, "b:tap", note->is_tap, "l:queue-frames",
                              (gint64)note->queue_frames, "b:clsact", note->had_clsact, NULL);
}

static gboolean
port_note_byte(JsonNode *node, const char *member, guint8 *value, GError **error)
{
    guint64 number;

    if (!vt_json_get_uint(node, member, &number, error))
        return FALSE;
    if (number > G_MAXUINT8)
        return vt_error_set(error, VT_ERROR_INVALID_ARG, "The number of '%s' is too large.", member);
    *value = (guint8)number;
    return TRUE;
}

gboolean
vt_port_note_from_json(JsonNode *node, VtPortNote *note, GError **error)
{
    VtPortNote out = { .noted = TRUE };
    const char *name;

    if (!vt_json_get_string(node, "name", &name, error) ||
        !port_note_byte(node, "learning", &out.port.learning, error) ||
        !port_note_byte(node, "flood", &out.port.flood, error) ||
        !port_note_byte(node, "mcast-flood", &out.port.mcast_flood, error) ||
        !port_note_byte(node, "bcast-flood", &out.port.bcast_flood, error) ||
        !port_note_byte(node, "multicast-router", &out.port.multicast_router, error))
        return FALSE;
    if (!vt_link_name_valid(name))
        return vt_error_set(error, VT_ERROR_INVALID_ARG, "'%s' cannot be the name of a network interface.",
                            name);
    g_strlcpy(out.name, name, sizeof out.name);
    out.ifindex = (int)CLAMP(vt_json_int_or(node, "ifindex", 0), 0, G_MAXINT);
    out.master = (int)CLAMP(vt_json_int_or(node, "master", 0), 0, G_MAXINT);
    out.is_tap = vt_json_bool_or(node, "tap", FALSE);
    out.queue_frames = (guint32)CLAMP(vt_json_int_or(node, "queue-frames", 1000), 0, G_MAXUINT32);
    out.had_clsact = vt_json_bool_or(node, "clsact", FALSE);
    *note = out;
    return TRUE;
}

JsonArray *
vt_port_note_pins_to_json(const GArray *pins)
{
    JsonArray *array = json_array_new();

    for (guint i = 0; i < pins->len; i++) {
        const VtFdbEntry *entry = &g_array_index(pins, VtFdbEntry, i);

        json_array_add_object_element(
            array, vt_json_object_new("i:ifindex", entry->ifindex, "i:vlan", (int)entry->vlan, "i:state",
                                      (int)entry->state, "i:flags", (int)entry->flags, NULL));
    }
    return array;
}

void
vt_port_note_pins_from_json(JsonArray *array, const VtMac *mac, GArray *pins)
{
    for (guint i = 0; i < json_array_get_length(array); i++) {
        JsonNode *node = json_array_get_element(array, i);
        VtFdbEntry entry = {
            .ifindex = (int)CLAMP(vt_json_int_or(node, "ifindex", 0), 0, G_MAXINT),
            .mac = *mac,
            .vlan = (guint16)CLAMP(vt_json_int_or(node, "vlan", 0), 0, 4095),
            .state = (guint16)CLAMP(vt_json_int_or(node, "state", NUD_NOARP), 0, G_MAXUINT16),
            .flags = (guint8)CLAMP(vt_json_int_or(node, "flags", NTF_MASTER), 0, G_MAXUINT8),
        };

        if (entry.ifindex > 0)
            g_array_append_val(pins, entry);
    }
}
