/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver/reserve.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "datapath/probe-host.h"
#include "driver/domain-private.h"
#include "util/file.h"
#include "util/json.h"
#include "util/log.h"
#include "util/message-id.h"

#define VT_LOG_DOMAIN     "virtteam-driver-reserve"
#define RESERVE_KEY       "reserve"
#define RESERVE_MAX_BYTES 65536

/* A reservation is in the table from the moment it is asked for, so that two guests can never both pass. */
typedef struct {
    char *dir;
    GHashTable *table;                                       /* address as text -> VtReservation */
    void (*dropped)(VtDriver *driver, const VtUuid *domain); /* nullable */
} ReserveList;

static void
reserve_free(gpointer data)
{
    VtReservation *reservation = data;

    if (!reservation)
        return;
    g_free(reservation->domain);
    g_free(reservation->driver);
    g_free(reservation->pf);
    g_free(reservation->settings);
    g_free(reservation->network);
    g_free(reservation->port);
    g_free(reservation);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtReservation, reserve_free)

static VtReservation *
reserve_copy(const VtReservation *from)
{
    VtReservation *copy = g_new(VtReservation, 1);

    *copy = *from;
    copy->domain = g_strdup(from->domain ? from->domain : "");
    copy->driver = g_strdup(from->driver ? from->driver : "");
    copy->pf = g_strdup(from->pf ? from->pf : "");
    copy->settings = g_strdup(from->settings);
    copy->network = g_strdup(from->network);
    copy->port = g_strdup(from->port);
    return copy;
}

static void
reserve_list_free(gpointer data)
{
    ReserveList *list = data;

    g_free(list->dir);
    g_hash_table_unref(list->table);
    g_free(list);
}

static ReserveList *
reserve_list(VtDriver *driver)
{
    ReserveList *list = vt_driver_data(driver, RESERVE_KEY);

    if (!list) {
        list = g_new0(ReserveList, 1);
        list->dir = g_build_filename(driver->config->lib_dir, "reservations", NULL);
        list->table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, reserve_free);
        vt_driver_set_data(driver, RESERVE_KEY, list, reserve_list_free);
    }
    return list;
}

static char *
reserve_path(const ReserveList *list, const char *address)
{
    g_autofree char *file = g_strconcat(address, ".json", NULL);

    return g_build_filename(list->dir, file, NULL);
}

static void
reserve_set_string(JsonObject *object, const char *name, const char *value)
{
    if (value)
        json_object_set_string_member(object, name, value);
}

static char *
reserve_to_text(const VtReservation *reservation)
{
    g_autoptr(JsonObject) object = json_object_new();
    char uuid[VT_UUID_STRING_SIZE];

    json_object_set_string_member(object, "uuid", vt_uuid_format(&reservation->uuid, uuid));
    json_object_set_string_member(object, "domain", reservation->domain);
    json_object_set_boolean_member(object, "managed", reservation->managed);
    json_object_set_string_member(object, "driver", reservation->driver);
    json_object_set_string_member(object, "pf", reservation->pf);
    json_object_set_int_member(object, "vf", reservation->vf_index);
    reserve_set_string(object, "settings", reservation->settings);
    reserve_set_string(object, "network", reservation->network);
    reserve_set_string(object, "port", reservation->port);
    return vt_json_object_to_string(object);
}

/* The address is the file's name; what is inside must name a domain and a sane VF, or the file is corrupt. */
static VtReservation *
reserve_from_text(const char *address, const char *text, gsize length, GError **error)
{
    g_autoptr(VtReservation) reservation = g_new0(VtReservation, 1);
    g_autoptr(JsonNode) root = vt_json_parse(text, length, error);
    const char *uuid, *domain;
    gint64 vf;

    if (!root || !vt_json_get_string(root, "uuid", &uuid, error) ||
        !vt_json_get_string(root, "domain", &domain, error))
        return NULL;
    vf = vt_json_int_or(root, "vf", -1);
    if (!vt_pci_bdf_parse(address, &reservation->bdf) || !vt_uuid_parse(uuid, &reservation->uuid) ||
        vf < -1 || vf > 65535) {
        vt_error_set(error, VT_ERROR_XML_DETAIL, "An address, a UUID or the number of a VF in it is wrong.");
        return NULL;
    }
    reservation->vf_index = (int)vf;
    reservation->domain = g_strdup(domain);
    reservation->managed = vt_json_bool_or(root, "managed", FALSE);
    reservation->driver = g_strdup(vt_json_string_or(root, "driver", ""));
    reservation->pf = g_strdup(vt_json_string_or(root, "pf", ""));
    reservation->settings = g_strdup(vt_json_string_or(root, "settings", NULL));
    reservation->network = g_strdup(vt_json_string_or(root, "network", NULL));
    reservation->port = g_strdup(vt_json_string_or(root, "port", NULL));
    return g_steal_pointer(&reservation);
}

