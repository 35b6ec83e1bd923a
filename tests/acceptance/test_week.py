"""A week of the daemon, hour by hour, against a world that knows what is true of it."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from tests.acceptance import at as process
from tests.acceptance.conftest import FORKS, Trendbot
from tests.upstream.honest import LISTINGS, Count, Truth
from tests.upstream.server import SERVICES, Upstream
from tests.upstream.week import (
    DOWN,
    FRIDAY,
    HOUR,
    MONDAY,
    SATURDAY,
    SUNDAY,
    THURSDAY,
    TUESDAY,
    WEDNESDAY,
    Week,
    at,
)
from trendbot import app, settings
from trendbot.model import Cadence, Digest, Tally
from trendbot.signals import SIGNALS
from trendbot.store import digests, papers
from trendbot.web.site import create

SIZE = 10
BUDGET = 150
MONDAY_AFTER = SUNDAY + timedelta(days=1)
SETTINGS = """
[site]
base_url = "https://papers.example.org"
postal_address = "1 Long Road, Springfield"
[database]
url = "{database}"
[sources.arxiv]
base_url = "{arxiv}"
api_url = "{arxiv_api}"
rss_url = "{rss}"
[ranking]
size = {size}
[mail]
sender = "Trending <digest@papers.example.org>"
[web]
secret_key = "a-secret-of-sixteen-characters"
[signals.huggingface]
base_url = "{huggingface}"
[signals.x]
enabled = true
base_url = "{x}"
storage_url = "{x_storage}"
bearer_token = "a-token"
min_likes = 0
daily_post_budget = {budget}
[signals.bluesky]
constellation_url = "{constellation}"
appview_url = "{bsky}"
pds_url = "{pds}"
daily_requests = 60
{login}
[signals.hackernews]
base_url = "{hackernews}"
[signals.mastodon]
instances = ["{mastodon}"]
"""
# On other days ten requests. The first start looks a week back for the weekly digest.
MORE_OF_ARXIV = {MONDAY: 35}
TOPIC = "cs.CL"
READERS = f"""email,cadence,topics
ada@example.org,daily,
grace@example.net,daily,{TOPIC}
kurt@example.com,weekly,
"""
ADA, GRACE, KURT = (line.split(",")[0] for line in READERS.splitlines()[1:])


class Play:
    """The daemon in a process of its own, stepped through the week."""

    def __init__(self, trendbot: Trendbot, week: Week, upstream: Upstream, engine: Engine) -> None:
        self.trendbot, self.week, self.upstream, self.engine = trendbot, week, upstream, engine
        self.is_short = engine.dialect.name != "sqlite"
        self.truth = Truth(week, upstream)
        self.now = at(MONDAY, 2)

    @contextmanager
    def running(self) -> Iterator[None]:
        """A daemon that was started; its process ends with the block."""
        self._daemon, theirs = FORKS.Pipe()
        arguments = (str(self.trendbot.home), {"NAME": "-daemon"}, theirs)
        daemon = FORKS.Process(target=process.daemon, args=arguments)
        daemon.start()
        theirs.close()
        try:
            yield
        finally:
            self._daemon.close()
            daemon.join(100)
        assert daemon.exitcode == 0, self.log
        assert "Traceback" not in self.log
        daemon.close()

    def until(self, moment: datetime) -> None:
        """Let the hours pass, the daemon working in each."""
        while self.now < moment:
            self.now = min(self.now + HOUR, moment)
            self.week.reach(self.now, self.upstream)
            self._daemon.send(self.now)
            try:
                self._daemon.recv()
            except EOFError:
                raise AssertionError(f"it died at {self.now}:\n{self.log}") from None

    @property
    def log(self) -> str:
        """What the daemon wrote since it was started."""
        return (self.trendbot.home / "err-daemon").read_text()

    def digest(self, day: date, cadence: Cadence = Cadence.DAILY) -> Digest:
        """The digest that was made."""
        with self.engine.connect() as conn:
            found = digests.find(conn, cadence, day)
        assert found is not None, f"no {cadence} digest of {day}"
        return found

    def mails(self, day: date, cadence: Cadence = Cadence.DAILY) -> dict[str, str]:
        """The text of the mails of a digest, by reader."""
        found = {}
        for mail in self.trendbot.mails():
            message = message_from_bytes(mail, policy=policy.default)
            body = message.get_body(("plain",))
            assert body is not None
            if f"/digests/{cadence}/{day}" in body.get_content():
                assert message["To"] not in found
                found[message["To"]] = str(body.get_content())
        return found

    def page(self, path: str) -> str:
        """A page as a visitor gets it now."""
        wired = app.build(settings.load(self.trendbot.home / "trendbot.toml"), lambda: self.now)
        try:
            with TestClient(create(wired)) as visitor:
                reply = visitor.get(path)
        finally:
            wired.close()
        assert reply.status_code == 200
        return str(reply.text)


@pytest.fixture
def week() -> Week:
    return Week()


@pytest.fixture
def upstream(week: Week) -> Iterator[Upstream]:
    with Upstream(week.world) as server:
        yield server


@pytest.fixture
def play(tmp_path: Path, database_url: str, week: Week, upstream: Upstream, engine: Engine) -> Play:
    """A trendbot that asks that world; once with a login at Bluesky and an X that does not tell
    what is deleted, once without the one, and the other tells.
    """
    rules, login = week.world.bluesky, ""
    if database_url.startswith("postgresql"):
        week.world.x.has_compliance = False
        login = f'handle = "{rules.handle}"\napp_password = "{rules.app_password}"'
    addresses = {service: getattr(upstream, service) for service in SERVICES}
    more = {"database": database_url, "size": SIZE, "budget": BUDGET, "login": login}
    (tmp_path / "trendbot.toml").write_text(SETTINGS.format(**more, **addresses))
    (tmp_path / "readers.csv").write_text(READERS)
    trendbot = Trendbot(tmp_path, at(MONDAY, 2).isoformat())
    trendbot("subscribers", "import", "readers.csv", "--confirmed")
    return Play(trendbot, week, upstream, engine)


def counts_of(signals: Mapping[str, Tally]) -> dict[str, Count]:
    """What counts, by signal; flagged sums and signals without posts do not."""
    return {
        name: Count(one.posts, one.retweets, one.favorites)
        for name, one in signals.items()
        if one.posts and not one.flag
    }


def check_counts(play: Play) -> None:
    """Every paper has the counts that are true now, and a ranking of the week goes by them."""
    play.trendbot.moment = play.now.isoformat()
    ranked = play.trendbot.document("rank", "--date", str(SUNDAY), "--cadence", "weekly")["papers"]
    for paper in ranked:
        counted = {
            name: Count(one["posts"], one["retweets"], one["favorites"])
            for name, one in paper["signals"].items()
            if one["posts"] and not one["flag"]
        }
        assert counted == play.truth.counts(paper["id"], play.now), paper["id"]
    assert [one["id"] for one in ranked] == play.truth.best(MONDAY, SUNDAY, play.now)


def check_daily(play: Play, day: date, is_news: bool = True, silent: tuple[str, ...] = ()) -> None:
    """The digest of a day holds what it must, in order, and went to whom it must."""
    digest, truth = play.digest(day), play.truth
    expected = truth.daily(day, digest.made_at, SIZE, is_news)
    truth.made(expected, digest.made_at, is_news)
    assert [entry.paper.id for entry in digest.papers] == expected
    for entry in digest.papers:
        assert counts_of(entry.signals) == truth.counts(entry.paper.id, digest.made_at)
        assert entry.score == truth.score(entry.paper.id, digest.made_at)
    assert digest.heard == {name: name not in silent for name in SIGNALS if name != "sample"}
    mails = play.mails(day)
    hers = [entry.paper for entry in digest.papers if TOPIC in entry.paper.categories]
    assert set(mails) == ({ADA, *([GRACE] if hers else [])} if is_news else set())
    for reader, mail in mails.items():
        wanted = hers if reader == GRACE else [entry.paper for entry in digest.papers]
        assert set(re.findall(r"arxiv\.org/abs/([\d.]+)", mail)) == {one.id for one in wanted}
        assert ("did not answer" in mail) == bool(silent)


def check_papers(play: Play, day: date) -> None:
    """All papers that were new that day in the categories, and no others, are there."""
    with play.engine.connect() as conn:
        found = {paper.id for paper in papers.announced(conn, day, day)}
    new = {one.id for one in play.week.world.papers if one.announced == day and one.id > "2611"}
    assert found == new


def check_deleted(play: Play, day: date, are_there: bool) -> None:
    """Those of a day's posts that are deleted later are on the page of their paper, or are not."""
    gone = [post for post in play.week.deleted if post.created_at.date() == day]
    papers = {post.urls[0].rpartition("/")[2] for post in gone}
    assert len(papers) == 2
    pages = "".join(play.page(f"/papers/{paper}") for paper in papers)
    shown = [post.id for post in gone if post.id.rpartition("/")[2] in pages]
    assert shown == ([post.id for post in gone] if are_there else [])


