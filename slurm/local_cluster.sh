#!/usr/bin/env bash
# A real Slurm on one Debian host: controller, several node daemons and munge, without systemd, cgroups or a database.
# For tests, and for trying a profile out. Needs root. Everything lies in one state folder; other Slurms are left alone.
# Jobs in the partition "urgent" preempt those in "main", which is the default and gives them 30 seconds.
#
#   slurm/local_cluster.sh up        install what is missing (apt-get), start, wait until all nodes are idle
#   slurm/local_cluster.sh status    nodes, jobs, daemons
#   slurm/local_cluster.sh env       what to evaluate before sbatch, srun, squeue:  eval "$(slurm/local_cluster.sh env)"
#   slurm/local_cluster.sh stop      cancel all jobs, stop what up started
#   slurm/local_cluster.sh run COMMAND...
#                                    up, COMMAND in that environment, stop; the exit status is COMMAND's. In a state folder
#                                    of its own (.run after its name), empty at the start; what a killed run left is stopped
#
# Settings, from the environment:
#   CLUSTER_STATE   state folder (default: ${TMPDIR:-/tmp}/fgtrain_slurm)      CLUSTER_PORT   the first of NODES+1 (default:
#                                                                                             17100, 17200, ..., what is free)
#   CLUSTER_NODES   nodes (2), named CLUSTER_NAME1, CLUSTER_NAME2, ...         CLUSTER_NAME   prefix of node names (fgn)
#   CLUSTER_CPUS    CPUs that each node claims (4)                             CLUSTER_MEMORY MB that each claims (16000)
#   CLUSTER_WAIT    seconds to wait for the nodes (60)
set -euo pipefail

state=${CLUSTER_STATE:-${TMPDIR:-/tmp}/fgtrain_slurm}
[[ ${1:-} != run ]] || state+=.run
nodes=${CLUSTER_NODES:-2} cpus=${CLUSTER_CPUS:-4} memory=${CLUSTER_MEMORY:-16000}
port=${CLUSTER_PORT:-} name=${CLUSTER_NAME:-fgn} wait_seconds=${CLUSTER_WAIT:-60}
conf=$state/slurm.conf
socket=$state/munge/munge.socket
mark="# fgtrain local cluster, $state"
PATH=$PATH:/usr/sbin:/sbin

fail() { echo "local_cluster: $*" >&2; exit 1; }

install_packages() {
    local package missing=()
    command -v apt-get >/dev/null || fail "not a Debian system: no apt-get"
    for package in slurmctld slurmd slurm-client munge; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [[ ${missing[*]} ]] || return 0
    [[ $(id -u) -eq 0 ]] || fail "run as root, or install ${missing[*]}"
    echo "local_cluster: installing ${missing[*]}"
    # An old package list names files that the mirror no longer has. Without a slurm.conf in /etc nothing is started.
    export DEBIAN_FRONTEND=noninteractive
    if ! { packages update && packages install -y --no-install-recommends "${missing[@]}"; } >"$state/install.log" 2>&1; then
        tail -n 5 "$state/install.log" >&2
        fail "apt-get cannot install ${missing[*]} (all it said: $state/install.log)"
    fi
}

packages() { timeout 300 apt-get -o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o DPkg::Lock::Timeout=60 "$@"; }

# The first of NODES+1 ports in a row that nobody listens on.
choose_ports() {
    local first taken=""
    for first in ${port:-17100 17200 17300 17400 17500 17600 17700 17800 17900}; do
        taken=$(taken_port "$first")
        if [[ -z $taken ]]; then
            port=$first
            return
        fi
    done
    fail "port $taken is in use; choose another CLUSTER_PORT"
}

taken_port() { # FIRST: the first of the ports from there on that is in use, if any
    local number
    for ((number = $1; number <= $1 + nodes; number++)); do
        if (exec 3<>"/dev/tcp/127.0.0.1/$number") 2>/dev/null; then
            echo "$number"
            return
        fi
    done
}

