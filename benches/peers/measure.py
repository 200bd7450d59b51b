"""Drives both sides in turns, checks that they gave the same, and writes what was measured.

    measure.py --chiasm BIN --peer BIN --bundle DIR --inputs DIR --out DIR [--rounds N] [--seconds S] [--only WORD ...]
"""

import argparse
import datetime
import json
import os
import pathlib
import subprocess
import sys
import time
from importlib import metadata

import numpy as np

import report
from inputs import SYNTAXES

HERE = pathlib.Path(__file__).parent
#: Packages whose versions are written down.
PACKAGES = ["torch", "torchvision", "onnxruntime", "pydicom", "pylibjpeg", "pylibjpeg-libjpeg", "pylibjpeg-openjpeg",
            "pylibjpeg-rle", "pyjpegls", "python-gdcm", "monai", "scikit-learn", "pika", "numpy"]
#: Largest difference of what both sides gave, over the larger of 1 and the value.
TOLERANCE = {"score": 1e-4, "decode": 0.0, "volume": 0.0, "evaluate": 1e-9}
#: The same after lossy coding, which leaves the last bit to the decoder.
LOSSY = 1e-3


class Contender:
    """A process that does one piece of work when it is asked."""

    def __init__(self, name, command):
        self.name = name
        # the settings of old OpenBLAS builds slow the current one
        environment = {key: value for key, value in os.environ.items() if not key.startswith("OPENBLAS_")}
        environment |= {"RAYON_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}
        self.process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, env=environment,
        )
        line = self.process.stdout.readline()
        if line.strip() != "ready":
            raise RuntimeError(f"{name} does not start: {' '.join(str(word) for word in command)}")
        self.rounds = []

    def ask(self, words):
        self.process.stdin.write(words + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def questions(options):
    """Each question: its name, the kind of its answer, and both sides' commands, ours first."""
    python, inputs = [sys.executable, "-W", "ignore", HERE / "contender.py"], options.inputs
    for batch in (1, 8):
        yield f"score DenseNet-121, batch {batch}", "score", {
            "chiasm": [options.peer, "score", inputs / "densenet121.safetensors", inputs / "pictures.f32", batch],
            "torch": [*python, "score-torch", inputs, batch],
            "onnxruntime": [*python, "score-onnxruntime", inputs, batch],
        }
    for name, _, plugins in SYNTAXES:
        path = inputs / f"{name}.dcm"
        sides = {"chiasm": [options.peer, "decode", path]}
        for plugin in plugins:
            label = "pydicom" if plugin in ("numpy", "pydicom") else f"pydicom + {plugin}"
            sides[label] = [*python, "decode", plugin, path]
        yield f"decode 2048 x 2048, {name}", "decode", sides
    yield "CT of 135 slices to a volume", "volume", {
        "chiasm": [options.peer, "volume", inputs / "ct"],
        "MONAI + pydicom": [*python, "volume-monai", inputs / "ct"],
    }
    yield "four measures of 100,000 cases", "evaluate", {
        "chiasm": [options.peer, "evaluate", inputs / "scores.f64", inputs / "labels.u8"],
        "scikit-learn": [*python, "evaluate-sklearn", inputs / "scores.f64", inputs / "labels.u8"],
    }


def apart(ours, theirs):
    """The largest relative difference of two answers."""
    ours, theirs = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    if ours.shape != theirs.shape:
        return float("inf")
    return float(np.max(np.abs(ours - theirs) / np.maximum(1, np.abs(theirs))))


def turned(sides, index):
    """The order of a round: each leads once in a while."""
    first = index % len(sides)
    return sides[first:] + sides[:first]


def measure(name, kind, sides, options):
    """All rounds of one question; what is compared takes its turn in each."""
    contenders = [Contender(side, command) for side, command in sides.items()]
    try:
        answers = [contender.ask("answer") for contender in contenders]
        differences = {own.name: apart(answers[0], answer) for own, answer in zip(contenders, answers)}
        for index in range(options.rounds):
            for contender in turned(contenders, index):
                contender.rounds.append(contender.ask(f"time {options.seconds / options.rounds}"))
    finally:
        for contender in contenders:
            contender.close()
    tolerance = LOSSY if name.endswith(("lossy", "baseline")) else TOLERANCE[kind]
    same = {side: difference <= tolerance for side, difference in differences.items()}
    milliseconds = {own.name: [[1e3 * sample for sample in one] for one in own.rounds] for own in contenders}
    return {"question": name, "kind": kind, "unit": "ms", "rounds": milliseconds, "difference": differences, "same": same}


def end_to_end(options):
    import end_to_end as whole

    ground = whole.Ground(options.out / "ground", options.chiasm, options.peer, options.bundle, options.studies)
    if ground.broker is None:
        ground.close()
        print("skipped: rabbitmq-server is not installed", file=sys.stderr)
        return None
    # Chiasm's defaults use all cores: the other side has as many
    cores = max(2, len(os.sched_getaffinity(0)))
    sides = {
        "chiasm": lambda: whole.run_chiasm(ground),
        report.LEAST: lambda: whole.run_chiasm(ground, least=True),
        f"Python, {cores} processes of 1 thread": lambda: whole.run_python(ground, cores, 1),
        f"Python, 1 process of {cores} threads": lambda: whole.run_python(ground, 1, cores),
    }
    rounds, differences = {side: [] for side in sides}, {side: 0.0 for side in sides}
    try:
        for index in range(options.whole_rounds):
            findings = {}
            for side in turned(list(sides), index):
                rate, findings[side] = sides[side]()
                rounds[side].append([rate])
            for side, found in findings.items():
                differences[side] = max(differences[side], whole.difference(findings["chiasm"], found))
    finally:
        ground.close()
    same = {side: difference < 0.01 for side, difference in differences.items()}
    return {"question": "whole worker on RabbitMQ", "kind": "whole", "unit": "studies/s", "rounds": rounds,
            "difference": differences, "same": same}


def bounds(folder):
    """What this machine does at most: copying, multiplying, and putting 4 KiB onto the disk. A bound is the best that was seen:
    the median of a busy machine is none."""
    large = np.ones(16 << 20, dtype=np.float32)
    target = np.empty_like(large)
    square = np.random.default_rng(1).random((1024, 1024), dtype=np.float32)
    copies = [timed(lambda: np.copyto(target, large)) for _ in range(9)]
    products = [timed(lambda: square @ square) for _ in range(9)]
    with open(folder / "fsync", "wb") as file:

        def put():
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())

        syncs = [timed(put) for _ in range(30)]
    (folder / "fsync").unlink()
    return {
        "copy_gb_s": 2 * large.nbytes / min(copies) / 1e9,
        "sgemm_gflop_s": 2 * 1024**3 / min(products) / 1e9,
        "fsync_ms": 1e3 * min(syncs),
    }


