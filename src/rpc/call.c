/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/call.h"

#include <stdarg.h>
#include <unistd.h>

#include "driver/domain-obj.h"

#define VT_LOG_DOMAIN "virtteam-rpc-call"
#include "util/log.h"

struct _VtCall {
    VtConn *conn;
    const VtProcedure *procedure;
    VtMessageHeader header;
    gpointer args;
    GArray *fds;
    GList link; /* in call_all */
};

/* Every call that is not answered yet, for vt_call_drop_all(). */
static GQueue call_all = G_QUEUE_INIT;

VtCall *
vt_call_new(VtConn *conn, const VtProcedure *procedure, const VtMessageHeader *header, gpointer args,
            GArray *fds)
{
    VtCall *call = g_new0(VtCall, 1);

    call->conn = vt_conn_ref(conn);
    call->procedure = procedure;
    call->header = *header;
    call->args = args;
    call->fds = fds;
    call->link.data = call;
    g_queue_push_tail_link(&call_all, &call->link);
    vt_conn_call_begun(conn);
    return call;
}

static void
call_free(VtCall *call)
{
    VtConn *conn = call->conn;

    g_queue_unlink(&call_all, &call->link);
    vt_xdr_type_clear(call->procedure->args, call->args);
    g_free(call->args);
    if (call->fds != NULL) {
        for (guint i = 0; i < call->fds->len; i++)
            close(g_array_index(call->fds, int, i));
        g_array_unref(call->fds);
    }
    g_free(call);
    vt_conn_call_ended(conn);
    vt_conn_unref(conn);
}

void
vt_call_drop_all(void)
{
    VtCall *call;

    while ((call = g_queue_peek_head(&call_all)) != NULL)
        call_free(call);
}

gpointer
vt_call_args(const VtCall *call)
{
    return call->args;
}

VtConn *
vt_call_conn(const VtCall *call)
{
    return call->conn;
}

VtDriver *
vt_call_driver(const VtCall *call)
{
    return vt_conn_driver(call->conn);
}

VtOwner *
vt_call_owner(const VtCall *call)
{
    return vt_conn_owner(call->conn);
}

const VtMessageHeader *
vt_call_header(const VtCall *call)
{
    return &call->header;
}

char *
vt_call_name(const VtCall *call)
{
    return vt_call_api_name(call->procedure->name);
}

static GByteArray *
call_reply_frame(const VtMessageHeader *header, VtMessageType type, VtMessageStatus status)
{
    VtMessageHeader reply = *header;

    reply.type = (gint32)type;
    reply.status = (gint32)status;
    return vt_message_begin(&reply);
}

GByteArray *
vt_call_reply_error(const VtMessageHeader *header, VtMessageType type, const VtProtoError *wire)
{
    GByteArray *frame = call_reply_frame(header, type, VT_MESSAGE_ERROR);
    VtXdrWriter writer;
    g_autoptr(GError) error = NULL;
    VtProtoError plain = *wire;

    vt_xdr_writer_init(&writer, frame, VT_MESSAGE_MAX);
    if (!vt_xdr_type_encode(&vt_proto_error, &plain, &writer, &error)) {
        /* Only a text of more than 4 MiB ends here. */
        plain.message = plain.str1 = plain.str2 = plain.str3 = NULL;
        g_byte_array_set_size(frame, VT_MESSAGE_MIN);
        vt_xdr_writer_init(&writer, frame, VT_MESSAGE_MAX);
        vt_xdr_type_encode(&vt_proto_error, &plain, &writer, NULL);
    }
    return frame;
}

static void
call_fail_wire(VtCall *call, VtProtoError *wire)
{
    vt_log_debug("call %s serial %u fails: %s", call->procedure->name, call->header.serial, wire->message);
    vt_conn_send(call->conn, vt_call_reply_error(&call->header, VT_MESSAGE_REPLY, wire));
    vt_xdr_type_clear(&vt_proto_error, wire);
    call_free(call);
}

