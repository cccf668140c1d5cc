/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The source's side: Begin, Perform, Confirm, and what happens when one of them never comes.
 *
 * qemu/mig-phase.c has the table of phases and its reasons. What is on the disk (journal of kind "migrate-out",
 * key "phase") is written before the phase begins where a successor has to know: perform, perform-done (before
 * Perform is answered), returning, confirming, left.
 */
#define VT_LOG_DOMAIN "virtteam-driver-migrate"

#include "driver/migrate-src.h"

#include <string.h>
#include "conf/domain-xml.h"
#include "driver/datapath.h"
#include "driver/domain-private.h"
#include "driver/event.h"
#include "driver/job.h"
#include "driver/journal.h"
#include "driver/lifecycle.h"
#include "driver/migrate-src-check.h"
#include "driver/migrate-src-engine.h"
#include "driver/stop.h"
#include "driver/team-manage.h"
#include "driver/timeline-log.h"
#include "qemu/mig-phase.h"
#include "qemu/mig-uri.h"
#include "qemu/qmp-event.h"
#include "util/i18n.h"
#include "util/log.h"
#include "util/message-id.h"

#define MIGRATE_SRC_KEY "migrate-src"

typedef struct {
    guint refs;
    VtDriver *driver;
    VtDomain *domain; /* with a reference */
    VtOwner *owner;   /* NULL: gone */
    VtMigSrcPhase phase;
    VtUuid id; /* of the migration */
    VtMigSrc *engine;
    VtMigParams *params;
    VtTimelineLog *log; /* the domain owns it */
    gboolean has_job;
    gboolean over;    /* off the domain */
    gboolean aborted; /* before Perform */
    /* the call being worked on; done NULL: none */
    VtMigrateDone done;
    gpointer user;
    guint flags;
    VtDoneFunc recovered;
    gpointer recovered_user;
    GError *failure; /* of what ends here, while its primaries come back */
} MigrateOut;

static void migrate_out_return(MigrateOut *out);
static void migrate_out_end(MigrateOut *out, VtJobType type);

static MigrateOut *
migrate_out_of(const VtDomain *domain)
{
    return vt_domain_data(domain, MIGRATE_SRC_KEY);
}

static void
migrate_out_unref(MigrateOut *out)
{
    if (--out->refs > 0)
        return;
    vt_mig_src_free(out->engine);
    vt_mig_params_free(out->params);
    vt_domain_unref(out->domain);
    g_clear_error(&out->failure);
    g_free(out);
}

/* The one writer of the phase. */
static void
migrate_out_set_phase(MigrateOut *out, VtMigSrcPhase phase)
{
    if (!vt_mig_phase_src_may_follow(out->phase, phase) && phase != VT_MIG_SRC_NONE)
        vt_log_error("migration of domain '%s': phase %s does not follow %s", vt_domain_name(out->domain),
                     vt_mig_phase_src_row(phase)->name, vt_mig_phase_src_row(out->phase)->name);
    vt_log_info("dom=%s src %s -> %s", vt_domain_name(out->domain), vt_mig_phase_src_row(out->phase)->name,
                vt_mig_phase_src_row(phase)->name);
    out->phase = phase;
    if (vt_journal_kind(out->domain))
        vt_journal_set(out->domain, "phase", vt_mig_phase_src_row(phase)->name);
}

static void
migrate_out_reply(MigrateOut *out, const VtMigrateReply *reply, const GError *error)
{
    VtMigrateDone done = out->done;

    out->done = NULL;
    if (done)
        done(out->user, reply, error);
}

static void
migrate_out_reply_cookie(MigrateOut *out)
{
    VtMigrateReply reply = { 0 };
    g_autoptr(VtMigCookie) cookie = vt_migrate_cookie_new(out->driver, out->domain, &out->id);

    cookie->timeline = vt_timeline_log_text(out->log);
    reply.cookie = vt_mig_cookie_format(cookie);
    migrate_out_reply(out, &reply, NULL);
    vt_migrate_reply_clear(&reply);
}

