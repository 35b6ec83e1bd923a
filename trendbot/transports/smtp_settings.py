"""Which server takes our mails: the table [mail.smtp]."""

import ipaddress
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from trendbot.errors import SettingsError
from trendbot.settings import Duration, Section

_LABEL = r"[A-Za-z0-9_-]{1,63}"


class SmtpSettings(Section):
    """Which server takes our mails, and how fast.

    `rate` is mails per second, `hourly` per hour; 0 is no limit.
    `ca_file` names authorities to trust besides the system's, for a certificate of one's own.
    A connection is closed after `messages_per_connection` mails, or `idle_timeout` without one.
    """

    host: str = Field(
        "localhost",
        max_length=253,
        pattern=rf"^({_LABEL}(\.{_LABEL})*|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+)$",
    )
    port: int = Field(587, ge=1, le=65535)
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    allow_insecure: bool = False
    ca_file: Path | None = None
    username: str = ""
    password: SecretStr = SecretStr("")
    local_hostname: str = Field("", max_length=253, pattern=r"^[A-Za-z0-9_.:\[\]-]*$")
    connections: int = Field(4, ge=1, le=50)
    messages_per_connection: int = Field(1000, ge=1)
    idle_timeout: Duration = timedelta(seconds=30)
    rate: float = Field(0, ge=0, allow_inf_nan=False)
    hourly: int = Field(0, ge=0)
    timeout: Duration = timedelta(seconds=60)

    @property
    def where(self) -> str:
        """The server as people write it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @model_validator(mode="after")
    def _refuse_unsafe(self) -> Self:
        if self.tls == "none" and not self.allow_insecure and not _is_loopback(self.host):
            raise ValueError(
                f'tls: "none" would show passwords and addresses on the way to {self.host}; '
                'use "starttls" or "implicit", or set allow_insecure = true'
            )
        if bool(self.username) != bool(self.password.get_secret_value()):
            raise ValueError("username and password: give both or neither")
        return self


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def tls_context(settings: SmtpSettings, home: Path) -> ssl.SSLContext | None:
    """Whom to trust, or None where nothing is encrypted; raises SettingsError."""
    if settings.tls == "none":
        return None
    context = ssl.create_default_context()
    if settings.ca_file is not None:
        file = home / settings.ca_file.expanduser()
        try:
            context.load_verify_locations(file)
        except OSError as error:  # ssl.SSLError is one
            raise SettingsError(
                f"[mail.smtp] ca_file: {file} cannot be read as PEM certificates: {error}"
            ) from error
    return context
