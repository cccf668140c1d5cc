/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A QEMU process: started so that it outlives us, found again after our restart, ended when asked.
 */
#pragma once

#include "qemu/qmp-client.h"

typedef struct _VtProcess VtProcess;

typedef struct {
    void (*event)(VtProcess *process, const VtQmpEvent *event, gpointer user);
    /* QEMU is gone: its pid has vanished. @why says how (exit status, signal, last lines of its log). Once. */
    void (*exited)(VtProcess *process, const char *why, gpointer user);
    /* (nullable) The monitor was lost, or did not answer in time, and answers now: events may have been missed. */
    void (*reconnected)(VtProcess *process, gpointer user);
} VtProcessFuncs;

typedef struct {
    char *const *argv;
    char *const *envp; /* nullable: PATH, HOME and LC_ALL=C only */
    const int *fds;    /* to inherit, under the same numbers as in argv */
    gsize n_fds;
    const char *log_path;     /* stdout and stderr are appended here, argv before them */
    const char *pid_path;     /* written (atomically) as soon as the pid is known */
    const char *monitor_path; /* of the QMP socket; see vt_process_monitor_listen() */
    guint64 memlock_bytes;    /* RLIMIT_MEMLOCK for VFIO; 0: leave */
} VtProcessParams;

/** Bind a listening unix socket for QEMU to inherit, so that connecting never races its start. -1: @error. */
int vt_process_monitor_listen(const char *path, GError **error);

/**
 * vt_process_spawn - start QEMU in its own session; it is not our child for long and survives us
 * @params: as above; copied where needed
 * @funcs:  copied
 * @user:   for @funcs
 * @error:  (out) SYSTEM: cannot be executed
 *
 * Return: (transfer full) the process, or NULL with nothing left running.
 */
VtProcess *vt_process_spawn(const VtProcessParams *params, const VtProcessFuncs *funcs, gpointer user,
                            GError **error);

/**
 * vt_process_attach - find a QEMU again after a restart of the daemon
 * @pid:          from the pid file
 * @start_time:   field 22 of /proc/PID/stat at its start, so that a recycled pid is never taken for it
 * @monitor_path: its QMP socket
 * @log_path:     its log
 * @funcs:        copied
 * @user:         for @funcs
 * @error:        (out) OPERATION_FAILED
 *
 * Return: (transfer full), or NULL: OPERATION_FAILED when that process does not exist any more.
 */
VtProcess *vt_process_attach(pid_t pid, guint64 start_time, const char *monitor_path, const char *log_path,
                             const VtProcessFuncs *funcs, gpointer user, GError **error);

/**
 * vt_process_read_pid_file - what the pid file of a QEMU says
 * @path:       its pid_path
 * @pid:        (out)
 * @start_time: (out) for vt_process_attach()
 *
 * Two lines, the pid and field 22 of its /proc/PID/stat; QEMU's process writes it before it executes QEMU, so
 * there is no QEMU without one.
 * Return: FALSE when there is no such file or it says something else.
 */
gboolean vt_process_read_pid_file(const char *path, pid_t *pid, guint64 *start_time);

/**
 * vt_process_connect - connect QMP and negotiate
 * @process:    the process
 * @timeout_ms: for the answer
 * @done:       TIMEOUT (trying goes on with back-off, and reconnected() is told), or OPERATION_FAILED with the log's
 *              last lines if QEMU ended
 * @user:       for @done
 */
void vt_process_connect(VtProcess *process, guint timeout_ms, VtDoneFunc done, gpointer user);

/** The QMP connection; NULL while there is none that answers, and after QEMU is gone. */
VtQmpClient *vt_process_qmp(VtProcess *process);

pid_t vt_process_pid(const VtProcess *process);
guint64 vt_process_start_time(const VtProcess *process);

/** SIGTERM, after @grace_ms SIGKILL; exited() is told as always, then @done. */
void vt_process_kill(VtProcess *process, guint grace_ms, VtDoneFunc done, gpointer user);

/** The last lines QEMU wrote to its log since it was started, for messages; (transfer full). */
char *vt_process_log_tail(const VtProcess *process);

/** Let go of it without touching QEMU. No callback comes afterwards. Accepts NULL. */
void vt_process_free(VtProcess *process);
