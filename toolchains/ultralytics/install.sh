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

pip -r requirements-torch.txt
pip -r requirements.txt
if [ "${1:-}" != image ]; then pip -r requirements-test.txt; fi
if [ "${1:-}" = openvino ]; then pip -r requirements-openvino.txt; fi
pip --no-deps -r requirements-no-deps.txt
pip --no-deps --editable .

# Every Python of this environment (the `yolo` command too) can then import a CUDA-built torchvision beside CPU torch.
site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
echo 'import azaion_ultralytics.torchvision_nms' > "$site/azaion_ultralytics_nms.pth"
.venv/bin/python -c 'import torchvision, ultralytics' 
