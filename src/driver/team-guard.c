/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is watched is the interface of the host that stands for the primary: a VF's PF, the tap of an emulated NIC. The
 * kernel tells of every change of a link. A function of the host is looked at every second: when the kernel takes it
 * from a guest it first removes the driver's link from sysfs, then asks QEMU for it (VFIO's request), and waits until
 * the guest has let go; only then the function disappears.
 *
 * From the moment a loss is seen, and for as long as the guest has the primary all the same, the host feeds standby,
 * and an emulated primary shows the guest that its link is down. What a guest makes of that is its own affair. A bond
 * goes over to standby at once, both ways, and nothing has to be unplugged if the link comes back. net_failover sends
 * over standby at once, but drops what arrives there until the primary is unregistered; so it has to leave, when the
 * loss lasts. A VF's carrier is its NIC's: it follows the PF's link, unless somebody wants it up all the same
 * (ip link set PF vf N state enable), who is not overruled here.
 */
#define VT_LOG_DOMAIN "virtteam-driver-team"

#include "driver/team-guard.h"

#include <string.h>
#include "datapath/fallover.h"
#include "conf/address.h"
#include "driver/datapath.h"
#include "driver/device-leaving.h"
#include "driver/domain-private.h"
#include "driver/hostdev.h"
#include "driver/job.h"
#include "driver/team-switch.h"
#include "qemu/process.h"
#include "util/deadline.h"
#include "util/json.h"
#include "util/link-watch.h"
#include "util/log.h"
#include "util/message-id.h"
#include "util/pci.h"

#define TEAM_GUARD_KEY    "team-guard"
#define TEAM_GUARD_QMP_MS 10000

VtTeamGuardHost vt_team_guard_host = { .link_get = vt_link_get, .look_ms = 1000, .retry_ms = 2000 };

/* The driver's: one socket for all. */
typedef struct {
    VtLinkWatch *links;
    VtNetlink *netlink;  /* nullable */
    GHashTable *by_name; /* interface -> GPtrArray of GuardTeam * */
} TeamGuard;

typedef struct {
    TeamGuard *watch;
    VtDomain *domain; /* which owns it */
    char *team;
    char *transient;
    char *interface;    /* nullable */
    gboolean is_host;   /* a function of the host */
    gboolean user_down; /* an emulated NIC whose link a user has taken down */
    VtPciBdf bdf;
    VtFallover core;
    guint tick, poll;
} GuardTeam;

static void guard_tell(GuardTeam *one, VtFalloverEvent event);

/* ---- the driver's part ---- */

static void
guard_index_remove(GuardTeam *one)
{
    GPtrArray *list = one->interface ? g_hash_table_lookup(one->watch->by_name, one->interface) : NULL;

    if (list && g_ptr_array_remove(list, one) && !list->len)
        g_hash_table_remove(one->watch->by_name, one->interface);
}

static void
guard_index_add(GuardTeam *one)
{
    GPtrArray *list;

    if (!one->interface)
        return;
    list = g_hash_table_lookup(one->watch->by_name, one->interface);
    if (!list) {
        list = g_ptr_array_new();
        g_hash_table_insert(one->watch->by_name, g_strdup(one->interface), list);
    }
    g_ptr_array_add(list, one);
}

static gboolean
guard_link_works(const GuardTeam *one)
{
    VtLinkInfo info;

    if (!one->interface || !one->watch->netlink)
        return TRUE;
    return vt_team_guard_host.link_get(one->watch->netlink, one->interface, &info, NULL) && info.running;
}

static gboolean
guard_is_lost(const GuardTeam *one)
{
    return (vt_team_keep_get(one->domain, one->team) & VT_TEAM_KEEP_LOST) != 0;
}

typedef enum {
    GUARD_FUNCTION_THERE,
    GUARD_FUNCTION_UNBOUND, /* the host takes it away, or has it bound to another driver */
    GUARD_FUNCTION_GONE,
} GuardFunction;

