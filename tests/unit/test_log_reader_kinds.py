"""One log of each kind: what the reader takes for the primary failure, and where it says it stands."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tools.log_reader import primary, read_text


@dataclass(frozen=True)
class Case:
    """A log, what its first block's decisive lines must hold, and what the block must be."""

    name: str
    log: str
    decisive: str
    exception: str | None = None
    kind: str | None = None
    error_class: str | None = None
    sqlstate: str | None = None


SPARK_HEAD = """\
26/11/02 03:10:01 INFO SparkContext: Running Spark version 3.5.5
26/11/02 03:10:01 WARN NativeCodeLoader: Unable to load native-hadoop library for your platform... using builtin-java classes where applicable
26/11/02 03:10:02 INFO DAGScheduler: Missing parents: List()
26/11/02 03:10:02 INFO TaskSetManager: Starting task 0.0 in stage 0.0 (TID 0) (localhost, executor driver, partition 0, PROCESS_LOCAL, 9124 bytes)
"""
SPARK_END = """\
2026-11-02 03:10:21,132 INFO py4j.clientserver: Closing down clientserver connection
26/11/02 03:10:21 INFO SparkContext: Invoking stop() from shutdown hook
26/11/02 03:10:21 INFO SparkContext: SparkContext is stopping with exitCode 0.
26/11/02 03:10:21 INFO ShutdownHookManager: Shutdown hook called
"""

