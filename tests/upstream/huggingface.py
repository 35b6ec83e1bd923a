"""Hugging Face as it answers: the daily papers and one paper."""

import re
from datetime import UTC, date, datetime

from tests.upstream.reply import Headers, Query, Reply, as_json
from tests.upstream.world import World, WorldEntry

LIMITS = {
    "RateLimit": '"api";r=499;t=300',
    "RateLimit-Policy": '"fixed window";"api";q=500;w=300',
}


def answer(world: World, path: str, query: Query, headers: Headers) -> Reply:
    """Answer one GET below Hugging Face's base."""
    match path.strip("/").split("/", 2):
        case ["api", "daily_papers"]:
            return daily(world, query)
        case ["api", "papers", paper_id]:
            return one(world, paper_id)
    return failure(404, "Sorry, we can't find the page you are looking for.")


def daily(world: World, query: Query) -> Reply:
    """The entries of one `date`, `week` or `month` (default: the newest day), 50 to a page."""
    limit, number = query.get("limit", "50"), query.get("p", "0")
    if not limit.isdigit() or not 1 <= int(limit) <= 100 or not number.isdigit():
        return failure(400, "Invalid limit or p: expected a limit from 1 to 100")
    existing = [entry.at(world.now) for entry in world.entries if entry.day <= world.now.date()]
    newest = max((entry.day for entry in existing), default=world.today)
    wanted = query.get("date") or query.get("week") or query.get("month") or newest.isoformat()
    if not re.fullmatch(r"\d{4}-(\d\d-\d\d|W\d\d|\d\d)", wanted) or not possible(wanted):
        return failure(400, f"Invalid date: {wanted}")
    found = [entry for entry in existing if wanted in names(entry.day)]
    if query.get("sort") == "trending":
        found.sort(key=lambda entry: entry.upvotes, reverse=True)
    start = int(number) * int(limit)
    shown = found[start : start + int(limit)]
    return as_json([listed(world, entry) for entry in shown], headers=LIMITS)


def possible(wanted: str) -> bool:
    """Whether a full date is one of the calendar."""
    try:
        date.fromisoformat(wanted if len(wanted) == 10 else "2000-01-01")
    except ValueError:
        return False
    return True


def names(day: date) -> tuple[str, str, str]:
    """What a day can be asked by: itself, its ISO week, its month."""
    return day.isoformat(), f"{day:%G-W%V}", f"{day:%Y-%m}"


def one(world: World, paper_id: str) -> Reply:
    """One paper with what is linked to it; 404 where nobody submitted it."""
    found = [entry.at(world.now) for entry in world.entries if entry.paper_id == paper_id]
    if not found:
        return failure(404, "Paper not found")
    linked: dict[str, object] = {}
    for what in ("Models", "Datasets", "Spaces"):
        linked |= {f"linked{what}": [], f"numTotal{what}": 0}
    return as_json({**shaped(world, found[0]), **linked}, headers=LIMITS)


def listed(world: World, entry: WorldEntry) -> dict[str, object]:
    """One element of the daily list: the paper, and what the day's page adds."""
    paper = shaped(world, entry)
    return {
        "paper": paper,
        "publishedAt": paper["publishedAt"],
        "title": paper["title"],
        "summary": paper["summary"],
        "thumbnail": "https://cdn-thumbnails.huggingface.co/social-thumbnails/papers/"
        f"{entry.paper_id}.png",
        "numComments": entry.comments,
        "submittedBy": submitter(),
        "isAuthorParticipating": False,
    }


def shaped(world: World, entry: WorldEntry) -> dict[str, object]:
    paper = world.paper(entry.paper_id)
    submitted = paper.submitted if paper else datetime(entry.day.year, 1, 1, tzinfo=UTC)
    authors = paper.authors if paper else ("Nobody Known",)
    document: dict[str, object] = {
        "id": entry.paper_id,
        "authors": [
            {"_id": f"{place:024x}", "name": name, "hidden": False}
            for place, name in enumerate(authors, start=1)
        ],
        "publishedAt": f"{submitted:%Y-%m-%dT%H:%M:%S}.000Z",
        "submittedOnDailyAt": f"{entry.day}T00:00:00.000Z",
        "title": paper.title if paper else "A Paper From Elsewhere",
        "submittedOnDailyBy": submitter(),
        "summary": paper.abstract if paper else "",
        "upvotes": entry.upvotes,
        "discussionId": f"{entry.day:%Y%m%d}".zfill(24),
    }
    if entry.github_stars is not None:
        document["githubRepo"] = "https://github.com/example/repo"
        document["githubStars"] = entry.github_stars
    return document


def submitter() -> dict[str, object]:
    return {
        "_id": "0123456789abcdef01234567",
        "avatarUrl": "/avatars/invented.svg",
        "isPro": False,
        "fullname": "Ines Vidal",
        "user": "ines",
        "type": "user",
        "name": "ines",
    }


def failure(status: int, why: str) -> Reply:
    return as_json({"error": why}, status)
