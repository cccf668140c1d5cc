/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define VT_LOG_DOMAIN "virtteam-driver-vf-take"

#include "driver/vf-refused.h"

#include "driver/domain-private.h"
#include "util/log.h"
#include "util/message-id.h"

#define VF_REFUSED_KEY "vf-refused"

static GHashTable *
vf_refused_known(VtDriver *driver)
{
    GHashTable *known = vt_driver_data(driver, VF_REFUSED_KEY);

    if (!known) {
        known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        vt_driver_set_data(driver, VF_REFUSED_KEY, known, (GDestroyNotify)g_hash_table_unref);
    }
    return known;
}

void
vt_vf_refused_tell(const VtDomain *domain, const VtPciBdf *bdf, const GError *why)
{
    char address[VT_PCI_BDF_STRING_SIZE];

    vt_pci_bdf_format(bdf, address);
    if (g_hash_table_add(vf_refused_known(domain->driver), g_strdup(address)))
        vt_log_id_warning(VT_MESSAGE_VF_REFUSED, domain->name, "domain '%s': the VF %s cannot be had: %s",
                          domain->name, address, why->message);
}

void
vt_vf_refused_over(VtDriver *driver, const VtPciBdf *bdf)
{
    char address[VT_PCI_BDF_STRING_SIZE];

    g_hash_table_remove(vf_refused_known(driver), vt_pci_bdf_format(bdf, address));
}
