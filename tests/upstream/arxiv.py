"""arXiv as it answers: /list/<cat>/new and /catchup here, the API and RSS in arxiv_feeds.py.

The markup inside #dlpage follows the templates of arXiv/arxiv-browse: a `<dl>` per section
with its `<h3>` inside, all with the same id, `href =` with a space, abstracts inline.
Archives ("cs") are not served, only the categories below.
"""

import re
from dataclasses import replace
from datetime import date, timedelta
from html import escape
from urllib.parse import quote_plus

from tests.upstream.reply import HTML, TEXT, Headers, Query, Reply, text
from tests.upstream.world import Announcement, Kind, World, WorldPaper

CATEGORIES = {
    "astro-ph.CO": "Cosmology and Nongalactic Astrophysics",
    "cs.AI": "Artificial Intelligence",
    "cs.CL": "Computation and Language",
    "cs.CV": "Computer Vision and Pattern Recognition",
    "cs.LG": "Machine Learning",
    "cs.RO": "Robotics",
    "eess.IV": "Image and Video Processing",
    "hep-th": "High Energy Physics - Theory",
    "math.OC": "Optimization and Control",
    "stat.ML": "Machine Learning",
}
SHOW_VALUES = (25, 50, 100, 250, 500, 1000, 2000)
CATCHUP_DAYS = 91  # ninety, and one for time zones
SECTIONS = {
    Kind.NEW: ("New submissions", "New submissions"),
    Kind.CROSS: ("Cross-lists", "Cross submissions"),
    Kind.REPLACE: ("Replacements", "Replacement submissions"),
}
Line = tuple[WorldPaper, Announcement]


def answer(world: World, path: str, query: Query, headers: Headers) -> Reply:
    """Answer one GET below arXiv's base."""
    match path.strip("/").split("/"):
        case ["list", category, "new"]:
            return list_new(world, category, query)
        case ["catchup", category, day]:
            return catchup(world, category, day, query)
        case ["robots.txt"]:
            return text("User-agent: *\nCrawl-delay: 15\n", TEXT)
    return failure(404, "Not Found")


def list_new(world: World, category: str, query: Query) -> Reply:
    """The latest announcement of one category, all sections, with abstracts."""
    if category not in CATEGORIES:
        return failure(400, "Invalid archive or category")
    show, skip = query.get("show", "2000"), query.get("skip", "0")
    if not show.isdigit() or int(show) not in SHOW_VALUES:
        return failure(400, f"Invalid show value. Valid values: {SHOW_VALUES}")
    skip = skip if skip.isdigit() else "0"
    day = world.last_announcement()
    lines = world.listed(category, day)
    body = sections(lines, int(skip), int(show)) or "\n    <p>No updates today.</p>\n"
    paging = list_paging(category, len(lines), int(skip), int(show)) if lines else ""
    printed = f"{day:%A}, {day.day} {day:%B %Y}"
    return page(
        f"{CATEGORIES[category]}  ",
        f"""  <h1>{CATEGORIES[category]}</h1>

<ul>
{index(lines)}</ul>

<p>See <a id="recent-{category}" aria-labelledby="recent-{category}" """
        f"""href="/list/{category}/recent">recent</a> articles</p>
<h3>Showing new listings for {printed}</h3>
{paging}
{body}
{paging}
""",
    )


def catchup(world: World, category: str, printed: str, query: Query) -> Reply:
    """One past day of one category; refuses what the real page refuses, with 400."""
    number = query.get("page", "1")
    day = valid_day(printed)
    wrong = (
        (set(query) - {"abs", "page"}, "Only accepted parameters are: 'page', and 'abs'"),
        (category not in CATEGORIES, "Invalid subject"),
        (day is None, "Invalid date format. Use format: YYYY-MM-DD"),
        (day and day < world.today - timedelta(CATCHUP_DAYS), "only allowed for past 90 days"),
        (day and day > world.now.date(), "Can't request date later than today"),
        (query.get("abs", "False") not in ("True", "False"), "Invalid abs value"),
        (not number.isdigit() or int(number) < 1, "Invalid page value"),
    )
    for is_wrong, why in wrong:
        if is_wrong:
            return failure(400, why)
    assert day is not None
    return catchup_page(world, category, day, int(number), query.get("abs") == "True")


