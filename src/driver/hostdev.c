/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each function of a domain goes through the 'hostdev-take' sequence, one after the other (a VF's driver takes
 * seconds to let go, but two VFs of one PF may not be reset at the same time). The reservation is on disk before
 * the function is touched and goes only when the function is as it was: whoever finds a reservation of a domain
 * that does not run (after a crash, a failed start, a power cut) runs 'hostdev-return' for it.
 */
#define VT_LOG_DOMAIN "virtteam-driver-hostdev"

#include "driver/hostdev.h"

#include <string.h>
#include "conf/address.h"
#include "conf/net.h"
#include "driver/domain-private.h"
#include "driver/reserve.h"
#include "util/i18n.h"
#include "util/log.h"
#include "util/message-id.h"

#define HOSTDEV_KEY_PCI "hostdev-pci"
#define HOSTDEV_DISK_MS 30000
#define HOSTDEV_BIND_MS 60000 /* a function reset is 1 s by the standard; drivers take several to let go */

/* One function under way, in either direction. */
typedef struct {
    guint refs;
    VtDriver *driver;
    const VtPciHost *pci;
    VtReservation reservation; /* strings owned */
    VtSeq *seq;                /* NULL: over */
    VtDoneFunc done;
    gpointer user;
} HostdevRun;

const VtPciHost *
vt_hostdev_pci_host(VtDriver *driver)
{
    const VtPciHost *host = vt_driver_data(driver, HOSTDEV_KEY_PCI);

    return host ? host : &vt_pci_host_system;
}

void
vt_hostdev_set_pci_host(VtDriver *driver, const VtPciHost *host)
{
    vt_driver_set_data(driver, HOSTDEV_KEY_PCI, (gpointer)host, NULL);
}

static void
hostdev_run_unref(gpointer data)
{
    HostdevRun *run = data;

    if (--run->refs > 0)
        return;
    g_free(run->reservation.domain);
    g_free(run->reservation.driver);
    g_free(run->reservation.pf);
    g_free(run->reservation.settings);
    g_free(run->reservation.network);
    g_free(run->reservation.port);
    g_free(run);
}

static VtSeqAct *
hostdev_act(HostdevRun *run)
{
    run->refs++;
    return vt_seq_act_new(run->seq, run, hostdev_run_unref);
}

/* ---- steps ---- */

