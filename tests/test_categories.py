import pytest

from trendbot import categories, compose


def test_every_topic_has_a_name_and_the_form_of_a_topic() -> None:
    assert len(categories.CATEGORIES) == 155
    for topic in (*categories.ARCHIVES, *categories.CATEGORIES):
        assert compose.TOPIC.fullmatch(topic), topic
        assert categories.is_topic(topic)
        assert categories.name_of(topic) not in ("", topic)


def test_the_groups_hold_each_category_once() -> None:
    grouped = [one for group in categories.groups() for one in group.categories]
    assert grouped == list(categories.CATEGORIES)
    assert [group.archive for group in categories.groups()] == list(categories.ARCHIVES)
    quantum = next(group for group in categories.groups() if group.archive == "quant-ph")
    assert quantum.categories == ("quant-ph",)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("cs.LG", ["cs.LG"]),
        ("cs lg", ["cs.LG"]),
        ("machine learn", ["cs.LG", "stat.ML"]),
        ("LEARNING", ["cs.LG", "stat.ML"]),
        ("quant-ph", ["quant-ph"]),
        ("human-computer", ["cs.HC"]),
        ("earning", []),
        ("", []),
        (" .,", []),
        ("\0<b>", []),
    ],
)
def test_matching(text: str, found: list[str]) -> None:
    assert categories.matching(text) == found


def test_an_archive_is_found_before_its_categories() -> None:
    found = categories.matching("stat")
    assert found[0] == "stat"
    assert "stat.ML" in found
    assert "cond-mat.stat-mech" in found


@pytest.mark.parametrize("text", ["", "cs.lg", "CS", "cs.XX", "cs.", "all"])
def test_what_is_no_topic(text: str) -> None:
    assert not categories.is_topic(text)
    assert categories.name_of(text) == text
