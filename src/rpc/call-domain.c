/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/call-domain.h"

#include "driver/job.h"
#include "driver/lifecycle.h"
#include "driver/query.h"

/* ---- definitions ---- */

static void
domain_defined(gpointer user, VtDomain *domain, const GError *error)
{
    VtCall *call = user;

    if (error != NULL)
        vt_call_fail(call, error);
    else
        vt_call_return_dom(call, domain);
}

static void
domain_define(VtCall *call, const char *xml, guint flags)
{
    vt_lifecycle_define(vt_call_driver(call), xml, flags, domain_defined, call);
}

void
vt_call_domain_define(VtCall *call)
{
    domain_define(call, ((const VtProtoText *)vt_call_args(call))->text, 0);
}

void
vt_call_domain_define_flags(VtCall *call)
{
    const VtProtoTextFlags *args = vt_call_args(call);

    domain_define(call, args->text, args->flags);
}

static void
domain_undefine(VtCall *call, const VtProtoDom *dom, guint flags)
{
    VtDomain *domain = vt_call_domain(call, dom);

    if (domain != NULL)
        vt_lifecycle_undefine(vt_call_driver(call), domain, flags, vt_call_done, call);
}

void
vt_call_domain_undefine(VtCall *call)
{
    domain_undefine(call, &((const VtProtoDomArg *)vt_call_args(call))->dom, 0);
}

void
vt_call_domain_undefine_flags(VtCall *call)
{
    const VtProtoDomFlags *args = vt_call_args(call);

    domain_undefine(call, &args->dom, args->flags);
}

void
vt_call_domain_set_autostart(VtCall *call)
{
    const VtProtoDomInt *args = vt_call_args(call);
    VtDomain *domain = vt_call_domain(call, &args->dom);
    GError *error = NULL;
    gboolean ok;

    if (domain == NULL)
        return;
    ok = vt_lifecycle_set_autostart(vt_call_driver(call), domain, args->value != 0, &error);
    vt_call_finish(call, ok, error);
}

static void
domain_renamed(gpointer user, const GError *error)
{
    VtCall *call = user;

    if (error != NULL)
        vt_call_fail(call, error);
    else
        vt_call_return_int(call, 0);
}

void
vt_call_domain_rename(VtCall *call)
{
    const VtProtoDomTextFlags *args = vt_call_args(call);
    VtDomain *domain = vt_call_domain(call, &args->dom);
    g_autoptr(GError) error = NULL;

    if (domain == NULL)
        return;
    if (args->flags != 0)
        vt_error_set(&error, VT_ERROR_INVALID_ARG, "unsupported flags (0x%x) of a rename", args->flags);
    else if (args->text == NULL)
        vt_error_set(&error, VT_ERROR_INVALID_ARG, "a rename needs a new name");
    if (error != NULL)
        vt_call_fail(call, error);
    else
        vt_lifecycle_rename(vt_call_driver(call), domain, args->text, domain_renamed, call);
}

void
vt_call_domain_set_metadata(VtCall *call)
{
    const VtProtoSetMetadata *args = vt_call_args(call);
    VtDomain *domain = vt_call_domain(call, &args->dom);
    const VtMetadataChange change = {
        .type = args->type,
        .text = args->metadata,
        .key = args->key,
        .uri = args->uri,
        .flags = args->flags,
    };

    if (domain != NULL)
        vt_query_set_metadata(vt_call_driver(call), domain, &change, vt_call_done, call);
}

/* ---- start: the answer carries the domain with its new id ---- */

typedef struct {
    VtCall *call;
    VtDomain *domain; /* with a reference once it is ours */
    gboolean owned;
} DomainStart;

static void
domain_start_done(gpointer user, const GError *error)
{
    g_autofree DomainStart *start = user;

    if (error != NULL)
        vt_call_fail(start->call, error);
    else
        vt_call_return_dom(start->call, start->domain);
    if (start->owned)
        vt_domain_unref(start->domain);
}

void
vt_call_domain_create(VtCall *call)
{
    const VtProtoDomArg *args = vt_call_args(call);
    VtDomain *domain = vt_call_domain(call, &args->dom);

    if (domain != NULL)
        vt_lifecycle_create(vt_call_driver(call), domain, 0, vt_call_owner(call), vt_call_done, call);
}

