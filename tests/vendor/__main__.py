"""`python -m tests.vendor [--check]`: fetch the packages of vendored.json with npm and copy their files, unchanged.

Only who raises a version runs it; a checkout holds the files. `sha256` beside each file in vendored.json says what it
must be; without it the file is new, and it is written. `--check` compares, and writes nothing.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
LIST = Path(__file__).parent / "vendored.json"


def published(package: str, version: str, names: list[str]) -> dict[str, bytes]:
    """Return the bytes of files of an npm package."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", f"{package}@{version}"]
        name = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.split()[-1]
        with tarfile.open(Path(folder) / name) as archive:
            found = {member: archive.extractfile(f"package/{member}") for member in names}
            return {member: file.read() for member, file in found.items() if file is not None}


def main(check: bool) -> None:
    """Bring every file, and say which one is not what was recorded."""
    packages = json.loads(LIST.read_text())
    for item in packages:
        for name, data in published(item["package"], item["version"], list(item["files"])).items():
            target, found = item["files"][name], hashlib.sha256(data).hexdigest()
            if item.setdefault("sha256", {}).get(target, found) != found:
                raise SystemExit(f"{target}: {item['package']} {item['version']} has other bytes than recorded")
            item["sha256"][target] = found
            if not check:
                (ROOT / target).write_bytes(data)
            elif (ROOT / target).read_bytes() != data:
                raise SystemExit(f"{target}: not as {item['package']} {item['version']} was published")
            print(f"{target}  {found}")
    if not check:
        LIST.write_text(json.dumps(packages, indent=2) + "\n")


if __name__ == "__main__":
    main("--check" in sys.argv)
