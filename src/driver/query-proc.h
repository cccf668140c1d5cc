/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What /proc knows about a QEMU process and its interfaces. Texts are read with a bound and parsed by pure
 * functions, which tests feed with made-up files.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* virDomainInterfaceStats */
typedef struct {
    gint64 rx_bytes, rx_packets, rx_errs, rx_drop, tx_bytes, tx_packets, tx_errs, tx_drop;
} VtInterfaceStats;

typedef struct {
    guint64 user_ns, system_ns;
} VtProcTimes;

/** CPU time of a process with all its threads; zeros when it is gone. Source: proc(5), stat, fields 14 and 15. */
void vt_query_proc_times(pid_t pid, VtProcTimes *times);

/** Resident memory; 0 when it is gone. Source: proc(5), statm. */
guint64 vt_query_proc_rss_kib(pid_t pid);

/** Counters of an interface in our network namespace, as its guest sees them: received is what the host sent. */
gboolean vt_query_proc_net(const char *interface, VtInterfaceStats *stats);

typedef struct {
    char *ip, *mac, *device;
} VtArpEntry;

/** What the host has resolved in our network namespace; (transfer full), of VtArpEntry. Source: proc(5), net/arp. */
GPtrArray *vt_query_proc_arp(void);
GPtrArray *vt_query_proc_parse_arp(const char *text);

/** The parsers: FALSE where the text is not what it should be. */
gboolean vt_query_proc_parse_stat(const char *text, guint64 ticks_per_s, VtProcTimes *times);
gboolean vt_query_proc_parse_net(const char *text, const char *interface, VtInterfaceStats *stats);
