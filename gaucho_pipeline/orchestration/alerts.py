"""Tells people of a failed run or a check's warning: by a web hook, or by e-mail.

`GAUCHO_ALERTS` names where to: an `https://` address, which is posted JSON with `text` (what Slack, Mattermost and Teams' hooks read), or
`mailto:ADDRESS` through the server that `GAUCHO_SMTP` names (`smtp://[user:password@]host[:port]`, `smtps://…`). They are in the
environment because they are secrets, or nearly.
"""

from __future__ import annotations

import json
import os
import smtplib
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any
from urllib.parse import unquote, urlsplit

import dagster as dg
from dagster import DagsterEventType

from gaucho_pipeline.assets.table import ALL
from gaucho_pipeline.errors import ConfigError, _
from gaucho_pipeline.orchestration.checks import UP_TO_DATE
from gaucho_pipeline.orchestration.tags import concept_of

ALERTS_VARIABLE, SMTP_VARIABLE = "GAUCHO_ALERTS", "GAUCHO_SMTP"
_SECONDS = 20.0
_AT_ONCE, _REMEMBERED, _SLOWER_CLOCKS = 200, 1000, 600.0
"""Runs at once, runs that are known to have been told, and seconds by which another machine's clock may be behind."""


def build_alert_sensor() -> dg.SensorDefinition:
    @dg.sensor(
        name="tell_people",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=f"Posts a run's failure, and what a check says against an artifact, to where {ALERTS_VARIABLE} names.",
    )
    def tell_people(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        place = os.environ.get(ALERTS_VARIABLE, "").strip()
        if not place:
            return dg.SkipReason(f"{ALERTS_VARIABLE} is not set: https://… of a web hook, or mailto:…")
        now = time.time()
        kept: dict[str, Any] = {"began": now, "since": now, "told": []}  # what went wrong before is known
        kept |= json.loads(context.cursor) if context.cursor else {}
        ended = dg.RunsFilter(
            statuses=[dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS],
            updated_after=datetime.fromtimestamp(kept["since"] - _SLOWER_CLOCKS, UTC),
        )
        records = context.instance.get_run_records(ended, limit=_AT_ONCE, order_by="update_timestamp", ascending=True)
        fresh = [each for each in records if each.dagster_run.run_id not in kept["told"] and (each.end_time or 0) >= kept["began"]]
        if lines := [line for record in fresh for line in _lines(context.instance, record.dagster_run)]:
            try:
                post(place, "\n".join(lines))  # another error fails the tick, and the same is told at the next
            except urllib.error.HTTPError as error:
                if not 400 <= error.code < 500:
                    raise
                context.log.error(
                    _(
                        "{alerts_variable}: refused with {code}: {lines}",
                        alerts_variable=ALERTS_VARIABLE,
                        code=error.code,
                        lines="; ".join(lines),
                    )
                )
        reported = [*kept["told"], *(each.dagster_run.run_id for each in fresh)][-_REMEMBERED:]
        since = max([kept["since"], *(each.update_timestamp.timestamp() for each in records)])
        cursor = json.dumps({"began": kept["began"], "since": since, "told": reported})
        return dg.SensorResult(cursor=cursor, skip_reason=None if lines else dg.SkipReason("nothing went wrong"))

    return tell_people


def _lines(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Iterator[str]:
    """What went wrong in a run that has ended: its failure, and what checks say against artifacts. Being out of date is no fault."""
    concept = concept_of(run.tags) or ALL
    if run.status == dg.DagsterRunStatus.FAILURE:
        failures = instance.all_logs(run.run_id, of_type=DagsterEventType.STEP_FAILURE)
        failed = [data.user_failure_data for entry in failures if (data := entry.get_dagster_event().step_failure_data)]
        why = "; ".join(each.description for each in failed if each and each.description) or "its log says why"
        yield f"run {run.run_id[:8]} of {concept} failed: {why}"
    for entry in instance.all_logs(run.run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION):
        evaluation = entry.get_dagster_event().asset_check_evaluation_data
        if not evaluation.passed and evaluation.check_name != UP_TO_DATE:
            yield f"{evaluation.asset_key.to_user_string()} of {concept}: {evaluation.check_name}: {evaluation.description}"


def post(place: str, text: str) -> None:
    """Sends a text. Raises ConfigError for a place that is none, OSError and SMTPException if it cannot be reached."""
    parts = urlsplit(place)
    if parts.scheme in ("https", "http") and parts.hostname:
        body = json.dumps({"text": text}, ensure_ascii=False).encode()
        request = urllib.request.Request(place, body, {"Content-Type": "application/json; charset=utf-8"})
        with urllib.request.urlopen(request, timeout=_SECONDS):
            return
    if parts.scheme != "mailto" or "@" not in parts.path:
        raise ConfigError(
            _(
                "{alerts_variable}: must be the https:// address of a web hook, or mailto: and an e-mail address",
                alerts_variable=ALERTS_VARIABLE,
            )
        )
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "gaucho_pipeline", parts.path, parts.path
    message.set_content(text)
    with _server() as server:
        server.send_message(message)


def _server() -> smtplib.SMTP:
    parts = urlsplit(os.environ.get(SMTP_VARIABLE, "smtp://localhost"))
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise ConfigError(_("{smtp_variable}: must be smtp://host:port, or smtps://user:password@host:port", smtp_variable=SMTP_VARIABLE))
    kind = smtplib.SMTP_SSL if parts.scheme == "smtps" else smtplib.SMTP
    server = kind(parts.hostname, parts.port or 0, timeout=_SECONDS)
    if parts.username:
        if parts.scheme == "smtp":
            server.starttls()
        server.login(unquote(parts.username), unquote(parts.password or ""))
    return server