PYTHON = [
    Case(
        "plain traceback",
        'Traceback (most recent call last):\n  File "/Workspace/etl.py", line 4, in <module>\n    x = d["net"]\n'
        "        ~^^^^^^^\nKeyError: 'net'\n",
        "KeyError: 'net'",
        "KeyError",
        "python_traceback",
    ),
    Case(
        "cause given on purpose",
        'Traceback (most recent call last):\n  File "/Workspace/etl.py", line 4, in load\n    open(path)\n'
        "FileNotFoundError: [Errno 2] No such file or directory: '/dbfs/in.csv'\n\n"
        "The above exception was the direct cause of the following exception:\n\n"
        'Traceback (most recent call last):\n  File "/Workspace/etl.py", line 9, in <module>\n    main()\n'
        '  File "/Workspace/etl.py", line 7, in main\n    raise RuntimeError("loading failed") from e\n'
        "RuntimeError: loading failed\n",
        "/dbfs/in.csv",
        "FileNotFoundError",
    ),
    Case(
        "a cleanup that fails hides the cause",
        'Traceback (most recent call last):\n  File "/Workspace/etl.py", line 12, in <module>\n    total = rows / n\n'
        "ZeroDivisionError: division by zero\n\n"
        "During handling of the above exception, another exception occurred:\n\n"
        'Traceback (most recent call last):\n  File "/Workspace/etl.py", line 15, in <module>\n    conn.close()\n'
        "AttributeError: 'NoneType' object has no attribute 'close'\n",
        "division by zero",
        "ZeroDivisionError",
    ),
    Case(
        "a probe inside a library, then its considered answer",
        'Traceback (most recent call last):\n  File "/databricks/python/lib/python3.11/site-packages/cfg/core.py", line 8, in get\n'
        "    return self._data[key]\nKeyError: 'endpoint'\n\n"
        "During handling of the above exception, another exception occurred:\n\n"
        'Traceback (most recent call last):\n  File "/Workspace/etl.py", line 3, in <module>\n    cfg.get("endpoint")\n'
        '  File "/databricks/python/lib/python3.11/site-packages/cfg/core.py", line 11, in get\n'
        '    raise ConfigError(f"no setting {key!r} in {self.file}")\n'
        "cfg.core.ConfigError: no setting 'endpoint' in /etc/cfg.toml\n",
        "no setting 'endpoint'",
        "cfg.core.ConfigError",
    ),
    Case(
        "exception group",
        "  + Exception Group Traceback (most recent call last):\n"
        '  |   File "/Workspace/g.py", line 9, in <module>\n  |     asyncio.run(m())\n'
        "  | ExceptionGroup: unhandled errors in a TaskGroup (2 sub-exceptions)\n"
        "  +-+---------------- 1 ----------------\n"
        "    | Traceback (most recent call last):\n"
        '    |   File "/Workspace/g.py", line 8, in a\n    |     work(n)\n'
        "    | ValueError: bad value 1\n"
        "    +---------------- 2 ----------------\n"
        "    | Traceback (most recent call last):\n"
        '    |   File "/Workspace/g.py", line 8, in a\n    |     work(n)\n'
        "    | KeyError: 'k'\n"
        "    +------------------------------------\n",
        "ValueError: bad value 1",
        "ValueError",
    ),
    Case(
        "syntax error of the script itself",
        "  File \"/Workspace/etl.py\", line 1\n    print(\n         ^\nSyntaxError: '(' was never closed\n",
        "'(' was never closed",
        "SyntaxError",
        "python_traceback",
    ),
    Case(
        "notebook cell with arrows",
        "---------------------------------------------------------------------------\n"
        "ValueError                                Traceback (most recent call last)\n"
        "File <command-2042>, line 12\n     10 rows = load()\n     11 \n---> 12 check(rows)\n\n"
        "File <command-2042>, line 5, in check(rows)\n      3 def check(rows):\n      4     if not rows:\n"
        '----> 5         raise ValueError("empty extract for 2026-11-02")\n\n'
        "ValueError: empty extract for 2026-11-02\n",
        "empty extract for",
        "ValueError",
        "python_traceback",
    ),
    Case(
        "old notebook cell",
        "---------------------------------------------------------------------------\n"
        "AnalysisException                         Traceback (most recent call last)\n"
        "<command-77> in <module>\n----> 1 spark.table('a.b').count()\n\n"
        "/databricks/spark/python/pyspark/sql/session.py in table(self, name)\n    840 \n--> 841   return DataFrame(self._jsparkSession.table(name), self)\n\n"
        "AnalysisException: [TABLE_OR_VIEW_NOT_FOUND] The table or view `a`.`b` cannot be found. SQLSTATE: 42P01;\n"
        "'UnresolvedRelation [a, b], [], false\n",
        "[TABLE_OR_VIEW_NOT_FOUND]",
        "AnalysisException",
        error_class="TABLE_OR_VIEW_NOT_FOUND",
        sqlstate="42P01",
    ),
    Case(
        "progress bar in front of the traceback",
        " 10%|#         | 1/10 [00:00<00:01]\r 50%|#####     | 5/10 [00:00<00:00]Traceback (most recent call last):\n"
        '  File "/Workspace/etl.py", line 4, in <module>\n    f()\nOverflowError: too large\n',
        "too large",
        "OverflowError",
    ),
    Case(
        "logged through a scheduler, a prefix on every line",
        "[2026-11-02, 03:10:01 UTC] {subprocess.py:93} INFO - Traceback (most recent call last):\n"
        '[2026-11-02, 03:10:01 UTC] {subprocess.py:93} INFO -   File "/opt/etl.py", line 3, in <module>\n'
        "[2026-11-02, 03:10:01 UTC] {subprocess.py:93} INFO -     run()\n"
        "[2026-11-02, 03:10:01 UTC] {subprocess.py:93} INFO - LookupError: no such partition\n"
        "[2026-11-02, 03:10:01 UTC] {subprocess.py:97} INFO - Command exited with return code 1\n",
        "no such partition",
        "LookupError",
    ),
    Case(
        "a container's prefix on every line",
        "2026-11-02T03:10:01.123456789Z Traceback (most recent call last):\n"
        '2026-11-02T03:10:01.123456789Z   File "/app/etl.py", line 3, in <module>\n'
        "2026-11-02T03:10:01.123456789Z     run()\n"
        "2026-11-02T03:10:01.123456789Z PermissionError: [Errno 13] Permission denied: '/data/x'\n",
        "Permission denied: '/data/x'",
        "PermissionError",
    ),
    Case(
        "JSON log with the stack in a string",
        '{"ts": "2026-11-02T03:10:00Z", "level": "INFO", "message": "start"}\n'
        '{"ts": "2026-11-02T03:10:01Z", "level": "ERROR", "message": "job failed", "exc_info": "Traceback (most recent call last):\\n'
        "  File \\\"/app/etl.py\\\", line 3, in <module>\\n    run()\\nUnicodeDecodeError: 'utf-8' codec can't decode byte 0xe9\"}\n",
        "can't decode byte 0xe9",
        "UnicodeDecodeError",
    ),
    Case(
        "message over several lines",
        'Traceback (most recent call last):\n  File "/Workspace/etl.py", line 2, in <module>\n    con.execute(q)\n'
        'psycopg.errors.UndefinedColumn: column "amt" does not exist\nLINE 1: select amt from s\n               ^\n'
        'HINT:  Perhaps you meant to reference the column "s.amount".\n',
        'column "amt" does not exist',
        "psycopg.errors.UndefinedColumn",
    ),
]