def best(before, after):
    """The better of two measurements of each bound."""
    return {name: (min if name.endswith("_ms") else max)(before[name], after[name]) for name in before}


def timed(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def commit():
    """The commit of the working tree, with a mark where it has changes."""
    said = subprocess.run(["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude", "*"], cwd=HERE, capture_output=True, text=True)
    return said.stdout.strip() or None


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("chiasm", "peer", "bundle", "inputs", "out"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each side of a question, over all rounds")
    parser.add_argument("--studies", type=int, default=45, help="of a run of a whole worker")
    parser.add_argument("--whole-rounds", type=int, default=3, help="runs of each whole worker")
    parser.add_argument("--only", nargs="*", default=["score", "decode", "volume", "evaluate", "whole"])
    return parser.parse_args()


def main():
    options = arguments()
    options.out.mkdir(parents=True, exist_ok=True)
    about = json.loads(subprocess.run([options.peer, "about"], check=True, capture_output=True, text=True).stdout)
    about["program"]["commit"] = about["program"]["commit"] or commit()
    taken = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    limits = bounds(options.out)
    settings = {"versions": {name: metadata.version(name) for name in PACKAGES} | {"python": sys.version.split()[0]},
                "threads": 2, "seed": 1, "rounds": options.rounds, "seconds": options.seconds, "studies": options.studies,
                "whole_rounds": options.whole_rounds}
    # folders are this machine's own business
    own = ["--rounds", options.rounds, "--seconds", options.seconds, "--studies", options.studies,
           "--whole-rounds", options.whole_rounds, "--only", *options.only]
    measured = []

    def keep(one):
        """Writes what there is after each question: a session that is stopped keeps what it measured."""
        measured.extend([one] if one else [])
        limits.update(best(limits, bounds(options.out)))
        file = report.file(measured, about, settings, limits, taken, ["benches/peers/run", *map(str, own)])
        (options.out / "peers.json").write_text(json.dumps(file, indent=2) + "\n")
        (options.out / "peers.md").write_text(report.markdown(file))

    keep(None)
    for name, kind, sides in questions(options):
        if kind in options.only:
            print(f"measuring: {name}", file=sys.stderr, flush=True)
            keep(measure(name, kind, sides, options))
    if "whole" in options.only:
        print("measuring: whole workers", file=sys.stderr, flush=True)
        keep(end_to_end(options))
    print((options.out / "peers.md").read_text())
    return 0 if all(all(own["same"].values()) for own in measured) else 1


if __name__ == "__main__":
    sys.exit(main())
