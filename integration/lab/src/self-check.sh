#!/bin/bash
# Run by `lab --features` in the guest: the features that the tests need, used once each, with the figures they gave.
set -u -o pipefail
failed=0

# check NAME FUNCTION: the last line that it prints, and whether it succeeded
check() {
    local output status=ok
    # Not in a condition: there bash would ignore -e.
    output=$(set -e; "$2" 2>&1)
    if [ $? != 0 ]; then
        status=FAILED
        failed=1
    fi
    printf '%-7s %-24s %s\n' "$status" "$1" "$(tail -n 1 <<<"$output")"
}

# pair A B: two namespaces joined by a veth, 10.9.0.1 and 10.9.0.2
pair() {
    ip netns add "$1"
    ip netns add "$2"
    ip link add e netns "$1" type veth peer name e netns "$2"
    ip -n "$1" addr add 10.9.0.1/24 dev e
    ip -n "$2" addr add 10.9.0.2/24 dev e
    ip -n "$1" link set e up
    ip -n "$2" link set e up
    ip netns exec "$1" ping -q -c 1 10.9.0.2
}

# On the virtual clock, 10.0 ms whatever the machine does meanwhile.
netem() {
    pair na nb
    tc -n na qdisc add dev e root netem delay 10ms
    # After the first ping, which waits for the address twice as long.
    ip netns exec na ping -q -c 1 10.9.0.2
    ip netns exec na ping -q -c 30 -i 0.05 10.9.0.2 | tail -n 1 | tr / ' ' |
        awk '{ print $8 " ms mean, " $9 " ms at most"; exit !($8 >= 10 && $8 < 10.1 && $9 < 10.1) }'
}

tbf() {
    pair ta tb
    tc -n ta qdisc add dev e root tbf rate 20mbit burst 16kb latency 50ms
    ip netns exec tb iperf3 -s -1 >/dev/null &
    sleep 1
    ip netns exec ta iperf3 -J -c 10.9.0.2 -t 3 >/tmp/tbf.json
    jq -e '.end.sum_received.bits_per_second / 1e6 | if . > 18 and . < 21 then "\(.) Mbit/s" else error end' /tmp/tbf.json
}

bridge_vlans() {
    ip link add br0 type bridge vlan_filtering 1
    ip link set br0 up
    for i in 1 2 3; do
        ip netns add "v$i"
        ip link add "p$i" type veth peer name e netns "v$i"
        ip link set "p$i" master br0 up
        ip -n "v$i" addr add "10.7.0.$i/24" dev e
        ip -n "v$i" link set e up
        bridge vlan del dev "p$i" vid 1
        bridge vlan add dev "p$i" vid $((i < 3 ? 10 : 20)) pvid untagged
    done
    ip netns exec v1 ping -q -c 1 -W 2 10.7.0.2
    if ip netns exec v1 ping -q -c 1 -W 1 10.7.0.3; then
        echo "another VLAN answers"
        return 1
    fi
    echo "the same VLAN answers, another does not"
}

vlan_devices() {
    pair qa qb
    for n in qa:1 qb:2; do
        ip -n "${n%:*}" link add link e name e.5 type vlan id 5
        ip -n "${n%:*}" addr add "10.5.0.${n#*:}/24" dev e.5
        ip -n "${n%:*}" link set e.5 up
    done
    ip netns exec qa ping -q -c 2 -i 0.1 10.5.0.2 | grep ' 2 received'
}

open_vswitch() {
    export OVS_RUNDIR=/run/ovs OVS_DBDIR=/run/ovs OVS_LOGDIR=/run/ovs OVS_SYSCONFDIR=/run/ovs
    mkdir -p /run/ovs
    ovsdb-tool create /run/ovs/conf.db /usr/share/openvswitch/vswitch.ovsschema
    ovsdb-server /run/ovs/conf.db --remote=punix:/run/ovs/db.sock --pidfile --log-file --detach
    ovs-vsctl --db=unix:/run/ovs/db.sock --no-wait init
    ovs-vswitchd unix:/run/ovs/db.sock --pidfile --log-file --detach
    vsctl="ovs-vsctl --timeout=20 --db=unix:/run/ovs/db.sock"
    $vsctl add-br ovs0
    for i in 1 2; do
        ip netns add "o$i"
        $vsctl add-port ovs0 "in$i" -- set interface "in$i" type=internal
        ip link set "in$i" netns "o$i"
        ip -n "o$i" addr add "10.3.0.$i/24" dev "in$i"
        ip -n "o$i" link set "in$i" up
    done
    ip netns exec o1 ping -q -c 1 -W 5 10.3.0.2
    ip netns exec o1 ping -q -c 5 -i 0.1 10.3.0.2 | grep ' 5 received'
}

# Two hosts, whose datagrams to the port 4789 pass by ESP alone.
sealed_udp() {
    pair ea eb
    key=0x0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    for n in ea:1 eb:2; do
        host=${n%:*} own=10.9.0.${n#*:}
        for ends in "src 10.9.0.1 dst 10.9.0.2" "src 10.9.0.2 dst 10.9.0.1"; do
            ip -n "$host" xfrm state add $ends proto esp spi 1000 reqid 1 mode transport \
                auth-trunc 'hmac(sha256)' $key 128 enc 'cbc(aes)' $key
        done
        ip -n "$host" xfrm policy add dir out src "$own/32" proto udp dport 4789 tmpl proto esp mode transport reqid 1
        ip -n "$host" xfrm policy add dir in proto udp dport 4789 tmpl proto esp mode transport reqid 1
        ip -n "$host" link add vx type vxlan id 1 dstport 4789 dev e remote "10.9.0.$((3 - ${n#*:}))"
        ip -n "$host" addr add "10.8.0.${n#*:}/24" dev vx
        ip -n "$host" link set vx up
    done
    ip netns exec ea ping -q -c 3 -i 0.1 10.8.0.2
    ip -n ea xfrm state list src 10.9.0.1 | grep -o 'oseq 0x[1-9a-f].*,'
}

encryption() {
    ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 1 reqid 1 mode tunnel \
        aead 'rfc4106(gcm(aes))' 0x0123456789abcdef0123456789abcdef01234567 128
    ip xfrm state | grep -o 'aead rfc4106(gcm(aes))'
}

sctp() {
    ncat --sctp -l 127.0.0.1 9 -c 'echo "an answer"' &
    sleep 1
    ncat --sctp --recv-only 127.0.0.1 9 | grep answer
}

overlay() {
    mkdir /tmp/upper /tmp/work
    mount -t overlay overlay -o lowerdir=/etc,upperdir=/tmp/upper,workdir=/tmp/work /etc
    touch /etc/new
    umount /etc
    ls /tmp/upper
}

echo "kernel $(uname -r)"
check "netem delay 10ms" netem
check "tbf 20mbit" tbf
check "bridge VLAN filtering" bridge_vlans
check "802.1Q devices" vlan_devices
check "Open vSwitch datapath" open_vswitch
check "ESP with AES-GCM" encryption
check "ESP of VXLAN" sealed_udp
check "SCTP" sctp
check "overlay file system" overlay
exit "$failed"
