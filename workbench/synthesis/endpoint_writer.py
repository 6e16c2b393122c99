"""Asking the operator's endpoint: several requests at once, each tried again while that may help."""

import json
import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

from workbench.core.errors import UserError
from workbench.core.tasks import Task
from workbench.synthesis.endpoint import Endpoint, body_of, refused_options, reply_of
from workbench.synthesis.replies import Reply, Request
from workbench.synthesis.retrying import MOST_WAIT_SECONDS, back_off, retry_after
from workbench.synthesis.rules import Patience
from workbench.synthesis.writer import Heard, Writer

if TYPE_CHECKING:
    import httpx

LOOK_SECONDS = 0.1  # seconds between looks at whether somebody asked to stop
MOST_BYTES = 10_000_000
MOST_FAILURES = 10  # requests in a row that fail, each after all its tries, before the job ends
AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504, 529})
RESUME = "Resume the job when the endpoint answers again: what it has written is kept."


class _Again(Exception):
    """It may go well the next time; `seconds` is what the server asks to wait."""

    def __init__(self, reason: str, seconds: float = 0.0):
        super().__init__(reason)
        self.reason, self.seconds = reason, seconds


class EndpointWriter(Writer):
    """Writes by the endpoint."""

    def __init__(self, endpoint: Endpoint, patience: Patience):
        import httpx

        logging.getLogger("httpx").setLevel(logging.WARNING)  # it would write the address into the job's log
        self.endpoint, self.patience = endpoint, patience
        self.name = f"endpoint:{endpoint.model}"
        self._trouble = 0
        self._without: set[str] = set()
        self._halt = threading.Event()
        seconds = httpx.Timeout(patience.timeout, connect=min(10.0, patience.timeout))
        limits = httpx.Limits(max_connections=patience.concurrency)
        self._client = httpx.Client(headers=endpoint.headers(), timeout=seconds, limits=limits)

    def write(self, requests: Sequence[Request], heard: Heard, task: Task) -> None:
        """Each reply is told as it comes in. Raises `UserError` when the endpoint refuses the key, or all fail."""
        executor = ThreadPoolExecutor(self.patience.concurrency)
        asked = {executor.submit(self._reply, request): request for request in requests}
        try:
            self._gather(asked, heard, task)
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            heard([(request, future.result()) for future, request in asked.items() if _has_come(future)])  # paid for
            self.close()
            raise
        executor.shutdown()

    def close(self) -> None:
        self._halt.set()
        self._client.close()

    def _gather(self, asked: dict[Future[Reply], Request], heard: Heard, task: Task) -> None:
        while asked:
            completed, _ = wait(asked, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
            for future in completed:
                reply = future.result()
                heard([(asked.pop(future), reply)])
                self._count(reply)
            task.check_stop()

    def _count(self, reply: Reply) -> None:
        self._trouble = self._trouble + 1 if reply.trouble else 0
        if self._trouble >= MOST_FAILURES:
            raise UserError(
                f"{MOST_FAILURES} requests in a row failed: {' '.join([reply.failure, reply.detail]).strip()}.",
                RESUME,
                "model",
            )

    def _reply(self, request: Request) -> Reply:
        """What becomes of one request after at most `tries` tries; raises `UserError` for all alike."""
        reason = ""
        for number in range(1, self.patience.tries + 1):
            if self._halt.is_set():
                return Reply(failure="stopped", trouble=True)
            try:
                return self._try(request)
            except _Again as again:
                reason = again.reason
                if again.seconds > MOST_WAIT_SECONDS:
                    reason += f", and it asks to wait {again.seconds:.0f} s"
                    break
                if number == self.patience.tries or self._halt.wait(max(again.seconds, back_off(number))):
                    break
        return Reply(failure=reason, trouble=True)

    def _try(self, request: Request) -> Reply:
        while True:
            without = set(self._without)
            status, header, content = self._post(body_of(request, self.endpoint.model, without))
            if status != 400:
                break
            refused = refused_options(_complaint(content), without)
            if not refused:
                break
            self._without |= refused
        if status in AGAIN:
            raise _Again(f"HTTP {status}", retry_after(header))
        self._refuse(status)
        if status != 200:
            return Reply(failure=f"HTTP {status}", detail=self._shortened_complaint(content), trouble=True)
        try:
            return reply_of(json.loads(content), request, self.endpoint, without)
        except RecursionError:
            raise _Again("the reply is nested too deep") from None
        except ValueError as error:
            reason = "the reply is not JSON" if isinstance(error, json.JSONDecodeError) else str(error)
            raise _Again(reason) from None

    def _post(self, body: dict[str, Any]) -> tuple[int, str | None, bytes]:
        """(status, Retry-After, content). The whole may take `timeout` seconds, however slowly it drips in."""
        import httpx

        deadline = time.monotonic() + self.patience.timeout
        try:
            with self._client.stream("POST", self.endpoint.url, json=body) as response:
                content = _read(response, deadline)
                return response.status_code, response.headers.get("Retry-After"), content
        except httpx.TimeoutException:
            raise _Again("timed out") from None
        except httpx.HTTPError as error:
            raise _Again(f"connection: {type(error).__name__}") from None  # its text may name the address
        except RuntimeError:
            raise _Again("stopped") from None  # the client was closed

    def _refuse(self, status: int) -> None:
        """Raises `UserError` for what concerns every request alike, and has no more of them sent."""
        if status in (401, 403, 404, 405) or 300 <= status < 400:
            self._halt.set()
        if status in (401, 403):
            raise UserError(
                f"The endpoint refused the key (HTTP {status}).",
                "The operator corrects WORKBENCH_ENDPOINT_KEY; then resume the job.",
                "model",
            )
        if status in (404, 405) or 300 <= status < 400:
            raise UserError(
                f"The endpoint's address or model is not right (HTTP {status}).",
                "The operator corrects WORKBENCH_ENDPOINT_URL and WORKBENCH_ENDPOINT_MODEL; then resume the job.",
                "model",
            )

    def _shortened_complaint(self, content: bytes) -> str:
        return " ".join(self.endpoint.cleaned(_complaint(content)).split())[:200]


def _has_come(future: "Future[Reply]") -> bool:
    """Whether a reply is there, and not the endpoint's trouble."""
    come = future.done() and not future.cancelled() and not future.exception()
    return come and not future.result().trouble


def _read(response: "httpx.Response", deadline: float) -> bytes:
    pieces, size = [], 0
    for piece in response.iter_bytes():
        size += len(piece)
        if time.monotonic() > deadline:
            raise _Again("timed out")
        if size > MOST_BYTES:
            raise _Again(f"the reply is larger than {MOST_BYTES:,} bytes")
        pieces.append(piece)
    return b"".join(pieces)


def _complaint(content: bytes) -> str:
    """The message of an error's body, '' where it has none."""
    try:
        error = json.loads(content)["error"]
        return str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
