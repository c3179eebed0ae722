#!/bin/sh
# The first process of a virtual machine: runs the scripts that come in by its port, a line of hexadecimal digits each, and
# answers each with a line of its status and both its outputs.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
for module in $(cat /modules/order); do
    insmod "/modules/$module"
done
ip link set lo up

until [ -c /dev/vport0p1 ]; do
    usleep 10000
done
exec 3<>/dev/vport0p1

hex() { xxd -p "$1" | tr -d '\n'; }

while read -r script <&3; do
    echo "$script" | xxd -r -p >/run/script
    sh /run/script >/run/stdout 2>/run/stderr </dev/null 3>&-
    echo "$? $(hex /run/stdout).$(hex /run/stderr)" >&3
done
poweroff -f
