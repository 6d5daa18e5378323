"""What the bank's own sign-in says about a person: a JWT (RFC 7519), signed by the bank, good once and for minutes.

Life of an assertion: signature, issuer and audience checked against the installation's key → its claims read → its times
checked → its `jti` written down, by whichever process is first → a Person.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import jwt
import structlog
from aiohttp import web
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from sqlalchemy import delete, select

from app.settings import PREFIX, Settings, SettingsError
from app.tables import used_assertions
from commerce.trailing import insert_new
from core.clock import Clock
from core.database import Database
from core.errors import Problem, Refused
from core.identity import Person, Role

AUDIENCE: Final = "tellercast"
# From issue to expiry; the way from the bank's page to ours takes seconds.
LIFE_S: Final = 300
# How far the bank's clock may be from ours.
SKEW_S: Final = 30
# A used `jti` stays known this long after it expired, should our own machines' clocks differ.
_KEPT: Final = timedelta(hours=1)
_CLEARED_AT_ONCE: Final = 100
_RSA_BITS_MIN: Final = 2048  # RFC 7518, 3.3

_YEAR_5138: Final = 1e11  # JSON can hold numbers that no calendar can

_PEM = re.compile(rb"-----BEGIN [A-Z0-9 ]+-----.*?-----END [A-Z0-9 ]+-----", re.DOTALL)
# What the record's columns hold: ids of at most 64 characters, names of at most 80.
_SUB = re.compile(r"[!-~]{1,64}")
_JTI = re.compile(r"[!-~]{1,128}")
_NAME_MAX = 80

ASSERTION_INVALID = Problem(
    "assertion_invalid", 401,
    "The bank's sign-in could not be confirmed: {detail}.", "无法确认银行登录信息：{detail}。",
    "Sign in at your bank again; if it stays, tell the bank this sentence.",
    "请在银行重新登录；如仍未解决，请将此提示告知银行。", "login",
)  # fmt: skip
ASSERTION_EXPIRED = Problem(
    "assertion_expired", 401,
    "The bank's sign-in is too old.", "银行登录信息已过期。",
    "Sign in at your bank again and come straight here.", "请在银行重新登录后立即进入。", "login",
)  # fmt: skip
ASSERTION_USED = Problem(
    "assertion_used", 401,
    "This sign-in has been used before.", "该登录信息已被使用。",
    "Sign in at your bank again; each sign-in is good once.", "请在银行重新登录，每次登录信息仅限使用一次。", "login",
)  # fmt: skip
SIGN_IN_NOT_SET_UP = Problem(
    "sign_in_not_set_up", 503,
    "This installation has no connection to the bank's sign-in yet.", "本系统尚未接入银行登录。",
    "The operator sets TELLERCAST_IDENTITY_KEY_FILE and TELLERCAST_IDENTITY_ISSUER.",
    "请运维人员设置 TELLERCAST_IDENTITY_KEY_FILE 与 TELLERCAST_IDENTITY_ISSUER。",
)  # fmt: skip
PROBLEMS = (ASSERTION_INVALID, ASSERTION_EXPIRED, ASSERTION_USED, SIGN_IN_NOT_SET_UP)

log = structlog.get_logger()
PublicKey = Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who signs: its name, and its keys, each with the only algorithm it is taken for (RFC 8725, 3.1)."""

    name: str
    keys: tuple[tuple[str, PublicKey], ...]


@dataclass(frozen=True, slots=True)
class Claims:
    """A checked assertion."""

    person: Person
    jti: str
    expires_at: datetime


def issuer_from(settings: Settings) -> Issuer | None:
    """Whom the settings trust, None when nobody. Raises SettingsError for half a setting or an unfit key."""
    file, name = settings.identity_key_file, settings.identity_issuer
    if not file and not name:
        return None
    if not file or not name:
        raise SettingsError(f"{PREFIX}IDENTITY_KEY_FILE and {PREFIX}IDENTITY_ISSUER belong together; set both or none")
    try:
        pem = Path(file).read_bytes()
    except OSError as error:
        raise SettingsError(f"{PREFIX}IDENTITY_KEY_FILE: {file} can't be read: {error.strerror}") from error
    blocks = _PEM.findall(pem)
    if not blocks:
        raise SettingsError(f"{PREFIX}IDENTITY_KEY_FILE: {file} has no PEM block; -----BEGIN PUBLIC KEY----- is wanted")
    return Issuer(name, tuple(_key(block, file) for block in blocks))


def _key(pem: bytes, file: str) -> tuple[str, PublicKey]:
    wrong = f"{PREFIX}IDENTITY_KEY_FILE: {file}"
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SettingsError(f"{wrong} holds something else than public keys") from error
    if isinstance(key, Ed25519PublicKey):
        return "EdDSA", key
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return "ES256", key
    if isinstance(key, RSAPublicKey) and key.key_size >= _RSA_BITS_MIN:
        return "RS256", key
    raise SettingsError(f"{wrong}: an Ed25519, a P-256 or an RSA key of at least {_RSA_BITS_MIN} bits is wanted")


