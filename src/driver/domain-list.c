/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define VT_LOG_DOMAIN "virtteam-driver-domain-list"

#include "driver/domain-list.h"
#include <string.h>
#include "driver/domain-private.h"
#include "driver/save-file.h"
#include "util/i18n.h"
#include "util/log.h"

/* virConnectListAllDomainsFlags */
enum {
    LIST_ACTIVE = 1 << 0,
    LIST_INACTIVE = 1 << 1,
    LIST_PERSISTENT = 1 << 2,
    LIST_TRANSIENT = 1 << 3,
    LIST_RUNNING = 1 << 4,
    LIST_PAUSED = 1 << 5,
    LIST_SHUTOFF = 1 << 6,
    LIST_OTHER = 1 << 7,
    LIST_MANAGEDSAVE = 1 << 8,
    LIST_NO_MANAGEDSAVE = 1 << 9,
    LIST_AUTOSTART = 1 << 10,
    LIST_NO_AUTOSTART = 1 << 11,
    LIST_HAS_SNAPSHOT = 1 << 12,
    LIST_NO_SNAPSHOT = 1 << 13,
    LIST_HAS_CHECKPOINT = 1 << 14,
    LIST_NO_CHECKPOINT = 1 << 15,
};

void
vt_domain_list_init(VtDriver *driver)
{
    driver->by_uuid =
        g_hash_table_new_full(vt_uuid_hash, vt_uuid_key_equal, NULL, (GDestroyNotify)vt_domain_unref);
    driver->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    driver->next_id = 1;
}

void
vt_domain_list_clear(VtDriver *driver)
{
    GHashTableIter iter;
    gpointer value;

    if (!driver->by_uuid)
        return;
    g_hash_table_iter_init(&iter, driver->by_uuid);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        ((VtDomain *)value)->driver = NULL;
    g_clear_pointer(&driver->by_name, g_hash_table_unref);
    g_clear_pointer(&driver->by_uuid, g_hash_table_unref);
}

gboolean
vt_domain_list_insert(VtDriver *driver, VtDomain *domain)
{
    if (g_hash_table_contains(driver->by_uuid, &domain->uuid) ||
        g_hash_table_contains(driver->by_name, domain->name))
        return FALSE;
    domain->driver = driver;
    g_hash_table_insert(driver->by_uuid, &domain->uuid, vt_domain_ref(domain));
    g_hash_table_insert(driver->by_name, domain->name, domain);
    return TRUE;
}

int
vt_domain_list_next_id(VtDriver *driver)
{
    return driver->next_id++;
}

void
vt_domain_list_reserve_id(VtDriver *driver, int id)
{
    if (id >= driver->next_id && id < G_MAXINT)
        driver->next_id = id + 1;
}

/* Source: libvirt's own words for these clashes, which scripts look for. */
static gboolean
domain_list_check_clash(VtDriver *driver, const VtDomainDef *def, VtDomain **found, GError **error)
{
    VtDomain *by_uuid = g_hash_table_lookup(driver->by_uuid, &def->uuid);
    VtDomain *by_name = g_hash_table_lookup(driver->by_name, def->name);
    char uuid[VT_UUID_STRING_SIZE];

    if (by_uuid && by_uuid != by_name) {
        vt_uuid_format(&by_uuid->uuid, uuid);
        return vt_error_set(error, VT_ERROR_DOMAIN_EXISTS, _("domain '%s' is already defined with uuid %s"),
                            by_uuid->name, uuid);
    }
    if (by_name && by_name != by_uuid) {
        vt_uuid_format(&by_name->uuid, uuid);
        return vt_error_set(error, VT_ERROR_DOMAIN_EXISTS, _("domain '%s' already exists with uuid %s"),
                            by_name->name, uuid);
    }
    *found = by_uuid;
    return TRUE;
}

VtDomain *
vt_domain_list_admit(VtDriver *driver, VtDomainDef *def, gboolean live, GError **error)
{
    g_autoptr(VtDomainDef) owned = def;
    VtDomain *domain = NULL;

    if (!domain_list_check_clash(driver, def, &domain, error))
        return NULL;
    if (live && domain && (vt_domain_is_active(domain) || domain->live)) {
        vt_error_set(error, VT_ERROR_OPERATION_INVALID, _("domain is already active as '%s'"), domain->name);
        return NULL;
    }
    if (!domain) {
        g_autoptr(VtDomain) fresh = vt_domain_new(driver, def->name, &def->uuid);

        vt_domain_list_insert(driver, fresh);
        domain = fresh; /* the list holds it */
    }
    if (live)
        domain->live = g_steal_pointer(&owned);
    else
        vt_domain_set_persistent_def(domain, g_steal_pointer(&owned));
    return domain;
}

void
vt_domain_list_prune(VtDriver *driver, VtDomain *domain)
{
    if (domain->driver != driver || vt_domain_is_active(domain) || domain->persistent || domain->live)
        return;
    vt_log_debug("dom=%s is off the list", domain->name);
    domain->driver = NULL;
    g_hash_table_remove(driver->by_name, domain->name);
    g_hash_table_remove(driver->by_uuid, &domain->uuid);
}

