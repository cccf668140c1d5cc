/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A change of devices is made in this order: the persistent definition is worked out on a copy, the running guest
 * is changed, and only then the copy takes its place and is saved. So a guest that refuses leaves both as they
 * were, and a definition that cannot be is refused before the guest is touched.
 */
#define VT_LOG_DOMAIN "virtteam-driver-device"

#include "driver/device.h"

#include <string.h>
#include "conf/net.h"
#include "conf/postparse.h"
#include "conf/validate.h"
#include "driver/device-find.h"
#include "driver/device-live.h"
#include "driver/domain-private.h"
#include "driver/job.h"
#include "driver/journal.h"
#include "driver/store-def.h"
#include "qemu/orchestration.h"
#include "qemu/prepare.h"
#include "util/i18n.h"
#include "util/log.h"

#define DEVICE_JOB_MS            30000
#define DEVICE_QMP_MS            30000
#define DEVICE_JOURNAL_MAX_BYTES (16 * 1024) /* of a client's XML */

/* virDomainDeviceModifyFlags */
enum {
    DEVICE_LIVE = 1 << 0,
    DEVICE_CONFIG = 1 << 1,
    DEVICE_FORCE = 1 << 2, /* means something for removable media only */
};

typedef struct _DeviceRun DeviceRun;

typedef struct {
    const char *name;
    guint flags; /* those it takes */
    gboolean journals;
    /* Change @def, a copy of the persistent definition. */
    gboolean (*config)(DeviceRun *run, VtDomainDef *def, GError **error);
    /* Change the running guest; device_live_done() is told the end. */
    void (*live)(DeviceRun *run);
} DeviceAct;

struct _DeviceRun {
    const DeviceAct *act;
    VtDriver *driver;
    VtDomain *domain;
    VtDevice *device; /* NULL when only its alias was given */
    char *alias;
    char *request;       /* (nullable) the client's XML, for the journal */
    gboolean journalled; /* we have begun one */
    guint flags;
    VtDomainDef *config; /* (nullable) what the persistent definition is to be */
    VtLinkState link;    /* update: what the live definition is to say */
    VtDoneFunc done;
    gpointer user;
};

static void
device_run_free(DeviceRun *run)
{
    vt_device_free(run->device);
    vt_domain_def_free(run->config);
    vt_domain_unref(run->domain);
    g_free(run->alias);
    g_free(run->request);
    g_free(run);
}

/* The end: the job goes back, then the caller is told. */
static void
device_run_end(DeviceRun *run, const GError *error)
{
    if (run->journalled && g_strcmp0(vt_journal_kind(run->domain), run->act->name) == 0)
        vt_journal_end(run->domain);
    vt_job_end(run->domain);
    run->done(run->user, error);
    device_run_free(run);
}

static void
device_saved(gpointer user, const GError *error)
{
    device_run_end(user, error);
}

/* The guest has changed (or was not to): now the definition. */
static void
device_live_done(gpointer user, const GError *error)
{
    DeviceRun *run = user;
    g_autoptr(VtDomainDef) former = NULL;
    g_autoptr(GError) failure = NULL;

    if (error || !run->config) {
        device_run_end(run, error);
        return;
    }
    former = run->domain->persistent ? vt_domain_def_copy(run->domain->persistent) : NULL;
    if (!former) {
        vt_error_set(&failure, VT_ERROR_OPERATION_FAILED,
                     _("domain '%s' was undefined while its device was changed"), run->domain->name);
    } else {
        vt_domain_set_persistent_def(run->domain, g_steal_pointer(&run->config));
        vt_store_def_save(run->driver, run->domain, g_steal_pointer(&former), device_saved, run);
        return;
    }
    device_run_end(run, failure);
}

/* ---- which definitions ---- */

