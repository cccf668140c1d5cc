/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Run a helper program without blocking: captured output, bounded in time and size.
 */
#pragma once

#include "util/error.h"

typedef struct {
    const char *const *argv; /* NULL-terminated; argv[0] is looked up in PATH */
    const char *const *env;  /* (nullable) "NAME=value" ...; NULL: ours */
    const char *cwd;         /* (nullable) */
    const char *input;       /* (nullable) what it reads from its standard input; NULL: /dev/null */
    guint timeout_ms;        /* then it is killed with its process group */
    gsize max_output_bytes;  /* of each stream; beyond it the program is killed. 0: 1 MiB */
} VtCommandSpec;

typedef struct {
    int exit_status; /* -1 when a signal ended it */
    int term_signal; /* 0 when it exited */
    const char *out; /* NUL-terminated */
    gsize out_length;
    const char *err;
    gsize err_length;
} VtCommandResult;

typedef struct _VtCommand VtCommand;

/**
 * VtCommandDone - the program has ended, or could not be run
 * @user:   what vt_command_run() was given
 * @result: (nullable) (transfer none) how it ended, also when it ended badly; NULL with @error
 * @error:  (nullable) (transfer none) SYSTEM (not started), TIMEOUT, OPERATION_FAILED (too much output)
 */
typedef void (*VtCommandDone)(gpointer user, const VtCommandResult *result, const GError *error);

/**
 * vt_command_run - start a program
 * @spec: copied
 * @done: told once, from the main loop
 * @user: for @done
 *
 * Return: (transfer none) the running command, valid until @done was told; for vt_command_cancel().
 */
VtCommand *vt_command_run(const VtCommandSpec *spec, VtCommandDone done, gpointer user);

/** Kill the program; done() will not be told any more. */
void vt_command_cancel(VtCommand *command);

/**
 * vt_command_check - turn a bad end into an error
 * @name:   what was run, for the message
 * @result: how it ended
 * @error:  (out) OPERATION_FAILED with the status and the last line of its standard error
 *
 * Return: TRUE when it exited with status 0.
 */
gboolean vt_command_check(const char *name, const VtCommandResult *result, GError **error);

/** How a program ended that was waited for. */
typedef struct {
    int exit_status; /* -1 when a signal ended it */
    char *out, *err;
} VtCommandEnd;

/**
 * vt_command_wait - run a program and wait for its end; for threads, never for the main loop's
 * @spec:  what to run
 * @end:   (out) set only on success; vt_command_end_clear() frees what it holds
 * @error: (out) SYSTEM (not started), TIMEOUT, OPERATION_FAILED (too much output)
 *
 * Return: TRUE when it was run to its end, also to a bad one.
 */
gboolean vt_command_wait(const VtCommandSpec *spec, VtCommandEnd *end, GError **error);

void vt_command_end_clear(VtCommandEnd *end);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VtCommandEnd, vt_command_end_clear)
