/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames of a series are sent a few milliseconds apart, from each sender in turn; every port is listened to all the
 * time, so a frame is known to have arrived at any number of them. Both VFs' interfaces are moved to a network
 * namespace of its own: nothing on the host configures them, answers for them, or sends from them.
 */
#include "datapath/probe.h"

#include "datapath/probe-port.h"
#include "util/i18n.h"
#include "util/link.h"

#include <string.h>

#define PROBE_SHOTS        30
#define PROBE_SHOTS_CHANGE 100 /* half a second: filters that need longer are as good as none */
#define PROBE_SHOTS_MAX    1000
#define PROBE_INTERVAL_US  5000
#define PROBE_REST_US      100000 /* after the last frame of a series */
#define PROBE_UP_MS        15000
#define PROBE_RESET_MS     10000
#define PROBE_TRIES        30
#define PROBE_FLOWS_MAX    4

enum {
    PROBE_PORT_PF,
    PROBE_PORT_VF,
    PROBE_PORT_SIBLING,
    PROBE_PORT_WIRE,
    PROBE_PORTS
}; /* bits of VtProbeAt */

typedef struct {
    const VtProbeSpec *spec;
    VtProbeResult *result;
    guint64 run;
    guint16 series;
    VtNetlink *netlink; /* of our namespace */
    VtFd space;         /* of the VFs' */
    VtNetlink *inside;
    VtProbePort *ports[PROBE_PORTS];
    VtMac macs[PROBE_PORTS];
    gint64 changed_at;
} Probe;

/* One sender of a series. */
typedef struct {
    int port;
    VtMac to, source;
    VtProbeCell *cell; /* where the judgement goes */
} ProbeFlow;

/* A series while its frames arrive. */
typedef struct {
    const Probe *probe;
    guint n_flows, n_shots;
    VtProbeShot *shots[PROBE_FLOWS_MAX];
    guint bit; /* of the port that is being drained */
} ProbeSeries;

static const VtMac probe_broadcast = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
static const VtMac probe_no_mac = { { 0 } };

/* ---- series ---- */

static void
probe_arrived(const VtProbeTag *tag, gpointer user)
{
    ProbeSeries *series = user;

    if (tag->series == series->probe->series && tag->from < series->n_flows && tag->number < series->n_shots)
        series->shots[tag->from][tag->number].at |= series->bit;
}

static void
probe_listen(ProbeSeries *series)
{
    for (guint i = 0; i < PROBE_PORTS; i++) {
        series->bit = 1u << i;
        vt_probe_port_drain(series->probe->ports[i], probe_arrived, series);
    }
}

static guint
probe_listening(const Probe *probe, int but)
{
    guint bits = 0;

    for (int i = 0; i < PROBE_PORTS; i++)
        if (probe->ports[i] && i != but)
            bits |= 1u << i;
    return bits;
}

static gboolean
probe_check_stopped(const Probe *probe, GError **error)
{
    if (probe->spec->stopped && probe->spec->stopped(probe->spec->user))
        return vt_error_set(error, VT_ERROR_ABORTED, _("The probe was interrupted."));
    return TRUE;
}

/* One frame of each flow. */
static void
probe_shoot(Probe *probe, const ProbeFlow *flows, ProbeSeries *series, guint number, guint *sent)
{
    for (guint flow = 0; flow < series->n_flows; flow++) {
        VtProbeTag tag = {
            .run = probe->run, .series = probe->series, .from = (guint16)flow, .number = number
        };

        series->shots[flow][number].after_us = g_get_monotonic_time() - probe->changed_at;
        if (vt_probe_port_send(probe->ports[flows[flow].port], &flows[flow].to, &flows[flow].source, &tag))
            sent[flow]++;
    }
}

