"""`tellercast keys`: what signs the seals."""

from __future__ import annotations

from app.settings import Settings
from recording.keys import SigningKeys


def signing_keys(settings: Settings) -> SigningKeys:
    """The installation's keys."""
    return SigningKeys(settings.data_dir / "keys", settings.origin)


def keys_command(settings: Settings, action: str) -> int:
    """`list` prints every public key, the signing one first; `create` makes the first; `rotate` makes a new one sign."""
    keys = signing_keys(settings)
    if action == "rotate":
        keys.rotate()
    elif action == "create" or not keys.public():
        keys.signer()
    for key in keys.public():
        print(key)
    return 0
