"""The figures on sources, signals and hosts that Prometheus gets."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from trendbot.health import Health, Host, State
from trendbot.store.health import Standing
from trendbot.vitals import gauges

NOW = datetime(2026, 11, 21, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)
FRIDAY = date(2026, 11, 20)
NEVER = Health("signal", "x", State.NEVER, "", None, 0, None, None, None, None, None, ())
ARXIV = replace(
    NEVER,
    kind="source",
    name="arxiv",
    state=State.LOW,
    last_ok=NOW,
    failures=0,
    day=FRIDAY,
    items=12,
    usual=212,
)
HOSTS = tuple(
    Host(name, failures, "why", NOW, until)
    for name, failures, until in (
        ("a.example", 3, NOW + HOUR),
        ("b.example", 1, None),
        ("c.example", 4, NOW - HOUR),
    )
)


def figures(standing: Standing) -> dict[tuple[str, ...], float]:
    """Each figure by its name and the values of its labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for gauge in gauges(standing, NOW)
        for sample in gauge.samples
    }


def test_the_figures_of_who_is_asked() -> None:
    found = figures(Standing((ARXIV, NEVER), HOSTS))
    states = {name: value for name, value in found.items() if "_state" in name[0]}
    assert found.items() - states.items() == {
        (("trendbot_source_last_success_timestamp_seconds", "arxiv"), NOW.timestamp()),
        (("trendbot_source_failures", "arxiv"), 0),
        (("trendbot_source_items", "arxiv"), 12),
        (("trendbot_source_usual_items", "arxiv"), 212),
        (("trendbot_host_failures", "a.example"), 3),
        (("trendbot_host_failures", "b.example"), 1),
        (("trendbot_host_failures", "c.example"), 4),
        (("trendbot_host_closed", "a.example"), 1),
        (("trendbot_host_closed", "b.example"), 0),
        (("trendbot_host_closed", "c.example"), 0),
    }
    assert {name[1:] for name, value in states.items() if value} == {
        ("arxiv", "low"),
        ("x", "never asked"),
    }
    assert len(states) == 2 * len(State)


def test_nobody_is_asked() -> None:
    assert figures(Standing((), ())) == {}
