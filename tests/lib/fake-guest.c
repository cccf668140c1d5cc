/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-guest.h"
#include <fcntl.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "conf/teaming.h"
#include "driver/domain-list.h"
#include "driver/migrate.h"
#include "driver/store.h"
#include "qemu/argv-net.h"
#include "qemu/argv.h"
#include "qemu/argv-net.h"
#include "qemu/prepare.h"
#include "util/file.h"

/* ---- the other end of QMP ---- */

typedef struct {
    int pid;
    guint64 start_time;
    int fd; /* our end of the monitor; -1: nobody is connected */
    guint watch;
    GString *input;
    gboolean running, dead;
    const char *migration; /* what query-migrate says; NULL: none was begun */
} FakeQemu;

struct _VtProcess {
    FakeQemu *qemu;
    VtProcessFuncs funcs;
    gpointer user;
    VtQmpClient *qmp;
    gboolean ready;
    gboolean freed;
    VtDoneFunc connected;
    gpointer connected_user;
    VtDoneFunc killed;
    gpointer killed_user;
    guint idle;
};

#define FAKE_SOON_MS 30 /* a timer that ends before that is waited for */

static GPtrArray *fake_qemus;     /* of FakeQemu *, dead ones too */
static GPtrArray *fake_processes; /* of VtProcess * */
static GString *fake_log;
static char *fake_next_failure;
static char *fake_muted;
static char *fake_refused, *fake_refused_class;
static GHashTable *fake_answers; /* command -> value */
static gboolean fake_silent, fake_stuck, fake_refuses;

static void
fake_send(FakeQemu *qemu, const char *text)
{
    if (qemu->fd >= 0)
        g_assert_cmpint(send(qemu->fd, text, strlen(text), MSG_NOSIGNAL), ==, (gssize)strlen(text));
}

static void
fake_event(FakeQemu *qemu, const char *name, const char *data)
{
    g_autofree char *text = g_strdup_printf(
        "{\"event\":\"%s\",\"data\":%s,\"timestamp\":{\"seconds\":1,\"microseconds\":2}}\r\n", name, data);

    fake_send(qemu, text);
}

static const char *
fake_migration(const FakeQemu *qemu)
{
    if (g_strcmp0(qemu->migration, "active") == 0)
        return "{\"status\":\"active\",\"ram\":{\"total\":1000,\"transferred\":400,\"remaining\":600}}";
    if (g_strcmp0(qemu->migration, "completed") == 0)
        return "{\"status\":\"completed\"}";
    if (g_strcmp0(qemu->migration, "failed") == 0)
        return "{\"status\":\"failed\",\"error-desc\":\"No space left on device\"}";
    return qemu->migration ? "{\"status\":\"cancelled\"}" : "{}";
}

static const char *
fake_act(FakeQemu *qemu, const char *command)
{
    if (g_str_equal(command, "cont") && !qemu->running) {
        qemu->running = TRUE;
        fake_event(qemu, "RESUME", "{}");
    } else if (g_str_equal(command, "stop") && qemu->running) {
        qemu->running = FALSE;
        fake_event(qemu, "STOP", "{}");
    } else if (g_str_equal(command, "system_reset")) {
        fake_event(qemu, "RESET", "{\"guest\":false,\"reason\":\"host-qmp-system-reset\"}");
    } else if (g_str_equal(command, "migrate") || g_str_equal(command, "migrate-incoming")) {
        qemu->migration = fake_stuck ? "active" : fake_refuses ? "failed" : "completed";
    } else if (g_str_equal(command, "migrate_cancel")) {
        qemu->migration = "cancelled";
    } else if (g_str_equal(command, "query-migrate")) {
        return fake_migration(qemu);
    } else if (g_str_equal(command, "qom-list")) {
        return "[{\"name\":\"ua-primary\",\"type\":\"child<vmxnet3>\"}]";
    } else if (g_str_equal(command, "query-status")) {
        return qemu->running ? "{\"status\":\"running\",\"running\":true,\"singlestep\":false}"
                             : "{\"status\":\"paused\",\"running\":false,\"singlestep\":false}";
    } else if (g_str_equal(command, "query-chardev")) {
        return "[{\"label\":\"charserial0\",\"filename\":\"pty:/dev/pts/77\",\"frontend-open\":true}]";
    }
    return "{}";
}

