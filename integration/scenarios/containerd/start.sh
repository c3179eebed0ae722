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
# Each of them is a network of every pod: eth0, eth1 and so on, by the names of the files.
max_conf_num = 0
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
CONFIG

exec unshare --pid --fork --kill-child --mount-proc containerd --config "$directory/config.toml"