/* ---- what QEMU says ---- */

static void
migrate_out_event(VtDomain *domain, const VtQmpEvent *event, gpointer user)
{
    MigrateOut *out = user;
    VtQmpEventInfo info;

    switch ((int)vt_qmp_event_decode(event, &info)) {
    case VT_QMP_EVENT_MIGRATION_PASS:
        vt_event_iteration(out->driver, domain, (int)info.number);
        break;
    case VT_QMP_EVENT_STOP:
        vt_timeline_log_note(out->log, VT_TIMELINE_STOP, NULL, NULL);
        break;
    case VT_QMP_EVENT_RESUME:
        vt_timeline_log_note(out->log, VT_TIMELINE_RESUME, NULL, NULL);
        /* An operator has decided that the guest runs here: its primaries are still away. */
        if (out->phase == VT_MIG_SRC_LEFT && !out->engine)
            migrate_out_return(out);
        break;
    default:
        break;
    }
    if (out->engine)
        vt_mig_src_event(out->engine, event);
}

static void
migrate_out_exited(VtDomain *domain, const char *why, gpointer user)
{
    MigrateOut *out = user;

    if (out->engine)
        vt_mig_src_gone(out->engine, why);
    else if (out->phase == VT_MIG_SRC_LEFT || out->phase == VT_MIG_SRC_BEGUN)
        migrate_out_end(out, VT_JOB_TYPE_FAILED);
}

static const VtDomainQmpFuncs migrate_out_listener = { .event = migrate_out_event,
                                                       .exited = migrate_out_exited };

/* ---- begin and end of it all ---- */

static MigrateOut *
migrate_out_new(VtDriver *driver, VtDomain *domain, const VtUuid *id, VtOwner *owner)
{
    MigrateOut *out = g_new0(MigrateOut, 1);
    const VtDriverConfig *config = vt_driver_config(driver);
    char text[VT_UUID_STRING_SIZE];

    out->refs = 1;
    out->driver = driver;
    out->domain = vt_domain_ref(domain);
    out->owner = owner;
    out->id = *id;
    out->log = vt_timeline_log_open(config->log_dir, vt_uuid_format(id, text), vt_domain_name(domain),
                                    config->hostname, VT_TIMELINE_SOURCE);
    vt_domain_set_data(domain, MIGRATE_SRC_KEY, out, NULL);
    vt_domain_set_data(domain, VT_TIMELINE_LOG_KEY, out->log, (GDestroyNotify)vt_timeline_log_close);
    vt_domain_add_qmp_listener(domain, &migrate_out_listener, out);
    return out;
}

/* The migration is over on this side, well or not. */
static void
migrate_out_end(MigrateOut *out, VtJobType type)
{
    if (out->over)
        return;
    out->over = TRUE;
    vt_timeline_log_note(out->log, VT_TIMELINE_END, NULL, NULL);
    vt_domain_set_data(out->domain, VT_TIMELINE_LOG_KEY, NULL, NULL);
    out->log = NULL;
    vt_domain_remove_qmp_listener(out->domain, &migrate_out_listener, out);
    vt_domain_set_data(out->domain, MIGRATE_SRC_KEY, NULL, NULL);
    vt_journal_end(out->domain);
    if (out->has_job) {
        vt_migrate_job_end(out->driver, out->domain, type);
        vt_job_set_abort(out->domain, NULL, NULL);
        vt_job_end(out->domain);
    }
    out->has_job = FALSE;
    migrate_out_unref(out);
}

/* ---- Begin ---- */

static void
migrate_out_cancel(MigrateOut *out, const char *why)
{
    if (!vt_team_manage_cancel(out->domain, g_error_new_literal(VT_ERROR, VT_ERROR_ABORTED, why)))
        vt_mig_src_cancel(out->engine, g_error_new_literal(VT_ERROR, VT_ERROR_ABORTED, why));
}

