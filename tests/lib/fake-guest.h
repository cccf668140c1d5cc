/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A driver whose guests have no QEMU: lib/fake-guest.c stands in for src/qemu's process (a QMP server in the same
 * main loop), its command line and its capabilities. What is tested is src/driver alone, with its real files in a
 * temporary directory.
 */
#pragma once

#include "driver/domain-private.h"
#include "driver/event.h"
#include "driver/query.h"

typedef struct {
    VtDriver *driver;
    char *dir;
    GPtrArray *events; /* of char *: "lifecycle 2 0", "reboot", ... in order */
} FakeHost;

/** A driver with directories, an empty list and events that are written down. */
void fake_host_open(FakeHost *host);
void fake_host_close(FakeHost *host);

/** As if the daemon was killed and started again: the driver is new, the directory and the guests are the same. */
void fake_host_crash(FakeHost *host);

/** A definition of that name, memory 64 MiB, with @extra inside <domain>. (transfer full) */
char *fake_guest_xml(const char *name, const char *uuid, const char *extra);

/** How many fake QEMUs are alive; how many VtProcess objects exist. */
guint fake_guest_alive(void);
guint fake_guest_objects(void);

/** Let the QEMU of @domain say something, or die. */
void fake_guest_event(VtDomain *domain, const char *json);
void fake_guest_die(VtDomain *domain);

/** The next QEMU ends before it answers. */
void fake_guest_fail_next(const char *why);

/** From now on, a migration never ends, or fails; both FALSE: it has completed at once. */
void fake_guest_migrations(gboolean stuck, gboolean refuses);

/** The guest's CPUs stop without a word. */
void fake_guest_stop_cpus(VtDomain *domain);

/** No QEMU takes a connection to its monitor any more (and those that there are break), until FALSE. */
void fake_guest_silence(gboolean silent);

/** Do not answer @command (NULL: answer everything). */
void fake_guest_mute(const char *command);

/** Answer @command (NULL: none) with an error of that class. */
void fake_guest_refuse(const char *command, const char *klass);

/** Answer @command with this value too (NULL: every command as if nothing had been said). */
void fake_guest_answer(const char *command, const char *json);

/** The end of every QEMU's log (NULL: nothing). */
void fake_guest_log(const char *text);

/** Commands that QEMUs got since the last call, space-separated. (transfer full) */
char *fake_guest_commands(void);

/** Run the main loop until @done; a test that waits for minutes has failed. */
void fake_wait(const gboolean *done);
/** Run the main loop until nothing is left to do but to wait, for longer than some 30 ms. */
void fake_settle(void);
/** The same again and again, where only time shows that something does not happen. */
void fake_settle_for(guint least_ms);
/** Run the main loop once; FALSE when it is minutes since the first call with this @since. */
gboolean fake_go_on(gint64 *since);

/* Run the main loop until a condition holds. */
#define FAKE_UNTIL(condition)                                                                                \
    do {                                                                                                     \
        gint64 fake_since = 0;                                                                               \
                                                                                                             \
        while (!(condition))                                                                                 \
            g_assert_true(fake_go_on(&fake_since));                                                          \
    } while (0)

typedef struct {
    gboolean done;
    GError *error;
} FakeDone;

/** A VtDoneFunc for a FakeDone. */
void fake_done(gpointer user, const GError *error);

/*
 * What is told when the disk has it, as calls that return then; named and meant like driver/lifecycle.h's, query.h's
 * and store-def.h's.
 */
VtDomain *fake_define(VtDriver *driver, const char *xml, guint flags, GError **error);
/** The same, which has to succeed. */
VtDomain *fake_define_well(VtDriver *driver, const char *xml);
gboolean fake_undefine(VtDriver *driver, VtDomain *domain, guint flags, GError **error);
gboolean fake_rename(VtDriver *driver, VtDomain *domain, const char *name, GError **error);
gboolean fake_set_metadata(VtDriver *driver, VtDomain *domain, const VtMetadataChange *change,
                           GError **error);
gboolean fake_store_save(VtDriver *driver, VtDomain *domain, GError **error);
