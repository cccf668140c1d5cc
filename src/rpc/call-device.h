/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Handlers of the procedures that change a domain's devices. Each is a #VtCallFunc.
 */
#pragma once

#include "rpc/call.h"

void vt_call_device_attach(VtCall *call);
void vt_call_device_attach_flags(VtCall *call);
void vt_call_device_detach(VtCall *call);
void vt_call_device_detach_flags(VtCall *call);
void vt_call_device_detach_alias(VtCall *call);
void vt_call_device_update(VtCall *call);
