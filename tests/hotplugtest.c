/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Plugging and unplugging as printed conversations (tests/data/qmp/hotplug-*.qmp), and descriptors that really
 * travel.
 */
#include "qemu/hotplug.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/json.h"

typedef struct {
    GSubprocess *peer;
    VtQmpClient *qmp;
    VtHotplug *op;
    gboolean ready, done;
    GError *error;
} Fixture;

static void
note_ready(gpointer user, const GError *error)
{
    g_assert_no_error(error);
    ((Fixture *)user)->ready = TRUE;
}

static void
note_event(VtQmpClient *client, const VtQmpEvent *event, gpointer user)
{
    Fixture *f = user;

    if (f->op)
        vt_hotplug_event(f->op, event);
}

static void
note_done(gpointer user, const GError *error)
{
    Fixture *f = user;

    g_assert_false(f->done);
    f->done = TRUE;
    f->op = NULL;
    f->error = error ? g_error_copy(error) : NULL;
}

static void
fixture_wait(const gboolean *flag)
{
    gint64 deadline = g_get_monotonic_time() + 120 * G_USEC_PER_SEC;

    while (!*flag) {
        g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        if (!g_main_context_iteration(NULL, FALSE))
            g_usleep(500);
    }
}

static Fixture *
fixture_new(const char *transcript)
{
    static const VtQmpClientFuncs funcs = { .event = note_event };
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
    f->qmp = vt_qmp_client_new(pair[0], &funcs, f, 20000, note_ready, f);
    fixture_wait(&f->ready);
    return f;
}

/* The transcript was kept to, and this is how it ended. */
static void
fixture_end(Fixture *f, int code, const char *text)
{
    fixture_wait(&f->done);
    /* What needs no answer is on its way still. */
    for (guint i = 0; i < 20; i++) {
        g_main_context_iteration(NULL, FALSE);
        g_usleep(500);
    }
    if (code < 0) {
        g_assert_no_error(f->error);
    } else {
        g_assert_error(f->error, VT_ERROR, code);
        if (text)
            g_assert_nonnull(strstr(f->error->message, text));
    }
    vt_qmp_client_free(f->qmp);
    g_subprocess_wait(f->peer, NULL, NULL);
    g_assert_true(g_subprocess_get_if_exited(f->peer));
    g_assert_cmpint(g_subprocess_get_exit_status(f->peer), ==, 0);
    g_object_unref(f->peer);
    g_clear_error(&f->error);
    g_free(f);
}

/* ---- arguments ---- */

static void
test_args(void)
{
    static const struct {
        const char *option, *json; /* NULL: malformed */
    } table[] = {
        { "e1000e,netdev=hostnet0,id=net0",
          "{\"driver\":\"e1000e\",\"netdev\":\"hostnet0\",\"id\":\"net0\"}" },
        { "virtio-blk-pci,id=d,serial=a,,b,num-queues=4,share-rw=on",
          "{\"driver\":\"virtio-blk-pci\",\"id\":\"d\",\"serial\":\"a,b\",\"num-queues\":4,\"share-rw\":true}" },
        { "x,id=1,bootindex=2,multifunction=off,romfile=",
          "{\"driver\":\"x\",\"id\":\"1\",\"bootindex\":2,\"multifunction\":false,\"romfile\":\"\"}" },
        { "x,id=a,write-cache=on,serial=12",
          "{\"driver\":\"x\",\"id\":\"a\",\"write-cache\":\"on\",\"serial\":\"12\"}" },
        { "x,netdev=y", NULL },
        { ",id=y", NULL },
        { "x,id=y,=3", NULL },
        { "x,id=y,z", NULL },
        { "", NULL },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(JsonNode) node = vt_hotplug_args(table[i].option, &error);
        g_autofree char *text = node ? json_to_string(node, FALSE) : NULL;

        g_assert_cmpstr(text, ==, table[i].json);
        g_assert_cmpint(error == NULL, ==, node != NULL);
    }
}

static void
test_node_args(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) node = vt_hotplug_node_args(
        "driver=file,filename=/a,,b,node-name=n,cache.direct=on,cache.no-flush=off,discard=unmap,detect-zeroes=on",
        &error);
    g_autofree char *text = json_to_string(node, FALSE);

    g_assert_cmpstr(
        text, ==,
        "{\"driver\":\"file\",\"filename\":\"/a,b\",\"node-name\":\"n\",\"cache\":{\"direct\":true,"
        "\"no-flush\":false},\"discard\":\"unmap\",\"detect-zeroes\":\"on\"}");
    g_assert_null(vt_hotplug_node_args("driver=file,filename=/a", &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_INTERNAL);
}

