from datetime import date

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trendbot.model import Paper
from trendbot.search_words import (
    EVERY_PAPER,
    LONGEST_QUERY,
    MOST_TERMS,
    Place,
    Term,
    Words,
    folded,
    highlights,
    in_category,
    marks,
    parse,
    snippet,
    with_id,
)


def words(*terms: str) -> tuple[Term, ...]:
    return tuple(Term(tuple(term.split())) for term in terms)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("graph kites", Words(words("graph", "kites"))),
        ('"Graph  Kites" moths', Words(words("graph kites", "moths"))),
        ("“graph kites” «moths»", Words(words("graph kites", "moths"))),
        ("self-supervised O'Brien", Words(words("self supervised", "o brien"))),
        ("kites -moths", Words(words("kites"), words("moths"))),
        ('kites -"red moths"', Words(words("kites"), words("red moths"))),
        ("kites --moths", Words(words("kites"), words("moths"))),
        ("Erdős Łódź naïve ﬁt", Words(words("erdos", "lodz", "naive", "fit"))),
        (r"$O(n^2)$ kites by Erd\H{o}s", Words(words("o n2", "kites", "erdos"))),
        ('kites "red moths', Words(words("kites", "red moths"))),
        ("title:Kites", Words((Term(("kites",), Place.TITLE),))),
        ('AUTHOR:"Ada Quill"', Words((Term(("ada", "quill"), Place.AUTHORS),))),
        ("kites -author:quill", Words(words("kites"), (Term(("quill",), Place.AUTHORS),))),
        ("the kites of a moth", Words(words("kites", "moth"))),
        ("the of", Words(words("the", "of"))),
        ('"the kites"', Words(words("the kites"))),
        ("the cs.LG", Words((in_category("cs.LG"),))),
        ("kites CS.lg", Words((*words("kites"), in_category("cs.LG")))),
        ("-cs.LG quant-ph", Words((in_category("quant-ph"),), (in_category("cs.LG"),))),
        ("cond-mat.mtrl-sci", Words((in_category("cond-mat.mtrl-sci"),))),
        ("math node.js", Words(words("math", "node js"))),
        ("", Words()),
        (" \t\n", Words()),
        ("- -- \" ' * ^ ( ) : ~ & | ! <-> {}", Words()),
        ("title: author:", Words(words("title", "author"))),
    ],
)
def test_what_people_type(typed: str, meant: Words) -> None:
    assert parse(typed) == meant
    assert bool(meant) == bool(meant.wanted or meant.excluded)


@pytest.mark.parametrize(
    "typed",
    [
        "2611.00017",
        "2611.00017v3",
        "arXiv:2611.00017v3",
        "https://arxiv.org/abs/2611.00017",
        "arxiv.org/pdf/2611.00017v2.pdf",
        "https://huggingface.co/papers/2611.00017",
        "https://doi.org/10.48550/arXiv.2611.00017",
        "10.48550/arXiv.2611.00017",
        "doi:10.48550/arXiv.2611.00017",
    ],
)
def test_ids_and_addresses_of_papers(typed: str) -> None:
    assert parse(typed) == Words((with_id("2611.00017"),))
    assert parse(f"kites {typed}").wanted == (*words("kites"), with_id("2611.00017"))


@pytest.mark.parametrize(
    "typed",
    ["hep-th/9901001", "arXiv:hep-th/9901001v2", "https://arxiv.org/abs/hep-th/9901001"],
)
def test_old_ids(typed: str) -> None:
    assert parse(typed) == Words((with_id("hep-th/9901001"),))


def test_old_ids_with_and_without_their_class_are_one() -> None:
    assert parse("math.GT/0309136") == parse("math/0309136") == Words((with_id("math/0309136"),))


def test_a_query_is_bounded() -> None:
    assert len(parse("a1 " * 1000).wanted) == MOST_TERMS
    assert len(parse('"' + "a1 " * 1000).wanted[0].words) == MOST_TERMS
    # Cut between words: half a word would find nothing.
    assert set(parse("abcdefghij " * 1000).wanted) == set(words("abcdefghij"))
    huge = parse("\ufdfa" * 10**6)
    assert sum(len(word) for term in huge.wanted for word in term.words) < 20 * LONGEST_QUERY


@given(st.text(max_size=300))
@example("\ud800 \0 '\"")
@example("\\frac{" * 40)
@example("https://[")
def test_no_query_fails_and_its_words_are_words(typed: str) -> None:
    meant = parse(typed)
    assert len(meant.wanted) + len(meant.excluded) <= MOST_TERMS
    for term in (*meant.wanted, *meant.excluded):
        for word in term.words:
            if term.place is Place.MARKS:
                assert set(word) <= set("abcdefghijklmnopqrstuvwxyz0123456789:./-_")
            else:
                assert word.isalnum()


