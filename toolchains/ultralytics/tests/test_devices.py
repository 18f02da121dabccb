"""A GPU that is there is used, or the job fails: it never takes the CPU instead without a word."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from azaion_ultralytics import devices
from azaion_ultralytics.devices import describe_device, resolve_device
from azaion_ultralytics.errors import ToolchainError

TOO_OLD = "The NVIDIA driver on your system is too old (found version 11040)."


class FakeTorch(SimpleNamespace):
    """torch as far as devices need it: ``cuda`` is the version of its build, ``gpus`` those that compute."""

    def __init__(self, cuda: str | None, gpus: int, says: str = "") -> None:
        super().__init__(__version__="9.9", version=SimpleNamespace(cuda=cuda, hip=None))
        self.cuda = SimpleNamespace(
            is_available=lambda: gpus > 0,
            device_count=lambda: gpus,
            get_device_name=lambda number: f"NVIDIA Test {number}",
            init=lambda: self._fail(says),
        )
        self.ones = lambda *_, **__: SimpleNamespace(add_=lambda _: SimpleNamespace(item=lambda: 2))

    def _fail(self, says: str) -> None:
        if says:
            raise RuntimeError(says)


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Its device files, none yet."""
    monkeypatch.setattr(devices, "DEVICE_FILES", tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path


def install(monkeypatch: pytest.MonkeyPatch, torch: FakeTorch) -> None:
    monkeypatch.setitem(sys.modules, "torch", torch)


def test_a_machine_without_a_gpu_takes_the_cpu(monkeypatch: pytest.MonkeyPatch, machine: Path) -> None:
    """Whatever torch was built for; files of the driver alone are no GPU."""
    (machine / "nvidiactl").touch()
    for cuda in (None, "13.0"):
        install(monkeypatch, FakeTorch(cuda, 0))
        assert resolve_device("auto") == "cpu"


def test_a_gpu_that_works_is_taken(monkeypatch: pytest.MonkeyPatch, machine: Path) -> None:
    """The first one, unless another is named."""
    (machine / "nvidia0").touch()
    install(monkeypatch, FakeTorch("13.0", 2))

    assert (resolve_device("auto"), resolve_device("1"), resolve_device("cpu")) == ("0", "1", "cpu")
    assert describe_device("1", None)["name"] == "NVIDIA Test 1"


@pytest.mark.parametrize(
    ("torch", "reason"),
    [
        (FakeTorch(None, 0), "built without CUDA"),
        (FakeTorch("13.0", 0, TOO_OLD), "driver on your system is too old"),
        (FakeTorch("13.0", 0), "torch sees none"),
    ],
)
@pytest.mark.parametrize("device", ["auto", "0"])
def test_a_gpu_that_cannot_be_used_is_an_error(
    monkeypatch: pytest.MonkeyPatch, machine: Path, torch: FakeTorch, reason: str, device: str
) -> None:
    """With the reason and with both ways out; who says cpu gets the CPU."""
    (machine / "nvidia0").touch()
    install(monkeypatch, torch)

    with pytest.raises(ToolchainError, match=reason) as caught:
        resolve_device(device)

    assert caught.value.code == "device_unavailable"
    assert "device=cpu" in caught.value.message
    assert resolve_device("cpu") == "cpu"


def test_a_gpu_that_is_hidden_from_the_process_is_not_there(
    monkeypatch: pytest.MonkeyPatch, machine: Path
) -> None:
    """CUDA_VISIBLE_DEVICES is how somebody says so."""
    (machine / "nvidia0").touch()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    install(monkeypatch, FakeTorch("13.0", 0))

    assert resolve_device("auto") == "cpu"


def test_a_cpu_is_described_by_its_name_and_threads() -> None:
    """As far as the system tells."""
    described = describe_device("cpu", 3)

    assert described["device"] == "cpu"
    assert described["name"]
    assert described["threads"] == 3