JAVA = [
    Case(
        "caused by, with a suppressed one",
        'Exception in thread "main" java.lang.RuntimeException: load of /in.csv failed\n'
        "\tat com.acme.etl.App.load(App.java:6)\n\tat com.acme.etl.App.main(App.java:9)\n"
        "\tSuppressed: java.lang.IllegalStateException: close failed\n\t\tat com.acme.etl.App$Res.close(App.java:3)\n\t\t... 1 more\n"
        "Caused by: java.io.FileNotFoundException: /in.csv (No such file or directory)\n"
        "\tat java.base/java.io.FileInputStream.open0(Native Method)\n\tat com.acme.etl.App.load(App.java:5)\n\t... 1 more\n",
        "/in.csv (No such file or directory)",
        "java.io.FileNotFoundException",
        "java_stack",
    ),
    Case(
        "a root that says nothing",
        "26/11/02 03:10:03 ERROR Executor: Exception in task 0.0 in stage 0.0 (TID 0)\n"
        "org.apache.spark.SparkException: Python worker failed to connect back.\n"
        "\tat org.apache.spark.errors.SparkCoreErrors$.x(SparkCoreErrors.scala:1)\n"
        "Caused by: java.io.EOFException\n\tat java.base/java.io.DataInputStream.readInt(DataInputStream.java:386)\n\t... 3 more\n",
        "Python worker failed to connect back",
        "org.apache.spark.SparkException",
    ),
    Case(
        "a cause that prints a sentence in place of its class",
        "java.util.concurrent.ExecutionException: boom\n\tat a.b.C.d(C.java:1)\n"
        'Caused by: Operation failed: "This request is not authorized", 403, HEAD, https://x.dfs.core.windows.net/c\n'
        "\tat org.apache.hadoop.fs.azurebfs.X.y(X.java:2)\n\t... 4 more\n",
        "not authorized",
        None,
    ),
    Case(
        "Py4J with Spark's stage failure and the database's own words",
        SPARK_HEAD
        + 'Traceback (most recent call last):\n  File "/Workspace/load.py", line 10, in <module>\n    df.write.jdbc(u, "t")\n'
        '  File "/databricks/spark/python/pyspark/sql/readwriter.py", line 1461, in save\n    self._jwrite.save()\n'
        "py4j.protocol.Py4JJavaError: An error occurred while calling o56.save.\n"
        ": org.apache.spark.SparkException: Job aborted due to stage failure: Task 0 in stage 3.0 failed 4 times, most recent failure: "
        "Lost task 0.3 in stage 3.0 (TID 9) (10.2.3.4 executor 1): java.sql.BatchUpdateException: Batch entry 0 was aborted\n"
        "\tat org.postgresql.jdbc.X.a(X.java:1)\n"
        "Caused by: org.postgresql.util.PSQLException: ERROR: value too long for type character varying(10)\n"
        "\tat org.postgresql.core.v3.Q.b(Q.java:2)\n\t... 17 more\n\nDriver stacktrace:\n"
        "\tat org.apache.spark.scheduler.DAGScheduler.failJobAndIndependentStages(DAGScheduler.scala:2856)\n"
        "Caused by: java.sql.BatchUpdateException: Batch entry 0 was aborted\n\tat org.postgresql.jdbc.X.a(X.java:1)\n\t... 1 more\n"
        "Caused by: org.postgresql.util.PSQLException: ERROR: value too long for type character varying(10)\n"
        "\tat org.postgresql.core.v3.Q.b(Q.java:2)\n\t... 17 more\n\n" + SPARK_END,
        "value too long for type character varying(10)",
        "org.postgresql.util.PSQLException",
        "python_traceback",
    ),
    Case(
        "a Python traceback inside the Java one inside the Python one",
        SPARK_HEAD
        + "26/11/02 03:10:05 ERROR TaskSetManager: Task 0 in stage 1.0 failed 4 times; aborting job\n"
        'Traceback (most recent call last):\n  File "/Workspace/u.py", line 9, in <module>\n    df.collect()\n'
        "py4j.protocol.Py4JJavaError: An error occurred while calling o88.collectToPython.\n"
        ": org.apache.spark.SparkException: Job aborted due to stage failure: Task 0 in stage 1.0 failed 4 times, most recent failure: "
        "Lost task 0.3 in stage 1.0 (TID 4) (10.2.3.4 executor 2): org.apache.spark.api.python.PythonException: Traceback (most recent call last):\n"
        '  File "/databricks/spark/python/pyspark/worker.py", line 1247, in main\n    process()\n'
        '  File "/Workspace/u.py", line 5, in clean\n    return a + b\n'
        'TypeError: can only concatenate str (not "int") to str\n\n'
        "\tat org.apache.spark.api.python.BasePythonRunner$ReaderIterator.handlePythonException(PythonRunner.scala:572)\n"
        "\tat java.base/java.lang.Thread.run(Thread.java:840)\n\nDriver stacktrace:\n"
        "\tat org.apache.spark.scheduler.DAGScheduler.x(DAGScheduler.scala:2856)\n\n" + SPARK_END,
        "can only concatenate str",
        "TypeError",
    ),
    Case(
        "executor lost for good",
        SPARK_HEAD
        + "26/11/02 03:10:05 ERROR TaskSchedulerImpl: Lost executor 3 on 10.1.2.3: Container killed by YARN for exceeding memory limits. 5.6 GB of 5.5 GB physical memory used.\n"
        "26/11/02 03:10:05 WARN TaskSetManager: Lost task 2.3 in stage 4.0 (TID 91) (10.1.2.3 executor 3): ExecutorLostFailure (executor 3 exited caused by one of the running tasks) Reason: Container killed by YARN for exceeding memory limits.\n"
        "26/11/02 03:10:05 ERROR TaskSetManager: Task 2 in stage 4.0 failed 4 times; aborting job\n"
        'Exception in thread "main" org.apache.spark.SparkException: Job aborted due to stage failure: Task 2 in stage 4.0 failed 4 times, most recent failure: '
        "Lost task 2.3 in stage 4.0 (TID 91) (10.1.2.3 executor 3): ExecutorLostFailure (executor 3 exited caused by one of the running tasks) Reason: Container killed by YARN for exceeding memory limits. 5.6 GB of 5.5 GB physical memory used.\n"
        "Driver stacktrace:\n\tat org.apache.spark.scheduler.DAGScheduler.x(DAGScheduler.scala:2856)\n",
        "Container killed by YARN for exceeding memory limits",
    ),
    Case(
        "one line, as the jobs API gives it",
        "py4j.protocol.Py4JJavaError: An error occurred while calling o38.load.: java.net.UnknownHostException: dwh.acme.invalid",
        "dwh.acme.invalid",
        "java.net.UnknownHostException",
    ),
    Case(
        "one line with Spark's error class",
        "[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column or function parameter with name `amt` cannot be resolved. Did you mean `amount`? SQLSTATE: 42703; line 1 pos 7",
        "`amt` cannot be resolved",
        error_class="UNRESOLVED_COLUMN.WITH_SUGGESTION",
        sqlstate="42703",
        kind="spark_error",
    ),
    Case(
        "a log cut at its head, in the middle of a stack",
        "\tat org.apache.spark.rdd.RDD.iterator(RDD.scala:328)\n\tat java.base/java.lang.Thread.run(Thread.java:840)\n"
        "Caused by: org.apache.hadoop.fs.s3a.AWSBadRequestException: The provided token has expired\n"
        "\tat org.apache.hadoop.fs.s3a.S3AUtils.translateException(S3AUtils.java:249)\n\t... 22 more\n"
        + SPARK_END,
        "The provided token has expired",
        "org.apache.hadoop.fs.s3a.AWSBadRequestException",
    ),
    Case(
        "a log cut at its head, in the middle of a traceback",
        "    return f(*a)\n  File \"/Workspace/etl.py\", line 44, in run\n    go()\nNameError: name 'go' is not defined\n"
        + SPARK_END,
        "name 'go' is not defined",
        "NameError",
    ),
    Case(
        "a trace cut out in its middle",
        'Traceback (most recent call last):\n  File "/Workspace/etl.py", line 4, in <module>\n    df.count()\n'
        "py4j.protocol.Py4JJavaError: An error occurred while calling o5.count.\n: org.apache.spark.SparkException: Job aborted.\n"
        "\tat org.apache.spark.A.b(A.scala:1)\n\tat org.apa\n... [truncated] ...\nC.scala:612)\n"
        "\tat org.apache.spark.D.e(D.scala:2)\nCaused by: java.io.IOException: No space left on device\n\tat java.base/x.Y.z(Y.java:3)\n\t... 9 more\n",
        "No space left on device",
        "java.io.IOException",
    ),
]

