/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finding running guests again after the daemon was restarted, also after a kill -9 in the middle of anything.
 */
#pragma once

#include "driver/domain-obj.h"

/**
 * vt_recover_run - find every guest that the status files speak of, and sweep what killed starts left
 * @driver: definitions are loaded
 *
 * Domains are active with their last known state when this returns, and hold their job; the rest (monitor,
 * state, interrupted migration) goes on in the main loop. A guest whose process is gone is stopped as if it had
 * crashed under our eyes.
 */
void vt_recover_run(VtDriver *driver);
