"""The three conditions as numbers: colours (BGR), light, shadow and camera noise."""

from __future__ import annotations

from dataclasses import dataclass, replace

from azaion_demo.scenes.pen import Colour


@dataclass(frozen=True)
class Surface:
    """A kind of land: two colours that blend in patches, and the rows that machines leave."""

    colour: Colour
    patches: Colour
    row_spacing_m: float = 0.0
    row_depth: float = 0.0
    grain: float = 0.10


@dataclass(frozen=True)
class Look:
    """How the world looks in one condition."""

    condition: str
    land: tuple[Surface, ...]
    yard: Surface
    asphalt: Colour
    paving: Colour
    marking: Colour
    marking_strength: float
    roofs: tuple[Colour, ...]
    crowns: tuple[Colour, ...]
    shadow: Colour
    shadow_softness_m: float
    shadow_stretch: float
    ambient: Colour
    haze: float
    noise_sigma: float
    snow: bool = False
    lamps: bool = False


NORM = Look(
    condition="Norm",
    land=(
        Surface((66, 118, 92), (74, 136, 122), grain=0.16),
        Surface((58, 104, 84), (60, 124, 104), grain=0.20),
        Surface((70, 128, 108), (86, 150, 140), row_spacing_m=1.1, row_depth=0.10),
        Surface((98, 128, 158), (110, 142, 170), row_spacing_m=1.6, row_depth=0.12),
        Surface((96, 170, 196), (110, 182, 204), row_spacing_m=2.4, row_depth=0.07),
        Surface((62, 120, 78), (66, 110, 86), row_spacing_m=0.8, row_depth=0.16),
    ),
    yard=Surface((74, 126, 106), (84, 144, 132), grain=0.18),
    asphalt=(104, 102, 100),
    paving=(158, 164, 168),
    marking=(228, 232, 232),
    marking_strength=0.9,
    roofs=((74, 92, 158), (62, 74, 128), (96, 96, 104), (84, 112, 142), (128, 126, 124), (66, 70, 78)),
    crowns=((44, 96, 66), (40, 84, 62), (52, 112, 84), (48, 88, 50), (60, 118, 104)),
    shadow=(0.50, 0.58, 0.62),
    shadow_softness_m=0.16,
    shadow_stretch=0.62,
    ambient=(1.0, 1.0, 1.0),
    haze=0.0,
    noise_sigma=2.2,
)

WINT = Look(
    condition="Wint",
    land=(
        Surface((226, 220, 214), (238, 233, 228), grain=0.05),
        Surface((214, 208, 204), (232, 227, 222), grain=0.06),
        Surface((222, 217, 212), (200, 200, 202), row_spacing_m=1.6, row_depth=0.05, grain=0.05),
        Surface((230, 225, 219), (216, 213, 211), row_spacing_m=1.1, row_depth=0.04, grain=0.05),
    ),
    yard=Surface((228, 222, 216), (210, 208, 206), grain=0.05),
    asphalt=(142, 138, 136),
    paving=(200, 196, 192),
    marking=(205, 205, 205),
    marking_strength=0.3,
    roofs=((226, 220, 216), (232, 228, 224), (216, 212, 210), (220, 218, 220)),
    crowns=((112, 114, 112), (128, 128, 124), (92, 104, 94), (140, 136, 132)),
    shadow=(0.20, 0.24, 0.27),
    shadow_softness_m=0.5,
    shadow_stretch=0.5,
    ambient=(0.97, 0.95, 0.93),
    haze=0.20,
    noise_sigma=2.6,
    snow=True,
)

NIGHT = replace(
    NORM,
    condition="Night",
    shadow=(0.30, 0.30, 0.30),
    shadow_softness_m=0.4,
    ambient=(0.34, 0.27, 0.23),
    noise_sigma=5.0,
    lamps=True,
)

LOOKS = {look.condition: look for look in (NORM, WINT, NIGHT)}
