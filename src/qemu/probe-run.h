/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ask a QEMU binary questions over QMP on its standard input and output, without a guest.
 */
#pragma once

#include <json-glib/json-glib.h>
#include "util/error.h"

/**
 * vt_probe_run - start a binary without a machine, ask, and kill it
 * @binary:     path of qemu-system-*
 * @commands:   QMP commands as JSON objects without "id", NULL-terminated, at most 32
 * @timeout_ms: for everything together; the process is killed when it has passed
 * @error:      (out) SYSTEM (cannot be started), TIMEOUT, OPERATION_FAILED (ended or talks something else);
 *              what it wrote to stderr is in the message
 *
 * Blocking.
 * Return: (transfer full) (element-type JsonNode) one entry a command: the value of "return", or NULL where
 *         QEMU answered with an error; free with g_ptr_array_unref().
 * Source: QEMU docs/interop/qmp-spec.
 */
GPtrArray *vt_probe_run(const char *binary, const char *const *commands, guint timeout_ms, GError **error);
