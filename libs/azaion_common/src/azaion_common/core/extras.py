"""What to install for an optional part: the packages that it needs, by the names under which they are published."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, requires

DISTRIBUTION = "azaion-common"


def install_hint(extra: str) -> str:
    """The command that installs what ``extra`` of this package needs.

    Our own packages are in no registry: whoever took their names there could have anything installed by a hint.
    """
    marker = f'extra == "{extra}"'
    try:
        needed = [line.partition(";") for line in requires(DISTRIBUTION) or []]
    except PackageNotFoundError:
        needed = []
    packages = [f"'{name.strip()}'" for name, _, condition in needed if marker in condition.replace("'", '"')]
    return (
        f"{sys.executable} -m pip install {' '.join(packages)}" if packages else f"install the extra {extra}"
    )
