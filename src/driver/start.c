/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The start sequence. Until 'spawn' nothing outlives this daemon: taps and the monitor's socket vanish with
 * their descriptors, and a directory without a QEMU is swept by the next daemon. So the journal is written from
 * 'spawn' on only: a successor that finds a journal of kind "start" kills the QEMU named by the pid file.
 *
 * Replies may come when the sequence has moved on (a time-out, a cancel): VtSeqAct drops those.
 */
#define VT_LOG_DOMAIN "virtteam-driver-start"

#include "driver/start.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>
#include "conf/net.h"
#include "driver/datapath.h"
#include "driver/domain-list.h"
#include "driver/domain-private.h"
#include "driver/event.h"
#include "driver/guest-event.h"
#include "driver/host-port.h"
#include "driver/hostdev.h"
#include "driver/journal.h"
#include "driver/net-port.h"
#include "driver/run-files.h"
#include "driver/start-host.h"
#include "driver/stop.h"
#include "driver/store.h"
#include "driver/team-keep.h"
#include "driver/team-manage.h"
#include "driver/team-state.h"
#include "driver/team-watch.h"
#include "driver/vf-give.h"
#include "driver/vf-take.h"
#include "driver/team-guard.h"
#include "qemu/argv.h"
#include "qemu/orchestration.h"
#include "qemu/prepare.h"
#include "util/i18n.h"
#include "util/log.h"

#define START_KEY            "start"
#define START_CONNECT_MS     60000 /* a guest with VFIO pins all its memory before QEMU answers */
#define START_QMP_MS         30000
#define START_DATAPATH_MS    60000
#define START_PORTS_MS       180000 /* several interfaces, each with a network daemon that may be slow */
#define START_HOSTDEVS_MS    180000 /* several functions, each with a reset and a slow driver */
#define START_KILL_GRACE_MS  3000
#define START_KILL_MS        30000
#define START_EVENT_STARTED  2
#define START_EVENT_PAUSED   3
#define START_PAUSED_USER    1
#define START_PAUSED_MIGRATE 2
#define START_PAUSED_START   11
#define START_RUNNING_BOOTED 1
#define START_SHUTOFF_FAILED 6

typedef struct {
    guint refs;
    VtStartParams params; /* domain with a reference, incoming a copy */
    VtDomain *domain;
    VtDriver *driver;
    VtQemuCaps *caps; /* with a reference */
    VtStartNet *net;  /* taps and vhost descriptors */
    int monitor_fd;
    char **argv;
    gboolean own_journal;
    guint pending;       /* QMP commands of the current step without an answer */
    GError *first_error; /* of those */
    VtSeq *seq;          /* NULL: over */
    VtDoneFunc done;
    gpointer user;
    VtDoneFunc cancelled; /* nullable: who cancelled it */
    gpointer cancelled_user;
} StartRun;

/* One QMP command of one step. */
typedef struct {
    VtSeqAct *act;
    void (*use)(StartRun *run, JsonNode *result); /* nullable */
} StartCall;

static void
start_run_unref(gpointer data)
{
    StartRun *run = data;

    if (--run->refs > 0)
        return;
    vt_start_net_free(run->net);
    if (run->monitor_fd >= 0)
        close(run->monitor_fd);
    g_clear_pointer(&run->caps, vt_qemu_caps_unref);
    g_strfreev(run->argv);
    g_clear_error(&run->first_error);
    vt_domain_unref(run->domain);
    g_free((char *)run->params.incoming);
    g_free(run);
}

static VtSeqAct *
start_act(StartRun *run)
{
    run->refs++;
    return vt_seq_act_new(run->seq, run, start_run_unref);
}

static void
start_called(gpointer user, JsonNode *result, const GError *error)
{
    g_autofree StartCall *call = user;
    StartRun *run = vt_seq_act_data(call->act);
    g_autoptr(GError) first = NULL;

    if (!vt_seq_act_is_current(call->act)) {
        vt_seq_act_free(call->act);
        return;
    }
    run->pending--;
    if (error && !run->first_error)
        run->first_error = g_error_copy(error);
    else if (!error && call->use)
        call->use(run, result);
    if (run->pending > 0) {
        vt_seq_act_free(call->act);
        return;
    }
    first = g_steal_pointer(&run->first_error);
    vt_seq_act_done(call->act, first);
}

