/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver/migrate-dst-prepare.h"

#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include "conf/domain-xml.h"
#include "conf/net.h"
#include "qemu/prepare.h"
#include "util/fd.h"
#include "util/i18n.h"

/* ---- Prepare: what is asked ---- */

static gboolean
migrate_prepare_check(VtDriver *driver, const VtDomainDef *def, const VtMigCookie *cookie, GError **error)
{
    const VtDriverConfig *config = vt_driver_config(driver);
    VtQemuCaps *caps;

    if (vt_uuid_equal(&cookie->host_uuid, &config->host_uuid))
        return vt_error_set(
            error, VT_ERROR_OPERATION_FAILED,
            _("domain '%s' cannot be migrated to the host it runs on (both say the host UUID of '%s'; "
              "is host_uuid in virtteamd.conf the same on two hosts?)"),
            def->name, cookie->hostname);
    if (!vt_uuid_equal(&cookie->uuid, &def->uuid))
        return vt_error_set(error, VT_ERROR_OPERATION_FAILED,
                            _("the migration's cookie and XML are of different domains"));
    caps = vt_driver_caps(driver, def->emulator, error);
    if (!caps)
        return FALSE;
    if (cookie->machine && !vt_qemu_caps_machine(caps, cookie->machine))
        return vt_error_set(error, VT_ERROR_CONFIG_UNSUPPORTED,
                            _("the guest has the machine type '%s', which '%s' of this host does not have"),
                            cookie->machine, caps->binary);
    return TRUE;
}

/* Names that the source's kernel gave are nothing to hold on to here. */
static void
migrate_prepare_forget_names(VtDomainDef *def)
{
    for (guint i = 0; i < def->nets->len; i++) {
        VtNetDef *net = g_ptr_array_index(def->nets, i);

        if (net->target_dev && vt_net_target_is_automatic(net->target_dev))
            g_clear_pointer(&net->target_dev, g_free);
    }
}

VtDomainDef *
vt_migrate_dst_def(VtDriver *driver, const VtMigParams *params, const VtMigCookie *cookie, GError **error)
{
    g_autoptr(VtDomainDef) def = NULL;
    VtQemuCaps *caps;

    if (!params->destination_xml) {
        vt_error_set(error, VT_ERROR_INVALID_ARG, _("Prepare needs the parameter 'destination_xml'"));
        return NULL;
    }
    def = vt_domain_xml_parse_status(params->destination_xml, error);
    if (!def || !migrate_prepare_check(driver, def, cookie, error))
        return NULL;
    if (params->destination_name) {
        g_free(def->name);
        def->name = g_strdup(params->destination_name);
    }
    migrate_prepare_forget_names(def);
    caps = vt_driver_caps(driver, def->emulator, error);
    if (!caps || !vt_qemu_prepare_define(def, caps, error))
        return NULL;
    return g_steal_pointer(&def);
}

/* ---- Prepare: where to listen ---- */

static gboolean
migrate_port_is_free(const char *host, guint port)
{
    const struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV | AI_NUMERICHOST,
                                    .ai_socktype = SOCK_STREAM };
    g_autofree char *service = g_strdup_printf("%u", port);
    g_auto(VtFd) fd = -1;
    struct addrinfo *found = NULL;
    gboolean is_free = FALSE;
    int on = 1;

    /* A name is left to QEMU, which says itself when the port is taken: looking it up could take seconds. */
    if (getaddrinfo(host, service, &hints, &found) != 0)
        return TRUE;
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0)
        is_free = bind(fd, found->ai_addr, found->ai_addrlen) == 0;
    freeaddrinfo(found);
    return is_free;
}

static guint
migrate_choose_port(const VtDriverConfig *config, const char *host, VtMigratePortFunc taken, gpointer user,
                    GError **error)
{
    for (guint port = config->migration_port_min; port <= config->migration_port_max; port++)
        if (!taken(port, user) && migrate_port_is_free(host, port))
            return port;
    vt_error_set(
        error, VT_ERROR_OPERATION_FAILED,
        _("no port for the migration is free between %u and %u (migration_port_min and _max in virtteamd.conf)"),
        config->migration_port_min, config->migration_port_max);
    return 0;
}

gboolean
vt_migrate_dst_listen(const VtDriverConfig *config, const VtMigParams *params, VtMigratePortFunc taken,
                      gpointer user, VtMigUri **uri, char **listen, GError **error)
{
    const char *address = params->listen_address ? params->listen_address : config->migration_address;
    g_autoptr(VtMigUri) told = NULL;
    g_autoptr(VtMigUri) here = g_new0(VtMigUri, 1);

    if (params->migrate_uri) {
        told = vt_mig_uri_parse(params->migrate_uri, error);
        if (!told)
            return FALSE;
    } else {
        told = g_new0(VtMigUri, 1);
        told->kind = VT_MIG_URI_TCP;
        told->host = g_strdup(config->migration_host ? config->migration_host : config->hostname);
    }
    here->kind = told->kind;
    if (told->kind == VT_MIG_URI_UNIX) {
        here->path = g_strdup(told->path);
    } else {
        here->host = g_strdup(address ? address : "0.0.0.0");
        if (told->port == 0)
            told->port = migrate_choose_port(config, here->host, taken, user, error);
        if (told->port == 0)
            return FALSE;
        here->port = told->port;
    }
    *listen = vt_mig_uri_to_qemu(here);
    *uri = g_steal_pointer(&told);
    return TRUE;
}
