/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/net-buffer.h"

#define NET_BUFFER_TIMEOUT_MS 2000

void
vt_net_buffer_start(VtQmpClient *client, const char *alias, guint interval_ms, VtQmpReplyFunc reply,
                    gpointer user)
{
    g_autofree char *id = g_strdup_printf("buffer-%s", alias);
    g_autofree char *netdev = g_strdup_printf("host%s", alias);

    /* "tx" is what the host's side sends to the guest. */
    vt_qmp_client_callv(client, "object-add", NET_BUFFER_TIMEOUT_MS, reply, user, "qom-type", "s",
                        "filter-buffer", "id", "s", id, "netdev", "s", netdev, "queue", "s", "tx", "interval",
                        "i", (gint64)interval_ms * 1000, NULL);
}

void
vt_net_buffer_end(VtQmpClient *client, const char *alias)
{
    g_autofree char *id = g_strdup_printf("buffer-%s", alias);

    vt_qmp_client_callv(client, "object-del", NET_BUFFER_TIMEOUT_MS, NULL, NULL, "id", "s", id, NULL);
}
