/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The destination's side: Prepare, Finish, and what happens when Finish never comes.
 *
 * The order at the end is what keeps a guest from running twice: the journal says "finishing" (on disk), the
 * client is answered (the bytes are in its socket when the callback returns), only then the CPUs are started.
 * qemu/mig-phase.c has the table and the reasons.
 */
#define VT_LOG_DOMAIN "virtteam-driver-migrate"

#include "driver/migrate-dst.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include "conf/domain-xml.h"
#include "driver/datapath.h"
#include "driver/domain-list.h"
#include "driver/domain-private.h"
#include "driver/event.h"
#include "driver/host-port.h"
#include "driver/job.h"
#include "driver/journal.h"
#include "driver/migrate-dst-prepare.h"
#include "driver/start.h"
#include "driver/stop.h"
#include "driver/store-def.h"
#include "driver/team-keep.h"
#include "driver/team-manage.h"
#include "driver/timeline-log.h"
#include "qemu/mig-dst.h"
#include "qemu/mig-phase.h"
#include "qemu/mig-uri.h"
#include "qemu/qmp-event.h"
#include "util/i18n.h"
#include "util/log.h"
#include "util/message-id.h"

#define MIGRATE_DST_KEY     "migrate-dst"
#define MIGRATE_DST_DEFINES "defines" /* in the journal: Finish writes a definition that was not there */

typedef struct {
    guint refs;
    VtDriver *driver;
    VtDomain *domain; /* with a reference */
    char *name;
    VtOwner *owner; /* NULL: gone */
    VtMigDstPhase phase;
    VtUuid id;
    VtMigDst *engine;
    VtMigParams *params;
    VtMigUri *uri;
    char *listen;       /* as QEMU takes it */
    char *why;          /* DEAD: how QEMU ended */
    VtTimelineLog *log; /* the domain owns it */
    gboolean has_job, listening, over;
    gboolean tried;   /* to start QEMU */
    gboolean defines; /* Finish does, anew */
    guint awaited;    /* Finish: the guest, and the journal where it defines */
    VtMigrateDone done;
    gpointer user;
    guint flags;
} MigrateIn;

/* Those under way, by nobody's domain: one whose QEMU died has no domain any more. */
static GPtrArray *
migrate_in_list(VtDriver *driver)
{
    GPtrArray *list = vt_driver_data(driver, MIGRATE_DST_KEY);

    if (!list) {
        list = g_ptr_array_new();
        vt_driver_set_data(driver, MIGRATE_DST_KEY, list, (GDestroyNotify)g_ptr_array_unref);
    }
    return list;
}

static MigrateIn *
migrate_in_find(VtDriver *driver, const char *name)
{
    GPtrArray *list = migrate_in_list(driver);

    for (guint i = 0; i < list->len; i++) {
        MigrateIn *in = g_ptr_array_index(list, i);

        if (g_strcmp0(in->name, name) == 0)
            return in;
    }
    return NULL;
}

static void
migrate_in_unref(MigrateIn *in)
{
    if (--in->refs > 0)
        return;
    vt_mig_dst_free(in->engine);
    vt_mig_params_free(in->params);
    vt_mig_uri_free(in->uri);
    vt_domain_unref(in->domain);
    g_free(in->listen);
    g_free(in->why);
    g_free(in->name);
    g_free(in);
}

static void
migrate_in_set_phase(MigrateIn *in, VtMigDstPhase phase)
{
    if (!vt_mig_phase_dst_may_follow(in->phase, phase) && phase != VT_MIG_DST_NONE)
        vt_log_error("migration of domain '%s': phase %s does not follow %s", in->name,
                     vt_mig_phase_dst_row(phase)->name, vt_mig_phase_dst_row(in->phase)->name);
    vt_log_info("dom=%s dst %s -> %s", in->name, vt_mig_phase_dst_row(in->phase)->name,
                vt_mig_phase_dst_row(phase)->name);
    in->phase = phase;
    if (vt_journal_kind(in->domain))
        vt_journal_set(in->domain, "phase", vt_mig_phase_dst_row(phase)->name);
}

