"""Compose files: their schema, what they name, and that each service is held tight."""

import re
from pathlib import Path

from .findings import DEPLOY, run, tool, wrong


def compose(files):
    folder = DEPLOY / "compose"
    compose_files = [folder / "compose.yaml", *folder.glob("gpu-*.yaml")]
    result = run(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", *compose_files)
    if result.returncode != 0:
        wrong("deploy/compose", result.stdout.strip())
    model = files["deploy/compose/compose.yaml"]
    writer = (folder / "make-secrets").read_text()
    for name, secret in model["secrets"].items():
        if Path(secret["file"]).name not in writer:
            wrong("deploy/compose/make-secrets", f"does not write {secret['file']}, which is the secret {name}")
    for name, service in model["services"].items():
        say = lambda what, name=name: wrong(f"deploy/compose, service {name}", what)
        image = re.sub(r"\$\{\w+:-(.*)\}", r"\1", service["image"])
        if ":" not in image.split("/")[-1] or image.endswith(":latest"):
            say(f"the image {image} has no version")
        if service.get("cap_drop") != ["ALL"] or "no-new-privileges:true" not in service.get("security_opt", []):
            say("keeps capabilities or can gain privileges")
        if not service.get("mem_limit") or not service.get("pids_limit"):
            say("has no limit of memory or processes")
        if not service.get("read_only") and name != "orthanc":
            say("has a writable root")
        for key, value in (service.get("environment") or {}).items():
            if re.search("PASS|SECRET|TOKEN|_KEY", key) and not key.endswith("FILE") and value not in ("true", "false"):
                say(f"{key} looks like a secret in the environment")
        used = {
            "secrets": [one if isinstance(one, str) else one["source"] for one in service.get("secrets", [])],
            "networks": service.get("networks", []),
            "services": service.get("depends_on", []),
        }
        for file in service.get("env_file", []):
            if f"write {Path(file['path']).name} " not in writer:
                say(f"reads {file['path']}, which make-secrets does not write")
        used["volumes"] = []
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                if not (folder / source).exists():
                    say(f"mounts {source}, which is not there")
            elif not source.startswith("$"):
                used["volumes"].append(source)
        for kind, names in used.items():
            for one in names:
                if one not in model[kind]:
                    say(f"names {one}, which is not among the {kind}")
