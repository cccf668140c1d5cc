/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver/device-leaving.h"

#include <string.h>
#include "driver/domain-private.h"

#define DEVICE_LEAVING_KEY "device-leaving"

typedef struct {
    int run; /* id of the domain's run that it is about */
    GPtrArray *aliases;
} DeviceLeaving;

static void
device_leaving_free(gpointer data)
{
    DeviceLeaving *leaving = data;

    g_ptr_array_unref(leaving->aliases);
    g_free(leaving);
}

static DeviceLeaving *
device_leaving_peek(const VtDomain *domain)
{
    DeviceLeaving *leaving = vt_domain_data(domain, DEVICE_LEAVING_KEY);

    return leaving && leaving->run == domain->id ? leaving : NULL;
}

static gboolean
device_leaving_find(const DeviceLeaving *leaving, const char *alias, guint *index)
{
    return leaving && g_ptr_array_find_with_equal_func(leaving->aliases, alias, g_str_equal, index);
}

static void
device_leaving_insert(VtDomain *domain, const char *alias)
{
    DeviceLeaving *leaving = device_leaving_peek(domain);

    if (!leaving) {
        leaving = g_new0(DeviceLeaving, 1);
        leaving->run = domain->id;
        leaving->aliases = g_ptr_array_new_with_free_func(g_free);
        vt_domain_set_data(domain, DEVICE_LEAVING_KEY, leaving, device_leaving_free);
    }
    g_ptr_array_add(leaving->aliases, g_strdup(alias));
}

void
vt_device_leaving_add(VtDomain *domain, const char *alias)
{
    if (vt_device_leaving_has(domain, alias))
        return;
    device_leaving_insert(domain, alias);
    vt_domain_status_changed(domain);
}

void
vt_device_leaving_remove(VtDomain *domain, const char *alias)
{
    DeviceLeaving *leaving = device_leaving_peek(domain);
    guint index = 0;

    if (!device_leaving_find(leaving, alias, &index))
        return;
    g_ptr_array_remove_index(leaving->aliases, index);
    vt_domain_status_changed(domain);
}

gboolean
vt_device_leaving_has(const VtDomain *domain, const char *alias)
{
    return device_leaving_find(device_leaving_peek(domain), alias, NULL);
}

char **
vt_device_leaving_list(const VtDomain *domain)
{
    const DeviceLeaving *leaving = device_leaving_peek(domain);
    GPtrArray *list = g_ptr_array_new();

    for (guint i = 0; leaving && i < leaving->aliases->len; i++)
        g_ptr_array_add(list, g_strdup(g_ptr_array_index(leaving->aliases, i)));
    g_ptr_array_add(list, NULL);
    return (char **)g_ptr_array_free(list, FALSE);
}

void
vt_device_leaving_restore(VtDomain *domain, const char *const *aliases)
{
    for (guint i = 0; aliases && aliases[i]; i++)
        if (!vt_device_leaving_has(domain, aliases[i]))
            device_leaving_insert(domain, aliases[i]);
}
