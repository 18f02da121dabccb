"""Ultralytics YOLO as a child process: one JSON job on stdin, JSON lines on stdout (`python -m azaion_ultralytics`).

Importing this package imports nothing else: every Python of the environment does it (see `torchvision_nms`).
"""
