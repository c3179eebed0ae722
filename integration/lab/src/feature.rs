use std::process::{Command, Stdio};

/// Something that a kernel has or has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// Delay, loss and rate by the queueing discipline `netem`.
    Netem,
    /// Rate limits by `tbf`.
    Tbf,
    /// Rate limits by `htb`.
    Htb,
    /// The `fq` queueing discipline.
    Fq,
    /// Redirection to an `ifb` device with the classifier `matchall`.
    Matchall,
    /// 802.1Q VLAN devices.
    Vlan,
    /// Bridges that filter by VLAN.
    BridgeVlanFiltering,
    /// The kernel's Open vSwitch datapath, and the tools that speak to it.
    OvsDatapath,
    /// VXLAN devices.
    Vxlan,
    /// Dummy devices.
    Dummy,
    /// macvlan devices.
    Macvlan,
    /// ipvlan devices.
    Ipvlan,
    /// TAP devices.
    Tap,
    /// nftables with address translation.
    NftablesNat,
    /// Encryption by IPsec's ESP with AES-GCM.
    Esp,
    /// Encryption of UDP datagrams of both families by ESP in transport mode, with AES-CBC and HMAC-SHA-256, and a packet filter that tells
    /// them.
    SealedUdp,
    /// The transport protocol SCTP.
    Sctp,
}

impl Feature {
    /// All that there are.
    pub const ALL: [Self; 17] = [
        Self::Netem,
        Self::Tbf,
        Self::Htb,
        Self::Fq,
        Self::Matchall,
        Self::Vlan,
        Self::BridgeVlanFiltering,
        Self::OvsDatapath,
        Self::Vxlan,
        Self::Dummy,
        Self::Macvlan,
        Self::Ipvlan,
        Self::Tap,
        Self::NftablesNat,
        Self::Esp,
        Self::SealedUdp,
        Self::Sctp,
    ];

    /// Whether the running kernel has it: it is used, in namespaces that are gone afterwards. Without root's privileges
    /// no feature is there.
    pub fn is_present(self) -> bool {
        let probe = Command::new("unshare")
            .args(["--net", "--mount", "sh", "-ec", self.script()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        probe.is_ok_and(|status| status.success())
    }

    /// Fails where the feature is missing.
    fn script(self) -> &'static str {
        match self {
            Self::Netem => "ip link add pa type veth peer name pb; tc qdisc add dev pa root netem delay 1ms",
            Self::Tbf => {
                "ip link add pa type veth peer name pb; tc qdisc add dev pa root tbf rate 1mbit burst 4kb latency 1ms"
            }
            Self::Htb => "ip link add pa type veth peer name pb; tc qdisc add dev pa root htb",
            Self::Fq => "ip link add pa type veth peer name pb; tc qdisc add dev pa root fq",
            Self::Matchall => {
                "ip link add pa type veth peer name pb; ip link add pi type ifb; tc qdisc add dev pa ingress; \
                 tc filter add dev pa parent ffff: matchall action mirred egress redirect dev pi"
            }
            Self::Vlan => "ip link add pa type veth peer name pb; ip link add link pa name pa.5 type vlan id 5",
            // A kernel without it takes the bridge's attribute and ignores it.
            Self::BridgeVlanFiltering => {
                "ip link add pa type bridge vlan_filtering 1; ip -d link show pa | grep -q 'vlan_filtering 1'; \
                 bridge vlan add dev pa vid 5 self"
            }
            Self::OvsDatapath => "ovs-dpctl add-dp probe; ovs-dpctl del-dp probe",
            Self::Vxlan => "ip link add pa type vxlan id 1 dstport 4789 dev lo",
            Self::Dummy => "ip link add pa type dummy",
            Self::Macvlan => "ip link add pa type veth peer name pb; ip link add link pa name pm type macvlan",
            Self::Ipvlan => "ip link add pa type veth peer name pb; ip link add link pa name pi type ipvlan",
            Self::Tap => "ip tuntap add pa mode tap",
            Self::NftablesNat => {
                "nft add table ip t; nft 'add chain ip t c { type nat hook postrouting priority 100; }'; \
                 nft add rule ip t c masquerade"
            }
            Self::Esp => {
                "ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 1 reqid 1 mode tunnel \
                 aead 'rfc4106(gcm(aes))' 0x0123456789abcdef0123456789abcdef01234567 128"
            }
            Self::SealedUdp => {
                "key=0x0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef; \
                 for ends in 'src 192.0.2.1 dst 192.0.2.2' 'src 2001:db8::1 dst 2001:db8::2'; do \
                 ip xfrm state add $ends proto esp spi 1000 reqid 1 mode transport \
                 auth-trunc 'hmac(sha256)' $key 128 enc 'cbc(aes)' $key; done; \
                 ip xfrm policy add dir out proto udp dport 1 tmpl proto esp mode transport reqid 1; \
                 nft 'table inet t { chain i { type filter hook input priority 0; meta ipsec missing drop; }; \
                 chain o { type filter hook output priority 0; rt ipsec missing drop; }; }'"
            }
            Self::Sctp => "ip link set lo up; ncat --sctp 127.0.0.1 9 2>&1 | grep -q refused",
        }
    }
}
