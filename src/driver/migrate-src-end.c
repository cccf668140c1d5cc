/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a migration ends at the source: the guest comes back, what is left of it is ended, or it is left paused; and
 * what a client that goes, or a daemon that comes, makes of each phase.
 */
#define VT_LOG_DOMAIN "virtteam-driver-migrate"

#include "driver/migrate-src.h"

#include "driver/datapath.h"
#include "driver/domain-obj.h"
#include "driver/job.h"
#include "driver/journal.h"
#include "driver/lifecycle.h"
#include "driver/migrate-private.h"
#include "driver/stop.h"
#include "driver/team-manage.h"
#include "util/i18n.h"
#include "util/log.h"
#include "util/message-id.h"

/* ---- back to the source ---- */

void
vt_migrate_out_make_engine(VtMigrateOut *out, const char *uri)
{
    vt_mig_src_free(out->engine);
    out->engine = vt_migrate_src_engine_new(out->driver, out->domain, out->params, uri);
}

/* Others may change the domain from now on, though the migration is not quite over. */
static void
migrate_out_give_job_back(VtMigrateOut *out)
{
    if (!out->has_job)
        return;
    vt_migrate_job_end(out->driver, out->domain, VT_JOB_TYPE_FAILED);
    vt_job_set_abort(out->domain, NULL, NULL);
    vt_job_end(out->domain);
    out->has_job = FALSE;
}

/* The guest is here, and a client keeps it suspended, or QEMU does not run it: its primaries come back when it is
 * resumed. */
static void
migrate_return_waits(VtMigrateOut *out, const GError *error)
{
    const VtMigrateReply reply = { .cookie = NULL };
    VtDoneFunc recovered = g_steal_pointer(&out->recovered);

    vt_log_id_info(
        VT_MESSAGE_MIGRATION_RETURNED_SUSPENDED, vt_domain_name(out->domain),
        "domain '%s' is here again after its migration was given up; it stands still%s%s, and gets "
        "its primary back when it is resumed",
        vt_domain_name(out->domain), error ? ": " : "", error ? error->message : "");
    vt_migrate_out_set_phase(out, VT_MIG_SRC_SUSPENDED);
    g_clear_pointer(&out->engine, vt_mig_src_free);
    vt_journal_sync(out->domain, NULL, NULL);
    vt_migrate_out_reply(out, error ? NULL : &reply, error);
    migrate_out_give_job_back(out);
    if (recovered)
        recovered(out->recovered_user, error);
}

static void
migrate_return_ended(gpointer user, const GError *nothing)
{
    VtMigrateOut *out = user;
    g_autoptr(GError) error = g_steal_pointer(&out->failure);
    VtDoneFunc recovered = out->recovered;

    if (out->engine && vt_mig_src_awaits_resume(out->engine) && vt_domain_is_active(out->domain) &&
        vt_domain_state(out->domain, NULL) == VT_DOMAIN_PAUSED) {
        migrate_return_waits(out, error);
        vt_migrate_out_unref(out);
        return;
    }

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
    vt_migrate_out_set_phase(out, VT_MIG_SRC_NONE);
    if (error) {
        vt_migrate_out_reply(out, NULL, error);
    } else {
        const VtMigrateReply reply = { .cookie = NULL };

        vt_migrate_out_reply(out, &reply, NULL);
    }
    vt_migrate_out_end(out, VT_JOB_TYPE_FAILED);
    if (recovered)
        recovered(out->recovered_user, error);
    vt_migrate_out_unref(out);
}

static void
migrate_returned(gpointer user, const GError *error)
{
    VtMigrateOut *out = user;

    if (out->recovered && !error) {
        /*
         * What QEMU said while no daemon was there is lost: look for the primary as after an arrival. Its VF keeps the
         * guest's MAC all the while, because QEMU may have plugged it already, and the guest's driver may be about to read that.
         */
        vt_datapath_event(out->domain, NULL, VT_HANDOVER_GUEST_ARRIVES, NULL, NULL);
    }
    out->failure = error ? g_error_copy(error) : NULL;
    out->refs++;
    vt_team_manage_replug(out->domain, migrate_return_ended, out);
}

static void
migrate_return_journalled(gpointer user, const GError *error)
{
    VtMigrateOut *out = user;

    /* Also without a journal: the guest is what counts, and a successor finds it running. */
    if (!out->over)
        vt_mig_src_return(out->engine, migrate_returned, out);
    vt_migrate_out_unref(out);
}

