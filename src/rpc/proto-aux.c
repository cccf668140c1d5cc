/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/proto-aux.h"

#include "rpc/call-connect.h"
#include "rpc/call-domain.h"
#include "rpc/call-event.h"
#include "rpc/proto-remote.h"
#include "rpc/proto-team.h"

/* Source: qemu_protocol.x, procedure numbers QEMU_PROC_*. */
static const VtProcedure proto_qemu_rows[] = {
    { 1, "DOMAIN_MONITOR_COMMAND", &vt_proto_dom_text_flags, &vt_proto_text, VT_CALL_WRITE, 0,
      vt_call_domain_monitor_command },
    { 4, "CONNECT_DOMAIN_MONITOR_EVENT_REGISTER", &vt_proto_monitor_register, &vt_proto_int, VT_CALL_WRITE, 0,
      vt_call_event_monitor_register },
    { 5, "CONNECT_DOMAIN_MONITOR_EVENT_DEREGISTER", &vt_proto_int, &vt_xdr_void, VT_CALL_READ, 0,
      vt_call_event_monitor_deregister },
    { 6, "DOMAIN_MONITOR_EVENT", &vt_proto_event_monitor, &vt_xdr_void, VT_CALL_READ, 0, NULL },
};

const VtProgram vt_proto_qemu = {
    .name = "qemu",
    .number = 0x20008087,
    .version = 1,
    .rows = proto_qemu_rows,
    .n_rows = G_N_ELEMENTS(proto_qemu_rows),
};

const VtProgram *const vt_proto_programs[] = { &vt_proto_remote, &vt_proto_qemu, &vt_proto_team_program,
                                               NULL };

static void
proto_row_to_markdown(GString *text, const VtProgram *program, const VtProcedure *row)
{
    static const char *const access[] = {
        [VT_CALL_READ] = "any client",
        [VT_CALL_WRITE] = "not read-only",
        [VT_CALL_COND] = "by its flags",
    };
    const char *who = row->handler == NULL ? "event" : access[row->access];

    if (row->handler != vt_call_connect_no_support)
        g_string_append_printf(text, "| %s | %d | %s | %s |\n", program->name, row->number, row->name, who);
}

char *
vt_proto_programs_to_markdown(void)
{
    GString *text = g_string_new("| program | number | procedure | who |\n| --- | --- | --- | --- |\n");

    for (guint i = 0; vt_proto_programs[i] != NULL; i++) {
        const VtProgram *program = vt_proto_programs[i];

        for (gsize j = 0; j < program->n_rows; j++)
            proto_row_to_markdown(text, program, &program->rows[j]);
    }
    return g_string_free(text, FALSE);
}
