/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The QEMU-specific program, and the list of all programs that a dispatcher serves. Keepalive is a program too,
 * but has messages only; rpc/dispatch.c answers them.
 */
#pragma once

#include "rpc/call.h"

extern const VtProgram vt_proto_qemu;

/** All programs, NULL-terminated, for vt_dispatch_new(). */
extern const VtProgram *const vt_proto_programs[];

/** The procedures as Markdown rows: number, name, who may call it; (transfer full). */
char *vt_proto_programs_to_markdown(void);