static gboolean
probe_fire(Probe *probe, const ProbeFlow *flows, guint n_flows, gboolean change, GError **error)
{
    const VtProbeSpec *spec = probe->spec;
    guint n = spec->shots ? spec->shots : change ? PROBE_SHOTS_CHANGE : PROBE_SHOTS;
    ProbeSeries series = { .probe = probe, .n_flows = n_flows, .n_shots = MIN(n, PROBE_SHOTS_MAX) };
    g_autofree VtProbeShot *shots = g_new0(VtProbeShot, (gsize)n_flows * series.n_shots);
    guint sent[PROBE_FLOWS_MAX] = { 0 };

    probe->series++;
    for (guint flow = 0; flow < n_flows; flow++)
        series.shots[flow] = shots + (gsize)flow * series.n_shots;
    for (guint number = 0; number < series.n_shots; number++) {
        if (!probe_check_stopped(probe, error))
            return FALSE;
        probe_shoot(probe, flows, &series, number, sent);
        g_usleep(spec->interval_us ? spec->interval_us : PROBE_INTERVAL_US);
        probe_listen(&series);
    }
    g_usleep(spec->rest_us ? spec->rest_us : PROBE_REST_US);
    probe_listen(&series);
    for (guint flow = 0; flow < n_flows; flow++)
        vt_probe_plan_judge(series.shots[flow], sent[flow] ? series.n_shots : 0,
                            probe_listening(probe, flows[flow].port), flows[flow].cell);
    return TRUE;
}

/* ---- the stages' questions ---- */

static gboolean
probe_ask_who(Probe *probe, VtProbeStage stage, gboolean self, GError **error)
{
    VtProbeCell *cells = probe->result->cells[stage][self ? 1 : 0];
    const VtMac *guest = &probe->spec->guest;
    const ProbeFlow flows[] = {
        { PROBE_PORT_WIRE, *guest, probe->macs[PROBE_PORT_WIRE], &cells[VT_PROBE_FROM_WIRE] },
        { PROBE_PORT_SIBLING, *guest, probe->macs[PROBE_PORT_SIBLING], &cells[VT_PROBE_FROM_SIBLING] },
        { PROBE_PORT_PF, *guest, probe->macs[PROBE_PORT_PF], &cells[VT_PROBE_FROM_PF] },
    };

    return probe_fire(probe, flows, G_N_ELEMENTS(flows), !self, error);
}

static gboolean
probe_with_self(Probe *probe, const VtMac *mac, gboolean on, GError **error)
{
    const VtProbeNic *nic = &probe->spec->nic;
    g_autoptr(GError) inner = NULL;

    if (nic->funcs->set_self(nic->state, mac, on, &inner)) {
        probe->changed_at = g_get_monotonic_time();
        return TRUE;
    }
    if (!on) { /* what is there and does not go away would spoil the rest */
        g_propagate_error(error, g_steal_pointer(&inner));
        return FALSE;
    }
    probe->result->no_self = TRUE;
    return TRUE;
}

static gboolean
probe_ask_stage(Probe *probe, VtProbeStage stage, GError **error)
{
    const VtMac *guest = &probe->spec->guest;

    if (!probe_ask_who(probe, stage, FALSE, error))
        return FALSE;
    if (probe->result->no_self)
        return TRUE;
    if (!probe_with_self(probe, guest, TRUE, error))
        return FALSE;
    return probe->result->no_self ||
           (probe_ask_who(probe, stage, TRUE, error) && probe_with_self(probe, guest, FALSE, error));
}

static gboolean
probe_ask_pf_as_guest(Probe *probe, VtProbeAsk ask, GError **error)
{
    const ProbeFlow flow = { PROBE_PORT_PF, probe_broadcast, probe->spec->guest, &probe->result->asks[ask] };

    return probe_fire(probe, &flow, 1, FALSE, error);
}

