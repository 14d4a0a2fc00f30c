"""What a server's log tells of why it has ended."""

import re
from pathlib import Path

from data_builders.shared.terminal import printable

LAST_BYTES = 1 << 18
LAST_LINES = 8
LINE_SIGNS = 300
ERROR = re.compile(r"\b((?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception): .+|error: .+)")
PORT_TAKEN = re.compile(r"address already in use|errno 98", re.IGNORECASE)
# vLLM's own words -> what to do. The first that fits counts.
ADVICE = (
    (
        re.compile(r"out ?of ?memory|free memory on device|no available memory for the cache|kv cache memory", re.I),
        "The device has too little free memory for the model: is another program on it? Else write engine: own",
    ),
    (
        re.compile(r"not supported for now|does not recognize this architecture|no vllm implementation", re.I),
        "This vLLM does not know the model's architecture: install a newer one, or write engine: own",
    ),
    (
        re.compile(r"no module or parameter named|weights were not initialized|unexpected (key|weight)", re.I),
        "The checkpoint's tensors have other names than this vLLM reads: fgtrain export --format vllm, or engine: own",
    ),
    (
        re.compile(r"unrecognized arguments|invalid choice|no such option", re.I),
        "This vLLM takes other options: install vllm>=0.33,<0.34, or write engine: own",
    ),
)


class Log:
    """The file that a server writes to."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def size(self) -> int:
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def lines(self) -> list[str]:
        """The last ones that say something, as they stand on a terminal: of what overwrites itself, the last state."""
        try:
            with open(self.path, "rb") as file:
                file.seek(max(0, self.size - LAST_BYTES))
                text = file.read().decode("utf-8", errors="replace")
        except OSError:
            return []
        states = (line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
        return [printable(line.rstrip())[:LINE_SIGNS] for line in states if line.strip()]

    @property
    def last(self) -> str:
        """The last line; "" without one."""
        return (self.lines() or [""])[-1]

    @property
    def port_taken(self) -> bool:
        return any(PORT_TAKEN.search(line) for line in self.lines())

    def end(self) -> str:
        """The first error that the log tells (the last one is often only that another process has failed), what to do
        where that is known, and the last lines.
        """
        lines = self.lines()
        if not lines:
            return f"It has said nothing ({self.path})"
        errors = [found.group(1) for line in lines if (found := ERROR.search(line))]
        advice = next((text for known, text in ADVICE if any(known.search(line) for line in lines)), "")
        told = [*(errors[:1]), *([advice] if advice else []), f"The end of {self.path}:"]
        return "\n".join([*told, *(f"  {line}" for line in lines[-LAST_LINES:])])
