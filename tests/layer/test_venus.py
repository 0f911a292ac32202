#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The layer where it belongs: in virglrenderer's render server, under a real Venus client.

test_venus.py LAYER_DIR PIXELS [PRELOAD]

Starts virgl_test_server with the layer's environment and runs PIXELS (venus_pixels.c) on it. Its
hash must be the one of lavapipe itself; without the layer it must fail. PRELOAD is a sanitizer's
library for the server, when the layer is built with it.
"""
import contextlib
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

# What Venus causes with any driver: virglrenderer exports all that is HOST_VISIBLE, whatever the
# guest's application said of its buffers and images.
CAUSED_BY_VENUS = {"VUID-VkBindBufferMemoryInfo-memory-02985",
                   "VUID-VkBindImageMemoryInfo-memory-02989"}

LIMIT = 60  # seconds, for anything that a client does


def find_icd(name):
    for folder in ("/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"):
        for path in sorted(glob.glob(f"{folder}/{name}_icd*.json")):
            return path
    print(f"no Vulkan driver {name} on this machine")
    sys.exit(77)


class Bench:
    def __init__(self, layer, pixels, preload):
        self.layer, self.pixels, self.preload = layer, pixels, preload
        self.lavapipe, self.venus = find_icd("lvp"), find_icd("virtio")
        self.server = shutil.which("virgl_test_server")
        if not self.server:
            print("no virgl_test_server on this machine")
            sys.exit(77)

    def env(self, **more):
        drop = ("VK_INSTANCE_LAYERS", "VK_ADD_LAYER_PATH", "VK_LOADER_LAYERS_DISABLE")
        env = {k: v for k, v in os.environ.items() if k not in drop}
        env["VK_DRIVER_FILES"] = self.lavapipe
        env.update(more)
        return env

    def explicit(self):
        return {"VK_ADD_LAYER_PATH": self.layer,
                "VK_INSTANCE_LAYERS": "VK_LAYER_HESPER_host_memory",
                "HESPER_HOST_MEMORY": "always"}

    def implicit(self):
        return {"VK_ADD_IMPLICIT_LAYER_PATH": os.path.join(self.layer, "implicit"),
                "HESPER_HOST_MEMORY_IMPLICIT": "1",
                "HESPER_HOST_MEMORY": "always"}

    @contextlib.contextmanager
    def run_server(self, layer_env):
        with tempfile.TemporaryDirectory(prefix="hesper-") as folder:
            socket, log = os.path.join(folder, "s"), os.path.join(folder, "log")
            env = self.env(**layer_env)
            if self.preload:
                env["LD_PRELOAD"] = self.preload
            with open(log, "wb") as out:
                process = subprocess.Popen(
                    [self.server, "--venus", "--no-virgl", "--multi-clients",
                     "--socket-path", socket],
                    env=env, stdout=out, stderr=out, start_new_session=True)
            try:
                deadline = time.monotonic() + LIMIT
                while not os.path.exists(socket):
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise RuntimeError("the server did not start: " + open(log).read())
                    time.sleep(0.01)
                yield process, self.env(VK_DRIVER_FILES=self.venus, VN_DEBUG="vtest",
                                        VTEST_SOCKET_NAME=socket)
            finally:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(LIMIT)
                with open(log, encoding="utf-8", errors="replace") as file:
                    process.output = file.read()

    def run_client(self, env, limit=LIMIT):
        """The device and the hash that the client printed; (None, None) when it failed."""
        try:
            done = subprocess.run([self.pixels], env=env, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, timeout=limit, check=False, text=True)
        except subprocess.TimeoutExpired:
            return None, None
        lines = dict(line.split(" ", 1) for line in done.stdout.splitlines())
        if done.returncode != 0:
            return None, None
        return lines["device"], lines["hash"]


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


def descendants(pid):
    for child in children(pid):
        yield child
        yield from descendants(child)


def maps_driver(pid):
    with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
        return "libvulkan_lvp" in file.read()


def server_processes_with_driver(bench, layer_env):
    """While a client has a device: how many processes of the server have mapped lavapipe, and
    how many are the fork servers that made those."""
    with bench.run_server(layer_env) as (server, env):
        client = subprocess.Popen([bench.pixels, "--wait"], env=env, stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        try:
            lines = [client.stdout.readline(), client.stdout.readline()]
            if not lines[1].startswith("hash "):
                raise RuntimeError(f"the client said {lines}")
            loaded = [pid for pid in descendants(server.pid) if maps_driver(pid)]
            parents = [pid for pid in loaded if any(c in loaded for c in children(pid))]
            return len(loaded), len(parents)
        finally:
            client.stdin.close()
            client.stdout.close()
            client.wait(LIMIT)


def main():
    bench = Bench(sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "")
    failures = []

    def expect(condition, words):
        print(("ok      " if condition else "FAILED  ") + words, flush=True)
        if not condition:
            failures.append(words)

    native_device, native_hash = bench.run_client(bench.env())
    expect(native_hash is not None, f"native: {native_device}, hash {native_hash}")

    for name, layer_env in (("layer", bench.explicit()), ("implicit layer", bench.implicit())):
        with bench.run_server(layer_env) as (_, env):
            device, pixels_hash = bench.run_client(env)
            expect(device is not None and "Venus" in device, f"{name}: {device}")
            expect(pixels_hash == native_hash, f"{name}: hash {pixels_hash}")

    below = bench.explicit()
    below["VK_INSTANCE_LAYERS"] += ":VK_LAYER_KHRONOS_validation"
    with bench.run_server(below) as (server, env):
        _, pixels_hash = bench.run_client(env)
    expect(pixels_hash == native_hash, f"layer above validation: hash {pixels_hash}")
    messages = set(re.findall(r"VUID-[-\w]+", server.output))
    expect(messages == CAUSED_BY_VENUS, f"layer above validation: {sorted(messages)}")

    # Without the layer: on lavapipe with /dev/udmabuf this could work; here it must not.
    if not os.path.exists("/dev/udmabuf"):
        with bench.run_server({}) as (server, env):
            device, pixels_hash = bench.run_client(env, limit=10)
        expect(pixels_hash is None, "no layer: the client fails")
        expect("resource_export_blob which failed" in server.output,
               "no layer: virglrenderer had no memory that it could export")

    # virglrenderer 1.1 loads the driver before it forks; the implicit layer prevents that.
    loaded, parents = server_processes_with_driver(bench, bench.explicit())
    print(f"        layer: {loaded} processes with the driver, {parents} of them fork servers")
    if parents == 0:
        print("        this virglrenderer does not load drivers before it forks")
    loaded, parents = server_processes_with_driver(bench, bench.implicit())
    expect((loaded, parents) == (1, 0),
           f"implicit layer: {loaded} process with the driver, {parents} fork servers")
    sys.exit(1 if failures else 0)


main()
