"""PyTorch on the same device, as `chiasm bench model` measures: values in this program's memory to outputs in it, inputs that
take turns and are never zeros, warm-up apart, batch sizes and precisions in turns by rounds. Writes a file of `chiasm bench`.

    torch_beside.py --device gpu|cpu --json torch.json [--arch densenet121 resnet50] [--batch 1,8,32,64] [--side 224]
                    [--cubes 1,2,4] [--cube 96]

MONAI's ResNet-18 for volumes is measured too where MONAI is installed.
"""

import argparse
import datetime
import importlib.util
import json
import os
import pathlib
import platform
import sys
import time

import numpy as np
import torch

WARM_UP = 3
LEAST = 3
TURNS = 4
#: The network for volumes, as `chiasm bench model --arch` calls it.
VOLUMES = "resnet18-3d"


def network(name):
    """torchvision's; without it there is nothing to compare with. Of volumes MONAI's."""
    if name == VOLUMES:
        from monai.networks.nets import resnet18

        return resnet18(spatial_dims=3, n_input_channels=1, num_classes=2).eval()
    import torchvision

    return getattr(torchvision.models, name)(weights=None).eval()


def variants(device, name):
    """As most serve it, and as it is fastest without compiling: channels last, half precision."""
    last = torch.channels_last_3d if name == VOLUMES else torch.channels_last
    yield "eager f32", torch.float32, torch.contiguous_format
    if device.type == "cuda":
        yield "eager f32, channels last", torch.float32, last
        yield "eager f16, channels last", torch.float16, last


class Piece:
    """One network in one precision with its batches."""

    def __init__(self, name, model, device, dtype, layout, shape):
        self.name, self.device, self.dtype, self.layout = name, device, dtype, layout
        self.model = model.to(device=device, dtype=dtype, memory_format=layout)
        random = np.random.default_rng(1)
        self.turns = [random.random(shape, dtype=np.float32) for _ in range(TURNS)]
        self.turn, self.rounds = 0, []
        began = time.perf_counter()
        self.run()
        self.first_ms = 1e3 * (time.perf_counter() - began)
        for _ in range(WARM_UP):
            self.run()

    def run(self):
        self.turn += 1
        pictures = torch.from_numpy(self.turns[self.turn % TURNS].copy()).to(self.device, self.dtype, memory_format=self.layout)
        with torch.inference_mode():
            # reading back waits for the device
            out = self.model(pictures).float().cpu().numpy()
        if not np.isfinite(out).all():
            raise RuntimeError(f"{self.name} gave a value that is no finite number")

    def round(self, seconds):
        samples, began = [], time.perf_counter()
        while len(samples) < LEAST or time.perf_counter() - began < seconds:
            start = time.perf_counter()
            self.run()
            samples.append(1e3 * (time.perf_counter() - start))
        self.rounds.append(samples)

    def figure(self):
        values = np.concatenate(self.rounds)
        shares = {"median": 50, "p90": 90, "p95": 95, "p99": 99}
        summary = {"count": len(values), "least": values.min(), "mean": values.mean(), "most": values.max()}
        summary |= {name: np.percentile(values, share) for name, share in shares.items()}
        return {"name": self.name, "unit": "ms", "better": "less", "rounds": self.rounds,
                "summary": {name: int(value) if name == "count" else float(value) for name, value in summary.items()}}


def machine():
    def field(path, name, separator=":"):
        try:
            lines = pathlib.Path(path).read_text().splitlines()
        except OSError:
            return None
        found = (line.split(separator, 1)[1].strip().strip('"') for line in lines if line.split(separator)[0].strip() == name)
        return next(found, None)

    memory = field("/proc/meminfo", "MemTotal")
    return {"cpu": field("/proc/cpuinfo", "model name"), "cores": len(os.sched_getaffinity(0)),
            "memory_bytes": int(memory.split()[0]) * 1024 if memory else None,
            "system": field("/etc/os-release", "PRETTY_NAME", "="), "kernel": platform.release(), "load_before": os.getloadavg()[0]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=["gpu", "cpu"], default="gpu")
    parser.add_argument("--json", type=pathlib.Path, required=True)
    parser.add_argument("--arch", nargs="*", default=["densenet121", "resnet50"])
    parser.add_argument("--batch", default="1,8,32,64")
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--cubes", default="1,2,4", help="volumes of a batch")
    parser.add_argument("--cube", type=int, default=96, help="side of a volume")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each piece, over all rounds")
    options = parser.parse_args()
    about = machine()
    taken = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    if options.device == "gpu" and not torch.cuda.is_available():
        sys.exit("torch sees no GPU on this machine")
    device = torch.device("cuda" if options.device == "gpu" else "cpu")
    pieces = []
    shapes = {name: ((3, options.side, options.side), options.batch) for name in options.arch}
    if importlib.util.find_spec("monai"):
        shapes[VOLUMES] = ((1, options.cube, options.cube, options.cube), options.cubes)
    for name, (shape, batches) in shapes.items():
        for words, dtype, layout in variants(device, name):
            for batch in map(int, batches.split(",")):
                model = network(name)
                pieces.append(Piece(f"{name}, {words}, batch {batch}", model, device, dtype, layout, (batch, *shape)))
    for _ in range(options.rounds):
        for piece in pieces:
            piece.round(options.seconds / options.rounds)
    figures = [piece.figure() for piece in pieces]
    described = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    file = {
        "schema": "chiasm-bench/1", "kind": "torch", "taken": taken, "command": ["benches/gpu/torch_beside.py", *sys.argv[1:]],
        "program": {"version": torch.__version__, "commit": None, "burn": "none; PyTorch", "profile": "release"},
        "machine": about, "device": described,
        "settings": {"side": options.side, "cube": options.cube, "seed": 1, "tf32": torch.backends.cuda.matmul.allow_tf32,
                     "cudnn": torch.backends.cudnn.version() if device.type == "cuda" else None},
        "figures": figures, "detail": {"first_ms": {piece.name: piece.first_ms for piece in pieces}},
    }
    options.json.write_text(json.dumps(file, indent=2) + "\n")
    for figure in figures:
        print(f"{figure['name']:50} {figure['summary']['median']:10.2f} ms")


if __name__ == "__main__":
    main()
