"""Makes what both sides are given: weights and their export, pictures, DICOM files of every transfer syntax, a CT series, scores.

`inputs.py OUT` writes them once; a second call finds them. Everything is drawn from a seed, nothing is downloaded.
"""

import json
import pathlib
import sys

import numpy as np

SIDE = 2048
SLICES = 135
SCORES = 100_000
#: Name, transfer syntax, and which plugins of pydicom read it.
SYNTAXES = [
    ("explicit", "1.2.840.10008.1.2.1", ["numpy"]),
    ("deflated", "1.2.840.10008.1.2.1.99", ["numpy"]),
    ("rle", "1.2.840.10008.1.2.5", ["pydicom", "pylibjpeg"]),
    ("jpeg-baseline", "1.2.840.10008.1.2.4.50", ["pylibjpeg", "gdcm"]),
    ("jpeg-lossless", "1.2.840.10008.1.2.4.70", ["pylibjpeg", "gdcm"]),
    ("jpeg-ls", "1.2.840.10008.1.2.4.80", ["pyjpegls", "pylibjpeg", "gdcm"]),
    ("jpeg-2000-lossless", "1.2.840.10008.1.2.4.90", ["pylibjpeg", "gdcm"]),
    ("jpeg-2000-lossy", "1.2.840.10008.1.2.4.91", ["pylibjpeg", "gdcm"]),
]
#: Those of which a CT series is decoded too, and the plugins that may be the fastest.
SERIES = {
    "explicit": ["numpy"],
    "rle": ["pylibjpeg"],
    "jpeg-lossless": ["pylibjpeg", "gdcm"],
    "jpeg-ls": ["pyjpegls", "gdcm"],
    "jpeg-2000-lossless": ["pylibjpeg", "gdcm"],
}
#: Those that a decoder can read on several threads.
SPLIT = ["jpeg-2000-lossless", "jpeg-2000-lossy"]


def radiograph(random):
    """2048 x 2048, 12 bits: soft shapes and the noise of a detector."""
    row, column = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    lungs = sum(np.exp(-(((column - c) / 0.13) ** 2 + ((row - 0.45) / 0.28) ** 2) ** 2) for c in (0.3, 0.7))
    ribs = 0.06 * np.sin(40 * row + 6 * np.abs(column - 0.5)) * (lungs > 0.3)
    density = 2600 - 1500 * lungs + 2000 * ribs + 300 * np.exp(-(((column - 0.5) / 0.05) ** 2))
    return np.clip(density + random.normal(0, 12, density.shape), 0, 4095).astype(np.uint16)