def check_health(play: Play, failing: Mapping[str, datetime]) -> None:
    """Who does not answer is known, with the moment it began; all others are well."""
    play.trendbot.moment = play.now.isoformat()
    status = play.trendbot.document("status")
    for one in status["sources"] + status["signals"]:
        health = one["health"]
        if one["name"] in failing:
            assert health["state"] in ("failing", "closed")
            since = datetime.fromisoformat(health["failing_since"])
            assert failing[one["name"]] <= since < failing[one["name"]] + 7 * HOUR
            assert datetime.fromisoformat(health["last_ok"]) < since
        else:
            assert (health["state"], health["failures"]) in (("ok", 0), ("quiet", 0)), one


def test_a_week(play: Play) -> None:
    """Monday to Monday on SQLite; on PostgreSQL until Wednesday, where SQL differs."""
    with play.running():
        play_until_wednesday(play)
    if not play.is_short:
        play.now = DOWN[1] - HOUR
        with play.running():
            play_from_friday(play)
        check_weekly(play)
    check_requests(play.upstream)


def play_until_wednesday(play: Play) -> None:
    """An old listing all Tuesday, deletions, and Hugging Face does not answer on Wednesday."""
    play.until(at(TUESDAY, 7))
    check_papers(play, MONDAY)
    check_daily(play, MONDAY)
    check_counts(play)
    check_health(play, {})
    check_deleted(play, MONDAY, are_there=True)
    play.until(at(WEDNESDAY, 7))
    check_papers(play, TUESDAY)
    check_daily(play, TUESDAY, silent=("huggingface",))
    play.until(at(WEDNESDAY, 12))
    check_deleted(play, MONDAY, are_there=False)
    check_health(play, {"huggingface": at(WEDNESDAY, 0)})
    check_counts(play)
    if not play.is_short:
        play.until(DOWN[0])


