/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/call-device.h"

#include "driver/device.h"

/* virDomainDeviceModifyFlags: what the calls without flags mean. */
#define CALL_DEVICE_LIVE 1u

typedef void (*DeviceAct)(VtDriver *driver, VtDomain *domain, const char *xml, guint flags, VtDoneFunc done,
                          gpointer user);

/* The old calls change the running guest, and nothing else. */
static void
device_act_live(VtCall *call, DeviceAct act)
{
    const VtProtoDomText *args = vt_call_args(call);
    VtDomain *domain = vt_call_domain(call, &args->dom);

    if (domain != NULL)
        act(vt_call_driver(call), domain, args->text, CALL_DEVICE_LIVE, vt_call_done, call);
}

static void
device_act_flags(VtCall *call, DeviceAct act)
{
    const VtProtoDomTextFlags *args = vt_call_args(call);
    VtDomain *domain = vt_call_domain(call, &args->dom);

    if (domain != NULL)
        act(vt_call_driver(call), domain, args->text, args->flags, vt_call_done, call);
}

void
vt_call_device_attach(VtCall *call)
{
    device_act_live(call, vt_device_attach);
}

void
vt_call_device_attach_flags(VtCall *call)
{
    device_act_flags(call, vt_device_attach);
}

void
vt_call_device_detach(VtCall *call)
{
    device_act_live(call, vt_device_detach);
}

void
vt_call_device_detach_flags(VtCall *call)
{
    device_act_flags(call, vt_device_detach);
}

void
vt_call_device_detach_alias(VtCall *call)
{
    device_act_flags(call, vt_device_detach_alias);
}

void
vt_call_device_update(VtCall *call)
{
    device_act_flags(call, vt_device_update);
}
