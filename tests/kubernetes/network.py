"""Who may reach whom, worked out from the NetworkPolicies and compared with a list.

Why: policies add up, and each alone looks right. One selector too wide and an app can be reached past its satellite; one
rule too few and nobody can sign in.
"""

import ipaddress

from objects import fits

# Everything that may be reached, beside the way to DNS. `*` of monitoring is the pods of Hallpass.
EVERYWHERE = """
ingress-nginx -> auth-server:3000
ingress-nginx -> satellite-app:3000
ingress-nginx -> satellite-admin:9400
ingress-nginx -> admin:8080
satellite-app -> auth-server:3000
satellite-admin -> auth-server:3000
satellite-app -> app:8080
monitoring -> auth-server:9300
monitoring -> satellite-app:9300
monitoring -> satellite-admin:9300
auth-server -> internet:443
auth-server -> kube-system:53
satellite-app -> kube-system:53
satellite-admin -> kube-system:53
app -> kube-system:53
admin -> kube-system:53
"""
OF_ONE_BUILD = {"ha": "auth-server -> redis:6379"}

# Neighbours outside the namespace: namespaces by name, and addresses.
NAMESPACES = ("ingress-nginx", "monitoring", "kube-system", "redis", "somewhere")
ADDRESSES = {"internet": "203.0.113.7", "metadata": "169.254.169.254", "cluster": "10.96.0.1", "office": "192.168.7.7"}
PORTS = (53, 80, 443, 3000, 6379, 8080, 9300, 9400)


def faults(build):
    nobody = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    if nobody not in [policy["spec"] for policy in build.of("NetworkPolicy")]:
        yield "NetworkPolicies: none is about a pod that comes later, which then may do everything"
    wanted = {line for line in (EVERYWHERE + OF_ONE_BUILD.get(build.name, "")).splitlines() if line}
    found = set(flows(build))
    for flow in sorted(wanted - found):
        yield f"NetworkPolicies: {flow} is not allowed, and must be"
    for flow in sorted(found - wanted):
        yield f"NetworkPolicies: {flow} is allowed, and must not be"


def flows(build):
    pods = {workload.name: workload for workload in build.workloads()}
    everybody = [*pods, *NAMESPACES, *ADDRESSES]
    for source in everybody:
        for target in everybody:
            for port in PORTS:
                outside = source not in pods and target not in pods
                if source == target or outside or (target in pods and port not in pods[target].ports().values()):
                    continue
                leaves = source not in pods or may(build, pods, "Egress", source, target, port)
                enters = target not in pods or may(build, pods, "Ingress", target, source, port)
                if leaves and enters:
                    yield f"{source} -> {target}:{port}"


def may(build, pods, direction, pod, peer, port):
    """Whether `pod` may be reached by `peer`, or reach it: any rule of any policy about it that allows it."""
    policies = [
        policy["spec"] for policy in build.of("NetworkPolicy")
        if direction in policy["spec"]["policyTypes"] and fits(policy["spec"]["podSelector"], pods[pod].labels)
    ]
    if not policies:
        return True
    side = {"Ingress": "from", "Egress": "to"}[direction]
    named = pods[pod if direction == "Ingress" else peer].ports() if (direction == "Ingress" or peer in pods) else {}
    rules = [rule for policy in policies for rule in policy.get(direction.lower(), [])]
    return any(
        (side not in rule or any(is_meant(pods, known, peer) for known in rule[side]))
        and ("ports" not in rule or any(named.get(known["port"], known["port"]) == port for known in rule["ports"]))
        for rule in rules
    )


def is_meant(pods, known, peer):
    if "ipBlock" in known:
        address = ADDRESSES.get(peer)
        block = known["ipBlock"]
        return address is not None and within(address, block["cidr"]) and not any(
            within(address, hole) for hole in block.get("except", [])
        )
    if "namespaceSelector" in known:
        # Our own has the name of the build's namespace; what is in others has no labels here.
        labels = {"kubernetes.io/metadata.name": "hallpass" if peer in pods else peer}
        if peer in ADDRESSES or not fits(known["namespaceSelector"], labels):
            return False
        return "podSelector" not in known or peer not in pods or fits(known["podSelector"], pods[peer].labels)
    return peer in pods and fits(known["podSelector"], pods[peer].labels)


def within(address, network):
    return ipaddress.ip_address(address) in ipaddress.ip_network(network)
