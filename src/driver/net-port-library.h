/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt's client library, opened when a guest first needs a virtual network: it and the thirty libraries below it
 * would be more than half of the idle daemon's memory, and most hosts never need them.
 */
#pragma once

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include "util/error.h"

/* The name of the library for libvirt's stable ABI. */
#define VT_NET_PORT_LIBRARY_NAME "libvirt.so.0"

/* What is used of it, typed by its own headers; each field is called like the function without "vir". */
typedef struct {
    __typeof__(virSetErrorFunc) *set_error_func;
    __typeof__(virGetLastError) *get_last_error;
    __typeof__(virConnectOpen) *connect_open;
    __typeof__(virConnectClose) *connect_close;
    __typeof__(virNetworkLookupByName) *network_lookup_by_name;
    __typeof__(virNetworkIsActive) *network_is_active;
    __typeof__(virNetworkFree) *network_free;
    __typeof__(virNetworkPortCreateXML) *network_port_create_xml;
    __typeof__(virNetworkPortGetXMLDesc) *network_port_get_xml_desc;
    __typeof__(virNetworkPortLookupByUUIDString) *network_port_lookup_by_uuid_string;
    __typeof__(virNetworkPortDelete) *network_port_delete;
    __typeof__(virNetworkPortFree) *network_port_free;
} VtNetPortLibrary;

/**
 * vt_net_port_library_open - open a library and find every function in it
 * @name:    its file name, looked for where the system keeps libraries; or a path
 * @library: (out) filled on success; the library stays open for as long as the process lives
 * @error:   (out) SYSTEM: it is not installed, or too old; what to install
 * Source: dlopen(3); libvirt-libvirt-network.html for the versions the functions came with (5.5.0 the last)
 */
gboolean vt_net_port_library_open(const char *name, VtNetPortLibrary *library, GError **error);

/**
 * vt_net_port_library - the library of this process, opened by the first who asks
 * @error: (out) as vt_net_port_library_open(); the next who asks tries again
 * Return: (nullable) (transfer none). From any thread.
 */
const VtNetPortLibrary *vt_net_port_library(GError **error);

/** For tests: @library instead of what is installed; NULL: again what is installed. Not while a call is under way. */
void vt_net_port_library_set(const VtNetPortLibrary *library);
