/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/server.h"

#include <unistd.h>

#include "daemon/auth.h"
#include "daemon/listen.h"
#include "daemon/session.h"

#define VT_LOG_DOMAIN "virtteam-daemon-server"
#include "util/log.h"

#define SERVER_STRANGERS_MAX 20u

typedef struct {
    VtServer *server;
    VtListen *listener;
    gboolean readonly;
} ServerSocket;

struct _VtServer {
    const VtConfig *config;
    VtDriver *driver;
    GPtrArray *sockets;  /* of ServerSocket */
    GPtrArray *sessions; /* of VtSession, not owned by the array */
};

static void
server_session_ended(VtSession *session, gpointer user)
{
    VtServer *server = user;

    g_ptr_array_remove_fast(server->sessions, session);
    vt_log_debug("%u clients left", server->sessions->len);
}

/* Those who may not make calls are told so, but must not take the places of those who may. */
static gboolean
server_has_room(const VtServer *server, gboolean authenticated)
{
    guint strangers = 0;

    for (guint i = 0; !authenticated && i < server->sessions->len; i++)
        if (!vt_session_is_authenticated(g_ptr_array_index(server->sessions, i)))
            strangers++;
    return strangers < SERVER_STRANGERS_MAX;
}

static gboolean
server_admit(ServerSocket *socket, VtFd fd, const VtAuthPeer *peer, GError **error)
{
    const VtConfig *config = socket->server->config;
    guint mechanism = socket->readonly ? config->auth_unix_ro : config->auth_unix_rw;
    g_auto(VtFd) owned = fd;
    g_autofree char *name = g_strdup_printf("uid %u pid %d", (guint)peer->uid, (int)peer->pid);
    VtSessionParams params = {
        .driver = socket->server->driver,
        .readonly = socket->readonly,
        .authenticated = vt_auth_allows((VtConfigAuth)mechanism, peer, geteuid()),
        .max_requests = config->max_client_requests,
        .keepalive_interval_ms = config->keepalive_interval * 1000,
        .keepalive_count = config->keepalive_count,
        .name = name,
        .ended = server_session_ended,
        .user = socket->server,
    };
    VtSession *session;

    if (!server_has_room(socket->server, params.authenticated))
        return vt_error_set(error, VT_ERROR_AUTH, "too many clients without permission (%u)",
                            SERVER_STRANGERS_MAX);
    session = vt_session_new(vt_fd_steal(&owned), &params, error);
    if (session == NULL)
        return FALSE;
    g_ptr_array_add(socket->server->sessions, session);
    if (!params.authenticated)
        vt_log_object_warning(&(VtLogObject){ .client = name }, "client may not use this socket; see %s",
                              socket->readonly ? "auth_unix_ro" : "auth_unix_rw");
    else
        vt_log_object_debug(&(VtLogObject){ .client = name }, "client connected%s",
                            socket->readonly ? " read-only" : "");
    return TRUE;
}

static void
server_accept(VtFd fd, gpointer user)
{
    ServerSocket *socket = user;
    g_auto(VtFd) owned = fd;
    g_autoptr(GError) error = NULL;
    VtAuthPeer peer;

    if (socket->server->sessions->len >= socket->server->config->max_clients) {
        vt_log_warning("a client is turned away: max_clients is %u", socket->server->config->max_clients);
        return;
    }
    if (!vt_auth_peer(owned, &peer, &error) || !server_admit(socket, vt_fd_steal(&owned), &peer, &error))
        vt_log_warning("a client is turned away: %s", error->message);
}

static void
server_socket_free(gpointer data)
{
    ServerSocket *socket = data;

    vt_listen_free(socket->listener);
    g_free(socket);
}

static ServerSocket *
server_add_socket(VtServer *server, gboolean readonly)
{
    ServerSocket *socket = g_new0(ServerSocket, 1);

    socket->server = server;
    socket->readonly = readonly;
    g_ptr_array_add(server->sockets, socket);
    return socket;
}

static gboolean
server_listen(VtServer *server, const char *path, gboolean readonly, GError **error)
{
    ServerSocket *socket = server_add_socket(server, readonly);
    guint perms = readonly ? server->config->unix_sock_ro_perms : server->config->unix_sock_rw_perms;

    socket->listener =
        vt_listen_unix(path, perms, server->config->unix_sock_group, server_accept, socket, error);
    if (socket->listener != NULL)
        vt_log_info("listening on %s", path);
    return socket->listener != NULL;
}

static gboolean
server_open(VtServer *server, const char *rw_path, const char *ro_path, GError **error)
{
    g_autoptr(GArray) fds = vt_listen_activation(error);

    if (fds == NULL)
        return FALSE;
    for (guint i = 0; i < fds->len; i++) {
        ServerSocket *socket = server_add_socket(server, i > 0);

        socket->listener = vt_listen_fd(g_array_index(fds, int, i), server_accept, socket);
    }
    if (fds->len > 0)
        return TRUE;
    return server_listen(server, rw_path, FALSE, error) &&
           (!server->config->unix_sock_ro || server_listen(server, ro_path, TRUE, error));
}

VtServer *
vt_server_new(const VtConfig *config, VtDriver *driver, const char *rw_path, const char *ro_path,
              GError **error)
{
    VtServer *server = g_new0(VtServer, 1);

    server->config = config;
    server->driver = driver;
    server->sockets = g_ptr_array_new_with_free_func(server_socket_free);
    server->sessions = g_ptr_array_new();
    if (!server_open(server, rw_path, ro_path, error)) {
        vt_server_free(server);
        return NULL;
    }
    return server;
}

void
vt_server_free(VtServer *server)
{
    if (server == NULL)
        return;
    g_ptr_array_unref(server->sockets);
    for (guint i = 0; i < server->sessions->len; i++)
        vt_session_free(g_ptr_array_index(server->sessions, i), FALSE);
    g_ptr_array_unref(server->sessions);
    g_free(server);
}

guint
vt_server_clients(const VtServer *server)
{
    return server->sessions->len;
}
