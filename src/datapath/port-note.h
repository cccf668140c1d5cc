/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What was there before us: settings of a bridge's port, and entries for the guest's address made by others.
 */
#pragma once

#include "datapath/fdb.h"
#include "util/link.h"

#include <json-glib/json-glib.h>

typedef struct {
    gboolean noted;
    char name[IF_NAMESIZE];
    int ifindex;
    int master; /* ifindex of its bridge */
    VtLinkPort port;
    gboolean is_tap;
    guint32 queue_frames;
    gboolean had_clsact;
} VtPortNote;

/**
 * vt_port_note_take - read what is there now
 * @netlink: handle
 * @name:    interface, a port of a Linux bridge
 * @note:    a note of the same interface is kept as it is; one of another interface that had its name is replaced
 * @grew:    set to TRUE when something was noted; else left alone
 * @error:   (out) NO_DEVICE, UNSUPPORTED when it is no port of a bridge, SYSTEM, TIMEOUT
 *
 * Return: FALSE on failure, with @note as it was.
 */
gboolean vt_port_note_take(VtNetlink *netlink, const char *name, VtPortNote *note, gboolean *grew,
                           GError **error);

/**
 * vt_port_note_take_link - the part of it that every interface has
 * @netlink: handle
 * @info:    of the interface
 * @note:    (out) set only on success; of .port it holds what @info has
 * @error:   (out) SYSTEM, TIMEOUT
 *
 * Return: FALSE on failure.
 */
gboolean vt_port_note_take_link(VtNetlink *netlink, const VtLinkInfo *info, VtPortNote *note, GError **error);

/** Whether the noted interface is still there, under its name and number, as a port of a bridge. */
gboolean vt_port_note_is_there(VtNetlink *netlink, const VtPortNote *note);

/**
 * vt_port_note_restore - put everything back: copies end, our clsact goes, port settings and queue as they were
 * @netlink: handle
 * @note:    of an interface that is there
 * @first:   keeps the first failure; the rest is put back nevertheless
 */
void vt_port_note_restore(VtNetlink *netlink, const VtPortNote *note, GError **first);

/** The part of it that every interface has: all but the port settings. */
void vt_port_note_restore_link(VtNetlink *netlink, const VtPortNote *note, GError **first);

/**
 * vt_port_note_pins - entries of an address that others have pinned
 * @netlink: handle
 * @bridge:  ifindex of the bridge
 * @mac:     the guest's address
 * @pins:    VtFdbEntry are appended
 * @error:   (out) UNSUPPORTED when the address is that of a port itself, SYSTEM, TIMEOUT
 *
 * What was merely learned is not noted: it will be learned again.
 * Return: FALSE on failure.
 */
gboolean vt_port_note_pins(VtNetlink *netlink, int bridge, const VtMac *mac, GArray *pins, GError **error);

/**
 * vt_port_note_restore_pins - put back what others had pinned
 * @netlink: handle
 * @pins:    array of VtFdbEntry; those of ports that are gone are left out
 * @first:   keeps the first failure
 */
void vt_port_note_restore_pins(VtNetlink *netlink, const GArray *pins, GError **first);

/** For the disk. (transfer full) */
JsonObject *vt_port_note_to_json(const VtPortNote *note);

/**
 * vt_port_note_from_json - read what vt_port_note_to_json() has written
 * @node:  (nullable) the object
 * @note:  (out) set only on success
 * @error: (out) INTERNAL, INVALID_ARG
 *
 * Return: FALSE on failure.
 */
gboolean vt_port_note_from_json(JsonNode *node, VtPortNote *note, GError **error);

/** For the disk. (transfer full) */
JsonArray *vt_port_note_pins_to_json(const GArray *pins);

/** Append what vt_port_note_pins_to_json() has written; what makes no sense is left out. */
void vt_port_note_pins_from_json(JsonArray *array, const VtMac *mac, GArray *pins);

/** Where a failure goes when only the first one counts. */
static inline GError **
vt_port_note_first(GError **first)
{
    return *first ? NULL : first;
}
