/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Conversations: frames go in, what comes out is compared line by line. No socket is involved.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/fake-driver.h"
#include "lib/rpc-peer.h"
#include "rpc/dispatch.h"
#include "rpc/proto-aux.h"
#include "rpc/proto-team.h"
#include "rpc/stream.h"

typedef struct {
    VtDriver *driver;
    VtConn *conn;
    VtDispatch *dispatch;
    GPtrArray *messages;
    VtMessageReader reader;
    guint32 serial;
    gsize queued; /* what the fake socket claims */
    guint keepalives, resumed;
    char *closed;
} DispatchFixture;

static void
dispatch_sent(gpointer user, GByteArray *frame)
{
    DispatchFixture *fixture = user;

    rpc_peer_read(&fixture->reader, frame->data, frame->len, fixture->messages);
    g_byte_array_unref(frame);
}

static gsize
dispatch_queued(gpointer user)
{
    return ((DispatchFixture *)user)->queued;
}

static void
dispatch_closed(gpointer user, const char *why, gboolean flush)
{
    DispatchFixture *fixture = user;

    g_free(fixture->closed);
    fixture->closed = g_strdup_printf("%s%s", why, flush ? " (flushed)" : "");
}

static void
dispatch_keepalive(gpointer user)
{
    ((DispatchFixture *)user)->keepalives++;
}

static void
dispatch_may_read(gpointer user)
{
    ((DispatchFixture *)user)->resumed++;
}

static void
dispatch_set_up(DispatchFixture *fixture, gconstpointer data)
{
    static const VtConnFuncs funcs = {
        .send = dispatch_sent,
        .queued = dispatch_queued,
        .close = dispatch_closed,
        .keepalive = dispatch_keepalive,
    };

    fixture->driver = fake_driver_new(FALSE);
    fixture->messages = g_ptr_array_new_with_free_func(rpc_peer_message_free);
    vt_message_reader_init(&fixture->reader);
    fixture->conn = vt_conn_new(fixture->driver, &funcs, fixture);
    vt_conn_state(fixture->conn)->authenticated = TRUE;
    fixture->dispatch = vt_dispatch_new(fixture->conn, vt_proto_programs, 5, dispatch_may_read, fixture);
}

static void
dispatch_tear_down(DispatchFixture *fixture, gconstpointer data)
{
    vt_conn_shut(fixture->conn, TRUE);
    while (fake_driver_pending(fixture->driver)->len > 0)
        fake_driver_complete(fixture->driver, NULL);
    vt_dispatch_free(fixture->dispatch);
    vt_conn_unref(fixture->conn);
    vt_message_reader_clear(&fixture->reader);
    g_ptr_array_unref(fixture->messages);
    g_free(fixture->closed);
    g_assert_cmpuint(fake_driver_subscriptions(fixture->driver), ==, 0);
    fake_driver_free(fixture->driver);
    rpc_peer_run(0);
}

static void
dispatch_give_frame(DispatchFixture *fixture, GByteArray *frame, GArray *fds)
{
    VtMessageReader reader;
    VtMessageHeader header;
    g_autoptr(GBytes) payload = NULL;

    vt_message_reader_init(&reader);
    g_assert_true(vt_message_reader_feed(&reader, frame->data, 4, NULL));
    g_assert_true(vt_message_reader_feed(&reader, frame->data + 4, frame->len - 4, NULL));
    vt_message_reader_take(&reader, &header, &payload);
    vt_message_reader_clear(&reader);
    vt_dispatch_frame(fixture->dispatch, &header, payload, fds);
    g_byte_array_unref(frame);
}

static void
dispatch_call(DispatchFixture *fixture, gint32 procedure, const VtXdrType *type, gconstpointer args)
{
    dispatch_give_frame(fixture, rpc_peer_call(procedure, fixture->serial++, type, args), NULL);
}

static void
dispatch_raw(DispatchFixture *fixture, VtMessageHeader header)
{
    dispatch_give_frame(fixture, rpc_peer_frame(&header, NULL, NULL), NULL);
}

static void
dispatch_open(DispatchFixture *fixture, const char *uri, guint flags)
{
    VtProtoTextFlags args = { .text = (char *)uri, .flags = flags };

    dispatch_call(fixture, 1, &vt_proto_text_optional_flags, &args);
}

/* Everything that came since the last time, one line each. */
static void
dispatch_expect(DispatchFixture *fixture, const char *want)
{
    g_autoptr(GString) got = g_string_new(NULL);

    for (guint i = 0; i < fixture->messages->len; i++) {
        g_autofree char *line = rpc_peer_describe(g_ptr_array_index(fixture->messages, i));

        g_string_append_printf(got, "%s%s", i > 0 ? "\n" : "", line);
    }
    g_ptr_array_set_size(fixture->messages, 0);
    g_assert_cmpstr(got->str, ==, want);
}