TOOLS = [
    Case(
        "pip",
        "Looking in indexes: https://pypi.org/simple\nERROR: Could not find a version that satisfies the requirement nopkg==9.9 (from versions: none)\nERROR: No matching distribution found for nopkg==9.9\n",
        "nopkg==9.9",
        kind="pip",
    ),
    Case(
        "pip under CI",
        "2026-11-02T03:10:01.1234567Z Collecting nopkg\n2026-11-02T03:10:02.1234567Z ERROR: No matching distribution found for nopkg==9.9\n2026-11-02T03:10:02.2234567Z ##[error]Process completed with exit code 1.\n",
        "No matching distribution found for nopkg==9.9",
        kind="pip",
    ),
    Case(
        "dbt",
        '03:10:01  Running with dbt=1.8.2\n03:10:04  1 of 2 START sql view model main.a ............ [RUN]\n03:10:05  1 of 2 ERROR creating sql view model main.a ... [ERROR in 0.31s]\n03:10:05  \n03:10:05  Finished running 2 view models in 0 hours 0 minutes and 1.02 seconds (1.02s).\n03:10:05  \n03:10:05  Completed with 1 error and 0 warnings:\n03:10:05  \n03:10:05    Database Error in model a (models/a.sql)\n  column "amt" does not exist\n  LINE 8: select amt from src\n  compiled code at target/run/a.sql\n03:10:05  \n03:10:05  Done. PASS=1 WARN=0 ERROR=1 SKIP=0 TOTAL=2\n',
        'column "amt" does not exist',
        kind="dbt",
    ),
    Case(
        "R",
        "> source('etl.R')\nError in read.csv(path) : object 'path' not found\nCalls: source -> withVisible -> eval -> read.csv\nExecution halted\n",
        "object 'path' not found",
        kind="r",
    ),
    Case(
        "Maven",
        "[INFO] Scanning for projects...\n[INFO] BUILD FAILURE\n[INFO] Total time:  0.9 s\n[ERROR] Failed to execute goal on project b: Could not resolve dependencies for project a:b:jar:1: Could not find artifact com.acme:nope:jar:9.9 in central -> [Help 1]\n[ERROR] \n[ERROR] To see the full stack trace of the errors, re-run Maven with the -e switch.\n",
        "Could not find artifact com.acme:nope:jar:9.9",
        kind="maven",
    ),
    Case(
        "gcc and make",
        "gcc -c a.c\na.c: In function 'main':\na.c:1:26: error: expected ';' before '}' token\n    1 | int main(){ return foo(1) }\n      |                          ^~\nmake: *** [Makefile:4: a.o] Error 1\n",
        "expected ';' before '}' token",
        kind="build",
    ),
    Case(
        "cargo",
        '   Compiling x v0.1.0 (/app)\nerror[E0308]: mismatched types\n --> src/main.rs:1:25\n  |\n1 | fn main(){ let x: i32 = "a"; }\n  |                   ---   ^^^ expected `i32`, found `&str`\n\nerror: could not compile `x` (bin "x") due to 1 previous error\n',
        "mismatched types",
    ),
    Case(
        "node",
        "> node b.js\n\nnode:internal/modules/cjs/loader:1210\n  throw err;\n  ^\n\nError: Cannot find module './nope'\nRequire stack:\n- /app/b.js\n    at Module._resolveFilename (node:internal/modules/cjs/loader:1207:15)\n    at node:internal/main/run_main_module:28:49 {\n  code: 'MODULE_NOT_FOUND'\n}\n\nNode.js v20.20.2\nnpm error Lifecycle script `build` failed with error:\nnpm error code 1\n",
        "Cannot find module './nope'",
    ),
    Case(
        "terraform",
        '\u2577\n\u2502 Error: Invalid expression\n\u2502 \n\u2502   on main.tf line 2, in resource "null_resource" "a":\n\u2502    2:  foo = \n\u2502 \n\u2502 Expected the start of an expression, but found an invalid expression token.\n\u2575\n',
        "Invalid expression",
    ),
    Case(
        "shell: command not found",
        "+ run.sh\n/databricks/init/setup.sh: line 3: foo_bar: command not found\nProcess exited with code 127\n",
        "foo_bar: command not found",
        kind="shell",
    ),
    Case(
        "shell: cannot stat",
        "copying\ncp: cannot stat '/in': No such file or directory\nexit status 1\n",
        "cannot stat '/in'",
        kind="shell",
    ),
    Case(
        "curl",
        "fetching\ncurl: (6) Could not resolve host: feed.acme.invalid\nCommand exited with code 6\n",
        "Could not resolve host: feed.acme.invalid",
        kind="shell",
    ),
    Case(
        "git",
        "Cloning into 'x'...\nfatal: unable to access 'https://git.acme.dev/x.git/': The requested URL returned error: 403\n",
        "returned error: 403",
        kind="shell",
    ),
    Case(
        "psql",
        'psql:load.sql:12: ERROR:  relation "mart.x" does not exist\nLINE 1: insert into mart.x values (1)\n                    ^\n',
        'relation "mart.x" does not exist',
        kind="sql_error",
    ),
    Case(
        "Oracle",
        "SQL> @load.sql\nORA-00942: table or view does not exist\nHelp: https://docs.oracle.com/error-help/db/ora-00942/\n",
        "ORA-00942",
        kind="sql_error",
    ),
    Case(
        "kernel's oom killer",
        "[12345.678] python invoked oom-killer: gfp_mask=0xcc0, order=0\n[12345.700] Out of memory: Killed process 4242 (python) total-vm:9000000kB\nProcess exited with code 137\n",
        "Killed process 4242",
        kind="oom_killer",
    ),
    Case("bare exit", "loading\nKilled\n", "Killed", kind="exit_code"),
    Case(
        "segmentation fault",
        'scoring batch 7\nFatal Python error: Segmentation fault\n\nCurrent thread 0x00007f (most recent call first):\n  File "/Workspace/score.py", line 8 in run\n',
        "Segmentation fault",
        kind="native_crash",
    ),
    Case(
        "JVM crash",
        "#\n# A fatal error has been detected by the Java Runtime Environment:\n#\n#  SIGSEGV (0xb) at pc=0x00007f, pid=1, tid=2\n#\n",
        "fatal error has been detected",
        kind="native_crash",
    ),
    Case(
        "cluster did not start",
        "2026-11-02 03:00:03 cluster 1102-x CREATING requested by job 1\n2026-11-02 03:07:41 cluster TERMINATING reason=CLOUD_PROVIDER_RESOURCE_STOCKOUT\n",
        "CLOUD_PROVIDER_RESOURCE_STOCKOUT",
        kind="cluster_event",
    ),
    Case(
        "notebook exit JSON",
        '{"status": "FAILED", "failed_tables": ["bronze.a"], "error": "2 of 9 tables failed"}',
        "2 of 9 tables failed",
        kind="exit_json",
    ),
    Case(
        "pytest",
        'F                                                  [100%]\n=================================== FAILURES ===================\n    def test_a():\n>       assert 1 == 2, "nope"\nE       AssertionError: nope\nE       assert 1 == 2\n\ntest_x.py:2: AssertionError\n=========================== short test summary info ============\nFAILED test_x.py::test_a - AssertionError: nope\n1 failed in 0.81s\n',
        "AssertionError: nope",
    ),
    Case(
        "a plain message at the end",
        "2026-11-02 03:00:03,123 INFO gate: counting\n2026-11-02 03:00:04,123 ERROR gate: row count gate failed: 0 rows, expected 150\n2026-11-02 03:00:04,200 INFO gate: bye\n",
        "row count gate failed",
        kind="log4j_error",
    ),
    Case(
        "words alone, without any level",
        "step one done\nstep two done\ncould not publish the report: quota exceeded for project x\n",
        "quota exceeded for project x",
    ),
]


