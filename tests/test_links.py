from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trendbot.links import canonical, papers_in, papers_of

NEW_IDS = st.from_regex(r"[0-9]{4}\.[0-9]{4,5}", fullmatch=True).map(lambda id: (id, id))
OLD_IDS = st.tuples(
    st.sampled_from(["math", "hep-th", "astro-ph", "cs", "q-bio", "a"]),
    st.sampled_from(["", ".GT", ".LG", ".supr-con", ".gt"]),
    st.from_regex("[0-9]{7}", fullmatch=True),
).map(lambda parts: (f"{parts[0]}{parts[1]}/{parts[2]}", f"{parts[0]}/{parts[2]}"))
IDS = NEW_IDS | OLD_IDS
VERSIONS = st.just("") | st.integers(1, 40).map(lambda number: f"v{number}")
SCHEMES = st.sampled_from(["http://", "https://", "HTTPS://"])
SLASHES = st.sampled_from(["", "/", "//"])
TAILS = st.sampled_from(
    ["", "?", "#", "?utm_source=x&s=20", "#S3.F2", "?a=b#c", "?u=https://evil.test/"]
)
ARXIV = [f"arxiv.org/{page}/" for page in ("abs", "pdf", "html")]
HOMES = st.sampled_from(
    [
        *ARXIV,
        *(f"export.{home}" for home in ARXIV),
        "ArXiv.org/abs/",
        "arxiv.org/abs/arXiv:",
        "doi.org/10.48550/arXiv.",
        "doi.org/10.48550/arxiv.",
        "dx.doi.org/10.48550/ARXIV.",
        "DOI.org/10.48550/arXiv.",
        "huggingface.co/papers/",
        "hf.co/papers/",
        "alphaxiv.org/abs/",
        "alphaxiv.org/pdf/",
        "alphaxiv.org/overview/",
    ]
)
Named = tuple[str, str]


def at_port(home: str, port: str) -> str:
    host, slash, path = home.partition("/")
    return f"{host}{port}{slash}{path}"


@given(SCHEMES, st.sampled_from(["", "www.", "WWW."]), HOMES, IDS, VERSIONS, SLASHES, TAILS)
def test_every_form_of_address_and_id_names_the_one_paper(
    scheme: str, www: str, home: str, id: Named, version: str, slashes: str, tail: str
) -> None:
    written, key = id
    assert papers_in(f"{scheme}{www}{home}{written}{version}{slashes}{tail}") == f"arxiv:{key}"


@given(HOMES.filter(lambda home: "/pdf/" in home), IDS, VERSIONS)
def test_a_pdf_may_carry_its_file_ending(home: str, id: Named, version: str) -> None:
    assert papers_in(f"https://{home}{id[0]}{version}.pdf") == f"arxiv:{id[1]}"


@given(HOMES, IDS, st.booleans())
def test_any_sign_of_the_path_may_be_escaped(home: str, id: Named, every: bool) -> None:
    escaped = "".join(f"%{ord(sign):02x}" for sign in id[0]) if every else quote(id[0], safe="")
    assert papers_in(f"https://{home}{escaped}") == f"arxiv:{id[1]}"


@given(HOMES, IDS)
def test_the_usual_port_and_no_other_may_be_named(home: str, id: Named) -> None:
    named = [f"http://{at_port(home, ':80')}{id[0]}", f"https://{at_port(home, ':443')}{id[0]}"]
    assert papers_of(named) == (f"arxiv:{id[1]}",)
    assert papers_in(f"https://{at_port(home, ':8443')}{id[0]}") is None
    assert papers_in(f"https://{at_port(home, ':80')}{id[0]}") is None


@given(HOMES, IDS)
def test_the_letters_of_a_doi_have_no_case(home: str, id: Named) -> None:
    assert papers_in(f"https://doi.org/10.48550/ARXIV.{id[0].upper()}V2") == f"arxiv:{id[1]}"


@given(
    st.sampled_from(
        ["arxiv.org.evil.test", "evil.test", "notarxiv.org", "www.www.arxiv.org", "info.arxiv.org"]
    ),
    IDS,
)
def test_other_hosts_point_to_no_paper(host: str, id: Named) -> None:
    assert papers_in(f"https://{host}/abs/{id[0]}") is None
    assert papers_in(f"https://{host}/abs/{id[0]}?u=https://arxiv.org/abs/{id[0]}") is None


