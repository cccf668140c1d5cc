/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "datapath/vf-note.h"

#include "datapath/port-note.h"
#include "util/json.h"

#include <string.h>

#define VF_NOTE_TRIES 30

static guint
vf_note_tries(const VtVfNote *note)
{
    return note->tries ? note->tries : VF_NOTE_TRIES;
}

gboolean
vt_vf_note_take(VtNetlink *netlink, VtVfNote *note, gboolean *grew, GError **error)
{
    VtVfSettings original;
    VtLinkInfo pf;

    if (!vt_link_get(netlink, note->pf, &pf, error))
        return FALSE;
    if (note->noted && note->ifindex == pf.index)
        return TRUE;
    if (!pf.up)
        return vt_error_set(error, VT_ERROR_UNSUPPORTED,
                            "The PF's interface '%s' is down: its VFs stay in reset until it is brought up.",
                            note->pf);
    if (!vt_vf_get(netlink, pf.index, note->vf, &original, NULL, error))
        return FALSE;
    note->original = original;
    note->ifindex = pf.index;
    note->noted = TRUE;
    *grew = TRUE;
    return TRUE;
}

/* Only @fields, which we have set: some drivers refuse even their own defaults for what was never asked of them. */
static gboolean
vf_note_put_back(VtNetlink *netlink, const VtVfNote *note, guint fields, GError **error)
{
    VtVfSettings back = note->original;

    back.fields &= fields;
    /* The guest's MAC may have been left behind by somebody; then none. */
    if ((fields & VT_VF_MAC) && vt_mac_equal(&back.mac, &note->wanted.mac))
        memset(&back.mac, 0, sizeof back.mac);
    return vt_vf_program(netlink, note->ifindex, note->vf, &back, vf_note_tries(note), error);
}

gboolean
vt_vf_note_arm(VtNetlink *netlink, const VtVfNote *note, gboolean armed, GError **error)
{
    VtVfSettings now;

    if (armed)
        return vt_vf_program(netlink, note->ifindex, note->vf, &note->wanted, vf_note_tries(note), error);
    if (!vt_vf_get(netlink, note->ifindex, note->vf, &now, NULL, error))
        return FALSE;
    return !vt_mac_equal(&now.mac, &note->wanted.mac) || vf_note_put_back(netlink, note, VT_VF_MAC, error);
}

void
vt_vf_note_restore(VtNetlink *netlink, VtVfNote *note, GError **first)
{
    VtLinkInfo pf;

    if (note->noted && vt_link_get(netlink, note->pf, &pf, NULL) && pf.index == note->ifindex)
        vf_note_put_back(netlink, note, note->wanted.fields, vt_port_note_first(first));
    note->noted = FALSE;
}

/*
 * A VF has no other interrupts than messages (SR-IOV 1.1, 3.4.1.18). Its driver sets them up while it probes, later than it
 * enables DMA and so nearer to the registration; they come from the moment the interface has been opened. They are
 * counted, over resets of the device, beside its frames: the kernel tells zeroes for a driver that counts no frames for
 * its VFs, like igb. FALSE: not set up.
 */
static gboolean
vf_note_count_interrupts(VtVfNote *note, const VtPciHost *host)
{
    guint64 now = 0;
    gboolean set_up = host && vt_pci_interrupts(host, &note->bdf, &now);

    note->alive += now > note->interrupts ? now - note->interrupts : 0;
    note->interrupts = now;
    return set_up;
}

gboolean
vt_vf_note_look(VtNetlink *netlink, VtVfNote *note, const VtPciHost *host, VtLifeSigns *signs)
{
    VtVfCounters counters = { 0 };
    VtVfSettings settings;
    gboolean set_up;

    if (!note->noted || !vt_vf_get(netlink, note->ifindex, note->vf, &settings, &counters, NULL))
        return FALSE;
    set_up = vf_note_count_interrupts(note, host);
    *signs = (VtLifeSigns){
        .stirs = set_up && vt_pci_bus_master(host, &note->bdf),
        .frames = counters.tx_packets + note->alive,
    };
    return TRUE;
}

/* ---- the disk ---- */

