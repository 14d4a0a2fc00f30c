"""Rows that cannot be used: the first one stops the run, or up to a quota they are left out and written down."""

import json
import sys
from pathlib import Path

from data_builders.shared.errors import LIMITS, limit_within, told
from data_builders.shared.locks import locked
from fgtrain.errors import UserError


class Quarantine:
    """A JSON-lines file of bad rows `{data_set, row, reason}`, shared by all processes of a run.

    A row in it stays left out at later starts, whatever has become of its picture, so that a stage that was stopped
    goes on as it began. Not one with `pass`: it could be used in other passes, and is tried in them.
    """

    def __init__(self, path: Path, quota: int) -> None:
        self.path, self.quota = Path(path), quota
        self._known: set[tuple[str, str]] = set()

    def left_out(self) -> frozenset[tuple[str, str]]:
        """(data set, row) of all that stay left out."""
        return frozenset((e["data_set"], e["row"]) for e in self._entries() if "pass" not in e)

    def check_quota(self) -> None:
        """UserError when the file holds more rows than the quota, which may have been larger at an earlier start."""
        if (known := len(self._entries())) > self.quota:
            raise UserError(
                f"{self.path} holds {known} bad rows, and devices.bad_rows is {self.quota}. Write devices.bad_rows="
                f"{known} to leave them out again, or mend the data and remove that file to try them"
            )

    def _entries(self) -> list[dict]:
        if not self.path.is_file():
            return []
        return self._parsed(self.path.read_text(encoding="utf-8", errors="replace"))

    def _parsed(self, text: str) -> list[dict]:
        """UserError where a line is none of ours. The last one may be half a line of a killed process."""
        entries = []
        for number, line in enumerate(text.split("\n")[:-1], 1):
            try:
                entry = json.loads(line)
                entries.append(entry | {"data_set": entry["data_set"], "row": str(entry["row"])})
            except (ValueError, KeyError, TypeError):
                raise UserError(
                    f"{self.path}, line {number}, is no bad row as this program notes them. Remove that line, or the "
                    "file: then all of its rows are tried again"
                ) from None
        return entries

    def add(self, data_set: str, row: str | int, reason: str, only_in: int | None = None) -> None:
        """Write the row down, once. UserError when it is one more than the quota allows.

        `only_in`: the pass that it cannot be used in, where each is another (a mosaic is laid out anew).
        """
        row = str(row)
        if (limit := limit_within(error := sys.exception())) is not None:  # the machine's fault, and no row's
            raise UserError(told(error) or LIMITS[limit])
        if (data_set, row) in self._known:
            return
        if not self.quota:
            place = f"{data_set}, row {row!r}"
            reason = reason.removeprefix(f"{place}: ")
            raise UserError(f"{place}: {reason}. (devices.bad_rows: 1 or more leaves so many bad rows out and goes on)")
        with (
            locked(self.path.with_name(f".{self.path.name}.lock")),
            open(self.path, "a+", encoding="utf-8", errors="replace") as file,
        ):
            file.seek(0)
            text = file.read()
            whole = text[: text.rfind("\n") + 1]
            if whole != text:  # a killed process left half a line
                file.truncate(len(whole.encode()))
            entries = self._parsed(whole)
            self._known = {(entry["data_set"], entry["row"]) for entry in entries}
            if (data_set, row) in self._known:
                return
            if len(self._known) >= self.quota:
                raise UserError(
                    f"{data_set}, row {row!r}: {reason}. This is one bad row more than devices.bad_rows: {self.quota}. "
                    f"The others are in {self.path}; mend the data and remove that file, or write a larger quota"
                )
            entry = {"data_set": data_set, "row": row, "reason": reason}
            entry |= {} if only_in is None else {"pass": only_in}
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
            file.flush()
            self._known.add((data_set, row))
