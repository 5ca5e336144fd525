"""Whether names that must be the same in several places are.

Why: a selector that fits nothing, a port that nobody has or a ConfigMap of another name are valid to every schema, and
`kubectl apply` takes them.
"""

from pathlib import Path
from urllib.parse import urlsplit

from objects import carries, fits, sources

README = Path(__file__).parents[2] / "deploy/kubernetes/README.md"


def faults(build):
    for check in (services, selectors, references, scaling, ingresses, addresses, listeners, files):
        for fault in check(build):
            yield fault


def services(build):
    for service in build.of("Service"):
        name, spec = service["metadata"]["name"], service["spec"]
        behind = [workload for workload in build.workloads() if carries(workload.labels, spec["selector"])]
        if len(behind) != 1:
            yield f"Service {name}: its selector fits {len(behind)} workloads, and must fit one"
        for workload in behind:
            for port in spec["ports"]:
                if port["targetPort"] not in workload.ports():
                    yield f"Service {name}: {workload.title} has no port named {port['targetPort']}"


def selectors(build):
    for workload in build.workloads():
        if not fits(workload.object["spec"]["selector"], workload.labels):
            yield f"{workload.title}: its selector does not fit its own pods"
        for spread in workload.pod.get("topologySpreadConstraints", []):
            if build.selected(spread["labelSelector"]) != [workload]:
                yield f"{workload.title}: a topologySpreadConstraint is about other pods"
        governed = workload.object["spec"].get("serviceName")
        service = build.find("Service", governed)
        if workload.kind == "StatefulSet" and (not service or service["spec"].get("clusterIP") != "None"):
            yield f"{workload.title}: serviceName {governed} is no headless service"
    for policy in build.of("NetworkPolicy"):
        name, spec = policy["metadata"]["name"], policy["spec"]
        if not build.selected(spec["podSelector"]):
            yield f"NetworkPolicy {name}: it fits no pod"
        for peer in peers(spec):
            if "podSelector" in peer and "namespaceSelector" not in peer and not build.selected(peer["podSelector"]):
                yield f"NetworkPolicy {name}: there is no pod such as {peer['podSelector']}"
            namespace = peer.get("namespaceSelector", {}).get("matchLabels", {}).get("kubernetes.io/metadata.name")
            if "namespaceSelector" in peer and not (namespace and f"`{namespace}`" in README.read_text()):
                yield f"NetworkPolicy {name}: the namespace {namespace} is not in README.md"
    for budget in build.of("PodDisruptionBudget"):
        if len(build.selected(budget["spec"]["selector"])) != 1:
            yield f"PodDisruptionBudget {budget['metadata']['name']}: it must fit one workload"


def peers(spec):
    for rule in spec.get("ingress", []):
        yield from rule.get("from", [])
    for rule in spec.get("egress", []):
        yield from rule.get("to", [])


def references(build):
    """ConfigMaps and Secrets exist, but for what README.md says the operator makes."""
    used = set()
    for workload in build.workloads():
        for volume in workload.pod.get("volumes", []):
            for kind, name in sources(volume):
                used.add((kind, name))
                if not build.find(kind, name):
                    yield f"{workload.title}: there is no {kind} {name}"
        for container in workload.containers:
            if container.get("env") or container.get("envFrom"):
                yield f"{workload.title}: settings belong into files, which `check` can read, and not into variables"
    for kind in ("ConfigMap", "Secret"):
        for known in build.of(kind):
            if (kind, known["metadata"]["name"]) not in used:
                yield f"{kind} {known['metadata']['name']}: nobody uses it"
    for ingress in build.of("Ingress"):
        for tls in ingress["spec"].get("tls", []):
            if f"`{tls['secretName']}`" not in README.read_text():
                yield f"Ingress {ingress['metadata']['name']}: the Secret {tls['secretName']} is not in README.md"


def scaling(build):
    scaled = set()
    for scaler in build.of("HorizontalPodAutoscaler"):
        name, spec = scaler["metadata"]["name"], scaler["spec"]
        target = build.find(spec["scaleTargetRef"]["kind"], spec["scaleTargetRef"]["name"])
        if not target or target["apiVersion"] != spec["scaleTargetRef"]["apiVersion"]:
            yield f"HorizontalPodAutoscaler {name}: there is nothing such as {spec['scaleTargetRef']}"
        elif "replicas" in target["spec"]:
            yield f"HorizontalPodAutoscaler {name}: `replicas` is set as well, and each `kubectl apply` would go back to it"
        if spec["minReplicas"] < 2 or spec["maxReplicas"] <= spec["minReplicas"]:
            yield f"HorizontalPodAutoscaler {name}: it must go from two or more upwards"
        scaled.add((spec["scaleTargetRef"]["kind"], spec["scaleTargetRef"]["name"]))
    for workload in build.workloads():
        budgets = [known for known in build.of("PodDisruptionBudget") if workload in build.selected(known["spec"]["selector"])]
        if (workload.kind, workload.name) in scaled and not budgets:
            yield f"{workload.title}: it is scaled and has no PodDisruptionBudget"
        if budgets and workload.object["spec"].get("replicas") == 1:
            yield f"{workload.title}: a budget for one pod keeps its node from being emptied"


