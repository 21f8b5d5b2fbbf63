"""Bytes of a log as clean chunks of whole lines: unpacked, decoded, without colours, progress bars and NULs.

Memory is bounded by the chunk size, whatever the log's size or the length of its lines.
"""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import zstandard

CHUNK_BYTES = 1 << 20
#: A line without an end is handed on in pieces of this size.
MAX_LINE_BYTES = 4 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_UTF16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_UTF8_MARK = b"\xef\xbb\xbf"
#: Terminal sequences: CSI (colours, cursor), OSC (titles, links), and two-byte escapes.
_ANSI = re.compile(
    rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]{0,500}(?:\x07|\x1b\\)|[@-Z\\^_=>78]|\([0-9A-B])"
)
#: What a carriage return overwrote: everything on the line up to the last one that something follows.
_OVERWRITTEN = re.compile(rb"^[^\n]*\r(?=[^\r\n])", re.MULTILINE)
_BLANKS = re.compile(rb"\r+(?=\n|\Z)")


class Truncated(io.RawIOBase):
    """A decompressed stream that ends quietly where the compressed file was cut off or is damaged."""

    def __init__(self, inner: BinaryIO) -> None:
        self._inner = inner

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        try:
            data = self._inner.read1(len(buffer))  # type: ignore[attr-defined]
        except (EOFError, OSError, zlib.error, zstandard.ZstdError):
            return 0
        buffer[: len(data)] = data
        return len(data)


def unpack(stream: BinaryIO) -> BinaryIO:
    """The stream without its compression (gzip or zstd, recognised by their first bytes)."""
    head = stream.read(4)
    rest = _Prefixed(head, stream)
    if head[:2] == _GZIP_MAGIC:
        return io.BufferedReader(Truncated(gzip.GzipFile(fileobj=rest)), CHUNK_BYTES)  # type: ignore[arg-type]
    if head == _ZSTD_MAGIC:
        reader = zstandard.ZstdDecompressor().stream_reader(rest, read_across_frames=True)  # type: ignore[arg-type]
        return io.BufferedReader(Truncated(reader), CHUNK_BYTES)  # type: ignore[arg-type]
    return rest  # type: ignore[return-value]


class _Prefixed:
    """A stream whose first bytes were already read, for streams that can't seek."""

    def __init__(self, head: bytes, stream: BinaryIO) -> None:
        self._head = head
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        if not self._head:
            return self._stream.read(size)
        head, self._head = self._head, b""
        if 0 <= size <= len(head):
            self._head = head[size:]
            return head[:size]
        return head + self._stream.read(size if size < 0 else size - len(head))


def chunks(stream: BinaryIO) -> Iterator[bytes]:
    """Clean chunks of whole lines, in order, from a plain or compressed stream. Raises OSError of the stream.

    The last chunk's last line may lack its end, and a line longer than `MAX_LINE_BYTES` comes in several pieces.
    """
    carry = b""
    ends = _Ends()
    for block in _utf8(unpack(stream)):
        block = ends.normal(block)
        cut = block.rfind(b"\n") + 1
        if not cut:
            carry += block
            if len(carry) > MAX_LINE_BYTES:
                yield clean(carry)
                carry = b""
            continue
        yield clean(b"".join((carry, memoryview(block)[:cut])))
        carry = block[cut:]
    if carry:
        yield clean(carry)


def clean(data: bytes) -> bytes:
    """Without NULs, terminal sequences and what carriage returns overwrote; the number of lines is unchanged."""
    if b"\x00" in data:
        data = data.replace(b"\x00", b"")
    if b"\x1b" in data:
        data = _ANSI.sub(b"", data)
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
        if b"\r" in data:
            data = _OVERWRITTEN.sub(b"", _BLANKS.sub(b"", data))
    return data


def decode(line: bytes) -> str:
    """A line's text. What isn't UTF-8 is read as Windows-1252 when it is mostly text, else with marks for bad bytes."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        plain = sum(byte >= 32 or byte == 9 for byte in line if byte < 127)
        if plain * 10 >= len(line) * 8:
            return line.decode("cp1252", "replace")
        return line.decode("utf-8", "replace")


def _utf8(stream: BinaryIO) -> Iterator[bytes]:
    first = stream.read(CHUNK_BYTES)
    encoding = _UTF16.get(first[:2])
    if not encoding:
        first = first.removeprefix(_UTF8_MARK)
        while first:
            yield first
            first = stream.read(CHUNK_BYTES)
        return
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    first = first[2:]
    while first:
        yield decoder.decode(first).encode("utf-8", "surrogatepass")
        first = stream.read(CHUNK_BYTES)


class _Ends:
    """Knows whether a source ends its lines with bare carriage returns, from its first chunk."""

    def __init__(self) -> None:
        self._bare: bool | None = None

    def normal(self, block: bytes) -> bytes:
        if self._bare is None:
            self._bare = b"\r" in block and b"\n" not in block
        return block.replace(b"\r", b"\n") if self._bare else block
