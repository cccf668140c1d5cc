/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Migration cookies: what is read can be written, and is read again the same. */
#include "qemu/mig-cookie.h"

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size);

int
LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
    g_autoptr(GBytes) bytes = g_bytes_new(data, size);
    g_autoptr(GError) error = NULL;
    g_autoptr(VtMigCookie) cookie = vt_mig_cookie_parse(bytes, &error);
    g_autoptr(GBytes) once = NULL;
    g_autoptr(GBytes) twice = NULL;
    g_autoptr(VtMigCookie) back = NULL;

    g_assert_true((cookie == NULL) == (error != NULL));
    if (!cookie)
        return 0;
    once = vt_mig_cookie_format(cookie);
    back = vt_mig_cookie_parse(once, NULL);
    /* Escaping may make it too large. */
    if (!back)
        return 0;
    twice = vt_mig_cookie_format(back);
    g_assert_true(g_bytes_equal(once, twice));
    return 0;
}