static VtProtoDom
dispatch_web(void)
{
    VtProtoDom dom = { .name = (char *)"web", .id = -1 };

    vt_uuid_parse("11111111-2222-3333-4444-555555555555", &dom.uuid);
    return dom;
}

static void
dispatch_on_web(DispatchFixture *fixture, gint32 procedure)
{
    VtProtoDomArg args = { .dom = dispatch_web() };

    dispatch_call(fixture, procedure, &vt_proto_dom_arg, &args);
}

#define CONTINUE_OPENED                                                                                      \
    dispatch_open(fixture, "qemu:///system", 0);                                                             \
    dispatch_expect(fixture, "reply 1 serial 0 ok 0 bytes")

/* ---- setting up ---- */

static void
test_as_virsh_begins(DispatchFixture *fixture, gconstpointer data)
{
    VtProtoInt feature = { .value = 10 };
    VtProtoText name = { .text = (char *)"web" };

    dispatch_call(fixture, 66, &vt_xdr_void, NULL);
    dispatch_call(fixture, 60, &vt_proto_int, &feature);
    dispatch_open(fixture, "qemu:///system", 0);
    feature.value = 14;
    dispatch_call(fixture, 60, &vt_proto_int, &feature);
    dispatch_call(fixture, 360, &vt_xdr_void, NULL);
    dispatch_call(fixture, 23, &vt_proto_text, &name);
    dispatch_call(fixture, 361, &vt_xdr_void, NULL);
    dispatch_call(fixture, 2, &vt_xdr_void, NULL);
    dispatch_expect(fixture, "reply 66 serial 0 ok 8 bytes\n"
                             "reply 60 serial 1 ok 4 bytes\n"
                             "reply 1 serial 2 ok 0 bytes\n"
                             "reply 60 serial 3 ok 4 bytes\n"
                             "reply 360 serial 4 ok 0 bytes\n"
                             "reply 23 serial 5 ok 28 bytes\n"
                             "reply 361 serial 6 ok 0 bytes\n"
                             "reply 2 serial 7 ok 0 bytes");
    g_assert_cmpuint(fixture->keepalives, ==, 1);
    g_assert_cmpstr(fixture->closed, ==, "the client has closed it (flushed)");
    dispatch_call(fixture, 66, &vt_xdr_void, NULL); /* after CLOSE nothing is served */
    dispatch_expect(fixture, "");
}

static void
test_domain_call_before_open(DispatchFixture *fixture, gconstpointer data)
{
    dispatch_on_web(fixture, 16);
    dispatch_expect(fixture, "reply 16 serial 0 error 1/7 internal error: hypervisor connection not open");
}

static void
test_open_twice(DispatchFixture *fixture, gconstpointer data)
{
    CONTINUE_OPENED;
    dispatch_open(fixture, "qemu:///system", 0);
    dispatch_expect(fixture, "reply 1 serial 1 error 1/7 internal error: connection already open");
}

static const struct {
    const char *name, *uri, *answer;
} dispatch_uri_rows[] = {
    { "none", NULL, "ok 0 bytes" },
    { "empty", "", "ok 0 bytes" },
    { "system", "qemu:///system", "ok 0 bytes" },
    { "session", "qemu:///session", "ok 0 bytes" },
    { "with-unknown-parameters", "qemu:///system?foo=bar", "ok 0 bytes" },
    { "other-driver", "xen:///system", "error 5/0 no connection driver available for xen:///system" },
    { "with-a-host", "qemu://host/system",
      "error 5/0 no connection driver available for qemu://host/system" },
    { "longer-path", "qemu:///system2", "error 5/0 no connection driver available for qemu:///system2" },
};

static void
test_uri(DispatchFixture *fixture, gconstpointer data)
{
    gsize i = GPOINTER_TO_SIZE(data);
    g_autofree char *want = g_strdup_printf("reply 1 serial 0 %s", dispatch_uri_rows[i].answer);

    dispatch_open(fixture, dispatch_uri_rows[i].uri, 0);
    dispatch_expect(fixture, want);
}

static void
test_not_authenticated(DispatchFixture *fixture, gconstpointer data)
{
    vt_conn_state(fixture->conn)->authenticated = FALSE;
    dispatch_call(fixture, 66, &vt_xdr_void, NULL);
    dispatch_open(fixture, "qemu:///system", 0);
    dispatch_expect(
        fixture,
        "reply 66 serial 0 error 45/7 authentication failed: only root and the user who runs virtteamd "
        "may connect to this socket; see auth_unix_rw in virtteamd.conf\n"
        "reply 1 serial 1 error 39/7 authentication required");
}

