/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/auth.h"

#include <errno.h>
#include <sys/socket.h>

gboolean
vt_auth_peer(int fd, VtAuthPeer *peer, GError **error)
{
    struct ucred cred;
    socklen_t size = sizeof(cred);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
        return vt_error_set_errno(error, errno, "cannot ask who has connected");
    *peer = (VtAuthPeer){ .uid = cred.uid, .gid = cred.gid, .pid = cred.pid };
    return TRUE;
}

gboolean
vt_auth_allows(VtConfigAuth mechanism, const VtAuthPeer *peer, uid_t own_uid)
{
    switch (mechanism) {
    case VT_CONFIG_AUTH_OWNER:
        return peer->uid == 0 || peer->uid == own_uid;
    case VT_CONFIG_AUTH_NONE:
        return TRUE;
    case VT_CONFIG_AUTH_COUNT:
        break;
    }
    return FALSE;
}
