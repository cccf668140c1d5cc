/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The shell around qmp-codec: a socket, a table of calls that wait, a clock.
 *
 * Callbacks may free the client. Each entry from the main loop therefore holds a reference while it works,
 * and looks at @state after every callback. A call ends exactly once: by its answer, by its time-out, by the
 * end of the connection, or by vt_qmp_client_free(); whichever comes first takes it out of the table. An
 * answer that comes after the time-out finds nobody and is dropped.
 */
#define VT_LOG_DOMAIN "virtteam-qemu-qmp-client"
#include "qemu/qmp-client.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "qemu/qmp-codec.h"
#include "util/i18n.h"
#include "util/log.h"

#define QMP_CLIENT_OUTPUT_MAX     ((gsize)64 << 20)
#define QMP_CLIENT_READ_SIZE      65536
#define QMP_CLIENT_READS_PER_TURN 16 /* then others get their turn */

typedef enum {
    QMP_CLIENT_GREETING,    /* waits for the greeting */
    QMP_CLIENT_NEGOTIATING, /* waits for the answer to qmp_capabilities */
    QMP_CLIENT_READY,
    QMP_CLIENT_CLOSED,
} QmpClientState;

typedef struct {
    VtQmpClient *client;
    char *id;
    char *command;
    VtQmpReplyFunc reply;
    gpointer user;
    guint timeout_ms;
    guint timer; /* source id; 0: none */
} QmpCall;

/* A descriptor that travels with a byte of the output. */
typedef struct {
    int fd;
    gsize offset; /* of that byte in the output */
} QmpPassedFd;

struct _VtQmpClient {
    guint refs;
    gboolean freed; /* by its owner: nothing may be told any more */
    QmpClientState state;
    int fd;
    guint in_source, out_source, ready_timer;
    VtQmpCodec *codec;
    GByteArray *output;
    GArray *passed;    /* of QmpPassedFd, by offset */
    GString *held;     /* commands given before READY */
    GHashTable *calls; /* id -> QmpCall * (owned) */
    GQueue *order;     /* of QmpCall *: oldest first, for an orderly end */
    guint64 next_id;
    VtQmpClientFuncs funcs;
    gpointer user;
    VtDoneFunc ready;
    gpointer ready_user;
    const char *reply_text; /* of the answer being told */
};

static void qmp_client_close(VtQmpClient *client, const GError *why);

static void
qmp_call_free(QmpCall *call)
{
    if (call->timer)
        g_source_remove(call->timer);
    g_free(call->id);
    g_free(call->command);
    g_free(call);
}

static VtQmpClient *
qmp_client_ref(VtQmpClient *client)
{
    client->refs++;
    return client;
}

static void
qmp_client_unref(VtQmpClient *client)
{
    if (--client->refs > 0)
        return;
    vt_qmp_codec_free(client->codec);
    g_byte_array_unref(client->output);
    g_array_unref(client->passed);
    g_string_free(client->held, TRUE);
    g_hash_table_unref(client->calls);
    g_queue_free(client->order);
    g_free(client);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtQmpClient, qmp_client_unref)

/* Take @call out of the table and tell its end. */
static void
qmp_client_end_call(VtQmpClient *client, QmpCall *call, JsonNode *result, const GError *error)
{
    g_hash_table_steal(client->calls, call->id);
    g_queue_remove(client->order, call);
    if (call->reply)
        call->reply(call->user, result, error);
    qmp_call_free(call);
}

/* Fail the calls that wait now; one that a callback adds meanwhile is failed from the main loop. */
static void
qmp_client_fail_calls(VtQmpClient *client, const GError *why)
{
    guint n = g_queue_get_length(client->order);
    QmpCall *call;

    while ((n-- > 0 || client->freed) && (call = g_queue_peek_head(client->order))) {
        g_autoptr(GError) error = g_error_new(VT_ERROR, VT_ERROR_ABORTED, "QEMU did not answer '%s': %s",
                                              call->command, why->message);

        qmp_client_end_call(client, call, NULL, error);
    }
}

