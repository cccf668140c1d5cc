/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sysfs is read in a thread; the choice is made in the main loop, where the reservation is entered in the same moment:
 * so two guests that look at the same time never get the same VF. It is bound at once, since only then it is known
 * whether it can be had: one that its driver does not let go of, or that vfio-pci does not take, is passed over. A
 * driver that hangs is not worked around: who waits for a start has waited a minute for it already.
 *
 * Near means: near to the memory that QEMU will get, which the kernel takes from the node of the processor that QEMU
 * runs on. It runs where the daemon may run, so the first node that the daemon may use counts; with the whole host at
 * its disposal that is node 0.
 */
#define VT_LOG_DOMAIN "virtteam-driver-vf-take"

#include "driver/vf-take.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include "conf/net.h"
#include "conf/teaming.h"
#include "driver/domain-private.h"
#include "driver/hostdev.h"
#include "driver/reserve.h"
#include "driver/vf-lent.h"
#include "driver/vf-policy.h"
#include "driver/vf-refused.h"
#include "util/fd.h"
#include "util/file.h"
#include "util/i18n.h"
#include "util/log.h"

#define VF_TAKE_CLASS_ETHERNET 0x0200
#define VF_TAKE_LOCAL          10 /* distance of a node from itself, by ACPI's SLIT */
#define VF_TAKE_UNKNOWN        15 /* a PF of no node: farther than near, nearer than far */
#define VF_TAKE_NODES_MAX      1024
#define VF_TAKE_FILE_MAX       65536

/* ---- what the host has (a thread) ---- */

typedef struct {
    const VtPciHost *host;
    GHashTable *addressed; /* names of interfaces that have an address */
    int node;              /* where the guest's memory will be; -1: there are no nodes */
    guint distances[VF_TAKE_NODES_MAX];
    guint n_distances;
} VfTakeLook;

static GHashTable *
vf_take_addressed(void)
{
    GHashTable *names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    struct ifaddrs *all = NULL;

    if (getifaddrs(&all) < 0)
        return names;
    for (const struct ifaddrs *one = all; one; one = one->ifa_next) {
        gboolean ip =
            one->ifa_addr && (one->ifa_addr->sa_family == AF_INET || one->ifa_addr->sa_family == AF_INET6);
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(gconstpointer)one->ifa_addr;

        /* Each interface that is up has a link-local address of IPv6: it says nothing. */
        if (ip && one->ifa_addr->sa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr))
            continue;
        if (ip)
            g_hash_table_add(names, g_strdup(one->ifa_name));
    }
    freeifaddrs(all);
    return names;
}

/* "0-3,8": whether a processor of it may be used. */
static gboolean
vf_take_may_run(const char *cpulist, const cpu_set_t *allowed)
{
    g_auto(GStrv) ranges = g_strsplit(cpulist, ",", -1);

    for (char **range = ranges; *range; range++) {
        char *end = NULL;
        guint64 from = g_ascii_strtoull(*range, &end, 10);
        guint64 to = *end == '-' ? g_ascii_strtoull(end + 1, NULL, 10) : from;

        if (end == *range)
            continue;
        for (guint64 cpu = from; cpu <= to && cpu < CPU_SETSIZE; cpu++)
            if (CPU_ISSET(cpu, allowed))
                return TRUE;
    }
    return FALSE;
}

static char *
vf_take_node_file(const VfTakeLook *look, int node, const char *file)
{
    g_autofree char *path = g_strdup_printf("%s/devices/system/node/node%d/%s", look->host->root, node, file);

    return vt_file_read(path, VF_TAKE_FILE_MAX, NULL, NULL);
}

static void
vf_take_find_node(VfTakeLook *look)
{
    g_autofree char *distances = NULL;
    g_auto(GStrv) each = NULL;
    cpu_set_t allowed;

    look->node = -1;
    if (sched_getaffinity(0, sizeof allowed, &allowed) < 0)
        return;
    for (int node = 0; node < VF_TAKE_NODES_MAX && look->node < 0; node++) {
        g_autofree char *cpus = vf_take_node_file(look, node, "cpulist");

        if (!cpus && node > 0)
            break;
        if (cpus && vf_take_may_run(cpus, &allowed))
            look->node = node;
    }
    distances = look->node >= 0 ? vf_take_node_file(look, look->node, "distance") : NULL;
    each = g_strsplit(distances ? g_strstrip(distances) : "", " ", VF_TAKE_NODES_MAX);
    for (char **one = each; *one && **one; one++)
        look->distances[look->n_distances++] = (guint)CLAMP(g_ascii_strtoull(*one, NULL, 10), 1, 255);
}

