/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/mig-uri.h"

#include <string.h>

typedef struct {
    const char *text;
    const char *format; /* NULL: refused */
    const char *qemu;
    const char *host; /* NULL: a path */
    guint port;
} UriRow;

static const UriRow rows[] = {
    { "tcp://two.example:49152", "tcp:two.example:49152", "tcp:two.example:49152", "two.example", 49152 },
    { "tcp:two.example:49152", "tcp:two.example:49152", "tcp:two.example:49152", "two.example", 49152 },
    { "tcp://two.example", "tcp:two.example:0", "tcp:two.example:0", "two.example", 0 },
    { "tcp://two.example/", "tcp:two.example:0", "tcp:two.example:0", "two.example", 0 },
    { "tcp://two.example:1/", "tcp:two.example:1", "tcp:two.example:1", "two.example", 1 },
    { "tcp:192.0.2.1:65535", "tcp:192.0.2.1:65535", "tcp:192.0.2.1:65535", "192.0.2.1", 65535 },
    { "tcp://[2001:db8::1]:5000", "tcp:[2001:db8::1]:5000", "tcp:[2001:db8::1]:5000", "2001:db8::1", 5000 },
    { "tcp:[::]", "tcp:[::]:0", "tcp:[::]:0", "::", 0 },
    { "tcp:[fe80::1%eth0]:9", "tcp:[fe80::1%eth0]:9", "tcp:[fe80::1%eth0]:9", "fe80::1%eth0", 9 },
    { "unix:///run/x", "unix:///run/x", "unix:/run/x", NULL, 0 },
    { "unix:/run/x", "unix:///run/x", "unix:/run/x", NULL, 0 },
    { "", NULL, NULL, NULL, 0 },
    { "tcp", NULL, NULL, NULL, 0 },
    { "tcp:", NULL, NULL, NULL, 0 },
    { "tcp://", NULL, NULL, NULL, 0 },
    { "tcp://:49152", NULL, NULL, NULL, 0 },
    { "tcp://two:", NULL, NULL, NULL, 0 },
    { "tcp://two:0", NULL, NULL, NULL, 0 },
    { "tcp://two:65536", NULL, NULL, NULL, 0 },
    { "tcp://two:-1", NULL, NULL, NULL, 0 },
    { "tcp://two:49152,to=50000", NULL, NULL, NULL, 0 },
    { "tcp://two,ipv4=off:49152", NULL, NULL, NULL, 0 },
    { "tcp://two:1:2", NULL, NULL, NULL, 0 },
    { "tcp://two/path", NULL, NULL, NULL, 0 },
    { "tcp://two:1?x=y", NULL, NULL, NULL, 0 },
    { "tcp://user@two:1", NULL, NULL, NULL, 0 },
    { "tcp://two\n:1", NULL, NULL, NULL, 0 },
    { "tcp:[two]:1", NULL, NULL, NULL, 0 },
    { "tcp:[::1:1", NULL, NULL, NULL, 0 },
    { "tcp:[::1]1", NULL, NULL, NULL, 0 },
    { "tcp:[]:1", NULL, NULL, NULL, 0 },
    { "unix:", NULL, NULL, NULL, 0 },
    { "unix:relative", NULL, NULL, NULL, 0 },
    { "unix://relative", NULL, NULL, NULL, 0 },
    { "unix:///run/x,abstract=on", NULL, NULL, NULL, 0 },
    { "unix:///run/a\nb", NULL, NULL, NULL, 0 },
    { "exec:reboot", NULL, NULL, NULL, 0 },
    { "exec:/bin/true", NULL, NULL, NULL, 0 },
    { "fd:3", NULL, NULL, NULL, 0 },
    { "rdma://two:1", NULL, NULL, NULL, 0 },
    { "qemu+tcp://two/system", NULL, NULL, NULL, 0 },
    { "TCP://two:1", NULL, NULL, NULL, 0 },
    { " tcp://two:1", NULL, NULL, NULL, 0 },
};

static void
test_rows(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        const UriRow *row = &rows[i];
        g_autoptr(GError) error = NULL;
        g_autoptr(VtMigUri) uri = vt_mig_uri_parse(row->text, &error);
        g_autofree char *format = uri ? vt_mig_uri_format(uri) : NULL;
        g_autofree char *qemu = uri ? vt_mig_uri_to_qemu(uri) : NULL;

        g_test_message("'%s'", row->text);
        g_assert_cmpstr(format, ==, row->format);
        g_assert_cmpstr(qemu, ==, row->qemu);
        if (!uri) {
            g_assert_error(error, VT_ERROR, VT_ERROR_INVALID_ARG);
            g_assert_nonnull(strstr(error->message, "use tcp://HOST:PORT or unix:///PATH"));
            continue;
        }
        g_assert_no_error(error);
        g_assert_cmpstr(uri->host, ==, row->host);
        g_assert_cmpuint(uri->port, ==, row->port);
        g_assert_cmpint(uri->kind, ==, row->host ? VT_MIG_URI_TCP : VT_MIG_URI_UNIX);
    }
}

/* What is told to the source is read there again. */
static void
test_round_trip(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(VtMigUri) uri = vt_mig_uri_parse(rows[i].text, NULL);
        g_autofree char *format = uri ? vt_mig_uri_format(uri) : NULL;
        g_autoptr(VtMigUri) back = uri && (uri->port || uri->path) ? vt_mig_uri_parse(format, NULL) : NULL;

        if (!uri || !(uri->port || uri->path))
            continue;
        g_assert_nonnull(back);
        g_assert_cmpstr(back->host, ==, uri->host);
        g_assert_cmpstr(back->path, ==, uri->path);
        g_assert_cmpuint(back->port, ==, uri->port);
    }
}

static void
test_long(void)
{
    for (gsize size = 1; size < 5000; size = size * 2 + 1) {
        g_autofree char *name = g_strnfill(size, 'a');
        g_autofree char *tcp = g_strdup_printf("tcp://%s:1", name);
        g_autofree char *path = g_strdup_printf("unix:///%s", name);
        g_autoptr(VtMigUri) host_uri = vt_mig_uri_parse(tcp, NULL);
        g_autoptr(GError) error = NULL;
        g_autoptr(VtMigUri) path_uri = vt_mig_uri_parse(path, &error);

        g_assert_cmpint(host_uri != NULL, ==, size <= 255);
        /* sun_path has 108 bytes with its NUL. */
        g_assert_cmpint(path_uri != NULL, ==, size + 1 < 108);
        if (error)
            g_assert_cmpuint(strlen(error->message), <, 400);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu/mig-uri/what-passes-and-what-does-not", test_rows);
    g_test_add_func("/qemu/mig-uri/round-trip", test_round_trip);
    g_test_add_func("/qemu/mig-uri/long", test_long);
    return g_test_run();
}
