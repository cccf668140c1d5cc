/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading takes exactly what the frame under way still needs, never more: behind a frame that carries descriptors
 * each comes with a byte of its own, and a read that ran into those bytes would lose them. Descriptors that come
 * with any other byte are closed by the kernel, since recv() gives them no place.
 *
 * Nothing frees a session from within its own callbacks: session_close() only stops it, and an idle source does
 * the rest.
 */
#include "daemon/session.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/socket.h>

#include "rpc/dispatch.h"
#include "rpc/proto-aux.h"
#include "rpc/stream.h"

#define VT_LOG_DOMAIN "virtteam-daemon-session"
#include "util/log.h"

#define SESSION_CHUNK 65536u
/* A client that leaves more than this unread is not read from until it has taken what waits for it. */
#define SESSION_QUEUE_MAX (1024u * 1024u)
/* Reads in a row before other clients get their turn. */
#define SESSION_BURST 64u

typedef struct {
    GByteArray *frame;
    gsize written;
} SessionOut;

struct _VtSession {
    VtFd fd;
    VtSessionParams params;
    char *name;
    VtConn *conn;
    VtDispatch *dispatch;
    VtMessageReader reader;
    GArray *fds; /* of the frame under way */
    GQueue out;  /* of SessionOut */
    gsize queued;
    guint in_watch, out_watch, idle, timer;
    gboolean stalled; /* reading is off until calls have been answered, and answers read */
    gboolean closed, close_when_written;
    gboolean heard; /* something came since the last tick */
    guint unanswered;
};

static void
session_out_free(gpointer data)
{
    SessionOut *out = data;

    g_byte_array_unref(out->frame);
    g_free(out);
}

static void
session_remove_source(guint *id)
{
    if (*id != 0)
        g_source_remove(*id);
    *id = 0;
}

/* ---- the end ---- */

static gboolean
session_end(gpointer user)
{
    VtSession *session = user;

    session->idle = 0;
    vt_conn_shut(session->conn, TRUE);
    session->params.ended(session, session->params.user);
    vt_session_free(session, TRUE);
    return G_SOURCE_REMOVE;
}

static void
session_close(VtSession *session, const char *why)
{
    if (session->closed)
        return;
    vt_log_object_debug(&(VtLogObject){ .client = session->name }, "connection ends: %s", why);
    session->closed = TRUE;
    session_remove_source(&session->in_watch);
    session_remove_source(&session->out_watch);
    session_remove_source(&session->timer);
    vt_fd_clear(&session->fd);
    session->idle = g_idle_add_full(G_PRIORITY_DEFAULT, session_end, session, NULL);
}

void
vt_session_free(VtSession *session, gboolean tell_driver)
{
    if (session == NULL)
        return;
    session->closed = TRUE;
    session_remove_source(&session->in_watch);
    session_remove_source(&session->out_watch);
    session_remove_source(&session->timer);
    session_remove_source(&session->idle);
    vt_fd_clear(&session->fd);
    vt_conn_shut(session->conn, tell_driver);
    vt_dispatch_free(session->dispatch);
    vt_conn_unref(session->conn);
    g_queue_clear_full(&session->out, session_out_free);
    vt_dispatch_close_fds(session->fds);
    vt_message_reader_clear(&session->reader);
    g_free(session->name);
    g_free(session);
}

/* ---- writing ---- */

