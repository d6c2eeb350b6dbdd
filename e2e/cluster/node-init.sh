#!/bin/bash
# Process 1 of the node: it holds the node's namespaces (process ids, mounts, network) open. Killing it kills every process
# of the node, containers included, and with the last of them the kernel takes away their mounts and interfaces. So nothing
# of the cluster can outlive it, however a run ended.
#
# Arguments: the run directory, then the cgroup directories that the node's own processes join.
set -eu
run=$1
shift
for group in "$@"; do echo 0 >"$group/cgroup.procs"; done

# The mount namespace is ours alone (unshare made it private). Inside it mounts are shared, because pods may ask for
# mount propagation.
mount --make-rshared /
# What Kubernetes, containerd and CNI write at fixed places stays out of the host's own folders.
mkdir -p "$run/var-log" "$run/var-lib"
mount --bind "$run/var-log" /var/log
mount --bind "$run/var-lib" /var/lib
mount -t tmpfs -o mode=755 mesh-e2e /run
mkdir -p /run/netns /run/lock

ip link set lo up
touch "$run/init.ready"

# bash reaps what is orphaned in this namespace (containerd's shims, for one) whenever it waits.
trap : TERM
while :; do
  sleep 3600 &
  wait $! || true
done