static guint
vf_take_distance(const VfTakeLook *look, int node)
{
    if (node < 0 || look->node < 0)
        return VF_TAKE_UNKNOWN;
    if ((guint)node < look->n_distances)
        return look->distances[node];
    return node == look->node ? VF_TAKE_LOCAL : 2 * VF_TAKE_LOCAL;
}

/* The kernel lets a group be open once. Nothing is done with it. */
static gboolean
vf_take_group_is_open(const VfTakeLook *look, const VtPciInfo *info)
{
    g_autofree char *path = g_strdup_printf("/dev/vfio/%d", info->iommu_group);
    g_auto(VtFd) fd = -1;

    if (look->host != &vt_pci_host_system || strcmp(info->driver, VT_PCI_VFIO) != 0)
        return FALSE;
    fd = open(path, O_RDWR | O_CLOEXEC);
    return fd < 0 && errno == EBUSY;
}

static gboolean
vf_take_is_of_host(const VfTakeLook *look, const VtPciBdf *bdf, const VtPciInfo *info)
{
    char address[VT_PCI_BDF_STRING_SIZE];
    g_autofree char *master = NULL;

    if (!info->netdev[0])
        return FALSE;
    master = g_strdup_printf("%s/bus/pci/devices/%s/net/%s/master", look->host->root,
                             vt_pci_bdf_format(bdf, address), info->netdev);
    return g_file_test(master, G_FILE_TEST_IS_SYMLINK) ||
           g_hash_table_contains(look->addressed, info->netdev);
}

static void
vf_take_look_at(const VfTakeLook *look, const VtPciBdf *pf_bdf, const VtPciInfo *pf, guint index,
                GArray *found)
{
    VtVfCandidate candidate = { .pf_bdf = *pf_bdf };
    VtPciInfo info;

    if (!vt_pci_vf(look->host, pf_bdf, index, &candidate.bdf, NULL) ||
        !vt_pci_get(look->host, &candidate.bdf, &info, NULL))
        return;
    g_strlcpy(candidate.pf, pf->netdev, sizeof candidate.pf);
    g_strlcpy(candidate.driver, info.driver, sizeof candidate.driver);
    candidate.vendor = info.vendor;
    candidate.device = info.device;
    candidate.distance = vf_take_distance(look, info.numa_node >= 0 ? info.numa_node : pf->numa_node);
    if (info.iommu_group < 0)
        candidate.obstacle = VT_VF_NO_IOMMU;
    else if (vf_take_is_of_host(look, &candidate.bdf, &info))
        candidate.obstacle = VT_VF_OF_HOST;
    else if (vf_take_group_is_open(look, &info))
        candidate.obstacle = VT_VF_IN_USE;
    else if (!vt_pci_check_group(look->host, &candidate.bdf, NULL))
        candidate.obstacle = VT_VF_GROUP;
    g_array_append_val(found, candidate);
}

