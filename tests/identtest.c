/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/ident.h"

typedef struct {
    const char *text;
    const char *canonical; /* NULL: refused */
} IdentRow;

static void
test_uuid_rows(void)
{
    static const IdentRow rows[] = {
        { "c7a5fdbd-cdaf-9455-926a-d65c16db1809", "c7a5fdbd-cdaf-9455-926a-d65c16db1809" },
        { "C7A5FDBDCDAF9455926AD65C16DB1809", "c7a5fdbd-cdaf-9455-926a-d65c16db1809" },
        { "c7a5fdbd-cdaf-9455-926a-d65c16db180", NULL },
        { "c7a5fdbd-cdaf-9455-926a-d65c16db18091", NULL },
        { "c7a5fdbd-cdaf-9455-926a-d65c16db180g", NULL },
        { "-c7a5fdbdcdaf9455926ad65c16db1809", NULL },
        { "", NULL },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        char buffer[VT_UUID_STRING_SIZE];
        VtUuid uuid;

        g_test_message("'%s'", rows[i].text);
        g_assert_cmpint(vt_uuid_parse(rows[i].text, &uuid), ==, rows[i].canonical != NULL);
        if (rows[i].canonical)
            g_assert_cmpstr(vt_uuid_format(&uuid, buffer), ==, rows[i].canonical);
    }
}

static void
test_mac_rows(void)
{
    static const IdentRow rows[] = {
        { "52:54:00:AA:0b:01", "52:54:00:aa:0b:01" },
        { "0:1:2:3:4:5", "00:01:02:03:04:05" },
        { "52:54:00:aa:0b", NULL },
        { "52:54:00:aa:0b:01:02", NULL },
        { "52:54:00:aa:0b:", NULL },
        { "52-54-00-aa-0b-01", NULL },
        { "52:54:00:aa:0b:001", NULL },
        { "", NULL },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        char buffer[VT_MAC_STRING_SIZE];
        VtMac mac;

        g_test_message("'%s'", rows[i].text);
        g_assert_cmpint(vt_mac_parse(rows[i].text, &mac), ==, rows[i].canonical != NULL);
        if (rows[i].canonical)
            g_assert_cmpstr(vt_mac_format(&mac, buffer), ==, rows[i].canonical);
    }
}

static void
test_generated_are_valid(void)
{
    VtUuid uuid;
    VtMac mac;

    vt_uuid_generate(&uuid);
    g_assert_cmpint(uuid.bytes[6] >> 4, ==, 4);
    vt_mac_generate(&mac);
    g_assert_false(vt_mac_is_multicast(&mac));
    g_assert_false(vt_mac_is_zero(&mac));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/util/ident/uuid-rows", test_uuid_rows);
    g_test_add_func("/util/ident/mac-rows", test_mac_rows);
    g_test_add_func("/util/ident/generated-are-valid", test_generated_are_valid);
    return g_test_run();
}
