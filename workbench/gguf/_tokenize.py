"""Opens a GGUF in llama.cpp and tokenizes texts. Started by `tokenizing.py` as a script, one request on stdin.

Imports xllamacpp; its server listens on this machine alone, at a port of its own, until the process ends.
"""

import json
import os
import sys
import urllib.request
from typing import Any

import xllamacpp


def main() -> None:
    request = json.load(sys.stdin)
    settings: Any = xllamacpp.CommonParams()
    settings.model.path = request["path"]
    settings.n_ctx, settings.n_parallel, settings.cpuparams.n_threads = 64, 1, 1
    settings.warmup, settings.fit_params, settings.no_extra_bufts, settings.offline = False, False, True, True
    server = xllamacpp.Server(settings)
    ids = [_ids(server.listening_address, text) for text in request["texts"]]
    print(json.dumps({"ids": ids}), flush=True)
    os._exit(0)  # without waiting for the server's threads


def _ids(address: str, text: str) -> list[int]:
    body = json.dumps({"content": text, "add_special": False, "parse_special": True}).encode()
    asked = urllib.request.Request(f"{address}/tokenize", body, {"Content-Type": "application/json"})  # noqa: S310 -- a server of this process
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(asked, timeout=60) as answer:
        return list(json.load(answer)["tokens"])


if __name__ == "__main__":
    main()
