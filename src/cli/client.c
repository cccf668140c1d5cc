/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Source: libvirt's remote protocol, as docs/protocol.md tells it. */
#include "cli/client.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "rpc/message.h"
#include "util/i18n.h"

#define CLIENT_PROGRAM_REMOTE 0x20008086u
#define CLIENT_CONNECT_OPEN   1
#define CLIENT_LOOKUP_BY_NAME 23
#define CLIENT_AUTH_LIST      66
#define CLIENT_OPEN_READONLY  1u
#define CLIENT_TIMEOUT_S      60
#define CLIENT_CHUNK          65536u

struct _VtClient {
    int fd;
    guint32 serial;
    VtMessageReader reader;
};

char *
vt_client_socket(const char *root)
{
    if (root != NULL)
        return g_build_filename(root, "run/virtteam/virtteamd-sock", NULL);
    if (geteuid() == 0)
        return g_strdup("/run/virtteam/virtteamd-sock");
    return g_build_filename(g_get_user_runtime_dir(), "virtteam/virtteamd-sock", NULL);
}

void
vt_client_free(VtClient *client)
{
    if (client == NULL)
        return;
    if (client->fd >= 0)
        close(client->fd);
    vt_message_reader_clear(&client->reader);
    g_free(client);
}

/* errno of a socket with time limits, in words. */
static gboolean
client_fail_io(GError **error, int code)
{
    if (code == EAGAIN || code == EWOULDBLOCK)
        return vt_error_set(error, VT_ERROR_TIMEOUT, "%s", _("the daemon has not answered in time"));
    return vt_error_set_errno(error, code, "%s", _("the connection to the daemon is lost"));
}

static gboolean
client_send(VtClient *client, const GByteArray *frame, GError **error)
{
    gsize sent = 0;

    while (sent < frame->len) {
        gssize n = send(client->fd, frame->data + sent, frame->len - sent, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR)
            return client_fail_io(error, errno);
        sent += n > 0 ? (gsize)n : 0;
    }
    return TRUE;
}

/* One frame, whatever it is. */
static gboolean
client_receive(VtClient *client, VtMessageHeader *header, GBytes **payload, GError **error)
{
    guint8 chunk[CLIENT_CHUNK];

    while (!client->reader.complete) {
        gssize n = recv(client->fd, chunk, MIN(sizeof chunk, vt_message_reader_want(&client->reader)), 0);

        if (n == 0)
            return vt_error_set(error, VT_ERROR_RPC, "%s", _("the daemon has closed the connection"));
        if (n < 0 && errno != EINTR)
            return client_fail_io(error, errno);
        if (n > 0 && !vt_message_reader_feed(&client->reader, chunk, (gsize)n, error))
            return FALSE;
    }
    vt_message_reader_take(&client->reader, header, payload);
    return TRUE;
}

static gboolean
client_decode(GBytes *payload, const VtXdrType *type, gpointer value, GError **error)
{
    gsize size;
    const guint8 *data = g_bytes_get_data(payload, &size);
    VtXdrReader reader;

    vt_xdr_reader_init(&reader, data, size);
    return vt_xdr_type_decode(type, &reader, value) ||
           vt_error_set(error, VT_ERROR_RPC, "%s", _("the daemon's answer cannot be understood"));
}

static gboolean
client_refused(GBytes *payload, GError **error)
{
    g_autofree VtProtoError *wire = g_new0(VtProtoError, 1);

    if (client_decode(payload, &vt_proto_error, wire, error))
        vt_error_set(error, VT_ERROR_OPERATION_FAILED, "%s",
                     wire->message ? wire->message : _("the daemon refuses, and does not say why"));
    vt_xdr_type_clear(&vt_proto_error, wire);
    return FALSE;
}

