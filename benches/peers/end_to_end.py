"""Studies a second through whole workers on one RabbitMQ: `chiasm worker` against the plain Python worker.

Every run has an empty queue and the same requests, which are put on it when all processes of the side have loaded their
networks. The rate is taken between the eighth report and the last, so that nobody's first run counts.
"""

import json
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pika

from broker import Broker, free_ports

#: Reports that are not counted: caches are cold, and the first run of a network is a slow one.
SKIPPED = 8
#: Seconds a run may take.
PATIENCE = 240


class Ground:
    """Studies and records, a broker, and the networks' export."""

    def __init__(self, folder, chiasm, peer, bundle, studies):
        self.folder, self.chiasm, self.bundle = folder, chiasm, bundle
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        subprocess.run([peer, "studies", folder, str(studies)], check=True)
        self.studies = sorted(path.name for path in (folder / "studies").iterdir())
        self.network = folder / "network.onnx"
        here = pathlib.Path(__file__).parent
        subprocess.run([sys.executable, "-W", "ignore", here / "network.py", bundle, self.network], check=True, stderr=subprocess.DEVNULL)
        self.broker = Broker.start(folder / "broker")

    def close(self):
        if self.broker:
            self.broker.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def rate(times):
    """Studies a second between the last report that is not counted and the last of all."""
    times = sorted(times)
    return (len(times) - SKIPPED) / (times[-1] - times[SKIPPED - 1])


def wait(ground, workers, reports):
    """Waits until every study has a report; `reports` gives the time of each that is there."""
    until = time.monotonic() + PATIENCE
    while len(times := reports()) < len(ground.studies):
        if time.monotonic() > until or any(worker.poll() is not None for worker in workers):
            raise RuntimeError(f"{len(times)} of {len(ground.studies)} reports; see {ground.folder}")
        # looking takes processor time from the workers; what counts is when a report was written, not when it is seen
        time.sleep(0.5)
    return times


def ready(log, workers, is_ready):
    """Waits until a side says that it takes requests. What it said instead is told, since its folder goes."""
    until = time.monotonic() + PATIENCE
    while not is_ready():
        if time.monotonic() > until or any(worker.poll() is not None for worker in workers):
            raise RuntimeError(f"a worker does not start: {log.read_text()[-2000:]}")
        time.sleep(0.05)


def answers(address):
    """Whether a worker's probe says that it takes work."""
    try:
        with urllib.request.urlopen(f"http://{address}/readyz", timeout=2) as answer:
            return answer.status == 200
    except (OSError, urllib.error.URLError):
        return False


def end(workers):
    for worker in workers:
        worker.send_signal(signal.SIGTERM)
    for worker in workers:
        try:
            worker.wait(30)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()


def run_chiasm(ground, least=False):
    """The worker with its defaults: four studies under way, two readers, one device process. With `least` everything is left
    out that a site can leave out: no record (so no features, and no risk that needs one) and no overlay. Ledger, isolation,
    map, page, PDF, FHIR bundle and structured report have no switch."""
    home = ground.folder / "chiasm"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    (home / "password").write_text("secret")
    config = home / "chiasm.toml"
    listen = f"127.0.0.1:{free_ports(1)[0]}"
    records = "" if least else f'[records.ehr]\nkind = "folder"\npath = "{ground.folder}/records"'
    config.write_text(
        f"""
state = "{home}/state"
[queue]
kind = "rabbitmq"
url = "amqp://chiasm@127.0.0.1:{ground.broker.port}/%2f"
password = {{ file = "{home}/password" }}
prefix = "peers-{time.time_ns()}"
[sources.archive]
kind = "folder"
path = "{ground.folder}/studies"
{records}
[targets.reports]
kind = "folder"
path = "{home}/reports"
[worker]
min_free_disk_mib = 0
[report]
overlay = {"false" if least else "true"}
[http]
listen = "{listen}"
"""
    )
    (home / "reports").mkdir()
    (home / "worklist").write_text("\n".join(ground.studies))
    log = open(home / "log", "w")
    submit = [ground.chiasm, "submit", "--config", config, "--studies", home / "worklist", "--source", "archive",
              *([] if least else ["--record", "ehr"]), "--target", "reports"]
    worker = subprocess.Popen([ground.chiasm, "worker", "--device", "cpu", "--json", "--config", config], stdout=log, stderr=log)
    # the folder target puts the page last
    last = "report.html"

    def reports():
        return [path.stat().st_mtime for path in (home / "reports").glob(f"*/{last}")]

    try:
        ready(home / "log", [worker], lambda: answers(listen))
        subprocess.run(submit, check=True, stdout=log, stderr=log)
        times = wait(ground, [worker], reports)
    finally:
        end([worker])
    said = [json.loads(line) for line in (home / "log").read_text().splitlines() if line.startswith("{")]
    findings = {
        line["study_uid"]: {own["label"]: own["probability"] for own in line["findings"]} for line in said if line.get("findings")
    }
    if len(findings) < len(ground.studies):
        raise RuntimeError(f"{len(findings)} of {len(ground.studies)} studies were read; see `{home / 'log'}`")
    return rate(times), findings


def run_python(ground, processes, threads):
    home = ground.folder / "python"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    queue = f"python-{time.time_ns()}"
    connection = pika.BlockingConnection(pika.URLParameters(ground.broker.url))
    channel = connection.channel()
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    path = ground.folder / "python.log"
    log = open(path, "w")
    worker = [sys.executable, "-W", "ignore", pathlib.Path(__file__).parent / "python_worker.py", ground.broker.url, queue,
              ground.folder / "studies", ground.network, ground.bundle / "manifest.json", home, str(threads)]
    workers = [subprocess.Popen(worker, stdout=log, stderr=log) for _ in range(processes)]

    def reports():
        return [path.stat().st_mtime for path in home.glob("[!.]*.json")]

    try:
        ready(path, workers, lambda: path.read_text().split().count("ready") == processes)
        for study in ground.studies:
            body = json.dumps({"study": study}).encode()
            channel.basic_publish("", queue, body, pika.BasicProperties(delivery_mode=2))
        times = wait(ground, workers, reports)
    finally:
        end(workers)
    channel.queue_delete(queue)
    connection.close()
    findings = {path.stem: json.loads(path.read_text())["findings"] for path in home.glob("[!.]*.json")}
    return rate(times), findings


def difference(ours, theirs):
    """The largest difference of a probability between both sides; both ran the same networks."""
    return max(abs(own - theirs[study][label]) for study, labels in ours.items() for label, own in labels.items())
