/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver/query-block.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "driver/domain-private.h"
#include "util/fd.h"
#include "util/i18n.h"
#include "util/json.h"

#define QUERY_BLOCK_QMP_MS  30000
#define QUERY_BLOCK_THREADS 2
#define QUERY_BLOCK_HEAD    32 /* bytes of a qcow2 header up to its size */
#define QUERY_BLOCK_SECTOR  512
#define QUERY_BLOCK_QCOW2   "QFI\xfb"
#define QUERY_BLOCK_SIZE_AT 24

static const VtDiskDef *
query_block_find(const VtDomainDef *def, const char *disk)
{
    for (guint i = 0; i < def->disks->len; i++) {
        const VtDiskDef *one = g_ptr_array_index(def->disks, i);

        if (g_strcmp0(one->target_dev, disk) == 0 || g_strcmp0(one->source_file, disk) == 0)
            return one;
    }
    return NULL;
}

static const VtDiskDef *
query_block_find_or_say(const VtDomainDef *def, const char *disk, GError **error)
{
    const VtDiskDef *found = query_block_find(def, disk);

    if (!found)
        vt_error_set(error, VT_ERROR_INVALID_ARG,
                     _("domain '%s' has no disk '%s': 'virsh domblklist' shows what it has"), def->name,
                     disk);
    return found;
}

/* ---- counters ---- */

static const struct {
    const char *field, *member;
} query_block_counters[] = {
    { "rd_operations", "stats.rd_operations" },
    { "rd_bytes", "stats.rd_bytes" },
    { "rd_total_times", "stats.rd_total_time_ns" },
    { "wr_operations", "stats.wr_operations" },
    { "wr_bytes", "stats.wr_bytes" },
    { "wr_total_times", "stats.wr_total_time_ns" },
    { "flush_operations", "stats.flush_operations" },
    { "flush_total_times", "stats.flush_total_time_ns" },
};

/* "/machine/peripheral/virtio-disk0/virtio-backend" is virtio-disk0's; what is no device of the definition is left out. */
static gboolean
query_block_is(JsonNode *entry, const char *alias)
{
    static const char at[] = "/machine/peripheral/";
    const char *qdev = vt_json_string_or(entry, "qdev", "");
    gsize length = alias ? strlen(alias) : 0;

    if (!g_str_has_prefix(qdev, at))
        return FALSE;
    qdev += strlen(at);
    return !alias || (strncmp(qdev, alias, length) == 0 && (qdev[length] == '/' || qdev[length] == '\0'));
}

gboolean
vt_query_block_sum(JsonNode *told, const char *alias, VtTypedParams *params)
{
    JsonArray *array = told && JSON_NODE_HOLDS_ARRAY(told) ? json_node_get_array(told) : NULL;
    gint64 sums[G_N_ELEMENTS(query_block_counters)] = { 0 };
    gboolean found = FALSE;

    for (guint i = 0; array && i < json_array_get_length(array); i++) {
        JsonNode *entry = json_array_get_element(array, i);

        if (!query_block_is(entry, alias))
            continue;
        found = TRUE;
        for (gsize k = 0; k < G_N_ELEMENTS(sums); k++)
            sums[k] += MAX(vt_json_int_or(entry, query_block_counters[k].member, 0), 0);
    }
    for (gsize k = 0; found && k < G_N_ELEMENTS(sums); k++)
        vt_typed_params_add_llong(params, query_block_counters[k].field, sums[k]);
    return found;
}

typedef struct {
    char *alias; /* NULL: all */
    VtBlockStatsDone done;
    gpointer user;
} QueryBlockStats;

static void
query_block_told(gpointer user, JsonNode *result, const GError *error)
{
    QueryBlockStats *query = user;
    g_autoptr(VtTypedParams) params = vt_typed_params_new();
    g_autoptr(GError) none = NULL;

    if (!error && !vt_query_block_sum(result, query->alias, params) && query->alias)
        vt_error_set(&none, VT_ERROR_OPERATION_FAILED,
                     _("QEMU has no counters of the disk with the alias '%s'"), query->alias);
    if (!error)
        error = none;
    query->done(query->user, error ? NULL : params, error);
    g_free(query->alias);
    g_free(query);
}

