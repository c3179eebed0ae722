"""Asks containerd for pods, as kubelet does: cri.py SOCKET run NAME [ANNOTATION=VALUE | HOST-PORT:PORT/PROTOCOL]… | stop POD | image FILE

`run` prints the pod's identity; its control group is named after the socket's directory. `image` writes an image for `ctr images import` in which a pod can wait: busybox alone.

The messages are those of the CRI (https://github.com/kubernetes/cri-api, runtime/v1/api.proto). They are encoded here, field by
field, because Debian has neither crictl nor the compiled messages.
"""

import hashlib
import io
import json
import os
import sys
import tarfile

import grpc

IMAGE = "localhost/wait:1"


def field(number, value):
    """A field of a length and so many bytes (wire type 2)."""
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def varint(number):
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(data + bytes([number]))


def call(socket, method, request):
    with grpc.insecure_channel("unix:" + socket) as channel:
        method = channel.unary_unary("/runtime.v1.RuntimeService/" + method)
        return method(request, wait_for_ready=True, timeout=60)


def run(socket, name, *details):
    annotations = [detail for detail in details if "=" in detail]
    metadata = field(1, name) + field(2, name) + field(3, "default")
    config = field(1, metadata) + field(2, name) + field(4, b"")
    for published in (detail for detail in details if "=" not in detail):
        ports, protocol = published.split("/")
        host_port, container_port = ports.split(":")
        numbers = {1: ["tcp", "udp", "sctp"].index(protocol), 2: int(container_port), 3: int(host_port)}
        # Numbers are of wire type 0.
        config += field(5, b"".join(varint(key << 3) + varint(value) for key, value in numbers.items()))
    for annotation in annotations:
        key, value = annotation.split("=", 1)
        config += field(7, field(1, key) + field(2, value))
    cgroup = "/" + os.path.basename(os.path.dirname(socket))
    config += field(8, field(1, cgroup))
    response = call(socket, "RunPodSandbox", field(1, config))
    # Its only field is shorter than 128 bytes.
    print(response[2:].decode())


def stop(socket, pod):
    call(socket, "StopPodSandbox", field(1, pod))
    call(socket, "RemovePodSandbox", field(1, pod))


def image(path):
    layer = archive({"bin/busybox": open("/bin/busybox", "rb").read()}, directories=["proc", "sys", "dev", "etc", "run", "tmp"])
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": ["/bin/busybox", "sleep", "2147483647"]},
        "rootfs": {"type": "layers", "diff_ids": [digest(layer)]},
    }
    config = json.dumps(config).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": describe("application/vnd.oci.image.config.v1+json", config),
        "layers": [describe("application/vnd.oci.image.layer.v1.tar", layer)],
    }
    manifest = json.dumps(manifest).encode()
    described = describe("application/vnd.oci.image.manifest.v1+json", manifest)
    described["annotations"] = {"io.containerd.image.name": IMAGE}
    files = {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": json.dumps({"schemaVersion": 2, "manifests": [described]}).encode(),
    }
    files |= {"blobs/sha256/" + digest(blob).split(":")[1]: blob for blob in (layer, config, manifest)}
    with open(path, "wb") as file:
        file.write(archive(files))


def archive(files, directories=()):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in directories:
            member = tarfile.TarInfo(name)
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(member)
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def describe(media_type, data):
    return {"mediaType": media_type, "digest": digest(data), "size": len(data)}


if __name__ == "__main__":
    _, socket, command, *arguments = sys.argv
    if command == "image":
        image(*arguments)
    else:
        {"run": run, "stop": stop}[command](socket, *arguments)
