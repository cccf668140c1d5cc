/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Handlers of client-managed migration, version 3: the five calls with parameters, the same five as they were
 * before there were parameters, and what tunes a migration. Each is a #VtCallFunc.
 */
#pragma once

#include "rpc/call.h"

void vt_call_migrate_begin(VtCall *call);
void vt_call_migrate_prepare(VtCall *call);
void vt_call_migrate_perform(VtCall *call);
void vt_call_migrate_finish(VtCall *call);
void vt_call_migrate_confirm(VtCall *call);

void vt_call_migrate_begin3(VtCall *call);
void vt_call_migrate_prepare3(VtCall *call);
void vt_call_migrate_perform3(VtCall *call);
void vt_call_migrate_finish3(VtCall *call);
void vt_call_migrate_confirm3(VtCall *call);

void vt_call_migrate_set_speed(VtCall *call);
void vt_call_migrate_get_speed(VtCall *call);
void vt_call_migrate_set_downtime(VtCall *call);
void vt_call_migrate_get_downtime(VtCall *call);