def play_from_friday(play: Play) -> None:
    """Two days to make up for, late risers, counts that jump, deletions, a flood on X."""
    play.until(DOWN[1])
    for day in (WEDNESDAY, THURSDAY, FRIDAY):
        check_papers(play, day)
    check_daily(play, WEDNESDAY, is_news=False)
    check_daily(play, THURSDAY)
    play.until(at(SATURDAY, 7))
    check_daily(play, FRIDAY)
    check_heroes(play)
    check_health(play, {})
    check_deleted(play, THURSDAY, are_there=True)
    play.until(at(SUNDAY, 12))
    check_deleted(play, THURSDAY, are_there=False)
    play.until(at(MONDAY_AFTER, 8))
    check_counts(play)


def check_heroes(play: Play) -> None:
    """Who took off on Friday evening is there, told from the papers of the day."""
    week, digest = play.week, play.digest(FRIDAY)
    entries = {entry.paper.id: entry for entry in digest.papers}
    for paper in (week.late, week.again, week.climber):
        assert entries[paper.id].paper.announced < digest.since
    assert not {week.jumper.id, week.impossible.id} & set(entries)
    last = {entry.paper.id: entry.rank for entry in play.digest(THURSDAY).papers}
    places = last[week.climber.id] - entries[week.climber.id].rank
    assert entries[week.climber.id].movement == (f"up {places}" if places else "same")
    assert entries[week.again.id].movement == "back"
    assert entries[week.late.id].movement == "new"


def check_weekly(play: Play) -> None:
    """The week's digest holds its best papers; quiet days have none."""
    digest = play.digest(SUNDAY, Cadence.WEEKLY)
    expected = play.truth.best(MONDAY, SUNDAY, digest.made_at)[:SIZE]
    assert [entry.paper.id for entry in digest.papers] == expected
    assert set(play.mails(SUNDAY, Cadence.WEEKLY)) == {KURT}
    status = play.trendbot.document("status")
    daily = [one for one in status["digests"] if one["cadence"] == "daily"]
    assert {one["date"] for one in daily} >= {str(day) for day in (MONDAY, FRIDAY)}
    assert all(one["balanced"] for one in status["digests"])


def check_requests(upstream: Upstream) -> None:
    """Nobody was asked too much on any day (UTC), and what cost money stayed in the budget."""
    asked = Counter((request.at.date(), request.service) for request in upstream.requests)
    read: Counter[date] = Counter()
    for request, reply in upstream.replies:
        if request.path.startswith("/2/tweets"):
            found = json.loads(reply.body).get("data", [])
            read[request.at.date()] += 1 if "/counts/" in request.path else len(found)
    for day in sorted({day for day, _ in asked}):
        per_service = {name: n for (when, name), n in sorted(asked.items()) if when == day}
        print(day, sum(per_service.values()), per_service, f"read on X: {read[day]}")  # noqa: T201
        assert sum(per_service.get(name, 0) for name in LISTINGS) <= MORE_OF_ARXIV.get(day, 10)
        assert sum(per_service.values()) <= 300
        assert read[day] <= BUDGET
