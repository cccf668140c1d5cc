/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The choice of a VF, as tables: what a host has, what a team wants, what it gets. */
#include "driver/vf-policy.h"

#include <string.h>

/* Two NICs: 01:00.0 'near' on the guest's node, with VFs 10.0 to 10.2; 81:00.0 'far', with 10.0 and 10.1. */
#define VF(bus_, function_, pf_, distance_, ...)                                                             \
    {                                                                                                        \
        .bdf = { .bus = bus_, .slot = 0x10, .function = function_ }, .pf_bdf = { .bus = bus_ }, .pf = pf_,   \
        .distance = distance_, __VA_ARGS__                                                                   \
    }
#define NEAR(function, ...) VF(0x01, function, "near", 10, __VA_ARGS__)
#define FAR(function, ...)  VF(0x81, function, "far", 21, __VA_ARGS__)

static const struct {
    const char *name;
    VtVfCandidate host[6];
    guint n;
    VtVfWish wish;
    const char *order; /* "bus:function" of those that can be had, best first */
    const char *words; /* (nullable) of the explanation when there is none */
} vf_policytest_rows[] = {
    { .name = "near-first",
      .host = { FAR(0), FAR(1), NEAR(1), NEAR(0) },
      .n = 4,
      .wish = { .pci_ids = "8086:10ca", .managed = TRUE },
      .order = "01:0 01:1 81:0 81:1" },
    { .name = "a-pf-by-name",
      .host = { FAR(0), NEAR(0), FAR(1) },
      .n = 3,
      .wish = { .pf = "far", .managed = TRUE },
      .order = "81:0 81:1" },
    { .name = "both-must-fit",
      .host = { FAR(0, .device = 0x1520), NEAR(0), FAR(1) },
      .n = 3,
      .wish = { .pf = "far", .pci_ids = "8086:10CA", .managed = TRUE },
      .order = "81:1" },
    { .name = "several-ids",
      .host = { FAR(0, .vendor = 0x15b3, .device = 0x1018), NEAR(0), NEAR(1, .device = 0x1520) },
      .n = 3,
      .wish = { .pci_ids = "15b3:1018 8086:10ca", .managed = TRUE },
      .order = "01:0 81:0" },
    { .name = "a-small-number-is-padded",
      .host = { NEAR(0, .vendor = 0x1, .device = 0x2) },
      .n = 1,
      .wish = { .pci_ids = "0001:0002", .managed = TRUE },
      .order = "01:0" },
    { .name = "least-used-of-equally-near",
      .host = { VF(0x01, 0, "one", 10), VF(0x01, 1, "one", 10, .obstacle = VT_VF_RESERVED),
                VF(0x02, 0, "two", 10) },
      .n = 3,
      .wish = { .pci_ids = "8086:10ca", .managed = TRUE },
      .order = "02:0 01:0" },
    { .name = "near-counts-more-than-use",
      .host = { NEAR(0), NEAR(1, .obstacle = VT_VF_RESERVED), FAR(0) },
      .n = 3,
      .wish = { .pci_ids = "8086:10ca", .managed = TRUE },
      .order = "01:0 81:0" },
    { .name = "unknown-node-is-between",
      .host = { FAR(0), VF(0x02, 0, "two", 15), NEAR(0) },
      .n = 3,
      .wish = { .pci_ids = "8086:10ca", .managed = TRUE },
      .order = "01:0 02:0 81:0" },
    { .name = "a-hint-comes-first",
      .host = { NEAR(0), NEAR(1), FAR(1) },
      .n = 3,
      .wish = { .pci_ids = "8086:10ca",
                .managed = TRUE,
                .has_hint = TRUE,
                .hint = { .bus = 0x81, .slot = 0x10, .function = 1 } },
      .order = "81:1 01:0 01:1" },
    { .name = "a-hint-that-is-taken-is-none",
      .host = { NEAR(0), FAR(1, .obstacle = VT_VF_RESERVED) },
      .n = 2,
      .wish = { .pci_ids = "8086:10ca",
                .managed = TRUE,
                .has_hint = TRUE,
                .hint = { .bus = 0x81, .slot = 0x10, .function = 1 } },
      .order = "01:0" },
    { .name = "unmanaged-needs-vfio",
      .host = { NEAR(0), FAR(0, .driver = "vfio-pci") },
      .n = 2,
      .wish = { .pci_ids = "8086:10ca" },
      .order = "81:0" },
    { .name = "none-is-bound",
      .host = { NEAR(0), NEAR(1) },
      .n = 2,
      .wish = { .pf = "near" },
      .order = "",
      .words = "no VF is free of 2 for pf='near'; 2 are not bound to vfio-pci" },
    { .name = "all-obstacles-are-told",
      .host = { NEAR(0, .obstacle = VT_VF_RESERVED), NEAR(1, .obstacle = VT_VF_OF_HOST),
                NEAR(2, .obstacle = VT_VF_IN_USE), FAR(0, .obstacle = VT_VF_NO_IOMMU),
                FAR(1, .obstacle = VT_VF_GROUP) },
      .n = 5,
      .wish = { .pci_ids = "8086:10ca", .managed = TRUE },
      .order = "",
      .words =
          "no VF is free of 5 for pci-ids='8086:10ca'; 1 belong to other guests; 1 are used by the host "
          "itself; 1 are used through VFIO by another program; 1 are in no IOMMU group (is the IOMMU on?); 1 share their IOMMU group" },
    { .name = "no-such-pf",
      .host = { NEAR(0) },
      .n = 1,
      .wish = { .pf = "ens9", .managed = TRUE },
      .order = "",
      .words = "this host has no VF for pf='ens9' (of 1 VFs in all)" },
    { .name = "no-vf-at-all",
      .wish = { .pf = "ens9", .pci_ids = "8086:10ca", .managed = TRUE },
      .order = "",
      .words = "this host has no VF for pf='ens9' pci-ids='8086:10ca'" },
};

