/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a back end does for a team: feed the guest's legs, and take everything back.
 *
 * A back end reads before it writes: prepare() notes what is there now, the note goes to the disk, only then
 * apply() changes something. All three run in a thread, one at a time, and may block for as long as the
 * kernel's drivers take. The note is JSON that restore() understands in another process, too.
 */
#pragma once

#include "util/error.h"
#include "util/ident.h"

#include <json-glib/json-glib.h>

typedef enum { VT_LEG_STANDBY, VT_LEG_PRIMARY, VT_LEG_COUNT } VtLeg;

/** Where the host sends the frames for the guest. */
typedef enum {
    VT_FEED_RELEASED, /* nothing of ours is set */
    VT_FEED_READY,    /* the guest does not run here (yet, or any more): prepared, but addresses untouched */
    VT_FEED_STANDBY,  /* to standby */
    VT_FEED_STANDBY_ARMED, /* to standby; the primary has all that its driver finds when it probes, but no frames yet */
    VT_FEED_STANDBY_COPIED, /* to standby, with copies to the primary, which the guest may take any moment */
    VT_FEED_FALLBACK, /* to standby: the primary does not work, and the guest still has it, with all its settings */
    VT_FEED_PRIMARY_COPIED, /* to the primary, with copies to standby, to which the guest may fall any moment */
    VT_FEED_PRIMARY,        /* to the primary */
    VT_FEED_COUNT
} VtFeed;

/** "standby-copied" and so on; "unknown" for a number outside the enum. */
const char *vt_feed_name(VtFeed feed);

/** What a look at the host tells about the guest's driver of the primary. */
typedef struct {
    gboolean stirs; /* the device was enabled (bus master, BARs): its driver is about to register */
    guint64
        frames; /* that came from the primary leg since the host knows it; the guest speaks when it grows */
} VtLifeSigns;

typedef struct {
    const char *name; /* "bridge", "sriov", ... */
    guint
        stir_limit_ms; /* how long after it stirred the guest may take to speak (VtHandoverParams); 0: the default */

    /**
     * Read and note what @feed is going to change, if it is not noted yet; changes nothing on the host.
     * @noted is set to TRUE when the note grew. FALSE with @error when the feed is not possible.
     */
    gboolean (*prepare)(gpointer backend, VtFeed feed, gboolean *noted, GError **error);

    /** (transfer full) The note, for the disk. */
    JsonObject *(*note)(gpointer backend);

    /** Make it so; idempotent. VT_FEED_RELEASED takes everything back that the note tells of. */
    gboolean (*apply)(gpointer backend, VtFeed feed, GError **error);

    /** (nullable) Look for signs of life; quick, called from the main loop. FALSE: cannot see any. */
    gboolean (*look)(gpointer backend, VtLifeSigns *signs);

    /**
     * (nullable) Whether the host still has what the last apply() has set, or cannot be asked now; quick, called from the
     * main loop. FALSE: apply it again.
     */
    gboolean (*holds)(gpointer backend);

    /** Its look tells 'stirs' for as long as the guest's driver has the device, and not afterwards. */
    gboolean tells_open;

    /** A primary needs VT_FEED_STANDBY_ARMED to be taken, and its look tells 'stirs' before that can happen. */
    gboolean arms;

    /** (nullable) A primary was plugged that has this interface on the host; NULL: it is gone. */
    void (*set_primary)(gpointer backend, const char *interface);

    void (*free)(gpointer backend);
} VtBackendFuncs;

/** A back end and its state; what a constructor like vt_bridge_new() returns. */
typedef struct {
    const VtBackendFuncs *funcs;
    gpointer state;
} VtBackend;

/** Free a back end and leave NULLs in its place; what it has set on the host stays. */
void vt_backend_clear(VtBackend *backend);
