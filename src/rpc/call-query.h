/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Handlers of the procedures that ask about domains. Each is a #VtCallFunc.
 */
#pragma once

#include "rpc/call.h"

void vt_call_query_lookup_id(VtCall *call);
void vt_call_query_lookup_name(VtCall *call);
void vt_call_query_lookup_uuid(VtCall *call);
void vt_call_query_list_all(VtCall *call);
void vt_call_query_list_ids(VtCall *call);
void vt_call_query_list_defined(VtCall *call);
void vt_call_query_count_active(VtCall *call);
void vt_call_query_count_defined(VtCall *call);
void vt_call_query_xml(VtCall *call);
void vt_call_query_info(VtCall *call);
void vt_call_query_state(VtCall *call);
void vt_call_query_os_type(VtCall *call);
void vt_call_query_is_active(VtCall *call);
void vt_call_query_is_persistent(VtCall *call);
void vt_call_query_autostart(VtCall *call);
void vt_call_query_max_memory(VtCall *call);
void vt_call_query_max_vcpus(VtCall *call);
void vt_call_query_vcpus(VtCall *call);
void vt_call_query_control_info(VtCall *call);
void vt_call_query_metadata(VtCall *call);
void vt_call_query_interface_stats(VtCall *call);
void vt_call_query_memory_stats(VtCall *call);
void vt_call_query_all_stats(VtCall *call);
void vt_call_query_job_info(VtCall *call);
void vt_call_query_job_stats(VtCall *call);

void vt_call_query_security_label(VtCall *call);

/** "None" about a domain that must exist: saved images, snapshots, messages. */
void vt_call_query_dom_none(VtCall *call);
void vt_call_query_dom_flags_none(VtCall *call);
void vt_call_query_dom_max_none(VtCall *call);