static gboolean
start_call(StartRun *run, const char *command, JsonNode *args, void (*use)(StartRun *run, JsonNode *result),
           GError **error)
{
    VtQmpClient *qmp = vt_domain_qmp(run->domain, error);
    StartCall *call;

    if (!qmp) {
        g_clear_pointer(&args, json_node_unref);
        return FALSE;
    }
    call = g_new0(StartCall, 1);
    call->act = start_act(run);
    call->use = use;
    run->pending++;
    vt_qmp_client_call(qmp, command, args, START_QMP_MS, start_called, call);
    return TRUE;
}

static VtStepResult
start_result(gboolean ok)
{
    return ok ? VT_STEP_DONE : VT_STEP_FAILED;
}

/* ---- steps ---- */

static VtStepResult
start_check_host(VtSeq *seq, gpointer data, GError **error)
{
    StartRun *run = data;
    VtQemuCaps *caps = vt_driver_caps(run->driver, run->domain->live->emulator, error);
    const VtOrchestrationDefaults defaults = { .orchestration = run->driver->config->orchestration,
                                               .auto_prefers = run->driver->config->auto_prefers };

    if (!caps)
        return VT_STEP_FAILED;
    run->caps = vt_qemu_caps_ref(caps);
    /* One that arrives was pinned where it booted. */
    if (!run->params.incoming && !vt_orchestration_pin(run->domain->live, caps, &defaults, error))
        return VT_STEP_FAILED;
    return start_result(vt_start_host_check(run->domain->live, caps, error));
}

static VtStepResult
start_assign_id(VtSeq *seq, gpointer data, GError **error)
{
    StartRun *run = data;
    VtDomain *domain = run->domain;

    domain->id = vt_domain_list_next_id(run->driver);
    if (!vt_run_files_make(run->driver, domain, error)) {
        domain->id = -1;
        return VT_STEP_FAILED;
    }
    vt_alias_assign(domain->live);
    vt_domain_set_state(domain, VT_DOMAIN_PAUSED,
                        run->params.incoming ? START_PAUSED_MIGRATE : START_PAUSED_START);
    return VT_STEP_DONE;
}

static VtStepResult
start_assign_id_undo(VtSeq *seq, gpointer data, GError **error)
{
    StartRun *run = data;
    gboolean ok = vt_run_files_remove(run->driver, run->domain, error);

    vt_team_keep_forget(run->domain);
    vt_domain_end_run(run->domain, START_SHUTOFF_FAILED);
    return start_result(ok);
}

static void
start_took_nets(gpointer user, const VtDomainDef *taken, const GError *error)
{
    StartRun *run = vt_seq_act_data(user);

    if (!error && vt_seq_act_is_current(user))
        vt_net_adopt(run->domain->live, taken);
    vt_seq_act_done(user, error);
}