static gboolean
device_resolve_flags(DeviceRun *run, GError **error)
{
    gboolean active = vt_domain_is_active(run->domain);

    if (!(run->flags & (DEVICE_LIVE | DEVICE_CONFIG)))
        run->flags |= active ? DEVICE_LIVE : DEVICE_CONFIG;
    if ((run->flags & DEVICE_LIVE) && !active)
        return vt_error_set(error, VT_ERROR_OPERATION_INVALID, _("domain is not running"));
    if ((run->flags & DEVICE_CONFIG) && !run->domain->persistent)
        return vt_error_set(error, VT_ERROR_OPERATION_INVALID,
                            _("transient domains do not have any persistent config"));
    return TRUE;
}

/* Every rule that a define applies, and slots for what has none. */
static gboolean
device_prepare_config(DeviceRun *run, VtDomainDef *def, GError **error)
{
    VtQemuCaps *caps = vt_driver_caps(run->driver, def->emulator, error);

    if (!caps)
        return FALSE;
    vt_postparse_domain(def);
    return vt_validate_first(def, error) && vt_qemu_prepare_define(def, caps, error);
}

/* For a daemon that comes after us. A migration that waits for an operator has the journal for itself. */
static void
device_journal(DeviceRun *run)
{
    g_autofree char *flags = g_strdup_printf("%u", run->flags);

    if (!run->act->journals || vt_journal_kind(run->domain))
        return;
    vt_journal_begin(run->domain, run->act->name);
    vt_journal_set(run->domain, "flags", flags);
    if (run->request && strlen(run->request) <= DEVICE_JOURNAL_MAX_BYTES)
        vt_journal_set(run->domain, "request", run->request);
    else if (run->alias)
        vt_journal_set(run->domain, "request-alias", run->alias);
    run->journalled = TRUE;
}

static void
device_has_job(gpointer user, const GError *no_job)
{
    DeviceRun *run = user;
    g_autoptr(GError) error = NULL;
    g_autoptr(VtDomainDef) def = NULL;

    if (no_job) {
        run->done(run->user, no_job);
        device_run_free(run);
        return;
    }
    if (!device_resolve_flags(run, &error)) {
        device_run_end(run, error);
        return;
    }
    if (run->flags & DEVICE_CONFIG) {
        def = vt_domain_def_copy(run->domain->persistent);
        if (!run->act->config(run, def, &error) || !device_prepare_config(run, def, &error)) {
            device_run_end(run, error);
            return;
        }
        run->config = g_steal_pointer(&def);
    }
    if (!(run->flags & DEVICE_LIVE)) {
        device_live_done(run, NULL);
        return;
    }
    device_journal(run);
    run->act->live(run);
}

/* A device whose MAC is made up gets the same one for the guest and for the definition. */
static void
device_complete_mac(DeviceRun *run)
{
    VtNetDef *net = run->device && run->device->kind == VT_DEVICE_NET ? run->device->net : NULL;

    if (!net || net->has_mac || net->teaming.type == VT_TEAMING_TRANSIENT)
        return;
    vt_mac_generate(&net->mac);
    net->has_mac = TRUE;
}

typedef struct {
    const char *xml, *alias; /* one of them */
    guint flags;
    VtDoneFunc done;
    gpointer user;
} DeviceCall;

static void
device_run(VtDriver *driver, VtDomain *domain, const DeviceAct *act, const DeviceCall *call)
{
    g_autoptr(VtDevice) device = NULL;
    g_autoptr(GError) error = NULL;
    DeviceRun *run;

    if (call->flags & ~act->flags)
        vt_error_set(&error, VT_ERROR_INVALID_ARG, _("unsupported flags (0x%x) in a call to %s a device"),
                     call->flags & ~act->flags, act->name);
    else if (call->xml)
        device = vt_device_xml_parse(call->xml, &error);
    if (error) {
        call->done(call->user, error);
        return;
    }
    run = g_new0(DeviceRun, 1);
    run->act = act;
    run->driver = driver;
    run->domain = vt_domain_ref(domain);
    run->device = g_steal_pointer(&device);
    run->alias = g_strdup(call->alias);
    run->request = g_strdup(call->xml);
    run->flags = call->flags;
    run->done = call->done;
    run->user = call->user;
    vt_job_begin(domain, VT_JOB_MODIFY, DEVICE_JOB_MS, device_has_job, run);
}

