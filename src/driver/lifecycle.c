/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define VT_LOG_DOMAIN "virtteam-driver-lifecycle"

#include "driver/lifecycle.h"
#include <string.h>
#include "conf/domain-xml.h"
#include "driver/domain-list.h"
#include "driver/domain-private.h"
#include "driver/event.h"
#include "driver/job.h"
#include "driver/restore.h"
#include "driver/save.h"
#include "driver/start.h"
#include "driver/store-def.h"
#include "driver/store.h"
#include "qemu/prepare.h"
#include "util/i18n.h"
#include "util/log.h"

#define LIFECYCLE_JOB_MS 30000

/* virDomainEventType and details used here */
enum {
    EVENT_DEFINED = 0,
    EVENT_UNDEFINED = 1,
    DETAIL_ADDED = 0,
    DETAIL_UPDATED = 1,
    DETAIL_DEFINED_RENAMED = 2,
    DETAIL_REMOVED = 0,
};

/* virDomainDefineFlags, virDomainUndefineFlagsValues, virDomainCreateFlags */
enum {
    DEFINE_VALIDATE = 1 << 0, /* nothing to do: an element that is not understood is always refused */
    UNDEFINE_MANAGED_SAVE = 1 << 0,
    UNDEFINE_NVRAM = 1 << 2,
    UNDEFINE_KEEP_NVRAM = 1 << 3,
    UNDEFINE_TPM = 1 << 5,
    UNDEFINE_KEEP_TPM = 1 << 6,
    UNDEFINE_ALL = 0x7f, /* snapshots and the like: there is never one, so all are fulfilled */
    CREATE_PAUSED = 1 << 0,
    CREATE_AUTODESTROY = 1 << 1,
    CREATE_BYPASS_CACHE = 1 << 2, /* of a managed save image */
    CREATE_FORCE_BOOT = 1 << 3,   /* remove such an image, and boot */
    CREATE_VALIDATE = 1 << 4,
    CREATE_ALL = CREATE_PAUSED | CREATE_AUTODESTROY | CREATE_BYPASS_CACHE | CREATE_FORCE_BOOT,
};

static gboolean
lifecycle_check_flags(guint flags, guint known, const char *call, GError **error)
{
    if (flags & ~known)
        return vt_error_set(error, VT_ERROR_UNSUPPORTED, _("flags 0x%x of %s are not supported"),
                            flags & ~known, call);
    return TRUE;
}

/* From XML to a definition that QEMU can run and that stays the same machine. */
static VtDomainDef *
lifecycle_read(VtDriver *driver, const char *xml, GError **error)
{
    g_autoptr(VtDomainDef) def = vt_domain_xml_parse(xml, error);
    VtQemuCaps *caps;

    if (!def)
        return NULL;
    caps = vt_driver_caps(driver, def->emulator, error);
    if (!caps)
        return NULL;
    if (!def->emulator)
        def->emulator = g_strdup(caps->binary);
    if (!vt_qemu_prepare_define(def, caps, error))
        return NULL;
    return g_steal_pointer(&def);
}

/* ---- define, undefine, rename ---- */

/* A change of the definition, until the disk has it. */
typedef struct {
    VtDriver *driver;
    VtDomain *domain; /* with a reference */
    gboolean updated; /* define: there was a definition */
    gboolean has_job; /* rename */
    char *name;       /* rename: the new one; later the old one */
    VtDomainDone told;
    VtDoneFunc done;
    gpointer user;
} LifecycleChange;

static LifecycleChange *
lifecycle_change_new(VtDriver *driver, VtDomain *domain, VtDoneFunc done, gpointer user)
{
    LifecycleChange *change = g_new0(LifecycleChange, 1);

    change->driver = driver;
    change->domain = vt_domain_ref(domain);
    change->done = done;
    change->user = user;
    return change;
}

static void
lifecycle_change_end(LifecycleChange *change, const GError *error)
{
    if (change->has_job)
        vt_job_end(change->domain);
    if (change->told)
        change->told(change->user, error ? NULL : change->domain, error);
    else if (change->done)
        change->done(change->user, error);
    vt_domain_unref(change->domain);
    g_free(change->name);
    g_free(change);
}