def check(assertion: str, issuer: Issuer, now: datetime) -> Claims:
    """Everything but whether it was used. Raises Refused(ASSERTION_INVALID | ASSERTION_EXPIRED)."""
    claims = _signed_claims(assertion, issuer)
    issued, expires = _seconds(claims, "iat"), _seconds(claims, "exp")
    at = now.timestamp()
    if expires - issued > LIFE_S:
        raise _invalid(f"it is good for more than {LIFE_S} s")
    if issued > at + SKEW_S or ("nbf" in claims and _seconds(claims, "nbf") > at + SKEW_S):
        raise _invalid("it is from the future; compare the clocks")
    if expires <= at - SKEW_S:
        raise Refused(ASSERTION_EXPIRED)
    return Claims(_person(claims), _text(claims, "jti", _JTI), datetime.fromtimestamp(expires, UTC))


class Assertions:
    """Turns each assertion into a person once, whatever process it is sent to."""

    def __init__(self, db: Database, clock: Clock, issuer: Issuer | None) -> None:
        self._db = db
        self._clock = clock
        self._issuer = issuer

    async def redeem(self, assertion: str) -> Person:
        """Whom the bank says this is. Raises Refused with one of `PROBLEMS`."""
        if self._issuer is None:
            raise Refused(SIGN_IN_NOT_SET_UP)
        claims = check(assertion, self._issuer, self._clock.now())
        async with self._db.write() as tx:
            # Locked rows are somebody else's clearing up: skipped, so that no sign-in waits for another.
            old = used_assertions.c.expires_at < self._clock.now() - _KEPT
            some = select(used_assertions.c.jti).where(old).limit(_CLEARED_AT_ONCE).with_for_update(skip_locked=True)
            await tx.execute(delete(used_assertions).where(used_assertions.c.jti.in_(some)))
            first = await insert_new(tx, used_assertions, jti=claims.jti, expires_at=claims.expires_at)
        if not first:
            log.warning("an assertion was sent again", person=claims.person.id)
            raise Refused(ASSERTION_USED)
        return claims.person


ASSERTIONS = web.AppKey("assertions", Assertions)


def _signed_claims(assertion: str, issuer: Issuer) -> dict[str, Any]:
    """The claims, their signer, issuer and audience proved. Times are checked by `check`, against the clock we are given."""
    options: Any = {
        "require": ["iss", "aud", "sub", "name", "role", "iat", "exp", "jti"],
        "verify_exp": False,
        "verify_iat": False,
        "verify_nbf": False,
    }
    for algorithm, key in issuer.keys:
        try:
            return jwt.decode(assertion, key, [algorithm], options, audience=AUDIENCE, issuer=issuer.name)
        except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError):
            continue  # an older or newer key of the bank's may fit
        except jwt.PyJWTError as error:
            raise _invalid(_reason(error)) from error
        except (ValueError, TypeError, RecursionError) as error:  # what the parser lets through on hostile input
            raise _invalid("it is no JWT") from error
    raise _invalid("no key of the bank's signed it")


def _reason(error: jwt.PyJWTError) -> str:
    if isinstance(error, jwt.InvalidAudienceError):
        return f"it is not for {AUDIENCE}"
    if isinstance(error, jwt.InvalidIssuerError):
        return "it is not from the issuer this installation knows"
    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"it has no {error.claim}"
    return "it is no JWT" if isinstance(error, jwt.DecodeError) else "one of its claims is not as it should be"


def _person(claims: dict[str, Any]) -> Person:
    name = claims["name"]
    if not isinstance(name, str) or not name.strip() or len(name) > _NAME_MAX or not name.isprintable():
        raise _invalid(f"its name is not 1 to {_NAME_MAX} printable characters")
    try:
        role = Role(claims["role"])
    except ValueError as error:
        raise _invalid(f"its role is none of {', '.join(Role)}") from error
    return Person(_text(claims, "sub", _SUB), role, name.strip())


def _text(claims: dict[str, Any], name: str, shape: re.Pattern[str]) -> str:
    value = claims[name]
    if not isinstance(value, str) or not shape.fullmatch(value):
        raise _invalid(f"its {name} does not match {shape.pattern}")
    return value


def _seconds(claims: dict[str, Any], name: str) -> float:
    """A NumericDate (RFC 7519, 2)."""
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _YEAR_5138:
        raise _invalid(f"its {name} is not a time in seconds since 1970")
    return float(value)


def _invalid(detail: str) -> Refused:
    return Refused(ASSERTION_INVALID, detail=detail)
