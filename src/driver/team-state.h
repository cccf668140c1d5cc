/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guest's side of each team of a domain (qemu/teaming), fed from QEMU's events and kept over restarts.
 */
#pragma once

#include "driver/domain-obj.h"
#include "qemu/teaming.h"

/** Begin with the live definition's teams; its aliases are set. What another run knew is forgotten. */
void vt_team_state_open(VtDomain *domain);

/** The guest is gone: those who still wait for vt_team_state_ask() are told. */
void vt_team_state_close(VtDomain *domain);

/** Take over what a former daemon knew, as vt_team_state_text() gave it; NULL or nonsense: begin anew. */
void vt_team_state_restore(VtDomain *domain, const char *text);

/** The guest's side alone; NULL when the guest does not run. (transfer none) */
VtQemuTeaming *vt_team_state_teaming(const VtDomain *domain);

/** For the status file; NULL when there are no teams. (transfer full) */
char *vt_team_state_text(const VtDomain *domain);

/** Any event of the domain's QEMU. */
void vt_team_state_event(VtDomain *domain, const VtQmpEvent *event);

/** A device came to the live definition or left it. */
void vt_team_state_update(VtDomain *domain);

/**
 * vt_team_state_ask - bring up to date what QEMU does not tell by itself
 * @domain: active or not
 * @done:   (nullable) told when QEMU has answered, or there is nobody to ask; never with an error
 * @user:   for @done
 */
void vt_team_state_ask(VtDomain *domain, VtDoneFunc done, gpointer user);

/** QEMU has taken the primary of @team from us, which it does not tell by an event. */
void vt_team_state_plugged(VtDomain *domain, const char *team);

/** What is known of the guest's side of a team; NULL: nothing. (transfer none) */
const VtQemuTeam *vt_team_state_find(const VtDomain *domain, const char *alias);
