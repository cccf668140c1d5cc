/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/proto-team.h"

#include "rpc/call-team.h"

static const VtProcedure proto_team_rows[] = {
    { VT_PROTO_TEAM_LIST, "TEAM_LIST", &vt_proto_dom_arg, &vt_proto_team_list, VT_CALL_READ, 0,
      vt_call_team_list },
    { VT_PROTO_TEAM_SWITCH, "TEAM_SWITCH", &vt_proto_team_switch_args, &vt_proto_text, VT_CALL_WRITE, 0,
      vt_call_team_switch },
};

const VtProgram vt_proto_team_program = {
    .name = "team",
    .number = VT_PROTO_TEAM_PROGRAM,
    .version = VT_PROTO_TEAM_VERSION,
    .rows = proto_team_rows,
    .n_rows = G_N_ELEMENTS(proto_team_rows),
};
