/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The definition of a guest, as its XML says it. Plain data: parse fills it, validate judges it, format
 * writes it, and nobody else needs to know XML. Strings are owned (g_malloc), NULL is "not said".
 *
 * Names are libvirt's own (formatdomain.rst); QEMU's are made from them in src/qemu.
 */
#pragma once

#include <glib.h>
#include "util/ident.h"

/* ---- things that many devices share ---- */

typedef struct {
    guint domain, bus, slot, function;
    gboolean multifunction; /* multifunction='on' */
} VtPciAddress;

typedef enum {
    VT_ADDRESS_NONE,
    VT_ADDRESS_PCI,
    VT_ADDRESS_ISA,           /* kept as said, nothing to assign */
    VT_ADDRESS_USB,           /* bus, port */
    VT_ADDRESS_DRIVE,         /* controller, bus, target, unit */
    VT_ADDRESS_VIRTIO_SERIAL, /* controller, bus, port */
} VtAddressType;

typedef struct {
    VtAddressType type;
    VtPciAddress pci;
    guint controller, bus, target, unit; /* DRIVE; bus and unit (as port) also USB and VIRTIO_SERIAL */
    char *port;                          /* USB "1.2" */
} VtAddress;

typedef struct {
    char *alias;         /* "net0", "ua-data"; NULL until assigned */
    gboolean user_alias; /* begins with "ua-": kept over redefinition */
    VtAddress address;
    guint boot_order; /* 1.. ; 0: not said */
    char *rom_file;   /* <rom file=''/>: "" is "no ROM" */
    int rom_bar;      /* <rom bar='on|off'/>: 1, 0, or -1 not said */
    int rom_enabled;  /* <rom enabled='yes|no'/>: 1, 0, or -1 not said */
    char *acpi_index; /* never set: refused by name, kept here so that the refusal is in one place */
    int line;         /* of the element in the XML it came from, for messages; 0: not from XML */
} VtDeviceInfo;

/* A host PCI function, <source><address .../></source>. */
typedef struct {
    guint domain, bus, slot, function;
} VtHostPci;

typedef enum {
    VT_TRISTATE_DEFAULT,
    VT_TRISTATE_YES,
    VT_TRISTATE_NO,
} VtTristate;

/* ---- <teaming> ---- */

typedef enum {
    VT_TEAMING_NONE,
    VT_TEAMING_PERSISTENT,
    VT_TEAMING_TRANSIENT,
} VtTeamingType;

typedef struct {
    VtTeamingType type;
    char *persistent; /* alias of the persistent leg; for TRANSIENT */
} VtTeaming;

typedef enum {
    VT_ORCHESTRATION_DEFAULT, /* as virtteamd.conf says */
    VT_ORCHESTRATION_AUTO,
    VT_ORCHESTRATION_QEMU,
    VT_ORCHESTRATION_MANAGEMENT,
} VtOrchestration;

typedef enum {
    VT_TEAM_ON_TIMEOUT_DEFAULT,
    VT_TEAM_ON_TIMEOUT_ABORT,
    VT_TEAM_ON_TIMEOUT_WAIT,
} VtTeamOnTimeout;

typedef enum {
    VT_TEAM_ON_LINK_LOSS_DEFAULT,
    VT_TEAM_ON_LINK_LOSS_STANDBY,
    VT_TEAM_ON_LINK_LOSS_IGNORE,
} VtTeamOnLinkLoss;

/* One <virtteam:team> of our element in <metadata> (namespace urn:virtteam:domain:1). */
typedef struct {
    char *persistent; /* alias it speaks of */
    VtOrchestration orchestration;
    gboolean emulated;       /* an emulated PCIe NIC may be the transient */
    guint unplug_timeout_ms; /* 0: default */
    int unplug_retries;      /* -1: default */
    VtTeamOnTimeout on_timeout;
    VtTeamOnLinkLoss on_link_loss;
    char *pf;                /* VF policy: name of the PF to take a free VF from; nullable */
    char *pci_ids;           /* VF policy: "8086:1520 15b3:1018", nullable */
    VtTristate standby_only; /* a host without a free VF takes the guest on standby */
    int line;
} VtTeamPolicy;

/* ---- the root's small parts ---- */

typedef enum {
    VT_VIRT_QEMU,
    VT_VIRT_KVM,
} VtVirtType;

typedef enum { VT_BOOT_FD, VT_BOOT_CDROM, VT_BOOT_HD, VT_BOOT_NETWORK, VT_BOOT_COUNT } VtBootDev;

