"""The tables, the same on SQLite and PostgreSQL. Alembic builds them; this is what they are.

`REVISION` is the newest migration: a database at another one is upgraded or refused.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeDecorator

REVISION = "0007"


class UTCDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime in and out, also where the database keeps no zone (SQLite)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive times; hand the database UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime must not be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, _dialect: Dialect) -> datetime | None:
        """Give every time its zone back."""
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class PlainText(TypeDecorator[str]):
    """Text from outside, without what PostgreSQL or UTF-8 cannot hold: NULs, lone surrogates."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        """Leave out NULs, and put a question mark for half a character."""
        if value is None:
            return None
        return value.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# BIGINT on PostgreSQL; SQLite numbers rows by itself only for INTEGER.
Id = BigInteger().with_variant(Integer, "sqlite")

papers = Table(
    "papers",
    metadata,
    Column("id", Id, primary_key=True),
    Column("source", String(40), nullable=False),
    Column("external_id", String(100), nullable=False),
    Column("title", PlainText, nullable=False),
    Column("authors", JSON, nullable=False),
    Column("abstract", PlainText, nullable=False),
    Column("comments", PlainText, nullable=False),
    Column("links", JSON, nullable=False),
    Column("announced", Date, nullable=False, index=True),
    Column("added_at", UTCDateTime, nullable=False),
    UniqueConstraint("source", "external_id"),
    Index("ix_papers_source_announced", "source", "announced"),
)

paper_categories = Table(
    "paper_categories",
    metadata,
    Column("paper_id", Id, ForeignKey("papers.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),  # 0 is the primary category
    Column("category", String(40), nullable=False, index=True),
)

posts = Table(
    "posts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("signal", String(40), nullable=False),
    Column("external_id", String(200), nullable=False),
    Column("author", PlainText, nullable=False),
    Column("url", PlainText, nullable=False),
    Column("text", PlainText, nullable=False),
    Column("posted_at", UTCDateTime, nullable=False),
    Column("listed_on", Date, index=True),  # only for totals printed by an archive
    # Whose it is, as a hash: authors are forgotten, but each still has one vote; "" is nobody's.
    Column("account", String(16), nullable=False, default="", index=True),
    Column("shared", Boolean, nullable=False, default=False),  # it links to more papers than one
    Column("automated", Boolean, nullable=False, default=False),  # the network itself says so
    Column(
        "titled", Boolean, nullable=False, default=False
    ),  # it says no more than a paper's title
    Column(
        "fingerprint", String(16), nullable=False, default=""
    ),  # of what it says; "" for nothing
    # The latest reading that is believed, so that rankings need not look for it.
    Column("measured_at", UTCDateTime),  # null: there is none
    Column("retweets", BigInteger, nullable=False, default=0),
    Column("favorites", BigInteger, nullable=False, default=0),
    Column("replies", BigInteger, nullable=False, default=0),
    Column("growth", Float, nullable=False, default=0.0),  # retweets + favorites a day, lately
    Column("flag", String(40), nullable=False, default=""),  # why the newest counts cannot be true
    Column("seen_at", UTCDateTime),  # when a look last found it there
    Column("look_at", UTCDateTime),  # when another look is due; null: never
    # open: it counts as long as looks find it; lapsed: none did for a day, it does not count;
    # closed: its papers are measured no more, it counts as it was last measured.
    Column("state", String(6), nullable=False, default="open"),
    UniqueConstraint("signal", "external_id"),
    Index("ix_posts_signal_look_at", "signal", "look_at"),
    Index("ix_posts_signal_posted_at", "signal", "posted_at"),
    Index("ix_posts_state_seen_at", "state", "seen_at"),
)

# What posts add to a paper, kept up with them: rankings read this and no post. Totals
# printed by archives are not in it, since which of them counts depends on the window.
tallies = Table(
    "tallies",
    metadata,
    Column("paper_id", Id, ForeignKey("papers.id", ondelete="CASCADE"), primary_key=True),
    Column("signal", String(40), primary_key=True),
    Column("posts", Integer, nullable=False),  # that count
    Column("retweets", BigInteger, nullable=False, default=0),
    Column("favorites", BigInteger, nullable=False, default=0),
    Column("growth", Float, nullable=False, default=0.0),
    Column("measured_at", UTCDateTime, nullable=False),  # the newest reading in it
    Column("left_out", Integer, nullable=False),  # posts that do not count
    Column("flag", String(40), nullable=False, default=""),  # why none of it counts, or ""
    sqlite_with_rowid=False,  # kept in the order of its key, as rankings read it
)

# What the posts of an account tell about it: those that repeat titles give themselves away.
accounts = Table(
    "accounts",
    metadata,
    Column("account", String(16), primary_key=True),  # as in posts
    Column("posts", Integer, nullable=False),
    Column("titled", Integer, nullable=False),  # of them say no more than a title
    Column("label", String(12), nullable=False, default=""),  # "", automated or titles
)

post_papers = Table(
    "post_papers",
    metadata,
    Column("paper_id", Id, ForeignKey("papers.id", ondelete="CASCADE"), primary_key=True),
    Column("post_id", Id, ForeignKey("posts.id", ondelete="CASCADE"), primary_key=True),
    Index("ix_post_papers_post_id", "post_id"),
)

readings = Table(
    "readings",
    metadata,
    Column("post_id", Id, ForeignKey("posts.id", ondelete="CASCADE"), primary_key=True),
    Column("taken_at", UTCDateTime, primary_key=True),
    Column("retweets", BigInteger, nullable=False),
    Column("favorites", BigInteger, nullable=False),
    Column("replies", BigInteger, nullable=False),
    Column("flag", String(40), nullable=False, default=""),  # why it is not believed, or ""
)

digests = Table(
    "digests",
    metadata,
    Column("id", Id, primary_key=True),
    Column("cadence", String(10), nullable=False),
    Column("date", Date, nullable=False),
    Column("since", Date, nullable=False),
    Column("until", Date, nullable=False),
    Column("counted_at", UTCDateTime, nullable=False),
    Column("made_at", UTCDateTime, nullable=False),
    Column(
        "by", String(10), nullable=False, default="total"
    ),  # what the order is by: total, rising, field
    Column("heard", JSON(none_as_null=True)),  # {signal: whether it answered}; null: not known
    Column("planned_at", UTCDateTime),  # when the audience was frozen; null: not mailed
    Column("audience", Integer, nullable=False, default=0),
    Column("stopped", Text, nullable=False, default=""),  # why sending stopped, if it did
    Column("stopped_at", UTCDateTime),
    Column("resume_at", UTCDateTime),  # when to try again by itself
    Column("closed", JSON),  # {state: deliveries} once nothing of it can be sent any more
    UniqueConstraint("cadence", "date"),
)

digest_papers = Table(
    "digest_papers",
    metadata,
    Column("digest_id", Id, ForeignKey("digests.id", ondelete="CASCADE"), primary_key=True),
    Column("rank", Integer, primary_key=True),
    Column("paper_id", Id, ForeignKey("papers.id"), nullable=False, index=True),
    Column("score", Float, nullable=False),
    Column("retweets", BigInteger, nullable=False),
    Column("favorites", BigInteger, nullable=False),
    Column("signals", JSON, nullable=False),
    Column(
        "movement", String(20), nullable=False, default=""
    ),  # new, back, up 3, down 2, same or ""
    Column("merit", Float, nullable=False, default=0.0),  # what the order is by
    Column("paper", JSON, nullable=False),  # the paper as it was that day
)

subscribers = Table(
    "subscribers",
    metadata,
    Column("id", Id, primary_key=True),
    Column("email", String(320), nullable=False),
    Column("email_key", String(320), nullable=False, unique=True),
    Column("status", String(12), nullable=False),
    Column("cadence", String(10), nullable=False),
    Column("topics", Text, nullable=False),  # sorted, joined by one space; "" is all
    Column("created_at", UTCDateTime, nullable=False),
    Column("confirmed_at", UTCDateTime),
    Column("left_at", UTCDateTime),
    Column("confirm_hash", String(64), nullable=False, default=""),  # of the open token
    Column("confirm_sent_at", UTCDateTime),
    Column("hour", Integer),  # of the day, 0 to 23, for mail; null: as soon as it is made
    Column("timezone", String(64), nullable=False, default=""),  # of the hour; "" is the site's
    Column("paused_until", Date),  # the first day on which mail comes again
    Column("fewer", Text, nullable=False, default=""),  # categories, written as topics are
    Index("ix_subscribers_status_cadence", "status", "cadence"),
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("email_key", String(320), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
)

batches = Table(
    "batches",
    metadata,
    Column("id", Id, primary_key=True),
    Column(
        "digest_id", Id, ForeignKey("digests.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("first_id", Id, nullable=False),  # subscriber ids, both included
    Column("last_id", Id, nullable=False),
    Column("done_at", UTCDateTime),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("digest_id", Id, ForeignKey("digests.id", ondelete="CASCADE"), primary_key=True),
    Column("subscriber_id", Id, ForeignKey("subscribers.id"), primary_key=True),
    Column("state", String(10), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("doubts", Integer, nullable=False, default=0),  # times the outcome was uncertain
    Column("deaths", Integer, nullable=False, default=0),  # of processes that held it
    Column("next_at", UTCDateTime),  # when it is due; null: a pending one now, others never
    Column("lease_until", UTCDateTime),  # while sending
    Column("owner", String(100), nullable=False, default=""),  # the process that holds the lease
    Column("code", Integer, nullable=False, default=0),
    Column("detail", Text, nullable=False, default=""),
    Column("updated_at", UTCDateTime, nullable=False),
    Index("ix_deliveries_subscriber_id", "subscriber_id"),
    # No index over what changes, and room on each page: a change of state then touches one
    # page and no index (PostgreSQL's heap-only tuples), which halves the write-ahead log.
    postgresql_with={"fillfactor": 60},
)

# Mails that are no digest and wait to be sent; a row is deleted when its mail is done with.
notices = Table(
    "notices",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", String(12), nullable=False),
    Column("subscriber_id", Id, ForeignKey("subscribers.id"), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("next_at", UTCDateTime, nullable=False, index=True),  # taking one moves it on
    Column("attempts", Integer, nullable=False, default=0),
    UniqueConstraint("kind", "subscriber_id"),
)

# How often something may be asked: a bucket that leaks, as the moment it will be full again.
limits = Table(
    "limits",
    metadata,
    Column("key", String(80), primary_key=True),  # never an address, but a keyed hash of it
    Column("full_at", UTCDateTime, nullable=False),
)

# One row: what left lately, for limits that hold across processes and restarts.
pace = Table(
    "pace",
    metadata,
    Column("id", Id, primary_key=True),
    Column("free_at", UTCDateTime, nullable=False),  # when the next mail may leave
    Column("minutes", JSON, nullable=False),  # {minute since 1970: mails}, of the last hour
)

runs = Table(
    "runs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", String(10), nullable=False),  # source, signal or digest
    Column("name", String(40), nullable=False),
    Column("since", Date, nullable=False),
    Column("until", Date, nullable=False),
    Column("started_at", UTCDateTime, nullable=False),
    Column("finished_at", UTCDateTime),
    Column("outcome", String(10), nullable=False),  # running, ok, quiet, failed or stopped
    Column("items", Integer, nullable=False, default=0),
    Column("message", PlainText, nullable=False, default=""),
    Index("ix_runs_kind_name_id", "kind", "name", "id"),
)

budgets = Table(
    "budgets",
    metadata,
    Column("signal", String(40), primary_key=True),
    Column("day", Date, primary_key=True),  # UTC
    Column("used", Integer, nullable=False, default=0),
    Column("stopped", Text, nullable=False, default=""),
)

# What paid reads were for and what they brought.
reads = Table(
    "reads",
    metadata,
    Column("signal", String(40), primary_key=True),
    Column("day", Date, primary_key=True),  # UTC
    Column("purpose", String(20), primary_key=True),  # size, search or refresh
    Column("requests", Integer, nullable=False),
    Column("posts", Integer, nullable=False),  # read and paid for
    Column("useful", Integer, nullable=False),  # of them new here, or changed since the last look
    Column("dollars", Float, nullable=False),
)

# What an adapter decided for the day about its paid reads; only the newest is asked for.
plans = Table(
    "plans",
    metadata,
    Column("signal", String(40), primary_key=True),
    Column("day", Date, nullable=False),  # UTC
    Column("plan", JSON, nullable=False),
)

# Hosts that failed lately; a row is deleted when its host answers again.
hosts = Table(
    "hosts",
    metadata,
    Column("host", String(255), primary_key=True),
    Column("failures", Integer, nullable=False),  # in a row
    Column("reason", Text, nullable=False),
    Column("failed_at", UTCDateTime, nullable=False),
    Column("closed_until", UTCDateTime),  # not asked before; null: it may be
)
