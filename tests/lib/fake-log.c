/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The log of the QEMUs that lib/fake-guest.c plays. */
#include "fake-guest.h"
#include "qemu/process.h"

static char *fake_tail;

char *
vt_process_log_tail(const VtProcess *process)
{
    return g_strdup(fake_tail ? fake_tail : "");
}

void
fake_guest_log(const char *text)
{
    g_free(fake_tail);
    fake_tail = g_strdup(text);
}
