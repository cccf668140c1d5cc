/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a NIC does with frames for a VF's MAC: what is asked, what was seen, and what follows for the engine.
 *
 * Pure: observations in, verdict out. datapath/probe.h makes the observations.
 */
#pragma once

#include <glib.h>

/** What the tested VF is like, in the order in which it is made so. */
typedef enum {
    VT_PROBE_STAGE_BEFORE,      /* it has another MAC, or none, and no driver; it had one earlier */
    VT_PROBE_STAGE_MAC_SET,     /* the MAC is set on the PF; no driver */
    VT_PROBE_STAGE_RESET,       /* the VF was reset since, as VFIO does it */
    VT_PROBE_STAGE_DRIVER_UP,   /* a driver has the VF, and its interface is up */
    VT_PROBE_STAGE_DRIVER_GONE, /* the MAC is still set */
    VT_PROBE_STAGE_MAC_ZEROED,
    VT_PROBE_STAGE_COUNT
} VtProbeStage;

/** Who sends. */
typedef enum {
    VT_PROBE_FROM_WIRE,    /* an interface that is cabled to the PF */
    VT_PROBE_FROM_SIBLING, /* another VF of the PF */
    VT_PROBE_FROM_PF,
    VT_PROBE_FROM_COUNT
} VtProbeFrom;

/** Who gets it: bits. */
typedef enum {
    VT_PROBE_AT_PF = 1 << 0,
    VT_PROBE_AT_VF = 1 << 1, /* the tested one */
    VT_PROBE_AT_SIBLING = 1 << 2,
    VT_PROBE_AT_WIRE = 1 << 3,
} VtProbeAt;

/** The questions beside who gets frames to the VF's MAC. */
typedef enum {
    VT_PROBE_ASK_PF_AS_GUEST,       /* the PF sends with the VF's MAC as source; the VF has no driver */
    VT_PROBE_ASK_PF_AS_GUEST_UP,    /* the same while the VF is up */
    VT_PROBE_ASK_VF_BROADCAST,      /* the VF sends a broadcast */
    VT_PROBE_ASK_VF_AS_OTHER,       /* the VF sends a broadcast with a source that is not its own */
    VT_PROBE_ASK_VF_TO_BRIDGE,      /* the VF sends to an address that is only behind the PF */
    VT_PROBE_ASK_VF_TO_BRIDGE_SELF, /* the same with that address as a `self` entry of the PF */
    VT_PROBE_ASK_COUNT
} VtProbeAsk;

/** One frame of a series. */
typedef struct {
    gint64 after_us; /* since the change that the series follows */
    guint at;        /* VtProbeAt: who got it */
} VtProbeShot;

/** What a series says. */
typedef struct {
    gboolean asked;
    guint at;          /* VtProbeAt: who gets such frames, once it is settled */
    guint listening;   /* VtProbeAt: who would have been seen getting them */
    gint64 settled_us; /* after the change; 0: from the first frame on */
} VtProbeCell;

/** Settings made while the VF is being reset. */
typedef struct {
    gboolean asked;
    guint tries, refused;
    gboolean kept; /* the MAC stood there afterwards */
    guint took_ms; /* the reset */
} VtProbeReset;

typedef struct {
    VtProbeCell cells[VT_PROBE_STAGE_COUNT][2][VT_PROBE_FROM_COUNT]; /* [1]: the PF has the MAC as `self` */
    VtProbeCell asks[VT_PROBE_ASK_COUNT];
    VtProbeReset reset;
    gboolean no_self;    /* the PF's driver takes no `self` entries */
    gboolean no_zero;    /* the PF's driver does not take the MAC away again */
    gboolean driver_up;  /* the VF came up */
    gboolean driver_mac; /* ... with the MAC that was set */
    gint64 driver_up_us; /* from binding the driver to its carrier */
} VtProbeResult;

typedef enum {
    VT_PROBE_UNKNOWN,
    VT_PROBE_EARLY, /* the VF's as soon as its MAC is set */
    VT_PROBE_LATE,  /* the VF's once a driver has it */
    VT_PROBE_BOTH,  /* everybody who has the address gets a copy */
    VT_PROBE_VERDICT_COUNT
} VtProbeVerdict;

typedef struct {
    VtProbeVerdict verdict;
    gboolean late_filter; /* the MAC may be set before the guest is here */
    gboolean copies;      /* with the `self` entry, PF and VF both get frames while the VF is up */
    VtProbeFrom from;     /* whose frames say so, unless it is unknown */
    gboolean self;        /* ... with the `self` entry */
    const char *reason;   /* what was seen, or what is missing; static, translatable */
} VtProbeConclusion;

/**
 * vt_probe_plan_judge - what a series of frames says
 * @shots:     in the order in which they were sent
 * @n:         how many; 0: it was not asked
 * @listening: VtProbeAt: who was listened to
 * @cell:      (out) what follows
 *
 * Who got most of the later half gets such frames. A lost frame now and then changes nothing; the time until it is
 * settled ends with the last two frames in a row that went elsewhere.
 */
void vt_probe_plan_judge(const VtProbeShot *shots, guint n, guint listening, VtProbeCell *cell);

/**
 * vt_probe_plan_conclude - what the observations say about the NIC
 * @result: what was seen
 *
 * Return: the verdict and what the engine makes of it.
 */
VtProbeConclusion vt_probe_plan_conclude(const VtProbeResult *result);

/** "before", "mac-set" and so on, for programs; "unknown" for a number outside the enum. The others are alike. */
const char *vt_probe_plan_stage_name(VtProbeStage stage);
const char *vt_probe_plan_from_name(VtProbeFrom from);
const char *vt_probe_plan_ask_name(VtProbeAsk ask);
const char *vt_probe_plan_verdict_name(VtProbeVerdict verdict);

/**
 * vt_probe_plan_verdict_parse - a verdict by its name
 * @name:    (nullable) as vt_probe_plan_verdict_name() gives it
 * @verdict: (out) set only on success
 *
 * Return: FALSE when there is none of that name.
 */
gboolean vt_probe_plan_verdict_parse(const char *name, VtProbeVerdict *verdict);

/** What the engine does because of it, in a sentence; static, translatable. */
const char *vt_probe_plan_strategy(const VtProbeConclusion *conclusion);
