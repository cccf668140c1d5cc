/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A back end is told what to feed, as the handover does it. */
#pragma once

#include "datapath/backend.h"

static inline gboolean
feed_try(VtBackend *backend, VtFeed feed, GError **error)
{
    gboolean noted;

    return backend->funcs->prepare(backend->state, feed, &noted, error) &&
           backend->funcs->apply(backend->state, feed, error);
}

static inline void
feed_apply(VtBackend *backend, VtFeed feed)
{
    g_autoptr(GError) error = NULL;
    gboolean done = feed_try(backend, feed, &error);

    g_assert_no_error(error);
    g_assert_true(done);
}

/** How many times a frame for the guest comes to its standby, to its primary and back to the uplink. */
static inline const guint *
feed_counts(VtFeed feed)
{
    static const guint counts[VT_FEED_COUNT][3] = {
        [VT_FEED_STANDBY] = { 1, 0, 0 },  [VT_FEED_STANDBY_COPIED] = { 1, 1, 0 },
        [VT_FEED_FALLBACK] = { 1, 1, 0 }, [VT_FEED_PRIMARY_COPIED] = { 1, 1, 0 },
        [VT_FEED_PRIMARY] = { 0, 1, 0 },
    };

    return counts[feed];
}