static VtStepResult
start_take_ports(VtSeq *seq, gpointer data, GError **error)
{
    StartRun *run = data;
    VtDomain *domain = run->domain;

    vt_vf_take_forget(domain->live, run->params.migrated);
    vt_net_port_take(run->driver, domain, domain->live, TRUE, start_took_nets, start_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
start_take_ports_undo(VtSeq *seq, gpointer data, GError **error)
{
    StartRun *run = data;

    vt_net_port_release(run->driver, &run->domain->uuid, vt_seq_act_done, start_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
start_choose_vfs(VtSeq *seq, gpointer data, GError **error)
{
    StartRun *run = data;

    vt_vf_take(run->driver, run->domain, run->domain->live, TRUE, start_took_nets, start_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
start_take_hostdevs(VtSeq *seq, gpointer data, GError **error)
{
    StartRun *run = data;

    vt_hostdev_take(run->driver, run->domain, vt_seq_act_done, start_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
start_take_hostdevs_undo(VtSeq *seq, gpointer data, GError **error)
{
    StartRun *run = data;

    vt_hostdev_give_back(run->driver, &run->domain->uuid, vt_seq_act_done, start_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
start_make_taps(VtSeq *seq, gpointer data, GError **error)
{
    StartRun *run = data;

    run->net = vt_start_net_open(run->domain->live, run->caps, error);
    return start_result(run->net != NULL);
}

static VtStepResult
start_make_taps_undo(VtSeq *seq, gpointer data, GError **error)
{
    StartRun *run = data;

    g_clear_pointer(&run->net, vt_start_net_free);
    return VT_STEP_DONE;
}

static VtStepResult
start_make_macvtaps(VtSeq *seq, gpointer data, GError **error)
{
    StartRun *run = data;

    vt_host_port_add(run->domain, run->domain->live, VT_HOST_PORT_MACVTAP, vt_seq_act_done, start_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
start_add_ports(VtSeq *seq, gpointer data, GError **error)
{
    StartRun *run = data;

    vt_host_port_add(run->domain, run->domain->live, VT_HOST_PORT_OVS, vt_seq_act_done, start_act(run));
    return VT_STEP_WAIT;
}

/* Of both steps: the first undo removes what both have made. */
static VtStepResult
start_remove_ports(VtSeq *seq, gpointer data, GError **error)
{
    StartRun *run = data;

    vt_host_port_remove(run->domain, NULL, vt_seq_act_done, start_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
start_monitor_socket(VtSeq *seq, gpointer data, GError **error)
{
    StartRun *run = data;
    g_autofree char *path = vt_run_files_monitor(run->domain);

    run->monitor_fd = vt_process_monitor_listen(path, error);
    return start_result(run->monitor_fd >= 0);
}

static VtStepResult
start_monitor_socket_undo(VtSeq *seq, gpointer data, GError **error)
{
    StartRun *run = data;
    g_autofree char *path = vt_run_files_monitor(run->domain);

    if (run->monitor_fd >= 0)
        close(run->monitor_fd);
    run->monitor_fd = -1;
    if (g_unlink(path) < 0 && errno != ENOENT) {
        vt_error_set_errno(error, errno, _("cannot remove '%s'"), path);
        return VT_STEP_FAILED;
    }
    return VT_STEP_DONE;
}

static VtStepResult
start_build_argv(VtSeq *seq, gpointer data, GError **error)
{
    StartRun *run = data;
    g_autofree char *monitor_path = vt_run_files_monitor(run->domain);
    g_auto(GStrv) kept = run->params.migrated ? vt_team_keep_list(run->domain, VT_TEAM_KEEP_REASONS) : NULL;
    const VtArgvContext context = {
        .monitor_path = monitor_path,
        .monitor_fd = run->monitor_fd,
        .state_dir = run->domain->run_dir,
        .incoming = run->params.incoming,
        .without_managed = run->params.incoming && run->params.migrated,
        .without_teams = (const char *const *)kept,
        .start_paused = TRUE, /* the CPUs wait for 'cont', so that all below is in place before them */
        .net_fds = vt_start_net_fds(run->net),
        .n_net_fds = run->domain->live->nets->len,
    };

    run->argv = vt_argv_build(run->domain->live, run->caps, &context, error);
    return start_result(run->argv != NULL);
}

static void
start_journalled(gpointer user, const GError *error)
{
    StartRun *run = vt_seq_act_data(user);

    if (error)
        vt_log_warning("domain '%s' starts without a journal: %s", run->domain->name, error->message);
    vt_seq_act_done(user, NULL);
}

static VtStepResult
start_journal(VtSeq *seq, gpointer data, GError **error)
{
    StartRun *run = data;

    /* An incoming migration has its own journal open, which covers this sequence. */
    if (vt_journal_kind(run->domain))
        return VT_STEP_DONE;
    vt_journal_begin(run->domain, "start");
    run->own_journal = TRUE;
    vt_journal_sync(run->domain, start_journalled, start_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
start_journal_undo(VtSeq *seq, gpointer data, GError **error)
{
    StartRun *run = data;

    if (run->own_journal)
        vt_journal_end(run->domain);
    run->own_journal = FALSE;
    return VT_STEP_DONE;
}

static VtStepResult
start_spawn(VtSeq *seq, gpointer data, GError **error)
{
    StartRun *run = data;
    VtDomain *domain = run->domain;
    g_autofree char *log = vt_run_files_log(run->driver, domain);
    g_autofree char *pid = vt_run_files_pid(run->driver, domain);
    g_autofree char *monitor = vt_run_files_monitor(domain);
    g_autoptr(GArray) fds = vt_start_net_inherit(run->net);
    const VtProcessParams params = {
        .argv = run->argv,
        .log_path = log,
        .pid_path = pid,
        .monitor_path = monitor,
        .memlock_bytes = vt_start_host_memlock_bytes(domain->live),
        .fds = (g_array_append_val(fds, run->monitor_fd), (const int *)fds->data),
        .n_fds = fds->len,
    };

    domain->qemu_gone = FALSE;
    domain->process = vt_process_spawn(&params, vt_guest_event_funcs(), domain, error);
    if (!domain->process)
        return VT_STEP_FAILED;
    /* QEMU has its own copies now. Ours would keep the taps alive after its end. */
    vt_start_net_close(run->net);
    close(run->monitor_fd);
    run->monitor_fd = -1;
    return VT_STEP_DONE;
}

static void
start_spawn_undone(gpointer user, const GError *error)
{
    StartRun *run = vt_seq_act_data(user);

    if (vt_seq_act_is_current(user))
        g_clear_pointer(&run->domain->process, vt_process_free);
    vt_seq_act_done(user, error);
}

static VtStepResult
start_spawn_undo(VtSeq *seq, gpointer data, GError **error)
{
    StartRun *run = data;

    if (run->domain->qemu_gone) {
        g_clear_pointer(&run->domain->process, vt_process_free);
        return VT_STEP_DONE;
    }
    vt_process_kill(run->domain->process, START_KILL_GRACE_MS, start_spawn_undone, start_act(run));
    return VT_STEP_WAIT;
}

static void
start_connected(gpointer user, const GError *error)
{
    g_autoptr(GError) why = NULL;

    if (error)
        vt_error_set(&why, VT_ERROR_INTERNAL, _("process exited while connecting to monitor: %s"),
                     error->message);
    vt_seq_act_done(user, why);
}

static VtStepResult
start_connect_qmp(VtSeq *seq, gpointer data, GError **error)
{
    StartRun *run = data;

    vt_process_connect(run->domain->process, START_CONNECT_MS, start_connected, start_act(run));
    return VT_STEP_WAIT;
}

static void
start_use_chardevs(StartRun *run, JsonNode *result)
{
    vt_start_host_read_chardevs(run->domain->live, result);
}

static VtStepResult
start_query_chardevs(VtSeq *seq, gpointer data, GError **error)
{
    return start_call(data, "query-chardev", NULL, start_use_chardevs, error) ? VT_STEP_WAIT : VT_STEP_FAILED;
}

static JsonNode *
start_object(const char *member, JsonNode *value)
{
    JsonObject *object = json_object_new();
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);

    json_object_set_member(object, member, value);
    json_node_take_object(node, object);
    return node;
}

static void
start_datapath_opened(gpointer user, const GError *error)
{
    const StartRun *run = vt_seq_act_data(user);

    if (vt_seq_act_is_current(user) && !run->params.incoming)
        vt_team_manage_boots(run->domain);
    vt_seq_act_done(user, error);
}

static VtStepResult
start_open_datapath(VtSeq *seq, gpointer data, GError **error)
{
    StartRun *run = data;

    vt_team_state_open(run->domain);
    vt_team_watch_open(run->domain);
    vt_team_guard_open(run->domain);
    vt_datapath_open(run->driver, run->domain, run->params.incoming != NULL, start_datapath_opened,
                     start_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
start_open_datapath_undo(VtSeq *seq, gpointer data, GError **error)
{
    StartRun *run = data;

    vt_team_guard_close(run->domain);
    vt_team_state_close(run->domain);
    vt_datapath_close(run->domain, vt_seq_act_done, start_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
start_set_links(VtSeq *seq, gpointer data, GError **error)
{
    StartRun *run = data;
    GPtrArray *nets = run->domain->live->nets;

    for (guint i = 0; i < nets->len; i++) {
        const VtNetDef *net = g_ptr_array_index(nets, i);
        JsonNode *args;

        if (net->link != VT_LINK_DOWN || !net->info.alias || net->type == VT_NET_HOSTDEV || net->bare)
            continue;
        args = start_object("name", json_node_init_string(json_node_alloc(), net->info.alias));
        json_object_set_boolean_member(json_node_get_object(args), "up", FALSE);
        if (!start_call(run, "set_link", args, NULL, error))
            return VT_STEP_FAILED;
    }
    return run->pending ? VT_STEP_WAIT : VT_STEP_DONE;
}

static VtStepResult
start_set_balloon(VtSeq *seq, gpointer data, GError **error)
{
    StartRun *run = data;
    const VtDomainDef *def = run->domain->live;
    JsonNode *args;

    if (run->params.incoming || !def->memballoon || g_strcmp0(def->memballoon->model, "none") == 0 ||
        !def->current_memory_kib || def->current_memory_kib >= def->memory_kib)
        return VT_STEP_DONE;
    args =
        start_object("value", json_node_init_int(json_node_alloc(), (gint64)def->current_memory_kib * 1024));
    return start_call(run, "balloon", args, NULL, error) ? VT_STEP_WAIT : VT_STEP_FAILED;
}

static VtStepResult
start_write_status(VtSeq *seq, gpointer data, GError **error)
{
    StartRun *run = data;

    if (run->params.paused)
        vt_domain_set_state(run->domain, VT_DOMAIN_PAUSED, START_PAUSED_USER);
    vt_store_status_write(run->driver, run->domain, vt_seq_act_done, start_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
start_write_status_undo(VtSeq *seq, gpointer data, GError **error)
{
    StartRun *run = data;

    vt_store_status_remove(run->driver, run->domain);
    return VT_STEP_DONE;
}

static VtStepResult
start_cont(VtSeq *seq, gpointer data, GError **error)
{
    StartRun *run = data;

    if (run->params.paused || run->params.incoming)
        return VT_STEP_DONE;
    vt_host_port_set_up(run->domain, TRUE);
    vt_domain_expect_resume(run->domain, START_RUNNING_BOOTED);
    return start_call(run, "cont", NULL, NULL, error) ? VT_STEP_WAIT : VT_STEP_FAILED;
}

static VtStepResult
start_tell(VtSeq *seq, gpointer data, GError **error)
{
    StartRun *run = data;

    if (run->own_journal)
        vt_journal_end(run->domain);
    run->own_journal = FALSE;
    if (run->params.incoming)
        return VT_STEP_DONE;
    vt_event_lifecycle(run->driver, run->domain, START_EVENT_STARTED, 0);
    if (run->params.paused)
        vt_event_lifecycle(run->driver, run->domain, START_EVENT_PAUSED, 0);
    return VT_STEP_DONE;
}

static const VtStep start_steps[] = {
    { .name = "check-host", .start = start_check_host },
    { .name = "assign-id", .start = start_assign_id, .undo = start_assign_id_undo },
    { .name = "take-ports",
      .waits_for = "the network daemon has given a port for each interface of a network",
      .start = start_take_ports,
      .undo = start_take_ports_undo,
      .timeout_ms = START_PORTS_MS,
      .undo_timeout_ms = START_PORTS_MS },
    { .name = "choose-vfs",
      .waits_for = "VFs that policies choose or networks have lent are reserved and bound",
      .start = start_choose_vfs,
      .undo = start_take_hostdevs_undo,
      .timeout_ms = START_HOSTDEVS_MS,
      .undo_timeout_ms = START_HOSTDEVS_MS },
    { .name = "take-hostdevs",
      .waits_for = "host devices are reserved and bound to VFIO",
      .start = start_take_hostdevs,
      .undo = start_take_hostdevs_undo,
      .timeout_ms = START_HOSTDEVS_MS,
      .undo_timeout_ms = START_HOSTDEVS_MS },
    { .name = "make-macvtaps",
      .waits_for = "the macvtaps of interfaces of type direct are there",
      .start = start_make_macvtaps,
      .undo = start_remove_ports,
      .timeout_ms = START_PORTS_MS,
      .undo_timeout_ms = START_PORTS_MS },
    { .name = "make-taps", .start = start_make_taps, .undo = start_make_taps_undo },
    { .name = "add-ports",
      .waits_for = "Open vSwitch has the taps that are to be its ports",
      .start = start_add_ports,
      .undo = start_remove_ports,
      .timeout_ms = START_PORTS_MS,
      .undo_timeout_ms = START_PORTS_MS },
    { .name = "monitor-socket", .start = start_monitor_socket, .undo = start_monitor_socket_undo },
    { .name = "build-argv", .start = start_build_argv },
    { .name = "journal",
      .waits_for = "the journal is on disk",
      .start = start_journal,
      .undo = start_journal_undo,
      .timeout_ms = START_QMP_MS },
    { .name = "spawn", .start = start_spawn, .undo = start_spawn_undo, .undo_timeout_ms = START_KILL_MS },
    { .name = "connect-qmp",
      .waits_for = "QEMU has answered on its monitor",
      .start = start_connect_qmp,
      .timeout_ms = START_CONNECT_MS + 1000 },
    { .name = "query-chardevs",
      .waits_for = "QEMU has said which terminals it opened",
      .start = start_query_chardevs,
      .timeout_ms = START_QMP_MS + 1000 },
    { .name = "open-datapath",
      .waits_for = "the host feeds the teams' standby legs",
      .start = start_open_datapath,
      .undo = start_open_datapath_undo,
      .timeout_ms = START_DATAPATH_MS,
      .undo_timeout_ms = START_DATAPATH_MS },
    { .name = "set-links",
      .waits_for = "links that are to be down are down",
      .start = start_set_links,
      .timeout_ms = START_QMP_MS + 1000 },
    { .name = "set-balloon",
      .waits_for = "QEMU has taken the balloon's size",
      .start = start_set_balloon,
      .timeout_ms = START_QMP_MS + 1000 },
    { .name = "write-status",
      .waits_for = "the status file is on disk",
      .start = start_write_status,
      .undo = start_write_status_undo,
      .timeout_ms = START_QMP_MS },
    { .name = "cont",
      .waits_for = "QEMU has let the CPUs run",
      .start = start_cont,
      .timeout_ms = START_QMP_MS + 1000 },
    { .name = "tell", .start = start_tell, .commit = TRUE },
};

static const VtSeqTable start_table = {
    .name = "start",
    .steps = start_steps,
    .n_steps = G_N_ELEMENTS(start_steps),
};

const VtSeqTable *
vt_start_table(void)
{
    return &start_table;
}

/* ---- running it ---- */

static void
start_qemu_exited(VtDomain *domain, const char *why, gpointer user)
{
    StartRun *run = user;

    if (run->seq && vt_seq_direction(run->seq) == VT_SEQ_FORWARD &&
        g_strcmp0(vt_seq_current(run->seq), "connect-qmp") != 0)
        vt_seq_cancel(run->seq, g_error_new(VT_ERROR, VT_ERROR_INTERNAL,
                                            _("QEMU ended while the domain was starting: %s"), why));
}

static const VtDomainQmpFuncs start_listener = { .exited = start_qemu_exited };

static void
start_stop_again(StartRun *run)
{
    gboolean powered_off = run->domain->state == VT_DOMAIN_SHUTDOWN;
    const VtStopParams params = {
        .driver = run->driver,
        .domain = run->domain,
        .reason = powered_off ? VT_SHUTOFF_SHUTDOWN : VT_SHUTOFF_DESTROYED,
        .detail = powered_off ? 0 : 1, /* VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN, _DESTROYED */
    };

    vt_stop_run(&params, run->cancelled, run->cancelled_user);
}

static void
start_ended(VtSeq *seq, gpointer data, const GError *error)
{
    StartRun *run = data;
    VtDomain *domain = run->domain;

    run->seq = NULL;
    domain->starting = FALSE;
    vt_domain_set_data(domain, START_KEY, NULL, NULL);
    vt_domain_remove_qmp_listener(domain, &start_listener, run);
    if (error) {
        /* A step before assign-id leaves the live definition to be taken away here. */
        if (domain->live)
            vt_domain_end_run(domain, START_SHUTOFF_FAILED);
        vt_domain_list_prune(run->driver, domain);
    } else {
        vt_domain_status_changed(domain);
        if (vt_vf_give_is_due(domain, NULL))
            vt_vf_give_watch(run->driver);
    }
    run->done(run->user, error);
    /* Up after all (the cancel came too late, the client that wanted autodestroy has gone, the guest is off again). */
    if (!error && (run->cancelled || domain->autodestroy_lost || domain->state == VT_DOMAIN_SHUTDOWN))
        start_stop_again(run);
    else if (run->cancelled)
        run->cancelled(run->cancelled_user, NULL);
    start_run_unref(run);
}

static gboolean
start_refuse(const VtStartParams *params, GError **error)
{
    VtDomain *domain = params->domain;

    if (!domain->driver)
        return vt_error_set(error, VT_ERROR_NO_DOMAIN, _("domain '%s' is not there any more"), domain->name);
    if (vt_domain_is_active(domain) || domain->starting)
        return vt_error_set(error, VT_ERROR_OPERATION_INVALID, _("domain is already running"));
    if (!domain->live && !domain->persistent)
        return vt_error_set(error, VT_ERROR_OPERATION_INVALID, _("domain '%s' has no definition to start"),
                            domain->name);
    return TRUE;
}

void
vt_start_run(const VtStartParams *params, VtDoneFunc done, gpointer user)
{
    g_autoptr(GError) refusal = NULL;
    VtDomain *domain = params->domain;
    StartRun *run;

    if (!start_refuse(params, &refusal)) {
        done(user, refusal);
        return;
    }
    if (!domain->live)
        domain->live = vt_domain_def_copy(domain->persistent);
    run = g_new0(StartRun, 1);
    run->refs = 1;
    run->params = *params;
    run->params.incoming = g_strdup(params->incoming);
    run->domain = vt_domain_ref(domain);
    run->driver = params->driver;
    run->monitor_fd = -1;
    run->done = done;
    run->user = user;
    domain->starting = TRUE;
    domain->autodestroy = params->owner;
    vt_domain_set_data(domain, START_KEY, run, NULL);
    vt_domain_add_qmp_listener(domain, &start_listener, run);
    run->seq = vt_seq_new(&start_table, run, NULL, start_ended);
    vt_seq_run(run->seq);
}

gboolean
vt_start_cancel(VtDomain *domain, VtDoneFunc done, gpointer user)
{
    StartRun *run = vt_domain_data(domain, START_KEY);

    if (!run || run->cancelled)
        return FALSE;
    run->cancelled = done;
    run->cancelled_user = user;
    vt_seq_cancel(run->seq,
                  g_error_new(VT_ERROR, VT_ERROR_ABORTED,
                              _("the start of domain '%s' was cancelled: it was destroyed"), domain->name));
    return TRUE;
}

void
vt_start_abandon(VtDomain *domain)
{
    StartRun *run = vt_domain_data(domain, START_KEY);

    if (!run)
        return;
    vt_seq_free(g_steal_pointer(&run->seq));
    domain->starting = FALSE;
    vt_domain_set_data(domain, START_KEY, NULL, NULL);
    vt_domain_remove_qmp_listener(domain, &start_listener, run);
    start_run_unref(run);
}
