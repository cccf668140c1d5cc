/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/qmp-codec.h"
#include "qemu/qmp-event.h"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

/* The first byte is the size of the pieces. */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autoptr(VtQmpCodec) codec = vt_qmp_codec_new();
    gsize piece = size > 0 ? data[0] + 1u : 1;

    for (gsize at = 1; at < size; at += piece) {
        gboolean fed = vt_qmp_codec_feed(codec, (const char *)data + at, MIN(piece, size - at), NULL);
        VtQmpMessage *message;

        while ((message = vt_qmp_codec_next(codec, NULL))) {
            const VtQmpEvent event = { .name = (char *)message->event, .data = message->data };
            VtQmpEventInfo info;

            if (message->kind == VT_QMP_MESSAGE_EVENT)
                vt_qmp_event_decode(&event, &info);
            vt_qmp_message_free(message);
        }
        if (!fed)
            break;
    }
    return 0;
}
