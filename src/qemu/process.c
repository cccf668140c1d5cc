/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A QEMU is known by its pidfd, whoever its parent is: it becomes readable when the process has ended, also
 * for a process that another daemon started. Since the number may have been used again between our learning
 * of it and pidfd_open(), its start time is compared afterwards; from then on only the pidfd is used.
 *
 * When QEMU ends, its last events (SHUTDOWN) may still lie in the monitor's socket. exited() is told after
 * the monitor has been read to its end, or half a second later if somebody else holds the other end open.
 * When the monitor ends but QEMU does not, it is connected again, and again: QEMU listens on, and one that hangs
 * (a dead disk or network file system below it) may wake up. Only the end of the process is the end of a guest.
 */
#define VT_LOG_DOMAIN "virtteam-qemu-process"
#include "qemu/process.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "qemu/process-spawn.h"
#include "util/i18n.h"
#include "util/log.h"
#include "util/message-id.h"

#define PROCESS_CONNECT_RETRY_MS 20
#define PROCESS_RECONNECT_MS     200
#define PROCESS_RECONNECTS       10 /* so often at once; then with back-off */
#define PROCESS_BACKOFF_MIN_MS   1000
#define PROCESS_BACKOFF_MAX_MS   60000
#define PROCESS_DRAIN_MS         500
#define PROCESS_KILL_STUCK_MS    30000 /* after SIGKILL: then it hangs inside the kernel */
#define PROCESS_LOG_TAIL_BYTES   4096
#define PROCESS_LOG_TAIL_LINES   12
#define PROCESS_LOG_MARK         "virtteam: starting "

typedef struct {
    VtDoneFunc done;
    gpointer user;
} ProcessWaiter;

struct _VtProcess {
    guint refs;
    gboolean freed, gone, told;
    pid_t pid;
    guint64 start_time;
    int pidfd;
    guint pid_source, drain_timer, kill_timer, retry_timer, connect_timer;
    gboolean killed; /* SIGKILL was sent */
    char *monitor_path, *log_path;
    goffset log_start;
    VtQmpClient *qmp;
    gboolean qmp_ready;
    guint reconnects_left;
    guint backoff_ms; /* 0: the monitor is there, or has just been lost */
    gint64 connect_deadline_us;
    VtDoneFunc connect_done;
    gpointer connect_user;
    char *last_connect_problem;
    GArray *kill_waiters;  /* of ProcessWaiter */
    char *shutdown_reason; /* of the SHUTDOWN event */
    VtProcessFuncs funcs;
    gpointer user;
};

static void process_try_connect(VtProcess *process);

static VtProcess *
process_ref(VtProcess *process)
{
    process->refs++;
    return process;
}

static void
process_unref(VtProcess *process)
{
    if (--process->refs > 0)
        return;
    g_free(process->monitor_path);
    g_free(process->log_path);
    g_free(process->last_connect_problem);
    g_free(process->shutdown_reason);
    g_array_unref(process->kill_waiters);
    g_free(process);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtProcess, process_unref)

/* ---- the log ---- */

char *
vt_process_log_tail(const VtProcess *process)
{
    char buffer[PROCESS_LOG_TAIL_BYTES + 1];
    int fd = process->log_path ? open(process->log_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    goffset end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    goffset from = MAX(process->log_start, end - PROCESS_LOG_TAIL_BYTES);
    gssize n = end < from ? -1 : pread(fd, buffer, PROCESS_LOG_TAIL_BYTES, from);
    guint lines = 0;
    char *start, *mark;

    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return g_strdup("");
    buffer[n] = '\0';
    for (gssize i = 0; i < n; i++)
        if (buffer[i] == '\0')
            buffer[i] = '?';
    g_strchomp(buffer);
    start = buffer;
    /* After our restart the start of this run is not known: our own line shows it. */
    mark = g_strrstr(buffer, PROCESS_LOG_MARK);
    if (mark) {
        start = strchr(mark, '\n');
        start = start ? start + 1 : buffer + strlen(buffer);
    }
    for (char *at = buffer + strlen(buffer); at > start; at--)
        if (at[-1] == '\n' && ++lines == PROCESS_LOG_TAIL_LINES) {
            start = at;
            break;
        }
    return g_utf8_make_valid(start, -1);
}

/* Open the log and write what is started; -1 with @error. */
static int
process_open_log(const VtProcessParams *params, goffset *log_start, GError **error)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *stamp = g_date_time_format(now, "%F %T");
    g_autoptr(GString) text = g_string_new(NULL);
    int fd = open(params->log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0) {
        vt_error_set_errno(error, errno, _("cannot open the log '%s'"), params->log_path);
        return -1;
    }
    g_string_append_printf(text, "%s+0000 " PROCESS_LOG_MARK, stamp);
    for (gsize i = 0; params->argv[i]; i++) {
        g_autofree char *quoted = g_shell_quote(params->argv[i]);
        gboolean plain = params->argv[i][0] && !strpbrk(params->argv[i], " \t\n'\"\\$`{}*?;&|<>()#~");

        g_string_append_printf(text, "%s%s", i ? " " : "", plain ? params->argv[i] : quoted);
    }
    g_string_append_c(text, '\n');
    if (write(fd, text->str, text->len) != (gssize)text->len)
        vt_log_warning("cannot write to the log '%s': %s", params->log_path, g_strerror(errno));
    *log_start = lseek(fd, 0, SEEK_END);
    return fd;
}

