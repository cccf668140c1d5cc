/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A call in flight: its decoded arguments, and the one answer it gets, now or later. Also the rows that procedures
 * are declared with.
 *
 * A handler gets the call and owes it exactly one vt_call_return*(), vt_call_fail*() or vt_call_done(), which frees
 * it. The client may vanish meanwhile: the answer then goes nowhere, and nothing else changes for the handler.
 */
#pragma once

#include "rpc/conn.h"
#include "rpc/error-map.h"

typedef struct _VtCall VtCall;

typedef void (*VtCallFunc)(VtCall *call);

typedef enum {
    VT_CALL_READ,  /* allowed on a read-only connection */
    VT_CALL_WRITE, /* refused there */
    VT_CALL_COND,  /* the handler decides by the arguments, with vt_call_refuse_readonly() */
} VtCallAccess;

typedef enum {
    VT_CALL_BEFORE_AUTH = 1, /* served to a client that is not authenticated */
    VT_CALL_BEFORE_OPEN = 2, /* served before CONNECT_OPEN */
} VtCallFlags;

typedef struct {
    gint32 number;
    const char *name;
    const VtXdrType *args, *ret;
    VtCallAccess access;
    VtCallFlags flags;
    VtCallFunc handler; /* NULL: a message that only the server sends */
} VtProcedure;

typedef struct {
    const char *name;
    guint32 number, version;
    const VtProcedure *rows;
    gsize n_rows;
} VtProgram;

/**
 * vt_call_new - a call that has been received
 * @conn:      from whom
 * @procedure: which
 * @header:    of its frame, copied
 * @args:      (transfer full) decoded arguments, of @procedure->args
 * @fds:       (transfer full) (nullable) descriptors that came with it, of int
 */
VtCall *vt_call_new(VtConn *conn, const VtProcedure *procedure, const VtMessageHeader *header, gpointer args,
                    GArray *fds);

/** Free what will never be answered: the daemon ends, and the driver, which owed the answers, is gone already. */
void vt_call_drop_all(void);

gpointer vt_call_args(const VtCall *call);
VtConn *vt_call_conn(const VtCall *call);
VtDriver *vt_call_driver(const VtCall *call);
VtOwner *vt_call_owner(const VtCall *call);
/** The function of libvirt's API that was called; (transfer full). */
char *vt_call_name(const VtCall *call);
const VtMessageHeader *vt_call_header(const VtCall *call);

/**
 * vt_call_return - answer
 * @call: (transfer full) the call
 * @ret:  (nullable) (transfer none) the return, of the procedure's type; NULL: void
 *
 * The frame has been offered to the socket when this returns, unless others wait before it.
 */
void vt_call_return(VtCall *call, gconstpointer ret);

/** Answer with a single number, text, or domain: for procedures whose return is just that. */
void vt_call_return_int(VtCall *call, gint32 value);
void vt_call_return_ulong(VtCall *call, guint64 value);
void vt_call_return_text(VtCall *call, const char *text);

/** Answer with an error; @error stays the caller's. */
void vt_call_fail(VtCall *call, const GError *error);

/**
 * vt_call_fail_exact - answer with libvirt's own numbers
 * @call:   (transfer full) the call
 * @code:   virErrorNumber
 * @domain: virErrorDomain
 * @format: printf format of the whole message
 */
void vt_call_fail_exact(VtCall *call, VtErrorMapCode code, VtErrorMapDomain domain, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/** A VtDoneFunc whose user is the call: void on success, else the error. */
void vt_call_done(gpointer call, const GError *error);

/** Answer from a function's result: void when @ok, else @error (which is freed). */
void vt_call_finish(VtCall *call, gboolean ok, GError *error);

/**
 * vt_call_refuse_readonly - for VT_CALL_COND: refuse on a read-only connection
 * @call: the call; answered (and gone) when TRUE is returned
 */
gboolean vt_call_refuse_readonly(VtCall *call);

/**
 * vt_call_domain - the domain a handle stands for
 * @call: the call; answered (and gone) when NULL is returned
 * @dom:  handle; looked up by its UUID alone, as stock does
 *
 * Return: (transfer none)
 */
VtDomain *vt_call_domain(VtCall *call, const VtProtoDom *dom);

/** A domain's handle as replies and events carry it; the name is @domain's own. */
VtProtoDom vt_call_dom(const VtDomain *domain);

/** Answer with a domain: for procedures whose return is just that. */
void vt_call_return_dom(VtCall *call, const VtDomain *domain);

/** Answer with an all-zero return: "no", "none", or an empty list, by the procedure's type. */
void vt_call_return_empty(VtCall *call);

/**
 * vt_call_reply_error - an error frame
 * @header: of the call (or stream) it answers
 * @type:   REPLY or STREAM
 * @wire:   the error
 *
 * Return: (transfer full)
 */
GByteArray *vt_call_reply_error(const VtMessageHeader *header, VtMessageType type, const VtProtoError *wire);

/** "virDomainGetInfo" from "DOMAIN_GET_INFO"; (transfer full). */
char *vt_call_api_name(const char *procedure_name);