void
vt_migrate_out_return(VtMigrateOut *out)
{
    vt_migrate_out_set_phase(out, VT_MIG_SRC_RETURNING);
    if (!out->engine)
        vt_migrate_out_make_engine(out, NULL);
    out->refs++;
    vt_migrate_journal(out->domain, migrate_return_journalled, out);
}

/* Nobody can say whether the guest runs at the destination: it must not run here by itself. */
void
vt_migrate_out_leave(VtMigrateOut *out)
{
    vt_migrate_out_set_phase(out, VT_MIG_SRC_LEFT);
    g_clear_pointer(&out->engine, vt_mig_src_free);
    /* Its QEMU has ended meanwhile: nothing is left here that anybody could decide about. */
    if (!vt_domain_is_active(out->domain)) {
        vt_migrate_out_end(out, VT_JOB_TYPE_FAILED);
        return;
    }
    vt_journal_sync(out->domain, NULL, NULL);
    vt_log_id_error(
        VT_MESSAGE_MIGRATION_LEFT_SOURCE, vt_domain_name(out->domain),
        "domain '%s' was sent to another host, and it is not known whether it runs there: the client that "
        "conducted the migration is gone. It stays paused here. If it runs there: 'virsh destroy' it here. "
        "If it does not, and only then: 'virsh resume' it here.",
        vt_domain_name(out->domain));
    migrate_out_give_job_back(out);
}

/* ---- Confirm ---- */

static void
migrate_confirm_undefined(gpointer user, const GError *error)
{
    VtMigrateOut *out = user;
    VtDoneFunc recovered = g_steal_pointer(&out->recovered);
    const VtMigrateReply reply = { .cookie = NULL };

    vt_migrate_out_reply(out, error ? NULL : &reply, error);
    if (recovered)
        recovered(out->recovered_user, NULL);
    vt_migrate_out_unref(out);
}

static void
migrate_confirm_stopped(gpointer user, const GError *error)
{
    VtMigrateOut *out = user;

    if (error)
        vt_log_id_warning(VT_MESSAGE_MIGRATION_NOT_CLEAN, vt_domain_name(out->domain),
                          "domain '%s' has moved, but: %s", vt_domain_name(out->domain), error->message);
    out->refs++;
    vt_migrate_out_set_phase(out, VT_MIG_SRC_NONE);
    vt_migrate_out_end(out, VT_JOB_TYPE_COMPLETED);
    if ((out->flags & VT_MIG_FLAG_UNDEFINE_SOURCE) && vt_domain_is_persistent(out->domain))
        vt_lifecycle_undefine(out->driver, out->domain, 0, migrate_confirm_undefined, out);
    else
        migrate_confirm_undefined(out, NULL);
}

static void
migrate_confirm_journalled(gpointer user, const GError *error)
{
    VtMigrateOut *out = user;
    const VtStopParams params = {
        .driver = out->driver,
        .domain = out->domain,
        .reason = VT_SHUTOFF_MIGRATED,
        .detail = VT_MIGRATE_STOPPED_MIGRATED,
    };

    if (!out->over)
        vt_stop_run(&params, migrate_confirm_stopped, out);
    vt_migrate_out_unref(out);
}

void
vt_migrate_out_confirm(VtMigrateOut *out)
{
    g_autofree char *flags = g_strdup_printf("%u", out->flags);

    vt_migrate_out_set_phase(out, VT_MIG_SRC_CONFIRMING);
    vt_journal_set(out->domain, "flags", flags);
    g_clear_pointer(&out->engine, vt_mig_src_free);
    out->refs++;
    vt_migrate_journal(out->domain, migrate_confirm_journalled, out);
}

/* ---- clients that go, daemons that come ---- */

