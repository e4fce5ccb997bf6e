"""ML-KEM-768 and ML-KEM-1024, written from FIPS 203 with nothing but hashlib.

Names and numbers of algorithms are those of the standard. A polynomial is a list of 256 integers
below Q, a vector a list of polynomials. Python's integers take a time that depends on their
values: whoever can time this program many times may learn about the key. It opens files by hand,
once; it is no part of a service.
"""
import hmac
from dataclasses import dataclass
from hashlib import sha3_256, sha3_512, shake_128, shake_256

Q = 3329
Poly = list[int]
Vector = list[Poly]


@dataclass(frozen=True)
class Params:
    """A parameter set (section 8). eta1 and eta2 are 2 in both that are here."""
    k: int   # rank of the module
    du: int  # bits of a compressed coefficient, in the first part of a ciphertext
    dv: int  # and in the second

    @property
    def dk_size(self) -> int:
        return 768 * self.k + 96

    @property
    def ciphertext_size(self) -> int:
        return 32 * (self.du * self.k + self.dv)


ML_KEM_768 = Params(k=3, du=10, dv=4)
ML_KEM_1024 = Params(k=4, du=11, dv=5)


def keygen(p: Params, seed: bytes) -> tuple[bytes, bytes]:
    """ML-KEM.KeyGen_internal (algorithm 16) from seed = d || z: encapsulation key and
    decapsulation key."""
    d, z = seed[:32], seed[32:]
    if len(z) != 32:
        raise ValueError("an ML-KEM seed has 64 bytes")
    ek, dk_pke = _pke_keygen(p, d)
    return ek, dk_pke + ek + _h(ek) + z


def decaps(p: Params, dk: bytes, c: bytes) -> bytes:
    """ML-KEM.Decaps (algorithms 18 and 21): the shared key. A ciphertext that was altered gives
    another one, and no error (implicit rejection)."""
    if len(dk) != p.dk_size or len(c) != p.ciphertext_size:
        raise ValueError("ML-KEM key or ciphertext of a wrong size")
    n = 384 * p.k
    dk_pke, ek, h, z = dk[:n], dk[n:2 * n + 32], dk[2 * n + 32:2 * n + 64], dk[2 * n + 64:]
    if _h(ek) != h:
        raise ValueError("the ML-KEM decapsulation key is damaged")
    m = _pke_decrypt(p, dk_pke, c)
    shared, r = encaps_secrets(ek, m)
    rejected = shake_256(z + c).digest(32)
    return shared if hmac.compare_digest(c, pke_encrypt(p, ek, m, r)) else rejected


def encaps_secrets(ek: bytes, m: bytes) -> tuple[bytes, bytes]:
    """G(m || H(ek)), line 1 of algorithm 17: shared key and randomness of the encryption."""
    g = sha3_512(m + _h(ek)).digest()
    return g[:32], g[32:]


def _h(b: bytes) -> bytes:
    return sha3_256(b).digest()


# K-PKE, section 5

def _pke_keygen(p: Params, d: bytes) -> tuple[bytes, bytes]:
    """Algorithm 13."""
    g = sha3_512(d + bytes([p.k])).digest()
    rho, sigma = g[:32], g[32:]
    s = [_ntt(_noise(sigma, i)) for i in range(p.k)]
    e = [_ntt(_noise(sigma, p.k + i)) for i in range(p.k)]
    a = _matrix(p, rho)
    t = [_add(_dot(a[i], s), e[i]) for i in range(p.k)]
    return _encode_all(12, t) + rho, _encode_all(12, s)


def pke_encrypt(p: Params, ek: bytes, m: bytes, r: bytes) -> bytes:
    """Algorithm 14."""
    t, rho = _decode_all(12, ek[:-32]), ek[-32:]
    y = [_ntt(_noise(r, i)) for i in range(p.k)]
    e1 = [_noise(r, p.k + i) for i in range(p.k)]
    e2 = _noise(r, 2 * p.k)
    a = _matrix(p, rho)
    u = [_add(_inverse_ntt(_dot([a[j][i] for j in range(p.k)], y)), e1[i]) for i in range(p.k)]
    mu = _decompress(1, _decode(1, m))
    v = _add(_add(_inverse_ntt(_dot(t, y)), e2), mu)
    return _encode_all(p.du, [_compress(p.du, f) for f in u]) + _encode(p.dv, _compress(p.dv, v))


def _pke_decrypt(p: Params, dk: bytes, c: bytes) -> bytes:
    """Algorithm 15."""
    split = 32 * p.du * p.k
    u = [_decompress(p.du, f) for f in _decode_all(p.du, c[:split])]
    v = _decompress(p.dv, _decode(p.dv, c[split:]))
    s = _decode_all(12, dk)
    w = _sub(v, _inverse_ntt(_dot(s, [_ntt(f) for f in u])))
    return _encode(1, _compress(1, w))


