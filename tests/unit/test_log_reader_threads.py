"""Several incidents are read at once, each in a thread of its own."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tools.log_reader.scan import FastScanner, SlowScanner

LOG = (b"INFO all is well\n" * 4000 + b"java.lang.OutOfMemoryError: Java heap space\n") * 8


def test_one_scanner_serves_many_threads_at_once():
    try:
        scanner = FastScanner()
    except ImportError:
        pytest.fail("hyperscan is a dependency and was not found")
    wanted = SlowScanner().scan(LOG)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: scanner.scan(LOG), range(40)))
    assert all(hits == wanted for hits in found)
