/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A command has ended when three things have: the process, and both of its output streams. Each of them, and
 * the input while it is being written, holds one reference; the last one to go frees the command. Whoever
 * sees a failure first (time, size) keeps it, kills the process group and lets the rest run out, which is
 * bounded: a grandchild that keeps a pipe open is cut off by closing our end.
 */
#include "util/command.h"

#include <gio/gio.h>

#include <signal.h>
#include <string.h>
#include <unistd.h>

#define COMMAND_MAX_OUTPUT_DEFAULT (1024 * 1024)
#define COMMAND_CHUNK              4096

typedef struct {
    VtCommand *command;
    GInputStream *stream;
    GByteArray *bytes;
    char chunk[COMMAND_CHUNK];
} CommandStream;

struct _VtCommand {
    guint refs;
    char *name;
    GSubprocess *process;
    GCancellable *cancellable; /* cuts the streams off */
    CommandStream out;
    CommandStream err;
    gsize max_output_bytes;
    guint timeout_ms;
    GSource *timer; /* in the context of the caller's thread; NULL: none */
    guint open;     /* process and streams that have not ended */
    gboolean exited;
    GError *error;
    VtCommandDone done; /* NULL once it was told, or cancelled */
    gpointer user;
};

static void
command_unref(VtCommand *command)
{
    if (--command->refs > 0)
        return;
    g_clear_object(&command->process);
    g_clear_object(&command->cancellable);
    g_byte_array_unref(command->out.bytes);
    g_byte_array_unref(command->err.bytes);
    g_clear_error(&command->error);
    g_free(command->name);
    g_free(command);
}

static void
command_stop_timer(VtCommand *command)
{
    if (!command->timer)
        return;
    g_source_destroy(command->timer);
    g_clear_pointer(&command->timer, g_source_unref);
}

/* As g_timeout_add(), in the context whose loop the caller runs: not always the main one. */
static GSource *
command_add_timer(guint ms, GSourceFunc func, VtCommand *command)
{
    GSource *source = g_timeout_source_new(ms);

    g_source_set_callback(source, func, command, NULL);
    g_source_attach(source, g_main_context_get_thread_default());
    return source;
}

static void
command_tell(VtCommand *command)
{
    VtCommandDone done = command->done;
    VtCommandResult result = { .exit_status = -1 };

    command->done = NULL;
    command_stop_timer(command);
    if (!done)
        return;
    if (command->error) {
        done(command->user, NULL, command->error);
        return;
    }
    if (g_subprocess_get_if_exited(command->process))
        result.exit_status = g_subprocess_get_exit_status(command->process);
    else
        result.term_signal = g_subprocess_get_term_sig(command->process);
    g_byte_array_append(command->out.bytes, (const guint8 *)"", 1);
    g_byte_array_append(command->err.bytes, (const guint8 *)"", 1);
    result.out = (const char *)command->out.bytes->data;
    result.out_length = command->out.bytes->len - 1;
    result.err = (const char *)command->err.bytes->data;
    result.err_length = command->err.bytes->len - 1;
    done(command->user, &result, NULL);
}

static void
command_part_ended(VtCommand *command)
{
    if (--command->open == 0)
        command_tell(command);
    command_unref(command);
}

static void
command_kill(VtCommand *command)
{
    const char *id = command->exited ? NULL : g_subprocess_get_identifier(command->process);

    /* Not reaped yet, so the group is still its own (see command_child()). */
    if (id)
        kill(-(pid_t)g_ascii_strtoll(id, NULL, 10), SIGKILL);
    g_cancellable_cancel(command->cancellable);
}

static void
command_fail(VtCommand *command, GError *error)
{
    if (command->error) {
        g_error_free(error);
        return;
    }
    command->error = error;
    command_kill(command);
}

