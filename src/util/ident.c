/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/ident.h"

#include <string.h>

gboolean
vt_uuid_parse(const char *text, VtUuid *uuid)
{
    VtUuid out;
    guint digits = 0;

    for (const char *p = text; *p; p++) {
        int value = g_ascii_xdigit_value(*p);

        if (*p == '-' && digits % 2 == 0 && digits > 0 && digits < 32)
            continue;
        if (value < 0 || digits == 32)
            return FALSE;
        if (digits % 2 == 0)
            out.bytes[digits / 2] = (guint8)(value << 4);
        else
            out.bytes[digits / 2] |= (guint8)value;
        digits++;
    }
    if (digits != 32)
        return FALSE;
    *uuid = out;
    return TRUE;
}

char *
vt_uuid_format(const VtUuid *uuid, char buffer[VT_UUID_STRING_SIZE])
{
    char *p = buffer;

    for (guint i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        g_snprintf(p, 3, "%02x", uuid->bytes[i]);
        p += 2;
    }
    return buffer;
}

void
vt_uuid_generate(VtUuid *uuid)
{
    for (guint i = 0; i < 16; i += 4) {
        guint32 word = g_random_int();

        memcpy(uuid->bytes + i, &word, 4);
    }
    uuid->bytes[6] = (guint8)((uuid->bytes[6] & 0x0f) | 0x40); /* RFC 4122 4.4: version 4 */
    uuid->bytes[8] = (guint8)((uuid->bytes[8] & 0x3f) | 0x80); /* and its variant */
}

gboolean
vt_uuid_equal(const VtUuid *a, const VtUuid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

guint
vt_uuid_hash(gconstpointer key)
{
    const VtUuid *uuid = key;
    guint32 words[4];

    memcpy(words, uuid->bytes, sizeof words);
    return words[0] ^ words[1] ^ words[2] ^ words[3];
}

gboolean
vt_uuid_key_equal(gconstpointer a, gconstpointer b)
{
    return vt_uuid_equal(a, b);
}

gboolean
vt_mac_parse(const char *text, VtMac *mac)
{
    VtMac out;
    const char *p = text;

    for (guint i = 0; i < 6; i++) {
        int high = g_ascii_xdigit_value(*p);
        int low;

        if (high < 0)
            return FALSE;
        low = g_ascii_xdigit_value(*++p);
        if (low < 0) {
            low = high; /* one digit alone: "0:1:..." as libvirt takes it */
            high = 0;
        } else {
            p++;
        }
        out.bytes[i] = (guint8)(high << 4 | low);
        if (*p != (i < 5 ? ':' : '\0'))
            return FALSE;
        p++;
    }
    *mac = out;
    return TRUE;
}

char *
vt_mac_format(const VtMac *mac, char buffer[VT_MAC_STRING_SIZE])
{
    const guint8 *b = mac->bytes;

    g_snprintf(buffer, VT_MAC_STRING_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4],
               b[5]);
    return buffer;
}

void
vt_mac_generate(VtMac *mac)
{
    guint32 tail = g_random_int();

    *mac = (VtMac){ { 0x52, 0x54, 0x00, (guint8)(tail >> 16), (guint8)(tail >> 8), (guint8)tail } };
}

gboolean
vt_mac_equal(const VtMac *a, const VtMac *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

gboolean
vt_mac_is_multicast(const VtMac *mac)
{
    return (mac->bytes[0] & 1) != 0;
}

gboolean
vt_mac_is_zero(const VtMac *mac)
{
    static const VtMac zero;

    return vt_mac_equal(mac, &zero);
}
