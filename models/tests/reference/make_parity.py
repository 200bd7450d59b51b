"""Makes `parity.json` and the small files of weights that `tests/it/parity.rs` and `tests/it/import.rs` read.

    python3 -m venv venv
    venv/bin/pip install torch torchvision torchxrayvision monai safetensors scikit-image
    venv/bin/python models/tests/reference/make_parity.py

The networks are those of torchvision, TorchXRayVision and MONAI, with weights and running statistics that a formula
gives by name and index (`weights` below, `tests/it/formula.rs` in Rust), so that no large file is stored. Everything
runs on the CPU in f32; nothing is downloaded.
"""

import io
import json
import pathlib

import monai
import numpy as np
import safetensors.torch
import skimage
import torch
import torchvision
import torchxrayvision as xrv
from monai.networks.nets import BasicUNet

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


def resnet(stem="large", block="basic", blocks=(2, 2, 2, 2), width=64, channels=3, outputs=10):
    kinds = {"basic": torchvision.models.resnet.BasicBlock, "bottleneck": torchvision.models.resnet.Bottleneck}
    model = torchvision.models.ResNet(kinds[block], list(blocks), num_classes=outputs)
    # torchvision's class has fixed widths; narrow ones are made by its own `_make_layer`
    model.inplanes = width
    model.conv1 = torch.nn.Conv2d(channels, width, 7, 2, 3, bias=False)
    model.bn1 = torch.nn.BatchNorm2d(width)
    if stem == "small":
        model.conv1 = torch.nn.Conv2d(channels, width, 3, 1, 1, bias=False)
        model.maxpool = torch.nn.Identity()
    for stage in range(4):
        layer = model._make_layer(kinds[block], width << stage, blocks[stage], stride=1 if stage == 0 else 2)
        setattr(model, f"layer{stage + 1}", layer)
    model.fc = torch.nn.Linear((width << 3) * kinds[block].expansion, outputs)
    architecture = {
        "family": "resnet",
        "input_channels": channels,
        "outputs": outputs,
        "stem": stem,
        "block": block,
        "blocks": list(blocks),
        "width": width,
    }
    return model, architecture


def densenet(blocks=(6, 12, 24, 16), growth=32, stem=64, bottleneck=4, channels=3, outputs=10, kind="torchvision"):
    if kind == "torchvision":
        model = torchvision.models.DenseNet(growth, blocks, stem, bottleneck, num_classes=outputs)
        if channels != 3:
            model.features.conv0 = torch.nn.Conv2d(channels, stem, 7, 2, 3, bias=False)
    else:
        model = xrv.models.DenseNet(
            growth_rate=growth,
            block_config=blocks,
            num_init_features=stem,
            bn_size=bottleneck,
            num_classes=outputs,
            in_channels=channels,
        )
    architecture = {
        "family": "densenet",
        "input_channels": channels,
        "outputs": outputs,
        "blocks": list(blocks),
        "growth": growth,
        "stem_channels": stem,
        "bottleneck": bottleneck,
    }
    return model, architecture


def basic_unet(features=(32, 32, 64, 128, 256, 32), norm="instance", channels=1, outputs=2):
    kind = ("instance", {"affine": True}) if norm == "instance" else norm
    model = BasicUNet(spatial_dims=2, in_channels=channels, out_channels=outputs, features=features, norm=kind)
    architecture = {
        "family": "basic-unet",
        "input_channels": channels,
        "outputs": outputs,
        "features": list(features),
        "norm": norm,
        "negative_slope": 0.1,
    }
    return model, architecture


def case(name, made, seed, height, width, batch=2):
    model, architecture = made
    fill(model, seed)
    pictures = picture(seed, (batch, architecture["input_channels"], height, width))
    with torch.no_grad():
        outputs = model(pictures)
    return {
        "name": name,
        "architecture": architecture,
        "seed": seed,
        "shape": list(pictures.shape),
        "outputs": short(outputs),
        "output_shape": list(outputs.shape),
    }


def cases():
    return [
        case("torchvision resnet18", resnet(), 1, 96, 80),
        case("resnet18 for 28 px, grey", resnet(stem="small", channels=1, outputs=2), 2, 28, 28),
        case("resnet18 for 28 px, colour", resnet(stem="small", outputs=9), 3, 28, 28),
        case("torchvision resnet50", resnet(block="bottleneck", blocks=(3, 4, 6, 3), outputs=5), 4, 64, 64, 1),
        case("torchvision densenet121", densenet(), 5, 64, 96, 1),
        case("torchxrayvision densenet121", densenet(channels=1, outputs=18, kind="xrv"), 6, 224, 224, 1),
        case("narrow resnet", resnet(blocks=(1, 1, 1, 1), width=4, channels=1, outputs=3), 7, 33, 40),
        case("monai basic unet", basic_unet(features=(16, 16, 32, 64, 128, 16)), 8, 48, 32, 1),
        case("monai basic unet, odd sides", basic_unet(features=(4, 4, 8, 8, 16, 6), outputs=3), 9, 37, 45, 1),
        case("monai basic unet, batch norm", basic_unet(features=(4, 4, 8, 8, 16, 6), norm="batch"), 10, 32, 48, 1),
    ]


def operating_points():
    """TorchXRayVision's `op_norm` on probabilities around each operating point."""
    thresholds = torch.tensor([0.07422872, 0.5, 0.9, 0.038290843])
    rows = []
    for probability in (0.0, 0.01, 0.05, 0.3, 0.5, 0.7, 0.95, 1.0):
        outputs = torch.full((1, 4), probability)
        rows.append({"probability": probability, "normalised": short(xrv.models.op_norm(outputs, thresholds))})
    return {"thresholds": short(thresholds), "rows": rows}


def main():
    torch.manual_seed(0)
    torch.set_num_threads(2)
    parity = {
        "made_by": {
            "torch": torch.__version__.split("+")[0],
            "torchvision": torchvision.__version__.split("+")[0],
            "torchxrayvision": xrv.__version__,
            "monai": monai.__version__,
            "skimage": skimage.__version__,
        },
        "cases": cases(),
        "operating_points": operating_points(),
    }
    (HERE / "parity.json").write_text(json.dumps(parity, indent=None, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
