"""Multiplies stored pictures into augmented variants."""

import os

# albumentations asks PyPI for a newer version whenever it is imported, unless this is set before.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # noqa: TID251 - a switch of that library, not a setting of ours
