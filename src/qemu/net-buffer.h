/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames on their way to a NIC of the guest, kept back by QEMU for a moment.
 *
 * Works for a NIC whose frames pass through QEMU: not with vhost, nor with several queues, where QEMU refuses.
 */
#pragma once

#include "qemu/qmp-client.h"

/**
 * vt_net_buffer_start - keep back what comes for a NIC from now on
 * @client:      ready
 * @alias:       of the NIC
 * @interval_ms: what has been kept back is let go whenever this time has passed, also if nobody ends it
 * @reply:       (nullable) told whether QEMU does that
 * @user:        for @reply
 *
 * Source: QAPI object-add, NetfilterProperties, filter-buffer.
 */
void vt_net_buffer_start(VtQmpClient *client, const char *alias, guint interval_ms, VtQmpReplyFunc reply,
                         gpointer user);

/** Let go of what was kept back, in order, and keep back nothing any more; where nothing is kept back, nothing happens. */
void vt_net_buffer_end(VtQmpClient *client, const char *alias);
