"""Every chiasm.toml read by the program itself, with made up secrets and certificates."""

import os
import re

from .findings import DEPLOY, run, wrong
from .kubernetes import pods


def configurations(program, files, manifests, scratch):
    """Each configuration with each set of variables that it is run with."""
    drop_in = (DEPLOY / "systemd/20-credentials.conf").read_text().replace("%d", "/run/credentials")
    variables = dict(re.findall(r"^Environment=(CHIASM__\w+)=(\S+)$", drop_in, re.M))
    for key in [key for key in variables if key.startswith("CHIASM__TARGETS__")]:
        del variables[key]  # for a target that this file does not have
    cases = [("systemd", {}), ("systemd", variables)]
    for name, service in files["deploy/compose/compose.yaml"]["services"].items():
        if name.startswith("worker"):
            cases.append(("compose", {key: str(value) for key, value in service["environment"].items()}))
    for _, pod in pods(manifests):
        cases.append(("kubernetes/base", {one["name"]: one["value"] for one in pod["containers"][0]["env"]}))
    for number, (folder, environment) in enumerate(cases):
        place = scratch / f"configuration-{number}"
        place.mkdir()
        text = (DEPLOY / folder / "chiasm.toml").read_text()
        given = {key: value for key, value in environment.items() if key.startswith("CHIASM__")}
        given = {key: re.sub(r"\$\{SITE_ZONE.*\}", "Europe/Berlin", value) for key, value in given.items()}
        moved = moved_to(place, text)
        (place / "chiasm.toml").write_text(moved)
        given = {key: moved_to(place, value, "") for key, value in given.items()}
        rest = {key: value for key, value in os.environ.items() if not key.startswith("CHIASM")}
        result = run(program, "config", "check", "--config", place / "chiasm.toml", env={**rest, **given})
        if result.returncode != 0:
            said = (result.stdout + result.stderr).strip()
            wrong(f"deploy/{folder}/chiasm.toml with {sorted(given) or 'no variables'}", said)


def moved_to(place, text, quote='"'):
    """The text with its absolute paths below `place`; secrets, certificates and folders are made there."""

    def move(match):
        path = place / match[1].lstrip("/")
        if "/secrets/" in match[1] or "/credentials/" in match[1]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(certificate() if path.suffix == ".pem" else "not-a-real-secret\n")
            path.chmod(0o600)
        else:
            path.mkdir(parents=True, exist_ok=True)
        return f"{quote}{path}{quote}"

    paths = rf"{quote}(/(?:run|srv|var)/[\w./-]+){quote}" if quote else r"^(/[\w./-]+)$"
    return re.sub(paths, move, text)


def certificate():
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=check -keyout /dev/null"
    return run("openssl", *words.split()).stdout
