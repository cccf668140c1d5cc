/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The teams of a guest at run time: has the guest agreed to be a standby, and is the primary in the guest.
 *
 * Fed with QMP events and with answers to QMP questions; tells each change once. It decides nothing and
 * sends nothing but questions.
 */
#pragma once

#include "conf/domain-def.h"
#include "qemu/qmp-client.h"

/* Has the guest's driver negotiated VIRTIO_NET_F_STANDBY? */
typedef enum {
    VT_QEMU_STANDBY_UNKNOWN, /* the driver is not there yet, or this QEMU cannot be asked */
    VT_QEMU_STANDBY_NO,      /* there is a driver, and it did not */
    VT_QEMU_STANDBY_YES,
    VT_QEMU_STANDBY_COUNT
} VtQemuStandby;

typedef enum {
    VT_QEMU_PRIMARY_ABSENT,     /* the team has no transient */
    VT_QEMU_PRIMARY_HIDDEN,     /* QEMU keeps it away until the guest negotiates STANDBY */
    VT_QEMU_PRIMARY_PLUGGING,   /* on its way into the guest */
    VT_QEMU_PRIMARY_PLUGGED,    /* in the guest */
    VT_QEMU_PRIMARY_UNPLUGGING, /* the guest was asked to eject it */
    VT_QEMU_PRIMARY_UNPLUGGED,  /* ejected, for a migration or by us */
    VT_QEMU_PRIMARY_COUNT
} VtQemuPrimary;

typedef struct {
    char *persistent; /* alias */
    char *transient;  /* alias; NULL with ABSENT */
    gboolean by_qemu; /* QEMU unplugs and replugs (failover_pair_id); else we do */
    VtQemuStandby standby;
    VtQemuPrimary primary;
} VtQemuTeam;

typedef struct _VtQemuTeaming VtQemuTeaming;

/**
 * VtQemuTeamingFunc - a team has changed
 * @teaming:     of the guest
 * @team:        as it is now; (transfer none)
 * @was_standby: before
 * @was_primary: before
 * @user:        as given
 */
typedef void (*VtQemuTeamingFunc)(VtQemuTeaming *teaming, const VtQemuTeam *team, VtQemuStandby was_standby,
                                  VtQemuPrimary was_primary, gpointer user);

/**
 * vt_qemu_teaming_new - the teams of a guest that is about to start
 * @def:     its live definition, with aliases
 * @changed: (nullable) told each change, from within the call that makes it
 * @user:    for @changed
 *
 * Return: (transfer full) free with vt_qemu_teaming_free().
 */
VtQemuTeaming *vt_qemu_teaming_new(const VtDomainDef *def, VtQemuTeamingFunc changed, gpointer user);

/** Forget; nobody is told anything any more, also of answers that are still to come. Accepts NULL. */
void vt_qemu_teaming_free(VtQemuTeaming *teaming);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtQemuTeaming, vt_qemu_teaming_free)

/** A leg was added to or taken from the definition: new teams begin, others keep their state. */
void vt_qemu_teaming_update(VtQemuTeaming *teaming, const VtDomainDef *def);

/** How many teams there are, and each of them in the order of the definition; NULL outside. (transfer none) */
guint vt_qemu_teaming_count(const VtQemuTeaming *teaming);
const VtQemuTeam *vt_qemu_teaming_get(const VtQemuTeaming *teaming, guint index);

/** The team that one of the two aliases belongs to; NULL when there is none. (transfer none) */
const VtQemuTeam *vt_qemu_teaming_find(const VtQemuTeaming *teaming, const char *alias);

/**
 * vt_qemu_teaming_set_primary - the one setter of where the primary is
 * @teaming:    of the guest
 * @persistent: alias of the team
 * @primary:    new state
 * @error:      (out) INTERNAL: no such team, or no such way from the present state
 *
 * For those who send device_add and device_del themselves; events do the rest.
 */
gboolean vt_qemu_teaming_set_primary(VtQemuTeaming *teaming, const char *persistent, VtQemuPrimary primary,
                                     GError **error);

/** TRUE when the transition table allows it; equal states are no transition. */
gboolean vt_qemu_primary_may_become(VtQemuPrimary from, VtQemuPrimary to);

/**
 * vt_qemu_teaming_event - what QEMU tells by itself
 * @teaming: of the guest
 * @event:   any event
 *
 * Return: TRUE when it takes a look (vt_qemu_teaming_look()) to know how it ended: QEMU tells that it begins to
 * plug a primary, but only warns in its log when that fails.
 * Source: QAPI FAILOVER_NEGOTIATED, UNPLUG_PRIMARY, DEVICE_DELETED, MIGRATION, RESET.
 */
gboolean vt_qemu_teaming_event(VtQemuTeaming *teaming, const VtQmpEvent *event);

/**
 * vt_qemu_teaming_look - ask QEMU how each team is; after a restart of the daemon, and where an event says so
 * @teaming: of the guest
 * @client:  its monitor
 * @done:    (nullable) told when all answers were taken in; an error is the first question that failed
 * @user:    for @done
 *
 * Not told when @teaming is freed before.
 * Source: QAPI qom-list, x-query-virtio-status (from QEMU 7.2 on), query-migrate.
 */
void vt_qemu_teaming_look(VtQemuTeaming *teaming, VtQmpClient *client, VtDoneFunc done, gpointer user);

/* What a look has found out; also for tests. */
typedef struct {
    JsonNode *peripherals;   /* qom-list of /machine/peripheral; (nullable) not answered */
    JsonNode *migration;     /* query-migrate; (nullable) */
    JsonNode *const *virtio; /* x-query-virtio-status of each team's persistent, in order; entries nullable */
    gsize n_virtio;
} VtQemuTeamingSight;

/**
 * vt_qemu_teaming_saw - draw the conclusions from QEMU's answers
 * @teaming: of the guest
 * @sight:   the answers
 *
 * QEMU has no direct question for "is the primary in the guest": one that was ejected for a migration stays an
 * object of QEMU. So the migration's status decides for those that exist.
 */
void vt_qemu_teaming_saw(VtQemuTeaming *teaming, const VtQemuTeamingSight *sight);

/** "ua-net:yes:plugged ua-x:unknown:hidden", for status files and logs. (transfer full) */
char *vt_qemu_teaming_to_text(const VtQemuTeaming *teaming);

/**
 * vt_qemu_teaming_restore - take over the states that a former daemon wrote
 * @teaming: new
 * @text:    as vt_qemu_teaming_to_text() made it; teams that do not exist any more are passed over
 *
 * Nobody is told. Return: FALSE when @text is not of that form; nothing was changed then.
 */
gboolean vt_qemu_teaming_restore(VtQemuTeaming *teaming, const char *text);

/** "unknown", "no", "yes"; NULL for a number outside the enum. */
const char *vt_qemu_standby_name(VtQemuStandby standby);
/** "absent", "hidden", "plugging", "plugged", "unplugging", "unplugged"; NULL for a number outside the enum. */
const char *vt_qemu_primary_name(VtQemuPrimary primary);