static void
test_read_only(DispatchFixture *fixture, gconstpointer data)
{
    VtProtoText xml = { .text = (char *)"<domain/>" };
    VtProtoDomFlags secure = { .dom = dispatch_web(), .flags = 1 };

    dispatch_open(fixture, "qemu:///system", 1);
    dispatch_on_web(fixture, 16);
    dispatch_call(fixture, 11, &vt_proto_text, &xml);
    dispatch_on_web(fixture, 34);
    dispatch_call(fixture, 14, &vt_proto_dom_flags, &secure);
    secure.flags = 2;
    dispatch_call(fixture, 14, &vt_proto_dom_flags, &secure);
    dispatch_expect(
        fixture,
        "reply 1 serial 0 ok 0 bytes\n"
        "reply 16 serial 1 ok 32 bytes\n"
        "reply 11 serial 2 error 29/0 operation forbidden: read only access prevents virDomainDefineXML\n"
        "reply 34 serial 3 error 29/0 operation forbidden: read only access prevents virDomainSuspend\n"
        "reply 14 serial 4 error 29/0 operation forbidden: read only access prevents virDomainGetXMLDesc\n"
        "reply 14 serial 5 ok 40 bytes");
}

/* ---- odd input ---- */

static void
test_odd_input(DispatchFixture *fixture, gconstpointer data)
{
    const VtMessageHeader base = { .program = RPC_PEER_REMOTE, .version = 1, .procedure = 3, .serial = 9 };
    VtMessageHeader header;

    CONTINUE_OPENED;
    header = base, header.procedure = 4711, dispatch_raw(fixture, header);
    header = base, header.procedure = 318, dispatch_raw(fixture, header); /* an event's number */
    header = base, header.procedure = -1, dispatch_raw(fixture, header);
    header = base, header.program = 0x12345678, dispatch_raw(fixture, header);
    header = base, header.version = 2, dispatch_raw(fixture, header);
    header = base, header.status = 1, dispatch_raw(fixture, header);
    header = base, header.procedure = 16, dispatch_raw(fixture, header); /* no arguments */
    header = base, header.type = VT_MESSAGE_REPLY, dispatch_raw(fixture, header);
    header = base, header.type = VT_MESSAGE_EVENT, dispatch_raw(fixture, header);
    header = base, header.type = VT_MESSAGE_STREAM, dispatch_raw(fixture, header);
    header = base, header.type = VT_MESSAGE_STREAM_HOLE, dispatch_raw(fixture, header);
    header = base, header.type = 9, dispatch_raw(fixture, header);
    header = base, header.type = -1, dispatch_raw(fixture, header);
    header = base, dispatch_raw(fixture, header);
    dispatch_expect(fixture, "reply 4711 serial 9 error 39/7 unknown procedure: 4711\n"
                             "reply 318 serial 9 error 39/7 unknown procedure: 318\n"
                             "reply -1 serial 9 error 39/7 unknown procedure: -1\n"
                             "reply x:3 serial 9 error 39/7 Cannot find program 305419896 version 1\n"
                             "reply 3 serial 9 error 39/7 Cannot find program 536903814 version 2\n"
                             "reply 3 serial 9 error 39/7 Unexpected message status 1\n"
                             "reply 16 serial 9 error 39/7 Unable to decode message payload\n"
                             "reply 3 serial 9 ok 8 bytes");
    g_assert_null(fixture->closed);
}

/* A function of libvirt that we do not have is refused by its name. */
static void
test_known_but_not_served(DispatchFixture *fixture, gconstpointer data)
{
    CONTINUE_OPENED;
    dispatch_on_web(fixture, 210);
    dispatch_expect(fixture,
                    "reply 210 serial 1 error 3/0 this function is not supported by the connection driver: "
                    "virDomainInjectNMI");
}

static void
test_extra_bytes_are_ignored(DispatchFixture *fixture, gconstpointer data)
{
    VtProtoDomArg args = { .dom = dispatch_web() };
    GByteArray *frame = rpc_peer_call(16, 1, &vt_proto_dom_arg, &args);

    CONTINUE_OPENED;
    g_byte_array_append(frame, (const guint8 *)"extra", 5);
    g_assert_true(vt_message_end(frame));
    dispatch_give_frame(fixture, frame, NULL);
    dispatch_expect(fixture, "reply 16 serial 1 ok 32 bytes");
}

/* Descriptors that no procedure wants are closed. */
static void
test_descriptors_are_closed(DispatchFixture *fixture, gconstpointer data)
{
    VtMessageHeader header = {
        .program = RPC_PEER_REMOTE, .version = 1, .procedure = 3, .type = VT_MESSAGE_CALL_FDS, .serial = 1
    };
    VtProtoInt n = { .value = 1 };
    GArray *fds = g_array_new(FALSE, FALSE, sizeof(int));
    int ends[2];

    CONTINUE_OPENED;
    g_assert_cmpint(pipe(ends), ==, 0);
    g_array_append_val(fds, ends[1]);
    dispatch_give_frame(fixture, rpc_peer_frame(&header, &vt_proto_int, &n), fds);
    dispatch_expect(fixture, "reply 3 serial 1 ok 8 bytes");
    g_assert_cmpint(read(ends[0], &n, 1), ==, 0); /* end of file: nobody has the other end */
    close(ends[0]);
}

