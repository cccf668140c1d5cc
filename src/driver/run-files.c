/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver/run-files.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/un.h>
#include "driver/domain-private.h"
#include "util/i18n.h"

#define RUN_FILES_NAME_MAX 20
#define RUN_FILES_MONITOR  "monitor.sock"

gboolean
vt_run_files_make(VtDriver *driver, VtDomain *domain, GError **error)
{
    /* A part of the name is for people; the id makes it unique; all of it must fit into a socket address. */
    const char *end = g_utf8_find_next_char(domain->name, NULL);
    g_autofree char *base = NULL;
    g_autofree char *dir = NULL;

    while (*end && end - domain->name < RUN_FILES_NAME_MAX)
        end = g_utf8_find_next_char(end, NULL);
    base = g_strdup_printf("%d-%.*s", domain->id, (int)(end - domain->name), domain->name);
    dir = g_build_filename(driver->config->state_dir, base, NULL);
    if (strlen(dir) + sizeof("/" RUN_FILES_MONITOR) > sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
        return vt_error_set(
            error, VT_ERROR_OPERATION_FAILED,
            _("the path '%s/" RUN_FILES_MONITOR "' is too long for a socket: use a shorter --root"), dir);
    }
    if (g_mkdir_with_parents(dir, 0700) < 0)
        return vt_error_set_errno(error, errno, _("cannot make the directory '%s'"), dir);
    g_free(domain->run_dir);
    domain->run_dir = g_steal_pointer(&dir);
    return TRUE;
}

/* One level only: QEMU and we make sockets there, nobody makes directories. */
static void
run_files_empty(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *file;

    while (dir && (file = g_dir_read_name(dir))) {
        g_autofree char *entry = g_build_filename(path, file, NULL);

        g_unlink(entry);
    }
}

gboolean
vt_run_files_remove(VtDriver *driver, VtDomain *domain, GError **error)
{
    g_autofree char *pid = vt_run_files_pid(driver, domain);
    g_autofree char *run_dir = g_steal_pointer(&domain->run_dir);

    if (run_dir) {
        run_files_empty(run_dir);
        if (g_rmdir(run_dir) < 0 && errno != ENOENT)
            return vt_error_set_errno(error, errno, _("cannot remove the directory '%s'"), run_dir);
    }
    if (g_unlink(pid) < 0 && errno != ENOENT)
        return vt_error_set_errno(error, errno, _("cannot remove '%s'"), pid);
    return TRUE;
}

char *
vt_run_files_monitor(const VtDomain *domain)
{
    return g_build_filename(domain->run_dir, RUN_FILES_MONITOR, NULL);
}

static char *
run_files_path(const char *dir, const VtDomain *domain, const char *suffix)
{
    g_autofree char *base = g_strconcat(domain->name, suffix, NULL);

    return g_build_filename(dir, base, NULL);
}

char *
vt_run_files_pid(VtDriver *driver, const VtDomain *domain)
{
    return run_files_path(driver->config->state_dir, domain, ".pid");
}

char *
vt_run_files_log(VtDriver *driver, const VtDomain *domain)
{
    return run_files_path(driver->config->log_dir, domain, ".log");
}