static void
reserve_load_file(ReserveList *list, const char *address)
{
    g_autofree char *path = reserve_path(list, address);
    g_autofree char *aside = NULL;
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    VtReservation *reservation = NULL;
    gsize length = 0;

    text = vt_file_read(path, RESERVE_MAX_BYTES, &length, &error);
    if (text)
        reservation = reserve_from_text(address, text, length, &error);
    if (reservation) {
        g_hash_table_replace(list->table, g_strdup(address), reservation);
        return;
    }
    aside = g_strconcat(path, ".corrupt", NULL);
    vt_log_id_error(
        VT_MESSAGE_RESERVATION_CORRUPT, NULL,
        "The reservation '%s' cannot be read and is set aside as '%s': %s Check by hand whether the "
        "function %s is still bound to VFIO.",
        path, aside, error->message, address);
    if (rename(path, aside) < 0)
        vt_log_error("The reservation '%s' cannot be set aside: %s", path, g_strerror(errno));
}

void
vt_reserve_load(VtDriver *driver)
{
    ReserveList *list = reserve_list(driver);
    g_autoptr(GDir) dir = g_dir_open(list->dir, 0, NULL);
    const char *name;

    vt_file_sweep(list->dir, ".json");
    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *address = NULL;

        if (!g_str_has_suffix(name, ".json"))
            continue;
        address = g_strndup(name, strlen(name) - strlen(".json"));
        reserve_load_file(list, address);
    }
}

const VtReservation *
vt_reserve_find(VtDriver *driver, const VtPciBdf *bdf)
{
    char address[VT_PCI_BDF_STRING_SIZE];

    return g_hash_table_lookup(reserve_list(driver)->table, vt_pci_bdf_format(bdf, address));
}

gboolean
vt_reserve_is_probed(VtDriver *driver, const VtPciBdf *bdf)
{
    g_autofree char *run = NULL;
    g_autofree char *notes = NULL;

    if (!driver->config->state_dir)
        return FALSE;
    run = g_path_get_dirname(driver->config->state_dir);
    notes = g_build_filename(run, "probe", NULL);
    return vt_probe_host_uses(notes, bdf);
}

static int
reserve_compare(gconstpointer a, gconstpointer b)
{
    const VtPciBdf *x = &(*(VtReservation *const *)a)->bdf, *y = &(*(VtReservation *const *)b)->bdf;

    if (x->domain != y->domain)
        return x->domain < y->domain ? -1 : 1;
    return (x->bus << 8 | x->slot << 3 | x->function) - (y->bus << 8 | y->slot << 3 | y->function);
}

static GPtrArray *
reserve_collect(VtDriver *driver, const VtUuid *uuid)
{
    GPtrArray *found = g_ptr_array_new();
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, reserve_list(driver)->table);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        if (!uuid || vt_uuid_equal(uuid, &((VtReservation *)value)->uuid))
            g_ptr_array_add(found, value);
    g_ptr_array_sort(found, reserve_compare);
    return found;
}

GPtrArray *
vt_reserve_of(VtDriver *driver, const VtUuid *uuid)
{
    return reserve_collect(driver, uuid);
}

GPtrArray *
vt_reserve_all(VtDriver *driver)
{
    return reserve_collect(driver, NULL);
}

typedef struct {
    VtDriver *driver;
    char *address;
    VtReservation *before; /* what stood there; NULL: nothing */
    VtDoneFunc done;
    gpointer user;
    GError *error; /* it is being taken back for this reason */
} ReserveTake;

