#!/usr/bin/env bash
# Starts a Slurm cluster of one node on this machine, as root: tests/cluster/start.sh FOLDER
# Stop it with tests/cluster/stop.sh FOLDER. Needs Debian's slurm-wlm and munge, which it does not install. Outside FOLDER
# it makes /run/munge and the link /etc/slurm/slurm.conf, as jobs find their cluster by it; a cluster that is there is left.
set -euo pipefail

folder=$(mkdir -p "$1" && cd "$1" && pwd)
name=$(hostname -s)
memory=$(awk '/MemTotal/ {print int($2 / 1024)}' /proc/meminfo)
mkdir -p "$folder"/{state,spool,log} /etc/slurm
if [ -e /etc/slurm/slurm.conf ]; then
    echo "/etc/slurm/slurm.conf is there: this machine has a cluster, which is left alone" >&2
    exit 1
fi

cat > "$folder/slurm.conf" <<CONF
ClusterName=loopback
SlurmctldHost=$name(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd.log
JobCompType=jobcomp/filetxt
JobCompLoc=$folder/log/jobs.txt
AccountingStorageType=accounting_storage/none
MinJobAge=86400
ReturnToService=2
NodeName=$name NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$memory State=UNKNOWN
PartitionName=all Nodes=$name Default=YES MaxTime=1-0 OverSubscribe=NO State=UP
CONF
ln -s "$folder/slurm.conf" /etc/slurm/slurm.conf

if ! munge -n > /dev/null 2>&1; then  # none is running: a daemon of our own, with Debian's key
    install -d -o munge -g munge -m 755 /run/munge
    runuser -u munge -- munged --pid-file=/run/munge/munged.pid
    for _ in {1..50}; do munge -n > /dev/null 2>&1 && break; sleep 0.1; done
    munge -n > /dev/null && touch "$folder/munged.ours"
fi
slurmctld
slurmd
for _ in {1..100}; do  # a node is idle when both have met
    [ "$(sinfo -h -o %T 2> /dev/null)" = idle ] && exit 0
    sleep 0.2
done
echo "the node is not idle after 20 s: $(sinfo -h -o '%T %E' 2>&1); see $folder/log" >&2
exit 1