static void
test_keepalive(DispatchFixture *fixture, gconstpointer data)
{
    VtMessageHeader header = { .program = VT_KEEPALIVE_PROGRAM, .version = 1, .procedure = 1, .type = 2 };

    dispatch_raw(fixture, header);
    header.procedure = 2;
    dispatch_raw(fixture, header); /* a pong nobody asked for */
    header.procedure = 3;
    dispatch_raw(fixture, header);
    header.procedure = 1;
    header.version = 2;
    dispatch_raw(fixture, header);
    dispatch_expect(fixture, "message x:2 serial 0 ok 0 bytes");
}

/* ---- concurrency ---- */

static void
test_answers_in_any_order(DispatchFixture *fixture, gconstpointer data)
{
    CONTINUE_OPENED;
    dispatch_on_web(fixture, 34);
    dispatch_on_web(fixture, 28);
    dispatch_on_web(fixture, 16);
    dispatch_expect(fixture, "reply 16 serial 3 ok 32 bytes");
    fake_driver_complete_last(fixture->driver, NULL);
    fake_driver_complete(fixture->driver,
                         g_error_new_literal(VT_ERROR, VT_ERROR_OPERATION_INVALID, "domain is not running"));
    dispatch_expect(fixture,
                    "reply 28 serial 2 ok 0 bytes\n"
                    "reply 34 serial 1 error 55/10 Requested operation is not valid: domain is not running");
}

/* Five calls in flight: the sixth waits, but a ping behind it is answered. */
static void
test_sixth_call_waits(DispatchFixture *fixture, gconstpointer data)
{
    const VtMessageHeader ping = { .program = VT_KEEPALIVE_PROGRAM, .version = 1, .procedure = 1, .type = 2 };

    CONTINUE_OPENED;
    for (int i = 0; i < 5; i++)
        dispatch_on_web(fixture, 34);
    dispatch_on_web(fixture, 16);
    dispatch_raw(fixture, ping);
    dispatch_expect(fixture, "message x:2 serial 0 ok 0 bytes");
    g_assert_cmpuint(fake_driver_pending(fixture->driver)->len, ==, 5);
    fake_driver_complete(fixture->driver, NULL);
    rpc_peer_run(0);
    dispatch_expect(fixture, "reply 34 serial 1 ok 0 bytes\n"
                             "reply 16 serial 6 ok 32 bytes");
}

static void
test_too_many_waiting_stop_the_reading(DispatchFixture *fixture, gconstpointer data)
{
    guint given = 0;

    CONTINUE_OPENED;
    while (vt_dispatch_wants_more(fixture->dispatch) && given < 1000) {
        dispatch_on_web(fixture, 34);
        given++;
    }
    g_assert_cmpuint(given, ==, 5 + 64);
    while (fake_driver_pending(fixture->driver)->len > 0) {
        fake_driver_complete(fixture->driver, NULL);
        rpc_peer_run(0);
    }
    g_assert_cmpuint(fixture->resumed, ==, 1);
    g_assert_cmpuint(fixture->messages->len, ==, given);
}

static void
test_answer_after_the_client_is_gone(DispatchFixture *fixture, gconstpointer data)
{
    CONTINUE_OPENED;
    dispatch_on_web(fixture, 34);
    vt_conn_shut(fixture->conn, TRUE);
    g_assert_cmpuint(fake_driver_owners_gone(fixture->driver), ==, 1);
    fake_driver_complete(fixture->driver, NULL);
    dispatch_expect(fixture, "");
}

/* ---- start, migration ---- */

static void
test_start_returns_the_domain(DispatchFixture *fixture, gconstpointer data)
{
    VtProtoDomFlags args = { .dom = dispatch_web(), .flags = 1 };
    VtProtoTextFlags xml = { .text = (char *)"<domain/>" };
    VtProtoDomArg ret = { .dom = { .id = 0 } };

    CONTINUE_OPENED;
    dispatch_call(fixture, 196, &vt_proto_dom_flags, &args);
    dispatch_call(fixture, 10, &vt_proto_text_flags, &xml);
    fake_driver_complete(fixture->driver, NULL);
    fake_driver_complete(fixture->driver, NULL);
    g_assert_cmpuint(fixture->messages->len, ==, 2);
    rpc_peer_decode(g_ptr_array_index(fixture->messages, 0), &vt_proto_dom_arg, &ret);
    g_assert_cmpint(ret.dom.id, ==, 3); /* not what the client believed */
    g_assert_cmpstr(ret.dom.name, ==, "web");
    vt_xdr_type_clear(&vt_proto_dom_arg, &ret);
}

