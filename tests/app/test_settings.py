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
    ],
)
def test_a_wrong_setting_is_named(environ: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        load(environ)


def test_an_archive_that_this_version_cannot_write_to_is_refused() -> None:
    with pytest.raises(SettingsError, match="ARCHIVE_URL"):
        _ = load({"TELLERCAST_ARCHIVE_URL": "ftp://example"}).archive_root


def test_a_turn_server_is_refused_as_no_browser_would_take_it_without_credentials() -> None:
    assert load({"TELLERCAST_ICE_SERVERS": "stun:a.example, stuns:b.example"}).stun_urls == (
        "stun:a.example",
        "stuns:b.example",
    )
    with pytest.raises(SettingsError, match="turn:c"):
        _ = load({"TELLERCAST_ICE_SERVERS": "stun:a.example, turn:c.example"}).stun_urls


def test_secrets_are_masked() -> None:
    shown = describe(load({"TELLERCAST_CORE_SECRET": "hunter2", "TELLERCAST_DATABASE_URL": "postgresql://u:p@h/d"}))
    assert "hunter2" not in shown
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
