/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The driver: libvirt's meaning of domain, job, state and event, without any wire. Everything runs on the
 * one main context; what waits is told the end through a VtDoneFunc.
 *
 * Calls here take a #VtOwner where something is tied to a client's life (autodestroy, a client-managed
 * migration): an opaque token that the session makes and whose end it reports.
 */
#pragma once

#include "conf/domain-def.h"
#include "qemu/caps.h"
#include "util/error.h"

typedef struct _VtDriver VtDriver;
typedef struct _VtDomain VtDomain; /* driver/domain-obj.h */
typedef struct _VtOwner VtOwner;   /* made and freed by the session; compared by address */

typedef struct {
    gboolean session; /* unprivileged, per user */
    char *root;       /* --root DIR, or NULL */
    char *config_dir; /* .../etc/virtteam/qemu: persistent definitions; autostart/ below it */
    char *state_dir;  /* .../run/virtteam/qemu: status, journals, pid files, monitor sockets */
    char *lib_dir;    /* .../var/lib/virtteam/qemu: reservations, timelines of migrations */
    char *log_dir;    /* .../var/log/virtteam/qemu */
    char *cache_dir;  /* .../var/cache/virtteam */
    VtUuid host_uuid;
    char *hostname;          /* reported, and used in migration URIs */
    char *migration_address; /* what a destination listens on; default "0.0.0.0" */
    char *migration_host;    /* (nullable) what it tells the source to connect to; default: hostname */
    guint migration_port_min, migration_port_max;
    VtOrchestration orchestration; /* default for teams */
    VtOrchestration auto_prefers;  /* where 'auto' may choose */
    guint unplug_timeout_ms;       /* default 30000 */
    guint unplug_retries;
    VtTeamOnTimeout on_timeout;
    VtTeamOnLinkLoss on_link_loss;
    guint link_down_ms, link_up_ms; /* 0: vt_fallover_params_default */
    char *default_emulator;         /* nullable: found in PATH by architecture */
    char *network_uri; /* (nullable) libvirt network daemon; default: network:///system or ///session */
    guint network_timeout_ms; /* how long its answer is waited for; 0: default, 10000 */
} VtDriverConfig;

void vt_driver_config_free(VtDriverConfig *config);

/**
 * vt_driver_new - open the driver: make directories, load definitions, probe QEMU, find running guests again
 * @config: (transfer full)
 * @error:  (out) SYSTEM: a directory cannot be made, or another virtteamd uses it
 *
 * Return: (transfer full); recovery of running guests goes on in the main loop, each domain is busy until
 * it is done.
 */
VtDriver *vt_driver_new(VtDriverConfig *config, GError **error);

/** Start the domains marked autostart, once per boot of the host. */
void vt_driver_autostart(VtDriver *driver);

/** Close: guests go on running. */
void vt_driver_free(VtDriver *driver);

const VtDriverConfig *vt_driver_config(const VtDriver *driver);

/**
 * vt_driver_caps - capabilities of an emulator
 * @driver: the driver
 * @binary: (nullable) path; NULL: the default one
 * @error:  (out) as vt_qemu_caps_probe()
 *
 * Return: (transfer none) kept until the binary changes.
 */
VtQemuCaps *vt_driver_caps(VtDriver *driver, const char *binary, GError **error);

/** A client is gone: its autodestroy domains end, its client-managed migrations are cleaned up. */
void vt_driver_owner_gone(VtDriver *driver, VtOwner *owner);

/* ---- the list (driver/domain-list.c) ---- */

/** Find a domain, by UUID or by name: (transfer none), or NULL with NO_DOMAIN. */
VtDomain *vt_driver_lookup_uuid(VtDriver *driver, const VtUuid *uuid, GError **error);
VtDomain *vt_driver_lookup_name(VtDriver *driver, const char *name, GError **error);
VtDomain *vt_driver_lookup_id(VtDriver *driver, int id, GError **error);

/** Domains that pass virConnectListAllDomains' filter @flags; (transfer container), sorted by id then name. */
GPtrArray *vt_driver_list(VtDriver *driver, guint flags);
