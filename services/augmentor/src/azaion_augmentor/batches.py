"""From a saved picture to a stored batch: its original and all its variants, as blobs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from azaion_augmentor.ports import Multiplier
from azaion_augmentor.recipe import Recipe
from azaion_augmentor.tasks import Made, Task
from azaion_common.contracts.catalogue import Catalogue
from azaion_common.contracts.events import BatchAugmented, BlobRef, ImageSaved, Variant
from azaion_common.platform.storage import BlobStore

JPEG = "image/jpeg"
LABELS = "text/plain"
USABLE = frozenset({JPEG, "image/png"})
"""Media types that training reads as they are; pictures of other types are stored again as JPEG."""


class Batches:
    """Makes batches by one recipe and one seed. Making one twice stores the same blobs."""

    def __init__(
        self, *, blobs: BlobStore, multiplier: Multiplier, catalogue: Catalogue, recipe: Recipe, seed: int
    ) -> None:
        self._blobs = blobs
        self._multiplier = multiplier
        self._catalogue = catalogue
        self._recipe_json = recipe.model_dump_json()
        self.recipe_sha256 = recipe.digest
        self.seed = seed

    async def make(self, saved: ImageSaved) -> BatchAugmented:
        """All copies of one revision of one picture, durable when this returns.

        Raises:
            PermanentError: ``blob_missing``, ``blob_corrupt``, ``unknown_class``, ``unknown_condition``, and as
                ``Multiplier``.
            TransientError: ``disk_full``, ``store_unavailable``.
        """
        slots = tuple(self._catalogue.slot(box.class_id, box.condition) for box in saved.boxes)
        image = await self._blobs.get(saved.image.sha256)
        made = await self._multiplier.multiply(self._task(saved, slots, image))
        return BatchAugmented(
            name=saved.name,
            revision=saved.revision,
            source_sha256=saved.image.sha256,
            recipe_sha256=self.recipe_sha256,
            seed=self.seed,
            variants=await self._stored(saved, made),
        )

    def _task(self, saved: ImageSaved, slots: tuple[int, ...], image: bytes) -> Task:
        return Task(
            recipe_json=self._recipe_json,
            image=image,
            picture_sha256=saved.image.sha256,
            longer_side=max(saved.width, saved.height),
            shorter_side=min(saved.width, saved.height),
            usable=saved.image.media_type in USABLE,
            slots=slots,
            boxes=tuple((box.cx, box.cy, box.w, box.h) for box in saved.boxes),
            seed=self.seed,
        )

    async def _stored(self, saved: ImageSaved, made: Sequence[Made]) -> tuple[Variant, ...]:
        # "+" is in no picture's name, so no variant is ever in the way of a picture of somebody's.
        names = [saved.name, *(f"{saved.name}+{index}" for index in range(1, len(made)))]
        copies = zip(names, made, strict=True)
        return tuple(await asyncio.gather(*(self._store(name, copy, saved.image) for name, copy in copies)))

    async def _store(self, name: str, made: Made, source: BlobRef) -> Variant:
        image = source if made.jpeg is None else await self._blobs.put(made.jpeg, JPEG)
        return Variant(
            name=name, image=image, labels=await self._blobs.put(made.labels, LABELS), boxes=made.boxes
        )
