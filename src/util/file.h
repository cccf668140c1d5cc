/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Small files: read with a bound, replaced atomically and durably, locked pid files.
 *
 * What waits for a disk (fsync) has an asynchronous form, which runs in a thread. Asynchronous operations on
 * the same path happen one after the other, in the order in which they were asked for.
 */
#pragma once

#include "util/error.h"
#include "util/fd.h"

#include <sys/types.h>

/**
 * vt_file_read - a whole regular file
 * @path:      what to read
 * @max_bytes: larger files are refused
 * @length:    (out) (nullable) bytes without the NUL
 * @error:     (out) SYSTEM, or INVALID_ARG when it is too large or no regular file
 *
 * Return: (transfer full) its bytes and a NUL behind them, or NULL.
 */
char *vt_file_read(const char *path, gsize max_bytes, gsize *length, GError **error);

/**
 * vt_file_write_atomic - replace a file so that a crash leaves the old or the new one, never a mixture
 * @path:   the file; its directory must exist
 * @data:   new contents
 * @length: bytes of @data
 * @mode:   permissions of the file
 * @error:  (out) SYSTEM
 *
 * Writes a temporary file beside it, fsyncs, renames, fsyncs the directory. Blocks; the main loop uses the
 * asynchronous form.
 * Return: FALSE with the old file untouched.
 */
gboolean vt_file_write_atomic(const char *path, const void *data, gsize length, mode_t mode, GError **error);

/**
 * vt_file_write_atomic_async - the same in a thread
 * @path:   the file
 * @data:   copied
 * @length: bytes of @data
 * @mode:   permissions of the file
 * @done:   (nullable) told from the main loop when the bytes are on the disk
 * @user:   for @done
 */
void vt_file_write_atomic_async(const char *path, const void *data, gsize length, mode_t mode,
                                VtDoneFunc done, gpointer user);

/**
 * vt_file_remove - remove a file; one that is not there is no error
 * @path:  the file
 * @error: (out) SYSTEM
 *
 * Return: FALSE when it is still there.
 */
gboolean vt_file_remove(const char *path, GError **error);

/**
 * vt_file_remove_async - remove a file and fsync its directory, in a thread
 * @path: the file; one that is not there is no error
 * @done: (nullable) told from the main loop
 * @user: for @done
 */
void vt_file_remove_async(const char *path, VtDoneFunc done, gpointer user);

/**
 * vt_file_flush_async - iterate the main context until no asynchronous file operation is left
 *
 * For the end of main() and for tests.
 */
void vt_file_flush_async(void);

/**
 * vt_file_sweep - remove what interrupted vt_file_write_atomic()s have left in a directory, at the start
 * @dir:    need not be there
 * @suffix: of the files that are written there, such as ".xml": NAME.xml.aBc1dE.tmp goes
 */
void vt_file_sweep(const char *dir, const char *suffix);

/**
 * vt_file_mkdirs - make a directory and its missing parents
 * @path:  the directory
 * @mode:  permissions of what is made, less the umask; existing directories stay as they are
 * @error: (out) SYSTEM
 *
 * Return: TRUE when @path is a directory now.
 */
gboolean vt_file_mkdirs(const char *path, mode_t mode, GError **error);

/**
 * vt_file_pid_lock - write our pid into a file and keep it locked while we live
 * @path:  the pid file
 * @fd:    (out) (transfer full) holds the lock; close-on-exec
 * @error: (out) BUSY naming the pid of the process that holds it, or SYSTEM
 *
 * Return: FALSE on failure.
 */
gboolean vt_file_pid_lock(const char *path, VtFd *fd, GError **error);

/** Remove the pid file and let go of its lock. */
void vt_file_pid_unlock(const char *path, VtFd *fd);
