"""The container engine, and what of it is ours: everything that is started is named by one run and removed after it."""

import os
import re
import resource
import secrets
import shlex
import shutil
import subprocess
import sys
import time

from deploy_checks.findings import ROOT, check, wrong

# Seconds that anything may take which is quick where nothing is wrong.
PATIENCE = 120
# What engines ask for by themselves; a machine that allows less refuses to start a container until it is asked for less.
USUAL_FILES = 1048576
# Enough for everything here.
FEW_PROCESSES = 4096


class Unusable(Exception):
    """The engine or an image is not there; the text says what to do."""


class Failed(Exception):
    """A command of the engine failed, or something did not happen in time."""


def attempt(name, act):
    """A check in which what the engine cannot do, or what does not happen in time, is a finding and ends this check only."""

    def bounded():
        try:
            return act()
        except Failed as reason:
            return wrong(name, reason)

    return check(name, bounded)


class Engine:
    def __init__(self, name):
        self.name = name
        self.run_id = f"chiasm-check-{secrets.token_hex(4)}"
        self.image = f"localhost/{self.run_id}:check"
        self.images, self.volumes = [], []

    @staticmethod
    def found():
        names = [os.environ["CHIASM_ENGINE"]] if os.environ.get("CHIASM_ENGINE") else ["podman", "docker"]
        for name in names:
            if shutil.which(name) and subprocess.run([name, "info"], capture_output=True).returncode == 0:
                return Engine(name)
        raise Unusable(f"none of {names} is installed and answers `info`; install one or set CHIASM_ENGINE")

    def __call__(self, *words, fails=False, timeout=PATIENCE, **options):
        """Runs a command of the engine and gives its standard output; with `fails`, the whole result."""
        command = [self.name, *(str(word) for word in words)]
        short = shlex.join(word if len(word) < 60 else f"{word[:50]} .." for word in command[:8])
        try:
            result = subprocess.run(command, capture_output=True, text=True, timeout=timeout, **options)
        except subprocess.TimeoutExpired:
            raise Failed(f"`{short}` took longer than {timeout} s") from None
        if fails:
            return result
        if result.returncode != 0:
            said = [line for line in result.stderr.strip().splitlines() if "healthcheck: unable" not in line]
            raise Failed(f"`{short}` ended with {result.returncode}: {' '.join(said)[-600:]}")
        return result.stdout.strip()

    def has(self, image):
        return self("image", "inspect", image, fails=True).returncode == 0

    def base(self, variable, image):
        """The base image that a variable of the environment, or else the container file names."""
        image = os.environ.get(variable, image)
        if not self.has(image):
            raise Unusable(f"the image {image} is not here: `{self.name} pull {image}`, or set {variable} to another")
        return image

    def run(self, *words, name=None, detach=False, hardened=True, timeout=PATIENCE):
        """Starts a container of the image, hardened as the operator's guide says."""
        options = [*documented(), *self.limits()] if hardened else self.limits()
        lifetime = ["--detach", "--name", f"{self.run_id}-{name}"] if detach else ["--rm"]
        return self("run", *lifetime, "--label", f"chiasm-check={self.run_id}", *options, *words, timeout=timeout)

    def limits(self):
        """podman takes its limits from the user who calls it, and cannot give more than he has."""
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if self.name != "podman" or not 0 < files < USUAL_FILES:
            return []
        return ["--ulimit", f"nofile={files}:{files}", "--ulimit", f"nproc={FEW_PROCESSES}:{FEW_PROCESSES}"]

    def volume(self, name):
        name = f"{self.run_id}-{name}"
        if name not in self.volumes:
            self("volume", "create", name)
            self.volumes.append(name)
        return name

    def clear(self):
        """Removes what this run made; what cannot be removed is said."""
        left = self("ps", "--all", "--quiet", "--filter", f"label=chiasm-check={self.run_id}", fails=True).stdout.split()
        acts = [["rm", "--force", "--volumes", *left]] if left else []
        acts += [["volume", "rm", "--force", volume] for volume in self.volumes]
        acts += [["rmi", "--force", image] for image in self.images]
        for act in acts:
            result = self(*act, fails=True)
            if result.returncode != 0:
                print(f"check-images: not removed: {' '.join(act)}: {result.stderr.strip()[-200:]}", file=sys.stderr)


def documented():
    """The options of `docker run` in docs/operations.md that bound a worker, all before the first volume."""
    text = (ROOT / "docs/operations.md").read_text()
    line = re.search(r"^docker run (.+?) --volume", text.replace("\\\n", " "), re.MULTILINE)
    words = shlex.split(re.sub(r"--detach|--name \S+", "", line.group(1)))
    if "--read-only" not in words:
        raise Failed("docs/operations.md has no `docker run` line that check-images understands")
    return words


def until(what, holds, seconds=60):
    """Waits until something holds, and gives what it was."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := holds():
            return value
        time.sleep(0.2)
    raise Failed(f"within {seconds} s not seen: {what}")
