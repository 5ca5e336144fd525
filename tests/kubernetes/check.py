"""Looks at what deploy/kubernetes builds; each fault is a sentence on standard output.

    check.py [--bin-dir DIR] NAME=FILE...    NAME is a kustomization, FILE what it builds
    check.py [--bin-dir DIR] --unit FILE...  a unit of systemd: its end and its settings, which systemd does not know

Why: manifests are read by a cluster for the first time in earnest. First the schemas of Kubernetes itself are asked, at the
oldest version that these are for and at the newest that is known; then what a schema cannot see.
"""

import argparse
import re
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

import kubernetes_validate

import network
import pods
import programs
import wiring
from objects import Build

# `preStop.sleep` is on from 1.30.
VERSIONS = ("1.30", kubernetes_validate.latest_version())
DEPLOY = Path(__file__).parents[2] / "deploy"
# What is in /etc/hallpass here.
SAMPLES = {"hallpass.toml": DEPLOY / "hallpass.toml", "app.toml": DEPLOY / "kubernetes/base/settings/app.toml"}
SECRET = "d2f0c1b97e6a4c5f8b3e0a1d9c7f6e5b"


def schemas(build):
    for version in VERSIONS:
        for known in build.objects:
            title = f"{known.get('kind')} {known.get('metadata', {}).get('name')}"
            try:
                kubernetes_validate.validate(known, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                place = ".".join(str(part) for part in error.path)
                yield f"{title}: not valid in Kubernetes {version} at {place or 'its root'}: {error.message[:200]}"
            except Exception as error:  # each way not to find a schema has a class of its own
                yield f"{title}: Kubernetes {version} has no such kind: {getattr(error, 'message', error)}"


def namespaces(build):
    for known in build.objects:
        if known["kind"] != "Namespace" and known["metadata"].get("namespace") != "hallpass":
            yield f"{known['kind']} {known['metadata']['name']}: it is not in the namespace hallpass"


def unit(file, folder):
    text = Path(file).read_text().replace("%i", "app")
    stop = int((re.search(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE) or [0, 0])[1])
    if stop <= pods.drain():
        yield f"it is killed after {stop} s, and the program finishes requests for {pods.drain()} s"
    if folder:
        with tempfile.TemporaryDirectory() as root:
            yield from started(text.replace("%d", root), Path(folder), Path(root))


def started(text, folder, root):
    """Whether the program takes the arguments and variables that a unit gives it; `root` is where it has its files."""
    environment = dict(re.findall(r"^Environment=(HALLPASS_\w+)=(\S+)$", text, re.MULTILINE))
    for name in re.findall(r"^LoadCredential=([^:]+):", text, re.MULTILINE):
        shutil.copy(SAMPLES[name], root / name) if name in SAMPLES else (root / name).write_text(SECRET)
    program, *args = shlex.split(re.search(r"^ExecStart=(.+)$", text, re.MULTILINE)[1])
    yield from programs.checked([str(folder / Path(program).name), *args, "check"], environment, str(root))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin-dir")
    parser.add_argument("--unit", action="store_true")
    parser.add_argument("files", nargs="+")
    asked = parser.parse_args()
    found = []
    for given in asked.files:
        if asked.unit:
            found += [f"{Path(given).name}: {fault}" for fault in unit(given, asked.bin_dir)]
            continue
        build = Build.read(*given.split("=", 1))
        invalid = [*schemas(build), *namespaces(build)]
        # What is not even valid is not looked at any further.
        checks = (pods, wiring, network) if not invalid else ()
        faults = invalid + [fault for check in checks for fault in check.faults(build)]
        if asked.bin_dir and not faults:
            faults += programs.faults(build, asked.bin_dir)
        found += [f"{build.name}: {fault}" for fault in faults]
    print("\n".join(found), end="\n" if found else "")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
