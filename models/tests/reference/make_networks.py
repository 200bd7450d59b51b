"""Makes `networks.json` and small files of weights, which `tests/it/networks.rs` reads: ConvNeXt, EfficientNet-Lite and the
networks for volumes.

    python3 -m venv venv
    venv/bin/pip install torch torchvision monai efficientnet_lite_pytorch==0.1.0
    venv/bin/python models/tests/reference/make_networks.py

The networks are those of torchvision, MONAI and `efficientnet_lite_pytorch` (PyPI, Apache-2.0), with weights by `formula.py`. Everything runs on the CPU in f32; nothing
is downloaded.
"""

import monai
import torch
import torchvision
from efficientnet_lite_pytorch import EfficientNet, get_model_params
from efficientnet_lite_pytorch.utils import get_same_padding_conv2d
from monai.networks.nets import BasicUNet
from monai.networks.nets.resnet import ResNet, ResNetBlock, ResNetFeatures
from torchvision.models.convnext import CNBlockConfig, ConvNeXt

from formula import HERE, fill, picture, short, write


def convnext(blocks=(3, 3, 9, 3), channels=(96, 192, 384, 768), inputs=3, outputs=10):
    after = list(channels[1:]) + [None]
    setting = [CNBlockConfig(own, out, count) for own, out, count in zip(channels, after, blocks)]
    model = ConvNeXt(setting, num_classes=outputs)
    if inputs != 3:
        model.features[0][0] = torch.nn.Conv2d(inputs, channels[0], 4, 4)
    architecture = {
        "family": "convnext",
        "input_channels": inputs,
        "outputs": outputs,
        "blocks": list(blocks),
        "channels": list(channels),
    }
    return model, architecture


def lite_architecture(inputs, outputs, stem, blocks, channels, head):
    return {
        "family": "efficientnet-lite",
        "input_channels": inputs,
        "outputs": outputs,
        "stem_channels": stem,
        "blocks": list(blocks),
        "channels": list(channels),
        "head_channels": head,
    }


def lite0(outputs=10):
    """As the package makes it: its padding is that of 224 px."""
    model = EfficientNet.from_name("efficientnet-lite0", num_classes=outputs)
    return model, lite_architecture(3, outputs, 32, (1, 2, 2, 3, 3, 4, 1), (16, 24, 40, 80, 112, 192, 320), 1280)


def lite(blocks, channels, stem, head, inputs=1, outputs=3):
    """Other numbers, with padding by the size of what comes in. The package has fixed stems and heads: they are replaced."""
    args, params = get_model_params("efficientnet-lite0", None)
    numbers = zip(args, blocks, [stem, *channels], channels)
    args = [own._replace(num_repeat=count, input_filters=start, output_filters=end) for own, count, start, end in numbers]
    changes = dict(width_coefficient=None, depth_coefficient=None, image_size=None, fix_head_stem=False)
    model = EfficientNet(args, params._replace(num_classes=outputs, **changes))
    conv = get_same_padding_conv2d(image_size=None)
    model._conv_stem = conv(inputs, stem, kernel_size=3, stride=2, bias=False)
    model._bn0 = torch.nn.BatchNorm2d(stem, eps=model._bn0.eps)
    model._conv_head = conv(channels[-1], head, kernel_size=1, bias=False)
    model._bn1 = torch.nn.BatchNorm2d(head, eps=model._bn1.eps)
    model._fc = torch.nn.Linear(head, outputs)
    return model, lite_architecture(inputs, outputs, stem, blocks, channels, head)


def resnet3d(blocks=(2, 2, 2, 2), width=64, inputs=1, outputs=3, stem_stride=1, shortcut="project"):
    planes = [width << stage for stage in range(4)]
    model = ResNet(
        ResNetBlock,
        list(blocks),
        planes,
        spatial_dims=3,
        n_input_channels=inputs,
        conv1_t_stride=stem_stride,
        shortcut_type="A" if shortcut == "pad" else "B",
        num_classes=max(outputs, 1),
        feed_forward=outputs > 0,
        bias_downsample=shortcut == "project",
    )
    architecture = {
        "family": "resnet3d",
        "input_channels": inputs,
        "outputs": outputs,
        "blocks": list(blocks),
        "width": width,
        "stem_stride": stem_stride,
        "shortcut": shortcut,
    }
    return model, architecture


def medicalnet():
    """MONAI's own reading of MedicalNet's ResNet-18, whose last maps are averaged here."""
    features = ResNetFeatures("resnet18", pretrained=False)
    _, architecture = resnet3d(outputs=0, stem_stride=2, shortcut="pad")
    return features, architecture


