# plugboard: `make demo` shows it at work, `make test` passes the tests. Both install what they need.

ifndef TARGET
ifneq ($(MAKECMDGOALS),uninstall)
TARGET  := $(shell scripts/target)
endif
endif
ifneq ($(findstring gnu,$(TARGET)),)
STATIC  := RUSTFLAGS='-C target-feature=+crt-static'
endif
RELEASE := target/$(TARGET)/release
QUICK   := target/$(TARGET)/quick
IMAGE_TOOL ?= docker
PLUGINS := bridge veth-secondary ovs-port vxlan-overlay netem-shaper portmap loopback host-local static
PROGRAMS := $(PLUGINS) plugboard

# Where things are installed, by the names of the GNU coding standards. DESTDIR comes before all of it, for packages.
export DESTDIR ?=
prefix ?= /usr/local
PREFIX ?= $(prefix)
export CNIBINDIR ?= /opt/cni/bin
export bindir ?= $(PREFIX)/bin
export mandir ?= $(PREFIX)/share/man
export docdir ?= $(PREFIX)/share/doc/plugboard
export bashcompdir ?= $(PREFIX)/share/bash-completion/completions
export zshcompdir ?= $(PREFIX)/share/zsh/site-functions
export fishcompdir ?= $(PREFIX)/share/fish/vendor_completions.d
# The executables that are installed: those of `make build`, or what another directory has, as it is.
export BUILT ?= $(RELEASE)
BUILD_STAMP := $(RELEASE)/.built

# Options of bench, such as --vxlan-overlay, of bench-shaping, such as --quick, and of bench-throughput, such as --only lac.
BENCH ?=
BENCH_SHAPING ?= --markdown
BENCH_THROUGHPUT ?= --markdown

# VDE's client, with its plugins, for the lab.
VDE = $(wildcard /usr/bin/vde_plug /usr/lib/$(shell uname -m)-linux-gnu/vdeplug)

# Those of reference-suites that are to run: all without it.
SUITES ?=

# Newer reference plugins than those that TEST_TOOLS install, for the benchmarks.
NEWER := target/newer-reference

# What the demo and the lab run with; the tests add the reference plugins, cnitool's sources and their own tools.
DEMO_TOOLS := iproute2 iputils-ping iperf3 jq procps kmod util-linux qemu-system-x86 busybox-static nftables iptables \
              openvswitch-switch ethtool tcpdump ncat
TEST_TOOLS := $(DEMO_TOOLS) containernetworking-plugins golang-go golang-github-appc-cni-dev strace \
              containerd runc docker.io python3-grpcio dnsmasq-base podman openssl \
              ovn-central ovn-host vdeplug vdens curl frr

.PHONY: help demo test soak t reference-suites bench bench-shaping bench-throughput build install uninstall image lint conformance demo-tools test-tools nextest clean

help: ## this text
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

demo: demo-tools build ## two containers on two networks, one with limits, and the kernel's figures for them
	demo/run $(RELEASE)

# Quickly built executables serve: what is tested is what they do, not what they cost. Those of a release are what soak tests.
test: test-tools nextest lint ## everything: formats, lints, unit tests, protocol, scenarios
	scripts/minimum-rust
	$(STATIC) cargo build --quiet --profile quick --target $(TARGET) $(PROGRAMS:%=--package %)
	scripts/test $(QUICK)

soak: test-tools nextest build ## the same at length: storms, long kills, hundreds of repeats; before a release
	PLUGBOARD_SOAK=1 scripts/test $(RELEASE) --run-ignored all

t: nextest ## T=NAME: builds what has changed, and runs the tests whose names have that in them
	@[ -n "$(T)" ] || { echo "make t T=NAME: part of a test's name, or /a regular expression/" >&2; exit 2; }
	$(STATIC) cargo build --quiet --profile quick --target $(TARGET) $(PROGRAMS:%=--package %)
	PLUGBOARD_BIN_DIR=$(CURDIR)/$(QUICK) cargo nextest run --workspace --filterset 'test($(T))'