def ingresses(build):
    """Hosts, their TLS, and who answers them."""
    for ingress in build.of("Ingress"):
        name, spec = ingress["metadata"]["name"], ingress["spec"]
        secured = [host for tls in spec.get("tls", []) for host in tls["hosts"]]
        for rule in spec["rules"]:
            if rule["host"] not in secured:
                yield f"Ingress {name}: {rule['host']} has no TLS"
            for path in rule["http"]["paths"]:
                behind = path["backend"]["service"]
                if not serves(build, behind["name"], behind["port"].get("name") or behind["port"].get("number")):
                    yield f"Ingress {name}: there is no service {behind}"
        asked = ingress["metadata"].get("annotations", {}).get("nginx.ingress.kubernetes.io/auth-url")
        if asked and not reached(build, asked):
            yield f"Ingress {name}: nothing answers at {asked}"
        if asked and not any(edges(workload, asked) & set(secured) for workload in build.workloads()):
            yield f"Ingress {name}: the satellite at {asked} does not answer about its hosts"
    fronts = {
        rule["host"]: path["backend"]["service"]["name"]
        for ingress in build.of("Ingress") for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]
    }
    for workload in build.workloads():
        settings = workload.settings() if workload.program else {}
        own = workload.satellite.get("url") if workload.program == "satellite" else settings.get("auth_url")
        if own and fronts.get(urlsplit(own).hostname) is None:
            yield f"{workload.title}: no Ingress has its host, {own}"
        if own and (workload.program == "auth-server" or "upstream" in workload.satellite):
            service = build.find("Service", fronts.get(urlsplit(own).hostname))
            if not service or not carries(workload.labels, service["spec"]["selector"]):
                yield f"{workload.title}: {own} leads to another service"


def edges(workload, asked):
    """The hosts that a satellite answers edges about, if it is the one at that address."""
    service = workload.build.find("Service", urlsplit(asked).hostname.split(".")[0])
    if workload.program != "satellite" or not service or not carries(workload.labels, service["spec"]["selector"]):
        return set()
    return set(workload.satellite.get("forward_auth", {}).get("hosts", []))


def serves(build, name, port):
    service = build.find("Service", name)
    return service and any(port in (known["name"], known["port"]) for known in service["spec"]["ports"])


def reached(build, address):
    """Whether an address within the cluster is a service, or a pod of a StatefulSet by name."""
    url = urlsplit(address)
    first, *rest = url.hostname.split(".")
    if build.find("Service", first):
        return serves(build, first, url.port)
    return address_of_pod(build, first, rest) and serves(build, rest[0], url.port)


def address_of_pod(build, pod, rest):
    owner, _, number = pod.rpartition("-")
    found = build.find("StatefulSet", owner)
    return found and number.isdigit() and rest[:1] == [found["spec"]["serviceName"]] and int(number) < most(build, found)


def most(build, found):
    """How many pods there may be."""
    for scaler in build.of("HorizontalPodAutoscaler"):
        if scaler["spec"]["scaleTargetRef"]["name"] == found["metadata"]["name"]:
            return scaler["spec"]["maxReplicas"]
    return found["spec"].get("replicas", 1)


def addresses(build):
    """Satellites reach the app and every auth server there may be."""
    for workload in build.workloads():
        if workload.program != "satellite":
            continue
        if not workload.satellite:
            yield f"{workload.title}: its settings have no [satellite]"
        servers = workload.settings().get("refresh", {}).get("auth_server", [])
        servers = servers if isinstance(servers, list) else [servers]
        for address in [*servers, *filter(None, [workload.satellite.get("upstream")])]:
            if not reached(build, address):
                yield f"{workload.title}: nothing answers at {address}"
        for found in build.of("StatefulSet"):
            if len(set(servers)) != most(build, found):
                yield f"{workload.title}: it knows {len(set(servers))} auth servers, and there may be {most(build, found)}"


def listeners(build):
    """The settings listen where the pod says that it listens, on all its addresses."""
    for workload in build.workloads():
        settings = workload.settings() if workload.program else {}
        server = settings.get("server", {})
        said = {"http": server.get("listen"), "admin": server.get("admin_listen")}
        if "forward_auth" in workload.satellite:
            said["edges"] = workload.satellite["forward_auth"].get("listen")
        for name, address in said.items() if workload.program else ():
            if address != f"0.0.0.0:{workload.ports().get(name)}":
                yield f"{workload.title}: port {name} is {workload.ports().get(name)}, and the settings listen on {address}"
        if workload.program and not server.get("trusted_proxies"):
            yield f"{workload.title}: server.trusted_proxies names nobody, so all visitors count as one"


def files(build):
    """What the programs read is mounted, and where the auth server writes it may."""
    for workload in build.workloads():
        if not workload.program:
            continue
        container, settings = workload.pod["containers"][0], workload.settings()
        seen = workload.files(container)
        for path in [*workload.configs(container), settings.get("secret_file")]:
            if path not in seen:
                yield f"{workload.title}: there is no file {path}"
        store = settings.get("store", {}).get("url", "file:hallpass.redb")
        writable = [mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
        if workload.program == "satellite":
            if writable:
                yield f"{workload.title}: it has no need to write to {writable}"
        elif store.startswith("file:"):
            if not any(store.startswith(f"file:{folder}/") for folder in writable):
                yield f"{workload.title}: {store} is in no folder that it may write to"
            if most(build, workload.object) != 1:
                yield f"{workload.title}: {store} is for one auth server"
        elif not store.startswith("redis"):
            yield f"{workload.title}: {store} does not outlive it"
