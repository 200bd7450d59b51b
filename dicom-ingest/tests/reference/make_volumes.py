"""Writes `volumes.csv`: what pydicom, numpy and scipy make of whole series.

Usage: make_volumes.py DATA > volumes.csv (Python 3 with pydicom, pyjpegls, numpy, scipy).

A row: series, slices, rows, columns, spacing (slice, row, column), origin, SHA-256 of the modality values as
little-endian 32-bit floats in slice order, then for a finer and a coarser grid its spacing, its size and values at
pseudo-random places. The finer one is scipy's linear interpolation; the coarser one a product of explicit matrices.
"""

import csv
import hashlib
import pathlib
import sys

import numpy
import pydicom
from scipy.ndimage import map_coordinates

SERIES = ["ct-chest/ct", "ct-chest/pet", "mr-prostate/t2tsetra", "mr-prostate/ADC"]
PLACES = 100


def triangle(size, spacing, wanted):
    """The matrix from voxels of one spacing to those of another, coarser one."""
    count = int(numpy.floor((size - 1) * spacing / wanted + 1e-6)) + 1
    scale = wanted / spacing
    distance = numpy.abs(numpy.arange(size)[None, :] - (numpy.arange(count) * scale)[:, None])
    weights = numpy.clip(1 - distance / max(scale, 1), 0, None)
    return weights / weights.sum(axis=1, keepdims=True)


def text(numbers):
    return " ".join(repr(float(number)) for number in numbers)


def places(size):
    flat = [(i * 2654435761 % 2**32) % int(numpy.prod(size)) for i in range(PLACES)]
    return numpy.unravel_index(flat, size)


def reference(folder):
    files = [pydicom.dcmread(path) for path in sorted(folder.iterdir()) if path.suffix == ".dcm"]
    orientation = numpy.array(files[0].ImageOrientationPatient, float)
    normal = numpy.cross(orientation[:3], orientation[3:])
    files.sort(key=lambda one: numpy.dot(normal, numpy.array(one.ImagePositionPatient, float)))
    along = [numpy.dot(normal, numpy.array(one.ImagePositionPatient, float)) for one in files]
    step = (along[-1] - along[0]) / (len(along) - 1)
    slopes = [(float(one.get("RescaleSlope", 1)), float(one.get("RescaleIntercept", 0))) for one in files]
    values = [one.pixel_array * slope + intercept for one, (slope, intercept) in zip(files, slopes)]
    volume = numpy.stack(values).astype("<f4")
    spacing = numpy.array([step, *map(float, files[0].PixelSpacing)])
    row = [*volume.shape, text(spacing), text(files[0].ImagePositionPatient)]
    row.append(hashlib.sha256(volume.tobytes()).hexdigest())
    finer, coarser = spacing * [0.7, 0.8, 0.9], spacing * [1.5, 2.5, 2.0]
    size = [int(numpy.floor((n - 1) * a / b + 1e-6)) + 1 for n, a, b in zip(volume.shape, spacing, finer)]
    where = places(size)
    at = [index * (b / a) for index, a, b in zip(where, spacing, finer)]
    row += [text(finer), text(size), text(map_coordinates(volume.astype(float), at, order=1, mode="nearest"))]
    matrices = [triangle(n, a, b) for n, a, b in zip(volume.shape, spacing, coarser)]
    small = numpy.einsum("zs,srk->zrk", matrices[0], volume.astype(float))
    small = numpy.einsum("yr,zrk->zyk", matrices[1], small)
    small = numpy.einsum("xk,zyk->zyx", matrices[2], small)
    row += [text(coarser), text(small.shape), text(small[places(small.shape)])]
    return row


def main(data):
    writer = csv.writer(sys.stdout, lineterminator="\n")
    head = "series,slices,rows,columns,spacing,origin,sha256,finer,finer_size,finer_values"
    writer.writerow(head.split(",") + ["coarser", "coarser_size", "coarser_values"])
    for series in SERIES:
        writer.writerow([series, *reference(pathlib.Path(data) / series)])


if __name__ == "__main__":
    main(*sys.argv[1:])
