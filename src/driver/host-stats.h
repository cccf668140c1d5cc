/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Numbers of the host that change all the time: free memory, processor times, which processors are online. Read from /proc
 * and /sys each time; texts are parsed by pure functions, which tests feed with made-up files.
 */
#pragma once

#include "util/typed-param.h"

/** Free memory in bytes, of the whole host. */
gboolean vt_host_stats_free(guint64 *bytes, GError **error);

/**
 * vt_host_stats_cells - free memory of NUMA nodes (virNodeGetCellsFreeMemory)
 * @first: number of the first node
 * @max:   how many at most
 * @cells: (out) guint64 are appended: bytes, up to the first number that no node has
 * @error: INVALID_ARG: there is no node @first, or @max is less than 1
 */
gboolean vt_host_stats_cells(int first, int max, GArray *cells, GError **error);

/**
 * vt_host_stats_cpu - processor times in nanoseconds (virNodeGetCPUStats): kernel, user, idle, iowait
 * @cpu:   number, or -1 for the sum of all
 * @error: INVALID_ARG: there is no such processor; SYSTEM
 *
 * Return: (transfer full)
 */
VtTypedParams *vt_host_stats_cpu(int cpu, GError **error);

/** virNodeGetMemoryStats in KiB: total, free, and of the whole host (@cell -1) buffers and cached; errors as above. */
VtTypedParams *vt_host_stats_memory(int cell, GError **error);

/** Which processors there are and which are online, a bit each; (transfer full). @present and @online count them. */
GByteArray *vt_host_stats_cpu_map(guint *present, guint *online);

/**
 * vt_host_stats_free_pages - free pages of one size on one node (virNodeGetFreePages)
 * @cell:     NUMA node, or -1 for the whole host
 * @size_kib: size of the pages
 * @count:    (out) how many
 * @error:    INVALID_ARG: no such node or size
 */
gboolean vt_host_stats_free_pages(int cell, guint size_kib, guint64 *count, GError **error);

/** The parsers. "MemFree" in the text of a meminfo file, in KiB; FALSE when it is not there. */
gboolean vt_host_stats_parse_meminfo(const char *text, const char *name, guint64 *kib);
/** The line of @cpu (-1: all) in /proc/stat; (transfer full), NULL when it is not there. Source: proc(5). */
VtTypedParams *vt_host_stats_parse_stat(const char *text, int cpu, guint64 ticks_per_s);
/** Numbers (guint) of processors or nodes from the kernel's "0-3,8"; what is no number is left out. (transfer full) */
GArray *vt_host_stats_parse_list(const char *text);
