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
#include "driver/migrate-private.h"
#include "driver/migrate-src-check.h"
#include "driver/team-manage.h"
#include "qemu/mig-uri.h"
#include "qemu/qmp-event.h"
#include "util/i18n.h"
#include "util/log.h"
#include "util/message-id.h"

#define MIGRATE_SRC_KEY "migrate-src"

VtMigrateOut *
vt_migrate_out_of(const VtDomain *domain)
{
    return vt_domain_data(domain, MIGRATE_SRC_KEY);
}

void
vt_migrate_out_unref(VtMigrateOut *out)
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
void
vt_migrate_out_set_phase(VtMigrateOut *out, VtMigSrcPhase phase)
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

void
vt_migrate_out_reply(VtMigrateOut *out, const VtMigrateReply *reply, const GError *error)
{
    VtMigrateDone done = out->done;

    out->done = NULL;
    if (done)
        done(out->user, reply, error);
}

static void
migrate_out_reply_cookie(VtMigrateOut *out)
{
    VtMigrateReply reply = { 0 };
    g_autoptr(VtMigCookie) cookie = vt_migrate_cookie_new(out->driver, out->domain, &out->id);

    cookie->timeline = vt_timeline_log_text(out->log);
    reply.cookie = vt_mig_cookie_format(cookie);
    vt_migrate_out_reply(out, &reply, NULL);
    vt_migrate_reply_clear(&reply);
}

/* ---- what QEMU says ---- */

static void
migrate_out_event(VtDomain *domain, const VtQmpEvent *event, gpointer user)
{
    VtMigrateOut *out = user;
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
        /* Somebody has decided that the guest runs here: its primaries are still away. */
        if ((out->phase == VT_MIG_SRC_LEFT || out->phase == VT_MIG_SRC_SUSPENDED) && !out->engine)
            vt_migrate_out_return(out);
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
    VtMigrateOut *out = user;

    if (out->engine)
        vt_mig_src_gone(out->engine, why);
    else if (out->phase == VT_MIG_SRC_LEFT || out->phase == VT_MIG_SRC_SUSPENDED ||
             out->phase == VT_MIG_SRC_BEGUN)
        vt_migrate_out_end(out, VT_JOB_TYPE_FAILED);
}

static const VtDomainQmpFuncs migrate_out_listener = { .event = migrate_out_event,
                                                       .exited = migrate_out_exited };

/* ---- begin and end of it all ---- */

VtMigrateOut *
vt_migrate_out_new(VtDriver *driver, VtDomain *domain, const VtUuid *id, VtOwner *owner)
{
    VtMigrateOut *out = g_new0(VtMigrateOut, 1);
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
void
vt_migrate_out_end(VtMigrateOut *out, VtJobType type)
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
    vt_migrate_out_unref(out);
}

/* ---- Begin ---- */

void
vt_migrate_out_cancel(VtMigrateOut *out, const char *why)
{
    if (!vt_team_manage_cancel(out->domain, g_error_new_literal(VT_ERROR, VT_ERROR_ABORTED, why)))
        vt_mig_src_cancel(out->engine, g_error_new_literal(VT_ERROR, VT_ERROR_ABORTED, why));
}

static void
migrate_out_abort(gpointer user, guint flags)
{
    VtMigrateOut *out = user;

    vt_timeline_log_note(out->log, VT_TIMELINE_CANCELLED, NULL, "by a client");
    out->aborted = TRUE;
    if (out->engine && out->phase == VT_MIG_SRC_PERFORM)
        vt_migrate_out_cancel(out, _("job 'migration out' canceled by client"));
}

/* What the host feeds before anything changes. */
static void
migrate_begin_note(VtMigrateOut *out)
{
    vt_timeline_log_note(out->log, VT_TIMELINE_BEGIN, NULL, NULL);
    for (guint i = 0; i < vt_datapath_count(out->domain); i++) {
        VtDatapathInfo info;

        vt_datapath_info(out->domain, i, &info);
        vt_timeline_log_note(out->log, VT_TIMELINE_DATAPATH, info.team, vt_feed_name(info.feed));
    }
}

static void
migrate_begin_answer(gpointer user, const GError *unsafe)
{
    VtMigrateOut *out = user;
    g_autoptr(GError) local = unsafe ? g_error_copy(unsafe) : NULL;
    g_autoptr(VtMigCookie) cookie = NULL;
    VtMigrateReply reply = { 0 };

    if (!local && out->aborted)
        vt_error_set(&local, VT_ERROR_ABORTED, _("job 'migration out' canceled by client"));
    if (!local && !out->owner)
        vt_error_set(&local, VT_ERROR_ABORTED, _("the client of the migration is gone"));
    if (local || !vt_migrate_src_check_state(out->domain, &local)) {
        vt_migrate_out_reply(out, NULL, local);
        vt_migrate_out_end(out, VT_JOB_TYPE_FAILED);
        return;
    }
    vt_migrate_out_set_phase(out, VT_MIG_SRC_BEGUN);
    migrate_begin_note(out);
    cookie = vt_migrate_cookie_new(out->driver, out->domain, &out->id);
    reply.cookie = vt_mig_cookie_format(cookie);
    reply.text = out->params->destination_xml
                     ? g_strdup(out->params->destination_xml)
                     : vt_domain_xml_format(vt_domain_def(out->domain), -1,
                                            VT_XML_FORMAT_SECURE | VT_XML_FORMAT_MIGRATABLE);
    vt_migrate_out_reply(out, &reply, NULL);
    vt_migrate_reply_clear(&reply);
}

