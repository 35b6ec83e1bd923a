"""X's batch compliance: jobs that tell which posts are deleted, and the store of their files.

A job takes one upload, is in progress for `world.x.polls` looks after it, and then has found
each post that is deleted or hidden by then; of all others it says nothing.
"""

import json
import re

from tests.upstream.reply import Headers, Query, Reply, as_json, text
from tests.upstream.world import World, XJob

STORAGE = "https://storage.googleapis.com"
FILES = "/twttr-tweet-compliance"


def jobs(world: World, path: str, query: Query, headers: Headers) -> Reply:
    """POST or GET /2/compliance/jobs, GET /2/compliance/jobs/<id>."""
    found = world.x.jobs
    number = path.removeprefix("/2/compliance/jobs").removeprefix("/")
    if number:
        job = next((one for one in found if one.id == number), None)
        return as_json({"data": shown(job)}) if job else missing()
    if query.get("type") not in ("tweets", "users"):
        return as_json({"title": "Invalid Request", "detail": "type", "status": 400}, 400)
    if "content-length" in headers:  # which only a POST has
        found.append(XJob(str(1_420_000_000_000_000_000 + len(found)), world.x.polls))
        return as_json({"data": shown(found[-1])})
    return as_json({"data": [shown(one) for one in found], "meta": {"result_count": len(found)}})


def shown(job: XJob) -> dict[str, object]:
    """A job as X describes it; each look at one in progress brings it nearer to its end."""
    status = "created"
    if job.ids is not None:
        status = "in_progress" if job.polls else "complete"
        job.polls = max(0, job.polls - 1)
    where = f"{STORAGE}{FILES}/{job.id}"
    return {
        "id": job.id,
        "type": "tweets",
        "status": status,
        "resumable": False,
        "created_at": "2026-11-20T12:00:00.000Z",
        "upload_url": f"{where}/submission?X-Goog-Signature=ab%2Fcd&X-Goog-Expires=900",
        "download_url": f"{where}/results?X-Goog-Signature=ef%2Fgh&X-Goog-Expires=604800",
    }


def storage(world: World, path: str, query: Query, headers: Headers) -> Reply:
    """PUT of an upload, GET of what was found."""
    matched = re.fullmatch(rf"{FILES}/(\d+)/(submission|results)", path)
    job = next((one for one in world.x.jobs if matched and one.id == matched[1]), None)
    if not matched or job is None or "X-Goog-Signature" not in query:
        return missing()
    if matched[2] == "submission":
        if headers.get("content-type") != "text/plain":
            return as_json({"error": "SignatureDoesNotMatch"}, 403)
        job.ids = query["body"].split()
        return text("", "text/html; charset=UTF-8")
    lines = [json.dumps(found(world, id)) for id in job.ids or [] if not is_there(world, id)]
    return text("".join(f"{line}\n" for line in lines), "application/octet-stream")


def is_there(world: World, post_id: str) -> bool:
    posts = {post.id: post for post in world.visible("x")}
    return post_id in posts and posts[post_id].author not in world.x.hidden


def found(world: World, post_id: str) -> dict[str, object]:
    """A line about a post that must not be kept."""
    hidden = any(one.id == post_id and one.author in world.x.hidden for one in world.posts)
    return {
        "id": post_id,
        "action": "delete",
        "created_at": "2026-11-19T09:00:00.000Z",
        "redacted_at": "2026-11-20T10:00:00.000Z",
        "reason": "suspended" if hidden else "deleted",
    }


def missing() -> Reply:
    return as_json({"title": "Not Found", "detail": "Not Found", "status": 404}, 404)
