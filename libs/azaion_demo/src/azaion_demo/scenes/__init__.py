"""Neutral aerial scenes: places with roads, houses, trees and traffic, drawn from a seed, with exact labels.

``generate_pictures`` makes a labelled folder, ``generate_clip`` a video with its truth; ``Scene`` and ``render`` are
what both are made of.
"""

from azaion_demo.scenes.camera import Camera
from azaion_demo.scenes.clip import Clip, generate_clip
from azaion_demo.scenes.layout import Theme
from azaion_demo.scenes.pictures import LabelledPicture, Progress, generate_pictures
from azaion_demo.scenes.render import MIN_VISIBLE_SHARE, Box, Picture, render
from azaion_demo.scenes.scene import VIEW_WIDTH_M, Scene
from azaion_demo.scenes.vehicles import CLASS_NAMES, VehicleClass

__all__ = [
    "CLASS_NAMES",
    "MIN_VISIBLE_SHARE",
    "VIEW_WIDTH_M",
    "Box",
    "Camera",
    "Clip",
    "LabelledPicture",
    "Picture",
    "Progress",
    "Scene",
    "Theme",
    "VehicleClass",
    "generate_clip",
    "generate_pictures",
    "render",
]
