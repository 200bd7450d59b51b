"""Makes `parity.json` and the small files of weights that `tests/it/parity.rs` and `tests/it/import.rs` read.

    python3 -m venv venv
    venv/bin/pip install torch torchvision torchxrayvision monai safetensors scikit-image
    venv/bin/python models/tests/reference/make_parity.py

The networks are those of torchvision, TorchXRayVision and MONAI, with weights and running statistics that a formula
gives by name and index (`formula.py`, `tests/it/formula.rs` in Rust), so that no large file is stored. Everything
runs on the CPU in f32; nothing is downloaded.
"""

import monai
import numpy as np
import safetensors.torch
import skimage
import torch
import torchvision
import torchxrayvision as xrv
from monai.networks.nets import BasicUNet

from formula import HERE, fill, picture, short, uniform, write


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


def smooth(height: int, width: int) -> np.ndarray:
    """A picture of 0 to 1 with large and small structure: sines of whole turns and the formula's grain."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    u, v = (x + 0.5) / width, (y + 0.5) / height
    grain = uniform("grain", height * 10_000 + width, height * width).reshape(height, width)
    wave = 0.5 + 0.25 * np.sin(2 * np.pi * 3 * u) * np.cos(2 * np.pi * 2 * v)
    return np.clip(wave + 0.3 * (grain - 0.5), 0.0, 1.0).astype(np.float32)


def preprocessing():
    """Each resize rule and pipeline, on pictures that shrink, grow and do both."""
    bilinear = torchvision.transforms.InterpolationMode.BILINEAR
    resize = torchvision.transforms.Resize
    v2 = torchvision.transforms
    cases = []

    def add(name, height, width, pipeline, run):
        image = smooth(height, width)
        out = np.asarray(run(image), dtype=np.float64)
        cases.append(
            {"name": name, "height": height, "width": width, "pipeline": pipeline, "values": short(out.astype(np.float32))}
        )

    def tv(height, width):
        return lambda image: resize((height, width), interpolation=bilinear, antialias=True)(torch.from_numpy(image)[None])[0]

    def monai_resize(height, width, mode):
        transform = monai.transforms.Resize((height, width), mode=mode)
        return lambda image: np.asarray(transform(image[None]))[0]

    def sk(side):
        return lambda image: xrv.datasets.XRayResizer(side)(image[None])[0]

    plain = [{"mean": 0.0, "deviation": 1.0}]

    def one(height, width, rule):
        steps = [{"step": "resize", "height": height, "width": width, "rule": rule}]
        return {"steps": steps, "height": height, "width": width, "channels": plain}

    for height, width, to_height, to_width in ((50, 37, 13, 16), (20, 24, 31, 40), (45, 18, 16, 27), (64, 64, 16, 16)):
        name = f"{height} x {width} to {to_height} x {to_width}"
        add(f"torchvision, {name}", height, width, one(to_height, to_width, "torchvision-bilinear"), tv(to_height, to_width))
        add(f"monai bilinear, {name}", height, width, one(to_height, to_width, "monai-bilinear"), monai_resize(to_height, to_width, "bilinear"))
        add(f"monai area, {name}", height, width, one(to_height, to_width, "monai-area"), monai_resize(to_height, to_width, "area"))
        add(f"skimage, {name}", height, width, one(to_height, to_height, "skimage-linear"), sk(to_height))

    def imagenet(image):
        rgb = torch.from_numpy(image)[None].repeat(3, 1, 1)
        return v2.Compose([
            resize(32, interpolation=bilinear, antialias=True),
            v2.CenterCrop(24),
            v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ])(rgb)

    channels = [{"mean": m, "deviation": d} for m, d in ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))]
    steps = [
        {"step": "resize-shorter", "side": 32, "rule": "torchvision-bilinear"},
        {"step": "crop-centre", "height": 24, "width": 24},
    ]
    for height, width in ((61, 90), (75, 53), (40, 40)):
        pipeline = {"steps": steps, "height": 24, "width": 24, "channels": channels}
        add(f"imagenet, {height} x {width}", height, width, pipeline, imagenet)

    def padded(image):
        return v2.CenterCrop((30, 21))(torch.from_numpy(image)[None])[0]

    pipeline = {"steps": [{"step": "crop-centre", "height": 30, "width": 21}], "height": 30, "width": 21, "channels": plain}
    add("a crop that pads", 23, 28, pipeline, padded)

    def torchxrayvision(image):
        # 8-bit pictures in TorchXRayVision's own example; the same scale on 0 to 1
        scaled = xrv.utils.normalize(image, 1.0)[None]
        transform = v2.Compose([xrv.datasets.XRayCenterCrop(), xrv.datasets.XRayResizer(20)])
        return transform(scaled)[0]

    steps = [
        {"step": "scale", "scale": 2048.0, "shift": -1024.0},
        {"step": "crop-square"},
        {"step": "resize", "height": 20, "width": 20, "rule": "skimage-linear"},
    ]
    for height, width in ((64, 51), (33, 70)):
        pipeline = {"steps": steps, "height": 20, "width": 20, "channels": plain}
        add(f"torchxrayvision, {height} x {width}", height, width, pipeline, torchxrayvision)

    def monai_scaled(image):
        transform = monai.transforms.Compose([
            monai.transforms.Resize((18, 22), mode="area"),
            monai.transforms.ScaleIntensity(),
        ])
        return np.asarray(transform(image[None]))[0]

    steps = [{"step": "resize", "height": 18, "width": 22, "rule": "monai-area"}, {"step": "stretch"}]
    add("monai scaled", 50, 37, {"steps": steps, "height": 18, "width": 22, "channels": plain}, monai_scaled)
    return cases


def grad_cam():
    """Grad-CAM by hooks and autograd, and occlusion, on the narrow ResNet of `files`."""
    model, _ = resnet(blocks=(1, 1, 1, 1), width=4, channels=1, outputs=3)
    fill(model, 21)
    side = 64
    image = torch.from_numpy(smooth(side, side))[None, None]
    kept = {}
    model.layer4.register_forward_hook(lambda module, inputs, output: kept.update(maps=output))
    rows = []
    for output in range(3):
        logits = model(image)
        gradient = torch.autograd.grad(logits[0, output], kept["maps"])[0]
        weight = gradient.mean(dim=(2, 3), keepdim=True)
        cam = torch.relu((weight * kept["maps"]).sum(dim=1))[0].detach()
        rows.append(short(cam / cam.max() if cam.max() > 0 else cam))
    square, step = 16, 8
    with torch.no_grad():
        whole = model(image)[0]
        fall, count = torch.zeros(3, side, side), torch.zeros(side, side)
        for y in range(0, side - square + 1, step):
            for x in range(0, side - square + 1, step):
                hidden = image.clone()
                hidden[:, :, y : y + square, x : x + square] = image.mean()
                fall[:, y : y + square, x : x + square] += (whole - model(hidden)[0])[:, None, None]
                count[y : y + square, x : x + square] += 1
    fall = torch.relu(fall / count)
    fall = fall / fall.amax(dim=(1, 2), keepdim=True).clamp_min(1e-12)
    return {
        "side": side,
        "height": int(kept["maps"].shape[2]),
        "width": int(kept["maps"].shape[3]),
        "grad_cam": rows,
        "square": square,
        "step": step,
        "occlusion_rows": [short(fall[output, ::8, ::8]) for output in range(3)],
    }


def files():
    """Small files of weights as the packages write them."""
    folder = HERE / "files"
    folder.mkdir(exist_ok=True)
    model, _ = resnet(blocks=(1, 1, 1, 1), width=4, channels=1, outputs=3)
    fill(model, 21)
    state = model.state_dict()
    torch.save(state, folder / "resnet.pt")
    torch.save(state, folder / "resnet-legacy.pth", _use_new_zipfile_serialization=False)
    checkpoint = {
        "epoch": 3,
        "state_dict": {f"module.{name}": tensor for name, tensor in state.items()},
        "optimizer": {"state": {0: {"exp_avg": torch.zeros(2, 2)}}, "param_groups": [{"lr": 0.1}]},
    }
    torch.save(checkpoint, folder / "resnet-checkpoint.pt")
    names = lambda name: name.replace("downsample.", "shortcut.").replace("fc.", "linear.")
    torch.save({"net": {names(name): tensor.half() for name, tensor in state.items()}}, folder / "resnet-medmnist-half.pth")
    safetensors.torch.save_file({k: v.contiguous() for k, v in state.items()}, folder / "resnet.safetensors")

    dense, _ = densenet(blocks=(1, 2, 1, 1), growth=4, stem=8, bottleneck=2, channels=1, outputs=18, kind="xrv")
    fill(dense, 22)
    thresholds = torch.linspace(0.1, 0.9, 18)
    thresholds[13] = float("nan")
    dense.op_threshs = thresholds
    # a whole model, as TorchXRayVision publishes its weights: the file names a class, which nobody runs
    torch.save(dense, folder / "xrv-model.pt")
    monai_net = monai.networks.nets.DenseNet(2, 1, 18, init_features=8, growth_rate=4, block_config=(1, 2, 1, 1), bn_size=2)
    plain = lambda name: name.replace(".layers.", ".").replace("class_layers.out.", "classifier.")
    fill(monai_net, 22, plain)
    torch.save(monai_net.state_dict(), folder / "monai-densenet.pt")
    unet, _ = basic_unet(features=(2, 2, 4, 4, 8, 2))
    fill(unet, 23)
    torch.save({"model": unet.state_dict()}, folder / "monai-unet.pt")


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
        "grad_cam": grad_cam(),
    }
    write("parity.json", parity)
    write("preprocessing.json", preprocessing())
    files()


if __name__ == "__main__":
    main()
