#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the machine of tests/switchdev/run.py runs: NICs by netdevsim, then the tests with them.
#
#   ens1: two ports (ens1f0, ens1f1), three VFs, switchdev mode: ens1f0_0, ens1f0_1, ens1f0_2 stand for the VFs
#   ens2: one port, two VFs, legacy mode
#   ens3: one port, two VFs, switchdev mode: ens3_0, ens3_1
#   vf1:  a tap; what is written to it comes in over ens1f0_1, as if VF 1 had sent it (netdevsim receives nothing by itself)
set -eu
share=$1
bus=/sys/bus/netdevsim
modprobe -a psample macsec udp_tunnel cls_u32 act_mirred act_gact sch_ingress cls_matchall
insmod "$VT_SWITCHDEV/netdevsim.ko"
echo "1 2" > $bus/new_device
echo "2 1" > $bus/new_device
echo "3 1" > $bus/new_device
echo 3 > $bus/devices/netdevsim1/sriov_numvfs
echo 2 > $bus/devices/netdevsim2/sriov_numvfs
echo 2 > $bus/devices/netdevsim3/sriov_numvfs
devlink dev eswitch set netdevsim/netdevsim1 mode switchdev
devlink dev eswitch set netdevsim/netdevsim3 mode switchdev
for path in /sys/class/net/eth*; do
  device=$(basename "$(readlink "$path/device")")
  port=$(cat "$path/phys_port_name")
  case $device-$port in
    netdevsim1-p1) name=ens1f0;;
    netdevsim1-p2) name=ens1f1;;
    netdevsim1-pf0vf*) name=ens1f0_${port#pf0vf};;
    netdevsim2-p1) name=ens2;;
    netdevsim3-p1) name=ens3;;
    netdevsim3-pf0vf*) name=ens3_${port#pf0vf};;
  esac
  ip link set "${path##*/}" name "$name"
done
for pf in ens1f0 ens1f1 ens2 ens3; do ip link set $pf up; done
ip tuntap add vf1 mode tap
ip link set vf1 up
tc qdisc add dev vf1 ingress
tc filter add dev vf1 ingress matchall action mirred ingress redirect dev ens1f0_1

uname -a
for path in /sys/class/net/ens*; do
  echo "# ${path##*/}: $(cat "$path/phys_port_name") of $(cat "$path/phys_switch_id")"
done
status=0
VT_RECORD=$share "$VT_BUILD/tests/netdevsimtest" || status=1
VT_NETDEVSIM=1 "$VT_BUILD/tests/switchdevtest" || status=1
"$VT_BUILD/tests/bridgetest" || status=1
modprobe openvswitch
VT_OVS_KERNEL=1 "$VT_BUILD/tests/ovstest" || status=1
exit $status
