/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Handlers of the procedures that ask for numbers of the host, and for what of a guest is counted elsewhere than in its
 * definition: disks, addresses. Each is a #VtCallFunc.
 */
#pragma once

#include "rpc/call.h"

void vt_call_host_free_memory(VtCall *call);
void vt_call_host_cells_free_memory(VtCall *call);
void vt_call_host_cpu_stats(VtCall *call);
void vt_call_host_memory_stats(VtCall *call);
void vt_call_host_cpu_map(VtCall *call);
void vt_call_host_free_pages(VtCall *call);
void vt_call_host_cpu_models(VtCall *call);

void vt_call_host_block_stats(VtCall *call);
void vt_call_host_block_stats_flags(VtCall *call);
void vt_call_host_block_info(VtCall *call);
void vt_call_host_addresses(VtCall *call);
