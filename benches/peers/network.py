"""Exports the networks of the built-in bundle to ONNX, so that a Python worker runs the same ones: `network.py BUNDLE OUT`.

Seven networks for findings and seven that tell whether a picture is a frontal chest, as one graph with two inputs. The layers
are those of `models/src/network/residual.rs`; Burn names `gamma` and `beta` what torch calls `weight` and `bias`, and keeps
linear weights the other way round.
"""

import json
import pathlib
import sys

import safetensors.torch
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        projects = inputs != outputs or stride != 1
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if projects else None
        self.shortcut_norm = nn.BatchNorm2d(outputs) if projects else None

    def forward(self, maps):
        through = self.second_norm(self.second(torch.relu(self.first_norm(self.first(maps)))))
        around = self.shortcut_norm(self.shortcut(maps)) if self.shortcut is not None else maps
        return torch.relu(through + around)


class Network(nn.Module):
    def __init__(self, config):
        super().__init__()
        channels, kernel = config["stem"], config["stem_kernel"]
        self.stem = nn.Conv2d(1, channels, kernel, 2, kernel // 2, bias=False)
        self.stem_norm = nn.BatchNorm2d(channels)
        self.blocks = nn.ModuleList()
        for stage in config["stages"]:
            self.blocks.append(Block(channels, stage["channels"], stage["stride"]))
            channels = stage["channels"]
        self.head = nn.Linear(channels, config["outputs"])

    def forward(self, pictures):
        maps = torch.relu(self.stem_norm(self.stem(pictures)))
        for block in self.blocks:
            maps = block(maps)
        return self.head(maps.mean((2, 3)))


class Ensemble(nn.Module):
    """The mean of the members' logits, as the bundle takes it."""

    def __init__(self, architecture):
        super().__init__()
        members = range(architecture["members"])
        self.findings = nn.ModuleList(Network(architecture["findings"]) for _ in members)
        self.frontal = nn.ModuleList(Network(architecture["frontal"]) for _ in members)

    def forward(self, picture, small):
        findings = torch.stack([network(picture) for network in self.findings]).mean(0)
        return findings, torch.stack([network(small) for network in self.frontal]).mean(0)


def state(path):
    """The bundle's weights under torch's names; statistics of novelty are left aside."""
    own = {}
    for name, tensor in safetensors.torch.load_file(path).items():
        if name.startswith(("findings.", "frontal.")):
            if name.endswith("head.weight"):
                tensor = tensor.T.contiguous()
            own[name.replace(".gamma", ".weight").replace(".beta", ".bias")] = tensor
    return own


def main():
    bundle, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    manifest = json.loads((bundle / "manifest.json").read_text())
    ensemble = Ensemble(manifest["architecture"]).eval()
    missing, unexpected = ensemble.load_state_dict(state(bundle / "weights.safetensors"), strict=False)
    if unexpected or any(not name.endswith("num_batches_tracked") for name in missing):
        sys.exit(f"the bundle's weights do not fit: {missing} {unexpected}")
    sides = [manifest["preprocessing"][key] for key in ("side", "frontal_side")]
    pictures = tuple(torch.rand(1, 1, side, side) for side in sides)
    torch.onnx.export(
        ensemble, pictures, out, input_names=["picture", "small"], output_names=["findings", "frontal"],
        dynamo=False, opset_version=17,
    )


if __name__ == "__main__":
    main()
