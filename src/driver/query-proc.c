/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver/query-proc.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "util/file.h"

#define QUERY_PROC_MAX_BYTES (1024 * 1024)
#define QUERY_PROC_NS_PER_S  G_GUINT64_CONSTANT(1000000000)

gboolean
vt_query_proc_parse_stat(const char *text, guint64 ticks_per_s, VtProcTimes *times)
{
    /* Field 2 is the name in parentheses, which may itself hold anything: count from the last one. */
    const char *after = strrchr(text, ')');
    guint64 user = 0, system = 0;

    if (!after || ticks_per_s == 0)
        return FALSE;
    if (sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64, &user,
               &system) != 2)
        return FALSE;
    times->user_ns = user * (QUERY_PROC_NS_PER_S / ticks_per_s);
    times->system_ns = system * (QUERY_PROC_NS_PER_S / ticks_per_s);
    return TRUE;
}

void
vt_query_proc_times(pid_t pid, VtProcTimes *times)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
    g_autofree char *text = vt_file_read(path, QUERY_PROC_MAX_BYTES, NULL, NULL);

    *times = (VtProcTimes){ 0 };
    if (text)
        vt_query_proc_parse_stat(text, (guint64)sysconf(_SC_CLK_TCK), times);
}

guint64
vt_query_proc_rss_kib(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/statm", (int)pid);
    g_autofree char *text = vt_file_read(path, QUERY_PROC_MAX_BYTES, NULL, NULL);
    guint64 pages = 0;

    if (!text || sscanf(text, "%*u %" SCNu64, &pages) != 1)
        return 0;
    return pages * (guint64)sysconf(_SC_PAGESIZE) / 1024;
}

gboolean
vt_query_proc_parse_net(const char *text, const char *interface, VtInterfaceStats *stats)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line; line++) {
        char *colon = strchr(*line, ':');
        VtInterfaceStats s = { 0 };

        if (!colon)
            continue;
        *colon = '\0';
        if (strcmp(g_strstrip(*line), interface) != 0)
            continue;
        if (sscanf(colon + 1,
                   "%" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %*d %*d %*d %*d %" SCNd64 " %" SCNd64
                   " %" SCNd64 " %" SCNd64,
                   &s.tx_bytes, &s.tx_packets, &s.tx_errs, &s.tx_drop, &s.rx_bytes, &s.rx_packets, &s.rx_errs,
                   &s.rx_drop) != 8)
            return FALSE;
        *stats = s;
        return TRUE;
    }
    return FALSE;
}

gboolean
vt_query_proc_net(const char *interface, VtInterfaceStats *stats)
{
    /* Not sysfs, which may be mounted for another network namespace than the one we are in. */
    g_autofree char *text = vt_file_read("/proc/self/net/dev", QUERY_PROC_MAX_BYTES, NULL, NULL);

    return text && vt_query_proc_parse_net(text, interface, stats);
}

/* ---- ARP ---- */

static void
query_proc_arp_free(gpointer data)
{
    VtArpEntry *entry = data;

    g_free(entry->ip);
    g_free(entry->mac);
    g_free(entry->device);
    g_free(entry);
}

GPtrArray *
vt_query_proc_parse_arp(const char *text)
{
    GPtrArray *found = g_ptr_array_new_with_free_func(query_proc_arp_free);
    g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);

    for (guint i = 0; lines[0] && lines[i + 1]; i++) {
        char ip[46] = "", mac[18] = "", device[17] = "";
        unsigned flags = 0;
        VtArpEntry *entry;

        /* address, hardware type, flags (2: resolved), hardware address, mask, device */
        if (sscanf(lines[i + 1], "%45s 0x%*x 0x%x %17s %*s %16s", ip, &flags, mac, device) != 4 ||
            !(flags & 2))
            continue;
        entry = g_new0(VtArpEntry, 1);
        entry->ip = g_strdup(ip);
        entry->mac = g_ascii_strdown(mac, -1);
        entry->device = g_strdup(device);
        g_ptr_array_add(found, entry);
    }
    return found;
}

GPtrArray *
vt_query_proc_arp(void)
{
    g_autofree char *text = vt_file_read("/proc/self/net/arp", QUERY_PROC_MAX_BYTES, NULL, NULL);

    return vt_query_proc_parse_arp(text);
}
