"""Lets the real programs read the settings that a pod would give them.

Why: the settings in a ConfigMap are TOML in YAML, and a key that is misspelt there stops the pod and nothing before it.
`check` also reaches for backend, app and auth server, which are not there: only that may be what it complains of.
"""

import subprocess
import tempfile
from pathlib import Path

AWAY = ("cannot be reached", "does not answer")


def faults(build, folder):
    for workload in build.workloads():
        if workload.program:
            for fault in read(workload, Path(folder)):
                yield f"{workload.title}: {fault}"


def read(workload, folder):
    container = workload.pod["containers"][0]
    files, settings = workload.files(container), workload.settings()
    with tempfile.TemporaryDirectory() as root:
        for path, content in files.items():
            place = Path(root + path)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(content)
        # Where a pod has them at the root. The store would be asked, and is not here.
        environment = {
            "HALLPASS_SECRET_FILE": root + settings["secret_file"],
            "HALLPASS_STORE__URL": "memory:",
        }
        args = [root + arg if arg.startswith("/") else arg for arg in container["args"]]
        yield from checked([str(folder / workload.program), *args, "check"], environment, root)


def checked(command, environment, folder):
    """What `check` complains of, but for neighbours that are not there."""
    try:
        done = subprocess.run(
            [*alone(), *command], env=environment, cwd=folder, capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        yield f"`{' '.join(command)}` cannot be run: {error}"
        return
    complaints = [line for line in done.stderr.splitlines() if not any(away in line for away in AWAY)]
    if "settings: ok" not in done.stdout or complaints:
        said = (complaints or done.stderr.splitlines() or ["nothing"])[0]
        yield f"`check` says: {said.replace(folder, '')}"


def alone():
    """Without a network, where that can be had: then nobody is asked, and nobody waits for an answer."""
    prefix = ["unshare", "--map-root-user", "--net"]
    try:
        works = subprocess.run([*prefix, "true"], capture_output=True).returncode == 0
    except OSError:
        works = False
    return prefix if works else []
