/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A migration's calls stay in flight for as long as the driver needs; the client meanwhile sends others on the
 * same connection. Each answer goes to the socket before its done callback returns, which Finish relies on: the
 * source must not be told to give up its guest by anything but an answer that really went out.
 */
#include "rpc/call-migrate.h"

#include "driver/migrate.h"

/* Names of the parameters that version 3 has as arguments; virDomainMigrateToURI3's. */
#define CALL_MIGRATE_DEST_XML  "destination_xml"
#define CALL_MIGRATE_DEST_NAME "destination_name"
#define CALL_MIGRATE_URI       "migrate_uri"
#define CALL_MIGRATE_BANDWIDTH "bandwidth"

/* ---- answers ---- */

static void
migrate_begin_done(gpointer user, const VtMigrateReply *reply, const GError *error)
{
    VtCall *call = user;

    if (error != NULL) {
        vt_call_fail(call, error);
    } else {
        VtProtoCookieText ret = { .cookie = reply->cookie, .text = reply->text };

        vt_call_return(call, &ret);
    }
}

static void
migrate_cookie_done(gpointer user, const VtMigrateReply *reply, const GError *error)
{
    VtCall *call = user;

    if (error != NULL) {
        vt_call_fail(call, error);
    } else {
        VtProtoCookie ret = { .cookie = reply->cookie };

        vt_call_return(call, &ret);
    }
}

static void
migrate_finish_done(gpointer user, const VtMigrateReply *reply, const GError *error)
{
    VtCall *call = user;

    if (error != NULL) {
        vt_call_fail(call, error);
    } else {
        VtProtoFinishRet ret = { .dom = vt_call_dom(reply->domain), .cookie = reply->cookie };

        vt_call_return(call, &ret);
    }
}

static void
migrate_confirm_done(gpointer user, const VtMigrateReply *reply, const GError *error)
{
    vt_call_done(user, error);
}

/* ---- with parameters ---- */

void
vt_call_migrate_begin(VtCall *call)
{
    const VtProtoBeginArgs *args = vt_call_args(call);
    VtDomain *domain = vt_call_domain(call, &args->dom);

    if (domain != NULL)
        vt_migrate_begin(vt_call_driver(call), domain, args->params, args->flags, vt_call_owner(call),
                         migrate_begin_done, call);
}

void
vt_call_migrate_prepare(VtCall *call)
{
    const VtProtoPrepareArgs *args = vt_call_args(call);

    /* Begin's and Prepare's answers differ only in whether the text may be absent, which the row says. */
    vt_migrate_prepare(vt_call_driver(call), args->params, args->cookie, args->flags, vt_call_owner(call),
                       migrate_begin_done, call);
}

void
vt_call_migrate_perform(VtCall *call)
{
    const VtProtoPerformArgs *args = vt_call_args(call);
    VtDomain *domain = vt_call_domain(call, &args->dom);

    if (domain != NULL)
        vt_migrate_perform(vt_call_driver(call), domain, args->dconnuri, args->params, args->cookie,
                           args->flags, vt_call_owner(call), migrate_cookie_done, call);
}

void
vt_call_migrate_finish(VtCall *call)
{
    const VtProtoFinishArgs *args = vt_call_args(call);

    vt_migrate_finish(vt_call_driver(call), args->params, args->cookie, args->flags, args->cancelled != 0,
                      vt_call_owner(call), migrate_finish_done, call);
}

void
vt_call_migrate_confirm(VtCall *call)
{
    const VtProtoConfirmArgs *args = vt_call_args(call);
    VtDomain *domain = vt_call_domain(call, &args->dom);

    if (domain != NULL)
        vt_migrate_confirm(vt_call_driver(call), domain, args->params, args->cookie, args->flags,
                           args->cancelled != 0, vt_call_owner(call), migrate_confirm_done, call);
}

/* ---- without ---- */

static VtTypedParams *
migrate_params(const char *xml, const char *dname, const char *uri, guint64 bandwidth)
{
    VtTypedParams *params = vt_typed_params_new();

    if (xml != NULL)
        vt_typed_params_add_string(params, CALL_MIGRATE_DEST_XML, xml);
    if (dname != NULL)
        vt_typed_params_add_string(params, CALL_MIGRATE_DEST_NAME, dname);
    if (uri != NULL)
        vt_typed_params_add_string(params, CALL_MIGRATE_URI, uri);
    if (bandwidth != 0)
        vt_typed_params_add_ullong(params, CALL_MIGRATE_BANDWIDTH, bandwidth);
    return params;
}