void
vt_migrate_src_owner_gone(VtDriver *driver, VtDomain *domain, VtOwner *owner)
{
    VtMigrateOut *out = vt_migrate_out_of(domain);
    g_autoptr(GError) gone =
        g_error_new_literal(VT_ERROR, VT_ERROR_ABORTED, _("the client of the migration is gone"));
    gboolean told;

    if (!out || out->owner != owner)
        return;
    told = out->done == NULL;
    out->owner = NULL;
    vt_migrate_out_reply(out, NULL, gone); /* nobody hears it, but every call is answered */
    switch (vt_mig_phase_src_row(out->phase)->client_gone) {
    case VT_MIG_CLEANUP_FORGET:
        vt_log_info("domain '%s': the client that began its migration is gone", vt_domain_name(domain));
        vt_migrate_out_end(out, VT_JOB_TYPE_FAILED);
        break;
    case VT_MIG_CLEANUP_RETURN:
        vt_log_id_info(VT_MESSAGE_MIGRATION_CLIENT_GONE_SOURCE, vt_domain_name(domain),
                       "domain '%s': the client that conducts its migration is gone: it stays here",
                       vt_domain_name(domain));
        vt_timeline_log_note(out->log, VT_TIMELINE_CANCELLED, NULL, "the client is gone");
        if (out->engine)
            vt_migrate_out_cancel(out, _("the client of the migration is gone"));
        break;
    case VT_MIG_CLEANUP_LEAVE:
        /* A client that was not told yet that all is sent has not asked the destination to go on. */
        if (out->phase == VT_MIG_SRC_PERFORM_DONE && !told)
            vt_migrate_out_return(out);
        else if (out->phase != VT_MIG_SRC_LEFT)
            vt_migrate_out_leave(out);
        break;
    case VT_MIG_CLEANUP_NOTHING:
    case VT_MIG_CLEANUP_GO_ON:
    case VT_MIG_CLEANUP_STOP_SOURCE:
    case VT_MIG_CLEANUP_DESTROY:
    case VT_MIG_CLEANUP_ASK_QEMU:
    case VT_MIG_CLEANUP_LOOK:
    case VT_MIG_CLEANUP_WAIT:
    case VT_MIG_CLEANUP_COUNT:
        break;
    }
}

/* It runs here, or was never elsewhere: all of it comes back. */
static void
migrate_recover_return(VtMigrateOut *out, VtDoneFunc done, gpointer user)
{
    gboolean decided = out->phase == VT_MIG_SRC_PERFORM_DONE || out->phase == VT_MIG_SRC_LEFT;

    if (decided)
        vt_log_id_info(VT_MESSAGE_MIGRATION_RESUMED_HERE, vt_domain_name(out->domain),
                       "domain '%s' was sent to another host, but runs here: somebody resumed it here",
                       vt_domain_name(out->domain));
    else
        vt_log_id_info(VT_MESSAGE_MIGRATION_INTERRUPTED_SOURCE, vt_domain_name(out->domain),
                       "domain '%s': its migration was interrupted by the end of the daemon: it stays here",
                       vt_domain_name(out->domain));
    out->recovered = done;
    out->recovered_user = user;
    vt_migrate_out_return(out);
}

void
vt_migrate_src_recover(VtDriver *driver, VtDomain *domain, VtDoneFunc done, gpointer user)
{
    int phase = vt_mig_phase_src_parse(vt_journal_get(domain, "phase"));
    const char *flags = vt_journal_get(domain, "flags");
    const char *text = vt_journal_get(domain, "id");
    VtMigrateOut *out;
    VtUuid id;

    if (!text || !vt_uuid_parse(text, &id))
        vt_uuid_generate(&id);
    if (phase < 0 || phase == VT_MIG_SRC_NONE || phase == VT_MIG_SRC_BEGUN) {
        vt_journal_end(domain);
        done(user, NULL);
        return;
    }
    out = vt_migrate_out_new(driver, domain, &id, NULL);
    out->phase = (VtMigSrcPhase)phase;
    out->flags = flags ? (guint)g_ascii_strtoull(flags, NULL, 10) : 0;
    vt_timeline_log_note(out->log, VT_TIMELINE_FAILED, NULL, "the source's daemon was restarted");
    switch (vt_mig_phase_src_row(out->phase)->restart) {
    case VT_MIG_CLEANUP_RETURN:
        migrate_recover_return(out, done, user);
        return;
    case VT_MIG_CLEANUP_LOOK:
    case VT_MIG_CLEANUP_WAIT:
        if (vt_domain_state(domain, NULL) == VT_DOMAIN_RUNNING) {
            migrate_recover_return(out, done, user);
            return;
        }
        if (out->phase != VT_MIG_SRC_SUSPENDED)
            vt_migrate_out_leave(out);
        break;
    case VT_MIG_CLEANUP_STOP_SOURCE:
        out->recovered = done;
        out->recovered_user = user;
        vt_migrate_out_confirm(out);
        return;
    case VT_MIG_CLEANUP_LEAVE:
        vt_migrate_out_leave(out);
        break;
    case VT_MIG_CLEANUP_NOTHING:
    case VT_MIG_CLEANUP_FORGET:
    case VT_MIG_CLEANUP_GO_ON:
    case VT_MIG_CLEANUP_DESTROY:
    case VT_MIG_CLEANUP_ASK_QEMU:
    case VT_MIG_CLEANUP_COUNT:
        vt_migrate_out_end(out, VT_JOB_TYPE_FAILED);
        break;
    }
    done(user, NULL);
}
