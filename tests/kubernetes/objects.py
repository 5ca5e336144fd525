"""What a kustomization builds, in the words that the checks use.

Why: the checks ask the same few things (whose pods, which files does a pod see, which settings does that make), and the
answers are worked out here only.
"""

import base64
from dataclasses import dataclass
from pathlib import Path

import tomli
import yaml


@dataclass(frozen=True)
class Build:
    """All objects of one kustomization, by kind and name."""

    name: str
    objects: tuple

    @classmethod
    def read(cls, name, file):
        documents = yaml.safe_load_all(Path(file).read_text())
        return cls(name, tuple(document for document in documents if document))

    def of(self, *kinds):
        return [known for known in self.objects if known.get("kind") in kinds]

    def find(self, kind, name):
        return next((known for known in self.of(kind) if known["metadata"]["name"] == name), None)

    def workloads(self):
        return [Workload(self, known) for known in self.of("Deployment", "StatefulSet", "DaemonSet")]

    def selected(self, selector):
        return [known for known in self.workloads() if fits(selector, known.labels)]


@dataclass(frozen=True)
class Workload:
    """Something that makes pods."""

    build: Build
    object: dict

    @property
    def kind(self):
        return self.object["kind"]

    @property
    def name(self):
        return self.object["metadata"]["name"]

    @property
    def title(self):
        return f"{self.kind} {self.name}"

    @property
    def labels(self):
        return self.object["spec"]["template"]["metadata"].get("labels", {})

    @property
    def pod(self):
        return self.object["spec"]["template"]["spec"]

    @property
    def containers(self):
        return self.pod.get("initContainers", []) + self.pod["containers"]

    @property
    def program(self):
        """Which of our programs its first container runs; nothing for an app."""
        image = self.pod["containers"][0]["image"].split("@")[0].rsplit("/", 1)[-1].split(":")[0]
        return image if image in ("auth-server", "satellite") else None

    def ports(self):
        """Container ports by their name."""
        ports = [port for container in self.containers for port in container.get("ports", [])]
        return {port.get("name", ""): port["containerPort"] for port in ports}

    def files(self, container):
        """What a container sees of ConfigMaps and Secrets: contents by path."""
        volumes = {volume["name"]: volume for volume in self.pod.get("volumes", [])}
        seen = {}
        for mount in container.get("volumeMounts", []):
            for kind, name in sources(volumes.get(mount["name"], {})):
                found = self.build.find(kind, name)
                for key, content in contents(found or {}).items():
                    seen[f"{mount['mountPath']}/{key}"] = content
        return seen

    def configs(self, container):
        """The settings files that it is started with, in their order."""
        args = container.get("args", [])
        return [after for flag, after in zip(args, args[1:]) if flag == "--config"]

    def settings(self):
        """What they say together: a later one wins, section by section."""
        container = self.pod["containers"][0]
        files, merged = self.files(container), {}
        for path in self.configs(container):
            merged = merge(merged, tomli.loads(files.get(path, "")))
        return merged

    @property
    def satellite(self):
        """The section of that name."""
        return self.settings().get("satellite", {})


def sources(volume):
    """The ConfigMaps and Secrets that a volume shows: kind and name."""
    for part in [volume, *volume.get("projected", {}).get("sources", [])]:
        if "configMap" in part:
            yield "ConfigMap", part["configMap"]["name"]
        if "secret" in part:
            yield "Secret", part["secret"].get("secretName") or part["secret"]["name"]


def contents(found):
    """The texts of a ConfigMap or a Secret, by key."""
    data = found.get("data", {})
    if found.get("kind") == "Secret":
        return {key: base64.b64decode(text).decode() for key, text in data.items()}
    return data


def merge(first, second):
    both = dict(first)
    for key, value in second.items():
        old = both.get(key)
        both[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return both


def fits(selector, labels):
    """Whether a label selector fits; an empty one fits everything. Expressions are not used here, so none is understood."""
    if selector.get("matchExpressions"):
        raise NotImplementedError("matchExpressions")
    return carries(labels, selector.get("matchLabels", {}))


def carries(labels, wanted):
    return all(labels.get(key) == value for key, value in wanted.items())
