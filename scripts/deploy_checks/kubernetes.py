"""Kubernetes manifests as they are applied, against the schemas of Kubernetes and of the custom resources."""

import json
import shutil
import tempfile
from pathlib import Path

from .findings import ROOT, Skip, run, skipped, tool, wrong

# Go modules that hold the custom resources' schemas, and which files.
CUSTOM = {
    "github.com/kedacore/keda/v2@v2.21.0": [
        "config/crd/bases/keda.sh_scaledobjects.yaml",
        "config/crd/bases/keda.sh_triggerauthentications.yaml",
    ],
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": [
        "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
    ],
}
OVERLAYS = ["cpu", "nvidia", "amd", "orthanc"]


def kubernetes(scratch):
    """The manifests of every overlay, as they are applied."""
    import yaml

    commands = [["kubectl", "kustomize"], ["kustomize", "build"]]
    command = next((words for words in commands if shutil.which(words[0])), None)
    if not command:
        raise Skip("neither kubectl nor kustomize is installed")
    schemas = custom_schemas()
    manifests = {}
    for overlay in OVERLAYS:
        where = f"deploy/kubernetes/overlays/{overlay}"
        built = run(*command, ROOT / where)
        if built.returncode != 0 or built.stderr.strip():
            wrong(where, built.stderr.strip())
            continue
        manifests[overlay] = list(yaml.safe_load_all(built.stdout))
        file = scratch / f"{overlay}.yaml"
        file.write_text(built.stdout)
        result = run(tool("kubernetes-validate"), "--strict", "--no-warn", "--quiet", file)
        if result.returncode != 0:
            wrong(where, (result.stdout + result.stderr).strip())
        names = {(one["kind"], one["metadata"]["name"]) for one in manifests[overlay]}
        for one in manifests[overlay]:
            custom(where, one, schemas)
            target = one["spec"].get("scaleTargetRef") if one["kind"] == "ScaledObject" else None
            if target and (target["kind"], target["name"]) not in names:
                wrong(where, f"scales {target['name']}, which is not there")
    return manifests


def custom_schemas():
    if not shutil.which("go"):
        skipped.append("schemas of KEDA and the Prometheus operator: go, which fetches them, is not installed")
        return None
    import yaml

    class Plain(yaml.SafeLoader):
        """Takes `=` for the text it is."""

    Plain.add_constructor("tag:yaml.org,2002:value", lambda loader, node: node.value)
    schemas = {}
    for module, paths in CUSTOM.items():
        result = run("go", "mod", "download", "-json", module, cwd=tempfile.gettempdir())
        if result.returncode != 0:
            skipped.append(f"schemas of {module}: go could not fetch them")
            return None
        for path in paths:
            one = yaml.load((Path(json.loads(result.stdout)["Dir"]) / path).read_text(), Plain)
            for version in one["spec"]["versions"]:
                key = f"{one['spec']['group']}/{version['name']}", one["spec"]["names"]["kind"]
                schemas[key] = version["schema"]["openAPIV3Schema"]
    return schemas


def custom(where, manifest, schemas):
    from jsonschema import Draft202012Validator

    key = manifest["apiVersion"], manifest["kind"]
    if schemas is None or "." not in key[0].split("/")[0] or key[0].split("/")[0].endswith(".k8s.io"):
        return
    if key not in schemas:
        wrong(where, f"no schema of {key} is known")
        return
    for error in Draft202012Validator(closed(schemas[key])).iter_errors(manifest):
        wrong(where, f"{manifest['kind']} {manifest['metadata']['name']}: {error.json_path}: {error.message[:200]}")


def closed(schema):
    """The schema, refusing fields it does not name, as the API server's strict validation does."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: closed(value) for key, value in schema.items()}
    properties = schema.get("properties")
    open_ended = "additionalProperties" in schema or schema.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(properties, dict) and schema.get("type") == "object" and not open_ended:
        if not {"apiVersion", "kind", "metadata"} <= properties.keys():
            result["additionalProperties"] = False
    return result


def pods(manifests):
    for overlay, all_of_it in manifests.items():
        for one in all_of_it:
            if one["kind"] == "Deployment":
                yield overlay, one["spec"]["template"]["spec"]
