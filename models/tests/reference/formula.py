"""Weights and pictures by name and index, for the scripts beside this one: `tests/it/formula.rs` in Rust."""

import json
import pathlib

import numpy as np
import torch

HERE = pathlib.Path(__file__).parent
MASK = np.uint64(0xFFFFFFFFFFFFFFFF)


def uniform(name: str, seed: int, count: int) -> np.ndarray:
    """`count` values in [0, 1): FNV-1a of the name, then splitmix64 of the index; the upper 24 bits."""
    key = 0xCBF29CE484222325
    for byte in name.encode():
        key = ((key ^ byte) * 0x100000001B3) & int(MASK)
    key = (key + seed * 0x9E3779B97F4A7C15) & int(MASK)
    with np.errstate(over="ignore"):
        z = np.uint64(key) + (np.arange(count, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) / 2.0**24


def weights(name: str, shape, seed: int) -> torch.Tensor:
    """One tensor: scales 0.5 to 1.5, variances 0.5 to 1.5, shifts and means -0.1 to 0.1, matrices uniform by fan-in."""
    u = uniform(name, seed, int(np.prod(shape, dtype=np.int64)))
    if name.endswith("running_var") or (name.endswith("weight") and len(shape) == 1):
        values = 0.5 + u
    elif len(shape) < 2:
        values = (u - 0.5) * 0.2
    else:
        bound = np.sqrt(6.0 / float(np.prod(shape[1:])))
        values = (2.0 * u - 1.0) * bound
    return torch.from_numpy(values.astype(np.float32).reshape(shape))


def fill(model: torch.nn.Module, seed: int, rename=lambda name: name) -> torch.nn.Module:
    """Gives every tensor of the model its value by the formula; `rename` gives the name that the formula sees."""
    state = model.state_dict()
    for name, tensor in state.items():
        if name.endswith("num_batches_tracked"):
            continue
        state[name] = weights(rename(name), tuple(tensor.shape), seed)
    model.load_state_dict(state)
    return model.eval()


def picture(seed: int, shape) -> torch.Tensor:
    values = 2.0 * uniform("picture", seed, int(np.prod(shape))) - 1.0
    return torch.from_numpy(values.astype(np.float32).reshape(shape))


def short(tensor) -> list:
    return [float(f"{value:.9g}") for value in np.asarray(tensor, dtype=np.float64).reshape(-1)]


def write(name: str, value) -> None:
    (HERE / name).write_text(json.dumps(value, indent=None, separators=(",", ":")) + "\n")
