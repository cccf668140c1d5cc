/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Handlers of the procedures about the connection and the host. Each is a #VtCallFunc; the procedure table says
 * which one serves what.
 */
#pragma once

#include "rpc/call.h"

void vt_call_connect_auth_list(VtCall *call);
void vt_call_connect_auth_polkit(VtCall *call);
void vt_call_connect_open(VtCall *call);
void vt_call_connect_close(VtCall *call);
void vt_call_connect_feature(VtCall *call);
void vt_call_connect_type(VtCall *call);
void vt_call_connect_version(VtCall *call);
void vt_call_connect_lib_version(VtCall *call);
void vt_call_connect_hostname(VtCall *call);
void vt_call_connect_uri(VtCall *call);
void vt_call_connect_max_vcpus(VtCall *call);
void vt_call_connect_is_secure(VtCall *call);
void vt_call_connect_node_info(VtCall *call);
void vt_call_connect_security_model(VtCall *call);
void vt_call_connect_capabilities(VtCall *call);
void vt_call_connect_domain_capabilities(VtCall *call);
void vt_call_connect_xml_to_native(VtCall *call);

/** Succeeds without doing anything: there is nothing to do for it here. */
void vt_call_connect_nothing(VtCall *call);

/** Answers "none": lists and counts of objects of drivers that this daemon does not have. */
void vt_call_connect_empty(VtCall *call);

/** Refuses by the function's name: known to the protocol, not served here. */
void vt_call_connect_no_support(VtCall *call);

void vt_call_connect_no_network(VtCall *call);
void vt_call_connect_no_network_uuid(VtCall *call);
void vt_call_connect_no_pool(VtCall *call);
void vt_call_connect_no_pool_uuid(VtCall *call);
void vt_call_connect_no_pool_of_volume(VtCall *call);
void vt_call_connect_no_volume_key(VtCall *call);
void vt_call_connect_no_volume_path(VtCall *call);
void vt_call_connect_no_nodedev(VtCall *call);
