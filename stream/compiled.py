"""The innermost loop, compiled: a frame is sealed for each of many receivers and handed to the kernel, no Python in between.

numba compiles it for this machine's processor, which takes seconds, and keeps the result (`stream/compiling.py`). Encryption is
the system's libcrypto by its `EVP` calls (NIST SP 800-38D), sending sendmmsg(2), cutting the kernel's UDP_SEGMENT.
Nothing here allocates, and nothing checks its arguments: `stream/roster.py`, which alone calls it, does.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from typing import Any

import llvmlite.binding
import numpy as np
from numba import types
from numpy.typing import NDArray

from stream.compiling import Kept

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]
Numbers = NDArray[np.int64]

LIBCRYPTO = "libcrypto.so.3"
TAG = 16
"""Bytes that AES-GCM adds."""
HEADER = 12
NONCE = 12
PACKET = ("kind", "position", "time", "flags", "size")
"""A packet's columns: 0 video, 1 sound; its place and time in its lane; first byte and marker of its header as one number of 16
bits; bytes of its payload, padding and all."""
TARGET = ("ssrc", "payload_type", "shift", "time_shift")
"""A receiver's columns for each kind: what makes its packets differ from the lane's own (see `fanout.Target`)."""
NOT_SEALED = -1
"""Stands where an errno would: the cipher refused."""
MESSAGES = 128
BUFFER = 160 * 1024
"""Bytes sealed before they are sent: they have to stay in the processor's second cache."""

_EINTR = 4
_GET_TAG = 0x10  # EVP_CTRL_AEAD_GET_TAG
_MESSAGE_WORDS = 8  # struct mmsghdr on 64-bit Linux
_CONTROL_BYTES = 24
# What lies where among the odds and ends, after a header: a nonce, an errno, and how much the cipher wrote.
_NONCE_AT, _ERRNO_AT, _WRITTEN_AT, _ODDS_BYTES = 16, 32, 48, 64

_WORD_BYTES = 8

_kept = Kept(__file__)
forget = _kept.forget
_int, _address, _size = types.int32, types.uintp, types.uintp


_OURS = "tellercast_"
"""Before the cipher's names: they are of the library that `load` opened, whatever else in the process has the same."""


def _outside(name: str, result: Any, *arguments: Any) -> Any:
    """A C function, found by its name among the libraries loaded."""
    return types.ExternalFunction(name, result(*arguments))


_init = _outside(_OURS + "EVP_EncryptInit_ex", _int, _address, _address, _address, _address, _address)
_update = _outside(_OURS + "EVP_EncryptUpdate", _int, _address, _address, _address, _address, _int)
_final = _outside(_OURS + "EVP_EncryptFinal_ex", _int, _address, _address, _address)
_control = _outside(_OURS + "EVP_CIPHER_CTX_ctrl", _int, _address, _int, _int, _address)
_CIPHER_CALLS = ("EVP_EncryptInit_ex", "EVP_EncryptUpdate", "EVP_EncryptFinal_ex", "EVP_CIPHER_CTX_ctrl")
_sendmmsg = _outside("sendmmsg", _int, _int, _address, types.uint32, _int)
_errno = _outside("__errno_location", _address)
_copy = _outside("memcpy", _address, _address, _address, _size)


def load() -> ctypes.CDLL | None:
    """The libcrypto that `send_all` calls, None where the machine has none or lays out its structures otherwise."""
    if sys.platform != "linux" or sys.byteorder != "little" or struct.calcsize("P") != _WORD_BYTES:
        return None
    try:
        library = ctypes.CDLL(LIBCRYPTO)
        addresses = {name: ctypes.cast(getattr(library, name), ctypes.c_void_p).value for name in _CIPHER_CALLS}
    except (OSError, AttributeError):
        return None
    for name, address in addresses.items():
        llvmlite.binding.add_symbol(_OURS + name, address)
    return library


def scratch() -> tuple[Bytes, Words, Words, Numbers, Bytes]:
    """What `send_all` works in: sealed bytes, message headers, their parts, whose each message is, and odds and ends."""
    return (
        np.zeros(BUFFER, np.uint8),
        np.zeros((MESSAGES, _MESSAGE_WORDS), np.uint64),
        np.zeros((MESSAGES, 2), np.uint64),
        np.zeros(MESSAGES, np.int64),
        np.zeros(_ODDS_BYTES, np.uint8),
    )


@_kept
def _big(to: Any, at: Any, value: Any, size: Any) -> None:
    """Writes `value` in network order."""
    for i in range(size):
        to[at + i] = (value >> (8 * (size - 1 - i))) & 0xFF


@_kept
def _write_head(odds: Any, packet: Any, target: Any) -> None:
    """A receiver's RTP header (RFC 3550 5.1) and its nonce before the salt (RFC 7714 8.1)."""
    ssrc, payload_type, shift, time_shift = target[0], target[1], target[2], target[3]
    index = packet[1] + shift
    _big(odds, 0, packet[3] | payload_type, 2)
    _big(odds, 2, index, 2)
    _big(odds, 4, packet[2] + time_shift, 4)
    _big(odds, 8, ssrc, 4)
    _big(odds, _NONCE_AT, ssrc, 6)
    _big(odds, _NONCE_AT + 6, index, 6)


