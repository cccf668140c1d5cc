/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver/lifecycle.h"
#include "driver/store-def.h"
#include "fake-guest.h"

static gboolean
fake_result(FakeDone *told, GError **error)
{
    fake_wait(&told->done);
    if (!told->error)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&told->error));
    return FALSE;
}

typedef struct {
    FakeDone told;
    VtDomain *domain;
} FakeDefined;

static void
fake_defined(gpointer user, VtDomain *domain, const GError *error)
{
    FakeDefined *defined = user;

    defined->domain = domain;
    fake_done(&defined->told, error);
}

VtDomain *
fake_define(VtDriver *driver, const char *xml, guint flags, GError **error)
{
    FakeDefined defined = { .domain = NULL };

    vt_lifecycle_define(driver, xml, flags, fake_defined, &defined);
    return fake_result(&defined.told, error) ? defined.domain : NULL;
}

VtDomain *
fake_define_well(VtDriver *driver, const char *xml)
{
    g_autoptr(GError) error = NULL;
    VtDomain *domain = fake_define(driver, xml, 0, &error);

    g_assert_no_error(error);
    return domain;
}

gboolean
fake_undefine(VtDriver *driver, VtDomain *domain, guint flags, GError **error)
{
    FakeDone told = { 0 };

    vt_lifecycle_undefine(driver, domain, flags, fake_done, &told);
    return fake_result(&told, error);
}

gboolean
fake_rename(VtDriver *driver, VtDomain *domain, const char *name, GError **error)
{
    FakeDone told = { 0 };

    vt_lifecycle_rename(driver, domain, name, fake_done, &told);
    return fake_result(&told, error);
}

gboolean
fake_set_metadata(VtDriver *driver, VtDomain *domain, const VtMetadataChange *change, GError **error)
{
    FakeDone told = { 0 };

    vt_query_set_metadata(driver, domain, change, fake_done, &told);
    return fake_result(&told, error);
}

gboolean
fake_store_save(VtDriver *driver, VtDomain *domain, GError **error)
{
    FakeDone told = { 0 };

    vt_store_def_save(driver, domain, vt_domain_def_copy(domain->persistent), fake_done, &told);
    return fake_result(&told, error);
}
