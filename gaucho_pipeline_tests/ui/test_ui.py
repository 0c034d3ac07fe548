"""`gaucho ui`: a page of another site can change nothing, and everything that people do in Dagster's web UI works (in a real Chromium)."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from selenium import webdriver

from gaucho_pipeline.demo.site import QuietHandler
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.ui.guard import artifact_file
from gaucho_pipeline_tests.browsing import browser as browser
from gaucho_pipeline_tests.programs import forked_stages, gaucho, wait_until
from gaucho_pipeline_tests.replay import serving
from gaucho_pipeline_tests.web_ui import LAUNCH, REPOSITORY, served, start_folder, status_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = start_folder(tmp_path_factory.mktemp("served"))
    gaucho(folder, "run", "chimarrao", "--select", "curated_set", DAGSTER_HOME=str(folder))
    return folder


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[int]:
    """The port where `gaucho ui` serves the folder."""
    with served(folder) as (process, found):
        yield found
        process.send_signal(signal.SIGINT)
        process.wait(60)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", found), 1)


# ------------------------------------------------------------------------------------------ who is let in

JSON = {"Content-Type": "application/json"}
ASKED = json.dumps({"query": "{version}"})


def test_no_request_of_another_site_is_let_through(port: int) -> None:
    ours, other = {"Origin": f"http://127.0.0.1:{port}"}, {"Origin": "http://evil.example"}
    assert status_of(port, "POST", "/graphql", JSON | ours, ASKED) == 200
    assert status_of(port, "POST", "/graphql", JSON | {"Sec-Fetch-Site": "same-origin"}, ASKED) == 200
    for headers in (
        {},
        other,
        {"Origin": "null"},
        {"Origin": f"http://localhost:{port}"},  # the pages of artifacts
        {"Origin": f"http://127.0.0.1:{port + 1}"},
        {"Sec-Fetch-Site": "same-site"},
        other | {"Sec-Fetch-Site": "same-origin"},
        ours | {"Host": f"localhost:{port}"},
    ):
        assert status_of(port, "POST", "/graphql", JSON | headers, ASKED) == 403
    for path in ("/report_asset_materialization/raw_crawl", "/report_asset_check/raw_crawl", "/anything"):
        assert status_of(port, "POST", path, JSON | other, "{}") == 403
    assert status_of(port, "DELETE", "/graphql", other) == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "[::1]:1", "127.0.0.1.nip.io"])
def test_no_other_name_of_the_server_is_answered(host: str, port: int) -> None:
    assert status_of(port, "GET", "/", {"Host": host}) == 403


def test_getting_changes_nothing(port: int) -> None:
    for path in ("/graphql?query=%7Bversion%7D", "/graphql/?query=mutation%7BreloadWorkspace%7B__typename%7D%7D", "/graphql"):
        assert status_of(port, "GET", path, {}) == 403
    assert status_of(port, "GET", "/", {}) == 200


@pytest.mark.parametrize(
    "path",
    [
        "../concepts.yaml", "curated_set/../../concepts.yaml", "curated_set/%2e%2e/.dagster/dagster.yaml", ".staging/x", "blobs/00/00",
        "curated_set/chimarrao/.lock", "curated_set/chimarrao/current/nothing.html", "curated_set/chimarrao", "raw_crawl", "nothing/at/all",
        "curated_set//etc/passwd",
    ],
)  # fmt: skip
def test_nothing_but_files_of_artifacts_is_served(path: str, port: int) -> None:
    assert status_of(port, "GET", f"/artifacts/{path}", {"Host": f"localhost:{port}"}) == 404


def test_a_link_out_of_the_artifacts_is_not_followed(tmp_path: Path) -> None:
    home = tmp_path / "curated_set" / "chimarrao" / "abc"
    home.mkdir(parents=True)
    (home / "review.html").write_text("x")
    (tmp_path / "secret").write_text("x")
    (home / "link.html").symlink_to(tmp_path / "secret")
    (home.parent / "current").symlink_to("abc")
    assert artifact_file(tmp_path, "curated_set/chimarrao/current/review.html") == home / "review.html"
    assert artifact_file(tmp_path, "curated_set/chimarrao/abc/link.html") is None


# ------------------------------------------------------------------------------------------ in a browser

_ATTACK = """
<html><body><iframe name="sink"></iframe>
<form id="form" method="post" target="sink" enctype="text/plain" action="%(server)s/graphql">
<input name='{"query":"%(mutation)s","x":"' value='"}'></form>
<script>
const server = "%(server)s", mutation = '%(mutation)s', done = [];
const settle = name => promise => promise.then(answer => done.push([name, answer.type]), () => done.push([name, "blocked"]));
new Image().src = server + "/graphql?query=" + encodeURIComponent(mutation);
const body = JSON.stringify({query: mutation});
settle("get")(fetch(server + "/graphql?query=" + encodeURIComponent(mutation), {mode: "no-cors"}));
settle("post")(fetch(server + "/graphql", {method: "POST", mode: "no-cors", body}));
settle("json")(fetch(server + "/graphql", {method: "POST", headers: {"Content-Type": "application/json"}, body}));
navigator.sendBeacon(server + "/graphql", new Blob([body], {type: "text/plain"}));
document.getElementById("form").submit();
const socket = new WebSocket(server.replace("http", "ws") + "/graphql", "graphql-ws");
socket.onopen = () => { done.push(["socket", "open"]); socket.send(JSON.stringify({type: "connection_init"}));
  socket.send(JSON.stringify({id: "1", type: "start", payload: {query: mutation}})); };
