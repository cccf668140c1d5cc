/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define VT_LOG_DOMAIN "virtteam-driver-stop"

#include "driver/stop.h"
#include <errno.h>
#include <glib/gstdio.h>
#include "driver/datapath.h"
#include "driver/domain-list.h"
#include "driver/domain-private.h"
#include "driver/event.h"
#include "driver/host-port.h"
#include "driver/hostdev.h"
#include "driver/net-port.h"
#include "driver/run-files.h"
#include "driver/store.h"
#include "driver/team-enforce.h"
#include "driver/team-keep.h"
#include "driver/team-state.h"
#include "driver/team-guard.h"
#include "util/i18n.h"
#include "util/log.h"

#define STOP_KEY         "stop"
#define STOP_GRACE_MS    10000
#define STOP_KILL_MS     30000 /* how long SIGKILL may take: a VFIO guest gives back its memory first */
#define STOP_DATAPATH_MS 60000
#define STOP_HOSTDEVS_MS 180000
#define STOP_PORTS_MS    60000
#define STOP_EVENT       5 /* VIR_DOMAIN_EVENT_STOPPED */

typedef struct {
    VtDoneFunc done;
    gpointer user;
} StopWaiter;

typedef struct {
    guint refs;
    VtStopParams params; /* domain with a reference */
    VtSeq *seq;          /* NULL: over */
    GArray *waiters;     /* of StopWaiter */
} StopRun;

static void
stop_run_unref(gpointer data)
{
    StopRun *run = data;

    if (--run->refs > 0)
        return;
    vt_domain_unref(run->params.domain);
    g_array_unref(run->waiters);
    g_free(run);
}

static VtSeqAct *
stop_act(StopRun *run)
{
    run->refs++;
    return vt_seq_act_new(run->seq, run, stop_run_unref);
}

/* ---- steps ---- */

/* A QEMU that SIGKILL does not end (it hangs in the kernel) is still there: so is the domain, for another try. */
static gboolean
stop_is_stuck(const StopRun *run)
{
    return run->params.domain->process && !run->params.domain->qemu_gone;
}

