from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trendbot.answers import count, moment, table, tables
from trendbot.errors import SignalError


def test_a_count_is_found_under_any_of_its_names() -> None:
    assert count({"new": 3}, "S", "old", "new") == 3
    assert count({"new": 3, "old": 0}, "S", "old", "new") == 0


@pytest.mark.parametrize("value", [None, True, -1, 1.0, "1", 10**10 + 1, [1], float("nan")])
def test_what_is_no_count_is_named(value: object) -> None:
    with pytest.raises(SignalError, match=r"^S: new is missing or no count$"):
        count({"new": value}, "S", "old", "new")


def test_a_missing_count_is_not_zero() -> None:
    with pytest.raises(SignalError, match=r"^S: old is missing"):
        count({}, "S", "old", "new")


OFFSETS = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=OFFSETS))  # noqa: DTZ001
def test_a_moment_is_in_utc(it: datetime) -> None:
    found = moment(it.isoformat(), "S", "at")
    assert found == it
    assert found.tzinfo is UTC


def test_a_z_is_a_time_zone() -> None:
    found = moment("2026-11-20T02:14:31.000Z", "S", "at")
    assert found == datetime(2026, 11, 20, 2, 14, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    "value", [None, 5, "", "now", "2026-11-20", "2026-11-20T02:14:31", "9999-12-31T23:59:59-14:00"]
)
def test_what_is_no_moment_is_named(value: object) -> None:
    with pytest.raises(SignalError, match=r"^S: at is missing or no time$"):
        moment(value, "S", "at")


def test_missing_tables_are_empty() -> None:
    assert table(None, "S", "meta") == {}
    assert tables(None, "S", "urls") == []
    assert tables([{"a": 1}], "S", "urls") == [{"a": 1}]


@pytest.mark.parametrize("value", [0, "", False, [], "x"])
def test_what_is_no_table_is_named(value: object) -> None:
    with pytest.raises(SignalError, match=r"^S: meta is no object$"):
        table(value, "S", "meta")
    with pytest.raises(SignalError, match=r"^S: urls is no object$"):
        tables([value], "S", "urls")


@pytest.mark.parametrize("value", [0, "", False, {}, "x"])
def test_what_is_no_list_is_named(value: object) -> None:
    with pytest.raises(SignalError, match=r"^S: urls is no list$"):
        tables(value, "S", "urls")
