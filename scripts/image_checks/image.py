"""The image: built from the container file as it is, from base images that are here."""

import json
import re
import shutil

from deploy_checks.findings import DEPLOY, ROOT, wrong

from .engine import Failed

CONTAINERFILE = DEPLOY / "container/Containerfile"
# The one call of cargo in the container file, which a given program answers.
COMPILE = "build --locked --release --package worker --bin chiasm"


def build(engine, program, scratch):
    bases = dict(re.findall(r"^ARG (BUILDER|RUNTIME)=(\S+)", CONTAINERFILE.read_text(), re.MULTILINE))
    runtime = engine.base("RUNTIME", bases["RUNTIME"])
    builder = compiled(engine, program, runtime, scratch) if program else engine.base("BUILDER", bases["BUILDER"])
    options = ["--format", "docker", "--pull=never", "--layers=false"] if engine.name == "podman" else []
    engine("build", *options, "--file", CONTAINERFILE, "--tag", engine.image, "--build-arg", f"BUILDER={builder}",
           "--build-arg", f"RUNTIME={runtime}", "--build-arg", "VERSION=check", ROOT, timeout=7200)
    engine.images.append(engine.image)
    return True


def compiled(engine, program, runtime, scratch):
    """A builder whose cargo hands over a program that was compiled before, and does nothing else."""
    folder = scratch / "builder"
    folder.mkdir()
    shutil.copy(program, folder / "chiasm")
    (folder / "cargo").write_text(
        "#!/bin/sh\nset -eu\n"
        f'[ "$*" = "{COMPILE}" ] || {{ echo "cargo $* is not what check-images knows" >&2; exit 2; }}\n'
        'install -D -m 0755 /opt/chiasm "$CARGO_TARGET_DIR/release/chiasm"\n'
    )
    (folder / "cargo").chmod(0o755)
    (folder / "Containerfile").write_text(
        f"FROM {runtime}\n"
        "RUN apt-get update && apt-get install --yes --no-install-recommends binutils\n"
        "COPY cargo /usr/local/bin/cargo\nCOPY chiasm /opt/chiasm\n"
    )
    tag = f"{engine.image}-builder"
    options = ["--pull=never", "--layers=false"] if engine.name == "podman" else []
    engine("build", *options, "--file", folder / "Containerfile", "--tag", tag, folder, timeout=1200)
    engine.images.append(tag)
    return tag


def described(engine):
    config = inspected(engine)["Config"]
    expected = {"User": "10001:10001", "Entrypoint": ["/usr/bin/chiasm"], "Cmd": ["worker"], "StopSignal": "SIGTERM"}
    for key, value in expected.items():
        if config.get(key) != value:
            wrong("the image", f"{key} is {config.get(key)!r}, not {value!r}")
    if engine.image in engine.images and config["Labels"]["org.opencontainers.image.version"] != "check":
        wrong("the image", "its label does not say the version that was given")
    health_command(engine)
    said = engine.run("--entrypoint", "/usr/bin/chiasm", engine.image, "--version")
    if not said.startswith("chiasm "):
        wrong("the image", f"`--version` says {said!r}")


def inspected(engine):
    return json.loads(engine("image", "inspect", engine.image))[0]


def health_command(engine):
    """The health check as the engine would run it."""
    image = inspected(engine)
    # podman keeps it beside the configuration.
    health = image["Config"].get("Healthcheck") or image.get("Healthcheck")
    if not health:
        raise Failed("the image has no health check: build it with `--format docker`")
    kind, *command = health["Test"]
    if kind != "CMD":
        raise Failed(f"the health check is {kind}, not CMD")
    return command
