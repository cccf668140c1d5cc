/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/call-connect.h"

#include <string.h>

#include "driver/query.h"
#include "util/i18n.h"

/* The libvirt whose behaviour clients can count on; virConnectGetLibVersion's encoding. */
#define CALL_CONNECT_LIB_VERSION 9000000u

/* ---- authentication and open ---- */

void
vt_call_connect_auth_list(VtCall *call)
{
    gint32 none = 0;
    VtProtoItems ret = { .items = { .n = 1, .items = &none } };
    g_autoptr(VtConn) conn = vt_conn_ref(vt_call_conn(call));

    if (vt_conn_state(conn)->authenticated) {
        vt_call_return(call, &ret);
        return;
    }
    vt_call_fail_exact(
        call, VT_ERROR_MAP_AUTH_FAILED, VT_ERROR_MAP_FROM_RPC, "%s",
        _("authentication failed: only root and the user who runs virtteamd may connect to this "
          "socket; see auth_unix_rw in virtteamd.conf"));
    vt_conn_close(conn, "it is not authenticated", TRUE);
}

void
vt_call_connect_auth_polkit(VtCall *call)
{
    vt_call_fail_exact(call, VT_ERROR_MAP_AUTH_FAILED, VT_ERROR_MAP_FROM_RPC, "%s",
                       _("authentication failed: polkit was not asked for on this socket"));
}

/* "qemu:///system?x=y" opens what "qemu:///system" opens; the host part must be empty here. */
static gboolean
connect_uri_is_ours(const char *uri, gboolean session)
{
    g_autofree char *base = NULL;
    const char *query = strchr(uri, '?');

    base = query == NULL ? g_strdup(uri) : g_strndup(uri, (gsize)(query - uri));
    if (g_str_equal(base, "qemu:///session"))
        return TRUE;
    return !session && g_str_equal(base, "qemu:///system");
}

static const char *
connect_default_uri(VtCall *call)
{
    return vt_driver_config(vt_call_driver(call))->session ? "qemu:///session" : "qemu:///system";
}

void
vt_call_connect_open(VtCall *call)
{
    const VtProtoTextFlags *args = vt_call_args(call);
    VtConnState *state = vt_conn_state(vt_call_conn(call));
    gboolean session = vt_driver_config(vt_call_driver(call))->session;
    gboolean named = args->text != NULL && *args->text != '\0';

    if (state->opened) {
        vt_call_fail_exact(call, VT_ERROR_MAP_INTERNAL_ERROR, VT_ERROR_MAP_FROM_RPC,
                           "internal error: connection already open");
        return;
    }
    if (args->flags & ~(1u | 2u)) { /* read-only, no-aliases */
        vt_call_fail_exact(call, VT_ERROR_MAP_INVALID_ARG, VT_ERROR_MAP_FROM_RPC,
                           _("invalid argument: unsupported flags (0x%x) of the connection"), args->flags);
        return;
    }
    if (named && !connect_uri_is_ours(args->text, session)) {
        vt_call_fail_exact(call, VT_ERROR_MAP_NO_CONNECT, VT_ERROR_MAP_FROM_NONE,
                           "no connection driver available for %s", args->text);
        return;
    }
    state->opened = TRUE;
    state->readonly = state->readonly || (args->flags & 1u);
    state->uri = g_strdup(named ? args->text : connect_default_uri(call));
    vt_call_return(call, NULL);
}

void
vt_call_connect_close(VtCall *call)
{
    g_autoptr(VtConn) conn = vt_conn_ref(vt_call_conn(call));

    vt_conn_state(conn)->closing = TRUE;
    vt_call_return(call, NULL);
    vt_conn_close(conn, "the client has closed it", TRUE);
}

/* virDrvFeature numbers that are answered with 1. What is not here is 0: FD_PASSING, P2P, DIRECT, OFFLINE ... */
static const gint32 connect_features[] = {
    6,  /* MIGRATION_V3 */
    7,  /* MIGRATE_CHANGE_PROTECTION */
    9,  /* TYPED_PARAM_STRING */
    10, /* PROGRAM_KEEPALIVE */
    11, /* XML_MIGRATABLE */
    13, /* MIGRATION_PARAMS */
    14, /* REMOTE_EVENT_CALLBACK */
    15, /* REMOTE_CLOSE_CALLBACK */
};
#define CALL_CONNECT_FEATURE_KEEPALIVE 10

