"""Build the source distribution and the wheel so that another person gets the same bytes, and list SHA-256 of the files of a release.

    python experiments/maintenance/build_release.py --out dist       builds twice in copies of HEAD, compares, and leaves one in dist/
    python experiments/maintenance/build_release.py --sums dist      writes dist/SHA256SUMS

Times in the archives are that of the commit (SOURCE_DATE_EPOCH), owners and modes are fixed, members are sorted. What is built is HEAD, not the
working tree. Needs the package `build`; another version of setuptools may write other metadata, so that the same bytes need the same version.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUMS = "SHA256SUMS"


def epoch() -> int:
    """The time of the commit, in seconds."""
    return int(subprocess.check_output(["git", "-C", str(ROOT), "log", "-1", "--format=%ct"], text=True))


def built(target: Path, time: int) -> list[Path]:
    """Source distribution and wheel of HEAD in the folder `target`."""
    with tempfile.TemporaryDirectory() as scratch:
        archive = subprocess.check_output(["git", "-C", str(ROOT), "archive", "HEAD"])
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(scratch, filter="data")
        environment = {**os.environ, "SOURCE_DATE_EPOCH": str(time), "PYTHONHASHSEED": "0"}
        command = [sys.executable, "-m", "build", "--outdir", str(target), scratch]
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    (source,) = target.glob("*.tar.gz")
    source.write_bytes(normalised(source.read_bytes(), time))
    return sorted(target.iterdir())


def normalised(data: bytes, time: int) -> bytes:
    """A .tar.gz with sorted members, fixed owners and modes, and one time: setuptools keeps those of the working copy."""
    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as old,
        gzip.GzipFile(fileobj=out, mode="wb", mtime=time, filename="") as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new,
    ):
        for member in sorted(old.getmembers(), key=lambda m: m.name):
            member.mtime, member.uid, member.gid, member.uname, member.gname = time, 0, 0, "", ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.pax_headers = {}
            new.addfile(member, old.extractfile(member) if member.isfile() else None)
    return out.getvalue()


def sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> int:
    """Build, or list; 1 where two builds differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="folder for both distributions; emptied before")
    parser.add_argument("--sums", type=Path, help="folder whose files are listed")
    options = parser.parse_args()
    os.umask(0o022)  # modes in the archives follow it
    if options.out:
        with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
            builds = [built(Path(folder), epoch()) for folder in (first, second)]
            differing = [a.name for a, b in zip(*builds, strict=True) if sha256(a) != sha256(b)]
            if differing:
                print(f"two builds differ: {', '.join(differing)}")
                return 1
            shutil.rmtree(options.out, ignore_errors=True)
            options.out.mkdir(parents=True)
            for path in builds[0]:
                shutil.copy(path, options.out)
                print(f"{sha256(path)}  {path.name}  {path.stat().st_size:,} bytes, twice the same")
    if options.sums:
        listed = sorted(p for p in options.sums.iterdir() if p.is_file() and p.name != SUMS)
        text = "".join(f"{sha256(p)}  {p.name}\n" for p in listed)
        (options.sums / SUMS).write_text(text, encoding="utf-8", newline="\n")
        print(text, end="")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
