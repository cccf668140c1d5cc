/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/mig-cookie.h"

#include <string.h>

#define ID   "11111111-2222-3333-4444-555555555555"
#define UUID "22222222-2222-3333-4444-555555555555"
#define HOST "33333333-2222-3333-4444-555555555555"

#define BODY                                                                                                 \
    "<id>" ID "</id><name>web</name><uuid>" UUID "</uuid><host uuid='" HOST "' name='one'/>"                 \
    "<machine>pc-q35-7.2</machine>"

static VtMigCookie *
cookie_parse(const char *text, GError **error)
{
    g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text) + 1);

    return vt_mig_cookie_parse(bytes, error);
}

static VtMigCookie *
cookie_sample(guint n_teams)
{
    VtMigCookie *cookie = vt_mig_cookie_new();
    VtMac mac;

    g_assert_true(vt_uuid_parse(ID, &cookie->id));
    g_assert_true(vt_uuid_parse(UUID, &cookie->uuid));
    g_assert_true(vt_uuid_parse(HOST, &cookie->host_uuid));
    g_assert_true(vt_mac_parse("52:54:00:12:34:56", &mac));
    cookie->name = g_strdup("we<b> & 'co' \"x\"");
    cookie->hostname = g_strdup("one.example");
    cookie->machine = g_strdup("pc-q35-7.2");
    cookie->version = 7002022;
    cookie->timeline = g_strdup("a line\nand <another> & one");
    for (guint i = 0; i < n_teams; i++) {
        g_autofree char *persistent = g_strdup_printf("ua-net%u", i);
        g_autofree char *transient = g_strdup_printf("ua-vf%u", i);

        vt_mig_cookie_add_team(cookie, persistent, transient, &mac);
    }
    return cookie;
}

static void
assert_same(const VtMigCookie *a, const VtMigCookie *b)
{
    g_assert_true(vt_uuid_equal(&a->id, &b->id));
    g_assert_true(vt_uuid_equal(&a->uuid, &b->uuid));
    g_assert_true(vt_uuid_equal(&a->host_uuid, &b->host_uuid));
    g_assert_cmpstr(a->name, ==, b->name);
    g_assert_cmpstr(a->hostname, ==, b->hostname);
    g_assert_cmpstr(a->machine, ==, b->machine);
    g_assert_cmpuint(a->version, ==, b->version);
    g_assert_cmpstr(a->timeline, ==, b->timeline);
    g_assert_cmpuint(a->teams->len, ==, b->teams->len);
    for (guint i = 0; i < a->teams->len; i++) {
        const VtMigCookieTeam *one = g_ptr_array_index(a->teams, i), *two = g_ptr_array_index(b->teams, i);

        g_assert_cmpstr(one->persistent, ==, two->persistent);
        g_assert_cmpstr(one->transient, ==, two->transient);
        g_assert_cmpmem(&one->mac, sizeof one->mac, &two->mac, sizeof two->mac);
    }
}

static void
test_round_trip(void)
{
    static const guint teams[] = { 0, 1, 2, VT_MIG_COOKIE_TEAMS_MAX };

    for (gsize i = 0; i < G_N_ELEMENTS(teams); i++) {
        g_autoptr(VtMigCookie) cookie = cookie_sample(teams[i]);
        g_autoptr(GBytes) bytes = vt_mig_cookie_format(cookie);
        g_autoptr(GError) error = NULL;
        g_autoptr(VtMigCookie) back = vt_mig_cookie_parse(bytes, &error);
        gsize size = 0;
        const char *text = g_bytes_get_data(bytes, &size);

        g_assert_no_error(error);
        assert_same(cookie, back);
        g_assert_cmpint(text[size - 1], ==, '\0');
        g_assert_cmpuint(strlen(text), ==, size - 1);
    }
}

/* What a host need not say is absent, not wrong. */
static void
test_minimal(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VtMigCookie) cookie = NULL;

    cookie = cookie_parse("<virtteam-migration version='1'><id>" ID "</id><name>web</name><uuid>" UUID
                          "</uuid><host uuid='" HOST "' name='one'/></virtteam-migration>",
                          &error);
    g_assert_no_error(error);
    g_assert_cmpstr(cookie->name, ==, "web");
    g_assert_null(cookie->machine);
    g_assert_null(cookie->timeline);
    g_assert_cmpuint(cookie->version, ==, 0);
    g_assert_cmpuint(cookie->teams->len, ==, 0);
}

