/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Devices that were on their way into or out of a guest when an earlier daemon was killed.
 *
 * Journal of kind "attach": key "alias"; "device", the device as the live definition is to have it; of kind "detach":
 * "alias". Both: "flags" and "request", the client's XML, for the persistent definition.
 */
#pragma once

#include "driver/domain-obj.h"

/**
 * vt_device_recover - finish or undo what was interrupted
 * @driver: the driver
 * @domain: found again: QMP connected, journal loaded, its job held by the caller until @done
 * @done:   told when the definitions say what the guest has; a journal of these kinds has been ended then
 * @user:   for @done
 *
 * A device that QEMU has was attached: it is taken into the definitions. Of one that it has not, nothing stays. A
 * guest that was to let go of a device is asked (again), and a device that has gone meanwhile is gone for good.
 */
void vt_device_recover(VtDriver *driver, VtDomain *domain, VtDoneFunc done, gpointer user);