static void
fake_line(FakeQemu *qemu, const char *line)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autofree char *reply = NULL;
    JsonObject *object;
    const char *command, *result;
    g_autofree char *id = NULL;

    g_assert_true(json_parser_load_from_data(parser, line, -1, NULL));
    object = json_node_get_object(json_parser_get_root(parser));
    command = json_object_get_string_member(object, "execute");
    id = json_to_string(json_object_get_member(object, "id"), FALSE);
    if (!g_str_equal(command, "qmp_capabilities"))
        g_string_append_printf(fake_log, "%s%s", fake_log->len ? " " : "", command);
    if (g_strcmp0(fake_muted, command) == 0)
        return;
    if (g_strcmp0(fake_refused, command) == 0) {
        reply = g_strdup_printf("{\"error\":{\"class\":\"%s\",\"desc\":\"refused\"},\"id\":%s}\r\n",
                                fake_refused_class, id);
        fake_send(qemu, reply);
        return;
    }
    result = fake_answers ? g_hash_table_lookup(fake_answers, command) : NULL;
    if (!result)
        result = fake_act(qemu, command);
    reply = g_strdup_printf("{\"return\":%s,\"id\":%s}\r\n", result, id);
    fake_send(qemu, reply);
}

static void
fake_disconnect(FakeQemu *qemu)
{
    g_clear_handle_id(&qemu->watch, g_source_remove);
    if (qemu->fd >= 0)
        close(qemu->fd);
    qemu->fd = -1;
}

static gboolean
fake_readable(gint fd, GIOCondition condition, gpointer user)
{
    FakeQemu *qemu = user;
    char chunk[4096];
    gssize n = recv(fd, chunk, sizeof chunk, 0);
    char *end;

    if (n <= 0) {
        qemu->watch = 0;
        fake_disconnect(qemu);
        return G_SOURCE_REMOVE;
    }
    g_string_append_len(qemu->input, chunk, n);
    while ((end = strchr(qemu->input->str, '\n'))) {
        g_autofree char *line = g_strndup(qemu->input->str, (gsize)(end - qemu->input->str));

        g_string_erase(qemu->input, 0, end - qemu->input->str + 1);
        fake_line(qemu, line);
    }
    return G_SOURCE_CONTINUE;
}

/* ---- in place of qemu/process.c ---- */

int
vt_process_monitor_listen(const char *path, GError **error)
{
    g_assert_true(g_file_set_contents(path, "", 0, NULL));
    return open("/dev/null", O_RDWR | O_CLOEXEC);
}

static VtProcess *
fake_process_new(FakeQemu *qemu, const VtProcessFuncs *funcs, gpointer user)
{
    VtProcess *process = g_new0(VtProcess, 1);

    process->qemu = qemu;
    process->funcs = *funcs;
    process->user = user;
    g_ptr_array_add(fake_processes, process);
    return process;
}

VtProcess *
vt_process_spawn(const VtProcessParams *params, const VtProcessFuncs *funcs, gpointer user, GError **error)
{
    FakeQemu *qemu = g_new0(FakeQemu, 1);
    g_autofree char *pid = NULL;

    qemu->pid = 100000 + (int)fake_qemus->len;
    qemu->start_time = 7;
    qemu->fd = -1;
    qemu->input = g_string_new(NULL);
    g_ptr_array_add(fake_qemus, qemu);
    pid = g_strdup_printf("%d\n7\n", qemu->pid);
    g_assert_true(g_file_set_contents(params->pid_path, pid, -1, NULL));
    return fake_process_new(qemu, funcs, user);
}

VtProcess *
vt_process_attach(pid_t pid, guint64 start_time, const char *monitor_path, const char *log_path,
                  const VtProcessFuncs *funcs, gpointer user, GError **error)
{
    for (guint i = 0; i < fake_qemus->len; i++) {
        FakeQemu *qemu = g_ptr_array_index(fake_qemus, i);

        if (qemu->pid == pid && qemu->start_time == start_time && !qemu->dead)
            return fake_process_new(qemu, funcs, user);
    }
    vt_error_set(error, VT_ERROR_OPERATION_FAILED, "gone");
    return NULL;
}

gboolean
vt_process_read_pid_file(const char *path, pid_t *pid, guint64 *start_time)
{
    g_autofree char *text = NULL;
    char *end = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return FALSE;
    *pid = (pid_t)g_ascii_strtoll(text, &end, 10);
    *start_time = g_ascii_strtoull(end, NULL, 10);
    return TRUE;
}

static void
fake_client_event(VtQmpClient *client, const VtQmpEvent *event, gpointer user)
{
    VtProcess *process = user;

    process->funcs.event(process, event, process->user);
}

