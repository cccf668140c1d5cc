/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Handlers of the procedures that open a stream. Each is a #VtCallFunc.
 */
#pragma once

#include "rpc/call.h"

void vt_call_stream_console(VtCall *call);
