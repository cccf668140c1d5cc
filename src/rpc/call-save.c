/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/call-save.h"

#include "driver/restore.h"
#include "driver/save.h"

/* virDomainSaveImageXMLFlags */
#define CALL_SAVE_XML_SECURE 1u

/* VIR_DOMAIN_SAVE_PARAM_*: the same for both directions */
#define CALL_SAVE_PARAM_FILE "file"
#define CALL_SAVE_PARAM_XML  "dxml"

static const VtParamSpec call_save_params[] = {
    { .field = CALL_SAVE_PARAM_FILE, .type = VT_PARAM_STRING },
    { .field = CALL_SAVE_PARAM_XML, .type = VT_PARAM_STRING },
};

/* ---- save ---- */

/* @path NULL: the managed image. */
static void
save_run(VtCall *call, const VtProtoDom *dom, const char *path, const char *xml, guint flags)
{
    VtDomain *domain = vt_call_domain(call, dom);
    const VtSaveParams params = {
        .driver = vt_call_driver(call), .domain = domain, .path = path, .xml = xml, .flags = flags
    };

    if (domain != NULL)
        vt_save_run(&params, vt_call_done, call);
}

void
vt_call_save(VtCall *call)
{
    const VtProtoDomText *args = vt_call_args(call);

    save_run(call, &args->dom, args->text, NULL, 0);
}

void
vt_call_save_flags(VtCall *call)
{
    const VtProtoSaveFlags *args = vt_call_args(call);

    save_run(call, &args->dom, args->path, args->xml, args->flags);
}

void
vt_call_save_params(VtCall *call)
{
    const VtProtoDomParamsFlags *args = vt_call_args(call);
    g_autoptr(GError) error = NULL;

    if (!vt_typed_params_check(args->params, call_save_params, G_N_ELEMENTS(call_save_params), &error))
        vt_call_fail(call, error);
    else
        save_run(call, &args->dom, vt_typed_params_get_string(args->params, CALL_SAVE_PARAM_FILE),
                 vt_typed_params_get_string(args->params, CALL_SAVE_PARAM_XML), args->flags);
}

void
vt_call_save_managed(VtCall *call)
{
    const VtProtoDomFlags *args = vt_call_args(call);

    save_run(call, &args->dom, NULL, NULL, args->flags);
}

/* ---- restore ---- */

static void
restore_run(VtCall *call, const char *path, const char *xml, guint flags)
{
    const VtRestoreParams params = {
        .driver = vt_call_driver(call), .path = path, .xml = xml, .flags = flags
    };

    vt_restore_run(&params, vt_call_done, call);
}

void
vt_call_save_restore(VtCall *call)
{
    restore_run(call, ((const VtProtoText *)vt_call_args(call))->text, NULL, 0);
}

void
vt_call_save_restore_flags(VtCall *call)
{
    const VtProtoRestoreFlags *args = vt_call_args(call);

    restore_run(call, args->path, args->xml, args->flags);
}

void
vt_call_save_restore_params(VtCall *call)
{
    const VtProtoParamsFlags *args = vt_call_args(call);
    const char *path = vt_typed_params_get_string(args->params, CALL_SAVE_PARAM_FILE);
    g_autoptr(GError) error = NULL;

    if (vt_typed_params_check(args->params, call_save_params, G_N_ELEMENTS(call_save_params), &error) &&
        path == NULL)
        vt_error_set(&error, VT_ERROR_INVALID_ARG, "the parameter '%s' of a restore is missing",
                     CALL_SAVE_PARAM_FILE);
    if (error != NULL)
        vt_call_fail(call, error);
    else
        restore_run(call, path, vt_typed_params_get_string(args->params, CALL_SAVE_PARAM_XML), args->flags);
}

/* ---- images ---- */

static void
save_return_xml(VtCall *call, const char *path, VtDomain *domain, guint flags)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *xml = NULL;

    if (flags & ~CALL_SAVE_XML_SECURE)
        vt_error_set(&error, VT_ERROR_INVALID_ARG, "unsupported flags (0x%x) in the query of an image",
                     flags);
    else
        xml = vt_save_image_xml(vt_call_driver(call), path, domain, &error);
    if (xml == NULL)
        vt_call_fail(call, error);
    else
        vt_call_return_text(call, xml);
}

void
vt_call_save_image_xml(VtCall *call)
{
    const VtProtoTextFlags *args = vt_call_args(call);

    save_return_xml(call, args->text, NULL, args->flags);
}

void
vt_call_save_managed_xml(VtCall *call)
{
    const VtProtoDomFlags *args = vt_call_args(call);
    VtDomain *domain = vt_call_domain(call, &args->dom);

    if (domain != NULL)
        save_return_xml(call, NULL, domain, args->flags);
}

static void
save_define(VtCall *call, const char *path, VtDomain *domain, const char *xml, guint flags)
{
    const VtSaveParams params = {
        .driver = vt_call_driver(call), .domain = domain, .path = path, .xml = xml, .flags = flags
    };
    GError *error = NULL;
    gboolean ok;

    ok = xml != NULL ? vt_save_image_define(&params, &error)
                     : vt_error_set(&error, VT_ERROR_INVALID_ARG, "the XML for the image is missing");
    vt_call_finish(call, ok, error);
}

void
vt_call_save_image_define(VtCall *call)
{
    const VtProtoImageDefine *args = vt_call_args(call);

    save_define(call, args->path, NULL, args->xml, args->flags);
}

void
vt_call_save_managed_define(VtCall *call)
{
    const VtProtoDomTextFlags *args = vt_call_args(call);
    VtDomain *domain = vt_call_domain(call, &args->dom);

    if (domain != NULL)
        save_define(call, NULL, domain, args->text, args->flags);
}

void
vt_call_save_managed_has(VtCall *call)
{
    const VtProtoDomFlags *args = vt_call_args(call);
    VtDomain *domain = vt_call_domain(call, &args->dom);

    if (domain != NULL)
        vt_call_return_int(call, vt_save_has_managed(vt_call_driver(call), domain));
}

void
vt_call_save_managed_remove(VtCall *call)
{
    const VtProtoDomFlags *args = vt_call_args(call);
    VtDomain *domain = vt_call_domain(call, &args->dom);
    GError *error = NULL;
    gboolean ok;

    if (domain == NULL)
        return;
    ok = vt_save_remove_managed(vt_call_driver(call), domain, TRUE, &error);
    vt_call_finish(call, ok, error);
}
