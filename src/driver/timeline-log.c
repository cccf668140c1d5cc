/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver/timeline-log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "util/file.h"
#include "util/log.h"

#define VT_LOG_DOMAIN "virtteam-driver-timeline"

struct _VtTimelineLog {
    VtTimeline *timeline; /* what this host noted */
    VtTimeline *adopted;  /* what came from the other host: its cookies repeat themselves */
    VtTimelineSide side;
    char *path;
    int fd;
};

static void
timeline_log_write(VtTimelineLog *log, const char *line)
{
    gsize length = strlen(line);

    if (log->fd < 0)
        return;
    if (write(log->fd, line, length) == (gssize)length)
        return;
    vt_log_warning("The timeline '%s' cannot be written any more (%s).", log->path, g_strerror(errno));
    close(log->fd);
    log->fd = -1;
}

/* Newest first: the name ends in a UUID, so only the time of the file tells the order. */
static int
timeline_log_compare(gconstpointer a, gconstpointer b)
{
    struct stat first = { 0 }, second = { 0 };

    if (stat(*(char *const *)a, &first) < 0 || stat(*(char *const *)b, &second) < 0)
        return 0;
    if (first.st_mtim.tv_sec != second.st_mtim.tv_sec)
        return first.st_mtim.tv_sec < second.st_mtim.tv_sec ? 1 : -1;
    return first.st_mtim.tv_nsec < second.st_mtim.tv_nsec ? 1 : -1;
}

static void
timeline_log_prune(const char *dir, const char *domain)
{
    g_autoptr(GDir) entries = g_dir_open(dir, 0, NULL);
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *prefix = g_strdup_printf("%s-", domain);
    gsize length = strlen(prefix) + 36 + strlen(".jsonl");
    const char *name;

    while (entries && (name = g_dir_read_name(entries)))
        if (g_str_has_prefix(name, prefix) && g_str_has_suffix(name, ".jsonl") && strlen(name) == length)
            g_ptr_array_add(files, g_build_filename(dir, name, NULL));
    g_ptr_array_sort(files, timeline_log_compare);
    for (guint i = VT_TIMELINE_LOG_KEPT - 1; i < files->len; i++)
        unlink(g_ptr_array_index(files, i));
}

static void
timeline_log_open_file(VtTimelineLog *log, const char *dir)
{
    g_autoptr(GError) error = NULL;
    struct stat status;

    if (!vt_file_mkdirs(dir, 0755, &error)) {
        vt_log_warning("No timeline is written: %s", error->message);
        return;
    }
    if (access(log->path, F_OK) < 0)
        timeline_log_prune(dir, log->timeline->domain);
    log->fd = open(log->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (log->fd < 0) {
        vt_log_warning("The timeline '%s' cannot be opened (%s).", log->path, g_strerror(errno));
        return;
    }
    if (fstat(log->fd, &status) == 0 && status.st_size == 0) {
        g_autofree char *head = vt_timeline_head_line(log->timeline);

        timeline_log_write(log, head);
    }
}

VtTimelineLog *
vt_timeline_log_open(const char *log_dir, const char *migration, const char *domain, const char *host,
                     VtTimelineSide side)
{
    VtTimelineLog *log = g_new0(VtTimelineLog, 1);
    g_autofree char *dir = g_build_filename(log_dir, "migrations", NULL);
    g_autofree char *file = g_strdup_printf("%s-%s.jsonl", domain, migration);

    log->timeline = vt_timeline_new(migration, domain, host);
    log->adopted = vt_timeline_new(migration, domain, NULL);
    log->side = side;
    log->fd = -1;
    log->path = g_build_filename(dir, file, NULL);
    timeline_log_open_file(log, dir);
    return log;
}

void
vt_timeline_log_note(VtTimelineLog *log, VtTimelineWhat what, const char *team, const char *detail)
{
    VtTimelineEntry entry = {
        .t_us = g_get_real_time(), .what = what, .team = (char *)team, .detail = (char *)detail
    };
    g_autofree char *line = NULL;

    if (!log)
        return;
    entry.side = log->side;
    line = vt_timeline_entry_line(vt_timeline_add(log->timeline, &entry));
    timeline_log_write(log, line);
}

void
vt_timeline_log_adopt(VtTimelineLog *log, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VtTimeline) other = NULL;

    if (!log || !text)
        return;
    other = vt_timeline_parse(text, &error);
    if (!other) {
        vt_log_debug("The other host's timeline is left out: %s", error->message);
        return;
    }
    if (g_strcmp0(other->migration, log->timeline->migration) != 0)
        return;
    for (guint i = 0; i < other->entries->len; i++) {
        const VtTimelineEntry *entry = g_ptr_array_index(other->entries, i);
        g_autofree char *line = vt_timeline_entry_line(entry);

        if (entry->side == log->side || vt_timeline_has(log->adopted, entry))
            continue;
        vt_timeline_add(log->adopted, entry);
        timeline_log_write(log, line);
    }
}

char *
vt_timeline_log_text(const VtTimelineLog *log)
{
    g_autofree char *head = vt_timeline_head_line(log->timeline);
    GString *text = g_string_new(head);

    for (guint i = 0; i < log->timeline->entries->len; i++) {
        g_autofree char *line = vt_timeline_entry_line(g_ptr_array_index(log->timeline->entries, i));

        g_string_append(text, line);
    }
    return g_string_free(text, FALSE);
}

const char *
vt_timeline_log_path(const VtTimelineLog *log)
{
    return log->fd >= 0 ? log->path : NULL;
}

void
vt_timeline_log_close(VtTimelineLog *log)
{
    if (!log)
        return;
    if (log->fd >= 0)
        close(log->fd);
    vt_timeline_free(log->timeline);
    vt_timeline_free(log->adopted);
    g_free(log->path);
    g_free(log);
}