static gboolean
command_timed_out(gpointer user)
{
    VtCommand *command = user;

    g_clear_pointer(&command->timer, g_source_unref);
    command_fail(command,
                 g_error_new(VT_ERROR, VT_ERROR_TIMEOUT, "'%s' did not end within %u ms and was killed.",
                             command->name, command->timeout_ms));
    return G_SOURCE_REMOVE;
}

static void command_read_more(CommandStream *stream);

static void
command_was_read(GObject *source, GAsyncResult *result, gpointer user)
{
    CommandStream *stream = user;
    VtCommand *command = stream->command;
    gssize got = g_input_stream_read_finish(G_INPUT_STREAM(source), result, NULL);

    if (got <= 0 || command->error) {
        command_part_ended(command);
        return;
    }
    if ((gsize)got > command->max_output_bytes - stream->bytes->len) {
        command_fail(command, g_error_new(VT_ERROR, VT_ERROR_OPERATION_FAILED,
                                          "'%s' wrote more than %zu bytes and was killed.", command->name,
                                          command->max_output_bytes));
        command_part_ended(command);
        return;
    }
    g_byte_array_append(stream->bytes, (const guint8 *)stream->chunk, (guint)got);
    command_read_more(stream);
}

static void
command_read_more(CommandStream *stream)
{
    g_input_stream_read_async(stream->stream, stream->chunk, sizeof stream->chunk, G_PRIORITY_DEFAULT,
                              stream->command->cancellable, command_was_read, stream);
}

static void
command_exited(GObject *source, GAsyncResult *result, gpointer user)
{
    VtCommand *command = user;

    g_subprocess_wait_finish(G_SUBPROCESS(source), result, NULL);
    command->exited = TRUE;
    command_part_ended(command);
}

static void
command_input_written(GObject *source, GAsyncResult *result, gpointer user)
{
    VtCommand *command = user;

    /* A program that does not read its input is not wrong: its status says what it thinks. */
    g_output_stream_write_all_finish(G_OUTPUT_STREAM(source), result, NULL, NULL);
    g_output_stream_close_async(G_OUTPUT_STREAM(source), G_PRIORITY_DEFAULT, NULL, NULL, NULL);
    command_unref(command);
}

/* Between fork and exec: async-signal-safe calls only. */
static void
command_child(gpointer user)
{
    setpgid(0, 0);
}

static gboolean
command_not_started(gpointer user)
{
    VtCommand *command = user;

    command_tell(command);
    command_unref(command);
    return G_SOURCE_REMOVE;
}

static void
command_watch_stream(VtCommand *command, CommandStream *stream, GInputStream *input)
{
    stream->command = command;
    stream->stream = input;
    command->refs++;
    command->open++;
    command_read_more(stream);
}

static void
command_watch(VtCommand *command, const VtCommandSpec *spec)
{
    command->refs++;
    command->open++;
    g_subprocess_wait_async(command->process, NULL, command_exited, command);
    command_watch_stream(command, &command->out, g_subprocess_get_stdout_pipe(command->process));
    command_watch_stream(command, &command->err, g_subprocess_get_stderr_pipe(command->process));
    if (spec->input) {
        char *copy = g_strdup(spec->input);
        GOutputStream *pipe = g_subprocess_get_stdin_pipe(command->process);

        g_object_set_data_full(G_OBJECT(pipe), "vt-input", copy, g_free);
        command->refs++;
        g_output_stream_write_all_async(pipe, copy, strlen(copy), G_PRIORITY_DEFAULT, command->cancellable,
                                        command_input_written, command);
    }
    if (spec->timeout_ms)
        command->timer = command_add_timer(spec->timeout_ms, command_timed_out, command);
    command_unref(command);
}

