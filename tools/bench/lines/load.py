"""Many clients of `genai serve` at once: throughput against one client, latency, and memory over many requests."""

import http.client
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tools.bench.bench import BIN, MEGABYTE, Bench, Line
from tools.bench.report import Expectation

CLIENTS = 32
TOKENS = 20
WAIT = 120  # seconds for the server's start, or for an answer
PLACE = re.compile(r"http://127\.0\.0\.1:(\d+)/")


@dataclass
class Load:
    """What clients met: seconds of each request that was answered well, and how many were not."""

    seconds: list[float] = field(default_factory=list)
    lost: int = 0
    wall: float = 0.0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.seconds) / self.wall

    def quantile(self, share: float) -> float:
        """The seconds within which this share of the requests was answered."""
        return sorted(self.seconds)[min(int(len(self.seconds) * share), len(self.seconds) - 1)]


@contextmanager
def serve(bench: Bench) -> Iterator[int]:
    """A server of tiny with a worker of its own: its port."""
    environment = os.environ | {"XDG_RUNTIME_DIR": str(bench.folder)}
    command = [str(BIN / "genai"), "serve", "-m", "tiny", "--port", "0", "--device", bench.device]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stderr is not None
        found = PLACE.search(process.stderr.readline())
        assert found, "the server said no address"
        yield int(found[1])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(WAIT)
        subprocess.run([str(BIN / "genai"), "worker", "stop"], env=environment, check=False, capture_output=True)


def ask(port: int, clients: int, requests: int) -> Load:
    """Have clients ask for short texts, each the next when its last was answered."""
    load, lock, numbers = Load(), threading.Lock(), iter(range(requests))

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            body = {"model": "tiny", "prompt": f"Chapter {number}", "max_tokens": TOKENS, "seed": number}
            started = time.perf_counter()
            connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            with lock:
                if answer.status == 200:
                    load.seconds.append(time.perf_counter() - started)
                else:
                    load.lost += 1

    threads = [threading.Thread(target=client) for _ in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    load.wall = time.perf_counter() - started
    return load


def many_clients(bench: Bench) -> None:
    """Texts of tiny for 32 clients, against one."""
    with serve(bench) as port:
        ask(port, CLIENTS, CLIENTS)
        several, one = [], []
        for _ in range(bench.choose(5, 2)):
            several.append(ask(port, CLIENTS, bench.choose(640, 128)))
            one.append(ask(port, 1, bench.choose(60, 10)))
    rates = [load.rate for load in several], [load.rate for load in one]
    what = f"answers a second, {CLIENTS} clients, {TOKENS} tokens each"
    bench.add_pairs("load-clients", what, "one client", "/s", rates, Expectation(3, at_least=True))
    for name, share in {"p50": 0.5, "p99": 0.99}.items():
        waited = [load.quantile(share) for load in several], [load.quantile(share) for load in one]
        bench.add_pairs("load-clients", f"seconds of a request, {name}", "one client", "s", waited)
    bench.add_own("load-clients", "requests lost", "", [float(sum(load.lost for load in several))], Expectation(0))


def long_load(bench: Bench) -> None:
    """Memory of server and worker over many requests."""
    requests = bench.choose(10_000, 1_000)
    with serve(bench) as port:
        ask(port, CLIENTS, requests // 10)
        before = measure_memory(bench.folder)
        load = ask(port, CLIENTS, requests)
        after = measure_memory(bench.folder)
    notes = f"{requests} requests at {load.rate:.0f}/s, p50 {load.quantile(0.5):.2f} s, p99 {load.quantile(0.99):.2f} s"
    growth = Expectation(1.05)
    bench.add_pairs("load-long", "memory of server and worker", "before", "MB", ([after], [before]), growth, notes)
    bench.add_own("load-long", "requests lost", "", [float(load.lost)], Expectation(0))


def measure_memory(runtime: Path) -> float:
    """The memory in MB of the processes whose runtime folder this is: the server and its worker."""
    mark = f"XDG_RUNTIME_DIR={runtime}".encode()
    found = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found += int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except OSError:
            continue  # ended meanwhile, or another user's
    return found / MEGABYTE


LINES = (
    Line("load-clients", "32 clients of genai serve at once, against one", many_clients),
    Line("load-long", "memory of genai serve over 10,000 requests", long_load),
)
