"""One outside thing each: the ultralytics toolchain, ONNX Runtime."""
