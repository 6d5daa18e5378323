"""All settings, read once into one frozen value. Environment (`TELLERCAST_*`) wins over the TOML file, that over defaults."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

PREFIX = "TELLERCAST_"
# A Unix socket's address holds 108 bytes on Linux (unix(7)).
_LONGEST_SOCKET_PATH = 100
# stun:host:port and turn:host:port?transport=… (RFC 7064, RFC 7065), the host a name, an IPv4 or a bracketed IPv6 address.
_SERVER_URL = re.compile(r"(stuns?|turns?):(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(\d{1,5}))?(\?transport=(?:udp|tcp))?")
_HIGHEST_PORT = 65_535
# Everybody who was ever given credentials can try secrets against them without asking anybody.
_SHORTEST_TURN_SECRET = 32
_TURN_LIFETIME_S = (300, 604_800)
_MOST_MEDIA_PROCESSES = 64
_MOST_WEBS = 64
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "[::]": "[::1]"}  # noqa: S104 - compared, not bound


class SettingsError(ValueError):
    """A setting can't be read; the message names it, its source and what would be right."""


def _setting(default: Any, doc: str, *, secret: bool = False) -> Any:
    return field(default=default, metadata={"doc": doc, "secret": secret})


@dataclass(frozen=True, slots=True)
class Settings:
    """One installation's settings. `sources` names where each value came from."""

    http_host: str = _setting("127.0.0.1", "Address the web process listens on; 0.0.0.0 for all (put TLS in front)")
    http_port: int = _setting(8080, "Port of pages, API and Socket.IO")
    data_dir: Path = _setting(Path("./var"), "Where secrets, keys, the SQLite file, the archive and logs of events live")
    database_url: str = _setting("", "sqlite+aiosqlite:///file or postgresql://…; default: a file in data_dir", secret=True)
    migration_database_url: str = _setting(
        "", "The same PostgreSQL database as its tables' owner, for `tellercast migrate` alone; see README", secret=True
    )
    webs: int = _setting(1, "Web processes that share the port; more than one need redis_url, and WebSocket alone is offered")
    redis_url: str = _setting("", "Joins several web processes; none is needed for one", secret=True)
    archive_url: str = _setting("", "file:/path of the recordings; default: archive/ in the data directory")
    archive_free_floor_mb: int = _setting(64, "MB that must stay free where recordings go; below it the sale closes")
    media_udp_host: str = _setting("::", "Address the media process receives on; :: is all, IPv6 and IPv4")
    media_udp_port: int = _setting(8081, "The one UDP port of the media process; further ones have the ports that follow")
    media_processes: int = _setting(1, "Media processes, up to one a core: a show's viewers spread over them")
    public_address: str = _setting("", "Address browsers reach the media port at, behind NAT; default: the machine's own")
    ice_servers: str = _setting("", "Comma-separated stun: URLs handed to browsers; none is needed where they reach us")
    turn_urls: str = _setting("", "Comma-separated turn: and turns: URLs for browsers whose network lets no UDP through to us")
    turn_secret: str = _setting("", "Shared with those TURN servers (coturn: static-auth-secret)", secret=True)
    turn_lifetime_s: int = _setting(43_200, "Seconds that TURN credentials are good for: longer than a session lasts")
    media_url: str = _setting("", "http://host:port of a media process elsewhere; default: the Unix socket")
    media_secret: str = _setting("", "Shared by web and media when they meet over a port", secret=True)
    media_listen: str = _setting("", "host:port where a media process elsewhere listens for web; default: the Unix socket")
    public_url: str = _setting("", "The address people use, such as https://live.bank.example; default http://localhost:PORT")
    origin: str = _setting("tellercast.local", "Name in every seal: who signed")
    jurisdiction: str = _setting("cn", "Whose retention rules hold: cn, eu, uk, us")
    core_url: str = _setting("", "The bank's core system that takes orders; demo mode has a sandbox of its own")
    core_secret: str = _setting("", "Signs what is sent to the core", secret=True)
    identity_key_file: str = _setting("", "PEM file with the public key (or keys) of the bank's sign-in; see README")
    identity_issuer: str = _setting("", "The `iss` the bank's sign-in puts into its assertions")
    trusted_proxies: str = _setting(
        "", "Comma-separated addresses or networks of the proxies in front, whose X-Forwarded-For is believed"
    )
    connections_per_address: int = _setting(
        1000, "Socket.IO connections one address may have, each web process; 0 for any number, as this machine's own have"
    )
    metrics_token: str = _setting("", "Bearer token for /metrics; without it only this machine may read them", secret=True)
    risk_velocity_orders: int = _setting(10, "So many orders of one customer within the minutes below look like trouble")
    risk_velocity_minutes: int = _setting(10, "Minutes the rule above looks back")
    risk_amount_factor: int = _setting(10, "An order this many times above all that is known of a customer goes to a call")
    risk_amount_floor: int = _setting(50_000_000, "Minor units below which no order is too large for that rule")
    replay_sales: bool = _setting(
        False, "Whether what is still on sale can be bought while a finished show is seen again; see docs/decisions/0019"
    )
    lexicon: str = _setting("", "TOML file of phrases to look for, beside the built-in ones; see docs/lexicon.md")
    sample_percent: int = _setting(10, "Of every hundred sessions, how many compliance reviews though no rule asked")
    seal_wait_s: int = _setting(30, "Seconds an ended session waits for its last fragments before it is sealed")
    abandoned_after_s: int = _setting(
        900, "Seconds without a sender after which a running session is ended; paused, 4 times that"
    )
    demo: bool = _setting(False, "Seeds shows, products and people, and lets anybody sign in as any of them")
    log_json: bool = _setting(False, "Logs as JSON lines")
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def resolved_database_url(self) -> str:
        return self.database_url or f"sqlite+aiosqlite:///{self.data_dir.resolve() / 'tellercast.db'}"

    @property
    def archive_root(self) -> Path:
        if not self.archive_url:
            return self.data_dir.resolve() / "archive"
        scheme, _, path = self.archive_url.partition(":")
        if scheme != "file" or not path:
            raise SettingsError(f"{PREFIX}ARCHIVE_URL is {self.archive_url!r}: this version archives to file:/path")
        return Path(path.removeprefix("//")).resolve()

    @property
    def several_webs(self) -> int:
        """How many web processes share the port. Raises SettingsError for what can't be."""
        if not 1 <= self.webs <= _MOST_WEBS:
            raise SettingsError(f"{PREFIX}WEBS is {self.webs}; from 1 to {_MOST_WEBS} is wanted")
        if self.webs > 1 and not self.redis_url:
            raise SettingsError(f"{PREFIX}WEBS is {self.webs}: {PREFIX}REDIS_URL must name the Redis that joins them")
        return self.webs

    @property
    def stun_urls(self) -> tuple[str, ...]:
        """What `ice_servers` names. Raises SettingsError for anything but STUN servers."""
        urls = _listed(self.ice_servers)
        for url in urls:
            if url.startswith(("turn:", "turns:")):
                raise SettingsError(f"{PREFIX}ICE_SERVERS names {url!r}: a TURN server belongs in {PREFIX}TURN_URLS")
            if not _is_server(url, ("stun", "stuns")):
                raise SettingsError(f"{PREFIX}ICE_SERVERS names {url!r}; stun:host:port is wanted")
        return urls

    @property
    def turn_servers(self) -> tuple[str, ...]:
        """What `turn_urls` names. Raises SettingsError when `turn_secret` and `turn_lifetime_s` make no credentials for them.

        Browsers refuse a TURN server without credentials, and whoever guesses the secret relays through it.
        """
        urls = _listed(self.turn_urls)
        for url in urls:
            if not _is_server(url, ("turn", "turns")):
                raise SettingsError(f"{PREFIX}TURN_URLS names {url!r}; turn:host:port?transport=udp (or tcp) is wanted")
        if urls and not self.turn_secret:
            raise SettingsError(f"{PREFIX}TURN_URLS is set: {PREFIX}TURN_SECRET must be too, the same as the TURN server's")
        if self.turn_secret and not urls:
            raise SettingsError(f"{PREFIX}TURN_SECRET is set: {PREFIX}TURN_URLS must name the servers that share it")
        if urls and len(self.turn_secret.strip()) < _SHORTEST_TURN_SECRET:
            raise SettingsError(f"{PREFIX}TURN_SECRET is too short: {_SHORTEST_TURN_SECRET} characters or more are wanted")
        shortest, longest = _TURN_LIFETIME_S
        if not shortest <= self.turn_lifetime_s <= longest:
            raise SettingsError(f"{PREFIX}TURN_LIFETIME_S is {self.turn_lifetime_s}; from {shortest} to {longest} is wanted")
        return urls

    @property
    def proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """What `trusted_proxies` names. Raises SettingsError for what is no address or network."""
        found = []
        for text in _listed(self.trusted_proxies):
            try:
                found.append(ip_network(text))
            except ValueError as error:
                raise SettingsError(f"{PREFIX}TRUSTED_PROXIES names {text!r}; 10.0.0.7 or 10.0.0.0/24 is wanted") from error
        return tuple(found)

    @property
    def media_socket(self) -> Path:
        """Where web meets its media process, the home of several."""
        return self.media_socket_of(0)

    def media_socket_of(self, process: int) -> Path:
        """A media process's Unix socket; short enough for the kernel however deep the data directory lies."""
        path = self.data_dir.resolve() / (f"media-{process}.sock" if process else "media.sock")
        if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
            return path
        digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"tellercast-{os.geteuid()}-{digest}.sock"

    @property
    def media_addresses(self) -> tuple[str, ...]:
        """Where web meets the media processes, the home first: Unix sockets, or URLs whose ports follow each other.

        Raises SettingsError when there are too many, or not ports enough for them.
        """
        count = self.media_processes
        if not 1 <= count <= _MOST_MEDIA_PROCESSES:
            raise SettingsError(f"{PREFIX}MEDIA_PROCESSES is {count}; from 1 to {_MOST_MEDIA_PROCESSES} is wanted")
        if not 0 <= self.media_udp_port <= _HIGHEST_PORT:
            raise SettingsError(
                f"{PREFIX}MEDIA_UDP_PORT is {self.media_udp_port}; from 0 (whichever is free) to {_HIGHEST_PORT} is wanted"
            )
        if self.media_udp_port and self.media_udp_port + count - 1 > _HIGHEST_PORT:
            raise SettingsError(f"{PREFIX}MEDIA_UDP_PORT is {self.media_udp_port}: {count} media processes need as many ports")
        if not self.media_url:
            return tuple(str(self.media_socket_of(process)) for process in range(count))
        if count == 1:
            return (self.media_url,)
        scheme, _, rest = self.media_url.rstrip("/").partition("://")
        host, _, port = rest.rpartition(":")
        if not host or not port.isdigit() or int(port) + count - 1 > _HIGHEST_PORT:
            raise SettingsError(
                f"{PREFIX}MEDIA_URL is {self.media_url!r}; http://host:port is wanted, and the ports that follow"
            )
        return tuple(f"{scheme}://{host}:{int(port) + process}" for process in range(count))

    @property
    def media_home(self) -> str:
        """Where the other media processes meet the home, which is on their machine."""
        host, _, port = self.media_listen.rpartition(":")
        return f"http://{_ANYWHERE.get(host, host)}:{port}" if host else str(self.media_socket)

    @property
    def base_url(self) -> str:
        return self.public_url.rstrip("/") or f"http://localhost:{self.http_port}"


