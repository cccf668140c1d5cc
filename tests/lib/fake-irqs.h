/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A sysfs with one PCI function whose driver has enabled DMA, and the interrupts that it has set up.
 */
#pragma once

#include "datapath/backend.h"
#include "util/pci.h"

#include "lib/feed.h"

#include <glib/gstdio.h>
#include <unistd.h>

#define FAKE_IRQS_BDF "0000:01:10.2"

typedef struct {
    char *root;
    VtPciHost host;
    VtPciBdf bdf;
    gboolean set_up;
} FakeIrqs;

static inline void
fake_irqs_init(FakeIrqs *irqs)
{
    g_autofree char *device = NULL, *config = NULL;

    *irqs = (FakeIrqs){ .root = g_dir_make_tmp("vt-irqs-XXXXXX", NULL) };
    irqs->host.root = irqs->root;
    g_assert_true(vt_pci_bdf_parse(FAKE_IRQS_BDF, &irqs->bdf));
    device = g_build_filename(irqs->root, "bus/pci/devices/" FAKE_IRQS_BDF, NULL);
    config = g_build_filename(device, "config", NULL);
    g_assert_cmpint(g_mkdir_with_parents(device, 0755), ==, 0);
    g_assert_true(g_file_set_contents(config, "\x86\x80\xca\x10\x06\x04\0\0", 8, NULL));
}

/* @count: as the kernel writes it, "1,2\n" on two processors; NULL: none is set up. */
static inline void
fake_irqs_set(FakeIrqs *irqs, const char *count)
{
    g_autofree char *folder =
        g_build_filename(irqs->root, "bus/pci/devices/" FAKE_IRQS_BDF "/msi_irqs", NULL);
    g_autofree char *irq = g_build_filename(folder, "41", NULL);
    g_autofree char *counts = g_build_filename(irqs->root, "kernel/irq/41", NULL);
    g_autofree char *file = g_build_filename(counts, "per_cpu_count", NULL);

    if (irqs->set_up && !count) {
        g_assert_cmpint(g_unlink(irq), ==, 0);
        g_assert_cmpint(g_rmdir(folder), ==, 0);
    }
    irqs->set_up = count != NULL;
    if (!count)
        return;
    g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
    g_assert_cmpint(g_mkdir_with_parents(counts, 0755), ==, 0);
    g_assert_true(g_file_set_contents(irq, "msix\n", -1, NULL));
    g_assert_true(g_file_set_contents(file, count, -1, NULL));
}

static inline void
fake_irqs_clear(FakeIrqs *irqs)
{
    const char *argv[] = { "rm", "-rf", irqs->root, NULL };

    g_assert_true(
        g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL));
    g_clear_pointer(&irqs->root, g_free);
}

/* What a look has to tell for each count, when the PF's driver counts no frames: interrupts stand for them, over resets. */
static const struct {
    const char *count;
    guint64 frames;
} fake_irqs_rows[] = { { NULL, 0 }, { "0,0\n", 0 }, { "1,2\n", 3 }, { "4,2\n", 6 },
                       { NULL, 6 }, { "0,0\n", 6 }, { "0,1\n", 7 } };

/** A back end that was made for @irqs tells them, and is cleared with them. */
static inline void
fake_irqs_check(FakeIrqs *irqs, VtBackend *backend)
{
    g_assert_true(backend->funcs->arms && backend->funcs->tells_open);
    feed_apply(backend, VT_FEED_STANDBY_ARMED);
    for (gsize i = 0; i < G_N_ELEMENTS(fake_irqs_rows); i++) {
        VtLifeSigns signs;

        fake_irqs_set(irqs, fake_irqs_rows[i].count);
        g_assert_true(backend->funcs->look(backend->state, &signs));
        g_assert_cmpuint(signs.frames, ==, fake_irqs_rows[i].frames);
        g_assert_cmpint(signs.stirs, ==, irqs->set_up);
    }
    feed_apply(backend, VT_FEED_RELEASED);
    vt_backend_clear(backend);
    fake_irqs_clear(irqs);
}