static void
fake_client_closed(VtQmpClient *client, const GError *why, gpointer user)
{
}

static void
fake_ready(gpointer user, const GError *error)
{
    VtProcess *process = user;

    VtDoneFunc connected = process->connected;

    process->ready = error == NULL;
    process->connected = NULL;
    if (connected)
        connected(process->connected_user, error);
    else if (process->funcs.reconnected)
        process->funcs.reconnected(process, process->user);
}

/* The end, told from the main loop as the real one does. */
static gboolean
fake_tell_exited(gpointer user)
{
    VtProcess *process = user;
    VtDoneFunc killed = process->killed;
    gpointer killed_user = process->killed_user;

    process->idle = 0;
    process->killed = NULL;
    g_clear_pointer(&process->qmp, vt_qmp_client_free);
    process->ready = FALSE;
    if (!process->freed && process->funcs.exited)
        process->funcs.exited(process, "it was told to", process->user);
    if (!process->freed && killed)
        killed(killed_user, NULL);
    return G_SOURCE_REMOVE;
}

static gboolean
fake_fail_connect(gpointer user)
{
    VtProcess *process = user;
    g_autoptr(GError) error = g_error_new(VT_ERROR, VT_ERROR_OPERATION_FAILED, "%s", fake_next_failure);

    g_clear_pointer(&fake_next_failure, g_free);
    process->idle = g_idle_add(fake_tell_exited, process);
    process->qemu->dead = TRUE;
    process->connected(process->connected_user, error);
    return G_SOURCE_REMOVE;
}

static gboolean
fake_connect_timed_out(gpointer user)
{
    VtProcess *process = user;
    VtDoneFunc connected = process->connected;
    g_autoptr(GError) error = g_error_new(VT_ERROR, VT_ERROR_TIMEOUT, "no greeting");

    process->idle = 0;
    process->connected = NULL;
    connected(process->connected_user, error);
    return G_SOURCE_REMOVE;
}

static void
fake_connect(VtProcess *process)
{
    const VtQmpClientFuncs funcs = { .event = fake_client_event, .closed = fake_client_closed };
    FakeQemu *qemu = process->qemu;
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    fake_disconnect(qemu);
    qemu->fd = pair[0];
    qemu->watch = g_unix_fd_add(pair[0], G_IO_IN | G_IO_HUP, fake_readable, qemu);
    fake_send(qemu, "{\"QMP\":{\"version\":{\"qemu\":{\"micro\":0,\"minor\":2,\"major\":7},\"package\":\"\"},"
                    "\"capabilities\":[]}}\r\n");
    process->qmp = vt_qmp_client_new(pair[1], &funcs, process, 5000, fake_ready, process);
}

void
vt_process_connect(VtProcess *process, guint timeout_ms, VtDoneFunc done, gpointer user)
{
    process->connected = done;
    process->connected_user = user;
    if (fake_next_failure)
        process->idle = g_idle_add(fake_fail_connect, process);
    else if (fake_silent)
        process->idle = g_timeout_add(10, fake_connect_timed_out, process);
    else
        fake_connect(process);
}

void
fake_guest_silence(gboolean silent)
{
    fake_silent = silent;
    for (guint i = 0; i < fake_processes->len; i++) {
        VtProcess *process = g_ptr_array_index(fake_processes, i);

        process->ready = FALSE;
        g_clear_pointer(&process->qmp, vt_qmp_client_free);
        if (!silent && !process->qemu->dead)
            fake_connect(process);
    }
}

VtQmpClient *
vt_process_qmp(VtProcess *process)
{
    return process->ready ? process->qmp : NULL;
}

pid_t
vt_process_pid(const VtProcess *process)
{
    return process->qemu->pid;
}

guint64
vt_process_start_time(const VtProcess *process)
{
    return process->qemu->start_time;
}

void
vt_process_kill(VtProcess *process, guint grace_ms, VtDoneFunc done, gpointer user)
{
    if (!process->qemu->dead && grace_ms)
        fake_event(process->qemu, "SHUTDOWN", "{\"guest\":false,\"reason\":\"host-signal\"}");
    process->qemu->dead = TRUE;
    process->killed = done;
    process->killed_user = user;
    if (!process->idle)
        process->idle = g_timeout_add(5, fake_tell_exited, process);
}