def unet3d(features=(32, 32, 64, 128, 256, 32), norm="instance", inputs=1, outputs=2):
    kind = ("instance", {"affine": True}) if norm == "instance" else norm
    model = BasicUNet(spatial_dims=3, in_channels=inputs, out_channels=outputs, features=features, norm=kind)
    architecture = {
        "family": "basic-unet-3d",
        "input_channels": inputs,
        "outputs": outputs,
        "features": list(features),
        "norm": norm,
        "negative_slope": 0.1,
    }
    return model, architecture


def case(name, made, seed, sides, batch=1, every=1):
    """`every`: of long outputs each so many-th value is kept."""
    model, architecture = made
    fill(model, seed)
    inputs = picture(seed, (batch, architecture["input_channels"], *sides))
    with torch.no_grad():
        outputs = model(inputs)
        if isinstance(outputs, list):
            outputs = outputs[-1].mean(dim=(2, 3, 4))
    return {
        "name": name,
        "architecture": architecture,
        "seed": seed,
        "shape": list(inputs.shape),
        "every": every,
        "outputs": short(outputs.reshape(-1)[::every]),
        "output_shape": list(outputs.shape),
    }


def cases():
    narrow = dict(features=(4, 4, 8, 8, 16, 6))
    narrow_lite = ((1, 2, 1, 2, 1, 1, 1), (4, 6, 8, 10, 12, 14, 18), 8, 24)
    return [
        case("torchvision convnext-tiny", convnext(), 31, (64, 96)),
        case("narrow convnext, grey, odd sides", convnext((1, 2, 1, 1), (8, 12, 16, 24), 1, 3), 32, (71, 50), 2),
        case("efficientnet-lite0", lite0(), 44, (224, 224)),
        case("narrow efficientnet-lite, odd sides", lite(*narrow_lite), 45, (71, 50), 2),
        case("narrow efficientnet-lite, small", lite((1, 1, 2, 1, 1, 2, 1), (3, 5, 7, 9, 20, 4, 17), 20, 33, 2), 46, (34, 27), 2),
        case("monai resnet18 for volumes", resnet3d(), 33, (16, 20, 24)),
        case("monai resnet18 for volumes, odd sides", resnet3d(width=8, inputs=2), 34, (17, 13, 22), 2),
        case("narrow resnet for volumes, no bias", resnet3d((1, 1, 1, 1), 4, shortcut="project-without-bias"), 35, (16, 16, 16)),
        case("medicalnet resnet18", medicalnet(), 36, (24, 32, 32)),
        case("narrow resnet for volumes that pads", resnet3d((1, 2, 1, 1), 4, stem_stride=2, shortcut="pad"), 37, (25, 30, 19)),
        case("monai basic unet for volumes", unet3d(outputs=1, features=(8, 8, 16, 32, 64, 8)), 38, (32, 16, 16), every=11),
        case("monai basic unet for volumes, odd sides", unet3d(outputs=1, **narrow), 39, (17, 18, 33), every=11),
        case("monai basic unet for volumes, batch norm", unet3d(norm="batch", outputs=1, **narrow), 40, (16, 32, 18), every=11),
    ]


def files():
    """Small files of weights as training runs and MedicalNet write them."""
    folder = HERE / "files"
    model, _ = convnext((1, 1, 2, 1), (2, 4, 4, 8), 1, 3)
    fill(model, 41)
    state = {f"module.{name}": tensor for name, tensor in model.state_dict().items()}
    torch.save({"model": state, "epoch": 1}, folder / "convnext.pt")
    model, _ = lite((1,) * 7, (2, 3, 2, 4, 3, 2, 4), 2, 3)
    fill(model, 47)
    torch.save(model.state_dict(), folder / "efficientnet-lite.pt")
    model, _ = resnet3d((1, 1, 1, 1), 2, outputs=0, shortcut="pad")
    fill(model, 42)
    state = {f"module.{name}": tensor for name, tensor in model.state_dict().items()}
    torch.save({"state_dict": state}, folder / "medicalnet.pth")
    model, _ = unet3d((2, 2, 2, 2, 4, 2))
    fill(model, 43)
    torch.save(model.state_dict(), folder / "monai-unet-3d.pt")


def main():
    torch.manual_seed(0)
    torch.set_num_threads(2)
    made_by = {
        "torch": torch.__version__.split("+")[0],
        "torchvision": torchvision.__version__.split("+")[0],
        "monai": monai.__version__,
    }
    write("networks.json", {"made_by": made_by, "cases": cases()})
    files()


if __name__ == "__main__":
    main()