/* ---- attach ---- */

static gboolean
device_attach_config(DeviceRun *run, VtDomainDef *def, GError **error)
{
    static const gboolean kinds[VT_DEVICE_COUNT] = {
        [VT_DEVICE_DISK] = TRUE,       [VT_DEVICE_NET] = TRUE, [VT_DEVICE_HOSTDEV] = TRUE,
        [VT_DEVICE_CONTROLLER] = TRUE, [VT_DEVICE_RNG] = TRUE,
    };
    VtDevice *copy;
    VtDeviceInfo *info;

    if (!kinds[run->device->kind])
        return vt_error_set(error, VT_ERROR_UNSUPPORTED,
                            _("persistent attach of device '%s' is not supported"),
                            vt_device_find_name(run->device->kind));
    device_complete_mac(run);
    copy = vt_device_find_copy(run->device);
    info = vt_device_find_info(copy);
    if (!info->user_alias)
        g_clear_pointer(&info->alias, g_free);
    g_ptr_array_add(vt_device_find_list(def, copy), copy->any);
    g_free(copy);
    return TRUE;
}

static void
device_attach_live(DeviceRun *run)
{
    device_complete_mac(run);
    vt_device_live_attach(run->domain, run->device, device_live_done, run);
}

static const DeviceAct device_attach = {
    .name = "attach",
    .flags = DEVICE_LIVE | DEVICE_CONFIG,
    .journals = TRUE,
    .config = device_attach_config,
    .live = device_attach_live,
};

void
vt_device_attach(VtDriver *driver, VtDomain *domain, const char *xml, guint flags, VtDoneFunc done,
                 gpointer user)
{
    const DeviceCall call = { .xml = xml, .flags = flags, .done = done, .user = user };

    device_run(driver, domain, &device_attach, &call);
}

/* ---- detach ---- */

/* A persistent leg takes its team's policy with it: one for nobody is no valid definition. */
static gboolean
device_detach_policies(VtDomainDef *def, GError **error)
{
    guint before = def->team_policies->len;

    vt_device_find_drop_policies(def);
    return def->team_policies->len == before || vt_orchestration_rewrite(def, error);
}

static gboolean
device_detach_config(DeviceRun *run, VtDomainDef *def, GError **error)
{
    guint index = 0;

    if (!vt_device_find(def, run->device, FALSE, &index, error))
        return FALSE;
    g_ptr_array_remove_index(vt_device_find_list(def, run->device), index);
    return device_detach_policies(def, error);
}

static void
device_detach_live(DeviceRun *run)
{
    VtDevice found = { .kind = run->device->kind };
    g_autoptr(GError) error = NULL;
    guint index = 0;

    if (!vt_device_find(run->domain->live, run->device, TRUE, &index, &error)) {
        device_run_end(run, error);
        return;
    }
    found.any = g_ptr_array_index(vt_device_find_list(run->domain->live, &found), index);
    run->alias = g_strdup(vt_device_find_info(&found)->alias);
    vt_device_live_detach(run->domain, run->alias, TRUE, device_live_done, run);
}

static const DeviceAct device_detach = {
    .name = "detach",
    .flags = DEVICE_LIVE | DEVICE_CONFIG,
    .journals = TRUE,
    .config = device_detach_config,
    .live = device_detach_live,
};

void
vt_device_detach(VtDriver *driver, VtDomain *domain, const char *xml, guint flags, VtDoneFunc done,
                 gpointer user)
{
    const DeviceCall call = { .xml = xml, .flags = flags, .done = done, .user = user };

    device_run(driver, domain, &device_detach, &call);
}

