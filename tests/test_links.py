from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trendbot.links import papers_in

NEW_IDS = st.from_regex(r"[0-9]{4}\.[0-9]{4,5}", fullmatch=True)
OLD_IDS = st.from_regex(r"[a-z-]{1,9}(\.[A-Z]{2})?/[0-9]{7}", fullmatch=True)
IDS = NEW_IDS | OLD_IDS
VERSIONS = st.just("") | st.integers(1, 40).map(lambda number: f"v{number}")
SCHEMES = st.sampled_from(["http://", "https://", "HTTPS://"])
TAILS = st.sampled_from(
    ["", "?", "?utm_source=x&s=20", "#S3.F2", "?a=b#c", "?u=https://evil.test/"]
)
HOMES = st.sampled_from(
    [
        *(
            f"{host}/{page}/"
            for host in ("arxiv.org", "www.arxiv.org", "export.arxiv.org", "ArXiv.org")
            for page in ("abs", "pdf", "html")
        ),
        "doi.org/10.48550/arXiv.",
        "doi.org/10.48550/arxiv.",
        "dx.doi.org/10.48550/ARXIV.",
        "huggingface.co/papers/",
        "alphaxiv.org/abs/",
        "www.alphaxiv.org/pdf/",
        "alphaxiv.org/overview/",
    ]
)


@given(SCHEMES, HOMES, IDS, VERSIONS, TAILS)
def test_every_form_of_address_and_id_names_the_unversioned_paper(
    scheme: str, home: str, id: str, version: str, tail: str
) -> None:
    assert papers_in(f"{scheme}{home}{id}{version}{tail}") == f"arxiv:{id}"


@given(HOMES.filter(lambda home: "/pdf/" in home), IDS, VERSIONS)
def test_a_pdf_may_carry_its_file_ending(home: str, id: str, version: str) -> None:
    assert papers_in(f"https://{home}{id}{version}.pdf") == f"arxiv:{id}"


@given(HOMES, OLD_IDS)
def test_an_escaped_slash_is_a_slash(home: str, id: str) -> None:
    assert papers_in(f"https://{home}{quote(id, safe='')}") == f"arxiv:{id}"


@given(
    st.sampled_from(["arxiv.org.evil.test", "evil.test", "notarxiv.org", "arxiv.org:8443", ""]),
    IDS,
)
def test_other_hosts_point_to_no_paper(host: str, id: str) -> None:
    assert papers_in(f"https://{host}/abs/{id}") is None
    assert papers_in(f"https://{host}/abs/{id}?u=https://arxiv.org/abs/{id}") is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "arxiv.org/abs/2611.13001",
        "//arxiv.org/abs/2611.13001",
        "ftp://arxiv.org/abs/2611.13001",
        "javascript:https://arxiv.org/abs/2611.13001",
        "https://arxiv.org@evil.test/abs/2611.13001",
        "https://evil.test@arxiv.org/abs/2611.13001",
        "https://arxiv.org\\@evil.test/abs/2611.13001",
        "https://[arxiv.org/abs/2611.13001",
        "https://arxiv.org/",
        "https://arxiv.org/abs/",
        "https://arxiv.org/abs/2611.130",
        "https://arxiv.org/abs/2611.130011",
        "https://arxiv.org/abs/2611.13001.pdf",
        "https://arxiv.org/abs/2611.13001v",
        "https://arxiv.org/abs/2611.13001v1v2",
        "https://arxiv.org/abs/2611.13001/extra",
        "https://arxiv.org/abs/x/2611.13001",
        "https://arxiv.org/abs/٢٦١١.١٣٠٠١",
        "https://arxiv.org/abs/math.gt/0309136",
        "https://arxiv.org/abs/HEP-TH/9901001",
        "https://arxiv.org/list/cs.LG/new",
        "https://arxiv.org/abs?id=2611.13001",
        "https://doi.org/10.1000/arXiv.2611.13001",
        "https://doi.org/arXiv.2611.13001",
        "https://huggingface.co/2611.13001",
        "https://huggingface.co/papers/2611.13001.pdf",
        "https://huggingface.co/datasets/papers/2611.13001",
        "https://arxiv.org/abs/2611.13001?" + "x" * 3000,
    ],
)
def test_near_misses_point_to_no_paper(url: str) -> None:
    assert papers_in(url) is None


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("https://arxiv.org/abs/hep-th/9901001v3", "arxiv:hep-th/9901001"),
        ("http://arxiv.org/pdf/math.GT/0309136v1.pdf", "arxiv:math.GT/0309136"),
        ("https://arxiv.org/abs/0704.0001/", "arxiv:0704.0001"),
        ("https://doi.org/10.48550/arXiv.2611.13001", "arxiv:2611.13001"),
    ],
)
def test_known_addresses(url: str, key: str) -> None:
    assert papers_in(url) == key


@given(st.text())
def test_any_text_is_answered(text: str) -> None:
    assert papers_in(text) is None
    papers_in(f"https://arxiv.org/{text}")
    papers_in(f"https://{text}/abs/2611.13001")
