/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What QEMU 7.2 prints of its PCI devices and of guest memory, and what is read from it. */
#include "qemu/nic-sight.h"

#include <glib.h>
#include <string.h>
#include "util/json.h"

/* A root bus with a root port; the NIC behind it, mapped or not, or its twin with another id. */
#define NICSIGHTTEST_PCI(id, address)                                                                        \
    "[{\"bus\":0,\"devices\":[{\"bus\":0,\"slot\":0,\"function\":0,\"qdev_id\":\"\",\"regions\":[]},"        \
    "{\"bus\":0,\"slot\":2,\"function\":0,\"qdev_id\":\"pci.2\",\"regions\":[],"                             \
    "\"pci_bridge\":{\"bus\":{\"number\":0,\"secondary\":2,\"subordinate\":2},\"devices\":["                 \
    "{\"bus\":2,\"slot\":0,\"function\":0,\"qdev_id\":\"" id                                                 \
    "\",\"regions\":[{\"bar\":1,\"type\":\"memory\",\"address\":4096},"                                      \
    "{\"bar\":0,\"type\":\"memory\",\"address\":" address ",\"size\":131072}]}]}}]}]"

typedef struct {
    const char *name;
    const char *json;
    guint64 bar;
} BarCase;

static const BarCase bar_cases[] = {
    { "mapped", NICSIGHTTEST_PCI("ua-primary", "4273995776"), 4273995776 },
    { "not-mapped", NICSIGHTTEST_PCI("ua-primary", "-1"), 0 },
    { "another-device", NICSIGHTTEST_PCI("ua-other", "4273995776"), 0 },
    { "no-list", "{\"bus\":0}", 0 },
    { "no-devices", "[{\"bus\":0}]", 0 },
    { "regions-of-another-type", "[{\"devices\":[{\"qdev_id\":\"ua-primary\",\"regions\":3}]}]", 0 },
    { "regions-with-strangers", "[{\"devices\":[{\"qdev_id\":\"ua-primary\",\"regions\":[1,null,{}]}]}]", 0 },
};

static void
test_bar(gconstpointer user)
{
    const BarCase *row = user;
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) node = vt_json_parse(row->json, strlen(row->json), &error);

    g_assert_no_error(error);
    g_assert_cmpuint(vt_nic_sight_bar(node, "ua-primary", 0), ==, row->bar);
    g_assert_cmpuint(vt_nic_sight_bar(node, "ua-primary", 2), ==, 0);
}

typedef struct {
    const char *name;
    const char *text; /* (nullable) */
    gboolean ok;
    guint32 word;
} WordCase;

static const WordCase word_cases[] = {
    { "e1000e-on", "00000000febc0100: 0x04048002\r\n", TRUE, 0x04048002 },
    { "e1000e-off", "00000000febc0100: 0x00000000\n", TRUE, 0 },
    { "without-end-of-line", "fe: 0xffffffff", TRUE, 0xffffffff },
    { "nothing", NULL, FALSE, 0 },
    { "empty", "", FALSE, 0 },
    { "refusal", "Cannot access memory", FALSE, 0 },
    { "no-digits", "fe: 0xyz", FALSE, 0 },
    { "too-long", "fe: 0x100000000", FALSE, 0 },
    { "trailing", "fe: 0x12z", FALSE, 0 },
};

static void
test_word(gconstpointer user)
{
    const WordCase *row = user;
    guint32 word = 7;

    g_assert_cmpint(vt_nic_sight_word(row->text, &word), ==, row->ok);
    g_assert_cmpuint(word, ==, row->ok ? row->word : 7);
}

static void
test_models(void)
{
    g_assert_true(vt_nic_sight_knows("e1000e"));
    g_assert_true(vt_nic_sight_knows("igb"));
    g_assert_true(vt_nic_sight_knows("vmxnet3"));
    g_assert_true(vt_nic_sight_tells_closing("e1000e"));
    g_assert_true(vt_nic_sight_tells_closing("igb"));
    g_assert_false(vt_nic_sight_tells_closing("vmxnet3"));
    g_assert_false(vt_nic_sight_tells_closing(NULL));
    g_assert_false(vt_nic_sight_knows("virtio"));
    g_assert_false(vt_nic_sight_knows(NULL));
}

/* Looks 5 ms apart: 'u' not mapped, 'c' mapped and closed, 'o' open; 'O' open, and the guest takes it by now. */
typedef struct {
    const char *name;
    const char *looks;
} PaceCase;

static const PaceCase pace_cases[] = {
    { "fast", "uuucO" },
    { "slow", "uuuccccccoO" },
    { "slower", "uccccccccccccooO" },
    { "much-later", "uccccccccccccccccccccccccccccccccccccccccccccccooooooO" },
    { "open-at-the-first-look", "O" },
    { "mapped-at-the-first-look", "ccccccccoO" },
    { "closed-again", "uccccccccoccccccccooooO" },
    { "moved", "ccccccccccccccucO" },
};

static void
test_pace(gconstpointer user)
{
    const PaceCase *row = user;
    VtNicPace pace = { 0 };

    for (gsize i = 0; row->looks[i]; i++) {
        char look = row->looks[i];
        VtNicSight sight = { .bar = look == 'u' ? 0 : 0xfebc0000, .receives = g_ascii_tolower(look) == 'o' };

        g_assert_cmpint(vt_nic_pace_takes(&pace, &sight, 1000 + 5 * (gint64)i), ==, look == 'O');
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(bar_cases); i++) {
        g_autofree char *path = g_strdup_printf("/qemu/nic-sight/bar/%s", bar_cases[i].name);

        g_test_add_data_func(path, &bar_cases[i], test_bar);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(word_cases); i++) {
        g_autofree char *path = g_strdup_printf("/qemu/nic-sight/word/%s", word_cases[i].name);

        g_test_add_data_func(path, &word_cases[i], test_word);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(pace_cases); i++) {
        g_autofree char *path = g_strdup_printf("/qemu/nic-sight/pace/%s", pace_cases[i].name);

        g_test_add_data_func(path, &pace_cases[i], test_pace);
    }
    g_test_add_func("/qemu/nic-sight/models", test_models);
    return g_test_run();
}
