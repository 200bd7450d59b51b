"""HAPI's server as a process of this machine, and what it says."""

import json
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from maven import Unusable

HOME = Path(__file__).resolve().parent.parent / "hapi"
FHIR_JSON = "application/fhir+json"
# Seconds: the server's start, one request.
STARTS = 420
REQUEST = 120


class Wrong(Exception):
    """What does not hold."""


def expect(what, is_so):
    if not is_so:
        raise Wrong(what)


class Server:
    """Started on entering, ended on leaving."""

    def __init__(self, jars, release, folder):
        self.command = ["java", "-Xmx2g", "-cp", jars, HOME / "Server.java", release]
        self.release = release
        self.log = folder / "hapi.log"

    def __enter__(self):
        began = time.monotonic()
        output = self.log.open("w")
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=output, stderr=output)
        try:
            self.url = self.address(began + STARTS)
            self.seconds = time.monotonic() - began
            self.version = self.get("metadata")["software"]["version"]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def address(self, until):
        while time.monotonic() < until:
            for line in self.log.read_text(errors="replace").splitlines():
                if line.startswith("listening "):
                    return line.split()[1]
            if self.process.poll() is not None:
                last = [line for line in self.log.read_text(errors="replace").splitlines() if "xception" in line][-1:]
                raise Unusable(f"the server ended at its start: {' '.join(last)[:300]}")
            time.sleep(0.2)
        raise Unusable(f"the server was not there within {STARTS} s")

    def choose_ids(self):
        """From now on nobody else chooses ids."""
        self.process.stdin.write(b"server-ids\n")
        self.process.stdin.flush()
        until = time.monotonic() + REQUEST
        while "server-ids" not in self.log.read_text(errors="replace").splitlines():
            if time.monotonic() > until:
                raise Wrong("the server does not change who chooses ids")
            time.sleep(0.1)

    def ask(self, method, path, body=None):
        """Status and resource."""
        url = path if path.startswith("http") else f"{self.url}/{path}".rstrip("/")
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": FHIR_JSON, "Accept": FHIR_JSON, "Cache-Control": "no-cache"}
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=REQUEST) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            return refused.code, json.loads(refused.read() or b"{}")

    def get(self, path):
        status, resource = self.ask("GET", path)
        if status != 200:
            raise Wrong(f"GET {path}: {status} {issues(resource)}")
        return resource

    def found(self, query):
        """Every resource of a search, all pages."""
        resources, page = [], self.get(query)
        while True:
            resources += [entry["resource"] for entry in page.get("entry", [])]
            following = [link["url"] for link in page.get("link", []) if link["relation"] == "next"]
            if not following:
                return resources
            page = self.get(following[0])

    def history(self, place):
        """Every version, the newest first. The search for them would be answered from a cache, their numbers are not."""
        newest = int(self.get(place)["meta"]["versionId"])
        return [self.get(f"{place}/_history/{number}") for number in range(newest, 0, -1)]


def issues(outcome):
    """What an OperationOutcome says."""
    said = (f"{one['severity']} {' '.join(one.get('expression', one.get('location', [])))}: {one.get('diagnostics', '')}" for one in outcome.get("issue", []))
    return "; ".join(said)[:2000]
