"""Where things are, and what was found: shared by all checks."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "deploy"
CACHE = Path(os.environ.get("CHIASM_CHECK_DEPLOY_CACHE", Path.home() / ".cache/chiasm/check-deploy"))

problems, skipped, done = [], [], []


class Skip(Exception):
    """Cannot be checked here; the text says why."""


def check(name, act):
    before = len(problems)
    try:
        result = act()
    except Skip as reason:
        skipped.append(f"{name}: {reason}")
        return None
    if len(problems) == before:
        done.append(name)
    return result


def wrong(where, what):
    problems.append(f"{where}: {what}")


def run(*command, **options):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)


def tool(name):
    """A program of the validators."""
    return CACHE / "bin" / name
