/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/call-team.h"

#include "driver/team-state.h"
#include "util/i18n.h"

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
    teams = vt_team_state_list(domain);
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
