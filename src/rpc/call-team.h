/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Handlers of our own program: teams.
 */
#pragma once

#include "rpc/call.h"

void vt_call_team_list(VtCall *call);
void vt_call_team_switch(VtCall *call);
