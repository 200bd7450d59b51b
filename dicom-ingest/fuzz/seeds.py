"""Makes the seeds of the fuzz targets: small files, and first fragments behind the five bytes of attributes that
the codec targets read. Only the standard library is needed; where DCMTK's tools are there, they code small pictures.

    python3 seeds.py DATA OWN OUT

OWN is what the target `seeds` wrote: our malformed files, sound pictures of 16 x 16, and answers about such files.
"""

import io
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path

# Longer ones make every input that comes of them slow.
LARGEST = 4096
# As the targets bound it: larger pictures are refused before their codestream is looked at.
SAMPLES = 65536
# As `scripts/fuzz` bounds the inputs.
LONGEST_ARCHIVE = 1024
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
WHOLE = ["prescan", "header", "file", "deidentify"]
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


def archive(*entries, comment=b"", unseekable=False):
    """An archive of entries: name, content, method. A stream that cannot be gone back in has descriptors behind the entries."""
    stream = Pipe() if unseekable else io.BytesIO()
    with zipfile.ZipFile(stream, "w") as written:
        for name, data, method in entries:
            written.writestr(name, data, method)
        written.comment = comment
    return stream.getvalue()


class Pipe(io.BytesIO):
    def seekable(self):
        return False

    def seek(self, *_):
        raise io.UnsupportedOperation

    def tell(self):
        raise io.UnsupportedOperation


def archives():
    """Short archives of each kind that is told apart."""
    stored, deflated = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
    short = bytes(128) + b"DICM" + b"\x02\0\x10\0UI\x12\0" + b"1.2.840.10008.1.2\0"
    inner = archive(("x", b"", stored))
    yield "empty-archive", archive()
    yield "two", archive(("a", short, deflated), ("b", b"text " * 9, deflated))
    yield "folder", archive(("d/", b"", stored), ("d/a", short, stored), comment=b"of two")
    yield "nested", archive(("a.zip", inner, stored), ("b.zip", inner, deflated))
    yield "escape", archive(("../a", b"x", stored))
    yield "descriptors", archive(("a", short, deflated), ("b", b"y" * 99, stored), unseekable=True)
    yield "bzip2", archive(("a", short, zipfile.ZIP_BZIP2))
    encrypted = bytearray(archive(("a", b"secret", stored)))
    record = encrypted.find(b"PK\x01\x02")
    encrypted[6] |= 1
    encrypted[record + 8] |= 1
    yield "encrypted", bytes(encrypted)
    yield "wide", wide(short)


def wide(data):
    """An archive whose sizes and places are 64-bit ones, with the record and locator of such an archive."""
    name, whole = b"a", 0xFFFFFFFF
    entry = struct.pack("<4s5H3I2H", b"PK\x03\x04", 45, 0, 0, 0, 33, zlib.crc32(data), len(data), len(data), 1, 0)
    entry += name + data
    extra = struct.pack("<HHQQQ", 1, 24, len(data), len(data), 0)
    record = struct.pack(
        "<4s6H3I5H2I", b"PK\x01\x02", 45, 45, 0, 0, 0, 33, zlib.crc32(data), whole, whole, 1, len(extra), 0, 0, 0, 0, whole
    )
    record += name + extra
    at = len(entry) + len(record)
    end = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, len(record), len(entry))
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, at, 1)
    return entry + record + end + locator + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, whole, whole, 0)


def coded(pictures, scratch):
    """Sound pictures as DCMTK codes them: JPEG of each process, JPEG-LS."""
    ways = [["dcmcjpeg", "+eb"], ["dcmcjpeg", "+ee"], ["dcmcjpeg", "+el"], ["dcmcjpeg", "+e1"]]
    ways += [["dcmcjpls", "+el"], ["dcmcjpls", "+en"]]
    for tool, *options in ways:
        for path in pictures if shutil.which(tool) else []:
            made = scratch / f"{path.stem}{tool}{options[0]}.dcm"
            run = subprocess.run([tool, *options, path, made], capture_output=True, check=False)
            if run.returncode == 0 and made.exists():
                yield made


def item(kind, body):
    """An item of an association (PS3.8 9.3.2)."""
    return struct.pack(">BxH", kind, len(body)) + body


def pdu(kind, body):
    return struct.pack(">BxI", kind, len(body)) + body


def command(*elements):
    body = b"".join(struct.pack("<HHI", 0, element, len(value)) + value for element, value in elements)
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def fragments(context, *parts):
    """P-DATA-TF of values: whether a command, whether the last of its message, and bytes."""
    values = (struct.pack(">IBB", len(data) + 2, context, command | last << 1) + data for command, last, data in parts)
    return pdu(4, b"".join(values))


