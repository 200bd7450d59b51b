"""Makes `costs.json`: FLOP of published networks as PyTorch counts them, which `tests/it/costs.rs` compares with our count.

    python3 -m venv venv && venv/bin/pip install torch torchvision monai efficientnet_lite_pytorch==0.1.0
    venv/bin/python models/tests/reference/make_costs.py

`torch.utils.flop_counter` watches a forward pass and counts convolutions and matrix products, two a multiply-add, biases,
normalisation and poolings left out. torchvision states multiply-adds for the first three in its weights' documentation
(1.81, 4.09 and 2.83 G at 224 px, 3 channels and 1000 outputs): half of what is here. Pictures of odd and unequal sides are
counted too, since roundings of strides differ there.
"""

import json
import pathlib

import monai
import torch
import torchvision
from efficientnet_lite_pytorch import EfficientNet
from torch.utils.flop_counter import FlopCounterMode

HERE = pathlib.Path(__file__).parent
TORCHVISION = ["resnet18", "resnet50", "densenet121"]
#: Batch, channels, height, width, outputs.
SHAPES = [(1, 3, 224, 224, 1000), (8, 3, 224, 224, 1000), (1, 3, 97, 160, 14), (2, 3, 64, 33, 2)]


def counted(model, shape):
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model.eval()(torch.zeros(*shape))
    return counter.get_total_flops()


cases = []
for name in TORCHVISION:
    for batch, channels, height, width, outputs in SHAPES:
        model = getattr(torchvision.models, name)(weights=None, num_classes=outputs)
        shape = [batch, channels, height, width]
        cases.append({"name": name, "shape": shape, "outputs": outputs, "flop": counted(model, shape)})
for batch, channels, height, width, outputs in SHAPES:
    # padding by the size of what comes in
    model = EfficientNet.from_name("efficientnet-lite0", image_size=None, num_classes=outputs)
    shape = [batch, channels, height, width]
    cases.append({"name": "efficientnet-lite0", "shape": shape, "outputs": outputs, "flop": counted(model, shape)})
for shape in ([1, 1, 64, 96], [2, 2, 128, 128]):
    model = monai.networks.nets.BasicUNet(spatial_dims=2, in_channels=shape[1], out_channels=3)
    cases.append({"name": "basic-unet", "shape": shape, "outputs": 3, "flop": counted(model, shape)})
versions = {"torch": torch.__version__, "torchvision": torchvision.__version__, "monai": monai.__version__}
(HERE / "costs.json").write_text(json.dumps({"versions": versions, "cases": cases}, indent=1) + "\n")
for case in cases:
    print(case)
