/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define VT_LOG_DOMAIN "virtteam-driver-journal"

#include "driver/journal.h"
#include <glib/gstdio.h>
#include "driver/disk-file.h"
#include "driver/domain-private.h"
#include "util/i18n.h"
#include "util/log.h"

#define JOURNAL_KEY       "journal"
#define JOURNAL_GROUP     "journal"
#define JOURNAL_MAX_BYTES (64 * 1024)

typedef struct {
    VtDomain *domain; /* not owned: it owns this */
    VtDiskFile *file;
    GHashTable *values; /* key -> value; NULL: no journal is open */
    VtSeq *entering;    /* told when its step is on disk */
} DomainJournal;

static void
journal_free(DomainJournal *journal)
{
    journal->entering = NULL;
    vt_disk_file_free(journal->file);
    g_clear_pointer(&journal->values, g_hash_table_unref);
    g_free(journal);
}

static char *
journal_path(VtDomain *domain)
{
    g_autofree char *name = g_strconcat(domain->name, ".journal", NULL);

    return g_build_filename(domain->driver->config->state_dir, name, NULL);
}

static DomainJournal *
journal_get(VtDomain *domain)
{
    DomainJournal *journal = vt_domain_data(domain, JOURNAL_KEY);

    if (!journal) {
        journal = g_new0(DomainJournal, 1);
        journal->domain = domain;
        vt_domain_set_data(domain, JOURNAL_KEY, journal, (GDestroyNotify)journal_free);
    }
    return journal;
}

static GHashTable *
journal_table_new(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

void
vt_journal_begin(VtDomain *domain, const char *kind)
{
    DomainJournal *journal = journal_get(domain);

    g_clear_pointer(&journal->values, g_hash_table_unref);
    journal->values = journal_table_new();
    g_hash_table_insert(journal->values, g_strdup("kind"), g_strdup(kind));
}

const char *
vt_journal_kind(VtDomain *domain)
{
    return vt_journal_get(domain, "kind");
}

void
vt_journal_set(VtDomain *domain, const char *key, const char *value)
{
    DomainJournal *journal = journal_get(domain);

    if (!journal->values)
        return;
    if (value)
        g_hash_table_insert(journal->values, g_strdup(key), g_strdup(value));
    else
        g_hash_table_remove(journal->values, key);
}

const char *
vt_journal_get(VtDomain *domain, const char *key)
{
    DomainJournal *journal = vt_domain_data(domain, JOURNAL_KEY);

    return journal && journal->values ? g_hash_table_lookup(journal->values, key) : NULL;
}

static char *
journal_to_text(DomainJournal *journal)
{
    g_autoptr(GKeyFile) keys = g_key_file_new();
    GHashTableIter iter;
    gpointer key, value;

    g_hash_table_iter_init(&iter, journal->values);
    while (g_hash_table_iter_next(&iter, &key, &value))
        g_key_file_set_string(keys, JOURNAL_GROUP, key, value);
    return g_key_file_to_data(keys, NULL, NULL);
}

void
vt_journal_sync(VtDomain *domain, VtDoneFunc done, gpointer user)
{
    DomainJournal *journal = journal_get(domain);

    if (!journal->values || !domain->driver) {
        if (done)
            done(user, NULL);
        return;
    }
    if (!journal->file) {
        g_autofree char *path = journal_path(domain);

        journal->file = vt_disk_file_new(path);
    }
    vt_disk_file_write(journal->file, journal_to_text(journal), done, user);
}

void
vt_journal_end(VtDomain *domain)
{
    DomainJournal *journal = journal_get(domain);

    journal->entering = NULL;
    g_clear_pointer(&journal->values, g_hash_table_unref);
    if (journal->file)
        vt_disk_file_remove(journal->file);
    /* The domain may be renamed before its next journal; a write under way goes on to be undone. */
    g_clear_pointer(&journal->file, vt_disk_file_free);
}

static void
journal_entered(gpointer user, const GError *error)
{
    DomainJournal *journal = user;
    VtSeq *seq = g_steal_pointer(&journal->entering);

    if (error && seq)
        vt_log_warning("domain '%s': the journal is not on disk, going on: %s", journal->domain->name,
                       error->message);
    if (seq)
        vt_seq_enter_done(seq);
}

static gboolean
journal_enter(VtSeq *seq, const VtStep *step, VtSeqDirection direction, gpointer user)
{
    VtDomain *domain = user;
    DomainJournal *journal = journal_get(domain);

    if (!journal->values || !domain->driver)
        return TRUE;
    vt_journal_set(domain, "sequence", vt_seq_table(seq)->name);
    vt_journal_set(domain, "step", step->name);
    vt_journal_set(domain, "direction", direction == VT_SEQ_UNDO ? "undo" : "forward");
    journal->entering = seq;
    vt_journal_sync(domain, journal_entered, journal);
    return FALSE;
}

void
vt_journal_hooks(VtDomain *domain, VtSeqHooks *hooks)
{
    *hooks = (VtSeqHooks){ .enter = journal_enter, .user = domain };
}

gboolean
vt_journal_load(VtDomain *domain, GError **error)
{
    DomainJournal *journal = journal_get(domain);
    g_autofree char *path = journal_path(domain);
    g_autoptr(GKeyFile) keys = g_key_file_new();
    g_autoptr(GError) local = NULL;
    g_auto(GStrv) names = NULL;
    GStatBuf st;

    if (g_stat(path, &st) < 0)
        return TRUE; /* none was open */
    if (st.st_size > JOURNAL_MAX_BYTES)
        return vt_error_set(error, VT_ERROR_XML_DETAIL, _("the journal '%s' is larger than %d bytes"), path,
                            JOURNAL_MAX_BYTES);
    if (!g_key_file_load_from_file(keys, path, G_KEY_FILE_NONE, &local))
        return vt_error_set(error, VT_ERROR_XML_DETAIL, _("the journal '%s' cannot be read: %s"), path,
                            local->message);
    names = g_key_file_get_keys(keys, JOURNAL_GROUP, NULL, NULL);
    if (!names || !g_key_file_has_key(keys, JOURNAL_GROUP, "kind", NULL))
        return vt_error_set(error, VT_ERROR_XML_DETAIL, _("the journal '%s' does not say what it is about"),
                            path);
    g_clear_pointer(&journal->values, g_hash_table_unref);
    journal->values = journal_table_new();
    for (char **name = names; *name; name++) {
        g_autofree char *value = g_key_file_get_string(keys, JOURNAL_GROUP, *name, NULL);

        if (value)
            g_hash_table_insert(journal->values, g_strdup(*name), g_steal_pointer(&value));
    }
    if (!journal->file)
        journal->file = vt_disk_file_new(path);
    return TRUE;
}
