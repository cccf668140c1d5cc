/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one error domain of virtteam.
 *
 * A code says what the caller can do about it, not where it came from; rpc/error-map.c is the only place
 * that knows libvirt's numbers. Functions that fail take a GError ** as their last parameter and return
 * FALSE or NULL; a function returns its error or logs it, never both. VT_ERROR_INTERNAL means "our bug".
 */
#pragma once

#include <glib.h>

typedef enum {
    VT_ERROR_INTERNAL,           /* a bug of ours, or QEMU behaving as it never should */
    VT_ERROR_INVALID_ARG,        /* a parameter of the call is wrong */
    VT_ERROR_XML,                /* not well-formed, or not the expected document */
    VT_ERROR_XML_DETAIL,         /* well-formed, but an element or value in it is wrong */
    VT_ERROR_CONFIG_UNSUPPORTED, /* valid for libvirt, but not supported here (element is named) */
    VT_ERROR_NO_SUPPORT,         /* the call itself does not exist here */
    VT_ERROR_UNSUPPORTED,        /* the operation cannot be done on this object (flag, machine, QEMU) */
    VT_ERROR_NO_DOMAIN,          /* no domain with that name, UUID or id */
    VT_ERROR_DOMAIN_EXISTS,      /* name or UUID is taken */
    VT_ERROR_OPERATION_INVALID,  /* right call, wrong state (not running, already running, no job) */
    VT_ERROR_OPERATION_FAILED,   /* tried and failed; the message says why */
    VT_ERROR_BUSY,               /* another job holds the object (libvirt: timed out waiting for the lock) */
    VT_ERROR_TIMEOUT,            /* an answer did not come in time */
    VT_ERROR_ABORTED,            /* cancelled on somebody's request */
    VT_ERROR_DENIED,             /* read-only connection or missing permission */
    VT_ERROR_AUTH,               /* not authenticated, or authentication failed */
    VT_ERROR_RPC,                /* wire-level: unknown program, bad payload */
    VT_ERROR_NO_METADATA,        /* no metadata of that kind or namespace */
    VT_ERROR_NO_DEVICE,          /* no such device in the domain */
    VT_ERROR_MIGRATE_UNSAFE,     /* migration could lose data; a flag overrides it */
    VT_ERROR_MIGRATE_FINISH_OK,  /* Finish of a cancelled migration cleaned up as asked */
    VT_ERROR_AGENT,              /* guest agent is not there */
    VT_ERROR_SYSTEM,             /* a system call failed; the message carries its errno text */
    VT_ERROR_NO_NETWORK,         /* virtual network not found */
    VT_ERROR_COUNT
} VtErrorCode;

#define VT_ERROR (vt_error_quark())

GQuark vt_error_quark(void);

/**
 * vt_error_code_name - the name of a code as logs and tests print it
 * @code: any #VtErrorCode
 *
 * Return: a static string like "no-domain"; "unknown" for a number outside the enum.
 */
const char *vt_error_code_name(VtErrorCode code);

/**
 * vt_error_set_errno - make a VT_ERROR_SYSTEM error with the text of an errno
 * @error:  (out) (nullable) where the error goes
 * @errnum: value of errno
 * @format: printf format of what was tried, e.g. "cannot open '%s'"
 *
 * Return: always FALSE, so that `return vt_error_set_errno(...)` reads as one line.
 */
gboolean vt_error_set_errno(GError **error, int errnum, const char *format, ...) G_GNUC_PRINTF(3, 4);

/**
 * vt_error_set - g_set_error() in our domain
 * @error:  (out) (nullable) where the error goes
 * @code:   what the caller can do about it
 * @format: printf format of a whole sentence
 *
 * Return: always FALSE.
 */
gboolean vt_error_set(GError **error, VtErrorCode code, const char *format, ...) G_GNUC_PRINTF(3, 4);

/**
 * VtDoneFunc - how every asynchronous operation of virtteam reports its end, exactly once
 * @user:  what the caller gave
 * @error: (nullable) (transfer none) why it failed; NULL on success
 */
typedef void (*VtDoneFunc)(gpointer user, const GError *error);
