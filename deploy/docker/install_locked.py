"""Install what an image is made of, each file only with a hash that hashes.txt knows (`make lock` writes it).

``python install_locked.py ./libs/azaion_common[production] ./services/ingestor`` installs packages of this repository and
all that they need. pip knows no hash of a folder, and takes either hashes for all or for none: so it is asked first what
it would fetch, fetches that by version and hash, and takes the folders last.
``python install_locked.py -r FILE`` installs the lines of a file, ``name==version`` each, and nothing that they need.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

HASHES = Path(__file__).with_name("hashes.txt")
LIBRARIES = Path("libs")
BUILT_HERE = ("--no-build-isolation",)
NOTHING_RUN = ("--dry-run", "--only-binary", ":all:")
"""To say what a source package needs, pip runs it: that would be before its hash is known to be right."""


def main(arguments: list[str]) -> None:
    if arguments[0] == "-r":
        lines = Path(arguments[1]).read_text().splitlines()
        install([line for line in lines if line and not line.startswith("#")])
        return
    arguments = with_libraries(arguments)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        pip(*NOTHING_RUN, *BUILT_HERE, "-c", str(constraints()), "--report", str(report), *arguments)
        install(fetched(json.loads(report.read_text())))
    pip("--no-deps", *BUILT_HERE, *arguments)


def with_libraries(packages: list[str]) -> list[str]:
    """``packages`` (folders, with extras or without) and the folders in libs/ that they need, none that is installed."""
    found = list(packages)
    for package in found:  # grows
        known = {Path(each.partition("[")[0]).name for each in found}
        for requirement in requirements(package):
            name = re.split(r"[^\w-]", requirement)[0].replace("-", "_")
            if (LIBRARIES / name).is_dir() and name not in known and not is_installed(name):
                found.append(f"./{LIBRARIES / name}")
    return found


def requirements(package: str) -> list[str]:
    """What the package in the folder needs, with its extras: ``./services/publisher[operator]``."""
    folder, _, extras = package.removesuffix("]").partition("[")
    project = tomllib.loads(Path(folder, "pyproject.toml").read_text())["project"]
    optional = project.get("optional-dependencies", {})
    needed: list[str] = [
        *project.get("dependencies", []),
        *(name for extra in extras.split(",") if extra for name in optional[extra]),
    ]
    return needed


def is_installed(name: str) -> bool:
    """Whether this Python has the distribution already."""
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def install(wanted: list[str]) -> None:
    """``name==version`` each, and nothing that they need."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        requirements.write(locked(wanted, HASHES.read_text()))
        requirements.flush()
        if wanted:
            pip("--require-hashes", "--no-deps", "-r", requirements.name)


def fetched(report: Any) -> list[str]:
    """``name==version`` of what is no folder, from pip's installation report."""
    found = [each for each in report["install"] if "dir_info" not in each["download_info"]]
    return [f"{canonical(each['metadata']['name'])}=={each['metadata']['version']}" for each in found]


def locked(wanted: list[str], hashes: str) -> str:
    """The requirements of ``hashes`` that are ``wanted``; ends the program where one is missing."""
    blocks = re.findall(r"^(\S+)==(\S+) (\\\n(?:    --hash=.+\n)+)", hashes, re.MULTILINE)
    known = {f"{canonical(name)}=={version}": rest for name, version, rest in blocks}
    if missing := sorted(set(wanted) - set(known)):
        sys.exit(f"{', '.join(missing)}: no hash in {HASHES.name}; `make lock` writes it anew")
    return "".join(f"{each} {known[each]}" for each in sorted(wanted))


def canonical(name: str) -> str:
    """A package's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def constraints() -> Path:
    """Beside this file in an image, at the root of the repository elsewhere."""
    return next(
        path / "constraints.txt"
        for path in Path(__file__).resolve().parents
        if (path / "constraints.txt").is_file()
    )


def pip(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *arguments], check=False)
    if done.returncode:
        sys.exit(done.returncode)


if __name__ == "__main__":
    main(sys.argv[1:])
