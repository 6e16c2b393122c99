"""RSA keys and self-signed certificates for tests, made in Python alone: no program and no package is needed."""

import functools
import hashlib
import secrets
import ssl
from dataclasses import dataclass
from pathlib import Path

_SHA256_RSA = bytes.fromhex("300d06092a864886f70d01010b0500")
_RSA = bytes.fromhex("300d06092a864886f70d0101010500")
_SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")
_SMALL = [n for n in range(3, 2000, 2) if all(n % m for m in range(3, int(n**0.5) + 1, 2))]


@dataclass(frozen=True)
class RsaKey:
    """A private key of 2048 bits."""

    p: int
    q: int
    e: int = 65_537

    @property
    def n(self) -> int:
        return self.p * self.q

    @property
    def d(self) -> int:
        return pow(self.e, -1, (self.p - 1) * (self.q - 1))

    def sign(self, message: bytes) -> bytes:
        """RSASSA-PKCS1-v1_5 with SHA-256."""
        digest = _SHA256_PREFIX + hashlib.sha256(message).digest()
        encoded = b"\x00\x01" + b"\xff" * (256 - len(digest) - 3) + b"\x00" + digest
        return pow(int.from_bytes(encoded), self.d, self.n).to_bytes(256)


def _prime(bits: int) -> int:
    while True:
        n = secrets.randbits(bits) | 3 << (bits - 2) | 1
        if all(n % small for small in _SMALL) and n % 65_537 != 1 and all(
            pow(base, n - 1, n) == 1 for base in (2, 3, 5)
        ):  # fmt: skip
            return n


@functools.lru_cache
def rsa_key(number: int = 0) -> RsaKey:
    """A key of this run; another number, another key."""
    return RsaKey(_prime(1024), _prime(1024))


def _der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    size = len(body)
    head = bytes([size]) if size < 128 else bytes([0x82, *size.to_bytes(2)])
    return bytes([tag]) + head + body


def _integer(n: int) -> bytes:
    return _der(2, n.to_bytes(n.bit_length() // 8 + 1))


def _pem(kind: str, body: bytes) -> str:
    import base64

    return f"-----BEGIN {kind}-----\n{base64.encodebytes(body).decode()}-----END {kind}-----\n"


def tls_context(folder: Path, *names: str) -> ssl.SSLContext:
    """A server's TLS with a certificate for these names that nobody vouches for."""
    key = rsa_key()
    name = _der(0x30, _der(0x31, _der(0x30, bytes.fromhex("0603550403"), _der(0x0C, names[0].encode()))))
    times = _der(0x30, _der(0x17, b"250101000000Z"), _der(0x17, b"490101000000Z"))
    public = _der(0x30, _RSA, _der(3, b"\x00", _der(0x30, _integer(key.n), _integer(key.e))))
    alternatives = _der(0x30, *(_der(0x82, each.encode()) for each in names))
    extensions = _der(0xA3, _der(0x30, _der(0x30, bytes.fromhex("0603551d11"), _der(4, alternatives))))
    version = _der(0xA0, _integer(2))
    body = _der(0x30, version, _integer(1), _SHA256_RSA, name, times, name, public, extensions)
    certificate = _der(0x30, body, _SHA256_RSA, _der(3, b"\x00", key.sign(body)))
    numbers = (0, key.n, key.e, key.d, key.p, key.q, key.d % (key.p - 1), key.d % (key.q - 1), pow(key.q, -1, key.p))
    file = folder / "tls.pem"
    file.write_text(
        _pem("RSA PRIVATE KEY", _der(0x30, *map(_integer, numbers))) + _pem("CERTIFICATE", certificate), "ascii"
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
