/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver/host-stats.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "util/file.h"
#include "util/i18n.h"

#define HOST_STATS_NODE      "/sys/devices/system/node"
#define HOST_STATS_CPU       "/sys/devices/system/cpu"
#define HOST_STATS_MAX_BYTES (4 * 1024 * 1024)
#define HOST_STATS_CPU_MAX   16384u /* what a client takes: 2048 bytes of bits */
#define HOST_STATS_CELL_MAX  1024

static char *
host_stats_read(const char *path)
{
    return vt_file_read(path, HOST_STATS_MAX_BYTES, NULL, NULL);
}

/* ---- parsers ---- */

gboolean
vt_host_stats_parse_meminfo(const char *text, const char *name, guint64 *kib)
{
    g_autofree char *label = g_strconcat(name, ":", NULL);

    /* A node's lines begin with "Node 0 ". */
    for (const char *at = text; at && (at = strstr(at, label)); at++) {
        if (at > text && at[-1] != '\n' && at[-1] != ' ')
            continue;
        *kib = g_ascii_strtoull(at + strlen(label), NULL, 10);
        return TRUE;
    }
    return FALSE;
}

VtTypedParams *
vt_host_stats_parse_stat(const char *text, int cpu, guint64 ticks_per_s)
{
    g_autofree char *label = cpu < 0 ? g_strdup("cpu ") : g_strdup_printf("cpu%d ", cpu);
    const char *line = text;
    unsigned long long t[7] = { 0 }; /* user nice system idle iowait irq softirq */
    VtTypedParams *params;
    const guint64 ns = G_GUINT64_CONSTANT(1000000000) / MAX(ticks_per_s, 1);

    while (line && !g_str_has_prefix(line, label)) {
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    if (!line || sscanf(line + strlen(label), "%llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2],
                        &t[3], &t[4], &t[5], &t[6]) != 7)
        return NULL;
    params = vt_typed_params_new();
    vt_typed_params_add_ullong(params, "kernel", (t[2] + t[5] + t[6]) * ns);
    vt_typed_params_add_ullong(params, "user", (t[0] + t[1]) * ns);
    vt_typed_params_add_ullong(params, "idle", t[3] * ns);
    vt_typed_params_add_ullong(params, "iowait", t[4] * ns);
    return params;
}

GArray *
vt_host_stats_parse_list(const char *text)
{
    GArray *list = g_array_new(FALSE, FALSE, sizeof(guint));
    g_auto(GStrv) parts = g_strsplit(text ? text : "", ",", -1);

    for (char **part = parts; *part; part++) {
        unsigned first = 0, last = 0;
        int n = sscanf(*part, "%u-%u", &first, &last);

        for (guint i = first; n >= 1 && i <= (n == 2 ? last : first) && i < HOST_STATS_CPU_MAX; i++)
            g_array_append_val(list, i);
    }
    return list;
}

/* ---- memory ---- */

/* Without NUMA in the kernel all of it is node 0. */
static char *
host_stats_meminfo(int cell)
{
    g_autofree char *path = g_strdup_printf(HOST_STATS_NODE "/node%d/meminfo", cell);

    if (cell == 0 && access(HOST_STATS_NODE, F_OK) < 0)
        return host_stats_read("/proc/meminfo");
    return host_stats_read(cell < 0 ? "/proc/meminfo" : path);
}

static gboolean
host_stats_no_cell(int cell, GError **error)
{
    return vt_error_set(error, VT_ERROR_INVALID_ARG, _("the host has no NUMA node %d"), cell);
}

gboolean
vt_host_stats_free(guint64 *bytes, GError **error)
{
    g_autofree char *text = host_stats_meminfo(-1);
    guint64 kib = 0;

    if (!vt_host_stats_parse_meminfo(text, "MemFree", &kib))
        return vt_error_set(error, VT_ERROR_SYSTEM, _("the host does not say how much memory is free"));
    *bytes = kib * 1024;
    return TRUE;
}

gboolean
vt_host_stats_cells(int first, int max, GArray *cells, GError **error)
{
    guint before = cells->len;

    if (max < 1)
        return vt_error_set(error, VT_ERROR_INVALID_ARG, _("free memory of %d NUMA nodes was asked for"),
                            max);
    for (int cell = first; cell >= 0 && cell - first < MIN(max, HOST_STATS_CELL_MAX); cell++) {
        g_autofree char *text = host_stats_meminfo(cell);
        guint64 kib = 0;

        if (!vt_host_stats_parse_meminfo(text, "MemFree", &kib))
            break;
        kib *= 1024;
        g_array_append_val(cells, kib);
    }
    return cells->len > before || host_stats_no_cell(first, error);
}

VtTypedParams *
vt_host_stats_memory(int cell, GError **error)
{
    static const struct {
        const char *field, *name;
        gboolean whole; /* the kernel has it for the whole host only */
    } rows[] = {
        { "total", "MemTotal", FALSE },
        { "free", "MemFree", FALSE },
        { "buffers", "Buffers", TRUE },
        { "cached", "Cached", TRUE },
    };
    g_autofree char *text = host_stats_meminfo(cell);
    g_autoptr(VtTypedParams) params = vt_typed_params_new();
    guint64 kib = 0;

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (rows[i].whole && cell >= 0)
            continue;
        if (!vt_host_stats_parse_meminfo(text, rows[i].name, &kib)) {
            host_stats_no_cell(cell, error);
            return NULL;
        }
        vt_typed_params_add_ullong(params, rows[i].field, kib);
    }
    return g_steal_pointer(&params);
}

