"""The other programs' side: `contender.py WORK...`, asked over standard input as `chiasm-peer` is.

`time SECONDS` is answered with the seconds of each run in as much time, three at least, one of a series; `answer` with what the
work gave.
"""

import json
import pathlib
import sys
import time

THREADS = 2
PLACES = 1009
#: Runs before anything is asked, and the fewest that are timed together. A run over a series decodes many pictures, and the one
#: that gives the answer comes first.
RUNS, RUNS_OF_A_SERIES = (3, 3), (0, 1)


def checksum(values):
    """Count, sum, and sum with weights by place, as `chiasm-peer` has them."""
    import numpy as np

    flat = np.asarray(values, dtype=np.float64).reshape(-1)
    return [float(flat.size), float(flat.sum()), float((flat * (np.arange(flat.size) % PLACES)).sum())]


def pictures(path, batch):
    import numpy as np

    return np.fromfile(path, dtype="<f4")[: batch * 3 * 224 * 224].reshape(batch, 3, 224, 224)


def score_torch(folder, batch):
    """torch in eager mode, as most serve it: values in memory to outputs in memory."""
    import safetensors.torch
    import torch
    import torchvision

    torch.set_num_threads(THREADS)
    model = torchvision.models.densenet121(weights=None)
    model.load_state_dict(safetensors.torch.load_file(f"{folder}/densenet121.safetensors"))
    model.eval()
    values = pictures(f"{folder}/pictures.f32", int(batch))

    def run(answer):
        with torch.inference_mode():
            out = model(torch.from_numpy(values.copy())).numpy()
        return out.reshape(-1).tolist() if answer else None

    return run


def score_onnxruntime(folder, batch):
    """onnxruntime on the export of the same weights."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(f"{folder}/densenet121.onnx", options, providers=["CPUExecutionProvider"])
    values = pictures(f"{folder}/pictures.f32", int(batch))
    name = session.get_inputs()[0].name

    def run(answer):
        out = session.run(None, {name: values.copy()})[0]
        return out.reshape(-1).tolist() if answer else None

    return run


def decode(plugin, *paths):
    """pydicom from the bytes of files in memory to arrays, one after the other, by one decoding plugin; native pixels need none.
    What each gave is summed up."""
    import io

    import pydicom
    from pydicom.pixels import pixel_array

    files = [pathlib.Path(path).read_bytes() for path in paths]
    options = {} if plugin == "numpy" else {"decoding_plugin": plugin}

    def run(answer):
        sums = [0.0, 0.0, 0.0]
        for data in files:
            array = pixel_array(pydicom.dcmread(io.BytesIO(data)), **options)
            if answer:
                sums = [sum_ + own for sum_, own in zip(sums, checksum(array))]
        return sums

    return run


def series(plugin, folder):
    """All files of a folder."""
    return decode(plugin, *sorted(pathlib.Path(folder).iterdir()))


def volume_monai(folder):
    """MONAI's reader on pydicom, the folder of a series to a tensor of Hounsfield units."""
    import monai
    import numpy as np
    import torch

    torch.set_num_threads(THREADS)
    # the series' own axes: with `swap_ij` slices would be transposed
    load = monai.transforms.LoadImage(reader=monai.data.PydicomReader(swap_ij=False), image_only=True, dtype=np.float32)

    def run(answer):
        tensor = load(folder)
        # rows, columns, slices, to the order of the other side
        return checksum(np.moveaxis(np.asarray(tensor), -1, 0)) if answer else None

    return run


def evaluate_sklearn(scores, labels):
    import numpy as np
    from sklearn import metrics

    probability, positive = np.fromfile(scores, dtype="<f8"), np.fromfile(labels, dtype="u1")

    def run(answer):
        return [
            float(metrics.roc_auc_score(positive, probability)),
            float(metrics.average_precision_score(positive, probability)),
            float(metrics.brier_score_loss(positive, probability)),
            float(metrics.log_loss(positive, probability)),
        ]

    return run


WORK = {
    "score-torch": score_torch,
    "score-onnxruntime": score_onnxruntime,
    "decode": decode,
    "series": series,
    "volume-monai": volume_monai,
    "evaluate-sklearn": evaluate_sklearn,
}


def main():
    run = WORK[sys.argv[1]](*sys.argv[2:])
    warm_up, least = RUNS_OF_A_SERIES if sys.argv[1] == "series" else RUNS
    for _ in range(warm_up):
        run(False)
    print("ready", flush=True)
    for line in sys.stdin:
        words = line.split()
        if words[0] == "answer":
            print(json.dumps(run(True)), flush=True)
            continue
        samples, began = [], time.perf_counter()
        while len(samples) < least or time.perf_counter() - began < float(words[1]):
            start = time.perf_counter()
            run(False)
            samples.append(time.perf_counter() - start)
        print(json.dumps(samples), flush=True)


if __name__ == "__main__":
    main()