VtCommand *
vt_command_run(const VtCommandSpec *spec, VtCommandDone done, gpointer user)
{
    VtCommand *command = g_new0(VtCommand, 1);
    g_autoptr(GSubprocessLauncher) launcher = NULL;
    g_autoptr(GError) error = NULL;
    GSubprocessFlags flags = G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE;

    if (spec->input)
        flags |= G_SUBPROCESS_FLAGS_STDIN_PIPE;
    launcher = g_subprocess_launcher_new(flags);
    g_subprocess_launcher_set_child_setup(launcher, command_child, NULL, NULL);
    if (spec->env)
        g_subprocess_launcher_set_environ(launcher, (char **)spec->env);
    if (spec->cwd)
        g_subprocess_launcher_set_cwd(launcher, spec->cwd);
    command->refs = 1;
    command->name = g_strdup(spec->argv[0]);
    command->cancellable = g_cancellable_new();
    command->out.bytes = g_byte_array_new();
    command->err.bytes = g_byte_array_new();
    command->max_output_bytes = spec->max_output_bytes ? spec->max_output_bytes : COMMAND_MAX_OUTPUT_DEFAULT;
    command->timeout_ms = spec->timeout_ms;
    command->done = done;
    command->user = user;
    command->process = g_subprocess_launcher_spawnv(launcher, spec->argv, &error);
    if (!command->process) {
        vt_error_set(&command->error, VT_ERROR_SYSTEM, "Cannot run '%s': %s", command->name, error->message);
        g_source_unref(command_add_timer(0, command_not_started, command));
        return command;
    }
    command_watch(command, spec);
    return command;
}

void
vt_command_cancel(VtCommand *command)
{
    command->done = NULL;
    command_stop_timer(command);
    if (command->process)
        command_fail(command, g_error_new(VT_ERROR, VT_ERROR_ABORTED, "'%s' was cancelled.", command->name));
}

static char *
command_last_line(const char *text)
{
    g_autofree char *copy = g_strdup(text);
    const char *newline;

    g_strchomp(copy);
    newline = strrchr(copy, '\n');
    return g_strdup(newline ? newline + 1 : copy);
}

gboolean
vt_command_check(const char *name, const VtCommandResult *result, GError **error)
{
    g_autofree char *line = NULL;

    if (result->exit_status == 0)
        return TRUE;
    line = command_last_line(result->err);
    if (result->term_signal)
        return vt_error_set(error, VT_ERROR_OPERATION_FAILED, "'%s' was ended by signal %d: %s", name,
                            result->term_signal, line);
    return vt_error_set(error, VT_ERROR_OPERATION_FAILED, "'%s' failed with status %d: %s", name,
                        result->exit_status, line);
}

/* ---- for threads ---- */

typedef struct {
    gboolean over;
    VtCommandEnd *end;
    GError *error;
} CommandWait;

static void
command_waited(gpointer user, const VtCommandResult *result, const GError *error)
{
    CommandWait *wait = user;

    wait->over = TRUE;
    if (error) {
        wait->error = g_error_copy(error);
        return;
    }
    wait->end->exit_status = result->exit_status;
    wait->end->out = g_strndup(result->out, result->out_length);
    wait->end->err = g_strndup(result->err, result->err_length);
}

gboolean
vt_command_wait(const VtCommandSpec *spec, VtCommandEnd *end, GError **error)
{
    GMainContext *context = g_main_context_new();
    VtCommandEnd got = { 0 };
    CommandWait wait = { .end = &got };

    g_main_context_push_thread_default(context);
    vt_command_run(spec, command_waited, &wait);
    while (!wait.over)
        g_main_context_iteration(context, TRUE);
    while (g_main_context_iteration(context, FALSE)) { /* what is still to be freed */
    }
    g_main_context_pop_thread_default(context);
    g_main_context_unref(context);
    if (wait.error) {
        g_propagate_error(error, wait.error);
        return FALSE;
    }
    *end = got;
    return TRUE;
}

void
vt_command_end_clear(VtCommandEnd *end)
{
    g_clear_pointer(&end->out, g_free);
    g_clear_pointer(&end->err, g_free);
}