static void
migrate_begin_has_job(gpointer user, const GError *error)
{
    VtMigrateOut *out = user;
    g_autoptr(GError) local = NULL;

    out->has_job = error == NULL;
    if (error || !vt_migrate_src_check_state(out->domain, &local)) {
        vt_migrate_out_reply(out, NULL, error ? error : local);
        vt_migrate_out_end(out, VT_JOB_TYPE_FAILED);
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
    VtMigrateOut *out = vt_migrate_out_of(domain);
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
    out = vt_migrate_out_new(driver, domain, &id, owner);
    out->params = g_steal_pointer(&parsed);
    out->done = done;
    out->user = user;
    vt_job_begin(domain, VT_JOB_MIGRATION_OUT, VT_MIGRATE_JOB_MS, migrate_begin_has_job, out);
}

/* ---- Perform ---- */

static void
migrate_perform_answer(gpointer user, const GError *error)
{
    VtMigrateOut *out = user;

    /* Without the journal a successor would resume the guest here while it runs there. */
    if (out->over) {
        vt_migrate_out_reply(out, NULL, error);
    } else if (out->phase != VT_MIG_SRC_PERFORM_DONE) {
        vt_log_debug("domain '%s' is on its way back already", vt_domain_name(out->domain));
    } else if (error) {
        vt_migrate_out_reply(out, NULL, error);
        vt_migrate_out_set_phase(out, VT_MIG_SRC_LEFT);
        vt_migrate_out_return(out);
    } else if (!out->owner) {
        vt_migrate_src_owner_gone(out->driver, out->domain, NULL);
    } else {
        migrate_out_reply_cookie(out);
    }
    vt_migrate_out_unref(out);
}

/* The guest goes on here, with its primaries as far as they could be plugged in again. */
static void
migrate_failed(gpointer user, const GError *nothing)
{
    VtMigrateOut *out = user;
    g_autoptr(GError) error = g_steal_pointer(&out->failure);

    if (!out->over)
        vt_migrate_out_set_phase(out, VT_MIG_SRC_NONE);
    vt_migrate_out_reply(out, NULL, error);
    if (!out->over) {
        vt_migrate_out_end(out, g_error_matches(error, VT_ERROR, VT_ERROR_ABORTED) ? VT_JOB_TYPE_CANCELLED
                                                                                   : VT_JOB_TYPE_FAILED);
    }
    vt_migrate_out_unref(out);
}

static void
migrate_performed(gpointer user, const GError *error)
{
    VtMigrateOut *out = user;

    if (!error) {
        vt_timeline_log_note(out->log, VT_TIMELINE_COMPLETED, NULL, NULL);
        vt_migrate_out_set_phase(out, VT_MIG_SRC_PERFORM_DONE);
        vt_migrate_job_phase(out->domain, "confirm");
        out->refs++;
        vt_migrate_journal(out->domain, migrate_perform_answer, out);
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
    VtMigrateOut *out = user;

    if (!out->over && error)
        migrate_performed(out, error);
    else if (!out->over && out->engine)
        vt_mig_src_run(out->engine, migrate_performed, out);
    vt_migrate_out_unref(out);
}

static void
migrate_perform_run(gpointer user, const GError *nothing)
{
    VtMigrateOut *out = user;

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
    vt_migrate_out_unref(out);
}

static void
migrate_perform_journalled(gpointer user, const GError *error)
{
    VtMigrateOut *out = user;

    if (error && !out->over) {
        migrate_performed(out, error);
        vt_migrate_out_unref(out);
        return;
    }
    /* From here on the host feeds both legs: the guest may let go of its primary at any moment. */
    vt_datapath_event(out->domain, NULL, VT_HANDOVER_UNPLUG_PLANNED, migrate_perform_run, out);
}

static char *
migrate_perform_uri(VtMigrateOut *out, const VtMigParams *params, GError **error)
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
migrate_perform_check_cookie(VtMigrateOut *out, GBytes *bytes, GError **error)
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
    VtMigrateOut *out = vt_migrate_out_of(domain);
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
            vt_migrate_out_end(out, VT_JOB_TYPE_FAILED);
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
    vt_migrate_out_set_phase(out, VT_MIG_SRC_PERFORM);
    vt_migrate_out_make_engine(out, uri);
    out->refs++;
    vt_migrate_journal(domain, migrate_perform_journalled, out);
}

/* ---- Confirm ---- */

static void
migrate_confirm_adopt(VtMigrateOut *out, GBytes *bytes)
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
    VtMigrateOut *out = vt_migrate_out_of(domain);
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
        vt_migrate_out_confirm(out);
    } else if (next == VT_MIG_SRC_RETURNING) {
        vt_timeline_log_note(out->log, VT_TIMELINE_FAILED, NULL, "the destination did not take the guest");
        vt_migrate_out_return(out);
    } else {
        out->refs++;
        vt_migrate_out_set_phase(out, VT_MIG_SRC_NONE);
        vt_migrate_out_end(out, VT_JOB_TYPE_FAILED);
        vt_migrate_out_reply(out, &reply, NULL);
        vt_migrate_out_unref(out);
    }
}

void
vt_migrate_src_set_limits(VtDomain *domain)
{
    VtMigrateOut *out = vt_migrate_out_of(domain);
    VtMigLimits limits;

    if (!out || !out->engine)
        return;
    vt_migrate_limits(domain, NULL, &limits);
    vt_mig_src_set_limits(out->engine, &limits, NULL, NULL);
}
