/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The machine is one loop, seq_drive(), over five states:
 *
 *   BETWEEN  nothing runs; choose what is next: a step, an undo, or the end
 *   ENTER    hooks.enter was told; go on when it has what it needs
 *   ACT      call start or undo
 *   WAIT     that call answered WAIT; go on at its event, its time-out or a cancel
 *   END      done() was told
 *
 * Events (step_done, step_failed, enter_done, cancel, time-out) only note what happened and call the loop,
 * which does nothing when it is already running further up the stack. So a step may report its own end
 * from within its start(), or free the sequence there, and no order of calls recurses.
 *
 * A cancel is noted like an event, but handled from an idle source: whoever cancels need not expect that
 * done() runs under it. While the journal writes (ENTER) a cancel waits for it, because an undo would have to
 * be journalled too.
 */
#include "util/seq.h"

#include "util/error.h"
#include "util/fault.h"
#include "util/i18n.h"

#define VT_LOG_DOMAIN "virtteam-util-seq"
#include "util/log.h"

#include <string.h>

typedef enum {
    SEQ_NEW,
    SEQ_BETWEEN,
    SEQ_ENTER,
    SEQ_ACT,
    SEQ_WAIT,
    SEQ_END,
} SeqState;

/* What acts have of a sequence that may be gone when they end. */
typedef struct {
    guint refs;
    VtSeq *seq; /* NULL: gone */
} SeqHandle;

struct _VtSeqAct {
    SeqHandle *handle; /* with a reference */
    guint visit;       /* the one it belongs to */
    gpointer data;
    GDestroyNotify release;
};

struct _VtSeq {
    const VtSeqTable *table;
    gpointer data;
    VtSeqHooks hooks;
    VtSeqDone done;
    SeqState state;
    VtSeqDirection direction;
    gsize index; /* of the current step */
    guint visit; /* counts steps and undos entered, so that each has its own number */
    SeqHandle *handle;
    gsize undo_top;     /* UNDO: steps below this one are still to be taken back... */
    gsize undo_floor;   /* ...down to this one, behind the last commit point */
    GError *error;      /* what done() will be told; the first failure */
    GError *cancel;     /* asked for, not yet handled */
    gboolean entered;   /* vt_seq_enter_done() was called */
    gboolean finished;  /* the current wait has ended... */
    GError *step_error; /* ...so (NULL: well) */
    gboolean has_limit; /* vt_seq_set_timeout() overrides the table for this wait */
    guint limit_ms;
    guint timer;
    guint cancel_idle;
    gboolean driving; /* seq_drive() is on the stack */
    gboolean dead;    /* freed while driving */
};

static VtSeqFaultHook seq_fault_hook;

static void seq_drive(VtSeq *seq);

static const VtStep *
seq_step(const VtSeq *seq)
{
    return &seq->table->steps[seq->index];
}

static void
seq_clear_sources(VtSeq *seq)
{
    if (seq->timer)
        g_source_remove(seq->timer);
    if (seq->cancel_idle)
        g_source_remove(seq->cancel_idle);
    seq->timer = 0;
    seq->cancel_idle = 0;
}

static void
seq_handle_unref(SeqHandle *handle)
{
    if (--handle->refs == 0)
        g_free(handle);
}

VtSeq *
vt_seq_new(const VtSeqTable *table, gpointer data, const VtSeqHooks *hooks, VtSeqDone done)
{
    VtSeq *seq = g_new0(VtSeq, 1);

    seq->table = table;
    seq->data = data;
    if (hooks)
        seq->hooks = *hooks;
    seq->done = done;
    seq->handle = g_new0(SeqHandle, 1);
    seq->handle->refs = 1;
    seq->handle->seq = seq;
    return seq;
}