void
vt_call_domain_create_flags(VtCall *call)
{
    const VtProtoDomFlags *args = vt_call_args(call);
    VtDomain *domain = vt_call_domain(call, &args->dom);
    DomainStart *start;

    if (domain == NULL)
        return;
    start = g_new0(DomainStart, 1);
    *start = (DomainStart){ .call = call, .domain = vt_domain_ref(domain), .owned = TRUE };
    vt_lifecycle_create(vt_call_driver(call), domain, args->flags, vt_call_owner(call), domain_start_done,
                        start);
}

void
vt_call_domain_create_xml(VtCall *call)
{
    const VtProtoTextFlags *args = vt_call_args(call);
    DomainStart *start = g_new0(DomainStart, 1);

    start->call = call;
    vt_lifecycle_create_xml(vt_call_driver(call), args->text, args->flags, vt_call_owner(call),
                            &start->domain, domain_start_done, start);
}

/* ---- a running domain ---- */

typedef void (*DomainAct)(VtDriver *driver, VtDomain *domain, guint flags, VtDoneFunc done, gpointer user);

static void
domain_act(VtCall *call, const VtProtoDom *dom, guint flags, DomainAct act)
{
    VtDomain *domain = vt_call_domain(call, dom);

    if (domain != NULL)
        act(vt_call_driver(call), domain, flags, vt_call_done, call);
}

static void
domain_act_plain(VtCall *call, DomainAct act)
{
    domain_act(call, &((const VtProtoDomArg *)vt_call_args(call))->dom, 0, act);
}

static void
domain_act_flags(VtCall *call, DomainAct act)
{
    const VtProtoDomFlags *args = vt_call_args(call);

    domain_act(call, &args->dom, args->flags, act);
}

void
vt_call_domain_destroy(VtCall *call)
{
    domain_act_plain(call, vt_lifecycle_destroy);
}

void
vt_call_domain_destroy_flags(VtCall *call)
{
    domain_act_flags(call, vt_lifecycle_destroy);
}

void
vt_call_domain_shutdown(VtCall *call)
{
    domain_act_plain(call, vt_lifecycle_shutdown);
}

void
vt_call_domain_shutdown_flags(VtCall *call)
{
    domain_act_flags(call, vt_lifecycle_shutdown);
}

void
vt_call_domain_reboot(VtCall *call)
{
    domain_act_flags(call, vt_lifecycle_reboot);
}

void
vt_call_domain_reset(VtCall *call)
{
    domain_act_flags(call, vt_lifecycle_reset);
}

void
vt_call_domain_suspend(VtCall *call)
{
    VtDomain *domain = vt_call_domain(call, &((const VtProtoDomArg *)vt_call_args(call))->dom);

    if (domain != NULL)
        vt_lifecycle_suspend(vt_call_driver(call), domain, vt_call_done, call);
}

void
vt_call_domain_resume(VtCall *call)
{
    VtDomain *domain = vt_call_domain(call, &((const VtProtoDomArg *)vt_call_args(call))->dom);

    if (domain != NULL)
        vt_lifecycle_resume(vt_call_driver(call), domain, vt_call_done, call);
}

/* ---- jobs and the monitor ---- */

static void
domain_abort_job(VtCall *call, const VtProtoDom *dom, guint flags)
{
    VtDomain *domain = vt_call_domain(call, dom);
    GError *error = NULL;
    gboolean ok;

    if (domain == NULL)
        return;
    ok = vt_job_abort(domain, flags, &error);
    vt_call_finish(call, ok, error);
}

void
vt_call_domain_abort_job(VtCall *call)
{
    domain_abort_job(call, &((const VtProtoDomArg *)vt_call_args(call))->dom, 0);
}

void
vt_call_domain_abort_job_flags(VtCall *call)
{
    const VtProtoDomFlags *args = vt_call_args(call);

    domain_abort_job(call, &args->dom, args->flags);
}

static void
domain_monitor_done(gpointer user, const char *text, const GError *error)
{
    if (text == NULL)
        vt_call_fail(user, error);
    else
        vt_call_return_text(user, text);
}

void
vt_call_domain_monitor_command(VtCall *call)
{
    const VtProtoDomTextFlags *args = vt_call_args(call);
    VtDomain *domain = vt_call_domain(call, &args->dom);

    if (domain != NULL)
        vt_lifecycle_monitor_command(vt_call_driver(call), domain, args->text, args->flags,
                                     domain_monitor_done, call);
}