gboolean
vt_domain_list_rename(VtDriver *driver, VtDomain *domain, const char *name, GError **error)
{
    VtDomainDef *defs[] = { domain->live, domain->persistent };

    if (g_hash_table_contains(driver->by_name, name))
        return vt_error_set(error, VT_ERROR_DOMAIN_EXISTS, _("domain with name '%s' already exists"), name);
    g_hash_table_remove(driver->by_name, domain->name);
    g_free(domain->name);
    domain->name = g_strdup(name);
    g_hash_table_insert(driver->by_name, domain->name, domain);
    for (guint i = 0; i < G_N_ELEMENTS(defs); i++) {
        if (!defs[i])
            continue;
        g_free(defs[i]->name);
        defs[i]->name = g_strdup(name);
    }
    return TRUE;
}

VtDomain *
vt_driver_lookup_uuid(VtDriver *driver, const VtUuid *uuid, GError **error)
{
    VtDomain *domain = g_hash_table_lookup(driver->by_uuid, uuid);
    char text[VT_UUID_STRING_SIZE];

    if (!domain)
        vt_error_set(error, VT_ERROR_NO_DOMAIN, _("no domain with matching uuid '%s'"),
                     vt_uuid_format(uuid, text));
    return domain;
}

VtDomain *
vt_driver_lookup_name(VtDriver *driver, const char *name, GError **error)
{
    VtDomain *domain = name ? g_hash_table_lookup(driver->by_name, name) : NULL;

    if (!domain)
        vt_error_set(error, VT_ERROR_NO_DOMAIN, _("no domain with matching name '%s'"), name ? name : "");
    return domain;
}

VtDomain *
vt_driver_lookup_id(VtDriver *driver, int id, GError **error)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, driver->by_uuid);
    while (id >= 0 && g_hash_table_iter_next(&iter, NULL, &value)) {
        if (((VtDomain *)value)->id == id)
            return value;
    }
    vt_error_set(error, VT_ERROR_NO_DOMAIN, _("no domain with matching id %d"), id);
    return NULL;
}

/* Within a group of flags one that fits is enough; a group without any flag lets everything pass. */
static gboolean
domain_list_group(guint flags, guint yes_flag, guint no_flag, gboolean value)
{
    if (!(flags & (yes_flag | no_flag)))
        return TRUE;
    return flags & (value ? yes_flag : no_flag);
}

static guint
domain_list_state_flag(const VtDomain *domain)
{
    switch (domain->state) {
    case VT_DOMAIN_RUNNING:
        return LIST_RUNNING;
    case VT_DOMAIN_PAUSED:
        return LIST_PAUSED;
    case VT_DOMAIN_SHUTOFF:
        return LIST_SHUTOFF;
    case VT_DOMAIN_NOSTATE:
    case VT_DOMAIN_SHUTDOWN:
    case VT_DOMAIN_CRASHED:
    case VT_DOMAIN_PMSUSPENDED:
        break;
    }
    return LIST_OTHER;
}

static gboolean
domain_list_match(const VtDomain *domain, guint flags)
{
    gboolean managed = flags & (LIST_MANAGEDSAVE | LIST_NO_MANAGEDSAVE) && domain->driver &&
                       vt_save_file_has_managed(domain->driver, domain->name);
    const guint states = LIST_RUNNING | LIST_PAUSED | LIST_SHUTOFF | LIST_OTHER;

    if (flags & states && !(flags & domain_list_state_flag(domain)))
        return FALSE;
    return domain_list_group(flags, LIST_ACTIVE, LIST_INACTIVE, vt_domain_is_active(domain)) &&
           domain_list_group(flags, LIST_PERSISTENT, LIST_TRANSIENT, vt_domain_is_persistent(domain)) &&
           domain_list_group(flags, LIST_AUTOSTART, LIST_NO_AUTOSTART, domain->autostart) &&
           domain_list_group(flags, LIST_MANAGEDSAVE, LIST_NO_MANAGEDSAVE, managed) &&
           domain_list_group(flags, LIST_HAS_SNAPSHOT, LIST_NO_SNAPSHOT, FALSE) &&
           domain_list_group(flags, LIST_HAS_CHECKPOINT, LIST_NO_CHECKPOINT, FALSE);
}

/* Running ones by id, then the others by name. */
static int
domain_list_compare(gconstpointer a, gconstpointer b)
{
    const VtDomain *x = *(VtDomain *const *)a, *y = *(VtDomain *const *)b;

    if (x->id != y->id) {
        if (x->id < 0 || y->id < 0)
            return x->id < 0 ? 1 : -1;
        return x->id < y->id ? -1 : 1;
    }
    return strcmp(x->name, y->name);
}

GPtrArray *
vt_driver_list(VtDriver *driver, guint flags)
{
    GPtrArray *list = g_ptr_array_new();
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, driver->by_uuid);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        if (domain_list_match(value, flags))
            g_ptr_array_add(list, value);
    }
    g_ptr_array_sort(list, domain_list_compare);
    return list;
}
