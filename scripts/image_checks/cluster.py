"""The worker's Deployment with its configuration and secret, as podman plays it; everything else needs a cluster."""

import re
import shutil
from pathlib import Path

from deploy_checks.findings import DEPLOY, Skip, run, wrong

from .container import Container
from .engine import until
from .worker import bounded_as_documented

# No server is there: the embedded queue and ledger, and reports beside them. The secret is read all the same.
CONFIGURATION = """
tenant = "default"
state = "/var/lib/chiasm"
default_source = "archive"
default_record = "ehr"
default_targets = ["reports"]
sources.archive = { kind = "folder", path = "/srv/dicom" }
records.ehr = { kind = "folder", path = "/srv/fhir" }
targets.reports = { kind = "folder", path = "/var/lib/chiasm" }
targets.ehr = { kind = "fhir", url = "https://fhir.example.org/r4", token = { file = "/run/secrets/chiasm/fhir-token" } }
http.listen = "0.0.0.0:9464"
"""
KINDS = ["ConfigMap", "Secret", "Deployment"]


def played(engine, worker, scratch):
    if engine.name != "podman":
        raise Skip("`kube play` is podman's")
    if not (shutil.which("catatonit") or Path("/usr/libexec/podman/catatonit").exists()):
        raise Skip("podman's pods need catatonit")
    tool = next((words for words in (["kubectl", "kustomize"], ["kustomize", "build"]) if shutil.which(words[0])), None)
    if not tool:
        raise Skip("neither kubectl nor kustomize is installed")
    name = f"{engine.run_id}-cluster"
    file = scratch / "play.yaml"
    file.write_text(manifests(engine, worker, tool, name, scratch))
    pod, network = f"{name}-pod-0", "podman-default-kube-network"
    had_network = engine("network", "exists", network, fails=True).returncode == 0
    engine.volumes += [name, f"{name}-config"]
    try:
        # Elsewhere a folder of the image's name would be taken for what it is built from.
        engine("kube", "play", file, cwd=scratch)
        one = Container(engine, f"{pod}-worker", worker.studies, reports="/var/lib/chiasm")
        until("the worker of the pod answers /livez", one.healthy)
        until("the worker of the pod is ready", one.ready)
        one.ask("first")
        one.reported("first")
        bounded_as_documented(one)
        # podman 4 writes the text as the manifest has it, which is base64: that it can be read is what counts here.
        if not one.inside("cat", "/run/secrets/chiasm/fhir-token"):
            wrong("the pod", "its secret is not where the configuration reads it")
        engine("stop", "--time", "45", one.name)
        if (code := one.ended(5)) != 0:
            wrong("the pod", f"its worker drained with exit code {code}, not 0")
    finally:
        engine("pod", "rm", "--force", pod, fails=True)
        engine("secret", "rm", name, fails=True)
        if not had_network:
            engine("network", "rm", network, fails=True)


def manifests(engine, worker, tool, name, scratch):
    """What podman understands of the base, under names of this run. It counts replicas itself, and stumbles over a secret
    that does not say whether it may be missing."""
    shutil.copytree(DEPLOY / "kubernetes", scratch / "kubernetes")
    overlay = scratch / "kubernetes/overlays/played"
    overlay.mkdir()
    (overlay / "chiasm.toml").write_text(CONFIGURATION)
    image, tag = engine.image.rsplit(":", 1)
    (overlay / "kustomization.yaml").write_text(f"""
resources: [../../base]
images: [{{ name: chiasm, newName: {image}, newTag: {tag} }}]
replicas: [{{ name: chiasm-worker, count: 1 }}]
configMapGenerator: [{{ name: chiasm-config, behavior: replace, files: [chiasm.toml] }}]
secretGenerator: [{{ name: chiasm, literals: [fhir-token=token], options: {{ disableNameSuffixHash: true }} }}]
""")
    built = run(*tool, overlay)
    if built.returncode != 0:
        raise Skip(f"kustomize: {built.stderr.strip()[-300:]}")
    parts = built.stdout.split("\n---\n")
    text = "\n---\n".join(part for kind in KINDS for part in parts if re.search(rf"^kind: {kind}$", part, re.MULTILINE))
    text = text.replace("claimName: chiasm-studies", f"claimName: {worker.folders['dicom']}")
    text = text.replace("claimName: chiasm-records", f"claimName: {worker.folders['fhir']}")
    text = re.sub(r"^( +)secretName: chiasm$", rf"\1secretName: {name}\n\1optional: false", text, flags=re.MULTILINE)
    text = re.sub(r"chiasm-config-\w+", f"{name}-config", text)
    text = re.sub(r"^  name: chiasm(-worker)?$", f"  name: {name}", text, flags=re.MULTILINE)
    return text
