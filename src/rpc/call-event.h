/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Handlers that register a client for events, and what is then sent to it. Each is a #VtCallFunc.
 *
 * Sending never waits: a client that lets more than 4 MiB pile up is disconnected.
 */
#pragma once

#include "rpc/call.h"

void vt_call_event_register(VtCall *call);
void vt_call_event_deregister(VtCall *call);
void vt_call_event_monitor_register(VtCall *call);
void vt_call_event_monitor_deregister(VtCall *call);
