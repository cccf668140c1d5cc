/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All commands are written at once (they are far smaller than a pipe's buffer) and every line that comes
 * back is read until QEMU closes its output: no dialogue, so nothing can be waited for in the wrong order.
 */
#include "qemu/probe-run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <glib-unix.h>
#include "util/i18n.h"
#include "util/json.h"

#define PROBE_OUTPUT_MAX   (16 * 1024 * 1024)
#define PROBE_STDERR_MAX   4096
#define PROBE_COMMANDS_MAX 32

typedef struct {
    GPid pid;
    int in, out, err;
    GString *output, *errors;
    gint64 deadline_us;
} ProbeRun;

static void
probe_run_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Wait for the process until the deadline, then kill it: quit was asked for, so it is about to end. */
static int
probe_run_reap(ProbeRun *run)
{
    int status = 0;

    while (waitpid(run->pid, &status, WNOHANG) == 0) {
        if (g_get_monotonic_time() >= run->deadline_us) {
            kill(run->pid, SIGKILL);
            waitpid(run->pid, &status, 0);
            break;
        }
        g_usleep(1000);
    }
    g_spawn_close_pid(run->pid);
    return status;
}

static gboolean
probe_run_start(ProbeRun *run, const char *binary, GError **error)
{
    const char *argv[] = { binary,       "-S",       "-nodefaults",        "-no-user-config",
                           "-nographic", "-machine", "none,accel=kvm:tcg", "-qmp",
                           "stdio",      NULL };
    g_auto(GStrv) envp = g_environ_setenv(g_get_environ(), "LC_ALL", "C", TRUE);
    g_autoptr(GError) local = NULL;

    if (!g_spawn_async_with_pipes(NULL, (char **)argv, envp, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &run->pid,
                                  &run->in, &run->out, &run->err, &local))
        return vt_error_set(error, VT_ERROR_SYSTEM, _("cannot start the emulator '%s': %s"), binary,
                            local->message);
    g_unix_set_fd_nonblocking(run->in, TRUE, NULL);
    return TRUE;
}

static gboolean
probe_run_send(ProbeRun *run, const char *const *commands, GError **error)
{
    g_autoptr(GString) text = g_string_new("{\"execute\":\"qmp_capabilities\",\"id\":\"caps\"}\n");
    gsize i;

    for (i = 0; commands[i]; i++) {
        const char *body = strchr(commands[i], '{');

        if (!body || i >= PROBE_COMMANDS_MAX)
            return vt_error_set(error, VT_ERROR_INTERNAL, "probe command '%s' is no QMP command",
                                commands[i]);
        g_string_append_printf(text, "{\"id\":%" G_GSIZE_FORMAT ",%s\n", i, body + 1);
    }
    g_string_append(text, "{\"execute\":\"quit\",\"id\":\"quit\"}\n");

    /* A binary that is no QEMU may have closed its input; that is found out from its output. */
    if (write(run->in, text->str, text->len) != (gssize)text->len && errno != EPIPE)
        return vt_error_set_errno(error, errno, "cannot write to the emulator");
    return TRUE;
}

/* TRUE while the descriptor is open. */
static gboolean
probe_run_drain(int *fd, GString *into, gsize max, gboolean *overflow)
{
    char buffer[65536];
    gssize n = read(*fd, buffer, sizeof(buffer));

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return TRUE;
    if (n <= 0) {
        probe_run_close(fd);
        return FALSE;
    }
    if (into->len + n > max)
        *overflow = TRUE;
    else
        g_string_append_len(into, buffer, n);
    return TRUE;
}

static gboolean
probe_run_collect(ProbeRun *run, const char *binary, GError **error)
{
    while (run->out >= 0 || run->err >= 0) {
        struct pollfd fds[] = { { run->out, POLLIN, 0 }, { run->err, POLLIN, 0 } };
        gint64 left_ms = (run->deadline_us - g_get_monotonic_time()) / 1000;
        gboolean overflow = FALSE, ignored = FALSE;

        if (left_ms <= 0)
            return vt_error_set(
                error, VT_ERROR_TIMEOUT,
                _("the emulator '%s' did not answer in time; run it with '-version' to see why"), binary);
        if (poll(fds, G_N_ELEMENTS(fds), (int)MIN(left_ms, 1000)) < 0 && errno != EINTR)
            return vt_error_set_errno(error, errno, "cannot poll the emulator '%s'", binary);
        if (fds[0].revents)
            probe_run_drain(&run->out, run->output, PROBE_OUTPUT_MAX, &overflow);
        if (fds[1].revents)
            probe_run_drain(&run->err, run->errors, PROBE_STDERR_MAX, &ignored);
        if (overflow)
            return vt_error_set(error, VT_ERROR_OPERATION_FAILED, _("the emulator '%s' answers without end"),
                                binary);
    }
    return TRUE;
}

static void
probe_run_unref_node(gpointer node)
{
    if (node)
        json_node_unref(node);
}

static GPtrArray *
probe_run_replies(GString *output, gsize n_commands, gsize *n_answered)
{
    g_autoptr(GPtrArray) replies = g_ptr_array_new_with_free_func(probe_run_unref_node);
    g_auto(GStrv) lines = g_strsplit(output->str, "\n", -1);
    gsize i;

    g_ptr_array_set_size(replies, (gint)n_commands);
    *n_answered = 0;
    for (i = 0; lines[i]; i++) {
        g_autoptr(JsonNode) node = vt_json_parse(lines[i], strlen(lines[i]), NULL);
        JsonObject *object = node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
        JsonNode *id = object ? json_object_get_member(object, "id") : NULL;
        gint64 number;

        if (!id || !JSON_NODE_HOLDS_VALUE(id) || json_node_get_value_type(id) != G_TYPE_INT64)
            continue;
        number = json_node_get_int(id);
        if (number < 0 || (gsize)number >= n_commands || replies->pdata[number])
            continue;
        (*n_answered)++;
        if (json_object_has_member(object, "return"))
            replies->pdata[number] = json_node_copy(json_object_get_member(object, "return"));
    }
    return g_steal_pointer(&replies);
}

GPtrArray *
vt_probe_run(const char *binary, const char *const *commands, guint timeout_ms, GError **error)
{
    g_autoptr(GString) output = g_string_new(NULL);
    g_autoptr(GString) errors = g_string_new(NULL);
    g_autoptr(GPtrArray) replies = NULL;
    ProbeRun run = { .in = -1, .out = -1, .err = -1, .output = output, .errors = errors };
    gsize n_commands = g_strv_length((char **)commands), n_answered = 0;
    gboolean ok;

    run.deadline_us = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
    if (!probe_run_start(&run, binary, error))
        return NULL;
    ok = probe_run_send(&run, commands, error) && probe_run_collect(&run, binary, error);
    if (!ok)
        run.deadline_us = 0;
    probe_run_close(&run.in);
    probe_run_close(&run.out);
    probe_run_close(&run.err);
    probe_run_reap(&run);

    g_strstrip(errors->str);
    if (!ok) {
        if (*errors->str)
            g_prefix_error(error, "%s: ", errors->str);
        return NULL;
    }
    replies = probe_run_replies(output, n_commands, &n_answered);
    if (n_answered < n_commands) {
        vt_error_set(error, VT_ERROR_OPERATION_FAILED,
                     _("the emulator '%s' does not answer QMP commands: %s"), binary,
                     *errors->str ? errors->str : _("it wrote nothing to stderr"));
        return NULL;
    }
    return g_steal_pointer(&replies);
}
