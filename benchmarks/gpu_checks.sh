#!/bin/bash
# Every check that needs a GPU, from a bare machine, within ten minutes: results as checks.json and checks.txt.
#
# Run as:  benchmarks/gpu_checks.sh [--out FOLDER]      on a machine with an NVIDIA GPU, from the top of the project
#          benchmarks/gpu_checks.sh --plan              what would be run, and each check's limit; runs nothing
#          benchmarks/gpu_checks.sh --dry               the same checks on a processor, small, in the present environment;
#                                                       SLOWER=5 gives each of them five times as long
#
# It needs Python 3.11 to 3.13, the driver (580 or newer), 60 GB of free disk, and no network but the package registry:
# weights are the default model's, which is a package, or random in true shapes. A check that fails or runs out of its
# time is noted, and the next one begins; only without the packages nothing goes on. `tokens` is whether at least nine of
# ten tokens of the default model on the GPU are those of the model in torch: below that no other figure counts. Exit status: 0 where all passed.
# It has never run on a GPU.
#
# What is fetched (x86-64, MB; by `pip download`, November 2026):
#   onnxruntime-gpu          255.6
#   onnxruntime-genai-cuda   16.7
#   nvidia-cublas            423.1
#   nvidia-cuda-nvrtc        90.2
#   nvidia-cuda-runtime      2.2
#   nvidia-cudnn-cu13        366.2
#   nvidia-cufft             214.1
#   nvidia-curand            59.5
#   nvidia-nvjitlink         46.6
#   torch                    526.6
#   triton                   197.7
#   cuda-bindings            8.4
#   cuda-pathfinder          0.1
#   cuda-toolkit             0.1
#   nvidia-cuda-cupti        10.7
#   nvidia-cufile            1.2
#   nvidia-cusolver          200.9
#   nvidia-cusparse          145.9
#   nvidia-cusparselt-cu13   170.1
#   nvidia-nccl-cu13         206.0
#   nvidia-nvshmem-cu13      60.4
#   nvidia-nvtx              0.1
# together 3002 MB, and the layers base, import and models, which every machine needs.
set -u

plan=""
dry=""
out=gpu-checks
while [ $# -gt 0 ]; do
  case $1 in
    --plan) plan=1 ;;
    --dry) dry=1 ;;
    --out) out=${2:?--out needs a folder}; shift ;;
    *) echo "gpu_checks.sh: $1 is none of --plan, --dry, --out FOLDER" >&2; exit 2 ;;
  esac
  shift
done
if [ ! -f pyproject.toml ]; then
  echo "gpu_checks.sh: run it from the top of the project" >&2
  exit 2
fi

if [ -n "$dry" ]; then
  bin=$(dirname "$(command -v python)")
  device=cpu
  rounds=3
  prompts=8
  timed=" --threads 1 --processor-time"
else
  bin=.gpu-checks/bin
  device=cuda
  rounds=8
  prompts=200
  timed=""
fi
work=$out/work
ask="$bin/python -m cli.main"
model="--data-dir $work/data --device $device"

if [ -n "$dry" ]; then other="fp32"; else other="int8 bf16"; fi
precisions="for one in $other; do $ask models import $model --precision \$one || exit 1; done"

# name | limit in seconds | command
checks() {
  if [ -z "$dry" ]; then
    cat <<EOF
packages|185|python3 -m venv .gpu-checks && $bin/python -m pip install --quiet --require-hashes --only-binary :all: --no-deps --requirement locks/build.txt --requirement locks/base.txt --requirement locks/gpu.txt --requirement locks/import.txt --requirement locks/torch.txt --requirement locks/models.txt
driver|5|nvidia-smi --query-gpu=name,memory.total,driver_version,compute_cap --format=csv
EOF
  fi
  cat <<EOF
doctor|15|$ask doctor $model --json | tee $out/doctor.json; test -s $out/doctor.json
import|75|$ask models import $model && $ask models show $model --json > $out/import.json
tokens|5|$bin/python -c "import json, sys; sys.exit(json.load(open('$out/import.json'))['agreement'].get('same', 0) < 0.9)"
whole|15|$ask doctor $model --json > $out/doctor-after.json
answer|25|$ask setup $model --pages docs/install.md && $ask ask "How do I install it on a machine with a GPU?" $model --pages docs/install.md --json > $out/answer.json
ladder|215|$bin/python -m benchmarks.seed_speedup --device $device --rounds $rounds --prompts $prompts$timed --out $out/ladder.json
precisions|60|$precisions
EOF
}

if [ -n "$plan" ]; then
  together=0
  while IFS='|' read -r name limit command; do
    printf '%-10s %4d s  %s\n' "$name" "$limit" "$command"
    together=$((together + limit))
  done < <(checks)
  printf '%-10s %4d s\n' together "$together"
  exit 0
fi

mkdir -p "$out" "$work"
export PYTHONPATH=$PWD
export ASKPAGE_LIBRARY_TELEMETRY=false
: > "$out/checks.txt"
results=""
failed=0
begun=$SECONDS
while IFS='|' read -r name limit command; do
  from=$SECONDS
  timeout --kill-after 5 $((limit * ${SLOWER:-1})) bash -c "set -o pipefail; $command" > "$out/$name.log" 2>&1 < /dev/null
  status=$?
  took=$((SECONDS - from))
  case $status in
    0) word=passed ;;
    124 | 137) word="out of time" ;;
    *) word=failed ;;
  esac
  [ $status -eq 0 ] || failed=1
  printf '%-10s %-12s %4d s of %d\n' "$name" "$word" "$took" "$limit" | tee -a "$out/checks.txt"
  [ $status -eq 0 ] || tail -n 3 "$out/$name.log" | tee -a "$out/checks.txt"
  results="$results${results:+, }{\"name\": \"$name\", \"status\": $status, \"seconds\": $took, \"limit\": $limit}"
  if [ "$name" = packages ] && [ $status -ne 0 ]; then break; fi
done < <(checks)
[ ! -f "$out/ladder.log" ] || tee -a "$out/checks.txt" < "$out/ladder.log"
printf '{"device": "%s", "seconds": %d, "failed": %d, "checks": [%s]}\n' \
  "$device" $((SECONDS - begun)) "$failed" "$results" > "$out/checks.json"
echo "Figures: $out/checks.json, $out/checks.txt, and what each check said in $out/*.log"
exit $failed
