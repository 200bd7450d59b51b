"""Drives both sides in turns, checks that they gave the same, and writes what was measured.

    measure.py --chiasm BIN --peer BIN --bundle DIR --inputs DIR --out DIR [--rounds N] [--seconds S] [--only WORD ...]
"""

import argparse
import dataclasses
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
from inputs import SERIES, SPLIT, SYNTAXES

HERE = pathlib.Path(__file__).parent
#: Packages whose versions are written down.
PACKAGES = ["torch", "torchvision", "onnxruntime", "pydicom", "pylibjpeg", "pylibjpeg-libjpeg", "pylibjpeg-openjpeg",
            "pylibjpeg-rle", "pyjpegls", "python-gdcm", "monai", "scikit-learn", "pika", "numpy"]
#: Largest difference of what both sides gave, over the larger of 1 and the value.
TOLERANCE = {"score": 1e-4, "decode": 0.0, "series": 0.0, "volume": 0.0, "evaluate": 1e-9}
#: The same after lossy coding, which leaves the last bit to the decoder.
LOSSY = 1e-3


#: The cores that this process may use: all that there are here.
CORES = sorted(os.sched_getaffinity(0))


@dataclasses.dataclass
class Question:
    name: str
    #: Of its answer.
    kind: str
    #: Both sides' commands, ours first.
    sides: dict
    #: How far both sides' answers may be apart.
    tolerance: float
    #: Without the cores.
    work: str | None = None
    #: What every side is bound to; not said, it takes what its threads are set to.
    cores: list | None = None


class Contender:
    """A process that does one piece of work when it is asked. Where cores are said, it runs on no other, and what decodes with
    OpenJPEG is told to have a thread for each; gdcm makes one for each core of the machine all the same."""

    def __init__(self, name, command, cores=None):
        self.name = name
        # the settings of old OpenBLAS builds slow the current one
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("OPENBLAS_", "OPJ_"))}
        environment |= {"RAYON_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}
        if cores and len(cores) > 1:
            environment["OPJ_NUM_THREADS"] = str(len(cores))
        # what is started has the cores of who starts it
        os.sched_setaffinity(0, cores or CORES)
        self.process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, env=environment,
        )
        os.sched_setaffinity(0, CORES)
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
    """All questions, in the order in which they are asked."""
    python, inputs = [sys.executable, "-W", "ignore", HERE / "contender.py"], options.inputs
    for batch in (1, 8):
        yield Question(f"score DenseNet-121, batch {batch}", "score", {
            "chiasm": [options.peer, "score", inputs / "densenet121.safetensors", inputs / "pictures.f32", batch],
            "torch": [*python, "score-torch", inputs, batch],
            "onnxruntime": [*python, "score-onnxruntime", inputs, batch],
        }, TOLERANCE["score"])
    for name, _, plugins in SYNTAXES:
        yield from decoding(options, python, ("decode", "decode 2048 x 2048"), inputs / f"{name}.dcm", name, plugins)
    for name, plugins in SERIES.items():
        yield from decoding(options, python, ("series", "decode a CT of 135 slices"), inputs / f"ct-{name}", name, plugins)
    yield Question("CT of 135 slices to a volume", "volume", {
        "chiasm": [options.peer, "volume", inputs / "ct-explicit"],
        "MONAI + pydicom": [*python, "volume-monai", inputs / "ct-explicit"],
    }, TOLERANCE["volume"])
    yield Question("four measures of 100,000 cases", "evaluate", {
        "chiasm": [options.peer, "evaluate", inputs / "scores.f64", inputs / "labels.u8"],
        "scikit-learn": [*python, "evaluate-sklearn", inputs / "scores.f64", inputs / "labels.u8"],
    }, TOLERANCE["evaluate"])


