/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver/migrate-src-check.h"

#include "conf/domain-xml.h"
#include "conf/teaming.h"
#include "driver/domain-obj.h"
#include "util/i18n.h"

/* The XML for the destination may name other host resources, and nothing that the guest sees. */
static gboolean
migrate_check_xml(const VtDomainDef *ours, const char *xml, const char *what, GError **error)
{
    g_autoptr(VtDomainDef) theirs = vt_domain_xml_parse(xml, error);

    if (!theirs) {
        g_prefix_error(error, "%s: ", what);
        return FALSE;
    }
    if (!vt_uuid_equal(&theirs->uuid, &ours->uuid) || theirs->memory_kib != ours->memory_kib ||
        theirs->vcpus != ours->vcpus || g_strcmp0(theirs->os.arch, ours->os.arch) != 0 ||
        theirs->nets->len != ours->nets->len || theirs->disks->len != ours->disks->len)
        return vt_error_set(
            error, VT_ERROR_CONFIG_UNSUPPORTED,
            _("%s: the guest of that XML is another one: its uuid, memory, vcpu, arch, disks and "
              "interfaces must be those of the running guest"),
            what);
    return TRUE;
}

/* A paused guest cannot eject anything: QEMU would wait for it for ever. */
gboolean
vt_migrate_src_check_state(const VtDomain *domain, GError **error)
{
    g_autoptr(GPtrArray) teams = NULL;
    int reason = 0;

    if (!vt_domain_is_active(domain))
        return vt_error_set(error, VT_ERROR_OPERATION_INVALID, _("domain is not running"));
    teams = vt_teaming_teams(vt_domain_def(domain));
    if (vt_domain_state(domain, &reason) == VT_DOMAIN_PAUSED && teams->len > 0)
        return vt_error_set(
            error, VT_ERROR_OPERATION_INVALID,
            _("domain '%s' is paused and has a team: its guest cannot eject the primary; resume it "
              "first ('virsh resume'), or detach the transient device"),
            vt_domain_name(domain));
    return TRUE;
}

gboolean
vt_migrate_src_check(VtDomain *domain, const VtMigParams *params, GError **error)
{
    const VtDomainDef *def = vt_domain_def(domain);

    if (!vt_migrate_src_check_state(domain, error))
        return FALSE;
    if ((params->flags & VT_MIG_FLAG_UNDEFINE_SOURCE) && !vt_domain_is_persistent(domain))
        return vt_error_set(error, VT_ERROR_OPERATION_INVALID,
                            _("cannot undefine transient domain '%s' after the migration"),
                            vt_domain_name(domain));
    if (params->destination_xml && !migrate_check_xml(def, params->destination_xml, "destination_xml", error))
        return FALSE;
    return !params->persistent_xml || migrate_check_xml(def, params->persistent_xml, "persistent_xml", error);
}
