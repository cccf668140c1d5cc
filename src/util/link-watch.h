/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's network interfaces, watched: the main loop is told of each that comes, changes or goes.
 */
#pragma once

#include "util/link.h"

typedef struct _VtLinkWatch VtLinkWatch;

/**
 * VtLinkWatchFunc - an interface came, changed or went
 * @info: as it is now, or was last; NULL: notices were lost, look at whatever matters
 * @gone: it is no more
 * @user: as given
 */
typedef void (*VtLinkWatchFunc)(const VtLinkInfo *info, gboolean gone, gpointer user);

/**
 * vt_link_watch_new - watch from now on
 * @func:  told from the main loop
 * @user:  for @func
 * @error: (out) SYSTEM
 *
 * Return: (transfer full); interfaces of the network namespace we are in.
 * Source: rtnetlink(7), RTNLGRP_LINK.
 */
VtLinkWatch *vt_link_watch_new(VtLinkWatchFunc func, gpointer user, GError **error);

/** Stop; @func is not told any more. Accepts NULL. */
void vt_link_watch_free(VtLinkWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtLinkWatch, vt_link_watch_free)

/**
 * vt_link_watch_feed - take in messages as the kernel sends them; also for tests
 * @func:   told each notice
 * @user:   for @func
 * @bytes:  of one datagram; hostile
 * @length: of it
 */
void vt_link_watch_feed(VtLinkWatchFunc func, gpointer user, gpointer bytes, gsize length);
