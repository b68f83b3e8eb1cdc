"""A package of files as one ZIP archive with a single spelling; knows no file by name.

Stored and never compressed, sorted, dated 1980, without comments, extra fields or attributes: any
program unpacks it, and this reader takes no other bytes than ``encode_package`` would have
written. So there is no bomb, no path that leads out, no name twice, and nothing between the files.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Mapping
from typing import Final

from glasslock.errors import WireError

MAX_PACKAGE: Final = 256 * 1024 * 1024
MAX_FILES: Final = 512
MAX_NAME: Final = 64

_NAME: Final = re.compile(r"(?:[a-z0-9][a-z0-9-]*/)?[a-z0-9][a-z0-9-]*\.[a-z0-9]+")
_LOCAL: Final = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL: Final = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END: Final = struct.Struct("<4sHHHHIIH")
_LOCAL_MARK: Final = b"PK\x03\x04"
_CENTRAL_MARK: Final = b"PK\x01\x02"
_END_MARK: Final = b"PK\x05\x06"
# Version 1.0 of the format can store; the first day that it can write is 1 January 1980.
_VERSION: Final = 10
_DATE: Final = 0x0021


def encode_package(files: Mapping[str, bytes]) -> bytes:
    """Return the archive of ``files``; equal files give equal bytes.

    Raises:
        WireError: no file, too many, a name that this format does not write, or too large.
    """
    names = sorted(files)
    if not 0 < len(names) <= MAX_FILES:
        raise WireError("a package has 1 to 512 files", rule="package.count")
    packed = b"".join(_local(_checked(name), files[name]) + files[name] for name in names)
    packed += _directory(files)
    if len(packed) > MAX_PACKAGE:
        raise WireError("a package is too large", rule="package.length")
    return packed


def decode_package(data: bytes) -> dict[str, bytes]:
    """Return the files of an archive by name; raises ``WireError``. Believes nothing in them."""
    if len(data) > MAX_PACKAGE:
        raise WireError("a package is too large", rule="package.length")
    files: dict[str, bytes] = {}
    at, last = 0, ""
    while data.startswith(_LOCAL_MARK, at):
        name, content = _file_at(data, at)
        # Rising names: none stands twice, and their order tells nothing.
        if name <= last:
            raise WireError("files of a package stand twice or unsorted", rule="package.order")
        if len(files) == MAX_FILES:
            raise WireError("a package has at most 512 files", rule="package.count")
        files[name], last = content, name
        at += _LOCAL.size + len(name) + len(content)
    # What an unpacking program goes by is the directory at the end: it must say the same.
    if not files or data[at:] != _directory(files):
        raise WireError("a package ends otherwise than it must", rule="package.end")
    return files


def _file_at(data: bytes, at: int) -> tuple[str, bytes]:
    begin = at + _LOCAL.size
    if begin > len(data):
        raise WireError("a package is cut off", rule="package.cut")
    *_, size, length, _ = _LOCAL.unpack_from(data, at)
    if length > MAX_NAME or begin + length + size > len(data):
        raise WireError("a package is cut off", rule="package.cut")
    content = data[begin + length : begin + length + size]
    name = _checked(data[begin : begin + length].decode("ascii", errors="replace"))
    # Compressed, encrypted, dated or otherwise spelled, or of another content than its sum.
    if data[at:begin] != _local(name, content)[: _LOCAL.size]:
        raise WireError("a file of a package is not stored as it must be", rule="package.stored")
    return name, content


def _checked(name: str) -> str:
    if len(name) > MAX_NAME or not _NAME.fullmatch(name):
        raise WireError("a file of a package has a strange name", rule="package.name")
    return name


def _local(name: str, data: bytes) -> bytes:
    fields = (_VERSION, 0, 0, 0, _DATE, zlib.crc32(data), len(data), len(data), len(name), 0)
    return _LOCAL.pack(_LOCAL_MARK, *fields) + name.encode()


def _directory(files: Mapping[str, bytes]) -> bytes:
    """Return what stands after the files: one line for each, and the end."""
    lines, offset = bytearray(), 0
    for name in sorted(files):
        lines += _central(name, files[name], offset)
        offset += _LOCAL.size + len(name) + len(files[name])
    count = len(files)
    return bytes(lines) + _END.pack(_END_MARK, 0, 0, count, count, len(lines), offset, 0)


def _central(name: str, data: bytes, offset: int) -> bytes:
    sizes = (zlib.crc32(data), len(data), len(data), len(name))
    rest = (0, 0, 0, 0, 0, offset)
    fields = (_VERSION, _VERSION, 0, 0, 0, _DATE, *sizes, *rest)
    return _CENTRAL.pack(_CENTRAL_MARK, *fields) + name.encode()
