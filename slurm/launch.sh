# shellcheck shell=bash
# What every job does: start its command, pass on that time is nearly up, queue again once the state is saved.
# Read by train.sbatch and, as a copy beside them, by the scripts of --submit. Sets nothing but functions.

say() { echo "[$(date '+%F %T')] job $SLURM_JOB_ID: $*"; }

# fgtrain_job WHAT FOLDER WAITING COMMAND...
#   WHAT     what this job is, for the log          FOLDER  where it may keep a note of its own
#   WAITING  what waits for it, empty if nothing    COMMAND fgtrain_step ..., or a program that starts the rest itself
fgtrain_job() {
    local what=$1 stopped="$2/$SLURM_JOB_ID.stopped" waiting=$3 run="" signal="" status said=""
    shift 3
    MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
    MASTER_PORT=$((15000 + SLURM_JOB_ID % 15000))   # jobs that share a node do not meet
    FGTRAIN_STOPPED=$stopped                        # the first process writes here once all is saved after a signal
    OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}           # more threads than cores are slower than one
    export MASTER_ADDR MASTER_PORT FGTRAIN_STOPPED OMP_NUM_THREADS PYTHONUNBUFFERED=1
    unset RANK LOCAL_RANK WORLD_SIZE LOCAL_WORLD_SIZE   # of whoever submitted it

    # Slurm sends USR1 before the time limit, TERM when the job is preempted or cancelled. Both only ask to save. srun
    # itself would end at once on TERM, so the command gets USR1, which srun hands to all processes.
    trap 'signal=USR1; say "$what got USR1 and is asked to save"; pass_on "$run"' USR1
    trap 'signal=TERM; say "$what got TERM and is asked to save"; pass_on "$run"' TERM
    say "$what on $SLURM_JOB_NODELIST, start $((${SLURM_RESTART_COUNT:-0} + 1))"
    rm -f "$stopped"
    "$@" &
    run=$!
    [[ $signal ]] && pass_on "$run"
    wait "$run"
    status=$?
    while kill -0 "$run" 2>/dev/null; do            # a signal ended the wait, not the run
        wait "$run"
        status=$?
    done

    # 138 and 143: the signal came so early that it ended a process which did not listen yet. Without one, srun itself
    # ended the others because one had failed.
    if [[ ! -s $stopped && ($status -eq 138 || $status -eq 143) ]] && { [[ $signal ]] || preempted; }; then
        echo "stopped before it had begun" >"$stopped"
    fi
    # 130: all of them were asked to stop, by whomever. Any other status without a signal: one has failed.
    if [[ -s $stopped ]] && { [[ $signal || $status -eq 130 ]] || preempted; }; then
        said=$(<"$stopped")
        go_on_later "$what" "$said" "$stopped" "$signal"
        return
    fi
    rm -f "$stopped.before"
    if [[ $status -eq 0 ]]; then
        say "$what is done"
        return 0
    fi
    [[ $signal ]] && say "$what got $signal, but ended before its state was saved"
    say "$what failed with status $status and is not queued again"
    [[ $waiting ]] && say "never to run, because they wait for this job: $waiting. Slurm takes them out of the queue"
    say "once the cause is mended, the same command goes on from what is done"
    return "$status"
}

# fgtrain_step COMMAND...: the command as a process of each task; becomes srun, so that signals find it.
fgtrain_step() {
    # --kill-on-bad-exit: when one process fails, the others would wait for it until the time limit. --wait=0: the first
    # process may have work left when the others are done. srun does not take cpus-per-task from the job by itself.
    exec srun --kill-on-bad-exit=1 --wait=0 ${SLURM_CPUS_PER_TASK:+"--cpus-per-task=$SLURM_CPUS_PER_TASK"} "$@"
}

# Slurm tells the processes of a preempted job, but not its script.
preempted() { scontrol show job --oneliner "$SLURM_JOB_ID" | grep -q 'PreemptTime=[0-9]'; }

pass_on() { [[ -z $1 ]] || kill -USR1 "$1" 2>/dev/null; }

# go_on_later WHAT SAID FILE SIGNAL: queue this very job again, unless somebody cancelled it or it does not get on.
go_on_later() {
    local state
    say "$1: $2"
    state=$(scontrol show job --oneliner "$SLURM_JOB_ID" | grep -o 'JobState=[A-Z_]*')
    if [[ $state != JobState=RUNNING ]]; then
        rm -f "$3" "$3.before"
        say "Slurm has ended the job (${state#*=}); if it was preempted, Slurm queues it again by itself"
        return 130
    fi
    # What a job says of its place is the same where it did not get on, and where it starts over each time. To those
    # that start over, preemption may happen often.
    if [[ -s $3.before && $(<"$3.before") == "$2" ]] && { [[ $2 == *" at step "* ]] || ! { [[ $4 == TERM ]] || preempted; }; }; then
        say "the last start ended at the same place, so the next one would too. Not queued again: raise the time limit"
        rm -f "$3" "$3.before"
        return 1
    fi
    mv "$3" "$3.before"
    say "queues again and goes on from there"
    scontrol requeue "$SLURM_JOB_ID" && return 0
    say "Slurm does not let it queue again; submit the same once more"
    return 1
}
