/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A session on a real socket pair, with peers that behave badly.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include "daemon/session.h"
#include "lib/fake-driver.h"
#include "lib/rpc-peer.h"
#include "rpc/dispatch.h"

typedef struct {
    VtDriver *driver;
    VtSession *session; /* NULL once it has ended */
    int peer;
    guint ended;
    VtMessageReader reader;
    GPtrArray *messages;
} SessionFixture;

static void
session_ended(VtSession *session, gpointer user)
{
    SessionFixture *fixture = user;

    g_assert_true(session == fixture->session);
    fixture->session = NULL;
    fixture->ended++;
}

static void
session_set_up(SessionFixture *fixture, gconstpointer data)
{
    VtSessionParams params = {
        .authenticated = TRUE,
        .max_requests = 5,
        .keepalive_interval_ms = 20,
        .keepalive_count = 2,
        .name = "test",
        .ended = session_ended,
        .user = fixture,
    };
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    fixture->driver = fake_driver_new(FALSE);
    params.driver = fixture->driver;
    fixture->peer = pair[1];
    g_assert_cmpint(fcntl(fixture->peer, F_SETFL, O_NONBLOCK), ==, 0);
    fixture->session = vt_session_new(pair[0], &params, NULL);
    vt_message_reader_init(&fixture->reader);
    fixture->messages = g_ptr_array_new_with_free_func(rpc_peer_message_free);
}

static void
session_tear_down(SessionFixture *fixture, gconstpointer data)
{
    vt_session_free(fixture->session, TRUE);
    while (fake_driver_pending(fixture->driver)->len > 0)
        fake_driver_complete(fixture->driver, NULL);
    if (fixture->peer >= 0)
        close(fixture->peer);
    vt_message_reader_clear(&fixture->reader);
    g_ptr_array_unref(fixture->messages);
    fake_driver_free(fixture->driver);
}

static void
session_write(SessionFixture *fixture, const void *data, gsize size)
{
    while (size > 0) {
        ssize_t n = write(fixture->peer, data, size);

        if (n < 0) {
            rpc_peer_run(0);
            continue;
        }
        data = (const guint8 *)data + n;
        size -= (gsize)n;
    }
}

static void
session_write_frame(SessionFixture *fixture, GByteArray *frame)
{
    session_write(fixture, frame->data, frame->len);
    g_byte_array_unref(frame);
}

/* Reads what is there; FALSE at end of file. */
static gboolean
session_pull(SessionFixture *fixture)
{
    guint8 buffer[65536];
    ssize_t n;

    while ((n = read(fixture->peer, buffer, sizeof(buffer))) > 0)
        rpc_peer_read(&fixture->reader, buffer, (gsize)n, fixture->messages);
    return n < 0 && errno == EAGAIN; /* a reset: it closed with bytes of ours unread */
}

static void
session_expect(SessionFixture *fixture, const char *want)
{
    g_autoptr(GString) got = g_string_new(NULL);

    rpc_peer_run(0);
    session_pull(fixture);
    for (guint i = 0; i < fixture->messages->len; i++) {
        g_autofree char *line = rpc_peer_describe(g_ptr_array_index(fixture->messages, i));

        g_string_append_printf(got, "%s%s", i > 0 ? "\n" : "", line);
    }
    g_ptr_array_set_size(fixture->messages, 0);
    g_assert_cmpstr(got->str, ==, want);
}

static void
session_expect_end(SessionFixture *fixture)
{
    rpc_peer_run(0);
    g_assert_cmpuint(fixture->ended, ==, 1);
    g_assert_false(session_pull(fixture));
    g_assert_cmpuint(fake_driver_owners_gone(fixture->driver), ==, 1);
}

static void
session_open(SessionFixture *fixture)
{
    VtProtoTextFlags args = { .text = (char *)"qemu:///system" };

    session_write_frame(fixture, rpc_peer_call(1, 0, &vt_proto_text_optional_flags, &args));
    session_expect(fixture, "reply 1 serial 0 ok 0 bytes");
}

static GByteArray *
session_call_web(gint32 procedure, guint32 serial)
{
    VtProtoDomArg args = { .dom = { .name = (char *)"web" } };

    vt_uuid_parse("11111111-2222-3333-4444-555555555555", &args.dom.uuid);
    return rpc_peer_call(procedure, serial, &vt_proto_dom_arg, &args);
}

/* ---- pieces ---- */