static gboolean
probe_ask_vf(Probe *probe, GError **error)
{
    const VtProbeSpec *spec = probe->spec;
    VtProbeCell *asks = probe->result->asks;
    const ProbeFlow flows[] = {
        { PROBE_PORT_VF, probe_broadcast, spec->guest, &asks[VT_PROBE_ASK_VF_BROADCAST] },
        { PROBE_PORT_VF, probe_broadcast, spec->other, &asks[VT_PROBE_ASK_VF_AS_OTHER] },
        { PROBE_PORT_VF, spec->behind, spec->guest, &asks[VT_PROBE_ASK_VF_TO_BRIDGE] },
    };
    const ProbeFlow again = { PROBE_PORT_VF, spec->behind, spec->guest,
                              &asks[VT_PROBE_ASK_VF_TO_BRIDGE_SELF] };

    if (!probe->result->driver_up)
        return TRUE;
    if (!probe_fire(probe, flows, G_N_ELEMENTS(flows), FALSE, error))
        return FALSE;
    if (probe->result->no_self)
        return TRUE;
    return probe_with_self(probe, &spec->behind, TRUE, error) &&
           (probe->result->no_self || (probe_fire(probe, &again, 1, FALSE, error) &&
                                       probe_with_self(probe, &spec->behind, FALSE, error)));
}

/* ---- what the VFs are like ---- */

static void
probe_tell(const Probe *probe, const char *what)
{
    if (probe->spec->tell)
        probe->spec->tell(what, probe->spec->user);
}

static gboolean
probe_set_mac(Probe *probe, guint vf, const VtMac *mac, GError **error)
{
    const VtProbeNic *nic = &probe->spec->nic;

    if (!nic->funcs->set_mac(nic->state, vf, mac, PROBE_TRIES, error))
        return FALSE;
    probe->changed_at = g_get_monotonic_time();
    return TRUE;
}

/* Waits for the carrier; FALSE with @error only when it makes no sense to go on. */
static gboolean
probe_await_carrier(Probe *probe, int ifindex, VtLinkInfo *link, GError **error)
{
    guint limit_ms = probe->spec->up_timeout_ms ? probe->spec->up_timeout_ms : PROBE_UP_MS;
    gint64 deadline = g_get_monotonic_time() + (gint64)limit_ms * 1000;

    do {
        if (!probe_check_stopped(probe, error) || !vt_link_get_by_index(probe->inside, ifindex, link, error))
            return FALSE;
        if (link->running)
            return TRUE;
        g_usleep(10000);
    } while (g_get_monotonic_time() < deadline);
    return TRUE;
}

/* The driver takes the VF, and its interface comes up in the namespace. */
static gboolean
probe_drive(Probe *probe, guint vf, int port, VtLinkInfo *link, GError **error)
{
    const VtProbeNic *nic = &probe->spec->nic;
    int ifindex = nic->funcs->drive(nic->state, vf, error);

    if (!ifindex || !vt_probe_port_move(probe->netlink, ifindex, probe->space, error) ||
        !vt_link_get_by_index(probe->inside, ifindex, link, error) ||
        !vt_link_set_up(probe->inside, link->name, TRUE, error) ||
        !probe_await_carrier(probe, ifindex, link, error))
        return FALSE;
    probe->ports[port] = vt_probe_port_open(probe->space, ifindex, FALSE, probe->run, error);
    probe->macs[port] = link->mac;
    probe->changed_at = g_get_monotonic_time();
    return probe->ports[port] != NULL;
}

static gboolean
probe_undrive(Probe *probe, guint vf, int port, GError **error)
{
    const VtProbeNic *nic = &probe->spec->nic;

    vt_probe_port_free(g_steal_pointer(&probe->ports[port]));
    if (!nic->funcs->undrive(nic->state, vf, error))
        return FALSE;
    probe->changed_at = g_get_monotonic_time();
    return TRUE;
}

/* The tested VF has had a driver; one that never had any may be treated differently. */
static gboolean
probe_stage_before(Probe *probe, GError **error)
{
    const VtProbeSpec *spec = probe->spec;
    VtLinkInfo link;

    if (!probe_undrive(probe, spec->vf, PROBE_PORT_VF, error) ||
        !probe_drive(probe, spec->vf, PROBE_PORT_VF, &link, error) ||
        !probe_undrive(probe, spec->vf, PROBE_PORT_VF, error))
        return FALSE;
    if (spec->sibling < 0)
        return TRUE;
    return probe_undrive(probe, (guint)spec->sibling, PROBE_PORT_SIBLING, error) &&
           probe_set_mac(probe, (guint)spec->sibling, &spec->brother, error) &&
           probe_drive(probe, (guint)spec->sibling, PROBE_PORT_SIBLING, &link, error);
}

