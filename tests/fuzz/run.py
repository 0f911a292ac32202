#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs fuzz targets.

run.py play PROGRAM TARGET             plays what is known: seeds, corpus, what was found before
run.py search PROGRAM TARGET [OPTION…] searches from there, with libFuzzer; exit status 1 when an
                                       input ends the target, 77 when PROGRAM is not built
  --seconds=N     how long (default 20)
  --keep=DIR      what is new goes here, and the next search starts from it (default: nowhere)
  --crashes=DIR   where an input goes that ends the target (default: the folder of PROGRAM)
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
SKIPPED = 77

# Bytes of an input at most. Longer ones are not better, only slower.
MAX_BYTES = {"gpu": 6144, "vhost": 4096, "rings": 3072, "server": 4000, "client": 3840, "input": 3072,
             "render": 3840, "wire": 2048, "config": 2048, "edid": 64}

SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:allocator_may_return_null=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}


def known_inputs(target, folder):
    """Everything that is known about a target, as files in a folder."""
    subprocess.run([sys.executable, os.path.join(HERE, "seeds.py"), target, folder], check=True)
    corpus = os.path.join(HERE, "corpus", target + ".zip")
    if os.path.exists(corpus):
        with zipfile.ZipFile(corpus) as archive:
            archive.extractall(folder)


def environment():
    result = dict(os.environ)
    for name, value in SANITIZERS.items():
        result.setdefault(name, value)
    for version in range(30, 15, -1):
        symbolizer = f"/usr/lib/llvm-{version}/bin/llvm-symbolizer"
        if os.path.exists(symbolizer) and "ASAN_SYMBOLIZER_PATH" not in result:
            result["ASAN_SYMBOLIZER_PATH"] = symbolizer
    return result


def play(program, target):
    with tempfile.TemporaryDirectory() as folder:
        known_inputs(target, folder)
        return subprocess.run([program, folder], env=environment(), check=False).returncode


def busy_seconds():
    """What children have had of a processor."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def search(options, scratch):
    known = os.path.join(scratch, "known")
    keep = os.path.abspath(options.keep) if options.keep else os.path.join(scratch, "new")
    crashes = os.path.abspath(options.crashes or os.path.dirname(options.program))
    os.makedirs(keep, exist_ok=True)
    os.makedirs(crashes, exist_ok=True)
    known_inputs(options.target, known)
    command = [
        options.program,
        f"-max_total_time={options.seconds}",
        f"-max_len={MAX_BYTES[options.target]}",
        f"-artifact_prefix={crashes}/{options.target}-",
        "-close_fd_mask=3", "-timeout=25", "-rss_limit_mb=3072", "-print_final_stats=1",
        keep, known,
    ]
    before = busy_seconds()
    start = time.monotonic()
    run = subprocess.run(command, env={**environment(), "FUZZ_LOG": "1"}, stdin=subprocess.DEVNULL,
                         check=False, capture_output=True, text=True, errors="replace")
    searched = min(time.monotonic() - start, busy_seconds() - before)
    lines = run.stderr.splitlines()
    if run.returncode != 0:
        print("\n".join(line for line in lines[-150:] if not line.startswith("#")))
        print(f"The input is in {crashes}. To play it: {options.program} FILE")
        # libFuzzer's own status is 77, which says "skipped" to meson.
        return 1
    # Of what libFuzzer tells, the last figures.
    done = [line for line in lines if "DONE" in line or line.startswith("stat::")]
    print("\n".join(done))
    # On a busy host a search gets less of the processor than it takes time.
    print(f"stat::searched_seconds: {searched:.1f}")
    return 0


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("what", choices=("play", "search"))
    parser.add_argument("program")
    parser.add_argument("target")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--keep")
    parser.add_argument("--crashes")
    options = parser.parse_args()
    options.program = os.path.abspath(options.program)
    if not os.path.exists(options.program):
        print(f"{options.program} is not built: make fuzz-build")
        sys.exit(SKIPPED)
    if options.what == "play":
        sys.exit(play(options.program, options.target))
    with tempfile.TemporaryDirectory() as scratch:
        sys.exit(search(options, scratch))


if __name__ == "__main__":
    main()
