"""STUN as aioice understands it, both ways; what is hostile is a ValueError and never an authentic request."""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv6Address, ip_address

import pytest
from aioice import stun as other
from hypothesis import assume, example, given
from hypothesis import strategies as st

from stream import stun

KEY = b"0123456789abcdef0123456789abcdef"
COOKIE = 0x2112A442
TRANSACTION = bytes(range(12))

# RFC 5769 section 2.1, with the password of section 2.
SAMPLE_KEY = b"VOkJxbRl1RmTxUk/WvJxBt"
SAMPLE = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae"
    "802200105354554e207465737420636c69656e74"  # SOFTWARE
    "002400046e0001ff"  # PRIORITY
    "80290008932ff9b151263b36"  # ICE-CONTROLLED
    "000600096576746a3a68367659202020"  # USERNAME, padded with spaces
    "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
    "80280004e57a3bcf"
)

names = st.text(min_size=1, max_size=40)
keys = st.binary(min_size=1, max_size=100)
transactions = st.binary(min_size=12, max_size=12)
tie_breakers = st.integers(0, 2**64 - 1)
hosts = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
    st.ip_addresses(v=4).map(lambda address: f"::ffff:{address}"),
)


def request(key: bytes = KEY, transaction: bytes = TRANSACTION, **attributes: object) -> bytes:
    """A signed Binding request of aioice's with these attributes, in this order."""
    message = other.Message(other.Method.BINDING, other.Class.REQUEST, transaction)
    message.attributes.update({name.replace("_", "-"): value for name, value in attributes.items()})
    message.add_message_integrity(key)
    return bytes(message)


def message(*attributes: tuple[int, bytes], kind: int = 1) -> bytes:
    """Unsigned, with any attributes at all."""
    body = b"".join(struct.pack("!HH", name, len(value)) + value + bytes(-len(value) % 4) for name, value in attributes)
    return struct.pack("!HHI12s", kind, len(body), COOKIE, TRANSACTION) + body


def resealed(data: bytes) -> bytes:
    """The message with a FINGERPRINT that fits it, as anybody can make one."""
    data = other.set_body_length(data, len(data) - 20 + 8)
    return data + struct.pack("!HHI", 0x8028, 4, other.message_fingerprint(data))


def read(data: bytes) -> stun.BindingRequest:
    found = stun.parse(data)
    assert found is not None
    return found


def said(found: stun.BindingRequest) -> tuple[object, ...]:
    return found.transaction_id, found.username, found.use_candidate, found.controlled, found.controlling


@given(names, keys, transactions, st.booleans(), st.none() | tie_breakers, st.none() | tie_breakers)
def test_a_request_is_read_as_its_maker_meant_it(
    username: str, key: bytes, transaction: bytes, nominated: bool, controlled: int | None, controlling: int | None
) -> None:
    optional = {"ICE_CONTROLLED": controlled, "ICE_CONTROLLING": controlling}
    attributes = {name: value for name, value in optional.items() if value is not None}
    if nominated:
        attributes["USE_CANDIDATE"] = None  # type: ignore[assignment]
    found = read(request(key, transaction, USERNAME=username, PRIORITY=7, **attributes))
    assert said(found) == (transaction, username, nominated, controlled is not None, controlling is not None)
    assert found.signed_with(key)
    assert not found.signed_with(key + b"!")


def test_the_sample_of_the_standard_is_read() -> None:
    found = read(SAMPLE)
    assert said(found) == (SAMPLE[8:20], "evtj:h6vY", False, True, False)
    assert found.signed_with(SAMPLE_KEY)
    assert not found.signed_with(KEY)


@given(transactions, keys, hosts, st.integers(0, 0xFFFF))
@example(TRANSACTION, KEY, "192.0.2.1", 32853)
@example(TRANSACTION, KEY, "2001:db8:1234:5678:11:2233:4455:6677", 32853)
@example(TRANSACTION, KEY, "::ffff:192.0.2.1", 0)
@example(TRANSACTION, KEY, "::", 1)
def test_the_answer_tells_another_agent_where_it_came_from(transaction: bytes, key: bytes, host: str, port: int) -> None:
    answer = other.parse_message(stun.success(transaction, key, host, port))
    address = ip_address(host)
    plain = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    assert (answer.message_method, answer.message_class) == (other.Method.BINDING, other.Class.RESPONSE)
    assert answer.transaction_id == transaction
    assert list(answer.attributes) == ["XOR-MAPPED-ADDRESS", "MESSAGE-INTEGRITY", "FINGERPRINT"]
    assert answer.attributes["XOR-MAPPED-ADDRESS"] == (str(plain or address), port)
    assert answer.check_message_integrity(key)
    assert not answer.check_message_integrity(key + b"!")


@given(transactions, keys)
def test_the_refusal_is_understood(transaction: bytes, key: bytes) -> None:
    refusal = other.parse_message(stun.role_conflict(transaction, key))
    assert (refusal.message_method, refusal.message_class) == (other.Method.BINDING, other.Class.ERROR)
    assert refusal.transaction_id == transaction
    assert refusal.attributes["ERROR-CODE"] == (487, "Role Conflict")
    assert list(refusal.attributes) == ["ERROR-CODE", "MESSAGE-INTEGRITY", "FINGERPRINT"]
    assert refusal.check_message_integrity(key)


@given(hosts)
def test_addresses_are_packed_as_the_library_packs_them(host: str) -> None:
    address = ip_address(host)
    plain = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    assert stun.packed(host) == (plain or address).packed


def test_a_scope_is_no_part_of_the_address() -> None:
    assert stun.packed("fe80::1%eth0") == socket.inet_pton(socket.AF_INET6, "fe80::1")


