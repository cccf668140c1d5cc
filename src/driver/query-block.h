/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What clients ask about a guest's disks: counters and sizes.
 */
#pragma once

#include "driver/domain-obj.h"
#include "util/typed-param.h"

typedef struct {
    guint64 allocation, capacity, physical; /* bytes: on the host's disk, as the guest sees it, of the file */
} VtBlockInfo;

/* The end of a question: exactly one of @params and @error. */
typedef void (*VtBlockStatsDone)(gpointer user, const VtTypedParams *params, const GError *error);
typedef void (*VtBlockInfoDone)(gpointer user, const VtBlockInfo *info, const GError *error);

/**
 * vt_query_block_stats - counters of one disk, or of all together
 * @domain: active
 * @disk:   its target, its path, or "" for the sum of all
 * @done:   gets rd_operations, rd_bytes, rd_total_times (ns), the same of wr, flush_operations, flush_total_times as LLONG;
 *          INVALID_ARG: no such disk; OPERATION_INVALID: the domain is not running
 * @user:   for @done
 *
 * Source: QAPI query-blockstats; names: libvirt's VIR_DOMAIN_BLOCK_STATS_*.
 */
void vt_query_block_stats(VtDomain *domain, const char *disk, VtBlockStatsDone done, gpointer user);

/**
 * vt_query_block_info - sizes of one disk
 * @domain: active or not
 * @disk:   its target or path
 * @done:   gets them; INVALID_ARG: no such disk, or nothing is in its drive; SYSTEM: its file cannot be read
 * @user:   for @done
 */
void vt_query_block_info(VtDomain *domain, const char *disk, VtBlockInfoDone done, gpointer user);

/** The part that is pure: add up what query-blockstats told of the device @alias (NULL: of all); FALSE: none is there. */
gboolean vt_query_block_sum(JsonNode *told, const char *alias, VtTypedParams *params);
/** What a guest sees of an image that begins with these bytes: a qcow2 image says it, another file is as large as it is. */
guint64 vt_query_block_capacity(const guint8 *head, gsize length, guint64 physical);