/* A team that is on standby takes its function back from whatever driver it has then. */
static GuardFunction
guard_function(const GuardTeam *one)
{
    const VtPciHost *host = vt_hostdev_pci_host(one->domain->driver);
    VtPciInfo info;

    if (!one->is_host)
        return GUARD_FUNCTION_THERE;
    if (!vt_pci_get(host, &one->bdf, &info, NULL))
        return GUARD_FUNCTION_GONE;
    return vt_team_keep_is(one->domain, one->team) || g_str_equal(info.driver, VT_PCI_VFIO)
               ? GUARD_FUNCTION_THERE
               : GUARD_FUNCTION_UNBOUND;
}

static void
guard_look(GuardTeam *one)
{
    if (guard_function(one) != GUARD_FUNCTION_THERE)
        guard_tell(one, VT_FALLOVER_BROKEN);
    else
        guard_tell(one, guard_link_works(one) ? VT_FALLOVER_LINK_UP : VT_FALLOVER_LINK_DOWN);
}

/* What is told may end a team, or all of a guest's: the list is copied, and those that are gone are passed over. */
static void
guard_link_changed(const VtLinkInfo *info, gboolean gone, gpointer user)
{
    TeamGuard *watch = user;
    g_autoptr(GPtrArray) all = g_ptr_array_new();
    GHashTableIter iter;
    gpointer name, list;

    g_hash_table_iter_init(&iter, watch->by_name);
    while (g_hash_table_iter_next(&iter, &name, &list))
        if (!info || g_str_equal(info->name, name))
            g_ptr_array_extend(all, list, NULL, NULL);
    for (guint i = 0; i < all->len; i++) {
        GuardTeam *one = g_ptr_array_index(all, i);

        if (!info)
            guard_look(one);
        else if (gone || !info->running)
            guard_tell(one, VT_FALLOVER_LINK_DOWN);
        else if (!one->core.works)
            guard_look(one);
    }
}

static void
guard_free(gpointer data)
{
    TeamGuard *watch = data;

    vt_link_watch_free(watch->links);
    vt_netlink_free(watch->netlink);
    g_hash_table_unref(watch->by_name);
    g_free(watch);
}

static TeamGuard *
guard_get(VtDriver *driver)
{
    TeamGuard *watch = vt_driver_data(driver, TEAM_GUARD_KEY);
    g_autoptr(GError) error = NULL;

    if (watch)
        return watch;
    watch = g_new0(TeamGuard, 1);
    watch->by_name =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
    watch->netlink = vt_netlink_new(&error);
    if (watch->netlink)
        watch->links = vt_link_watch_new(guard_link_changed, watch, &error);
    if (error)
        vt_log_warning("primaries are not watched: %s", error->message);
    vt_driver_set_data(driver, TEAM_GUARD_KEY, watch, guard_free);
    return watch;
}

/* ---- one team ---- */

void
vt_team_guard_link_changed(VtDriver *driver, const VtLinkInfo *info, gboolean gone)
{
    guard_link_changed(info, gone, guard_get(driver));
}

static GPtrArray *
guard_list(const VtDomain *domain)
{
    return vt_domain_data(domain, TEAM_GUARD_KEY);
}

static GuardTeam *
guard_find(const VtDomain *domain, const char *team)
{
    GPtrArray *list = guard_list(domain);

    for (guint i = 0; list && i < list->len; i++) {
        GuardTeam *one = g_ptr_array_index(list, i);

        if (g_strcmp0(one->team, team) == 0)
            return one;
    }
    return NULL;
}

static void
guard_team_free(gpointer data)
{
    GuardTeam *one = data;

    guard_index_remove(one);
    g_clear_handle_id(&one->tick, g_source_remove);
    g_clear_handle_id(&one->poll, g_source_remove);
    g_free(one->team);
    g_free(one->transient);
    g_free(one->interface);
    g_free(one);
}

static char *
guard_why(const GuardTeam *one)
{
    char address[VT_PCI_BDF_STRING_SIZE];
    GuardFunction function = guard_function(one);

    if (function == GUARD_FUNCTION_GONE)
        return g_strdup_printf("the host has no PCI device %s any more",
                               vt_pci_bdf_format(&one->bdf, address));
    if (function == GUARD_FUNCTION_UNBOUND)
        return g_strdup_printf("the host has taken PCI device %s from " VT_PCI_VFIO,
                               vt_pci_bdf_format(&one->bdf, address));
    if (one->interface && !guard_link_works(one))
        return g_strdup_printf("the link of '%s' is down", one->interface);
    return g_strdup("it was given up by QEMU");
}

