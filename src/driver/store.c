/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Definitions are ordinary domain XML, one file a domain, replaced atomically; an autostart mark is a symbolic
 * link to it. A status file is a block of "key=value" lines, an empty line, and the live XML: read back only by
 * a daemon of the same project, on the same boot of the host.
 *
 * Nothing that stands in these directories can stop the daemon or hide another domain: what cannot be read is
 * reported, renamed to NAME.corrupt and left for the administrator.
 */
#define VT_LOG_DOMAIN "virtteam-driver-store"

#include "driver/store.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>
#include "conf/domain-xml.h"
#include "driver/device-leaving.h"
#include "driver/disk-file.h"
#include "driver/domain-private.h"
#include "driver/team-keep.h"
#include "driver/team-state.h"
#include "util/file.h"
#include "util/i18n.h"
#include "util/log.h"
#include "util/message-id.h"

#define STORE_KEY          "store"
#define STORE_MAX_BYTES    (4 * 1024 * 1024)
#define STORE_STATUS_GROUP "status"

typedef struct {
    VtDomain *domain; /* not owned: it owns this */
    VtDiskFile *file;
    guint idle;
} StoreStatusFile;

/* ---- paths ---- */

static char *
store_path(const char *dir, const char *name, const char *suffix)
{
    g_autofree char *base = g_strconcat(name, suffix, NULL);

    return g_build_filename(dir, base, NULL);
}

char *
vt_store_path(VtDriver *driver, const char *name)
{
    return store_path(driver->config->config_dir, name, ".xml");
}

char *
vt_store_autostart_path(VtDriver *driver, const char *name)
{
    g_autofree char *dir = g_build_filename(driver->config->config_dir, "autostart", NULL);

    return store_path(dir, name, ".xml");
}

/* ---- autostart ---- */

gboolean
vt_store_set_autostart(VtDriver *driver, VtDomain *domain, gboolean on, GError **error)
{
    g_autofree char *path = vt_store_path(driver, domain->name);
    g_autofree char *link = vt_store_autostart_path(driver, domain->name);

    if (!on) {
        if (!vt_file_remove(link, error))
            return FALSE;
    } else {
        g_autofree char *dir = g_path_get_dirname(link);

        if (g_mkdir_with_parents(dir, 0700) < 0)
            return vt_error_set_errno(error, errno, _("cannot make the directory '%s'"), dir);
        if (symlink(path, link) < 0 && errno != EEXIST)
            return vt_error_set_errno(error, errno, _("cannot make the symbolic link '%s'"), link);
    }
    domain->autostart = on;
    return TRUE;
}

gboolean
vt_store_get_autostart(VtDriver *driver, VtDomain *domain)
{
    return domain->autostart;
}

/* ---- reading ---- */

static void
store_set_aside(const char *path, const char *why)
{
    g_autofree char *aside = g_strconcat(path, ".corrupt", NULL);

    if (g_rename(path, aside) < 0)
        vt_log_error("'%s' cannot be used (%s) and cannot be set aside: %s", path, why, g_strerror(errno));
    else
        vt_log_id_error(VT_MESSAGE_STORE_SET_ASIDE, NULL, "'%s' cannot be used (%s): it was renamed to '%s'",
                        path, why, aside);
}

static char *
store_read(const char *path, GError **error)
{
    gsize length = 0;
    g_autofree char *text = vt_file_read(path, STORE_MAX_BYTES, &length, error);

    if (!text)
        return NULL;
    if (strlen(text) != length || !g_utf8_validate(text, (gssize)length, NULL)) {
        vt_error_set(error, VT_ERROR_XML, "it is not UTF-8 text");
        return NULL;
    }
    return g_steal_pointer(&text);
}

static int
store_compare(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Paths of the files in @dir that end in @suffix, sorted; what crashes left is removed. */
static GPtrArray *
store_list(const char *dir_path, const char *suffix)
{
    GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) dir = NULL;
    const char *file;

    vt_file_sweep(dir_path, suffix);
    dir = g_dir_open(dir_path, 0, NULL);
    while (dir && (file = g_dir_read_name(dir)))
        if (g_str_has_suffix(file, suffix) && strlen(file) > strlen(suffix))
            g_ptr_array_add(paths, g_build_filename(dir_path, file, NULL));
    g_ptr_array_sort(paths, store_compare);
    return paths;
}

static gboolean
store_load_one(VtDriver *driver, const char *path, GError **error)
{
    g_autofree char *text = store_read(path, error);
    g_autofree char *base = g_path_get_basename(path);
    g_autofree char *link = NULL;
    g_autoptr(VtDomainDef) def = NULL;
    g_autoptr(VtDomain) domain = NULL;

    if (!text)
        return FALSE;
    def = vt_domain_xml_parse(text, error);
    if (!def)
        return FALSE;
    base[strlen(base) - strlen(".xml")] = '\0';
    if (!g_str_equal(base, def->name))
        return vt_error_set(error, VT_ERROR_XML_DETAIL, "it is about the domain '%s'", def->name);
    domain = vt_domain_new(driver, def->name, &def->uuid);
    if (!vt_domain_list_insert(driver, domain))
        return vt_error_set(error, VT_ERROR_DOMAIN_EXISTS, "another domain has its UUID");
    vt_domain_set_persistent_def(domain, g_steal_pointer(&def));
    link = vt_store_autostart_path(driver, domain->name);
    domain->autostart = g_file_test(link, G_FILE_TEST_IS_SYMLINK);
    return TRUE;
}

