"""Run compose.yaml for real and say what was seen.

    python -m rehearsal --data DIR [--weights FILE] [--skip kills,backup] [--json FILE]

Builds the images, starts everything, imports pictures from outside, waits until a model is published and the demo
inferencer runs it; starts an edge device with nothing but its own folder and has it try all that it must not; asks
Prometheus every question of every dashboard; looks for secrets where none may be; backs up, wipes and restores; does the
loop again while each container is killed in turn; and takes everything away.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1] / "grafana"), str(Path(__file__).parents[1])]

import make_dashboards as dashboards
import make_secrets

from rehearsal import device, loop, secrecy, standins
from rehearsal.engine import RehearsalError, docker_environment, run
from rehearsal.stack import FILES, ROOT, Stack, query, value

PROJECT = "azaion-rehearsal"
KILLED_WHILE_INGESTING = ("ingestor", "api")
KILLED_WHILE_AUGMENTING = ("augmentor", "rabbitmq", "postgres", "blob-store")
KILLED_AT_THE_END = ("exporter", "publisher", "inferencer")


class Rehearsal:
    """What one run knows."""

    def __init__(self, stack: Stack, work: Path, options: argparse.Namespace) -> None:
        self.stack = stack
        self.work = work
        self.options = options
        self.report: dict[str, Any] = {}
        self.imported_at = time.monotonic()

    def build(self) -> None:
        started = time.monotonic()
        self.stack.compose("config", "-q")
        self.stack.compose("build", timeout_s=3600)
        self.note("build_s", time.monotonic() - started)
        images = sorted(
            {each for each in self.stack.compose("config", "--images").split() if each.startswith("azaion/")}
        )
        self.report["images"] = {
            image: int(self.stack.docker("image", "inspect", "-f", "{{.Size}}", image)) for image in images
        }

    def undisturbed(self) -> dict[str, object]:
        """The loop as users see it."""
        self.stack.up()
        self.report["seconds_to_health"] = {
            name: round(s, 1) for name, s in sorted(self.stack.seconds_to_health.items())
        }
        with self._memory_watched():
            self._import("undisturbed")
            self.note("loop_s", loop.wait_for_release(self.stack, 1))
            self.report["inferred"] = int(loop_value('sum(azaion_inferencer_frames_total{fate="inferred"})'))
        self.report["peak_mib"] = {name: used >> 20 for name, used in sorted(self.stack.peak_bytes.items())}
        outcome = loop.outcome(self.stack)
        self.note("outcome", outcome)
        return outcome

    def edge_device(self) -> None:
        """As its owner would: copy the folder, start it, see it run the release. Then as its thief would."""
        kit = Path(self.stack.environment["AZAION_SECRETS"]) / "devices" / device.NAME
        edge = device.Device(shutil.copytree(kit, self.work / "device"), self.stack.environment)
        try:
            edge.up()
            self.note("device_s", edge.wait_for_release(1))
            self.note("refused_to_a_device", edge.intrude())
        finally:
            edge.down()

    def ask_dashboards(self) -> None:
        """Every query of every panel has to have an answer."""
        wanted = list(dashboards.queries())
        silent: list[tuple[str, str, str]] = wanted

        def all_answer() -> bool:
            nonlocal silent
            silent = [each for each in wanted if not query(each[2])]
            return not silent

        try:
            loop.wait_for("an answer to every query", all_answer, 90)
        except RehearsalError as error:
            raise RehearsalError(f"queries without an answer: {silent}") from error
        self.note("dashboard_queries", len(wanted))

    def draw_dashboards(self) -> None:
        """As they would look now."""
        program = [
            str(ROOT / "toolchains/ultralytics/.venv/bin/python"),
            str(ROOT / "deploy/grafana/draw_dashboards.py"),
        ]
        minutes = (time.monotonic() - self.imported_at) / 60 + 0.5
        run(*program, "--minutes", f"{minutes:.1f}", str(self.options.draw))
        self.note("drawn", str(self.options.draw))

    def look_for_secrets(self) -> None:
        images = list(self.report["images"])
        self.note(
            "looked_for_secrets_in_bytes",
            secrecy.check(self.stack, Path(self.stack.environment["AZAION_SECRETS"]), images),
        )

    def back_up_and_restore(self, before: dict[str, object]) -> None:
        backup = self.work / "backup"
        run(str(ROOT / "deploy/backup.sh"), str(backup), environment=self._for_scripts())
        self.stack.down()
        run(str(ROOT / "deploy/restore.sh"), str(backup), environment=self._for_scripts())
        self.stack.up()
        loop.wait_for("the restored release", lambda: value("sum(azaion_inferencer_model_info)") == 1, 120)
        after = loop.outcome(self.stack)
        if after != before:
            raise RehearsalError(f"restored is not what was backed up:\n{before}\n{after}")
        self.note("restored", "digests equal")

    def with_kills(self, expected: dict[str, object]) -> None:
        """Every container once, each while it works."""
        stack = self.stack
        stack.up()
        self._import("kills")
        loop.wait_for("first pictures", lambda: self._rows("ingestor.pictures") > 0, 60)
        self._kill(KILLED_WHILE_INGESTING)
        for victim in KILLED_WHILE_AUGMENTING:
            before = self._rows("augmentor.augmented_pictures")
            self._kill([victim])
            loop.wait_for("more augmented pictures", lambda before=before: self._went_on(before), 120)  # type: ignore[misc]
        loop.wait_for("the training", lambda: value("max(azaion_trainer_epoch)") > 1)
        self._kill(["trainer"])
        loop.wait_for("a trained model", lambda: self._rows("trainer.champion") > 0)
        self._kill(KILLED_AT_THE_END)
        loop.wait_for_release(stack, 1)
        outcome = loop.outcome(stack)
        if outcome != expected:
            raise RehearsalError(f"kills changed the result:\n{expected}\n{outcome}")
        self.note(
            "killed", [*KILLED_WHILE_INGESTING, *KILLED_WHILE_AUGMENTING, "trainer", *KILLED_AT_THE_END]
        )

    def note(self, name: str, found: Any) -> None:
        self.report[name] = round(found, 1) if isinstance(found, float) else found
        print(f"{name}: {self.report[name]}", flush=True)

    def _import(self, home: str) -> None:
        settings, secrets = (
            Path(self.stack.environment["AZAION_SETTINGS"]),
            Path(self.stack.environment["AZAION_SECRETS"]),
        )
        sent = loop.import_pictures(
            self.options.data,
            self.work / home,
            settings / "catalogue.yaml",
            secrets / "annotations_streams_url",
            ROOT,
            self.stack.environment,
        )
        self.note("imported", sent)
        self.imported_at = time.monotonic()

    def _kill(self, victims: list[str] | tuple[str, ...]) -> None:
        for victim in victims:
            self.stack.kill(victim)
            print(f"killed {victim}", flush=True)
        self.stack.wait_healthy()

    def _rows(self, table: str) -> int:
        return int(self.stack.sql(f"SELECT count(*) FROM {table}")[0])  # noqa: S608 - ours

    def _went_on(self, before: int) -> bool:
        now, known = self._rows("augmentor.augmented_pictures"), self._rows("ingestor.pictures")
        return now > before or now == known

    def _for_scripts(self) -> dict[str, str]:
        return {**self.stack.environment, "COMPOSE_FILE": ":".join(FILES)}

    @contextmanager
    def _memory_watched(self) -> Iterator[None]:
        stop = threading.Event()
        thread = threading.Thread(target=self.stack.watch_memory, args=(stop,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def loop_value(expression: str) -> float:
    """A value that may take a scrape to appear."""
    loop.wait_for(expression, lambda: value(expression) > 0, 60)
    return value(expression)


def rehearse(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    skipped = set(options.skip.split(","))
    with docker_environment() as docker:
        environment = {
            **docker,
            "COMPOSE_PROJECT_NAME": PROJECT,
            "COMPOSE_PROFILES": "demo",
            "AZAION_SETTINGS": str(work / "settings"),
            "AZAION_SECRETS": str(work / "secrets"),
            "AZAION_DEMO_MEDIA": str(options.media or _pictures_of(options.data)),
            "AZAION_DEMO_SOURCE": "/media",
            **device.opened_ports(),
        }
        make_secrets.main(work / "secrets", (device.HOST,), (device.NAME,))
        loop.prepare_settings(work / "settings", options.data, options.weights, ROOT)
        stack = Stack(environment)
        wanted = [
            each for each in stack.compose("config", "--images").split() if not each.startswith("azaion/")
        ]
        with standins.images(sorted(set(wanted)), environment) as stood_in, device.network(environment):
            if stood_in:
                environment["AZAION_TORCH_INDEX"] = ""
            rehearsal = Rehearsal(stack, work, options)
            rehearsal.note("stand_ins", stood_in)
            try:
                rehearsal.build()
                outcome = rehearsal.undisturbed()
                rehearsal.edge_device()
                rehearsal.ask_dashboards()
                if options.draw:
                    rehearsal.draw_dashboards()
                rehearsal.look_for_secrets()
                if "backup" not in skipped:
                    rehearsal.back_up_and_restore(outcome)
                stack.down()
                if "kills" not in skipped:
                    rehearsal.with_kills(outcome)
            finally:
                stack.down()
            rehearsal.note("left_behind", "nothing")
    return rehearsal.report


def _pictures_of(data: Path) -> Path:
    images = data / "images"
    return images if images.is_dir() else data


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="rehearsal", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data",
        type=lambda text: Path(text).resolve(),
        required=True,
        help="pictures with labels, as for `azaion annotations import`",
    )
    parser.add_argument("--weights", type=lambda text: Path(text).resolve(), help="checkpoint to start from")
    parser.add_argument(
        "--media",
        type=lambda text: Path(text).resolve(),
        help="what the inferencer looks at (default: the pictures)",
    )
    parser.add_argument(
        "--draw", type=lambda text: Path(text).resolve(), help="draw the dashboards into this folder"
    )
    parser.add_argument("--skip", default="", help="parts to leave out: kills, backup")
    parser.add_argument("--json", type=Path, help="write the report there, too")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="azaion-rehearsal-"))
    work.chmod(0o755)  # containers read the settings
    try:
        report = rehearse(options, work)
    except RehearsalError as error:
        print(f"rehearsal failed: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    print(
        "rehearsal passed"
        + (f"; stand-ins for {', '.join(report['stand_ins'])}" if report["stand_ins"] else "")
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