/* ---- acts ---- */

typedef struct {
    VtDomain *domain; /* with a reference */
    char *team;
    gboolean leaves;
} GuardAct;

static void
guard_report(GuardTeam *one, gboolean leaves, const GError *error)
{
    const char *name = one->domain->name;
    const char *why = vt_team_keep_why(one->domain, one->team);

    if (!error && leaves)
        vt_log_id_warning(VT_MESSAGE_TEAM_LOST, name,
                          "domain '%s', team '%s': the guest is on standby until its primary works again: %s",
                          name, one->team, why ? why : "");
    else if (!error)
        vt_log_id_info(VT_MESSAGE_TEAM_HEALED, name, "domain '%s', team '%s': the primary works again", name,
                       one->team);
    else if (leaves)
        vt_log_id_warning(
            VT_MESSAGE_TEAM_STUCK, name,
            "domain '%s', team '%s': the primary does not work, but cannot leave the guest, and this "
            "is tried again: %s",
            name, one->team, error->message);
    else
        vt_log_id_warning(
            VT_MESSAGE_TEAM_NOT_HEALED, name,
            "domain '%s', team '%s': the primary works again, but does not come back, and this is "
            "tried again: %s",
            name, one->team, error->message);
}

static void
guard_acted(gpointer user, const char *said, const GError *error)
{
    GuardAct *act = user;
    GuardTeam *one = guard_find(act->domain, act->team);

    if (one) {
        guard_report(one, act->leaves, error);
        if (act->leaves)
            guard_tell(one, error ? VT_FALLOVER_NOT_LEFT : VT_FALLOVER_LEFT);
        else
            guard_tell(one, error ? VT_FALLOVER_NOT_RETURNED : VT_FALLOVER_RETURNED);
    }
    vt_domain_unref(act->domain);
    g_free(act->team);
    g_free(act);
}

static void
guard_act(GuardTeam *one, gboolean leaves)
{
    GuardAct *act = g_new0(GuardAct, 1);
    g_autofree char *why = leaves ? guard_why(one) : NULL;
    const VtTeamSwitchParams params = {
        .team = one->team,
        .to = leaves ? VT_TEAM_SWITCH_STANDBY : VT_TEAM_SWITCH_PRIMARY,
        .bit = VT_TEAM_KEEP_LOST,
        .why = why,
    };

    act->domain = vt_domain_ref(one->domain);
    act->team = g_strdup(one->team);
    act->leaves = leaves;
    vt_team_switch(act->domain, &params, guard_acted, act);
}

/* ---- events ---- */

static gboolean
guard_tick(gpointer user)
{
    GuardTeam *one = user;

    one->tick = 0;
    guard_tell(one, VT_FALLOVER_TICK);
    return G_SOURCE_REMOVE;
}

static char *guard_interface_of(VtDomain *domain, const VtPciBdf *bdf);

/* The PF of a function that was not there when we began. */
static void
guard_find_interface(GuardTeam *one)
{
    one->interface = guard_interface_of(one->domain, &one->bdf);
    guard_index_add(one);
}

static gboolean
guard_poll(gpointer user)
{
    GuardTeam *one = user;

    if (!one->interface)
        guard_find_interface(one);
    guard_look(one);
    return G_SOURCE_CONTINUE;
}

static void
guard_set_timers(GuardTeam *one)
{
    vt_deadline_set(&one->tick, one->core.deadline_ms, guard_tick, one);
}

/* ---- a guest that has a primary which does not work ---- */

static gboolean
guard_is_bad(VtFalloverState state)
{
    return state == VT_FALLOVER_SUSPECT || state == VT_FALLOVER_LEAVING || state == VT_FALLOVER_STUCK;
}

static void
guard_set_link(const GuardTeam *one, gboolean up)
{
    VtQmpClient *qmp = one->is_host || one->user_down ? NULL : vt_domain_qmp(one->domain, NULL);

    if (qmp)
        vt_qmp_client_callv(qmp, "set_link", TEAM_GUARD_QMP_MS, NULL, NULL, "name", "s", one->transient, "up",
                            "b", up, NULL);
}