def associations():
    """What a sender says: a request, an echo, a store in pieces, the end."""
    verification, store = b"1.2.840.10008.1.1", b"1.2.840.10008.5.1.4.1.1.2"
    syntaxes = item(0x40, b"1.2.840.10008.1.2") + item(0x40, b"1.2.840.10008.1.2.1")
    contexts = b"".join(
        item(0x20, bytes([number, 0, 0, 0]) + item(0x30, name) + syntaxes)
        for number, name in ((1, verification), (3, store))
    )
    user = item(0x51, struct.pack(">I", 131072)) + item(0x52, b"1.2.3") + item(0x55, b"SENDER_1")
    roles = item(0x54, struct.pack(">H", len(store)) + store + b"\1\0")
    extended = item(0x56, struct.pack(">H", len(store)) + store + b"\1\1")
    identity = item(0x58, b"\2\0" + struct.pack(">H", 4) + b"user" + struct.pack(">H", 4) + b"pass")
    window = item(0x53, struct.pack(">HH", 1, 1))
    fixed = struct.pack(">HH", 1, 0) + b"CHIASM".ljust(16) + b"SENDER".ljust(16) + bytes(32)
    name = item(0x10, b"1.2.840.10008.3.1.1.1")
    request = pdu(1, fixed + name + contexts + item(0x50, user + roles + extended + identity + window))
    answers = b"".join(item(0x21, bytes([number, 0, reason, 0]) + syntaxes[:21]) for number, reason in ((1, 0), (3, 3)))
    accepted = pdu(2, fixed + name + answers + item(0x50, user))
    number = lambda value: struct.pack("<H", value)
    echo = command((2, verification + b"\0"), (0x100, number(0x30)), (0x110, number(1)), (0x800, number(0x101)))
    stored = command(
        (2, store + b"\0"), (0x100, number(1)), (0x110, number(2)), (0x700, number(0)), (0x800, number(1)),
        (0x1000, b"1.2.3.4\0"),
    )
    data = fragments(3, (0, 0, b"\x08\0\x16\0"), (0, 1, b"UI\0\0"))
    release, answer, abort, reject = pdu(5, bytes(4)), pdu(6, bytes(4)), pdu(7, bytes([0, 0, 2, 1])), pdu(3, b"\0\1\1\7")
    said = fragments(1, (1, 1, echo)), fragments(3, (1, 0, stored[:20]), (1, 1, stored[20:]))
    store = fragments(3, (1, 1, stored))
    yield from (request, accepted, *said, store, data, release, answer, abort, reject, pdu(9, b"?"))
    yield b"".join((request, *said, store, data, release))


def main(source, own, out):
    def write(target, name, seed):
        folder = out / target
        folder.mkdir(parents=True, exist_ok=True)
        if len(seed) <= LARGEST:
            (folder / name).write_bytes(seed)

    def whole(name, data):
        for target in WHOLE:
            write(target, name, data)
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            packed = archive(("a.dcm", data, method))
            # What is cut off has no directory, and is no archive.
            if len(packed) <= LONGEST_ARCHIVE:
                write("archive", f"{name}-{method}", packed)
        uid = syntax(data)
        if uid == DEFLATED:
            write("deflate", name, data_set(data))
        elif uid == b"1.2.840.10008.1.2.1":
            packer = zlib.compressobj(wbits=-15)
            write("deflate", name, packer.compress(data_set(data)) + packer.flush())
        elif uid in CODECS and number(data, 0x10) * number(data, 0x11) <= SAMPLES and (frame := fragment(data)):
            write(CODECS[uid], name, attributes(data) + frame)

    for target in [*WHOLE, "deflate", "archive", "pdu", "answers", *CODECS.values()]:
        write(target, "empty", b"")
    for index, said in enumerate(associations()):
        write("pdu", f"{index:02}", said)
    files = sorted(path for path in source.rglob("*") if path.is_file())
    for index, path in enumerate(files):
        if 144 <= path.stat().st_size <= 256 * LARGEST:
            data = path.read_bytes()
            if data[128:132] == b"DICM":
                whole(f"{index:05}", data)
    for path in own.glob("*.answers"):
        write("answers", path.name, path.read_bytes())
    for name, data in archives():
        write("archive", name, data)
    made = sorted(own.glob("*.dcm"))
    with tempfile.TemporaryDirectory() as scratch:
        pictures = [path for path in made if path.name.startswith("sound") and "Explicit" in path.name]
        for path in [*made, *coded(pictures, Path(scratch))]:
            whole(path.stem, path.read_bytes())


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
