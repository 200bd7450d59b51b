"""Two workers of deploy/compose with RabbitMQ and PostgreSQL. The rest of that file is not started here: what is not
Chiasm's is its makers', and the reports go to the folder alone."""

import os
import re
import shutil
import subprocess

from deploy_checks.findings import DEPLOY, Skip, wrong

from .container import Container, drawn
from .engine import Failed, until

SERVERS = ["rabbitmq", "postgres"]
WORKERS = ["worker-1", "worker-2"]
# Longer than `lease_s`, after which the jobs of a worker that vanished are taken up.
TAKEN_OVER_WITHIN = 120


def compose(engine, scratch):
    tool = ["docker", "compose"] if engine.name == "docker" else ["podman-compose"]
    if not shutil.which(tool[0]) or subprocess.run([*tool, "version"], capture_output=True).returncode != 0:
        raise Skip(f"`{' '.join(tool)}` is not installed")
    text = (DEPLOY / "compose/compose.yaml").read_text()
    for service in SERVERS:
        image = re.search(rf"^  {service}:\n(?:    .*\n)*?    image: (\S+)", text, re.MULTILINE).group(1)
        if not engine.has(image):
            raise Skip(f"the image {image} is not here: `{engine.name} pull {image}`")
    site = Site(engine, tool, scratch)
    try:
        site.up(*SERVERS)
        until("RabbitMQ listens", lambda: site.answers("rabbitmq", "rabbitmq-diagnostics", "--quiet",
                                                       "check_port_listener", "5672"), 180)
        until("PostgreSQL listens", lambda: site.answers("postgres", "pg_isready", "--quiet", "--host=127.0.0.1",
                                                         "--username=chiasm"), 120)
        engine.volumes.append(f"{engine.run_id}_orthanc")
        studies = drawn(engine, f"{engine.run_id}_orthanc", site.records, below="db/")
        site.up(*WORKERS)
        one_of_two(site, [Container(engine, site.container(service), studies) for service in WORKERS])
    finally:
        site.down()


def one_of_two(site, workers):
    for worker in workers:
        until(f"{worker.name} is ready", worker.ready, 120)
    workers[0].ask("first")
    workers[1].reported("first")
    # Neither can end the next study, so that it is known who has it.
    for worker in workers:
        worker.shell(f"kill -STOP {worker.child('device-process')}")
    workers[0].ask("killed")
    holds = until("a worker has the study", lambda: next((one for one in workers if one.busy()), None))
    other = next(worker for worker in workers if worker is not holds)
    holds.signal("KILL")
    other.shell(f"kill -CONT {other.child('device-process')}")
    until("the other worker reports it", lambda: other.has_reported("killed"), TAKEN_OVER_WITHIN)
    status = dict(line.split(None, 1) for line in other.inside("chiasm", "queue", "status").splitlines() if " " in line)
    if any(status.get(name) != "0" for name in ("stat", "routine", "resting", "dead")):
        wrong("deploy/compose", f"after all is reported the queue says {status}")


class Site:
    """A copy of deploy/compose with passwords of its own; what depends on the machine stands in a second file."""

    def __init__(self, engine, tool, scratch):
        self.engine = engine
        self.folder = scratch / "deploy/compose"
        self.records = scratch / "records"
        self.records.mkdir()
        self.records.chmod(0o755)
        shutil.copytree(DEPLOY, scratch / "deploy")
        shutil.rmtree(self.folder / "secrets", ignore_errors=True)
        subprocess.run([self.folder / "make-secrets"], check=True, capture_output=True)
        settings = {"SITE_ZONE": "Europe/Berlin", "CHIASM_RECORDS": self.records, "CHIASM_IMAGE": engine.image}
        (self.folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        (self.folder / "here.yaml").write_text(self.here())
        self.command = [*tool, "--project-name", engine.run_id, "--file", "compose.yaml", "--file", "here.yaml"]

    def here(self):
        lines = ["services:"]
        limits = dict(word.split(":")[0].split("=") for word in self.engine.limits() if "=" in word)
        for service in [*SERVERS, *WORKERS]:
            lines.append(f"  {service}:")
            if self.engine.name == "podman":
                # podman has no logging driver `local`.
                lines.append("    logging: { driver: k8s-file, options: { max-size: 20m } }")
            if limits:
                lines.append("    ulimits: { core: 0, " + ", ".join(f"{k}: {v}" for k, v in limits.items()) + " }")
            if service in WORKERS:
                lines.append("    environment: { CHIASM__DEFAULT_TARGETS: reports }")
        return "\n".join(lines) + "\n"

    def __call__(self, *words):
        try:
            result = subprocess.run([*self.command, *words], cwd=self.folder, capture_output=True, text=True, timeout=300,
                                    env=os.environ)
        except subprocess.TimeoutExpired:
            raise Failed(f"compose {words[0]} took longer than 300 s") from None
        if result.returncode != 0:
            raise Failed(f"compose {' '.join(words)}: {(result.stderr or result.stdout).strip()[-600:]}")

    def up(self, *services):
        self("up", "--detach", "--no-deps", *services)

    def down(self):
        self("down", "--volumes")

    def container(self, service):
        labels = {"project": self.engine.run_id, "service": service}
        filters = [word for key, value in labels.items() for word in ("--filter", f"label=com.docker.compose.{key}={value}")]
        return self.engine("ps", "--all", "--format", "{{.Names}}", *filters).strip()

    def answers(self, service, *command):
        return self.engine("exec", self.container(service), *command, fails=True).returncode == 0