void
vt_seq_free(VtSeq *seq)
{
    if (!seq)
        return;
    seq_clear_sources(seq);
    seq->dead = TRUE;
    seq->handle->seq = NULL;
    if (seq->driving)
        return; /* the loop frees it on its way out */
    seq_handle_unref(seq->handle);
    g_clear_error(&seq->error);
    g_clear_error(&seq->cancel);
    g_clear_error(&seq->step_error);
    g_free(seq);
}

/* @acted: the current step has done something, its own undo is due too. */
static void
seq_turn_back(VtSeq *seq, GError *error, gboolean acted)
{
    seq->direction = VT_SEQ_UNDO;
    seq->undo_top = acted ? seq->index + 1 : seq->index;
    if (!seq->error)
        seq->error = error;
    else
        g_error_free(error);
    vt_log_debug("%s: step '%s' failed, undoing: %s", seq->table->name,
                 seq->index < seq->table->n_steps ? seq_step(seq)->name : "", seq->error->message);
}

static void
seq_forward_ok(VtSeq *seq)
{
    if (seq_step(seq)->commit)
        seq->undo_floor = seq->index + 1;
    if (seq->cancel && !seq_step(seq)->commit) {
        seq_turn_back(seq, g_steal_pointer(&seq->cancel), TRUE);
        return;
    }
    /* A cancel that came while the commit step ran came too late: the operation goes on. */
    g_clear_error(&seq->cancel);
    seq->index++;
}

static void
seq_forward_failed(VtSeq *seq, GError *error, gboolean acted)
{
    if (seq->table->keep_going) {
        vt_log_debug("%s: step '%s' failed, going on: %s", seq->table->name, seq_step(seq)->name,
                     error->message);
        if (!seq->error)
            seq->error = error;
        else
            g_error_free(error);
        seq->index++;
        return;
    }
    seq_turn_back(seq, error, acted);
}

/* What could not be taken back stands behind the reason for taking it back: one error tells it all. */
static void
seq_undo_failed(VtSeq *seq, GError *error)
{
    g_autofree char *text = g_strdup_printf(_("%s (and step '%s' could not be undone: %s)"),
                                            seq->error->message, seq_step(seq)->name, error->message);

    g_free(seq->error->message);
    seq->error->message = g_steal_pointer(&text);
    g_error_free(error);
}

static void
seq_acted(VtSeq *seq, GError *error, gboolean waited)
{
    seq->state = SEQ_BETWEEN;
    if (seq->timer)
        g_source_remove(seq->timer);
    seq->timer = 0;
    if (seq->direction == VT_SEQ_UNDO) {
        if (error)
            seq_undo_failed(seq, error);
    } else if (error) {
        seq_forward_failed(seq, error, waited);
    } else {
        seq_forward_ok(seq);
    }
}

static gboolean
seq_timed_out(gpointer user)
{
    VtSeq *seq = user;
    const char *waits_for = seq_step(seq)->waits_for;

    seq->timer = 0;
    if (seq->finished)
        return G_SOURCE_REMOVE;
    seq->finished = TRUE;
    if (waits_for)
        vt_error_set(&seq->step_error, VT_ERROR_TIMEOUT,
                     _("Step '%s' of '%s' waited %u ms in vain for this: %s."), seq_step(seq)->name,
                     seq->table->name, seq->limit_ms, waits_for);
    else
        vt_error_set(&seq->step_error, VT_ERROR_TIMEOUT, _("Step '%s' of '%s' did not end within %u ms."),
                     seq_step(seq)->name, seq->table->name, seq->limit_ms);
    seq_drive(seq);
    return G_SOURCE_REMOVE;
}

static void
seq_arm_timer(VtSeq *seq)
{
    if (seq->timer)
        g_source_remove(seq->timer);
    seq->timer = seq->limit_ms ? g_timeout_add(seq->limit_ms, seq_timed_out, seq) : 0;
}

