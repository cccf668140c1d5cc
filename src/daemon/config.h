/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtteamd.conf: lines of `key = value`, as libvirtd.conf has them. docs/virtteamd.conf explains every key.
 */
#pragma once

#include "driver/driver.h"

typedef enum {
    VT_CONFIG_AUTH_OWNER, /* root and the user who runs the daemon, by SO_PEERCRED */
    VT_CONFIG_AUTH_NONE,  /* whoever may open the socket */
    VT_CONFIG_AUTH_COUNT
} VtConfigAuth;

typedef struct {
    char *unix_sock_group;
    guint unix_sock_rw_perms, unix_sock_ro_perms;
    guint unix_sock_ro;               /* 1: offer the read-only socket */
    guint auth_unix_rw, auth_unix_ro; /* VtConfigAuth */
    guint max_clients, max_client_requests;
    guint keepalive_interval, keepalive_count; /* seconds; 0: the daemon never pings */
    guint log_level;                           /* VtLogLevel */
    char *log_filters, *log_output;
    char *host_uuid, *hostname;
    char *migration_address, *migration_host;
    guint migration_port_min, migration_port_max;
    guint team_orchestration; /* VtOrchestration */
    guint team_auto_prefers;  /* likewise, without AUTO */
    guint team_unplug_timeout_ms, team_unplug_retries;
    guint team_on_timeout;   /* VtTeamOnTimeout */
    guint team_on_link_loss; /* VtTeamOnLinkLoss */
    guint team_link_down_ms, team_link_up_ms;
    char *default_emulator;
    char *network_uri; /* NULL: libvirt's own for the mode */
    guint network_timeout_ms;
} VtConfig;

/** All defaults; (transfer full). */
VtConfig *vt_config_new(void);
void vt_config_free(VtConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtConfig, vt_config_free)

/**
 * vt_config_parse - change a configuration by the text of a file
 * @config: changed only as far as the text was read
 * @text:   the file's bytes
 * @name:   the file's name, for messages
 * @error:  (out) INVALID_ARG, naming file, line, key and what is expected
 */
gboolean vt_config_parse(VtConfig *config, const char *text, const char *name, GError **error);

/**
 * vt_config_load - change a configuration by a file
 * @config:   changed
 * @path:     the file
 * @required: FALSE: a missing file is no error
 * @error:    (out) SYSTEM, or as for vt_config_parse()
 */
gboolean vt_config_load(VtConfig *config, const char *path, gboolean required, GError **error);

/**
 * vt_config_to_driver - what the driver is opened with
 * @config:  the configuration
 * @root:    (nullable) --root DIR, absolute
 * @session: per user instead of system-wide
 * @error:   (out) SYSTEM (the host's UUID can neither be read nor stored), INVALID_ARG (host_uuid)
 *
 * Return: (transfer full) with every path below @root, if given. A host UUID is made and stored the first time.
 */
VtDriverConfig *vt_config_to_driver(const VtConfig *config, const char *root, gboolean session,
                                    GError **error);

/** Where the default configuration file is; (transfer full). */
char *vt_config_default_path(const char *root, gboolean session);

/** The directory of sockets and pid file; (transfer full). */
char *vt_config_run_dir(const char *root, gboolean session);
