/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The client against fake-qemu, which replays tests/data/qmp and exits with a failure when the client does not
 * keep to the transcript.
 */
#include "qemu/qmp-client.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
    GSubprocess *peer;
    VtQmpClient *client;
    GString *told; /* everything told, in order */
    gboolean free_on_event, closed;
} Fixture;

static void
note_ready(gpointer user, const GError *error)
{
    Fixture *f = user;

    g_string_append_printf(f->told, "ready %s\n", error ? vt_error_code_name(error->code) : "ok");
}

static void
note_reply(gpointer user, JsonNode *result, const GError *error)
{
    Fixture *f = user;
    g_autofree char *text = result ? json_to_string(result, FALSE) : NULL;

    if (error)
        g_string_append_printf(f->told, "failed %s: %s\n", vt_error_code_name(error->code), error->message);
    else
        g_string_append_printf(f->told, "reply %s\n", text);
}

static void
note_event(VtQmpClient *client, const VtQmpEvent *event, gpointer user)
{
    Fixture *f = user;

    g_string_append_printf(f->told, "event %s\n", event->name);
    if (f->free_on_event) {
        vt_qmp_client_free(g_steal_pointer(&f->client));
        f->closed = TRUE;
    }
}

static void
note_closed(VtQmpClient *client, const GError *why, gpointer user)
{
    Fixture *f = user;

    g_string_append_printf(f->told, "closed %s\n", vt_error_code_name(why->code));
    f->closed = TRUE;
}

static Fixture *
fixture_new(const char *transcript, guint timeout_ms)
{
    const VtQmpClientFuncs funcs = { .event = note_event, .closed = note_closed };
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_NONE);
    g_autofree char *path = g_strdup_printf("%s/data/qmp/%s.qmp", VT_TEST_DATA_DIR, transcript);
    g_autoptr(GError) error = NULL;
    Fixture *f = g_new0(Fixture, 1);
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    g_subprocess_launcher_take_fd(launcher, pair[1], 3);
    f->peer = g_subprocess_launcher_spawn(launcher, &error, VT_FAKE_QEMU, path, "--fd", "3", NULL);
    g_assert_no_error(error);
    g_subprocess_launcher_close(launcher);
    f->told = g_string_new(NULL);
    f->client = vt_qmp_client_new(pair[0], &funcs, f, timeout_ms, note_ready, f);
    return f;
}

/* Run until @text was told. */
static void
fixture_wait(Fixture *f, const char *text)
{
    gint64 deadline = g_get_monotonic_time() + 120 * G_USEC_PER_SEC;

    while (!strstr(f->told->str, text)) {
        g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        g_main_context_iteration(NULL, FALSE);
        g_usleep(500);
    }
}

static void
fixture_free(Fixture *f, const char *told)
{
    vt_qmp_client_free(f->client);
    g_assert_cmpstr(f->told->str, ==, told);
    g_subprocess_wait(f->peer, NULL, NULL);
    g_assert_true(g_subprocess_get_if_exited(f->peer));
    g_assert_cmpint(g_subprocess_get_exit_status(f->peer), ==, 0);
    g_object_unref(f->peer);
    g_string_free(f->told, TRUE);
    g_free(f);
}

static void
test_hello(void)
{
    Fixture *f = fixture_new("hello", 120000);

    /* Given before the greeting: held back until the negotiation is over. */
    vt_qmp_client_call(f->client, "query-status", NULL, 120000, note_reply, f);
    vt_qmp_client_callv(f->client, "device_del", 120000, note_reply, f, "id", "s", "net9", NULL);
    fixture_wait(f, "failed");
    fixture_free(
        f, "ready ok\nevent RESUME\n"
           "reply {\"status\":\"running\",\"singlestep\":false,\"running\":true}\n"
           "failed operation-failed: QEMU refused 'device_del': Device 'net9' not found (DeviceNotFound)\n");
}

static void
test_pieces(void)
{
    Fixture *f = fixture_new("pieces", 120000);

    fixture_wait(f, "RESET");
    vt_qmp_client_call(f->client, "query-status", NULL, 120000, note_reply, f);
    fixture_wait(f, "reply");
    fixture_free(f, "ready ok\nevent STOP\nevent RESET\nreply {\"status\":\"paused\"}\n");
}

