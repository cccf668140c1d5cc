/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guests without a QEMU (lib/fake-guest.h) on a host with two NICs in a sysfs of the test's own. Near: 01:00.0 'near0'
 * with the VFs 01:10.0 and 01:10.2 of 8086:10ca; far: 81:00.0 'far0' with 81:10.0 of 15b3:1018.
 */
#pragma once

#include "lib/fake-guest.h"
#include "util/pci.h"

typedef struct {
    FakeHost host;
    VtPciHost pci;
    char *sysfs;
    const char *stubborn; /* (nullable) functions that vfio-pci does not take */
    guint refusals;
} FakeVfs;

/** For g_test_add(). */
void fake_vfs_set_up(FakeVfs *vfs, gconstpointer user);
void fake_vfs_tear_down(FakeVfs *vfs, gconstpointer user);

/** Write a file of sysfs, whose folders are made. */
void fake_vfs_write(const char *text, const char *format, ...) G_GNUC_PRINTF(2, 3);

/** The driver that a function is bound to; "" none. (transfer full) */
char *fake_vfs_driver(const FakeVfs *vfs, const char *bdf);

/** Start a guest to its end. (transfer full) (nullable) */
GError *fake_vfs_start(FakeVfs *vfs, VtDomain *domain);

void fake_vfs_stop(FakeVfs *vfs, VtDomain *domain);

/** Try to give a running guest a VF. (transfer full) (nullable) */
GError *fake_vfs_try(VtDomain *domain, const char *team);

/** The second interface of a running guest, which is its transient. */
const VtNetDef *fake_vfs_primary(const VtDomain *domain);

/** It has that function, reserved and bound; "" when it is on standby. */
void fake_vfs_expect(const FakeVfs *vfs, const VtDomain *domain, const char *bdf);

guint fake_vfs_reservations(const FakeVfs *vfs);

/** No function is reserved, and all have their own driver. */
void fake_vfs_assert_all_back(const FakeVfs *vfs);
