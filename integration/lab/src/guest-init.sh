#!/bin/sh
# The guest's first process: boots, takes a run's own files from the disk, and runs /lab/command with its output on two ports
# of the machine, and its status on a third.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
ln -s fd/1 /dev/stdout
ln -s fd/2 /dev/stderr
ip link set lo up
hostname lab

# tun for /dev/net/tun, which is not there before
modprobe -a virtio_pci virtio_console virtio_blk tun

# port NAME: the device of that port, once it is there
port() {
    for try in 1 2 3 4 5 6 7 8 9 10; do
        for found in /sys/class/virtio-ports/*; do
            if [ "$(cat "$found/name" 2>/dev/null)" = "$1" ] && [ -e "/dev/${found##*/}" ]; then
                echo "/dev/${found##*/}"
                return
            fi
        done
        sleep 0.1
    done
    echo "lab: the machine has no port $1" >/dev/console
    echo /dev/console
}

stdout=$(port stdout) stderr=$(port stderr) status=$(port status)

# What nearly every run needs.
modprobe -a ifb veth bridge 8021q sch_netem sch_tbf sch_ingress cls_matchall act_mirred nf_tables nft_masq nft_ct

# state: what a run could leave, and the next one would find
state() {
    read -r modprobe </proc/sys/kernel/modprobe
    echo "$modprobe" /sys/class/net/* /run/netns/*
    while read -r _ place _; do echo "$place"; done </proc/mounts
}
before=$(state) run=0

# All that runs have in common is done: here the machine is saved, and here each run begins, with its files on the disk. The number
# of the run in the last sector says that they are there.
echo ready >"$status"
while :; do
    run=$((run + 1))
    until [ "$(dd if=/dev/vda bs=4096 count=1 skip=262143 iflag=direct 2>/dev/null | head -n 1)" = "run $run" ]; do
        sleep 0.01
    done
    # What was read before is another run's.
    busybox blockdev --flushbufs /dev/vda
    busybox cpio -i -d -u </dev/vda 2>/dev/null
    . /lab/now

    read -r _ user nice system _ _ irq softirq _ </proc/stat
    busy=$((user + nice + system + irq + softirq)) begun=$(cut -d' ' -f1 /proc/uptime | tr -d .)
    setsid /bin/sh /lab/command >"$stdout" 2>"$stderr" </dev/null
    ended=$?
    # busy: what the processor has worked for anybody, in hundredths of a second
    read -r _ user nice system _ _ irq softirq _ </proc/stat
    echo "worked $((user + nice + system + irq + softirq - busy)) of $(($(cut -d' ' -f1 /proc/uptime | tr -d .) - begun))" >"$status"
    if [ -z "$last" ]; then
        # What still runs ends, and in a second, which is nothing here, the kernel has cleared up after it.
        kill -s KILL -- -1
        sleep 1
        [ "$(state)" != "$before" ] || echo as before >"$status"
    fi
    echo $ended >"$status"
    [ -z "$last" ] || busybox poweroff -f
done