/* ---- the end of the process ---- */

static char *
process_describe_end(const VtProcess *process)
{
    g_autofree char *tail = vt_process_log_tail(process);
    g_autoptr(GString) text = g_string_new(NULL);

    if (process->shutdown_reason)
        g_string_append_printf(text, "QEMU (process %d) has ended: %s", (int)process->pid,
                               process->shutdown_reason);
    else if (process->kill_waiters->len > 0 || process->killed)
        g_string_append_printf(text, "QEMU (process %d) was killed", (int)process->pid);
    else
        g_string_append_printf(text, "QEMU (process %d) ended unexpectedly", (int)process->pid);
    if (*tail)
        g_string_append_printf(text, "; the last lines of its log:\n%s", tail);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static void
process_finish_connect(VtProcess *process, const GError *error)
{
    VtDoneFunc done = process->connect_done;

    g_clear_handle_id(&process->connect_timer, g_source_remove);
    process->connect_done = NULL;
    if (done)
        done(process->connect_user, error);
}

static void
process_drop_qmp(VtProcess *process)
{
    VtQmpClient *qmp = g_steal_pointer(&process->qmp);

    process->qmp_ready = FALSE;
    g_clear_handle_id(&process->retry_timer, g_source_remove);
    vt_qmp_client_free(qmp);
}

static void
process_tell_waiters(VtProcess *process, const GError *error)
{
    g_autoptr(GArray) waiters = g_steal_pointer(&process->kill_waiters);

    process->kill_waiters = g_array_new(FALSE, FALSE, sizeof(ProcessWaiter));
    g_clear_handle_id(&process->kill_timer, g_source_remove);
    for (guint i = 0; i < waiters->len && !process->freed; i++) {
        ProcessWaiter *waiter = &g_array_index(waiters, ProcessWaiter, i);

        if (waiter->done)
            waiter->done(waiter->user, error);
    }
}

/* The monitor has nothing more to tell. */
static void
process_tell_exited(VtProcess *process)
{
    g_autoptr(VtProcess) hold = process_ref(process);
    g_autofree char *why = NULL;

    if (process->told)
        return;
    process->told = TRUE;
    g_clear_handle_id(&process->drain_timer, g_source_remove);
    why = process_describe_end(process);
    process_drop_qmp(process);
    if (process->connect_done) {
        g_autoptr(GError) error = NULL;

        vt_error_set(&error, VT_ERROR_OPERATION_FAILED, "%s", why);
        process_finish_connect(process, error);
    }
    if (!process->freed && process->funcs.exited)
        process->funcs.exited(process, why, process->user);
    if (!process->freed)
        process_tell_waiters(process, NULL);
}

static gboolean
process_drained(gpointer user)
{
    VtProcess *process = user;

    process->drain_timer = 0;
    process_tell_exited(process);
    return G_SOURCE_REMOVE;
}

static gboolean
process_pidfd_ready(gint fd, GIOCondition condition, gpointer user)
{
    VtProcess *process = user;

    process->pid_source = 0;
    process->gone = TRUE;
    vt_log_debug("QEMU process %d is gone", (int)process->pid);
    if (process->qmp)
        process->drain_timer = g_timeout_add(PROCESS_DRAIN_MS, process_drained, process);
    else
        process_tell_exited(process);
    return G_SOURCE_REMOVE;
}

/* ---- the monitor ---- */

static void
process_qmp_event(VtQmpClient *client, const VtQmpEvent *event, gpointer user)
{
    VtProcess *process = user;

    if (strcmp(event->name, "SHUTDOWN") == 0) {
        const char *reason = NULL;

        if (event->data && json_object_has_member(event->data, "reason"))
            reason = json_object_get_string_member_with_default(event->data, "reason", NULL);
        g_free(process->shutdown_reason);
        process->shutdown_reason = g_strdup(reason ? reason : "shutdown");
    }
    if (process->funcs.event)
        process->funcs.event(process, event, process->user);
}

static gboolean
process_retry(gpointer user)
{
    VtProcess *process = user;

    process->retry_timer = 0;
    process_try_connect(process);
    return G_SOURCE_REMOVE;
}

static void
process_reconnect_later(VtProcess *process)
{
    if (process->gone || process->retry_timer)
        return;
    if (process->reconnects_left > 0) {
        process->reconnects_left--;
        process->retry_timer = g_timeout_add(PROCESS_RECONNECT_MS, process_retry, process);
        return;
    }
    process->backoff_ms =
        CLAMP(process->backoff_ms * 2, (guint)PROCESS_BACKOFF_MIN_MS, (guint)PROCESS_BACKOFF_MAX_MS);
    vt_log_id_error(VT_MESSAGE_MONITOR_SILENT, NULL,
                    "the monitor of QEMU process %d does not answer (%s): its guest runs on, but cannot be "
                    "controlled; the next try is in %u s",
                    (int)process->pid,
                    process->last_connect_problem ? process->last_connect_problem : "it was closed",
                    process->backoff_ms / 1000);
    process->retry_timer = g_timeout_add(process->backoff_ms, process_retry, process);
}

static void
process_qmp_closed(VtQmpClient *client, const GError *why, gpointer user)
{
    VtProcess *process = user;
    g_autoptr(VtProcess) hold = process_ref(process);

    vt_log_debug("monitor of QEMU process %d: %s", (int)process->pid, why->message);
    process_drop_qmp(process);
    if (process->gone)
        process_tell_exited(process);
    else if (process->connect_done)
        process->retry_timer = g_timeout_add(PROCESS_CONNECT_RETRY_MS, process_retry, process);
    else
        process_reconnect_later(process);
}

static void
process_answers_again(VtProcess *process)
{
    vt_log_id_warning(VT_MESSAGE_MONITOR_BACK, NULL, "the monitor of QEMU process %d answers again",
                      (int)process->pid);
    if (process->funcs.reconnected)
        process->funcs.reconnected(process, process->user);
}

static void
process_qmp_ready(gpointer user, const GError *error)
{
    VtProcess *process = user;

    if (!error) {
        gboolean again = !process->connect_done;

        process->qmp_ready = TRUE;
        process->reconnects_left = PROCESS_RECONNECTS;
        process->backoff_ms = 0;
        process_finish_connect(process, NULL);
        if (again)
            process_answers_again(process);
        return;
    }
    /* closed() follows and tries again. If QEMU has just ended, its pidfd will say it, with the log. */
    g_free(process->last_connect_problem);
    process->last_connect_problem = g_strdup(error->message);
}

/* A connected socket, or -1 with errno. */
static int
process_connect_socket(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd, errnum;

    if (strlen(path) >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    errnum = errno;
    close(fd);
    errno = errnum;
    return -1;
}

static void
process_try_connect(VtProcess *process)
{
    const VtQmpClientFuncs funcs = { .event = process_qmp_event, .closed = process_qmp_closed };
    gint64 left_ms =
        process->connect_done ? (process->connect_deadline_us - g_get_monotonic_time()) / 1000 : 10000;
    int fd;

    if (process->qmp || process->gone || left_ms <= 0)
        return; /* the connect timer tells */
    fd = process_connect_socket(process->monitor_path);
    if (fd >= 0) {
        process->qmp = vt_qmp_client_new(fd, &funcs, process, (guint)left_ms, process_qmp_ready, process);
        return;
    }
    g_free(process->last_connect_problem);
    process->last_connect_problem =
        g_strdup_printf("cannot connect to '%s': %s", process->monitor_path, g_strerror(errno));
    if (process->connect_done)
        process->retry_timer = g_timeout_add(PROCESS_CONNECT_RETRY_MS, process_retry, process);
    else
        process_reconnect_later(process);
}

static gboolean
process_connect_timed_out(gpointer user)
{
    VtProcess *process = user;
    g_autoptr(VtProcess) hold = process_ref(process);
    g_autofree char *tail = vt_process_log_tail(process);
    g_autoptr(GError) error = NULL;

    process->connect_timer = 0;
    vt_error_set(&error, VT_ERROR_TIMEOUT,
                 _("the monitor of QEMU (process %d) did not answer in time: %s%s%s"), (int)process->pid,
                 process->last_connect_problem ? process->last_connect_problem : "no greeting",
                 *tail ? "; the last lines of its log:\n" : "", tail);
    process_drop_qmp(process);
    process->reconnects_left = 0;
    process_finish_connect(process, error);
    if (!process->freed && !process->connect_done)
        process_reconnect_later(process);
    return G_SOURCE_REMOVE;
}

void
vt_process_connect(VtProcess *process, guint timeout_ms, VtDoneFunc done, gpointer user)
{
    process->connect_done = done;
    process->connect_user = user;
    process->connect_deadline_us = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
    process->connect_timer = g_timeout_add(timeout_ms, process_connect_timed_out, process);
    process_try_connect(process);
}

VtQmpClient *
vt_process_qmp(VtProcess *process)
{
    return process->qmp_ready && !process->told ? process->qmp : NULL;
}

int
vt_process_monitor_listen(const char *path, GError **error)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd, errnum;

    if (strlen(path) >= sizeof(address.sun_path)) {
        vt_error_set(
            error, VT_ERROR_SYSTEM,
            _("the path of the monitor socket '%s' is longer than the %u bytes that the kernel allows; use a "
              "shorter --root or guest name"),
            path, (guint)sizeof(address.sun_path) - 1);
        return -1;
    }
    strcpy(address.sun_path, path);
    unlink(path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && chmod(path, 0600) == 0 &&
        listen(fd, 4) == 0)
        return fd;
    errnum = errno;
    if (fd >= 0)
        close(fd);
    vt_error_set_errno(error, errnum, _("cannot listen on the monitor socket '%s'"), path);
    return -1;
}

/* ---- making one ---- */

gboolean
vt_process_read_pid_file(const char *path, pid_t *pid, guint64 *start_time)
{
    char text[64];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    gssize n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    guint64 first, second;
    char *line;

    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return FALSE;
    text[n] = '\0';
    line = strchr(text, '\n');
    if (!line)
        return FALSE;
    *line++ = '\0';
    g_strchomp(line);
    if (!g_ascii_string_to_unsigned(text, 10, 1, G_MAXINT32, &first, NULL) ||
        !g_ascii_string_to_unsigned(line, 10, 0, G_MAXUINT64, &second, NULL))
        return FALSE;
    *pid = (pid_t)first;
    *start_time = second;
    return TRUE;
}

/* TRUE when @pid is a process that has not ended and began at @start_time. */
static gboolean
process_is_same(pid_t pid, guint64 start_time)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
    g_autofree char *text = NULL;
    guint64 found;
    char state;

    return g_file_get_contents(path, &text, NULL, NULL) && vt_process_stat_start_time(text, &state, &found) &&
           found == start_time && state != 'Z' && state != 'X';
}

