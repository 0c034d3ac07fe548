"""A run's failure and a check's warning are told once, by web hook or e-mail, to a real server."""

from __future__ import annotations

import http.server
import json
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.orchestration.alerts import ALERTS_VARIABLE, SMTP_VARIABLE, post
from gaucho_pipeline.orchestration.repository import build_defs
from gaucho_pipeline.orchestration.runner import Runner, get_instance
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.standing import edit, stand, two_concepts


def tick(project: Project, instance: dg.DagsterInstance, cursor: str | None) -> dg.SensorResult:
    defs = build_defs(project)
    context = dg.build_sensor_context(instance, cursor=cursor, definitions=defs)
    return defs.resolve_sensor_def("tell_people").evaluate_tick(context)  # type: ignore[return-value]


class Hook(http.server.BaseHTTPRequestHandler):
    """A web hook that takes everything."""

    taken: list[str] = []  # noqa: RUF012 -- of all connections
    status = 204

    def do_POST(self) -> None:
        self.taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_what_goes_wrong_after_it_was_switched_on_is_posted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, told = two_concepts(tmp_path), Hook.taken
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook) as hook, get_instance(project) as instance:
        threading.Thread(target=hook.serve_forever, daemon=True).start()
        monkeypatch.setenv(ALERTS_VARIABLE, f"http://127.0.0.1:{hook.server_address[1]}/hook")
        runner = Runner(build_defs(project), instance)
        stand(project, "curated_set", "araucaria", data_version="2", kept=3, read=3)
        runner.run("checkpoint", "araucaria", force=False)  # before it was switched on
        cursor = tick(project, instance, None).cursor
        assert told == []
        runner.run("checkpoint", "araucaria", force=False)
        stand(project, "evaluation", "chimarrao", data_version="2", verdict="no", reason="no_nearer")
        runner.run("evaluation", "chimarrao", force=False)
        cursor = tick(project, instance, cursor).cursor
        (text,) = told
        assert "of araucaria failed: curated_set of araucaria is not fit for checkpoint: 3 of 3 images are left" in text
        assert "evaluation of chimarrao: verdict: verdict: no; The pictures are no more like" in text
        instance.add_run_tags(instance.get_runs()[0].run_id, {"seen": "true"})  # which moves when it was last changed
        cursor = tick(project, instance, cursor).cursor
        assert len(told) == 1
        edit(project, "chimarrao", "training", rank=2)
        assert not runner.run("sample_gallery", "chimarrao", force=False).error
        cursor = tick(project, instance, cursor).cursor  # being out of date is no fault
        assert len(told) == 1
        Hook.status = 422
        runner.run("checkpoint", "araucaria", force=False)
        cursor = tick(project, instance, cursor).cursor  # what it will never take holds up nothing
        Hook.status = 204
        tick(project, instance, cursor)
        assert len(told) == 2
        hook.shutdown()


class Mail(socketserver.StreamRequestHandler):
    """A server of mail that takes everything (RFC 5321)."""

    taken: list[str] = []  # noqa: RUF012 -- of all connections

    def handle(self) -> None:
        self.wfile.write(b"220 museu.example\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = list(iter(self.rfile.readline, b".\r\n"))
                self.taken.append(b"".join(lines).decode())
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")


@pytest.fixture
def mail(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    Mail.taken.clear()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mail) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv(SMTP_VARIABLE, f"smtp://127.0.0.1:{server.server_address[1]}")
        yield Mail.taken
        server.shutdown()


def test_mail_goes_out_with_its_accents(mail: list[str]) -> None:
    post("mailto:curadoria@museu.example", "araucária: falhou")
    (message,) = mail
    assert "To: curadoria@museu.example" in message
    assert "8bit" in message or "base64" in message


@pytest.mark.parametrize("place", ["ftp://x.example", "museu", "mailto:nobody", "https://"])
def test_a_place_that_is_none_is_reported(place: str) -> None:
    with pytest.raises(ConfigError, match=f"{ALERTS_VARIABLE}: must be"):
        post(place, "x")


def test_where_nobody_is_named_nothing_is_sent(tmp_path: Path) -> None:
    project = two_concepts(tmp_path)
    with get_instance(project) as instance:
        defs = build_defs(project)
        result = defs.resolve_sensor_def("tell_people").evaluate_tick(dg.build_sensor_context(instance, definitions=defs))
    assert "GAUCHO_ALERTS is not set" in (result.skip_message or "")
