"""Object detection without a training framework: letterbox, boxes, CPU runtimes and drawing on plain arrays."""
