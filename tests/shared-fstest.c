/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/shared-fs.h"

static const struct {
    const char *what;
    unsigned long magic;
    const char *name;
    VtSharedFs kind;
} rows[] = {
    { "ext4", 0xEF53, "ext4", VT_SHARED_FS_NONE },
    { "tmpfs", 0x01021994, "tmpfs", VT_SHARED_FS_NONE },
    { "nfs", 0x6969, "nfs4", VT_SHARED_FS_NETWORK },
    { "cifs-sign-extended", 0xFFFFFFFFFF534D42UL, "cifs", VT_SHARED_FS_NETWORK },
    { "gfs2", 0x01161970, "gfs2", VT_SHARED_FS_CLUSTER },
    { "glusterfs", 0x65735546, "fuse.glusterfs", VT_SHARED_FS_NETWORK },
    { "sshfs", 0x65735546, "fuse.sshfs", VT_SHARED_FS_NONE },
    { "fuse-without-a-name", 0x65735546, NULL, VT_SHARED_FS_NONE },
};

static void
test_kind(gconstpointer user)
{
    guint i = GPOINTER_TO_UINT(user);

    g_assert_cmpint(vt_shared_fs_kind(rows[i].magic, rows[i].name), ==, rows[i].kind);
}

static void
test_this_host(void)
{
    g_autoptr(GError) error = NULL;
    VtSharedFs kind = VT_SHARED_FS_COUNT;

    g_assert_true(vt_shared_fs_of("/proc", &kind, &error));
    g_assert_cmpint(kind, ==, VT_SHARED_FS_NONE);
    g_assert_false(vt_shared_fs_of("/proc/virtteam-no-such-file", &kind, &error));
    g_assert_error(error, VT_ERROR, VT_ERROR_SYSTEM);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strconcat("/util/shared-fs/kind/", rows[i].what, NULL);

        g_test_add_data_func(path, GUINT_TO_POINTER(i), test_kind);
    }
    g_test_add_func("/util/shared-fs/of-this-host", test_this_host);
    return g_test_run();
}