/* ---- plug ---- */

static void
test_plug_tap(void)
{
    Fixture *f = fixture_new("hotplug-tap");
    int fds[2];
    VtHotplugPlug params = {
        .qmp = f->qmp,
        .device = "virtio-net-pci,netdev=hostnet1,id=net1,host_mtu=1400,failover=on,bus=pci.2,addr=0x0",
        .backend = VT_HOTPLUG_BACKEND_TAP,
        .netdev_id = "hostnet1",
        .tap_fds = &fds[0],
        .vhost_fds = &fds[1],
        .n_queues = 1,
        .link_down = TRUE,
    };

    g_assert_cmpint(pipe(fds), ==, 0);
    f->op = vt_hotplug_plug(&params, note_done, f);
    close(fds[0]);
    close(fds[1]);
    fixture_end(f, -1, NULL);
}

static void
test_plug_refused(void)
{
    Fixture *f = fixture_new("hotplug-refused");
    int fds[2];
    VtHotplugPlug params = {
        .qmp = f->qmp,
        .device = "e1000e,netdev=hostnet1,id=net1",
        .backend = VT_HOTPLUG_BACKEND_TAP,
        .netdev_id = "hostnet1",
        .tap_fds = &fds[0],
        .n_queues = 1,
    };

    g_assert_cmpint(pipe(fds), ==, 0);
    f->op = vt_hotplug_plug(&params, note_done, f);
    close(fds[0]);
    close(fds[1]);
    fixture_end(f, VT_ERROR_OPERATION_FAILED, "does not support hotplugging");
}

static void
test_plug_disk(void)
{
    Fixture *f = fixture_new("hotplug-disk");
    g_autoptr(GPtrArray) nodes = g_ptr_array_new_with_free_func((GDestroyNotify)json_node_unref);
    VtHotplugPlug params = {
        .qmp = f->qmp,
        .device = "virtio-blk-pci,drive=libvirt-2-format,id=virtio-disk1",
        .backend = VT_HOTPLUG_BACKEND_BLOCK,
        .blockdevs = nodes,
    };

    g_ptr_array_add(nodes, vt_hotplug_node_args("driver=file,filename=/a,,b,node-name=libvirt-2-storage,"
                                                "cache.direct=on,cache.no-flush=off,auto-read-only=on,"
                                                "discard=unmap",
                                                NULL));
    g_ptr_array_add(nodes, vt_hotplug_node_args("driver=qcow2,node-name=libvirt-2-format,read-only=off,"
                                                "file=libvirt-2-storage",
                                                NULL));
    f->op = vt_hotplug_plug(&params, note_done, f);
    fixture_end(f, VT_ERROR_OPERATION_FAILED, "not in qcow2 format");
}

static void
test_plug_dies(void)
{
    Fixture *f = fixture_new("hotplug-dies");
    VtHotplugPlug params = {
        .qmp = f->qmp,
        .device = "e1000e,netdev=hostnet1,id=net1",
        .backend = VT_HOTPLUG_BACKEND_USER,
        .netdev_id = "hostnet1",
    };

    f->op = vt_hotplug_plug(&params, note_done, f);
    fixture_end(f, VT_ERROR_ABORTED, NULL);
}

static void
test_plug_bad_option(void)
{
    Fixture *f = fixture_new("hotplug-silent");
    VtHotplugPlug params = { .qmp = f->qmp, .device = "e1000e" };

    g_assert_null(vt_hotplug_plug(&params, note_done, f));
    g_assert_true(f->done);
    g_assert_error(f->error, VT_ERROR, VT_ERROR_INTERNAL);
    g_subprocess_force_exit(f->peer);
    vt_qmp_client_free(f->qmp);
    g_subprocess_wait(f->peer, NULL, NULL);
    g_object_unref(f->peer);
    g_clear_error(&f->error);
    g_free(f);
}

/* ---- unplug ---- */

typedef struct {
    const char *name, *transcript;
    guint timeout_ms, retry_ms;
    int code; /* -1: no error */
} UnplugCase;