void
vt_process_free(VtProcess *process)
{
    if (!process)
        return;
    process->freed = TRUE;
    g_clear_handle_id(&process->idle, g_source_remove);
    g_clear_pointer(&process->qmp, vt_qmp_client_free);
    g_ptr_array_remove(fake_processes, process);
    g_free(process);
}

/* ---- in place of argv, prepare, caps, migrate ---- */

#ifdef FAKE_GUEST_REAL_QEMU

/* Command line, slots and aliases are the real ones, by the stored capabilities of a QEMU 7.2. */
VtQemuCaps *
vt_driver_caps(VtDriver *driver, const char *binary, GError **error)
{
    static VtQemuCaps *caps;

    if (!caps) {
        g_autofree char *json = NULL;

        g_assert_true(g_file_get_contents(VT_TEST_DATA_DIR "/data/caps-7.2.json", &json, NULL, NULL));
        caps = vt_qemu_caps_from_json(json, error);
        g_assert_nonnull(caps);
    }
    return caps;
}

#else

char **
vt_argv_build(const VtDomainDef *def, const VtQemuCaps *caps, const VtArgvContext *ctx, GError **error)
{
    return g_strsplit("qemu -fake", " ", -1);
}

char *
vt_argv_to_text(char *const *argv)
{
    return g_strjoinv(" ", (char **)argv);
}

const char *
vt_argv_net_pair_id(const VtDomainDef *def, const VtTeaming *teaming)
{
    const VtNetDef *persistent = vt_teaming_find_persistent(def, teaming->persistent);
    const VtTeamPolicy *policy = persistent ? vt_teaming_policy(def, persistent) : NULL;

    return policy && policy->orchestration == VT_ORCHESTRATION_MANAGEMENT ? NULL : teaming->persistent;
}

char *
vt_argv_net_device(const VtDomainDef *def, const VtNetDef *net)
{
    return g_strdup_printf("%s,id=%s", net->model, net->info.alias);
}

char *
vt_argv_hostdev_device(const VtDomainDef *def, const VtHostdevDef *hostdev)
{
    return g_strdup_printf("vfio-pci,id=%s", hostdev->info.alias);
}

void
vt_alias_assign(VtDomainDef *def)
{
    for (guint i = 0; i < def->serials->len; i++) {
        VtCharDef *chr = g_ptr_array_index(def->serials, i);

        g_free(chr->info.alias);
        chr->info.alias = g_strdup_printf("serial%u", i);
    }
}

VtControllerDef *
vt_alias_controller(const VtDomainDef *def, VtControllerType type, int index)
{
    return NULL;
}

const char *
vt_alias_pci_bus(const VtDomainDef *def, guint bus)
{
    return NULL;
}

gboolean
vt_qemu_prepare_define(VtDomainDef *def, const VtQemuCaps *caps, GError **error)
{
    return TRUE;
}

VtQemuCaps *
vt_qemu_caps_ref(VtQemuCaps *caps)
{
    return caps;
}

void
vt_qemu_caps_unref(VtQemuCaps *caps)
{
}

VtQemuCaps *
vt_driver_caps(VtDriver *driver, const char *binary, GError **error)
{
    static VtQemuCaps caps = { .binary = (char *)"/usr/bin/qemu-fake", .arch = (char *)"x86_64" };

    caps.caps[VT_QEMU_CAP_VIRTIO_NET_FAILOVER] = caps.caps[VT_QEMU_CAP_NET_FAILOVER_PAIR] = TRUE;
    return &caps;
}

#endif

#ifdef FAKE_GUEST_REAL_MIGRATE

const VtDriverConfig *
vt_driver_config(const VtDriver *driver)
{
    return driver->config;
}

const char *
vt_qemu_caps_machine(const VtQemuCaps *caps, const char *name)
{
    return name;
}

#else

void
vt_migrate_recover(VtDriver *driver, VtDomain *domain, VtDoneFunc done, gpointer user)
{
    done(user, NULL);
}

#endif

/* ---- the host ---- */

static void
fake_note_event(const VtEvent *event, gpointer user)
{
    FakeHost *host = user;

    if (event->id == VT_EVENT_LIFECYCLE)
        g_ptr_array_add(host->events,
                        g_strdup_printf("%d/%d", event->lifecycle.event, event->lifecycle.detail));
    else
        g_ptr_array_add(host->events, g_strdup_printf("event%d", (int)event->id));
}