gboolean
vt_host_stats_free_pages(int cell, guint size_kib, guint64 *count, GError **error)
{
    const guint own_kib = (guint)(sysconf(_SC_PAGESIZE) / 1024);
    g_autofree char *node =
        cell < 0 ? g_strdup("/sys/kernel/mm") : g_strdup_printf(HOST_STATS_NODE "/node%d", cell);
    g_autofree char *path = g_strdup_printf("%s/hugepages/hugepages-%ukB/free_hugepages", node, size_kib);
    g_autofree char *text = size_kib == own_kib ? host_stats_meminfo(cell) : host_stats_read(path);
    guint64 kib = 0;

    if (size_kib == own_kib && vt_host_stats_parse_meminfo(text, "MemFree", &kib))
        *count = kib / own_kib;
    else if (size_kib != own_kib && text)
        *count = g_ascii_strtoull(text, NULL, 10);
    else
        return vt_error_set(error, VT_ERROR_INVALID_ARG, _("NUMA node %d has no pages of %u KiB"), cell,
                            size_kib);
    return TRUE;
}

/* ---- processors ---- */

VtTypedParams *
vt_host_stats_cpu(int cpu, GError **error)
{
    g_autofree char *text = host_stats_read("/proc/stat");
    VtTypedParams *params = vt_host_stats_parse_stat(text, cpu, (guint64)sysconf(_SC_CLK_TCK));

    if (!params)
        vt_error_set(error, VT_ERROR_INVALID_ARG, _("the host has no processor %d that is online"), cpu);
    return params;
}

GByteArray *
vt_host_stats_cpu_map(guint *present, guint *online)
{
    g_autofree char *all = host_stats_read(HOST_STATS_CPU "/present");
    g_autofree char *now = host_stats_read(HOST_STATS_CPU "/online");
    g_autoptr(GArray) there = vt_host_stats_parse_list(all);
    g_autoptr(GArray) running = vt_host_stats_parse_list(now);
    GByteArray *bits = g_byte_array_new();

    *online = running->len;
    /* libvirt counts up to the last processor there is, and its map is as wide. */
    *present = 0;
    for (guint i = 0; i < there->len; i++)
        *present = MAX(*present, g_array_index(there, guint, i) + 1);
    for (guint i = 0; i < *present; i += 8)
        g_byte_array_append(bits, (const guint8[]){ 0 }, 1);
    for (guint i = 0; i < running->len; i++) {
        guint cpu = g_array_index(running, guint, i);

        if (cpu < *present)
            bits->data[cpu / 8] |= (guint8)(1u << (cpu % 8));
    }
    return bits;
}
