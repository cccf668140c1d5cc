/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the driver does about what happens in a guest: QMP events and the end of the process.
 */
#pragma once

#include "driver/domain-obj.h"

/** Callbacks for vt_process_spawn() and vt_process_attach(), with the domain as their user data. */
const VtProcessFuncs *vt_guest_event_funcs(void);

/**
 * vt_guest_event_handle - one QMP event: state, live definition, events for clients, then the listeners
 * @domain: active
 * @event:  what QEMU said
 *
 * Unknown events and missing members are passed on to listeners and monitor subscribers, and change nothing.
 * Source: QAPI run-state.json, block-core.json, misc.json; libvirt virDomainEvent*Detail for the details.
 */
void vt_guest_event_handle(VtDomain *domain, const VtQmpEvent *event);

/**
 * vt_guest_event_run_state - take over what query-status said, where events may have been missed
 * @domain: active
 * @status: QEMU's RunState; what is not known is a state in which the CPUs stand still
 *
 * The state changes (reason unknown) only where it differs; clients are not told.
 * Source: QAPI RunState.
 */
void vt_guest_event_run_state(VtDomain *domain, const char *status);