/* A job takes the primary out, or has it taken out: it leaves, well or not. */
static gboolean
guard_is_leaving_for_job(const GuardTeam *one)
{
    VtJobKind kind = vt_job_kind(one->domain);

    return kind == VT_JOB_MIGRATION_OUT || kind == VT_JOB_SAVE;
}

static void
guard_tell_sides(GuardTeam *one, VtFalloverState from)
{
    VtFalloverState now = one->core.state;

    /* Giving up asking the guest has told the host that the primary stays in use. */
    if (guard_is_bad(now) && (!guard_is_bad(from) || now == VT_FALLOVER_STUCK)) {
        vt_datapath_event(one->domain, one->team, VT_HANDOVER_PRIMARY_LOST, NULL, NULL);
        guard_set_link(one, FALSE);
    } else if (now == VT_FALLOVER_WELL && guard_is_bad(from)) {
        vt_datapath_event(one->domain, one->team, VT_HANDOVER_UNPLUG_REVOKED, NULL, NULL);
        if (guard_is_leaving_for_job(one))
            vt_datapath_event(one->domain, one->team, VT_HANDOVER_UNPLUG_PLANNED, NULL, NULL);
        guard_set_link(one, TRUE);
    }
}

static gboolean
guard_is_fed_as_lost(const GuardTeam *one)
{
    VtDatapathInfo info;

    return vt_datapath_find(one->domain, one->team, &info) && info.state == VT_HANDOVER_LOST;
}

/* A former daemon may have seen the loss, and none its end. */
static void
guard_tell_sides_first(GuardTeam *one)
{
    if (guard_is_bad(one->core.state))
        guard_tell_sides(one, VT_FALLOVER_WELL);
    else if (one->core.state == VT_FALLOVER_WELL && guard_is_fed_as_lost(one))
        guard_tell_sides(one, VT_FALLOVER_SUSPECT);
}

/* The policy may be changed while the guest runs: one that has become 'ignore' still heals what was lost. */
static gboolean
guard_is_ignored(const GuardTeam *one)
{
    const VtNetDef *net = one->domain->live ? vt_teaming_find_persistent(one->domain->live, one->team) : NULL;
    const VtTeamPolicy *policy = net ? vt_teaming_policy(one->domain->live, net) : NULL;
    VtTeamOnLinkLoss what = policy ? policy->on_link_loss : VT_TEAM_ON_LINK_LOSS_DEFAULT;

    if (what == VT_TEAM_ON_LINK_LOSS_DEFAULT)
        what = one->domain->driver->config->on_link_loss;
    return what == VT_TEAM_ON_LINK_LOSS_IGNORE;
}

static void
guard_tell(GuardTeam *one, VtFalloverEvent event)
{
    VtFalloverOutcome outcome;

    if (event == VT_FALLOVER_LINK_DOWN && !guard_is_lost(one) && guard_is_ignored(one))
        return;
    if (!vt_fallover_event(&one->core, event, g_get_monotonic_time() / 1000, &outcome))
        return;
    vt_log_debug("dom=%s team=%s primary (%s) %s -> %s (%s)", one->domain->name, one->team,
                 one->interface ? one->interface : "", vt_fallover_state_name(outcome.from),
                 vt_fallover_state_name(outcome.to), vt_fallover_event_name(event));
    guard_set_timers(one);
    guard_tell_sides(one, outcome.from);
    if (outcome.act != VT_FALLOVER_DO_NOTHING)
        guard_act(one, outcome.act == VT_FALLOVER_DO_LEAVE);
}

/* ---- a device that fails ---- */

/* The primaries that QEMU's log names; it calls a device by its address on the host. */
static char *
guard_named_in(GPtrArray *list, const char *log)
{
    GString *names = g_string_new(NULL);
    char address[VT_PCI_BDF_STRING_SIZE];

    for (guint i = 0; list && i < list->len; i++) {
        const GuardTeam *one = g_ptr_array_index(list, i);

        if (one->is_host && strstr(log, vt_pci_bdf_format(&one->bdf, address)))
            g_string_append_printf(names, "%s'%s' (team '%s', PCI device %s)", names->len ? ", " : "",
                                   one->transient, one->team, address);
    }
    if (!names->len)
        g_string_append(names, "a device");
    return g_string_free(names, FALSE);
}

