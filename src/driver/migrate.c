/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What does not belong to one side: limits that clients set, and who is told when a client is gone.
 */
#include "driver/migrate.h"

#include "driver/journal.h"
#include "util/i18n.h"

void
vt_migrate_set_speed(VtDriver *driver, VtDomain *domain, guint64 mib_per_s, guint flags, VtDoneFunc done,
                     gpointer user)
{
    g_autoptr(GError) error = NULL;

    if (flags)
        vt_error_set(&error, VT_ERROR_UNSUPPORTED, _("migrate-setspeed: post-copy is not supported"));
    else if (mib_per_s > VT_MIG_PARAMS_BANDWIDTH_MAX_MIB)
        vt_error_set(&error, VT_ERROR_INVALID_ARG, _("bandwidth must be at most %" G_GUINT64_FORMAT " MiB/s"),
                     (guint64)VT_MIG_PARAMS_BANDWIDTH_MAX_MIB);
    else {
        vt_migrate_keep_bandwidth(domain, mib_per_s);
        vt_migrate_src_set_limits(domain);
    }
    done(user, error);
}

/* Source: virDomainMigrateGetMaxSpeed: a domain without a limit tells the largest one that can be set. */
guint64
vt_migrate_get_speed(VtDriver *driver, VtDomain *domain)
{
    guint64 kept = vt_migrate_kept_bandwidth(domain);

    return kept ? kept : VT_MIG_PARAMS_BANDWIDTH_MAX_MIB;
}

void
vt_migrate_set_downtime(VtDriver *driver, VtDomain *domain, guint64 ms, guint flags, VtDoneFunc done,
                        gpointer user)
{
    g_autoptr(GError) error = NULL;

    if (flags)
        vt_error_set(&error, VT_ERROR_INVALID_ARG, _("migrate-setmaxdowntime: unknown flags 0x%x"), flags);
    else if (!vt_domain_is_active(domain))
        vt_error_set(&error, VT_ERROR_OPERATION_INVALID, _("domain is not running"));
    else if (ms == 0 || ms > VT_MIG_PARAMS_DOWNTIME_MAX_MS)
        vt_error_set(&error, VT_ERROR_INVALID_ARG, _("the downtime must be between 1 and %d milliseconds"),
                     VT_MIG_PARAMS_DOWNTIME_MAX_MS);
    else {
        vt_migrate_keep_downtime(domain, ms);
        vt_migrate_src_set_limits(domain);
    }
    done(user, error);
}

guint64
vt_migrate_get_downtime(VtDriver *driver, VtDomain *domain)
{
    guint64 kept = vt_migrate_kept_downtime(domain);

    return kept ? kept : VT_MIG_PARAMS_DOWNTIME_DEFAULT_MS;
}

void
vt_migrate_owner_gone(VtDriver *driver, VtOwner *owner)
{
    g_autoptr(GPtrArray) domains = vt_driver_list(driver, 0);

    for (guint i = 0; i < domains->len; i++) {
        g_autoptr(VtDomain) domain = vt_domain_ref(g_ptr_array_index(domains, i));

        vt_migrate_src_owner_gone(driver, domain, owner);
    }
    vt_migrate_dst_owner_gone(driver, owner);
}

void
vt_migrate_recover(VtDriver *driver, VtDomain *domain, VtDoneFunc done, gpointer user)
{
    if (g_strcmp0(vt_journal_kind(domain), "migrate-in") == 0)
        vt_migrate_dst_recover(driver, domain, done, user);
    else
        vt_migrate_src_recover(driver, domain, done, user);
}
