#!/bin/sh
# Makes this toolchain's environment in .venv beside this file; running it again only adds what is missing.
#   ./install.sh             train, validate, predict, export to ONNX and TorchScript
#   ./install.sh openvino    the same, and export to OpenVINO
#   ./install.sh image       without what only its tests need
# PYTHON chooses the interpreter (3.11 to 3.13). Plain pip, because uv and poetry ignore pip's find-links and would
# fetch the CUDA build of torch where a CPU wheel is at hand.
set -eu
cd "$(dirname "$0")"

[ -x .venv/bin/python ] || "${PYTHON:-python3}" -m venv .venv
pip() { .venv/bin/python -m pip install --quiet --disable-pip-version-check "$@"; }
say() { echo "Toolchain ultralytics, $*"; }

say "1 of 3: torch (200 MB for the CPU, 2 GB for a GPU: a few minutes)"
.venv/bin/python -m pip install --disable-pip-version-check -r requirements-torch.txt # not quiet: its download shows how far it is
say "2 of 3: what it trains and exports with"
pip -r requirements.txt
if [ "${1:-}" != image ]; then pip -r requirements-test.txt; fi
if [ "${1:-}" = openvino ]; then pip -r requirements-openvino.txt; fi
say "3 of 3: ultralytics itself"
pip --no-deps -r requirements-no-deps.txt
pip --no-deps --editable .

# Every Python of this environment (the `yolo` command too) can then import a CUDA-built torchvision beside CPU torch.
site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
echo 'import azaion_ultralytics.torchvision_nms' > "$site/azaion_ultralytics_nms.pth"
.venv/bin/python -c 'import torchvision, ultralytics' 