static void
migrate_in_reply(MigrateIn *in, const VtMigrateReply *reply, const GError *error)
{
    VtMigrateDone done = in->done;

    in->done = NULL;
    if (done)
        done(in->user, reply, error);
}

static void
migrate_in_event(VtDomain *domain, const VtQmpEvent *event, gpointer user)
{
    MigrateIn *in = user;
    VtQmpEventInfo info;

    switch ((int)vt_qmp_event_decode(event, &info)) {
    case VT_QMP_EVENT_FAILOVER_NEGOTIATED:
        vt_timeline_log_note(in->log, VT_TIMELINE_NEGOTIATED, info.device, NULL);
        break;
    case VT_QMP_EVENT_RESUME:
        vt_timeline_log_note(in->log, VT_TIMELINE_RESUME, NULL, NULL);
        break;
    default:
        break;
    }
    if (in->engine)
        vt_mig_dst_event(in->engine, event);
}

static void
migrate_in_exited(VtDomain *domain, const char *why, gpointer user)
{
    MigrateIn *in = user;

    g_free(in->why);
    in->why = g_strdup(why);
    if (in->engine)
        vt_mig_dst_gone(in->engine, why);
    if (in->phase == VT_MIG_DST_PREPARED)
        migrate_in_set_phase(in, VT_MIG_DST_DEAD);
}

static const VtDomainQmpFuncs migrate_in_listener = { .event = migrate_in_event,
                                                      .exited = migrate_in_exited };

static MigrateIn *
migrate_in_new(VtDriver *driver, VtDomain *domain, const VtUuid *id, VtOwner *owner)
{
    MigrateIn *in = g_new0(MigrateIn, 1);
    const VtDriverConfig *config = vt_driver_config(driver);
    char text[VT_UUID_STRING_SIZE];

    in->refs = 1;
    in->driver = driver;
    in->domain = vt_domain_ref(domain);
    in->name = g_strdup(vt_domain_name(domain));
    in->owner = owner;
    in->id = *id;
    in->log = vt_timeline_log_open(config->log_dir, vt_uuid_format(id, text), in->name, config->hostname,
                                   VT_TIMELINE_DESTINATION);
    g_ptr_array_add(migrate_in_list(driver), in);
    vt_domain_set_data(domain, VT_TIMELINE_LOG_KEY, in->log, (GDestroyNotify)vt_timeline_log_close);
    vt_domain_add_qmp_listener(domain, &migrate_in_listener, in);
    return in;
}

/* QEMU leaves the socket it listened on where it was. */
static void
migrate_in_remove_socket(const char *path)
{
    GStatBuf st;

    if (path && g_lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) && g_unlink(path) < 0)
        vt_log_warning("cannot remove the socket '%s' of a migration: %s", path, g_strerror(errno));
}

static void
migrate_in_end(MigrateIn *in, VtJobType type)
{
    if (in->over)
        return;
    in->over = TRUE;
    if (in->tried && in->uri && in->uri->kind == VT_MIG_URI_UNIX)
        migrate_in_remove_socket(in->uri->path);
    migrate_in_set_phase(in, VT_MIG_DST_NONE);
    /* A guest whose primary is still on its way goes on noting. */
    if (type != VT_JOB_TYPE_COMPLETED || vt_datapath_count(in->domain) == 0) {
        vt_timeline_log_note(in->log, VT_TIMELINE_END, NULL, NULL);
        vt_domain_set_data(in->domain, VT_TIMELINE_LOG_KEY, NULL, NULL);
    }
    in->log = NULL;
    vt_domain_remove_qmp_listener(in->domain, &migrate_in_listener, in);
    g_ptr_array_remove(migrate_in_list(in->driver), in);
    vt_journal_end(in->domain);
    if (in->has_job) {
        vt_migrate_job_end(in->driver, in->domain, type);
        vt_job_end(in->domain);
    }
    in->has_job = FALSE;
    migrate_in_unref(in);
}