static GArray *
vf_take_look(const VtPciHost *host)
{
    GArray *found = g_array_new(FALSE, FALSE, sizeof(VtVfCandidate));
    g_autofree char *path = g_build_filename(host->root, "bus/pci/devices", NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    g_autoptr(GHashTable) addressed = vf_take_addressed();
    g_autofree VfTakeLook *look = g_new0(VfTakeLook, 1);
    const char *name;

    look->host = host;
    look->addressed = addressed;
    vf_take_find_node(look);
    while (dir && (name = g_dir_read_name(dir))) {
        VtPciBdf bdf;
        VtPciInfo info;

        if (!vt_pci_bdf_parse(name, &bdf) || !vt_pci_get(host, &bdf, &info, NULL) || info.n_vfs == 0 ||
            info.class_code >> 8 != VF_TAKE_CLASS_ETHERNET)
            continue;
        for (guint i = 0; i < info.n_vfs; i++)
            vf_take_look_at(look, &bdf, &info, i, found);
    }
    return found;
}

/* ---- choosing ---- */

typedef struct {
    VtDriver *driver;
    VtDomain *domain; /* with a reference */
    VtDomainDef *def; /* a copy: who asked may be gone before the end */
    gboolean may_be_bare;
    GArray *candidates; /* of VtVfCandidate */
    guint next;
    VtPciBdf tried;  /* for the transient at @next */
    GError *refusal; /* (nullable) why the last one that was tried could not be had */
    VtVfTaken done;
    gpointer user;
} VfTake;

static void vf_take_next(VfTake *take);

static void
vf_take_end(VfTake *take, const GError *error)
{
    take->done(take->user, take->def, error);
    vt_domain_unref(take->domain);
    vt_domain_def_free(take->def);
    g_clear_pointer(&take->candidates, g_array_unref);
    g_clear_error(&take->refusal);
    g_free(take);
}

static VtVfCandidate *
vf_take_candidate(VfTake *take, const VtPciBdf *bdf)
{
    for (guint i = 0; i < take->candidates->len; i++) {
        VtVfCandidate *candidate = &g_array_index(take->candidates, VtVfCandidate, i);

        if (vt_pci_bdf_equal(&candidate->bdf, bdf))
            return candidate;
    }
    return NULL;
}

/* As it was before it was tried. */
static void
vf_take_put_back(VfTake *take)
{
    VtNetDef *net = g_ptr_array_index(take->def->nets, take->next);
    VtNetDef *asked = g_steal_pointer(&net->configured);

    if (!asked)
        return;
    vt_net_def_free(net);
    take->def->nets->pdata[take->next] = asked;
}

static void vf_take_none(VfTake *take);

static void
vf_take_gone(VfTake *take)
{
    g_autoptr(GError) gone = NULL;

    vt_error_set(&gone, VT_ERROR_ABORTED, _("domain '%s' is not there any more"), take->domain->name);
    vf_take_end(take, gone);
}

static void
vf_take_refused(VfTake *take, const GError *error)
{
    VtVfCandidate *candidate = vf_take_candidate(take, &take->tried);
    char address[VT_PCI_BDF_STRING_SIZE];

    vt_pci_bdf_format(&take->tried, address);
    vf_take_put_back(take);
    if (candidate)
        candidate->obstacle = VT_VF_REFUSED;
    g_clear_error(&take->refusal);
    take->refusal = g_error_new(VT_ERROR, VT_ERROR_OPERATION_FAILED, "%s: %s", address, error->message);
    vt_vf_refused_tell(take->domain, &take->tried, error);
    if (g_error_matches(error, VT_ERROR, VT_ERROR_TIMEOUT))
        vf_take_none(take);
    else
        vf_take_next(take);
}

static void
vf_take_had(gpointer user, const GError *error)
{
    VfTake *take = user;

    if (!take->domain->driver) {
        vf_take_gone(take);
        return;
    }
    if (error) {
        vf_take_refused(take, error);
        return;
    }
    vt_vf_refused_over(take->driver, &take->tried);
    g_clear_error(&take->refusal);
    take->next++;
    vf_take_next(take);
}

static void
vf_take_none(VfTake *take)
{
    VtNetDef *net = g_ptr_array_index(take->def->nets, take->next);
    VtVfWish wish = { 0 };
    gboolean wished = vt_vf_policy_wish(take->def, net, &wish);
    g_autofree char *why = wished ? vt_vf_policy_explain(&wish, take->candidates) : g_strdup("");
    g_autofree char *last = take->refusal ? g_strdup_printf(" (%s)", take->refusal->message) : g_strdup("");
    g_autoptr(GError) error = g_error_new(VT_ERROR, VT_ERROR_OPERATION_FAILED, _("team '%s': %s%s"),
                                          net->teaming.persistent, why, last);

    if (!take->may_be_bare || !vt_teaming_may_be_bare(take->def, net)) {
        vf_take_end(take, error);
        return;
    }
    vt_vf_policy_tell_bare(take->domain->name, net, error);
    net->has_host = FALSE;
    net->bare = TRUE;
    g_clear_error(&take->refusal);
    take->next++;
    vf_take_next(take);
}

/* Others may have got one while the thread looked; our own count as theirs, too: each transient gets another. */
static void
vf_take_mark_reserved(VfTake *take)
{
    for (guint i = 0; i < take->candidates->len; i++) {
        VtVfCandidate *candidate = &g_array_index(take->candidates, VtVfCandidate, i);

        if (candidate->obstacle != VT_VF_REFUSED && (vt_reserve_find(take->driver, &candidate->bdf) ||
                                                     vt_reserve_is_probed(take->driver, &candidate->bdf)))
            candidate->obstacle = VT_VF_RESERVED;
    }
}

static void
vf_take_choose(VfTake *take, VtNetDef *net, const VtVfWish *wish)
{
    g_autoptr(GArray) ranked = NULL;
    const VtVfCandidate *best;
    char address[VT_PCI_BDF_STRING_SIZE];
    VtHostdevWant want;
    VtNetDef *configured;

    vf_take_mark_reserved(take);
    ranked = vt_vf_policy_rank(wish, take->candidates);
    if (ranked->len == 0) {
        vf_take_none(take);
        return;
    }
    best = &g_array_index(ranked, VtVfCandidate, 0);
    configured = vt_net_def_copy(vt_net_configured(net));
    vt_net_def_free(net->configured);
    net->configured = configured;
    net->bare = FALSE;
    net->has_host = TRUE;
    net->host = (VtHostPci){ .domain = best->bdf.domain,
                             .bus = best->bdf.bus,
                             .slot = best->bdf.slot,
                             .function = best->bdf.function };
    take->tried = best->bdf;
    vt_log_info("domain '%s', team '%s': takes %s of PF '%s' (%u of %u VFs would do)", take->domain->name,
                net->teaming.persistent, vt_pci_bdf_format(&best->bdf, address), best->pf, ranked->len,
                take->candidates->len);
    want =
        (VtHostdevWant){ .bdf = best->bdf, .managed = wish->managed, .alias = net->info.alias, .net = net };
    vt_hostdev_take_one(take->driver, take->domain, &want, vf_take_had, take);
}

static gboolean
vf_take_is_due(const VfTake *take, const VtNetDef *net, VtVfWish *wish)
{
    return !net->configured && !net->bare && vt_vf_policy_wish(take->def, net, wish);
}

static void
vf_take_next(VfTake *take)
{
    VtVfWish wish;

    for (; take->next < take->def->nets->len; take->next++) {
        VtNetDef *net = g_ptr_array_index(take->def->nets, take->next);

        if (vf_take_is_due(take, net, &wish)) {
            vf_take_choose(take, net, &wish);
            return;
        }
    }
    vf_take_end(take, NULL);
}

static void
vf_take_look_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    g_task_return_pointer(task, vf_take_look(data), (GDestroyNotify)g_array_unref);
}

