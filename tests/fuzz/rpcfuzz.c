/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any bytes as what one client sends: cut into frames, dispatched to a driver without QEMU. Nothing leaks, nothing is
 * called that a client may not call, and the connection can be ended at any point.
 */
#include "tests/lib/fake-driver.h"
#include "rpc/dispatch.h"
#include "rpc/proto-aux.h"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

typedef struct {
    gboolean closed;
    gsize sent;
} RpcFuzz;

static void
rpcfuzz_send(gpointer user, GByteArray *frame)
{
    RpcFuzz *fuzz = user;

    g_assert_cmpuint(frame->len, >=, VT_MESSAGE_MIN);
    g_assert_cmpuint(frame->len, <=, VT_MESSAGE_MAX);
    fuzz->sent += frame->len;
    g_byte_array_unref(frame);
}

/* Every other time the client seems not to read. */
static gsize
rpcfuzz_queued(gpointer user)
{
    return ((RpcFuzz *)user)->sent & 1 ? 8u << 20 : 0;
}

static void
rpcfuzz_close(gpointer user, const char *why, gboolean flush)
{
    ((RpcFuzz *)user)->closed = TRUE;
}

static void
rpcfuzz_nothing(gpointer user)
{
}

static void
rpcfuzz_feed(VtDispatch *dispatch, RpcFuzz *fuzz, const guint8 *data, gsize size)
{
    VtMessageReader reader;

    vt_message_reader_init(&reader);
    while (size > 0 && !fuzz->closed && vt_dispatch_wants_more(dispatch)) {
        gsize n = MIN(size, vt_message_reader_want(&reader));
        VtMessageHeader header;
        g_autoptr(GBytes) payload = NULL;

        if (!vt_message_reader_feed(&reader, data, n, NULL))
            break;
        data += n;
        size -= n;
        if (!reader.complete)
            continue;
        vt_message_reader_take(&reader, &header, &payload);
        vt_dispatch_frame(dispatch, &header, payload, NULL);
        while (g_main_context_iteration(NULL, FALSE))
            ;
    }
    vt_message_reader_clear(&reader);
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    static const VtConnFuncs funcs = {
        .send = rpcfuzz_send,
        .queued = rpcfuzz_queued,
        .close = rpcfuzz_close,
        .keepalive = rpcfuzz_nothing,
    };
    VtDriver *driver = fake_driver_new(TRUE);
    RpcFuzz fuzz = { .closed = FALSE };
    VtConn *conn = vt_conn_new(driver, &funcs, &fuzz);
    VtDispatch *dispatch = vt_dispatch_new(conn, vt_proto_programs, 5, rpcfuzz_nothing, NULL);
    guint8 state = size > 0 ? data[0] : 0;

    vt_conn_state(conn)->authenticated = !(state & 1);
    vt_conn_state(conn)->opened = !(state & 2);
    vt_conn_state(conn)->readonly = (state & 4) != 0;
    if (size > 1)
        rpcfuzz_feed(dispatch, &fuzz, data + 1, size - 1);
    fake_driver_emit_lifecycle(driver, 2, 0);
    vt_conn_shut(conn, TRUE);
    vt_dispatch_free(dispatch);
    vt_conn_unref(conn);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    fake_driver_free(driver);
    return 0;
}
