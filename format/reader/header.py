"""The header of a sealed file (format/README.md, "Layout" and "What a reader refuses"), and what
the other modules have in common."""
from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha512
from typing import Iterable, Iterator, Protocol

MAX_CONTEXT = 65536
MAX_HEADER = 16 << 20
MAX_SLOTS = 64  # unless told otherwise


class Failure(Exception):
    """Why a file is not opened. kind is a key of EXIT."""

    def __init__(self, kind: str, words: str) -> None:
        super().__init__(words)
        self.kind = kind


def damaged(words: str) -> Failure:
    return Failure("damaged", "damaged: " + words)


class Source(Protocol):
    def read(self, n: int, /) -> bytes:
        """n bytes, or fewer at the end of the input. A failure to read is an OSError."""


def need(src: Source, n: int, what: str) -> bytes:
    b = src.read(n)
    if len(b) < n:
        raise damaged(f"truncated: the input ends within {what}")
    return b


class Pieces:
    """What an iterator gives, as a Source."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.pieces, self.have = iter(pieces), bytearray()

    def read(self, n: int) -> bytes:
        while len(self.have) < n and (piece := next(self.pieces, None)) is not None:
            self.have += piece
        b = bytes(self.have[:n])
        del self.have[:n]
        return b


# Header

@dataclass
class Slot:
    """A slot of type 1, or of type 2 with a known scheme."""
    key_id: str
    blob: bytes     # what KMS decrypts
    context: bytes  # with this encryption context
    scheme: int = 0  # of a pair; 0 in a slot of type 1
    public_key_id: bytes = b""
    sealed: bytes = b""


@dataclass
class Header:
    chunk_size: int
    compressed: bool
    file_id: bytes
    digest: bytes  # D
    commitment: bytes
    slots: list[Slot]


class Fields:
    """Cuts fields off the front of b, none longer than what is there."""

    def __init__(self, b: bytes, name: str) -> None:
        self.rest, self.name = memoryview(b), name

    def take(self, n: int) -> bytes:
        if n > len(self.rest):
            raise damaged(f"{self.name}: a field goes beyond its end")
        b, self.rest = bytes(self.rest[:n]), self.rest[n:]
        return b

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def short(self) -> bytes:
        return self.take(self.number(2))

    def end(self) -> None:
        if self.rest:
            raise damaged(f"{self.name}: something follows the last field")


def read_header(src: Source, max_slots: int) -> Header:
    """Checks in the order of "What a reader refuses": lengths before they are followed, the
    checksum, then all the rest."""
    b = src.read(8)
    if not b or not b"envseal".startswith(b[:7]):
        raise Failure("foreign", "not a file that envseal sealed")
    if len(b) < 8:
        raise damaged("truncated: the input ends within the header")
    if b[7] != 1:
        raise Failure("newer", f"made by a newer version of envseal: version {b[7]} of the format")
    b += need(src, 40, "the header")
    context_end = 48 + int.from_bytes(b[44:], "big")
    if context_end > 48 + MAX_CONTEXT:
        raise damaged("the encryption context is too long")
    b += need(src, context_end - 48 + 38, "the header")
    length = int.from_bytes(b[-6:-2], "big")
    if length % 256 or length > MAX_HEADER or length < len(b) + 5 + 4:
        raise damaged(f"a header length of {length}")
    b += need(src, length - len(b), "the header")
    if crc32c(b[:-4]) != int.from_bytes(b[-4:], "big"):
        raise damaged("the checksum of the header does not match")
    return parse_header(b, context_end, max_slots)


def parse_header(b: bytes, context_end: int, max_slots: int) -> Header:
    suite, chunk_bits, compression, reserved = b[8:12]
    if suite == 1:
        raise Failure("pre-release", "made by a pre-release of envseal, which no release opens")
    if suite != 2 or not 12 <= chunk_bits <= 24 or compression > 1 or reserved:
        raise Failure("newer", "made by a newer version of envseal")
    descriptor = b[:context_end]
    context = descriptor[48:]
    parse_context(context)
    fields = Fields(b[context_end:-4], "header")
    commitment = fields.take(32)
    fields.take(4)
    n = fields.number(2)
    if not 1 <= n <= max_slots:
        raise damaged(f"{n} key slots, 1 to {max_slots} are allowed")
    slots = [s for s in (parse_slot(fields, context) for _ in range(n)) if s]
    if any(fields.rest):
        raise damaged("the padding of the header is not zero")
    return Header(1 << chunk_bits, compression == 1, descriptor[12:44],
                  sha512(descriptor).digest(), commitment, slots)


def parse_slot(fields: Fields, context: bytes) -> Slot | None:
    """None for a slot that is skipped: of another type, a private one too, or another scheme."""
    kind = fields.number(1)
    body = Fields(fields.take(fields.number(4)), "key slot")
    if kind == 1:
        slot = Slot(parse_key_id(body.short()), body.short(), context)
    elif kind == 2:
        scheme, public_key_id, sealed = body.number(1), body.take(32), body.short()
        key_id, blob, pair_context = parse_key_id(body.short()), body.short(), body.short()
        if not sealed:
            raise damaged("key slot: an empty sealed data key")
        parse_context(pair_context)
        slot = Slot(key_id, blob, pair_context, scheme, public_key_id, sealed)
    else:
        return None
    body.end()
    if not 1 <= len(slot.blob) <= 6144:
        raise damaged(f"key slot: a CiphertextBlob of {len(slot.blob)} bytes")
    return slot if kind == 1 or 1 <= slot.scheme <= 6 else None


def parse_key_id(b: bytes) -> str:
    if not 1 <= len(b) <= 2048 or not all(0x21 <= c <= 0x7e for c in b):
        raise damaged("key slot: a KeyId that cannot be one")
    return b.decode("ascii")


def parse_context(b: bytes) -> dict[str, str]:
    """Refuses every form but the canonical one."""
    fields, pairs, last = Fields(b, "encryption context"), {}, None
    for _ in range(fields.number(2)):
        key, value = fields.short(), fields.short()
        if last is not None and key <= last:
            raise damaged("encryption context: keys are not in order")
        last = key
        try:
            pairs[key.decode()] = value.decode()
        except UnicodeDecodeError:
            raise damaged("encryption context: not UTF-8") from None
    fields.end()
    return pairs


def crc32c(b: bytes) -> int:
    crc = 0xffffffff
    for byte in b:
        crc = crc >> 8 ^ CRC_TABLE[crc & 0xff ^ byte]
    return crc ^ 0xffffffff


def crc_entry(crc: int) -> int:
    for _ in range(8):
        crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc


CRC_TABLE = [crc_entry(i) for i in range(256)]
