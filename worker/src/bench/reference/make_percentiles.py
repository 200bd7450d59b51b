"""Makes `percentiles.json`: percentiles as numpy gives them, which `statistics.rs` compares with its own.

    python3 -m venv venv && venv/bin/pip install numpy
    venv/bin/python worker/src/bench/reference/make_percentiles.py
"""

import json
import pathlib

import numpy as np

random = np.random.default_rng(1)
samples = [
    [1.5],
    [2.0, 1.0],
    [10.0, 1.0, 4.0, 2.0, 3.0],
    [3.0] * 7,
    [round(value, 6) for value in random.lognormal(0, 1, 10).tolist()],
    [round(value, 6) for value in random.lognormal(2, 0.3, 101).tolist()],
]
shares = {"median": 50, "p90": 90, "p95": 95, "p99": 99}
cases = [
    {"samples": own, "mean": float(np.mean(own))} | {name: float(np.percentile(own, share)) for name, share in shares.items()}
    for own in samples
]
path = pathlib.Path(__file__).parent / "percentiles.json"
path.write_text(json.dumps({"numpy": np.__version__, "cases": cases}) + "\n")
