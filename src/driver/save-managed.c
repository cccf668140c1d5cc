/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Images of guests that do not run: the managed one of a domain, and what an image says.
 */
#include <glib/gstdio.h>
#include <string.h>
#include "conf/domain-xml.h"
#include "driver/domain-private.h"
#include "driver/save-file.h"
#include "driver/save.h"
#include "util/file.h"
#include "util/i18n.h"

gboolean
vt_save_has_managed(VtDriver *driver, VtDomain *domain)
{
    return vt_save_file_has_managed(driver, domain->name);
}

gboolean
vt_save_remove_managed(VtDriver *driver, VtDomain *domain, gboolean must_exist, GError **error)
{
    g_autofree char *path = vt_save_file_managed(driver, domain->name);

    if (must_exist && !vt_save_has_managed(driver, domain))
        return vt_error_set(error, VT_ERROR_OPERATION_INVALID,
                            _("domain '%s' does not have managed save image"), domain->name);
    if (vt_domain_is_active(domain) && vt_save_file_is_partial(path))
        return vt_error_set(error, VT_ERROR_OPERATION_INVALID,
                            _("domain '%s' is being saved: abort that first (virsh domjobabort)"),
                            domain->name);
    return vt_file_remove(path, error);
}

/* Which file a call speaks of. */
static char *
save_image_path(VtDriver *driver, const char *path, VtDomain *domain, GError **error)
{
    if (!path && !vt_save_has_managed(driver, domain)) {
        vt_error_set(error, VT_ERROR_OPERATION_INVALID, _("domain '%s' does not have managed save image"),
                     domain->name);
        return NULL;
    }
    if (path && !g_path_is_absolute(path)) {
        vt_error_set(error, VT_ERROR_INVALID_ARG, _("'%s' is no absolute path"), path);
        return NULL;
    }
    return path ? g_strdup(path) : vt_save_file_managed(driver, domain->name);
}

char *
vt_save_image_xml(VtDriver *driver, const char *path, VtDomain *domain, GError **error)
{
    g_autofree char *file = save_image_path(driver, path, domain, error);
    g_auto(VtSaveImage) image = { 0 };

    if (!file || !vt_save_file_read(file, &image, error))
        return NULL;
    return g_strconcat(g_strchomp(image.xml), "\n", NULL);
}

gboolean
vt_save_image_define(const VtSaveParams *params, GError **error)
{
    g_autofree char *file = NULL;
    g_auto(VtSaveImage) image = { 0 };
    g_autoptr(VtDomainDef) saved = NULL, given = NULL;
    guint32 flags;

    if (params->flags & ~(guint)(VT_SAVE_RUNNING | VT_SAVE_PAUSED))
        return vt_error_set(error, VT_ERROR_UNSUPPORTED,
                            _("flags 0x%x of a change of an image are not supported"), params->flags);
    if (params->flags == (VT_SAVE_RUNNING | VT_SAVE_PAUSED))
        return vt_error_set(error, VT_ERROR_INVALID_ARG,
                            _("to restore a guest running and paused are mutually exclusive"));
    file = save_image_path(params->driver, params->path, params->domain, error);
    if (!file || !vt_save_file_read(file, &image, error))
        return FALSE;
    saved = vt_domain_xml_parse(image.xml, error);
    given = saved ? vt_domain_xml_parse(params->xml, error) : NULL;
    if (!given || !vt_save_file_same_machine(saved, given, error))
        return FALSE;
    flags = image.flags & ~(guint32)VT_SAVE_IMAGE_RUNNING;
    if (params->flags & VT_SAVE_RUNNING || (!params->flags && image.flags & VT_SAVE_IMAGE_RUNNING))
        flags |= VT_SAVE_IMAGE_RUNNING;
    return vt_save_file_define(file, params->xml, flags, error);
}
