/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Conversations with a kernel, recorded: a VtNetlinkFake that asks the kernel and writes down what was said (when
 * VT_RECORD names a folder), or plays that back from tests/netlinkdata, without any kernel of that kind.
 *
 * A tape is text. "> N NAME" begins the N-th request, "< ERRNO" its answer; the lines below are the bytes of the messages,
 * a line for the head and one for each attribute, with runs of zeroes as 00*N, and @N for a line that is as the file's N-th. "= N M" is the N-th exchange, which is as
 * the M-th was. What stands behind # is for readers.
 *
 * Played, the kernel has to be told the same in the same order, to the byte. It may be asked more or less often than it was:
 * what was answered last, before that point, is answered again.
 */
#pragma once

#include "util/netlink.h"

typedef struct _NetlinkTape NetlinkTape;

/** Whether this run records. */
gboolean netlink_tape_records(void);

/**
 * netlink_tape_open - begin
 * @name: of the file, without ".txt"
 *
 * Return: (transfer full) the tape; netlink_tape_close() writes or ends it.
 */
NetlinkTape *netlink_tape_open(const char *name);

/** A handle that asks the tape. (transfer full) */
VtNetlink *netlink_tape_netlink(NetlinkTape *tape);

/** What comes next, for readers. */
void netlink_tape_say(NetlinkTape *tape, const char *what);

/** Write it; or, played, see that everything the kernel was told has been told. */
void netlink_tape_close(NetlinkTape *tape);
