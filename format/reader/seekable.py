"""Streams of zstd in the seekable format (format/README.md, "Compression")."""
from __future__ import annotations

from hashlib import sha256
from itertools import count
from typing import Iterator

from header import Failure, Source, damaged, need

MAX_CONTENT = 4 << 20  # of a frame
MAX_FRAME = MAX_CONTENT + (64 << 10)
MAX_WINDOW = 8 << 20
MAX_FRAMES = 1 << 27


def malformed(words: str) -> Failure:
    return damaged("compressed stream: " + words)


def decompress(src: Source) -> Iterator[bytes]:
    """The content, frame after frame. The entries that the seek table must have are kept as a
    hash, since a stream may have 2^27 frames."""
    import zstandard

    decoder = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
    entries = sha256()
    for n in count():
        magic = need(src, 4, "the compressed stream")
        if magic == b"\x5e\x2a\x4d\x18":
            return check_table(src, n, entries.digest())
        if n == MAX_FRAMES:
            raise malformed(f"more than {MAX_FRAMES} frames")
        frame, size = read_frame(src, magic)
        try:
            content = decoder.decompress(frame, max_output_size=size)
        except zstandard.ZstdError as e:
            raise malformed(f"frame {n}: {e}") from None
        if len(content) != size:
            raise malformed(f"frame {n} has another content size than it states")
        entries.update(len(frame).to_bytes(4, "little") + size.to_bytes(4, "little"))
        yield content


def read_frame(src: Source, magic: bytes) -> tuple[bytes, int]:
    """One frame (RFC 8878, section 3.1.1), and the size of its content."""
    frame = bytearray(magic)

    def more(n: int) -> int:
        if len(frame) + n > MAX_FRAME:
            raise malformed("a frame is too long")
        b = need(src, n, "the compressed stream")
        frame.extend(b)
        return int.from_bytes(b, "little")

    flags = more(1)
    if magic != b"\x28\xb5\x2f\xfd" or flags & 0x08:
        raise malformed("no frame begins where one should")
    single = bool(flags & 0x20)
    exponent = 0 if single else more(1)
    window = (8 + (exponent & 7)) << (7 + (exponent >> 3))
    dictionary = more((0, 1, 2, 4)[flags & 3])
    size_bytes = (1 if single else 0, 2, 4, 8)[flags >> 6]
    size = more(size_bytes) + (256 if size_bytes == 2 else 0)
    if single:
        window = size
    if dictionary or not size_bytes or not 1 <= size <= MAX_CONTENT or window > MAX_WINDOW:
        raise malformed("a frame is over its bounds")
    last = False
    while not last:
        block = more(3)
        last, kind, length = bool(block & 1), block >> 1 & 3, block >> 3
        if kind == 3 or length > min(window, 128 << 10):
            raise malformed("a block is over its bounds")
        more(1 if kind == 1 else length)
    more(4 if flags & 0x04 else 0)
    return bytes(frame), size


def check_table(src: Source, frames: int, want: bytes) -> None:
    """The seek table behind its magic, and that nothing follows it."""
    size = int.from_bytes(need(src, 4, "the seek table"), "little")
    entry = 12 if frames and size == 12 * frames + 9 else 8
    if size != entry * frames + 9:
        raise malformed(f"the seek table should have another size than {size}")
    entries = sha256()
    for _ in range(frames):
        entries.update(need(src, entry, "the seek table")[:8])
    foot = need(src, 9, "the seek table")
    flags = (0, 0x80) if not frames else (0x80 if entry == 12 else 0,)
    if (entries.digest() != want or foot[:4] != frames.to_bytes(4, "little")
            or foot[4] not in flags or foot[5:] != b"\xb1\xea\x92\x8f"):
        raise malformed("the seek table is not that of the frames before it")
    if src.read(1):
        raise malformed("something follows the seek table")
