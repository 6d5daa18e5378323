"""What we use of aiortc's private parts. When this fails, aiortc moved: read `stream/aiortc_private.py` first."""

from __future__ import annotations

import inspect
import re
from importlib.metadata import version

import aioice.ice
import pytest
from aiortc import rtcdtlstransport
from aiortc.rtcdtlstransport import RTCCertificate, RTCDtlsTransport, SRTPProtectionProfile, State


def test_the_versions_are_those_it_was_written_against() -> None:
    assert version("aiortc").startswith("1.16."), "aiortc moved: check every private touch, then change this line"
    assert version("aioice").startswith("0.13."), "aioice moved: check get_host_addresses, then change this line"


@pytest.mark.parametrize("name", ["_setup_srtp", "_set_role", "_do_handshake", "start", "stop", "_recv_next"])
def test_the_methods_are_there(name: str) -> None:
    assert callable(getattr(RTCDtlsTransport, name))


def test_the_handshake_still_calls_our_hook_before_it_is_connected() -> None:
    source = inspect.getsource(RTCDtlsTransport.start)
    assert "self._setup_srtp()" in source
    assert source.index("self._validate_peer_identity(remoteParameters)") < source.index("self._setup_srtp()")
    assert source.index("self._setup_srtp()") < source.index("State.CONNECTED")


def test_of_the_ice_transport_only_what_we_have_is_asked() -> None:
    source = inspect.getsource(RTCDtlsTransport)
    asked = set(re.findall(r"self\.transport\.(\w+)", source))
    assert asked == {"_recv", "_send", "role"}


def test_the_attributes_are_there() -> None:
    source = inspect.getsource(RTCDtlsTransport.__init__)
    for name in ("self._srtp_profiles", "self._ssl", "self._role", "self._state"):
        assert name in source
    assert {s.name for s in State} == {"NEW", "CONNECTING", "CONNECTED", "CLOSED", "FAILED"}
    fields = set(SRTPProtectionProfile.__dataclass_fields__)
    assert fields == {"libsrtp_profile", "openssl_profile", "key_length", "salt_length"}
    assert rtcdtlstransport.SRTP_AEAD_AES_128_GCM in rtcdtlstransport.SRTP_PROFILES, (
        "libsrtp without GCM costs twice per packet"
    )


def test_of_its_certificate_the_transport_asks_only_what_we_have() -> None:
    source = inspect.getsource(RTCDtlsTransport)
    asked = set(re.findall(r"__local_certificate\.(\w+)", source))
    assert asked == {"getFingerprints", "_create_ssl_context"}
    assert list(inspect.signature(RTCCertificate._create_ssl_context).parameters) == ["self", "srtp_profiles"]


def test_aioice_has_what_the_port_uses() -> None:
    assert list(inspect.signature(aioice.ice.get_host_addresses).parameters) == ["use_ipv4", "use_ipv6"]
