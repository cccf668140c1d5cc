/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files that people hand to us: the first byte says whether the rest is a timeline or a save image. */
#include "qemu/save-image.h"
#include "qemu/timeline.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size);

static void
filefuzz_timeline(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VtTimeline) timeline = vt_timeline_parse(text, &error);

    if (!timeline) {
        g_assert_nonnull(error);
        return;
    }
    g_free(vt_timeline_to_text(timeline));
    g_free(vt_timeline_to_svg(timeline));
}

int
LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_auto(VtSaveImage) image = { 0 };

    if (size == 0)
        return 0;
    if (*data & 1) {
        g_autofree char *text = g_strndup((const char *)data + 1, size - 1);

        filefuzz_timeline(text);
    } else if (!vt_save_image_parse(data + 1, size - 1, &image, &error)) {
        g_assert_nonnull(error);
    }
    return 0;
}
