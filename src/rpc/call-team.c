/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/call-team.h"

#include "driver/team-info.h"
#include "driver/team-state.h"
#include "driver/team-switch.h"
#include "util/i18n.h"

#define CALL_TEAM_TIMEOUT_MAX_S 86400u

static VtProtoTeam
call_team_wire(const VtTeamInfo *info)
{
    return (VtProtoTeam){
        .name = info->name,
        .transient = info->transient,
        .mac = info->mac,
        .orchestration = (char *)info->orchestration,
        .standby = (char *)info->standby,
        .primary = (char *)info->primary,
        .active = (char *)info->active,
        .state = (char *)info->state,
        .feed = (char *)info->feed,
        .backend = info->backend,
        .why = info->why,
        .error = info->error,
        .standby_host = info->standby_host,
        .primary_host = info->primary_host,
        .kept = (char *)info->kept,
        .kept_since = info->kept_since,
        .kept_why = info->kept_why,
        .watch = info->watch,
        .settings = info->settings,
    };
}

/* The guest may have ended while QEMU was asked: the domain is looked up again. */
static void
call_team_asked(gpointer user, const GError *nothing)
{
    VtCall *call = user;
    const VtProtoDomArg *args = vt_call_args(call);
    VtDomain *domain = vt_call_domain(call, &args->dom);
    g_autoptr(GPtrArray) teams = NULL;
    g_autofree VtProtoTeam *items = NULL;
    VtProtoItems ret = { .items = { .n = 0 } };

    if (domain == NULL)
        return;
    teams = vt_team_info_list(domain);
    items = g_new0(VtProtoTeam, teams->len + 1);
    for (guint i = 0; i < teams->len; i++)
        items[i] = call_team_wire(g_ptr_array_index(teams, i));
    ret.items.n = MIN(teams->len, VT_PROTO_TEAM_LIST_MAX);
    ret.items.items = items;
    vt_call_return(call, &ret);
}

void
vt_call_team_list(VtCall *call)
{
    const VtProtoDomArg *args = vt_call_args(call);
    VtDomain *domain = vt_call_domain(call, &args->dom);

    if (domain == NULL)
        return;
    if (vt_domain_is_active(domain)) {
        vt_team_state_ask(domain, call_team_asked, call);
    } else {
        g_autoptr(GError) error = NULL;

        vt_error_set(&error, VT_ERROR_OPERATION_INVALID,
                     _("domain '%s' is not running: its teams have a state only while it runs"),
                     vt_domain_name(domain));
        vt_call_fail(call, error);
    }
}

static void
call_team_switched(gpointer user, const char *said, const GError *error)
{
    if (error)
        vt_call_fail(user, error);
    else
        vt_call_return_text(user, said);
}

void
vt_call_team_switch(VtCall *call)
{
    const VtProtoTeamSwitchArgs *args = vt_call_args(call);
    VtDomain *domain = vt_call_domain(call, &args->dom);
    g_autoptr(GError) error = NULL;
    const VtTeamSwitchParams params = {
        .team = args->team,
        .to = (VtTeamSwitchTo)args->to,
        .bit = VT_TEAM_KEEP_USER,
        .timeout_ms = MIN(args->timeout_s, CALL_TEAM_TIMEOUT_MAX_S) * 1000,
    };

    if (domain == NULL)
        return;
    if (args->to > VT_TEAM_SWITCH_PRIMARY || args->flags != 0) {
        vt_error_set(
            &error, VT_ERROR_INVALID_ARG,
            _("a team is switched to standby (0) or to its primary (1), without flags; not to %u with %u"),
            args->to, args->flags);
        vt_call_fail(call, error);
        return;
    }
    vt_team_switch(domain, &params, call_team_switched, call);
}