/* FALSE: the connection is broken. */
static gboolean
session_write(VtSession *session)
{
    SessionOut *out;

    while ((out = g_queue_peek_head(&session->out)) != NULL) {
        ssize_t n = send(session->fd, out->frame->data + out->written, out->frame->len - out->written,
                         MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        out->written += (gsize)n;
        session->queued -= (gsize)n;
        if (out->written == out->frame->len)
            session_out_free(g_queue_pop_head(&session->out));
    }
    return TRUE;
}

static gboolean
session_wants_more(const VtSession *session)
{
    return vt_dispatch_wants_more(session->dispatch) && session->queued <= SESSION_QUEUE_MAX;
}

static void session_may_read(gpointer user);

static gboolean
session_writable(int fd, GIOCondition condition, gpointer user)
{
    VtSession *session = user;

    if (!session_write(session)) {
        session->out_watch = 0;
        session_close(session, g_strerror(errno));
        return G_SOURCE_REMOVE;
    }
    session_may_read(session);
    if (!g_queue_is_empty(&session->out))
        return G_SOURCE_CONTINUE;
    session->out_watch = 0;
    if (session->close_when_written)
        session_close(session, "closed");
    else
        vt_stream_drained(session->conn);
    return G_SOURCE_REMOVE;
}

static void
session_send(gpointer user, GByteArray *frame)
{
    VtSession *session = user;
    SessionOut *out;

    if (session->closed || session->close_when_written) {
        g_byte_array_unref(frame);
        return;
    }
    out = g_new0(SessionOut, 1);
    out->frame = frame;
    session->queued += frame->len;
    g_queue_push_tail(&session->out, out);
    if (session->out_watch != 0)
        return; /* others wait before it */
    if (!session_write(session))
        session_close(session, g_strerror(errno));
    else if (!g_queue_is_empty(&session->out))
        session->out_watch =
            g_unix_fd_add(session->fd, G_IO_OUT | G_IO_HUP | G_IO_ERR, session_writable, session);
}

static gsize
session_queued(gpointer user)
{
    return ((VtSession *)user)->queued;
}

static void
session_close_asked(gpointer user, const char *why, gboolean flush)
{
    VtSession *session = user;

    if (flush && !session->closed && !g_queue_is_empty(&session->out)) {
        session->close_when_written = TRUE;
        return;
    }
    if (!flush)
        vt_log_object_warning(&(VtLogObject){ .client = session->name }, "client is disconnected: %s", why);
    session_close(session, why);
}

/* ---- reading ---- */

static gboolean session_readable(int fd, GIOCondition condition, gpointer user);

static void
session_watch_in(VtSession *session)
{
    GIOCondition condition = session->stalled ? G_IO_HUP | G_IO_ERR : G_IO_IN | G_IO_HUP | G_IO_ERR;

    session_remove_source(&session->in_watch);
    session->in_watch = g_unix_fd_add(session->fd, condition, session_readable, session);
}

static void
session_frame(VtSession *session)
{
    VtMessageHeader header;
    g_autoptr(GBytes) payload = NULL;

    vt_message_reader_take(&session->reader, &header, &payload);
    vt_dispatch_frame(session->dispatch, &header, payload, g_steal_pointer(&session->fds));
}

/* One descriptor of a complete frame. Return: as for session_read(). */
static VtFdIo
session_read_fd(VtSession *session, GError **error)
{
    VtFd fd = -1;
    VtFdIo io = vt_fd_recv(session->fd, &fd, error);

    if (io != VT_FD_IO_DONE)
        return io;
    if (session->fds == NULL)
        session->fds = g_array_new(FALSE, FALSE, sizeof(int));
    g_array_append_val(session->fds, fd);
    return VT_FD_IO_DONE;
}

static VtFdIo
session_read_bytes(VtSession *session, GError **error)
{
    guint8 buffer[SESSION_CHUNK];
    ssize_t n;

    do {
        n = recv(session->fd, buffer, MIN(vt_message_reader_want(&session->reader), sizeof(buffer)),
                 MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n == 0)
        return VT_FD_IO_EOF;
    if (n < 0 && errno == EAGAIN)
        return VT_FD_IO_AGAIN;
    if (n < 0) {
        vt_error_set_errno(error, errno, "cannot read");
        return VT_FD_IO_FAILED;
    }
    session->heard = TRUE;
    return vt_message_reader_feed(&session->reader, buffer, (gsize)n, error) ? VT_FD_IO_DONE
                                                                             : VT_FD_IO_FAILED;
}

static VtFdIo
session_read(VtSession *session, GError **error)
{
    guint have = session->fds == NULL ? 0 : session->fds->len;
    VtFdIo io;

    if (session->reader.complete && have < session->reader.n_fds)
        io = session_read_fd(session, error);
    else
        io = session_read_bytes(session, error);
    have = session->fds == NULL ? 0 : session->fds->len;
    if (io == VT_FD_IO_DONE && session->reader.complete && have >= session->reader.n_fds)
        session_frame(session);
    return io;
}

static gboolean
session_readable(int fd, GIOCondition condition, gpointer user)
{
    VtSession *session = user;
    g_autoptr(GError) error = NULL;
    VtFdIo io = session->stalled ? VT_FD_IO_EOF : VT_FD_IO_DONE;

    for (guint i = 0; i < SESSION_BURST && io == VT_FD_IO_DONE; i++) {
        io = session_read(session, &error);
        if (session->closed)
            return G_SOURCE_REMOVE; /* the source is gone already */
        if (!session_wants_more(session)) {
            session->stalled = TRUE;
            session->in_watch = 0;
            session_watch_in(session);
            return G_SOURCE_REMOVE;
        }
    }
    if (io != VT_FD_IO_EOF && io != VT_FD_IO_FAILED)
        return G_SOURCE_CONTINUE;
    session->in_watch = 0;
    if (error != NULL && g_error_matches(error, VT_ERROR, VT_ERROR_RPC))
        vt_log_object_warning(&(VtLogObject){ .client = session->name }, "client is disconnected: %s",
                              error->message);
    session_close(session, error == NULL ? "end of file" : error->message);
    return G_SOURCE_REMOVE;
}

static void
session_may_read(gpointer user)
{
    VtSession *session = user;

    if (session->closed || !session->stalled || !session_wants_more(session))
        return;
    session->stalled = FALSE;
    session_watch_in(session);
}

/* ---- keepalive ---- */

static gboolean
session_tick(gpointer user)
{
    VtSession *session = user;

    if (session->heard || session->stalled) {
        session->heard = FALSE;
        session->unanswered = 0;
        return G_SOURCE_CONTINUE;
    }
    if (session->unanswered >= session->params.keepalive_count) {
        session->timer = 0;
        session_close_asked(session, "it answers no keepalive", FALSE);
        return G_SOURCE_REMOVE;
    }
    session->unanswered++;
    vt_conn_send(session->conn, vt_dispatch_keepalive(VT_KEEPALIVE_PING));
    return session->closed ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

static void
session_keepalive(gpointer user)
{
    VtSession *session = user;

    if (!session->closed && session->timer == 0 && session->params.keepalive_interval_ms != 0)
        session->timer = g_timeout_add(session->params.keepalive_interval_ms, session_tick, session);
}

gboolean
vt_session_is_authenticated(const VtSession *session)
{
    return vt_conn_state(session->conn)->authenticated;
}

VtSession *
vt_session_new(VtFd fd, const VtSessionParams *params, GError **error)
{
    static const VtConnFuncs funcs = {
        .send = session_send,
        .queued = session_queued,
        .close = session_close_asked,
        .keepalive = session_keepalive,
    };
    g_auto(VtFd) owned = fd;
    VtSession *session;

    if (!vt_fd_set_nonblock(owned, TRUE, error))
        return NULL;
    session = g_new0(VtSession, 1);
    session->fd = vt_fd_steal(&owned);
    session->params = *params;
    session->name = g_strdup(params->name);
    session->params.name = session->name;
    g_queue_init(&session->out);
    vt_message_reader_init(&session->reader);
    session->conn = vt_conn_new(params->driver, &funcs, session);
    vt_conn_state(session->conn)->readonly = params->readonly;
    vt_conn_state(session->conn)->authenticated = params->authenticated;
    session->dispatch =
        vt_dispatch_new(session->conn, vt_proto_programs, params->max_requests, session_may_read, session);
    session_watch_in(session);
    return session;
}