static void
lifecycle_defined(gpointer user, const GError *error)
{
    LifecycleChange *change = user;

    if (!error) {
        vt_event_lifecycle(change->driver, change->domain, EVENT_DEFINED,
                           change->updated ? DETAIL_UPDATED : DETAIL_ADDED);
        vt_domain_status_changed(change->domain);
    }
    lifecycle_change_end(change, error);
}

/* (transfer full) its former definition in @former. */
static VtDomain *
lifecycle_admit(VtDriver *driver, const char *xml, guint flags, VtDomainDef **former, GError **error)
{
    g_autoptr(VtDomainDef) def = NULL;
    VtDomain *domain;

    if (!lifecycle_check_flags(flags, DEFINE_VALIDATE, "virDomainDefineXMLFlags", error))
        return NULL;
    def = lifecycle_read(driver, xml, error);
    if (!def)
        return NULL;
    domain = vt_driver_lookup_uuid(driver, &def->uuid, NULL);
    if (domain && domain->persistent)
        *former = vt_domain_def_copy(domain->persistent);
    return vt_domain_list_admit(driver, g_steal_pointer(&def), FALSE, error);
}

void
vt_lifecycle_define(VtDriver *driver, const char *xml, guint flags, VtDomainDone done, gpointer user)
{
    g_autoptr(VtDomainDef) former = NULL;
    g_autoptr(GError) error = NULL;
    VtDomain *domain = lifecycle_admit(driver, xml, flags, &former, &error);
    LifecycleChange *change;

    if (!domain) {
        done(user, NULL, error);
        return;
    }
    change = lifecycle_change_new(driver, domain, NULL, user);
    change->told = done;
    change->updated = former != NULL;
    vt_store_def_save(driver, domain, g_steal_pointer(&former), lifecycle_defined, change);
}

static gboolean
lifecycle_may_undefine(VtDriver *driver, VtDomain *domain, guint flags, GError **error)
{
    if (!lifecycle_check_flags(flags, UNDEFINE_ALL, "virDomainUndefineFlags", error))
        return FALSE;
    if ((flags & UNDEFINE_NVRAM && flags & UNDEFINE_KEEP_NVRAM) ||
        (flags & UNDEFINE_TPM && flags & UNDEFINE_KEEP_TPM))
        return vt_error_set(error, VT_ERROR_INVALID_ARG,
                            _("to keep and to remove something are mutually exclusive"));
    if (!domain->persistent)
        return vt_error_set(error, VT_ERROR_OPERATION_INVALID, _("cannot undefine transient domain"));
    /* Once the guest is gone (destroyed meanwhile) the migration has nothing to say about it any more. */
    if ((vt_domain_is_active(domain) || domain->starting) &&
        (vt_job_kind(domain) == VT_JOB_MIGRATION_OUT || vt_job_kind(domain) == VT_JOB_MIGRATION_IN))
        return vt_error_set(
            error, VT_ERROR_OPERATION_INVALID,
            _("domain '%s' is being migrated: undefine it afterwards, or let the migration do it "
              "('virsh migrate --undefinesource')"),
            domain->name);
    if (!(flags & UNDEFINE_MANAGED_SAVE) && vt_save_has_managed(driver, domain))
        return vt_error_set(error, VT_ERROR_OPERATION_INVALID,
                            _("Refusing to undefine while domain managed save image exists"));
    return vt_save_remove_managed(driver, domain, FALSE, error);
}

static void
lifecycle_undefined(gpointer user, const GError *error)
{
    LifecycleChange *change = user;

    /* The file is gone in any case; an error says that the disk may not know. */
    vt_event_lifecycle(change->driver, change->domain, EVENT_UNDEFINED, DETAIL_REMOVED);
    lifecycle_change_end(change, error);
}

