"""Does what this pack asks for, on this machine: `pip install -r requirements.txt`, then `python run.py`.

Writes done.tar, to be taken home: `gaucho unpack done.tar`. Only the standard library is imported here.
"""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def main() -> None:
    request = json.loads((HERE / "request.json").read_text(encoding="utf-8"))
    about = json.loads((HERE / "pack.json").read_text(encoding="utf-8"))
    places = {old: str(HERE / new) for old, new in about["paths"].items()}
    for old, place in list(places.items()):
        if not Path(place).exists():
            places[old] = os.environ.get("GAUCHO_MODEL", old)  # a model that was not packed
    request["spec"] = moved(request["spec"], places)
    request["inputs"] = {name: str(HERE / "data" / path) for name, path in about["inputs"].items()}
    for folder in map(Path, request["inputs"].values()):
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        manifest["provenance"]["spec"] = moved(manifest["provenance"]["spec"], places)  # where the base model is
        (folder / "manifest.json").write_text(json.dumps(manifest, ensure_ascii=False), encoding="utf-8")
    request |= {"data": str(HERE / "data"), "lock_file": None, "forgotten": None, "force": False}
    (HERE / "request-here.json").write_text(json.dumps(request, ensure_ascii=False), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE / "source"), os.environ.get("PYTHONPATH", "")])}
    check_model(request, places.get(about["model"], about["model"]), environment)
    done = subprocess.run([sys.executable, "-P", "-m", about["program"], str(HERE / "request-here.json")], env=environment)
    if done.returncode:
        sys.exit(done.returncode)
    folder = Path("data", request["asset"], request["concept"], request["fingerprint"])
    with tarfile.open(HERE / "done.tar.part", "w") as tar:
        tar.add(HERE / folder, "artifact")
    os.replace(HERE / "done.tar.part", HERE / "done.tar")
    print(f"{HERE / 'done.tar'}: take it home, and run there: gaucho unpack done.tar")


def check_model(request: dict[str, Any], model: str, environment: dict[str, str]) -> None:
    """Ends the program if the base model here is not the one that was meant."""
    wanted = (request["provenance"]["base_model"] or {}).get("digest")
    if wanted is None:
        return
    code = "import sys; from gaucho_pipeline.models.base_models import identity; print(identity(sys.argv[1], None)['digest'])"
    command = [sys.executable, "-P", "-c", code, model]
    found = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True).stdout.strip()
    if found != wanted:
        sys.exit(f"{model}: is not the base model that was meant; name its folder by GAUCHO_MODEL")


def moved(value: object, places: dict[str, str]) -> object:
    """A specification whose paths are those of this machine."""
    if isinstance(value, dict):
        return {key: moved(item, places) for key, item in value.items()}
    if isinstance(value, list):
        return [moved(item, places) for item in value]
    return places.get(value, value) if isinstance(value, str) else value


if __name__ == "__main__":
    main()