/* A definition that came with a guest that did not: two hosts would start it. */
static void
migrate_in_undefine(VtDriver *driver, VtDomain *domain, VtDoneFunc done, gpointer user)
{
    g_autoptr(GError) error = NULL;
    gboolean waits = vt_store_def_remove(driver, domain, done, user, &error);

    vt_event_lifecycle(driver, domain, VT_MIGRATE_EVENT_UNDEFINED, 0);
    vt_domain_set_persistent_def(domain, NULL);
    if (!waits)
        done(user, error);
}

static void
migrate_in_undefined(gpointer user, const GError *error)
{
    MigrateIn *in = user;
    g_autoptr(VtDomain) domain = vt_domain_ref(in->domain);
    VtDriver *driver = in->driver;

    if (error)
        vt_log_warning("domain '%s' did not arrive, but its definition did: %s", in->name, error->message);
    if (!vt_domain_is_active(domain))
        vt_team_keep_forget(domain);
    /* Refused before a start was tried: what was to run is on the domain still, and nobody else takes it away. */
    if (!in->tried && !vt_domain_is_active(domain))
        g_clear_pointer(&domain->live, vt_domain_def_free);
    migrate_in_end(in, VT_JOB_TYPE_FAILED);
    vt_domain_list_prune(driver, domain);
    migrate_in_unref(in);
}

/* End the QEMU that waits, then everything; the domain goes too, if nothing else keeps it. */
static void
migrate_in_stopped(gpointer user, const GError *error)
{
    MigrateIn *in = user;

    if (in->defines && vt_domain_is_persistent(in->domain))
        migrate_in_undefine(in->driver, in->domain, migrate_in_undefined, in);
    else
        migrate_in_undefined(in, NULL);
}

static void
migrate_in_destroy(MigrateIn *in)
{
    const VtStopParams params = {
        .driver = in->driver,
        .domain = in->domain,
        .reason = VT_SHUTOFF_FAILED,
        .detail = -1,
    };

    in->refs++;
    vt_stop_run(&params, migrate_in_stopped, in);
}

static void
migrate_in_fail(MigrateIn *in, const GError *error)
{
    vt_timeline_log_note(in->log, VT_TIMELINE_FAILED, NULL, error->message);
    migrate_in_reply(in, NULL, error);
    migrate_in_destroy(in);
}

/* ---- Prepare ---- */

static gboolean
migrate_in_has_port(guint port, gpointer user)
{
    GPtrArray *list = migrate_in_list(user);

    for (guint i = 0; i < list->len; i++) {
        const MigrateIn *in = g_ptr_array_index(list, i);

        if (in->uri && in->uri->kind == VT_MIG_URI_TCP && in->uri->port == port)
            return TRUE;
    }
    return FALSE;
}

static VtQmpClient *
migrate_in_qmp(gpointer user)
{
    return vt_migrate_qmp(((MigrateIn *)user)->domain);
}

static void
migrate_in_stats(const VtMigStats *stats, gpointer user)
{
    vt_migrate_job_stats(((MigrateIn *)user)->domain, stats);
}

static const VtMigDstFuncs migrate_in_funcs = { .qmp = migrate_in_qmp, .stats = migrate_in_stats };

static void
migrate_prepared(gpointer user, const GError *error)
{
    MigrateIn *in = user;
    VtMigrateReply reply = { 0 };

    if (!in->over && error) {
        migrate_in_fail(in, error);
    } else if (!in->over && !in->owner) {
        g_autoptr(GError) gone =
            g_error_new(VT_ERROR, VT_ERROR_ABORTED, _("the client of the migration is gone"));

        migrate_in_fail(in, gone);
    } else if (!in->over) {
        g_autoptr(VtMigCookie) cookie = vt_migrate_cookie_new(in->driver, in->domain, &in->id);

        cookie->timeline = vt_timeline_log_text(in->log);
        reply.cookie = vt_mig_cookie_format(cookie);
        reply.text = vt_mig_uri_format(in->uri);
        migrate_in_reply(in, &reply, NULL);
        vt_migrate_reply_clear(&reply);
    }
    migrate_in_unref(in);
}

