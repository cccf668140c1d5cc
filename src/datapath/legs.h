/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the back ends have in common whose legs are two interfaces of the host: what a feed means, what was there before,
 * copies from one leg to the other, and the order in which all that is set.
 *
 * Such a back end has a VtLegs as the first member of its state.
 */
#pragma once

#include "datapath/backend.h"
#include "datapath/port-note.h"

#define VT_LEG_NOBODY (-1)

typedef struct {
    VtMac mac;                /* of the team */
    const char *standby;      /* interface of the host, a port of a bridge */
    const char *primary;      /* (nullable) likewise; NULL: none yet, funcs->set_primary() follows */
    guint short_queue_frames; /* length of the primary's tap while the guest does not listen to it; 0: 16 */
    gboolean hardware;        /* the primary's port may be fed by hardware, past the kernel (a representor) */
} VtLegsSpec;

/** What belongs to a feed. */
typedef struct {
    int pinned; /* the leg that has the guest's address, or VT_LEG_NOBODY */
    int mirror; /* the leg whose frames are copied to the other, or VT_LEG_NOBODY */
    gboolean needs_primary;
    gboolean short_queue; /* of the primary */
} VtLegsPlan;

typedef struct _VtLegs VtLegs;

/** What differs from bridge to bridge. */
typedef struct {
    const char *backend;   /* its name */
    gboolean bridge_ports; /* a leg that is no port of a Linux bridge (any more) counts as gone */
    guint in_flight_us;    /* a frame may still go to the former leg for so long, where it is to be copied */

    /** Read what is there of a leg into legs->notes; sets @grew when that is more than before. */
    gboolean (*note_leg)(VtLegs *legs, VtLeg leg, gboolean *grew, GError **error);

    /** Who is flooded, and whatever else goes before copies. Legs that are not there (legs->there) are left out. */
    gboolean (*set_ports)(VtLegs *legs, const VtLegsPlan *plan, GError **error);

    /** Move the guest's address to a leg, or let go of it. */
    gboolean (*pin)(VtLegs *legs, int pinned, GError **error);
} VtLegsFuncs;

struct _VtLegs {
    const VtLegsFuncs *funcs;
    VtNetlink *netlink;
    VtMac mac;
    guint short_queue_frames;
    gboolean hardware;
    char *names[VT_LEG_COUNT];
    VtPortNote notes[VT_LEG_COUNT];
    gboolean there[VT_LEG_COUNT]; /* when the last feed was begun */
    gboolean hears[VT_LEG_COUNT]; /* broadcasts reach it though it is not fed: they are not copied to it */
    gboolean known; /* what is set on the host; FALSE in a process that has taken over, and after a failure */
    int mirror;     /* leg whose frames are copied now, or VT_LEG_NOBODY; when known */
};

/**
 * vt_legs_init - begin
 * @legs:    to fill
 * @funcs:   constant
 * @spec:    copied
 * @netlink: (transfer full) handle
 */
void vt_legs_init(VtLegs *legs, const VtLegsFuncs *funcs, const VtLegsSpec *spec, VtNetlink *netlink);

/** Free what is in it. */
void vt_legs_clear(VtLegs *legs);

/** "standby" or "primary". */
const char *vt_leg_name(VtLeg leg);

/** Whether the noted interface of a leg is still there. */
gboolean vt_legs_is_there(const VtLegs *legs, VtLeg leg);

/**
 * vt_legs_put_back - count what went wrong when a leg's settings were put back
 * @legs:  the team's legs
 * @leg:   which
 * @error: (nullable) (transfer full) what went wrong; dropped when the interface went away meanwhile, and its settings with it
 * @first: (inout) the first thing that went wrong; set if it was not
 */
void vt_legs_put_back(const VtLegs *legs, VtLeg leg, GError *error, GError **first);

/** A leg that is not fed is not flooded; before the guest is here standby is, as any port. */
gboolean vt_legs_is_silent(VtLeg leg, const VtLegsPlan *plan);

/**
 * vt_legs_prepare - VtBackendFuncs.prepare
 * @state: a VtLegs
 * @feed:  that will be set
 * @noted: (out) the note grew
 * @error: (out) what note_leg() says, with the leg's name before it; INTERNAL without a primary that is needed
 *
 * Return: FALSE when the feed is not possible.
 */
gboolean vt_legs_prepare(gpointer state, VtFeed feed, gboolean *noted, GError **error);

/**
 * vt_legs_follow - make a feed other than VT_FEED_RELEASED so
 * @legs:  prepared for it
 * @feed:  which
 * @error: (out) NO_DEVICE for a leg that is gone, and what else there is
 *
 * Return: FALSE on failure; the next feed is then set from scratch.
 */
gboolean vt_legs_follow(VtLegs *legs, VtFeed feed, GError **error);

/** All was put back: nothing is noted and nothing is set. */
void vt_legs_forget(VtLegs *legs);

/** VtBackendFuncs.look: the guest's frames come into the host through the primary's port. */
gboolean vt_legs_look(gpointer state, VtLifeSigns *signs);

/** VtBackendFuncs.set_primary. */
void vt_legs_set_primary(gpointer state, const char *interface);

/** For the disk; the back end adds what it has besides. (transfer full) */
JsonObject *vt_legs_to_json(const VtLegs *legs);

/**
 * vt_legs_spec_from_json - with what a back end has to be made again
 * @note:    what vt_legs_to_json() has written
 * @backend: name of the back end
 * @spec:    (out) set only on success; its strings are the note's
 * @error:   (out) INVALID_ARG: not a note of this back end
 *
 * Return: FALSE on failure.
 */
gboolean vt_legs_spec_from_json(JsonNode *note, const char *backend, VtLegsSpec *spec, GError **error);

/**
 * vt_legs_from_json - take over what a former process has noted
 * @legs:  made from vt_legs_spec_from_json()
 * @note:  the same note
 * @error: (out) INTERNAL, INVALID_ARG
 *
 * Return: FALSE on failure.
 */
gboolean vt_legs_from_json(VtLegs *legs, JsonNode *note, GError **error);