static void
test_byte_by_byte(SessionFixture *fixture, gconstpointer data)
{
    g_autoptr(GByteArray) frame = NULL;

    session_open(fixture);
    frame = session_call_web(16, 1);
    for (guint i = 0; i < frame->len; i++) {
        session_write(fixture, frame->data + i, 1);
        rpc_peer_run(0);
    }
    session_expect(fixture, "reply 16 serial 1 ok 32 bytes");
}

static void
test_many_at_once(SessionFixture *fixture, gconstpointer data)
{
    GByteArray *all = g_byte_array_new();

    session_open(fixture);
    for (guint32 i = 0; i < 300; i++) {
        g_autoptr(GByteArray) frame = session_call_web(16, i);

        g_byte_array_append(all, frame->data, frame->len);
    }
    session_write_frame(fixture, all);
    for (int i = 0; i < 100 && fixture->messages->len < 300; i++) {
        rpc_peer_run(0);
        g_assert_true(session_pull(fixture));
    }
    g_assert_cmpuint(fixture->messages->len, ==, 300);
}

static void
test_ends_in_the_middle_of_a_frame(SessionFixture *fixture, gconstpointer data)
{
    g_autoptr(GByteArray) frame = session_call_web(16, 1);

    session_write(fixture, frame->data, 17);
    rpc_peer_run(0);
    g_assert_cmpuint(fixture->ended, ==, 0);
    g_assert_cmpint(shutdown(fixture->peer, SHUT_WR), ==, 0);
    session_expect_end(fixture);
}

/* A length of 32 MiB is believed only as far as bytes arrive. */
static void
test_huge_frame(SessionFixture *fixture, gconstpointer data)
{
    guint32 length = GUINT32_TO_BE(VT_MESSAGE_MAX);
    g_autofree guint8 *zeros = g_malloc0(VT_MESSAGE_BODY_MAX);

    session_write(fixture, &length, 4);
    session_write(fixture, zeros, VT_MESSAGE_BODY_MAX);
    session_expect(fixture, "reply x:0 serial 0 error 39/7 Cannot find program 0 version 0");
    session_open(fixture);
}

static const struct {
    const char *name;
    guint32 length;
} session_bad_lengths[] = {
    { "zero", 0 },
    { "header-does-not-fit", 27 },
    { "above-the-limit", VT_MESSAGE_MAX + 1 },
    { "all-ones", 0xffffffff },
};

static void
test_bad_length(SessionFixture *fixture, gconstpointer data)
{
    guint32 length = GUINT32_TO_BE(session_bad_lengths[GPOINTER_TO_SIZE(data)].length);

    session_write(fixture, &length, 4);
    session_expect_end(fixture);
}

static void
test_http_client(SessionFixture *fixture, gconstpointer data)
{
    session_write(fixture, "GET / HTTP/1.0\r\n\r\n", 18);
    session_expect_end(fixture);
}

/* ---- descriptors ---- */

