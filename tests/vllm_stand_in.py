"""A program that speaks as `vllm serve` does, for tests: what it shall do stands in behaviour.json beside its folder.

behaviour.json: {"starts": how often it may start, "die_after": answers after which it ends, once or "always", "silent":
whether it never answers, "wait": seconds an answer takes}. What it was started with and asked for it appends to
started.jsonl and asked.jsonl.
"""

import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

VERSION = "0.0.test"
LONGEST = 512


def environment(folder: Path, **behaviour: Any) -> Path:
    """A folder as a virtual environment with this program as bin/vllm."""
    program = folder / "bin" / "vllm"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!{sys.executable}\n{Path(__file__).read_text()}")
    program.chmod(0o755)
    behave(folder, **behaviour)
    return folder


def behave(folder: Path, **behaviour: Any) -> None:
    (folder / "behaviour.json").write_text(json.dumps(behaviour))


def lines(folder: Path, name: str) -> list[dict[str, Any]]:
    """What the program noted in a file."""
    path = folder / name
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def main() -> None:
    """Serves until it is ended."""
    folder = Path(__file__).parent.parent
    behaviour = json.loads((folder / "behaviour.json").read_text())
    options = sys.argv[1:]
    core = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    started = {"options": options, "pids": [os.getpid(), core.pid], "key": bool(os.environ["VLLM_API_KEY"])}
    with (folder / "started.jsonl").open("a") as file:
        file.write(json.dumps(started) + "\n")
    print("INFO loading weights", os.environ["VLLM_API_KEY"], flush=True)
    if len(lines(folder, "started.jsonl")) > behaviour.get("starts", 99):
        print("torch.OutOfMemoryError: CUDA out of memory.", flush=True)
        os._exit(1)
    if behaviour.get("silent"):
        time.sleep(3600)
    Handler.folder, Handler.behaviour = folder, behaviour
    port = int(options[options.index("--port") + 1])
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


class Handler(BaseHTTPRequestHandler):
    """Answers as vLLM: with the number of the prompt's tokens, its seed and who was asked."""

    folder: Path
    behaviour: dict[str, Any]
    lock = threading.Lock()

    def log_message(self, *_: Any) -> None:
        """Says nothing."""

    def reply(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        bodies = {"/health": {}, "/version": {"version": VERSION}, "/v1/models": {"data": [{"max_model_len": LONGEST}]}}
        self.reply(200, bodies[self.path])

    def do_POST(self) -> None:
        if self.headers["Authorization"] != f"Bearer {os.environ['VLLM_API_KEY']}":
            self.reply(401, {"error": "Unauthorized"})
            return
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        time.sleep(self.behaviour.get("wait", 0))
        with self.lock:
            asked = len(lines(self.folder, "asked.jsonl"))
            limit, always = self.behaviour.get("die_after"), self.behaviour.get("always")
            if limit is not None and asked >= limit and (always or len(lines(self.folder, "started.jsonl")) == 1):
                print("EngineDeadError: an illegal memory access was encountered", flush=True)
                os._exit(7)
            with (self.folder / "asked.jsonl").open("a") as file:
                file.write(json.dumps(body) + "\n")
        choice: dict[str, Any] = {"text": f" {len(body['prompt'])} tokens for {body['model']} {body.get('seed')}"}
        choice["finish_reason"] = "stop"
        if body.get("logprobs"):
            choice["logprobs"] = {"top_logprobs": [{" 4": -0.7, "4": -3.0, " 5": -0.9, "x": -4.0}]}
        self.reply(200, {"choices": [choice], "usage": {"completion_tokens": 6}})


if __name__ == "__main__":
    main()