static gboolean
device_detach_alias_config(DeviceRun *run, VtDomainDef *def, GError **error)
{
    VtDevice found;
    guint index = 0;

    if (!vt_device_find_alias(def, run->alias, &found, &index))
        return vt_error_set(error, VT_ERROR_NO_DEVICE, _("no device found with alias %s"), run->alias);
    g_ptr_array_remove_index(vt_device_find_list(def, &found), index);
    return device_detach_policies(def, error);
}

static void
device_detach_alias_live(DeviceRun *run)
{
    vt_device_live_detach(run->domain, run->alias, FALSE, device_live_done, run);
}

static const DeviceAct device_detach_alias = {
    .name = "detach",
    .flags = DEVICE_LIVE | DEVICE_CONFIG,
    .journals = TRUE,
    .config = device_detach_alias_config,
    .live = device_detach_alias_live,
};

void
vt_device_detach_alias(VtDriver *driver, VtDomain *domain, const char *alias, guint flags, VtDoneFunc done,
                       gpointer user)
{
    const DeviceCall call = { .alias = alias, .flags = flags, .done = done, .user = user };

    device_run(driver, domain, &device_detach_alias, &call);
}

/* ---- update ---- */

/* What an XML does not say about a device that is there already stays as it is. */
static void
device_keep_unsaid(VtDevice *new, const VtDevice *old)
{
    VtDeviceInfo *info = vt_device_find_info(new);
    const VtDeviceInfo *was = vt_device_find_info(old);

    if (info->address.type == VT_ADDRESS_NONE) {
        info->address = was->address;
        info->address.port = g_strdup(was->address.port);
    }
    g_free(info->alias);
    info->alias = g_strdup(was->alias);
    info->user_alias = was->user_alias;
    if (new->kind != VT_DEVICE_NET)
        return;
    if (!new->net->has_mac) {
        new->net->mac = old->net->mac;
        new->net->has_mac = old->net->has_mac;
    }
    if (!new->net->model)
        new->net->model = g_strdup(old->net->model);
    if (!new->net->target_dev)
        new->net->target_dev = g_strdup(old->net->target_dev);
    if (new->net->type != old->net->type)
        return;
    if (new->net->type == VT_NET_NETWORK && !new->net->bridge)
        new->net->bridge = g_strdup(old->net->bridge);
    if (!new->net->network) {
        new->net->network = g_strdup(old->net->network);
        new->net->portgroup = g_strdup(old->net->portgroup);
    }
    new->net->port = g_strdup(old->net->port);
}

static gboolean
device_update_config(DeviceRun *run, VtDomainDef *def, GError **error)
{
    VtDevice *copy;
    VtDevice old = { .kind = run->device->kind };
    GPtrArray *list;
    guint index = 0;

    if (run->device->kind != VT_DEVICE_NET && run->device->kind != VT_DEVICE_DISK)
        return vt_error_set(error, VT_ERROR_UNSUPPORTED,
                            _("persistent update of device '%s' is not supported"),
                            vt_device_find_name(run->device->kind));
    if (!vt_device_find(def, run->device, FALSE, &index, error))
        return FALSE;
    list = vt_device_find_list(def, run->device);
    old.any = g_ptr_array_index(list, index);
    copy = vt_device_find_copy(run->device);
    device_keep_unsaid(copy, &old);
    g_ptr_array_remove_index(list, index);
    g_ptr_array_insert(list, (int)index, copy->any);
    g_free(copy);
    return TRUE;
}

/* The first line in which two texts differ. */
static void
device_first_difference(const char *old, const char *new, char **was, char **is)
{
    g_auto(GStrv) a = g_strsplit(old, "\n", -1);
    g_auto(GStrv) b = g_strsplit(new, "\n", -1);
    guint i = 0;

    while (a[i] && b[i] && strcmp(a[i], b[i]) == 0)
        i++;
    *was = g_strstrip(g_strdup(a[i] ? a[i] : ""));
    *is = g_strstrip(g_strdup(b[i] ? b[i] : ""));
}

