/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define VT_LOG_DOMAIN "virtteam-driver-console"

#include "driver/console.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>
#include "driver/domain-private.h"
#include "util/fd.h"
#include "util/i18n.h"
#include "util/log.h"

#define CONSOLE_KEY "console"

enum {
    CONSOLE_FORCE = 1 << 0,
    CONSOLE_SAFE = 1 << 1, /* one client at a time: always so here */
};

typedef struct {
    char *path;
    void (*evicted)(gpointer user);
    gpointer user;
} ConsoleHolder;

static void
console_holder_free(ConsoleHolder *holder)
{
    g_free(holder->path);
    g_free(holder);
}

/* Who has which terminal: path -> ConsoleHolder */
static GHashTable *
console_table(VtDriver *driver)
{
    GHashTable *table = vt_driver_data(driver, CONSOLE_KEY);

    if (!table) {
        table = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)console_holder_free);
        vt_driver_set_data(driver, CONSOLE_KEY, table, (GDestroyNotify)g_hash_table_unref);
    }
    return table;
}

static const VtCharDef *
console_by_alias(const VtDomainDef *def, const char *alias)
{
    GPtrArray *lists[] = { def->consoles, def->serials, def->channels };

    for (guint i = 0; i < G_N_ELEMENTS(lists); i++) {
        for (guint j = 0; j < lists[i]->len; j++) {
            const VtCharDef *chr = g_ptr_array_index(lists[i], j);

            if (g_strcmp0(chr->info.alias, alias) == 0)
                return chr;
        }
    }
    return NULL;
}

static const VtCharDef *
console_find(const VtDomainDef *def, const char *device, GError **error)
{
    const VtCharDef *chr = NULL;

    if (device)
        chr = console_by_alias(def, device);
    else if (def->consoles->len)
        chr = g_ptr_array_index(def->consoles, 0);
    else if (def->serials->len)
        chr = g_ptr_array_index(def->serials, 0);
    if (!chr && device)
        vt_error_set(error, VT_ERROR_NO_DEVICE, _("cannot find character device %s"), device);
    else if (!chr)
        vt_error_set(error, VT_ERROR_NO_DEVICE, _("domain '%s' has no console and no serial port"),
                     def->name);
    return chr;
}

static int
console_open_pty(const char *path, GError **error)
{
    g_auto(VtFd) fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    struct termios raw;

    if (fd < 0) {
        vt_error_set_errno(error, errno, _("cannot open the terminal '%s'"), path);
        return -1;
    }
    /* Bytes are to pass as they are: the client's own terminal edits and echoes. */
    if (tcgetattr(fd, &raw) == 0) {
        cfmakeraw(&raw);
        tcsetattr(fd, TCSANOW, &raw);
    }
    return vt_fd_steal(&fd);
}

static int
console_open_unix(const char *path, GError **error)
{
    g_auto(VtFd) fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    if (g_strlcpy(address.sun_path, path, sizeof address.sun_path) >= sizeof address.sun_path) {
        vt_error_set(error, VT_ERROR_UNSUPPORTED, _("the path '%s' is too long for a socket"), path);
        return -1;
    }
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) < 0) {
        vt_error_set_errno(error, errno, _("cannot connect to the socket '%s'"), path);
        return -1;
    }
    return vt_fd_steal(&fd);
}

static gboolean
console_make_room(GHashTable *table, const char *path, guint flags, GError **error)
{
    ConsoleHolder *holder = g_hash_table_lookup(table, path);
    void (*evicted)(gpointer) = NULL;
    gpointer user = NULL;

    if (!holder)
        return TRUE;
    if (!(flags & CONSOLE_FORCE))
        return vt_error_set(error, VT_ERROR_OPERATION_FAILED,
                            _("Active console session exists for this domain"));
    evicted = holder->evicted;
    user = holder->user;
    g_hash_table_remove(table, path);
    if (evicted)
        evicted(user);
    return TRUE;
}

gboolean
vt_console_open(VtDriver *driver, VtDomain *domain, const char *device, guint flags,
                void (*evicted)(gpointer user), gpointer user, int *fd, gpointer *release, GError **error)
{
    GHashTable *table = console_table(driver);
    const VtCharDef *chr;
    ConsoleHolder *holder;
    int opened = -1;

    if (flags & ~(guint)(CONSOLE_FORCE | CONSOLE_SAFE))
        return vt_error_set(error, VT_ERROR_INVALID_ARG, _("unsupported flags (0x%x) of a console"), flags);
    if (!vt_domain_is_active(domain) || !domain->live)
        return vt_error_set(error, VT_ERROR_OPERATION_INVALID, _("domain is not running"));
    chr = console_find(domain->live, device, error);
    if (!chr)
        return FALSE;
    if ((chr->type != VT_CHAR_PTY && !(chr->type == VT_CHAR_UNIX && chr->listen)) || !chr->path)
        return vt_error_set(error, VT_ERROR_UNSUPPORTED,
                            _("character device %s is not using a PTY or a socket"),
                            chr->info.alias ? chr->info.alias : "");
    if (!console_make_room(table, chr->path, flags, error))
        return FALSE;
    opened =
        chr->type == VT_CHAR_PTY ? console_open_pty(chr->path, error) : console_open_unix(chr->path, error);
    if (opened < 0)
        return FALSE;
    holder = g_new0(ConsoleHolder, 1);
    holder->path = g_strdup(chr->path);
    holder->evicted = evicted;
    holder->user = user;
    g_hash_table_replace(table, holder->path, holder);
    vt_log_debug("dom=%s console %s is open", domain->name, holder->path);
    *fd = opened;
    *release = holder;
    return TRUE;
}

void
vt_console_close(VtDriver *driver, gpointer release)
{
    GHashTable *table = console_table(driver);
    GHashTableIter iter;
    gpointer value;

    /* Whoever was evicted has nothing to give back: its holder is gone. */
    g_hash_table_iter_init(&iter, table);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        if (value == release) {
            g_hash_table_iter_remove(&iter);
            return;
        }
    }
}
