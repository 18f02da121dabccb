"""Paints tree crowns as lumps of leaves, lighter towards the sun; bare branches in winter."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from azaion_demo.scenes.dice import pick, within
from azaion_demo.scenes.geometry import Points, direction
from azaion_demo.scenes.layout import Tree
from azaion_demo.scenes.looks import Look
from azaion_demo.scenes.pen import Colour, Pen, Pixels, mixed, shaded

_LUMPS = 32
_BARE_SHARE = 0.65


def paint_crowns(
    rng: Generator,
    trees: tuple[Tree, ...],
    look: Look,
    shape: tuple[int, int],
    *,
    px_per_m: float,
    sun_angle: float,
) -> Pixels:
    """All crowns as a BGRA layer (H, W, 4); drawing onto transparent black premultiplies the colours by itself."""
    layer = np.zeros((*shape, 4), np.uint8)
    pen = Pen(layer, px_per_m)
    for tree in trees:
        if look.snow and within(tree.tint, _BARE_SHARE):
            _paint_bare(rng, pen, tree)
        else:
            _paint_leafy(rng, pen, tree, look, -direction(sun_angle))
    return layer


def _paint_leafy(rng: Generator, pen: Pen, tree: Tree, look: Look, towards_sun: Points) -> None:
    base = pick(look.crowns, tree.tint)
    spread = np.sqrt(rng.random(_LUMPS)) * tree.radius * 0.85
    turns = rng.uniform(0, 2 * np.pi, _LUMPS)
    offsets = np.column_stack([np.cos(turns), np.sin(turns)]) * spread[:, None]
    # Lumps nearer to the middle are higher: paint them last, and lift them towards the light.
    for rank, index in enumerate(np.argsort(-spread)):
        height = rank / _LUMPS
        light = 0.62 + 0.42 * height + 0.22 * float(offsets[index] @ towards_sun) / tree.radius
        colour = shaded(base, light + rng.uniform(-0.07, 0.07))
        if look.snow:
            colour = mixed(colour, (236, 232, 228), 0.25 + 0.5 * height)
        centre = tree.centre + offsets[index] + towards_sun * 0.12 * height * tree.radius
        pen.disc(centre, tree.radius * rng.uniform(0.16, 0.30), (*colour, 255))


def _paint_bare(rng: Generator, pen: Pen, tree: Tree) -> None:
    """Branches that fork twice, with a little snow on them."""
    wood: Colour = (86, 92, 98)
    for turn in np.arange(9) * 0.698 + tree.tint * 6:
        heading = turn + rng.uniform(-0.2, 0.2)
        elbow = tree.centre + direction(heading) * tree.radius * rng.uniform(0.4, 0.6)
        pen.line(np.stack([tree.centre, elbow]), (*wood, 255), 0.2)
        for fork in (-0.6, -0.2, 0.2, 0.6):
            tip = elbow + direction(heading + fork + rng.uniform(-0.2, 0.2)) * tree.radius * rng.uniform(
                0.3, 0.55
            )
            pen.line(np.stack([elbow, tip]), (*mixed(wood, (200, 198, 196), rng.uniform(0, 0.6)), 255), 0.1)
