/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each save of a domain has a number. Its text is made when it is asked for, and contains every earlier change, since
 * what is in memory changes at once. A save that fails therefore is not lost while a later one is on its way: who
 * asked for it waits for that one. Only when the last one fails too does the definition become again what it was
 * before the first of those that failed, and all of them are told.
 *
 * Files of one path are written and removed in the order in which that was asked for (util/file), so a definition that
 * is removed while it is being written stays removed. A rename writes to another path, and may overtake.
 */
#define VT_LOG_DOMAIN "virtteam-driver-store-def"

#include "driver/store-def.h"

#include <string.h>
#include "conf/domain-xml.h"
#include "driver/domain-list.h"
#include "driver/domain-private.h"
#include "driver/store.h"
#include "util/file.h"
#include "util/i18n.h"
#include "util/log.h"

#define STORE_DEF_KEY "store-def"

typedef struct {
    VtDriver *driver;
    VtDomain *domain; /* with a reference */
    guint number;
    VtDomainDef *former; /* nullable */
    VtDoneFunc done;
    gpointer user;
} StoreDefSave;

/* A domain's. */
typedef struct {
    guint last;        /* number of the latest save */
    guint on_disk;     /* of the latest that is on the disk */
    guint void_until;  /* the definition was removed after this one */
    GPtrArray *failed; /* of StoreDefSave, in order: a later one may still bring them to the disk */
} StoreDef;

static void
store_def_free(gpointer data)
{
    StoreDef *def = data;

    g_ptr_array_unref(def->failed);
    g_free(def);
}

static StoreDef *
store_def_of(VtDomain *domain)
{
    StoreDef *def = vt_domain_data(domain, STORE_DEF_KEY);

    if (!def) {
        def = g_new0(StoreDef, 1);
        def->failed = g_ptr_array_new();
        vt_domain_set_data(domain, STORE_DEF_KEY, def, store_def_free);
    }
    return def;
}

static void
store_def_tell(StoreDefSave *save, const GError *error)
{
    if (save->done)
        save->done(save->user, error);
    vt_domain_def_free(save->former);
    vt_domain_unref(save->domain);
    g_free(save);
}

/* Who failed up to that number, and waits, is told the same as @save. */
static void
store_def_tell_all(StoreDef *def, StoreDefSave *save, guint until, const GError *error)
{
    g_autoptr(GPtrArray) all = g_steal_pointer(&def->failed);

    def->failed = g_ptr_array_new();
    for (guint i = 0; i < all->len; i++) {
        StoreDefSave *one = g_ptr_array_index(all, i);

        if (one->number <= until)
            store_def_tell(one, error);
        else
            g_ptr_array_add(def->failed, one);
    }
    store_def_tell(save, error); /* the last: it keeps the domain, and so @def */
}

static void
store_def_roll_back(StoreDef *def, StoreDefSave *save)
{
    StoreDefSave *first = def->failed->len > 0 ? g_ptr_array_index(def->failed, 0) : save;
    VtDomain *domain = save->domain;

    if (first->former && strcmp(first->former->name, domain->name) != 0) {
        g_free(first->former->name);
        first->former->name = g_strdup(domain->name);
    }
    vt_domain_set_persistent_def(domain, g_steal_pointer(&first->former));
    if (domain->driver)
        vt_domain_list_prune(save->driver, domain);
}

static void
store_def_saved(gpointer user, const GError *error)
{
    StoreDefSave *save = user;
    StoreDef *def = store_def_of(save->domain);

    if (!error)
        def->on_disk = MAX(def->on_disk, save->number);
    if (save->number <= def->on_disk) {
        store_def_tell_all(def, save, def->on_disk, NULL);
    } else if (save->number <= def->void_until) {
        store_def_tell(save, error);
    } else if (save->number < def->last) {
        g_ptr_array_add(def->failed, save);
    } else {
        store_def_roll_back(def, save);
        store_def_tell_all(def, save, save->number, error);
    }
}