socket.onerror = () => done.push(["socket", "blocked"]);
window.done = done;
</script></body></html>
"""  # fmt: skip
_SCHEDULE = 'mutation{startSchedule(scheduleSelector:{%s,scheduleName:\\"crawl_every_night\\"}){__typename}}'


def test_a_hostile_page_in_the_same_browser_changes_nothing(browser: webdriver.Chrome, port: int) -> None:
    where = ",".join(f'{name}:\\"{value}\\"' for name, value in REPOSITORY.items())
    page = _ATTACK % {"server": f"http://127.0.0.1:{port}", "mutation": _SCHEDULE % where}

    def answer(handler: QuietHandler) -> None:
        handler.send(200, "text/html", page.encode())

    with serving(answer, "127.0.0.5") as hostile:
        browser.get(hostile.address)
        deadline = time.monotonic() + 30
        while len(found := dict(browser.execute_script("return window.done"))) < 4:
            assert time.monotonic() < deadline, found
            time.sleep(0.2)
        time.sleep(1)
    assert found["socket"] == found["json"] == "blocked"
    ui = Ui(browser, port)
    assert ui.ask("{runsOrError{... on Runs{results{runId}}}}")["runsOrError"]["results"] == ui.runs_before
    assert ui.schedule_status() == "STOPPED"
    browser.get(f"http://localhost:{port}/artifacts/curated_set/chimarrao/current/review.html")
    said = browser.execute_async_script(
        "const end = arguments[arguments.length - 1]; fetch(arguments[0], {method: 'POST', mode: 'no-cors', body: '{}'})"
        ".then(answer => end(answer.type), () => end('blocked'))",
        f"http://127.0.0.1:{port}/graphql",
    )
    assert said in ("opaque", "blocked")
    assert ui.schedule_status() == "STOPPED"


class Ui:
    """The web UI in a browser: asks GraphQL as its pages do."""

    def __init__(self, browser: webdriver.Chrome, port: int) -> None:
        self.browser, self.port = browser, port
        self.runs_before = self.ask("{runsOrError{... on Runs{results{runId}}}}")["runsOrError"]["results"]

    def ask(self, query: str, **variables: Any) -> Any:
        if not self.browser.current_url.startswith(f"http://127.0.0.1:{self.port}"):
            self.browser.get(f"http://127.0.0.1:{self.port}/")
        script = (
            "const [body, end] = [arguments[0], arguments[arguments.length - 1]];"
            "fetch('/graphql', {method: 'POST', headers: {'Content-Type': 'application/json'}, body})"
            ".then(answer => answer.json()).then(end, error => end({errors: String(error)}))"
        )
        answer = self.browser.execute_async_script(script, json.dumps({"query": query, "variables": variables}))
        assert "errors" not in answer, answer
        return answer["data"]

    def schedule_status(self) -> str:
        query = "query($s: ScheduleSelector!){scheduleOrError(scheduleSelector:$s){... on Schedule{scheduleState{status}}}}"
        found = self.ask(query, s=REPOSITORY | {"scheduleName": "crawl_every_night"})
        return str(found["scheduleOrError"]["scheduleState"]["status"])

    def wait(self, run: str, *statuses: str) -> str:
        deadline = time.monotonic() + 120
        while (status := self.status(run)) not in statuses:
            assert time.monotonic() < deadline, status
            time.sleep(0.5)
        return status

    def status(self, run: str) -> str:
        return str(self.ask("query($r: ID!){runOrError(runId:$r){... on Run{status}}}", r=run)["runOrError"]["status"])


def launched(ui: Ui, job: str, assets: list[str]) -> str:
    """Launches a run of assets of the concept that nothing was made of yet."""
    selector = REPOSITORY | {"pipelineName": job, "assetSelection": [{"path": [name]} for name in assets]}
    tags = [{"key": "dagster/partition", "value": "araucaria"}]
    done = ui.ask(LAUNCH, p={"selector": selector, "runConfigData": {}, "mode": "default", "executionMetadata": {"tags": tags}})
    assert done["launchRun"]["__typename"] == "LaunchRunSuccess", done
    return str(done["launchRun"]["run"]["runId"])


def test_launching_live_logs_and_terminating_work_as_ever(browser: webdriver.Chrome, port: int, folder: Path) -> None:
    ui = Ui(browser, port)
    run = launched(ui, "__ASSET_JOB", ["crawl_spec", "raw_crawl"])
    script = (
        "const [run, end] = [arguments[0], arguments[arguments.length - 1]], found = [];"
        "const socket = new WebSocket(`ws://${location.host}/graphql`, 'graphql-ws');"
        "socket.onerror = () => end(['error']); setTimeout(() => end(found), 20000);"
        "const query = 'subscription($r: ID!){pipelineRunLogs(runId:$r)' +"
        "'{... on PipelineRunLogsSubscriptionSuccess{messages{__typename}}}}';"
        "const send = value => socket.send(JSON.stringify(value));"
        "socket.onopen = () => { send({type: 'connection_init'});"
        "send({id: '1', type: 'start', payload: {query, variables: {r: run}}}); };"
        "socket.onmessage = event => { const data = JSON.parse(event.data).payload;"
        "for (const each of data?.data?.pipelineRunLogs?.messages ?? []) found.push(each.__typename);"
        "if (found.includes('RunSuccessEvent')) end(found); };"
    )
    browser.set_script_timeout(90)
    assert "RunSuccessEvent" in browser.execute_async_script(script, run) or ui.wait(run, "SUCCESS", "FAILURE") == "SUCCESS"
    assert ui.wait(run, "SUCCESS", "FAILURE") == "SUCCESS"
    assert (folder / "data" / "raw_crawl" / "araucaria" / "current.json").exists()
    endless = launched(ui, "__ASSET_JOB", ["curation_spec", "curated_set", "training_spec", "checkpoint"])
    ui.wait(endless, "STARTED", "SUCCESS")
    wait_until(lambda: bool(forked_stages()))  # a run of the web UI has its stages forked, too
    done = ui.ask("mutation($r: String!){terminateRun(runId:$r){__typename}}", r=endless)
    assert done["terminateRun"]["__typename"] == "TerminateRunSuccess"
    assert ui.wait(endless, "CANCELED", "SUCCESS", "FAILURE") == "CANCELED"


def test_backfills_reloading_and_switching_work_as_ever(browser: webdriver.Chrome, port: int) -> None:
    ui = Ui(browser, port)
    parameters = {"assetSelection": [{"path": ["crawl_spec"]}], "partitionNames": ["chimarrao", "araucaria"]}
    query = "mutation($p: LaunchBackfillParams!){launchPartitionBackfill(backfillParams:$p){__typename}}"
    assert ui.ask(query, p=parameters)["launchPartitionBackfill"]["__typename"] == "LaunchBackfillSuccess"
    reloaded = ui.ask(
        "mutation($l: String!){reloadRepositoryLocation(repositoryLocationName:$l){__typename}}", l=REPOSITORY["repositoryLocationName"]
    )
    assert reloaded["reloadRepositoryLocation"]["__typename"] == "WorkspaceLocationEntry"
    sensor = REPOSITORY | {"sensorName": "edited_concepts"}
    query = "mutation($s: SensorSelector!){startSensor(sensorSelector:$s){... on Sensor{sensorState{status selectorId}}}}"
    state = ui.ask(query, s=sensor)["startSensor"]["sensorState"]
    assert state["status"] == "RUNNING"
    query = "mutation($i: String!){stopSensor(id:$i){... on StopSensorMutationResult{instigationState{status}}}}"
    found = ui.ask("query($s: SensorSelector!){sensorOrError(sensorSelector:$s){... on Sensor{sensorState{id}}}}", s=sensor)
    stopped = ui.ask(query, i=found["sensorOrError"]["sensorState"]["id"])
    assert stopped["stopSensor"]["instigationState"]["status"] == "STOPPED"


def test_the_page_of_an_artifact_opens_from_its_metadata(browser: webdriver.Chrome, port: int) -> None:
    ui = Ui(browser, port)
    query = (
        '{assetOrError(assetKey:{path:["curated_set"]}){... on Asset{assetMaterializations(partitions:["chimarrao"]){'
        "metadataEntries{label ... on UrlMetadataEntry{url}}}}}}"
    )
    entries = ui.ask(query)["assetOrError"]["assetMaterializations"][0]["metadataEntries"]
    (address,) = (entry["url"] for entry in entries if entry["label"] == "page")
    browser.get(f"http://127.0.0.1:{port}{address}")
    assert browser.current_url == f"http://localhost:{port}/artifacts/curated_set/chimarrao/current/review.html"
    assert "Conceito de dnc" in browser.title


# ------------------------------------------------------------------------------------------ its end


def test_a_closed_terminal_leaves_no_daemon_behind(tmp_path: Path) -> None:
    with served(start_folder(tmp_path)) as (process, _):
        children = psutil.Process(process.pid).children(recursive=True)
        daemons = [child for child in children if "_daemon" in " ".join(child.cmdline())]
        assert daemons
        process.send_signal(signal.SIGHUP)
        process.wait(60)
        assert not psutil.wait_procs(daemons, timeout=60)[1]


def page_of(folder: Path) -> Path:
    return Project(folder / "concepts.yaml", folder / "data").store.stable("curated_set", "chimarrao")


def headers_of(port: int, path: str) -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", f"/artifacts/curated_set/chimarrao/current/{path}", headers={"Host": f"localhost:{port}"})
    answer = connection.getresponse()
    answer.read()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}


def test_pages_of_artifacts_are_sandboxed_and_ask_no_host(port: int) -> None:
    status, headers = headers_of(port, "review.html")
    policy = headers["content-security-policy"]
    assert status == 200
    assert policy.startswith("sandbox ")
    assert "default-src 'none'" in policy
    assert "connect-src" not in policy
    assert "allow-top-navigation" not in policy
    assert headers_of(port, "images.jsonl")[1]["content-security-policy"].startswith("sandbox; ")


def test_a_page_that_was_laid_there_later_is_not_shown(port: int, folder: Path) -> None:
    (page_of(folder).resolve() / "evil.html").write_text("<script>alert(1)</script>", encoding="utf-8")
    assert headers_of(port, "evil.html")[0] == 404
