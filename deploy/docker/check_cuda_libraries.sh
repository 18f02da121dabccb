#!/bin/sh
# Ends the build of an image whose ONNX Runtime could not use the GPU: without a library of its CUDA provider it would
# run on the CPU and say so in one line of a log. Only the driver's own library comes from the host, at run time.
#   check_cuda_libraries.sh PYTHON
set -eu
capi=$("$1" -c 'import importlib.util, os; print(os.path.join(os.path.dirname(importlib.util.find_spec("onnxruntime").origin), "capi"))')
provider="$capi/libonnxruntime_providers_cuda.so"
[ -e "$provider" ] || { echo "this ONNX Runtime has no CUDA provider ($capi)" >&2; exit 1; }
missing=$(ldd "$provider" | grep 'not found' | grep -v 'libcuda\.so\.1' || true)
[ -z "$missing" ] || { printf 'ONNX Runtime asks for CUDA libraries that this image lacks:\n%s\n' "$missing" >&2; exit 1; }
echo "ONNX Runtime finds every CUDA library"