typedef struct {
    VtDomain *domain; /* with a reference */
    void (*failed)(VtDomain *domain);
} GuardStop;

/* QEMU stops a guest whose device reports an error that cannot be mended (VFIO: AER); no event says why. */
static void
guard_stopped(gpointer user, JsonNode *result, const GError *error)
{
    g_autofree GuardStop *stop = user;
    g_autoptr(VtDomain) domain = stop->domain;
    g_autofree char *log = NULL, *names = NULL;

    if (error || !vt_domain_is_active(domain) ||
        g_strcmp0(vt_json_string_or(result, "status", NULL), "internal-error") != 0)
        return;
    log = domain->process ? vt_process_log_tail(domain->process) : g_strdup("");
    names = guard_named_in(guard_list(domain), log);
    vt_log_id_error(
        VT_MESSAGE_TEAM_DEVICE_ERROR, domain->name,
        "domain '%s': QEMU has stopped the guest for an error of %s, and lets it go on only after a reset "
        "('virsh reset', 'virsh resume'); what the device reported is in the log of its QEMU",
        domain->name, names);
    stop->failed(domain);
}

void
vt_team_guard_event(VtDomain *domain, const VtQmpEvent *event, void (*failed)(VtDomain *domain))
{
    GPtrArray *list = guard_list(domain);
    VtQmpClient *qmp = vt_domain_qmp(domain, NULL);
    GuardStop *stop;
    gboolean any = FALSE;

    for (guint i = 0; list && i < list->len; i++)
        any |= ((const GuardTeam *)g_ptr_array_index(list, i))->is_host;
    if (!any || !qmp || !g_str_equal(event->name, "STOP"))
        return;
    stop = g_new0(GuardStop, 1);
    stop->domain = vt_domain_ref(domain);
    stop->failed = failed;
    vt_qmp_client_call(qmp, "query-status", NULL, TEAM_GUARD_QMP_MS, guard_stopped, stop);
}

/* ---- what there is ---- */

static char *
guard_interface_of(VtDomain *domain, const VtPciBdf *bdf)
{
    const VtPciHost *host = vt_hostdev_pci_host(domain->driver);
    VtPciInfo info, pf;

    if (!vt_pci_get(host, bdf, &info, NULL) || !info.is_vf || !vt_pci_get(host, &info.pf, &pf, NULL) ||
        !pf.netdev[0])
        return NULL;
    return g_strdup(pf.netdev);
}

static void
guard_describe(GuardTeam *one, const VtTeam *team)
{
    const VtHostPci *host = NULL;

    if (team->transient_hostdev)
        host = &team->transient_hostdev->host;
    else if (vt_teaming_net_is_host(team->transient_net) && team->transient_net->has_host)
        host = &team->transient_net->host;
    one->is_host = host != NULL;
    if (host) {
        one->bdf = vt_host_pci_bdf(host);
        one->interface = guard_interface_of(one->domain, &one->bdf);
    } else if (!vt_teaming_net_is_host(team->transient_net)) {
        one->interface = g_strdup(team->transient_net->target_dev);
        one->user_down = team->transient_net->link == VT_LINK_DOWN;
    }
}

static void
guard_add(GPtrArray *list, TeamGuard *watch, VtDomain *domain, const VtTeam *team)
{
    const VtDriverConfig *config = domain->driver->config;
    VtFalloverParams params = vt_fallover_params_default;
    GuardTeam *one = g_new0(GuardTeam, 1);
    gboolean lost, works;

    one->watch = watch;
    one->domain = domain;
    one->team = g_strdup(team->persistent->info.alias);
    one->transient = g_strdup(vt_teaming_transient_info(team)->alias);
    guard_describe(one, team);
    if (config->link_down_ms)
        params.down_ms = config->link_down_ms;
    if (config->link_up_ms)
        params.up_ms = config->link_up_ms;
    params.up_max_ms = MAX(params.up_max_ms, params.up_ms);
    params.retry_ms = vt_team_guard_host.retry_ms;
    lost = guard_is_lost(one);
    works = guard_function(one) == GUARD_FUNCTION_THERE && guard_link_works(one);
    vt_fallover_init(&one->core, &params, lost, works || (!lost && guard_is_ignored(one)),
                     g_get_monotonic_time() / 1000);
    guard_index_add(one);
    g_ptr_array_add(list, one);
    guard_set_timers(one);
    if (one->is_host)
        one->poll = g_timeout_add(vt_team_guard_host.look_ms, guard_poll, one);
    guard_tell_sides_first(one);
}

