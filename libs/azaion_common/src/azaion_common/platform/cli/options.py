"""Options that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Home = Annotated[
    Path | None, typer.Option(help="Folder that holds everything. [env AZAION_HOME; ./azaion-home]")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
