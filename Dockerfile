# The executables and nothing else: they are static. Built by `make image`, installed on a host by copying them out, as in
#   docker create --name plugboard plugboard && docker cp plugboard:/opt/cni/bin /opt/cni && docker rm plugboard
FROM scratch
ARG RELEASE=target/x86_64-unknown-linux-musl/release
COPY ${RELEASE}/bridge ${RELEASE}/veth-secondary ${RELEASE}/ovs-port ${RELEASE}/vxlan-overlay ${RELEASE}/netem-shaper ${RELEASE}/portmap ${RELEASE}/loopback ${RELEASE}/host-local ${RELEASE}/static ${RELEASE}/plugboard /opt/cni/bin/
ENTRYPOINT ["/opt/cni/bin/plugboard"]