static void
fake_host_make_driver(FakeHost *host)
{
    VtDriver *driver = g_new0(VtDriver, 1);
    VtDriverConfig *config = g_new0(VtDriverConfig, 1);
    g_autofree char *autostart = g_build_filename(host->dir, "config", "autostart", NULL);

    config->config_dir = g_build_filename(host->dir, "config", NULL);
    config->state_dir = g_build_filename(host->dir, "state", NULL);
    config->lib_dir = g_build_filename(host->dir, "lib", NULL);
    config->log_dir = g_build_filename(host->dir, "log", NULL);
    g_mkdir_with_parents(autostart, 0700);
    g_mkdir_with_parents(config->state_dir, 0700);
    driver->config = config;
    driver->lock_fd = -1;
    g_datalist_init(&driver->data);
    vt_domain_list_init(driver);
    driver->status_changed = vt_store_status_soon;
    host->driver = driver;
    for (int id = 0; id < VT_EVENT_LAST; id++)
        vt_event_subscribe(driver, id, NULL, NULL, 0, fake_note_event, host);
}

static void
fake_host_drop_driver(FakeHost *host)
{
    g_autoptr(GPtrArray) domains = vt_driver_list(host->driver, 0);
    VtDriverConfig *config = host->driver->config;

    for (guint i = 0; i < domains->len; i++)
        g_clear_pointer(&((VtDomain *)g_ptr_array_index(domains, i))->process, vt_process_free);
    vt_domain_list_clear(host->driver);
    g_datalist_clear(&host->driver->data);
    g_free(config->config_dir);
    g_free(config->state_dir);
    g_free(config->lib_dir);
    g_free(config->log_dir);
    g_free(config);
    g_free(host->driver);
}

void
fake_host_open(FakeHost *host)
{
    if (!fake_qemus) {
        fake_qemus = g_ptr_array_new();
        fake_processes = g_ptr_array_new();
        fake_log = g_string_new(NULL);
    }
    host->dir = g_dir_make_tmp("vt-driver-XXXXXX", NULL);
    g_assert_nonnull(host->dir);
    host->events = g_ptr_array_new_with_free_func(g_free);
    fake_host_make_driver(host);
}

void
fake_host_crash(FakeHost *host)
{
    fake_settle();
    fake_host_drop_driver(host);
    fake_host_make_driver(host);
}

static void
fake_remove_tree(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *entry = g_build_filename(path, name, NULL);

        if (g_file_test(entry, G_FILE_TEST_IS_DIR) && !g_file_test(entry, G_FILE_TEST_IS_SYMLINK))
            fake_remove_tree(entry);
        else
            g_unlink(entry);
    }
    g_rmdir(path);
}

void
fake_host_close(FakeHost *host)
{
    fake_settle();
    vt_file_flush_async();
    fake_host_drop_driver(host);
    fake_settle();
    fake_remove_tree(host->dir);
    g_ptr_array_unref(host->events);
    g_free(host->dir);
    for (guint i = 0; i < fake_qemus->len; i++) {
        FakeQemu *qemu = g_ptr_array_index(fake_qemus, i);

        fake_disconnect(qemu);
        g_string_free(qemu->input, TRUE);
        g_free(qemu);
    }
    g_ptr_array_set_size(fake_qemus, 0);
    g_string_truncate(fake_log, 0);
    fake_guest_mute(NULL);
    fake_guest_migrations(FALSE, FALSE);
}

char *
fake_guest_xml(const char *name, const char *uuid, const char *extra)
{
    return g_strdup_printf("<domain type='qemu'><name>%s</name><uuid>%s</uuid>"
                           "<memory unit='KiB'>65536</memory><vcpu>1</vcpu>"
                           "<os><type arch='x86_64' machine='q35'>hvm</type></os>%s</domain>",
                           name, uuid, extra ? extra : "");
}

guint
fake_guest_alive(void)
{
    guint alive = 0;

    for (guint i = 0; i < fake_qemus->len; i++)
        alive += !((FakeQemu *)g_ptr_array_index(fake_qemus, i))->dead;
    return alive;
}

guint
fake_guest_objects(void)
{
    return fake_processes->len;
}

void
fake_guest_event(VtDomain *domain, const char *json)
{
    g_autofree char *line = g_strconcat(json, "\r\n", NULL);

    if (strstr(json, "SHUTDOWN") || strstr(json, "\"STOP\""))
        domain->process->qemu->running = FALSE;
    fake_send(domain->process->qemu, line);
}

void
fake_guest_migrations(gboolean stuck, gboolean refuses)
{
    fake_stuck = stuck;
    fake_refuses = refuses;
}

