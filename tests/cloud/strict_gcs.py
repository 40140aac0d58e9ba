"""What Cloud Storage checks and fake-gcs-server does not: preconditions, checksums, resumable uploads.

Between reading a generation and acting on it nothing else may change the object, so whatever depends on
one goes through under a lock: writers must all come this way.
"""

import base64
import http.client
import json
import re
import secrets
import threading
from collections.abc import Mapping
from email.message import Message
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import google_crc32c

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "accept-encoding"}
_UPLOAD = re.compile(r"/upload/storage/v1/b/(?P<bucket>[^/]+)/o")
_OBJECT = re.compile(r"/(?:download/)?storage/v1/b/(?P<bucket>[^/]+)/o/(?P<name>[^/]+)(?P<rest>/.*)?")
_COPIED_TO = re.compile(r"/(?:copyTo|rewriteTo)/b/(?P<bucket>[^/]+)/o/(?P<name>[^/]+)")
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
_PART = re.compile(rb"\r?\n\r?\n")


class Request(NamedTuple):
    """A request as it came. `target`: path and query; names of headers in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query))


class Response(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class _Session:
    """A resumable upload under way, or done: then `answer` is given again to whoever asks again."""

    def __init__(self, request: Request, bucket: str, metadata: dict[str, Any]) -> None:
        self.bucket = bucket
        self.metadata = metadata
        self.content_type = request.headers.get("x-upload-content-type", "application/octet-stream")
        self.query = {name: value for name, value in request.query.items() if name.startswith("if")}
        self.data = bytearray()
        self.answer: Response | None = None


class StrictGcs:
    """A fake-gcs-server's API with the checks that it lacks."""

    def __init__(self, upstream: str) -> None:
        self.netloc = urlsplit(upstream).netloc
        self._lock = threading.RLock()
        self._sessions: dict[str, _Session] = {}

    def answer(self, request: Request) -> Response:
        """Answer as Cloud Storage would."""
        if upload := _UPLOAD.fullmatch(request.path):
            with self._lock:
                return self._upload(request, unquote(upload["bucket"]))
        if "ifGenerationMatch" not in request.query and request.method == "GET":
            return self.forward(request)
        with self._lock:
            return self._refusal(request) or self.forward(request)

    def forward(self, request: Request) -> Response:
        """Pass a request on as it is."""
        headers = {name: value for name, value in request.headers.items() if name not in _HOP_BY_HOP}
        connection = http.client.HTTPConnection(self.netloc, timeout=60)
        try:
            connection.request(request.method, request.target, request.body or None, headers)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP}
        host = request.headers.get("host")
        if host is not None and "json" in kept.get("Content-Type", ""):
            body = body.replace(self.netloc.encode(), host.encode())  # links lead back here
        return Response(answer.status, kept, body)

    def _refusal(self, request: Request) -> Response | None:
        """Return 412 where a precondition on an object does not hold."""
        conditions = {name: value for name, value in request.query.items() if name.startswith("if")}
        if not conditions:
            return None
        place = _OBJECT.fullmatch(request.path)
        if place is not None and place["rest"] is not None and place["rest"] != "/compose":
            place = _COPIED_TO.fullmatch(place["rest"])  # the condition is on what is written
        if place is None or set(conditions) - {"ifGenerationMatch"}:
            return _error(501, f"no precondition is checked on {request.method} {request.target}")
        present = self._generation(unquote(place["bucket"]), unquote(place["name"]))
        if present == 0 and request.method in {"DELETE", "GET", "PATCH", "PUT"}:
            return _error(404, "No such object")
        return _unmet(conditions, present)

    def _upload(self, request: Request, bucket: str) -> Response:
        kind = request.query.get("uploadType")
        if kind == "multipart":
            return self._multipart(request, bucket)
        if kind != "resumable":
            return _error(501, f"uploadType={kind} is not used here")
        if "upload_id" not in request.query:
            return self._begin(request, bucket)
        session = self._sessions.get(request.query["upload_id"])
        if session is None:
            return _error(404, "No such upload")
        if request.method == "DELETE":
            del self._sessions[request.query["upload_id"]]
            return Response(499, {}, b"")
        return self._continue(request, session)

    def _multipart(self, request: Request, bucket: str) -> Response:
        metadata, data = _parts(request)
        name = request.query.get("name") or metadata["name"]
        return (
            _unmet(request.query, self._generation(bucket, name))
            or _wrong_sum(metadata, data)
            or self.forward(request)
        )

    def _begin(self, request: Request, bucket: str) -> Response:
        metadata = json.loads(request.body or b"{}")
        name = metadata.setdefault("name", request.query.get("name"))
        found = self.forward(Request("GET", f"/storage/v1/b/{bucket}", {}, b""))
        if found.status != 200:
            return found
        if refusal := _unmet(request.query, self._generation(bucket, name)):
            return refusal
        upload_id = secrets.token_hex(16)
        self._sessions[upload_id] = _Session(request, bucket, metadata)
        location = (
            f"http://{request.headers['host']}{request.path}?uploadType=resumable"
            f"&name={quote(name, safe='')}&upload_id={upload_id}"
        )
        return Response(200, {"Location": location, "X-GUploader-UploadID": upload_id}, b"")

    def _continue(self, request: Request, session: _Session) -> Response:
        if session.answer is not None:
            return session.answer
        given = _CONTENT_RANGE.fullmatch(request.headers.get("content-range", "bytes */*"))
        if given is None:
            return _error(400, "Invalid Content-Range")
        if given[1] is not None:
            start = int(given[1])
            if start > len(session.data) or int(given[2]) + 1 - start != len(request.body):
                return _error(400, "Invalid Content-Range")
            # Bytes that were kept before are passed over, as when a piece is sent again.
            session.data += request.body[len(session.data) - start :]
        if given[3] == "*" or int(given[3]) > len(session.data):
            kept = {"Range": f"bytes=0-{len(session.data) - 1}"} if session.data else {}
            return Response(308, kept, b"")
        answer = self._finish(request, session)
        if answer.status == 200:
            session.answer = answer
            session.data.clear()
        return answer

    def _finish(self, request: Request, session: _Session) -> Response:
        data, metadata = bytes(session.data), session.metadata
        boundary = secrets.token_hex(16).encode()
        body = b"".join(
            [
                b"--%b\r\nContent-Type: application/json\r\n\r\n" % boundary,
                json.dumps(metadata).encode(),
                b"\r\n--%b\r\nContent-Type: %b\r\n\r\n" % (boundary, session.content_type.encode()),
                data,
                b"\r\n--%b--\r\n" % boundary,
            ]
        )
        whole = Request(
            "POST",
            f"{request.path}?uploadType=multipart",
            {
                "content-type": f'multipart/related; boundary="{boundary.decode()}"',
                "host": request.headers["host"],
            },
            body,
        )
        return (
            _unmet(session.query, self._generation(session.bucket, metadata["name"]))
            or _wrong_sum(metadata, data)
            or self.forward(whole)
        )

    def _generation(self, bucket: str, name: str) -> int:
        """Return an object's generation, 0 where there is none."""
        found = self.forward(Request("GET", f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}", {}, b""))
        return int(json.loads(found.body)["generation"]) if found.status == 200 else 0


def _unmet(conditions: Mapping[str, str], present: int) -> Response | None:
    wanted = conditions.get("ifGenerationMatch")
    if wanted is None or int(wanted) == present:
        return None
    return _error(412, "At least one of the pre-conditions you specified did not hold.")


def _wrong_sum(metadata: Mapping[str, Any], data: bytes) -> Response | None:
    found = base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()
    given = metadata.get("crc32c", found)
    if given == found:
        return None
    return _error(400, f'Provided CRC32C "{given}" doesn\'t match calculated CRC32C "{found}".')


def _parts(request: Request) -> tuple[dict[str, Any], bytes]:
    """Take a multipart/related body apart into metadata and content."""
    header = Message()
    header["Content-Type"] = request.headers["content-type"]
    boundary = b"--" + str(header.get_param("boundary")).encode()
    _, first, rest = request.body.split(boundary, 2)
    metadata = json.loads(_PART.split(first, maxsplit=1)[1])
    content = _PART.split(rest[: rest.rindex(boundary)], maxsplit=1)[1]
    return metadata, content.removesuffix(b"\n").removesuffix(b"\r")


def _error(status: int, message: str) -> Response:
    body = json.dumps({"error": {"code": status, "message": message}}).encode()
    return Response(status, {"Content-Type": "application/json"}, body)
