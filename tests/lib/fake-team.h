/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest with one team of emulated NICs, and what its QEMU says of it. */
#pragma once

#define UUID_A "11111111-2222-3333-4444-000000000001"

/* For fake_guest_xml(); @policy: attributes of ours; @nic: the rest of the tag of both, and what is in them. */
#define TEAM_BY(policy, nic)                                                                                      \
    "<metadata><v:teaming xmlns:v='urn:virtteam:domain:1'><v:team persistent='ua-standby' emulated='yes' " policy \
    "/></v:teaming></metadata><devices><interface " nic "<mac address='52:54:00:00:00:01'/>"                      \
    "<model type='virtio'/><teaming type='persistent'/><alias name='ua-standby'/>"                                \
    "</interface><interface " nic "<mac address='52:54:00:00:00:01'/>"                                            \
    "<model type='vmxnet3'/><teaming type='transient' persistent='ua-standby'/><alias name='ua-primary'/>"        \
    "</interface></devices>"
#define TEAM(policy) TEAM_BY(policy, "type='user'>")

#define EVENT(name, data)                                                                                    \
    "{\"event\":\"" name "\",\"data\":" data ",\"timestamp\":{\"seconds\":1,\"microseconds\":2}}"
#define OF_PRIMARY "{\"device\":\"ua-primary\",\"path\":\"/machine/peripheral/ua-primary\"}"
#define GONE       EVENT("DEVICE_DELETED", OF_PRIMARY)
#define REFUSES    EVENT("DEVICE_UNPLUG_GUEST_ERROR", OF_PRIMARY)
#define NEGOTIATED EVENT("FAILOVER_NEGOTIATED", "{\"device-id\":\"ua-standby\"}")

/* Of qom-list: the primary is plugged. */
#define THERE "[{\"name\":\"ua-primary\",\"type\":\"child<vmxnet3>\"}]"
