"""No command reaches out: with every socket refused all of them work, a run too. What a socket is made for is said where it is refused.

Allowed is what never leaves the machine: `socketpair` and Unix sockets (event loops, multiprocessing). Refused, by an audit hook that no
library written in Python can go around, are names looked up, connections, and sockets bound to any Internet address; joblib's workers
speak through pipes and need none.
"""

from __future__ import annotations

import os
import subprocess
import sys

CLOSED = """
import sys

def refuse(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"):
        print("REACHED OUT", event, file=sys.stderr)
        raise ConnectionError(event)
    if event in ("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg") and not isinstance(arguments[1], (str, bytes)):
        print("REACHED OUT", event, arguments[1:], file=sys.stderr)
        raise ConnectionError(event)

sys.addaudithook(refuse)
"""


def offline(code: str, folder) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter of which it, and every Python process that it starts, refuses sockets (through sitecustomize)."""
    site = folder / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(CLOSED, encoding="utf-8")
    path = os.pathsep.join([str(site), *filter(None, sys.path)])
    environment = {
        **os.environ,
        "PYTHONPATH": path,
        "OMP_NUM_THREADS": "1",
        "HYBRIDCX_CACHE": str(folder / "cache"),
        "PYTHONUTF8": "1",
    }
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
    )


def test_the_sockets_are_closed(tmp_path):
    """Otherwise the other test would hold for anything."""
    for attempt in (
        "urllib.request.urlopen('http://127.0.0.1:9/')",
        "socket.create_connection(('192.0.2.1', 80), 1)",
        "socket.gethostbyname('localhost')",
    ):
        done = offline(f"import socket, urllib.request\n{attempt}", tmp_path)
        assert done.returncode == 1
        assert "REACHED OUT" in done.stderr


COMMANDS = """
from pathlib import Path
from hybridcx.cli.app import main

def call(*arguments, code=0):
    try:
        main([*arguments, "--quiet"])
    except SystemExit as end:
        assert (end.code or 0) == code, (arguments, end.code)

rows = [f"c{i},{('normal', 'abnormal')[i % 2]},{m},{(i * 7 + 3 * j) % 10 / 10}" for j, m in enumerate("AB") for i in range(16)]
Path("p.csv").write_text("\\n".join(["case_id,y_true,model,score", *rows]) + "\\n")
Path("r.csv").write_text("case_id,rating_a,rating_b\\n" + "".join(f"c{i},{i}.5,{i + i % 3}\\n" for i in range(12)))
Path("t.csv").write_text("model,metric,value\\nA,accuracy,0.75\\nA,sensitivity,0.70\\n")
Path("e.toml").write_text('''
name = "tiny"
seed = 1
[cohort]
manifest = "phantom/manifest.csv"
[images]
size_px = 48
[networks]
names = ["squeezenet1_1"]
weights = "none"
[train]
epochs = 1
[heads]
names = ["lda"]
folds = 2
[compute]
device = "cpu"
threads = 1
[analysis]
n_bootstrap = 100
''')
call("compare", "p.csv", "--out", "c", "--n-bootstrap", "100", "--also", "paper")
call("agreement", "r.csv", "--out", "a", "--n-bootstrap", "100")
call("audit", "t.csv", "--positives", "20", "--negatives", "20", "--out", "t")
call("plan", "precision", "--proportion", "0.9", "--halfwidth", "0.05")
call("check", "p.csv")
call("verify", "c")
call("phantom", "phantom", "--patients", "60")
call("check", "e.toml")
call("run", "e.toml", "--out", "run")
assert Path("run/report.html").exists()
print("ALL DONE")
"""


def test_every_command_works_without_a_network(tmp_path):
    done = offline(COMMANDS, tmp_path)
    assert "REACHED OUT" not in done.stderr
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("ALL DONE\n")