/* All but the link's state must be what it is. */
static gboolean
device_update_allowed(const VtDevice *old, const VtDevice *new, GError **error)
{
    /* What a network made of an interface may be sent back as it was asked for. */
    const VtNetDef *asked = vt_net_configured(old->net);
    VtDevice was_asked = { .kind = VT_DEVICE_NET, .net = (VtNetDef *)asked };
    VtDevice *a = vt_device_find_copy(new->net->type == old->net->type ? old : &was_asked);
    VtDevice *b = vt_device_find_copy(new);
    g_autofree char *old_text = NULL, *new_text = NULL, *was = NULL, *is = NULL;

    device_keep_unsaid(b, a);
    a->net->link = b->net->link = VT_LINK_DEFAULT;
    old_text = vt_device_xml_format(a, 0);
    new_text = vt_device_xml_format(b, 0);
    vt_device_free(a);
    vt_device_free(b);
    if (strcmp(old_text, new_text) == 0)
        return TRUE;
    device_first_difference(old_text, new_text, &was, &is);
    return vt_error_set(error, VT_ERROR_UNSUPPORTED,
                        _("cannot modify network device while the guest runs, apart from its link's state: "
                          "'%s' cannot become '%s'"),
                        was, is);
}

static void
device_link_set(gpointer user, JsonNode *result, const GError *error)
{
    DeviceRun *run = user;
    VtDevice found;
    guint index = 0;

    if (!error && run->domain->live && vt_device_find_alias(run->domain->live, run->alias, &found, &index) &&
        found.kind == VT_DEVICE_NET) {
        found.net->link = run->link;
        vt_domain_status_changed(run->domain);
        vt_log_info("dom=%s link of %s is %s", run->domain->name, run->alias,
                    run->link == VT_LINK_DOWN ? "down" : "up");
    }
    device_live_done(run, error);
}

static gboolean
device_update_begin(DeviceRun *run, GError **error)
{
    VtQmpClient *qmp = vt_domain_qmp(run->domain, error);
    VtDevice old = { .kind = VT_DEVICE_NET };
    guint index = 0;

    if (!qmp)
        return FALSE;
    if (run->device->kind != VT_DEVICE_NET)
        return vt_error_set(error, VT_ERROR_UNSUPPORTED, _("live update of device '%s' is not supported"),
                            vt_device_find_name(run->device->kind));
    if (!vt_device_find(run->domain->live, run->device, TRUE, &index, error))
        return FALSE;
    old.net = g_ptr_array_index(run->domain->live->nets, index);
    if (!device_update_allowed(&old, run->device, error))
        return FALSE;
    if (old.net->type == VT_NET_HOSTDEV && run->device->net->link != old.net->link)
        return vt_error_set(error, VT_ERROR_UNSUPPORTED,
                            _("the link of a host's PCI function cannot be set through QEMU"));
    run->link = run->device->net->link;
    run->alias = g_strdup(old.net->info.alias);
    if (run->link == old.net->link) {
        device_live_done(run, NULL);
        return TRUE;
    }
    vt_qmp_client_callv(qmp, "set_link", DEVICE_QMP_MS, device_link_set, run, "name", "s", run->alias, "up",
                        "b", run->link != VT_LINK_DOWN, NULL);
    return TRUE;
}

static void
device_update_live(DeviceRun *run)
{
    g_autoptr(GError) error = NULL;

    if (!device_update_begin(run, &error))
        device_run_end(run, error);
}

static const DeviceAct device_update = {
    .name = "update",
    .flags = DEVICE_LIVE | DEVICE_CONFIG | DEVICE_FORCE,
    .config = device_update_config,
    .live = device_update_live,
};

void
vt_device_update(VtDriver *driver, VtDomain *domain, const char *xml, guint flags, VtDoneFunc done,
                 gpointer user)
{
    const DeviceCall call = { .xml = xml, .flags = flags, .done = done, .user = user };

    device_run(driver, domain, &device_update, &call);
}

/* ---- after a restart ---- */