typedef struct {
    char *arch;    /* "x86_64" */
    char *machine; /* as written; postparse gives the default, qemu/caps the canonical name */
    char *kernel, *initrd, *cmdline;
    VtBootDev boot[VT_BOOT_COUNT];
    guint n_boot;
    VtTristate bootmenu;
    VtTristate bios_useserial; /* <bios useserial=''/> */
} VtOsDef;

typedef enum {
    VT_CPU_NONE, /* no <cpu> at all */
    VT_CPU_CUSTOM,
    VT_CPU_HOST_MODEL,
    VT_CPU_HOST_PASSTHROUGH,
    VT_CPU_MAXIMUM,
} VtCpuMode;

typedef struct {
    char *name;
    char *policy; /* force, require, optional, disable, forbid */
} VtCpuFeature;

typedef struct {
    VtCpuMode mode;
    char *match;      /* exact, minimum, strict */
    char *check;      /* none, partial, full */
    char *fallback;   /* allow, forbid */
    char *migratable; /* on, off */
    char *model;
    char *vendor;
    guint sockets, dies, cores, threads; /* <topology>; all 0: not said */
    GPtrArray *features;                 /* of VtCpuFeature * */
} VtCpuDef;

typedef struct {
    char *name;       /* rtc, pit, hpet, tsc, kvmclock, hypervclock, platform */
    char *tickpolicy; /* delay, catchup, merge, discard; nullable */
    char *track;      /* guest, wall, boot; nullable */
    VtTristate present;
} VtClockTimer;

typedef struct {
    char *offset;      /* utc, localtime; others are refused */
    GPtrArray *timers; /* of VtClockTimer * */
} VtClockDef;

typedef enum {
    VT_LIFECYCLE_DESTROY,
    VT_LIFECYCLE_RESTART,
    VT_LIFECYCLE_PRESERVE,
    VT_LIFECYCLE_RENAME_RESTART,
    VT_LIFECYCLE_COREDUMP_DESTROY,
    VT_LIFECYCLE_COREDUMP_RESTART,
    VT_LIFECYCLE_COUNT
} VtLifecycleAction;

/* ---- devices ---- */

typedef enum {
    VT_CONTROLLER_PCI,
    VT_CONTROLLER_USB,
    VT_CONTROLLER_SATA,
    VT_CONTROLLER_VIRTIO_SERIAL,
    VT_CONTROLLER_COUNT
} VtControllerType;

typedef struct {
    VtControllerType type;
    int index;   /* -1: not said */
    char *model; /* PCI: pcie-root, pci-root, pcie-root-port, pcie-to-pci-bridge; USB: qemu-xhci, none, ... */
    char *model_name;                /* <model name='pcie-root-port'/> */
    int target_chassis, target_port; /* <target>; -1: not said */
    VtTristate target_hotplug;
    guint ports; /* USB, virtio-serial; 0: not said */
    VtDeviceInfo info;
} VtControllerDef;

typedef struct {
    char *device;                               /* disk, cdrom */
    char *source_file;                          /* NULL: empty cdrom */
    char *driver_name;                          /* qemu */
    char *format;                               /* raw, qcow2 */
    char *cache, *io, *discard, *detect_zeroes; /* driver attributes; nullable */
    guint queues;                               /* 0: not said */
    char *target_dev;                           /* vda */
    char *bus;                                  /* virtio, sata */
    char *serial;
    gboolean readonly, shareable;
    VtDeviceInfo info;
} VtDiskDef;

typedef enum {
    VT_NET_BRIDGE,
    VT_NET_ETHERNET,
    VT_NET_USER,
    VT_NET_HOSTDEV,
    VT_NET_NETWORK,
    VT_NET_DIRECT, /* macvtap */
    VT_NET_COUNT
} VtNetType;

typedef enum {
    VT_LINK_DEFAULT,
    VT_LINK_UP,
    VT_LINK_DOWN,
} VtLinkState;

typedef enum {
    VT_VLAN_NATIVE_NONE,
    VT_VLAN_NATIVE_TAGGED,
    VT_VLAN_NATIVE_UNTAGGED,
} VtVlanNative;

typedef struct {
    guint16 tags[8];
    guint n_tags;
    gboolean trunk;
    VtVlanNative native; /* of a trunk */
    guint16 native_tag;  /* one of .tags, with .native */
} VtVlanDef;

/** <virtualport type='openvswitch'>. */
typedef struct {
    gboolean openvswitch;
    char *
        interface_id; /* NULL with .openvswitch: start found such a bridge, the XML does not say so; live only */
    char *profile_id;
} VtVirtualPort;

