/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether another host can see the same files: which kind of file system a path is on.
 */
#pragma once

#include "util/error.h"

typedef enum {
    VT_SHARED_FS_NONE,    /* of this host alone */
    VT_SHARED_FS_NETWORK, /* other hosts have it too; what they have cached may be old */
    VT_SHARED_FS_CLUSTER, /* other hosts have it too, with one coherent cache */
    VT_SHARED_FS_COUNT
} VtSharedFs;

/**
 * vt_shared_fs_kind - what a file system is, from what the kernel says of it, pure
 * @magic: f_type of statfs()
 * @name:  (nullable) its name in /proc/self/mountinfo, which FUSE file systems need: "fuse.glusterfs"
 *
 * Source: linux/magic.h.
 */
VtSharedFs vt_shared_fs_kind(unsigned long magic, const char *name);

/**
 * vt_shared_fs_of - the same for the file system that a path is on; may block for as long as that does
 * @path:  a file or directory
 * @kind:  (out)
 * @error: (out) SYSTEM
 */
gboolean vt_shared_fs_of(const char *path, VtSharedFs *kind, GError **error);