@pytest.mark.parametrize("host", ["", "localhost", "1.2.3", "::g", "1::2::3", "1.2.3.4:5"])
def test_what_is_no_address_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="not an IP address"):
        stun.packed(host)


known_types = (0x0006, 0x0008, 0x0020, 0x0024, 0x0025, 0x8028, 0x8029, 0x802A, 0xC057)
bodies = st.lists(
    st.tuples(
        st.sampled_from(known_types) | st.integers(0, 0xFFFF),
        st.binary(max_size=30) | st.binary(min_size=20, max_size=20),
    ),
    max_size=8,
).map(lambda attributes: message(*attributes))
headed = st.binary(max_size=60).map(lambda body: struct.pack("!HHI12s", 1, len(body), COOKIE, TRANSACTION) + body)


@given(st.binary(max_size=200) | headed | bodies | bodies.map(resealed))
def test_no_bytes_do_more_than_be_refused(data: bytes) -> None:
    try:
        found = stun.parse(data)
    except ValueError:
        return
    assert found is None or not found.signed_with(KEY)


@given(st.data(), st.sampled_from([SAMPLE, request(USERNAME="a:b", USE_CANDIDATE=None, ICE_CONTROLLING=1)]))
def test_a_changed_bit_changes_nothing_that_is_believed(data: st.DataObject, good: bytes) -> None:
    key = SAMPLE_KEY if good is SAMPLE else KEY
    at = data.draw(st.integers(0, len(good) * 8 - 1))
    bad = bytearray(good)
    bad[at // 8] ^= 1 << at % 8
    try:
        found = stun.parse(bytes(bad))
    except ValueError:
        return
    # Only the name of FINGERPRINT may change unnoticed: then it is an attribute unknown to us behind the signature.
    assert found is None or not found.signed_with(key) or (said(found) == said(read(good)) and at // 8 >= len(good) - 8)


@given(st.integers(0, len(SAMPLE) - 1))
def test_a_part_of_a_message_is_none(size: int) -> None:
    with pytest.raises(ValueError, match="STUN"):
        stun.parse(SAMPLE[:size])


@given(bodies, st.binary(min_size=1, max_size=40))
def test_a_message_ends_with_its_datagram(data: bytes, more: bytes) -> None:
    with pytest.raises(ValueError, match="not a STUN message"):
        stun.parse(data + more)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (message()[:4] + b"\x21\x12\xa4\x43" + message()[8:], "not a STUN message"),
        (message(kind=0x0003), "not the Binding method"),  # Allocate
        (message(kind=0x4001), "not the Binding method"),  # the first two bits are no part of a type
        (message()[:2] + b"\0\4" + message()[4:] + b"\0\6\0\1", "longer than its message"),
        (message((0x0006, b"\xff\xfe")), "utf-8"),
        (message((0x0008, bytes(19))), "MESSAGE-INTEGRITY"),
        (message((0x8029, bytes(4))), "tie-breaker"),
        (message((0x802A, bytes(9))), "tie-breaker"),
        (message((0x8028, bytes(5))), "FINGERPRINT is not"),
        (message((0x8028, bytes(0))), "FINGERPRINT is not"),
        (message((0x8028, bytes(4))), "FINGERPRINT does not match"),
        (SAMPLE[:2] + b"\0\x5c" + SAMPLE[4:] + bytes(4), "FINGERPRINT is not"),
    ],
)
def test_each_flaw_has_its_reason(data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        stun.parse(data)


@pytest.mark.parametrize("kind", [0x0011, 0x0101, 0x0111], ids=["indication", "success", "error"])
def test_other_messages_of_the_method_want_no_answer(kind: int) -> None:
    assert stun.parse(message(kind=kind)) is None


def test_a_request_without_name_or_signature_is_read_and_not_believed() -> None:
    found = read(message())
    assert found.username == ""
    assert not found.signed_with(KEY)
    assert not found.signed_with(b"")


def test_the_fingerprint_is_optional() -> None:
    signed = request(USERNAME="a:b")[:-8]
    found = read(other.set_body_length(signed, len(signed) - 20))
    assert found.username == "a:b"
    assert found.signed_with(KEY)


@given(names, st.booleans())
def test_what_follows_the_signature_is_not_said(username: str, fingerprint: bool) -> None:
    signed = request(USERNAME="a:b", ICE_CONTROLLING=1)[:-8]
    more = message((0x0006, username.encode()), (0x0025, b""), (0x8029, bytes(8)), (0x0008, bytes(20)))[20:]
    data = other.set_body_length(signed + more, len(signed + more) - 20)
    found = read(resealed(data) if fingerprint else data)
    assert said(found) == (TRANSACTION, "a:b", False, False, True)
    assert found.signed_with(KEY)


@given(st.integers(0, 0x7FFF), st.binary(max_size=9))
def test_an_attribute_unknown_to_us_is_passed_over(name: int, value: bytes) -> None:
    assume(name not in (0x0006, 0x0008, 0x0025))
    unsigned = message((name, value), (0x0006, b"a:b"), (0x0025, b""))
    integrity = struct.pack("!HH", 0x0008, 20) + other.message_integrity(unsigned, KEY)
    found = read(other.set_body_length(unsigned, len(unsigned) - 20 + 24) + integrity)
    assert said(found) == (TRANSACTION, "a:b", True, False, False)
    assert found.signed_with(KEY)


def test_of_two_names_the_first_counts() -> None:
    assert read(message((0x0006, b""), (0x0006, b"c:d"))).username == ""
    assert read(message((0x0006, b"a:b"), (0x0006, b"c:d"))).username == "a:b"
