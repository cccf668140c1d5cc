/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Falling over without a migration: when a team leaves a primary that does not work, and when it returns.
 *
 * Decisions only; time comes in as a number. The theory stands at the top of fallover.c.
 */
#pragma once

#include "util/error.h"

typedef enum {
    VT_FALLOVER_WELL,      /* the primary works */
    VT_FALLOVER_SUSPECT,   /* its link is down, perhaps not for long */
    VT_FALLOVER_LEAVING,   /* the guest is asked to let go of it */
    VT_FALLOVER_STUCK,     /* the guest did not; it is asked again later */
    VT_FALLOVER_LOST,      /* the guest is on standby, because the primary does not work */
    VT_FALLOVER_HEALING,   /* the primary works again, perhaps not for long */
    VT_FALLOVER_RETURNING, /* the guest is given the primary */
    VT_FALLOVER_WAITING,   /* that failed; it is tried again later */
    VT_FALLOVER_STATE_COUNT
} VtFalloverState;

typedef enum {
    VT_FALLOVER_LINK_DOWN,
    VT_FALLOVER_LINK_UP,
    VT_FALLOVER_BROKEN,       /* for sure: the device is gone, or reported an error */
    VT_FALLOVER_LEFT,         /* the guest has let go of the primary */
    VT_FALLOVER_NOT_LEFT,     /* it did not in time, or could not be asked */
    VT_FALLOVER_RETURNED,     /* the guest has the primary again */
    VT_FALLOVER_NOT_RETURNED, /* it could not be plugged in */
    VT_FALLOVER_TICK,         /* time has passed */
    VT_FALLOVER_EVENT_COUNT
} VtFalloverEvent;

typedef enum {
    VT_FALLOVER_DO_NOTHING,
    VT_FALLOVER_DO_LEAVE,  /* take the primary out of the guest */
    VT_FALLOVER_DO_RETURN, /* plug it in again */
} VtFalloverAct;

typedef struct {
    guint down_ms;   /* how long a link is down before the guest is to leave */
    guint up_ms;     /* how long it is up before the guest is to return */
    guint up_max_ms; /* up_ms doubles with each loss that follows soon after a return, up to this */
    guint calm_ms;   /* what is not soon any more */
    guint retry_ms;  /* until what failed is tried again; doubles, too */
    guint retry_max_ms;
} VtFalloverParams;

/** 1 s, 3 s, 60 s, 60 s, 2 s, 60 s. */
extern const VtFalloverParams vt_fallover_params_default;

typedef struct {
    VtFalloverParams params;
    VtFalloverState state;
    gboolean works;     /* the primary, as the last event told */
    guint flaps;        /* losses in a row, each soon after a return */
    guint failures;     /* in a row */
    gint64 returned_ms; /* when the guest was given the primary; -1: never */
    gint64 deadline_ms; /* when a TICK is due; -1: never */
} VtFallover;

typedef struct {
    VtFalloverState from, to;
    VtFalloverAct act;
} VtFalloverOutcome;

/**
 * vt_fallover_init - begin
 * @fallover: to be set
 * @params:   copied
 * @lost:     the guest is on standby already, for an earlier loss
 * @works:    whether the primary does
 * @now_ms:   monotonic time
 */
void vt_fallover_init(VtFallover *fallover, const VtFalloverParams *params, gboolean lost, gboolean works,
                      gint64 now_ms);

/**
 * vt_fallover_event - something happened
 * @fallover: the state; changed
 * @event:    what
 * @now_ms:   monotonic time
 * @outcome:  (out) what follows from it
 *
 * Return: FALSE when nothing changed.
 */
gboolean vt_fallover_event(VtFallover *fallover, VtFalloverEvent event, gint64 now_ms,
                           VtFalloverOutcome *outcome);

/** "suspect" and so on. */
const char *vt_fallover_state_name(VtFalloverState state);

/** "link-down" and so on. */
const char *vt_fallover_event_name(VtFalloverEvent event);

/** The whole table as Markdown, for docs/teaming.md. (transfer full) */
char *vt_fallover_to_markdown(void);
