/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two forks. The first child opens a session and forks again, then ends; so QEMU is init's child and leads
 * nothing: neither the end of the daemon, nor a signal to its process group or session, nor a hang-up of a
 * terminal reaches it.
 *
 *     daemon ── fork ── middle: setsid, fork ── QEMU: pid file, limits, descriptors, exec
 *                       middle: _exit
 *
 * QEMU's process writes the pid file before it executes, so a daemon that is killed at any moment leaves no
 * QEMU that its successor cannot find. It reports through a pipe: its pid and start time, then a stage and
 * an errno if something failed; the pipe closes on exec. The daemon has threads, so after fork only
 * async-signal-safe functions are used; everything that allocates is done before.
 */
#include "qemu/process-spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/i18n.h"

typedef enum {
    SPAWN_STAGE_FORK,
    SPAWN_STAGE_SESSION,
    SPAWN_STAGE_PID_FILE,
    SPAWN_STAGE_MEMLOCK,
    SPAWN_STAGE_DESCRIPTORS,
    SPAWN_STAGE_EXEC,
    SPAWN_STAGE_COUNT
} SpawnStage;

static const char *const spawn_stage_text[] = {
    [SPAWN_STAGE_FORK] = N_("cannot fork for"),
    [SPAWN_STAGE_SESSION] = N_("cannot open a session for"),
    [SPAWN_STAGE_PID_FILE] = N_("cannot write the pid file of"),
    [SPAWN_STAGE_MEMLOCK] = N_("cannot raise the limit of locked memory for"),
    [SPAWN_STAGE_DESCRIPTORS] = N_("cannot hand descriptors to"),
    [SPAWN_STAGE_EXEC] = N_("cannot execute"),
};
G_STATIC_ASSERT(G_N_ELEMENTS(spawn_stage_text) == SPAWN_STAGE_COUNT);

typedef struct {
    pid_t pid;
    guint64 start_time;
    gboolean failed;
    SpawnStage stage;
    int errnum;
} SpawnReport;

/* Made before the fork. */
typedef struct {
    const VtProcessSpawn *spawn;
    char *pid_tmp; /* (nullable) */
    int null_fd, report_fd;
} SpawnPlan;

gboolean
vt_process_stat_start_time(const char *text, char *state, guint64 *start_time)
{
    const char *at = strrchr(text, ')');
    guint64 value = 0;

    if (!at || at[1] != ' ' || !at[2])
        return FALSE;
    *state = at[2];
    /* The state is field 3; 19 blanks follow until field 22. */
    at += 2;
    for (guint field = 3; field < 22; field++) {
        at = strchr(at, ' ');
        if (!at)
            return FALSE;
        at++;
    }
    if (*at < '0' || *at > '9')
        return FALSE;
    for (; *at >= '0' && *at <= '9'; at++)
        value = value * 10 + (guint64)(*at - '0');
    *start_time = value;
    return TRUE;
}

/* ---- between fork and exec ---- */

static void
spawn_write(int fd, const void *data, gsize size)
{
    gssize n;

    do
        n = write(fd, data, size);
    while (n < 0 && errno == EINTR);
}

static void G_GNUC_NORETURN
spawn_fail(const SpawnPlan *plan, SpawnStage stage)
{
    SpawnReport report = { .failed = TRUE, .stage = stage, .errnum = errno };

    spawn_write(plan->report_fd, &report, sizeof(report));
    _exit(127);
}

static gsize
spawn_print_number(char *buffer, guint64 value)
{
    char reversed[24];
    gsize n = 0;

    do
        reversed[n++] = (char)('0' + value % 10);
    while ((value /= 10));
    for (gsize i = 0; i < n; i++)
        buffer[i] = reversed[n - 1 - i];
    buffer[n] = '\n';
    return n + 1;
}

