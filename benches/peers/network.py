"""Exports the networks of the built-in bundle to ONNX, so that a Python worker runs the same ones: `network.py BUNDLE OUT`.

Seven networks for findings, seven that tell whether a picture is a frontal chest, and what is read of an EfficientNet-Lite's first
blocks, as one graph with three inputs. The layers are those of `models/src/network/residual.rs` and `readout.rs`; Burn names `gamma` and `beta` what torch calls `weight` and `bias`, and keeps
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


class Same(nn.Conv2d):
    """A convolution with TensorFlow's SAME padding: what is odd of it lies behind."""

    def forward(self, maps):
        side, kernel, stride = int(maps.shape[-1]), self.kernel_size[0], self.stride[0]
        pad = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        before, behind = pad // 2, pad - pad // 2
        return super().forward(nn.functional.pad(maps, (before, behind, before, behind)))


class Lite(nn.Module):
    """A block of an EfficientNet-Lite."""

    def __init__(self, inputs, outputs, kernel, stride, expansion):
        super().__init__()
        wide = inputs * expansion
        self.expand = nn.Conv2d(inputs, wide, 1, bias=False) if expansion > 1 else None
        self.expand_norm = nn.BatchNorm2d(wide, eps=1e-3) if expansion > 1 else None
        self.depthwise = Same(wide, wide, kernel, stride, groups=wide, bias=False)
        self.depthwise_norm = nn.BatchNorm2d(wide, eps=1e-3)
        self.project = nn.Conv2d(wide, outputs, 1, bias=False)
        self.project_norm = nn.BatchNorm2d(outputs, eps=1e-3)
        self.keeps = stride == 1 and inputs == outputs

    def forward(self, maps):
        through = maps if self.expand is None else nn.functional.relu6(self.expand_norm(self.expand(maps)))
        through = nn.functional.relu6(self.depthwise_norm(self.depthwise(through)))
        through = self.project_norm(self.project(through))
        return through + maps if self.keeps else through


def cells(side, count):
    """The matrix whose product with a row of `side` places is the mean of each of `count` cells, as `AdaptiveAvgPool2d` cuts
    them: that operator has no export where they overlap."""
    matrix = torch.zeros(count, side)
    for index in range(count):
        start, end = index * side // count, -(-(index + 1) * side // count)
        matrix[index, start:end] = 1 / (end - start)
    return matrix


class Readout(nn.Module):
    """One linear layer on the means of cells of the maps after some blocks."""

    KERNELS, STRIDES, EXPANSIONS = (3, 3, 5, 3, 5, 5, 3), (1, 2, 2, 2, 1, 2, 1), (1, 6, 6, 6, 6, 6, 6)

    def __init__(self, config):
        super().__init__()
        network, self.read, self.cells = config["network"], set(config["blocks"]), config["cells"]
        channels, features = network["stem_channels"], 0
        self.stem = Same(network["input_channels"], channels, 3, 2, bias=False)
        self.stem_norm = nn.BatchNorm2d(channels, eps=1e-3)
        self.blocks = nn.ModuleList()
        for blocks, outputs, *shape in zip(network["blocks"], network["channels"], self.KERNELS, self.STRIDES, self.EXPANSIONS):
            kernel, stride, expansion = shape
            for index in range(blocks):
                if len(self.blocks) > max(self.read):
                    break
                self.blocks.append(Lite(channels, outputs, kernel, stride if index == 0 else 1, expansion))
                channels = outputs
                features += outputs * self.cells**2 if len(self.blocks) - 1 in self.read else 0
        self.linear = nn.Linear(features, config["outputs"])

    def forward(self, pictures):
        maps, means = nn.functional.relu6(self.stem_norm(self.stem(pictures))), []
        for index, block in enumerate(self.blocks):
            maps = block(maps)
            if index in self.read:
                # a number: the export would divide towards zero
                own = cells(int(maps.shape[-1]), self.cells)
                means.append((own @ maps @ own.T).flatten(1))
        return self.linear(torch.cat(means, 1))


class Ensemble(nn.Module):
    """The mean of the members' logits with the readout's share, as the bundle takes it."""

    def __init__(self, architecture):
        super().__init__()
        members = range(architecture["members"])
        self.findings = nn.ModuleList(Network(architecture["findings"]) for _ in members)
        self.frontal = nn.ModuleList(Network(architecture["frontal"]) for _ in members)
        self.share = architecture["readout"]["share"]
        self.readout = Readout(architecture["readout"]["config"])

    def forward(self, picture, small, cut):
        findings = torch.stack([network(picture) for network in self.findings]).mean(0)
        read = self.readout(cut)
        findings = (1 - self.share) * findings[:, : read.shape[1]] + self.share * read
        return findings, torch.stack([network(small) for network in self.frontal]).mean(0)


def state(path):
    """The bundle's weights under torch's names; statistics of novelty are left aside."""
    own = {}
    for name, tensor in safetensors.torch.load_file(path).items():
        if name.startswith(("findings.", "frontal.", "readout.")):
            if name.endswith(("head.weight", "linear.weight")):
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
    rule = manifest["preprocessing"]
    sides = [rule["side"], rule["frontal_side"], rule["readout"]["side"] - 2 * rule["readout"]["margin"]]
    pictures = tuple(torch.rand(1, 1, side, side) for side in sides)
    torch.onnx.export(
        ensemble, pictures, out, input_names=["picture", "small", "cut"], output_names=["findings", "frontal"],
        dynamo=False, opset_version=17,
    )


if __name__ == "__main__":
    main()
