"""Makes the seeds of the fuzz targets: small files, and first fragments behind the five bytes of attributes that
the codec targets read. Only the standard library is needed.

    python3 seeds.py DATA OUT
"""

import io
import re
import sys
import zipfile
import zlib
from pathlib import Path

LARGEST = 65536
CODECS = {
    b"1.2.840.10008.1.2.5": "rle",
    b"1.2.840.10008.1.2.4.50": "jpeg_baseline",
    b"1.2.840.10008.1.2.4.51": "jpeg_extended",
    b"1.2.840.10008.1.2.4.57": "jpeg_lossless",
    b"1.2.840.10008.1.2.4.70": "jpeg_lossless",
    b"1.2.840.10008.1.2.4.80": "jpeg_ls",
    b"1.2.840.10008.1.2.4.81": "jpeg_ls",
    b"1.2.840.10008.1.2.4.90": "jpeg2000",
    b"1.2.840.10008.1.2.4.91": "jpeg2000",
}
DEFLATED = b"1.2.840.10008.1.2.1.99"
WHOLE = ["prescan", "header", "file"]
PIXELS = b"\xe0\x7f\x10\x00"
ITEM = b"\xfe\xff\x00\xe0"


def number(data, element):
    """An attribute of group 0028 in explicit little endian; 0 where it is not there."""
    at = data.find(b"\x28\x00" + element.to_bytes(2, "little") + b"US\x02\x00")
    return int.from_bytes(data[at + 8 : at + 10], "little") if at >= 0 else 0


def fragment(data):
    """The first fragment behind the offset table, or nothing."""
    at = data.rfind(PIXELS)
    table = data.find(ITEM, at)
    if at < 0 or table < 0:
        return b""
    start = table + 8 + int.from_bytes(data[table + 4 : table + 8], "little")
    length = int.from_bytes(data[start + 4 : start + 8], "little")
    return data[start + 8 : start + 8 + length] if data[start : start + 4] == ITEM else b""


def attributes(data):
    """Rows, columns and bits as the codec targets read them."""
    size = number(data, 0x10).to_bytes(2, "little") + number(data, 0x11).to_bytes(2, "little")
    allocated, stored = number(data, 0x100), number(data, 0x101)
    unused = max(allocated - stored, 0) & 0x3F
    return size + bytes([int(allocated == 16) | (number(data, 0x103) & 1) << 1 | unused << 2])


def syntax(data):
    found = re.search(rb"\x02\x00\x10\x00UI..([0-9.]+)", data[:2048], re.DOTALL)
    return found.group(1) if found else b""


def data_set(data):
    """What stands behind the file meta information, by its group length."""
    return data[144 + int.from_bytes(data[140:144], "little") :]


def archive(data, method):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as written:
        written.writestr("a.dcm", data)
    return stream.getvalue()


def main(source, out):
    def write(target, name, seed):
        folder = out / target
        folder.mkdir(parents=True, exist_ok=True)
        if len(seed) <= LARGEST:
            (folder / name).write_bytes(seed)

    for target in [*WHOLE, "deflate", "archive", *CODECS.values()]:
        write(target, "empty", b"")
    files = sorted(path for path in source.rglob("*") if path.is_file())
    for index, path in enumerate(files):
        if path.stat().st_size > 64 * LARGEST or path.stat().st_size < 144:
            continue
        data = path.read_bytes()
        if data[128:132] != b"DICM":
            continue
        name = f"{index:05}"
        for target in WHOLE:
            write(target, name, data)
        if len(data) <= 8192:
            for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                write("archive", f"{name}-{method}", archive(data, method))
        uid = syntax(data)
        if uid == DEFLATED:
            write("deflate", name, data_set(data))
        elif uid == b"1.2.840.10008.1.2.1":
            packer = zlib.compressobj(wbits=-15)
            write("deflate", name, packer.compress(data_set(data)) + packer.flush())
        elif uid in CODECS and (coded := fragment(data)):
            write(CODECS[uid], name, attributes(data) + coded)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