void
vt_call_connect_feature(VtCall *call)
{
    const VtProtoInt *args = vt_call_args(call);
    gint32 answer = 0;

    for (guint i = 0; i < G_N_ELEMENTS(connect_features); i++)
        if (connect_features[i] == args->value)
            answer = 1;
    if (args->value == CALL_CONNECT_FEATURE_KEEPALIVE)
        vt_conn_start_keepalive(vt_call_conn(call));
    vt_call_return_int(call, answer);
}

/* ---- what is this ---- */

void
vt_call_connect_type(VtCall *call)
{
    vt_call_return_text(call, "QEMU");
}

void
vt_call_connect_version(VtCall *call)
{
    g_autoptr(GError) error = NULL;
    VtQemuCaps *caps = vt_driver_caps(vt_call_driver(call), NULL, &error);

    if (caps == NULL)
        vt_call_fail(call, error);
    else
        vt_call_return_ulong(call, caps->version);
}

void
vt_call_connect_lib_version(VtCall *call)
{
    vt_call_return_ulong(call, CALL_CONNECT_LIB_VERSION);
}

void
vt_call_connect_hostname(VtCall *call)
{
    vt_call_return_text(call, vt_driver_config(vt_call_driver(call))->hostname);
}

void
vt_call_connect_uri(VtCall *call)
{
    vt_call_return_text(call, connect_default_uri(call));
}

void
vt_call_connect_max_vcpus(VtCall *call)
{
    g_autoptr(GError) error = NULL;
    VtQemuCaps *caps = vt_driver_caps(vt_call_driver(call), NULL, &error);
    guint max = 1;

    if (caps == NULL) {
        vt_call_fail(call, error);
        return;
    }
    for (guint i = 0; i < caps->machines->len; i++) {
        const VtQemuMachine *machine = g_ptr_array_index(caps->machines, i);

        if (machine->is_default)
            max = machine->max_cpus;
    }
    vt_call_return_int(call, (gint32)MIN(max, G_MAXINT32));
}

void
vt_call_connect_is_secure(VtCall *call)
{
    vt_call_return_int(call, 1); /* a unix socket */
}

/* ---- the host ---- */

void
vt_call_connect_node_info(VtCall *call)
{
    g_autoptr(GError) error = NULL;
    VtNodeInfo info = { .nodes = 0 };
    VtProtoNodeInfo ret;

    if (!vt_host_node_info(&info, &error)) {
        vt_call_fail(call, error);
        return;
    }
    ret = (VtProtoNodeInfo){
        .model = info.model,
        .memory_kib = info.memory_kib,
        .cpus = (gint32)info.cpus,
        .mhz = (gint32)info.mhz,
        .nodes = (gint32)info.nodes,
        .sockets = (gint32)info.sockets,
        .cores = (gint32)info.cores,
        .threads = (gint32)info.threads,
    };
    vt_call_return(call, &ret);
}

void
vt_call_connect_security_model(VtCall *call)
{
    VtProtoSecurityModel ret = { .model = (char *)"none", .doi = (char *)"0" };

    vt_call_return(call, &ret);
}

static void
connect_return_document(VtCall *call, char *text, GError *error)
{
    g_autofree char *owned = text;
    g_autoptr(GError) owned_error = error;

    if (owned == NULL)
        vt_call_fail(call, owned_error);
    else
        vt_call_return_text(call, owned);
}

void
vt_call_connect_capabilities(VtCall *call)
{
    GError *error = NULL;
    char *text = vt_host_capabilities(vt_call_driver(call), &error);

    connect_return_document(call, text, error);
}

void
vt_call_connect_domain_capabilities(VtCall *call)
{
    const VtProtoDomainCapsArgs *args = vt_call_args(call);
    GError *error = NULL;
    char *text = vt_host_domain_capabilities(vt_call_driver(call), args->emulator, args->arch, args->machine,
                                             args->virttype, args->flags, &error);

    connect_return_document(call, text, error);
}

