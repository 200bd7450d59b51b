"""A worker's container without any server: its volumes, and what can be asked of it."""

from deploy_checks.findings import DEPLOY

from .engine import until
from .image import health_command

# Studies that the demo draws: one for each check that needs a study which nobody has read yet.
SEEDS = {"first": 1, "after the kills": 2, "stopped twice": 3, "killed": 4, "drained": 5}


class Worker:
    def __init__(self, engine):
        self.engine = engine
        self.name = f"{engine.run_id}-worker"
        self.studies = {}
        self.folders = {name: engine.volume(name) for name in ("dicom", "fhir", "state", "cache", "reports")}

    def volumes(self):
        places = {"dicom": "/srv/dicom:ro", "fhir": "/srv/fhir:ro", "state": "/var/lib/chiasm",
                  "cache": "/var/cache/chiasm", "reports": "/srv/reports"}
        file = DEPLOY / "systemd/chiasm.toml"
        words = ["--volume", f"{file}:/etc/chiasm/chiasm.toml:ro"]
        for name, place in places.items():
            words += ["--volume", f"{self.folders[name]}:{place}"]
        return words

    def fill(self):
        """Draws studies into the volumes that stand for an archive and its records, as their owner and not as the worker."""
        script = "set -eu; for seed in " + " ".join(str(seed) for seed in SEEDS.values()) + """; do
            chiasm demo --device cpu --seed $seed --out /tmp/$seed >/dev/null
            uid=$(ls /tmp/$seed/report)
            cp -r /tmp/$seed/study /srv/dicom/$uid
            cp /tmp/$seed/record.json /srv/fhir/$seed.json
            echo $seed $uid
        done; chmod -R a+rX /srv/dicom /srv/fhir; chown 10001:10001 /srv/reports"""
        said = self.engine.run(
            "--user", "0:0", "--entrypoint", "/bin/bash", "--volume", f"{self.folders['dicom']}:/srv/dicom",
            "--volume", f"{self.folders['fhir']}:/srv/fhir", "--volume", f"{self.folders['reports']}:/srv/reports",
            self.engine.image, "-c", script, hardened=False)
        of_seed = dict(line.split() for line in said.splitlines() if len(line.split()) == 2)
        self.studies = {name: of_seed[str(seed)] for name, seed in SEEDS.items()}
        return True

    def start(self):
        self.engine("rm", "--force", self.name, fails=True)
        self.engine.run(*self.volumes(), self.engine.image, "worker", "--device", "cpu", name="worker", detach=True)
        until("the worker answers its health check", self.healthy)

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

    def reported(self, study):
        path = f"/srv/reports/{self.studies[study]}/bundle.json"
        until(f"the report of the study `{study}`", lambda: self.inside("test", "-s", path, fails=True).returncode == 0)

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

    def hold(self, study):
        """Has a study under way that cannot end: its device's process is stopped."""
        device = self.child("device-process")
        self.shell(f"kill -STOP {device}")
        self.ask(study)
        until(f"the study `{study}` is under way", lambda: 'chiasm_jobs_under_way{lane="routine"} 1' in self.metrics())
        return device

    def metrics(self):
        return self.shell(
            "exec 3<>/dev/tcp/127.0.0.1/9464; printf 'GET /metrics HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3; cat <&3")
