"""The choices that a command line offers, importable without any array library."""

from __future__ import annotations

from typing import Literal

RuntimeName = Literal["auto", "onnxruntime", "openvino"]
Precision = Literal["f32", "bf16", "f16"]
Accelerator = Literal["auto", "cpu", "cuda"]
"""``auto``: the GPU where there is one; one that is there and cannot be used is an error, with ``cuda`` a missing one, too."""
