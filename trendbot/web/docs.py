"""The documentation of the API: OpenAPI 3.1 for programs, and the same as a page for people.

Swagger UI and its kin need scripts from foreign hosts; this page needs none.
"""

import json
import shlex
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi

from trendbot import __version__, text
from trendbot.web import publish
from trendbot.web.parameters import refusals
from trendbot.web.views import AppDep, page, root_of

TAGS = {
    "Digests": "Frozen, ranked lists of papers.",
    "Papers": "Papers, and what was posted about them.",
    "Mail": "Getting the digest.",
}
_ABOUT = (
    "All of it is for everybody, without a key. Dates are those of arXiv's announcements, times "
    "are UTC. An answer may be a minute old; ask again with its ETag in If-None-Match. Titles and "
    "abstracts are as their authors wrote them, with TeX in them: clean them before you show them."
)
_MOST_NAMED = 10  # of the values a field may have

Answer = tuple[str, str, str]  # status, what it means, document

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a field of a document, in words."""

    name: str
    kind: str
    about: str
    is_required: bool
    default: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing to ask, in words; its answers without those that all have in common."""

    id: str
    tag: str
    method: str
    path: str
    summary: str
    about: Sequence[str]
    fields: Sequence[Field]
    takes: str
    example: str
    answers: Sequence[Answer]


@router.get("/openapi.json")
def openapi(app: AppDep, request: Request) -> Response:
    """The description of the API as OpenAPI 3.1."""
    return publish.json_answer(_schema(request.app, app.settings.site.name, root_of(app)))


@router.get("/docs")
def docs(app: AppDep, request: Request) -> Response:
    """The description of the API as a page."""
    site = app.settings.site
    schema = _schema(request.app, site.name, root_of(app))
    operations = list(_operations(schema, site.base_url))
    documents = {
        name: document
        for name, document in sorted(schema["components"]["schemas"].items())
        if "properties" in document
    }
    return page(
        "docs.html",
        app=app,
        public=True,
        about=_ABOUT,
        groups=[
            (tag, about, [one for one in operations if one.tag == tag])
            for tag, about in TAGS.items()
        ],
        common=_answers({str(status): said for status, said in refusals().items()}),
        documents=[
            (name, one.get("description", ""), _fields(one)) for name, one in documents.items()
        ],
        names=set(documents),
    )


def _schema(site: FastAPI, name: str, root: str) -> dict[str, Any]:
    """The OpenAPI document of what `site` answers, made once."""
    if site.openapi_schema is None:
        site.openapi_schema = get_openapi(
            title=f"{text.clean(name)} API",
            version=__version__,
            description=_ABOUT,
            routes=site.routes,
            tags=[{"name": tag, "description": about} for tag, about in TAGS.items()],
            servers=[{"url": root or "/"}],
        )
    return site.openapi_schema


def _operations(schema: Mapping[str, Any], base_url: str) -> Iterator[Operation]:
    for path, methods in schema["paths"].items():
        for method, said in methods.items():
            parameters = said.get("parameters", [])
            body = said.get("requestBody", {}).get("content", {}).get("application/json")
            yield Operation(
                id=said["operationId"],
                tag=said["tags"][0],
                method=method.upper(),
                path=path,
                summary=said["summary"],
                about=said["description"].split("\n\n"),
                fields=[_field(one["name"], one, one["required"]) for one in parameters],
                takes=_kind(body["schema"]) if body else "",
                example=_example(base_url + path, parameters, bool(body)),
                answers=_answers(said["responses"], without=refusals()),
            )


def _fields(document: Mapping[str, Any]) -> list[Field]:
    required = document.get("required", ())
    return [
        _field(name, {"schema": schema, **schema}, name in required)
        for name, schema in document["properties"].items()
    ]


def _field(name: str, said: Mapping[str, Any], is_required: bool) -> Field:
    schema = said["schema"]
    default = schema.get("default")
    return Field(
        name,
        _kind(schema),
        said.get("description", ""),
        is_required,
        str(default) if default not in (None, "", []) else "",
    )


def _kind(schema: Mapping[str, Any]) -> str:
    """What a schema takes, in words: "date", "list of PostAnswer", "integer or null"."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "enum" in schema and len(schema["enum"]) <= _MOST_NAMED:
        return ", ".join(schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    if "additionalProperties" in schema:
        return f"{_kind(schema['additionalProperties'])} by name"
    limits = [str(schema[name]) for name in ("minimum", "maximum") if name in schema]
    kind = str(schema.get("format", schema["type"]))
    return f"{kind}, {' to '.join(limits)}" if len(limits) == 2 else kind


def _answers(
    responses: Mapping[str, Mapping[str, Any]], without: Container[object] = ()
) -> list[Answer]:
    return [
        (status, said["description"], _document(said))
        for status, said in sorted(responses.items())
        if int(status) not in without
    ]


def _document(answer: Mapping[str, Any]) -> str:
    """What an answer holds, as OpenAPI says it or as FastAPI is told."""
    if "model" in answer:
        return str(answer["model"].__name__)
    return _kind(answer["content"]["application/json"]["schema"])


def _example(address: str, parameters: Sequence[Mapping[str, Any]], has_body: bool) -> str:
    """A line for a shell: each part of the path, and the first parameter that has an example."""
    shown = [(one, one["schema"]["examples"][0]) for one in parameters if _has_example(one)]
    for one, example in shown:
        address = address.replace(f"{{{one['name']}}}", quote(example, safe="/"))
    asked = [(one["name"], example) for one, example in shown if one["in"] == "query"]
    query = f"?{urlencode(asked[:1])}" if asked else ""
    if has_body:
        document = json.dumps({"email": "ada@example.org", "topics": ["cs.LG", "math"]})
        return f"curl --json {shlex.quote(document)} {shlex.quote(address)}"
    return f"curl {shlex.quote(address + query)}"


def _has_example(parameter: Mapping[str, Any]) -> bool:
    return "examples" in parameter["schema"]