static void
client_set_timeout(VtClient *client, guint timeout_s)
{
    const struct timeval limit = { .tv_sec = timeout_s };

    setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

gboolean
vt_client_call(VtClient *client, const VtClientCall *call, GError **error)
{
    const VtMessageHeader header = {
        .program = call->program,
        .version = call->version,
        .procedure = call->procedure,
        .serial = client->serial++,
    };
    g_autoptr(GByteArray) frame = vt_message_begin(&header);
    VtXdrWriter writer;

    client_set_timeout(client, call->timeout_s ? call->timeout_s : CLIENT_TIMEOUT_S);
    vt_xdr_writer_init(&writer, frame, VT_MESSAGE_MAX);
    if (!vt_xdr_type_encode(call->args_type, call->args, &writer, error))
        return FALSE;
    if (!vt_message_end(frame))
        return vt_error_set(error, VT_ERROR_RPC, "%s", _("the call is too large"));
    if (!client_send(client, frame, error))
        return FALSE;
    for (;;) {
        g_autoptr(GBytes) payload = NULL;
        VtMessageHeader answer;

        if (!client_receive(client, &answer, &payload, error))
            return FALSE;
        if (answer.type != VT_MESSAGE_REPLY || answer.serial != header.serial)
            continue;
        if (answer.status != VT_MESSAGE_OK)
            return client_refused(payload, error);
        return client_decode(payload, call->ret_type, call->ret, error);
    }
}

/* A call of libvirt's own program. */
static gboolean
client_call_remote(VtClient *client, VtClientCall call, GError **error)
{
    call.program = CLIENT_PROGRAM_REMOTE;
    call.version = 1;
    return vt_client_call(client, &call, error);
}

/* The daemon says here whether this user may use the socket. */
static gboolean
client_authenticate(VtClient *client, GError **error)
{
    VtProtoItems types = { .items = { .n = 0 } };
    VtClientCall call = {
        .procedure = CLIENT_AUTH_LIST,
        .args_type = &vt_xdr_void,
        .ret_type = &vt_proto_auth_types,
        .ret = &types,
    };
    gboolean none;

    if (!client_call_remote(client, call, error))
        return FALSE;
    none = types.items.n == 0 || ((const gint32 *)types.items.items)[0] == 0;
    vt_xdr_type_clear(&vt_proto_auth_types, &types);
    return none || vt_error_set(error, VT_ERROR_AUTH, "%s",
                                _("the daemon asks for an authentication that this program cannot do: run it "
                                  "as root"));
}

static gboolean
client_open_driver(VtClient *client, gboolean readonly, GError **error)
{
    const VtProtoTextFlags args = {
        .text = (char *)"qemu:///system",
        .flags = readonly ? CLIENT_OPEN_READONLY : 0,
    };
    VtClientCall call = {
        .procedure = CLIENT_CONNECT_OPEN,
        .args_type = &vt_proto_text_optional_flags,
        .args = &args,
        .ret_type = &vt_xdr_void,
    };

    return client_call_remote(client, call, error);
}

static gboolean
client_connect(VtClient *client, const char *path, GError **error)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    if (strlen(path) >= sizeof address.sun_path)
        return vt_error_set(error, VT_ERROR_INVALID_ARG, _("the path of the socket '%s' is too long"), path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0)
        return vt_error_set_errno(error, errno, "%s", _("cannot make a socket"));
    client_set_timeout(client, CLIENT_TIMEOUT_S);
    if (connect(client->fd, (const struct sockaddr *)&address, sizeof address) < 0)
        return vt_error_set_errno(error, errno,
                                  _("cannot connect to '%s' (is virtteamd running, and is it the right "
                                    "--socket or --root?)"),
                                  path);
    return TRUE;
}

VtClient *
vt_client_open(const char *path, gboolean readonly, GError **error)
{
    g_autoptr(VtClient) client = g_new0(VtClient, 1);

    client->fd = -1;
    vt_message_reader_init(&client->reader);
    if (!client_connect(client, path, error) || !client_authenticate(client, error) ||
        !client_open_driver(client, readonly, error))
        return NULL;
    return g_steal_pointer(&client);
}

gboolean
vt_client_lookup(VtClient *client, const char *name, VtProtoDom *dom, GError **error)
{
    const VtProtoText args = { .text = (char *)name };
    VtClientCall call = {
        .procedure = CLIENT_LOOKUP_BY_NAME,
        .args_type = &vt_proto_text,
        .args = &args,
        .ret_type = &vt_proto_dom,
        .ret = dom,
    };

    return client_call_remote(client, call, error);
}