@given(IDS, VERSIONS)
def test_an_id_or_a_doi_alone_is_no_link(id: Named, version: str) -> None:
    for text in ("", "arXiv:", "doi:10.48550/arXiv.", "10.48550/arXiv.", "arxiv.org/abs/", "//"):
        assert papers_in(f"{text}{id[0]}{version}") is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "//arxiv.org/abs/2611.13001",
        "ftp://arxiv.org/abs/2611.13001",
        "javascript:https://arxiv.org/abs/2611.13001",
        "https://arxiv.org@evil.test/abs/2611.13001",
        "https://evil.test@arxiv.org/abs/2611.13001",
        "https://arxiv.org\\@evil.test/abs/2611.13001",
        "https://[arxiv.org/abs/2611.13001",
        "https://arxiv.org:/abs/2611.13001",
        "https://arxiv.org:443:443/abs/2611.13001",
        "https://arxiv.org/",
        "https://arxiv.org/abs/",
        "https://arxiv.org/abs/2611.130",
        "https://arxiv.org/abs/2611.130011",
        "https://arxiv.org/abs/2611.13001.pdf",
        "https://arxiv.org/abs/2611.13001v",
        "https://arxiv.org/abs/2611.13001v1v2",
        "https://arxiv.org/abs/2611.13001/extra",
        "https://arxiv.org/abs/2611.13001%3Fcontext=cs",
        "https://arxiv.org/abs/x/2611.13001",
        "https://arxiv.org/abs/٢٦١١.١٣٠٠١",
        "https://arxiv.org/abs/0309136",
        "https://arxiv.org/abs/math./0309136",
        "https://arxiv.org/abs/math.GT/03091361",
        "https://arxiv.org/abs/math%252F0309136",
        "https://arxiv.org/list/cs.LG/new",
        "https://arxiv.org/a/quintero_a_1",
        "https://arxiv.org/abs?id=2611.13001",
        "https://doi.org/10.1000/arXiv.2611.13001",
        "https://doi.org/10.48550/2611.13001",
        "https://doi.org/arXiv.2611.13001",
        "https://doi.org/10.1007/s00454-026-0001-2",
        "https://huggingface.co/2611.13001",
        "https://huggingface.co/papers",
        "https://huggingface.co/papers/2611.13001.pdf",
        "https://huggingface.co/papers/date/2026-11-20",
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
        ("https://arxiv.org/abs/HEP-TH/9901001", "arxiv:hep-th/9901001"),
        ("http://arxiv.org/pdf/math.GT/0309136v1.pdf", "arxiv:math/0309136"),
        ("https://arxiv.org/abs/math/0309136", "arxiv:math/0309136"),
        ("https://arxiv.org/abs/0704.0001/", "arxiv:0704.0001"),
        ("https://doi.org/10.48550/arXiv.2611.13001", "arxiv:2611.13001"),
        ("https://doi.org/10.48550%2FarXiv.2611.13001", "arxiv:2611.13001"),
        ("https://huggingface.co/papers/2611.13001.md", "arxiv:2611.13001"),
        ("https://huggingface.co/papers/2611.13001#community", "arxiv:2611.13001"),
        (" https://arxiv.org/abs/2611.13001\n", "arxiv:2611.13001"),
    ],
)
def test_known_addresses(url: str, key: str) -> None:
    assert papers_in(url) == key


def test_all_papers_of_several_addresses_in_order_and_once_each() -> None:
    urls = [
        "https://example.org/",
        "https://arxiv.org/pdf/2611.13002v2",
        "https://huggingface.co/papers/2611.13001",
        "https://doi.org/10.48550/arXiv.2611.13002",
    ]
    assert papers_of(iter(urls)) == ("arxiv:2611.13002", "arxiv:2611.13001")
    assert papers_of([]) == ()


@given(IDS, VERSIONS)
def test_the_store_and_the_links_call_a_paper_the_same(id: Named, version: str) -> None:
    assert canonical(f"{id[0]}{version}") == canonical(id[1]) == id[1]
    assert f"arxiv:{canonical(id[0])}" == papers_in(f"https://arxiv.org/abs/{id[0]}")


@pytest.mark.parametrize("text", ["", "10.1101/2026.11", "2611.13001?x", "2611.13001\n"])
def test_what_is_no_id_stays_as_it_is(text: str) -> None:
    assert canonical(text) == text


@given(st.text())
def test_any_text_is_answered(text: str) -> None:
    assert papers_in(text) is None
    papers_in(f"https://arxiv.org/{text}")
    papers_in(f"https://{text}/abs/2611.13001")
