#!/usr/bin/python3
"""Opens files that envseal sealed, without envseal.

Written from format/README.md, to be read beside it. It needs Python 3.9 or newer and the package
cryptography; zstandard for compressed files; boto3 to ask AWS KMS, which it does with the
credentials and endpoint of the usual environment. See -h.

What it writes to a file is whole and authentic, or is not written; to a pipe it hands out chunk
after chunk, each authentic, and together the file only if the exit code is 0. Exit codes are those
of envseal. Unlike envseal it keeps keys in ordinary memory, and does not wipe them.
"""
from __future__ import annotations

import argparse
import base64
import binascii
import hmac
import io
import os
import re
import sys
import tempfile
from dataclasses import dataclass
from itertools import count
from typing import BinaryIO, Callable, Iterable, Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from header import (MAX_SLOTS, Failure, Header, Pieces, Slot, Source, damaged, parse_context,
                    read_header)
from pair import hkdf_expand, hkdf_extract, private_key
from seekable import decompress

TAG = 16
MAX_CALLS = 3  # of a key service, for one file
BEGIN, END = b"-----BEGIN ENVSEAL FILE-----", b"-----END ENVSEAL FILE-----"
EXIT = {"failed": 1, "damaged": 4, "no key": 5, "unreachable": 6, "foreign": 7, "newer": 7,
        "pre-release": 7, "output": 8, "policy": 9, "too large": 9}


# Keys

Ask = Callable[[Slot], bytes]  # decrypts the blob of a slot: its data key, or its private key


@dataclass
class PayloadKey:
    gcm: AESGCM
    base_nonce: int


def derive(h: Header, data_key: bytes) -> PayloadKey:
    """Compares the commitment before the payload key is made."""
    if not 32 <= len(data_key) <= 1024:
        raise Failure("no key", f"{len(data_key)} bytes are no data key")
    prk = hkdf_extract("sha512", h.file_id, data_key)
    commitment = hkdf_expand("sha512", prk, b"envseal/v1 commitment" + h.digest, 32)
    if not hmac.compare_digest(commitment, h.commitment):
        raise damaged("the header is not what was sealed, or the data key is that of another file")
    okm = hkdf_expand("sha512", prk, b"envseal/v1 payload" + h.digest, 44)
    return PayloadKey(AESGCM(okm[:32]), int.from_bytes(okm[32:], "big"))


def unlock(h: Header, ask: Ask) -> PayloadKey:
    """Goes through the slots, those of KMS keys first, until one gives the data key of the file.
    A slot that opened to something else says more of the file than one that did not open."""
    failures = [Failure("no key", "no key slot that this reader knows")]
    for slot in sorted(h.slots, key=lambda s: s.scheme > 0)[:MAX_CALLS]:
        try:
            secret = ask(slot)
            return derive(h, open_pair(h, slot, secret) if slot.scheme else secret)
        except Failure as e:
            failures.append(e)
    weights = {"damaged": 1, "unreachable": 2}
    raise max(reversed(failures), key=lambda e: weights.get(e.kind, 0))


def open_pair(h: Header, slot: Slot, der: bytes) -> bytes:
    """The data key that was sealed to the pair of this private key."""
    try:
        key = private_key(der)
        if (key.scheme, key.public_key_id()) != (slot.scheme, slot.public_key_id):
            raise ValueError("the slot names another public key")
        data_key = key.open(b"envseal/v1 pair" + h.digest, slot.sealed)
        if not 32 <= len(data_key) <= 1024:
            raise ValueError(f"{len(data_key)} bytes are no data key")
        return data_key
    except ValueError as e:
        raise damaged(f"{slot.key_id}: its key pair does not open the data key: {e}") from None


