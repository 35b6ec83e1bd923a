"""What is left of who was erased, and by which keys an erased address is known."""

from datetime import date, datetime, timedelta

from sqlalchemy import Connection, Engine, select, update

from tests.digests import planned
from trendbot.model import Cadence, Status
from trendbot.notice_letters import Kind
from trendbot.store import erasure, notices, subscribers
from trendbot.store.schema import deliveries
from trendbot.store.schema import subscribers as table

KEYS = ("erased:new", "erased:old")


def add(conn: Connection, now: datetime, email: str = "ada@example.org") -> int:
    added = subscribers.add(conn, email, email, Status.ACTIVE, Cadence.DAILY, (), now)
    assert added is not None
    return added.id


def keys(conn: Connection) -> list[str]:
    return list(conn.scalars(select(table.c.email_key).order_by(table.c.id)))


def test_only_the_newest_key_is_left(engine: Engine, now: datetime) -> None:
    with engine.begin() as conn:
        ada, bo = add(conn, now), add(conn, now, "bo@example.org")
        assert erasure.erase(conn, ada, KEYS, now)
        assert keys(conn) == ["erased:new", "bo@example.org"]
        assert erasure.erased_keys(conn) == {"erased:new"}
        assert subscribers.get(conn, ada).status is Status.ERASED
        assert subscribers.get(conn, bo).email == "bo@example.org"
        assert not erasure.erase(conn, ada, KEYS, now + timedelta(days=1))
        assert conn.scalar(select(table.c.left_at).where(table.c.id == ada)) == now


def test_an_address_is_known_by_one_row_however_often_it_was_erased(
    engine: Engine, now: datetime
) -> None:
    with engine.begin() as conn:
        first = add(conn, now)
        erasure.erase(conn, first, ["erased:old"], now)
        second = add(conn, now)
        erasure.erase(conn, second, KEYS, now)
        assert keys(conn) == [f"erased:{first}", "erased:new"]
        erasure.forgive(conn, KEYS)
        assert keys(conn) == [f"erased:{first}", f"erased:{second}"]


def test_a_suppression_stays_without_its_address(engine: Engine, now: datetime) -> None:
    with engine.begin() as conn:
        ada = add(conn, now)
        subscribers.suppress(conn, "ada@example.org", "550 <ada@example.org>", now)
        erasure.erase(conn, ada, KEYS, now)
        assert subscribers.suppression(conn, "ada@example.org") is None
        reason = subscribers.suppression(conn, *KEYS)
        assert reason is not None
        assert "ada" not in reason


def test_details_that_come_later_are_taken_out_and_no_others(engine: Engine, now: datetime) -> None:
    planned(engine, date(2026, 11, 19), 2)

    def details(at: datetime) -> list[str]:
        with engine.begin() as conn:
            conn.execute(update(deliveries).values(detail="550 <reader@example.org>"))
            erasure.scrub(conn, at)
            return list(
                conn.scalars(select(deliveries.c.detail).order_by(deliveries.c.subscriber_id))
            )

    with engine.begin() as conn:
        erasure.erase(conn, 1, KEYS, now)
    assert details(now + timedelta(days=6)) == ["", "550 <reader@example.org>"]
    assert details(now + timedelta(days=8)) == ["550 <reader@example.org>"] * 2


def test_only_who_was_asked_long_ago_and_never_confirmed_is_forgotten(
    engine: Engine, now: datetime
) -> None:
    long_ago, lately = now - timedelta(days=31), now - timedelta(days=29)
    planned(engine, date(2026, 11, 19), 1)  # an active one with a delivery
    asked = {"silent@x.org": long_ago, "asked@x.org": lately, "waits@x.org": long_ago}
    with engine.begin() as conn:
        for email in (*asked, "left@x.org", "never-asked@x.org"):
            added = subscribers.add(conn, email, email, Status.PENDING, Cadence.DAILY, (), long_ago)
            assert added is not None
            if email in asked:
                subscribers.open_confirmation(conn, added.id, "hash", asked[email])
            if email == "waits@x.org":
                notices.queue(conn, Kind.CONFIRM, added.id, now)
            if email == "left@x.org":
                subscribers.open_confirmation(conn, added.id, "hash", long_ago)
                subscribers.set_status(conn, added.id, Status.UNSUBSCRIBED, now)
        before = set(keys(conn))
        assert erasure.forget_unconfirmed(conn, now - timedelta(days=30)) == 1
        assert before - set(keys(conn)) == {"silent@x.org"}
