/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ports of virtual networks through libvirt's public client API. It and net-port-library alone know libvirt.
 */
#pragma once

#include "util/error.h"

/* Both block, for as long as the daemon at the other end likes, and are for threads. */
typedef struct {
    /**
     * Make a port.
     * @uri:      of the connection, e.g. "network:///system"
     * @network:  name of the network
     * @xml:      the port, with its UUID
     * @port_xml: (out) (transfer full) the port as it was made
     * @error:    (out) SYSTEM: no daemon, or no client library; NO_NETWORK; OPERATION_FAILED with the daemon's words
     */
    gboolean (*create)(const char *uri, const char *network, const char *xml, char **port_xml,
                       GError **error);
    /** Delete a port by its UUID; one that is not there, or whose network is not, is no error. */
    gboolean (*remove)(const char *uri, const char *network, const char *port, GError **error);
} VtNetPortClient;

/** The client that really asks. */
const VtNetPortClient *vt_net_port_libvirt(void);
