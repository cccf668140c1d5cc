/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All commands are written at once (they are far smaller than a pipe's buffer) and the answers are read as
 * they come; when the last one is there the process is killed. It has nothing to lose, and a "quit" would
 * cut off answers that wait for a pipe which is full.
 */
#include "qemu/probe-run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "util/i18n.h"
#include "util/json.h"

#define PROBE_OUTPUT_MAX   (16 * 1024 * 1024)
#define PROBE_STDERR_MAX   4096
#define PROBE_COMMANDS_MAX 32

typedef struct {
    GPid pid;
    int in, out, err;
    GString *output, *errors;
    gsize read; /* bytes of output that were understood */
    GPtrArray *replies;
    gsize n_answered;
    gint64 deadline_us;
} ProbeRun;

static void
probe_run_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void
probe_run_end(ProbeRun *run)
{
    probe_run_close(&run->in);
    probe_run_close(&run->out);
    probe_run_close(&run->err);
    kill(run->pid, SIGKILL);
    while (waitpid(run->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    g_spawn_close_pid(run->pid);
}

/* Its input is a socket, as writing to a pipe that nobody reads any more would be a signal for the whole process. */
static gboolean
probe_run_start(ProbeRun *run, const char *binary, GError **error)
{
    const char *argv[] = { binary,       "-S",       "-nodefaults",        "-no-user-config",
                           "-nographic", "-machine", "none,accel=kvm:tcg", "-qmp",
                           "stdio",      NULL };
    g_auto(GStrv) envp = g_environ_setenv(g_get_environ(), "LC_ALL", "C", TRUE);
    g_autoptr(GError) local = NULL;
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return vt_error_set_errno(error, errno, "cannot make a socket for the emulator '%s'", binary);
    if (!g_spawn_async_with_pipes_and_fds(NULL, argv, (const char *const *)envp, G_SPAWN_DO_NOT_REAP_CHILD,
                                          NULL, NULL, pair[1], -1, -1, NULL, NULL, 0, &run->pid, NULL,
                                          &run->out, &run->err, &local)) {
        close(pair[0]);
        close(pair[1]);
        return vt_error_set(error, VT_ERROR_SYSTEM, _("cannot start the emulator '%s': %s"), binary,
                            local->message);
    }
    close(pair[1]);
    run->in = pair[0];
    return TRUE;
}

static gboolean
probe_run_send(ProbeRun *run, const char *binary, const char *const *commands, GError **error)
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

    /* A binary that is no QEMU may be gone already; what it wrote will say so. */
    if (send(run->in, text->str, text->len, MSG_NOSIGNAL | MSG_DONTWAIT) != (gssize)text->len &&
        errno != EPIPE)
        return vt_error_set_errno(error, errno, _("cannot write to the emulator '%s'"), binary);
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

/* Every whole line; events and the answer to qmp_capabilities have no number. */
static void
probe_run_understand(ProbeRun *run)
{
    const char *line, *end;

    for (line = run->output->str + run->read; (end = strchr(line, '\n')); line = end + 1) {
        g_autoptr(JsonNode) node = vt_json_parse(line, (gsize)(end - line), NULL);
        gint64 number = vt_json_int_or(node, "id", -1);

        if (number >= 0 && number < (gint64)run->replies->len && !run->replies->pdata[number]) {
            JsonNode *value = json_object_get_member(json_node_get_object(node), "return");

            run->n_answered++;
            run->replies->pdata[number] = value ? json_node_copy(value) : NULL;
        }
    }
    run->read = (gsize)(line - run->output->str);
}

static gboolean
probe_run_collect(ProbeRun *run, const char *binary, GError **error)
{
    while (run->n_answered < run->replies->len && run->out >= 0) {
        struct pollfd fds[] = { { run->out, POLLIN, 0 }, { run->err, POLLIN, 0 } };
        gint64 left_ms = (run->deadline_us - g_get_monotonic_time()) / 1000;
        gboolean overflow = FALSE, ignored = FALSE;

        if (left_ms <= 0)
            return vt_error_set(
                error, VT_ERROR_TIMEOUT,
                _("the emulator '%s' did not answer in time; run it with '-version' to see why"), binary);
        if (poll(fds, G_N_ELEMENTS(fds), (int)MIN(left_ms, 1000)) < 0 && errno != EINTR)
            return vt_error_set_errno(error, errno, "cannot poll the emulator '%s'", binary);
        if (fds[1].revents)
            probe_run_drain(&run->err, run->errors, PROBE_STDERR_MAX, &ignored);
        if (fds[0].revents)
            probe_run_drain(&run->out, run->output, PROBE_OUTPUT_MAX, &overflow);
        if (overflow)
            return vt_error_set(error, VT_ERROR_OPERATION_FAILED, _("the emulator '%s' answers without end"),
                                binary);
        probe_run_understand(run);
    }
    if (run->n_answered == run->replies->len)
        return TRUE;
    /* Its output is closed: the reason is still on its way. */
    while (probe_run_drain(&run->err, run->errors, PROBE_STDERR_MAX, &(gboolean){ FALSE }))
        continue;
    return vt_error_set(error, VT_ERROR_OPERATION_FAILED,
                        _("the emulator '%s' ended without answering QMP commands"), binary);
}

static void
probe_run_unref_node(gpointer node)
{
    if (node)
        json_node_unref(node);
}

GPtrArray *
vt_probe_run(const char *binary, const char *const *commands, guint timeout_ms, GError **error)
{
    g_autoptr(GString) output = g_string_new(NULL);
    g_autoptr(GString) errors = g_string_new(NULL);
    g_autoptr(GPtrArray) replies = g_ptr_array_new_with_free_func(probe_run_unref_node);
    ProbeRun run = { .in = -1, .out = -1, .err = -1, .output = output, .errors = errors, .replies = replies };
    gboolean ok;

    g_ptr_array_set_size(replies, (gint)g_strv_length((char **)commands));
    run.deadline_us = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
    if (!probe_run_start(&run, binary, error))
        return NULL;
    ok = probe_run_send(&run, binary, commands, error) && probe_run_collect(&run, binary, error);
    probe_run_end(&run);
    if (ok)
        return g_steal_pointer(&replies);
    g_strstrip(errors->str);
    if (*errors->str && error && *error) {
        g_autofree char *message = g_strdup_printf("%s: %s", (*error)->message, errors->str);

        g_free((*error)->message);
        (*error)->message = g_steal_pointer(&message);
    }
    return NULL;
}
