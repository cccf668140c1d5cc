/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Our own program: what libvirt's protocol has no word for. Its procedures may only be added to; the `virtteam`
 * command may be older or newer than the daemon.
 */
#pragma once

#include "rpc/call.h"

#define VT_PROTO_TEAM_PROGRAM 0x56540001u
#define VT_PROTO_TEAM_VERSION 1u
#define VT_PROTO_TEAM_LIST    1
#define VT_PROTO_TEAM_SWITCH  2

extern const VtProgram vt_proto_team_program;