static VtStepResult
hostdev_reserve(VtSeq *seq, gpointer data, GError **error)
{
    HostdevRun *run = data;

    vt_reserve_take(run->driver, &run->reservation, vt_seq_act_done, hostdev_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
hostdev_drop(VtSeq *seq, gpointer data, GError **error)
{
    HostdevRun *run = data;
    const VtReservation *held = vt_reserve_find(run->driver, &run->reservation.bdf);

    /* The step's undo also runs when taking failed, because another domain has the function. */
    if (!held || !vt_uuid_equal(&held->uuid, &run->reservation.uuid))
        return VT_STEP_DONE;
    vt_reserve_drop(run->driver, &run->reservation.bdf, vt_seq_act_done, hostdev_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
hostdev_bind(VtSeq *seq, gpointer data, GError **error)
{
    HostdevRun *run = data;
    char address[VT_PCI_BDF_STRING_SIZE];

    if (run->reservation.managed) {
        vt_pci_bind_async(run->pci, &run->reservation.bdf, VT_PCI_VFIO, vt_seq_act_done, hostdev_act(run));
        return VT_STEP_WAIT;
    }
    if (g_str_equal(run->reservation.driver, VT_PCI_VFIO))
        return VT_STEP_DONE;
    vt_error_set(
        error, VT_ERROR_OPERATION_FAILED,
        _("PCI device %s is bound to '%s', not to 'vfio-pci': say managed='yes' in its XML, or bind it "
          "before the guest starts"),
        vt_pci_bdf_format(&run->reservation.bdf, address), run->reservation.driver);
    return VT_STEP_FAILED;
}

static VtStepResult
hostdev_unbind(VtSeq *seq, gpointer data, GError **error)
{
    HostdevRun *run = data;
    const VtReservation *reservation = &run->reservation;
    VtPciInfo info;

    /* A function that was pulled out has nothing to be given back to. */
    if (!reservation->managed || g_str_equal(reservation->driver, VT_PCI_VFIO) ||
        !vt_pci_get(run->pci, &reservation->bdf, &info, NULL))
        return VT_STEP_DONE;
    vt_pci_bind_async(run->pci, &reservation->bdf, *reservation->driver ? reservation->driver : NULL,
                      vt_seq_act_done, hostdev_act(run));
    return VT_STEP_WAIT;
}

static VtStepResult
hostdev_check_group(VtSeq *seq, gpointer data, GError **error)
{
    HostdevRun *run = data;

    return vt_pci_check_group(run->pci, &run->reservation.bdf, error) ? VT_STEP_DONE : VT_STEP_FAILED;
}

static const VtStep hostdev_take_steps[] = {
    { .name = "reserve",
      .waits_for = "the reservation is on disk",
      .start = hostdev_reserve,
      .undo = hostdev_drop,
      .timeout_ms = HOSTDEV_DISK_MS,
      .undo_timeout_ms = HOSTDEV_DISK_MS },
    { .name = "bind",
      .waits_for = "the function is bound to vfio-pci",
      .start = hostdev_bind,
      .undo = hostdev_unbind,
      .timeout_ms = HOSTDEV_BIND_MS,
      .undo_timeout_ms = HOSTDEV_BIND_MS },
    { .name = "check-group", .start = hostdev_check_group },
};

static const VtSeqTable hostdev_take_table = {
    .name = "hostdev-take",
    .steps = hostdev_take_steps,
    .n_steps = G_N_ELEMENTS(hostdev_take_steps),
};

/* Not keep_going: a function that its driver does not take back stays reserved. */
static const VtStep hostdev_return_steps[] = {
    { .name = "unbind",
      .waits_for = "the function is bound to what it was",
      .start = hostdev_unbind,
      .timeout_ms = HOSTDEV_BIND_MS },
    { .name = "drop",
      .waits_for = "the reservation is gone from the disk",
      .start = hostdev_drop,
      .timeout_ms = HOSTDEV_DISK_MS },
};

static const VtSeqTable hostdev_return_table = {
    .name = "hostdev-return",
    .steps = hostdev_return_steps,
    .n_steps = G_N_ELEMENTS(hostdev_return_steps),
};

const VtSeqTable *
vt_hostdev_take_table(void)
{
    return &hostdev_take_table;
}

const VtSeqTable *
vt_hostdev_return_table(void)
{
    return &hostdev_return_table;
}

/* ---- one function ---- */

static void
hostdev_ended(VtSeq *seq, gpointer data, const GError *error)
{
    HostdevRun *run = data;

    run->seq = NULL;
    run->done(run->user, error);
    hostdev_run_unref(run);
}

static void
hostdev_run(VtDriver *driver, const VtReservation *reservation, const VtSeqTable *table, VtDoneFunc done,
            gpointer user)
{
    HostdevRun *run = g_new0(HostdevRun, 1);

    run->refs = 1;
    run->driver = driver;
    run->pci = vt_hostdev_pci_host(driver);
    run->reservation = *reservation;
    run->reservation.domain = g_strdup(reservation->domain);
    run->reservation.driver = g_strdup(reservation->driver);
    run->reservation.pf = g_strdup(reservation->pf);
    run->reservation.settings = g_strdup(reservation->settings);
    run->reservation.network = g_strdup(reservation->network);
    run->reservation.port = g_strdup(reservation->port);
    run->done = done;
    run->user = user;
    run->seq = vt_seq_new(table, run, NULL, hostdev_ended);
    vt_seq_run(run->seq);
}

/* ---- all of a domain ---- */

static void
hostdev_want(GArray *wants, const VtHostPci *host, gboolean managed, const char *alias, const VtNetDef *net)
{
    VtHostdevWant want = {
        .bdf = vt_host_pci_bdf(host),
        .managed = managed,
        .alias = alias,
        .net = net,
    };

    g_array_append_val(wants, want);
}

GArray *
vt_hostdev_wants(const VtDomainDef *def)
{
    GArray *wants = g_array_new(FALSE, FALSE, sizeof(VtHostdevWant));

    for (guint i = 0; i < def->nets->len; i++) {
        const VtNetDef *net = g_ptr_array_index(def->nets, i);

        if (net->type == VT_NET_HOSTDEV && net->has_host)
            hostdev_want(wants, &net->host, net->managed == VT_TRISTATE_YES, net->info.alias, net);
    }
    for (guint i = 0; i < def->hostdevs->len; i++) {
        const VtHostdevDef *hostdev = g_ptr_array_index(def->hostdevs, i);

        hostdev_want(wants, &hostdev->host, hostdev->managed == VT_TRISTATE_YES, hostdev->info.alias, NULL);
    }
    return wants;
}

typedef struct {
    VtDriver *driver;
    VtDomain *domain; /* with a reference */
    GArray *wants;
    guint next;
    GError *error;
    VtDoneFunc done;
    gpointer user;
} HostdevTake;

static void hostdev_take_next(HostdevTake *take);

static void
hostdev_take_end(HostdevTake *take)
{
    take->done(take->user, take->error);
    g_clear_error(&take->error);
    g_array_unref(take->wants);
    vt_domain_unref(take->domain);
    g_free(take);
}

static void
hostdev_take_undone(gpointer user, const GError *error)
{
    hostdev_take_end(user);
}

static void
hostdev_taken(gpointer user, const GError *error)
{
    HostdevTake *take = user;

    if (!error) {
        take->next++;
        hostdev_take_next(take);
        return;
    }
    take->error = g_error_copy(error);
    vt_hostdev_give_back(take->driver, &take->domain->uuid, hostdev_take_undone, take);
}

/* What the function is now, before we touch it; kept when it is reserved for this domain already. */
static gboolean
hostdev_describe(HostdevTake *take, const VtHostdevWant *want, VtPciInfo *info, VtReservation *reservation,
                 GError **error)
{
    const VtPciHost *pci = vt_hostdev_pci_host(take->driver);
    const VtReservation *held = vt_reserve_find(take->driver, &want->bdf);
    g_autoptr(GError) why = NULL;

    if (!vt_pci_get(pci, &want->bdf, info, &why))
        return vt_error_set(error, VT_ERROR_OPERATION_FAILED, _("device '%s' of domain '%s': %s"),
                            want->alias ? want->alias : "hostdev", take->domain->name, why->message);
    *reservation = (VtReservation){
        .bdf = want->bdf,
        .uuid = take->domain->uuid,
        .domain = take->domain->name,
        .managed = want->managed,
        .driver = info->driver,
        .pf = (char *)"",
        .vf_index = info->is_vf ? info->vf_index : -1,
    };
    if (held && vt_uuid_equal(&held->uuid, &reservation->uuid)) {
        reservation->driver = held->driver;
        reservation->settings = held->settings;
        reservation->network = held->network;
        reservation->port = held->port;
    }
    return TRUE;
}

/* Begin with one function; FALSE: not begun, with @error. */
static gboolean
hostdev_take_begin(HostdevTake *take, const VtHostdevWant *want, VtDoneFunc done, gpointer user,
                   GError **error)
{
    VtReservation reservation;
    VtPciInfo info, pf = { 0 };

    if (!hostdev_describe(take, want, &info, &reservation, error))
        return FALSE;
    if (info.is_vf && vt_pci_get(vt_hostdev_pci_host(take->driver), &info.pf, &pf, NULL))
        reservation.pf = pf.netdev;
    hostdev_run(take->driver, &reservation, &hostdev_take_table, done, user);
    return TRUE;
}

static void
hostdev_take_next(HostdevTake *take)
{
    g_autoptr(GError) error = NULL;

    if (take->next == take->wants->len)
        hostdev_take_end(take);
    else if (!hostdev_take_begin(take, &g_array_index(take->wants, VtHostdevWant, take->next), hostdev_taken,
                                 take, &error))
        hostdev_taken(take, error);
}

void
vt_hostdev_take(VtDriver *driver, VtDomain *domain, VtDoneFunc done, gpointer user)
{
    HostdevTake *take = g_new0(HostdevTake, 1);

    take->driver = driver;
    take->domain = vt_domain_ref(domain);
    take->wants = vt_hostdev_wants(domain->live);
    take->done = done;
    take->user = user;
    hostdev_take_next(take);
}

void
vt_hostdev_take_one(VtDriver *driver, VtDomain *domain, const VtHostdevWant *want, VtDoneFunc done,
                    gpointer user)
{
    HostdevTake take = { .driver = driver, .domain = domain };
    g_autoptr(GError) error = NULL;

    if (!hostdev_take_begin(&take, want, done, user, &error))
        done(user, error);
}

/* ---- and back ---- */

typedef struct {
    guint pending;
    GError *error; /* the first */
    VtDoneFunc done;
    gpointer user;
} HostdevReturn;

static void
hostdev_returned(gpointer user, const GError *error)
{
    HostdevReturn *back = user;

    if (error) {
        vt_log_id_warning(VT_MESSAGE_RESERVATION_KEPT, NULL,
                          "%s; the device stays reserved until it can be given back", error->message);
        if (!back->error)
            back->error = g_error_copy(error);
    }
    if (--back->pending > 0)
        return;
    if (back->done)
        back->done(back->user, back->error);
    g_clear_error(&back->error);
    g_free(back);
}

void
vt_hostdev_give_back(VtDriver *driver, const VtUuid *uuid, VtDoneFunc done, gpointer user)
{
    g_autoptr(GPtrArray) held = vt_reserve_of(driver, uuid);
    HostdevReturn *back = g_new0(HostdevReturn, 1);

    back->done = done;
    back->user = user;
    back->pending = 1; /* so that the end is not told before all have begun */
    for (guint i = 0; i < held->len; i++) {
        back->pending++;
        hostdev_run(driver, g_ptr_array_index(held, i), &hostdev_return_table, hostdev_returned, back);
    }
    hostdev_returned(back, NULL);
}

void
vt_hostdev_give_back_one(VtDriver *driver, const VtUuid *uuid, const VtPciBdf *bdf, VtDoneFunc done,
                         gpointer user)
{
    const VtReservation *held = vt_reserve_find(driver, bdf);
    HostdevReturn *back;

    if (!held || !vt_uuid_equal(&held->uuid, uuid)) {
        if (done)
            done(user, NULL);
        return;
    }
    back = g_new0(HostdevReturn, 1);
    back->done = done;
    back->user = user;
    back->pending = 1;
    hostdev_run(driver, held, &hostdev_return_table, hostdev_returned, back);
}

void
vt_hostdev_give_back_unused(VtDriver *driver, const VtDomain *domain, VtDoneFunc done, gpointer user)
{
    g_autoptr(GPtrArray) held = vt_reserve_of(driver, &domain->uuid);
    g_autoptr(GArray) wants = domain->live ? vt_hostdev_wants(domain->live) : NULL;
    HostdevReturn *back = g_new0(HostdevReturn, 1);

    back->done = done;
    back->user = user;
    back->pending = 1;
    for (guint i = 0; i < held->len; i++) {
        const VtReservation *reservation = g_ptr_array_index(held, i);
        gboolean used = FALSE;

        for (guint k = 0; wants && k < wants->len && !used; k++)
            used = vt_pci_bdf_equal(&g_array_index(wants, VtHostdevWant, k).bdf, &reservation->bdf);
        if (used)
            continue;
        back->pending++;
        hostdev_run(driver, reservation, &hostdev_return_table, hostdev_returned, back);
    }
    hostdev_returned(back, NULL);
}

void
vt_hostdev_recover(VtDriver *driver)
{
    g_autoptr(GPtrArray) all = vt_reserve_all(driver);
    g_autoptr(GHashTable) idle = g_hash_table_new_full(vt_uuid_hash, vt_uuid_key_equal, g_free, NULL);
    GHashTableIter iter;
    gpointer uuid;

    for (guint i = 0; i < all->len; i++) {
        const VtReservation *reservation = g_ptr_array_index(all, i);
        VtDomain *domain = vt_driver_lookup_uuid(driver, &reservation->uuid, NULL);

        if (domain && vt_domain_is_active(domain))
            continue;
        vt_log_id_info(VT_MESSAGE_RESERVATION_GIVEN_BACK, reservation->domain,
                       "giving back a device reserved for domain '%s', which does not run",
                       reservation->domain);
        g_hash_table_add(idle, g_memdup2(&reservation->uuid, sizeof reservation->uuid));
    }
    g_hash_table_iter_init(&iter, idle);
    while (g_hash_table_iter_next(&iter, &uuid, NULL))
        vt_hostdev_give_back(driver, uuid, NULL, NULL);
}
