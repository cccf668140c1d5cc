/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Capabilities files: the cache, and what --caps is given. What is read is written and read again. */
#include <stdint.h>
#include <stdlib.h>
#include "qemu/caps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autoptr(VtQemuCaps) caps = vt_qemu_caps_from_json(text, NULL), again = NULL;
    g_autofree char *written = NULL;
    guint i;

    if (!caps)
        return 0;
    for (i = 0; i < caps->machines->len; i++)
        if (!vt_qemu_caps_machine(caps, ((VtQemuMachine *)caps->machines->pdata[i])->name))
            abort();
    written = vt_qemu_caps_to_json(caps);
    again = vt_qemu_caps_from_json(written, NULL);
    if (!again)
        abort();
    return 0;
}
