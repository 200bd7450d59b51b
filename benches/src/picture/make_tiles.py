"""Makes `tile-90.j2k` and `tile-91.j2k`: 256 x 256 samples of 12 bits, encoded by OpenJPEG without loss (5/3) and with loss (9/7, 1:10).

    python3 -m venv venv && venv/bin/pip install -r benches/peers/requirements.txt
    venv/bin/python benches/src/picture/make_tiles.py

No library of the product writes JPEG 2000, so the benchmarks' pictures repeat these tiles (`jpeg2000.rs`). They show a soft
edge, a slope and noise of a detector, drawn from a seed.
"""

import pathlib

import numpy as np
from openjpeg.utils import encode_array

HERE = pathlib.Path(__file__).parent
SIDE = 256

random = np.random.default_rng(1)
row, column = np.mgrid[0:SIDE, 0:SIDE] / SIDE
soft = 1900 + 700 * row - 500 * column + 600 / (1 + np.exp(-(np.hypot(row - 0.5, column - 0.4) - 0.3) * 40))
tile = np.clip(soft + random.normal(0, 12, soft.shape), 0, 4095).astype(np.uint16)
for name, options in (("tile-90", {}), ("tile-91", {"compression_ratios": [10]})):
    coded = encode_array(tile, bits_stored=12, codec_format=0, **options)
    (HERE / f"{name}.j2k").write_bytes(coded)
    print(name, len(coded), "bytes")
