/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The decisions of a switch between the legs of a team: events in, feeds out. Pure; time comes in as a number.
 *
 * The theory stands at the top of handover.c.
 */
#pragma once

#include "datapath/backend.h"

typedef enum {
    VT_HANDOVER_IDLE,     /* no guest; nothing of ours is set */
    VT_HANDOVER_READY,    /* prepared for a guest that does not run here: before it comes, after it left */
    VT_HANDOVER_STANDBY,  /* the guest has standby only */
    VT_HANDOVER_ARRIVING, /* a primary was plugged, no sign of life yet */
    VT_HANDOVER_UNSURE,   /* as ARRIVING, after the time limit: no driver, or one that is never seen */
    VT_HANDOVER_STIRRING, /* the guest's driver touched the primary */
    VT_HANDOVER_SETTLING, /* the guest speaks over the primary; copies go on for a while */
    VT_HANDOVER_PRIMARY,  /* the guest has its primary */
    VT_HANDOVER_LEAVING, /* the guest was (or is about to be) asked to give the primary up, or does not use it */
    VT_HANDOVER_LOST,    /* the guest has a primary that does not work */
    VT_HANDOVER_STATE_COUNT
} VtHandoverState;

typedef enum {
    VT_HANDOVER_INCOMING,         /* a guest is expected by migration */
    VT_HANDOVER_GUEST_ON_STANDBY, /* it runs here, without a primary */
    VT_HANDOVER_GUEST_ARRIVES,    /* it runs here, and a primary is plugged */
    VT_HANDOVER_GUEST_RESET,      /* its drivers are gone; they will come again */
    VT_HANDOVER_GUEST_LEAVES,     /* its CPUs stopped for the last copy of a migration to another host */
    VT_HANDOVER_GUEST_GONE,       /* it ended here, or runs elsewhere for good */
    VT_HANDOVER_PRIMARY_EXPECTED, /* a primary is being plugged */
    VT_HANDOVER_PRIMARY_STIRS,    /* early sign of life: the device was enabled */
    VT_HANDOVER_PRIMARY_SPEAKS,   /* late sign of life: a frame came from it */
    VT_HANDOVER_PRIMARY_LOST,     /* it malfunctions: link of the PF down, VFIO error */
    VT_HANDOVER_PRIMARY_GONE,     /* it was ejected or removed */
    VT_HANDOVER_UNPLUG_PLANNED,   /* the guest is about to be asked to eject it */
    VT_HANDOVER_UNPLUG_REVOKED,   /* the guest kept it, or it works again */
    VT_HANDOVER_TICK,             /* time has passed */
    VT_HANDOVER_EVENT_COUNT
} VtHandoverEvent;

typedef enum {
    VT_HANDOVER_NOTHING_TO_REPORT,
    VT_HANDOVER_NO_LIFE,   /* the time limit passed without any sign; the guest is fed as before */
    VT_HANDOVER_TOOK_OVER, /* the guest has its primary */
    VT_HANDOVER_FELL_BACK, /* the primary is gone, the guest is on standby */
} VtHandoverReport;

typedef struct {
    guint life_limit_ms;   /* from the plug to VT_HANDOVER_NO_LIFE; 0: never */
    guint stir_limit_ms;   /* from the early sign to the assumption that the primary has been taken */
    guint settle_ms;       /* how long copies go on after the late sign */
    gboolean copy_on_stir; /* early signs are told: copies to the primary start only with them */
    gboolean arm_early;    /* with copy_on_stir: until then the primary is armed (VT_FEED_STANDBY_ARMED) */
} VtHandoverParams;

/** 30 s, 5 s, 1 s, copies at once. */
extern const VtHandoverParams vt_handover_params_default;

typedef struct {
    VtHandoverParams params;
    VtHandoverState state;
    gint64 deadline_ms; /* when a TICK is due; -1: never */
} VtHandover;

typedef struct {
    VtHandoverState from;
    VtHandoverState to;
    VtFeed feed; /* that belongs to @to; to be applied when it is not the one in force */
    VtHandoverReport report;
} VtHandoverOutcome;

/** Start in VT_HANDOVER_IDLE. */
void vt_handover_init(VtHandover *handover, const VtHandoverParams *params);

/**
 * vt_handover_event - something happened
 * @handover: the state; changed
 * @event:    what
 * @now_ms:   monotonic time
 * @outcome:  (out) what follows from it; set also when the event changes nothing
 *
 * Return: FALSE when the event makes no sense in this state; it is then ignored.
 */
gboolean vt_handover_event(VtHandover *handover, VtHandoverEvent event, gint64 now_ms,
                           VtHandoverOutcome *outcome);

/**
 * vt_handover_resume - go on in a state that a former process has noted
 * @handover: as initialised
 * @state:    the noted state
 * @now_ms:   monotonic time; time limits begin anew
 */
void vt_handover_resume(VtHandover *handover, VtHandoverState state, gint64 now_ms);

/** The feed that belongs to the present state. */
VtFeed vt_handover_feed(const VtHandover *handover);

/** TRUE while signs of life are waited for. */
gboolean vt_handover_wants_signs(const VtHandover *handover);

/** "arriving" and so on. */
const char *vt_handover_state_name(VtHandoverState state);

/** "primary-speaks" and so on. */
const char *vt_handover_event_name(VtHandoverEvent event);

/**
 * vt_handover_state_parse - a state from its name
 * @name:  as vt_handover_state_name() gives it
 * @state: (out) set only on success
 *
 * Return: FALSE when there is no such state.
 */
gboolean vt_handover_state_parse(const char *name, VtHandoverState *state);

/** The whole transition table as Markdown, for docs/datapath.md. (transfer full) */
char *vt_handover_to_markdown(void);
