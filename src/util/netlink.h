/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One rtnetlink request and its answer: an acknowledgement or a dump, within a time limit.
 *
 * libnl builds the messages; sending and receiving is done here, so that a request cannot hang and the
 * kernel's own words (extended acknowledgements) reach the error. A handle made by vt_netlink_new_fake()
 * answers from a function: what no test machine can do is tested against recorded conversations.
 */
#pragma once

#include "util/error.h"

#include <netlink/attr.h>
#include <netlink/msg.h>

#define VT_NETLINK_TIMEOUT_MS                                                                                \
    2000 /* the kernel answers in microseconds, unless a driver holds the rtnl lock */

typedef struct _VtNetlink VtNetlink;

/**
 * VtNetlinkEach - one message of an answer
 * @header: the message; its attributes are not checked yet
 * @user:   what vt_netlink_request() was given
 */
typedef void (*VtNetlinkEach)(struct nlmsghdr *header, gpointer user);

/**
 * VtNetlinkFake - answer a request in the kernel's place
 * @request: complete message
 * @reply:   append the bytes of the answering messages here
 * @user:    what vt_netlink_new_fake() was given
 *
 * Return: 0, or the errno that the kernel would report.
 */
typedef int (*VtNetlinkFake)(const struct nlmsghdr *request, GByteArray *reply, gpointer user);

/**
 * vt_netlink_new - a socket to rtnetlink of the network namespace we are in
 * @error: (out) SYSTEM
 *
 * Return: (transfer full) the handle, or NULL.
 */
VtNetlink *vt_netlink_new(GError **error);

/**
 * vt_netlink_new_fake - a handle that asks a function instead of the kernel
 * @answer: gives the answers
 * @user:   for @answer
 *
 * Return: (transfer full) the handle.
 */
VtNetlink *vt_netlink_new_fake(VtNetlinkFake answer, gpointer user);

void vt_netlink_free(VtNetlink *netlink);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtNetlink, vt_netlink_free)

/* libnl's messages, owned by type. */
typedef struct nl_msg VtNetlinkMsg;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtNetlinkMsg, nlmsg_free)

/**
 * vt_netlink_msg - a request with its fixed header
 * @type:   RTM_...
 * @flags:  NLM_F_DUMP, NLM_F_CREATE, ...; NLM_F_REQUEST and, without DUMP, NLM_F_ACK are added
 * @header: struct ifinfomsg and its like
 * @size:   of @header
 *
 * Return: (transfer full) a message to put attributes into. nlmsg_free() frees it.
 */
VtNetlinkMsg *vt_netlink_msg(int type, int flags, const void *header, gsize size);

/**
 * vt_netlink_request - send a message and wait for all of its answer
 * @netlink:    handle
 * @message:    (transfer none) made by vt_netlink_msg()
 * @each:       (nullable) told every message of the answer, before the acknowledgement
 * @user:       for @each
 * @timeout_ms: for the whole answer
 * @errnum:     (out) (nullable) the kernel's errno, 0 on success; ordinary outcomes (ENOENT, EEXIST) are told by it
 * @error:      (out) SYSTEM with the kernel's words, TIMEOUT
 *
 * Return: FALSE on failure.
 */
gboolean vt_netlink_request(VtNetlink *netlink, VtNetlinkMsg *message, VtNetlinkEach each, gpointer user,
                            guint timeout_ms, int *errnum, GError **error);

/**
 * vt_netlink_attr_str - a string attribute of a hostile-proof parse
 * @attr: (nullable) the attribute
 *
 * Return: (nullable) (transfer none) the string when it is one (NUL-terminated within its length).
 */
const char *vt_netlink_attr_str(const struct nlattr *attr);

/**
 * vt_netlink_attr_u32 - a 32-bit attribute
 * @attr:     (nullable) the attribute
 * @fallback: when it is absent or too short
 *
 * Return: the value.
 */
guint32 vt_netlink_attr_u32(const struct nlattr *attr, guint32 fallback);

/**
 * vt_netlink_attr_u8 - an 8-bit attribute
 * @attr:     (nullable) the attribute
 * @fallback: when it is absent or too short
 *
 * Return: the value.
 */
guint8 vt_netlink_attr_u8(const struct nlattr *attr, guint8 fallback);