static void
migrate_prepare_listens(gpointer user, const GError *error)
{
    MigrateIn *in = user;

    if (error) {
        migrate_in_fail(in, error);
        return;
    }
    migrate_in_set_phase(in, VT_MIG_DST_PREPARED);
    vt_timeline_log_note(in->log, VT_TIMELINE_PREPARED, NULL, in->listen);
    vt_migrate_job_phase(in->domain, "waiting");
    in->refs++;
    vt_migrate_journal(in->domain, migrate_prepared, in);
}

static void
migrate_prepare_started(gpointer user, const GError *error)
{
    MigrateIn *in = user;
    VtSeqHooks hooks;

    if (error) {
        /* The start has undone itself. */
        in->refs++;
        vt_timeline_log_note(in->log, VT_TIMELINE_FAILED, NULL, error->message);
        migrate_in_reply(in, NULL, error);
        migrate_in_end(in, VT_JOB_TYPE_FAILED);
        migrate_in_unref(in);
        return;
    }
    vt_journal_hooks(in->domain, &hooks);
    in->engine = vt_mig_dst_new(in->params, &hooks, &migrate_in_funcs, in);
    vt_mig_dst_listen(in->engine, in->listen, migrate_prepare_listens, in);
}

static void
migrate_prepare_journalled(gpointer user, const GError *error)
{
    MigrateIn *in = user;
    const VtStartParams params = {
        .driver = in->driver, .domain = in->domain, .incoming = "defer", .migrated = TRUE
    };

    in->tried = error == NULL;
    if (error)
        migrate_in_fail(in, error);
    else
        vt_start_run(&params, migrate_prepare_started, in);
    migrate_in_unref(in);
}

static void
migrate_prepare_has_job(gpointer user, const GError *error)
{
    MigrateIn *in = user;
    g_autoptr(GError) local = NULL;
    char id[VT_UUID_STRING_SIZE];

    in->has_job = error == NULL;
    if (error || !vt_migrate_dst_listen(vt_driver_config(in->driver), in->params, migrate_in_has_port,
                                        in->driver, &in->uri, &in->listen, &local)) {
        migrate_in_fail(in, error ? error : local);
        return;
    }
    vt_journal_begin(in->domain, "migrate-in");
    vt_journal_set(in->domain, "id", vt_uuid_format(&in->id, id));
    if (in->uri->kind == VT_MIG_URI_UNIX)
        vt_journal_set(in->domain, "socket", in->uri->path);
    migrate_in_set_phase(in, VT_MIG_DST_PREPARING);
    in->refs++;
    vt_migrate_journal(in->domain, migrate_prepare_journalled, in);
}

/* Teams that a user has put on standby stay there; why they are there otherwise is the source's business. */
static void
migrate_prepare_keep(VtDomain *domain, const VtMigCookie *cookie)
{
    for (guint i = 0; i < cookie->teams->len; i++) {
        const VtMigCookieTeam *team = g_ptr_array_index(cookie->teams, i);

        if (team->kept)
            vt_team_keep_add(domain, team->persistent, VT_TEAM_KEEP_USER, NULL);
    }
}

