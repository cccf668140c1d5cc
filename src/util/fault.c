/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/fault.h"

#include "util/enum.h"
#include "util/error.h"

#include "vt-config.h"

#include <signal.h>
#include <string.h>

static const char *const fault_action_names[] = {
    [VT_FAULT_NONE] = NULL,
    [VT_FAULT_FAIL] = "fail",
    [VT_FAULT_KILL_BEFORE] = "kill-before",
    [VT_FAULT_KILL_AFTER] = "kill-after",
    [VT_FAULT_KILL_UNDO] = "kill-undo",
};
VT_ENUM_TABLE(fault_action_names, VT_FAULT_COUNT);

gboolean
vt_fault_lookup(const char *spec, const char *sequence, const char *step, VtFaultAction action)
{
    g_auto(GStrv) entries = g_strsplit_set(spec ? spec : "", ",\n", -1);
    g_autofree char *wanted = g_strdup_printf("%s/%s", sequence, step);

    for (gsize i = 0; entries[i]; i++) {
        char *entry = g_strstrip(entries[i]);
        char *colon = strchr(entry, ':');
        int value = VT_FAULT_FAIL;

        if (colon) {
            *colon = '\0';
            value = vt_enum_value(fault_action_names, G_N_ELEMENTS(fault_action_names), colon + 1);
        }
        if (value == (int)action && strcmp(entry, wanted) == 0)
            return TRUE;
    }
    return FALSE;
}

#if VT_FAULT_INJECTION || defined(VT_FAULT_DAEMON)

static gboolean
fault_requested(const char *sequence, const char *step, VtFaultAction action)
{
    const char *path = g_getenv("VIRTTEAM_FAULT_FILE");
    g_autofree char *text = NULL;

    if (vt_fault_lookup(g_getenv("VIRTTEAM_FAULT"), sequence, step, action))
        return TRUE;
    return path && g_file_get_contents(path, &text, NULL, NULL) &&
           vt_fault_lookup(text, sequence, step, action);
}

gboolean
vt_fault_point(const char *sequence, const char *step, VtFaultAction action, GError **error)
{
    if (!step || !fault_requested(sequence, step, action))
        return TRUE;
    if (action == VT_FAULT_FAIL)
        return vt_error_set(error, VT_ERROR_OPERATION_FAILED, "A fault was injected at step '%s' of '%s'.",
                            step, sequence);
    raise(SIGKILL);
    return TRUE;
}

#else

gboolean
vt_fault_point(const char *sequence, const char *step, VtFaultAction action, GError **error)
{
    return TRUE;
}

#endif
