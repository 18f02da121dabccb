"""The settings of a training that a job may change, each with the values that it takes: the one list of them.

They are ultralytics' own but for where to write, what to train, how long, on what device and what to save, which the
job says itself; and two of ours (`PACE`). No torch in here: a setting is checked in milliseconds, when it is typed.
"""

from __future__ import annotations

import importlib.util
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PACE = {"val_period": 1, "epoch_pictures": 0}
"""Ours, with their defaults: measure every n-th epoch (0: only after the last), and draw so many pictures at random for
each epoch (0: all), so that checkpoints and curves come often however large the dataset is."""
OTHER_TASKS = re.compile(r"-(cls|obb|pose|seg|sem|depth|world|worldv2)|yoloe|rtdetr")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a setting takes. ``lowest`` and ``highest`` bound its numbers; ``words`` are what else it may be."""

    numbers: bool = True
    whole: bool = False
    lowest: float = 0
    highest: float = 1
    words: tuple[str | bool, ...] = ()
    several: bool = False
    """Also a list of such values."""
    pair: float | None = None
    """Also two numbers, ``[lower, upper]``, up to this."""

    def takes(self) -> str:
        """The values in words, for people."""
        parts = []
        if self.numbers:
            parts.append(f"a {'whole ' if self.whole else ''}number from {self.lowest:g} to {self.highest:g}")
        if self.several:
            parts.append("a list of such")
        if self.pair is not None:
            parts.append(f"a pair [lower, upper] from 0 to {self.pair:g}")
        parts += [str(word).lower() if isinstance(word, bool) else word for word in self.words]
        return " or ".join(parts)

    def fits(self, value: object) -> bool:
        if any(type(value) is type(word) and value == word for word in self.words):
            return True
        if isinstance(value, list):
            return self._fits_list(value)
        return self._fits_number(value, self.lowest, self.highest)

    def _fits_list(self, values: list[object]) -> bool:
        if self.pair is not None and len(values) == 2:  # noqa: PLR2004 - a pair
            lower, upper = values
            return all(_is_number(each) and 0 <= each <= self.pair for each in values) and lower <= upper  # type: ignore[operator]
        return self.several and all(self._fits_number(each, self.lowest, self.highest) for each in values)

    def _fits_number(self, value: object, lowest: float, highest: float) -> bool:
        if not self.numbers or not _is_number(value) or (self.whole and type(value) is not int):
            return False
        return bool(lowest <= value <= highest)  # type: ignore[operator]


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type] # a bool is an int, but no number


SWITCH = Setting(numbers=False, words=(True, False))
FRACTION = Setting()
MANY = 1_000_000
OPTIMISERS = ("auto", "SGD", "MuSGD", "Adam", "Adamax", "AdamW", "NAdam", "RAdam", "RMSProp")
COMPILERS = ("default", "reduce-overhead", "max-autotune-no-cudagraphs")

SETTINGS: dict[str, Setting] = {
    "optimizer": Setting(numbers=False, words=OPTIMISERS),
    "lr0": FRACTION,
    **dict.fromkeys(("lrf", "momentum", "weight_decay", "warmup_momentum", "warmup_bias_lr"), FRACTION),
    "warmup_epochs": Setting(highest=1000),
    **dict.fromkeys(("amp", "cos_lr", "single_cls", "cls_remap", "deterministic", "rect"), SWITCH),
    "nbs": Setting(whole=True, lowest=1, highest=MANY),
    "patience": Setting(whole=True, highest=MANY),
    "freeze": Setting(whole=True, highest=1000, several=True),
    "multi_scale": FRACTION,
    "fraction": Setting(lowest=1e-6),
    "max_det": Setting(whole=True, lowest=1, highest=10_000),
    "compile": Setting(numbers=False, words=(True, False, *COMPILERS)),
    "cache": Setting(numbers=False, words=(True, False, "ram", "disk")),
    "workers": Setting(whole=True, highest=256),
    **dict.fromkeys(("box", "cls", "dfl"), Setting(highest=1e38)),
    "cls_pw": FRACTION,
    **dict.fromkeys(("hsv_h", "hsv_s", "hsv_v", "translate", "perspective", "flipud", "fliplr", "bgr"), FRACTION),
    **dict.fromkeys(("mosaic", "mixup", "cutmix", "copy_paste"), FRACTION),
    **dict.fromkeys(("degrees", "shear"), Setting(highest=180)),
    "scale": Setting(pair=100),
    "close_mosaic": Setting(whole=True, highest=MANY),
    **dict.fromkeys(PACE, Setting(whole=True, highest=10**9)),
}  # fmt: skip


def problems(overrides: dict[str, Any]) -> dict[str, str]:
    """What is wrong with which setting, in words; empty when all can be used."""
    found = {}
    for name, value in overrides.items():
        setting = SETTINGS.get(name)
        if setting is None:
            found[name] = f"there is no training setting {name}"
        elif not setting.fits(value):
            found[name] = f"{name} takes {setting.takes()}, not {value!r}"
    return found


def architectures() -> list[str]:
    """Names of the detectors that can be made: those that ultralytics describes, in each of their sizes."""
    spec = importlib.util.find_spec("ultralytics")
    if spec is None or spec.origin is None:
        return []
    described = (Path(spec.origin).parent / "cfg" / "models").rglob("*.yaml")
    return sorted({name for path in described if not OTHER_TASKS.search(path.stem) for name in _sizes(path)})


def _sizes(path: Path) -> list[str]:
    """``yolo11`` in the sizes n, s, m is yolo11n, yolo11s, yolo11m; ``yolov8-p2`` is yolov8n-p2."""
    block = re.search(
        r"^scales:.*\n((?:[ \t]*(?:#.*)?\n|[ \t]+\w+:.*\n)+)", path.read_text(encoding="utf-8"), re.MULTILINE
    )
    sizes = re.findall(r"^[ \t]+(\w+):", block.group(1), re.MULTILINE) if block else []
    family, dash, variant = path.stem.partition("-")
    if len(sizes) < 2:  # noqa: PLR2004 - ``yolov10n`` describes one size and says so itself
        return [path.stem]
    return [f"{family}{size}{dash}{variant}" for size in sizes]