def dataset(number, rows, columns):
    """The elements that every instance has."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    meta.MediaStorageSOPInstanceUID = f"2.25.8001.{number}"
    own = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    own.SOPClassUID, own.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    own.StudyInstanceUID, own.SeriesInstanceUID = "2.25.8001", "2.25.8002"
    own.PatientID, own.PatientName = "PEERS", "Peers^Pat"
    own.StudyDate, own.StudyTime, own.Modality, own.InstanceNumber = "20240506", "070809", "DX", number
    own.Rows, own.Columns, own.SamplesPerPixel, own.PhotometricInterpretation = rows, columns, 1, "MONOCHROME2"
    own.BitsAllocated, own.BitsStored, own.HighBit, own.PixelRepresentation = 16, 12, 11, 0
    own.PixelSpacing = [0.7, 0.7]
    return own


def write(own, samples, name, uid, path):
    """The data set with this picture as a file of this transfer syntax."""
    own.PixelData = samples.astype("<u2").tobytes()
    if name == "jpeg-baseline":
        own.BitsAllocated, own.BitsStored, own.HighBit = 8, 8, 7
        own.PixelData = (samples >> 4).astype("u1").tobytes()
    if name in ("jpeg-baseline", "jpeg-lossless"):
        by_gdcm(own, uid, path)
        return
    if name == "rle":
        own.compress(uid, encoding_plugin="pylibjpeg")
    elif name == "jpeg-ls":
        own.compress(uid, encoding_plugin="pyjpegls")
    elif name == "jpeg-2000-lossless":
        own.compress(uid, encoding_plugin="pylibjpeg")
    elif name == "jpeg-2000-lossy":
        own.compress(uid, encoding_plugin="pylibjpeg", j2k_cr=[10])
    own.file_meta.TransferSyntaxUID = uid
    own.save_as(path, enforce_file_format=True)


def by_gdcm(own, uid, path):
    """The data set, encoded by GDCM, as a file."""
    import gdcm

    own.save_as(path, enforce_file_format=True)
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    if not reader.Read():
        raise RuntimeError(f"GDCM does not read `{path}`")
    change = gdcm.ImageChangeTransferSyntax()
    syntax = gdcm.TransferSyntax.JPEGBaselineProcess1 if uid.endswith(".50") else gdcm.TransferSyntax.JPEGLosslessProcess14_1
    change.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    change.SetInput(reader.GetImage())
    if not change.Change():
        raise RuntimeError(f"GDCM does not encode {uid}")
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    if not writer.Write():
        raise RuntimeError(f"GDCM does not write `{path}`")


def decoding(out, random):
    samples = radiograph(random)
    for name, uid, _ in SYNTAXES:
        write(dataset(1, *samples.shape), samples, name, uid, out / f"{name}.dcm")


def slice_of(index):
    """A slice of a CT as a data set without pixels."""
    own = dataset(index + 1, 512, 512)
    own.SOPClassUID = own.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    own.Modality, own.FrameOfReferenceUID = "CT", "2.25.8003"
    own.ImagePositionPatient, own.ImageOrientationPatient = [-180, -180, 1.25 * index], [1, 0, 0, 0, 1, 0]
    own.RescaleIntercept, own.RescaleSlope, own.SliceThickness = -1024, 1, 1.25
    return own


def series(out, random):
    """A CT of 135 slices of 512 x 512, in a folder of each transfer syntax."""
    uids = {name: uid for name, uid, _ in SYNTAXES if name in SERIES}
    for name in uids:
        (out / f"ct-{name}").mkdir(exist_ok=True)
    row, column = np.mgrid[0:512, 0:512] / 256 - 1
    for index in range(SLICES):
        wide = 0.30 + 0.12 * np.sin(np.pi * index / SLICES)
        hounsfield = np.where((column / 0.85) ** 2 + (row / 0.62) ** 2 < 1, 40, -1000)
        for side in (-0.42, 0.42):
            hounsfield = np.where(((column - side) / wide) ** 2 + (row / 0.42) ** 2 < 1, -860, hounsfield)
        noisy = np.clip(hounsfield + 1024 + random.normal(0, 20, hounsfield.shape), 0, 4095)
        for name, uid in uids.items():
            write(slice_of(index), noisy.astype(np.uint16), name, uid, out / f"ct-{name}" / f"{index:04}.dcm")


def scoring(out):
    """DenseNet-121 with seeded weights that keep the outputs near 1, its export, and pictures."""
    import safetensors.torch
    import torch
    import torchvision

    torch.manual_seed(1)
    model = torchvision.models.densenet121(weights=None)
    with torch.no_grad():
        for name, tensor in model.named_buffers():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5)
            elif name.endswith("running_mean"):
                tensor.uniform_(-0.1, 0.1)
    model.eval()
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    safetensors.torch.save_file(state, out / "densenet121.safetensors")
    pictures = torch.rand(8, 3, 224, 224)
    pictures.numpy().astype("<f4").tofile(out / "pictures.f32")
    torch.onnx.export(
        model, (pictures[:1],), out / "densenet121.onnx", input_names=["pictures"], output_names=["logits"],
        dynamo=False, opset_version=17, dynamic_axes={"pictures": {0: "batch"}, "logits": {0: "batch"}},
    )


def evaluation(out, random):
    labels = random.random(SCORES) < 0.2
    scores = 1 / (1 + np.exp(-(random.normal(0, 1, SCORES) + 1.5 * labels - 1.8)))
    scores.astype("<f8").tofile(out / "scores.f64")
    labels.astype("u1").tofile(out / "labels.u8")


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    done = out / "done.json"
    if done.exists():
        return
    random = np.random.default_rng(1)
    decoding(out, random)
    series(out, random)
    scoring(out)
    evaluation(out, random)
    done.write_text(json.dumps({"seed": 1}))


if __name__ == "__main__":
    main()
