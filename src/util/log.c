/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/log.h"

#include "util/enum.h"
#include "util/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    char *prefix;
    VtLogLevel level;
} LogFilter;

/* Written by vt_log_init() in the main thread only, read by writers in any thread: hence the lock. */
static struct {
    GMutex lock;
    VtLogLevel level;
    GArray *filters; /* of LogFilter; NULL: none */
    int fd;          /* of the log file; -1: stderr */
    gboolean installed;
} log_state = { .level = VT_LOG_INFO, .fd = -1 };

static const char *const log_level_names[] = {
    [VT_LOG_DEBUG] = "debug",
    [VT_LOG_INFO] = "info",
    [VT_LOG_WARNING] = "warning",
    [VT_LOG_ERROR] = "error",
};
VT_ENUM_TABLE(log_level_names, VT_LOG_LEVEL_COUNT);

/* VT_LOG_ERROR is GLib's critical: GLib's own error level would abort the process. */
static const GLogLevelFlags log_glib_levels[] = {
    [VT_LOG_DEBUG] = G_LOG_LEVEL_DEBUG,
    [VT_LOG_INFO] = G_LOG_LEVEL_INFO,
    [VT_LOG_WARNING] = G_LOG_LEVEL_WARNING,
    [VT_LOG_ERROR] = G_LOG_LEVEL_CRITICAL,
};
VT_ENUM_TABLE(log_glib_levels, VT_LOG_LEVEL_COUNT);

static VtLogLevel
log_level_from_glib(GLogLevelFlags flags)
{
    if (flags & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
        return VT_LOG_ERROR;
    if (flags & G_LOG_LEVEL_WARNING)
        return VT_LOG_WARNING;
    if (flags & (G_LOG_LEVEL_MESSAGE | G_LOG_LEVEL_INFO))
        return VT_LOG_INFO;
    return VT_LOG_DEBUG;
}

gboolean
vt_log_level_parse(const char *name, VtLogLevel *level)
{
    int value = vt_enum_value(log_level_names, G_N_ELEMENTS(log_level_names), name);

    if (value < 0)
        return FALSE;
    *level = (VtLogLevel)value;
    return TRUE;
}

static gboolean
log_enabled_locked(const char *domain, VtLogLevel level)
{
    VtLogLevel threshold = log_state.level;
    gsize best = 0;

    for (guint i = 0; log_state.filters && domain && i < log_state.filters->len; i++) {
        const LogFilter *filter = &g_array_index(log_state.filters, LogFilter, i);
        gsize length = strlen(filter->prefix);

        if (length >= best && g_str_has_prefix(domain, filter->prefix)) {
            best = length;
            threshold = filter->level;
        }
    }
    return level >= threshold;
}

gboolean
vt_log_enabled(const char *domain, VtLogLevel level)
{
    G_GNUC_UNUSED g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&log_state.lock);

    return log_enabled_locked(domain, level);
}

static void
log_append_escaped(GString *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        guchar c = (guchar)*p;

        if (c < 0x20 || c == 0x7f)
            g_string_append_printf(out, "\\x%02x", c);
        else
            g_string_append_c(out, *p);
    }
}

static void
log_append_field(GString *out, const char *name, const char *value)
{
    if (!value)
        return;
    g_string_append_printf(out, " %s=", name);
    log_append_escaped(out, value);
}

char *
vt_log_format(VtLogLevel level, const char *domain, const VtLogObject *object, const char *message)
{
    GString *out = g_string_new(NULL);

    g_string_append_printf(out, "%s %s:", vt_enum_name(log_level_names, G_N_ELEMENTS(log_level_names), level),
                           domain ? domain : "-");
    if (object) {
        log_append_field(out, "mig", object->mig_id);
        log_append_field(out, "dom", object->domain_name ? object->domain_name : object->domain_uuid);
        log_append_field(out, "client", object->client);
        log_append_field(out, "msgid", object->message_id);
    }
    g_string_append_c(out, ' ');
    log_append_escaped(out, message);
    return g_string_free(out, FALSE);
}

static const char *
log_field(const GLogField *fields, gsize n_fields, const char *key)
{
    for (gsize i = 0; i < n_fields; i++)
        if (strcmp(fields[i].key, key) == 0 && fields[i].length < 0)
            return fields[i].value;
    return NULL;
}

static void
log_write_line(int fd, const char *line)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *stamp = now ? g_date_time_format(now, "%Y-%m-%dT%H:%M:%S") : NULL;
    g_autofree char *text = NULL;
    ssize_t written;

    text = g_strdup_printf("%s.%06dZ %s\n", stamp ? stamp : "-", now ? g_date_time_get_microsecond(now) : 0,
                           line);
    /* One write for a line, so that lines of several processes in one file do not mix. A full disk must
     * not stop guests: what cannot be written is lost. */
    do
        written = write(fd, text, strlen(text));
    while (written < 0 && errno == EINTR);
}

