/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is at the other end of a unix socket, and whether that one may use it.
 */
#pragma once

#include <sys/types.h>

#include "daemon/config.h"

typedef struct {
    uid_t uid;
    gid_t gid;
    pid_t pid;
} VtAuthPeer;

/**
 * vt_auth_peer - ask the kernel who has connected
 * @fd:    connected unix socket
 * @peer:  (out) set only on success
 * @error: (out) SYSTEM
 *
 * Source: unix(7), SO_PEERCRED.
 */
gboolean vt_auth_peer(int fd, VtAuthPeer *peer, GError **error);

/**
 * vt_auth_allows - may this peer make calls?
 * @mechanism: of the socket
 * @peer:      who
 * @own_uid:   the daemon's
 */
gboolean vt_auth_allows(VtConfigAuth mechanism, const VtAuthPeer *peer, uid_t own_uid);
