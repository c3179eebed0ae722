//! The rules of others on a host.

/// `inet firewalld` as firewalld makes it for a host whose `up0` is in its default zone, as far as forwarding goes
/// (`build_default_rules` in its `src/firewall/core/nftables.py`; zones dispatch by chains of their own). `BRIDGE_ZONE` stands for the
/// rules of a further zone, and `ALLOWED` for what the default zone forwards.
pub const FIREWALLD: &str = "table inet firewalld {
    chain filter_FORWARD {
        type filter hook forward priority filter + 10; policy accept;
        ct state { established, related } accept
        ct status dnat accept
        iifname \"lo\" accept
        ct state { invalid } drop
        jump filter_FORWARD_ZONES
        reject with icmpx admin-prohibited
    }
    chain filter_FORWARD_POLICIES_pre { jump filter_FWD_policy_allow-host-ipv6; }
    chain filter_FWD_policy_allow-host-ipv6 { icmpv6 type nd-redirect accept; }
    chain filter_FORWARD_ZONES {
        BRIDGE_ZONE
        iifname \"up0\" goto filter_FWD_public
        goto filter_FWD_public
    }
    chain filter_FWD_trusted { accept; }
    chain filter_FWD_public {
        jump filter_FORWARD_POLICIES_pre
        jump filter_FWD_public_deny
        jump filter_FWD_public_allow
        reject with icmpx admin-prohibited
    }
    chain filter_FWD_public_deny { }
    chain filter_FWD_public_allow { ALLOWED }
}";

/// `inet netavark` as Podman's netavark makes it by nft for its default network, whose container at 10.88.0.2 publishes its port 80 as
/// port 8081 of the host (`setup_network` and `get_dnat_rules_for_addr_family` in its `src/firewall/nft.rs`).
pub const NETAVARK: &str = "table inet netavark {
    chain INPUT {
        type filter hook input priority filter; policy accept;
        ip saddr 10.88.0.0/16 meta l4proto { tcp, udp } th dport 53 accept
    }
    chain FORWARD {
        type filter hook forward priority filter; policy accept;
        ct state invalid drop
        jump NETAVARK-ISOLATION-1
        ip daddr 10.88.0.0/16 ct state established,related accept
        ip saddr 10.88.0.0/16 accept
    }
    chain POSTROUTING {
        type nat hook postrouting priority srcnat; policy accept;
        meta mark & 0x00002000 == 0x00002000 masquerade
        ip saddr 10.88.0.0/16 jump nv_2f259bab_10_88_0_0_nm16
    }
    chain PREROUTING {
        type nat hook prerouting priority dstnat; policy accept;
        fib daddr type local jump NETAVARK-HOSTPORT-DNAT
    }
    chain OUTPUT {
        type nat hook output priority -100; policy accept;
        fib daddr type local jump NETAVARK-HOSTPORT-DNAT
    }
    chain NETAVARK-HOSTPORT-DNAT { tcp dport 8081 jump nv_2f259bab_10_88_0_0_nm16_dnat; }
    chain NETAVARK-HOSTPORT-SETMARK { meta mark set meta mark | 0x00002000; }
    chain NETAVARK-ISOLATION-1 { }
    chain NETAVARK-ISOLATION-2 { }
    chain NETAVARK-ISOLATION-3 {
        oifname \"podman0\" drop
        jump NETAVARK-ISOLATION-2
    }
    chain nv_2f259bab_10_88_0_0_nm16 {
        ip daddr 10.88.0.0/16 accept
        ip daddr != 224.0.0.0/4 masquerade
    }
    chain nv_2f259bab_10_88_0_0_nm16_dnat {
        ip saddr 10.88.0.0/16 tcp dport 8081 jump NETAVARK-HOSTPORT-SETMARK
        ip saddr 127.0.0.1 tcp dport 8081 jump NETAVARK-HOSTPORT-SETMARK
        tcp dport 8081 dnat ip to 10.88.0.2:80
    }
}";
