/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver/net-port-library.h"

#include <dlfcn.h>
#include "util/i18n.h"

typedef struct {
    const char *name;
    gsize offset;
} NetPortSymbol;

#define NET_PORT_SYMBOL(field, symbol)                                                                       \
    {                                                                                                        \
        .name = #symbol, .offset = G_STRUCT_OFFSET(VtNetPortLibrary, field)                                  \
    }

static const NetPortSymbol net_port_symbols[] = {
    NET_PORT_SYMBOL(set_error_func, virSetErrorFunc),
    NET_PORT_SYMBOL(get_last_error, virGetLastError),
    NET_PORT_SYMBOL(connect_open, virConnectOpen),
    NET_PORT_SYMBOL(connect_close, virConnectClose),
    NET_PORT_SYMBOL(network_lookup_by_name, virNetworkLookupByName),
    NET_PORT_SYMBOL(network_is_active, virNetworkIsActive),
    NET_PORT_SYMBOL(network_free, virNetworkFree),
    NET_PORT_SYMBOL(network_port_create_xml, virNetworkPortCreateXML),
    NET_PORT_SYMBOL(network_port_get_xml_desc, virNetworkPortGetXMLDesc),
    NET_PORT_SYMBOL(network_port_lookup_by_uuid_string, virNetworkPortLookupByUUIDString),
    NET_PORT_SYMBOL(network_port_delete, virNetworkPortDelete),
    NET_PORT_SYMBOL(network_port_free, virNetworkPortFree),
};

/* A pointer without a row here would stay NULL. */
G_STATIC_ASSERT(G_N_ELEMENTS(net_port_symbols) * sizeof(gpointer) == sizeof(VtNetPortLibrary));

static GMutex net_port_library_lock;
static VtNetPortLibrary net_port_library_opened;
static const VtNetPortLibrary *net_port_library_current; /* NULL: not opened yet */

gboolean
vt_net_port_library_open(const char *name, VtNetPortLibrary *library, GError **error)
{
    gpointer handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    VtNetPortLibrary found;

    if (!handle)
        return vt_error_set(
            error, VT_ERROR_SYSTEM,
            _("libvirt's client library cannot be opened, and interfaces of type='network' need it: install it "
              "(the package libvirt0, or libvirt-libs) and start the guest again: %s"),
            dlerror());
    for (gsize i = 0; i < G_N_ELEMENTS(net_port_symbols); i++) {
        gpointer symbol = dlsym(handle, net_port_symbols[i].name);

        if (!symbol) {
            dlclose(handle);
            return vt_error_set(error, VT_ERROR_SYSTEM,
                                _("libvirt's client library '%s' has no function '%s': it must be of libvirt "
                                  "5.5.0 or later"),
                                name, net_port_symbols[i].name);
        }
        *(gpointer *)G_STRUCT_MEMBER_P(&found, net_port_symbols[i].offset) = symbol;
    }
    *library = found;
    return TRUE;
}

const VtNetPortLibrary *
vt_net_port_library(GError **error)
{
    const VtNetPortLibrary *library;

    g_mutex_lock(&net_port_library_lock);
    if (!net_port_library_current &&
        vt_net_port_library_open(VT_NET_PORT_LIBRARY_NAME, &net_port_library_opened, error))
        net_port_library_current = &net_port_library_opened;
    library = net_port_library_current;
    g_mutex_unlock(&net_port_library_lock);
    return library;
}

void
vt_net_port_library_set(const VtNetPortLibrary *library)
{
    g_mutex_lock(&net_port_library_lock);
    net_port_library_current = library;
    g_mutex_unlock(&net_port_library_lock);
}