static void
migrate_out_abort(gpointer user, guint flags)
{
    MigrateOut *out = user;

    vt_timeline_log_note(out->log, VT_TIMELINE_CANCELLED, NULL, "by a client");
    out->aborted = TRUE;
    if (out->engine && out->phase == VT_MIG_SRC_PERFORM)
        migrate_out_cancel(out, _("job 'migration out' canceled by client"));
}

static void
migrate_begin_answer(gpointer user, const GError *unsafe)
{
    MigrateOut *out = user;
    g_autoptr(GError) local = unsafe ? g_error_copy(unsafe) : NULL;
    g_autoptr(VtMigCookie) cookie = NULL;
    VtMigrateReply reply = { 0 };

    if (!local && out->aborted)
        vt_error_set(&local, VT_ERROR_ABORTED, _("job 'migration out' canceled by client"));
    if (!local && !out->owner)
        vt_error_set(&local, VT_ERROR_ABORTED, _("the client of the migration is gone"));
    if (local || !vt_migrate_src_check_state(out->domain, &local)) {
        migrate_out_reply(out, NULL, local);
        migrate_out_end(out, VT_JOB_TYPE_FAILED);
        return;
    }
    migrate_out_set_phase(out, VT_MIG_SRC_BEGUN);
    vt_timeline_log_note(out->log, VT_TIMELINE_BEGIN, NULL, NULL);
    cookie = vt_migrate_cookie_new(out->driver, out->domain, &out->id);
    reply.cookie = vt_mig_cookie_format(cookie);
    reply.text = out->params->destination_xml
                     ? g_strdup(out->params->destination_xml)
                     : vt_domain_xml_format(vt_domain_def(out->domain), -1,
                                            VT_XML_FORMAT_SECURE | VT_XML_FORMAT_MIGRATABLE);
    migrate_out_reply(out, &reply, NULL);
    vt_migrate_reply_clear(&reply);
}

static void
migrate_begin_has_job(gpointer user, const GError *error)
{
    MigrateOut *out = user;
    g_autoptr(GError) local = NULL;

    out->has_job = error == NULL;
    if (error || !vt_migrate_src_check_state(out->domain, &local)) {
        migrate_out_reply(out, NULL, error ? error : local);
        migrate_out_end(out, VT_JOB_TYPE_FAILED);
        return;
    }
    vt_job_set_abort(out->domain, migrate_out_abort, out);
    if (out->params->flags & VT_MIG_FLAG_UNSAFE)
        migrate_begin_answer(out, NULL);
    else
        vt_migrate_src_check_disks(out->domain, migrate_begin_answer, out);
}

void
vt_migrate_begin(VtDriver *driver, VtDomain *domain, const VtTypedParams *params, guint flags, VtOwner *owner,
                 VtMigrateDone done, gpointer user)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VtMigParams) parsed = vt_mig_params_parse(params, flags, &error);
    MigrateOut *out = migrate_out_of(domain);
    VtMigSrcPhase next;
    VtUuid id;

    if (parsed && out && out->phase == VT_MIG_SRC_NONE)
        vt_error_set(&error, VT_ERROR_OPERATION_INVALID,
                     _("another migration of domain '%s' is waiting to begin"), vt_domain_name(domain));
    else if (parsed && out)
        vt_mig_phase_src_call(out->phase, VT_MIG_CALL_BEGIN, &next, &error);
    if (!parsed || error || !vt_migrate_src_check(domain, parsed, &error)) {
        done(user, NULL, error);
        return;
    }
    vt_uuid_generate(&id);
    out = migrate_out_new(driver, domain, &id, owner);
    out->params = g_steal_pointer(&parsed);
    out->done = done;
    out->user = user;
    vt_job_begin(domain, VT_JOB_MIGRATION_OUT, VT_MIGRATE_JOB_MS, migrate_begin_has_job, out);
}

/* ---- Perform ---- */

static void
migrate_out_make_engine(MigrateOut *out, const char *uri)
{
    vt_mig_src_free(out->engine);
    out->engine = vt_migrate_src_engine_new(out->driver, out->domain, out->params, uri);
}

