"""A plain Python worker: takes requests from RabbitMQ, reads the study with pydicom, runs the same networks with onnxruntime,
writes a JSON of probabilities, acknowledges.

It has no ledger, isolation, record, risks, saliency, FHIR, page or structured report: what it does is a part of what
`chiasm worker` does for the same study.

    python_worker.py URL QUEUE STUDIES NETWORK MANIFEST OUT THREADS
"""

import json
import os
import pathlib
import sys

import numpy as np
import onnxruntime
import pika
import pydicom
from PIL import Image
from pydicom.pixels import apply_rescale, apply_windowing, pixel_array


def grey(dataset):
    """The first frame from 0 (black) to 1 (white) by rescale and window."""
    array = apply_windowing(apply_rescale(pixel_array(dataset), dataset), dataset).astype(np.float32)
    low, high = 0.0, float(2**dataset.BitsStored - 1)
    array = np.clip((array - low) / (high - low), 0, 1)
    return 1 - array if dataset.PhotometricInterpretation == "MONOCHROME1" else array


def resized(picture, side):
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BILINEAR))


def standardised(picture):
    return ((picture - picture.mean()) / max(picture.std(), 1e-3)).astype(np.float32)[None, None]


class Reader:
    def __init__(self, network, manifest, threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
        self.manifest = json.loads(pathlib.Path(manifest).read_text())

    def read(self, folder):
        path = next(path for path in sorted(folder.rglob("*")) if path.is_file())
        dataset = pydicom.dcmread(path)
        rule = self.manifest["preprocessing"]
        readout = rule["readout"]
        whole, margin = resized(grey(dataset), readout["side"]), readout["margin"]
        picture = resized(whole, rule["side"])
        small = resized(picture, rule["frontal_side"])
        cut = (2 * whole[margin:-margin, margin:-margin] - 1).astype(np.float32)[None, None]
        given = {"picture": standardised(picture), "small": standardised(small), "cut": cut}
        findings, frontal = self.session.run(None, given)
        probabilities = {}
        for label, logit in zip(self.manifest["labels"], findings[0]):
            calibration = label["calibration"]
            probabilities[label["name"]] = float(1 / (1 + np.exp(-(calibration["a"] * logit + calibration["b"]))))
        return {"study": str(dataset.StudyInstanceUID), "findings": probabilities, "frontal": float(frontal[0, 0])}


def write(out, report):
    """On the disk before the request is acknowledged."""
    partial = out / f".{report['study']}.json"
    with open(partial, "w") as file:
        json.dump(report, file)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(out / f"{report['study']}.json")


def main():
    url, queue, studies, network, manifest, out, threads = sys.argv[1:]
    studies, out = pathlib.Path(studies), pathlib.Path(out)
    reader = Reader(network, manifest, int(threads))
    channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
    channel.basic_qos(prefetch_count=2)
    print("ready", flush=True)
    for method, _, body in channel.consume(queue):
        write(out, reader.read(studies / json.loads(body)["study"]))
        channel.basic_ack(method.delivery_tag)


if __name__ == "__main__":
    main()
