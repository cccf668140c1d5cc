/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * That a team stays where it is to be (driver/team-keep): a primary that comes into the guest by itself is taken out
 * again, one that left too late is given back.
 */
#pragma once

#include "driver/domain-obj.h"

/**
 * vt_team_enforce_gone - a device has left the guest
 * @domain: active
 * @alias:  of any device
 *
 * Return: TRUE when it is a primary that stays in the definition, since its team is kept on standby, or since it let
 * go of it after it was given up to ask for it (it is then plugged in again).
 */
gboolean vt_team_enforce_gone(VtDomain *domain, const char *alias);

/** A client detaches @alias: its going is for good, and nothing is kept. */
void vt_team_enforce_forget(VtDomain *domain, const char *alias);

/** An event of QEMU: QEMU plugs a primary by itself when the guest has negotiated anew. */
void vt_team_enforce_event(VtDomain *domain, const VtQmpEvent *event);

/** After a restart, with the guest found and its journal read: finish or take back what was interrupted. */
void vt_team_enforce_recover(VtDomain *domain);

/** The guest is gone. */
void vt_team_enforce_close(VtDomain *domain);
