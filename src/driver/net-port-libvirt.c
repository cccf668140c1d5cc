/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver/net-port-libvirt.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>
#include "util/i18n.h"

typedef virConnect LibvirtConnect;
typedef virNetwork LibvirtNetwork;
typedef virNetworkPort LibvirtPort;

static void
net_port_libvirt_close(LibvirtConnect *connect)
{
    if (connect)
        virConnectClose(connect);
}

static void
net_port_libvirt_free_network(LibvirtNetwork *network)
{
    if (network)
        virNetworkFree(network);
}

static void
net_port_libvirt_free_port(LibvirtPort *port)
{
    if (port)
        virNetworkPortFree(port);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LibvirtConnect, net_port_libvirt_close)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LibvirtNetwork, net_port_libvirt_free_network)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LibvirtPort, net_port_libvirt_free_port)

/* libvirt writes every error to standard error unless somebody takes it. */
static void
net_port_libvirt_hush(void *user, virErrorPtr error)
{
}

static int
net_port_libvirt_code(void)
{
    const virError *last = virGetLastError();

    return last ? last->code : VIR_ERR_OK;
}

static const char *
net_port_libvirt_words(void)
{
    const virError *last = virGetLastError();

    return last && last->message ? last->message : _("no reason was given");
}

static LibvirtConnect *
net_port_libvirt_open(const char *uri, GError **error)
{
    LibvirtConnect *connect;

    virSetErrorFunc(NULL, net_port_libvirt_hush);
    connect = virConnectOpen(uri);
    if (!connect)
        vt_error_set(
            error, VT_ERROR_SYSTEM,
            _("no libvirt network daemon can be reached at '%s' (network_uri in virtteamd.conf): %s; "
              "interfaces of type='network' need one"),
            uri, net_port_libvirt_words());
    return connect;
}

static LibvirtNetwork *
net_port_libvirt_network(LibvirtConnect *connect, const char *name, GError **error)
{
    LibvirtNetwork *network = virNetworkLookupByName(connect, name);

    if (network)
        return network;
    if (net_port_libvirt_code() == VIR_ERR_NO_NETWORK)
        vt_error_set(error, VT_ERROR_NO_NETWORK, _("no network with matching name '%s'"), name);
    else
        vt_error_set(error, VT_ERROR_OPERATION_FAILED, _("network '%s': %s"), name, net_port_libvirt_words());
    return NULL;
}

static gboolean
net_port_libvirt_create(const char *uri, const char *name, const char *xml, char **port_xml, GError **error)
{
    g_autoptr(LibvirtConnect) connect = net_port_libvirt_open(uri, error);
    g_autoptr(LibvirtNetwork) network = connect ? net_port_libvirt_network(connect, name, error) : NULL;
    g_autoptr(LibvirtPort) port = NULL;
    char *text;

    if (!network)
        return FALSE;
    port = virNetworkPortCreateXML(network, xml, 0);
    if (!port) {
        /* A network that is not started has no ports. */
        VtErrorCode code = net_port_libvirt_code() == VIR_ERR_OPERATION_INVALID ? VT_ERROR_OPERATION_INVALID
                                                                                : VT_ERROR_OPERATION_FAILED;

        return vt_error_set(error, code, _("network '%s' gives no port: %s"), name, net_port_libvirt_words());
    }
    text = virNetworkPortGetXMLDesc(port, 0);
    if (!text)
        return vt_error_set(error, VT_ERROR_OPERATION_FAILED, _("network '%s' does not show its port: %s"),
                            name, net_port_libvirt_words());
    *port_xml = g_strdup(text);
    free(text);
    return TRUE;
}

static gboolean
net_port_libvirt_remove(const char *uri, const char *name, const char *uuid, GError **error)
{
    g_autoptr(LibvirtConnect) connect = net_port_libvirt_open(uri, error);
    g_autoptr(LibvirtNetwork) network = NULL;
    g_autoptr(LibvirtPort) port = NULL;
    g_autofree char *words = NULL;
    int code;

    if (!connect)
        return FALSE;
    network = virNetworkLookupByName(connect, name);
    if (network)
        port = virNetworkPortLookupByUUIDString(network, uuid);
    if (port && virNetworkPortDelete(port, 0) == 0)
        return TRUE;
    code = net_port_libvirt_code();
    words = g_strdup(net_port_libvirt_words());
    /* A network that was stopped has taken its ports along. */
    if (code == VIR_ERR_NO_NETWORK || code == VIR_ERR_NO_NETWORK_PORT ||
        (network && virNetworkIsActive(network) == 0))
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