write_configuration() {
    local host number
    host=$(hostname -s)
    mkdir -p "$state"/{log,run,munge,controller}
    chmod 0755 "$state" "$state/munge"
    if [[ ! -s $state/munge/munge.key ]]; then
        (umask 077 && head -c 1024 /dev/urandom >"$state/munge/munge.key")
    fi
    {
        cat <<CONF
ClusterName=local
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
# cred_expire is also how long a job that was queued again waits before it may start; the default is two minutes
AuthInfo=socket=$socket,cred_expire=5
StateSaveLocation=$state/controller
SlurmdSpoolDir=$state/spool/%n
SlurmctldPidFile=$state/run/slurmctld.pid
SlurmdPidFile=$state/run/slurmd.%n.pid
SlurmctldLogFile=$state/log/slurmctld.log
SlurmdLogFile=$state/log/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$state/log/jobs.txt
MpiDefault=none
MailProg=/bin/true
SwitchType=switch/none
PropagateResourceLimits=NONE
ReturnToService=2
# the nodes may claim more than the host has
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=100
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=5,bf_interval=5,sched_min_interval=0
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=10
InactiveLimit=0
MinJobAge=3600
# a job's processes meet at a port made of its number: those of two clusters on one host must differ
FirstJobId=$((port - 17100 > 0 ? port - 17100 : 1))
SlurmctldTimeout=60
SlurmdTimeout=60
CONF
        for ((number = 1; number <= nodes; number++)); do
            mkdir -p "$state/spool/$name$number"
            echo "NodeName=$name$number NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + number)) CPUs=$cpus" \
                "RealMemory=$memory State=UNKNOWN"
        done
        echo "PartitionName=main Nodes=ALL Default=YES DefaultTime=60 PriorityTier=1 GraceTime=30"
        echo "PartitionName=urgent Nodes=ALL DefaultTime=60 PriorityTier=2 PreemptMode=OFF"
    } >"$conf"
}

# Node names must resolve: processes meet at the first node's name. Written in place, as containers mount this file.
name_nodes() {
    local number names="" kept
    for ((number = 1; number <= nodes; number++)); do names+=" $name$number"; done
    kept=$(grep -vF "$mark" /etc/hosts || true)
    if [[ $1 == add ]]; then kept+=$'\n'"127.0.0.1$names $mark"; fi
    printf '%s\n' "$kept" >/etc/hosts || fail "cannot write /etc/hosts, where the nodes' names must stand"
}

# start_daemon NAME COMMAND...: in a session of its own; its id goes to run/NAME.started
start_daemon() {
    local daemon=$1
    shift
    SLURM_CONF=$conf setsid "$@" </dev/null >>"$state/log/$daemon.out" 2>&1 8>&- &
    echo $! >"$state/run/$daemon.started"
}

# Ids are used again by other programs: only a process whose environment names this configuration is ours.
is_ours() { tr '\0' '\n' 2>/dev/null <"/proc/$1/environ" | grep -qxF "SLURM_CONF=$conf"; }

running() { # the ids of this cluster's daemons whose note matches the pattern
    local note id
    for note in "$state"/run/$1.started; do
        [[ -f $note ]] && id=$(<"$note") && is_ours "$id" && echo "$id"
    done
    return 0
}

idle_nodes() { SLURM_CONF=$conf timeout 5 sinfo --noheader --Node --partition=main --format=%t 2>/dev/null | grep -cx idle || true; }

