"""A window that shows the annotated frames as they come (needs pygame-ce)."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from contextlib import redirect_stdout
from threading import Event
from types import TracebackType
from typing import Any, Self

from azaion_common.core.errors import PermanentError
from azaion_inferencer.ports import Image, Shown


class Window:
    """Closing it, or pressing Q or Escape, sets ``stop``: the run ends in order.

    Raises:
        PermanentError: ``window_unavailable`` when pygame-ce is missing, or there is no display.
    """

    every_frame = True

    def __init__(self, title: str, stop: Event) -> None:
        if importlib.util.find_spec("pygame") is None:
            raise PermanentError(
                "window_unavailable",
                "showing a window needs pygame-ce, which is not installed",
                hint="pip install pygame-ce, or use --save out.mp4",
            )
        with redirect_stdout(sys.stderr):  # it greets; stdout belongs to the result
            self._pygame: Any = importlib.import_module("pygame")
        self._title = title
        self._stop = stop
        self._surface: Any = None

    def __enter__(self) -> Self:
        return self

    def write(self, shown: Shown) -> None:
        """Show a frame. The window opens with the first one, in the thread that will draw in it."""
        if shown.picture is None:
            return
        if self._surface is None:
            self._open(shown.picture)
        height, width = shown.picture.shape[:2]
        frame = self._pygame.image.frombuffer(shown.picture.tobytes(), (width, height), "BGR")
        self._surface.blit(self._pygame.transform.scale(frame, self._surface.get_size()), (0, 0))
        self._pygame.display.flip()
        if any(self._wants_to_leave(event) for event in self._pygame.event.get()):
            self._stop.set()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pygame.quit()

    def _open(self, picture: Image) -> None:
        size = (picture.shape[1], picture.shape[0])
        try:
            self._pygame.display.init()
            self._surface = self._pygame.display.set_mode(size, self._pygame.RESIZABLE)
        except self._pygame.error as error:
            raise PermanentError("window_unavailable", f"cannot open a window: {error}") from error
        self._pygame.display.set_caption(self._title)

    def _wants_to_leave(self, event: Any) -> bool:
        keys = (self._pygame.K_q, self._pygame.K_ESCAPE)
        pressed = event.type == self._pygame.KEYDOWN and event.key in keys
        return bool(pressed or event.type == self._pygame.QUIT)