static void
migrate_perform_answer(gpointer user, const GError *error)
{
    MigrateOut *out = user;

    /* Without the journal a successor would resume the guest here while it runs there. */
    if (out->over) {
        migrate_out_reply(out, NULL, error);
    } else if (out->phase != VT_MIG_SRC_PERFORM_DONE) {
        vt_log_debug("domain '%s' is on its way back already", vt_domain_name(out->domain));
    } else if (error) {
        migrate_out_reply(out, NULL, error);
        migrate_out_set_phase(out, VT_MIG_SRC_LEFT);
        migrate_out_return(out);
    } else if (!out->owner) {
        vt_migrate_src_owner_gone(out->driver, out->domain, NULL);
    } else {
        migrate_out_reply_cookie(out);
    }
    migrate_out_unref(out);
}

/* The guest goes on here, with its primaries as far as they could be plugged in again. */
static void
migrate_failed(gpointer user, const GError *nothing)
{
    MigrateOut *out = user;
    g_autoptr(GError) error = g_steal_pointer(&out->failure);

    if (!out->over)
        migrate_out_set_phase(out, VT_MIG_SRC_NONE);
    migrate_out_reply(out, NULL, error);
    if (!out->over) {
        migrate_out_end(out, g_error_matches(error, VT_ERROR, VT_ERROR_ABORTED) ? VT_JOB_TYPE_CANCELLED
                                                                                : VT_JOB_TYPE_FAILED);
    }
    migrate_out_unref(out);
}

static void
migrate_performed(gpointer user, const GError *error)
{
    MigrateOut *out = user;

    if (!error) {
        vt_timeline_log_note(out->log, VT_TIMELINE_COMPLETED, NULL, NULL);
        migrate_out_set_phase(out, VT_MIG_SRC_PERFORM_DONE);
        vt_migrate_job_phase(out->domain, "confirm");
        out->refs++;
        vt_journal_sync(out->domain, migrate_perform_answer, out);
        return;
    }
    vt_timeline_log_note(out->log, VT_TIMELINE_FAILED, NULL, error->message);
    out->failure = g_error_copy(error);
    out->refs++;
    vt_team_manage_replug(out->domain, migrate_failed, out);
}

static void
migrate_perform_unplugged(gpointer user, const GError *error)
{
    MigrateOut *out = user;

    if (!out->over && error)
        migrate_performed(out, error);
    else if (!out->over && out->engine)
        vt_mig_src_run(out->engine, migrate_performed, out);
    migrate_out_unref(out);
}

static void
migrate_perform_run(gpointer user, const GError *nothing)
{
    MigrateOut *out = user;

    if (!out->over && out->engine) {
        if (!vt_domain_is_active(out->domain)) {
            g_autoptr(GError) error =
                g_error_new(VT_ERROR, VT_ERROR_OPERATION_FAILED, _("domain is no longer running"));

            migrate_performed(out, error);
        } else if (out->aborted || !out->owner) {
            g_autoptr(GError) error =
                g_error_new(VT_ERROR, VT_ERROR_ABORTED, _("job 'migration out' canceled by client"));

            vt_datapath_event(out->domain, NULL, VT_HANDOVER_UNPLUG_REVOKED, NULL, NULL);
            migrate_performed(out, error);
        } else {
            out->refs++;
            if (vt_team_manage_has(out->domain))
                vt_migrate_job_phase(out->domain, "unplug");
            vt_team_manage_unplug(out->domain, migrate_perform_unplugged, out);
        }
    }
    migrate_out_unref(out);
}

static void
migrate_perform_journalled(gpointer user, const GError *error)
{
    MigrateOut *out = user;

    if (error && !out->over) {
        migrate_performed(out, error);
        migrate_out_unref(out);
        return;
    }
    /* From here on the host feeds both legs: the guest may let go of its primary at any moment. */
    vt_datapath_event(out->domain, NULL, VT_HANDOVER_UNPLUG_PLANNED, migrate_perform_run, out);
}

