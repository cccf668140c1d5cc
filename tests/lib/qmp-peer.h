/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A QMP client of ours, and at the other end of its socket a function of the test's that answers each command. */
#pragma once

#include "qemu/qmp-client.h"
#include "util/json.h"

#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/** The value of "return" for the command of that line, as JSON. (transfer full) */
typedef char *(*QmpPeerAnswer)(gpointer user, const char *line);

typedef struct {
    QmpPeerAnswer answer;
    gpointer user;
    VtQmpClient *client;
    int fd; /* QEMU's end */
    guint watch;
    GString *input;
    gboolean ready;
} QmpPeer;

static inline void
qmp_peer_send(const QmpPeer *peer, const char *text)
{
    g_assert_cmpint(send(peer->fd, text, strlen(text), MSG_NOSIGNAL), ==, (gssize)strlen(text));
}

static inline gboolean
qmp_peer_readable(gint fd, GIOCondition condition, gpointer user)
{
    QmpPeer *peer = user;
    char chunk[4096];
    gssize n = recv(fd, chunk, sizeof chunk, 0);
    char *end;

    if (n <= 0) {
        peer->watch = 0;
        return G_SOURCE_REMOVE;
    }
    g_string_append_len(peer->input, chunk, n);
    while ((end = strchr(peer->input->str, '\n'))) {
        g_autofree char *line = g_strndup(peer->input->str, (gsize)(end - peer->input->str));
        g_autoptr(JsonNode) node = vt_json_parse(line, strlen(line), NULL);
        g_autofree char *answer =
            strstr(line, "qmp_capabilities") ? g_strdup("{}") : peer->answer(peer->user, line);
        g_autofree char *reply =
            g_strdup_printf("{\"return\":%s,\"id\":\"%s\"}\r\n", answer, vt_json_string_or(node, "id", ""));

        g_string_erase(peer->input, 0, end - peer->input->str + 1);
        qmp_peer_send(peer, reply);
    }
    return G_SOURCE_CONTINUE;
}

static inline void
qmp_peer_event(VtQmpClient *client, const VtQmpEvent *event, gpointer user)
{
}

static inline void
qmp_peer_closed(VtQmpClient *client, const GError *why, gpointer user)
{
}

static inline void
qmp_peer_ready(gpointer user, const GError *error)
{
    g_assert_no_error(error);
    ((QmpPeer *)user)->ready = TRUE;
}

/** Connect; returns when the client may be used. */
static inline void
qmp_peer_open(QmpPeer *peer, QmpPeerAnswer answer, gpointer user)
{
    static const VtQmpClientFuncs funcs = { .event = qmp_peer_event, .closed = qmp_peer_closed };
    int pair[2];

    *peer = (QmpPeer){ .answer = answer, .user = user, .input = g_string_new(NULL) };
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    peer->fd = pair[0];
    peer->watch = g_unix_fd_add(pair[0], G_IO_IN | G_IO_HUP, qmp_peer_readable, peer);
    qmp_peer_send(peer,
                  "{\"QMP\":{\"version\":{\"qemu\":{\"micro\":0,\"minor\":2,\"major\":7},\"package\":\"\"},"
                  "\"capabilities\":[]}}\r\n");
    peer->client = vt_qmp_client_new(pair[1], &funcs, peer, 10000, qmp_peer_ready, peer);
    while (!peer->ready)
        g_main_context_iteration(NULL, TRUE);
}

static inline void
qmp_peer_close(QmpPeer *peer)
{
    g_clear_handle_id(&peer->watch, g_source_remove);
    vt_qmp_client_free(peer->client);
    while (g_main_context_iteration(NULL, FALSE))
        continue;
    close(peer->fd);
    g_string_free(peer->input, TRUE);
}
