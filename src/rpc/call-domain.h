/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Handlers of the procedures that change a domain's life or definition. Each is a #VtCallFunc.
 */
#pragma once

#include "rpc/call.h"

void vt_call_domain_define(VtCall *call);
void vt_call_domain_define_flags(VtCall *call);
void vt_call_domain_undefine(VtCall *call);
void vt_call_domain_undefine_flags(VtCall *call);
void vt_call_domain_create(VtCall *call);
void vt_call_domain_create_flags(VtCall *call);
void vt_call_domain_create_xml(VtCall *call);
void vt_call_domain_destroy(VtCall *call);
void vt_call_domain_destroy_flags(VtCall *call);
void vt_call_domain_shutdown(VtCall *call);
void vt_call_domain_shutdown_flags(VtCall *call);
void vt_call_domain_reboot(VtCall *call);
void vt_call_domain_reset(VtCall *call);
void vt_call_domain_suspend(VtCall *call);
void vt_call_domain_resume(VtCall *call);
void vt_call_domain_set_autostart(VtCall *call);
void vt_call_domain_rename(VtCall *call);
void vt_call_domain_set_metadata(VtCall *call);
void vt_call_domain_abort_job(VtCall *call);
void vt_call_domain_abort_job_flags(VtCall *call);
void vt_call_domain_monitor_command(VtCall *call);
