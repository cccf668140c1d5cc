/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Our errors in libvirt's numbers and words. The only place that knows either.
 */
#pragma once

#include "rpc/proto-types.h"

/* libvirt's virErrorNumber, as far as it is sent. */
typedef enum {
    VT_ERROR_MAP_INTERNAL_ERROR = 1,
    VT_ERROR_MAP_NO_SUPPORT = 3,
    VT_ERROR_MAP_NO_CONNECT = 5,
    VT_ERROR_MAP_INVALID_ARG = 8,
    VT_ERROR_MAP_OPERATION_FAILED = 9,
    VT_ERROR_MAP_XML_ERROR = 27,
    VT_ERROR_MAP_OPERATION_DENIED = 29,
    VT_ERROR_MAP_XML_DETAIL = 35,
    VT_ERROR_MAP_SYSTEM_ERROR = 38,
    VT_ERROR_MAP_RPC = 39,
    VT_ERROR_MAP_NO_DOMAIN = 42,
    VT_ERROR_MAP_NO_NETWORK = 43,
    VT_ERROR_MAP_AUTH_FAILED = 45,
    VT_ERROR_MAP_NO_STORAGE_POOL = 49,
    VT_ERROR_MAP_NO_STORAGE_VOL = 50,
    VT_ERROR_MAP_NO_NODE_DEVICE = 53,
    VT_ERROR_MAP_OPERATION_INVALID = 55,
    VT_ERROR_MAP_CONFIG_UNSUPPORTED = 67,
    VT_ERROR_MAP_OPERATION_TIMEOUT = 68,
    VT_ERROR_MAP_NO_DOMAIN_SNAPSHOT = 72,
    VT_ERROR_MAP_OPERATION_ABORTED = 78,
    VT_ERROR_MAP_NO_DOMAIN_METADATA = 80,
    VT_ERROR_MAP_MIGRATE_UNSAFE = 81,
    VT_ERROR_MAP_OPERATION_UNSUPPORTED = 84,
    VT_ERROR_MAP_AGENT_UNRESPONSIVE = 86,
    VT_ERROR_MAP_MIGRATE_FINISH_OK = 93,
    VT_ERROR_MAP_DEVICE_MISSING = 99,
} VtErrorMapCode;

/* libvirt's virErrorDomain, as far as it is sent. */
typedef enum {
    VT_ERROR_MAP_FROM_NONE = 0,
    VT_ERROR_MAP_FROM_XML = 5,
    VT_ERROR_MAP_FROM_RPC = 7,
    VT_ERROR_MAP_FROM_QEMU = 10,
    VT_ERROR_MAP_FROM_STORAGE = 18,
    VT_ERROR_MAP_FROM_NETWORK = 19,
    VT_ERROR_MAP_FROM_DOMAIN = 20,
    VT_ERROR_MAP_FROM_NODEDEV = 22,
    VT_ERROR_MAP_FROM_MIGRATION = 63,
} VtErrorMapDomain;

/**
 * vt_error_map - what a client is sent for an error of ours
 * @error: any GError; one of another domain than VT_ERROR counts as internal
 * @wire:  (out) owned strings; free with vt_xdr_type_clear(&vt_proto_error, @wire)
 *
 * Source: virErrorMsg() and virNetMessageSaveError() of libvirt: the message carries its code's usual prefix.
 */
void vt_error_map(const GError *error, VtProtoError *wire);

/**
 * vt_error_map_exact - an error with numbers chosen by the caller
 * @code:   virErrorNumber
 * @domain: virErrorDomain
 * @text:   the whole message
 * @wire:   (out) as for vt_error_map()
 */
void vt_error_map_exact(VtErrorMapCode code, VtErrorMapDomain domain, const char *text, VtProtoError *wire);
