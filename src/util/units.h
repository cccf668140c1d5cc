/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The only unit conversions of virtteam. Every one of them saturates at the type's maximum instead of
 * wrapping, because the numbers come from XML, from clients and from QEMU.
 */
#pragma once

#include <glib.h>

#include <string.h>

#define VT_UNITS_KIB      (G_GUINT64_CONSTANT(1) << 10)
#define VT_UNITS_MIB      (G_GUINT64_CONSTANT(1) << 20)
#define VT_UNITS_GIB      (G_GUINT64_CONSTANT(1) << 30)
#define VT_UNITS_US_PER_S G_GUINT64_CONSTANT(1000000)

/** a * b, or the maximum where that does not fit. */
static inline guint64
vt_units_mul(guint64 a, guint64 b)
{
    guint64 out;

    return g_uint64_checked_mul(&out, a, b) ? out : G_MAXUINT64;
}

static inline guint64
vt_units_kib_to_bytes(guint64 kib)
{
    return vt_units_mul(kib, VT_UNITS_KIB);
}

static inline guint64
vt_units_mib_to_bytes(guint64 mib)
{
    return vt_units_mul(mib, VT_UNITS_MIB);
}

/** Rounds up: a guest never gets less memory than was asked for. */
static inline guint64
vt_units_bytes_to_kib(guint64 bytes)
{
    return bytes / VT_UNITS_KIB + (bytes % VT_UNITS_KIB ? 1 : 0);
}

/** Rounds up, as vt_units_bytes_to_kib(). */
static inline guint64
vt_units_bytes_to_mib(guint64 bytes)
{
    return bytes / VT_UNITS_MIB + (bytes % VT_UNITS_MIB ? 1 : 0);
}

/** libvirt's bandwidth of a migration (MiB/s) as QEMU's max-bandwidth (bytes/s). */
static inline guint64
vt_units_mib_per_s_to_bytes_per_s(guint64 mib_per_s)
{
    return vt_units_mul(mib_per_s, VT_UNITS_MIB);
}

static inline guint64
vt_units_s_to_ms(guint64 s)
{
    return vt_units_mul(s, 1000);
}

static inline guint64
vt_units_ms_to_us(guint64 ms)
{
    return vt_units_mul(ms, 1000);
}

static inline guint64
vt_units_us_to_ms(guint64 us)
{
    return us / 1000;
}

static inline guint64
vt_units_ms_to_ns(guint64 ms)
{
    return vt_units_mul(ms, 1000000);
}

/**
 * vt_units_memory_factor - bytes in one unit of libvirt's scaled integers
 * @unit:   (nullable) "b", "bytes", "KB", "k", "KiB", "MB", "M", "MiB", ... up to "E"; NULL means KiB
 * @factor: (out) bytes
 *
 * Return: FALSE when there is no such unit.
 * Source: libvirt formatdomain.rst, element memory: "KB" is 1000, "k" and "KiB" are 1024.
 */
static inline gboolean
vt_units_memory_factor(const char *unit, guint64 *factor)
{
    static const char letters[] = "kmgtpe";
    const char *letter;
    guint64 base = 1024;
    guint64 out = 1;

    if (!unit)
        unit = "KiB";
    if (g_ascii_strcasecmp(unit, "b") == 0 || g_ascii_strcasecmp(unit, "byte") == 0 ||
        g_ascii_strcasecmp(unit, "bytes") == 0) {
        *factor = 1;
        return TRUE;
    }
    letter = unit[0] ? strchr(letters, g_ascii_tolower(unit[0])) : NULL;
    if (!letter)
        return FALSE;
    if (g_ascii_strcasecmp(unit + 1, "b") == 0)
        base = 1000;
    else if (unit[1] && g_ascii_strcasecmp(unit + 1, "ib") != 0)
        return FALSE;
    for (const char *p = letters; p <= letter; p++)
        out *= base;
    *factor = out;
    return TRUE;
}
