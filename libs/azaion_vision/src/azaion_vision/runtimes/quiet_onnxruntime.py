"""ONNX Runtime, kept from phoning home: its Linux wheels (1.31) make a device id and send events at every import and session.

Only this variable stops that; ``disable_telemetry_events`` comes too late. Everybody imports ``onnxruntime`` from here.
"""

from __future__ import annotations

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # noqa: TID251 - set, not read

import onnxruntime  # noqa: TID251 - after the line above

__all__ = ["onnxruntime"]
