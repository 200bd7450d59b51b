"""Makes the reference values of the pixel tests with pydicom, an implementation that shares no code with ours.

Usage: python3 make_reference.py DATA   (DATA holds dicom-corpus/, cxr-nih/ and cxr-hannover/)

Writes, beside this script, `jpeg-lossy.csv` (grey pictures coded by libjpeg through Pillow, with what libjpeg decodes),
and one line a grey file that pydicom reads:
  path,kind,frames,rows,columns,sha256,samples
`sha256` is that of all stored values as little-endian int32. `kind` is `lossless` or `lossy`; lossy files also have
`samples`: the stored values at 512 positions spread over all frames, joined by spaces (position i is at
(i * 2654435761 mod 2^32) mod count).

Made with pydicom 3.0.2, pylibjpeg 2.1.0 with libjpeg 2.5.0 and openjpeg 2.6.0, pyjpegls 1.5.1, numpy 2.4.6.
"""

import csv
import hashlib
import io
import pathlib
import sys
import warnings

import numpy
import pydicom
from PIL import Image

LOSSY = {
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.91",
}
POSITIONS = 512


def reference(path):
    """The reference of one file, or None when it is no grey image of 8 or 16 bits that pydicom reads."""
    dataset = pydicom.dcmread(path, force=True)
    grey = str(dataset.get("PhotometricInterpretation", "")).startswith("MONOCHROME")
    if not grey or dataset.get("SamplesPerPixel", 1) != 1 or dataset.get("BitsAllocated") not in (8, 16):
        return None
    pixels = dataset.pixel_array
    if pixels.dtype.kind not in "iu":
        return None
    if pixels.ndim == 2:
        pixels = pixels[numpy.newaxis]
    stored = numpy.ascontiguousarray(pixels.astype("<i4"))
    lossy = dataset.file_meta.TransferSyntaxUID in LOSSY
    flat = stored.reshape(-1)
    samples = ""
    if lossy:
        where = [(i * 2654435761 % 2**32) % flat.size for i in range(POSITIONS)]
        samples = " ".join(str(flat[i]) for i in where)
    frames, rows, columns = stored.shape
    digest = hashlib.sha256(stored.tobytes()).hexdigest()
    return ["lossy" if lossy else "lossless", frames, rows, columns, digest, samples]


def lossy_jpegs(out):
    """Small grey pictures, coded in the ways that grey JPEG comes in; no other data have grey lossy JPEG of 8 bits."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["name", "rows", "columns", "jpeg", "decoded"])
    rows, columns = 37, 45
    y, x = numpy.mgrid[0:rows, 0:columns]
    smooth = 128 + 90 * numpy.sin(x / 7.0) * numpy.cos(y / 5.0)
    noisy = smooth + numpy.random.default_rng(1).normal(0, 25, smooth.shape)
    for name, picture in [("smooth", smooth), ("noisy", noisy)]:
        image = Image.fromarray(numpy.clip(picture, 0, 255).astype(numpy.uint8))
        for quality in (10, 75, 100):
            for kind, options in [("baseline", {}), ("optimized", {"optimize": True}), ("progressive", {"progressive": True}),
                                  ("restarts", {"restart_marker_blocks": 2})]:
                coded = io.BytesIO()
                image.save(coded, "JPEG", quality=quality, **options)
                decoded = numpy.asarray(Image.open(coded))
                writer.writerow([f"{name}-{kind}-{quality}", rows, columns, coded.getvalue().hex(), decoded.tobytes().hex()])


def main():
    warnings.simplefilter("ignore")
    data = pathlib.Path(sys.argv[1])
    here = pathlib.Path(__file__).parent
    with open(here / "jpeg-lossy.csv", "w", newline="") as out:
        lossy_jpegs(out)
    for name, pattern in [
        ("dicom-corpus", None),
        ("cxr-nih", "studies/**/*.dcm"),
        ("cxr-hannover", "studies/**/*.dcm"),
    ]:
        folder = data / name
        if pattern is None:
            with open(folder / "manifest.csv", newline="") as manifest:
                files = [row["path"] for row in csv.DictReader(manifest)]
        else:
            files = [str(path.relative_to(folder)) for path in folder.glob(pattern)]
        with open(here / f"{name}.csv", "w", newline="") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(["path", "kind", "frames", "rows", "columns", "sha256", "samples"])
            for path in sorted(files):
                try:
                    line = reference(folder / path)
                except Exception as error:  # noqa: BLE001 - pydicom raises what its plugins raise
                    print(f"{name}/{path}: {type(error).__name__}", file=sys.stderr)
                    continue
                if line:
                    writer.writerow([path, *line])


main()
