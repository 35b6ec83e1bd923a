"""Imports go one way: each module may import only from layers below its own."""

import ast
from pathlib import Path

import pytest

from trendbot.signals import SIGNALS
from trendbot.sources import SOURCES
from trendbot.transports import TRANSPORTS

PACKAGE = Path(__file__).parent.parent / "trendbot"

# Bottom first. A name stands for a module or a folder of trendbot. Adapters and the store
# share a layer and see each other only as said in SIBLINGS.
LAYERS = (
    ("", "errors", "folders", "model"),
    (
        *(
            "addresses",
            "answers",
            "archive_check",
            "categories",
            "chart",
            "compose",
            "due",
            "envelope",
            "fetch_rules",
            "feed_forms",
            "forms",
            "garbage",
            "health",
            "honesty",
            "hotpapers",
            "letter",
            "notice_letters",
        ),
        *(
            "links",
            "looks",
            "months",
            "pagewords",
            "ranking",
            "replies",
            "search_words",
            "settings",
            "tastes",
            "tex",
            "text",
            "tokens",
            "wording",
        ),
    ),
    ("fetch", "context", "jobs", "owner", "sources", "signals", "transports", "store"),
    ("doorway", "press", "progress", "settle", "telemetry", "vitals"),
    ("collect", "deliver", "lists", "notices", "subscribe"),
    ("app",),
    ("contest",),
    ("pipeline",),
    (
        *(
            "cli",
            "cli_import",
            "cli_subscribers",
            "cli_worker",
            "daemon",
            "demo",
            "doctor",
            "reports",
        ),
        *("spending", "status", "terminal", "web", "worker"),
    ),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
# Within the layer of adapters: who may import whom.
SIBLINGS = {
    ("context", "fetch"),
    ("jobs", "store"),
    ("sources", "fetch"),
    ("sources", "context"),
    ("signals", "context"),
    ("signals", "fetch"),
    ("transports", "context"),
    ("telemetry", "progress"),
    ("telemetry", "vitals"),
    ("subscribe", "notices"),
    ("lists", "subscribe"),
}
FOLDERS = ("sources", "signals", "transports", "store")


def area(module: str) -> str:
    """`trendbot.store.papers` belongs to `store`."""
    return module.removeprefix("trendbot").lstrip(".").split(".")[0]


def imports(file: Path) -> set[str]:
    """Every trendbot module the file imports, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            found.add(node.module or "")
            if node.module in ("trendbot", *(f"trendbot.{folder}" for folder in FOLDERS)):
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] == "trendbot"}


def module_of(file: Path) -> str:
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_go_down(file: Path) -> None:
    own = area(module_of(file))
    for name in imports(file):
        other = area(name)
        if other in ("__version__", ""):
            continue
        assert other in LEVEL, f"{other} has no layer; give it one"
        if other == own:
            continue
        below = LEVEL[other] < LEVEL[own]
        beside = LEVEL[other] == LEVEL[own] and (
            LEVEL[own] not in (2, 3, 4) or (own, other) in SIBLINGS or (other, own) == ("", "")
        )
        assert below or beside or own == "", f"{module_of(file)} imports {name}"


@pytest.mark.parametrize(
    ("folder", "adapters"),
    [("sources", set(SOURCES)), ("signals", set(SIGNALS)), ("transports", set(TRANSPORTS))],
)
def test_adapters_never_import_a_sibling(folder: str, adapters: set[str]) -> None:
    for file in (PACKAGE / folder).glob("*.py"):
        siblings = {
            name.split(".")[2] for name in imports(file) if name.startswith(f"trendbot.{folder}.")
        }
        assert not (siblings & adapters) - {file.stem.split("_")[0]}, file


def test_only_the_wiring_and_above_see_app() -> None:
    seeing = {area(module_of(file)) for file in FILES if "trendbot.app" in imports(file)}
    assert seeing <= {"contest", "pipeline", *LAYERS[-1]}


def test_asyncio_lives_in_smtp_and_jobs_alone() -> None:
    using = {
        module_of(file) for file in FILES if "import asyncio" in file.read_text(encoding="utf-8")
    }
    smtp = {name for name in using if name.startswith("trendbot.transports.smtp")}
    assert using <= {"trendbot.jobs", *smtp}


def test_every_layer_names_what_exists() -> None:
    there = {area(module_of(file)) for file in FILES}
    assert there == set(LEVEL)


def test_migrations_folder_is_no_package() -> None:
    assert not (PACKAGE.parent / "alembic" / "__init__.py").exists()