static void
test_truncated(void)
{
    g_autoptr(VtMigCookie) cookie = cookie_sample(2);
    g_autoptr(GBytes) whole = vt_mig_cookie_format(cookie);
    const char *text = g_bytes_get_data(whole, NULL);
    gsize end = (gsize)(strstr(text, "</virtteam-migration>") - text) + strlen("</virtteam-migration>");

    for (gsize size = 0; size < end; size++) {
        g_autoptr(GBytes) bytes = g_bytes_new(text, size);
        g_autoptr(GError) error = NULL;

        g_assert_null(vt_mig_cookie_parse(bytes, &error));
        g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
    }
}

/* Each byte changed: refused or read, never more. */
static void
test_flipped(void)
{
    g_autoptr(VtMigCookie) cookie = cookie_sample(1);
    g_autoptr(GBytes) whole = vt_mig_cookie_format(cookie);
    static const guint8 masks[] = { 0x01, 0x20, 0x80, 0xff };
    gsize size = 0;
    const guint8 *data = g_bytes_get_data(whole, &size);

    for (gsize at = 0; at < size; at++)
        for (gsize m = 0; m < G_N_ELEMENTS(masks); m++) {
            g_autofree guint8 *copy = g_memdup2(data, size);
            g_autoptr(GBytes) bytes = NULL;
            g_autoptr(GError) error = NULL;
            g_autoptr(VtMigCookie) back = NULL;

            copy[at] ^= masks[m];
            bytes = g_bytes_new(copy, size);
            back = vt_mig_cookie_parse(bytes, &error);
            g_assert_cmpint(back == NULL, ==, error != NULL);
        }
}

typedef struct {
    const char *name, *text, *message;
} CookieBad;

static const CookieBad bads[] = {
    { "another-daemon's", "<qemu-migration><name>web</name></qemu-migration>",
      "the migration cookie is not virtteam's; both hosts must run virtteamd" },
    { "text", "hello", "the migration cookie is not virtteam's; both hosts must run virtteamd" },
    { "no-version", "<virtteam-migration>" BODY "</virtteam-migration>",
      "the migration cookie has a version that this virtteamd does not know; update it" },
    { "version-0", "<virtteam-migration version='0'>" BODY "</virtteam-migration>",
      "the migration cookie has a version that this virtteamd does not know; update it" },
    { "version-2", "<virtteam-migration version='2'>" BODY "</virtteam-migration>",
      "the migration cookie has a version that this virtteamd does not know; update it" },
    { "version-word", "<virtteam-migration version='x'>" BODY "</virtteam-migration>",
      "the migration cookie has a version that this virtteamd does not know; update it" },
    { "version-huge", "<virtteam-migration version='99999999999999999999'>" BODY "</virtteam-migration>",
      "the migration cookie has a version that this virtteamd does not know; update it" },
    { "no-id",
      "<virtteam-migration version='1'><name>web</name><uuid>" UUID "</uuid><host uuid='" HOST
      "' name='one'/></virtteam-migration>",
      "the migration cookie of the other host is damaged: id" },
    { "bad-uuid",
      "<virtteam-migration version='1'><id>" ID "</id><name>web</name><uuid>1</uuid><host uuid='" HOST
      "' name='one'/></virtteam-migration>",
      "the migration cookie of the other host is damaged: uuid" },
    { "no-host",
      "<virtteam-migration version='1'><id>" ID "</id><name>web</name><uuid>" UUID
      "</uuid></virtteam-migration>",
      "the migration cookie of the other host is damaged: host" },
    { "host-without-name",
      "<virtteam-migration version='1'><id>" ID "</id><name>web</name><uuid>" UUID "</uuid><host uuid='" HOST
      "'/></virtteam-migration>",
      "the migration cookie of the other host is damaged: host" },
    { "no-name",
      "<virtteam-migration version='1'><id>" ID "</id><uuid>" UUID "</uuid><host uuid='" HOST
      "' name='one'/></virtteam-migration>",
      "the migration cookie of the other host is damaged: name" },
    { "empty-name",
      "<virtteam-migration version='1'><id>" ID "</id><name></name><uuid>" UUID "</uuid><host uuid='" HOST
      "' name='one'/></virtteam-migration>",
      "the migration cookie of the other host is damaged: name" },
    { "emulator-word",
      "<virtteam-migration version='1'>" BODY "<emulator version='new'/></virtteam-migration>",
      "the migration cookie of the other host is damaged: emulator" },
    { "emulator-huge",
      "<virtteam-migration version='1'>" BODY "<emulator version='4294967296'/></virtteam-migration>",
      "the migration cookie of the other host is damaged: emulator" },
    { "team-without-mac",
      "<virtteam-migration version='1'>" BODY "<team persistent='a' transient='b'/></virtteam-migration>",
      "the migration cookie of the other host is damaged: team" },
    { "team-with-bad-mac",
      "<virtteam-migration version='1'>" BODY
      "<team persistent='a' transient='b' mac='52:54:00:12:34'/></virtteam-migration>",
      "the migration cookie of the other host is damaged: team" },
    { "an-entity",
      "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><virtteam-migration version='1'>" BODY
      "<timeline>&e;</timeline></virtteam-migration>",
      "the migration cookie is not virtteam's; both hosts must run virtteamd" },
};

