"""Data keys sealed to a key pair (format/README.md, "Slot type 2"): RSA-OAEP, and HPKE (RFC 9180)
in base mode with P-256, P-384, P-521, ML-KEM-768 and ML-KEM-1024. HKDF (RFC 5869) is here, too.

All that is wrong with a key or with what was sealed to it is a ValueError.
"""
from __future__ import annotations

import hmac
from abc import ABC, abstractmethod
from hashlib import sha256

import mlkem
from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def hkdf_extract(name: str, salt: bytes, ikm: bytes) -> bytes:
    return hmac.digest(salt, ikm, name)


def hkdf_expand(name: str, prk: bytes, info: bytes, size: int) -> bytes:
    okm, block, i = b"", b"", 1
    while len(okm) < size:
        block = hmac.digest(prk, block + info + bytes([i]), name)
        okm, i = okm + block, i + 1
    return okm[:size]


class PrivateKey(ABC):
    """The private half of a pair."""
    scheme: int
    public_key: bytes  # DER SubjectPublicKeyInfo

    def public_key_id(self) -> bytes:
        return sha256(self.public_key).digest()

    @abstractmethod
    def open(self, info: bytes, sealed: bytes) -> bytes:
        """The data key."""


class RSAKey(PrivateKey):
    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        if key.key_size not in (2048, 3072, 4096):
            raise ValueError(f"RSA keys of {key.key_size} bits are not used")
        self.scheme, self.public_key, self._key = 1, _spki(key.public_key()), key

    def open(self, info: bytes, sealed: bytes) -> bytes:
        if len(sealed) != self._key.key_size // 8:
            raise ValueError("it has not the size of the modulus")
        mgf = padding.MGF1(hashes.SHA256())
        return self._key.decrypt(sealed, padding.OAEP(mgf, hashes.SHA256(), label=info))


class HPKEKey(PrivateKey):
    """The receiver of HPKE: AES-256-GCM, no PSK, one message without additional data."""
    _kem: int       # number of the KEM
    _kdf: int       # number of the KDF
    _hash: str      # of the KDF, and of a KEM that has one
    _enc_size: int  # of the encapsulated key

    @abstractmethod
    def _decap(self, enc: bytes) -> bytes:
        """Decap of the KEM: the shared secret."""

    def open(self, info: bytes, sealed: bytes) -> bytes:
        enc, ciphertext = sealed[:self._enc_size], sealed[self._enc_size:]
        if len(ciphertext) < 16:
            raise ValueError("it is too short")
        suite = b"HPKE" + b"".join(n.to_bytes(2, "big") for n in (self._kem, self._kdf, 2))
        context = b"\x00" + self._extract(suite, b"", b"psk_id_hash", b"")
        context += self._extract(suite, b"", b"info_hash", info)
        secret = self._extract(suite, self._decap(enc), b"secret", b"")
        key = self._expand(suite, secret, b"key", context, 32)
        nonce = self._expand(suite, secret, b"base_nonce", context, 12)
        try:
            return AESGCM(key).decrypt(nonce, ciphertext, None)
        except InvalidTag:
            raise ValueError("it does not open with this key, or not for this file") from None

    def _extract(self, suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
        """LabeledExtract, RFC 9180, section 4."""
        return hkdf_extract(self._hash, salt, b"HPKE-v1" + suite + label + ikm)

    def _expand(self, suite: bytes, prk: bytes, label: bytes, info: bytes, size: int) -> bytes:
        """LabeledExpand."""
        labeled = size.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
        return hkdf_expand(self._hash, prk, labeled, size)


class ECKey(HPKEKey):
    """DHKEM, RFC 9180, section 4.1."""
    # bits of the curve: scheme, KEM, KDF, hash, size of enc, size of the shared secret
    CURVES = {256: (2, 0x0010, 1, "sha256", 65, 32), 384: (3, 0x0011, 2, "sha384", 97, 48),
              521: (4, 0x0012, 3, "sha512", 133, 64)}

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        if not isinstance(key.curve, (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)):
            raise ValueError(f"keys of the curve {key.curve.name} are not used")
        (self.scheme, self._kem, self._kdf, self._hash, self._enc_size,
         self._secret_size) = self.CURVES[key.key_size]
        # the public key that may stand beside the private one counts for nothing
        self._key = ec.derive_private_key(key.private_numbers().private_value, key.curve)
        self.public_key = _spki(self._key.public_key())

    def _decap(self, enc: bytes) -> bytes:
        sender = ec.EllipticCurvePublicKey.from_encoded_point(self._key.curve, enc)
        suite = b"KEM" + self._kem.to_bytes(2, "big")
        prk = self._extract(suite, b"", b"eae_prk", self._key.exchange(ec.ECDH(), sender))
        own = self._key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
        return self._expand(suite, prk, b"shared_secret", enc + own, self._secret_size)


class MLKEMKey(HPKEKey):
    """draft-ietf-hpke-pq: shared secret and enc are what ML-KEM gives."""
    # last byte of the object identifier 2.16.840.1.101.3.4.4: scheme, KEM, parameters
    SETS = {2: (5, 0x0041, mlkem.ML_KEM_768), 3: (6, 0x0042, mlkem.ML_KEM_1024)}
    OID = bytes.fromhex("6086480165030404")

    def __init__(self, oid: bytes, seed: bytes) -> None:
        self.scheme, self._kem, self._params = self.SETS[oid[-1]]
        self._kdf, self._hash, self._enc_size = 3, "sha512", self._params.ciphertext_size
        ek, self._dk = mlkem.keygen(self._params, seed)
        self.public_key = _der(0x30, _der(0x30, _der(6, oid)), _der(3, b"\x00", ek))

    def _decap(self, enc: bytes) -> bytes:
        return mlkem.decaps(self._params, self._dk, enc)


def private_key(der: bytes) -> PrivateKey:
    """Reads a PKCS #8 PrivateKeyInfo."""
    info, behind = _element(der, 0x30)
    _, rest = _element(info, 2)
    algorithm, rest = _element(rest, 0x30)
    oid, _ = _element(algorithm, 6)
    if behind:
        raise ValueError("something follows the private key")
    if oid[:-1] == MLKEMKey.OID and oid[-1] in MLKEMKey.SETS:
        seed, behind = _element(_element(rest, 4)[0], 0x80)  # the seed form of RFC 9935
        if len(seed) != 64 or behind:
            raise ValueError("an ML-KEM key without the seed form")
        return MLKEMKey(oid, seed)
    try:
        key = serialization.load_der_private_key(der, None)
    except (TypeError, UnsupportedAlgorithm) as e:
        raise ValueError(str(e)) from None
    if isinstance(key, rsa.RSAPrivateKey):
        return RSAKey(key)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return ECKey(key)
    raise ValueError("it is of a kind that is not used")


def _spki(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER,
                            serialization.PublicFormat.SubjectPublicKeyInfo)


def _element(b: bytes, tag: int) -> tuple[bytes, bytes]:
    """Contents of the DER element that b begins with, and what follows it."""
    if len(b) < 2 or b[0] != tag:
        raise ValueError("it is no PKCS #8 private key")
    start, size = 2, b[1]
    if size >= 0x80:
        start += size - 0x80
        size = int.from_bytes(b[2:start], "big")
    if len(b) < start + size:
        raise ValueError("it is no PKCS #8 private key")
    return b[start:start + size], b[start + size:]


def _der(tag: int, *parts: bytes) -> bytes:
    contents = b"".join(parts)
    n = len(contents)
    size = bytes([n]) if n < 0x80 else b"\x82" + n.to_bytes(2, "big")
    return bytes([tag]) + size + contents
