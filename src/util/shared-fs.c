/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/shared-fs.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include "util/i18n.h"

#define SHARED_FS_FUSE 0x65735546UL

static const struct {
    unsigned long magic;
    const char *name; /* (nullable) only of that name */
    VtSharedFs kind;
} shared_fs_rows[] = {
    { .magic = 0x00006969, .kind = VT_SHARED_FS_NETWORK }, /* NFS */
    { .magic = 0x0000517B, .kind = VT_SHARED_FS_NETWORK }, /* SMB */
    { .magic = 0xFF534D42, .kind = VT_SHARED_FS_NETWORK }, /* CIFS */
    { .magic = 0xFE534D42, .kind = VT_SHARED_FS_NETWORK }, /* SMB2 */
    { .magic = 0x5346414F, .kind = VT_SHARED_FS_NETWORK }, /* AFS */
    { .magic = 0x00C36400, .kind = VT_SHARED_FS_NETWORK }, /* Ceph */
    { .magic = 0x47504653, .kind = VT_SHARED_FS_NETWORK }, /* GPFS */
    { .magic = 0x0BD00BD0, .kind = VT_SHARED_FS_NETWORK }, /* Lustre */
    { .magic = 0x19830326, .kind = VT_SHARED_FS_NETWORK }, /* BeeGFS */
    { .magic = 0x7461636F, .kind = VT_SHARED_FS_CLUSTER }, /* OCFS2 */
    { .magic = 0x01161970, .kind = VT_SHARED_FS_CLUSTER }, /* GFS2 */
    { .magic = SHARED_FS_FUSE, .name = "fuse.glusterfs", .kind = VT_SHARED_FS_NETWORK },
    { .magic = SHARED_FS_FUSE, .name = "fuse.quobyte", .kind = VT_SHARED_FS_NETWORK },
};

VtSharedFs
vt_shared_fs_kind(unsigned long magic, const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(shared_fs_rows); i++)
        if (shared_fs_rows[i].magic == (magic & 0xFFFFFFFFUL) &&
            (!shared_fs_rows[i].name || g_strcmp0(shared_fs_rows[i].name, name) == 0))
            return shared_fs_rows[i].kind;
    return VT_SHARED_FS_NONE;
}

/* Source: proc(5), mountinfo: field 3 is the device, the type stands behind " - ". */
static char *
shared_fs_name(dev_t device)
{
    g_autofree char *want = g_strdup_printf("%u:%u", major(device), minor(device));
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents("/proc/self/mountinfo", &text, NULL, NULL))
        return NULL;
    lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i]; i++) {
        g_auto(GStrv) fields = g_strsplit(lines[i], " ", 5);
        const char *dash = strstr(lines[i], " - ");

        if (dash && g_strv_length(fields) >= 3 && g_str_equal(fields[2], want))
            return g_strndup(dash + 3, strcspn(dash + 3, " "));
    }
    return NULL;
}

gboolean
vt_shared_fs_of(const char *path, VtSharedFs *kind, GError **error)
{
    g_autofree char *name = NULL;
    struct statfs fs;
    struct stat st;

    if (statfs(path, &fs) < 0 || stat(path, &st) < 0)
        return vt_error_set_errno(error, errno, _("cannot look at '%s'"), path);
    if ((unsigned long)fs.f_type == SHARED_FS_FUSE)
        name = shared_fs_name(st.st_dev);
    *kind = vt_shared_fs_kind((unsigned long)fs.f_type, name);
    return TRUE;
}