static void
session_send_fd(SessionFixture *fixture, const void *data, gsize size, int fd)
{
    union {
        char buffer[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = { .buffer = { 0 } };
    struct iovec iov = { .iov_base = (void *)data, .iov_len = size };
    struct msghdr message = { .msg_iov = &iov,
                              .msg_iovlen = 1,
                              .msg_control = control.buffer,
                              .msg_controllen = sizeof(control.buffer) };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof(int));
    g_assert_cmpint(sendmsg(fixture->peer, &message, 0), ==, (ssize_t)size);
}

static GByteArray *
session_call_with_fds(guint32 n)
{
    VtMessageHeader header = {
        .program = RPC_PEER_REMOTE, .version = 1, .procedure = 3, .type = VT_MESSAGE_CALL_FDS, .serial = 1
    };
    VtProtoInt count = { .value = (gint32)n };

    return rpc_peer_frame(&header, &vt_proto_int, &count);
}

/* All write ends that were given away are closed again. */
static void
session_expect_closed(int read_end)
{
    char byte;

    g_assert_cmpint(read(read_end, &byte, 1), ==, 0);
    close(read_end);
}

static void
test_call_with_descriptors(SessionFixture *fixture, gconstpointer data)
{
    int ends[2];

    session_open(fixture);
    g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
    session_write_frame(fixture, session_call_with_fds(2));
    rpc_peer_run(0);
    session_send_fd(fixture, "", 1, ends[1]);
    session_expect(fixture, ""); /* the second is still to come */
    session_send_fd(fixture, "", 1, ends[1]);
    close(ends[1]);
    session_write_frame(fixture, session_call_web(16, 2));
    session_expect(fixture, "reply 3 serial 1 ok 8 bytes\nreply 16 serial 2 ok 32 bytes");
    session_expect_closed(ends[0]);
}

static void
test_announced_descriptor_does_not_come(SessionFixture *fixture, gconstpointer data)
{
    session_open(fixture);
    session_write_frame(fixture, session_call_with_fds(1));
    session_write(fixture, "\0", 1);
    session_expect_end(fixture);
}

/* Descriptors nobody announced: the kernel closes them, the call is served. */
static void
test_unannounced_descriptor(SessionFixture *fixture, gconstpointer data)
{
    g_autoptr(GByteArray) frame = session_call_web(16, 1);
    int ends[2];

    session_open(fixture);
    g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
    session_send_fd(fixture, frame->data, frame->len, ends[1]);
    close(ends[1]);
    session_expect(fixture, "reply 16 serial 1 ok 32 bytes");
    session_expect_closed(ends[0]);
}

static void
test_vanishes_between_descriptors(SessionFixture *fixture, gconstpointer data)
{
    int ends[2];

    session_open(fixture);
    g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
    session_write_frame(fixture, session_call_with_fds(2));
    session_send_fd(fixture, "", 1, ends[1]);
    close(ends[1]);
    rpc_peer_run(0);
    g_assert_cmpint(shutdown(fixture->peer, SHUT_WR), ==, 0);
    session_expect_end(fixture);
    session_expect_closed(ends[0]);
}

static void
test_too_many_descriptors(SessionFixture *fixture, gconstpointer data)
{
    session_write_frame(fixture, session_call_with_fds(33));
    session_expect_end(fixture);
}

/* ---- ends ---- */

static void
test_close(SessionFixture *fixture, gconstpointer data)
{
    session_open(fixture);
    session_write_frame(fixture, rpc_peer_call(2, 1, NULL, NULL));
    session_expect(fixture, "reply 2 serial 1 ok 0 bytes");
    session_expect_end(fixture);
}

/* The client asks for more than the socket holds, closes, and reads only then: everything arrives. */
static void
test_close_with_replies_waiting(SessionFixture *fixture, gconstpointer data)
{
    guint n = 0;

    session_open(fixture);
    for (; n < 4000; n++) {
        session_write_frame(fixture, session_call_web(16, n));
        if (n % 100 == 0)
            rpc_peer_run(0);
    }
    session_write_frame(fixture, rpc_peer_call(2, n, NULL, NULL));
    rpc_peer_run(0);
    g_assert_cmpuint(fixture->ended, ==, 0); /* answers still wait for the client */
    for (int i = 0; i < 1000 && fixture->ended == 0; i++) {
        session_pull(fixture);
        rpc_peer_run(0);
    }
    session_pull(fixture);
    g_assert_cmpuint(fixture->messages->len, ==, n + 1);
    g_assert_cmpuint(fixture->ended, ==, 1);
}

/* A client that asks and never reads is not read from any more: its own writing stops. */
static void
test_asks_and_does_not_read(SessionFixture *fixture, gconstpointer data)
{
    g_autoptr(GByteArray) frame = session_call_web(16, 1);
    gsize given = 0;
    int full = 0;

    session_open(fixture);
    while (full < 3) {
        ssize_t n = write(fixture->peer, frame->data + given % frame->len, frame->len - given % frame->len);

        given += n > 0 ? (gsize)n : 0;
        full = n > 0 ? 0 : full + 1;
        rpc_peer_run(0);
    }
    g_assert_cmpuint(given, <, 8 * 1024 * 1024);
    for (int i = 0; i < 10000 && fixture->messages->len < given / frame->len; i++) {
        session_pull(fixture);
        rpc_peer_run(0);
    }
    g_assert_cmpuint(fixture->messages->len, ==, given / frame->len);
    g_assert_cmpuint(fixture->ended, ==, 0);
}

static void
test_vanishes_with_calls_in_flight(SessionFixture *fixture, gconstpointer data)
{
    session_open(fixture);
    for (guint32 i = 1; i <= 100; i++) /* more than are read */
        session_write_frame(fixture, session_call_web(34, i));
    rpc_peer_run(0);
    g_assert_cmpuint(fake_driver_pending(fixture->driver)->len, ==, 5);
    close(fixture->peer);
    fixture->peer = -1;
    rpc_peer_run(0);
    g_assert_cmpuint(fixture->ended, ==, 1);
    g_assert_cmpuint(fake_driver_owners_gone(fixture->driver), ==, 1);
    while (fake_driver_pending(fixture->driver)->len > 0)
        fake_driver_complete(fixture->driver, NULL);
}

/* The daemon ends: the driver is not told that owners have gone, since it ends too. */
static void
test_daemon_ends(SessionFixture *fixture, gconstpointer data)
{
    session_open(fixture);
    session_write_frame(fixture, session_call_web(34, 1));
    rpc_peer_run(0);
    vt_session_free(fixture->session, FALSE);
    fixture->session = NULL;
    g_assert_cmpuint(fake_driver_owners_gone(fixture->driver), ==, 0);
    g_assert_false(session_pull(fixture));
}

/* An answer with nothing queued before it is on the socket when the handler's return returns. */
static void
test_answer_is_written_at_once(SessionFixture *fixture, gconstpointer data)
{
    session_open(fixture);
    session_write_frame(fixture, session_call_web(34, 1));
    rpc_peer_run(0);
    fake_driver_complete(fixture->driver, NULL);
    g_assert_true(session_pull(fixture)); /* without the main loop */
    g_assert_cmpuint(fixture->messages->len, ==, 1);
}

/* ---- keepalive ---- */

static void
session_start_keepalive(SessionFixture *fixture)
{
    VtProtoInt feature = { .value = 10 };

    session_write_frame(fixture, rpc_peer_call(60, 0, &vt_proto_int, &feature));
    session_expect(fixture, "reply 60 serial 0 ok 4 bytes");
}

static void
test_silent_client_is_pinged_and_dropped(SessionFixture *fixture, gconstpointer data)
{
    session_start_keepalive(fixture);
    for (int i = 0; i < 50 && fixture->ended == 0; i++)
        rpc_peer_run(20);
    session_expect(fixture, "message x:1 serial 0 ok 0 bytes\nmessage x:1 serial 0 ok 0 bytes");
    g_assert_cmpuint(fixture->ended, ==, 1);
}

static void
test_pong_keeps_it_alive(SessionFixture *fixture, gconstpointer data)
{
    session_start_keepalive(fixture);
    for (int i = 0; i < 15; i++) {
        g_autoptr(GByteArray) pong = vt_dispatch_keepalive(VT_KEEPALIVE_PONG);

        rpc_peer_run(20);
        g_assert_true(vt_message_end(pong));
        session_write(fixture, pong->data, pong->len);
    }
    g_assert_cmpuint(fixture->ended, ==, 0);
}

static void
test_without_the_feature_nobody_is_pinged(SessionFixture *fixture, gconstpointer data)
{
    session_open(fixture);
    rpc_peer_run(150);
    session_expect(fixture, "");
    g_assert_cmpuint(fixture->ended, ==, 0);
}

#define SESSION_TEST(name, func)                                                                             \
    g_test_add("/daemon/session/" name, SessionFixture, NULL, session_set_up, func, session_tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK); /* what these peers do is warned of, as it should be */
    SESSION_TEST("frame-byte-by-byte", test_byte_by_byte);
    SESSION_TEST("many-frames-at-once", test_many_at_once);
    SESSION_TEST("ends-in-the-middle-of-a-frame", test_ends_in_the_middle_of_a_frame);
    SESSION_TEST("huge-frame", test_huge_frame);
    for (gsize i = 0; i < G_N_ELEMENTS(session_bad_lengths); i++) {
        g_autofree char *path = g_strdup_printf("/daemon/session/bad-length/%s", session_bad_lengths[i].name);

        g_test_add(path, SessionFixture, GSIZE_TO_POINTER(i), session_set_up, test_bad_length,
                   session_tear_down);
    }
    SESSION_TEST("http-client", test_http_client);
    SESSION_TEST("descriptors/call", test_call_with_descriptors);
    SESSION_TEST("descriptors/announced-but-missing", test_announced_descriptor_does_not_come);
    SESSION_TEST("descriptors/unannounced", test_unannounced_descriptor);
    SESSION_TEST("descriptors/peer-vanishes-between", test_vanishes_between_descriptors);
    SESSION_TEST("descriptors/too-many", test_too_many_descriptors);
    SESSION_TEST("close", test_close);
    SESSION_TEST("close-with-replies-waiting", test_close_with_replies_waiting);
    SESSION_TEST("asks-and-does-not-read", test_asks_and_does_not_read);
    SESSION_TEST("vanishes-with-calls-in-flight", test_vanishes_with_calls_in_flight);
    SESSION_TEST("daemon-ends", test_daemon_ends);
    SESSION_TEST("answer-is-written-at-once", test_answer_is_written_at_once);
    SESSION_TEST("keepalive/silent-client-is-dropped", test_silent_client_is_pinged_and_dropped);
    SESSION_TEST("keepalive/pong-keeps-it-alive", test_pong_keeps_it_alive);
    SESSION_TEST("keepalive/only-after-the-feature", test_without_the_feature_nobody_is_pinged);
    return g_test_run();
}