static void
test_bad(gconstpointer data)
{
    const CookieBad *bad = data;
    g_autoptr(GError) error = NULL;

    g_assert_null(cookie_parse(bad->text, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
    g_assert_cmpstr(error->message, ==, bad->message);
}

static void
test_too_many_teams(void)
{
    g_autoptr(VtMigCookie) cookie = cookie_sample(VT_MIG_COOKIE_TEAMS_MAX + 1);
    g_autoptr(GBytes) bytes = vt_mig_cookie_format(cookie);
    g_autoptr(GError) error = NULL;

    g_assert_null(vt_mig_cookie_parse(bytes, &error));
    g_assert_cmpstr(error->message, ==, "the migration cookie of the other host is damaged: team");
}

static void
test_size(void)
{
    static const gsize sizes[] = { 0, VT_MIG_COOKIE_MAX_BYTES + 1, VT_MIG_COOKIE_MAX_BYTES * 4 };

    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autofree char *data = g_malloc0(sizes[i] + 1);
        g_autoptr(GBytes) bytes = g_bytes_new(data, sizes[i]);
        g_autofree char *said = g_strdup_printf("%" G_GSIZE_FORMAT " bytes", sizes[i]);
        g_autoptr(GError) error = NULL;

        g_assert_null(vt_mig_cookie_parse(bytes, &error));
        g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
        g_assert_nonnull(strstr(error->message, said));
    }
}

/* Elements within elements up to the size limit: no recursion runs away with the stack. */
static void
test_deep(void)
{
    g_autoptr(GString) text = g_string_new("<virtteam-migration version='1'>");
    g_autoptr(GError) error = NULL;

    while (text->len < VT_MIG_COOKIE_MAX_BYTES - 100)
        g_string_append(text, "<a>");
    g_assert_null(cookie_parse(text->str, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_OPERATION_FAILED);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu/mig-cookie/round-trip", test_round_trip);
    g_test_add_func("/qemu/mig-cookie/minimal", test_minimal);
    g_test_add_func("/qemu/mig-cookie/truncated-at-each-byte", test_truncated);
    g_test_add_func("/qemu/mig-cookie/each-byte-changed", test_flipped);
    g_test_add_func("/qemu/mig-cookie/too-many-teams", test_too_many_teams);
    g_test_add_func("/qemu/mig-cookie/too-small-and-too-large", test_size);
    g_test_add_func("/qemu/mig-cookie/deep", test_deep);
    for (gsize i = 0; i < G_N_ELEMENTS(bads); i++) {
        g_autofree char *path = g_strconcat("/qemu/mig-cookie/refused/", bads[i].name, NULL);

        g_test_add_data_func(path, &bads[i], test_bad);
    }
    return g_test_run();
}
