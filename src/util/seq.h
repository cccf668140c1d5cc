/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Step sequences: how every operation that waits is written.
 *
 * A sequence is a constant table of steps. vt_seq_run() starts them in order; a step either finishes at
 * once, or waits until vt_seq_step_done() is called, its time-out passes, or the sequence is cancelled.
 * When a step fails, the undos of the steps done run backwards, each of which may wait too. Nothing here
 * blocks and nothing here knows what a step does.
 *
 *   start() returns    what then                              is the step's own undo run?
 *   DONE               next step                              yes, if a later step fails
 *   WAIT, then done    next step                              yes, if a later step fails
 *   WAIT, then failure undo backwards from this step          yes: it has acted
 *   FAILED             undo backwards from the step before    no: it must leave nothing behind itself
 *
 * A step marked .commit is the point of no return: once it is done, the undos of it and of all steps before
 * it are forgotten. A table marked .keep_going (stop sequences) notes a failure, goes on with the next step
 * and reports the first failure at its end; it has no undos.
 *
 * Before a step or an undo acts, hooks.enter is told (the journal). Where it returns FALSE the sequence
 * waits for vt_seq_enter_done() (an fsync in a thread); a test injects failures through
 * vt_seq_set_fault_hook().
 */
#pragma once

#include <glib.h>

typedef struct _VtSeq VtSeq;

typedef enum {
    VT_STEP_DONE,
    VT_STEP_WAIT,
    VT_STEP_FAILED,
} VtStepResult;

/**
 * VtStepFunc - act, as a step or as its undo
 * @seq:   the running sequence, for vt_seq_step_done()
 * @data:  what vt_seq_new() was given
 * @error: (out) set when VT_STEP_FAILED is returned
 */
typedef VtStepResult (*VtStepFunc)(VtSeq *seq, gpointer data, GError **error);

typedef struct {
    const char *name;      /* lower case and hyphens; what journals, logs and tests call it */
    const char *waits_for; /* (nullable) in words, what ends the wait; printed into the docs */
    VtStepFunc start;
    VtStepFunc undo;       /* (nullable) nothing to take back */
    guint timeout_ms;      /* longest wait of start; 0: never waits, or bounded by vt_seq_set_timeout() */
    guint undo_timeout_ms; /* longest wait of undo */
    gboolean commit;
} VtStep;

typedef struct {
    const char *name; /* e.g. "start", "migrate-out" */
    const VtStep *steps;
    gsize n_steps;
    gboolean keep_going;
} VtSeqTable;

typedef enum {
    VT_SEQ_FORWARD,
    VT_SEQ_UNDO,
} VtSeqDirection;

typedef struct {
    /* Told before a step (or its undo) acts. TRUE: go on now; FALSE: vt_seq_enter_done() will follow. */
    gboolean (*enter)(VtSeq *seq, const VtStep *step, VtSeqDirection direction, gpointer user);
    gpointer user;
} VtSeqHooks;

/**
 * VtSeqDone - the sequence has ended; called exactly once, from the main loop or from within vt_seq_run()
 * @seq:   the sequence; it is freed after this call returns
 * @data:  what vt_seq_new() was given
 * @error: (nullable) (transfer none) the failure that ended it, after all undos ran; NULL: every step is done
 */
typedef void (*VtSeqDone)(VtSeq *seq, gpointer data, const GError *error);

/**
 * vt_seq_new - prepare a sequence
 * @table: constant steps; must outlive the sequence
 * @data:  (transfer none) handed to every step
 * @hooks: (nullable) copied
 * @done:  told the end
 *
 * Return: (transfer full) a sequence that frees itself after @done; vt_seq_free() ends it earlier.
 */
VtSeq *vt_seq_new(const VtSeqTable *table, gpointer data, const VtSeqHooks *hooks, VtSeqDone done);

/** Start with the first step. @seq may be freed when this returns (it may have run to its end). */
void vt_seq_run(VtSeq *seq);