static char *
migrate_perform_uri(MigrateOut *out, const VtMigParams *params, GError **error)
{
    g_autoptr(VtMigUri) uri = NULL;

    if (!params->migrate_uri) {
        vt_error_set(error, VT_ERROR_INVALID_ARG, _("Perform needs the parameter 'migrate_uri'"));
        return NULL;
    }
    uri = vt_mig_uri_parse(params->migrate_uri, error);
    return uri ? vt_mig_uri_to_qemu(uri) : NULL;
}

static gboolean
migrate_perform_check_cookie(MigrateOut *out, GBytes *bytes, GError **error)
{
    g_autoptr(VtMigCookie) cookie = vt_mig_cookie_parse(bytes, error);

    if (!cookie || !vt_migrate_carries_on(&out->id, vt_domain_name(out->domain), NULL, NULL, bytes, error))
        return FALSE;
    vt_timeline_log_adopt(out->log, cookie->timeline);
    return TRUE;
}

void
vt_migrate_perform(VtDriver *driver, VtDomain *domain, const char *dconnuri, const VtTypedParams *params,
                   GBytes *cookie, guint flags, VtOwner *owner, VtMigrateDone done, gpointer user)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VtMigParams) parsed = vt_mig_params_parse(params, flags, &error);
    g_autofree char *uri = NULL;
    MigrateOut *out = migrate_out_of(domain);
    VtMigSrcPhase next = VT_MIG_SRC_NONE;

    if (parsed && dconnuri && *dconnuri)
        vt_error_set(&error, VT_ERROR_UNSUPPORTED,
                     _("peer-to-peer migration is not supported: let the client conduct it (without --p2p)"));
    else if (parsed && !out)
        vt_error_set(&error, VT_ERROR_OPERATION_INVALID,
                     _("domain '%s' has no migration that Begin has begun"), vt_domain_name(domain));
    else if (parsed && vt_mig_phase_src_call(out->phase, VT_MIG_CALL_PERFORM, &next, &error) &&
             migrate_perform_check_cookie(out, cookie, &error))
        uri = migrate_perform_uri(out, parsed, &error);
    if (error) {
        done(user, NULL, error);
        /* The client asks the destination to clean up and never comes back here; another one has no say. */
        if (out && out->phase == VT_MIG_SRC_BEGUN && out->owner == owner)
            migrate_out_end(out, VT_JOB_TYPE_FAILED);
        return;
    }
    out->owner = owner;
    out->done = done;
    out->user = user;
    vt_mig_params_free(out->params);
    out->params = g_steal_pointer(&parsed);
    vt_journal_begin(domain, "migrate-out");
    {
        char id[VT_UUID_STRING_SIZE];

        vt_journal_set(domain, "id", vt_uuid_format(&out->id, id));
    }
    migrate_out_set_phase(out, VT_MIG_SRC_PERFORM);
    migrate_out_make_engine(out, uri);
    out->refs++;
    vt_journal_sync(domain, migrate_perform_journalled, out);
}

/* ---- back to the source ---- */

static void
migrate_return_ended(gpointer user, const GError *nothing)
{
    MigrateOut *out = user;
    g_autoptr(GError) error = g_steal_pointer(&out->failure);
    VtDoneFunc recovered = out->recovered;

    if (error)
        vt_log_id_error(
            VT_MESSAGE_MIGRATION_RETURN_FAILED, vt_domain_name(out->domain),
            "domain '%s' was to run here again after its migration, but: %s; look at its state with "
            "'virsh domstate --reason'",
            vt_domain_name(out->domain), error->message);
    else
        vt_log_id_info(VT_MESSAGE_MIGRATION_RETURNED, vt_domain_name(out->domain),
                       "domain '%s' runs here again after its migration was given up",
                       vt_domain_name(out->domain));
    out->recovered = NULL;
    migrate_out_set_phase(out, VT_MIG_SRC_NONE);
    if (error) {
        migrate_out_reply(out, NULL, error);
    } else {
        const VtMigrateReply reply = { .cookie = NULL };

        migrate_out_reply(out, &reply, NULL);
    }
    migrate_out_end(out, VT_JOB_TYPE_FAILED);
    if (recovered)
        recovered(out->recovered_user, error);
    migrate_out_unref(out);
}