static void
seq_choose(VtSeq *seq)
{
    if (seq->direction == VT_SEQ_FORWARD) {
        if (seq->cancel)
            seq_turn_back(seq, g_steal_pointer(&seq->cancel), FALSE);
        else if (seq->index == seq->table->n_steps) {
            seq->state = SEQ_END;
            return;
        }
    }
    if (seq->direction == VT_SEQ_UNDO) {
        while (seq->undo_top > seq->undo_floor && !seq->table->steps[seq->undo_top - 1].undo)
            seq->undo_top--;
        if (seq->undo_top <= seq->undo_floor) {
            seq->state = SEQ_END;
            return;
        }
        seq->index = --seq->undo_top;
    }
    seq->state = SEQ_ENTER;
    seq->visit++;
    seq->finished = FALSE;
    seq->has_limit = FALSE;
    seq->entered = FALSE;
    vt_log_debug("%s: %s '%s'", seq->table->name, seq->direction == VT_SEQ_UNDO ? "undo of" : "step",
                 seq_step(seq)->name);
    if (!seq->hooks.enter || seq->hooks.enter(seq, seq_step(seq), seq->direction, seq->hooks.user))
        seq->entered = TRUE;
}

/* FALSE: the step shall fail without acting. */
static gboolean
seq_pass_faults(VtSeq *seq, GError **error)
{
    const char *name = seq_step(seq)->name;
    const char *before = seq->index > 0 ? seq->table->steps[seq->index - 1].name : NULL;

    if (seq->direction == VT_SEQ_UNDO)
        return vt_fault_point(seq->table->name, name, VT_FAULT_KILL_UNDO, error);
    if (!vt_fault_point(seq->table->name, before, VT_FAULT_KILL_AFTER, error) ||
        !vt_fault_point(seq->table->name, name, VT_FAULT_KILL_BEFORE, error) ||
        !vt_fault_point(seq->table->name, name, VT_FAULT_FAIL, error))
        return FALSE;
    return !seq_fault_hook || seq_fault_hook(seq->table, seq_step(seq), error);
}

static void
seq_act(VtSeq *seq)
{
    const VtStep *step = seq_step(seq);
    gboolean undo = seq->direction == VT_SEQ_UNDO;
    VtStepFunc func = undo ? step->undo : step->start;
    VtStepResult result = VT_STEP_FAILED;
    GError *error = NULL;

    /* The journal may have taken a while; a cancel that came meanwhile stops the step before it acts. */
    if (!undo && seq->cancel) {
        seq_acted(seq, g_steal_pointer(&seq->cancel), FALSE);
        return;
    }
    if (seq_pass_faults(seq, &error))
        result = func(seq, seq->data, &error);
    if (seq->dead) {
        g_clear_error(&error);
        return;
    }
    if (result == VT_STEP_WAIT) {
        g_clear_error(&error);
        seq->state = SEQ_WAIT;
        if (!seq->has_limit)
            seq->limit_ms = undo ? step->undo_timeout_ms : step->timeout_ms;
        if (!seq->finished)
            seq_arm_timer(seq);
        return;
    }
    if (result == VT_STEP_FAILED && !error)
        vt_error_set(&error, VT_ERROR_INTERNAL, "Step '%s' of '%s' failed without saying why.", step->name,
                     seq->table->name);
    if (result == VT_STEP_DONE)
        g_clear_error(&error);
    g_clear_error(&seq->step_error);
    seq_acted(seq, error, FALSE);
}

