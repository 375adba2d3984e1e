#!/usr/bin/env bash
# Stops what tests/cluster/start.sh FOLDER started, and nothing else.
folder=$(cd "$1" && pwd)
for daemon in slurmd slurmctld; do
    [ -f "$folder/$daemon.pid" ] && kill "$(cat "$folder/$daemon.pid")"
done
[ -f "$folder/munged.ours" ] && kill "$(cat /run/munge/munged.pid)"
[ "$(readlink /etc/slurm/slurm.conf)" = "$folder/slurm.conf" ] && rm /etc/slurm/slurm.conf
true
