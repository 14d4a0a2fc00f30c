"""Rows that cannot be used: the first one stops the run, or up to a quota they are left out and written down."""

import fcntl
import json
from pathlib import Path

from fgtrain.errors import UserError


class Quarantine:
    """A JSON-lines file of bad rows `{data_set, row, reason}`, shared by all processes of a run."""

    def __init__(self, path: Path, quota: int) -> None:
        self.path, self.quota = Path(path), quota
        self._known: set[tuple[str, str]] = set()

    def add(self, data_set: str, row: str | int, reason: str) -> None:
        """Write the row down, once. UserError when it is one more than the quota allows."""
        row = str(row)
        if (data_set, row) in self._known:
            return
        if not self.quota:
            place = f"{data_set}, row {row!r}"
            reason = reason.removeprefix(f"{place}: ")
            raise UserError(f"{place}: {reason}. (devices.bad_rows: 1 or more leaves so many bad rows out and goes on)")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            text = file.read()
            whole = text[: text.rfind("\n") + 1]
            if whole != text:  # a killed process left half a line
                file.truncate(len(whole.encode()))
            entries = [json.loads(line) for line in whole.split("\n")[:-1]]
            self._known = {(entry["data_set"], entry["row"]) for entry in entries}
            if (data_set, row) in self._known:
                return
            if len(self._known) >= self.quota:
                raise UserError(
                    f"{data_set}, row {row!r}: {reason}. This is one bad row more than devices.bad_rows: {self.quota}. "
                    f"The others are in {self.path}; mend the data and remove that file, or write a larger quota"
                )
            file.write(json.dumps({"data_set": data_set, "row": row, "reason": reason}, ensure_ascii=False) + "\n")
            file.flush()
            self._known.add((data_set, row))
