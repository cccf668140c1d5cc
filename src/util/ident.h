/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * UUIDs and MAC addresses: parse, format, generate.
 */
#pragma once

#include <glib.h>

typedef struct {
    guint8 bytes[16];
} VtUuid;

typedef struct {
    guint8 bytes[6];
} VtMac;

#define VT_UUID_STRING_SIZE 37 /* 36 characters and the NUL */
#define VT_MAC_STRING_SIZE  18

/**
 * vt_uuid_parse - read a UUID as libvirt does
 * @text: 32 hexadecimal digits, with or without hyphens between them
 * @uuid: (out) set only on success
 *
 * Return: FALSE when @text is no UUID.
 * Source: libvirt formatdomain.rst, element uuid (RFC 4122).
 */
gboolean vt_uuid_parse(const char *text, VtUuid *uuid);

/**
 * vt_uuid_format - write a UUID in lower case with hyphens
 * @uuid:   what to write
 * @buffer: (out) at least VT_UUID_STRING_SIZE bytes
 *
 * Return: @buffer.
 */
char *vt_uuid_format(const VtUuid *uuid, char buffer[VT_UUID_STRING_SIZE]);

/**
 * vt_uuid_generate - a new random (version 4) UUID
 * @uuid: (out) the UUID
 */
void vt_uuid_generate(VtUuid *uuid);

gboolean vt_uuid_equal(const VtUuid *a, const VtUuid *b);

/** Hash for GHashTable keys of type VtUuid *. */
guint vt_uuid_hash(gconstpointer key);

/** Equality for GHashTable keys of type VtUuid *. */
gboolean vt_uuid_key_equal(gconstpointer a, gconstpointer b);

/**
 * vt_mac_parse - read a MAC address: six colon-separated hexadecimal bytes
 * @text: what to read
 * @mac:  (out) set only on success
 *
 * Return: FALSE when @text is no MAC address. Multicast addresses are read; callers refuse them.
 */
gboolean vt_mac_parse(const char *text, VtMac *mac);

/**
 * vt_mac_format - write a MAC address in lower case
 * @mac:    what to write
 * @buffer: (out) at least VT_MAC_STRING_SIZE bytes
 *
 * Return: @buffer.
 */
char *vt_mac_format(const VtMac *mac, char buffer[VT_MAC_STRING_SIZE]);

/**
 * vt_mac_generate - a random address with QEMU's prefix 52:54:00
 * @mac: (out) the address
 */
void vt_mac_generate(VtMac *mac);

/** What kind of address it is. */
gboolean vt_mac_equal(const VtMac *a, const VtMac *b);
gboolean vt_mac_is_multicast(const VtMac *mac);
gboolean vt_mac_is_zero(const VtMac *mac);