@given(st.text(max_size=200))
def test_folding_is_final(written: str) -> None:
    once = folded(written)
    assert folded(once) == once
    assert folded(written.upper().lower()) == folded(written.lower())
    assert all(0 < len(word) <= 50 and word.isalnum() for word in once.split())


def test_folding() -> None:
    assert folded("Straße, ÅNGSTRÖM; Ĳssel—n² ½ ⑫ e\u0301t\u00e9") == (
        "strasse angstrom ijssel n2 1 2 12 ete"
    )
    assert folded("Ørsted Æon Þór") == "orsted aeon thor"
    assert folded("a" * 60) == "a" * 50 + " " + "a" * 10
    assert folded("हिन्दी 深層学習 глубокий") == "हनद 深層学習 глубокии"


def test_the_marks_of_a_paper() -> None:
    paper = Paper("arxiv", "math.GT/0309136", "", (), ("math.GT", "cs.LG", 'O\'dd "one"'), date.min)
    assert marks(paper) == sorted(
        {
            *EVERY_PAPER.words,
            *with_id("math/0309136").words,
            *(
                word
                for name in ("math.GT", "math", "cs.LG", "cs")
                for word in in_category(name).words
            ),
            *in_category("o_dd__one_").words,
        }
    )


def marked(text: str, typed: str) -> str:
    return "".join(f"[{piece}]" if hit else piece for piece, hit in highlights(text, parse(typed)))


@pytest.mark.parametrize(
    ("typed", "text", "shown"),
    [
        ("kites", "Kites, kite; kiteless", "[Kites], [kite]; kiteless"),
        ("network", "Networks and neural networking", "[Networks] and neural [networking]"),
        ("neural", "neuron neural", "neuron [neural]"),
        ("studies", "a study that studied", "a [study] that [studied]"),
        ("optimize", "optimization", "[optimization]"),
        ("plan", "planning a planet", "[planning] a planet"),
        ("is", "is island i", "[is] island i"),
        ("erdos", "Erdős, Erdo\u030bs", "[Erdős], [Erdo\u030bs]"),
        ("straße", "Strasse STRASSE", "[Strasse] [STRASSE]"),
        ('"red kites"', "red, kites: kites red", "[red, kites]: kites red"),
        ('"red kites" kites', "red kites, kites", "[red kites], [kites]"),
        ("self-made", "a self-made man made", "a [self-made] man made"),
        ("author:quill", "Ada Quill", "Ada [Quill]"),
        ("kites -moths", "moths <b>kites</b>", "moths <b>[kites]</b>"),
        ("cs.LG", "cs.LG in cs", "cs.LG in cs"),
        ("n2", "n² times", "[n²] times"),
        ("", "anything", "anything"),
        ("kites", "", ""),
    ],
)
def test_what_is_highlighted(typed: str, text: str, shown: str) -> None:
    assert marked(text, typed) == shown


@given(st.text(max_size=80), st.text(alphabet='ab c"-é\u0301ß', max_size=30))
def test_highlights_lose_nothing(text: str, typed: str) -> None:
    pieces = highlights(text, parse(typed))
    assert "".join(piece for piece, _ in pieces) == text
    assert all(piece for piece, _ in pieces)


def test_a_snippet_shows_what_was_found() -> None:
    text = f"{'before it ' * 50}the red kites fly {'and after it ' * 50}".strip()
    shown = snippet(text, parse("kites"), 100)
    assert "red kites fly" in shown
    assert shown.startswith("… ")
    assert shown.endswith("…")
    assert shown[2:-1] in text
    assert 60 < len(shown) <= 100


def test_a_snippet_of_what_stands_early_or_nowhere_is_the_beginning() -> None:
    text = "Kites " + "go on " * 50
    assert snippet(text, parse("kites"), 30) == "Kites go on go on go on go on…"
    assert snippet(text, parse("moths"), 30) == snippet(text, parse("kites"), 30)
    assert snippet("Short moths", parse("moths"), 30) == "Short moths"


def test_a_snippet_of_the_end_is_as_long_as_it_may_be() -> None:
    text = "go on " * 50 + "to the kites"
    shown = snippet(text, parse("kites"), 60)
    assert shown.endswith("to the kites")
    assert 50 < len(shown) <= 60


@given(st.text(alphabet="ab cé\u0301,", max_size=300), st.integers(10, 100))
def test_snippets_are_bounded(text: str, length: int) -> None:
    assert len(snippet(text, parse("ab ca"), length)) <= length
