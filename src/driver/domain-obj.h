/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One domain: its definitions and its run-time state, with the only setter of that state.
 */
#pragma once

#include "driver/driver.h"
#include "qemu/process.h"

/* Numbers are libvirt's virDomainState; VT_DOMAIN_* reasons are those of virDomain*Reason. */
typedef enum {
    VT_DOMAIN_NOSTATE = 0,
    VT_DOMAIN_RUNNING = 1,
    VT_DOMAIN_PAUSED = 3,
    VT_DOMAIN_SHUTDOWN = 4,
    VT_DOMAIN_SHUTOFF = 5,
    VT_DOMAIN_CRASHED = 6,
    VT_DOMAIN_PMSUSPENDED = 7,
} VtDomainState;

const char *vt_domain_name(const VtDomain *domain);
const VtUuid *vt_domain_uuid(const VtDomain *domain);
int vt_domain_id(const VtDomain *domain);             /* -1: not running */
gboolean vt_domain_is_active(const VtDomain *domain); /* a QEMU exists for it */
gboolean vt_domain_is_persistent(const VtDomain *domain);
VtDomainState vt_domain_state(const VtDomain *domain, int *reason);

/** The definition in use: the live one when active, else the persistent one. (transfer none) */
VtDomainDef *vt_domain_def(const VtDomain *domain);
/** What the next start uses; NULL for a transient domain. (transfer none) */
VtDomainDef *vt_domain_persistent_def(const VtDomain *domain);

VtProcess *vt_domain_process(const VtDomain *domain); /* NULL unless active */

VtDomain *vt_domain_ref(VtDomain *domain);
void vt_domain_unref(VtDomain *domain);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtDomain, vt_domain_unref)

/**
 * vt_domain_set_state - the one writer of a domain's state
 * @domain: the domain
 * @state:  new state
 * @reason: libvirt's reason number within @state
 *
 * Checks the transition table, logs old -> new, writes the status file. Events are the caller's, since the
 * detail is its business.
 */
void vt_domain_set_state(VtDomain *domain, VtDomainState state, int reason);

/**
 * vt_domain_expect_pause - say why the CPUs are about to stop, before sending 'stop' (or letting a migration stop them)
 * @domain: the domain
 * @reason: virDomainPausedReason that QMP's STOP will set, with the event SUSPENDED; used once; 0: nobody expects one
 *
 * Without it STOP means PAUSED/MIGRATION while a migration out is under way, else PAUSED/UNKNOWN.
 */
void vt_domain_expect_pause(VtDomain *domain, int reason);

/** Likewise the virDomainRunningReason that RESUME will set (event RESUMED); without it RUNNING/UNPAUSED. */
void vt_domain_expect_resume(VtDomain *domain, int reason);

/* ---- what other modules of the driver hang onto a domain ---- */

typedef struct {
    /* Every QMP event, after the driver's own reaction to it and before clients are told. */
    void (*event)(VtDomain *domain, const VtQmpEvent *event, gpointer user);
    /* (nullable) QEMU is gone; @why says how. Told before the stop sequence begins. */
    void (*exited)(VtDomain *domain, const char *why, gpointer user);
} VtDomainQmpFuncs;

/** Listen to a domain's QEMU until removed; adding and removing from within a callback is allowed. */
void vt_domain_add_qmp_listener(VtDomain *domain, const VtDomainQmpFuncs *funcs, gpointer user);
void vt_domain_remove_qmp_listener(VtDomain *domain, const VtDomainQmpFuncs *funcs, gpointer user);

/** The QMP connection of a running domain; NULL with OPERATION_INVALID (not running) or OPERATION_FAILED (lost). */
VtQmpClient *vt_domain_qmp(const VtDomain *domain, GError **error);

/** The driver that has this domain in its list; NULL once it was taken off. */
VtDriver *vt_domain_driver(const VtDomain *domain);

/**
 * vt_domain_set_data - hang a module's own data onto a domain
 * @domain:  the domain
 * @key:     static string, the module's name
 * @data:    (nullable) replaces (and destroys) what is there
 * @destroy: (nullable) for @data
 */
void vt_domain_set_data(VtDomain *domain, const char *key, gpointer data, GDestroyNotify destroy);
gpointer vt_domain_data(const VtDomain *domain, const char *key);

/** The live definition was changed (device added, state known): write the status file soon. */
void vt_domain_status_changed(VtDomain *domain);

/** Replace the persistent definition (transfer full; NULL makes it transient). Saving it is vt_store_def_save()'s. */
void vt_domain_set_persistent_def(VtDomain *domain, VtDomainDef *def);
