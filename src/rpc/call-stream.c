/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/call-stream.h"

#include <errno.h>
#include <glib-unix.h>
#include <unistd.h>

#include "driver/console.h"
#include "rpc/stream.h"

/* What a guest that does not read its console may leave unread before the stream is ended. */
#define CALL_STREAM_PENDING_MAX (1024u * 1024u)
#define CALL_STREAM_CHUNK       65536u

typedef struct {
    VtDriver *driver;
    VtStream *stream; /* NULL once it is gone */
    int fd;
    gpointer release;
    guint read_watch, write_watch;
    GByteArray *pending; /* from the client, not yet taken by the guest */
} ConsoleStream;

static void
console_free(ConsoleStream *console)
{
    if (console->read_watch != 0)
        g_source_remove(console->read_watch);
    if (console->write_watch != 0)
        g_source_remove(console->write_watch);
    if (console->fd >= 0)
        close(console->fd);
    vt_console_close(console->driver, console->release);
    g_byte_array_unref(console->pending);
    g_free(console);
}

/* Our side cannot go on: the client is told why. */
static void
console_fail(ConsoleStream *console, VtErrorCode code, const char *text)
{
    g_autoptr(GError) error = g_error_new_literal(VT_ERROR, code, text);

    vt_stream_fail(console->stream, error);
    console_free(console);
}

static gboolean console_readable(int fd, GIOCondition condition, gpointer user);

static void
console_watch_read(ConsoleStream *console)
{
    if (console->read_watch == 0)
        console->read_watch =
            g_unix_fd_add(console->fd, G_IO_IN | G_IO_HUP | G_IO_ERR, console_readable, console);
}

static gboolean
console_readable(int fd, GIOCondition condition, gpointer user)
{
    ConsoleStream *console = user;
    guint8 buffer[CALL_STREAM_CHUNK];
    ssize_t n = read(fd, buffer, sizeof(buffer));

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;
    if (n <= 0) {
        /* The guest is gone (a pty without its other end says EIO); the client will finish the stream. */
        console->read_watch = 0;
        vt_stream_eof(console->stream);
        return G_SOURCE_REMOVE;
    }
    if (vt_stream_send(console->stream, buffer, (gsize)n))
        return G_SOURCE_CONTINUE;
    console->read_watch = 0;
    return G_SOURCE_REMOVE;
}

/* FALSE with errno when the other end is gone. */
static gboolean
console_flush(ConsoleStream *console)
{
    while (console->pending->len > 0) {
        ssize_t n = write(console->fd, console->pending->data, console->pending->len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        g_byte_array_remove_range(console->pending, 0, (guint)n);
    }
    return TRUE;
}

static gboolean
console_writable(int fd, GIOCondition condition, gpointer user)
{
    ConsoleStream *console = user;

    if (!console_flush(console))
        g_byte_array_set_size(console->pending, 0); /* nobody will read it; the reading side says EOF */
    if (console->pending->len > 0)
        return G_SOURCE_CONTINUE;
    console->write_watch = 0;
    return G_SOURCE_REMOVE;
}

static void
console_from_client(VtStream *stream, const guint8 *data, gsize size, gpointer user)
{
    ConsoleStream *console = user;

    if (size > CALL_STREAM_PENDING_MAX - console->pending->len) {
        console_fail(console, VT_ERROR_OPERATION_FAILED,
                     "The guest does not read its console: 1 MiB of input is waiting.");
        return;
    }
    g_byte_array_append(console->pending, data, (guint)size);
    if (!console_flush(console))
        g_byte_array_set_size(console->pending, 0);
    if (console->pending->len > 0 && console->write_watch == 0)
        console->write_watch =
            g_unix_fd_add(console->fd, G_IO_OUT | G_IO_HUP | G_IO_ERR, console_writable, console);
}

static void
console_drained(VtStream *stream, gpointer user)
{
    console_watch_read(user);
}

static void
console_ended(VtStream *stream, gpointer user)
{
    console_free(user);
}

/* Another client has taken the console by force. */
static void
console_evicted(gpointer user)
{
    console_fail(user, VT_ERROR_ABORTED, "Another client has taken over this console.");
}

static const VtStreamFuncs console_funcs = {
    .data = console_from_client,
    .drained = console_drained,
    .ended = console_ended,
};

void
vt_call_stream_console(VtCall *call)
{
    const VtProtoDomTextFlags *args = vt_call_args(call);
    VtDomain *domain = vt_call_domain(call, &args->dom);
    g_autoptr(GError) error = NULL;
    ConsoleStream *console;

    if (domain == NULL)
        return;
    console = g_new0(ConsoleStream, 1);
    console->driver = vt_call_driver(call);
    console->fd = -1;
    if (!vt_console_open(console->driver, domain, args->text, args->flags, console_evicted, console,
                         &console->fd, &console->release, &error)) {
        g_free(console);
        if (g_error_matches(error, VT_ERROR, VT_ERROR_BUSY))
            error->code = VT_ERROR_OPERATION_FAILED; /* nothing was waited for: "busy" would say timed out */
        vt_call_fail(call, error);
        return;
    }
    console->pending = g_byte_array_new();
    console->stream = vt_stream_open(call, &console_funcs, console);
    console_watch_read(console);
    vt_call_return(call, NULL);
}
