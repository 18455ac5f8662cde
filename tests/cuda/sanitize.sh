#!/usr/bin/env bash
# Small programs on the GPU under each tool of NVIDIA's compute-sanitizer. PYTHON chooses the interpreter.
set -uo pipefail
PYTHON=${PYTHON:-python}
folder=$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
sanitizer=$(command -v compute-sanitizer || find "$folder/nvidia" -type f -name compute-sanitizer 2> /dev/null | head -n 1)
if [ -z "$sanitizer" ]; then
    echo "compute-sanitizer is missing: pip install nvidia-cuda-sanitizer-api" >&2
    exit 1
fi

status=0
for tool in memcheck racecheck initcheck synccheck; do
    echo "== $tool"
    "$sanitizer" --tool "$tool" --error-exitcode 9 "$PYTHON" -m tests.cuda.planted gpu all
    case $? in
        0) ;;
        9) status=1 ;;
        *) echo "$tool did not run to its end here; see above" >&2; status=1 ;;
    esac
done
exit $status