static void
test_migration(DispatchFixture *fixture, gconstpointer data)
{
    VtProtoBeginArgs begin = { .dom = dispatch_web() };
    VtProtoPrepareArgs prepare = { .flags = 1 };
    VtProtoPerformArgs perform = { .dom = dispatch_web() };
    VtProtoFinishArgs finish = { .flags = 1 };
    VtProtoConfirmArgs confirm = { .dom = dispatch_web() };

    CONTINUE_OPENED;
    dispatch_call(fixture, 302, &vt_proto_begin_args, &begin);
    fake_driver_complete(fixture->driver, NULL);
    dispatch_call(fixture, 303, &vt_proto_prepare_args, &prepare);
    fake_driver_complete(fixture->driver, NULL);
    dispatch_call(fixture, 305, &vt_proto_perform_args, &perform);
    dispatch_on_web(fixture, 163); /* meanwhile, how far is it? */
    fake_driver_complete(fixture->driver, NULL);
    dispatch_call(fixture, 306, &vt_proto_finish_args, &finish);
    fake_driver_complete(fixture->driver, NULL);
    dispatch_call(fixture, 307, &vt_proto_confirm_args, &confirm);
    fake_driver_complete(fixture->driver, NULL);
    dispatch_expect(fixture, "reply 302 serial 1 ok 32 bytes\n"
                             "reply 303 serial 2 ok 36 bytes\n"
                             "reply 163 serial 4 ok 92 bytes\n"
                             "reply 305 serial 3 ok 12 bytes\n"
                             "reply 306 serial 5 ok 40 bytes\n"
                             "reply 307 serial 6 ok 0 bytes");
}

/* ---- events ---- */

static void
test_events(DispatchFixture *fixture, gconstpointer data)
{
    VtProtoEventRegister args = { .event_id = 0 };
    VtProtoInt id = { .value = 0 };

    CONTINUE_OPENED;
    dispatch_call(fixture, 316, &vt_proto_event_register, &args);
    fake_driver_emit_lifecycle(fixture->driver, 3, 0);
    dispatch_expect(fixture, "reply 316 serial 1 ok 4 bytes\nmessage 318 serial 1 ok 40 bytes");
    dispatch_call(fixture, 317, &vt_proto_int, &id);
    fake_driver_emit_lifecycle(fixture->driver, 4, 0);
    dispatch_call(fixture, 317, &vt_proto_int, &id);
    dispatch_expect(fixture,
                    "reply 317 serial 2 ok 0 bytes\n"
                    "reply 317 serial 3 error 1/7 internal error: domain event callback 0 not registered");
}

static void
test_every_event_number_is_accepted(DispatchFixture *fixture, gconstpointer data)
{
    VtProtoEventRegister args = { .event_id = 0 };

    CONTINUE_OPENED;
    for (args.event_id = 0; args.event_id < 27; args.event_id++)
        dispatch_call(fixture, 316, &vt_proto_event_register, &args);
    g_assert_cmpuint(fake_driver_subscriptions(fixture->driver), ==, 27);
    g_ptr_array_set_size(fixture->messages, 0);
    dispatch_call(fixture, 316, &vt_proto_event_register, &args);
    args.event_id = -1;
    dispatch_call(fixture, 316, &vt_proto_event_register, &args);
    dispatch_expect(fixture, "reply 316 serial 28 error 1/7 internal error: unsupported event ID 27\n"
                             "reply 316 serial 29 error 1/7 internal error: unsupported event ID -1");
}

/* One loop serves all clients: none of them makes it count for long. */
static void
test_free_pages_are_bounded(DispatchFixture *fixture, gconstpointer data)
{
    static guint32 sizes[VT_PROTO_NODE_MAX_CELLS] = { 4 };
    static const struct {
        guint n;
        guint32 n_cells;
        gboolean ok;
    } rows[] = {
        { .n = 1, .n_cells = 1, .ok = TRUE },
        { .n = VT_PROTO_NODE_MAX_CELLS, .n_cells = 1, .ok = TRUE },
        { .n = 0, .n_cells = 1 },
        { .n = 0, .n_cells = G_MAXUINT32 },
        { .n = 1, .n_cells = G_MAXUINT32 },
        { .n = VT_PROTO_NODE_MAX_CELLS, .n_cells = 2 },
    };

    CONTINUE_OPENED;
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        const VtProtoPagesArgs args = { .sizes = { .n = rows[i].n, .items = sizes },
                                        .n_cells = rows[i].n_cells };
        g_autofree char *expected =
            rows[i].ok
                ? g_strdup_printf("reply 340 serial %u ok %u bytes", fixture->serial, 4 + 8 * rows[i].n)
                : g_strdup_printf(
                      "reply 340 serial %u error 8/10 invalid argument: %u page sizes of %u NUMA "
                      "nodes: one size at least, and 1024 numbers at most, can be asked for at a time",
                      fixture->serial, rows[i].n, rows[i].n_cells);

        dispatch_call(fixture, 340, &vt_proto_pages_args, &args);
        dispatch_expect(fixture, expected);
    }
}

/* The client does not read: events are not piled up for it, it is cut off. */
static void
test_slow_client_is_dropped(DispatchFixture *fixture, gconstpointer data)
{
    VtProtoEventRegister args = { .event_id = 0 };

    CONTINUE_OPENED;
    dispatch_call(fixture, 316, &vt_proto_event_register, &args);
    fixture->queued = 5 * 1024 * 1024;
    fake_driver_emit_lifecycle(fixture->driver, 3, 0);
    g_assert_cmpstr(fixture->closed, ==, "it does not read its events");
}