static void
migrate_returned(gpointer user, const GError *error)
{
    MigrateOut *out = user;

    if (out->recovered && !error) {
        /* What QEMU said while no daemon was there is lost: look for the primary as after an arrival. */
        vt_datapath_event(out->domain, NULL, VT_HANDOVER_PRIMARY_GONE, NULL, NULL);
        vt_datapath_event(out->domain, NULL, VT_HANDOVER_GUEST_ARRIVES, NULL, NULL);
    }
    out->failure = error ? g_error_copy(error) : NULL;
    out->refs++;
    vt_team_manage_replug(out->domain, migrate_return_ended, out);
}

static void
migrate_return_journalled(gpointer user, const GError *error)
{
    MigrateOut *out = user;

    /* Also without a journal: the guest is what counts, and a successor finds it running. */
    if (!out->over)
        vt_mig_src_return(out->engine, migrate_returned, out);
    migrate_out_unref(out);
}

static void
migrate_out_return(MigrateOut *out)
{
    migrate_out_set_phase(out, VT_MIG_SRC_RETURNING);
    if (!out->engine)
        migrate_out_make_engine(out, NULL);
    out->refs++;
    vt_journal_sync(out->domain, migrate_return_journalled, out);
}

/* Nobody can say whether the guest runs at the destination: it must not run here by itself. */
static void
migrate_out_leave(MigrateOut *out)
{
    migrate_out_set_phase(out, VT_MIG_SRC_LEFT);
    g_clear_pointer(&out->engine, vt_mig_src_free);
    /* Its QEMU has ended meanwhile: nothing is left here that anybody could decide about. */
    if (!vt_domain_is_active(out->domain)) {
        migrate_out_end(out, VT_JOB_TYPE_FAILED);
        return;
    }
    vt_journal_sync(out->domain, NULL, NULL);
    vt_log_id_error(
        VT_MESSAGE_MIGRATION_LEFT_SOURCE, vt_domain_name(out->domain),
        "domain '%s' was sent to another host, and it is not known whether it runs there: the client that "
        "conducted the migration is gone. It stays paused here. If it runs there: 'virsh destroy' it here. "
        "If it does not, and only then: 'virsh resume' it here.",
        vt_domain_name(out->domain));
    if (out->has_job) {
        vt_migrate_job_end(out->driver, out->domain, VT_JOB_TYPE_FAILED);
        vt_job_set_abort(out->domain, NULL, NULL);
        vt_job_end(out->domain);
        out->has_job = FALSE;
    }
}

/* ---- Confirm ---- */

static void
migrate_confirm_stopped(gpointer user, const GError *error)
{
    MigrateOut *out = user;
    g_autoptr(GError) undefine_error = NULL;
    VtDoneFunc recovered = out->recovered;
    const VtMigrateReply reply = { .cookie = NULL };

    out->recovered = NULL;
    if (error)
        vt_log_id_warning(VT_MESSAGE_MIGRATION_NOT_CLEAN, vt_domain_name(out->domain),
                          "domain '%s' has moved, but: %s", vt_domain_name(out->domain), error->message);
    out->refs++;
    migrate_out_set_phase(out, VT_MIG_SRC_NONE);
    migrate_out_end(out, VT_JOB_TYPE_COMPLETED);
    if ((out->flags & VT_MIG_FLAG_UNDEFINE_SOURCE) && vt_domain_is_persistent(out->domain))
        vt_lifecycle_undefine(out->driver, out->domain, 0, &undefine_error);
    migrate_out_reply(out, undefine_error ? NULL : &reply, undefine_error);
    if (recovered)
        recovered(out->recovered_user, NULL);
    migrate_out_unref(out);
}

