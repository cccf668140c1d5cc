/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/typed-param.h"

static const VtParamSpec specs[] = {
    { .field = "bandwidth", .type = VT_PARAM_ULLONG },
    { .field = "migrate_disks", .type = VT_PARAM_STRING, .repeatable = TRUE },
    { .field = "iterations", .type = VT_PARAM_INT },
};

static void
test_check(void)
{
    g_autoptr(VtTypedParams) params = vt_typed_params_new();
    g_autoptr(GError) error = NULL;

    g_assert_true(vt_typed_params_check(NULL, specs, G_N_ELEMENTS(specs), NULL));
    vt_typed_params_add_ullong(params, "bandwidth", G_MAXUINT64);
    vt_typed_params_add_string(params, "migrate_disks", "vda");
    vt_typed_params_add_string(params, "migrate_disks", "vdb");
    g_assert_true(vt_typed_params_check(params, specs, G_N_ELEMENTS(specs), &error));
    g_assert_no_error(error);

    vt_typed_params_add_ullong(params, "bandwidth", 1);
    g_assert_false(vt_typed_params_check(params, specs, G_N_ELEMENTS(specs), &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_INVALID_ARG);
    g_assert_cmpstr(error->message, ==, "The parameter 'bandwidth' is given more than once.");
}

static void
test_check_refuses(void)
{
    g_autoptr(VtTypedParams) unknown = vt_typed_params_new();
    g_autoptr(VtTypedParams) mistyped = vt_typed_params_new();
    g_autoptr(GError) error = NULL;

    vt_typed_params_add_boolean(unknown, "persist_xml", TRUE);
    g_assert_false(vt_typed_params_check(unknown, specs, G_N_ELEMENTS(specs), &error));
    g_assert_cmpstr(error->message, ==, "The parameter 'persist_xml' is not supported.");
    g_clear_error(&error);

    vt_typed_params_add_uint(mistyped, "iterations", 3);
    g_assert_false(vt_typed_params_check(mistyped, specs, G_N_ELEMENTS(specs), &error));
    g_assert_cmpstr(error->message, ==,
                    "The parameter 'iterations' must be of type 'int', but is of type 'uint'.");
}

static void
test_values(void)
{
    g_autoptr(VtTypedParams) params = vt_typed_params_new();
    g_autoptr(VtTypedParams) copy = NULL;
    guint64 ul = 7;
    gint32 i = 7;

    vt_typed_params_add_int(params, "i", -1);
    vt_typed_params_add_llong(params, "l", G_MININT64);
    vt_typed_params_add_double(params, "d", 0.5);
    vt_typed_params_add_ullong(params, "ul", 42);
    vt_typed_params_add_ullong(params, "ul", 43);
    vt_typed_params_add_string(params, "s", "text");
    copy = vt_typed_params_copy(params);
    g_clear_pointer(&params, vt_typed_params_free);

    g_assert_true(vt_typed_params_get_int(copy, "i", &i));
    g_assert_cmpint(i, ==, -1);
    g_assert_true(vt_typed_params_get_ullong(copy, "ul", &ul));
    g_assert_cmpuint(ul, ==, 42);
    g_assert_false(vt_typed_params_get_ullong(copy, "i", &ul));
    g_assert_false(vt_typed_params_get_ullong(copy, "nowhere", &ul));
    g_assert_cmpstr(vt_typed_params_get_string(copy, "s"), ==, "text");
    g_assert_null(vt_typed_params_get_string(copy, "i"));
    g_assert_null(vt_typed_params_get(NULL, "s"));
    g_assert_cmpint((int)copy->items->len, ==, 6);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/util/typed-param/check-takes-what-the-table-has", test_check);
    g_test_add_func("/util/typed-param/check-refuses-the-rest", test_check_refuses);
    g_test_add_func("/util/typed-param/values-and-copy", test_values);
    return g_test_run();
}
