"""The description of the API: true, complete, and a page that needs nothing from elsewhere."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.digests import MADE
from trendbot.app import App
from trendbot.settings import Settings, Site
from trendbot.store.engine import open_store
from trendbot.web import site

ROOT = "https://owls.example/tb"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    engine = open_store("sqlite:///trendbot.db", tmp_path)
    settings = Settings(home=tmp_path, site=Site(name="Owl <Post>", base_url=ROOT))
    with TestClient(site.create(App(settings, engine, lambda: MADE))) as client:
        yield client
    engine.dispose()


@pytest.fixture
def schema(client: TestClient) -> Any:
    answer = client.get("/openapi.json")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    return answer.json()


def operations(schema: Any) -> Iterator[tuple[str, str, Any]]:
    for path, methods in schema["paths"].items():
        for method, said in methods.items():
            yield path, method, said


def test_the_schema_has_all_of_the_api_and_nothing_else(schema: Any) -> None:
    assert schema["openapi"].startswith("3.1.")
    assert schema["servers"] == [{"url": "/tb"}]
    assert {(method, path) for path, method, _ in operations(schema)} == {
        ("get", "/api/digests"),
        ("get", "/api/digests/{cadence}/{date}"),
        ("get", "/api/papers/{id}"),
        ("get", "/api/search"),
        ("post", "/api/subscribe"),
        ("get", "/api/daily_papers"),
    }


def test_every_operation_is_described(schema: Any) -> None:
    names = [said["operationId"] for _, _, said in operations(schema)]
    assert len(set(names)) == len(names)
    tags = {tag["name"] for tag in schema["tags"]}
    for path, method, said in operations(schema):
        assert said["summary"], path
        assert said["description"], path
        assert not any(
            one["description"] == "Successful Response" for one in said["responses"].values()
        )
        assert set(said["tags"]) <= tags
        for status in ("400", "414", "422", "431", "503"):
            content = said["responses"][status]["content"]["application/json"]
            assert content["schema"] == {"$ref": "#/components/schemas/ErrorAnswer"}
        assert ("404" in said["responses"]) == ("{" in path)
        assert ("429" in said["responses"]) == (method == "post")
    assert "HTTPValidationError" not in schema["components"]["schemas"]


def test_every_reference_in_the_schema_leads_somewhere(schema: Any) -> None:
    for name in re.findall(r"'#/components/schemas/(\w+)'", str(schema)):
        assert name in schema["components"]["schemas"]


class Read(HTMLParser):
    """What a page says and where it leads."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.said, self.links, self.ids = "", [""], [""]
        self.feed(html)

    def handle_data(self, data: str) -> None:
        self.said += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in {"script", "iframe", "img", "style"}
        for name, value in attrs:
            assert not name.startswith("on")
            assert name != "style"
            if name in {"href", "src"}:
                self.links.append(value or "")
            if name == "id":
                self.ids.append(value or "")


def test_the_page_says_all_that_the_schema_says(client: TestClient, schema: Any) -> None:
    answer = client.get("/docs")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    assert len(answer.content) <= 100_000
    page = Read(answer.text)
    for path, method, said in operations(schema):
        assert f"{method.upper()} {path}" in page.said
        assert said["summary"] in page.said
        for parameter in said.get("parameters", []):
            assert parameter["name"] in page.said
            assert parameter.get("description", "").replace("`", "") in page.said
    for name, model in schema["components"]["schemas"].items():
        for field in model.get("properties", ()):
            assert name in page.said
            assert field in page.said
    assert "Owl <Post>" in page.said


def test_the_page_needs_nothing_from_elsewhere(client: TestClient) -> None:
    page = Read(client.get("/docs").text)
    assert all(link.startswith(("/tb/", "#", f"{ROOT}/")) for link in page.links if link)
    assert len(set(page.ids)) == len(page.ids)
    assert {link[1:] for link in page.links if link.startswith("#")} <= {*page.ids, "main"}


def test_its_examples_are_answered(client: TestClient) -> None:
    said = Read(client.get("/docs").text).said
    examples = re.findall(rf"^curl '?{ROOT}(/api/[^\s']+)", said, re.MULTILINE)
    assert len(examples) == 5
    for example in examples:
        assert client.get(example).status_code in (200, 404), example
    (wish,) = re.findall(r"curl --json '(.*)' https", said)
    headers = {"Content-Type": "application/json"}
    assert client.post("/api/subscribe", content=wish, headers=headers).status_code == 202