def catchup_page(world: World, category: str, day: date, number: int, abstracts: bool) -> Reply:
    lines = world.listed(category, day) if day <= world.today else []
    skip = (number - 1) * world.page_size
    body = sections(lines, skip, world.page_size, abstracts)
    total = f"Total of {len(lines)} entries for {day:%a, %d %b %Y}"
    following = next_announcement(world, day)
    onward = ""
    if following:
        href = f"/catchup/{category}/{following}?abs={abstracts}&amp;page=1"
        onward = f'<a href="{href}">Continue to the next day</a>'
    pages = catchup_paging(world, category, day, abstracts, len(lines))
    return page(
        "",
        f"""  <h1>Catchup results for {CATEGORIES[category]} on {day:%a, %d %b %Y}</h1>

    <ul>
{index(lines)}    </ul>

    <div>
        {onward}
        <br><br>

      {total}
      {pages}
    </div>

{body or nothing(day, number)}

    <div></div>
    {total}
      {pages}
        <br> <br>
        {onward}
    </div>
""",
    )


def nothing(day: date, number: int) -> str:
    """What stands in place of the sections; an announcement may lack a category."""
    if number > 1:
        return f"    <br>\n    <div>\n      No further updates for {day:%a, %d %b %Y}\n    </div>"
    return f"    <br>\n    <div>\n      <p>No updates for {day:%a, %d %b %Y}.</p>\n    </div>"


def valid_day(printed: str) -> date | None:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", printed):
        return None
    try:
        return date.fromisoformat(printed)
    except ValueError:
        return None


def next_announcement(world: World, day: date) -> date | None:
    following = day + timedelta(days=1)
    while following <= world.today:
        if world.announces_on(following):
            return following
        following += timedelta(days=1)
    return None


def sections(lines: list[Line], skip: int, show: int, abstracts: bool = True) -> str:
    """The `<dl>` of each section that has a line between `skip` and `skip + show`."""
    numbered = list(enumerate(lines, start=1))
    parts = []
    for kind, (_, name) in SECTIONS.items():
        whole = [item for item in numbered if item[1][1].kind is kind]
        shown = [item for item in whole if skip < item[0] <= skip + show]
        if shown:
            note = showing(len(shown), len(whole), shown[0] != whole[0], shown[-1] == whole[-1])
            entries = "".join(entry(number, line, abstracts) for number, line in shown)
            heading = f"    <h3>{name} ({note} entries)</h3>\n"
            parts.append(f"\n      <dl id='articles'>\n{heading}{entries}</dl>\n")
    return "".join(parts)


def showing(shown: int, total: int, continued: bool, last: bool) -> str:
    if continued:
        return f"continued, showing {'last ' if last else ''}{shown} of {total}"
    return f"showing {'' if last else 'first '}{shown} of {total}"


def entry(number: int, line: Line, abstracts: bool) -> str:
    """One `<dt>` and `<dd>`, as the macro item_list prints them."""
    paper, announcement = line
    note = {
        Kind.NEW: "",
        Kind.CROSS: f"    (cross-list from {paper.categories[0]})\n",
        Kind.REPLACE: "    (replaced)\n",
    }[announcement.kind]
    abstract = f"\n        <p class='mathjax'>\n          {prose(paper.abstract)}\n        </p>"
    return f"""

    <dt>
      <a name='item{number}'>[{number}]</a>
      <a href ="/abs/{paper.id}" title="Abstract" id="{paper.id}">
        arXiv:{paper.id}
      </a>
      {note}
        [{downloads(paper, announcement.version)}]
    </dt>
    <dd>
      <div class='meta'>
        <div class='list-title mathjax'><span class='descriptor'>Title:</span>
          {escape(paper.title)}
        </div>
        <div class='list-authors'>{author_links(paper)}</div>
{optional(paper)}
        <div class='list-subjects'><span class='descriptor'>Subjects:</span>
          {subjects(paper)}
        </div>
{abstract if abstracts else ""}
      </div>
    </dd>
"""


def downloads(paper: WorldPaper, version: int) -> str:
    def link(href: str, title: str, short: str, name: str, more: str = "") -> str:
        anchor = f"{short}-{paper.id}"
        return (
            f'<a href="{href}" title="{title}" id="{anchor}" '
            f'aria-labelledby="{anchor}"{more}>{name}</a>'
        )

    away = ' rel="noopener noreferrer" target="_blank"'
    html = f"https://arxiv.org/html/{paper.id}v{version}"
    links = [link(f"/pdf/{paper.id}", "Download PDF", "pdf", "pdf")]
    if paper.has_html:
        links.append(link(html, "View HTML", "html", "html", away))
    links.append(link(f"/format/{paper.id}", "Other formats", "oth", "other"))
    return ", ".join(links)