# Called while waiting: a daemon that has ended will not answer.
still_starting() { # BEGAN WHAT
    local note
    for note in "$state"/run/*.started; do
        kill -0 "$(<"$note")" 2>/dev/null || give_up "$(basename "$note" .started) has ended, see its log above"
    done
    if ((SECONDS - $1 > wait_seconds)); then give_up "$2 after $wait_seconds s"; fi
}

up() {
    local number began
    [[ $(id -u) -eq 0 ]] || fail "run as root: the daemons start jobs as other users would"
    mkdir -p "$state"
    [[ -z $(running '*') ]] || fail "already up in $state; stop it first, or choose another CLUSTER_STATE"
    install_packages
    choose_ports
    write_configuration
    name_nodes add
    rm -f "$state"/run/*.started
    began=$SECONDS
    trap stop EXIT  # until all is up
    start_daemon munged munged --foreground --key-file="$state/munge/munge.key" --socket="$socket" \
        --pid-file="$state/run/munged.pid" --log-file="$state/log/munged.log" --seed-file="$state/munge/seed"
    until [[ -S $socket ]] && munge --no-input --socket="$socket" >/dev/null 2>&1; do
        still_starting "$began" "munged does not answer"
        sleep 0.1
    done
    start_daemon slurmctld slurmctld -D -f "$conf"
    for ((number = 1; number <= nodes; number++)); do
        start_daemon "slurmd$number" slurmd -D -N "$name$number" -f "$conf"
    done
    until [[ $(idle_nodes) -eq $nodes ]]; do
        still_starting "$began" "$(idle_nodes) of $nodes nodes idle"
        sleep 0.2
    done
    trap - EXIT
    echo "local_cluster: $nodes nodes idle after $((SECONDS - began)) s, state in $state"
}

run() {
    local command status=0
    (($#)) || fail "run what? slurm/local_cluster.sh run COMMAND..."
    mkdir -p "$state"
    exec 8>"$state/lock"
    flock --nonblock 8 || fail "another run is at work in $state; wait for it, or choose another CLUSTER_STATE"
    if [[ -n $(running '*') ]]; then stop; fi
    rm -rf "$state"/{controller,spool,log}
    up
    trap stop EXIT
    trap 'kill "${command:-}" 2>/dev/null || true; exit 143' INT TERM HUP
    SLURM_CONF=$conf "$@" 8>&- &
    command=$!
    wait "$command" || status=$?
    exit "$status"
}

give_up() {
    tail -n 5 "$state"/log/* >&2 || true
    fail "$1"
}

stop() {
    local id round
    if [[ -n $(running slurmctld) ]]; then
        SLURM_CONF=$conf timeout 10 scancel --user=root --state=PENDING 2>/dev/null || true
        SLURM_CONF=$conf timeout 10 scancel --user=root 2>/dev/null || true
        for ((round = 0; round < 150; round++)); do
            [[ -n $(SLURM_CONF=$conf timeout 5 squeue --noheader 2>/dev/null) ]] || break
            sleep 0.1
        done
    fi
    # munged last: the others need it while they stop.
    end_all "$(running 'slurm*')"
    end_all "$(running munged)"
    # What runs a job may outlive its daemon.
    for id in $(pgrep -x slurmstepd || true); do is_ours "$id" && kill -KILL "$id"; done
    rm -f "$state"/run/*.started
    if grep -qF "$mark" /etc/hosts; then name_nodes remove; fi
    echo "local_cluster: stopped"
}

end_all() { # IDS: asked to end, and made to after ten seconds
    local id round
    for id in $1; do kill -TERM "$id" 2>/dev/null || true; done
    for id in $1; do
        for ((round = 0; round < 100; round++)); do kill -0 "$id" 2>/dev/null || break; sleep 0.1; done
        if is_ours "$id"; then kill -KILL "$id" 2>/dev/null || true; fi
    done
}

status() {
    [[ -n $(running '*') ]] || fail "not up in $state"
    SLURM_CONF=$conf timeout 10 sinfo --Node --long
    SLURM_CONF=$conf timeout 10 squeue
    # shellcheck disable=SC2046  # one id a word
    ps -o pid,etime,args -p "$(running '*' | paste -sd,)"
}

case ${1:-} in
    up | stop | status | run) "$@" ;;
    env) echo "export SLURM_CONF=$conf" ;;
    *)
        sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
        exit 2
        ;;
esac
