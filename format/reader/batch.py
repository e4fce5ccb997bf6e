"""For tests. With the path of testdata/vectors/vectors.json, it has the reader open all vectors.

Without, one JSON object a line on standard input is a case, and gets one as answer: {"op": "open"}
opens a file, with the fields of vectors.json; the other operations are ML-KEM and HKDF. Bytes are
in hex. The key service has the answers that are given and no others.
"""
from __future__ import annotations

import importlib.util
import io
import json
import os
import sys
from collections import Counter
from hashlib import sha256
from typing import Any, Callable

import mlkem
from header import Failure, Header, Slot
from pair import hkdf_expand, hkdf_extract

spec = importlib.util.spec_from_file_location(
    "envseal_open", os.path.join(os.path.dirname(os.path.abspath(__file__)), "envseal-open.py"))
reader = importlib.util.module_from_spec(spec)
sys.modules["envseal_open"] = reader
spec.loader.exec_module(reader)

Case = dict[str, Any]
SETS = {768: mlkem.ML_KEM_768, 1024: mlkem.ML_KEM_1024}


def hex_of(case: Case, field: str) -> bytes:
    return bytes.fromhex(case[field])


def service(case: Case) -> Callable[[Header], Any]:
    """Plays KMS."""
    answers = {(a["keyId"], hex_of(a, "encryptionContext"), hex_of(a, "ciphertextBlob")):
               hex_of(a, "plaintext") for a in case.get("decrypt") or []}

    def ask(slot: Slot) -> bytes:
        try:
            return answers[slot.key_id, slot.context, slot.blob]
        except KeyError:
            raise Failure("no key", "the key service refuses") from None
    return lambda h: reader.unlock(h, ask)


def open_case(case: Case) -> Case:
    return open_bytes(case, hex_of(case, "file"), service(case))


def open_bytes(case: Case, file: bytes, key_of: Callable[[Header], Any]) -> Case:
    """What comes out, and how it ends."""
    released, size, kind, words = sha256(), 0, "opens", ""
    n = case.get("headerSize", 0)
    header = io.BytesIO(file[:n]) if n else None
    f = io.BufferedReader(io.BytesIO(file[n:]))
    try:
        for piece in reader.open_sealed(f, key_of, header, case.get("maxSlots") or 64,
                                        case.get("noDecompress", False), case.get("maxSize")):
            released.update(piece)
            size += len(piece)
    except Failure as e:
        kind, words = e.kind, str(e)
    return {"kind": kind, "words": words, "size": size, "sha256": released.hexdigest()}


def check_vector(v: Case, folder: str) -> None:
    """With the key service, and with the data key where it is told."""
    with open(os.path.join(folder, v["path"]), "rb") as f:
        file = f.read()[v["offset"]:]
    ways = [service(v)]
    if "dataKey" in v:
        ways.append(lambda h: reader.derive(h, hex_of(v, "dataKey")))
    for key_of in ways:
        got = open_bytes(v, file, key_of)
        released = {"size": got["size"], "sha256": got["sha256"]}
        allowed = v.get("released") or [v["plaintext"]]
        if got["kind"] != v["expect"] or released not in allowed:
            raise SystemExit(f"{v['name']}: {got}, want {v['expect']}, {allowed}")


def check_vectors(path: str) -> None:
    with open(path, encoding="utf-8") as f:
        vectors = json.load(f)["vectors"]
    counts: Counter[str] = Counter()
    for v in vectors:
        if v["form"] not in ("data key file", "pair file"):
            check_vector(v, os.path.dirname(path))
            counts[v["expect"]] += 1
    print(sum(counts.values()), "vectors:", dict(counts))


def mlkem_case(case: Case) -> Case:
    """Keys from a seed, or a shared key from a seed or a decapsulation key, or encapsulation."""
    p, answer = SETS[case["set"]], {}
    try:
        if "seed" in case:
            ek, dk = mlkem.keygen(p, hex_of(case, "seed"))
            answer = {"ek": ek.hex(), "dk": dk.hex()}
        if "c" in case:
            dk = hex_of(case, "dk") if "dk" in case else dk
            answer["k"] = mlkem.decaps(p, dk, hex_of(case, "c")).hex()
        if "m" in case:
            ek, m = hex_of(case, "ek"), hex_of(case, "m")
            shared, r = mlkem.encaps_secrets(ek, m)
            answer = {"k": shared.hex(), "c": mlkem.pke_encrypt(p, ek, m, r).hex()}
    except ValueError as e:
        return {"error": str(e)}
    return answer


def hkdf_case(case: Case) -> Case:
    try:
        prk = hkdf_extract(case["hash"], hex_of(case, "salt"), hex_of(case, "ikm"))
        okm = hkdf_expand(case["hash"], prk, hex_of(case, "info"), case["size"])
    except ValueError as e:
        return {"error": str(e)}
    return {"okm": okm.hex()}


OPERATIONS = {"open": open_case, "mlkem": mlkem_case, "hkdf": hkdf_case}

def main() -> None:
    if len(sys.argv) > 1:
        return check_vectors(sys.argv[1])
    for line in sys.stdin:
        case = json.loads(line)
        print(json.dumps(OPERATIONS[case["op"]](case)), flush=True)


if __name__ == "__main__":
    main()
