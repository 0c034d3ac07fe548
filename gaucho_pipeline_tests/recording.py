"""Recorded results: what each stage made of fixed small inputs, held against what it makes now.

`recorded/<name>.json` keeps the result with the code version that gave it. `make record` writes what is new, and refuses to write another
result under the same code version: that is the mistake that has everybody's artifacts stay as they are, or be made again for nothing.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent / "recorded"
VARIABLE = "GAUCHO_RECORD"


def hold(name: str, code_version: str, result: Any, where: str, relative: float = 0.0) -> None:
    """Fails if a result is not the recorded one. `where`: where its code version stands; `relative`: tolerance for numbers."""
    path = FOLDER / f"{name}.json"
    now = json.loads(json.dumps(result, ensure_ascii=False))
    recorded = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    same = recorded is not None and not differences(recorded["result"], now, relative)
    if recorded and recorded["code_version"] == code_version and not same:
        found = "\n  ".join(differences(recorded["result"], now, relative)[:12])
        pytest.fail(
            f"{name}: the same input gives something else than was recorded for code version {code_version}:\n  {found}\n"
            f"If that is meant, raise the code version in {where}, so that what was made before is made again, and run: make record\n"
            "If it is not meant, it is a mistake. A new key of concepts.yaml states its absent value (gaucho_pipeline/spec.py).",
            pytrace=False,
        )
    if recorded and recorded["code_version"] == code_version:
        return
    if not os.environ.get(VARIABLE):
        pytest.fail(f"{name}: nothing is recorded for code version {code_version} ({where}); run: make record", pytrace=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"code_version": code_version, "result": now}
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def differences(then: Any, now: Any, relative: float, place: str = "") -> list[str]:
    """Where two JSON values differ, in words."""
    if isinstance(then, dict) and isinstance(now, dict):
        missing = object()
        found = []
        for key in {**then, **now}:
            one, other = then.get(key, missing), now.get(key, missing)
            here = f"{place}.{key}" if place else key
            if one is missing or other is missing:
                found.append(f"{here} {'is new' if one is missing else 'is gone'}")
            else:
                found += differences(one, other, relative, here)
        return found
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        pairs = enumerate(zip(then, now, strict=True))
        return [text for index, (one, other) in pairs for text in differences(one, other, relative, f"{place}[{index}]")]
    if isinstance(then, (int, float)) and isinstance(now, (int, float)) and relative:
        return [] if abs(then - now) <= relative * max(abs(then), abs(now)) else [f"{place}: {then} was recorded, {now} is given"]
    return [] if then == now and type(then) is type(now) else [f"{place}: {then!r:.80} was recorded, {now!r:.80} is given"]