void
fake_guest_stop_cpus(VtDomain *domain)
{
    domain->process->qemu->running = FALSE;
}

void
fake_guest_die(VtDomain *domain)
{
    domain->process->qemu->dead = TRUE;
    if (!domain->process->idle)
        domain->process->idle = g_idle_add(fake_tell_exited, domain->process);
}

void
fake_guest_fail_next(const char *why)
{
    g_free(fake_next_failure);
    fake_next_failure = g_strdup(why);
}

void
fake_guest_refuse(const char *command, const char *klass)
{
    g_free(fake_refused);
    g_free(fake_refused_class);
    fake_refused = g_strdup(command);
    fake_refused_class = g_strdup(klass);
}

void
fake_guest_answer(const char *command, const char *json)
{
    if (!command)
        g_clear_pointer(&fake_answers, g_hash_table_unref);
    else if (!fake_answers)
        fake_answers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    if (command)
        g_hash_table_insert(fake_answers, g_strdup(command), g_strdup(json));
}

void
fake_guest_mute(const char *command)
{
    g_free(fake_muted);
    fake_muted = g_strdup(command);
}

char *
fake_guest_commands(void)
{
    char *text = g_strdup(fake_log->str);

    g_string_truncate(fake_log, 0);
    return text;
}

static gboolean
fake_timed_out(gpointer user)
{
    *(gboolean *)user = TRUE;
    return G_SOURCE_REMOVE;
}

void
fake_wait(const gboolean *done)
{
    gboolean late = FALSE;
    guint timer = g_timeout_add(120000, fake_timed_out, &late); /* a busy machine takes its time */

    while (!*done && !late)
        g_main_context_iteration(NULL, TRUE);
    g_assert_false(late);
    g_source_remove(timer);
}

gboolean
fake_go_on(gint64 *since)
{
    gint64 now = g_get_monotonic_time();

    if (!*since)
        *since = now;
    g_main_context_iteration(NULL, FALSE);
    g_usleep(500);
    return now - *since < 120 * G_USEC_PER_SEC;
}

/* Whether a thread of ours does something, or would if the machine let it. */
static gboolean
fake_threads_work(void)
{
    g_autoptr(GDir) tasks = g_dir_open("/proc/self/task", 0, NULL);
    const char *tid;

    while ((tid = g_dir_read_name(tasks))) {
        g_autofree char *path = g_strdup_printf("/proc/self/task/%s/stat", tid);
        g_autofree char *text = NULL;
        const char *name_end;

        if (atoi(tid) == getpid() || !g_file_get_contents(path, &text, NULL, NULL))
            continue;
        name_end = strrchr(text, ')');
        if (name_end && name_end[1] == ' ' && name_end[2] != 'S')
            return TRUE;
    }
    return FALSE;
}

/* Whether a timer of the main loop ends within so many milliseconds, or something is ready now. */
static gboolean
fake_due(gint within_ms)
{
    GMainContext *loop = g_main_context_default();
    gint priority, due_ms;

    if (g_main_context_prepare(loop, &priority))
        return TRUE;
    g_main_context_query(loop, priority, &due_ms, NULL, 0);
    return due_ms >= 0 && due_ms <= within_ms;
}

/*
 * Until nothing is left to do but to wait: no source of the main loop is ready, no timer of it ends soon, and no thread
 * works, several times in a row, as what a thread has done comes to the main loop a moment later. Timers that come again
 * and again end it by the number of looks.
 */
void
fake_settle(void)
{
    guint quiet = 0;

    for (guint looks = 0; looks < 400 && quiet < 3; looks++) {
        gboolean worked = FALSE;

        for (guint turns = 0; turns < 1000 && g_main_context_iteration(NULL, FALSE); turns++)
            worked = TRUE;
        if (quiet == 0)
            vt_file_flush_async();
        quiet = worked || fake_due(FAKE_SOON_MS) || fake_threads_work() ? 0 : quiet + 1;
        g_usleep(1000);
    }
    vt_file_flush_async();
}

void
fake_settle_for(guint least_ms)
{
    gint64 until = g_get_monotonic_time() + least_ms * 1000;

    do
        fake_settle();
    while (g_get_monotonic_time() < until);
}

void
fake_done(gpointer user, const GError *error)
{
    FakeDone *told = user;

    g_assert_false(told->done);
    told->done = TRUE;
    told->error = error ? g_error_copy(error) : NULL;
}
