"""Gives a CUDA-built torchvision the one operator that detectors need, beside CPU-only torch (Linux).

PyPI's x86_64 wheel of torchvision is a CUDA build: without the CUDA libraries its C++ operators do not load, and its
import stops with "operator torchvision::nms does not exist". Importing this module only puts a finder in front of the
import system. When torchvision is then imported and its operators do not load, `nms` below is registered as
``torchvision::nms`` first, so that ``torchvision.ops.nms`` works and is traced into TorchScript and ONNX as usual.

Nothing happens beside CUDA torch, beside a torchvision whose operators load, or outside Linux. The other C++ operators
(``roi_pool``, ``deform_conv2d``, ...) stay missing and say so. A TorchScript file that holds nms loads only after
``import torchvision``.

install.sh puts a .pth file beside it that imports this module in every Python of the environment, so the ``yolo``
command works there as well. Made for torch 2.13 with torchvision 0.28.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from torch import Tensor
    from torch.library import Library

log = logging.getLogger(__name__)

_libraries: list[Library] = []  # an operator disappears when the Library that defined it is collected


def is_active() -> bool:
    """True when torchvision has been imported and its nms is the one of this module."""
    return bool(_libraries)


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Greedy non-maximum suppression on the CPU, index for index what torchvision's C++ kernel returns.

    ``boxes`` is (N, 4), as x1, y1, x2, y2 in any unit; ``scores`` is (N,).  A box goes when its IoU with a
    kept box of higher score is greater than ``iou_threshold``.  Returns the int64 indices of the kept boxes,
    highest score first; equal scores keep their order.
    """
    import numpy as np
    import torch

    if boxes.numel() == 0:
        return torch.empty(0, dtype=torch.int64)
    wide = torch.promote_types(boxes.dtype, torch.float32)  # numpy has no bfloat16
    x1, y1, x2, y2 = boxes.detach().to(wide).numpy().T
    areas = (x2 - x1) * (y2 - y1)
    candidates = torch.sort(scores.detach(), descending=True, stable=True).indices.numpy()
    kept = []
    while candidates.size:
        best, others = candidates[0], candidates[1:]
        kept.append(best)
        widths = np.clip(np.minimum(x2[best], x2[others]) - np.maximum(x1[best], x1[others]), 0, None)
        heights = np.clip(np.minimum(y2[best], y2[others]) - np.maximum(y1[best], y1[others]), 0, None)
        shared = widths * heights
        with np.errstate(divide="ignore", invalid="ignore"):  # two empty boxes: 0 / 0, and both stay
            iou = shared / (areas[best] + areas[others] - shared)
        candidates = others[~(iou > iou_threshold)]
    return torch.tensor(np.asarray(kept), dtype=torch.int64)


def _native_operators_load(package_dir: str) -> bool:
    """True if torchvision's own C++ operators can be loaded beside this torch (they are loaded then)."""
    import torch

    loaders = (importlib.machinery.ExtensionFileLoader, importlib.machinery.EXTENSION_SUFFIXES)
    extension = importlib.machinery.FileFinder(package_dir, loaders).find_spec("_C")
    if extension is None:
        log.info("torchvision has no C++ operators; nms will run in Python")
        return False
    try:
        torch.ops.load_library(extension.origin)
    except OSError as error:
        log.info("torchvision's C++ operators do not load (%s); nms will run in Python", error)
        return False
    return True


def _define_operators() -> None:
    """Define what torchvision's import looks for: nms with its implementation, qnms with its schema only."""
    import torch

    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.impl("nms", nms, "CPU")
    _libraries.append(library)


def _nms_is_there() -> None:
    """Stands in for torchvision's check that the C++ operators are loaded.

    A plain function, not a lambda, so that ``torch.jit.script`` can compile what calls it.
    """


class _Loader(importlib.machinery.SourceFileLoader):
    """Runs torchvision's ``__init__.py`` as usual, with the missing operators defined just before."""

    def exec_module(self, module: ModuleType) -> None:
        import torch

        wanted = torch.version.cuda is None and not is_active()
        if wanted and not _native_operators_load(str(Path(self.path).parent)):
            _define_operators()
        super().exec_module(module)
        if is_active():
            from torchvision.ops import boxes  # the home of nms; other modules keep their check

            boxes._assert_has_ops = _nms_is_there  # noqa: SLF001


class _Finder(importlib.abc.MetaPathFinder):
    """Answers for the top-level package torchvision only; everything else goes to the usual finders.

    It stays in place, because programs ask for the spec of torchvision (to see whether it is installed) long
    before they import it.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != "torchvision":
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or type(spec.loader) is not importlib.machinery.SourceFileLoader:
            return None  # not installed, or not an ordinary package: leave it to the usual finders
        spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


if sys.platform == "linux":
    sys.meta_path.insert(0, _Finder())