static JsonObject *
vf_note_settings_to_json(const VtVfSettings *settings)
{
    char mac[VT_MAC_STRING_SIZE];

    return vt_json_object_new("i:fields", (int)settings->fields, "s:mac", vt_mac_format(&settings->mac, mac),
                              "i:vlan", (int)settings->vlan, "i:qos", (int)settings->qos, "i:vlan-proto",
                              (int)settings->vlan_proto, "b:spoofchk", settings->spoofchk, "b:trust",
                              settings->trust, "i:link-state", (int)settings->link_state,
                              "l:min-rate-mbit-per-s", (gint64)settings->min_rate_mbit_per_s,
                              "l:max-rate-mbit-per-s", (gint64)settings->max_rate_mbit_per_s, NULL);
}

static gboolean
vf_note_settings_from_json(JsonNode *node, VtVfSettings *settings, GError **error)
{
    VtVfSettings out = { 0 };
    const char *mac;

    if (!vt_json_get_string(node, "mac", &mac, error))
        return FALSE;
    if (!vt_mac_parse(mac, &out.mac))
        return vt_error_set(error, VT_ERROR_INVALID_ARG, "'%s' is no MAC address.", mac);
    out.fields = (guint)CLAMP(vt_json_int_or(node, "fields", 0), 0, VT_VF_FIELDS_ALL);
    out.vlan = (guint16)CLAMP(vt_json_int_or(node, "vlan", 0), 0, 4095);
    out.qos = (guint8)CLAMP(vt_json_int_or(node, "qos", 0), 0, 7);
    out.vlan_proto = (guint16)CLAMP(vt_json_int_or(node, "vlan-proto", 0), 0, G_MAXUINT16);
    out.spoofchk = vt_json_bool_or(node, "spoofchk", FALSE);
    out.trust = vt_json_bool_or(node, "trust", FALSE);
    out.link_state = (VtVfLinkState)CLAMP(vt_json_int_or(node, "link-state", 0), 0, VT_VF_LINK_DISABLE);
    out.min_rate_mbit_per_s = (guint32)CLAMP(vt_json_int_or(node, "min-rate-mbit-per-s", 0), 0, G_MAXUINT32);
    out.max_rate_mbit_per_s = (guint32)CLAMP(vt_json_int_or(node, "max-rate-mbit-per-s", 0), 0, G_MAXUINT32);
    *settings = out;
    return TRUE;
}

JsonObject *
vt_vf_note_to_json(const VtVfNote *note)
{
    char bdf[VT_PCI_BDF_STRING_SIZE];

    return vt_json_object_new("s:pf", note->pf, "i:ifindex", note->ifindex, "i:vf", (int)note->vf, "s:bdf",
                              vt_pci_bdf_format(&note->bdf, bdf), "i:tries", (int)note->tries, "o:wanted",
                              vf_note_settings_to_json(&note->wanted), "O:original",
                              note->noted ? vf_note_settings_to_json(&note->original) : NULL, NULL);
}

gboolean
vt_vf_note_from_json(JsonNode *node, VtVfNote *note, GError **error)
{
    JsonNode *original = node ? vt_json_find(node, "original") : NULL;
    VtVfNote out = { 0 };
    const char *pf;

    if (!vt_json_get_string(node, "pf", &pf, error) ||
        !vf_note_settings_from_json(vt_json_find(node, "wanted"), &out.wanted, error) ||
        (original && !vf_note_settings_from_json(original, &out.original, error)))
        return FALSE;
    if (!vt_link_name_valid(pf) || !vt_pci_bdf_parse(vt_json_string_or(node, "bdf", ""), &out.bdf))
        return vt_error_set(error, VT_ERROR_INVALID_ARG, "The PF or the VF of the note makes no sense.");
    g_strlcpy(out.pf, pf, sizeof out.pf);
    out.noted = original != NULL;
    out.ifindex = (int)CLAMP(vt_json_int_or(node, "ifindex", 0), 0, G_MAXINT);
    out.vf = (guint)CLAMP(vt_json_int_or(node, "vf", 0), 0, G_MAXUINT16);
    out.tries = (guint)CLAMP(vt_json_int_or(node, "tries", 0), 0, 1000);
    *note = out;
    return TRUE;
}
