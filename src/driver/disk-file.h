/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small file that is rewritten as a whole again and again (status, journal), without ever blocking the main
 * loop: each write is temporary file, fsync, rename in a thread; writes that come while one is under way are
 * merged into the next.
 */
#pragma once

#include "util/error.h"

typedef struct _VtDiskFile VtDiskFile;

/** A file at @path, not touched yet. (transfer full) */
VtDiskFile *vt_disk_file_new(const char *path);

/**
 * vt_disk_file_write - replace the contents
 * @file:     the file
 * @contents: (transfer full) text
 * @done:     (nullable) told when these contents, or later ones, are on disk; or SYSTEM; or ABORTED by
 *            vt_disk_file_remove()
 * @user:     for @done
 */
void vt_disk_file_write(VtDiskFile *file, char *contents, VtDoneFunc done, gpointer user);

/**
 * VtDiskFileEach - a file that another process has left
 * @name: what its name begins with
 * @path: of it
 * @user: what vt_disk_file_each() was given
 */
typedef void (*VtDiskFileEach)(const char *name, const char *path, gpointer user);

/** Tell @each of the files of @dir whose names end in @suffix. */
void vt_disk_file_each(const char *dir, const char *suffix, VtDiskFileEach each, gpointer user);

/** Remove the file now; a write under way will not bring it back. */
void vt_disk_file_remove(VtDiskFile *file);

/** Let go; what was written still reaches the disk (vt_file_flush_async()), but nobody is told. Accepts NULL. */
void vt_disk_file_free(VtDiskFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtDiskFile, vt_disk_file_free)
