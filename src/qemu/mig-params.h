/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a client asks of a migration (flags and typed parameters), and what QEMU is told for it.
 */
#pragma once

#include <json-glib/json-glib.h>
#include "util/typed-param.h"

/* virDomainMigrateFlags */
typedef enum {
    VT_MIG_FLAG_LIVE = 1 << 0,
    VT_MIG_FLAG_PEER2PEER = 1 << 1,
    VT_MIG_FLAG_TUNNELLED = 1 << 2,
    VT_MIG_FLAG_PERSIST_DEST = 1 << 3,
    VT_MIG_FLAG_UNDEFINE_SOURCE = 1 << 4,
    VT_MIG_FLAG_PAUSED = 1 << 5,
    VT_MIG_FLAG_CHANGE_PROTECTION = 1 << 8,
    VT_MIG_FLAG_UNSAFE = 1 << 9,
    VT_MIG_FLAG_ABORT_ON_ERROR = 1 << 12,
    VT_MIG_FLAG_AUTO_CONVERGE = 1 << 13,
} VtMigFlag;

typedef enum {
    VT_MIG_PARTY_SOURCE = 1 << 0,
    VT_MIG_PARTY_DESTINATION = 1 << 1,
} VtMigParty;

#define VT_MIG_PARAMS_DOWNTIME_DEFAULT_MS 300     /* QEMU's own */
#define VT_MIG_PARAMS_DOWNTIME_MAX_MS     2000000 /* QEMU's own */
#define VT_MIG_PARAMS_BANDWIDTH_MAX_MIB   ((guint64)G_MAXINT64 >> 20)

typedef struct {
    guint flags;
    guint64 bandwidth_mib_per_s;              /* 0: not said */
    int converge_initial, converge_increment; /* percent; 0: not said */
    /* nullable */
    char *migrate_uri, *destination_name, *destination_xml, *persistent_xml, *listen_address;
} VtMigParams;

/**
 * vt_mig_params_parse - read flags and parameters, refusing by name what is not supported
 * @params: (nullable) as the client sent them
 * @flags:  virDomainMigrateFlags
 * @error:  (out) UNSUPPORTED (a flag or parameter of libvirt's that is not supported, with what to do),
 *          INVALID_ARG (an unknown parameter, a wrong type, a value out of range)
 *
 * Return: (transfer full) what was asked, or NULL.
 * Source: libvirt include/libvirt/libvirt-domain.h, virDomainMigrateFlags and VIR_MIGRATE_PARAM_*.
 */
VtMigParams *vt_mig_params_parse(const VtTypedParams *params, guint flags, GError **error);

/** Free it; accepts NULL. */
void vt_mig_params_free(VtMigParams *params);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtMigParams, vt_mig_params_free)

/**
 * vt_mig_params_capabilities - arguments of QEMU's migrate-set-capabilities
 * @params: (nullable) what was asked; NULL: all of ours off
 * @party:  for which side
 *
 * Every capability of our table is named, so what an earlier migration left on is put right.
 * Return: (transfer full).
 * Source: QEMU qapi/migration.json, MigrationCapability.
 */
JsonNode *vt_mig_params_capabilities(const VtMigParams *params, VtMigParty party);

typedef struct {
    guint64 bandwidth_bytes_per_s; /* 0: without limit */
    guint64 downtime_ms;           /* 0: QEMU's default */
} VtMigLimits;

/**
 * vt_mig_params_downtime - how long the guest may stand still, as QEMU is told in a pass over its memory
 * @params: what was asked
 * @limits: what holds
 * @pass:   QEMU's dirty-sync-count: 1 while all of the memory is sent for the first time
 *
 * QEMU stops the guest as soon as it reckons that the rest takes no longer than this, and then uses all of it: a limit
 * of 300 ms makes guests stand still for up to 300 ms that would be done in 20 one pass later. So a limit that nobody
 * chose is approached, from a tenth of it over a third. One that a client chose holds from the first pass on.
 *
 * Return: milliseconds.
 * Source: QEMU migration/migration.c, migration_update_counters(): pending < bandwidth * downtime-limit.
 */
guint64 vt_mig_params_downtime(const VtMigParams *params, const VtMigLimits *limits, guint pass);

/**
 * vt_mig_params_parameters - arguments of QEMU's migrate-set-parameters, for the source
 * @params: what was asked
 * @limits: bandwidth and downtime that hold
 * @pass:   as for vt_mig_params_downtime()
 *
 * Return: (transfer full).
 * Source: QEMU qapi/migration.json, MigrateSetParameters.
 */
JsonNode *vt_mig_params_parameters(const VtMigParams *params, const VtMigLimits *limits, guint pass);

/**
 * vt_mig_params_saved - arguments that put back what was there before
 * @current: (nullable) QEMU's answer to query-migrate-parameters
 *
 * Return: (transfer full) (nullable) those of our parameters that @current has; NULL when it has none.
 */
JsonNode *vt_mig_params_saved(JsonNode *current);