static gboolean
spawn_write_pid_file(const SpawnPlan *plan, const SpawnReport *report)
{
    char text[64];
    gsize size = spawn_print_number(text, (guint64)report->pid);
    int fd;

    size += spawn_print_number(text + size, report->start_time);
    fd = open(plan->pid_tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return FALSE;
    if (write(fd, text, size) != (gssize)size || close(fd) < 0)
        return FALSE;
    return rename(plan->pid_tmp, plan->spawn->pid_path) == 0;
}

static gboolean
spawn_own_start_time(guint64 *start_time)
{
    char text[1024];
    char state;
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    gssize n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return FALSE;
    text[n] = '\0';
    return vt_process_stat_start_time(text, &state, start_time);
}

static void
spawn_reset_signals(void)
{
    struct sigaction action = { .sa_handler = SIG_DFL };
    sigset_t none;

    for (int i = 1; i < NSIG; i++)
        sigaction(i, &action, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static gboolean
spawn_set_descriptors(const SpawnPlan *plan)
{
    if (dup2(plan->null_fd, 0) < 0 || dup2(plan->spawn->log_fd, 1) < 0 || dup2(plan->spawn->log_fd, 2) < 0)
        return FALSE;
    /* All others close on exec, whatever thread opened them. */
    if (syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
        return FALSE;
    for (gsize i = 0; i < plan->spawn->n_fds; i++)
        if (fcntl(plan->spawn->fds[i], F_SETFD, 0) < 0)
            return FALSE;
    return TRUE;
}

static void G_GNUC_NORETURN
spawn_become_program(const SpawnPlan *plan)
{
    const VtProcessSpawn *spawn = plan->spawn;
    SpawnReport report = { .pid = getpid() };

    spawn_reset_signals();
    umask(0022);
    if (!spawn_own_start_time(&report.start_time) || (plan->pid_tmp && !spawn_write_pid_file(plan, &report)))
        spawn_fail(plan, SPAWN_STAGE_PID_FILE);
    spawn_write(plan->report_fd, &report, sizeof(report));
    if (spawn->memlock_bytes) {
        struct rlimit limit = { 0 };

        getrlimit(RLIMIT_MEMLOCK, &limit);
        limit.rlim_cur = MAX(limit.rlim_cur, spawn->memlock_bytes);
        limit.rlim_max = MAX(limit.rlim_max, spawn->memlock_bytes);
        if (setrlimit(RLIMIT_MEMLOCK, &limit) < 0)
            spawn_fail(plan, SPAWN_STAGE_MEMLOCK);
    }
    if (chdir("/") < 0 || !spawn_set_descriptors(plan))
        spawn_fail(plan, SPAWN_STAGE_DESCRIPTORS);
    execve(spawn->argv[0], spawn->argv, spawn->envp);
    spawn_fail(plan, SPAWN_STAGE_EXEC);
}

static void G_GNUC_NORETURN
spawn_become_middle(const SpawnPlan *plan)
{
    pid_t pid;

    if (setsid() < 0)
        spawn_fail(plan, SPAWN_STAGE_SESSION);
    pid = fork();
    if (pid < 0)
        spawn_fail(plan, SPAWN_STAGE_FORK);
    if (pid == 0)
        spawn_become_program(plan);
    _exit(0);
}

/* ---- the daemon's side ---- */

/* Read reports until the pipe closes: by exec, or by the end of the child. */
static gboolean
spawn_read_reports(int fd, SpawnReport *report)
{
    SpawnReport next;
    gboolean any = FALSE;
    gssize n;

    while ((n = read(fd, &next, sizeof(next))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n != sizeof(next))
            break;
        if (next.failed)
            next.pid = report->pid;
        *report = next;
        any = TRUE;
    }
    return any;
}

static gboolean
spawn_run(const SpawnPlan *plan, int read_fd, SpawnReport *report)
{
    pid_t middle = fork();
    int status;

    if (middle == 0)
        spawn_become_middle(plan);
    if (middle < 0) {
        *report = (SpawnReport){ .failed = TRUE, .stage = SPAWN_STAGE_FORK, .errnum = errno };
        close(plan->report_fd);
        return TRUE;
    }
    close(plan->report_fd);
    while (waitpid(middle, &status, 0) < 0 && errno == EINTR)
        ;
    return spawn_read_reports(read_fd, report);
}

gboolean
vt_process_spawn_detached(const VtProcessSpawn *spawn, pid_t *pid, guint64 *start_time, GError **error)
{
    SpawnPlan plan = { .spawn = spawn };
    SpawnReport report = { 0 };
    gboolean heard;
    int pipe_fds[2];

    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return vt_error_set_errno(error, errno, _("cannot make a pipe for '%s'"), spawn->argv[0]);
    plan.report_fd = pipe_fds[1];
    plan.null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (plan.null_fd < 0) {
        int errnum = errno;

        close(pipe_fds[0]);
        close(pipe_fds[1]);
        return vt_error_set_errno(error, errnum, _("cannot open '/dev/null'"));
    }
    plan.pid_tmp = spawn->pid_path ? g_strconcat(spawn->pid_path, ".new", NULL) : NULL;
    heard = spawn_run(&plan, pipe_fds[0], &report);
    close(pipe_fds[0]);
    close(plan.null_fd);
    if (heard && !report.failed) {
        g_free(plan.pid_tmp);
        *pid = report.pid;
        *start_time = report.start_time;
        return TRUE;
    }
    if (plan.pid_tmp) {
        unlink(plan.pid_tmp);
        unlink(spawn->pid_path);
    }
    g_free(plan.pid_tmp);
    if (!heard)
        return vt_error_set(error, VT_ERROR_SYSTEM, _("the process for '%s' ended before it said anything"),
                            spawn->argv[0]);
    return vt_error_set_errno(error, report.errnum, "%s '%s'", _(spawn_stage_text[report.stage]),
                              spawn->argv[0]);
}