/* Whether something was done; FALSE: an event must come first. */
static gboolean
seq_advance(VtSeq *seq)
{
    switch (seq->state) {
    case SEQ_NEW:
        return FALSE;
    case SEQ_BETWEEN:
        seq_choose(seq);
        return TRUE;
    case SEQ_ENTER:
        if (!seq->entered)
            return FALSE;
        seq->state = SEQ_ACT;
        seq_act(seq);
        return TRUE;
    case SEQ_ACT:
        return FALSE;
    case SEQ_WAIT:
        if (!seq->finished && seq->cancel && seq->direction == VT_SEQ_FORWARD && !seq->cancel_idle) {
            seq_acted(seq, g_steal_pointer(&seq->cancel), TRUE);
            return TRUE;
        }
        if (!seq->finished)
            return FALSE;
        seq_acted(seq, g_steal_pointer(&seq->step_error), TRUE);
        return TRUE;
    case SEQ_END:
        if (seq->direction == VT_SEQ_FORWARD && seq->table->n_steps > 0)
            vt_fault_point(seq->table->name, seq->table->steps[seq->table->n_steps - 1].name,
                           VT_FAULT_KILL_AFTER, NULL);
        seq_clear_sources(seq);
        if (seq->done)
            seq->done(seq, seq->data, seq->error);
        seq->dead = TRUE;
        return FALSE;
    }
    return FALSE;
}

static void
seq_drive(VtSeq *seq)
{
    if (seq->driving)
        return;
    seq->driving = TRUE;
    while (!seq->dead && seq_advance(seq))
        continue;
    seq->driving = FALSE;
    if (seq->dead)
        vt_seq_free(seq);
}

void
vt_seq_run(VtSeq *seq)
{
    if (seq->state != SEQ_NEW) {
        vt_log_warning("%s: a sequence can be run only once", seq->table->name);
        return;
    }
    seq->state = SEQ_BETWEEN;
    seq_drive(seq);
}

gboolean
vt_seq_resume_undo(VtSeq *seq, const char *step)
{
    gsize index = 0;

    while (index < seq->table->n_steps && g_strcmp0(seq->table->steps[index].name, step) != 0)
        index++;
    if (seq->state != SEQ_NEW || index == seq->table->n_steps)
        return FALSE;
    for (gsize i = 0; i < index; i++)
        if (seq->table->steps[i].commit)
            seq->undo_floor = i + 1;
    seq->index = index;
    seq->undo_top = index + 1;
    seq->direction = VT_SEQ_UNDO;
    vt_error_set(&seq->error, VT_ERROR_ABORTED,
                 _("'%s' was interrupted at its step '%s' and has been undone."), seq->table->name, step);
    seq->state = SEQ_BETWEEN;
    seq_drive(seq);
    return TRUE;
}

static gboolean
seq_expects_event(const VtSeq *seq)
{
    return (seq->state == SEQ_WAIT || seq->state == SEQ_ACT) && !seq->finished;
}

void
vt_seq_step_done(VtSeq *seq)
{
    if (!seq_expects_event(seq)) {
        vt_log_warning("%s: the end of step '%s' was reported, but nothing waits for it", seq->table->name,
                       vt_seq_current(seq));
        return;
    }
    seq->finished = TRUE;
    seq_drive(seq);
}

void
vt_seq_step_failed(VtSeq *seq, GError *error)
{
    if (!seq_expects_event(seq)) {
        vt_log_warning("%s: a failure of step '%s' was reported, but nothing waits for it: %s",
                       seq->table->name, vt_seq_current(seq), error->message);
        g_error_free(error);
        return;
    }
    seq->finished = TRUE;
    seq->step_error = error;
    seq_drive(seq);
}

/* ---- acts ---- */

VtSeqAct *
vt_seq_act_new(VtSeq *seq, gpointer data, GDestroyNotify release)
{
    VtSeqAct *act = g_new0(VtSeqAct, 1);

    act->handle = seq->handle;
    act->handle->refs++;
    act->visit = seq->visit;
    act->data = data;
    act->release = release;
    return act;
}

gboolean
vt_seq_act_is_current(const VtSeqAct *act)
{
    const VtSeq *seq = act->handle->seq;

    return seq && seq->visit == act->visit && seq_expects_event(seq);
}

gpointer
vt_seq_act_data(const VtSeqAct *act)
{
    return act->data;
}

