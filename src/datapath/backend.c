/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "datapath/backend.h"

#include "util/enum.h"

static const char *const backend_feed_names[] = {
    [VT_FEED_RELEASED] = "released",
    [VT_FEED_READY] = "ready",
    [VT_FEED_STANDBY] = "standby",
    [VT_FEED_STANDBY_ARMED] = "standby-armed",
    [VT_FEED_STANDBY_COPIED] = "standby-copied",
    [VT_FEED_FALLBACK] = "fallback",
    [VT_FEED_PRIMARY_COPIED] = "primary-copied",
    [VT_FEED_PRIMARY] = "primary",
};
VT_ENUM_TABLE(backend_feed_names, VT_FEED_COUNT);

const char *
vt_feed_name(VtFeed feed)
{
    const char *name = vt_enum_name(backend_feed_names, G_N_ELEMENTS(backend_feed_names), (int)feed);

    return name ? name : "unknown";
}

void
vt_backend_clear(VtBackend *backend)
{
    if (backend->funcs)
        backend->funcs->free(backend->state);
    *backend = (VtBackend){ NULL, NULL };
}
