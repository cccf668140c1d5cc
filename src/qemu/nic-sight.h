/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether the guest's driver has opened an emulated NIC: a register that it sets then, read through QEMU's monitor.
 *
 * Emulated primaries serve tests and demonstrations; what a VF shows of itself stands in datapath/sriov.h.
 */
#pragma once

#include "qemu/qmp-client.h"

typedef struct {
    guint64 bar;       /* guest-physical address of the BAR with that register; 0: not mapped (yet) */
    gboolean receives; /* its driver has opened it */
    gboolean sends;    /* its driver has not begun to close it; by vt_nic_sight_ask_sender() */
} VtNicSight;

/**
 * VtNicSightFunc - what was seen, exactly once
 * @user:  as given
 * @sight: only without @error
 * @error: (nullable) (transfer none) UNSUPPORTED: QEMU's answers are not understood; else as VtQmpReplyFunc
 */
typedef void (*VtNicSightFunc)(gpointer user, const VtNicSight *sight, const GError *error);

/** How fast a guest takes up a NIC that was plugged; all 0 before the first look. */
typedef struct {
    gint64 unmapped_ms; /* when it was seen without BARs last; else when it was first seen */
    gint64 closed_ms;   /* when it was seen closed last */
} VtNicPace;

/**
 * vt_nic_pace_takes - whether the guest takes its frames from this NIC by now
 * @pace:   of the looks since it was plugged; brought up to date
 * @sight:  by vt_nic_sight_ask()
 * @now_ms: of a clock that only goes on
 *
 * net_failover hears standby, and the primary as well, until it has registered the primary that it has opened: what is sent
 * to both legs comes twice meanwhile. No register tells the end of it, but it lasts a fifth to a half of what the guest
 * needed from mapping the NIC to opening it (measured: 7 of 31, 15 of 80, 43 of 79 ms, under TCG). A quarter is waited for,
 * since frames that come twice do less harm than frames that are lost.
 */
gboolean vt_nic_pace_takes(VtNicPace *pace, const VtNicSight *sight, gint64 now_ms);

/** TRUE for a model of which vt_nic_sight_ask() can tell. */
gboolean vt_nic_sight_knows(const char *model);

/**
 * vt_nic_sight_ask - look at a NIC, without side effects in the guest
 * @client: ready
 * @model:  that vt_nic_sight_knows()
 * @id:     of the device in QEMU
 * @bar:    from an earlier look since the device was plugged; 0: find out
 * @done:   told what was seen
 * @user:   for @done
 *
 * Source: Intel 82574 and 82576 data sheets, register RCTL (0x100), bit RXEN; PCI Express base specification, MSI-X
 * vector control, mask bit; QAPI query-pci; HMP xp.
 */
void vt_nic_sight_ask(VtQmpClient *client, const char *model, const char *id, guint64 bar,
                      VtNicSightFunc done, gpointer user);

/** TRUE for a model of which vt_nic_sight_ask_sender() can tell. */
gboolean vt_nic_sight_tells_closing(const char *model);

/**
 * vt_nic_sight_ask_sender - look whether a NIC's driver has begun to close it
 * @client: ready
 * @model:  that vt_nic_sight_tells_closing()
 * @id:     of the device in QEMU
 * @bar:    from an earlier look since the device was plugged; 0: find out
 * @done:   told what was seen
 * @user:   for @done
 *
 * Drivers of Intel's NICs switch the sender off first; the receiver of an 82574 goes on until a reset comes later.
 * Source: Intel 82574 and 82576 data sheets, register TCTL (0x400), bit EN.
 */
void vt_nic_sight_ask_sender(VtQmpClient *client, const char *model, const char *id, guint64 bar,
                             VtNicSightFunc done, gpointer user);

/**
 * vt_nic_sight_bar - where a BAR of a device is mapped
 * @buses: what query-pci returns
 * @id:    of the device in QEMU
 * @bar:   its number
 *
 * Return: the address; 0 when there is no such device, or the BAR is not mapped.
 */
guint64 vt_nic_sight_bar(JsonNode *buses, const char *id, guint bar);

/**
 * vt_nic_sight_word - the word that xp has printed
 * @text: "00000000febc0100: 0x04048002"
 * @word: (out) set only on success
 *
 * Return: FALSE when this is nothing that xp prints.
 */
gboolean vt_nic_sight_word(const char *text, guint32 *word);