MORE = [
    Case(
        "a traceback with another thread's lines in between",
        'Traceback (most recent call last):\n26/11/02 03:10:01 INFO Cleaner: removed 1\n  File "/Workspace/etl.py", line 3, in <module>\n'
        "26/11/02 03:10:01 INFO Cleaner: removed 2\n26/11/02 03:10:01 INFO Cleaner: removed 3\n"
        '  File "/Workspace/etl.py", line 9, in run\n    check()\nValueError: only 3 rows\n26/11/02 03:10:01 INFO Cleaner: removed 4\n',
        "only 3 rows",
        "ValueError",
    ),
    Case(
        "a worker process's traceback",
        'concurrent.futures.process._RemoteTraceback: \n"""\nTraceback (most recent call last):\n  File "/Workspace/w.py", line 5, in work\n    return 1 / n\n'
        'ZeroDivisionError: division by zero\n"""\n\nThe above exception was the direct cause of the following exception:\n\n'
        'Traceback (most recent call last):\n  File "/Workspace/w.py", line 12, in <module>\n    pool.submit(work).result()\nZeroDivisionError: division by zero\n',
        "division by zero",
        "ZeroDivisionError",
    ),
    Case(
        "a generic last word, the reason logged before",
        '2026-11-02 03:10:01,123 ERROR etl: load of mart.sales broke\nTraceback (most recent call last):\n  File "/Workspace/etl.py", line 3, in load\n    read()\n'
        "PermissionError: [Errno 13] Permission denied: '/mnt/raw'\n2026-11-02 03:10:02,123 INFO etl: writing report\n"
        'Traceback (most recent call last):\n  File "/Workspace/etl.py", line 30, in <module>\n    raise RuntimeError("Pipeline failed")\nRuntimeError: Pipeline failed\n',
        "Permission denied: '/mnt/raw'",
        "PermissionError",
    ),
    Case(
        "pretty exit JSON",
        '{\n  "status": "ERROR",\n  "rows": 0,\n  "error": "java.io.IOException: disk is gone"\n}\n',
        "disk is gone",
        kind="exit_json",
    ),
    Case(
        "structlog",
        "2026-11-02 03:10:01 [info     ] start\n2026-11-02 03:10:02 [error    ] quota of project x used up  job=load\n2026-11-02 03:10:03 [info     ] bye\n",
        "quota of project x",
        kind="log4j_error",
    ),
    Case(
        "loguru",
        "2026-11-02 03:10:01.123 | INFO     | __main__:main:3 - start\n2026-11-02 03:10:02.123 | ERROR    | __main__:main:12 - table mart.x is gone\n",
        "mart.x is gone",
        kind="log4j_error",
    ),
    Case(
        "glog",
        "I1102 03:10:01.123456   12 main.cc:3] start\nE1102 03:10:02.123456   12 main.cc:12] volume not mounted\n",
        "volume not mounted",
        kind="message",
    ),
    Case(
        "R with the reason in a warning",
        "Error in gzfile(file, \"rb\") : cannot open the connection\nCalls: readRDS -> gzfile\nIn addition: Warning message:\nIn gzfile(file, \"rb\") :\n  cannot open compressed file 'm.rds', probable reason 'No such file or directory'\nExecution halted\n",
        "cannot open the connection",
        kind="r",
    ),
    Case(
        "the class of the error inside, not of the wrapper",
        "pyspark.errors.exceptions.captured.StreamingQueryException: [STREAM_FAILED] Query [id = 1, runId = 2] terminated with exception: [DELTA_SCHEMA_CHANGED] Detected schema change. SQLSTATE: KD007\n",
        "Detected schema change",
        error_class="DELTA_SCHEMA_CHANGED",
    ),
    Case(
        "out of memory, as the JVM says it at its end",
        '26/11/02 03:10:01 INFO X: y\n#\n# java.lang.OutOfMemoryError: Java heap space\n# -XX:OnOutOfMemoryError="kill -9 %p"\n#   Executing /bin/sh -c "kill -9 88"...\n',
        "java.lang.OutOfMemoryError: Java heap space",
    ),
    Case(
        "a program that exits with a sentence",
        "2026-11-02 03:10:01,123 INFO etl: start\nno config for region eu-west-9\n",
        "no config for region",
    ),
]


@pytest.mark.parametrize("case", [*PYTHON, *JAVA, *TOOLS, *MORE], ids=lambda case: case.name)
def test_primary_failure(case: Case) -> None:
    blocks = primary([read_text(case.log, "driver.log")])
    assert blocks, "nothing found"
    block = blocks[0]
    lines = case.log.split("\n")
    shown = "\n".join(lines[block.decisive[0] - 1 : block.decisive[1]]).replace("\\n", "\n")
    assert case.decisive in shown, (block, shown)
    assert block.line_start <= block.decisive[0] <= block.decisive[1] <= block.line_end
    if case.exception:
        assert block.exception == case.exception
    if case.kind:
        assert block.kind == case.kind
    if case.error_class:
        assert block.error_class == case.error_class
    if case.sqlstate:
        assert block.sqlstate == case.sqlstate
