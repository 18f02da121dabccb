"""The choices that a command line offers, importable without any array library."""

from __future__ import annotations

from typing import Literal

RuntimeName = Literal["auto", "onnxruntime", "openvino"]
Precision = Literal["f32", "bf16", "f16"]