def decoding(options, python, what, path, name, plugins):
    """Every side on one core; where a decoder can use several, on all of them too."""
    kind, words = what
    sides = {"chiasm": [options.peer, kind, path]}
    for plugin in plugins:
        label = "pydicom" if plugin in ("numpy", "pydicom") else f"pydicom + {plugin}"
        sides[label] = [*python, kind, plugin, path]
    tolerance = LOSSY if name in ("jpeg-baseline", "jpeg-2000-lossy") else TOLERANCE[kind]
    work = f"{words}, {name}"
    # the last core: what else runs is sooner on the first
    yield Question(f"{work}, one core", kind, sides, tolerance, work, CORES[-1:])
    if name in SPLIT and len(CORES) > 1:
        yield Question(f"{work}, all cores", kind, sides, tolerance, work, CORES)


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


def measure(question, options):
    """All rounds of one question; what is compared takes its turn in each."""
    contenders = [Contender(side, command, question.cores) for side, command in question.sides.items()]
    rounds = options.series_rounds if question.kind == "series" else options.rounds
    try:
        answers = [contender.ask("answer") for contender in contenders]
        differences = {own.name: apart(answers[0], answer) for own, answer in zip(contenders, answers)}
        for index in range(rounds):
            for contender in turned(contenders, index):
                contender.rounds.append(contender.ask(f"time {options.seconds / rounds}"))
    finally:
        for contender in contenders:
            contender.close()
    same = {side: difference <= question.tolerance for side, difference in differences.items()}
    milliseconds = {own.name: [[1e3 * sample for sample in one] for one in own.rounds] for own in contenders}
    cores = {"work": question.work, "cores": len(question.cores)} if question.cores else {}
    return {"question": question.name, "kind": question.kind, "unit": "ms", "rounds": milliseconds, "difference": differences,
            "same": same, **cores}


def end_to_end(options):
    import end_to_end as whole

    ground = whole.Ground(options.out / "ground", options.chiasm, options.peer, options.bundle, options.studies)
    if ground.broker is None:
        ground.close()
        print("skipped: rabbitmq-server is not installed", file=sys.stderr)
        return None
    # Chiasm's defaults use all cores: the other side has as many
    cores = max(2, len(CORES))
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
    parser.add_argument("--series-rounds", type=int, default=3, help="of a question that decodes a CT series")
    parser.add_argument("--studies", type=int, default=45, help="of a run of a whole worker")
    parser.add_argument("--whole-rounds", type=int, default=3, help="runs of each whole worker")
    parser.add_argument("--only", nargs="*", default=["score", "decode", "series", "volume", "evaluate", "whole"])
    return parser.parse_args()


def main():
    options = arguments()
    options.out.mkdir(parents=True, exist_ok=True)
    about = json.loads(subprocess.run([options.peer, "about"], check=True, capture_output=True, text=True).stdout)
    about["program"]["commit"] = about["program"]["commit"] or commit()
    taken = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    limits = bounds(options.out)
    settings = {"versions": {name: metadata.version(name) for name in PACKAGES} | {"python": sys.version.split()[0]},
                "threads": 2, "decode_cores": [1, len(CORES)], "seed": 1, "rounds": options.rounds, "seconds": options.seconds,
                "series_rounds": options.series_rounds, "studies": options.studies, "whole_rounds": options.whole_rounds}
    # folders are this machine's own business
    own = ["--rounds", options.rounds, "--seconds", options.seconds, "--series-rounds", options.series_rounds,
           "--studies", options.studies, "--whole-rounds", options.whole_rounds, "--only", *options.only]
    measured = []

    def keep(one):
        """Writes what there is after each question: a session that is stopped keeps what it measured."""
        measured.extend([one] if one else [])
        limits.update(best(limits, bounds(options.out)))
        file = report.file(measured, about, settings, limits, taken, ["benches/peers/run", *map(str, own)])
        (options.out / "peers.json").write_text(json.dumps(file, indent=2) + "\n")
        (options.out / "peers.md").write_text(report.markdown(file))

    keep(None)
    for question in questions(options):
        if question.kind in options.only:
            print(f"measuring: {question.name}", file=sys.stderr, flush=True)
            keep(measure(question, options))
    if "whole" in options.only:
        print("measuring: whole workers", file=sys.stderr, flush=True)
        keep(end_to_end(options))
    print((options.out / "peers.md").read_text())
    return 0 if all(all(own["same"].values()) for own in measured) else 1


if __name__ == "__main__":
    sys.exit(main())