def _matrix(p: Params, rho: bytes) -> list[Vector]:
    """A, in the NTT domain. The column comes first in the seed."""
    return [[_sample_ntt(rho + bytes([j, i])) for j in range(p.k)] for i in range(p.k)]


# Sampling, section 4.2.2

def _sample_ntt(seed: bytes) -> Poly:
    """Algorithm 7. A SHAKE that is asked for more gives the same beginning."""
    size = 672
    while True:
        b, f = shake_128(seed).digest(size), []
        for i in range(0, size, 3):
            both = b[i] | b[i + 1] << 8 | b[i + 2] << 16
            f += [d for d in (both & 0xfff, both >> 12) if d < Q]
        if len(f) >= 256:
            return f[:256]
        size *= 2


def _noise(seed: bytes, n: int) -> Poly:
    """SamplePolyCBD (algorithm 8) of PRF (formula 4.3), eta = 2: four bits a coefficient."""
    values = [(x & 1) + (x >> 1 & 1) - (x >> 2 & 1) - (x >> 3) for x in range(16)]
    b = shake_256(seed + bytes([n])).digest(128)
    return [values[x] % Q for byte in b for x in (byte & 15, byte >> 4)]


# Encoding and compression, section 4.2.1

def _encode(d: int, f: Poly) -> bytes:
    """ByteEncode (algorithm 5)."""
    return sum(c << d * i for i, c in enumerate(f)).to_bytes(32 * d, "little")


def _decode(d: int, b: bytes) -> Poly:
    """ByteDecode (algorithm 6)."""
    bits, modulus = int.from_bytes(b, "little"), Q if d == 12 else 1 << d
    return [(bits >> d * i & (1 << d) - 1) % modulus for i in range(256)]


def _encode_all(d: int, v: Vector) -> bytes:
    return b"".join(_encode(d, f) for f in v)


def _decode_all(d: int, b: bytes) -> Vector:
    return [_decode(d, b[i:i + 32 * d]) for i in range(0, len(b), 32 * d)]


def _compress(d: int, f: Poly) -> Poly:
    """Formula 4.7: the nearest integer to 2^d x / Q."""
    return [((x << d) + Q // 2) // Q & (1 << d) - 1 for x in f]


def _decompress(d: int, f: Poly) -> Poly:
    """Formula 4.8."""
    return [y * Q + (1 << d - 1) >> d for y in f]


# The number-theoretic transform, section 4.3

def _bit_rev7(i: int) -> int:
    return int(f"{i:07b}"[::-1], 2)


ZETAS = [pow(17, _bit_rev7(i), Q) for i in range(128)]
GAMMAS = [pow(17, 2 * _bit_rev7(i) + 1, Q) for i in range(128)]


def _ntt(f: Poly) -> Poly:
    """Algorithm 9."""
    f, i, length = list(f), 1, 128
    while length >= 2:
        for start in range(0, 256, 2 * length):
            zeta = ZETAS[i]
            i += 1
            for j in range(start, start + length):
                t = zeta * f[j + length]
                f[j], f[j + length] = (f[j] + t) % Q, (f[j] - t) % Q
        length //= 2
    return f


def _inverse_ntt(f: Poly) -> Poly:
    """Algorithm 10."""
    f, i, length = list(f), 127, 2
    while length <= 128:
        for start in range(0, 256, 2 * length):
            zeta = ZETAS[i]
            i -= 1
            for j in range(start, start + length):
                f[j], f[j + length] = (f[j] + f[j + length]) % Q, zeta * (f[j + length] - f[j]) % Q
        length *= 2
    return [c * 3303 % Q for c in f]  # 3303 = 1 / 128


def _multiply(f: Poly, g: Poly) -> Poly:
    """MultiplyNTTs (algorithms 11 and 12)."""
    h = []
    for i, gamma in enumerate(GAMMAS):
        a0, a1, b0, b1 = f[2 * i], f[2 * i + 1], g[2 * i], g[2 * i + 1]
        h += [(a0 * b0 + a1 * b1 * gamma) % Q, (a0 * b1 + a1 * b0) % Q]
    return h


def _dot(f: Vector, g: Vector) -> Poly:
    total = [0] * 256
    for a, b in zip(f, g):
        total = _add(total, _multiply(a, b))
    return total


def _add(f: Poly, g: Poly) -> Poly:
    return [(a + b) % Q for a, b in zip(f, g)]


def _sub(f: Poly, g: Poly) -> Poly:
    return [(a - b) % Q for a, b in zip(f, g)]
