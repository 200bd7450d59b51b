"""A worker's container: what can be asked of it, and the one that needs no server."""

from deploy_checks.findings import DEPLOY

from .engine import until
from .image import health_command

# Studies that the demo draws: one for each check that needs a study which nobody has read yet.
SEEDS = {"first": 1, "after the kills": 2, "stopped twice": 3, "killed": 4, "drained": 5}


def drawn(engine, studies, records, below=""):
    """Draws studies and records into two volumes or folders, not as the worker's user, who only reads them. Gives the UIDs."""
    script = f"set -eu; mkdir -p /srv/dicom/{below}; for seed in " + " ".join(str(seed) for seed in SEEDS.values()) + """; do
        chiasm demo --device cpu --seed $seed --out /tmp/$seed >/dev/null
        uid=$(ls /tmp/$seed/report)
        cp -r /tmp/$seed/study /srv/dicom/BELOW$uid
        cp /tmp/$seed/record.json /srv/fhir/$seed.json
        echo $seed $uid
    done; chmod -R a+rX /srv/dicom /srv/fhir""".replace("BELOW", below)
    said = engine.run(
        "--user", "0:0", "--entrypoint", "/bin/bash", "--volume", f"{studies}:/srv/dicom", "--volume",
        f"{records}:/srv/fhir", engine.image, "-c", script, hardened=False)
    of_seed = dict(line.split() for line in said.splitlines() if len(line.split()) == 2)
    return {name: of_seed[str(seed)] for name, seed in SEEDS.items()}


class Container:
    """Any worker that runs: its name, the studies that it can be asked for, and where its reports lie inside."""

    def __init__(self, engine, name, studies, reports="/srv/reports"):
        self.engine, self.name, self.studies, self.reports_folder = engine, name, studies, reports

    def inside(self, *words, fails=False):
        return self.engine("exec", self.name, *words, fails=fails)

    def healthy(self):
        return self.inside(*health_command(self.engine), fails=True).returncode == 0

    def shell(self, script):
        return self.inside("/bin/bash", "-c", script)

    def children(self):
        """Processes of the worker by number: their name on the command line, and their state."""
        said = self.shell("""for path in /proc/[0-9]*/status; do
            number=${path#/proc/}; number=${number%/status}
            parent=$(sed -n 's/^PPid:[[:space:]]*//p' $path 2>/dev/null) || continue
            [ "$parent" = 1 ] || continue
            state=$(sed -n 's/^State:[[:space:]]*\\(.\\).*/\\1/p' $path 2>/dev/null)
            echo $number $state $(tr '\\0' ' ' </proc/$number/cmdline 2>/dev/null)
        done""")
        found = [line.split() for line in said.splitlines()]
        return {int(words[0]): (words[1], words[3] if len(words) > 3 else "") for words in found}

    def child(self, name):
        return next((number for number, (_, called) in self.children().items() if called == name), None)

    def ask(self, study):
        self.inside("chiasm", "submit", "--study", self.studies[study])

    def has_reported(self, study):
        path = f"{self.reports_folder}/{self.studies[study]}/bundle.json"
        return self.inside("test", "-s", path, fails=True).returncode == 0

    def reported(self, study):
        until(f"the report of the study `{study}`", lambda: self.has_reported(study))

    def state(self, format):
        return self.engine("inspect", "--format", format, self.name)

    def ended(self, seconds):
        until("the container ends", lambda: self.state("{{.State.Status}}") in ("exited", "stopped"), seconds)
        return int(self.state("{{.State.ExitCode}}"))

    def log(self):
        result = self.engine("logs", self.name, fails=True)
        return result.stdout + result.stderr

    def ready(self):
        """Readiness asks the device for work."""
        command = (word.replace("/livez", "/readyz") for word in health_command(self.engine))
        return self.inside(*command, fails=True).returncode == 0

    def signal(self, name):
        self.engine("kill", "--signal", name, self.name)

    def busy(self):
        return 'chiasm_jobs_under_way{lane="routine"} 1' in self.metrics()

    def hold(self, study):
        """Has a study under way that cannot end: its device's process is stopped."""
        device = self.child("device-process")
        self.shell(f"kill -STOP {device}")
        self.ask(study)
        until(f"the study `{study}` is under way", self.busy)
        return device

    def metrics(self):
        return self.shell(
            "exec 3<>/dev/tcp/127.0.0.1/9464; printf 'GET /metrics HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3; cat <&3")


class Worker(Container):
    """One without any server, as docs/operations.md runs it: embedded queue and ledger, folders as volumes."""

    def __init__(self, engine):
        super().__init__(engine, f"{engine.run_id}-worker", {})
        self.folders = {name: engine.volume(name) for name in ("dicom", "fhir", "state", "cache", "reports")}

    def fill(self):
        self.studies = drawn(self.engine, self.folders["dicom"], self.folders["fhir"])

    def volumes(self):
        places = {"dicom": "/srv/dicom:ro", "fhir": "/srv/fhir:ro", "state": "/var/lib/chiasm",
                  "cache": "/var/cache/chiasm", "reports": "/srv/reports"}
        file = DEPLOY / "systemd/chiasm.toml"
        words = ["--volume", f"{file}:/etc/chiasm/chiasm.toml:ro"]
        for name, place in places.items():
            words += ["--volume", f"{self.folders[name]}:{place}"]
        return words

    def start(self):
        self.engine("rm", "--force", self.name, fails=True)
        self.engine.run(*self.volumes(), self.engine.image, "worker", "--device", "cpu", name="worker", detach=True)
        until("the worker answers its health check", self.healthy)
