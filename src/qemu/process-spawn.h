/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fork and exec of a program that shall outlive us. Only qemu/process.c needs it.
 */
#pragma once

#include <sys/types.h>
#include "util/error.h"

typedef struct {
    char *const *argv;
    char *const *envp;
    const int *fds; /* kept open, under the same numbers */
    gsize n_fds;
    int log_fd;            /* stdout and stderr */
    const char *pid_path;  /* (nullable) */
    guint64 memlock_bytes; /* 0: leave */
} VtProcessSpawn;

/**
 * vt_process_spawn_detached - execute a program in a session of its own, as a child of init
 * @spawn:      what to execute
 * @pid:        (out) of the program
 * @start_time: (out) field 22 of its /proc/PID/stat
 * @error:      (out) SYSTEM: which part failed; nothing is left running
 *
 * Blocks until the program is executed (a few milliseconds).
 * Source: proc(5), credentials(7), signal-safety(7).
 */
gboolean vt_process_spawn_detached(const VtProcessSpawn *spawn, pid_t *pid, guint64 *start_time,
                                   GError **error);

/**
 * vt_process_stat_start_time - field 22 of a process's stat line
 * @text:       the line; the command in it may hold any byte, brackets too
 * @state:      (out) field 3: 'Z' for one that has ended
 * @start_time: (out)
 *
 * Safe to call between fork and exec.
 * Return: FALSE when the line is no such line.
 */
gboolean vt_process_stat_start_time(const char *text, char *state, guint64 *start_time);