static void
migrate_confirm_journalled(gpointer user, const GError *error)
{
    MigrateOut *out = user;
    const VtStopParams params = {
        .driver = out->driver,
        .domain = out->domain,
        .reason = VT_SHUTOFF_MIGRATED,
        .detail = VT_MIGRATE_STOPPED_MIGRATED,
    };

    if (!out->over)
        vt_stop_run(&params, migrate_confirm_stopped, out);
    migrate_out_unref(out);
}

static void
migrate_out_confirm(MigrateOut *out)
{
    g_autofree char *flags = g_strdup_printf("%u", out->flags);

    migrate_out_set_phase(out, VT_MIG_SRC_CONFIRMING);
    vt_journal_set(out->domain, "flags", flags);
    g_clear_pointer(&out->engine, vt_mig_src_free);
    out->refs++;
    vt_journal_sync(out->domain, migrate_confirm_journalled, out);
}

static void
migrate_confirm_adopt(MigrateOut *out, GBytes *bytes)
{
    g_autoptr(VtMigCookie) cookie =
        bytes && g_bytes_get_size(bytes) > 0 ? vt_mig_cookie_parse(bytes, NULL) : NULL;

    if (cookie)
        vt_timeline_log_adopt(out->log, cookie->timeline);
}

void
vt_migrate_confirm(VtDriver *driver, VtDomain *domain, const VtTypedParams *params, GBytes *cookie,
                   guint flags, gboolean cancelled, VtOwner *owner, VtMigrateDone done, gpointer user)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VtMigParams) parsed = vt_mig_params_parse(params, flags, &error);
    MigrateOut *out = migrate_out_of(domain);
    VtMigCall call = cancelled ? VT_MIG_CALL_CONFIRM_CANCELLED : VT_MIG_CALL_CONFIRM;
    VtMigSrcPhase next = VT_MIG_SRC_NONE;
    const VtMigrateReply reply = { .cookie = NULL };

    if (parsed && !out)
        vt_error_set(&error, VT_ERROR_OPERATION_INVALID, _("domain '%s' has no migration to confirm"),
                     vt_domain_name(domain));
    else if (parsed && out->done)
        vt_error_set(&error, VT_ERROR_OPERATION_INVALID,
                     _("another call of the migration of '%s' is being served"), vt_domain_name(domain));
    else if (parsed && vt_mig_phase_src_call(out->phase, call, &next, &error))
        vt_migrate_carries_on(&out->id, vt_domain_name(domain), out->owner, owner, cookie, &error);
    if (error) {
        done(user, NULL, error);
        return;
    }
    out->owner = owner;
    out->done = done;
    out->user = user;
    out->flags = flags;
    migrate_confirm_adopt(out, cookie);
    if (next == VT_MIG_SRC_CONFIRMING) {
        migrate_out_confirm(out);
    } else if (next == VT_MIG_SRC_RETURNING) {
        vt_timeline_log_note(out->log, VT_TIMELINE_FAILED, NULL, "the destination did not take the guest");
        migrate_out_return(out);
    } else {
        out->refs++;
        migrate_out_set_phase(out, VT_MIG_SRC_NONE);
        migrate_out_end(out, VT_JOB_TYPE_FAILED);
        migrate_out_reply(out, &reply, NULL);
        migrate_out_unref(out);
    }
}

/* ---- clients that go, daemons that come ---- */

