"""Settings: defaults < file < environment < secret files; what is wrong is named."""

import stat
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from trendbot.errors import SettingsError
from trendbot.folders import folder
from trendbot.settings import Section, kept_key, load, section, write_example


class Paid(Section):
    """A table with a secret, as an adapter declares it."""

    base_url: str = "https://api.example.org"
    token: SecretStr = SecretStr("")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "trendbot.toml"


def test_without_a_file_the_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load()
    assert settings.ranking.size == 20
    assert settings.home == tmp_path.resolve()
    assert settings.mail.transport == "maildir"


def test_environment_goes_before_the_file_and_joins_its_tables(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text('[ranking]\nsize = 5\nmin_score = 7\n[signals.x]\nquery = "a"\n')
    monkeypatch.setenv("TRENDBOT_RANKING__SIZE", "9")
    monkeypatch.setenv("TRENDBOT_SIGNALS__X__BEARER_TOKEN", "secret")
    settings = load(config)
    assert (settings.ranking.size, settings.ranking.min_score) == (9, 7)
    assert settings.signals["x"] == {"query": "a", "bearer_token": "secret"}


def test_config_variable_names_the_file(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text("[ranking]\nsize = 3\n")
    monkeypatch.setenv("TRENDBOT_CONFIG", str(config))
    assert load().ranking.size == 3


def test_secret_file_goes_before_everything(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("from-the-file-itself\n")
    config.write_text(
        f'[web]\nsecret_key = "in-the-toml"\nsecret_key_file = "{tmp_path / "key"}"\n'
    )
    monkeypatch.setenv("TRENDBOT_WEB__SECRET_KEY", "in-the-environment")
    assert load(config).web.secret_key.get_secret_value() == "from-the-file-itself"


@pytest.mark.parametrize("content", [None, "", "  \n"])
def test_a_missing_or_empty_secret_file_fails_loudly(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SettingsError, match=r"\[signals\.x\]: token_file: .*token"):
        section(Paid, {"token_file": str(file)}, "signals.x")


def test_secrets_do_not_show() -> None:
    paid = section(Paid, {"token": "hush"}, "signals.x")
    assert "hush" not in repr(paid)
    with pytest.raises(SettingsError) as raised:
        section(Paid, {"token": ["hush"]}, "signals.x")
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[ranking]\nsise = 5\n", "ranking.sise: unknown key"),
        ("[rankings]\n", "rankings: unknown key"),
        ("home = '/'\n", "unknown key home"),
        ("[ranking]\nsize = 0\n", "ranking.size: "),
        ("[ranking]\nsize = 'many'\n", "ranking.size: "),
        ("[ranking.weights]\nx = -1\n", "ranking.weights.x: "),
        ("[schedule]\ntimezone = 'Mars/Olympus'\n", "unknown time zone"),
        ("[schedule]\ndigest_at = '25:00'\n", "schedule.digest_at: "),
        ("[schedule]\ncollect_every = '0s'\n", "longer than nothing"),
        ("[site]\nbase_url = 'javascript:alert(1)'\n", "site.base_url: must be an http"),
        ("[mail]\non_uncertain = 'hope'\n", "mail.on_uncertain: "),
        ("size = \n", "cannot be read as TOML"),
        ("\xff\xfe", "cannot be read as TOML"),
    ],
)
def test_what_is_wrong_is_named(config: Path, text: str, says: str) -> None:
    config.write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsError, match=says) as raised:
        load(config)
    assert "\n" not in str(raised.value)


def test_a_named_file_must_be_there(config: Path) -> None:
    with pytest.raises(SettingsError, match="no such file; `trendbot init`"):
        load(config)


def test_environment_that_names_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRENDBOT_RANKNG__SIZE", "9")
    with pytest.raises(SettingsError, match="TRENDBOT_RANKNG__SIZE names no setting"):
        load()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("12 h", 43200), ("2d", 172800), ("PT5M", 300)],
)
def test_durations(config: Path, text: str, seconds: int) -> None:
    config.write_text(f'[mail]\nmax_age = "{text}"\n')
    assert load(config).mail.max_age == timedelta(seconds=seconds)


def test_the_example_loads_is_private_and_never_overwrites(config: Path) -> None:
    write_example(config)
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    key = load(config).web.secret_key.get_secret_value()
    assert len(key) >= 32
    with pytest.raises(SettingsError, match="stays as it is"):
        write_example(config)
    assert load(config).web.secret_key.get_secret_value() == key


def test_the_example_shows_the_true_defaults(tmp_path: Path) -> None:
    """Every commented key of the example, taken out of its comment, gives the default."""
    lines = (folder("deploy") / "trendbot.example.toml").read_text().splitlines()
    plain = load_text(tmp_path / "a.toml", "\n".join(line for line in lines if line[:2] != "# "))
    shown = load_text(
        tmp_path / "b.toml",
        "\n".join(
            line.removeprefix("# ")
            for line in lines
            if not line.startswith("# ")
            or (" = " in line and "_file" not in line and "…" not in line)
        ),
    )
    for name in ("site", "database", "schedule", "ranking", "web"):
        if name != "ranking":
            assert getattr(shown, name) == getattr(plain, name), name
    assert shown.ranking.size == plain.ranking.size
    assert shown.mail.max_age == plain.mail.max_age
    tomllib.loads("\n".join(lines))


def load_text(file: Path, text: str):  # type: ignore[no-untyped-def]
    file.write_text(text)
    return load(file)


def test_a_full_disk_leaves_no_half_written_settings(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("trendbot.settings.os.link", full)
    with pytest.raises(SettingsError, match="No space left on device"):
        write_example(config)
    assert list(config.parent.iterdir()) == []


def test_a_byte_order_mark_is_no_trouble(config: Path) -> None:
    config.write_bytes(b"\xef\xbb\xbf[ranking]\nsize = 3\n")
    assert load(config).ranking.size == 3


def test_a_key_is_made_once_and_kept_for_the_owner(tmp_path: Path) -> None:
    key = kept_key(tmp_path)
    assert len(key) >= 32
    assert kept_key(tmp_path) == key
    assert stat.S_IMODE((tmp_path / "trendbot.key").stat().st_mode) == 0o600
    (tmp_path / "trendbot.key").write_text("")
    with pytest.raises(SettingsError, match=r"secret_key is not set, and .*is empty"):
        kept_key(tmp_path)
