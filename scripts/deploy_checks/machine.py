"""systemd units and the container file."""

import os
import re
import shutil
from fnmatch import fnmatch
from pathlib import Path

from .findings import DEPLOY, ROOT, Skip, run, tool, wrong

# systemd's measure of exposure, times ten; 100 is a unit without any protection.
MOST_EXPOSED = 20
MOST_EXPOSED_WITH_DROP_INS = 40


def systemd(scratch):
    folder = DEPLOY / "systemd"
    one, several = folder / "chiasm-worker.service", folder / "chiasm-worker@.service"
    lines = [directives(path) for path in (one, several)]
    differing = {line.split("=")[0] for line in set(lines[0]) ^ set(lines[1])}
    if differing - {"Description", "Environment"}:
        wrong("deploy/systemd", f"the unit and its template differ in {sorted(differing)}")
    if not shutil.which("systemd-analyze"):
        raise Skip("systemd-analyze is not installed")
    root = scratch / "systemd"
    units = root / "etc/systemd/system"
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/chiasm").write_text("#!/bin/sh\n")
    (root / "usr/bin/chiasm").chmod(0o755)
    own = Path("/usr/lib/systemd/system")
    (root / own.relative_to("/")).mkdir(parents=True)
    for unit in [*own.glob("*.target"), *own.glob("*.slice")]:
        shutil.copy(unit, root / own.relative_to("/"), follow_symlinks=False)
    cases = [[], ["10-gpu.conf"], ["20-credentials.conf"], ["10-gpu.conf", "20-credentials.conf"]]
    receiver = folder / "chiasm-receive.service"
    sources = ((one, "chiasm-worker.service"), (several, "chiasm-worker@9464.service"), (receiver, receiver.name))
    for source, name in sources:
        for drop_ins in cases if source != receiver else [[]]:
            shutil.rmtree(units, ignore_errors=True)
            (units / f"{source.name}.d").mkdir(parents=True)
            shutil.copy(source, units)
            for drop_in in drop_ins:
                shutil.copy(folder / drop_in, units / f"{source.name}.d")
            most = MOST_EXPOSED_WITH_DROP_INS if drop_ins else MOST_EXPOSED
            for act in (["verify"], ["security", "--offline=yes", f"--threshold={most}"]):
                result = run("systemd-analyze", "--no-pager", act[0], f"--root={root}", *act[1:], name)
                said = result.stderr.strip() or result.stdout.strip().splitlines()[-1:]
                if result.returncode != 0 or (act[0] == "verify" and result.stderr.strip()):
                    wrong(f"{name} with {drop_ins or 'no drop-in'}", f"systemd-analyze {act[0]}: {said}")


def directives(path):
    return [line for line in path.read_text().splitlines() if line and not line.startswith(("#", ";", "["))]


def container():
    file = DEPLOY / "container/Containerfile"
    result = run(tool("hadolint"), "--no-color", file)
    for line in result.stdout.splitlines():
        wrong("deploy/container", line)
    # What the program includes when it is compiled must not be left out of the build's context.
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    for source in ROOT.glob("*/src/**/*.rs"):
        for path in re.findall(r'include_(?:str|bytes)!\(\s*"([^"]+)"', source.read_text()):
            target = os.path.relpath((source.parent / path).resolve(), ROOT)
            parts = [str(Path(*Path(target).parts[: end + 1])) for end in range(len(Path(target).parts))]
            if any(fnmatch(part, pattern.removeprefix("**/")) for pattern in ignored for part in parts):
                wrong(".dockerignore", f"leaves out {target}, which {source.relative_to(ROOT)} includes")
