"""Settings: where they come from, and that a wrong one is said and not passed over."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.settings import SettingsError, describe, load, secret_file


def test_environment_wins_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    config = tmp_path / "tellercast.toml"
    config.write_text('http_port = 9000\norigin = "bank.example"\n')
    settings = load({"TELLERCAST_CONFIG": str(config), "TELLERCAST_HTTP_PORT": "9001"})
    assert (settings.http_port, settings.origin, settings.media_udp_port) == (9001, "bank.example", 8081)
    assert settings.sources == {"http_port": "TELLERCAST_HTTP_PORT", "origin": str(config)}


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"TELLERCAST_HTTP_PROT": "1"}, "TELLERCAST_HTTP_PROT"),
        ({"TELLERCAST_HTTP_PORT": "eighty"}, "http_port"),
        ({"TELLERCAST_DEMO": "perhaps"}, "demo"),
        ({"TELLERCAST_CONFIG": "/nowhere.toml"}, "/nowhere.toml"),
        ({"TELLERCAST_TRUSTED_PROXIES": "10.0.0.7, proxy.example"}, "TRUSTED_PROXIES.*proxy.example"),
        ({"TELLERCAST_TRUSTED_PROXIES": "10.0.0.7/8"}, "TRUSTED_PROXIES"),
    ],
)
def test_a_wrong_setting_is_named(environ: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        load(environ)


def test_the_proxies_in_front_are_read() -> None:
    settings = load({"TELLERCAST_TRUSTED_PROXIES": "10.0.0.7, 2001:db8::/32"})
    assert [str(one) for one in settings.proxies] == ["10.0.0.7/32", "2001:db8::/32"]
    assert load({}).proxies == ()


def test_an_archive_that_this_version_cannot_write_to_is_refused() -> None:
    with pytest.raises(SettingsError, match="ARCHIVE_URL"):
        _ = load({"TELLERCAST_ARCHIVE_URL": "ftp://example"}).archive_root


def test_servers_that_browsers_are_told_of_are_read() -> None:
    settings = load(
        {
            "TELLERCAST_ICE_SERVERS": "stun:a.example, stuns:b.example:5349",
            "TELLERCAST_TURN_URLS": "turn:t.example:3478?transport=udp, turns:192.0.2.1?transport=tcp,turn:[2001:db8::1]:443",
            "TELLERCAST_TURN_SECRET": "s" * 32,
        }
    )
    assert settings.stun_urls == ("stun:a.example", "stuns:b.example:5349")
    assert settings.turn_servers == (
        "turn:t.example:3478?transport=udp",
        "turns:192.0.2.1?transport=tcp",
        "turn:[2001:db8::1]:443",
    )
    assert load({}).turn_servers == ()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"TELLERCAST_ICE_SERVERS": "stun:a.example, turn:c.example"}, "turn:c.example.*TELLERCAST_TURN_URLS"),
        ({"TELLERCAST_ICE_SERVERS": "stun:"}, "ICE_SERVERS.*stun:host:port is wanted"),
        ({"TELLERCAST_ICE_SERVERS": "stun:a.example?transport=udp"}, "stun:host:port is wanted"),
        ({"TELLERCAST_TURN_SECRET": ""}, "TELLERCAST_TURN_SECRET must be too"),
        ({"TELLERCAST_TURN_URLS": " , "}, "TELLERCAST_TURN_URLS must name"),
        ({"TELLERCAST_TURN_SECRET": "hunter2"}, "TURN_SECRET is too short: 32 characters"),
        ({"TELLERCAST_TURN_SECRET": " " * 40}, "TURN_SECRET is too short: 32 characters"),
        ({"TELLERCAST_TURN_SECRET": f"{'hunter2':>40}"}, "TURN_SECRET is too short: 32 characters"),
        ({"TELLERCAST_TURN_URLS": "t.example:3478"}, "'t.example:3478'; turn:host:port"),
        ({"TELLERCAST_TURN_URLS": "turn://t.example"}, "turn:host:port"),
        ({"TELLERCAST_TURN_URLS": "turn:t.example:0"}, "turn:host:port"),
        ({"TELLERCAST_TURN_URLS": "turn:t.example:65536"}, "turn:host:port"),
        ({"TELLERCAST_TURN_URLS": "turn:t.example?transport=sctp"}, "turn:host:port"),
        ({"TELLERCAST_TURN_URLS": 'turn:t.example>; rel="x"'}, "turn:host:port"),
        ({"TELLERCAST_TURN_URLS": "stun:t.example"}, "turn:host:port"),
        ({"TELLERCAST_TURN_LIFETIME_S": "10"}, "TURN_LIFETIME_S is 10; from 300 to 604800"),
        ({"TELLERCAST_TURN_LIFETIME_S": "1000000"}, "TURN_LIFETIME_S"),
    ],
)
def test_servers_that_no_browser_could_use_are_refused_at_the_start(changed: dict[str, str], said: str) -> None:
    good = {"TELLERCAST_TURN_URLS": "turn:t.example", "TELLERCAST_TURN_SECRET": "s" * 32}
    assert load(good).turn_servers == ("turn:t.example",)
    with pytest.raises(SettingsError, match=said) as refused:
        load({**good, **changed})
    assert "hunter2" not in str(refused.value)


def test_secrets_are_masked() -> None:
    turn = {"TELLERCAST_TURN_URLS": "turn:t.example", "TELLERCAST_TURN_SECRET": "hunter3" * 5}
    shown = describe(load({"TELLERCAST_CORE_SECRET": "hunter2", "TELLERCAST_DATABASE_URL": "postgresql://u:p@h/d", **turn}))
    assert "hunter" not in shown
    assert "u:p" not in shown
    assert "[TELLERCAST_CORE_SECRET]" in shown


def test_a_secret_is_made_once_and_kept_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    first = secret_file(path)
    assert len(first) == 32
    assert secret_file(path) == first
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_media_socket_fits_the_kernel_however_deep_the_folder(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a" * 40] * 5)
    assert len(str(load({"TELLERCAST_DATA_DIR": str(deep)}).media_socket)) <= 100


def test_each_media_process_has_an_address_of_its_own(tmp_path: Path) -> None:
    three = {"TELLERCAST_DATA_DIR": str(tmp_path), "TELLERCAST_MEDIA_PROCESSES": "3"}
    sockets = tuple(str(tmp_path / name) for name in ("media.sock", "media-1.sock", "media-2.sock"))
    assert load(three).media_addresses == sockets
    assert load(three).media_home == sockets[0]
    assert load({"TELLERCAST_DATA_DIR": str(tmp_path)}).media_addresses == sockets[:1]
    deep = load({**three, "TELLERCAST_DATA_DIR": str(tmp_path.joinpath(*["a" * 40] * 5))}).media_addresses
    assert len(set(deep)) == 3
    assert max(map(len, deep)) <= 100
    away = load({**three, "TELLERCAST_MEDIA_URL": "http://10.0.0.5:8090/"})
    assert away.media_addresses == tuple(f"http://10.0.0.5:{port}" for port in (8090, 8091, 8092))
    assert load({"TELLERCAST_MEDIA_URL": "https://media.bank.example/here"}).media_addresses == (
        "https://media.bank.example/here",
    )


@pytest.mark.parametrize(
    ("listen", "home"),
    [("10.0.0.5:8090", "10.0.0.5"), ("0.0.0.0:8090", "127.0.0.1"), ("[::]:8090", "[::1]"), (":::8090", "[::1]")],
)
def test_an_edge_meets_the_home_where_that_listens(listen: str, home: str) -> None:
    assert load({"TELLERCAST_MEDIA_LISTEN": listen}).media_home == f"http://{home}:8090"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"TELLERCAST_MEDIA_PROCESSES": "0"}, "MEDIA_PROCESSES is 0; from 1 to 64"),
        ({"TELLERCAST_MEDIA_PROCESSES": "65"}, "MEDIA_PROCESSES is 65; from 1 to 64"),
        ({"TELLERCAST_MEDIA_PROCESSES": "two"}, "media_processes is 'two'; a whole number"),
        ({"TELLERCAST_MEDIA_UDP_PORT": "-1"}, "MEDIA_UDP_PORT is -1; from 0 .* to 65535"),
        ({"TELLERCAST_MEDIA_UDP_PORT": "65536"}, "MEDIA_UDP_PORT is 65536; from 0 .* to 65535"),
        (
            {"TELLERCAST_MEDIA_PROCESSES": "2", "TELLERCAST_MEDIA_UDP_PORT": "65535"},
            "MEDIA_UDP_PORT is 65535: 2 media processes",
        ),
        ({"TELLERCAST_MEDIA_PROCESSES": "2", "TELLERCAST_MEDIA_URL": "http://media.example"}, "MEDIA_URL.*http://host:port"),
        ({"TELLERCAST_MEDIA_PROCESSES": "2", "TELLERCAST_MEDIA_URL": "http://m:65535"}, "MEDIA_URL.*http://host:port"),
    ],
)
def test_media_processes_that_there_is_no_room_for_are_refused_at_the_start(changed: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load(changed)


@pytest.mark.parametrize("port", [0, 1, 65_535])
def test_the_media_port_is_any_that_there_is(port: int) -> None:
    assert load({"TELLERCAST_MEDIA_UDP_PORT": str(port)}).media_udp_port == port


@pytest.mark.parametrize("left", ["", "ab", "not hex"])
def test_half_a_secret_is_none(tmp_path: Path, left: str) -> None:
    """A process killed while it wrote the file must not leave every token signed with a key that anybody can guess."""
    (tmp_path / "secret").write_text(left)
    with pytest.raises(SettingsError, match="secret is damaged"):
        secret_file(tmp_path / "secret")


def test_of_many_that_make_the_secret_at_once_all_have_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: secret_file(tmp_path / "secret"), range(64)))) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["secret"]