/* The same primary of the same team: what is under way goes on. A function that is gone has no PF to be found by. */
static gboolean
guard_is_same(GuardTeam *one, const VtTeam *team)
{
    GuardTeam now = { .domain = one->domain };
    gboolean same;

    guard_describe(&now, team);
    same = now.is_host == one->is_host && vt_pci_bdf_equal(&now.bdf, &one->bdf) &&
           (one->is_host || g_strcmp0(now.interface, one->interface) == 0);
    one->user_down = now.user_down;
    g_free(now.interface);
    return same;
}

static const VtTeam *
guard_team_of(GPtrArray *teams, const char *name)
{
    for (guint i = 0; i < teams->len; i++) {
        const VtTeam *team = g_ptr_array_index(teams, i);

        if (g_strcmp0(team->persistent->info.alias, name) == 0)
            return team;
    }
    return NULL;
}

void
vt_team_guard_open(VtDomain *domain)
{
    g_autoptr(GPtrArray) teams = domain->live && domain->driver ? vt_teaming_teams(domain->live) : NULL;
    GPtrArray *list = guard_list(domain);

    if (!teams || !teams->len) {
        vt_team_guard_close(domain);
        return;
    }
    if (!list) {
        list = g_ptr_array_new_with_free_func(guard_team_free);
        vt_domain_set_data(domain, TEAM_GUARD_KEY, list, (GDestroyNotify)g_ptr_array_unref);
    }
    for (guint i = list->len; i > 0; i--) {
        GuardTeam *one = g_ptr_array_index(list, i - 1);
        const VtTeam *team = guard_team_of(teams, one->team);

        if (!team || !guard_is_same(one, team))
            g_ptr_array_remove_index(list, i - 1);
    }
    for (guint i = 0; i < teams->len; i++) {
        const VtTeam *team = g_ptr_array_index(teams, i);

        if (!guard_find(domain, team->persistent->info.alias))
            guard_add(list, guard_get(domain->driver), domain, team);
    }
}

void
vt_team_guard_close(VtDomain *domain)
{
    vt_domain_set_data(domain, TEAM_GUARD_KEY, NULL, NULL);
}

/* A primary of the host that nobody takes out. */
static GuardTeam *
guard_find_unasked(VtDomain *domain, const char *alias)
{
    VtTeam team;
    GuardTeam *one =
        vt_teaming_find(domain->live, alias, &team) ? guard_find(domain, team.persistent->info.alias) : NULL;

    if (!one || !one->is_host || vt_device_leaving_has(domain, alias) ||
        (vt_team_keep_get(domain, one->team) & VT_TEAM_KEEP_REASONS))
        return NULL;
    return one;
}

static void
guard_lose(GuardTeam *one)
{
    g_autofree char *why = guard_why(one);

    vt_team_keep_add(one->domain, one->team, VT_TEAM_KEEP_LOST, why);
    /* It has left already: the core asks for that, and finds it done. */
    guard_tell(one, VT_FALLOVER_BROKEN);
}

gboolean
vt_team_guard_taken(VtDomain *domain, const char *alias)
{
    GuardTeam *one = guard_find_unasked(domain, alias);

    if (!one || guard_function(one) == GUARD_FUNCTION_THERE)
        return FALSE;
    guard_lose(one);
    return TRUE;
}

gboolean
vt_team_guard_gone(VtDomain *domain, const char *alias)
{
    GuardTeam *one = guard_find_unasked(domain, alias);

    if (!one || vt_team_keep_get(domain, one->team))
        return FALSE;
    guard_lose(one);
    return TRUE;
}

const char *
vt_team_guard_state(const VtDomain *domain, const char *team)
{
    const GuardTeam *one = guard_find(domain, team);

    return one ? vt_fallover_state_name(one->core.state) : NULL;
}

const char *
vt_team_guard_interface(const VtDomain *domain, const char *team)
{
    const GuardTeam *one = guard_find(domain, team);

    return one ? one->interface : NULL;
}