void
vt_seq_act_done(gpointer user, const GError *error)
{
    VtSeqAct *act = user;

    if (vt_seq_act_is_current(act) && error)
        vt_seq_step_failed(act->handle->seq, g_error_copy(error));
    else if (vt_seq_act_is_current(act))
        vt_seq_step_done(act->handle->seq);
    vt_seq_act_free(act);
}

void
vt_seq_act_free(VtSeqAct *act)
{
    if (!act)
        return;
    seq_handle_unref(act->handle);
    if (act->release)
        act->release(act->data);
    g_free(act);
}

/* ---- the caller's side ---- */

static gboolean
seq_cancel_now(gpointer user)
{
    VtSeq *seq = user;

    seq->cancel_idle = 0;
    seq_drive(seq);
    return G_SOURCE_REMOVE;
}

gboolean
vt_seq_cancel(VtSeq *seq, GError *error)
{
    if (seq->table->keep_going || seq->direction == VT_SEQ_UNDO || seq->undo_floor > 0 ||
        seq->state == SEQ_END || seq->dead) {
        g_error_free(error);
        return FALSE;
    }
    if (seq->cancel) {
        g_error_free(error);
        return TRUE;
    }
    seq->cancel = error;
    if (seq->state == SEQ_WAIT && !seq->cancel_idle)
        seq->cancel_idle = g_idle_add(seq_cancel_now, seq);
    return TRUE;
}

void
vt_seq_set_timeout(VtSeq *seq, guint timeout_ms)
{
    seq->has_limit = TRUE;
    seq->limit_ms = timeout_ms;
    if (seq->state == SEQ_WAIT && !seq->finished)
        seq_arm_timer(seq);
}

void
vt_seq_enter_done(VtSeq *seq)
{
    if (seq->state != SEQ_ENTER || seq->entered) {
        vt_log_warning("%s: the journal of step '%s' was reported, but nothing waits for it",
                       seq->table->name, vt_seq_current(seq));
        return;
    }
    seq->entered = TRUE;
    seq_drive(seq);
}

const char *
vt_seq_current(const VtSeq *seq)
{
    if (seq->state == SEQ_NEW || seq->state == SEQ_END || seq->index >= seq->table->n_steps)
        return "";
    return seq_step(seq)->name;
}

gboolean
vt_seq_is_waiting(const VtSeq *seq)
{
    return seq->state == SEQ_WAIT && !seq->finished;
}

VtSeqDirection
vt_seq_direction(const VtSeq *seq)
{
    return seq->direction;
}

const VtSeqTable *
vt_seq_table(const VtSeq *seq)
{
    return seq->table;
}

void
vt_seq_set_fault_hook(VtSeqFaultHook hook)
{
    seq_fault_hook = hook;
}

static void
seq_append_ms(GString *out, guint ms)
{
    if (ms == 0)
        g_string_append(out, "-");
    else if (ms % 1000 == 0)
        g_string_append_printf(out, "%u s", ms / 1000);
    else
        g_string_append_printf(out, "%u ms", ms);
}

char *
vt_seq_table_to_markdown(const VtSeqTable *table)
{
    GString *out =
        g_string_new("| step | waits for | time limit | on failure |\n| --- | --- | --- | --- |\n");

    for (gsize i = 0; i < table->n_steps; i++) {
        const VtStep *step = &table->steps[i];

        g_string_append_printf(out, "| `%s`%s | %s | ", step->name,
                               step->commit ? " (point of no return)" : "",
                               step->waits_for ? step->waits_for : "-");
        seq_append_ms(out, step->timeout_ms);
        g_string_append(out, " | ");
        if (table->keep_going) {
            g_string_append(out, "noted, goes on");
        } else if (step->undo) {
            g_string_append(out, "undone");
            if (step->undo_timeout_ms) {
                g_string_append(out, " within ");
                seq_append_ms(out, step->undo_timeout_ms);
            }
        } else {
            g_string_append(out, "nothing to undo");
        }
        g_string_append(out, " |\n");
    }
    return g_string_free(out, FALSE);
}