VtProcess *
vt_process_attach(pid_t pid, guint64 start_time, const char *monitor_path, const char *log_path,
                  const VtProcessFuncs *funcs, gpointer user, GError **error)
{
    int pidfd = pid > 0 ? pidfd_open(pid, 0) : -1;
    VtProcess *process;

    if (pidfd < 0 || !process_is_same(pid, start_time)) {
        if (pidfd >= 0)
            close(pidfd);
        vt_error_set(error, VT_ERROR_OPERATION_FAILED, _("QEMU (process %d) does not exist any more"),
                     (int)pid);
        return NULL;
    }
    fcntl(pidfd, F_SETFD, FD_CLOEXEC);
    process = g_new0(VtProcess, 1);
    process->refs = 1;
    process->pid = pid;
    process->start_time = start_time;
    process->pidfd = pidfd;
    process->monitor_path = g_strdup(monitor_path);
    process->log_path = g_strdup(log_path);
    process->reconnects_left = PROCESS_RECONNECTS;
    process->kill_waiters = g_array_new(FALSE, FALSE, sizeof(ProcessWaiter));
    process->funcs = *funcs;
    process->user = user;
    process->pid_source = g_unix_fd_add(pidfd, G_IO_IN, process_pidfd_ready, process);
    return process;
}

