/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The journal of a domain: what a daemon killed in the middle of an operation leaves for its successor.
 * One small key file a domain in the state directory (STATE_DIR/NAME.journal), there only while an operation is
 * under way, replaced atomically and fsynced in a thread.
 *
 * Keys the sequence hooks write: "sequence" (name of the table), "step", "direction" ("forward" or "undo").
 * Others belong to whoever holds the job: "phase", "peer", "cookie" ... ; at most 64 KiB in all.
 */
#pragma once

#include "driver/domain-obj.h"
#include "util/seq.h"

#define VT_VF_GIVE_JOURNAL "give-vf" /* the kind of driver/vf-give's */

/** Begin a journal of that kind ("start", "migrate-out", "migrate-in"); what was there is forgotten. */
void vt_journal_begin(VtDomain *domain, const char *kind);

/** Kind of the open journal; NULL when there is none. */
const char *vt_journal_kind(VtDomain *domain);

/** Set a value (NULL removes the key); nothing is written before the next vt_journal_sync(). */
void vt_journal_set(VtDomain *domain, const char *key, const char *value);

/** A value, also of a journal read back after a restart; NULL when absent. (transfer none) */
const char *vt_journal_get(VtDomain *domain, const char *key);

/**
 * vt_journal_sync - put the journal on disk
 * @domain: with an open journal; without one @done is told at once
 * @done:   (nullable) told once a file with all values set before this call is on disk (SYSTEM: it cannot be)
 * @user:   for @done
 *
 * Several calls while a write is under way share the next one.
 */
void vt_journal_sync(VtDomain *domain, VtDoneFunc done, gpointer user);

/** The operation is over: forget the values and remove the file. */
void vt_journal_end(VtDomain *domain);

/**
 * vt_journal_hooks - let a sequence write each of its steps before it acts
 * @domain: with an open journal, outlives the sequence
 * @hooks:  (out) for vt_seq_new()
 *
 * A journal that cannot be written is logged and does not stop the sequence.
 */
void vt_journal_hooks(VtDomain *domain, VtSeqHooks *hooks);

/** Read what is left from an earlier daemon; FALSE with @error (XML_DETAIL) when it is not readable. */
gboolean vt_journal_load(VtDomain *domain, GError **error);