void
vt_lifecycle_undefine(VtDriver *driver, VtDomain *domain, guint flags, VtDoneFunc done, gpointer user)
{
    LifecycleChange *change = lifecycle_change_new(driver, domain, done, user);
    g_autoptr(GError) error = NULL;

    if (!lifecycle_may_undefine(driver, domain, flags, &error) ||
        !vt_store_def_remove(driver, domain, lifecycle_undefined, change, &error)) {
        lifecycle_change_end(change, error);
        return;
    }
    vt_domain_set_persistent_def(domain, NULL);
    vt_domain_status_changed(domain);
    vt_domain_list_prune(driver, domain);
}

/* The names that make paths of ours. */
static gboolean
lifecycle_check_name(const char *name, GError **error)
{
    if (!name[0] || strchr(name, '/') || strchr(name, '\n') || g_str_equal(name, ".") ||
        g_str_equal(name, ".."))
        return vt_error_set(
            error, VT_ERROR_XML_DETAIL,
            _("'%s' cannot be the name of a domain: it must not be empty or contain '/' or line ends"), name);
    return TRUE;
}

static gboolean
lifecycle_may_rename(VtDriver *driver, VtDomain *domain, const char *name, GError **error)
{
    if (!lifecycle_check_name(name, error))
        return FALSE;
    if (vt_domain_is_active(domain) || domain->live)
        return vt_error_set(error, VT_ERROR_OPERATION_INVALID, _("cannot rename active domain"));
    if (!domain->persistent)
        return vt_error_set(error, VT_ERROR_OPERATION_INVALID, _("cannot rename a transient domain"));
    if (vt_save_has_managed(driver, domain))
        return vt_error_set(
            error, VT_ERROR_OPERATION_INVALID,
            _("domain '%s' has a managed save image, which knows it by its name: start it, or "
              "remove the image first (virsh managedsave-remove)"),
            domain->name);
    return TRUE;
}

static void
lifecycle_renamed(gpointer user, const GError *error)
{
    LifecycleChange *change = user;
    g_autoptr(GError) local = NULL;

    if (!error) {
        vt_event_renamed(change->driver, change->domain, change->name);
        vt_event_lifecycle(change->driver, change->domain, EVENT_DEFINED, DETAIL_DEFINED_RENAMED);
    } else if (change->domain->driver &&
               !vt_domain_list_rename(change->driver, change->domain, change->name, &local)) {
        vt_log_warning("domain '%s' keeps its new name until the daemon is restarted: %s",
                       change->domain->name, local->message);
    }
    lifecycle_change_end(change, error);
}

/* With the job: nobody starts it while it has two names. */
static void
lifecycle_rename_has_job(gpointer user, const GError *error)
{
    LifecycleChange *change = user;
    g_autofree char *old_name = g_strdup(change->domain->name);
    g_autoptr(GError) local = NULL;

    change->has_job = !error;
    if (error || !lifecycle_may_rename(change->driver, change->domain, change->name, &local) ||
        !vt_domain_list_rename(change->driver, change->domain, change->name, &local)) {
        lifecycle_change_end(change, error ? error : local);
        return;
    }
    g_free(change->name);
    change->name = g_strdup(old_name);
    vt_store_def_rename(change->driver, change->domain, old_name, lifecycle_renamed, change);
}

void
vt_lifecycle_rename(VtDriver *driver, VtDomain *domain, const char *name, VtDoneFunc done, gpointer user)
{
    LifecycleChange *change = lifecycle_change_new(driver, domain, done, user);
    g_autoptr(GError) error = NULL;

    /* What is wrong already needs no waiting. */
    if (!lifecycle_may_rename(driver, domain, name, &error)) {
        lifecycle_change_end(change, error);
        return;
    }
    change->name = g_strdup(name);
    vt_job_begin(domain, VT_JOB_MODIFY, LIFECYCLE_JOB_MS, lifecycle_rename_has_job, change);
}

/* ---- autostart ---- */

