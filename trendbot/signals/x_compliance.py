"""Which of the stored posts are deleted on X: asked for all of them at once.

1. a job is created; X answers with an address to upload ids to, and one for what it found
2. the ids of all stored posts are uploaded, one a line
3. the job is asked after until it is complete
4. what it found is downloaded: an object a line for each post that is deleted, or is of an
   account that is protected, suspended or deleted. All others are there.

It says nothing about counts. Where X does not let us, posts that no search and no look-up
finds for a day lapse: it is a warning and no failure of the look.

API: https://docs.x.com/x-api/compliance/batch-compliance/introduction; 150 requests in 15
minutes. X's price list of August 2026 names no price, so it is not in the budget. The files lie
in Google's Cloud Storage.
"""

import json
import logging
import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from trendbot.answers import table
from trendbot.context import Context
from trendbot.errors import SignalError
from trendbot.model import Gone, There
from trendbot.signals.x_answers import NAME, POST_ID

STORAGE = "https://storage.googleapis.com"
JOBS = "/2/compliance/jobs"
MOST_IDS = 1_000_000  # newest first; X takes more, but nobody has them
MOST_POLLS = 18
SURELY_THERE = 10  # so many posts are not all deleted between two looks
MOVED = "scrub_geo"  # a reason that leaves the post, but not where it was written

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """A job X was given: about these posts, at that moment."""

    id: str
    download_url: str
    asked_for: Set[str]
    began_at: datetime


class Compliance:
    """X's batch compliance, at `base_url`, with its files at `storage_url`.

    It is asked every `delay` seconds whether a job is done.
    """

    def __init__(
        self, base_url: str, storage_url: str, token: str, delay: float, context: Context
    ) -> None:
        self._jobs = f"{base_url}{JOBS}"
        self._storage_url = storage_url
        self._headers = {"Authorization": f"Bearer {token}"}
        self._delay = delay
        self._context = context

    def begin(self) -> Job | None:
        """Give X the ids of all stored posts; None if there are none, or X does not take them."""
        ids = [id for id in self._context.stored() if POST_ID.fullmatch(id)][:MOST_IDS]
        if not ids:
            return None
        began_at = self._context.now()
        try:
            job = self._job(self._create(), "")
            self._context.fetcher.put(
                self._stored_at(job.get("upload_url")),
                body="".join(f"{id}\n" for id in ids).encode(),
                content_type="text/plain",
                accept="*/*",
                error=SignalError,
            )
            download_url = self._stored_at(job.get("download_url"))
        except SignalError as error:
            _warn(error)
            return None
        return Job(str(job["id"]), download_url, frozenset(ids), began_at)

    def finish(self, job: Job | None) -> Iterator[Gone | There]:
        """Wait for a job; yield what became of each post that it was about."""
        if job is None:
            return
        try:
            gone = self._found(job)
        except SignalError as error:
            _warn(error)
            return
        self._context.budget.note("compliance", 1, 0, len(gone), 0.0)
        yield from (Gone(NAME, id) for id in sorted(gone))
        yield from (There(NAME, id, job.began_at) for id in sorted(job.asked_for - gone))

    def check(self) -> str:
        """Ask for the jobs there are; return a few words on whether X tells what is deleted."""
        try:
            self._get(f"{self._jobs}?type=tweets")
        except SignalError as error:
            return f"does not tell which posts are deleted ({error})"
        return "tells which posts are deleted"

    def _create(self) -> Mapping[str, Any]:
        page = self._context.fetcher.post(
            self._jobs,
            json={"type": "tweets"},
            accept="application/json",
            error=SignalError,
            headers=self._headers,
        )
        return _document(page.text)

    def _get(self, url: str) -> Mapping[str, Any]:
        page = self._context.fetcher.get(
            url,
            accept="application/json",
            delay=self._delay,
            error=SignalError,
            headers=self._headers,
        )
        return _document(page.text)

    def _job(self, answer: Mapping[str, Any], id: str) -> Mapping[str, Any]:
        """The job an answer is about, which is `id` if that is known. Raises SignalError."""
        job = table(answer.get("data"), "X", "data")
        found = job.get("id")
        if not isinstance(found, str) or not POST_ID.fullmatch(found) or (id and found != id):
            raise SignalError("X: the compliance job has no id, or another one")
        return job

    def _found(self, job: Job) -> Set[str]:
        """The ids of the posts that a job says are gone, once it is complete."""
        for _ in range(MOST_POLLS):
            answer = self._get(f"{self._jobs}/{job.id}")
            status = self._job(answer, job.id).get("status")
            if status == "complete":
                break
            if status not in ("created", "in_progress"):
                raise SignalError(f"X: the compliance job ended as {str(status)[:40]!r}")
        else:
            seconds = MOST_POLLS * self._delay
            raise SignalError(f"X: a compliance job took over {seconds:g} seconds")
        page = self._context.fetcher.get(job.download_url, accept="*/*", error=SignalError)
        gone = read(page.text) & job.asked_for
        if gone == job.asked_for and len(gone) >= SURELY_THERE:
            raise SignalError(f"X: none of {len(gone)} known posts is there; unlikely")
        return gone

    def _stored_at(self, url: object) -> str:
        """The address of a file, of which X names host and all: only the one host is asked."""
        if not isinstance(url, str) or not url.startswith(f"{STORAGE}/"):
            raise SignalError(f"X: the files of a compliance job are not at {STORAGE}")
        return f"{self._storage_url}{url.removeprefix(STORAGE)}"


def read(text: str) -> Set[str]:
    """The ids of gone posts in what a job found; SignalError for a line without id or action.

    Other actions than deletion leave the post, and so does one of its reasons.
    """
    gone = set()
    for line in filter(str.strip, re.split(r"\r?\n", text)):
        found = _document(line)
        id, action = found.get("id"), found.get("action")
        if not isinstance(id, str) or not POST_ID.fullmatch(id) or not isinstance(action, str):
            raise SignalError("X: what a compliance job found has a line without id or action")
        if action == "delete" and found.get("reason") != MOVED:
            gone.add(id)
    return gone


def _document(text: str) -> Mapping[str, Any]:
    try:
        return table(json.loads(text), "X", "the answer about compliance")
    except (ValueError, RecursionError) as error:
        raise SignalError("X answered no JSON about compliance; try again later") from error


def _warn(error: SignalError) -> None:
    log.warning(
        "X does not tell which posts are deleted: %s; those that no look finds for a day do not "
        "count",
        error,
    )