void
vt_query_block_stats(VtDomain *domain, const char *disk, VtBlockStatsDone done, gpointer user)
{
    g_autoptr(GError) error = NULL;
    VtQmpClient *qmp = NULL;
    const VtDiskDef *found = NULL;
    QueryBlockStats *query;

    if (!vt_domain_is_active(domain))
        vt_error_set(&error, VT_ERROR_OPERATION_INVALID, _("domain is not running"));
    else if (*disk == '\0' || (found = query_block_find_or_say(domain->live, disk, &error)))
        qmp = vt_domain_qmp(domain, &error);
    if (!qmp) {
        done(user, NULL, error);
        return;
    }
    query = g_new0(QueryBlockStats, 1);
    query->alias = found ? g_strdup(found->info.alias) : NULL;
    query->done = done;
    query->user = user;
    vt_qmp_client_call(qmp, "query-blockstats", NULL, QUERY_BLOCK_QMP_MS, query_block_told, query);
}

/* ---- sizes ---- */

guint64
vt_query_block_capacity(const guint8 *head, gsize length, guint64 physical)
{
    guint64 size;

    if (length < QUERY_BLOCK_HEAD || memcmp(head, QUERY_BLOCK_QCOW2, strlen(QUERY_BLOCK_QCOW2)) != 0)
        return physical;
    memcpy(&size, head + QUERY_BLOCK_SIZE_AT, sizeof size);
    return GUINT64_FROM_BE(size);
}

typedef struct {
    char *path;
    gboolean qcow2;
    VtBlockInfo info;
    GError *error;
    VtBlockInfoDone done;
    gpointer user;
} QueryBlockInfo;

static gboolean
query_block_info_told(gpointer user)
{
    QueryBlockInfo *query = user;

    query->done(query->user, query->error ? NULL : &query->info, query->error);
    g_clear_error(&query->error);
    g_free(query->path);
    g_free(query);
    return G_SOURCE_REMOVE;
}

static void
query_block_info_read(QueryBlockInfo *query)
{
    g_auto(VtFd) fd = open(query->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    guint8 head[QUERY_BLOCK_HEAD];
    struct stat st;
    ssize_t n;
    off_t end;

    if (fd < 0 || fstat(fd, &st) < 0 || (n = pread(fd, head, sizeof head, 0)) < 0 ||
        (end = lseek(fd, 0, SEEK_END)) < 0) {
        vt_error_set_errno(&query->error, errno, _("cannot read '%s'"), query->path);
        return;
    }
    query->info.physical = (guint64)end;
    query->info.allocation = S_ISREG(st.st_mode) ? (guint64)st.st_blocks * QUERY_BLOCK_SECTOR : (guint64)end;
    query->info.capacity =
        query->qcow2 ? vt_query_block_capacity(head, (gsize)n, (guint64)end) : (guint64)end;
}

static void
query_block_info_thread(gpointer data, gpointer nothing)
{
    query_block_info_read(data);
    g_idle_add_full(G_PRIORITY_DEFAULT, query_block_info_told, data, NULL);
}

/* A file may lie on a server that does not answer. Whoever asks for it again and again must not take the threads that
 * write the daemon's own files. */
static void
query_block_info_ask(QueryBlockInfo *query)
{
    static GThreadPool *threads;

    if (!threads)
        threads = g_thread_pool_new(query_block_info_thread, NULL, QUERY_BLOCK_THREADS, FALSE, NULL);
    g_thread_pool_push(threads, query, NULL);
}

void
vt_query_block_info(VtDomain *domain, const char *disk, VtBlockInfoDone done, gpointer user)
{
    g_autoptr(GError) error = NULL;
    const VtDiskDef *found = query_block_find_or_say(vt_domain_def(domain), disk, &error);
    QueryBlockInfo *query;

    if (found && !found->source_file)
        vt_error_set(&error, VT_ERROR_INVALID_ARG, _("nothing is in the drive '%s' of domain '%s'"), disk,
                     vt_domain_name(domain));
    if (error) {
        done(user, NULL, error);
        return;
    }
    query = g_new0(QueryBlockInfo, 1);
    query->path = g_strdup(found->source_file);
    query->qcow2 = g_strcmp0(found->format, "qcow2") == 0;
    query->done = done;
    query->user = user;
    query_block_info_ask(query);
}