/**
 * vt_seq_resume_undo - take back the first steps of a sequence that another process began
 * @seq:  a new sequence
 * @step: name of the last step that was entered, as the journal has it; its undo is run too
 *
 * For recovery after a crash: nothing is started, the undos run from @step backwards, then done() is told
 * with an error that says where it was interrupted.
 * Return: FALSE when the table has no such step (nothing was run).
 */
gboolean vt_seq_resume_undo(VtSeq *seq, const char *step);

/** End a sequence without done() and without undos (the process goes away, the object is gone). */
void vt_seq_free(VtSeq *seq);

/** The event that the current step (or undo) waits for has come. A no-op warning when nothing waits. */
void vt_seq_step_done(VtSeq *seq);

/**
 * vt_seq_step_failed - the wait of the current step (or undo) ended badly
 * @seq:   the sequence
 * @error: (transfer full) why
 */
void vt_seq_step_failed(VtSeq *seq, GError *error);

/**
 * vt_seq_cancel - stop at the current step and undo
 * @seq:   the sequence
 * @error: (transfer full) what done() will be told; ignored when an undo is under way already
 *
 * done() is told from the main loop, never from within this call. Where a commit step ends well at that very
 * moment, the commit wins and the sequence goes on.
 * Return: FALSE when it is too late: the commit point has passed, it undoes already, or the table is .keep_going.
 */
gboolean vt_seq_cancel(VtSeq *seq, GError *error);

typedef struct _VtSeqAct VtSeqAct;

/**
 * vt_seq_act_new - an asynchronous act of the current step, or of its undo
 * @seq:     acting: called from within start() or undo(), or while that waits
 * @data:    (nullable) (transfer full) kept until the act has ended, for what the act works with
 * @release: (nullable) gives @data back
 *
 * Such an act may end when nobody waits for it any more: after a time-out, a cancel, an undo, or when the sequence is
 * over and freed. It need not know: vt_seq_act_done() drops what comes too late.
 * Return: (transfer full) to be ended by one call of vt_seq_act_done() or vt_seq_act_free().
 */
VtSeqAct *vt_seq_act_new(VtSeq *seq, gpointer data, GDestroyNotify release);

/** Whether the step still waits for it: vt_seq_act_done() would be heard. */
gboolean vt_seq_act_is_current(const VtSeqAct *act);

/** What vt_seq_act_new() was given. */
gpointer vt_seq_act_data(const VtSeqAct *act);

/**
 * vt_seq_act_done - the act has ended: so does the wait of its step; a VtDoneFunc
 * @user:  (transfer full) the VtSeqAct
 * @error: (nullable) how it failed
 */
void vt_seq_act_done(gpointer user, const GError *error);

/** Drop it: the step waits on, for another act. Accepts NULL. */
void vt_seq_act_free(VtSeqAct *act);

/** Change how long the waiting step may still wait, counted from now; 0 takes the limit away. */
void vt_seq_set_timeout(VtSeq *seq, guint timeout_ms);

/** The journal has what hooks.enter was told; go on. */
void vt_seq_enter_done(VtSeq *seq);

/** Name of the current step; "" before the first and after the last. */
const char *vt_seq_current(const VtSeq *seq);

/** TRUE while the current step waits for its done-event. */
gboolean vt_seq_is_waiting(const VtSeq *seq);

VtSeqDirection vt_seq_direction(const VtSeq *seq);
const VtSeqTable *vt_seq_table(const VtSeq *seq);

/**
 * VtSeqFaultHook - asked before each step acts, for tests
 * @table: the sequence's table
 * @step:  the step about to start
 * @error: (out) set to make the step fail without acting
 *
 * Return: FALSE with @error set to inject a failure.
 */
typedef gboolean (*VtSeqFaultHook)(const VtSeqTable *table, const VtStep *step, GError **error);

/** Install (or with NULL remove) the process-wide fault hook. */
void vt_seq_set_fault_hook(VtSeqFaultHook hook);

/** Print a table as Markdown rows: step, waits for, time-out, what undo does (by presence). */
char *vt_seq_table_to_markdown(const VtSeqTable *table);
