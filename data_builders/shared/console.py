"""rich's console for texts that come from elsewhere."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from .terminal import UNSAFE, printable


class SafeConsole(Console):
    """As rich's, which lets escape sequences in texts and table cells through; here they are shown as text."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            unsafe = not segment.control and UNSAFE.search(segment.text)
            yield Segment(printable(segment.text), segment.style) if unsafe else segment
