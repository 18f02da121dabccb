"""Datasets as folders that any YOLO tool can read: images and labels as hard links to blobs, ``data.yaml``.

A folder is built under a hidden name and renamed when it is complete, so what has its name is whole. It is a view:
the manifest in the blob store can make it again.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from uuid import uuid4

import yaml

from azaion_common.core.durable import make_folder, storage_errors
from azaion_common.core.errors import PermanentError
from azaion_common.platform.runtime.together import all_ended
from azaion_common.platform.storage import BlobStore
from azaion_common.platform.storage.views import suffix_of
from azaion_trainer.certificate import Certificate, decode_certificate, verify
from azaion_trainer.classes import map_labels
from azaion_trainer.manifest import DatasetFile, DatasetPicture, Manifest, decode_manifest
from azaion_trainer.split import SIDES, Side

MANIFEST = "manifest.json"
CERTIFICATE = "certificate.json"
DATA = "data.yaml"
_AT_ONCE = 64


class HardLinkedFolders:
    """``<root>/<dataset id>/{images,labels}/{train,valid,test}``, with manifest and certificate beside them."""

    def __init__(self, root: Path, blobs: BlobStore, *, keep: int = 3) -> None:
        """``keep``: folders that stay, those that were asked for last; one that is gone is made again when asked for."""
        self._root = root
        self._blobs = blobs
        self._keep = keep

    async def ensure(self, manifest: Manifest, certificate: Certificate) -> Path:
        """The complete folder of the dataset; made when missing.

        Raises:
            AzaionError: ``blob_missing``, ``labels_malformed``, ``disk_full``; nothing is left behind then.
        """
        final = self._root / manifest.dataset_id
        if not final.is_dir():
            await self._make(final, manifest, certificate)
        await asyncio.to_thread(self._retire, final)
        return final

    async def _make(self, final: Path, manifest: Manifest, certificate: Certificate) -> None:
        await asyncio.to_thread(self._sweep)
        building = self._root / f".{uuid4().hex}.building"
        try:
            await self._build(building, manifest, certificate)
            await asyncio.to_thread(building.rename, final)
        finally:
            await asyncio.to_thread(shutil.rmtree, building, ignore_errors=True)

    def image(self, folder: Path, picture: DatasetPicture) -> Path:
        return image_path(folder, picture.side, picture.files[0])

    def _retire(self, used: Path) -> None:
        """Remove all folders but those that were used last, ``used`` among them."""
        used.touch()
        folders = sorted(self._root.glob("[!.]*"), key=lambda folder: folder.stat().st_mtime, reverse=True)
        for folder in folders[self._keep :]:
            leaving = (
                self._root / f".{uuid4().hex}.building"
            )  # swept away by the next build if this is killed
            folder.rename(leaving)
            shutil.rmtree(leaving, ignore_errors=True)

    def _sweep(self) -> None:
        """Remove what a killed build left; only one trainer builds at a time."""
        make_folder(self._root)
        for leftover in self._root.glob(".*.building"):
            shutil.rmtree(leftover, ignore_errors=True)

    async def _build(self, building: Path, manifest: Manifest, certificate: Certificate) -> None:
        with storage_errors(building):
            await asyncio.to_thread(_write_texts, building, manifest, certificate)
        placing = _files(manifest)
        while some := list(islice(placing, _AT_ONCE)):
            # A file that is still being placed would outlive the folder.
            await all_ended(self._place(building, manifest, side, file) for side, file in some)

    async def _place(self, folder: Path, manifest: Manifest, side: Side, file: DatasetFile) -> None:
        await self._blobs.fetch(file.image.sha256, image_path(folder, side, file))
        slots = (await self._blobs.get(file.labels.sha256)).decode()
        labels, text = labels_path(folder, side, file), map_labels(slots, manifest.class_of_slot)
        if text == slots:  # a link takes no room; a file of its own takes a block, eight times per picture
            return await self._blobs.fetch(file.labels.sha256, labels)
        with storage_errors(labels):
            await asyncio.to_thread(labels.write_text, text)
        return None


def image_path(folder: Path, side: Side, file: DatasetFile) -> Path:
    return folder / "images" / side / f"{file.name}{suffix_of(file.image.media_type)}"


def labels_path(folder: Path, side: Side, file: DatasetFile) -> Path:
    return folder / "labels" / side / f"{file.name}.txt"


def read_folder(folder: Path) -> tuple[Manifest, Certificate]:
    """Manifest and certificate of a dataset folder.

    Raises:
        PermanentError: ``dataset_missing``, ``manifest_malformed``, ``dataset_leaks`` (no certificate).
    """
    manifest, certificate = folder / MANIFEST, folder / CERTIFICATE
    if not manifest.is_file():
        raise PermanentError("dataset_missing", f"there is no dataset in {folder}")
    proof = certificate.read_bytes() if certificate.is_file() else b""
    return decode_manifest(manifest.read_bytes()), decode_certificate(proof)


def verify_folder(folder: Path) -> Certificate:
    """Recompute the certificate, and hash every image to see that the folder holds what the manifest says.

    Raises:
        PermanentError: ``dataset_leaks``, ``dataset_altered`` and as ``read_folder``.
    """
    manifest, certificate = read_folder(folder)
    verify(manifest, certificate)
    expected = {image_path(folder, side, file): file.image.sha256 for side, file in _files(manifest)}
    for path, sha256 in expected.items():
        if not path.is_file() or _sha256(path) != sha256:
            raise _altered(f"{path} is not the image that the manifest names")
    for path in (folder / "images").rglob("*"):
        if path.is_file() and path not in expected:
            raise _altered(f"{path} is not in the manifest")
    return certificate


def _files(manifest: Manifest) -> Iterator[tuple[Side, DatasetFile]]:
    return ((picture.side, file) for picture in manifest.pictures for file in picture.files)


def _write_texts(folder: Path, manifest: Manifest, certificate: Certificate) -> None:
    for side in SIDES:
        (folder / "images" / side).mkdir(parents=True)
        (folder / "labels" / side).mkdir(parents=True)
    with (folder / MANIFEST).open("wb") as file:
        file.writelines(manifest.encode())
    (folder / CERTIFICATE).write_text(certificate.model_dump_json(indent=2) + "\n")
    (folder / DATA).write_text(_data_yaml(manifest.class_names))


def _data_yaml(names: Sequence[str]) -> str:
    """Without ``path``: sides are found beside the file, wherever the folder is moved."""
    sides = {"train": "images/train", "val": "images/valid", "test": "images/test"}
    return yaml.safe_dump({**sides, "names": dict(enumerate(names))}, sort_keys=False, allow_unicode=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _altered(message: str) -> PermanentError:
    return PermanentError("dataset_altered", message, hint="delete the folder; the trainer can make it again")