typedef struct _VtNetDef VtNetDef;

struct _VtNetDef {
    VtNetType type;
    VtMac mac;
    gboolean has_mac;               /* FALSE: postparse generates (or inherits, for a transient) */
    char *bridge;                   /* BRIDGE; live also NETWORK */
    char *network, *portgroup;      /* NETWORK; live also of what a network has become */
    char *port;                     /* live: UUID of the port of @network that it holds */
    char *direct_dev, *direct_mode; /* DIRECT */
    VtHostPci host;                 /* HOSTDEV */
    gboolean has_host;              /* FALSE: taken by the team's policy */
    gboolean bare; /* live: a transient for which this host has no VF, so that the guest is on standby */
    /* Live: as the XML says it, where the rest is what a network or a policy made of it; nullable. Not nested. */
    VtNetDef *configured;
    VtTristate managed; /* hostdev: managed='yes'; ethernet: <target managed='no'/> is target_managed */
    char *driver_name;  /* virtio: vhost|qemu; hostdev: vfio */
    guint queues, rx_queue_size, tx_queue_size; /* 0: not said */
    char *model;                                /* virtio, e1000e, vmxnet3, igb, ...; NULL for hostdev */
    char *target_dev; /* name of the tap on the host; names like "vnetN" are dropped from inactive XML */
    VtTristate target_managed;
    guint mtu; /* 0: not said */
    VtLinkState link;
    VtVlanDef vlan;
    VtVirtualPort virtualport;
    VtTristate trust_guest_rx_filters;
    VtTristate isolated; /* <port isolated=''/> */
    VtTeaming teaming;
    VtDeviceInfo info;
};

typedef struct {
    VtTristate managed;
    VtHostPci host;
    char *driver_name; /* vfio */
    VtTeaming teaming;
    VtDeviceInfo info;
} VtHostdevDef;

typedef enum { VT_CHAR_PTY, VT_CHAR_FILE, VT_CHAR_NULL, VT_CHAR_UNIX, VT_CHAR_COUNT } VtCharType;

typedef enum {
    VT_CHAR_ROLE_SERIAL,
    VT_CHAR_ROLE_CONSOLE,
    VT_CHAR_ROLE_CHANNEL, /* virtio-serial port, e.g. the guest agent's */
} VtCharRole;

typedef struct {
    VtCharRole role;
    VtCharType type;
    char *path;        /* FILE, UNIX: as said; PTY: known only while it runs */
    VtTristate append; /* FILE */
    gboolean listen;   /* UNIX mode='bind' */
    char *log_file;    /* <log file=''/> */
    VtTristate log_append;
    int target_port;    /* -1: not said */
    char *target_type;  /* serial: isa-serial; console: serial, virtio; channel: virtio */
    char *target_model; /* <target><model name='isa-serial'/> */
    char *target_name;  /* channel: org.qemu.guest_agent.0 */
    VtDeviceInfo info;
} VtCharDef;

typedef struct {
    char *model; /* virtio, none */
    VtTristate autodeflate, free_page_reporting;
    int stats_period; /* seconds, 0: not said */
    VtDeviceInfo info;
} VtMemballoonDef;

typedef struct {
    char *model;                      /* virtio */
    char *backend_model;              /* random, builtin */
    char *backend_path;               /* /dev/urandom */
    guint rate_bytes, rate_period_ms; /* 0: not said */
    VtDeviceInfo info;
} VtRngDef;

/* <input>: what libvirt adds by itself (ps2 mouse and keyboard) is kept and costs no argv. */
typedef struct {
    char *type; /* mouse, keyboard, tablet */
    char *bus;  /* ps2, usb, virtio */
    VtDeviceInfo info;
} VtInputDef;

/* <watchdog>: libvirt 9 adds none by itself; itco is q35's own. */
typedef struct {
    char *model, *action;
    VtDeviceInfo info;
} VtWatchdogDef;