static void
test_garbage(void)
{
    Fixture *f = fixture_new("garbage", 120000);

    vt_qmp_client_call(f->client, "query-status", NULL, 120000, note_reply, f);
    fixture_wait(f, "closed");
    /* A closed client answers too, once, from the main loop. */
    vt_qmp_client_call(f->client, "query-kvm", NULL, 120000, note_reply, f);
    fixture_wait(f, "query-kvm");
    fixture_free(
        f, "ready ok\n"
           "failed aborted: QEMU did not answer 'query-status': QEMU sent byte 0x68 where a message should "
           "begin\nclosed rpc\n"
           "failed aborted: QEMU cannot be asked 'query-kvm': its monitor is not connected\n");
}

static void
test_silent(void)
{
    Fixture *f = fixture_new("silent", 120000);

    fixture_wait(f, "ready");
    vt_qmp_client_call(f->client, "query-status", NULL, 30, note_reply, f);
    fixture_wait(f, "timeout");
    vt_qmp_client_call(f->client, "query-migrate", NULL, 0, note_reply, f);
    fixture_wait(f, "closed");
    fixture_free(
        f, "ready ok\nfailed timeout: QEMU did not answer 'query-status' within 30 ms\nevent SHUTDOWN\n"
           "failed aborted: QEMU did not answer 'query-migrate': QEMU closed its monitor\nclosed aborted\n");
}

static void
test_no_greeting(void)
{
    Fixture *f = fixture_new("no-greeting", 50);

    vt_qmp_client_call(f->client, "query-status", NULL, 0, note_reply, f);
    fixture_wait(f, "closed");
    fixture_free(f,
                 "failed aborted: QEMU did not answer 'query-status': QEMU's monitor did not greet in time\n"
                 "ready timeout\nclosed timeout\n");
}

static void
note_raw(gpointer user, JsonNode *result, const GError *error)
{
    Fixture *f = user;

    g_string_append_printf(f->told, "raw %s\n", vt_qmp_client_reply_text(f->client));
}

static void
test_raw(void)
{
    Fixture *f = fixture_new("raw", 120000);
    g_autoptr(GError) error = NULL;

    g_assert_false(vt_qmp_client_call_raw(f->client, "info status", 0, note_raw, f, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_INVALID_ARG);
    g_assert_true(vt_qmp_client_call_raw(
        f->client,
        "{\"execute\": \"human-monitor-command\", \"id\": \"x\", \"arguments\": {\"command-line\": \"info status\"}}",
        120000, note_raw, f, NULL));
    fixture_wait(f, "raw");
    g_assert_null(vt_qmp_client_reply_text(f->client));
    fixture_free(f, "ready ok\nraw {\"return\":\"VM status: running\\r\\n\",\"id\":\"vt-1\"}\n");
}

static void
test_free_from_a_callback(void)
{
    Fixture *f = fixture_new("hello", 120000);

    f->free_on_event = TRUE;
    vt_qmp_client_call(f->client, "query-status", NULL, 0, note_reply, f);
    fixture_wait(f, "failed");
    g_subprocess_force_exit(f->peer);
    g_subprocess_wait(f->peer, NULL, NULL);
    g_assert_cmpstr(
        f->told->str, ==,
        "ready ok\nevent RESUME\n"
        "failed aborted: QEMU did not answer 'query-status': the connection to its monitor was given up\n");
    g_object_unref(f->peer);
    g_string_free(f->told, TRUE);
    g_free(f);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu/qmp-client/hello", test_hello);
    g_test_add_func("/qemu/qmp-client/messages-in-pieces", test_pieces);
    g_test_add_func("/qemu/qmp-client/garbage-closes", test_garbage);
    g_test_add_func("/qemu/qmp-client/silence-times-out", test_silent);
    g_test_add_func("/qemu/qmp-client/no-greeting-times-out", test_no_greeting);
    g_test_add_func("/qemu/qmp-client/raw-command", test_raw);
    g_test_add_func("/qemu/qmp-client/free-from-a-callback", test_free_from_a_callback);
    return g_test_run();
}
