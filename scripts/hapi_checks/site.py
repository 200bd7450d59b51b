"""A site with that server as record and as target: what the program does there, step by step."""

import json
import os
import subprocess
import traceback

from .server import Wrong, expect, issues
from .validate import wrong_in

RESOURCES_OF_A_BUNDLE = ("Observation", "RiskAssessment", "Device", "DocumentReference", "Provenance")


def real_tests(tests, server):
    """The tests of the compiled ones that ask for a real server; gives how many sets of them failed."""
    environment = dict(os.environ, CHIASM_FHIR_SERVER=server.url)
    ran = subprocess.run([tests, "a_real_server"], capture_output=True, text=True, env=environment, timeout=300)
    passed = [line for line in ran.stdout.splitlines() if line.startswith("test result: ok. ")]
    if ran.returncode or not passed or " 0 passed" in passed[0]:
        print(f"FAILED  {server.release}: the tests of a real server: {(ran.stdout + ran.stderr)[-1500:]}")
        return 1
    print(f"ok      {server.release}: the tests of a real server ({passed[0].split('.')[1].strip().split(';')[0]})")
    return 0


def checks(program, server, release, folder, chooses_ids=False):
    """Runs the steps in their order; gives how many failed."""
    site = Site(program, server, release, folder)
    name = f"{release}, ids of the server's" if chooses_ids else release
    steps = {
        "the record's patient and values are put there": site.fill,
        **({"from now on the server chooses ids": server.choose_ids} if chooses_ids else {}),
        "the record is read page by page, and the report delivered": site.first,
        "a worker that is killed after a delivery makes no second version": site.killed,
        "HL7's validator finds nothing wrong with what lies there": site.valid,
        "a changed record makes a second version of the same report": site.again,
        "two workers that deliver the same study at once make one version": site.at_once,
        "a report that a person signed is left as it is": site.signed,
        "two current patients with one number are refused": site.namesakes,
        "a recall withdraws the report": site.withdrawn,
        "HL7's validator finds nothing wrong with the withdrawal": site.valid,
    }
    failed = 0
    for step_name, step in steps.items():
        if failed and not site.has_report:
            print(f"left out {name}: {step_name}")
            continue
        try:
            said = step()
            print(f"ok      {name}: {step_name}{f' ({said})' if said else ''}")
        except Wrong as wrong:
            failed += 1
            print(f"FAILED  {name}: {step_name}: {wrong}")
        except Exception:
            failed += 1
            print(f"FAILED  {name}: {step_name}: {traceback.format_exc(limit=2)}")
    return failed