void
vt_migrate_prepare(VtDriver *driver, const VtTypedParams *params, GBytes *bytes, guint flags, VtOwner *owner,
                   VtMigrateDone done, gpointer user)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VtMigParams) parsed = vt_mig_params_parse(params, flags, &error);
    g_autoptr(VtMigCookie) cookie = parsed ? vt_mig_cookie_parse(bytes, &error) : NULL;
    VtDomainDef *def = cookie ? vt_migrate_dst_def(driver, parsed, cookie, &error) : NULL;
    VtDomain *domain = def ? vt_domain_list_admit(driver, def, TRUE, &error) : NULL;
    MigrateIn *in;

    if (!domain) {
        done(user, NULL, error);
        return;
    }
    migrate_prepare_keep(domain, cookie);
    in = migrate_in_new(driver, domain, &cookie->id, owner);
    in->params = g_steal_pointer(&parsed);
    in->done = done;
    in->user = user;
    vt_timeline_log_adopt(in->log, cookie->timeline);
    vt_job_begin(domain, VT_JOB_MIGRATION_IN, VT_MIGRATE_JOB_MS, migrate_prepare_has_job, in);
}

/* ---- Finish ---- */

static void
migrate_finish_resumed(MigrateIn *in)
{
    vt_journal_end(in->domain);
    migrate_in_end(in, VT_JOB_TYPE_COMPLETED);
    vt_team_manage_arrived(in->domain);
    migrate_in_unref(in);
}

static void
migrate_finish_cont(gpointer user, JsonNode *result, const GError *error)
{
    MigrateIn *in = user;

    if (error)
        vt_log_id_error(
            VT_MESSAGE_MIGRATION_NOT_RESUMED, in->name,
            "domain '%s' has arrived here complete, but its CPUs do not start: %s; it is paused: try 'virsh "
            "resume'",
            in->name, error->message);
    migrate_finish_resumed(in);
}

/* The client knows now, and will not ask the source to go on: from here the guest is ours whatever happens. */
static void
migrate_finish_run(MigrateIn *in)
{
    VtQmpClient *qmp = vt_domain_qmp(in->domain, NULL);

    migrate_in_set_phase(in, VT_MIG_DST_RESUMING);
    if ((in->flags & VT_MIG_FLAG_PAUSED) || !qmp) {
        /* As if a client had suspended it: a later migration that fails must not resume it. */
        if (vt_domain_is_active(in->domain)) {
            vt_domain_set_state(in->domain, VT_DOMAIN_PAUSED, VT_MIGRATE_PAUSED_USER);
            vt_event_lifecycle(in->driver, in->domain, VT_MIGRATE_EVENT_SUSPENDED, 0);
        }
        migrate_finish_resumed(in);
        return;
    }
    vt_host_port_set_up(in->domain, TRUE); /* QEMU announces the guest as soon as it runs */
    vt_domain_expect_resume(in->domain, VT_MIGRATE_RUNNING_MIGRATED);
    vt_qmp_client_call(qmp, "cont", NULL, VT_MIGRATE_JOB_MS, migrate_finish_cont, in);
}

static void
migrate_finish_arrived(gpointer user, const GError *nothing)
{
    MigrateIn *in = user;
    g_autoptr(VtMigCookie) cookie = NULL;
    VtMigrateReply reply = { 0 };

    if (in->over) {
        migrate_in_unref(in);
        return;
    }
    /* The last moment to say no: from here on the source ends its copy. A guest whose QEMU has died stays "active"
     * until its stop sequence is through, and one that we cannot talk to cannot be started. */
    if (!in->owner || in->why || !vt_domain_is_active(in->domain) || !vt_domain_qmp(in->domain, NULL)) {
        g_autoptr(GError) error = g_error_new(VT_ERROR, VT_ERROR_OPERATION_FAILED, "%s",
                                              in->owner ? _("QEMU ended before the guest could run here")
                                                        : _("the client of the migration is gone"));

        migrate_in_fail(in, error);
        migrate_in_unref(in);
        return;
    }
    cookie = vt_migrate_cookie_new(in->driver, in->domain, &in->id);
    cookie->timeline = vt_timeline_log_text(in->log);
    reply.cookie = vt_mig_cookie_format(cookie);
    reply.domain = vt_domain_ref(in->domain);
    vt_event_lifecycle(in->driver, in->domain, VT_MIGRATE_EVENT_STARTED, VT_MIGRATE_STARTED_MIGRATED);
    migrate_in_reply(in, &reply, NULL);
    vt_migrate_reply_clear(&reply);
    if (in->owner) {
        migrate_finish_run(in);
        return;
    }
    /* The answer did not get out: the client, if it lives, asks the source to go on. */
    vt_log_warning("domain '%s': the client was gone when it was to be told that the guest is here",
                   in->name);
    migrate_in_destroy(in);
    migrate_in_unref(in);
}