def author_links(paper: WorldPaper) -> str:
    """The linked names; after a hundred a long list just ends, as it does there."""
    archive = paper.categories[0].partition(".")[0]
    names = paper.authors if len(paper.authors) <= 101 else paper.authors[:100]
    return ", ".join(
        f'<a href="https://arxiv.org/search/{archive}?searchtype=author&amp;'
        f'query={quote_plus(searched(name), safe=",")}">{escape(name)}</a>'
        for name in names
    )


def searched(name: str) -> str:
    """`Ada B. Moreno` as the author search wants it: `Moreno, A B`."""
    *given, family = name.split() or [""]
    return " ".join([f"{family},", *(part[0] for part in given)])


def optional(paper: WorldPaper) -> str:
    def block(name: str, descriptor: str, content: str) -> str:
        return (
            f"\n        <div class='{name}'><span class='descriptor'>{descriptor}</span>\n"
            f"          {content}\n        </div>\n"
        )

    comments = paper.comments and block("list-comments mathjax", "Comments:", prose(paper.comments))
    journal = paper.journal_ref and block(
        "list-journal-ref", "Journal-ref:", escape(paper.journal_ref)
    )
    return comments + journal


def subjects(paper: WorldPaper) -> str:
    shown = [f"{CATEGORIES.get(name, name)} ({name})" for name in paper.categories]
    primary = f'<span class="primary-subject">{shown[0]}</span>'
    return "; ".join([primary, *shown[1:]])


def prose(plain: str) -> str:
    """Escape, turn a line break before an indent into `<br>`, and make addresses links."""
    broken = escape(plain, quote=False).replace("\n  ", "<br>")
    return re.sub(r"https?://[^\s<]*[^\s<.,;]", r'<a href="\g<0>" rel="noopener">\g<0></a>', broken)


def index(lines: list[Line]) -> str:
    """The list of sections at the top, each with the number of its first line."""
    first: dict[Kind, int] = {}
    for number, (_, announcement) in enumerate(lines, start=1):
        first.setdefault(announcement.kind, number)
    return "".join(
        f'  <li><a href="#item{number}">{SECTIONS[kind][0]}</a></li>\n'
        for kind, number in first.items()
    )


def list_paging(category: str, total: int, skip: int, show: int) -> str:
    pages = "".join(
        f"<span>{start + 1}-{min(start + show, total)}</span>\n"
        if start == skip
        else f"<a href=/list/{category}/new?skip={start}&amp;show={show}>"
        f"{start + 1}-{min(start + show, total)}</a>\n"
        for start in range(0, total, show)
    )
    return f"""
      <div class='paging'>Total of {total} entries {": " + pages if total > show else ""}
    </div>
    <div class='morefewer'>Showing up to {show} entries per page:
          <span style="color: #454545">fewer</span>
 |
          <span style="color: #454545">more</span>
 |
          <span style="color: #454545">all</span>

    </div>
"""


def catchup_paging(world: World, category: str, day: date, abstracts: bool, total: int) -> str:
    if total <= world.page_size:
        return ""
    base = f"/catchup/{category}/{day}?abs={abstracts}&amp;page="
    pages = range(1, total // world.page_size + 2)
    return "View page:" + "".join(f" <a href={base}{number}>{number}</a>" for number in pages)


def page(title: str, inside: str) -> Reply:
    """A whole page around what stands in #dlpage."""
    body = f"""<!DOCTYPE html>
<html lang="en">

<head>  <title>{title}</title>
  <meta name="viewport" content="width=device-width, initial-scale=1">
</head>

<body>
  <div class="flex-wrap-footer">
    <main>
      <div id="content">
<div id='content-inner'>
<div id='dlpage'>
{inside}
</div>
</div>      </div>
    </main>
  </div>
</body>
</html>"""
    return replace(text(body, HTML), cacheable=True)


def failure(status: int, why: str) -> Reply:
    """An error page, in HTML as the real ones are."""
    return text(
        f"<!DOCTYPE html>\n<html><head><title>{status}</title></head>"
        f"<body><h1>{status}</h1><p>{escape(why)}</p></body></html>",
        HTML,
        status,
    )