static GLogWriterOutput
log_writer(GLogLevelFlags flags, const GLogField *fields, gsize n_fields, gpointer user)
{
    const char *domain = log_field(fields, n_fields, "GLIB_DOMAIN");
    const char *message = log_field(fields, n_fields, "MESSAGE");
    VtLogLevel level = log_level_from_glib(flags);
    VtLogObject object = {
        .domain_uuid = log_field(fields, n_fields, "DOMAIN_UUID"),
        .domain_name = log_field(fields, n_fields, "DOMAIN_NAME"),
        .mig_id = log_field(fields, n_fields, "MIG_ID"),
        .client = log_field(fields, n_fields, "CLIENT"),
        .message_id = log_field(fields, n_fields, "MESSAGE_ID"),
    };
    g_autofree char *line = NULL;
    G_GNUC_UNUSED g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&log_state.lock);

    if (!log_enabled_locked(domain, level))
        return G_LOG_WRITER_HANDLED;
    if (log_state.fd < 0 && g_log_writer_is_journald(STDERR_FILENO) &&
        g_log_writer_journald(flags, fields, n_fields, NULL) == G_LOG_WRITER_HANDLED)
        return G_LOG_WRITER_HANDLED;
    line = vt_log_format(level, domain, &object, message ? message : "");
    log_write_line(log_state.fd >= 0 ? log_state.fd : STDERR_FILENO, line);
    return G_LOG_WRITER_HANDLED;
}

static void
log_filter_clear(gpointer data)
{
    g_free(((LogFilter *)data)->prefix);
}

static GArray *
log_filters_parse(const char *text, GError **error)
{
    g_autoptr(GArray) filters = g_array_new(FALSE, FALSE, sizeof(LogFilter));
    g_auto(GStrv) words = g_strsplit_set(text ? text : "", " \t,", -1);

    g_array_set_clear_func(filters, log_filter_clear);
    for (gsize i = 0; words[i]; i++) {
        const char *colon = strrchr(words[i], ':');
        LogFilter filter;

        if (!words[i][0])
            continue;
        if (!colon || colon == words[i] || !vt_log_level_parse(colon + 1, &filter.level)) {
            vt_error_set(
                error, VT_ERROR_INVALID_ARG,
                "Log filter '%s' is not of the form DOMAIN:LEVEL with a level of debug, info, warning or "
                "error.",
                words[i]);
            return NULL;
        }
        filter.prefix = g_strndup(words[i], (gsize)(colon - words[i]));
        g_array_append_val(filters, filter);
    }
    return g_steal_pointer(&filters);
}

gboolean
vt_log_init(const VtLogConfig *config, GError **error)
{
    g_autoptr(GArray) filters = log_filters_parse(config->filters, error);
    int fd = -1;

    if (!filters)
        return FALSE;
    if (config->path) {
        fd = open(config->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
            return vt_error_set_errno(error, errno, "Cannot open the log file '%s'", config->path);
    }
    g_mutex_lock(&log_state.lock);
    if (log_state.fd >= 0)
        close(log_state.fd);
    g_clear_pointer(&log_state.filters, g_array_unref);
    log_state.fd = fd;
    log_state.level = config->level;
    log_state.filters = g_steal_pointer(&filters);
    g_mutex_unlock(&log_state.lock);
    /* GLib allows this once in a process. */
    if (!log_state.installed)
        g_log_set_writer_func(log_writer, NULL, NULL);
    log_state.installed = TRUE;
    return TRUE;
}

void
vt_log_shutdown(void)
{
    G_GNUC_UNUSED g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&log_state.lock);

    if (log_state.fd >= 0)
        close(log_state.fd);
    log_state.fd = -1;
    log_state.level = VT_LOG_INFO;
    g_clear_pointer(&log_state.filters, g_array_unref);
}

void
vt_log_write(VtLogLevel level, const char *domain, const VtLogObject *object, const char *format, ...)
{
    g_autofree char *message = NULL;
    GLogField fields[8];
    gsize n = 0;
    va_list args;

    if (log_state.installed && !vt_log_enabled(domain, level))
        return;
    va_start(args, format);
    message = g_strdup_vprintf(format, args);
    va_end(args);
    fields[n++] = (GLogField){ "MESSAGE", message, -1 };
    fields[n++] = (GLogField){ "GLIB_DOMAIN", domain, -1 };
    if (object && object->domain_uuid)
        fields[n++] = (GLogField){ "DOMAIN_UUID", object->domain_uuid, -1 };
    if (object && object->domain_name)
        fields[n++] = (GLogField){ "DOMAIN_NAME", object->domain_name, -1 };
    if (object && object->mig_id)
        fields[n++] = (GLogField){ "MIG_ID", object->mig_id, -1 };
    if (object && object->client)
        fields[n++] = (GLogField){ "CLIENT", object->client, -1 };
    if (object && object->message_id)
        fields[n++] = (GLogField){ "MESSAGE_ID", object->message_id, -1 };
    g_log_structured_array(log_glib_levels[level], fields, n);
}