static void
vf_take_looked(GObject *source, GAsyncResult *result, gpointer user)
{
    VfTake *take = user;

    take->candidates = g_task_propagate_pointer(G_TASK(result), NULL);
    if (take->domain->driver)
        vf_take_next(take);
    else
        vf_take_gone(take);
}

/* What policies choose comes second: it must not be what a network has lent. */
static void
vf_take_lent(gpointer user, VtDomainDef *def, const GError *error)
{
    VfTake *take = user;
    g_autoptr(GTask) task = NULL;
    gboolean any = FALSE;
    VtVfWish wish;

    take->def = def;
    if (error) {
        vf_take_end(take, error);
        return;
    }
    for (guint i = 0; i < def->nets->len; i++)
        any |= vf_take_is_due(take, g_ptr_array_index(def->nets, i), &wish);
    if (!any) {
        vf_take_end(take, NULL);
        return;
    }
    task = g_task_new(NULL, NULL, vf_take_looked, take);
    g_task_set_task_data(task, (gpointer)vt_hostdev_pci_host(take->driver), NULL);
    g_task_run_in_thread(task, vf_take_look_thread);
}

void
vt_vf_take(VtDriver *driver, VtDomain *domain, const VtDomainDef *def, gboolean may_be_bare, VtVfTaken done,
           gpointer user)
{
    VfTake *take = g_new0(VfTake, 1);

    take->driver = driver;
    take->domain = vt_domain_ref(domain);
    take->may_be_bare = may_be_bare;
    take->done = done;
    take->user = user;
    vt_vf_lent_take(domain, vt_domain_def_copy(def), may_be_bare, vf_take_lent, take);
}

void
vt_vf_take_forget(VtDomainDef *def, gboolean migrated)
{
    for (guint i = 0; i < def->nets->len; i++) {
        VtNetDef *net = g_ptr_array_index(def->nets, i);
        VtVfWish wish;

        if (net->configured) {
            VtNetDef *asked = g_steal_pointer(&net->configured);

            vt_net_def_free(net);
            def->nets->pdata[i] = net = asked;
        }
        net->bare = FALSE;
        g_clear_pointer(&net->port, g_free);
        if (net->type == VT_NET_NETWORK)
            g_clear_pointer(&net->bridge, g_free);
        if (migrated && vt_vf_policy_wish(def, net, &wish))
            net->has_host = FALSE;
    }
}
