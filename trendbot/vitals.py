"""Figures for Prometheus on how sources, signals and hosts fare."""

from collections.abc import Callable, Sequence
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily

from trendbot.health import Health, State
from trendbot.store.health import Standing

_Figure = tuple[str, str, Callable[[Health], float | None]]

# A figure that is not known is left out, so that no alarm takes it for a zero.
_FIGURES: Sequence[_Figure] = (
    ("last_success_timestamp_seconds", "When {} was asked last and answered.",
     lambda one: one.last_ok.timestamp() if one.last_ok else None),
    ("failures", "How often in a row {} did not answer.",
     lambda one: one.failures if one.state is not State.NEVER else None),
    ("items", "What {} had on its last full day.", lambda one: one.items),
    ("usual_items", "What is usual of {} on that weekday.", lambda one: one.usual),
)  # fmt: skip


def gauges(standing: Standing, now: datetime) -> list[GaugeMetricFamily]:
    """The gauges of each source and signal, and of each host that failed when asked last."""
    return [
        *(_gauge(standing, kind, figure) for kind in ("source", "signal") for figure in _FIGURES),
        *(_states(standing, kind) for kind in ("source", "signal")),
        *_of_hosts(standing, now),
    ]


def _gauge(standing: Standing, kind: str, figure: _Figure) -> GaugeMetricFamily:
    name, said, value = figure
    gauge = GaugeMetricFamily(f"trendbot_{kind}_{name}", said.format(f"the {kind}"), labels=[kind])
    for one in standing.of(kind):
        if (found := value(one)) is not None:
            gauge.add_metric([one.name], found)
    return gauge


def _states(standing: Standing, kind: str) -> GaugeMetricFamily:
    """One figure for each state, 1 for the one that holds: a state is then a label to alert on."""
    gauge = GaugeMetricFamily(
        f"trendbot_{kind}_state", f"1 for the state that the {kind} is in.", labels=[kind, "state"]
    )
    for one in standing.of(kind):
        for state in State:
            gauge.add_metric([one.name, state.value], one.state is state)
    return gauge


def _of_hosts(standing: Standing, now: datetime) -> list[GaugeMetricFamily]:
    failures = GaugeMetricFamily(
        "trendbot_host_failures", "How often in a row a host failed.", labels=["host"]
    )
    closed = GaugeMetricFamily(
        "trendbot_host_closed", "Whether a host is left alone now.", labels=["host"]
    )
    for host in standing.hosts:
        failures.add_metric([host.host], host.failures)
        closed.add_metric([host.host], bool(host.closed_until and host.closed_until > now))
    return [failures, closed]
