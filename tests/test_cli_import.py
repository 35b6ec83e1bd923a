"""Bringing in an archive tells which of its totals cannot be true."""

from pathlib import Path

import pytest

from tests.test_cli import ARCHIVE, Command, home, trendbot  # noqa: F401  # fixtures

KITES = "2021-03-06---Hot-Papers.md"


@pytest.fixture
def untrue(tmp_path: Path) -> Path:
    """The invented archive, one of its three totals made a square."""
    folder = tmp_path / "archive"
    folder.mkdir()
    text = (ARCHIVE / KITES).read_text("utf-8")
    assert "retweets: 120, favorites: 431" in text
    text = text.replace("retweets: 120, favorites: 431", "retweets: 930, favorites: 431")
    (folder / KITES).write_text(text, "utf-8")
    return folder


@pytest.mark.usefixtures("home")
def test_nothing_is_known_against_honest_totals(trendbot: Command) -> None:  # noqa: F811
    said = trendbot("import", "hotpapers", str(ARCHIVE))
    assert said.status == 0, said
    assert said.out.splitlines()[1:] == ["None of 4 totals is known to be untrue."]


@pytest.mark.usefixtures("home")
def test_untrue_totals_are_told_each_time(trendbot: Command, untrue: Path) -> None:  # noqa: F811
    first = trendbot("import", "hotpapers", str(untrue))
    again = trendbot("import", "hotpapers", str(untrue), str(untrue / KITES), "--report")
    lines = first.out.splitlines()[1:]
    assert lines == again.out.splitlines()[1:4]
    assert lines == [
        "1 of 3 totals cannot be true, on 1 of 1 day:",
        "  1: retweets counted again for every retweet",
        'With counting.archives = "checked" they do not rank, which changes 1 day, and who is '
        'first on 1; it is "as printed". --report lists the days.',
    ]
    reported = again.out.splitlines()[5:]
    assert reported[0] == "2021-03-06  1 of 3 totals flagged; – 1 2"
    assert reported[1].startswith("    1. 2103.99901  930 retweets · 431 favorites  Kites on a")
    assert len(reported) == 2


@pytest.mark.usefixtures("home")
def test_the_days_as_json(trendbot: Command, untrue: Path) -> None:  # noqa: F811
    document = trendbot("import", "hotpapers", str(untrue), "--json").document
    assert document["totals"] == 3
    assert document["flagged"] == {"retweets are a square": 1}
    (day,) = document["changed"]
    assert (day["date"], day["totals"], day["flagged"]) == ("2021-03-06", 3, 1)
    (leaving,) = day["leaving"]
    assert (leaving["id"], leaving["rank"]) == ("2103.99901", 1)
    assert (leaving["retweets"], leaving["favorites"]) == (930, 431)
    assert [one["checked"] for one in day["first_ten"]] == [None, 1, 2]
