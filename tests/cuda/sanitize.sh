#!/usr/bin/env bash
# Small programs on the GPU under each tool of NVIDIA's compute-sanitizer. PYTHON chooses the interpreter, PATIENCE how
# many seconds a tool may take.
set -uo pipefail
PYTHON=${PYTHON:-python}
folder=$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
toolkit=${CUDA_HOME:-/usr/local/cuda}
sanitizer=$(command -v compute-sanitizer ||
    find "$folder/nvidia" "$toolkit/" -type f -name compute-sanitizer 2> /dev/null | head -n 1)
if [ -z "$sanitizer" ]; then
    echo "compute-sanitizer is missing: pip install nvidia-cuda-sanitizer-api" >&2
    exit 1
fi

status=0
for tool in memcheck racecheck initcheck synccheck; do
    echo "== $tool"
    options=(--tool "$tool" --error-exitcode 9 --print-limit 50)
    # Libraries ask the driver for what it may not have; what fails for us is an error of Python's.
    [ "$tool" = memcheck ] && options+=(--report-api-errors no)
    timeout --kill-after 10 "${PATIENCE:-180}" "$sanitizer" "${options[@]}" "$PYTHON" -m tests.cuda.planted gpu all
    case $? in
        0) ;;
        9) status=1 ;;
        124 | 137) echo "$tool took too long" >&2; status=1 ;;
        *) echo "$tool did not run to its end here; see above" >&2; status=1 ;;
    esac
done
exit $status
