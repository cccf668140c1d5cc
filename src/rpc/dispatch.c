/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What stock libvirt 9.0 answers to odd input, and therefore we (docs/protocol.md, "Odd input"):
 *
 *   keepalive: a message with procedure 1 gets procedure 2; anything else of that program is dropped
 *   type call or call-with-descriptors:
 *     unknown program or version   RPC "Cannot find program P version V"
 *     status not 0                 RPC "Unexpected message status N"
 *     unknown procedure            RPC "unknown procedure: N" (clients turn it into "not supported")
 *     not authenticated            RPC "authentication required"
 *     too few bytes, or a limit    RPC "Unable to decode message payload"; bytes too many are ignored
 *     before CONNECT_OPEN          internal error "hypervisor connection not open"
 *     read-only                    operation forbidden
 *   type stream: given to its stream, else dropped
 *   any other type: dropped, the connection stays
 */
#include "rpc/dispatch.h"

#include <unistd.h>

#include "rpc/stream.h"

#define VT_LOG_DOMAIN "virtteam-rpc-dispatch"
#include "util/log.h"

/* What may wait behind the calls in flight before reading stops. */
#define DISPATCH_PARKED_MAX       64u
#define DISPATCH_PARKED_BYTES_MAX (4u * 1024u * 1024u)

typedef struct {
    VtMessageHeader header;
    GBytes *payload;
    GArray *fds;
} DispatchParked;

struct _VtDispatch {
    VtConn *conn;
    const VtProgram *const *programs;
    guint max_calls;
    void (*may_read)(gpointer user);
    gpointer user;
    GQueue parked; /* of DispatchParked * */
    gsize parked_bytes;
    guint idle;
};

void
vt_dispatch_close_fds(GArray *fds)
{
    if (fds == NULL)
        return;
    for (guint i = 0; i < fds->len; i++)
        close(g_array_index(fds, int, i));
    g_array_unref(fds);
}

static void
dispatch_parked_free(gpointer data)
{
    DispatchParked *parked = data;

    g_bytes_unref(parked->payload);
    vt_dispatch_close_fds(parked->fds);
    g_free(parked);
}

static void
dispatch_refuse(VtDispatch *dispatch, const VtMessageHeader *header, VtErrorMapCode code, const char *text)
{
    VtProtoError wire;

    vt_error_map_exact(code, VT_ERROR_MAP_FROM_RPC, text, &wire);
    vt_log_debug("call %d serial %u refused: %s", header->procedure, header->serial, text);
    vt_conn_send(dispatch->conn, vt_call_reply_error(header, VT_MESSAGE_REPLY, &wire));
    vt_xdr_type_clear(&vt_proto_error, &wire);
}

static const VtProgram *
dispatch_find_program(const VtDispatch *dispatch, const VtMessageHeader *header)
{
    for (guint i = 0; dispatch->programs[i] != NULL; i++)
        if (dispatch->programs[i]->number == header->program &&
            dispatch->programs[i]->version == header->version)
            return dispatch->programs[i];
    return NULL;
}

static const VtProcedure *
dispatch_find_procedure(const VtProgram *program, gint32 number)
{
    for (gsize i = 0; i < program->n_rows; i++)
        if (program->rows[i].number == number && program->rows[i].handler != NULL)
            return &program->rows[i];
    return NULL;
}

/* The row to call, or NULL after the refusal has been sent. */
static const VtProcedure *
dispatch_judge(VtDispatch *dispatch, const VtMessageHeader *header)
{
    const VtConnState *state = vt_conn_state(dispatch->conn);
    const VtProgram *program = dispatch_find_program(dispatch, header);
    const VtProcedure *procedure = NULL;
    g_autofree char *text = NULL;

    if (program == NULL)
        text = g_strdup_printf("Cannot find program %u version %u", header->program, header->version);
    else if (header->status != VT_MESSAGE_OK)
        text = g_strdup_printf("Unexpected message status %d", header->status);
    else if ((procedure = dispatch_find_procedure(program, header->procedure)) == NULL)
        text = g_strdup_printf("unknown procedure: %d", header->procedure);
    else if (!state->authenticated && !(procedure->flags & VT_CALL_BEFORE_AUTH))
        text = g_strdup("authentication required");
    if (text == NULL)
        return procedure;
    dispatch_refuse(dispatch, header, VT_ERROR_MAP_RPC, text);
    return NULL;
}

static gpointer
dispatch_decode(const VtProcedure *procedure, GBytes *payload)
{
    g_autofree gpointer args = g_malloc0(MAX(procedure->args->size, 1));
    VtXdrReader reader;
    gsize size;
    const guint8 *data = g_bytes_get_data(payload, &size);

    vt_xdr_reader_init(&reader, data, size);
    if (!vt_xdr_type_decode(procedure->args, &reader, args)) {
        vt_xdr_type_clear(procedure->args, args);
        return NULL;
    }
    return g_steal_pointer(&args);
}

