/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/save-image.h"

#include <glib/gstdio.h>
#include <string.h>

static void
test_heads_come_back(void)
{
    static const gsize lengths[] = { 0, 1, 4071, 4072, 4073, 100000, VT_SAVE_IMAGE_XML_MAX };

    for (gsize i = 0; i < G_N_ELEMENTS(lengths); i++) {
        g_autofree char *xml = g_strnfill(lengths[i], 'x');
        g_autoptr(GBytes) head = vt_save_image_head(VT_SAVE_IMAGE_RUNNING, xml, TRUE);
        g_autoptr(GError) error = NULL;
        g_auto(VtSaveImage) image = { 0 };
        gsize size;
        const guint8 *data = g_bytes_get_data(head, &size);

        g_assert_true(vt_save_image_parse(data, size, &image, &error));
        g_assert_no_error(error);
        g_assert_cmpstr(image.xml, ==, xml);
        g_assert_cmpuint(image.flags, ==, VT_SAVE_IMAGE_RUNNING);
        g_assert_cmpuint(image.stream_offset, ==, size);
        g_assert_cmpuint(size % VT_SAVE_IMAGE_ALIGN, ==, 0);
    }
}

static void
test_an_xml_too_long_has_no_head(void)
{
    g_autofree char *xml = g_strnfill(VT_SAVE_IMAGE_XML_MAX + 1, 'x');

    g_assert_null(vt_save_image_head(0, xml, TRUE));
}

/* Every byte of a head cut off, and every byte of its fixed part changed: an error or a sane image, no crash. */
static void
test_damage_is_an_error(void)
{
    g_autoptr(GBytes) head = vt_save_image_head(0, "<domain/>", TRUE);
    gsize size;
    const guint8 *data = g_bytes_get_data(head, &size);

    for (gsize length = 0; length < VT_SAVE_IMAGE_HEAD_BYTES + strlen("<domain/>"); length++) {
        g_autofree guint8 *cut = g_memdup2(data, length);
        g_autoptr(GError) error = NULL;
        VtSaveImage image;

        g_assert_false(vt_save_image_parse(cut, length, &image, &error));
        g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
    }
    for (gsize at = 0; at < VT_SAVE_IMAGE_HEAD_BYTES; at++) {
        g_autofree guint8 *bad = g_memdup2(data, size);
        g_autoptr(GError) error = NULL;
        g_auto(VtSaveImage) image = { 0 };

        bad[at] ^= 0x81;
        if (vt_save_image_parse(bad, size, &image, &error))
            g_assert_true(at >= 12 && at < 24); /* flags, or lengths that still fit */
    }
}

static void
test_an_incomplete_file_says_so(void)
{
    g_autoptr(GBytes) head = vt_save_image_head(0, "<domain/>", FALSE);
    g_autoptr(GError) error = NULL;
    VtSaveImage image;
    gsize size;
    const guint8 *data = g_bytes_get_data(head, &size);

    g_assert_false(vt_save_image_parse(data, size, &image, &error));
    g_assert_nonnull(strstr(error->message, "never completed"));
}

static void
test_files_are_read_up_to_their_stream(void)
{
    g_autofree char *path = g_build_filename(g_get_tmp_dir(), "vt-save-image-test", NULL);
    g_autoptr(GBytes) head = vt_save_image_head(0, "<domain type='qemu'/>", TRUE);
    g_autoptr(GString) contents = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    g_auto(VtSaveImage) image = { 0 };
    gsize size;
    const char *data = g_bytes_get_data(head, &size);

    g_string_append_len(contents, data, (gssize)size);
    g_string_append(contents, "QEVM and so on");
    g_assert_true(g_file_set_contents(path, contents->str, (gssize)contents->len, NULL));
    g_assert_true(vt_save_image_read(path, &image, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(image.xml, ==, "<domain type='qemu'/>");
    g_unlink(path);
    g_assert_false(vt_save_image_read(path, &image, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_SYSTEM);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu/save-image/heads-come-back", test_heads_come_back);
    g_test_add_func("/qemu/save-image/an-xml-too-long-has-no-head", test_an_xml_too_long_has_no_head);
    g_test_add_func("/qemu/save-image/damage-is-an-error", test_damage_is_an_error);
    g_test_add_func("/qemu/save-image/an-incomplete-file-says-so", test_an_incomplete_file_says_so);
    g_test_add_func("/qemu/save-image/files-are-read-up-to-their-stream",
                    test_files_are_read_up_to_their_stream);
    return g_test_run();
}
