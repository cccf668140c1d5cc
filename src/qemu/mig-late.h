/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which of several primaries a guest has not let go of, when QEMU waits for them in vain.
 *
 * QEMU says neither by an event nor to a question which of them it still waits for: query-pci lists those that were
 * ejected, too, and device_del would ask the guest for them again. But what a guest uses it has not let go of, and that can be
 * seen: of an emulated NIC by its registers, of a function of the host by its bus master bit.
 */
#pragma once

#include "qemu/mig-src.h"
#include "util/pci.h"

typedef struct _VtMigLate VtMigLate;

/**
 * VtMigLateFunc - what was seen, exactly once
 * @user:       as given
 * @names:      "'ua-vf' (team 'ua-net'), ...": those that are in use, or all when that cannot be told
 * @sure:       each of @names is late; else at least one of them
 * @persistent: (nullable) alias of the team, when it is one
 */
typedef void (*VtMigLateFunc)(gpointer user, const char *names, gboolean sure, const char *persistent);

/**
 * vt_mig_late_ask - look at all of them
 * @client:  (nullable) QEMU's monitor
 * @teams:   of VtMigSrcTeam; copied as far as needed
 * @host:    whose sysfs
 * @done:    told from the main loop, after two seconds at the latest
 * @user:    for @done
 *
 * Return: the look, gone once @done was told.
 */
VtMigLate *vt_mig_late_ask(VtQmpClient *client, GArray *teams, const VtPciHost *host, VtMigLateFunc done,
                           gpointer user);

/** Forget it; @done is not told. Accepts NULL. */
void vt_mig_late_free(VtMigLate *late);