void
vt_store_load(VtDriver *driver)
{
    g_autoptr(GPtrArray) paths = store_list(driver->config->config_dir, ".xml");

    for (guint i = 0; i < paths->len; i++) {
        const char *path = g_ptr_array_index(paths, i);
        g_autoptr(GError) error = NULL;

        if (!store_load_one(driver, path, &error))
            store_set_aside(path, error->message);
    }
}

/* ---- status of running guests ---- */

static char *
store_boot_id(void)
{
    g_autofree char *text = NULL;

    if (!g_file_get_contents("/proc/sys/kernel/random/boot_id", &text, NULL, NULL))
        return g_strdup("");
    return g_strdup(g_strstrip(text));
}

static char *
store_status_text(VtDomain *domain)
{
    g_autofree char *xml =
        vt_domain_xml_format(domain->live, domain->id, VT_XML_FORMAT_STATUS | VT_XML_FORMAT_SECURE);
    g_autofree char *boot_id = store_boot_id();
    g_autofree char *teams = vt_team_state_text(domain);
    g_autofree char *kept = vt_team_keep_text(domain);
    g_autoptr(GKeyFile) keys = g_key_file_new();
    g_auto(GStrv) leaving = vt_device_leaving_list(domain);
    g_autofree char *head = NULL;

    g_key_file_set_integer(keys, STORE_STATUS_GROUP, "id", domain->id);
    g_key_file_set_integer(keys, STORE_STATUS_GROUP, "pid",
                           domain->process ? vt_process_pid(domain->process) : 0);
    g_key_file_set_uint64(keys, STORE_STATUS_GROUP, "start-time",
                          domain->process ? vt_process_start_time(domain->process) : 0);
    g_key_file_set_integer(keys, STORE_STATUS_GROUP, "state", (int)domain->state);
    g_key_file_set_integer(keys, STORE_STATUS_GROUP, "reason", domain->reason);
    g_key_file_set_boolean(keys, STORE_STATUS_GROUP, "autodestroy",
                           domain->autodestroy != NULL || domain->autodestroy_lost);
    g_key_file_set_boolean(keys, STORE_STATUS_GROUP, "persistent", domain->persistent != NULL);
    g_key_file_set_string(keys, STORE_STATUS_GROUP, "run-dir", domain->run_dir ? domain->run_dir : "");
    g_key_file_set_string(keys, STORE_STATUS_GROUP, "boot-id", boot_id);
    if (teams)
        g_key_file_set_string(keys, STORE_STATUS_GROUP, "teams", teams);
    if (kept)
        g_key_file_set_string(keys, STORE_STATUS_GROUP, "teams-kept", kept);
    if (leaving[0])
        g_key_file_set_string_list(keys, STORE_STATUS_GROUP, "leaving", (const char *const *)leaving,
                                   g_strv_length(leaving));
    head = g_key_file_to_data(keys, NULL, NULL);
    return g_strconcat(head, "\n\n", xml, NULL);
}

static void
store_status_free(StoreStatusFile *status)
{
    if (status->idle)
        g_source_remove(status->idle);
    vt_disk_file_free(status->file);
    g_free(status);
}

static StoreStatusFile *
store_status_get(VtDriver *driver, VtDomain *domain)
{
    StoreStatusFile *status = vt_domain_data(domain, STORE_KEY);

    if (!status) {
        status = g_new0(StoreStatusFile, 1);
        status->domain = domain;
        vt_domain_set_data(domain, STORE_KEY, status, (GDestroyNotify)store_status_free);
    }
    if (!status->file) {
        g_autofree char *path = store_path(driver->config->state_dir, domain->name, ".status");

        status->file = vt_disk_file_new(path);
    }
    return status;
}

void
vt_store_status_write(VtDriver *driver, VtDomain *domain, VtDoneFunc done, gpointer user)
{
    StoreStatusFile *status;

    if (!domain->live || !vt_domain_is_active(domain)) {
        if (done)
            done(user, NULL);
        return;
    }
    status = store_status_get(driver, domain);
    if (status->idle)
        g_source_remove(status->idle);
    status->idle = 0;
    vt_disk_file_write(status->file, store_status_text(domain), done, user);
}

static void
store_status_written(gpointer user, const GError *error)
{
    const StoreStatusFile *status = user;

    if (error && !g_error_matches(error, VT_ERROR, VT_ERROR_ABORTED))
        vt_log_warning("domain '%s': the status file is out of date: %s", status->domain->name,
                       error->message);
}