class Site:
    def __init__(self, program, server, release, folder):
        self.program, self.server, self.release, self.folder = program, server, release, folder
        self.config = folder / "chiasm.toml"
        # Without a report the steps after the first say nothing.
        self.has_report = False

    def fill(self):
        demo = self.folder / "demo"
        self.run("demo", "--device", "cpu", "--out", demo)
        [self.study] = [path.name for path in (demo / "report").iterdir() if path.name[0].isdigit()]
        (self.folder / "dicom").mkdir()
        (demo / "study").rename(self.folder / "dicom" / self.study)
        version = f'fhir_version = "{self.release}"\n' if self.release != "R4" else ""
        self.config.write_text(
            f'state = "{self.folder}/state"\ndefault_source = "archive"\n'
            f'[sources.archive]\nkind = "folder"\npath = "{self.folder}/dicom"\n'
            f'[records.server]\nkind = "fhir"\nurl = "{self.server.url}"\n'
            f'[records.file]\nkind = "folder"\npath = "{demo}"\n'
            f'[targets.ehr]\nkind = "fhir"\nurl = "{self.server.url}"\n{version}'
        )
        self.run("config", "check", "--config", self.config)
        # the record's own resources keep their ids
        record = json.loads((demo / "record.json").read_text())
        entries = []
        for entry in record["entry"]:
            resource = entry["resource"]
            place = f"{resource['resourceType']}/{resource['id']}"
            entries.append({"resource": resource, "request": {"method": "PUT", "url": place}})
        status, answer = self.server.ask("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
        expect(f"{status} {issues(answer)}", status == 200)
        return f"{len(entries)} resources"

    def first(self):
        self.submit("server" if self.release == "R4" else "file")
        self.work()
        reports = self.server.found("DiagnosticReport")
        expect(f"{len(reports)} reports", len(reports) == 1)
        self.place = f"DiagnosticReport/{reports[0]['id']}"
        self.has_report = True
        expect(f"status {reports[0]['status']}", reports[0]["status"] == "preliminary")
        expect(f"subject {reports[0]['subject']}", reports[0]["subject"].get("reference") == "Patient/phantom")
        self.versions(1)
        counts = {kind: len(self.server.found(f"{kind}?_count=10")) for kind in RESOURCES_OF_A_BUNDLE}
        expect(f"resources {counts}", all(counts.values()))
        risks = self.server.found("RiskAssessment")
        computed = [one for one in risks if any("probabilityDecimal" in p for p in one["prediction"])]
        expect("no risk was computed: the record was not read whole", len(computed) >= 2)
        return ", ".join(f"{count} {kind}" for kind, count in counts.items())

    def killed(self):
        self.change("crp", 5.2)
        before = len(self.server.history(self.place))
        self.submit("server" if self.release == "R4" else "file")
        dead = self.work(failpoint="delivered")
        expect(f"the worker ended with {dead}, not by a signal", dead < 0)
        self.work()
        # the killed worker's delivery is a version of its own, the one after it is none
        self.versions(before + 1)

    def again(self):
        self.change("crp", 6.2)
        before = self.server.history(self.place)
        self.submit("server" if self.release == "R4" else "file")
        self.work()
        history = self.versions(len(before) + 1)
        expect("the status changed", history[0]["status"] == "preliminary")
        keys = [one["identifier"] for one in (history[0], before[0])]
        expect("the business identifier changed", keys[0][0] == keys[1][0])
        expect("the version's identifier did not change", keys[0][1] != keys[1][1])
        for version, is_taken_back in ((before[0], True), (history[0], False)):
            for result in version["result"]:
                status = self.server.get(result["reference"])["status"]
                expect(f"{result['reference']} is {status}", (status == "entered-in-error") == is_taken_back)
        return f"{len(before[0]['result'])} findings of the first taken back"

    def at_once(self):
        """Two workers with ledgers of their own, which know nothing of each other: the same job."""
        self.change("crp", 6.5)
        before = len(self.server.history(self.place))
        workers = []
        for number in range(2):
            other = self.folder / f"other-{number}.toml"
            text = self.config.read_text().replace(f'"{self.folder}/state"', f'"{self.folder}/state-{number}"')
            other.write_text(text)
            self.run("submit", "--study", self.study, "--source", "archive", "--record", "file", "--target", "ehr", "--config", other)
            command = [self.program, "worker", "--once", "--device", "cpu", "--config", other]
            workers.append((other, subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)))
        for other, worker in workers:
            ended = worker.wait(300)
            expect(f"a worker ended with {ended}: {self.run('jobs', 'list', '--config', other)}", ended == 0)
        self.versions(before + 1)
        expect("more than one report", len(self.server.found("DiagnosticReport")) == 1)

    def signed(self):
        signed = dict(self.server.get(self.place), status="final")
        status, answer = self.server.ask("PUT", self.place, signed)
        expect(f"{status} {issues(answer)}", status == 200)
        before = len(self.server.history(self.place))
        self.change("crp", 6.7)
        self.submit("file")
        self.work(codes=(0, 1, 3))
        jobs = self.run("jobs", "list", "--config", self.config)
        expect(f"no job says AlreadySigned: {jobs}", "AlreadySigned" in jobs)
        self.versions(before)
        # the person takes the signature back
        status, answer = self.server.ask("PUT", self.place, dict(signed, status="preliminary"))
        expect(f"{status} {issues(answer)}", status == 200)

    def namesakes(self):
        twin = {name: value for name, value in self.server.get("Patient/phantom").items() if name not in ("id", "meta")}
        # by POST: the third server lets nobody choose ids
        status, answer = self.server.ask("POST", "Patient", twin)
        expect(f"{status} {issues(answer)}", status == 201)
        twins = [one["id"] for one in self.server.found("Patient") if one["id"] != "phantom"]
        expect(f"{len(twins)} twins", len(twins) == 1)
        before = len(self.server.history(self.place))
        self.change("crp", 7.2)
        self.submit("file")
        self.work(codes=(0, 1, 3))
        jobs = self.run("jobs", "list", "--config", self.config)
        expect(f"no job says SeveralPatients: {jobs}", "SeveralPatients" in jobs)
        self.versions(before)
        status, answer = self.server.ask("DELETE", f"Patient/{twins[0]}")
        expect(f"{status} {issues(answer)}", status == 200)

    def withdrawn(self):
        before = len(self.server.history(self.place))
        self.run("recall", "--model", "cxr-findings@2.0.0", "--apply", "--reason", "a test", "--config", self.config)
        self.work(codes=(0, 3))
        history = self.versions(before + 1)
        expect(f"status {history[0]['status']}", history[0]["status"] == "entered-in-error")
        standing = [one for one in self.server.found("Observation?category=imaging") if one["status"] != "entered-in-error"]
        newest = {result["reference"] for result in history[0].get("result", [])}
        standing = [one for one in standing if f"Observation/{one['id']}" in newest]
        expect(f"{len(standing)} findings of the withdrawn report still stand", not standing)

    def valid(self):
        return wrong_in(self.server, self.place)

    # how the program is run

    def change(self, observation, value):
        """Another value before the exam, at the server and in the file."""
        changed = self.server.get(f"Observation/{observation}")
        changed["valueQuantity"]["value"] = value
        status, answer = self.server.ask("PUT", f"Observation/{observation}", changed)
        expect(f"{status} {issues(answer)}", status == 200)
        file = self.folder / "demo" / "record.json"
        record = json.loads(file.read_text())
        for entry in record["entry"]:
            if entry["resource"]["id"] == observation:
                entry["resource"]["valueQuantity"]["value"] = value
        file.write_text(json.dumps(record))

    def submit(self, record):
        self.run("submit", "--study", self.study, "--source", "archive", "--record", record, "--target", "ehr", "--config", self.config)

    def work(self, failpoint=None, codes=(0,)):
        environment = dict(os.environ, **({"CHIASM_FAILPOINT": failpoint} if failpoint else {}))
        command = [self.program, "worker", "--once", "--device", "cpu", "--config", self.config]
        worked = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
        if failpoint is None:
            expect(f"the worker ended with {worked.returncode}: {worked.stderr[-600:]}", worked.returncode in codes)
        return worked.returncode

    def run(self, *arguments):
        done = subprocess.run([self.program, *map(str, arguments)], capture_output=True, text=True, timeout=300)
        expect(f"`chiasm {arguments[0]}` ended with {done.returncode}: {done.stderr[-600:]}", done.returncode == 0)
        return done.stdout

    def versions(self, count):
        history = self.server.history(self.place)
        expect(f"{len(history)} versions, not {count}", len(history) == count)
        return history
