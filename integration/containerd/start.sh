# start.sh DIRECTORY: containerd in DIRECTORY, with all processes that it starts in a PID namespace that ends with it.
# Its networks are those of /etc/cni/net.d, its plugins those of DIRECTORY/plugins. It serves DIRECTORY/socket until it is killed.
set -eu
directory=$1
cat > "$directory/config.toml" <<CONFIG
version = 2
root = "$directory/root"
state = "$directory/state"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
address = "$directory/socket"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "localhost/wait:1"
restrict_oom_score_adj = true
disable_apparmor = true
tolerate_missing_hugetlb_controller = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "$directory/plugins"
conf_dir = "/etc/cni/net.d"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
CONFIG

# The control groups are the machine's: as many hierarchies as it has, where runc looks for them.
mount -t tmpfs cgroup /sys/fs/cgroup
if grep -qv '^0::' /proc/self/cgroup; then
    while IFS=: read -r number controllers _; do
        [ "$number" != 0 ] || continue
        mkdir -p "/sys/fs/cgroup/${controllers#name=}"
        mount -t cgroup -o "$controllers" cgroup "/sys/fs/cgroup/${controllers#name=}"
    done < /proc/self/cgroup
else
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
fi
exec unshare --pid --fork --kill-child --mount-proc containerd --config "$directory/config.toml"