static gboolean
reserve_check_probe(VtDriver *driver, const VtPciBdf *bdf, GError **error)
{
    char address[VT_PCI_BDF_STRING_SIZE];

    return !vt_reserve_is_probed(driver, bdf) ||
           vt_error_set(
               error, VT_ERROR_BUSY,
               "PCI device %s is in use by virtteam probe; if that was killed, virtteam probe --restore "
               "gives the device back.",
               vt_pci_bdf_format(bdf, address));
}

static void
reserve_take_end(ReserveTake *take, const GError *error)
{
    take->done(take->user, error);
    reserve_free(take->before);
    g_clear_error(&take->error);
    g_free(take->address);
    g_free(take);
}

static void
reserve_taken_back(gpointer user, const GError *error)
{
    ReserveTake *take = user;

    reserve_take_end(take, take->error);
}

/* A probe notes what it uses, and then looks for our file; we write our file, and then look for its note: however the
 * two fall together, one sees the other. */
static gboolean
reserve_was_first(ReserveTake *take)
{
    ReserveList *list = reserve_list(take->driver);
    g_autofree char *path = reserve_path(list, take->address);
    VtPciBdf bdf;

    if (take->before || !vt_pci_bdf_parse(take->address, &bdf) ||
        reserve_check_probe(take->driver, &bdf, &take->error))
        return TRUE;
    g_hash_table_remove(list->table, take->address);
    vt_file_remove_async(path, reserve_taken_back, take);
    return FALSE;
}

static void
reserve_taken(gpointer user, const GError *error)
{
    ReserveTake *take = user;

    if (!error && !reserve_was_first(take))
        return;
    /* Not on disk is not reserved: a crash would leave a function bound that nobody knows of. */
    if (error && take->before)
        g_hash_table_replace(reserve_list(take->driver)->table, g_strdup(take->address),
                             g_steal_pointer(&take->before));
    else if (error)
        g_hash_table_remove(reserve_list(take->driver)->table, take->address);
    reserve_take_end(take, error);
}

void
vt_reserve_take(VtDriver *driver, const VtReservation *reservation, VtDoneFunc done, gpointer user)
{
    ReserveList *list = reserve_list(driver);
    const VtReservation *holder = vt_reserve_find(driver, &reservation->bdf);
    g_autoptr(VtReservation) copy = reserve_copy(reservation);
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL;
    g_autofree char *text = reserve_to_text(copy);
    char address[VT_PCI_BDF_STRING_SIZE];
    ReserveTake *take;

    vt_pci_bdf_format(&reservation->bdf, address);
    if (holder && !vt_uuid_equal(&holder->uuid, &reservation->uuid)) {
        vt_error_set(&error, VT_ERROR_BUSY, "PCI device %s is in use by domain '%s'.", address,
                     holder->domain);
        done(user, error);
        return;
    }
    if ((!holder && !reserve_check_probe(driver, &reservation->bdf, &error)) ||
        !vt_file_mkdirs(list->dir, 0700, &error)) {
        done(user, error);
        return;
    }
    take = g_new0(ReserveTake, 1);
    take->driver = driver;
    take->address = g_strdup(address);
    take->before = holder ? reserve_copy(holder) : NULL;
    take->done = done;
    take->user = user;
    g_hash_table_replace(list->table, g_strdup(address), g_steal_pointer(&copy));
    path = reserve_path(list, address);
    vt_file_write_atomic_async(path, text, strlen(text), 0600, reserve_taken, take);
}

void
vt_reserve_drop(VtDriver *driver, const VtPciBdf *bdf, VtDoneFunc done, gpointer user)
{
    ReserveList *list = reserve_list(driver);
    char address[VT_PCI_BDF_STRING_SIZE];
    g_autofree char *path = reserve_path(list, vt_pci_bdf_format(bdf, address));
    const VtReservation *held = g_hash_table_lookup(list->table, address);

    if (held) {
        VtUuid domain = held->uuid;

        g_hash_table_remove(list->table, address);
        if (list->dropped)
            list->dropped(driver, &domain);
    }
    vt_file_remove_async(path, done, user);
}

void
vt_reserve_set_dropped(VtDriver *driver, void (*dropped)(VtDriver *driver, const VtUuid *domain))
{
    reserve_list(driver)->dropped = dropped;
}