typedef struct {
    const VtProbeSpec *spec;
    int ended; /* atomic */
} ProbeReset;

static gpointer
probe_reset_thread(gpointer data)
{
    ProbeReset *reset = data;
    const VtProbeNic *nic = &reset->spec->nic;
    gboolean done = nic->funcs->reset(nic->state, reset->spec->vf, NULL);

    g_atomic_int_set(&reset->ended, TRUE);
    return GINT_TO_POINTER(done);
}

/* Setting the MAC again and again while the VF is in reset; it must stand there in the end. */
static gboolean
probe_stage_reset(Probe *probe, GError **error)
{
    const VtProbeSpec *spec = probe->spec;
    const VtProbeNicFuncs *funcs = spec->nic.funcs;
    VtProbeReset *out = &probe->result->reset;
    ProbeReset reset = { .spec = spec };
    gint64 begun = g_get_monotonic_time();
    GThread *thread;
    VtMac now;

    if (!funcs->reset)
        return TRUE;
    thread = g_thread_new("probe-reset", probe_reset_thread, &reset);
    do {
        out->tries++;
        if (!funcs->set_mac(spec->nic.state, spec->vf, &spec->guest, 1, NULL))
            out->refused++;
        g_usleep(PROBE_INTERVAL_US);
    } while (!g_atomic_int_get(&reset.ended) && g_get_monotonic_time() - begun < PROBE_RESET_MS * 1000);
    out->asked = GPOINTER_TO_INT(g_thread_join(thread)) != 0;
    out->took_ms = (guint)((g_get_monotonic_time() - begun) / 1000);
    if (!funcs->get_mac(spec->nic.state, spec->vf, &now, error))
        return FALSE;
    out->kept = vt_mac_equal(&now, &spec->guest);
    return probe_set_mac(probe, spec->vf, &spec->guest, error);
}

static gboolean
probe_stage_mac_set(Probe *probe, GError **error)
{
    return probe_set_mac(probe, probe->spec->vf, &probe->spec->guest, error);
}

static gboolean
probe_stage_driver_up(Probe *probe, GError **error)
{
    gint64 begun = g_get_monotonic_time();
    VtLinkInfo link;

    if (!probe_drive(probe, probe->spec->vf, PROBE_PORT_VF, &link, error))
        return FALSE;
    probe->result->driver_up_us = g_get_monotonic_time() - begun;
    probe->result->driver_up = link.running;
    probe->result->driver_mac = vt_mac_equal(&link.mac, &probe->spec->guest);
    return TRUE;
}

static gboolean
probe_stage_driver_gone(Probe *probe, GError **error)
{
    return probe_undrive(probe, probe->spec->vf, PROBE_PORT_VF, error);
}

static gboolean
probe_stage_mac_zeroed(Probe *probe, GError **error)
{
    g_autoptr(GError) inner = NULL;

    probe->result->no_zero = !probe_set_mac(probe, probe->spec->vf, &probe_no_mac, &inner);
    return TRUE;
}

/* ---- the whole ---- */

static const struct {
    const char *tell;
    gboolean (*enter)(Probe *probe, GError **error);
} probe_stages[] = {
    [VT_PROBE_STAGE_BEFORE] = { N_("sending to a MAC that nobody has"), probe_stage_before },
    [VT_PROBE_STAGE_MAC_SET] = { N_("the VF gets the MAC"), probe_stage_mac_set },
    [VT_PROBE_STAGE_RESET] = { N_("the VF is reset"), probe_stage_reset },
    [VT_PROBE_STAGE_DRIVER_UP] = { N_("a driver gets the VF"), probe_stage_driver_up },
    [VT_PROBE_STAGE_DRIVER_GONE] = { N_("the driver goes away"), probe_stage_driver_gone },
    [VT_PROBE_STAGE_MAC_ZEROED] = { N_("the MAC is taken away"), probe_stage_mac_zeroed },
};
G_STATIC_ASSERT(G_N_ELEMENTS(probe_stages) == VT_PROBE_STAGE_COUNT);