static void
qmp_client_disconnect(VtQmpClient *client)
{
    client->state = QMP_CLIENT_CLOSED;
    g_clear_handle_id(&client->in_source, g_source_remove);
    g_clear_handle_id(&client->out_source, g_source_remove);
    g_clear_handle_id(&client->ready_timer, g_source_remove);
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
}

static void
qmp_client_tell_ready(VtQmpClient *client, const GError *error)
{
    VtDoneFunc ready = client->ready;

    client->ready = NULL;
    if (ready && !client->freed)
        ready(client->ready_user, error);
}

static void
qmp_client_close(VtQmpClient *client, const GError *why)
{
    g_autoptr(VtQmpClient) hold = qmp_client_ref(client);

    if (client->state == QMP_CLIENT_CLOSED)
        return;
    qmp_client_disconnect(client);
    qmp_client_fail_calls(client, why);
    qmp_client_tell_ready(client, why);
    if (!client->freed && client->funcs.closed)
        client->funcs.closed(client, why, client->user);
}

static void
qmp_client_close_errno(VtQmpClient *client, const char *what, int errnum)
{
    g_autoptr(GError) error = NULL;

    vt_error_set(&error, VT_ERROR_ABORTED, _("%s QEMU's monitor: %s"), what, g_strerror(errnum));
    qmp_client_close(client, error);
}

/* ---- output ---- */

static void
qmp_passed_fd_clear(gpointer data)
{
    close(((QmpPassedFd *)data)->fd);
}

/* Send from the front of the output: up to the next byte that carries a descriptor, or from it on. */
static gssize
qmp_client_send_some(VtQmpClient *client)
{
    const QmpPassedFd *next = client->passed->len ? &g_array_index(client->passed, QmpPassedFd, 0) : NULL;
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    struct iovec iov = { .iov_base = client->output->data, .iov_len = client->output->len };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
    struct cmsghdr *header;
    gssize n;

    if (next && next->offset > 0) {
        iov.iov_len = next->offset;
        next = NULL;
    }
    if (next) {
        message.msg_control = control.space;
        message.msg_controllen = sizeof(control.space);
        header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &next->fd, sizeof(int));
    }
    n = sendmsg(client->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0 && next)
        g_array_remove_index(client->passed, 0);
    return n;
}

static void
qmp_client_flush(VtQmpClient *client)
{
    while (client->output->len > 0) {
        gssize n = qmp_client_send_some(client);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return; /* EAGAIN: later; anything else: the reading side sees the end, with all that came before */
        g_byte_array_remove_range(client->output, 0, (guint)n);
        for (guint i = 0; i < client->passed->len; i++)
            g_array_index(client->passed, QmpPassedFd, i).offset -= (gsize)n;
    }
}

static gboolean
qmp_client_writable(gint fd, GIOCondition condition, gpointer user)
{
    VtQmpClient *client = user;

    qmp_client_flush(client);
    if (client->output->len > 0 && !(condition & (G_IO_ERR | G_IO_HUP)))
        return G_SOURCE_CONTINUE;
    client->out_source = 0;
    return G_SOURCE_REMOVE;
}

static void
qmp_client_send(VtQmpClient *client, const char *line, gsize size)
{
    g_byte_array_append(client->output, (const guint8 *)line, (guint)size);
    if (!client->out_source)
        qmp_client_flush(client);
    if (client->output->len > 0 && !client->out_source)
        client->out_source = g_unix_fd_add(client->fd, G_IO_OUT, qmp_client_writable, client);
}

/* ---- input ---- */

static gboolean
qmp_client_call_timed_out(gpointer user)
{
    QmpCall *call = user;
    VtQmpClient *client = call->client;
    g_autoptr(VtQmpClient) hold = qmp_client_ref(client);
    g_autoptr(GError) error = NULL;

    call->timer = 0;
    if (client->state == QMP_CLIENT_CLOSED)
        vt_error_set(&error, VT_ERROR_ABORTED, _("QEMU cannot be asked '%s': its monitor is not connected"),
                     call->command);
    else
        vt_error_set(&error, VT_ERROR_TIMEOUT, _("QEMU did not answer '%s' within %u ms"), call->command,
                     call->timeout_ms);
    qmp_client_end_call(client, call, NULL, error);
    return G_SOURCE_REMOVE;
}