static void
test_monitor_event_pattern(DispatchFixture *fixture, gconstpointer data)
{
    const VtMessageHeader header = { .program = RPC_PEER_QEMU, .version = 1, .procedure = 4, .serial = 1 };
    VtProtoMonitorRegister args = { .event = (char *)"[", .flags = 1 };

    CONTINUE_OPENED;
    dispatch_give_frame(fixture, rpc_peer_frame(&header, &vt_proto_monitor_register, &args), NULL);
    args.event = (char *)"UNPLUG_PRIMARY";
    dispatch_give_frame(fixture, rpc_peer_frame(&header, &vt_proto_monitor_register, &args), NULL);
    dispatch_expect(
        fixture,
        "reply qemu:4 serial 1 error 8/10 invalid argument: '[' is not a valid pattern of event names\n"
        "reply qemu:4 serial 1 ok 4 bytes");
}

/* ---- console ---- */

static void
dispatch_console(DispatchFixture *fixture)
{
    VtProtoDomTextFlags args = { .dom = dispatch_web() };

    dispatch_call(fixture, 201, &vt_proto_dom_text_optional_flags, &args);
    dispatch_expect(fixture, "reply 201 serial 1 ok 0 bytes");
}

static void
dispatch_stream(DispatchFixture *fixture, gint32 type, gint32 status, const char *text)
{
    const VtMessageHeader header = { .program = RPC_PEER_REMOTE,
                                     .version = 1,
                                     .procedure = 201,
                                     .type = type,
                                     .serial = 1,
                                     .status = status };
    GByteArray *frame = vt_message_begin(&header);

    g_byte_array_append(frame, (const guint8 *)text, (guint)strlen(text));
    g_assert_true(vt_message_end(frame));
    dispatch_give_frame(fixture, frame, NULL);
}

static void
test_console_both_ways(DispatchFixture *fixture, gconstpointer data)
{
    char buffer[16] = { 0 };
    int guest;

    CONTINUE_OPENED;
    dispatch_console(fixture);
    guest = fake_driver_console(fixture->driver);
    dispatch_stream(fixture, VT_MESSAGE_STREAM, VT_MESSAGE_CONTINUE, "root\n");
    g_assert_cmpint(read(guest, buffer, sizeof(buffer)), ==, 5);
    g_assert_cmpstr(buffer, ==, "root\n");
    g_assert_cmpint(write(guest, "login: ", 7), ==, 7);
    rpc_peer_run(0);
    dispatch_expect(fixture, "stream 201 serial 1 continue 7 bytes");
    dispatch_stream(fixture, VT_MESSAGE_STREAM, VT_MESSAGE_OK, "");
    dispatch_expect(fixture, "stream 201 serial 1 ok 0 bytes");
    g_assert_cmpint(fake_driver_console(fixture->driver), ==, -1);
    dispatch_stream(fixture, VT_MESSAGE_STREAM, VT_MESSAGE_CONTINUE, "late");
    dispatch_expect(fixture, "");
}

static void
test_console_aborted(DispatchFixture *fixture, gconstpointer data)
{
    CONTINUE_OPENED;
    dispatch_console(fixture);
    dispatch_stream(fixture, VT_MESSAGE_STREAM, VT_MESSAGE_ERROR, "");
    dispatch_expect(fixture, "stream 201 serial 1 ok 0 bytes");
    g_assert_cmpint(fake_driver_console(fixture->driver), ==, -1);
}

static void
test_console_hole_is_an_error(DispatchFixture *fixture, gconstpointer data)
{
    CONTINUE_OPENED;
    dispatch_console(fixture);
    dispatch_stream(fixture, VT_MESSAGE_STREAM_HOLE, VT_MESSAGE_CONTINUE, "");
    dispatch_expect(fixture, "stream 201 serial 1 error 39/7 This stream cannot be sparse.");
    g_assert_cmpint(fake_driver_console(fixture->driver), ==, -1);
}

/* The guest ends: the client is told end of file, never "finished", and finishes by itself. */
static void
test_console_of_a_guest_that_ends(DispatchFixture *fixture, gconstpointer data)
{
    CONTINUE_OPENED;
    dispatch_console(fixture);
    g_assert_cmpint(shutdown(fake_driver_console(fixture->driver), SHUT_RDWR), ==, 0);
    rpc_peer_run(0);
    dispatch_expect(fixture, "stream 201 serial 1 continue 0 bytes");
    dispatch_stream(fixture, VT_MESSAGE_STREAM, VT_MESSAGE_OK, "");
    dispatch_expect(fixture, "stream 201 serial 1 ok 0 bytes");
}