static gboolean
probe_stage(Probe *probe, VtProbeStage stage, GError **error)
{
    probe_tell(probe, _(probe_stages[stage].tell));
    if (!probe_check_stopped(probe, error) || !probe_stages[stage].enter(probe, error))
        return FALSE;
    if ((stage == VT_PROBE_STAGE_MAC_ZEROED && probe->result->no_zero) ||
        (stage == VT_PROBE_STAGE_RESET && !probe->result->reset.asked))
        return TRUE;
    if (!probe_ask_stage(probe, stage, error))
        return FALSE;
    if (stage == VT_PROBE_STAGE_MAC_SET)
        return probe_ask_pf_as_guest(probe, VT_PROBE_ASK_PF_AS_GUEST, error);
    if (stage == VT_PROBE_STAGE_DRIVER_UP)
        return probe_ask_pf_as_guest(probe, VT_PROBE_ASK_PF_AS_GUEST_UP, error) && probe_ask_vf(probe, error);
    return TRUE;
}

static gboolean
probe_open_port(Probe *probe, int port, int space, int ifindex, GError **error)
{
    g_autoptr(VtNetlink) netlink = vt_probe_port_netlink(space, error);
    VtLinkInfo link;

    if (!netlink || !vt_link_get_by_index(netlink, ifindex, &link, error))
        return FALSE;
    probe->macs[port] = link.mac;
    probe->ports[port] = vt_probe_port_open(space, ifindex, TRUE, probe->run, error);
    return probe->ports[port] != NULL;
}

static gboolean
probe_open(Probe *probe, GError **error)
{
    const VtProbeSpec *spec = probe->spec;

    probe->space = vt_probe_port_space(error);
    if (probe->space < 0)
        return FALSE;
    probe->inside = vt_probe_port_netlink(probe->space, error);
    if (!probe->inside)
        return FALSE;
    probe->netlink = vt_netlink_new(error);
    return probe->netlink &&
           probe_open_port(probe, PROBE_PORT_PF, spec->pf_space > 0 ? spec->pf_space : -1, spec->pf, error) &&
           (!spec->wire || probe_open_port(probe, PROBE_PORT_WIRE, -1, spec->wire, error));
}

static void
probe_close(Probe *probe)
{
    const VtProbeSpec *spec = probe->spec;

    for (guint i = 0; i < PROBE_PORTS; i++)
        vt_probe_port_free(g_steal_pointer(&probe->ports[i]));
    if (probe->netlink) { /* else no VF was touched */
        spec->nic.funcs->undrive(spec->nic.state, spec->vf, NULL);
        if (spec->sibling >= 0)
            spec->nic.funcs->undrive(spec->nic.state, (guint)spec->sibling, NULL);
    }
    vt_netlink_free(probe->netlink);
    vt_netlink_free(probe->inside);
    vt_fd_clear(&probe->space);
}

gboolean
vt_probe_measure(const VtProbeSpec *spec, VtProbeResult *result, GError **error)
{
    VtProbeResult seen = { .no_self = FALSE };
    Probe probe = { .spec = spec, .result = &seen, .space = -1 };
    gboolean ok;

    probe.run = (guint64)g_random_int() << 32 | g_random_int();
    ok = probe_open(&probe, error);
    for (int stage = 0; ok && stage < VT_PROBE_STAGE_COUNT; stage++)
        ok = probe_stage(&probe, (VtProbeStage)stage, error);
    probe_close(&probe);
    if (ok)
        *result = seen;
    return ok;
}