typedef struct {
    VtVirtType virt_type;
    char *name;
    VtUuid uuid;
    gboolean has_uuid; /* FALSE: postparse generates */
    char *title, *description;
    char *metadata;                         /* children of <metadata> as text, unchanged; nullable */
    char *metadata_set;                     /* nullable: what clients have set of it, for conf/metadata */
    GPtrArray *team_policies;               /* of VtTeamPolicy *, read from @metadata */
    guint64 memory_kib, current_memory_kib; /* current 0: not said */
    guint vcpus;
    VtOsDef os;
    VtTristate acpi, apic, pae, vmport; /* <features>; acpi YES when the element is there */
    VtCpuDef cpu;
    VtClockDef clock;
    VtLifecycleAction on_poweroff, on_reboot, on_crash;
    VtTristate suspend_to_mem, suspend_to_disk; /* <pm> */
    char *emulator;
    GPtrArray *controllers;      /* of VtControllerDef * */
    GPtrArray *disks;            /* of VtDiskDef * */
    GPtrArray *nets;             /* of VtNetDef * */
    GPtrArray *hostdevs;         /* of VtHostdevDef * */
    GPtrArray *serials;          /* of VtCharDef * */
    GPtrArray *consoles;         /* of VtCharDef * */
    GPtrArray *channels;         /* of VtCharDef * */
    GPtrArray *inputs;           /* of VtInputDef * */
    GPtrArray *rngs;             /* of VtRngDef * */
    GPtrArray *watchdogs;        /* of VtWatchdogDef * */
    VtMemballoonDef *memballoon; /* nullable: postparse adds the default virtio one */
    gboolean audio_none;         /* <audio id='1' type='none'/>, as stock libvirt writes it */
    /* <seclabel type='none'> or relabel='no' is kept, type='dynamic' (the default) dropped; others are refused. */
    gboolean seclabel_none;
} VtDomainDef;

/**
 * vt_domain_def_new - an empty definition with its arrays made
 *
 * Return: (transfer full) free with vt_domain_def_free().
 */
VtDomainDef *vt_domain_def_new(void);

/** Free a definition and all it owns; accepts NULL. */
void vt_domain_def_free(VtDomainDef *def);

/**
 * vt_domain_def_copy - a deep copy
 * @def: what to copy
 *
 * Return: (transfer full) the copy.
 */
VtDomainDef *vt_domain_def_copy(const VtDomainDef *def);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtDomainDef, vt_domain_def_free)

/** The element's free functions, for arrays and for devices taken out of a definition; each accepts NULL. */
void vt_controller_def_free(VtControllerDef *controller);
void vt_disk_def_free(VtDiskDef *disk);
void vt_net_def_free(VtNetDef *net);
void vt_hostdev_def_free(VtHostdevDef *hostdev);
void vt_char_def_free(VtCharDef *chr);
void vt_input_def_free(VtInputDef *input);
void vt_rng_def_free(VtRngDef *rng);
void vt_watchdog_def_free(VtWatchdogDef *watchdog);
void vt_memballoon_def_free(VtMemballoonDef *memballoon);
void vt_team_policy_free(VtTeamPolicy *policy);
void vt_cpu_feature_free(VtCpuFeature *feature);
void vt_clock_timer_free(VtClockTimer *timer);

/** Make an info that says nothing: numbers that can be 0 are -1. */
void vt_device_info_init(VtDeviceInfo *info);
/** Free what an info owns, not the info. */
void vt_device_info_clear(VtDeviceInfo *info);

/** Deep copies; NULL of NULL. (transfer full) */
VtControllerDef *vt_controller_def_copy(const VtControllerDef *controller);
VtDiskDef *vt_disk_def_copy(const VtDiskDef *disk);
VtNetDef *vt_net_def_copy(const VtNetDef *net);
VtHostdevDef *vt_hostdev_def_copy(const VtHostdevDef *hostdev);
VtCharDef *vt_char_def_copy(const VtCharDef *chr);
VtInputDef *vt_input_def_copy(const VtInputDef *input);
VtRngDef *vt_rng_def_copy(const VtRngDef *rng);
VtWatchdogDef *vt_watchdog_def_copy(const VtWatchdogDef *watchdog);
VtMemballoonDef *vt_memballoon_def_copy(const VtMemballoonDef *memballoon);
VtTeamPolicy *vt_team_policy_copy(const VtTeamPolicy *policy);
VtCpuFeature *vt_cpu_feature_copy(const VtCpuFeature *feature);
VtClockTimer *vt_clock_timer_copy(const VtClockTimer *timer);

/** A controller whose numbers are "not said". (transfer full) */
VtControllerDef *vt_controller_def_new(VtControllerType type);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtControllerDef, vt_controller_def_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtDiskDef, vt_disk_def_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtNetDef, vt_net_def_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtHostdevDef, vt_hostdev_def_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtCharDef, vt_char_def_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtInputDef, vt_input_def_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtRngDef, vt_rng_def_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtWatchdogDef, vt_watchdog_def_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtMemballoonDef, vt_memballoon_def_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtTeamPolicy, vt_team_policy_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtCpuFeature, vt_cpu_feature_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VtClockTimer, vt_clock_timer_free)