static void
qmp_client_got_reply(VtQmpClient *client, const VtQmpMessage *message)
{
    QmpCall *call = message->id ? g_hash_table_lookup(client->calls, message->id) : NULL;
    g_autoptr(GError) error = NULL;

    if (!call) {
        vt_log_debug("answer to nobody from QEMU: id '%s'", message->id ? message->id : "");
        return;
    }
    if (message->kind == VT_QMP_MESSAGE_ERROR) {
        gboolean generic = strcmp(message->klass, "GenericError") == 0;

        vt_error_set(&error, VT_ERROR_OPERATION_FAILED, _("QEMU refused '%s': %s%s%s%s"), call->command,
                     message->desc, generic ? "" : " (", generic ? "" : message->klass, generic ? "" : ")");
    }
    client->reply_text = message->text;
    qmp_client_end_call(client, call, error ? NULL : message->value, error);
    client->reply_text = NULL;
}

static void
qmp_client_got_event(VtQmpClient *client, const VtQmpMessage *message)
{
    const VtQmpEvent event = {
        .name = (char *)message->event,
        .data = message->data,
        .seconds = message->seconds,
        .micros = message->micros,
    };

    vt_log_debug("event from QEMU: %s", message->text);
    if (client->funcs.event)
        client->funcs.event(client, &event, client->user);
}

static void
qmp_client_negotiated(gpointer user, JsonNode *result, const GError *error)
{
    VtQmpClient *client = user;
    g_autoptr(GString) held = NULL;

    if (client->state != QMP_CLIENT_NEGOTIATING)
        return;
    if (error) {
        qmp_client_close(client, error);
        return;
    }
    client->state = QMP_CLIENT_READY;
    g_clear_handle_id(&client->ready_timer, g_source_remove);
    held = g_steal_pointer(&client->held);
    client->held = g_string_new(NULL);
    qmp_client_send(client, held->str, held->len);
    qmp_client_tell_ready(client, NULL);
}

static QmpCall *
qmp_client_add_call(VtQmpClient *client, const char *command, guint timeout_ms, VtQmpReplyFunc reply,
                    gpointer user)
{
    QmpCall *call = g_new0(QmpCall, 1);

    call->client = client;
    call->id = g_strdup_printf("vt-%" G_GUINT64_FORMAT, ++client->next_id);
    call->command = g_strdup(command);
    call->reply = reply;
    call->user = user;
    call->timeout_ms = timeout_ms;
    if (client->state == QMP_CLIENT_CLOSED)
        call->timer = g_idle_add(qmp_client_call_timed_out, call);
    else if (timeout_ms > 0)
        call->timer = g_timeout_add(timeout_ms, qmp_client_call_timed_out, call);
    g_hash_table_insert(client->calls, call->id, call);
    g_queue_push_tail(client->order, call);
    return call;
}

static void
qmp_client_got_greeting(VtQmpClient *client)
{
    g_autofree char *line = NULL;
    QmpCall *call;

    client->state = QMP_CLIENT_NEGOTIATING;
    call = qmp_client_add_call(client, "qmp_capabilities", 0, qmp_client_negotiated, client);
    line = vt_qmp_codec_encode("qmp_capabilities", NULL, call->id);
    qmp_client_send(client, line, strlen(line));
}

static void
qmp_client_dispatch(VtQmpClient *client, const VtQmpMessage *message)
{
    g_autoptr(GError) error = NULL;

    switch (message->kind) {
    case VT_QMP_MESSAGE_EVENT:
        qmp_client_got_event(client, message);
        return;
    case VT_QMP_MESSAGE_RETURN:
    case VT_QMP_MESSAGE_ERROR:
        if (client->state != QMP_CLIENT_GREETING) {
            qmp_client_got_reply(client, message);
            return;
        }
        break;
    case VT_QMP_MESSAGE_GREETING:
        if (client->state == QMP_CLIENT_GREETING) {
            qmp_client_got_greeting(client);
            return;
        }
        break;
    }
    vt_error_set(&error, VT_ERROR_RPC, _("QEMU's monitor sent a message out of place: %.80s"), message->text);
    qmp_client_close(client, error);
}

