/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The procedures of the main program, one row each.
 */
#pragma once

#include "rpc/call.h"

extern const VtProgram vt_proto_remote;
