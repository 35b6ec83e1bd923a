"""Settings: defaults < trendbot.toml < environment < `*_file` secrets; unknown keys are errors.

Any key can be given in the environment as `TRENDBOT_SECTION__KEY`. Any secret can be given
as `<key>_file`, the path of a file that holds it. Sections of adapters stay unread here:
each adapter declares its own as a subclass of `Section`, and `section()` reads it.
"""

import os
import re
import secrets
import tomllib
from collections.abc import Mapping
from datetime import time, timedelta
from ipaddress import ip_network
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo, available_timezones

import pydantic_settings
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from trendbot.errors import SettingsError
from trendbot.folders import folder
from trendbot.model import By, Cadence

ENV_PREFIX = "TRENDBOT_"
CONFIG_VARIABLE = "TRENDBOT_CONFIG"
DEFAULT_FILE = "trendbot.toml"
KEY_FILE = "trendbot.key"

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(value: object) -> object:
    """Turn "90s", "30m", "12h" or "2d" into a timedelta; leave anything else to pydantic."""
    match = re.fullmatch(r"(\d+)\s*([smhd])", value.strip()) if isinstance(value, str) else None
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]]) if match else value


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("must be longer than nothing")
    return value


def _http_url(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+[^\s?#]*", value):
        raise ValueError("must be an http:// or https:// address without query")
    return value.rstrip("/")


def _timezone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError(f"unknown time zone {value!r}; use a name such as Europe/Berlin")
    return value


def _network(value: str) -> str:
    try:
        return str(ip_network(value, strict=False))
    except ValueError:
        raise ValueError(
            f"{value!r} is no address; write 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32"
        ) from None


Duration = Annotated[timedelta, BeforeValidator(parse_duration), AfterValidator(_positive)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
Timezone = Annotated[str, AfterValidator(_timezone)]
Network = Annotated[str, AfterValidator(_network)]
Secrets = tuple[SecretStr, ...]


class Section(BaseModel):
    """One table of trendbot.toml. Unknown keys are errors; secrets may come from files."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _read_secret_files(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        data = dict(data)
        for name, info in cls.model_fields.items():
            if info.annotation not in (SecretStr, Secrets):
                continue
            if (path := data.pop(f"{name}_file", None)) is not None:
                secret = _secret_from(Path(str(path)), name)
                data[name] = secret if info.annotation is SecretStr else secret.split()
        return data


def _secret_from(path: Path, name: str) -> str:
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{name}_file: cannot read {path}: {error}") from error
    if not secret:
        raise ValueError(f"{name}_file: {path} is empty")
    return secret


class Site(Section):
    """Who sends, and where its pages are."""

    name: str = Field("trendbot", min_length=1, max_length=60)
    base_url: HttpUrl = "http://localhost:8080"
    postal_address: str = Field("", max_length=300)


class Database(Section):
    """Where everything is kept: an SQLAlchemy address of SQLite or PostgreSQL."""

    url: SecretStr = SecretStr("sqlite:///trendbot.db")


class Schedule(Section):
    """When the daemon works."""

    timezone: Timezone = "UTC"
    collect_every: Duration = timedelta(hours=1)
    digest_at: time = time(6, 30)

    @property
    def zone(self) -> ZoneInfo:
        """The time zone in which days begin and `digest_at` is read."""
        return ZoneInfo(self.timezone)


class WindowDays(Section):
    """How many days of announcements each cadence looks back on."""

    daily: int = Field(1, ge=1, le=31)
    weekly: int = Field(7, ge=1, le=31)
    monthly: int = Field(31, ge=1, le=31)

    def of(self, cadence: Cadence) -> int:
        """The days of `cadence`."""
        days: int = getattr(self, cadence.value)
        return days


class RankedBy(Section):
    """What the order of each cadence's digests is by."""

    daily: By = By.TOTAL
    weekly: By = By.TOTAL
    monthly: By = By.TOTAL

    def of(self, cadence: Cadence) -> By:
        """The order of `cadence`."""
        by: By = getattr(self, cadence.value)
        return by


class Ranking(Section):
    """What makes a digest."""

    by: RankedBy = RankedBy()
    size: int = Field(20, ge=1, le=100)
    min_score: float = Field(1, ge=0)
    window_days: WindowDays = WindowDays()
    weights: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = {}


class Counting(Section):
    """Whose posts count, and how often.

    `bots`: of a bot's posts about one paper the best counts ("once"), none ("leave out") or
    all ("count"). `known_bots` are accounts as "signal:name", beside those that give
    themselves away. `archives`: totals that cannot be true rank "as printed" or, where
    "checked", not at all.
    """

    bots: Literal["once", "leave out", "count"] = "once"
    known_bots: tuple[Annotated[str, Field(pattern=r"^[a-z]+:\S+$")], ...] = ()
    archives: Literal["as printed", "checked"] = "as printed"


class MailSection(Section):
    """How digests leave. The tables of the transports are read by the transports."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)
    __pydantic_extra__: dict[str, dict[str, Any]]

    sender: str = "trendbot <trendbot@localhost>"
    reply_to: str = ""
    transport: str = "maildir"
    max_age: Duration = timedelta(days=2)
    lease: Duration = timedelta(minutes=15)
    on_uncertain: Literal["retry", "hold"] = "retry"

    @property
    def tables(self) -> dict[str, dict[str, Any]]:
        """The tables of transports, by name."""
        return self.__pydantic_extra__


class Limits(Section):
    """How many sign-ups an hour are taken; 0 is no limit."""

    client: int = Field(20, ge=0)
    address: int = Field(5, ge=0)
    domain: int = Field(300, ge=0)
    total: int = Field(1000, ge=0)


class Web(Section):
    """Where the daemon answers, and the keys its mailed links are signed with."""

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    trusted_proxies: tuple[Network, ...] = ()
    secret_key: SecretStr = SecretStr("")
    former_secret_keys: Secrets = ()
    limits: Limits = Limits()


class Settings(BaseSettings):
    """All settings of one trendbot. `home` is the folder relative paths start from."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    home: Path = Path()
    site: Site = Site()
    database: Database = Database()
    schedule: Schedule = Schedule()
    sources: dict[str, dict[str, Any]] = {}
    signals: dict[str, dict[str, Any]] = {}
    ranking: Ranking = Ranking()
    counting: Counting = Counting()
    mail: MailSection = MailSection()
    web: Web = Web()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment goes before the file."""
        return env_settings, init_settings


def load(path: Path | None = None) -> Settings:
    """Read the settings of `path`, else `$TRENDBOT_CONFIG`, else `./trendbot.toml` if it is there.

    Relative paths in them start from the file's folder. Raises SettingsError.
    """
    named = path or (Path(os.environ[CONFIG_VARIABLE]) if os.environ.get(CONFIG_VARIABLE) else None)
    file = named or Path(DEFAULT_FILE)
    if named is None and not file.exists():
        table: dict[str, Any] = {}
    else:
        table = _read_toml(file)
    _refuse_unknown_environment()
    try:
        return Settings(**{**table, "home": file.resolve().parent})
    except ValidationError as error:
        raise SettingsError(_explain(str(file), error)) from error
    except pydantic_settings.SettingsError as error:
        raise SettingsError(f"environment: {error}; write TRENDBOT_SECTION__KEY=value") from error


SectionT = TypeVar("SectionT", bound=Section)


def section(model: type[SectionT], table: Mapping[str, Any], name: str) -> SectionT:
    """Read an adapter's table, for example `section(XSettings, {...}, "signals.x")`.

    Raises SettingsError naming the key.
    """
    try:
        return model.model_validate(dict(table))
    except ValidationError as error:
        raise SettingsError(_explain(f"[{name}]", error)) from error


def write_example(file: Path) -> None:
    """Write the commented example settings with a fresh secret key, for the owner's eyes only.

    Raises SettingsError if the file exists or cannot be written.
    """
    example = (folder("deploy") / "trendbot.example.toml").read_text(encoding="utf-8")
    if not _write_new(file, example.replace("@SECRET_KEY@", secrets.token_urlsafe(32))):
        raise SettingsError(f"{file} exists already and stays as it is")


def kept_key(home: Path, make: bool = True) -> str:
    """The secret key in trendbot.key, for settings that name none; made when first needed.

    Unless it is to be made, "" where there is none. Raises SettingsError if it cannot be
    made or read.
    """
    file = home / KEY_FILE
    if make:
        _write_new(file, secrets.token_urlsafe(32) + "\n")
    elif not file.exists():
        return ""
    try:
        return _secret_from(file, "web.secret_key")
    except ValueError as error:
        raise SettingsError(f"web.secret_key is not set, and {error}") from error


def _write_new(file: Path, text: str) -> bool:
    """Write a file for its owner only, whole or not at all; returns False if there was one."""
    try:
        with NamedTemporaryFile("w", dir=file.parent, encoding="utf-8") as draft:  # mode 0600
            draft.write(text)
            draft.flush()
            os.link(draft.name, file)
    except FileExistsError:
        return False
    except OSError as error:
        raise SettingsError(f"{file}: cannot be written: {error.strerror}") from error
    return True


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise SettingsError(f"{file}: no such file; `trendbot init` writes one") from error
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file}: cannot be read as TOML: {error}") from error
    if "home" in table:
        raise SettingsError(f"{file}: unknown key home")
    return table


def _refuse_unknown_environment() -> None:
    for variable in os.environ:
        if not variable.upper().startswith(ENV_PREFIX) or variable == CONFIG_VARIABLE:
            continue
        name = variable[len(ENV_PREFIX) :].lower()
        if name.split("__")[0] not in Settings.model_fields or name == "home":
            raise SettingsError(f"environment: {variable} names no setting of trendbot")


def _explain(where: str, error: ValidationError) -> str:
    problems = []
    for item in error.errors(include_url=False, include_input=False):
        key = ".".join(str(part) for part in item["loc"])
        text = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            text = "unknown key"
        problems.append(f"{key}: {text}" if key else text)
    return f"{where}: " + "; ".join(problems)