static gboolean
store_status_idle(gpointer user)
{
    StoreStatusFile *status = user;

    status->idle = 0;
    if (status->domain->driver)
        vt_store_status_write(status->domain->driver, status->domain, store_status_written, status);
    return G_SOURCE_REMOVE;
}

void
vt_store_status_soon(VtDriver *driver, VtDomain *domain)
{
    StoreStatusFile *status = store_status_get(driver, domain);

    if (!status->idle)
        status->idle = g_idle_add(store_status_idle, status);
}

void
vt_store_status_remove(VtDriver *driver, VtDomain *domain)
{
    StoreStatusFile *status = store_status_get(driver, domain);

    if (status->idle)
        g_source_remove(status->idle);
    status->idle = 0;
    vt_disk_file_remove(status->file);
    g_clear_pointer(&status->file, vt_disk_file_free);
}

void
vt_store_status_free(VtStoreStatus *status)
{
    if (!status)
        return;
    vt_domain_def_free(status->def);
    g_free(status->teams);
    g_free(status->kept);
    g_strfreev(status->leaving);
    g_free(status->run_dir);
    g_free(status->boot_id);
    g_free(status);
}

static gboolean
store_status_head(VtStoreStatus *status, const char *text, gsize length, GError **error)
{
    g_autoptr(GKeyFile) keys = g_key_file_new();
    g_autoptr(GError) local = NULL;

    if (!g_key_file_load_from_data(keys, text, length, G_KEY_FILE_NONE, &local))
        return vt_error_set(error, VT_ERROR_XML, "%s", local->message);
    status->id = g_key_file_get_integer(keys, STORE_STATUS_GROUP, "id", NULL);
    status->pid = g_key_file_get_integer(keys, STORE_STATUS_GROUP, "pid", NULL);
    status->start_time = g_key_file_get_uint64(keys, STORE_STATUS_GROUP, "start-time", NULL);
    status->state = (VtDomainState)g_key_file_get_integer(keys, STORE_STATUS_GROUP, "state", NULL);
    status->reason = g_key_file_get_integer(keys, STORE_STATUS_GROUP, "reason", NULL);
    status->autodestroy = g_key_file_get_boolean(keys, STORE_STATUS_GROUP, "autodestroy", NULL);
    status->persistent = g_key_file_get_boolean(keys, STORE_STATUS_GROUP, "persistent", NULL);
    status->teams = g_key_file_get_string(keys, STORE_STATUS_GROUP, "teams", NULL);
    status->kept = g_key_file_get_string(keys, STORE_STATUS_GROUP, "teams-kept", NULL);
    status->run_dir = g_key_file_get_string(keys, STORE_STATUS_GROUP, "run-dir", NULL);
    status->leaving = g_key_file_get_string_list(keys, STORE_STATUS_GROUP, "leaving", NULL, NULL);
    status->boot_id = g_key_file_get_string(keys, STORE_STATUS_GROUP, "boot-id", NULL);
    if (status->id <= 0 || status->pid <= 0 || !status->run_dir || !status->boot_id ||
        (guint)status->state > VT_DOMAIN_PMSUSPENDED)
        return vt_error_set(error, VT_ERROR_XML_DETAIL, "it does not say which process the guest is");
    return TRUE;
}

static VtStoreStatus *
store_status_read(const char *path, GError **error)
{
    g_autofree char *text = store_read(path, error);
    g_autofree char *base = g_path_get_basename(path);
    g_autoptr(VtStoreStatus) status = g_new0(VtStoreStatus, 1);
    const char *xml;

    if (!text)
        return NULL;
    xml = strstr(text, "\n\n<");
    if (!xml) {
        vt_error_set(error, VT_ERROR_XML, "it does not have a head and a body");
        return NULL;
    }
    if (!store_status_head(status, text, (gsize)(xml - text) + 1, error))
        return NULL;
    status->def = vt_domain_xml_parse_status(xml + 2, error);
    if (!status->def)
        return NULL;
    base[strlen(base) - strlen(".status")] = '\0';
    if (!g_str_equal(base, status->def->name)) {
        vt_error_set(error, VT_ERROR_XML_DETAIL, "it is about the domain '%s'", status->def->name);
        return NULL;
    }
    return g_steal_pointer(&status);
}

GPtrArray *
vt_store_status_load(VtDriver *driver)
{
    GPtrArray *found = g_ptr_array_new_with_free_func((GDestroyNotify)vt_store_status_free);
    g_autoptr(GPtrArray) paths = store_list(driver->config->state_dir, ".status");
    g_autofree char *boot_id = store_boot_id();

    for (guint i = 0; i < paths->len; i++) {
        const char *path = g_ptr_array_index(paths, i);
        g_autoptr(GError) error = NULL;
        g_autoptr(VtStoreStatus) status = store_status_read(path, &error);

        if (!status) {
            store_set_aside(path, error->message);
        } else if (!g_str_equal(status->boot_id, boot_id)) {
            vt_log_info("'%s' is from an earlier boot of the host: removed", path);
            g_unlink(path);
        } else {
            g_ptr_array_add(found, g_steal_pointer(&status));
        }
    }
    return found;
}