void
vt_store_def_save(VtDriver *driver, VtDomain *domain, VtDomainDef *former, VtDoneFunc done, gpointer user)
{
    StoreDefSave *save = g_new0(StoreDefSave, 1);
    g_autofree char *path = vt_store_path(driver, domain->name);
    g_autofree char *xml =
        vt_domain_xml_format(domain->persistent, -1, VT_XML_FORMAT_INACTIVE | VT_XML_FORMAT_SECURE);

    save->driver = driver;
    save->domain = vt_domain_ref(domain);
    save->number = ++store_def_of(domain)->last;
    save->former = former;
    save->done = done;
    save->user = user;
    vt_file_write_atomic_async(path, xml, strlen(xml), 0600, store_def_saved, save);
}

gboolean
vt_store_def_remove(VtDriver *driver, VtDomain *domain, VtDoneFunc done, gpointer user, GError **error)
{
    StoreDef *def = store_def_of(domain);
    g_autofree char *path = vt_store_path(driver, domain->name);
    g_autoptr(GPtrArray) failed = NULL;
    g_autoptr(GError) gone = NULL;

    if (!vt_store_set_autostart(driver, domain, FALSE, error) || !vt_file_remove(path, error))
        return FALSE;
    /* Once more, behind what is still being written, and so that the disk knows. */
    vt_file_remove_async(path, done, user);
    def->void_until = def->last;
    failed = g_steal_pointer(&def->failed);
    def->failed = g_ptr_array_new();
    vt_error_set(&gone, VT_ERROR_ABORTED, _("domain '%s' was undefined meanwhile"), domain->name);
    for (guint i = 0; i < failed->len; i++)
        store_def_tell(g_ptr_array_index(failed, i), gone);
    return TRUE;
}

/* ---- renaming ---- */

typedef struct {
    VtDriver *driver;
    VtDomain *domain; /* with a reference */
    char *old_name;
    VtDoneFunc done;
    gpointer user;
} StoreDefRename;

static void
store_def_rename_end(StoreDefRename *rename, const GError *error)
{
    rename->done(rename->user, error);
    vt_domain_unref(rename->domain);
    g_free(rename->old_name);
    g_free(rename);
}

/* Both files are of one domain: the next daemon would take one of them, and set the other aside. */
static void
store_def_old_gone(gpointer user, const GError *error)
{
    StoreDefRename *rename = user;

    if (error)
        vt_log_warning("domain '%s': its former name '%s' may be back after a crash of the host: %s",
                       rename->domain->name, rename->old_name, error->message);
    store_def_rename_end(rename, NULL);
}

static gboolean
store_def_remove_old(StoreDefRename *rename, GError **error)
{
    g_autofree char *link = vt_store_autostart_path(rename->driver, rename->old_name);
    g_autofree char *path = vt_store_path(rename->driver, rename->old_name);
    const VtDomain *heir = vt_driver_lookup_name(rename->driver, rename->old_name, NULL);

    /* Whoever has the name now has written, or is about to write, over the file. */
    if (heir && heir->persistent) {
        store_def_old_gone(rename, NULL);
        return TRUE;
    }
    /* The link first: who is told of a failure still has the definition. */
    if (!vt_file_remove(link, error) || !vt_file_remove(path, error))
        return FALSE;
    vt_file_remove_async(path, store_def_old_gone, rename);
    return TRUE;
}

static void
store_def_renamed(gpointer user, const GError *error)
{
    StoreDefRename *rename = user;
    VtDomain *domain = rename->domain;
    g_autoptr(GError) local = NULL;
    gboolean autostart = domain->autostart;

    if (error) {
        store_def_rename_end(rename, error);
        return;
    }
    if ((!autostart || vt_store_set_autostart(rename->driver, domain, TRUE, &local)) &&
        store_def_remove_old(rename, &local))
        return;
    vt_store_def_remove(rename->driver, domain, NULL, NULL, NULL);
    domain->autostart = autostart;
    store_def_rename_end(rename, local);
}

void
vt_store_def_rename(VtDriver *driver, VtDomain *domain, const char *old_name, VtDoneFunc done, gpointer user)
{
    StoreDefRename *rename = g_new0(StoreDefRename, 1);

    rename->driver = driver;
    rename->domain = vt_domain_ref(domain);
    rename->old_name = g_strdup(old_name);
    rename->done = done;
    rename->user = user;
    vt_store_def_save(driver, domain, vt_domain_def_copy(domain->persistent), store_def_renamed, rename);
}