/* Flags came as an unsigned long then; all that exist fit into 32 bits. */
static gboolean
migrate_refuse_flags(VtCall *call, guint64 flags)
{
    if (flags <= G_MAXUINT32)
        return FALSE;
    vt_call_fail_exact(call, VT_ERROR_MAP_INVALID_ARG, VT_ERROR_MAP_FROM_QEMU,
                       "invalid argument: unsupported flags (0x%" G_GINT64_MODIFIER "x) of a migration",
                       flags);
    return TRUE;
}

void
vt_call_migrate_begin3(VtCall *call)
{
    const VtProtoBegin3Args *args = vt_call_args(call);
    g_autoptr(VtTypedParams) params = migrate_params(args->xml, args->dname, NULL, args->resource);
    VtDomain *domain;

    if (migrate_refuse_flags(call, args->flags))
        return;
    domain = vt_call_domain(call, &args->dom);
    if (domain != NULL)
        vt_migrate_begin(vt_call_driver(call), domain, params, (guint)args->flags, vt_call_owner(call),
                         migrate_begin_done, call);
}

void
vt_call_migrate_prepare3(VtCall *call)
{
    const VtProtoPrepare3Args *args = vt_call_args(call);
    g_autoptr(VtTypedParams) params = migrate_params(args->xml, args->dname, args->uri, args->resource);

    if (!migrate_refuse_flags(call, args->flags))
        vt_migrate_prepare(vt_call_driver(call), params, args->cookie, (guint)args->flags,
                           vt_call_owner(call), migrate_begin_done, call);
}

void
vt_call_migrate_perform3(VtCall *call)
{
    const VtProtoPerform3Args *args = vt_call_args(call);
    g_autoptr(VtTypedParams) params = migrate_params(args->xml, args->dname, args->uri, args->resource);
    VtDomain *domain;

    if (migrate_refuse_flags(call, args->flags))
        return;
    domain = vt_call_domain(call, &args->dom);
    if (domain != NULL)
        vt_migrate_perform(vt_call_driver(call), domain, args->dconnuri, params, args->cookie,
                           (guint)args->flags, vt_call_owner(call), migrate_cookie_done, call);
}

void
vt_call_migrate_finish3(VtCall *call)
{
    const VtProtoFinish3Args *args = vt_call_args(call);
    g_autoptr(VtTypedParams) params = migrate_params(NULL, args->dname, args->uri, 0);

    if (!migrate_refuse_flags(call, args->flags))
        vt_migrate_finish(vt_call_driver(call), params, args->cookie, (guint)args->flags,
                          args->cancelled != 0, vt_call_owner(call), migrate_finish_done, call);
}

void
vt_call_migrate_confirm3(VtCall *call)
{
    const VtProtoConfirm3Args *args = vt_call_args(call);
    g_autoptr(VtTypedParams) params = vt_typed_params_new();
    VtDomain *domain;

    if (migrate_refuse_flags(call, args->flags))
        return;
    domain = vt_call_domain(call, &args->dom);
    if (domain != NULL)
        vt_migrate_confirm(vt_call_driver(call), domain, params, args->cookie, (guint)args->flags,
                           args->cancelled != 0, vt_call_owner(call), migrate_confirm_done, call);
}

/* ---- tuning ---- */

void
vt_call_migrate_set_speed(VtCall *call)
{
    const VtProtoDomUlongFlags *args = vt_call_args(call);
    VtDomain *domain = vt_call_domain(call, &args->dom);

    if (domain != NULL)
        vt_migrate_set_speed(vt_call_driver(call), domain, args->value, args->flags, vt_call_done, call);
}

void
vt_call_migrate_get_speed(VtCall *call)
{
    VtDomain *domain = vt_call_domain(call, &((const VtProtoDomFlags *)vt_call_args(call))->dom);

    if (domain != NULL)
        vt_call_return_ulong(call, vt_migrate_get_speed(vt_call_driver(call), domain));
}

void
vt_call_migrate_set_downtime(VtCall *call)
{
    const VtProtoDomUlongFlags *args = vt_call_args(call);
    VtDomain *domain = vt_call_domain(call, &args->dom);

    if (domain != NULL)
        vt_migrate_set_downtime(vt_call_driver(call), domain, args->value, args->flags, vt_call_done, call);
}

void
vt_call_migrate_get_downtime(VtCall *call)
{
    VtDomain *domain = vt_call_domain(call, &((const VtProtoDomFlags *)vt_call_args(call))->dom);

    if (domain == NULL)
        return;
    if (!vt_domain_is_active(domain)) {
        g_autoptr(GError) error =
            g_error_new_literal(VT_ERROR, VT_ERROR_OPERATION_INVALID, "domain is not running");

        vt_call_fail(call, error);
        return;
    }
    vt_call_return_ulong(call, vt_migrate_get_downtime(vt_call_driver(call), domain));
}
