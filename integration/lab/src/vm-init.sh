#!/bin/sh
# The first process of a virtual machine: runs the scripts that come in by its port, a line of hexadecimal digits each, and
# answers each with a line of its status and both its outputs. Its first line is `ready`.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
ip link set lo up

if [ -e /modules ]; then
    # In QEMU: a port of virtio.
    for module in $(cat /modules/order); do
        insmod "/modules/$module"
    done
    until [ -c /dev/vport0p1 ]; do
        usleep 10000
    done
    exec 3<>/dev/vport0p1
else
    # In User-mode Linux: its second console, which stays open, because the end on the host is closed with it.
    exec 3<>/dev/tty1
    stty raw -echo <&3
    # Its NIC takes 64 KiB for each packet, which TCP counts: by default a window never grows beyond 64 KiB.
    echo 4096 131072 67108864 >/proc/sys/net/ipv4/tcp_rmem
    for nic in /sys/class/net/vec*; do
        ip link set "${nic##*/}" name "eth${nic##*/vec}"
    done
fi
echo ready >&3

hex() { xxd -p "$1" | tr -d '\n'; }

while read -r script <&3; do
    echo "$script" | xxd -r -p >/run/script
    sh /run/script >/run/stdout 2>/run/stderr </dev/null 3>&-
    echo "$? $(hex /run/stdout).$(hex /run/stderr)" >&3
done
# Here ends only a machine of QEMU.
[ ! -e /modules ] || poweroff -f
