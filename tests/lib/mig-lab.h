/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small model of QEMU's migration behind a real QMP connection, with the source or the destination in front of it, and
 * each way in which a step can go wrong.
 */
#pragma once

#include "qemu/mig-dst.h"
#include "qemu/mig-src.h"

#define NOWHERE "unix:/proc/virtteam-nowhere"

typedef enum {
    WRONG_NOT,          /* it goes well */
    WRONG_FAULT,        /* the step fails before it acts */
    WRONG_REFUSED,      /* QEMU answers with an error, or its migration fails */
    WRONG_SILENT,       /* QEMU does not answer in time */
    WRONG_CANCELLED,    /* a client cancels while it waits */
    WRONG_GONE,         /* QEMU ends while it waits */
    WRONG_GONE_BETWEEN, /* QEMU ends while the journal is written */
    WRONG_COUNT
} Wrong;

extern const char *const wrong_names[];

typedef struct {
    /* QEMU */
    int fd;
    guint watch;
    GString *input, *log;
    gboolean frozen;      /* reads nothing */
    gboolean refuse_next; /* the next command other than a query-migrate */
    const char *status;   /* of the migration */
    const char *error_desc;
    const char *run_state;  /* of the guest */
    guint ending;           /* so often it is asked for before QEMU is done with a completed migration */
    gboolean ran;           /* before the migration */
    guint caps_on;          /* how many */
    gint64 bandwidth;       /* a parameter */
    GString *downtimes;     /* each that was told */
    gboolean has_primary;   /* QEMU is a teamed guest's */
    gboolean plugged;       /* seen by the guest */
    gboolean device_exists; /* known to QEMU */
    gboolean sends_on;      /* it never converges */
    guint ejects_after;     /* requests: 0: at once; G_MAXUINT: never */
    guint asked;
    /* the client's side */
    VtQmpClient *client;
    gboolean ready;
    VtMigSrc *src;
    VtMigDst *dst;
    gboolean should_run;
    GString *told;
    /* what goes wrong */
    Wrong wrong;
    const VtSeqTable *table;
    const VtStep *step;
    VtSeq *entered;
    gboolean hit, cancel_accepted;
    guint timer;
    /* the end */
    gboolean done;
    GError *error;
} Lab;

void lab_send(Lab *lab, const char *text);
gboolean lab_is_active(const Lab *lab);
void lab_afterwards(Lab *lab, const char *command, JsonNode *args);
void lab_done(gpointer user, const GError *error);
gboolean lab_only_waits(const VtStep *step);
void lab_open_src(Lab *lab, gboolean teamed, gboolean live, guint unplug_timeout_ms, guint retries);
void lab_open_dst(Lab *lab);
void lab_wait(Lab *lab);
void lab_close(Lab *lab);
gboolean lab_did(const Lab *lab, const char *command);