/* A client that does not read its console pauses the guest's output instead of filling our memory. */
static void
test_console_of_a_slow_client(DispatchFixture *fixture, gconstpointer data)
{
    CONTINUE_OPENED;
    dispatch_console(fixture);
    fixture->queued = 1024 * 1024;
    g_assert_cmpint(write(fake_driver_console(fixture->driver), "one", 3), ==, 3);
    rpc_peer_run(0);
    g_assert_cmpint(write(fake_driver_console(fixture->driver), "three", 5), ==, 5);
    rpc_peer_run(0);
    dispatch_expect(fixture, "stream 201 serial 1 continue 3 bytes");
    fixture->queued = 0;
    vt_stream_drained(fixture->conn);
    rpc_peer_run(0);
    dispatch_expect(fixture, "stream 201 serial 1 continue 5 bytes");
}

/* A guest that does not read its console ends the stream instead of filling our memory. */
static void
test_console_of_a_deaf_guest(DispatchFixture *fixture, gconstpointer data)
{
    g_autofree char *text = g_strnfill(65536, 'x');

    CONTINUE_OPENED;
    dispatch_console(fixture);
    for (int i = 0; i < 64 && fixture->messages->len == 0; i++)
        dispatch_stream(fixture, VT_MESSAGE_STREAM, VT_MESSAGE_CONTINUE, text);
    dispatch_expect(fixture,
                    "stream 201 serial 1 error 9/10 operation failed: The guest does not read its console: 1 "
                    "MiB of input is waiting.");
    g_assert_cmpint(fake_driver_console(fixture->driver), ==, -1);
}

static void
test_console_of_a_vanished_client(DispatchFixture *fixture, gconstpointer data)
{
    CONTINUE_OPENED;
    dispatch_console(fixture);
    vt_conn_shut(fixture->conn, TRUE);
    g_assert_cmpint(fake_driver_console(fixture->driver), ==, -1);
}

#define DISPATCH_TEST(name, func)                                                                            \
    g_test_add("/rpc/dispatch/" name, DispatchFixture, NULL, dispatch_set_up, func, dispatch_tear_down)

/* ---- our own program ---- */

static void
dispatch_team(DispatchFixture *fixture, const VtProtoDom *dom)
{
    const VtMessageHeader header = { .program = VT_PROTO_TEAM_PROGRAM,
                                     .version = VT_PROTO_TEAM_VERSION,
                                     .procedure = VT_PROTO_TEAM_LIST,
                                     .serial = 7 };
    VtProtoDomArg args = { .dom = *dom };

    dispatch_give_frame(fixture, rpc_peer_frame(&header, &vt_proto_dom_arg, &args), NULL);
}

static void
test_teams_are_told(DispatchFixture *fixture, gconstpointer data)
{
    VtProtoDom web = dispatch_web();
    VtProtoItems teams = { .items = { .n = 0 } };
    const VtProtoTeam *team;

    dispatch_open(fixture, "qemu:///system", 1); /* read-only is enough */
    dispatch_expect(fixture, "reply 1 serial 0 ok 0 bytes");
    dispatch_team(fixture, &web);
    dispatch_expect(fixture, ""); /* QEMU is asked first */
    fake_driver_complete(fixture->driver, NULL);
    g_assert_cmpuint(fixture->messages->len, ==, 1);
    rpc_peer_decode(g_ptr_array_index(fixture->messages, 0), &vt_proto_team_list, &teams);
    g_ptr_array_set_size(fixture->messages, 0);
    g_assert_cmpuint(teams.items.n, ==, 1);
    team = teams.items.items;
    g_assert_cmpstr(team->name, ==, "ua-standby");
    g_assert_cmpstr(team->transient, ==, "ua-primary");
    g_assert_cmpstr(team->primary, ==, "plugged");
    g_assert_cmpstr(team->feed, ==, "primary");
    g_assert_null(team->why);
    g_assert_cmpstr(team->primary_host, ==, "tap vnet1, bridge br0");
    vt_xdr_type_clear(&vt_proto_team_list, &teams);
}