static void
dispatch_call(VtDispatch *dispatch, const VtMessageHeader *header, GBytes *payload, GArray *fds)
{
    const VtConnState *state = vt_conn_state(dispatch->conn);
    const VtProcedure *procedure = dispatch_judge(dispatch, header);
    gpointer args = procedure == NULL ? NULL : dispatch_decode(procedure, payload);
    VtCall *call;

    if (args == NULL) {
        if (procedure != NULL)
            dispatch_refuse(dispatch, header, VT_ERROR_MAP_RPC, "Unable to decode message payload");
        vt_dispatch_close_fds(fds);
        return;
    }
    vt_log_debug("call %s serial %u", procedure->name, header->serial);
    call = vt_call_new(dispatch->conn, procedure, header, args, fds);
    if (!state->opened && !(procedure->flags & VT_CALL_BEFORE_OPEN)) {
        vt_call_fail_exact(call, VT_ERROR_MAP_INTERNAL_ERROR, VT_ERROR_MAP_FROM_RPC,
                           "internal error: hypervisor connection not open");
        return;
    }
    if (procedure->access == VT_CALL_WRITE && vt_call_refuse_readonly(call))
        return;
    procedure->handler(call);
}

static void
dispatch_run_parked(VtDispatch *dispatch)
{
    while (!vt_conn_is_shut(dispatch->conn) && !vt_conn_state(dispatch->conn)->closing &&
           vt_conn_calls(dispatch->conn) < dispatch->max_calls && !g_queue_is_empty(&dispatch->parked)) {
        DispatchParked *parked = g_queue_pop_head(&dispatch->parked);

        dispatch->parked_bytes -= g_bytes_get_size(parked->payload);
        dispatch_call(dispatch, &parked->header, parked->payload, g_steal_pointer(&parked->fds));
        dispatch_parked_free(parked);
    }
}

static gboolean
dispatch_idle(gpointer user)
{
    VtDispatch *dispatch = user;
    gboolean stalled = !vt_dispatch_wants_more(dispatch);

    dispatch->idle = 0;
    dispatch_run_parked(dispatch);
    if (stalled && vt_dispatch_wants_more(dispatch))
        dispatch->may_read(dispatch->user);
    return G_SOURCE_REMOVE;
}

/* From the main loop, since whoever answered a call may be in the middle of something. */
static void
dispatch_call_ended(gpointer user)
{
    VtDispatch *dispatch = user;

    if (dispatch->idle == 0 && !g_queue_is_empty(&dispatch->parked))
        dispatch->idle = g_idle_add_full(G_PRIORITY_DEFAULT, dispatch_idle, dispatch, NULL);
}

VtDispatch *
vt_dispatch_new(VtConn *conn, const VtProgram *const *programs, guint max_calls,
                void (*may_read)(gpointer user), gpointer user)
{
    VtDispatch *dispatch = g_new0(VtDispatch, 1);

    dispatch->conn = vt_conn_ref(conn);
    dispatch->programs = programs;
    dispatch->max_calls = MAX(max_calls, 1);
    dispatch->may_read = may_read;
    dispatch->user = user;
    g_queue_init(&dispatch->parked);
    vt_conn_watch_calls(conn, dispatch_call_ended, dispatch);
    return dispatch;
}

void
vt_dispatch_free(VtDispatch *dispatch)
{
    if (dispatch == NULL)
        return;
    vt_conn_watch_calls(dispatch->conn, NULL, NULL);
    if (dispatch->idle != 0)
        g_source_remove(dispatch->idle);
    g_queue_clear_full(&dispatch->parked, dispatch_parked_free);
    vt_conn_unref(dispatch->conn);
    g_free(dispatch);
}

GByteArray *
vt_dispatch_keepalive(gint32 procedure)
{
    VtMessageHeader header = {
        .program = VT_KEEPALIVE_PROGRAM,
        .version = VT_KEEPALIVE_VERSION,
        .procedure = procedure,
        .type = VT_MESSAGE_EVENT,
    };

    return vt_message_begin(&header);
}

static void
dispatch_park(VtDispatch *dispatch, const VtMessageHeader *header, GBytes *payload, GArray *fds)
{
    DispatchParked *parked = g_new0(DispatchParked, 1);

    parked->header = *header;
    parked->payload = g_bytes_ref(payload);
    parked->fds = fds;
    dispatch->parked_bytes += g_bytes_get_size(payload);
    g_queue_push_tail(&dispatch->parked, parked);
    dispatch_run_parked(dispatch);
}

void
vt_dispatch_frame(VtDispatch *dispatch, const VtMessageHeader *header, GBytes *payload, GArray *fds)
{
    gboolean is_call = header->type == VT_MESSAGE_CALL || header->type == VT_MESSAGE_CALL_FDS;

    if (vt_conn_is_shut(dispatch->conn) || vt_conn_state(dispatch->conn)->closing) {
        vt_dispatch_close_fds(fds);
        return;
    }
    if (header->program == VT_KEEPALIVE_PROGRAM && !is_call) {
        if (header->type == VT_MESSAGE_EVENT && header->version == VT_KEEPALIVE_VERSION &&
            header->procedure == VT_KEEPALIVE_PING)
            vt_conn_send(dispatch->conn, vt_dispatch_keepalive(VT_KEEPALIVE_PONG));
        vt_dispatch_close_fds(fds);
        return;
    }
    if (is_call) {
        dispatch_park(dispatch, header, payload, fds);
        return;
    }
    if (header->type == VT_MESSAGE_STREAM || header->type == VT_MESSAGE_STREAM_HOLE)
        vt_stream_incoming(dispatch->conn, header, payload);
    vt_dispatch_close_fds(fds);
}

gboolean
vt_dispatch_wants_more(const VtDispatch *dispatch)
{
    return g_queue_get_length((GQueue *)&dispatch->parked) < DISPATCH_PARKED_MAX &&
           dispatch->parked_bytes < DISPATCH_PARKED_BYTES_MAX;
}
