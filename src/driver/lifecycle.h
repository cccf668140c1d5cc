/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest's life: define, start, stop, and what lies between. Flags are libvirt's, bit for bit; a bit that
 * is not supported is refused with UNSUPPORTED, never ignored.
 */
#pragma once

#include "driver/domain-obj.h"

/** (transfer none) the domain, or NULL with @error. */
typedef void (*VtDomainDone)(gpointer user, VtDomain *domain, const GError *error);

/**
 * vt_lifecycle_define - virDomainDefineXMLFlags
 * @driver: the driver
 * @xml:    the definition
 * @flags:  VALIDATE 1
 * @done:   told when it is on the disk; DOMAIN_EXISTS on a name or UUID clash, SYSTEM: all is as it was
 * @user:   for @done
 */
void vt_lifecycle_define(VtDriver *driver, const char *xml, guint flags, VtDomainDone done, gpointer user);

/** virDomainUndefineFlags: forget the definition; a running domain becomes transient. Told when the disk knows. */
void vt_lifecycle_undefine(VtDriver *driver, VtDomain *domain, guint flags, VtDoneFunc done, gpointer user);

/**
 * vt_lifecycle_create - start a defined domain (virDomainCreateWithFlags)
 * @driver: the driver
 * @domain: not active
 * @flags:  PAUSED 1, AUTODESTROY 2, BYPASS_CACHE 4, FORCE_BOOT 8
 * @owner:  for AUTODESTROY
 * @done:   told when the guest runs (or is paused as asked)
 * @user:   for @done
 */
void vt_lifecycle_create(VtDriver *driver, VtDomain *domain, guint flags, VtOwner *owner, VtDoneFunc done,
                         gpointer user);

/** virDomainCreateXML: @domain is set (transfer none) by the time @done is told success. */
void vt_lifecycle_create_xml(VtDriver *driver, const char *xml, guint flags, VtOwner *owner,
                             VtDomain **domain, VtDoneFunc done, gpointer user);

/** virDomainShutdown, Reboot, Reset, Destroy, Suspend, Resume: @done is told when QEMU has done (or was asked). */
void vt_lifecycle_shutdown(VtDriver *driver, VtDomain *domain, guint flags, VtDoneFunc done, gpointer user);
void vt_lifecycle_reboot(VtDriver *driver, VtDomain *domain, guint flags, VtDoneFunc done, gpointer user);
void vt_lifecycle_reset(VtDriver *driver, VtDomain *domain, guint flags, VtDoneFunc done, gpointer user);
void vt_lifecycle_destroy(VtDriver *driver, VtDomain *domain, guint flags, VtDoneFunc done, gpointer user);

/** The daemon ends while a QEMU is waited for that was asked to end: the guest is left as it is, and nobody is told. */
void vt_lifecycle_abandon(VtDomain *domain);
void vt_lifecycle_suspend(VtDriver *driver, VtDomain *domain, VtDoneFunc done, gpointer user);
void vt_lifecycle_resume(VtDriver *driver, VtDomain *domain, VtDoneFunc done, gpointer user);

/** Whether the domain starts with the host; kept on disk. */
gboolean vt_lifecycle_set_autostart(VtDriver *driver, VtDomain *domain, gboolean on, GError **error);
gboolean vt_lifecycle_get_autostart(VtDriver *driver, VtDomain *domain);

/** virDomainRename of an inactive persistent domain. Told when the disk knows. */
void vt_lifecycle_rename(VtDriver *driver, VtDomain *domain, const char *name, VtDoneFunc done,
                         gpointer user);

/** qemu-monitor-command: @done gets the reply's text (transfer none), or NULL with @error. Flag 1: HMP. */
typedef void (*VtTextDone)(gpointer user, const char *text, const GError *error);
void vt_lifecycle_monitor_command(VtDriver *driver, VtDomain *domain, const char *command, guint flags,
                                  VtTextDone done, gpointer user);