/* Tell all complete messages, then what stopped the stream. */
static void
qmp_client_feed(VtQmpClient *client, const char *data, gsize size)
{
    g_autoptr(GError) feed_error = NULL;
    g_autoptr(GError) next_error = NULL;

    vt_qmp_codec_feed(client->codec, data, size, &feed_error);
    while (client->state != QMP_CLIENT_CLOSED) {
        g_autoptr(VtQmpMessage) message = vt_qmp_codec_next(client->codec, &next_error);

        if (!message)
            break;
        qmp_client_dispatch(client, message);
    }
    if (next_error)
        qmp_client_close(client, next_error);
    else if (feed_error)
        qmp_client_close(client, feed_error);
}

static gboolean
qmp_client_readable(gint fd, GIOCondition condition, gpointer user)
{
    VtQmpClient *client = user;
    g_autoptr(VtQmpClient) hold = qmp_client_ref(client);
    char buffer[QMP_CLIENT_READ_SIZE];

    for (guint i = 0; i < QMP_CLIENT_READS_PER_TURN && client->state != QMP_CLIENT_CLOSED; i++) {
        gssize n = recv(client->fd, buffer, sizeof(buffer), MSG_DONTWAIT);

        if (n > 0) {
            qmp_client_feed(client, buffer, (gsize)n);
        } else if (n == 0) {
            g_autoptr(GError) error = NULL;

            vt_error_set(&error, VT_ERROR_ABORTED, _("QEMU closed its monitor"));
            qmp_client_close(client, error);
        } else if (errno == EAGAIN) {
            break;
        } else if (errno != EINTR) {
            qmp_client_close_errno(client, "cannot read from", errno);
        }
    }
    return client->state == QMP_CLIENT_CLOSED ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

static gboolean
qmp_client_not_ready(gpointer user)
{
    VtQmpClient *client = user;
    g_autoptr(GError) error = NULL;

    client->ready_timer = 0;
    vt_error_set(&error, VT_ERROR_TIMEOUT, "%s",
                 client->state == QMP_CLIENT_GREETING
                     ? "QEMU's monitor did not greet in time"
                     : "QEMU's monitor did not answer 'qmp_capabilities' in time");
    qmp_client_close(client, error);
    return G_SOURCE_REMOVE;
}

/* ---- public ---- */

VtQmpClient *
vt_qmp_client_new(int fd, const VtQmpClientFuncs *funcs, gpointer user, guint timeout_ms, VtDoneFunc ready,
                  gpointer ready_user)
{
    VtQmpClient *client = g_new0(VtQmpClient, 1);

    client->refs = 1;
    client->fd = fd;
    client->codec = vt_qmp_codec_new();
    client->output = g_byte_array_new();
    client->passed = g_array_new(FALSE, FALSE, sizeof(QmpPassedFd));
    g_array_set_clear_func(client->passed, qmp_passed_fd_clear);
    client->held = g_string_new(NULL);
    client->calls = g_hash_table_new(g_str_hash, g_str_equal);
    client->order = g_queue_new();
    client->funcs = *funcs;
    client->user = user;
    client->ready = ready;
    client->ready_user = ready_user;
    client->in_source = g_unix_fd_add(fd, G_IO_IN | G_IO_HUP | G_IO_ERR, qmp_client_readable, client);
    if (timeout_ms > 0)
        client->ready_timer = g_timeout_add(timeout_ms, qmp_client_not_ready, client);
    return client;
}

void
vt_qmp_client_free(VtQmpClient *client)
{
    g_autoptr(GError) error = NULL;

    if (!client || client->freed)
        return;
    client->freed = TRUE;
    qmp_client_disconnect(client);
    vt_error_set(&error, VT_ERROR_ABORTED, _("the connection to its monitor was given up"));
    qmp_client_fail_calls(client, error);
    qmp_client_unref(client);
}

/* Send now, or hold until the negotiation is over. */
static void
qmp_client_submit(VtQmpClient *client, QmpCall *call, const char *line)
{
    gsize size = strlen(line);

    vt_log_debug("command to QEMU: %.400s", line);
    if (client->state == QMP_CLIENT_CLOSED)
        return;
    if (client->output->len + client->held->len + size > QMP_CLIENT_OUTPUT_MAX) {
        g_autoptr(GError) error = NULL;

        vt_error_set(&error, VT_ERROR_ABORTED, _("QEMU does not read its monitor"));
        qmp_client_close(client, error);
    } else if (client->state == QMP_CLIENT_READY) {
        qmp_client_send(client, line, size);
    } else {
        g_string_append_len(client->held, line, (gssize)size);
    }
}

void
vt_qmp_client_call(VtQmpClient *client, const char *command, JsonNode *args, guint timeout_ms,
                   VtQmpReplyFunc reply, gpointer user)
{
    g_autoptr(JsonNode) owned = args;
    QmpCall *call = qmp_client_add_call(client, command, timeout_ms, reply, user);
    g_autofree char *line = vt_qmp_codec_encode(command, owned, call->id);

    qmp_client_submit(client, call, line);
}

void
vt_qmp_client_pass_fd(VtQmpClient *client, const char *name, int fd, guint timeout_ms, VtQmpReplyFunc reply,
                      gpointer user)
{
    QmpPassedFd passed = { .fd = fcntl(fd, F_DUPFD_CLOEXEC, 0), .offset = client->output->len };
    g_autoptr(GError) error = NULL;

    if (passed.fd < 0)
        vt_error_set_errno(&error, errno, _("cannot duplicate the descriptor '%s'"), name);
    else if (client->state != QMP_CLIENT_READY)
        vt_error_set(&error, VT_ERROR_ABORTED, _("QEMU cannot be given '%s': its monitor is not connected"),
                     name);
    if (error) {
        if (passed.fd >= 0)
            close(passed.fd);
        reply(user, NULL, error);
        return;
    }
    g_array_append_val(client->passed, passed);
    vt_qmp_client_callv(client, "getfd", timeout_ms, reply, user, "fdname", "s", name, NULL);
}

gboolean
vt_qmp_client_call_raw(VtQmpClient *client, const char *json, guint timeout_ms, VtQmpReplyFunc reply,
                       gpointer user, GError **error)
{
    g_autofree char *id = g_strdup_printf("vt-%" G_GUINT64_FORMAT, client->next_id + 1);
    g_autofree char *command = NULL;
    g_autofree char *line = vt_qmp_codec_encode_raw(json, id, &command, error);

    if (!line)
        return FALSE;
    qmp_client_submit(client, qmp_client_add_call(client, command, timeout_ms, reply, user), line);
    return TRUE;
}

void
vt_qmp_client_callv(VtQmpClient *client, const char *command, guint timeout_ms, VtQmpReplyFunc reply,
                    gpointer user, ...)
{
    JsonObject *object = json_object_new();
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);
    const char *name;
    va_list args;

    va_start(args, user);
    while ((name = va_arg(args, const char *))) {
        const char *letter = va_arg(args, const char *);

        if (*letter == 's')
            json_object_set_string_member(object, name, va_arg(args, const char *));
        else if (*letter == 'b')
            json_object_set_boolean_member(object, name, va_arg(args, gboolean));
        else if (*letter == 'i')
            json_object_set_int_member(object, name, va_arg(args, gint64));
        else if (*letter == 'd')
            json_object_set_double_member(object, name, va_arg(args, double));
        else
            json_object_set_member(object, name, va_arg(args, JsonNode *));
    }
    va_end(args);
    json_node_take_object(node, object);
    vt_qmp_client_call(client, command, node, timeout_ms, reply, user);
}

const char *
vt_qmp_client_reply_text(const VtQmpClient *client)
{
    return client->reply_text;
}