@_kept
def _seal(context: Any, at: Any, odds: Any, payload: Any, size: Any) -> Any:
    """Writes header, encrypted payload and tag at address `at`. False when the cipher refuses."""
    none, head = types.uintp(0), odds.ctypes.data
    written = head + _WRITTEN_AT
    _copy(at, head, types.uintp(HEADER))
    good = _init(context, none, none, none, head + _NONCE_AT) == 1
    good = good and _update(context, none, written, head, HEADER) == 1
    good = good and _update(context, at + HEADER, written, payload, size) == 1
    good = good and _final(context, at + HEADER + size, written) == 1
    return good and _control(context, _GET_TAG, TAG, at + HEADER + size) == 1


@_kept
def _send(fd: Any, messages: Any, count: Any, owners: Any, odds: Any, failures: Any, failed: Any) -> Any:
    """Hands over `count` messages; what the kernel refuses is noted by row, errno and messages. Returns how many such notes."""
    first = messages.ctypes.data
    error = odds[_ERRNO_AT : _ERRNO_AT + 4].view(np.int32)
    done = 0
    while done < count:
        sent = _sendmmsg(fd, first + done * _MESSAGE_WORDS * _WORD_BYTES, count - done, 0)
        if sent > 0:
            done += sent
            continue
        _copy(error.ctypes.data, _errno(), types.uintp(4))
        if error[0] == _EINTR:
            continue
        if failed and failures[failed - 1, 0] == owners[done] and failures[failed - 1, 1] == error[0]:
            failures[failed - 1, 2] += 1
        elif failed < len(failures):
            failures[failed, 0], failures[failed, 1], failures[failed, 2] = owners[done], error[0], 1
            failed += 1
        done += 1
    return failed


@_kept
def send_all(fd: Any, rows: Any, table: Any, address_size: Any, run: Any, work: Any, failures: Any) -> int:
    """Seals one run for every row and sends it; returns how many rows of `failures` it wrote.

    `table`: the roster's columns, (contexts [uint64], salts [n, 12], addresses [n, 28], alone [n], targets [n, 2, TARGET]).
    `run`: (packets [p, PACKET], payloads one after the other, headers, nonces, control). `headers` and `nonces` (before the
    salt), 12 bytes for each packet, stand for what is otherwise made of packet and target. `control`: the message that has the
    kernel cut the run into datagrams, empty when it is to get them one by one, as who is `alone` does in any case. `failures`:
    (row, errno or NOT_SEALED, messages); what finds no room there is not noted.
    """
    contexts, salts, addresses, alone, targets = table
    packets, payloads, headers, nonces, control = run
    buffer, messages, parts, owners, odds = work
    size_of = packets[:, 4]
    total = 0
    for i in range(len(packets)):
        total += HEADER + size_of[i] + TAG
    ready = len(headers) > 0
    start, body = buffer.ctypes.data, payloads.ctypes.data
    failed = count = used = 0
    for row in rows:
        if contexts[row] == 0:
            continue
        single = alone[row] != 0 or len(control) == 0
        if count + len(packets) > MESSAGES or used + total > BUFFER:
            failed = _send(fd, messages, count, owners, odds, failures, failed)
            count = used = 0
        at, payload, good, first = start + used, body, True, count
        for i in range(len(packets)):
            if ready:
                odds[:HEADER] = headers[i * HEADER : (i + 1) * HEADER]
                odds[_NONCE_AT : _NONCE_AT + NONCE] = nonces[i * NONCE : (i + 1) * NONCE]
            else:
                _write_head(odds, packets[i], targets[row, packets[i, 0]])
            for b in range(NONCE):
                odds[_NONCE_AT + b] ^= salts[row, b]
            good = good and _seal(contexts[row], at, odds, payload, types.int32(size_of[i]))
            size = HEADER + size_of[i] + TAG
            if single or i == 0:
                parts[count, 0], parts[count, 1] = at, size if single else total
                message = messages[count]
                message[0], message[1] = addresses.ctypes.data + row * addresses.shape[1], address_size
                message[2], message[3] = parts.ctypes.data + count * 16, 1
                message[4], message[5] = control.ctypes.data, 0 if single else _CONTROL_BYTES
                message[6] = message[7] = 0
                owners[count] = row
                count += 1
            at += size
            payload += size_of[i]
        if good:
            used += total
        else:
            count = first
            if failed < len(failures):
                failures[failed, 0], failures[failed, 1], failures[failed, 2] = row, NOT_SEALED, len(packets)
                failed += 1
    return int(_send(fd, messages, count, owners, odds, failures, failed))


@_kept
def count(rows: Any, counts: Any, added: Any) -> None:
    """Adds `added` [4] to the row of each in `counts` [n, 4]."""
    for row in rows:
        for i in range(len(added)):
            counts[row, i] += added[i]


def settled() -> None:
    """Nothing is compiled any more: arguments of other types than those seen so far raise TypeError."""
    for function in (send_all, count):
        function.disable_compile()
