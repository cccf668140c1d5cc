/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Handlers: saving a guest to a file, and running it again.
 */
#pragma once

#include "rpc/call.h"

void vt_call_save(VtCall *call);
void vt_call_save_flags(VtCall *call);
void vt_call_save_params(VtCall *call);
void vt_call_save_restore(VtCall *call);
void vt_call_save_restore_flags(VtCall *call);
void vt_call_save_restore_params(VtCall *call);
void vt_call_save_image_xml(VtCall *call);
void vt_call_save_image_define(VtCall *call);
void vt_call_save_managed(VtCall *call);
void vt_call_save_managed_has(VtCall *call);
void vt_call_save_managed_remove(VtCall *call);
void vt_call_save_managed_xml(VtCall *call);
void vt_call_save_managed_define(VtCall *call);
