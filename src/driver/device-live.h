/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Devices of a running guest: what the live definition, QEMU and the host do together when one comes or goes.
 */
#pragma once

#include "conf/device-xml.h"
#include "driver/domain-obj.h"
#include "util/seq.h"

/**
 * vt_device_live_attach - put a device into a running guest
 * @domain: active; its job is held by the caller
 * @device: copied; without alias and address it gets them
 * @done:   told when the guest has it and the live definition, too; UNSUPPORTED (kind), XML_DETAIL or
 *          CONFIG_UNSUPPORTED (it does not fit the domain), OPERATION_FAILED (no free slot, host, QEMU)
 * @user:   for @done
 */
void vt_device_live_attach(VtDomain *domain, const VtDevice *device, VtDoneFunc done, gpointer user);

/**
 * vt_device_live_detach - ask the guest to let go of a device
 * @domain: active; its job is held by the caller
 * @alias:  of an interface, disk or host device of the live definition
 * @wait:   wait until the guest has let go, up to 5 s; FALSE: only until QEMU has asked it
 * @done:   told success also when the guest still has it after that time, as libvirt does: DEVICE_REMOVED tells
 *          when it is gone; OPERATION_FAILED: it was refused; XML_DETAIL, CONFIG_UNSUPPORTED: other devices need it
 * @user:   for @done
 */
void vt_device_live_detach(VtDomain *domain, const char *alias, gboolean wait, VtDoneFunc done,
                           gpointer user);

/**
 * vt_device_live_gone - a device has left the guest (DEVICE_DELETED): forget it, remove what stood behind it
 * @domain: active
 * @alias:  of any device; one that is not in the live definition is ignored
 */
void vt_device_live_gone(VtDomain *domain, const char *alias);

/**
 * vt_device_live_take_back - remove what the attach of a device has left that the guest does not have
 * @domain: active
 * @device: (transfer full) with its alias
 * @done:   told the end; a failure was logged
 * @user:   for @done
 */
void vt_device_live_take_back(VtDomain *domain, VtDevice *device, VtDoneFunc done, gpointer user);

/** The going of a device is for good: nobody is to plug it again. */
void vt_device_live_forget(VtDomain *domain, const char *alias);

/** The tables, for docs and tests. */
const VtSeqTable *vt_device_live_attach_table(void);
const VtSeqTable *vt_device_live_detach_table(void);