static void
migrate_finish_journalled(gpointer user, const GError *error)
{
    MigrateIn *in = user;

    if (in->over || error) {
        if (!in->over)
            migrate_in_fail(in, error);
        migrate_in_unref(in);
        return;
    }
    /* The host has to feed both legs before the CPUs run: the guest may take its primary at once. */
    vt_datapath_event(in->domain, NULL, VT_HANDOVER_GUEST_ARRIVES, migrate_finish_arrived, in);
}

static VtDomainDef *
migrate_finish_def(const MigrateIn *in, GError **error)
{
    const VtDomainDef *live = vt_domain_def(in->domain);
    g_autofree char *xml = NULL;
    VtDomainDef *def;

    if (!in->params->persistent_xml)
        xml = vt_domain_xml_format(live, -1, VT_XML_FORMAT_INACTIVE | VT_XML_FORMAT_SECURE);
    def = vt_domain_xml_parse(xml ? xml : in->params->persistent_xml, error);
    if (def) {
        g_free(def->name);
        def->name = g_strdup(live->name);
    }
    return def;
}

/* The definition is on the disk, if there is one to be. */
static void
migrate_finish_persisted(gpointer user, const GError *error)
{
    MigrateIn *in = user;

    /* Without a client, somebody takes it all down already. */
    if (in->over || !in->owner) {
        migrate_in_unref(in);
        return;
    }
    if (error) {
        migrate_in_fail(in, error);
        migrate_in_unref(in);
        return;
    }
    if (in->flags & VT_MIG_FLAG_PERSIST_DEST)
        vt_event_lifecycle(in->driver, in->domain, VT_MIGRATE_EVENT_DEFINED, 0);
    migrate_in_set_phase(in, VT_MIG_DST_FINISHING);
    vt_migrate_journal(in->domain, migrate_finish_journalled, in);
}

static void
migrate_finish_persist(MigrateIn *in)
{
    g_autoptr(VtDomainDef) def = NULL, former = NULL;
    g_autoptr(GError) error = NULL;

    in->refs++;
    if (in->flags & VT_MIG_FLAG_PERSIST_DEST)
        def = migrate_finish_def(in, &error);
    if (!def) {
        migrate_finish_persisted(in, error);
        return;
    }
    former = vt_domain_is_persistent(in->domain) ? vt_domain_def_copy(in->domain->persistent) : NULL;
    vt_domain_set_persistent_def(in->domain, g_steal_pointer(&def));
    vt_store_def_save(in->driver, in->domain, g_steal_pointer(&former), migrate_finish_persisted, in);
}

static void
migrate_finish_loaded(gpointer user, const GError *error)
{
    MigrateIn *in = user;

    if (error)
        migrate_in_fail(in, error);
    else if (--in->awaited == 0)
        migrate_finish_persist(in);
}

/* The journal says that the definition is new: a daemon that takes the guest down takes it away again. */
static void
migrate_finish_noted(gpointer user, const GError *error)
{
    MigrateIn *in = user;

    if (!in->over && in->owner && in->phase == VT_MIG_DST_AWAITING && --in->awaited == 0)
        migrate_finish_persist(in);
    migrate_in_unref(in);
}

