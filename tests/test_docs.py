"""Every command, option and setting is in the README or the docs, and nothing that is not there."""

import re
from collections.abc import Iterator
from pathlib import Path
from pkgutil import resolve_name

import click
import pytest
from pydantic import BaseModel, SecretStr

from trendbot.cli import cli
from trendbot.settings import Secrets, Settings
from trendbot.signals import SIGNALS
from trendbot.sources import SOURCES
from trendbot.transports import TRANSPORTS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
OPERATING = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
ADAPTERS = {
    **{f"sources.{name}": place for name, place in SOURCES.items()},
    **{f"signals.{name}": place for name, place in SIGNALS.items()},
    **{f"mail.{name}": place for name, place in TRANSPORTS.items()},
}


def commands(group: click.Group, above: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        path = f"{above} {name}".strip()
        if isinstance(command, click.Group):
            yield from commands(command, path)
        else:
            yield path, command


COMMANDS = dict(commands(cli))


def settings_of(model: type[BaseModel], above: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        path = f"{above}{name}"
        if isinstance(kind, type) and issubclass(kind, BaseModel) and name != "window_days":
            yield from settings_of(kind, f"{path}.")
        elif path in ("home", "sources", "signals", *ADAPTERS):
            continue
        else:
            yield path
            if kind in (SecretStr, Secrets):
                yield f"{path}_file"


KEYS = [
    *settings_of(Settings),
    *(
        key
        for name, place in ADAPTERS.items()
        for key in settings_of(resolve_name(place).Settings, f"{name}.")
    ),
]


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_is_in_the_readme(path: str) -> None:
    group, _, last = path.rpartition(" ")
    words = (
        rf"trendbot {path}\b" if not group else rf"(trendbot {path}\b|trendbot {group} .*`{last}\b)"
    )
    assert re.search(words, README), path


@pytest.mark.parametrize("path", COMMANDS)
def test_every_option_is_in_the_readme(path: str) -> None:
    options = [
        name
        for parameter in COMMANDS[path].params
        if isinstance(parameter, click.Option)
        for name in parameter.opts
        if name.startswith("--")
    ]
    for option in options:
        assert option in README, f"{path} {option}"


def test_the_readme_names_no_other_command() -> None:
    named = re.findall(r"`trendbot ([a-z]+)(?: ([a-z]+))?", README)
    for first, second in named:
        assert first in {path.split()[0] for path in COMMANDS}, first
        if first in cli.commands and isinstance(cli.commands[first], click.Group) and second:
            assert f"{first} {second}" in COMMANDS


@pytest.mark.parametrize("key", KEYS)
def test_every_setting_is_in_the_docs(key: str) -> None:
    assert f"`{key}`" in OPERATING


def test_the_docs_name_no_other_setting() -> None:
    table = re.findall(r"^\| (`[a-z_]+\.[a-z_.]+`(?:, `[a-z_.]+`)*) \|", OPERATING, re.MULTILINE)
    named = {key.strip("`") for row in table for key in row.split(", ")}
    assert named == set(KEYS)


def test_every_make_target_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split()
    assert len(targets) <= 10
    for target in targets:
        assert re.search(rf"^{target}:.*## \S", makefile, re.MULTILINE), target


def test_links_between_documents_lead_somewhere() -> None:
    for file in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", file.read_text(encoding="utf-8")):
            assert (file.parent / target).exists(), f"{file.name}: {target}"