void
vt_call_connect_xml_to_native(VtCall *call)
{
    const VtProtoNativeArgs *args = vt_call_args(call);
    GError *error = NULL;
    char *text = vt_query_xml_to_native(vt_call_driver(call), args->format, args->text, args->flags, &error);

    connect_return_document(call, text, error);
}

void
vt_call_connect_nothing(VtCall *call)
{
    vt_call_return(call, NULL);
}

/* ---- objects of other drivers ---- */

void
vt_call_connect_empty(VtCall *call)
{
    vt_call_return_empty(call);
}

void
vt_call_connect_no_support(VtCall *call)
{
    g_autofree char *name = vt_call_name(call);

    vt_call_fail_exact(call, VT_ERROR_MAP_NO_SUPPORT, VT_ERROR_MAP_FROM_NONE,
                       "this function is not supported by the connection driver: %s", name);
}

static void
connect_no_uuid(VtCall *call, VtErrorMapCode code, VtErrorMapDomain domain, const char *what,
                const VtUuid *uuid)
{
    char text[VT_UUID_STRING_SIZE];

    vt_call_fail_exact(call, code, domain, "%s with matching uuid '%s'", what, vt_uuid_format(uuid, text));
}

void
vt_call_connect_no_network(VtCall *call)
{
    vt_call_fail_exact(call, VT_ERROR_MAP_NO_NETWORK, VT_ERROR_MAP_FROM_NETWORK,
                       "Network not found: no network with matching name '%s'",
                       ((const VtProtoText *)vt_call_args(call))->text);
}

void
vt_call_connect_no_network_uuid(VtCall *call)
{
    connect_no_uuid(call, VT_ERROR_MAP_NO_NETWORK, VT_ERROR_MAP_FROM_NETWORK, "Network not found: no network",
                    &((const VtProtoUuid *)vt_call_args(call))->uuid);
}

void
vt_call_connect_no_pool(VtCall *call)
{
    vt_call_fail_exact(call, VT_ERROR_MAP_NO_STORAGE_POOL, VT_ERROR_MAP_FROM_STORAGE,
                       "Storage pool not found: no storage pool with matching name '%s'",
                       ((const VtProtoText *)vt_call_args(call))->text);
}

void
vt_call_connect_no_pool_uuid(VtCall *call)
{
    connect_no_uuid(call, VT_ERROR_MAP_NO_STORAGE_POOL, VT_ERROR_MAP_FROM_STORAGE,
                    "Storage pool not found: no storage pool",
                    &((const VtProtoUuid *)vt_call_args(call))->uuid);
}

void
vt_call_connect_no_pool_of_volume(VtCall *call)
{
    vt_call_fail_exact(call, VT_ERROR_MAP_NO_STORAGE_POOL, VT_ERROR_MAP_FROM_STORAGE,
                       "Storage pool not found: no storage pool with matching name '%s'",
                       ((const VtProtoVol *)vt_call_args(call))->pool);
}

void
vt_call_connect_no_volume_key(VtCall *call)
{
    vt_call_fail_exact(call, VT_ERROR_MAP_NO_STORAGE_VOL, VT_ERROR_MAP_FROM_STORAGE,
                       "Storage volume not found: no storage vol with matching key %s",
                       ((const VtProtoText *)vt_call_args(call))->text);
}

void
vt_call_connect_no_volume_path(VtCall *call)
{
    vt_call_fail_exact(call, VT_ERROR_MAP_NO_STORAGE_VOL, VT_ERROR_MAP_FROM_STORAGE,
                       "Storage volume not found: no storage vol with matching path '%s'",
                       ((const VtProtoText *)vt_call_args(call))->text);
}

void
vt_call_connect_no_nodedev(VtCall *call)
{
    vt_call_fail_exact(call, VT_ERROR_MAP_NO_NODE_DEVICE, VT_ERROR_MAP_FROM_NODEDEV,
                       "Node device not found: no node device with matching name '%s'",
                       ((const VtProtoText *)vt_call_args(call))->text);
}