gboolean
vt_lifecycle_set_autostart(VtDriver *driver, VtDomain *domain, gboolean on, GError **error)
{
    if (!domain->persistent)
        return vt_error_set(error, VT_ERROR_OPERATION_INVALID,
                            _("cannot set autostart for transient domain"));
    if (domain->autostart == !!on)
        return TRUE;
    return vt_store_set_autostart(driver, domain, on, error);
}

gboolean
vt_lifecycle_get_autostart(VtDriver *driver, VtDomain *domain)
{
    return vt_store_get_autostart(driver, domain);
}

/* ---- start ---- */

typedef struct {
    VtDriver *driver;
    VtDomain *domain;     /* with a reference */
    VtStartParams params; /* for vt_start_run() */
    guint flags;
    gboolean admitted; /* the live definition came with this call: without a start it goes again */
    VtDomain **result; /* nullable */
    VtDoneFunc done;
    gpointer user;
} LifecycleStart;

static void
lifecycle_start_free(LifecycleStart *start)
{
    vt_domain_unref(start->domain);
    g_free(start);
}

static void
lifecycle_started(gpointer user, const GError *error)
{
    LifecycleStart *start = user;

    vt_job_end(start->domain);
    if (!error && start->result)
        *start->result = start->domain;
    start->done(start->user, error);
    lifecycle_start_free(start);
}

static void
lifecycle_start_has_job(gpointer user, const GError *error)
{
    LifecycleStart *start = user;

    if (!error) {
        vt_restore_start(&start->params, start->flags, lifecycle_started, start);
        return;
    }
    if (start->admitted && start->domain->live && !vt_domain_is_active(start->domain) &&
        !start->domain->starting) {
        vt_domain_end_run(start->domain, start->domain->reason);
        vt_domain_list_prune(start->driver, start->domain);
    }
    start->done(start->user, error);
    lifecycle_start_free(start);
}

static void
lifecycle_start(LifecycleStart *start, guint flags, VtOwner *owner)
{
    start->flags = flags;
    start->params = (VtStartParams){
        .driver = start->driver,
        .domain = start->domain,
        .paused = !!(flags & CREATE_PAUSED),
        .owner = flags & CREATE_AUTODESTROY ? owner : NULL,
    };
    vt_job_begin(start->domain, VT_JOB_MODIFY, LIFECYCLE_JOB_MS, lifecycle_start_has_job, start);
}

void
vt_lifecycle_create(VtDriver *driver, VtDomain *domain, guint flags, VtOwner *owner, VtDoneFunc done,
                    gpointer user)
{
    g_autoptr(GError) error = NULL;
    LifecycleStart *start;

    if (!lifecycle_check_flags(flags, CREATE_ALL, "virDomainCreateWithFlags", &error)) {
        done(user, error);
        return;
    }
    if (vt_domain_is_active(domain)) {
        vt_error_set(&error, VT_ERROR_OPERATION_INVALID, _("domain is already running"));
        done(user, error);
        return;
    }
    start = g_new0(LifecycleStart, 1);
    start->driver = driver;
    start->domain = vt_domain_ref(domain);
    start->done = done;
    start->user = user;
    lifecycle_start(start, flags, owner);
}

void
vt_lifecycle_create_xml(VtDriver *driver, const char *xml, guint flags, VtOwner *owner, VtDomain **domain,
                        VtDoneFunc done, gpointer user)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VtDomainDef) def = NULL;
    VtDomain *admitted = NULL;
    LifecycleStart *start;

    if (lifecycle_check_flags(flags, CREATE_ALL | CREATE_VALIDATE, "virDomainCreateXML", &error))
        def = lifecycle_read(driver, xml, &error);
    if (def)
        admitted = vt_domain_list_admit(driver, g_steal_pointer(&def), TRUE, &error);
    if (!admitted) {
        done(user, error);
        return;
    }
    start = g_new0(LifecycleStart, 1);
    start->driver = driver;
    start->domain = vt_domain_ref(admitted);
    start->admitted = TRUE;
    start->result = domain;
    start->done = done;
    start->user = user;
    lifecycle_start(start, flags, owner);
}