# It needs the reference's source, which Debian's stable distribution does not have; and what it takes is mostly compiling that.
reference-suites: test-tools ## the reference plugins' own test suites on our executables
	$(STATIC) cargo build --quiet --profile quick --target $(TARGET) $(PROGRAMS:%=--package %)
	tests/reference-suites/run $(QUICK) $(SUITES)

bench: test-tools build ## what a call costs, beside the reference plugins and a floor
	$(STATIC) cargo build --quiet --release --target $(TARGET) --package bench
	@scripts/newer-reference $(NEWER) || echo "newer reference plugins cannot be had; measuring without them" >&2
	$(RELEASE)/bench $(BENCH) $$([ ! -x $(NEWER)/usr/lib/cni/tap ] || echo --newer $(NEWER)/usr/lib/cni)

bench-shaping: test-tools build ## how true limits are: in the lab, on its virtual clock, and on this machine
	$(STATIC) cargo build --quiet --release --target $(TARGET) --package bench
	cargo run --quiet --package lab -- --limit 1800 $(foreach program,bridge netem-shaper bench-shaping,\
	    --file /plugboard/bin/$(program)=$(RELEASE)/$(program)) --file /usr/lib/cni/bandwidth=/usr/lib/cni/bandwidth \
	    -- env PLUGBOARD_BIN_DIR=/plugboard/bin /plugboard/bin/bench-shaping $(BENCH_SHAPING)
	@echo
	$(RELEASE)/bench-shaping --fast $(BENCH_SHAPING)

bench-throughput: test-tools build ## what further NICs and LACs carry: in the lab, which has all kinds, and on this machine
	$(STATIC) cargo build --quiet --release --target $(TARGET) --package bench
	cargo run --quiet --package lab -- --limit 3600 $(foreach program,veth-secondary ovs-port vxlan-overlay host-local bench-throughput,\
	    --file /plugboard/bin/$(program)=$(RELEASE)/$(program)) $(foreach file,$(VDE),--file $(file)=$(file)) \
	    -- env PLUGBOARD_BIN_DIR=/plugboard/bin /plugboard/bin/bench-throughput --bytes 40M $(BENCH_THROUGHPUT)
	@echo
	$(RELEASE)/bench-throughput $(BENCH_THROUGHPUT)

build: ## the static executables
	$(STATIC) cargo build --release --target $(TARGET) $(PROGRAMS:%=--package %)
	@touch $(BUILD_STAMP)

# So that `make build && sudo make install` compiles nothing as root.
$(BUILD_STAMP): $(shell find Cargo.toml Cargo.lock .cargo crates plugins -name tests -prune -o -type f -print)
	@$(MAKE) --no-print-directory build

ifeq ($(BUILT),$(RELEASE))
install: $(BUILD_STAMP)
endif
install: ## plugins into CNIBINDIR=/opt/cni/bin, the rest below PREFIX=/usr/local, all of it below DESTDIR=
	@PLUGINS="$(PLUGINS)" scripts/installed put

uninstall: ## what install has put there, and nothing else
	@PLUGINS="$(PLUGINS)" scripts/installed remove

image: build ## an image of the executables, by Docker (or IMAGE_TOOL=podman)
	$(IMAGE_TOOL) build --build-arg RELEASE=$(RELEASE) --tag plugboard .

lint: ## formats and lints, and documentation without warnings
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS='--deny warnings' cargo doc --quiet --workspace --no-deps

conformance: ## the ids of the CNI specification that no test cites
	cargo run --quiet --package tests --bin uncited

demo-tools:
	@scripts/install-tools $(DEMO_TOOLS)

test-tools:
	@scripts/install-tools $(TEST_TOOLS)

nextest:
	@cargo nextest --version > /dev/null 2>&1 || cargo install --locked cargo-nextest

clean: ## everything built
	cargo clean