static const UnplugCase unplugs[] = {
    { "lets-go", "hotplug-unplug", 20000, 0, -1 },
    { "gone-before", "hotplug-gone", 20000, 0, -1 },
    { "asked-again", "hotplug-retry", 20000, 30, -1 },
    { "silence", "hotplug-silent", 100, 0, VT_ERROR_TIMEOUT },
    { "guest-says-no", "hotplug-no", 20000, 30000, VT_ERROR_OPERATION_FAILED },
    { "migrating", "hotplug-migrating", 20000, 30000, VT_ERROR_OPERATION_FAILED },
};

static void
test_unplug(gconstpointer data)
{
    const UnplugCase *row = data;
    Fixture *f = fixture_new(row->transcript);
    VtHotplugUnplug params = {
        .qmp = f->qmp,
        .alias = "net1",
        .netdev_id = "hostnet1",
        .timeout_ms = row->timeout_ms,
        .retry_ms = row->retry_ms,
    };

    f->op = vt_hotplug_unplug(&params, note_done, f);
    fixture_end(f, row->code, NULL);
}

static void
test_forgotten(void)
{
    Fixture *f = fixture_new("hotplug-silent");
    VtHotplugUnplug params = { .qmp = f->qmp, .alias = "net1", .timeout_ms = 20000, .retry_ms = 10000 };

    vt_hotplug_free(vt_hotplug_unplug(&params, note_done, f));
    for (guint i = 0; i < 50; i++) {
        g_main_context_iteration(NULL, FALSE);
        g_usleep(500);
    }
    g_assert_false(f->done);
    f->done = TRUE;
    fixture_end(f, -1, NULL);
}

/* ---- a failure injected at every step ---- */

static const char *fault_step;

static gboolean
fault_hook(const VtSeqTable *table, const VtStep *step, GError **error)
{
    if (g_strcmp0(step->name, fault_step) == 0)
        return vt_error_set(error, VT_ERROR_OPERATION_FAILED, "injected at %s", step->name);
    return TRUE;
}

/* The peer here answers everything with success and notes it. */
typedef struct {
    int fd;
    GString *commands;
    guint descriptors;
} Peer;

static void
peer_say(Peer *peer, const char *text)
{
    g_assert_cmpint(send(peer->fd, text, strlen(text), MSG_NOSIGNAL), ==, (gssize)strlen(text));
}

static void
peer_answer(Peer *peer, const char *line)
{
    g_autoptr(JsonNode) node = json_from_string(line, NULL);
    const char *command = vt_json_string_or(node, "execute", "?");
    const char *id = vt_json_string_or(node, "id", "?");
    g_autofree char *reply = g_strdup_printf("{\"return\": {}, \"id\": \"%s\"}\n", id);

    g_string_append_printf(peer->commands, "%s ", command);
    peer_say(peer, reply);
    if (strcmp(command, "device_del") == 0)
        peer_say(peer, "{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"net1\", \"path\": \"/x\"}, "
                       "\"timestamp\": {\"seconds\": 1, \"microseconds\": 1}}\n");
}

/* What has come, line by line; descriptors are counted. */
static void
peer_serve(Peer *peer, GString *input)
{
    char buffer[4096], control[CMSG_SPACE(sizeof(int) * 4)];
    struct iovec iov = { .iov_base = buffer, .iov_len = sizeof buffer };
    struct msghdr message = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control,
        .msg_controllen = sizeof control,
    };
    gssize n = recvmsg(peer->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    struct cmsghdr *header = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    char *end;

    if (header && header->cmsg_type == SCM_RIGHTS) {
        int fd;
        struct stat st;

        memcpy(&fd, CMSG_DATA(header), sizeof fd);
        g_assert_cmpint(fstat(fd, &st), ==, 0);
        g_assert_true(S_ISFIFO(st.st_mode));
        close(fd);
        peer->descriptors++;
    }
    if (n > 0)
        g_string_append_len(input, buffer, n);
    while ((end = strchr(input->str, '\n'))) {
        g_autofree char *line = g_strndup(input->str, (gsize)(end - input->str));

        g_string_erase(input, 0, end - input->str + 1);
        peer_answer(peer, line);
    }
}

