/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/command.h"

#include <signal.h>
#include <string.h>

typedef struct {
    GMainLoop *loop;
    gboolean told;
    int status;
    int signal;
    char *out;
    char *err;
    GError *error;
    GError *check;
} Outcome;

static void
ended(gpointer user, const VtCommandResult *result, const GError *error)
{
    Outcome *o = user;

    g_assert_false(o->told);
    g_assert_true((result == NULL) == (error != NULL));
    o->told = TRUE;
    if (result) {
        o->status = result->exit_status;
        o->signal = result->term_signal;
        o->out = g_strdup(result->out);
        o->err = g_strdup(result->err);
        g_assert_cmpuint(strlen(result->out), ==, result->out_length);
        vt_command_check("sh", result, &o->check);
    } else {
        o->error = g_error_copy(error);
    }
    g_main_loop_quit(o->loop);
}

static void
outcome_clear(Outcome *o)
{
    g_main_loop_unref(o->loop);
    g_free(o->out);
    g_free(o->err);
    g_clear_error(&o->error);
    g_clear_error(&o->check);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Outcome, outcome_clear)

static void
run(Outcome *o, const char *script, const char *input, guint timeout_ms, gsize max)
{
    const char *argv[] = { "sh", "-c", script, NULL };
    VtCommandSpec spec = { .argv = argv, .input = input, .timeout_ms = timeout_ms, .max_output_bytes = max };

    o->loop = g_main_loop_new(NULL, FALSE);
    vt_command_run(&spec, ended, o);
    g_assert_false(o->told);
    g_main_loop_run(o->loop);
}

static void
test_output(void)
{
    g_auto(Outcome) o = { 0 };

    run(&o, "cat; echo warned >&2", "given", 10000, 0);
    g_assert_no_error(o.error);
    g_assert_no_error(o.check);
    g_assert_cmpstr(o.out, ==, "given");
    g_assert_cmpstr(o.err, ==, "warned\n");
}

static void
test_bad_ends(void)
{
    g_auto(Outcome) exited = { 0 };
    g_auto(Outcome) killed = { 0 };

    run(&exited, "echo one >&2; echo the reason >&2; exit 3", NULL, 10000, 0);
    g_assert_cmpint(exited.status, ==, 3);
    g_assert_error(exited.check, VT_ERROR, VT_ERROR_OPERATION_FAILED);
    g_assert_cmpstr(exited.check->message, ==, "'sh' failed with status 3: the reason");
    run(&killed, "kill -TERM $$", NULL, 10000, 0);
    g_assert_cmpint(killed.signal, ==, SIGTERM);
    g_assert_cmpint(killed.status, ==, -1);
    g_assert_nonnull(killed.check);
}

static void
test_time_limit(void)
{
    g_auto(Outcome) o = { 0 };

    /* The grandchild keeps the pipes open; it is in the same process group. */
    run(&o, "sleep 100 & sleep 100", NULL, 50, 0);
    g_assert_error(o.error, VT_ERROR, VT_ERROR_TIMEOUT);
}

static void
test_size_limit(void)
{
    g_auto(Outcome) o = { 0 };

    run(&o, "yes", NULL, 10000, 10000);
    g_assert_error(o.error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
}

static void
test_not_started(void)
{
    const char *argv[] = { "/nonexistent/program", NULL };
    VtCommandSpec spec = { .argv = argv, .timeout_ms = 1000 };
    g_auto(Outcome) o = { 0 };

    o.loop = g_main_loop_new(NULL, FALSE);
    vt_command_run(&spec, ended, &o);
    g_main_loop_run(o.loop);
    g_assert_error(o.error, VT_ERROR, VT_ERROR_SYSTEM);
}

static gboolean
quit(gpointer loop)
{
    g_main_loop_quit(loop);
    return G_SOURCE_REMOVE;
}

static void
test_cancel(void)
{
    const char *argv[] = { "sleep", "100", NULL };
    VtCommandSpec spec = { .argv = argv, .timeout_ms = 1000 };
    g_auto(Outcome) o = { 0 };

    o.loop = g_main_loop_new(NULL, FALSE);
    vt_command_cancel(vt_command_run(&spec, ended, &o));
    g_timeout_add(200, quit, o.loop);
    g_main_loop_run(o.loop);
    g_assert_false(o.told);
}

static void
test_environment(void)
{
    const char *argv[] = { "/bin/sh", "-c", "echo $A-$HOME; pwd", NULL };
    const char *env[] = { "A=b", NULL };
    VtCommandSpec spec = { .argv = argv, .env = env, .cwd = "/", .timeout_ms = 10000 };
    g_auto(Outcome) o = { 0 };

    o.loop = g_main_loop_new(NULL, FALSE);
    vt_command_run(&spec, ended, &o);
    g_main_loop_run(o.loop);
    g_assert_cmpstr(o.out, ==, "b-\n/\n");
}

/* ---- from threads ---- */

static gpointer
wait_in_thread(gpointer script)
{
    const char *argv[] = { "sh", "-c", script, NULL };
    const VtCommandSpec spec = { .argv = argv, .timeout_ms = strstr(script, "sleep") ? 300 : 30000 };
    g_auto(VtCommandEnd) end = { 0 };
    GError *error = NULL;

    if (!vt_command_wait(&spec, &end, &error))
        return error;
    g_assert_cmpstr(end.out, ==, "out\n");
    g_assert_cmpstr(end.err, ==, "err\n");
    return GINT_TO_POINTER(end.exit_status);
}

static gboolean
not_in_a_thread(gpointer where)
{
    g_assert_true(g_thread_self() == where);
    return G_SOURCE_CONTINUE;
}

/* Several at once, none of which runs what belongs to the main loop, nor needs it. */
static void
test_wait(void)
{
    guint mine = g_idle_add(not_in_a_thread, g_thread_self());
    GThread *threads[4], *slow;
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("wait", wait_in_thread, (gpointer) "echo out; echo err >&2; exit 7");
    slow = g_thread_new("wait", wait_in_thread, (gpointer) "sleep 100");
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        g_assert_cmpint(GPOINTER_TO_INT(g_thread_join(threads[i])), ==, 7);
    error = g_thread_join(slow);
    g_assert_error(error, VT_ERROR, VT_ERROR_TIMEOUT);
    g_source_remove(mine);
}

static void
test_wait_not_started(void)
{
    const char *argv[] = { "/nonexistent/program", NULL };
    const VtCommandSpec spec = { .argv = argv, .timeout_ms = 1000 };
    g_auto(VtCommandEnd) end = { 0 };
    g_autoptr(GError) error = NULL;

    g_assert_false(vt_command_wait(&spec, &end, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_SYSTEM);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/util/command/output-is-captured", test_output);
    g_test_add_func("/util/command/bad-ends-become-errors", test_bad_ends);
    g_test_add_func("/util/command/time-limit-kills-the-group", test_time_limit);
    g_test_add_func("/util/command/size-limit-kills", test_size_limit);
    g_test_add_func("/util/command/a-missing-program-is-reported-later", test_not_started);
    g_test_add_func("/util/command/cancel-tells-nobody", test_cancel);
    g_test_add_func("/util/command/environment-and-directory", test_environment);
    g_test_add_func("/util/command/threads-wait-without-the-main-loop", test_wait);
    g_test_add_func("/util/command/a-missing-program-is-told-a-thread", test_wait_not_started);
    return g_test_run();
}