static void
migrate_finish_cancelled(MigrateIn *in)
{
    g_autoptr(GError) error =
        in->phase == VT_MIG_DST_DEAD
            ? g_error_new(VT_ERROR, VT_ERROR_OPERATION_FAILED, "%s", in->why ? in->why : _("QEMU has ended"))
            : g_error_new(VT_ERROR, VT_ERROR_MIGRATE_FINISH_OK,
                          _("the migration of domain '%s' was cleaned up here"), in->name);

    migrate_in_fail(in, error);
}

void
vt_migrate_finish(VtDriver *driver, const VtTypedParams *params, GBytes *cookie, guint flags,
                  gboolean cancelled, VtOwner *owner, VtMigrateDone done, gpointer user)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VtMigParams) parsed = vt_mig_params_parse(params, flags, &error);
    MigrateIn *in = parsed ? migrate_in_find(driver, parsed->destination_name) : NULL;
    VtMigCall call = cancelled ? VT_MIG_CALL_FINISH_CANCELLED : VT_MIG_CALL_FINISH;
    VtMigDstPhase next = VT_MIG_DST_NONE;

    if (parsed && !in)
        vt_error_set(&error, VT_ERROR_NO_DOMAIN, _("no domain with matching name '%s'"),
                     parsed->destination_name ? parsed->destination_name : "");
    else if (in && in->done)
        vt_error_set(&error, VT_ERROR_OPERATION_INVALID,
                     _("another call of the migration of '%s' is being served"), in->name);
    else if (in && vt_mig_phase_dst_call(in->phase, call, &next, &error))
        vt_migrate_carries_on(&in->id, in->name, in->owner, owner, cookie, &error);
    if (error) {
        done(user, NULL, error);
        return;
    }
    in->done = done;
    in->user = user;
    in->flags = flags;
    in->owner = owner;
    if (next != VT_MIG_DST_AWAITING) {
        migrate_finish_cancelled(in);
        return;
    }
    if (parsed->persistent_xml && !in->params->persistent_xml)
        in->params->persistent_xml = g_strdup(parsed->persistent_xml);
    migrate_in_set_phase(in, VT_MIG_DST_AWAITING);
    vt_migrate_job_phase(in->domain, "loading");
    in->awaited = 1;
    in->defines = (flags & VT_MIG_FLAG_PERSIST_DEST) && !vt_domain_is_persistent(in->domain);
    if (in->defines) {
        in->awaited++;
        in->refs++;
        vt_journal_set(in->domain, MIGRATE_DST_DEFINES, "yes");
        vt_journal_sync(in->domain, migrate_finish_noted, in);
    }
    vt_mig_dst_await(in->engine, migrate_finish_loaded, in);
}

/* ---- clients that go, daemons that come ---- */

static void
migrate_in_owner_gone(MigrateIn *in)
{
    g_autoptr(GError) gone =
        g_error_new_literal(VT_ERROR, VT_ERROR_ABORTED, _("the client of the migration is gone"));

    in->owner = NULL;
    migrate_in_reply(in, NULL, gone); /* nobody hears it, but every call is answered */
    switch (vt_mig_phase_dst_row(in->phase)->client_gone) {
    case VT_MIG_CLEANUP_DESTROY:
        vt_log_id_info(VT_MESSAGE_MIGRATION_CLIENT_GONE_DESTINATION, in->name,
                       "domain '%s': the client that migrates it here is gone", in->name);
        /* While QEMU is being started, or the answer is on its way, whoever is told next finds no owner. */
        if (in->phase == VT_MIG_DST_PREPARED || in->phase == VT_MIG_DST_AWAITING)
            migrate_in_destroy(in);
        break;
    case VT_MIG_CLEANUP_FORGET:
        migrate_in_end(in, VT_JOB_TYPE_FAILED);
        break;
    case VT_MIG_CLEANUP_NOTHING:
    case VT_MIG_CLEANUP_GO_ON:
    case VT_MIG_CLEANUP_RETURN:
    case VT_MIG_CLEANUP_LEAVE:
    case VT_MIG_CLEANUP_STOP_SOURCE:
    case VT_MIG_CLEANUP_ASK_QEMU:
    case VT_MIG_CLEANUP_LOOK:
    case VT_MIG_CLEANUP_WAIT:
    case VT_MIG_CLEANUP_COUNT:
        break;
    }
}

