/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver/net-port-libvirt.h"

#include <stdlib.h>
#include <string.h>
#include "driver/net-port-library.h"
#include "util/i18n.h"

/* One call: what it has open of libvirt's, in the order of opening. */
typedef struct {
    const VtNetPortLibrary *vir;
    virConnect *connect;
    virNetwork *network;
    virNetworkPort *port;
} LibvirtCall;

static void
net_port_libvirt_end(LibvirtCall *call)
{
    if (call->port)
        call->vir->network_port_free(call->port);
    if (call->network)
        call->vir->network_free(call->network);
    if (call->connect)
        call->vir->connect_close(call->connect);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LibvirtCall, net_port_libvirt_end)

/* libvirt writes every error to standard error unless somebody takes it. */
static void
net_port_libvirt_hush(void *user, virErrorPtr error)
{
}

static int
net_port_libvirt_code(const LibvirtCall *call)
{
    const virError *last = call->vir->get_last_error();

    return last ? last->code : VIR_ERR_OK;
}

static const char *
net_port_libvirt_words(const LibvirtCall *call)
{
    const virError *last = call->vir->get_last_error();

    return last && last->message ? last->message : _("no reason was given");
}

static gboolean
net_port_libvirt_open(LibvirtCall *call, const char *uri, GError **error)
{
    call->vir = vt_net_port_library(error);
    if (!call->vir)
        return FALSE;
    call->vir->set_error_func(NULL, net_port_libvirt_hush);
    call->connect = call->vir->connect_open(uri);
    if (call->connect)
        return TRUE;
    return vt_error_set(
        error, VT_ERROR_SYSTEM,
        _("no libvirt network daemon can be reached at '%s' (network_uri in virtteamd.conf): %s; "
          "interfaces of type='network' need one"),
        uri, net_port_libvirt_words(call));
}

static gboolean
net_port_libvirt_network(LibvirtCall *call, const char *name, GError **error)
{
    call->network = call->vir->network_lookup_by_name(call->connect, name);
    if (call->network)
        return TRUE;
    if (net_port_libvirt_code(call) == VIR_ERR_NO_NETWORK)
        return vt_error_set(error, VT_ERROR_NO_NETWORK, _("no network with matching name '%s'"), name);
    return vt_error_set(error, VT_ERROR_OPERATION_FAILED, _("network '%s': %s"), name,
                        net_port_libvirt_words(call));
}

static gboolean
net_port_libvirt_create(const char *uri, const char *name, const char *xml, char **port_xml, GError **error)
{
    g_auto(LibvirtCall) call = { NULL };
    char *text;

    if (!net_port_libvirt_open(&call, uri, error) || !net_port_libvirt_network(&call, name, error))
        return FALSE;
    call.port = call.vir->network_port_create_xml(call.network, xml, 0);
    if (!call.port) {
        /* A network that is not started has no ports. */
        VtErrorCode code = net_port_libvirt_code(&call) == VIR_ERR_OPERATION_INVALID
                               ? VT_ERROR_OPERATION_INVALID
                               : VT_ERROR_OPERATION_FAILED;

        return vt_error_set(error, code, _("network '%s' gives no port: %s"), name,
                            net_port_libvirt_words(&call));
    }
    text = call.vir->network_port_get_xml_desc(call.port, 0);
    if (!text)
        return vt_error_set(error, VT_ERROR_OPERATION_FAILED, _("network '%s' does not show its port: %s"),
                            name, net_port_libvirt_words(&call));
    *port_xml = g_strdup(text);
    free(text);
    return TRUE;
}

static gboolean
net_port_libvirt_remove(const char *uri, const char *name, const char *uuid, GError **error)
{
    g_auto(LibvirtCall) call = { NULL };
    g_autofree char *words = NULL;
    int code;

    if (!net_port_libvirt_open(&call, uri, error))
        return FALSE;
    call.network = call.vir->network_lookup_by_name(call.connect, name);
    if (call.network)
        call.port = call.vir->network_port_lookup_by_uuid_string(call.network, uuid);
    if (call.port && call.vir->network_port_delete(call.port, 0) == 0)
        return TRUE;
    code = net_port_libvirt_code(&call);
    words = g_strdup(net_port_libvirt_words(&call));
    /* A network that was stopped has taken its ports along. */
    if (code == VIR_ERR_NO_NETWORK || code == VIR_ERR_NO_NETWORK_PORT ||
        (call.network && call.vir->network_is_active(call.network) == 0))
        return TRUE;
    return vt_error_set(error, VT_ERROR_OPERATION_FAILED, _("port %s of network '%s': %s"), uuid, name,
                        words);
}

const VtNetPortClient *
vt_net_port_libvirt(void)
{
    static const VtNetPortClient client = { .create = net_port_libvirt_create,
                                            .remove = net_port_libvirt_remove };

    return &client;
}
