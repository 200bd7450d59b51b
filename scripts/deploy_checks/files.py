"""What holds across files: they parse, alerts have their sections, and whoever stops a worker waits long enough."""

import json
import re

from .findings import DEPLOY, ROOT, Skip, done, wrong
from .kubernetes import pods


def parsed():
    """Every YAML, TOML and JSON file of deploy/, parsed."""
    import tomllib

    import yaml

    class Strict(yaml.SafeLoader):
        """Refuses a key that stands twice, of which YAML would silently keep the last."""

    def mapping(loader, node):
        keys = [loader.construct_object(key) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.YAMLError(f"`{key}` stands twice")
        loader.flatten_mapping(node)
        return loader.construct_mapping(node)

    Strict.add_constructor("tag:yaml.org,2002:map", mapping)
    readers = {
        ".yaml": lambda text: list(yaml.load_all(text, Strict)),
        ".yml": lambda text: list(yaml.load_all(text, Strict)),
        ".toml": tomllib.loads,
        ".json": lambda text: json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.M)),
    }
    found = {}
    for path in sorted(DEPLOY.rglob("*")):
        if path.suffix not in readers or "secrets" in path.parts:
            continue
        name = str(path.relative_to(ROOT))
        try:
            value = readers[path.suffix](path.read_text())
            found[name] = value[0] if isinstance(value, list) and len(value) == 1 else value
        except (ValueError, yaml.YAMLError) as error:
            wrong(name, f"cannot be parsed: {error}")
    done.append(f"{len(found)} YAML, TOML and JSON files parse")
    return found


def alerts(files):
    """Each alert has a section in docs/operations.md that says what to do, and each section an alert."""
    rules = files.get("deploy/prometheus/alerts.yml")
    if rules is None:
        raise Skip("there is no deploy/prometheus/alerts.yml")
    named = [rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule]
    text = (ROOT / "docs/operations.md").read_text()
    sections = re.findall(r"^### (.+)$", text[text.index("\n## Alerts\n") :].split("\n## ")[1], re.M)
    for name in sorted(set(named) ^ set(sections)):
        what = "an alert without a section" if name in named else "a section without an alert"
        wrong("docs/operations.md", f"{name} is {what}")


def time_to_stop(files, manifests):
    """Whoever stops a worker waits longer than the worker takes to drain."""

    def grace(name):
        return files[name].get("worker", {}).get("grace_s", 25)

    unit = (DEPLOY / "systemd/chiasm-worker.service").read_text()
    waits = [("deploy/systemd", int(re.search(r"TimeoutStopSec=(\d+)", unit)[1]), grace("deploy/systemd/chiasm.toml"))]
    for name, service in files["deploy/compose/compose.yaml"]["services"].items():
        if name.startswith("worker"):
            wait = int(service["stop_grace_period"].removesuffix("s"))
            waits.append((name, wait, grace("deploy/compose/chiasm.toml")))
    for overlay, pod in pods(manifests):
        waits.append((overlay, pod["terminationGracePeriodSeconds"], grace("deploy/kubernetes/base/chiasm.toml")))
    for where, wait, drain in waits:
        if wait < drain + 10:
            wrong(where, f"is stopped after {wait} s, while draining takes {drain} s; leave 10 s more")