/* Why a program that could be executed has ended before we could take hold of it. */
static void
process_ended_at_once(const VtProcessParams *params, goffset log_start, GError **error)
{
    VtProcess ended = { .log_path = (char *)params->log_path, .log_start = log_start };
    g_autofree char *tail = vt_process_log_tail(&ended);

    vt_error_set(error, VT_ERROR_OPERATION_FAILED,
                 _("'%s' ended as soon as it was started; the last lines of its log:\n%s"), params->argv[0],
                 tail);
}

VtProcess *
vt_process_spawn(const VtProcessParams *params, const VtProcessFuncs *funcs, gpointer user, GError **error)
{
    const char *home = g_getenv("HOME");
    g_autofree char *home_line = g_strconcat("HOME=", home ? home : "/", NULL);
    char *default_env[] = { (char *)"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                            home_line, (char *)"LC_ALL=C", NULL };
    VtProcessSpawn spawn = {
        .argv = params->argv,
        .envp = params->envp ? params->envp : default_env,
        .fds = params->fds,
        .n_fds = params->n_fds,
        .pid_path = params->pid_path,
        .memlock_bytes = params->memlock_bytes,
    };
    VtProcess *process;
    goffset log_start = 0;
    guint64 start_time;
    gboolean spawned;
    pid_t pid;

    spawn.log_fd = process_open_log(params, &log_start, error);
    if (spawn.log_fd < 0)
        return NULL;
    spawned = vt_process_spawn_detached(&spawn, &pid, &start_time, error);
    close(spawn.log_fd);
    if (!spawned)
        return NULL;
    process = vt_process_attach(pid, start_time, params->monitor_path, params->log_path, funcs, user, NULL);
    if (!process) {
        if (params->pid_path)
            unlink(params->pid_path);
        process_ended_at_once(params, log_start, error);
        return NULL;
    }
    process->log_start = log_start;
    vt_log_info("started '%s' as process %d", params->argv[0], (int)pid);
    return process;
}

pid_t
vt_process_pid(const VtProcess *process)
{
    return process->pid;
}

guint64
vt_process_start_time(const VtProcess *process)
{
    return process->start_time;
}

/* ---- ending it ---- */

static gboolean
process_kill_harder(gpointer user)
{
    VtProcess *process = user;
    g_autoptr(VtProcess) hold = process_ref(process);
    g_autoptr(GError) error = NULL;

    process->kill_timer = 0;
    if (!process->killed) {
        process->killed = TRUE;
        pidfd_send_signal(process->pidfd, SIGKILL, NULL, 0);
        process->kill_timer = g_timeout_add(PROCESS_KILL_STUCK_MS, process_kill_harder, process);
        return G_SOURCE_REMOVE;
    }
    vt_error_set(&error, VT_ERROR_OPERATION_FAILED,
                 _("QEMU (process %d) did not end within %d s of SIGKILL; it hangs inside the kernel"),
                 (int)process->pid, PROCESS_KILL_STUCK_MS / 1000);
    process_tell_waiters(process, error);
    return G_SOURCE_REMOVE;
}

static gboolean
process_tell_gone_already(gpointer user)
{
    VtProcess *process = user;
    g_autoptr(VtProcess) hold = process_ref(process);

    process->kill_timer = 0;
    process_tell_waiters(process, NULL);
    return G_SOURCE_REMOVE;
}

void
vt_process_kill(VtProcess *process, guint grace_ms, VtDoneFunc done, gpointer user)
{
    const ProcessWaiter waiter = { .done = done, .user = user };

    g_array_append_val(process->kill_waiters, waiter);
    if (process->told) {
        if (!process->kill_timer)
            process->kill_timer = g_idle_add(process_tell_gone_already, process);
        return;
    }
    if (process->gone || process->killed)
        return;
    g_clear_handle_id(&process->kill_timer, g_source_remove);
    if (grace_ms == 0) {
        process_kill_harder(process);
        return;
    }
    pidfd_send_signal(process->pidfd, SIGTERM, NULL, 0);
    process->kill_timer = g_timeout_add(grace_ms, process_kill_harder, process);
}

void
vt_process_free(VtProcess *process)
{
    if (!process || process->freed)
        return;
    process->freed = TRUE;
    process->told = TRUE;
    process->connect_done = NULL;
    g_clear_handle_id(&process->pid_source, g_source_remove);
    g_clear_handle_id(&process->drain_timer, g_source_remove);
    g_clear_handle_id(&process->kill_timer, g_source_remove);
    g_clear_handle_id(&process->connect_timer, g_source_remove);
    process_drop_qmp(process);
    close(process->pidfd);
    process->pidfd = -1;
    process_unref(process);
}