void
vt_migrate_src_owner_gone(VtDriver *driver, VtDomain *domain, VtOwner *owner)
{
    MigrateOut *out = migrate_out_of(domain);
    g_autoptr(GError) gone =
        g_error_new_literal(VT_ERROR, VT_ERROR_ABORTED, _("the client of the migration is gone"));
    gboolean told;

    if (!out || out->owner != owner)
        return;
    told = out->done == NULL;
    out->owner = NULL;
    migrate_out_reply(out, NULL, gone); /* nobody hears it, but every call is answered */
    switch (vt_mig_phase_src_row(out->phase)->client_gone) {
    case VT_MIG_CLEANUP_FORGET:
        vt_log_info("domain '%s': the client that began its migration is gone", vt_domain_name(domain));
        migrate_out_end(out, VT_JOB_TYPE_FAILED);
        break;
    case VT_MIG_CLEANUP_RETURN:
        vt_log_id_info(VT_MESSAGE_MIGRATION_CLIENT_GONE_SOURCE, vt_domain_name(domain),
                       "domain '%s': the client that conducts its migration is gone: it stays here",
                       vt_domain_name(domain));
        vt_timeline_log_note(out->log, VT_TIMELINE_CANCELLED, NULL, "the client is gone");
        if (out->engine)
            migrate_out_cancel(out, _("the client of the migration is gone"));
        break;
    case VT_MIG_CLEANUP_LEAVE:
        /* A client that was not told yet that all is sent has not asked the destination to go on. */
        if (out->phase == VT_MIG_SRC_PERFORM_DONE && !told)
            migrate_out_return(out);
        else if (out->phase != VT_MIG_SRC_LEFT)
            migrate_out_leave(out);
        break;
    case VT_MIG_CLEANUP_NOTHING:
    case VT_MIG_CLEANUP_GO_ON:
    case VT_MIG_CLEANUP_STOP_SOURCE:
    case VT_MIG_CLEANUP_DESTROY:
    case VT_MIG_CLEANUP_ASK_QEMU:
    case VT_MIG_CLEANUP_COUNT:
        break;
    }
}

void
vt_migrate_src_recover(VtDriver *driver, VtDomain *domain, VtDoneFunc done, gpointer user)
{
    int phase = vt_mig_phase_src_parse(vt_journal_get(domain, "phase"));
    const char *flags = vt_journal_get(domain, "flags");
    const char *text = vt_journal_get(domain, "id");
    MigrateOut *out;
    VtUuid id;

    if (!text || !vt_uuid_parse(text, &id))
        vt_uuid_generate(&id);
    if (phase < 0 || phase == VT_MIG_SRC_NONE || phase == VT_MIG_SRC_BEGUN) {
        vt_journal_end(domain);
        done(user, NULL);
        return;
    }
    out = migrate_out_new(driver, domain, &id, NULL);
    out->phase = (VtMigSrcPhase)phase;
    out->flags = flags ? (guint)g_ascii_strtoull(flags, NULL, 10) : 0;
    vt_timeline_log_note(out->log, VT_TIMELINE_FAILED, NULL, "the source's daemon was restarted");
    switch (vt_mig_phase_src_row(out->phase)->restart) {
    case VT_MIG_CLEANUP_RETURN:
        vt_log_id_info(VT_MESSAGE_MIGRATION_INTERRUPTED_SOURCE, vt_domain_name(domain),
                       "domain '%s': its migration was interrupted by the end of the daemon: it stays here",
                       vt_domain_name(domain));
        out->recovered = done;
        out->recovered_user = user;
        migrate_out_return(out);
        return;
    case VT_MIG_CLEANUP_STOP_SOURCE:
        out->recovered = done;
        out->recovered_user = user;
        migrate_out_confirm(out);
        return;
    case VT_MIG_CLEANUP_LEAVE:
        migrate_out_leave(out);
        break;
    case VT_MIG_CLEANUP_NOTHING:
    case VT_MIG_CLEANUP_FORGET:
    case VT_MIG_CLEANUP_GO_ON:
    case VT_MIG_CLEANUP_DESTROY:
    case VT_MIG_CLEANUP_ASK_QEMU:
    case VT_MIG_CLEANUP_COUNT:
        migrate_out_end(out, VT_JOB_TYPE_FAILED);
        break;
    }
    done(user, NULL);
}

void
vt_migrate_src_set_limits(VtDomain *domain)
{
    MigrateOut *out = migrate_out_of(domain);
    VtMigLimits limits;

    if (!out || !out->engine)
        return;
    vt_migrate_limits(domain, NULL, &limits);
    vt_mig_src_set_limits(out->engine, &limits, NULL, NULL);
}
