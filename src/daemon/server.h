/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The sockets and all clients on them.
 */
#pragma once

#include "daemon/config.h"

typedef struct _VtServer VtServer;

/**
 * vt_server_new - listen
 * @config:  limits, permissions, authentication; must outlive the server
 * @driver:  what clients act on; must outlive the server
 * @rw_path: the socket
 * @ro_path: the read-only socket, made where config says so
 * @error:   (out) as for vt_listen_unix() and vt_listen_activation()
 *
 * Sockets passed by systemd take the place of both: the first is the writable one, a second the read-only one.
 * Return: (transfer full)
 */
VtServer *vt_server_new(const VtConfig *config, VtDriver *driver, const char *rw_path, const char *ro_path,
                        GError **error);

/** End all connections, without telling the driver: it ends too. Accepts NULL. */
void vt_server_free(VtServer *server);

/** Clients connected now. */
guint vt_server_clients(const VtServer *server);