static void
test_team_is_switched(DispatchFixture *fixture, gconstpointer data)
{
    const VtMessageHeader header = { .program = VT_PROTO_TEAM_PROGRAM,
                                     .version = VT_PROTO_TEAM_VERSION,
                                     .procedure = VT_PROTO_TEAM_SWITCH,
                                     .serial = 8 };
    static const struct {
        const char *team;
        guint32 to, timeout_s, flags;
        const char *answer; /* NULL: refused */
    } rows[] = {
        { .to = 0, .answer = "team - to standby within 0 ms" },
        { .team = "ua-x", .to = 1, .timeout_s = 7, .answer = "team ua-x to primary within 7000 ms" },
        { .to = 1, .timeout_s = G_MAXUINT32, .answer = "team - to primary within 86400000 ms" },
        { .to = 2 },
        { .flags = 1 },
    };

    dispatch_open(fixture, "qemu:///system", 0);
    dispatch_expect(fixture, "reply 1 serial 0 ok 0 bytes");
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        VtProtoTeamSwitchArgs args = { .dom = dispatch_web(),
                                       .team = (char *)rows[i].team,
                                       .to = rows[i].to,
                                       .timeout_s = rows[i].timeout_s,
                                       .flags = rows[i].flags };
        VtProtoText said = { .text = NULL };

        dispatch_give_frame(fixture, rpc_peer_frame(&header, &vt_proto_team_switch_args, &args), NULL);
        if (!rows[i].answer) {
            g_autofree char *expected = g_strdup_printf(
                "reply x:2 serial 8 error 8/10 invalid argument: a team is switched to standby (0) or to its primary (1), without flags; "
                "not to %u with %u",
                rows[i].to, rows[i].flags);

            dispatch_expect(fixture, expected);
            continue;
        }
        g_assert_cmpuint(fixture->messages->len, ==, 1);
        rpc_peer_decode(g_ptr_array_index(fixture->messages, 0), &vt_proto_text, &said);
        g_ptr_array_set_size(fixture->messages, 0);
        g_assert_cmpstr(said.text, ==, rows[i].answer);
        vt_xdr_type_clear(&vt_proto_text, &said);
    }
}

static void
test_teams_of_nobody(DispatchFixture *fixture, gconstpointer data)
{
    VtProtoDom dom = { .name = (char *)"store", .id = -1 };

    CONTINUE_OPENED;
    dispatch_team(fixture, &dom);
    vt_uuid_parse("66666666-7777-8888-9999-aaaaaaaaaaaa", &dom.uuid);
    dispatch_team(fixture, &dom);
    dispatch_expect(fixture,
                    "reply x:1 serial 7 error 42/10 Domain not found: no domain with matching uuid "
                    "'00000000-0000-0000-0000-000000000000'\n"
                    "reply x:1 serial 7 error 55/10 Requested operation is not valid: domain 'store' is not "
                    "running: its teams have a state only while it runs");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    DISPATCH_TEST("as-virsh-begins", test_as_virsh_begins);
    DISPATCH_TEST("domain-call-before-open-is-refused", test_domain_call_before_open);
    DISPATCH_TEST("open-twice-is-refused", test_open_twice);
    for (gsize i = 0; i < G_N_ELEMENTS(dispatch_uri_rows); i++) {
        g_autofree char *path = g_strdup_printf("/rpc/dispatch/uri/%s", dispatch_uri_rows[i].name);

        g_test_add(path, DispatchFixture, GSIZE_TO_POINTER(i), dispatch_set_up, test_uri, dispatch_tear_down);
    }
    DISPATCH_TEST("not-authenticated", test_not_authenticated);
    DISPATCH_TEST("read-only", test_read_only);
    DISPATCH_TEST("odd-input-gets-stock-answers", test_odd_input);
    DISPATCH_TEST("known-but-not-served", test_known_but_not_served);
    DISPATCH_TEST("extra-bytes-are-ignored", test_extra_bytes_are_ignored);
    DISPATCH_TEST("descriptors-nobody-wants-are-closed", test_descriptors_are_closed);
    DISPATCH_TEST("keepalive", test_keepalive);
    DISPATCH_TEST("answers-in-any-order", test_answers_in_any_order);
    DISPATCH_TEST("sixth-call-waits-but-a-ping-does-not", test_sixth_call_waits);
    DISPATCH_TEST("too-many-waiting-stop-the-reading", test_too_many_waiting_stop_the_reading);
    DISPATCH_TEST("answer-after-the-client-is-gone", test_answer_after_the_client_is_gone);
    DISPATCH_TEST("start-returns-the-domain", test_start_returns_the_domain);
    DISPATCH_TEST("migration", test_migration);
    DISPATCH_TEST("events", test_events);
    DISPATCH_TEST("every-event-number-is-accepted", test_every_event_number_is_accepted);
    DISPATCH_TEST("free-pages-are-bounded", test_free_pages_are_bounded);
    DISPATCH_TEST("slow-client-is-dropped", test_slow_client_is_dropped);
    DISPATCH_TEST("monitor-event-pattern", test_monitor_event_pattern);
    DISPATCH_TEST("console/both-ways", test_console_both_ways);
    DISPATCH_TEST("console/aborted", test_console_aborted);
    DISPATCH_TEST("console/hole-is-an-error", test_console_hole_is_an_error);
    DISPATCH_TEST("console/guest-that-ends", test_console_of_a_guest_that_ends);
    DISPATCH_TEST("console/slow-client", test_console_of_a_slow_client);
    DISPATCH_TEST("console/deaf-guest", test_console_of_a_deaf_guest);
    DISPATCH_TEST("console/vanished-client", test_console_of_a_vanished_client);
    DISPATCH_TEST("team/told", test_teams_are_told);
    DISPATCH_TEST("team/switched", test_team_is_switched);
    DISPATCH_TEST("team/of-nobody-and-of-a-stopped-guest", test_teams_of_nobody);
    return g_test_run();
}
