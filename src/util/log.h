/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Structured logging.
 *
 * A file names itself before it logs, as "virtteam-<directory>-<module>":
 *
 *     #define VT_LOG_DOMAIN "virtteam-qemu-process"
 *     #include "util/log.h"
 *
 * The levels mean: error = this operation is lost; warning = unexpected but survived; info = an operator
 * wants to know; debug = free. Messages that operators watch for have a stable MESSAGE_ID and an entry in
 * docs/messages.md.
 */
#pragma once

#include <glib.h>

typedef enum { VT_LOG_DEBUG, VT_LOG_INFO, VT_LOG_WARNING, VT_LOG_ERROR, VT_LOG_LEVEL_COUNT } VtLogLevel;

/** What a message is about; each member may be NULL. */
typedef struct {
    const char *domain_uuid; /* field DOMAIN_UUID */
    const char *domain_name; /* field DOMAIN_NAME */
    const char *mig_id;      /* field MIG_ID */
    const char *client;      /* field CLIENT */
    const char *message_id;  /* field MESSAGE_ID: 32 hexadecimal digits */
} VtLogObject;

typedef struct {
    VtLogLevel level;    /* what is below is dropped */
    const char *filters; /* (nullable) "virtteam-qemu:debug virtteam-rpc:warning": longest prefix wins */
    const char *path; /* (nullable) a file to append to; NULL: the journal when stderr is it, else stderr */
} VtLogConfig;

/**
 * vt_log_init - install virtteam's writer for all of GLib's structured logging
 * @config: levels and output, copied
 * @error:  (out) INVALID_ARG (a filter), SYSTEM (the file)
 *
 * May be called again to change levels or to reopen the file.
 * Return: FALSE with the former set-up still in force.
 */
gboolean vt_log_init(const VtLogConfig *config, GError **error);

/** Close the log file and go back to GLib's default thresholds; for the end of main() and for tests. */
void vt_log_shutdown(void);

/**
 * vt_log_level_parse - level from its name
 * @name:  "debug", "info", "warning" or "error"
 * @level: (out) set only on success
 *
 * Return: FALSE when there is no such level.
 */
gboolean vt_log_level_parse(const char *name, VtLogLevel *level);

/**
 * vt_log_enabled - whether a message would be written
 * @domain: log domain
 * @level:  its level
 *
 * For callers that would have to build something costly first.
 */
gboolean vt_log_enabled(const char *domain, VtLogLevel level);

/**
 * vt_log_format - one line of a plain-text log, pure
 * @level:   printed by name
 * @domain:  (nullable) log domain
 * @object:  (nullable) appended as "dom=... mig=... client=..."
 * @message: text; control characters in it are escaped, so one message is one line
 *
 * Return: (transfer full) the line without time and without line end.
 */
char *vt_log_format(VtLogLevel level, const char *domain, const VtLogObject *object, const char *message);

/**
 * vt_log_write - write one message; use the macros below
 * @level:  severity
 * @domain: log domain
 * @object: (nullable) what it is about
 * @format: printf format
 */
void vt_log_write(VtLogLevel level, const char *domain, const VtLogObject *object, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

#define vt_log_debug(...)   vt_log_write(VT_LOG_DEBUG, VT_LOG_DOMAIN, NULL, __VA_ARGS__)
#define vt_log_info(...)    vt_log_write(VT_LOG_INFO, VT_LOG_DOMAIN, NULL, __VA_ARGS__)
#define vt_log_warning(...) vt_log_write(VT_LOG_WARNING, VT_LOG_DOMAIN, NULL, __VA_ARGS__)
#define vt_log_error(...)   vt_log_write(VT_LOG_ERROR, VT_LOG_DOMAIN, NULL, __VA_ARGS__)

/* The same about an object: vt_log_object_info(&(VtLogObject){ .mig_id = id }, "..."). */
#define vt_log_object_debug(object, ...)   vt_log_write(VT_LOG_DEBUG, VT_LOG_DOMAIN, object, __VA_ARGS__)
#define vt_log_object_info(object, ...)    vt_log_write(VT_LOG_INFO, VT_LOG_DOMAIN, object, __VA_ARGS__)
#define vt_log_object_warning(object, ...) vt_log_write(VT_LOG_WARNING, VT_LOG_DOMAIN, object, __VA_ARGS__)
#define vt_log_object_error(object, ...)   vt_log_write(VT_LOG_ERROR, VT_LOG_DOMAIN, object, __VA_ARGS__)

/* One of util/message-id.h; @name (nullable) is the domain's: vt_log_id_info(VT_MESSAGE_RECOVER_FOUND, name, "..."). */
#define vt_log_id(level, id, name, ...)                                                                      \
    vt_log_write(level, VT_LOG_DOMAIN, &(VtLogObject){ .message_id = (id), .domain_name = (name) },          \
                 __VA_ARGS__)
#define vt_log_id_info(id, name, ...)    vt_log_id(VT_LOG_INFO, id, name, __VA_ARGS__)
#define vt_log_id_warning(id, name, ...) vt_log_id(VT_LOG_WARNING, id, name, __VA_ARGS__)
#define vt_log_id_error(id, name, ...)   vt_log_id(VT_LOG_ERROR, id, name, __VA_ARGS__)
