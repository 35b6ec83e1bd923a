"""Every post of a folder is read completely, counted by other means than the parser's.

With TRENDBOT_TEST_HOTPAPERS naming a folder of real posts of the Hot Papers archive, an
extra that needs that folder, the test runs over them; otherwise over the invented ones.
"""

import os
import re
from pathlib import Path

import pytest

from trendbot.hotpapers import parse

INVENTED = Path(__file__).parent / "data" / "hotpapers"
FOLDER = Path(os.environ.get("TRENDBOT_TEST_HOTPAPERS") or INVENTED)


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.md")), ids=lambda file: file.name)
def test_every_entry_and_quoted_post_is_read(file: Path) -> None:
    data = file.read_bytes()
    day = parse(file.name, data)
    kinds = [post.signal for post in day.posts]
    assert len(day.papers) == len(re.findall(rb"^# [0-9]+\. ", data, re.MULTILINE))
    assert kinds.count("hotpapers") == len(day.papers)
    assert kinds.count("x") == len(
        set(re.findall(rb"/status/([0-9]+)\?ref_src=[^>]*>\w+ \d", data))
    )


def test_the_folder_holds_posts() -> None:
    assert list(FOLDER.glob("*.md")), f"no posts in {FOLDER}"
