/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define VT_LOG_DOMAIN "virtteam-qemu-mig"

#include "qemu/mig-late.h"

#include <string.h>
#include "qemu/nic-sight.h"

#define MIG_LATE_MS 2000

typedef struct {
    char *persistent, *transient;
    gboolean used; /* so it is late */
} MigLateTeam;

/* Each question to QEMU holds a reference. */
struct _VtMigLate {
    guint refs;
    GArray *teams; /* of MigLateTeam */
    guint pending;
    guint timer;
    VtMigLateFunc done; /* NULL: told, or nobody is interested any more */
    gpointer user;
};

typedef struct {
    VtMigLate *late; /* with a reference */
    guint index;
} MigLateQuestion;

static void
mig_late_team_clear(gpointer data)
{
    MigLateTeam *team = data;

    g_free(team->persistent);
    g_free(team->transient);
}

static void
mig_late_unref(VtMigLate *late)
{
    if (--late->refs > 0)
        return;
    g_array_unref(late->teams);
    g_free(late);
}

static void
mig_late_tell(VtMigLate *late)
{
    g_autoptr(GString) names = g_string_new(NULL);
    VtMigLateFunc done = g_steal_pointer(&late->done);
    const MigLateTeam *one = NULL;
    guint used = 0, named = 0;

    g_clear_handle_id(&late->timer, g_source_remove);
    for (guint i = 0; i < late->teams->len; i++)
        used += g_array_index(late->teams, MigLateTeam, i).used;
    for (guint i = 0; i < late->teams->len; i++) {
        const MigLateTeam *team = &g_array_index(late->teams, MigLateTeam, i);

        if (used && !team->used)
            continue;
        g_string_append_printf(names, "%s'%s' (team '%s')", names->len ? ", " : "", team->transient,
                               team->persistent);
        one = team;
        named++;
    }
    if (done)
        done(late->user, names->str, used || named == 1, named == 1 ? one->persistent : NULL);
}

static gboolean
mig_late_timed_out(gpointer user)
{
    VtMigLate *late = user;

    late->timer = 0;
    mig_late_tell(late);
    mig_late_unref(late);
    return G_SOURCE_REMOVE;
}

static void
mig_late_seen(gpointer user, const VtNicSight *sight, const GError *error)
{
    MigLateQuestion *question = user;
    VtMigLate *late = question->late;

    if (!error)
        g_array_index(late->teams, MigLateTeam, question->index).used = sight->receives;
    late->pending--;
    if (!late->pending && late->timer) {
        mig_late_tell(late);
        mig_late_unref(late);
    }
    mig_late_unref(late);
    g_free(question);
}

/* "host=0000:3b:10.1" of -device vfio-pci,... */
static gboolean
mig_late_function(const char *device, VtPciBdf *bdf)
{
    g_auto(GStrv) words = g_strsplit(device, ",", -1);

    for (char **word = words; *word; word++)
        if (g_str_has_prefix(*word, "host="))
            return vt_pci_bdf_parse(*word + strlen("host="), bdf);
    return FALSE;
}

static void
mig_late_look(VtMigLate *late, guint index, VtQmpClient *client, const char *device, const VtPciHost *host)
{
    MigLateTeam *team = &g_array_index(late->teams, MigLateTeam, index);
    g_autofree char *model = device ? g_strndup(device, strcspn(device, ",")) : NULL;
    MigLateQuestion *question;
    VtPciBdf bdf;

    if (!device)
        return;
    if (mig_late_function(device, &bdf)) {
        team->used = vt_pci_bus_master(host, &bdf);
    } else if (client && vt_nic_sight_knows(model)) {
        question = g_new0(MigLateQuestion, 1);
        question->late = late;
        question->index = index;
        late->refs++;
        late->pending++;
        vt_nic_sight_ask(client, model, team->transient, 0, mig_late_seen, question);
    }
}

VtMigLate *
vt_mig_late_ask(VtQmpClient *client, GArray *teams, const VtPciHost *host, VtMigLateFunc done, gpointer user)
{
    VtMigLate *late = g_new0(VtMigLate, 1);

    late->refs = 1;
    late->done = done;
    late->user = user;
    late->teams = g_array_new(FALSE, TRUE, sizeof(MigLateTeam));
    g_array_set_clear_func(late->teams, mig_late_team_clear);
    for (guint i = 0; i < teams->len; i++) {
        const VtMigSrcTeam *from = &g_array_index(teams, VtMigSrcTeam, i);
        const MigLateTeam team = { g_strdup(from->persistent), g_strdup(from->transient), FALSE };

        g_array_append_val(late->teams, team);
    }
    for (guint i = 0; teams->len > 1 && i < teams->len; i++)
        mig_late_look(late, i, client, g_array_index(teams, VtMigSrcTeam, i).device, host);
    late->timer = g_timeout_add(late->pending ? MIG_LATE_MS : 0, mig_late_timed_out, late);
    return late;
}

void
vt_mig_late_free(VtMigLate *late)
{
    if (!late)
        return;
    late->done = NULL;
    if (late->timer) {
        g_clear_handle_id(&late->timer, g_source_remove);
        mig_late_unref(late);
    }
}
