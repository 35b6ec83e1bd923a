from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier

from sqlalchemy import Engine

from trendbot.model import Limits
from trendbot.store import pace

SECOND = timedelta(seconds=1)


def test_without_limits_nothing_is_kept(engine: Engine, now: datetime) -> None:
    with engine.begin() as conn:
        assert pace.room(conn, Limits(), now) is None
        assert pace.book(conn, Limits(), now, 1000) == 0
        assert pace.book(conn, Limits(), now, 1000) == 0
        assert pace.full_until(conn, Limits(), now) is None


def test_places_are_evenly_spaced(engine: Engine, now: datetime) -> None:
    limits = Limits(per_second=10)
    with engine.begin() as conn:
        assert pace.book(conn, limits, now, 5) == 0
        assert pace.book(conn, limits, now, 10) == 0.5
    with engine.begin() as conn:
        assert pace.book(conn, limits, now, 1) == 1.5


def test_no_pause_earns_a_burst(engine: Engine, now: datetime) -> None:
    limits = Limits(per_second=10)
    with engine.begin() as conn:
        pace.book(conn, limits, now, 10)
        assert pace.book(conn, limits, now + 60 * SECOND, 10) == 0
        assert pace.book(conn, limits, now + 60 * SECOND, 10) == 1


def test_an_hour_holds_no_more_than_its_limit(engine: Engine, now: datetime) -> None:
    limits = Limits(per_hour=100)
    sent: list[tuple[datetime, int]] = []
    for minute in range(0, 300, 7):
        moment = now + timedelta(minutes=minute, seconds=minute % 60)
        with engine.begin() as conn:
            room = pace.room(conn, limits, moment)
            assert room is not None
            mails = min(room, 30)
            pace.book(conn, limits, moment, mails)
        sent.append((moment, mails))
    for end, _ in sent:
        within = [mails for at, mails in sent if end - timedelta(hours=1) <= at <= end]
        assert sum(within) <= 100
    assert sum(mails for _, mails in sent) > 400


def test_a_full_hour_says_when_it_has_room_again(engine: Engine, now: datetime) -> None:
    limits = Limits(per_hour=3)
    with engine.begin() as conn:
        pace.book(conn, limits, now, 3)
        assert pace.room(conn, limits, now) == 0
        again = pace.full_until(conn, limits, now)
        assert again is not None
        assert pace.room(conn, limits, again - SECOND) == 0
        assert pace.room(conn, limits, again) == 3
        assert pace.full_until(conn, limits, again) is None


def test_two_workers_never_take_the_same_place(engine: Engine, now: datetime) -> None:
    limits = Limits(per_second=1, per_hour=1000)
    together = Barrier(4)

    def work(_: int) -> list[float]:
        together.wait()
        places = []
        for _ in range(5):
            with engine.begin() as conn:
                pace.room(conn, limits, now)
                places.append(pace.book(conn, limits, now, 1))
        return places

    with ThreadPoolExecutor(4) as threads:
        taken = [place for places in threads.map(work, range(4)) for place in places]
    assert sorted(taken) == list(range(20))
    with engine.begin() as conn:
        assert pace.room(conn, limits, now) == 980
