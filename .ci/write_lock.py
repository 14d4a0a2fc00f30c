"""requirements.lock from pip's report (`make lock`): every package of the tested set with its version and its hash.

No address stands in it: pip takes the files from whatever index it is set up for, and refuses any with another hash.
"""

import json
import sys
from pathlib import Path

HEAD = """\
# The tested set, each file known by its hash: CPython 3.11 on x86-64 Linux with PyTorch's CPU build (which lies in
# PyTorch's own index, not in PyPI). Used by `make install LOCKED=1`; written by `make lock` from constraints.txt.
"""


def main(report: Path, lock: Path) -> None:
    lines = []
    for item in json.loads(report.read_text(encoding="utf-8"))["install"]:
        name, version = item["metadata"]["name"], item["metadata"]["version"]
        sha256 = item["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256")
        if sha256 is not None:
            lines.append(f"{name}=={version} --hash=sha256:{sha256}\n")
        elif "dir_info" not in item["download_info"]:  # this project itself
            sys.exit(f"the index has no sha256 of {name} {version}")
    lock.write_text(HEAD + "".join(sorted(lines, key=str.lower)), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