void
vt_call_return(VtCall *call, gconstpointer ret)
{
    g_autoptr(GByteArray) frame = call_reply_frame(&call->header, VT_MESSAGE_REPLY, VT_MESSAGE_OK);
    g_autoptr(GError) error = NULL;
    VtXdrWriter writer;

    vt_xdr_writer_init(&writer, frame, VT_MESSAGE_MAX);
    if (!vt_xdr_type_encode(call->procedure->ret, ret, &writer, &error)) {
        vt_call_fail(call, error);
        return;
    }
    vt_conn_send(call->conn, g_steal_pointer(&frame));
    call_free(call);
}

void
vt_call_return_int(VtCall *call, gint32 value)
{
    VtProtoInt ret = { .value = value };

    vt_call_return(call, &ret);
}

void
vt_call_return_ulong(VtCall *call, guint64 value)
{
    VtProtoUlong ret = { .value = value };

    vt_call_return(call, &ret);
}

void
vt_call_return_text(VtCall *call, const char *text)
{
    VtProtoText ret = { .text = (char *)text };

    vt_call_return(call, &ret);
}

void
vt_call_fail(VtCall *call, const GError *error)
{
    VtProtoError wire;

    vt_error_map(error, &wire);
    call_fail_wire(call, &wire);
}

void
vt_call_fail_exact(VtCall *call, VtErrorMapCode code, VtErrorMapDomain domain, const char *format, ...)
{
    g_autofree char *text = NULL;
    VtProtoError wire;
    va_list list;

    va_start(list, format);
    text = g_strdup_vprintf(format, list);
    va_end(list);
    vt_error_map_exact(code, domain, text, &wire);
    call_fail_wire(call, &wire);
}

void
vt_call_done(gpointer call, const GError *error)
{
    if (error != NULL)
        vt_call_fail(call, error);
    else
        vt_call_return(call, NULL);
}

void
vt_call_finish(VtCall *call, gboolean ok, GError *error)
{
    g_autoptr(GError) owned = error;

    if (ok)
        vt_call_return(call, NULL);
    else
        vt_call_fail(call, owned);
}

gboolean
vt_call_refuse_readonly(VtCall *call)
{
    g_autofree char *name = NULL;

    if (!vt_conn_state(call->conn)->readonly)
        return FALSE;
    name = vt_call_name(call);
    vt_call_fail_exact(call, VT_ERROR_MAP_OPERATION_DENIED, VT_ERROR_MAP_FROM_NONE,
                       "operation forbidden: read only access prevents %s", name);
    return TRUE;
}

VtDomain *
vt_call_domain(VtCall *call, const VtProtoDom *dom)
{
    g_autoptr(GError) error = NULL;
    VtDomain *domain = vt_driver_lookup_uuid(vt_call_driver(call), &dom->uuid, &error);

    if (domain == NULL)
        vt_call_fail(call, error);
    return domain;
}

VtProtoDom
vt_call_dom(const VtDomain *domain)
{
    return (VtProtoDom){
        .name = (char *)vt_domain_name(domain),
        .uuid = *vt_domain_uuid(domain),
        .id = vt_domain_id(domain),
    };
}

void
vt_call_return_dom(VtCall *call, const VtDomain *domain)
{
    VtProtoDomArg ret = { .dom = vt_call_dom(domain) };

    vt_call_return(call, &ret);
}

void
vt_call_return_empty(VtCall *call)
{
    g_autofree gpointer zeros = g_malloc0(MAX(call->procedure->ret->size, 1));

    vt_call_return(call, zeros);
}

char *
vt_call_api_name(const char *procedure_name)
{
    static const char *const kept[] = { "XML", "UUID", "OS", "ID", "URI", "NMI", "CPU" };
    g_auto(GStrv) words = g_strsplit(procedure_name, "_", -1);
    g_autoptr(GString) name = g_string_new("vir");

    for (guint i = 0; words[i] != NULL; i++) {
        gboolean keep = FALSE;

        for (guint j = 0; j < G_N_ELEMENTS(kept); j++)
            keep = keep || g_str_equal(words[i], kept[j]);
        if (!keep)
            for (char *c = words[i]; *c != '\0'; c++)
                *c = c == words[i] ? g_ascii_toupper(*c) : g_ascii_tolower(*c);
        g_string_append(name, words[i]);
    }
    return g_string_free(g_steal_pointer(&name), FALSE);
}