static void
serve_until(Peer *peer, GString *input, const gboolean *flag)
{
    gint64 deadline = g_get_monotonic_time() + 120 * G_USEC_PER_SEC;

    while (!*flag || g_main_context_pending(NULL)) {
        g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        g_main_context_iteration(NULL, FALSE);
        peer_serve(peer, input);
        g_usleep(100);
    }
    peer_serve(peer, input);
}

static void
run_with_fault(const char *step, char **commands, guint *descriptors)
{
    static const VtQmpClientFuncs funcs = { .event = note_event };
    Peer peer = { .commands = g_string_new(NULL) };
    g_autoptr(GString) input = g_string_new(NULL);
    Fixture f = { 0 };
    int pair[2], fds[2];
    VtHotplugPlug params = {
        .device = "e1000e,netdev=hostnet1,id=net1",
        .backend = VT_HOTPLUG_BACKEND_TAP,
        .netdev_id = "hostnet1",
        .tap_fds = fds,
        .n_queues = 2,
        .link_down = TRUE,
    };

    g_assert_cmpint(pipe(fds), ==, 0);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    peer.fd = pair[1];
    f.qmp = vt_qmp_client_new(pair[0], &funcs, &f, 20000, note_ready, &f);
    peer_say(&peer, "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 2, \"major\": 7}, "
                    "\"package\": \"\"}, \"capabilities\": []}}\n");
    serve_until(&peer, input, &f.ready);
    g_string_truncate(peer.commands, 0);
    fault_step = step;
    vt_seq_set_fault_hook(fault_hook);
    params.qmp = f.qmp;
    f.op = vt_hotplug_plug(&params, note_done, &f);
    serve_until(&peer, input, &f.done);
    vt_seq_set_fault_hook(NULL);
    g_assert_cmpint(f.error != NULL, ==, step != NULL);
    g_clear_error(&f.error);
    vt_qmp_client_free(f.qmp);
    close(peer.fd);
    close(fds[0]);
    close(fds[1]);
    *descriptors = peer.descriptors;
    *commands = g_strchomp(g_string_free(peer.commands, FALSE));
}

static void
test_fault_at_every_step(void)
{
    static const struct {
        const char *step, *commands;
        guint descriptors;
    } table[] = {
        { NULL, "getfd getfd netdev_add device_add set_link", 2 },
        { "pass-descriptors", "", 0 },
        { "add-backend", "getfd getfd closefd closefd", 2 },
        { "add-device", "getfd getfd netdev_add netdev_del closefd closefd", 2 },
        { "set-link", "getfd getfd netdev_add device_add device_del netdev_del closefd closefd", 2 },
    };
    const VtSeqTable *steps = vt_hotplug_plug_table();

    g_assert_cmpuint(steps->n_steps, ==, G_N_ELEMENTS(table) - 1);
    for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autofree char *commands = NULL;
        guint descriptors = 0;

        if (i > 0)
            g_assert_cmpstr(table[i].step, ==, steps->steps[i - 1].name);
        run_with_fault(table[i].step, &commands, &descriptors);
        g_assert_cmpstr(commands, ==, table[i].commands);
        g_assert_cmpuint(descriptors, ==, table[i].descriptors);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu/hotplug/option-becomes-arguments", test_args);
    g_test_add_func("/qemu/hotplug/node-option-becomes-arguments", test_node_args);
    g_test_add_func("/qemu/hotplug/plug/tap-with-vhost", test_plug_tap);
    g_test_add_func("/qemu/hotplug/plug/refused-device-leaves-nothing", test_plug_refused);
    g_test_add_func("/qemu/hotplug/plug/refused-node-leaves-nothing", test_plug_disk);
    g_test_add_func("/qemu/hotplug/plug/qemu-dies", test_plug_dies);
    g_test_add_func("/qemu/hotplug/plug/malformed-option", test_plug_bad_option);
    g_test_add_func("/qemu/hotplug/plug/fault-at-every-step", test_fault_at_every_step);
    g_test_add_func("/qemu/hotplug/unplug/forgotten", test_forgotten);
    for (gsize i = 0; i < G_N_ELEMENTS(unplugs); i++) {
        g_autofree char *path = g_strconcat("/qemu/hotplug/unplug/", unplugs[i].name, NULL);

        g_test_add_data_func(path, &unplugs[i], test_unplug);
    }
    return g_test_run();
}
