"""For envseal's tests: one JSON object a line on standard input is a case, and gets one as answer.

{"op": "open"} opens a file with a key service that has the given answers and no others. The other
operations are ML-KEM and HKDF. Bytes are in hex.
"""
from __future__ import annotations

import importlib.util
import io
import json
import os
import sys
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
    answers = {(a["keyId"], hex_of(a, "context"), hex_of(a, "blob")): hex_of(a, "plaintext")
               for a in case.get("answers") or []}

    def ask(slot: Slot) -> bytes:
        try:
            return answers[slot.key_id, slot.context, slot.blob]
        except KeyError:
            raise Failure("no key", "the key service refuses") from None
    return lambda h: reader.unlock(h, ask)


def open_case(case: Case) -> Case:
    released, size, kind, words = sha256(), 0, "opens", ""
    f = io.BufferedReader(io.BytesIO(hex_of(case, "file")))
    header = io.BytesIO(hex_of(case, "header")) if "header" in case else None
    try:
        for piece in reader.open_sealed(f, service(case), header, case.get("maxSlots") or 64,
                                        case.get("noDecompress", False), case.get("maxSize")):
            released.update(piece)
            size += len(piece)
    except Failure as e:
        kind, words = e.kind, str(e)
    return {"kind": kind, "words": words, "size": size, "sha256": released.hexdigest()}


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

for line in sys.stdin:
    one = json.loads(line)
    print(json.dumps(OPERATIONS[one["op"]](one)), flush=True)
