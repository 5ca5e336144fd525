"""What must hold for each pod, whatever it runs.

Why: a hole in a pod's limits, a probe that depends on a neighbour, or a variable that Kubernetes adds by itself shows only
on the day it matters.
"""

import re
from pathlib import Path

LISTENING = Path(__file__).parents[2] / "shared/src/server/listening.rs"


def drain():
    """How long the programs finish what is under way, in seconds."""
    return int(re.search(r"DRAIN_TIME: Duration = Duration::from_secs\((\d+)\)", LISTENING.read_text())[1])


def faults(build):
    for workload in build.workloads():
        for fault in [*of_pod(workload), *of_end(workload)]:
            yield f"{workload.title}: {fault}"
        for container in workload.containers:
            for fault in [*of_container(container), *of_probes(workload, container), *of_mounts(workload, container)]:
                yield f"{workload.title}, container {container['name']}: {fault}"


def of_pod(workload):
    pod = workload.pod
    context = pod.get("securityContext", {})
    if pod.get("enableServiceLinks") is not False:
        yield "enableServiceLinks must be false: a service's variables HALLPASS_… would be unknown settings"
    if pod.get("automountServiceAccountToken") is not False:
        yield "automountServiceAccountToken must be false: it asks nothing of the cluster"
    if context.get("runAsNonRoot") is not True or not context.get("runAsUser"):
        yield "securityContext must have runAsNonRoot: true and a runAsUser"
    if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "securityContext must have the seccompProfile RuntimeDefault"
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(key):
            yield f"{key} gives it the node's"
    mounted = {mount["name"] for container in workload.containers for mount in container.get("volumeMounts", [])}
    for volume in pod.get("volumes", []):
        if volume["name"] not in mounted:
            yield f"nothing mounts the volume {volume['name']}"
        if "hostPath" in volume:
            yield f"the volume {volume['name']} is a folder of the node"


def of_end(workload):
    """Kubernetes must not kill what still finishes its requests."""
    if not workload.program:
        return
    waits = [
        container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        for container in workload.containers
    ]
    if not all(waits):
        yield "there is no preStop sleep: the edge still sends requests for a moment after the end has begun"
    grace = workload.pod.get("terminationGracePeriodSeconds", 30)
    if grace <= max(waits) + drain():
        yield f"terminationGracePeriodSeconds is {grace}, and preStop and the program take {max(waits)} and {drain()} seconds"


def of_container(container):
    context = container.get("securityContext", {})
    if context.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation must be false"
    if context.get("readOnlyRootFilesystem") is not True:
        yield "readOnlyRootFilesystem must be true"
    capabilities = context.get("capabilities", {})
    if capabilities.get("drop") != ["ALL"] or capabilities.get("add"):
        yield "capabilities must drop ALL and add none"
    for key in ("privileged", "runAsUser", "runAsNonRoot"):
        if key in context:
            yield f"{key} is the pod's affair"
    resources = container.get("resources", {})
    if {"cpu", "memory"} - set(resources.get("requests", {})):
        yield "resources must have requests of cpu and memory"
    if "memory" not in resources.get("limits", {}):
        yield "resources must have a limit of memory"
    if not re.search(r"(:(?!latest$)[^:/@]+|@sha256:[0-9a-f]{64})$", container["image"]):
        yield f"the image {container['image']} has neither tag nor digest, or `latest`"


def of_probes(workload, container):
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        probe = container.get(name, {}).get("httpGet")
        if not probe:
            yield f"there is no {name}"
        elif probe["port"] not in workload.ports():
            yield f"{name} asks the port {probe['port']}, which it does not name"
        elif workload.program and probe["port"] != "admin":
            yield f"{name} must ask the port admin"
        elif workload.program and probe["path"] not in answered(workload.program, name):
            yield f"{name} asks {probe['path']}; that depends on others"


def answered(program, probe):
    """A satellite's /readyz asks the auth server; the auth server's asks nobody."""
    if program == "auth-server" and probe == "readinessProbe":
        return ("/healthz", "/readyz")
    return ("/healthz",)


def of_mounts(workload, container):
    claims = workload.object["spec"].get("volumeClaimTemplates", [])
    known = {volume["name"] for volume in workload.pod.get("volumes", [])}
    known |= {claim["metadata"]["name"] for claim in claims}
    for mount in container.get("volumeMounts", []):
        if mount["name"] not in known:
            yield f"mounts {mount['name']}, and there is no such volume"