void
vt_migrate_dst_owner_gone(VtDriver *driver, VtOwner *owner)
{
    g_autoptr(GPtrArray) list = g_ptr_array_copy(migrate_in_list(driver), NULL, NULL);

    for (guint i = 0; i < list->len; i++) {
        MigrateIn *in = g_ptr_array_index(list, i);

        if (in->owner == owner)
            migrate_in_owner_gone(in);
    }
}

typedef struct {
    VtDriver *driver;
    VtDomain *domain; /* with a reference */
    VtDoneFunc done;
    gpointer user;
} MigrateInRecovery;

static void
migrate_in_recovered(gpointer user, const GError *error)
{
    MigrateInRecovery *recovery = user;

    vt_journal_end(recovery->domain);
    vt_domain_list_prune(recovery->driver, recovery->domain);
    recovery->done(recovery->user, error);
    vt_domain_unref(recovery->domain);
    g_free(recovery);
}

static void
migrate_in_recover_stopped(gpointer user, const GError *error)
{
    MigrateInRecovery *recovery = user;

    if (vt_journal_get(recovery->domain, MIGRATE_DST_DEFINES) && vt_domain_is_persistent(recovery->domain))
        migrate_in_undefine(recovery->driver, recovery->domain, migrate_in_recovered, recovery);
    else
        migrate_in_recovered(recovery, error);
}

/* Whether the client was told that the guest is here is not known any more: the guest must not start by itself. */
static void
migrate_in_keep(VtDomain *domain)
{
    if (vt_domain_state(domain, NULL) == VT_DOMAIN_RUNNING) {
        vt_log_id_info(VT_MESSAGE_MIGRATION_ARRIVED, vt_domain_name(domain),
                       "domain '%s' has arrived and runs", vt_domain_name(domain));
        return;
    }
    vt_log_id_error(
        VT_MESSAGE_MIGRATION_LEFT_DESTINATION, vt_domain_name(domain),
        "domain '%s' has arrived here by migration, but the daemon ended before it could tell anybody, and it "
        "is not known whether its source went on. It stays paused here. Look at the source: if the guest "
        "runs there, 'virsh destroy' it here; if it does not, and only then, 'virsh resume' it here.",
        vt_domain_name(domain));
}

void
vt_migrate_dst_recover(VtDriver *driver, VtDomain *domain, VtDoneFunc done, gpointer user)
{
    int phase = vt_mig_phase_dst_parse(vt_journal_get(domain, "phase"));
    MigrateInRecovery *recovery;
    const VtStopParams params = {
        .driver = driver, .domain = domain, .reason = VT_SHUTOFF_FAILED, .detail = -1
    };

    if (phase >= 0 && vt_mig_phase_dst_row((VtMigDstPhase)phase)->restart == VT_MIG_CLEANUP_ASK_QEMU) {
        migrate_in_keep(domain);
        migrate_in_remove_socket(vt_journal_get(domain, "socket"));
        vt_journal_end(domain);
        vt_team_manage_arrived(domain);
        done(user, NULL);
        return;
    }
    migrate_in_remove_socket(vt_journal_get(domain, "socket"));
    vt_log_id_info(VT_MESSAGE_MIGRATION_INTERRUPTED_DESTINATION, vt_domain_name(domain),
                   "domain '%s': the migration that brings it was interrupted by the end of the daemon",
                   vt_domain_name(domain));
    recovery = g_new0(MigrateInRecovery, 1);
    recovery->driver = driver;
    recovery->domain = vt_domain_ref(domain);
    recovery->done = done;
    recovery->user = user;
    vt_stop_run(&params, migrate_in_recover_stopped, recovery);
}
