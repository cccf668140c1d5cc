/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A host that migrates guests without QEMU: what the tests of either side share.
 */
#pragma once

#include "driver/migrate.h"
#include "lib/fake-guest.h"

#define UUID_A "11111111-2222-3333-4444-00000000000a"
#define ID_A   "55555555-2222-3333-4444-00000000000a"
#define HOST_1 "99999999-2222-3333-4444-000000000001"
#define HOST_2 "99999999-2222-3333-4444-000000000002"

#define RESUMED "{\"event\":\"RESUME\",\"timestamp\":{\"seconds\":1,\"microseconds\":2}}"
#define STOPPED "{\"event\":\"STOP\",\"timestamp\":{\"seconds\":1,\"microseconds\":2}}"

extern int owner_token, other_token;
#define OWNER ((VtOwner *)&owner_token)
#define OTHER ((VtOwner *)&other_token)

typedef struct {
    gboolean done, has_domain;
    GError *error;
    GBytes *cookie;
    char *text;
} Reply;

void reply_clear(Reply *reply);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Reply, reply_clear)

typedef struct {
    const char *phase;
    const char *status; /* QEMU's run state */
    gboolean alive;
    gboolean cont;       /* it is resumed here */
    const char *journal; /* phase afterwards; NULL: none */
} RecoverRow;

void note_reply(gpointer user, const VtMigrateReply *reply, const GError *error);
void assert_reply(Reply *reply, int code);
void host_configure(FakeHost *host);
void host_forget(FakeHost *host);
void host_open(FakeHost *host);
void host_close(FakeHost *host);
VtDomain *host_start(FakeHost *host);
void host_stop(FakeHost *host, VtDomain *domain);
gboolean commands_have(const char *command);
void recover_row(const char *kind, const RecoverRow *row);
void add_rows(const char *side, const RecoverRow *rows, gsize n, GTestDataFunc test);