/* Interfaces that came without a MAC have the made-up one in both definitions. */
static void
device_recover_mac(DeviceRun *run)
{
    const char *text = vt_journal_get(run->domain, "device");
    g_autoptr(VtDevice) live = text ? vt_device_xml_parse_status(text, NULL) : NULL;

    if (live && live->kind == VT_DEVICE_NET && run->device->kind == VT_DEVICE_NET &&
        !run->device->net->has_mac && run->device->net->teaming.type != VT_TEAMING_TRANSIENT) {
        run->device->net->mac = live->net->mac;
        run->device->net->has_mac = TRUE;
    }
}

/* A definition that has it, or has it no more, was saved before the end. */
static gboolean
device_recover_is_done(const DeviceRun *run)
{
    const char *alias = vt_journal_get(run->domain, "alias");
    const char *text = vt_journal_get(run->domain, "device");
    g_autoptr(VtDevice) live = text ? vt_device_xml_parse_status(text, NULL) : NULL;
    const VtDomainDef *def = run->domain->persistent;
    VtDevice found;
    guint index = 0;

    if (run->act != &device_attach)
        return FALSE; /* a second detach finds nothing, which says the same */
    if (alias && vt_device_find_alias(def, alias, &found, &index))
        return TRUE;
    for (guint i = 0; live && live->kind == VT_DEVICE_NET && i < def->nets->len; i++) {
        const VtNetDef *net = g_ptr_array_index(def->nets, i);

        if (vt_mac_equal(&net->mac, &live->net->mac) && net->teaming.type == live->net->teaming.type)
            return TRUE;
    }
    return FALSE;
}

/* NULL without @error: there is nothing to save. */
static VtDomainDef *
device_recover_make(DeviceRun *run, GError **error)
{
    g_autoptr(VtDomainDef) def = NULL;
    g_autoptr(GError) local = NULL;

    if (device_recover_is_done(run))
        return NULL;
    def = vt_domain_def_copy(run->domain->persistent);
    if (!run->act->config(run, def, &local)) {
        if (!g_error_matches(local, VT_ERROR, VT_ERROR_NO_DEVICE))
            g_propagate_error(error, g_steal_pointer(&local));
        return NULL;
    }
    return device_prepare_config(run, def, error) ? g_steal_pointer(&def) : NULL;
}

static VtDomainDef *
device_recover_read(VtDriver *driver, VtDomain *domain, GError **error)
{
    const char *xml = vt_journal_get(domain, "request");
    const char *alias = vt_journal_get(domain, "request-alias");
    gboolean attach = g_strcmp0(vt_journal_kind(domain), "attach") == 0;
    VtDomainDef *def = NULL;
    DeviceRun *run;

    if (!xml && !alias) {
        vt_error_set(error, VT_ERROR_OPERATION_FAILED, _("its XML was too large to be kept"));
        return NULL;
    }
    run = g_new0(DeviceRun, 1);
    run->act = attach ? &device_attach : xml ? &device_detach : &device_detach_alias;
    run->driver = driver;
    run->domain = vt_domain_ref(domain);
    run->alias = g_strdup(alias);
    run->device = xml ? vt_device_xml_parse(xml, error) : NULL;
    if (!xml || run->device) {
        if (attach)
            device_recover_mac(run);
        def = device_recover_make(run, error);
    }
    device_run_free(run);
    return def;
}

void
vt_device_recover_config(VtDriver *driver, VtDomain *domain, VtDoneFunc done, gpointer user)
{
    const char *flags = vt_journal_get(domain, "flags");
    g_autoptr(VtDomainDef) def = NULL, former = NULL;
    g_autoptr(GError) error = NULL;

    if (flags && g_ascii_strtoull(flags, NULL, 10) & DEVICE_CONFIG && domain->persistent)
        def = device_recover_read(driver, domain, &error);
    if (!def) {
        done(user, error);
        return;
    }
    former = vt_domain_def_copy(domain->persistent);
    vt_domain_set_persistent_def(domain, g_steal_pointer(&def));
    vt_store_def_save(driver, domain, g_steal_pointer(&former), done, user);
}
