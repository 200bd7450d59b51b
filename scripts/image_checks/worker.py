"""One worker without any server, in the image: what it reports, what it may do, and how it ends."""

import time
from pathlib import Path

from deploy_checks.findings import skipped, wrong

from .container import Worker
from .engine import Failed, attempt, until
from .image import health_command

# Rounds of killing every child of the worker.
ROUNDS = 4
# Seconds that a worker which must not end yet is watched.
WATCHED = 2
# Longer than `worker.grace_s`.
STOPS_WITHIN = 45


def checks(engine):
    """Gives the worker, whose volumes hold studies and records, or nothing where none could be started."""
    worker = Worker(engine)
    attempt("a demo runs in the image, whose root cannot be written", lambda: demo(engine))
    if not attempt("a worker starts, is healthy, and reports a study from volumes", lambda: reports(worker)):
        skipped.append("everything else about a worker: none could be started")
        return None
    acts = {
        "the worker may do no more than it needs": bounded,
        "a process that reads files may do no more than it needs": readers_bounded,
        "the health check sees a worker that hangs": hangs,
        "children that are killed are replaced and leave nothing behind": children,
        "a second SIGTERM ends at once and loses nothing": stopped_twice,
        "a container that was killed loses nothing": killed,
        "SIGTERM drains": drained,
    }
    for name, act in acts.items():
        attempt(name, lambda act=act: act(worker))
    return worker


def demo(engine):
    engine.run(engine.image, "demo", "--device", "cpu", "--out", "/tmp/demo")


def reports(worker):
    worker.fill()
    worker.start()
    worker.ask("first")
    worker.reported("first")
    jobs = worker.inside("chiasm", "jobs", "list")
    if worker.studies["first"] not in jobs or "reported" not in jobs:
        wrong("the worker", f"`jobs list` says {jobs!r}")
    return True


def bounded(worker):
    bounded_as_documented(worker)
    for path in ("/srv/dicom/file", "/srv/fhir/file"):
        if worker.inside("touch", path, fails=True).returncode == 0:
            wrong("the worker", f"can write {path}")


def bounded_as_documented(worker):
    """What holds for a worker wherever it runs here."""
    status = dict(line.split(":", 1) for line in worker.shell("cat /proc/1/status").splitlines())
    expected = {"NoNewPrivs": "1", "Seccomp": "2", "CapPrm": "0" * 16, "CapEff": "0" * 16, "CapBnd": "0" * 16}
    for key, value in expected.items():
        if status[key].strip() != value:
            wrong("the worker", f"{key} is {status[key].strip()}, not {value}")
    if status["Uid"].split() != ["10001"] * 4:
        wrong("the worker", f"runs as {status['Uid'].split()}")
    for path in ("/file", "/usr/bin/file", "/etc/chiasm/file"):
        if worker.inside("touch", path, fails=True).returncode == 0:
            wrong("the worker", f"can write {path}")
    if worker.state("{{.HostConfig.Memory}}") != str(4 << 30):
        wrong("the worker", f"its memory is bounded by {worker.state('{{.HostConfig.Memory}}')}")


def readers_bounded(worker):
    number = worker.child("decode-process")
    if not number:
        raise Failed("no process that reads files is there")
    status = worker.shell(f"cat /proc/{number}/status")
    # The engine's filter and the process's own.
    if "Seccomp_filters:\t2" not in status or "NoNewPrivs:\t1" not in status:
        wrong("a process that reads files", "has no system call filter of its own")
    table = worker.shell(f"cat /proc/{number}/limits").splitlines()
    limits = {line[:25].strip(): line[25:].split()[:2] for line in table}
    expected = {"Max open files": "4", "Max file size": "0", "Max core file size": "0", "Max address space": str(4 << 30)}
    for name, most in expected.items():
        if limits.get(name) != [most, most]:
            wrong("a process that reads files", f"{name} is {limits.get(name)}, not {most}")
    lacking = [line for line in worker.log().splitlines() if '"lacking"' in line]
    offered = Path("/sys/kernel/security/lsm")
    if lacking and offered.is_file() and "landlock" not in offered.read_text():
        skipped.append("Landlock in the image: this machine's kernel does not offer it")
    elif lacking:
        wrong("a process that reads files", f"is less bounded than it could be: {lacking[0]}")


def hangs(worker):
    worker.signal("STOP")
    try:
        if worker.inside("timeout", "5", *health_command(worker.engine), fails=True).returncode == 0:
            wrong("the health check", "says that a stopped worker is healthy")
    finally:
        worker.signal("CONT")
    until("the worker is healthy again", worker.healthy)


def children(worker):
    """The worker is process 1: what it does not wait for stays in the table of processes."""
    for _ in range(ROUNDS):
        before = worker.children()
        alive = [str(number) for number, (state, _) in before.items() if state != "Z"]
        worker.shell(f"kill -KILL {' '.join(alive)}")
        until("another process has the device", lambda: worker.child("device-process") not in (None, *before))
    worker.ask("after the kills")
    worker.reported("after the kills")
    names = sorted(name for _, name in worker.children().values())
    # A process that reads files is replaced, and waited for, when it is needed: the study needed one.
    if names != ["decode-process", "device-process"]:
        wrong("the worker", f"after {ROUNDS} rounds of kills its children are {worker.children()}")


def stopped_twice(worker):
    worker.hold("stopped twice")
    worker.signal("TERM")
    time.sleep(WATCHED)
    if worker.state("{{.State.Status}}") != "running":
        wrong("the worker", "did not drain: it ended while a study was under way")
    if worker.ready():
        wrong("the worker", "says that it is ready while it drains")
    worker.signal("TERM")
    if (code := worker.ended(5)) != 143:
        wrong("the worker", f"its second SIGTERM ended it with {code}, not 143")
    worker.start()
    worker.reported("stopped twice")


def killed(worker):
    worker.hold("killed")
    worker.signal("KILL")
    if (code := worker.ended(10)) != 137:
        wrong("the worker", f"SIGKILL ended it with {code}, not 137")
    worker.start()
    worker.reported("killed")


def drained(worker):
    device = worker.hold("drained")
    worker.signal("TERM")
    time.sleep(WATCHED)
    worker.shell(f"kill -CONT {device}")
    if (code := worker.ended(STOPS_WITHIN)) != 0:
        wrong("the worker", f"drained with exit code {code}, not 0")
    bundle = f"/srv/reports/{worker.studies['drained']}/bundle.json"
    worker.engine.run(*worker.volumes(), "--entrypoint", "/usr/bin/test", worker.engine.image, "-s", bundle)