static void
test_rank(gconstpointer user)
{
    gsize row = GPOINTER_TO_SIZE(user);
    g_autoptr(GArray) host = g_array_new(FALSE, FALSE, sizeof(VtVfCandidate));
    g_autoptr(GArray) ranked = NULL;
    g_autoptr(GString) order = g_string_new(NULL);

    for (guint i = 0; i < vf_policytest_rows[row].n; i++) {
        VtVfCandidate candidate = vf_policytest_rows[row].host[i];

        /* What a row does not say. */
        if (!candidate.vendor)
            candidate.vendor = 0x8086;
        if (!candidate.device)
            candidate.device = 0x10ca;
        if (!candidate.driver[0])
            g_strlcpy(candidate.driver, "igbvf", sizeof candidate.driver);
        g_array_append_val(host, candidate);
    }
    ranked = vt_vf_policy_rank(&vf_policytest_rows[row].wish, host);
    for (guint i = 0; i < ranked->len; i++) {
        const VtVfCandidate *candidate = &g_array_index(ranked, VtVfCandidate, i);

        g_string_append_printf(order, "%s%02x:%x", i ? " " : "", candidate->bdf.bus, candidate->bdf.function);
    }
    g_assert_cmpstr(order->str, ==, vf_policytest_rows[row].order);
    g_assert_cmpint(ranked->len == 0, ==, vf_policytest_rows[row].words != NULL);
    if (vf_policytest_rows[row].words) {
        g_autofree char *why = vt_vf_policy_explain(&vf_policytest_rows[row].wish, host);

        g_test_message("%s", why);
        g_assert_true(g_str_has_prefix(why, vf_policytest_rows[row].words));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(vf_policytest_rows); i++) {
        g_autofree char *path = g_strconcat("/driver/vf-policy/", vf_policytest_rows[i].name, NULL);

        g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_rank);
    }
    return g_test_run();
}