static VtStepResult
stop_kill_qemu(VtSeq *seq, gpointer data, GError **error)
{
    StopRun *run = data;
    VtDomain *domain = run->params.domain;

    if (!domain->process || domain->qemu_gone)
        return VT_STEP_DONE;
    vt_process_kill(domain->process, run->params.grace_ms ? run->params.grace_ms : STOP_GRACE_MS,
                    vt_seq_act_done, stop_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
stop_close_datapath(VtSeq *seq, gpointer data, GError **error)
{
    StopRun *run = data;

    vt_team_enforce_close(run->params.domain);
    vt_team_guard_close(run->params.domain);
    vt_team_state_close(run->params.domain);
    vt_datapath_close(run->params.domain, vt_seq_act_done, stop_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
stop_give_back_hostdevs(VtSeq *seq, gpointer data, GError **error)
{
    StopRun *run = data;

    if (stop_is_stuck(run))
        return VT_STEP_DONE;
    vt_hostdev_give_back(run->params.driver, &run->params.domain->uuid, vt_seq_act_done, stop_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
stop_remove_ports(VtSeq *seq, gpointer data, GError **error)
{
    StopRun *run = data;

    if (stop_is_stuck(run))
        return VT_STEP_DONE;
    vt_host_port_remove(run->params.domain, NULL, vt_seq_act_done, stop_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
stop_return_ports(VtSeq *seq, gpointer data, GError **error)
{
    StopRun *run = data;

    if (stop_is_stuck(run))
        return VT_STEP_DONE;
    vt_net_port_release(run->params.driver, &run->params.domain->uuid, vt_seq_act_done, stop_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
stop_let_go(VtSeq *seq, gpointer data, GError **error)
{
    StopRun *run = data;

    if (stop_is_stuck(run))
        return VT_STEP_DONE;
    g_clear_pointer(&run->params.domain->process, vt_process_free);
    return VT_STEP_DONE;
}

static VtStepResult
stop_remove_files(VtSeq *seq, gpointer data, GError **error)
{
    StopRun *run = data;

    if (stop_is_stuck(run))
        return VT_STEP_DONE;
    return vt_run_files_remove(run->params.driver, run->params.domain, error) ? VT_STEP_DONE : VT_STEP_FAILED;
}

static VtStepResult
stop_remove_status(VtSeq *seq, gpointer data, GError **error)
{
    StopRun *run = data;

    if (stop_is_stuck(run))
        return VT_STEP_DONE;
    vt_store_status_remove(run->params.driver, run->params.domain);
    return VT_STEP_DONE;
}

static VtStepResult
stop_set_state(VtSeq *seq, gpointer data, GError **error)
{
    StopRun *run = data;

    if (stop_is_stuck(run))
        return VT_STEP_DONE;
    vt_team_keep_forget(run->params.domain);
    vt_domain_end_run(run->params.domain, (int)run->params.reason);
    return VT_STEP_DONE;
}

static VtStepResult
stop_tell(VtSeq *seq, gpointer data, GError **error)
{
    StopRun *run = data;

    if (stop_is_stuck(run))
        return VT_STEP_DONE;
    if (run->params.detail >= 0)
        vt_event_lifecycle(run->params.driver, run->params.domain, STOP_EVENT, run->params.detail);
    return VT_STEP_DONE;
}

static VtStepResult
stop_prune(VtSeq *seq, gpointer data, GError **error)
{
    StopRun *run = data;

    if (stop_is_stuck(run))
        return VT_STEP_DONE;
    vt_domain_list_prune(run->params.driver, run->params.domain);
    return VT_STEP_DONE;
}

static const VtStep stop_steps[] = {
    { .name = "kill-qemu",
      .waits_for = "the QEMU process has gone",
      .start = stop_kill_qemu,
      .timeout_ms = STOP_GRACE_MS + STOP_KILL_MS },
    { .name = "let-go", .start = stop_let_go },
    { .name = "close-datapath",
      .waits_for = "the host has forgotten the guest's legs",
      .start = stop_close_datapath,
      .timeout_ms = STOP_DATAPATH_MS },
    { .name = "remove-ports",
      .waits_for = "macvtaps and ports of Open vSwitch are gone",
      .start = stop_remove_ports,
      .timeout_ms = STOP_PORTS_MS },
    { .name = "give-back-hostdevs",
      .waits_for = "host devices are what they were before the guest",
      .start = stop_give_back_hostdevs,
      .timeout_ms = STOP_HOSTDEVS_MS },
    { .name = "return-ports",
      .waits_for = "the network daemon has taken back the guest's ports, or does not answer",
      .start = stop_return_ports,
      .timeout_ms = STOP_PORTS_MS },
    { .name = "remove-files", .start = stop_remove_files },
    { .name = "remove-status", .start = stop_remove_status },
    { .name = "set-state", .start = stop_set_state },
    { .name = "tell", .start = stop_tell },
    { .name = "prune", .start = stop_prune },
};

static const VtSeqTable stop_table = {
    .name = "stop",
    .steps = stop_steps,
    .n_steps = G_N_ELEMENTS(stop_steps),
    .keep_going = TRUE,
};

const VtSeqTable *
vt_stop_table(void)
{
    return &stop_table;
}

/* ---- running it ---- */

static void
stop_ended(VtSeq *seq, gpointer data, const GError *error)
{
    StopRun *run = data;
    VtDomain *domain = run->params.domain;
    g_autoptr(GArray) waiters = g_array_ref(run->waiters);

    run->seq = NULL;
    domain->stopping = FALSE;
    if (error && waiters->len == 0)
        vt_log_warning("stop of domain '%s': %s", domain->name, error->message);
    vt_domain_set_data(domain, STOP_KEY, NULL, NULL);
    for (guint i = 0; i < waiters->len; i++) {
        StopWaiter *waiter = &g_array_index(waiters, StopWaiter, i);

        waiter->done(waiter->user, error);
    }
    stop_run_unref(run);
}

static void
stop_add_waiter(StopRun *run, VtDoneFunc done, gpointer user)
{
    StopWaiter waiter = { .done = done, .user = user };

    if (done)
        g_array_append_val(run->waiters, waiter);
}

void
vt_stop_run(const VtStopParams *params, VtDoneFunc done, gpointer user)
{
    VtDomain *domain = params->domain;
    StopRun *run = vt_domain_data(domain, STOP_KEY);

    if (run) {
        stop_add_waiter(run, done, user);
        return;
    }
    if (!vt_domain_is_active(domain)) {
        if (done)
            done(user, NULL);
        return;
    }
    run = g_new0(StopRun, 1);
    run->refs = 1;
    run->params = *params;
    vt_domain_ref(domain);
    run->waiters = g_array_new(FALSE, FALSE, sizeof(StopWaiter));
    stop_add_waiter(run, done, user);
    domain->stopping = TRUE;
    vt_domain_set_data(domain, STOP_KEY, run, NULL);
    run->seq = vt_seq_new(&stop_table, run, NULL, stop_ended);
    vt_seq_run(run->seq);
}

void
vt_stop_abandon(VtDomain *domain)
{
    StopRun *run = vt_domain_data(domain, STOP_KEY);

    if (!run)
        return;
    vt_seq_free(g_steal_pointer(&run->seq));
    domain->stopping = FALSE;
    vt_domain_set_data(domain, STOP_KEY, NULL, NULL);
    stop_run_unref(run);
}