def load(environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Settings from `environ` (the process's own when None), the TOML file that `TELLERCAST_CONFIG` names, and `overrides`.

    Raises SettingsError for an unknown name, a value of the wrong kind, or servers that no browser could use: what is misspelt
    must not pass for a default.
    """
    environ = os.environ if environ is None else environ
    known = {f.name: f for f in fields(Settings) if f.name != "sources"}
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    config = environ.get(PREFIX + "CONFIG")
    if config:
        for name, value in _read_toml(Path(config)).items():
            if name not in known:
                raise SettingsError(f"{config}: there is no setting {name!r}; `tellercast settings` lists them all")
            values[name], sources[name] = _parse(known[name], str(value), config), config
    for variable, text in environ.items():
        name = variable.removeprefix(PREFIX).lower()
        if variable == PREFIX + "CONFIG" or not variable.startswith(PREFIX):
            continue
        if name not in known:
            raise SettingsError(f"there is no setting {variable}; `tellercast settings` lists them all")
        values[name], sources[name] = _parse(known[name], text, variable), variable
    for name, value in overrides.items():
        values[name], sources[name] = value, "command line"
    settings = Settings(**values, sources=sources)
    _ = (
        settings.stun_urls,
        settings.turn_servers,
        settings.media_addresses,
        settings.proxies,
        settings.several_webs,
    )  # said now, not by a web process that is started again and again
    return settings


def describe(settings: Settings) -> str:
    """Every setting with its value, source and meaning; secrets masked."""
    lines = []
    for f in fields(Settings):
        if f.name == "sources":
            continue
        value = getattr(settings, f.name)
        shown = "********" if f.metadata["secret"] and value else value
        source = settings.sources.get(f.name, "default")
        lines.append(f"{PREFIX}{f.name.upper()} = {shown!s}\n    {f.metadata['doc']} [{source}]")
    return "\n".join(lines)


def secret_file(path: Path, size: int = 32) -> bytes:
    """The secret kept in `path`, made on first use and readable by its owner alone. Raises SettingsError for a damaged one.

    It appears whole or not at all: half of one, left by a crash or read while another process writes, would be a known key.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        _write_whole(path, os.urandom(size).hex() + "\n")
    try:
        secret = bytes.fromhex(path.read_text().strip())
    except ValueError:
        secret = b""
    if len(secret) < size:
        raise SettingsError(f"{path} is damaged: restore it from a backup, or remove it, and everybody signs in again")
    return secret


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _is_server(url: str, schemes: tuple[str, ...]) -> bool:
    """Whether a browser can read it; one that it can't costs it all servers."""
    found = _SERVER_URL.fullmatch(url)
    if found is None or found[1] not in schemes:
        return False
    transport_fits = found[4] is None or found[1].startswith("turn")  # RFC 7064 gives STUN none
    return transport_fits and (found[3] is None or 0 < int(found[3]) <= _HIGHEST_PORT)


def _write_whole(path: Path, text: str) -> None:
    """Writes a file of our own unless another process was first."""
    handle, fresh = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)
    finally:
        os.unlink(fresh)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{PREFIX}CONFIG: {path} can't be read: {error}") from error


def _parse(setting: Any, text: str, source: str) -> Any:
    kind = type(setting.default)
    if kind is bool:
        lowered = text.strip().lower()
        if lowered in {"1", "true", "yes", "on"}:
            return True
        if lowered in {"0", "false", "no", "off", ""}:
            return False
        raise SettingsError(f"{source}: {setting.name} is {text!r}; say 1 or 0")
    if kind is int:
        try:
            return int(text)
        except ValueError:
            raise SettingsError(f"{source}: {setting.name} is {text!r}; a whole number is wanted") from None
    return Path(text) if isinstance(setting.default, Path) else text
