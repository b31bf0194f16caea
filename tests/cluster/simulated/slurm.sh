#!/usr/bin/env bash
# sbatch, squeue, scontrol and scancel in one, as far as ablate uses them: the tests link it under these names.
# $FAKE_SLURM holds the cluster: a folder for each job (`12_0`), a line in `trace` for each thing that happens,
# and files by which a test makes it fail. Waits of real clusters are left out.
set -u
cluster=$FAKE_SLURM
trace() { echo "$*" >> "$cluster/trace"; }
state() { cat "$1/state" 2>/dev/null; }
become() { echo "$2" > "$1/state.new" && mv "$1/state.new" "$1/state"; }

# Runs one element until it is not requeued.
run() {
  local job=$1 id=$2 array=${2%_*} element=${2#*_} restarts=0 code
  while [ -d "$job" ]; do
    become "$job" RUNNING
    trace "start $id"
    while [ -e "$cluster/hold" ]; do sleep 0.02; done
    (
      export SLURM_ARRAY_JOB_ID=$array SLURM_ARRAY_TASK_ID=$element SLURM_JOB_ID=$((array + element))
      if [ "$restarts" -gt 0 ]; then export SLURM_RESTART_COUNT=$restarts; fi
      exec bash "$job/script"
    ) >> "$(cat "$job/output")" 2>&1 < /dev/null &
    echo $! > "$job/pid"
    wait $!
    code=$?
    trace "end $id $code"
    [ -d "$job" ] || return
    if [ -e "$job/requeue" ]; then
      rm "$job/requeue"
      restarts=$((restarts + 1))
      become "$job" PENDING
      sleep 0.1
    elif [ -e "$job/verdict" ]; then
      become "$job" "$(cat "$job/verdict")"
      return
    else
      if [ $code = 0 ]; then become "$job" COMPLETED; else become "$job" FAILED; fi
      return
    fi
  done
}

# Starts the elements of an array, at most a given number at once.
pump() {
  local array=$1 last=$2 most=$3 element job
  for element in $(seq 0 "$last"); do
    job=$cluster/${array}_$element
    while [ "$(jobs -rp | wc -l)" -ge "$most" ]; do sleep 0.02; done
    [ "$(state "$job")" = PENDING ] && run "$job" "${array}_$element" &
  done
  wait
}

case "$(basename "$0")" in
  sbatch)
    name= output= last=0 most=1000
    for word; do
      case "$word" in
        --job-name=*) name=${word#*=} ;;
        --output=*) output=${word#*=} ;;
        --array=0-*) last=${word#--array=0-} ;;
      esac
    done
    case "$last" in *%*) most=${last#*%}; last=${last%\%*} ;; esac
    script=${!#}
    trace "sbatch $*"
    if [ -e "$cluster/refuse" ]; then cat "$cluster/refuse" >&2; exit 1; fi
    array=$(cat "$cluster/last" 2>/dev/null || echo 10)
    array=$((array + 1))
    echo $array > "$cluster/last"
    for element in $(seq 0 "$last"); do
      job=$cluster/${array}_$element
      mkdir "$job"
      echo "$name" > "$job/name"
      # As Slurm reads the name: %j is the job's number, %% a percent sign.
      echo "$output" | sed "s/%%/\x01/g; s/%j/$((array + element))/g; s/\x01/%/g" > "$job/output"
      cp "$script" "$job/script"
      become "$job" PENDING
    done
    pump "$array" "$last" "$most" > /dev/null 2>&1 < /dev/null &
    if [ -e "$cluster/lose-answer" ]; then
      rm "$cluster/lose-answer"
      echo "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation" >&2
      exit 1
    fi
    echo $array ;;
  squeue)
    if [ -e "$cluster/silent" ]; then
      echo "slurm_load_jobs error: Unable to contact slurm controller (connect failure)" >&2
      exit 1
    fi
    names=
    for word; do case "$word" in --name=*) names=,${word#*=}, ;; esac; done
    if [ -n "$names" ] && [ -e "$cluster/hang" ]; then trace hang; exec sleep 1000; fi
    for job in "$cluster"/*_*/; do
      [ -e "$job/state" ] || continue
      case "$names" in *",$(cat "$job/name"),"*) ;; *) continue ;; esac
      id=$(basename "$job")
      echo "$(cat "$job/name")|${id%_*}|${id#*_}|$(state "$job")|None"
    done ;;
  scontrol)
    case "$1" in
      show) echo "MaxArraySize            = $(cat "$cluster/largest" 2>/dev/null || echo 1001)" ;;
      requeue) trace "requeue $2"; touch "$cluster/$2/requeue" ;;
    esac ;;
  scancel)
    for id; do
      job=$cluster/$id
      [ -d "$job" ] || continue
      trace "cancel $id"
      echo CANCELLED > "$job/verdict"
      case "$(state "$job")" in
        PENDING) become "$job" CANCELLED ;;
        RUNNING) kill -TERM "$(cat "$job/pid")" ;;
      esac
    done ;;
esac