def ask_kms(h: Header, allowed: list[str]) -> Ask:
    """AWS KMS, in the Region of the key. Keeps the slots of keys that may be asked."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    # a Region from a file becomes part of the name of the host that is asked
    arn = re.compile(r"arn:aws(?:-[-a-z]*)?:kms:([a-z][-a-z0-9]{0,31}):[0-9]{12}:key/(.+)")
    h.slots = [s for s in h.slots if arn.fullmatch(s.key_id)]
    named = [s for s in h.slots if {s.key_id, arn.fullmatch(s.key_id)[2]} & set(allowed)]
    if allowed and h.slots and not named:
        raise Failure("policy", "sealed for " + ", ".join(s.key_id for s in h.slots[:MAX_CALLS]))
    h.slots = named if allowed else h.slots
    endpoint = os.environ.get("AWS_ENDPOINT_URL_KMS") or os.environ.get("AWS_ENDPOINT_URL")

    def ask(slot: Slot) -> bytes:
        try:
            client = boto3.client("kms", arn.fullmatch(slot.key_id)[1], endpoint_url=endpoint)
            answer = client.decrypt(KeyId=slot.key_id, CiphertextBlob=slot.blob,
                                    EncryptionContext=parse_context(slot.context))
        except (ClientError, NoCredentialsError) as e:
            raise Failure("no key", f"{slot.key_id}: {e}") from None
        except BotoCoreError as e:
            raise Failure("unreachable", f"{slot.key_id}: {e}") from None
        if answer["KeyId"] != slot.key_id:
            raise Failure("no key", f"{slot.key_id}: the answer is of {answer['KeyId']}")
        return answer["Plaintext"]
    return ask


# Payload

def open_chunks(h: Header, key: PayloadKey, src: Source) -> Iterator[bytes]:
    """The plaintext, chunk after chunk. A chunk that is not full is the last."""
    full = h.chunk_size + TAG
    most = min(1 << 32, (1 << 52) // h.chunk_size)
    for i in count():
        sealed = src.read(full)
        if not sealed:
            raise damaged("truncated: the end of the file is missing")
        if len(sealed) < TAG or len(sealed) == full and i == most - 1:
            raise damaged(f"chunk {i} cannot have {len(sealed)} bytes")
        try:
            plain = key.gcm.decrypt((key.base_nonce ^ i).to_bytes(12, "big"), sealed, None)
        except InvalidTag:
            joined = b"envseal\x01" in sealed or BEGIN in sealed
            raise damaged(f"chunk {i} was altered, cut off, or something was appended" + (
                ": two sealed files were joined" if joined else "")) from None
        yield plain
        if len(sealed) < full:
            return


# Armor

class Armor:
    """The sealed file in an armored one, as a Source."""

    def __init__(self, f: BinaryIO) -> None:
        self.f, self.pieces = f, Pieces(self.lines())

    def read(self, n: int) -> bytes:
        return self.pieces.read(n)

    def lines(self) -> Iterator[bytes]:
        line, ended = self.line()
        if not ended and (BEGIN + b"\r").startswith(line):
            raise damaged("truncated: the armor ends within its first line")
        if not ended or line != BEGIN:
            raise Failure("foreign", "it begins with a hyphen, but not as armor does")
        full = True
        while (next_line := self.line())[0] != END:
            line, ended = next_line
            if not ended and len(line) <= 64:
                raise damaged("truncated: the END line of the armor is missing or not whole")
            if not full:
                raise damaged("armor: a line follows one that is not full")
            piece = self.decode(line)
            full = len(piece) == 48
            yield piece
        if self.f.read(1):
            raise damaged("armor: something is behind the END line")

    def line(self) -> tuple[bytes, bool]:
        """A line without its end, and whether it had one. Longer ones are cut, and refused."""
        line = self.f.readline(64 + 2)
        if not line.endswith(b"\n"):
            return line, False
        return line[:-2] if line.endswith(b"\r\n") else line[:-1], True

    @staticmethod
    def decode(line: bytes) -> bytes:
        try:
            piece = base64.b64decode(line)
        except binascii.Error:
            piece = b""
        if not 1 <= len(piece) <= 48 or base64.b64encode(piece) != line:
            raise damaged("armor: a line is not base64 of up to 64 characters")
        return piece


# The program

def open_sealed(f: io.BufferedReader, key_of: Callable[[Header], PayloadKey],
                header: BinaryIO | None = None, max_slots: int = MAX_SLOTS,
                keep_compressed: bool = False, max_size: int | None = None) -> Iterator[bytes]:
    """The plaintext of the sealed file f, or of its payload if its header is apart."""
    src: Source = f
    if header is None:
        src = Armor(f) if f.peek(1)[:1] == BEGIN[:1] else f
    h = read_header(header or src, max_slots)
    if header and header.read(1):
        raise damaged("something follows the header in its file")
    pieces = open_chunks(h, key_of(h), src)
    if h.compressed and not keep_compressed:
        pieces = decompress(Pieces(pieces))
    total = 0
    for piece in pieces:
        total += len(piece)
        if max_size is not None and total > max_size:
            raise Failure("too large", f"there are more than {max_size} bytes")
        yield piece


def key_finder(args: argparse.Namespace) -> Callable[[Header], PayloadKey]:
    """Where the data key comes from."""
    if args.data_key is not None:
        return lambda h: derive(h, args.data_key)
    if not args.private_key:
        return lambda h: unlock(h, ask_kms(h, args.key))
    with open(args.private_key, "rb") as f:
        der = f.read()
    own = private_key(der).public_key_id()

    def of_pair(h: Header) -> PayloadKey:
        h.slots = [s for s in h.slots if s.public_key_id == own]
        return unlock(h, lambda slot: der)
    return of_pair


def write_file(path: str, pieces: Iterable[bytes]) -> None:
    """Shows the file under its name when it is whole. An existing one is left alone."""
    fd, draft = tempfile.mkstemp(prefix=".envseal-open-", dir=os.path.dirname(path) or ".")
    try:
        with open(fd, "wb") as f:
            for piece in pieces:
                f.write(piece)
            f.flush()
            os.fsync(f.fileno())
        if os.path.lexists(path):
            raise Failure("output", f"{path} exists")
        os.rename(draft, path)
    except BaseException:
        os.unlink(draft)
        raise


def write_stream(pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()


def parse_args() -> argparse.Namespace:
    p = argparse.ArgumentParser(description="Opens a file that envseal sealed, without envseal.")
    p.add_argument("file", metavar="FILE", help="the sealed file; - is standard input")
    p.add_argument("-o", "--out", metavar="OUT", help="a new file (default: standard output)")
    p.add_argument("--header", metavar="FILE", help="the header, if it is kept apart")
    p.add_argument("--key", metavar="KEY", action="append", default=[],
                   help="ask KMS for this key id or ARN only (may be given again)")
    p.add_argument("--data-key", metavar="HEX", type=bytes.fromhex, help="needs no KMS")
    p.add_argument("--private-key", metavar="FILE",
                   help="that of a data key pair, in PKCS #8 (DER): needs no KMS")
    p.add_argument("--max-slots", metavar="N", type=int, default=MAX_SLOTS)
    p.add_argument("--max-size", metavar="BYTES", type=int, help="refuse to write more")
    p.add_argument("--no-decompress", action="store_true", help="give out the zstd stream")
    return p.parse_args()


def run(args: argparse.Namespace) -> None:
    if args.out and os.path.lexists(args.out):
        raise Failure("output", f"{args.out} exists")
    f = sys.stdin.buffer if args.file == "-" else open(args.file, "rb")
    header = open(args.header, "rb") if args.header else None
    pieces = open_sealed(f, key_finder(args), header, args.max_slots, args.no_decompress,
                         args.max_size)
    if args.out:
        write_file(args.out, pieces)
    else:
        write_stream(pieces)


def main() -> int:
    args = parse_args()
    try:
        run(args)
    except Failure as e:
        print(f"envseal-open: {args.file}: {e}", file=sys.stderr)
        return EXIT[e.kind]
    except (OSError, ImportError, ValueError) as e:
        print(f"envseal-open: {args.file}: {e}", file=sys.stderr)
        return EXIT["failed"]
    return 0


if __name__ == "__main__":
    sys.exit(main())
