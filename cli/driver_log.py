"""A made-up driver log: in the proportions of a busy Spark driver's, the same one every time, with one real failure."""

from __future__ import annotations

import random
from pathlib import Path

#: So much of the log is different; longer logs repeat it, with the real failure at the very end.
_DISTINCT_BYTES = 32_000_000
_SEED = 20261102


def write_log(path: Path, size: int) -> None:
    """Write a driver log of about `size` bytes, the same one every time, that ends in a real failure."""
    rng = random.Random(_SEED)  # noqa: S311 - a log, not a key
    distinct = bytearray()
    while len(distinct) < min(size, _DISTINCT_BYTES):
        distinct += _record(rng)
    ending = _ENDING.encode()
    with path.open("wb") as out:
        left = size - len(ending)
        while left > 0:
            part = distinct if left >= len(distinct) else distinct[: distinct.rfind(b"\n", 0, left) + 1]
            if not part:
                break
            out.write(part)
            left -= len(part)
        out.write(ending)


def _record(rng: random.Random) -> bytes:
    """A few lines in the proportions of a busy driver's log, by records: 95.5% INFO, 3.5% WARN, 0.5% ERROR, 0.5% stacks."""
    stamp = f"26/11/02 {rng.randrange(24):02d}:{rng.randrange(60):02d}:{rng.randrange(60):02d}"
    numbers = [rng.randrange(1, 100_000) for _ in range(4)]
    dice = rng.random()
    if dice < 0.955:
        template, level = rng.choice(_INFO), "INFO"
    elif dice < 0.99:
        template, level = rng.choice(_WARN), "WARN"
    elif dice < 0.995:
        template, level = rng.choice(_ERROR), "ERROR"
    else:
        return _stack(rng, stamp, numbers)
    return f"{stamp} {level} {template.format(*numbers)}\n".encode()


def _stack(rng: random.Random, stamp: str, numbers: list[int]) -> bytes:
    head = f"{stamp} WARN TaskSetManager: Lost task {numbers[0]}.0 in stage {numbers[1]}.0 (TID {numbers[2]}) (10.0.1.{numbers[3] % 250} executor 3): "
    lines = [head + rng.choice(_EXCEPTIONS).format(*numbers)]
    lines += [
        f"\tat org.apache.spark.{rng.choice(_FRAMES)}(File.scala:{rng.randrange(900)})"
        for _ in range(rng.randrange(15, 45))
    ]
    lines += [f"Caused by: {rng.choice(_EXCEPTIONS).format(*numbers)}", f"\t... {rng.randrange(5, 30)} more"]
    return ("\n".join(lines) + "\n").encode()


_INFO = (
    "TaskSetManager: Starting task {0}.0 in stage {1}.0 (TID {2}) (10.0.1.17, executor 3, partition {3}, PROCESS_LOCAL, 9124 bytes)",
    "TaskSetManager: Finished task {0}.0 in stage {1}.0 (TID {2}) in {3} ms on 10.0.1.17 (executor 3) (12/200)",
    "BlockManagerInfo: Added broadcast_{0}_piece0 in memory on 10.0.1.17:{1} (size: 86.2 KiB, free: 434.3 MiB)",
    "BlockManagerInfo: Removed broadcast_{0}_piece0 on 10.0.1.17:{1} in memory (size: 8.2 KiB, free: 434.4 MiB)",
    "MemoryStore: Block broadcast_{0} stored as values in memory (estimated size {1}.6 KiB, free {2}.9 MiB)",
    "DAGScheduler: Submitting {0} missing tasks from ResultStage {1} (MapPartitionsRDD[{2}] at save at NativeMethodAccessorImpl.java:0)",
    "ShuffleBlockFetcherIterator: Getting {0} (16.3 KiB) non-empty blocks including {1} local and {2} remote blocks",
    "CodeGenerator: Code generated in {0}.{1} ms",
    "FileSourceStrategy: Pushed Filters: IsNotNull(event_date),EqualTo(event_date,{0})",
    "FileScanRDD: Reading File path: abfss://lake@acme.dfs.core.windows.net/silver/orders/part-{0}.parquet, range: 0-{1}, partition values: [{2}]",
    "customer_load: batch {0} committed, {1} rows, lag {2}",
)
_WARN = (
    "GarbageCollectionMetrics: To enable non-built-in garbage collector(s) List(G1 Concurrent GC), users should configure it ({0})",
    "MemoryStore: Not enough space to cache rdd_{0}_{1} in memory! (computed {2}.0 MiB so far)",
    "HintErrorLogger: Hint broadcast is overridden by another hint and will not take effect ({0})",
    "stock_levels: attempt {0}: HTTP 503, sleeping",
)
_ERROR = (
    "TaskSchedulerImpl: Lost executor {0} on 10.0.1.17: Remote RPC client disassociated.",
    "feed: request {0} failed, retrying in 5 s",
    "ShuffleBlockFetcherIterator: Failed to get block(s) from 10.0.1.17:{0}",
)
_EXCEPTIONS = (
    "java.io.IOException: Connection reset by peer ({0})",
    "org.apache.spark.SparkException: Python worker exited unexpectedly (crashed)",
    "org.apache.spark.shuffle.FetchFailedException: Failed to connect to /10.0.1.17:{1}",
    "java.util.concurrent.TimeoutException: Futures timed out after [{0} seconds]",
)
_FRAMES = (
    "rdd.RDD.iterator",
    "executor.Executor$TaskRunner.run",
    "scheduler.Task.run",
    "sql.execution.WholeStageCodegenExec.next",
    "storage.BlockManager.get",
)
_ENDING = """\
26/11/02 23:59:58 ERROR TaskSetManager: Task 3 in stage 9.0 failed 4 times; aborting job
Traceback (most recent call last):
  File "/Workspace/Repos/etl/load.py", line 41, in <module>
    frame.write.saveAsTable("mart.sales")
  File "/databricks/spark/python/pyspark/sql/readwriter.py", line 1586, in saveAsTable
    self._jwrite.saveAsTable(name)
py4j.protocol.Py4JJavaError: An error occurred while calling o88.saveAsTable.
: org.apache.spark.SparkException: Job aborted due to stage failure: Task 3 in stage 9.0 failed 4 times, most recent failure: Lost task 3.3 in stage 9.0 (TID 91) (10.0.1.17 executor 3): java.io.IOException: No space left on device
\tat java.base/sun.nio.ch.FileDispatcherImpl.write0(Native Method)
\tat org.apache.spark.storage.DiskStore.put(DiskStore.scala:88)

Driver stacktrace:
\tat org.apache.spark.scheduler.DAGScheduler.abortStage(DAGScheduler.scala:2791)
26/11/02 23:59:59 INFO SparkContext: Invoking stop() from shutdown hook
"""
