/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A stream of numbered frames for the guest, while a back end goes from feed to feed: the leg to which the guest listens gets
 * each of them exactly once.
 */
#pragma once

#include "datapath/backend.h"
#include "util/fd.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#define STREAM_MAX         1000000 /* more than a loaded machine needs for a switch */
#define STREAM_AHEAD       64      /* frames that are under way at the most */
#define STREAM_PATIENCE_MS 5000
#define STREAM_MARK        0x80000000u
#define STREAM_ETHERTYPE   0x88b5 /* IEEE 802: local experimental */

typedef struct {
    VtBackend *backend;
    VtFd uplink, legs[VT_LEG_COUNT]; /* taps, not blocking */
    VtMac guest, other;
    guint pause_us;       /* between two frames */
    void (*settle)(void); /* (nullable) what was sent has arrived after it */
    guint rounds;
} StreamLab;

typedef struct {
    const StreamLab *lab;
    gint stop;
    gint sent;
    gint highest;               /* number of the latest that came to any leg */
    guint8 *seen[VT_LEG_COUNT]; /* times that a leg got frame N */
} Stream;

/* A switch in user space may have to wait for the CPU, and what overflows its queues meanwhile is no fault of a feed. */
static inline void
stream_keep_pace(const Stream *stream)
{
    for (guint wait = 0; wait < STREAM_PATIENCE_MS && !g_atomic_int_get(&stream->stop) &&
                         stream->sent - g_atomic_int_get(&stream->highest) > STREAM_AHEAD;
         wait++)
        g_usleep(1000);
}

static inline gpointer
stream_send(gpointer data)
{
    Stream *stream = data;
    guint8 frame[64] = { [12] = STREAM_ETHERTYPE >> 8, [13] = STREAM_ETHERTYPE & 0xff };

    memcpy(frame, stream->lab->guest.bytes, 6);
    memcpy(frame + 6, stream->lab->other.bytes, 6);
    while (!g_atomic_int_get(&stream->stop) && stream->sent < STREAM_MAX) {
        guint32 number = STREAM_MARK | (guint32)stream->sent;

        memcpy(frame + 14, &number, sizeof number);
        g_assert_cmpint((int)write(stream->lab->uplink, frame, sizeof frame), ==, sizeof frame);
        g_atomic_int_inc(&stream->sent);
        g_usleep(stream->lab->pause_us);
        stream_keep_pace(stream);
    }
    return NULL;
}

static inline void
stream_drain(Stream *stream, guint leg)
{
    guint8 frame[2048];
    guint32 number;

    while (read(stream->lab->legs[leg], frame, sizeof frame) > 0) {
        memcpy(&number, frame + 14, sizeof number);
        if (frame[12] == STREAM_ETHERTYPE >> 8 && frame[13] == (STREAM_ETHERTYPE & 0xff) &&
            (number & STREAM_MARK) && (number & ~STREAM_MARK) < STREAM_MAX) {
            number &= ~STREAM_MARK;
            stream->seen[leg][number]++;
            if ((gint)number > g_atomic_int_get(&stream->highest))
                g_atomic_int_set(&stream->highest, (gint)number);
        }
    }
}

static inline gpointer
stream_receive(gpointer data)
{
    Stream *stream = data;
    struct pollfd pfds[VT_LEG_COUNT];

    for (guint leg = 0; leg < VT_LEG_COUNT; leg++)
        pfds[leg] = (struct pollfd){ .fd = stream->lab->legs[leg], .events = POLLIN };
    while (!g_atomic_int_get(&stream->stop)) {
        poll(pfds, VT_LEG_COUNT, 10);
        for (guint leg = 0; leg < VT_LEG_COUNT; leg++)
            stream_drain(stream, leg);
    }
    return NULL;
}

static inline void
stream_wait(Stream *stream, gint frames)
{
    gint target = g_atomic_int_get(&stream->sent) + frames;

    g_assert_cmpint(target, <, STREAM_MAX);
    while (g_atomic_int_get(&stream->sent) < target)
        g_usleep(500);
}

static inline void
stream_apply(const StreamLab *lab, VtFeed feed)
{
    g_autoptr(GError) error = NULL;
    gboolean noted;

    if (lab->backend->funcs->prepare(lab->backend->state, feed, &noted, &error))
        lab->backend->funcs->apply(lab->backend->state, feed, &error);
    g_assert_no_error(error);
}

typedef struct {
    VtFeed from, to;
    VtLeg listens; /* leg on which not a single frame may be missing or doubled */
} StreamSwitch;

static inline void
stream_switch(const StreamLab *lab, const StreamSwitch *row)
{
    Stream stream = { .lab = lab, .seen = { g_malloc0(STREAM_MAX), g_malloc0(STREAM_MAX) } };
    GThread *sender, *receiver;
    guint bad = 0;

    stream_apply(lab, row->from);
    if (lab->settle)
        lab->settle();
    receiver = g_thread_new("receiver", stream_receive, &stream);
    sender = g_thread_new("sender", stream_send, &stream);
    stream_wait(&stream, 50);
    stream_apply(lab, row->to);
    stream_wait(&stream, 50);
    g_atomic_int_set(&stream.stop, 1);
    g_thread_join(sender);
    g_thread_join(receiver);
    if (lab->settle)
        lab->settle();
    for (guint leg = 0; leg < VT_LEG_COUNT; leg++)
        stream_drain(&stream, leg);
    g_test_message("%s to %s: %d frames", vt_feed_name(row->from), vt_feed_name(row->to), stream.sent);
    for (gint i = 0; i < stream.sent; i++)
        if (stream.seen[row->listens][i] != 1) {
            bad++;
            g_test_message("frame %d came %u times (of the other leg: %u)", i, stream.seen[row->listens][i],
                           stream.seen[1 - row->listens][i]);
        }
    g_assert_cmpuint(bad, ==, 0);
    for (guint leg = 0; leg < VT_LEG_COUNT; leg++)
        g_free(stream.seen[leg]);
}

/** Every switch that a guest goes through. */
static inline void
stream_switches(const StreamLab *lab)
{
    static const StreamSwitch rows[] = {
        { VT_FEED_PRIMARY, VT_FEED_PRIMARY_COPIED, VT_LEG_PRIMARY }, /* before the unplug */
        { VT_FEED_PRIMARY_COPIED, VT_FEED_STANDBY,
          VT_LEG_STANDBY }, /* ejected: it listened to standby before */
        { VT_FEED_STANDBY, VT_FEED_STANDBY_COPIED, VT_LEG_STANDBY },        /* a primary is plugged */
        { VT_FEED_STANDBY_COPIED, VT_FEED_PRIMARY_COPIED, VT_LEG_PRIMARY }, /* it has been taken */
        { VT_FEED_PRIMARY_COPIED, VT_FEED_PRIMARY, VT_LEG_PRIMARY },        /* settled */
        { VT_FEED_STANDBY_COPIED, VT_FEED_STANDBY, VT_LEG_STANDBY },        /* it has not been taken */
    };

    for (guint round = 0; round < lab->rounds; round++)
        for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
            stream_switch(lab, &rows[i]);
}
