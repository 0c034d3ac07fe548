"""A model hub on loopback, which is asked as the real one is by the hub's own library, and `gaucho push` to it."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from gaucho_pipeline.demo.site import QuietHandler
from gaucho_pipeline_tests.replay import Server

TOKEN = "hf_s3gr3do"


class Hub:
    """Makes repositories and takes commits (https://huggingface.co/docs/hub/api)."""

    def __init__(self) -> None:
        self.made: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.status = 200
        self.seen: list[str] = []

    def __call__(self, handler: QuietHandler) -> None:
        server, path = handler.server, handler.path.partition("?")[0]
        assert isinstance(server, Server)
        self.seen.append(handler.headers.get("Authorization", ""))
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        if self.status != 200:
            handler.send(self.status, "application/json", b'{"error": "no"}')
        elif path == "/api/repos/create":
            self.made.append(json.loads(body))
            self._answer(handler, {"url": f"{server.address}/museu/cuia", "name": "museu/cuia"})
        elif path.endswith("/preupload/main"):
            files = json.loads(body)["files"]
            self._answer(handler, {"files": [{"path": each["path"], "uploadMode": "regular", "shouldIgnore": False} for each in files]})
        elif path.endswith("/commit/main"):
            for line in body.splitlines():
                value = json.loads(line)
                if value["key"] == "file":
                    self.files[value["value"]["path"]] = base64.b64decode(value["value"]["content"])
            self._answer(handler, {"commitOid": "0" * 40, "commitUrl": f"{server.address}/museu/cuia/commit/{'0' * 40}", "success": True})
        else:
            self._answer(handler, {"id": "museu/cuia", "sha": "0" * 40, "siblings": [], "errors": [], "warnings": []})

    @staticmethod
    def _answer(handler: QuietHandler, value: Any) -> None:
        handler.send(200, "application/json", json.dumps(value).encode())


def push(folder: Path, address: str, *arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"HF_ENDPOINT": address, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(folder / "hub")}
    command = [sys.executable, "-m", "gaucho_pipeline", "push", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, input=said, capture_output=True, text=True)
