/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A driver without QEMU, for tests and fuzzers of what lies above it: two domains, and operations that end when
 * the test says so.
 *
 *   "web"    id 3, running   UUID 11111111-2222-3333-4444-555555555555
 *   "store"  shut off        UUID 66666666-7777-8888-9999-aaaaaaaaaaaa
 */
#pragma once

#include "driver/event.h"
#include "driver/migrate.h"

typedef struct {
    const char *what; /* "suspend", "migrate-perform" ... */
    VtDoneFunc done;
    VtMigrateDone migrate_done;
    gpointer user;
    VtDomain *domain;
} FakePending;

/** Only one at a time. @immediate: operations end at once, as a fuzzer needs it. */
VtDriver *fake_driver_new(gboolean immediate);
void fake_driver_free(VtDriver *driver);

/** Operations under way, oldest first; of FakePending. */
GPtrArray *fake_driver_pending(VtDriver *driver);

/** End the oldest operation under way; @error is (transfer full), NULL: success. */
void fake_driver_complete(VtDriver *driver, GError *error);

/** End the newest. */
void fake_driver_complete_last(VtDriver *driver, GError *error);

guint fake_driver_owners_gone(VtDriver *driver);
guint fake_driver_subscriptions(VtDriver *driver);

/** Tell a lifecycle event of "web" to whoever subscribed. */
void fake_driver_emit_lifecycle(VtDriver *driver, int event, int detail);

/** The far end of the console opened last; -1 when none is open. */
int fake_driver_console(VtDriver *driver);
