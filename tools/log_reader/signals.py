"""The signals: what a line has to hold for the reader to look closer.

Each pattern is written in the part of the regular expression language that hyperscan and `re` read alike, on
bytes, and matches within one line. `needles` are literals of which every matching line holds at least one (in
lower case for a pattern that ignores case); the slow scanner looks for those first.
"""

from __future__ import annotations

from dataclasses import dataclass

from tools.log_reader.blocks import Kind


@dataclass(frozen=True, slots=True)
class Signal:
    """One pattern. `weight` is how much a matching line says about the primary failure when nothing else is known.

    A `symptom` says that something failed, not what: it gives way to any block that does say it.
    """

    name: str
    pattern: bytes
    needles: tuple[bytes, ...]
    kind: Kind
    weight: float
    symptom: bool = False
    caseless: bool = False


def _s(
    name: str,
    pattern: bytes,
    needles: bytes,
    kind: Kind,
    weight: float,
    *,
    symptom: bool = False,
    caseless: bool = False,
) -> Signal:
    return Signal(name, pattern, tuple(needles.split(b"|")), kind, weight, symptom, caseless)


#: A line's start, after what CI systems, containers and schedulers put before each line.
_START = rb"^([\w.:+-]{8,40} +|[\w.-]{1,40} +\| |\[[^\]\n]{1,80}\] (\{[^}\n]{1,60}\} )?([A-Z]{4,8} - )?)?"


SIGNALS: tuple[Signal, ...] = (
    # Exceptions, wherever they are printed.
    _s("traceback", rb"Traceback \((most|innermost)", b"Traceback (", "python_traceback", 0.85),
    _s(
        "exception",
        rb"[A-Za-z](Exception|Error|Throwable|Fault)(:|\s|$)",
        b"Exception|Error|Throwable|Fault",
        "message",
        0.5,
    ),
    _s(
        "syntax_error",
        _START + rb"\s*(SyntaxError|IndentationError|TabError): ",
        b"SyntaxError|IndentationError|TabError",
        "python_traceback",
        0.85,
    ),
    _s(
        "python_exit",
        _START + rb"(KeyboardInterrupt|SystemExit|MemoryError)(:|$)",
        b"KeyboardInterrupt|SystemExit|MemoryError",
        "message",
        0.5,
    ),
    _s("caused_by", _START + rb"\s*Caused by: ?\w", b"Caused by:", "java_stack", 0.5),
    _s("qualified", _START + rb"([a-z_][\w$]{0,40}\.){2,10}[A-Z][\w$]*(:|$)", b".", "java_stack", 0.3),
    _s("thread", rb"Exception in thread ", b"Exception in thread ", "java_stack", 0.7),
    _s(
        "stage",
        rb"(Job aborted due to|aborting job|Job \d+ failed|Job aborted)",
        b"Job aborted|aborting job|Job ",
        "spark_error",
        0.5,
        symptom=True,
    ),
    _s("spark_class", rb"\[[A-Z][A-Z0-9]{1,40}[_.][A-Z0-9_.]{1,80}\]", b"]", "spark_error", 0.6),
    _s("sqlstate", rb"SQLSTATE[:= ]", b"SQLSTATE", "spark_error", 0.6),
    # Log levels: only where a header has them.
    _s(
        "level",
        rb"^.{0,120}?\b(ERROR|FATAL|CRITICAL|SEVERE)\b",
        b"ERROR|FATAL|CRITICAL|SEVERE",
        "log4j_error",
        0.4,
    ),
    _s(
        "level_small",
        rb"^.{0,60}(\[(error|fatal|crit|alert|emerg)\]|level=\"?(error|fatal|critical))",
        b"[error]|[fatal]|[crit]|[alert]|[emerg]|level=",
        "log4j_error",
        0.4,
    ),
    _s(
        "level_json",
        rb"\"(level|levelname|severity|log_level|lvl)\": ?\"(error|fatal|critical|severe)\"",
        b'"level|"severity|"log_level|"lvl',
        "log4j_error",
        0.45,
        caseless=True,
    ),
    _s("warn_stack", rb"^.{0,60}\bWARN .{0,60}: Lost task ", b": Lost task ", "executor_lost", 0.2),
    # Spark's executors and Databricks' driver and cluster.
    _s(
        "executor_lost",
        rb"(Lost executor |ExecutorLostFailure|Remote RPC client disassociated|Executor heartbeat timed out)",
        b"Lost executor |ExecutorLostFailure|Remote RPC client|Executor heartbeat",
        "executor_lost",
        0.45,
        symptom=True,
    ),
    _s(
        "container_killed",
        rb"(Container killed by|Container .{1,80} (was )?killed|running beyond (physical|virtual) memory)",
        b"Container |running beyond",
        "executor_lost",
        0.6,
    ),
    _s(
        "fetch_failed",
        rb"(FetchFailed\(|MetadataFetchFailed|ShuffleBlockFetcherIterator: Failed to get)",
        b"FetchFailed|Failed to get",
        "executor_lost",
        0.35,
        symptom=True,
    ),
    _s(
        "driver_gone",
        rb"(Failed to reach the driver|driver (is|was) (up but )?(not|un)respons|[Dd]river down|driver (has )?stopped unexpectedly|Could not reach driver|driver (is|was) unreachable|[Tt]he (Python|spark) (kernel|driver|process) (is|has|exited|was)|(Python )?kernel is unresponsive|[Dd]river (is )?temporarily unavailable|[Ll]ost connection to (the )?(driver|cluster|services))",
        b"driver|Driver|kernel|process |ost connection",
        "cluster_event",
        0.55,
    ),
    _s(
        "cluster_event",
        rb"(TERMINATING|TERMINATED|TERMINATION|cluster event|reason=|reason:|Cause:|[Cc]luster .{0,80}terminated)",
        b"TERMINATING|TERMINATED|TERMINATION|cluster event|reason|Cause:|luster ",
        "cluster_event",
        0.4,
    ),
    _s(
        "cluster_code",
        rb"\b[A-Z]{3,20}(_[A-Z]{2,20}){0,5}_(FAILURE|FAILED|ERROR|TERMINATION|TERMINATED|UNREACHABLE|DOWN|LOST|EXCEEDED|TIMEOUT|TIMEDOUT|UNHEALTHY|STOCKOUT|DENIED|UNAVAILABLE|OUT_OF_MEMORY|UNRESPONSIVE|REJECTED|INVALID|NOT_FOUND|THROTTLED|REACHED|FAULT|INSUFFICIENT|CAPACITY)\b",
        b"_",
        "cluster_event",
        0.4,
    ),
    _s(
        "cloud_code",
        rb"\b(azure|aws|gcp|databricks)_(error_code|error_message|api_error_code|api_error_message)",
        b"_error",
        "cluster_event",
        0.5,
    ),
    _s(
        "cluster_start",
        rb"(Unexpected failure while|Unexpected launch failure|Cloud Provider Launch|Library installation failed|init script .{0,200}(failed|exit)|[Cc]luster start ?up (failed|failure)|[Ff]ailed to (start|launch|create) (the )?(cluster|instance|container|driver))",
        b"Unexpected |Cloud Provider|Library installation|nit script|luster start|ailed to ",
        "cluster_event",
        0.55,
    ),
    _s(
        "run_state",
        rb"(Run failed with error|Run (was )?(cancel|timed out|terminated)|timed out after|[Mm]aximum (number of )?concurrent runs|exceeded the (maximum|timeout|limit|allocated)|Upstream (task|job|failed|dependency))",
        b"Run |timed out after|aximum |exceeded the |Upstream ",
        "cluster_event",
        0.45,
    ),
    # Memory, disk and the operating system.
    _s(
        "oom_killer",
        rb"(oom-kill|invoked oom-killer|OOMKilled|Out of memory: Kill|[Mm]emory cgroup out of memory|oom_reaper)",
        b"oom|OOMKilled|Out of memory: Kill|cgroup out of memory",
        "oom_killer",
        0.75,
    ),
    _s(
        "java_oom",
        rb"(java\.lang\.OutOfMemoryError|GC overhead limit exceeded|java\.lang\.StackOverflowError)",
        b"OutOfMemoryError|GC overhead|StackOverflowError",
        "java_stack",
        0.6,
    ),
    _s(
        "disk_full",
        rb"(No space left on device|Disk quota exceeded|Too many open files|Cannot allocate memory|Read-only file system)",
        b"No space left|Disk quota|Too many open|Cannot allocate|Read-only file",
        "shell",
        0.5,
    ),
    _s(
        "native_crash",
        rb"(Segmentation fault|[Cc]ore dumped|A fatal error has been detected by|SIGSEGV|SIGBUS|Fatal Python error|terminate called after|double free or corruption|Bus error|Illegal instruction|malloc\(\): )",
        b"Segmentation|ore dumped|A fatal error|SIGSEGV|SIGBUS|Fatal Python|terminate called|double free|Bus error|Illegal instr|malloc()",
        "native_crash",
        0.7,
    ),
    _s(
        "killed",
        rb"^(.{0,80}[:\]] ?|.{0,40} line \d+: +\d* ?)?(Killed|Terminated|Aborted|Hangup|Abort trap|Quit|Alarm clock)(: \d+)?( +.{0,200})?$",
        b"Killed|Terminated|Aborted|Hangup|Abort trap|Quit|Alarm clock",
        "exit_code",
        0.45,
        symptom=True,
    ),
    _s(
        "exit_code",
        rb"(exit(ed)?|returned?|terminated|finished|failed|ended) ?(with|:)? ?(a )?(non-?zero )?(exit )?(code|status|value)( of)?:? ?=?-?[1-9]",
        b"code|status|value",
        "exit_code",
        0.4,
        symptom=True,
        caseless=True,
    ),
    _s(
        "non_zero",
        rb"(non-?zero (exit|code|status|return)|exit (status|code):? ?-?[1-9]|rc=-?[1-9]|exitCode[:=] ?-?[1-9]|signal:? ?(9|11|6|15)\b|SIGKILL|SIGTERM|SIGABRT)",
        b"zero|exit |rc=|exitcode|signal|sigkill|sigterm|sigabrt",
        "exit_code",
        0.4,
        symptom=True,
        caseless=True,
    ),
    # The shell and its programs.
    _s(
        "shell",
        rb"(: (command )?not found$|: No such file or directory|: Permission denied|: Is a directory|: Not a directory|: unbound variable|syntax error near unexpected|unexpected (end of file|EOF)|: cannot (stat|open|create|remove|access|execute|overwrite|touch|find)|: Operation not permitted|: bad substitution|: ambiguous redirect|: Argument list too long|: Text file busy|: Device or resource busy|: File exists$|: Connection (refused|reset|timed out)|: Host key verification failed|Name or service not known|Could not resolve host)",
        b"not found|No such file|Permission denied|s a directory|ot a directory|unbound variable|syntax error near|unexpected|: cannot|Operation not|bad substitution|ambiguous redirect|Argument list|file busy|source busy|File exists|: Connection|Host key|Name or service|Could not resolve",
        "shell",
        0.5,
    ),
    _s("shell_line", _START + rb"[\w./-]+: line \d+: ", b": line ", "shell", 0.5),
    _s(
        "curl",
        _START
        + rb"(curl: \(\d+\)|wget: |ssh: |scp: |rsync: |rsync error|fatal: |ERROR 4\d\d|ERROR 5\d\d|gpg: |tar: |unzip: |gzip: |az: |aws: |gsutil: )",
        b"curl: (|wget: |ssh: |scp: |rsync|fatal: |ERROR |gpg: |tar: |zip: |az: |aws: |gsutil: ",
        "shell",
        0.5,
    ),
    _s(
        "cloud_cli",
        rb"(An error occurred \([A-Za-z0-9.]+\)|Error from server|error: failed to|AccessDenied|AuthorizationFailed|AADSTS\d+|InvalidAccessKeyId|ExpiredToken|SlowDown|NoSuchBucket|NoSuchKey)",
        b"An error occurred (|Error from server|error: failed|AccessDenied|AuthorizationFailed|AADSTS|InvalidAccessKey|ExpiredToken|SlowDown|NoSuchBucket|NoSuchKey",
        "shell",
        0.5,
    ),
    # Installing packages.
    _s(
        "pip",
        _START
        + rb"(.*No matching distribution|.*Could not find a version|.*ResolutionImpossible|.*Failed building wheel|.*Could not install packages|.*metadata-generation-failed|.*No solution found)",
        b"No matching dist|Could not find a v|ResolutionImp|Failed building|Could not install|metadata-gen|No solution",
        "pip",
        0.5,
    ),
    _s(
        "error_line",
        _START + rb"(ERROR: |error: |Error: |FATAL: |fatal: |Fatal: |error:? )",
        b"ERROR: |error|Error: |FATAL: |fatal: |Fatal: ",
        "build",
        0.45,
    ),
    _s(
        "conda",
        rb"(PackagesNotFoundError|UnsatisfiableError|ResolvePackageNotFound|CondaHTTPError|LibMambaUnsatisfiable|SolverProblemError)",
        b"PackagesNotFound|Unsatisfiable|ResolvePackage|CondaHTTP|SolverProblem",
        "pip",
        0.6,
    ),
    _s(
        "ivy",
        rb"(unresolved dependenc|UNRESOLVED DEPENDENCIES|Library resolution failed|could not (be )?resolve|Could not (find|resolve|transfer) (artifact|dependenc|all))",
        b"unresolved dep|UNRESOLVED|Library resolution|ould not ",
        "maven",
        0.6,
    ),
    _s(
        "apt",
        _START + rb"(E: |W: Failed|dpkg: error|Err:\d)",
        b"E: |W: Failed|dpkg: error|Err:",
        "shell",
        0.5,
    ),
    # dbt.
    _s(
        "dbt",
        rb"((Database|Compilation|Runtime|Parsing|Dependency|Validation|Configuration|Profile|Project|Syntax|Internal) Error( in |$)|Failure in (test|model|snapshot|seed)|Encountered an error|dbt encountered an error)",
        b" Error|Failure in |ncountered an error",
        "dbt",
        0.6,
    ),
    _s("dbt_row", rb"\d+ of \d+ (ERROR|FAIL)", b" of ", "dbt", 0.4, symptom=True),
    _s(
        "dbt_done",
        rb"(Completed with \d+ error|Done\. PASS=)",
        b"Completed with|Done. PASS",
        "dbt",
        0.2,
        symptom=True,
    ),
    # R.
    _s("r_error", _START + rb"(Error in |Error: |Error : |Error$|Error \()", b"Error", "r", 0.6),
    _s("r_halted", _START + rb"Execution halted", b"Execution halted", "r", 0.3, symptom=True),
    # Builds, tests and continuous integration.
    _s(
        "maven",
        _START + rb"(\[ERROR\]|.*COMPILATION ERROR|.*Failed to execute goal|.*There are test failures)",
        b"[ERROR]|COMPILATION ERROR|Failed to execute|There are test",
        "maven",
        0.5,
    ),
    _s(
        "build_failed",
        rb"(BUILD FAILURE|BUILD FAILED|FAILURE: Build failed|Build failed|Compilation failed|Job failed|Pipeline failed)",
        b"BUILD FAIL|FAILURE: Build|uild failed|ompilation failed|ob failed|ipeline failed",
        "build",
        0.35,
        symptom=True,
    ),
    _s(
        "gradle",
        _START + rb"(\* What went wrong|> Task .{1,100} FAILED|Execution failed for task)",
        b"* What went wrong|> Task |Execution failed",
        "build",
        0.55,
    ),
    _s("sbt", _START + rb"\[error\] ", b"[error] ", "build", 0.45),
    _s(
        "compiler",
        rb"(:\d+(:\d+)?: (fatal )?error: |: error: |error\[E\d+\]|error (TS|CS|C)\d{3,5}:|undefined reference to|ld returned|: error \w+:|cannot find symbol)",
        b"error|undefined reference|ld returned|cannot find symbol",
        "build",
        0.55,
    ),
    _s(
        "npm",
        _START + rb"(npm ERR!|npm error|error Command failed|yarn run .{0,40}error|\s*ELIFECYCLE|ERR_PNPM)",
        b"npm |error Command|yarn run|ELIFECYCLE|ERR_PNPM",
        "build",
        0.45,
    ),
    _s("make", _START + rb"(g?make|ninja)(\[\d+\])?: \*\*\*", b"make|ninja", "build", 0.35, symptom=True),
    _s(
        "ci",
        _START
        + rb"(.*##\[error\]|::error|.*Process completed with exit code|.*ERROR: Job failed|.*##vso\[task\.complete result=Failed)",
        b"##[error]|::error|Process completed|ERROR: Job|##vso",
        "build",
        0.35,
        symptom=True,
    ),
    _s(
        "pytest",
        _START
        + rb"(E   +\S|FAILED \S|ERROR \S+\.py|=+ .{0,80}\d+ (failed|error)|\S+\.py:\d+: \w*(Error|Exception))",
        b"E  |FAILED |ERROR |failed|error|.py:",
        "build",
        0.45,
    ),
    _s(
        "docker",
        rb"(returned a non-zero code|executor failed running|failed to solve|ImagePullBackOff|ErrImagePull|CrashLoopBackOff|manifest unknown)",
        b"non-zero code|executor failed|failed to solve|ImagePull|CrashLoop|manifest unknown",
        "build",
        0.5,
    ),
    _s(
        "terraform",
        _START + rb"(\xe2\x95\xb7|\xe2\x94\x82 Error: |Error: )",
        b"\xe2\x95\xb7|\xe2\x94\x82 Error|Error: ",
        "build",
        0.55,
    ),
    _s(
        "panic",
        _START
        + rb"(panic: |goroutine \d+ \[running|thread '.{1,80}' panicked at|fatal error: |.*UnhandledPromiseRejection|.*Unhandled (exception|rejection|error)|.*Uncaught |.*unhandled exception)",
        b"panic: |goroutine |panicked at|fatal error: |UnhandledPromise|Unhandled |Uncaught |unhandled exc",
        "native_crash",
        0.6,
    ),
    # SQL engines outside Spark.
    _s(
        "sql",
        rb"(ERROR:  |FATAL:  |PANIC:  |^ERROR \d{4} \(|ORA-\d{5}|PLS-\d{5}|SP2-\d{4}|TNS-\d{5}|Msg \d+, Level \d+|SQL compilation error|SQL Error \[|SQL(CODE|Code)=-|^LINE \d+: |Parse error at|Error in query)",
        b"ERROR:  |FATAL:  |PANIC:  |ERROR |ORA-|PLS-|SP2-|TNS-|Msg |SQL comp|SQL Error|SQLCODE|SQLCode|LINE |Parse error|Error in query",
        "sql_error",
        0.6,
    ),
    # Notebooks.
    _s(
        "notebook_exit",
        rb"([Nn]otebook exited|dbutils\.notebook\.exit|notebook_exit)",
        b"otebook exited|notebook.exit|notebook_exit",
        "notebook_exit",
        0.4,
    ),
    _s(
        "exit_json",
        rb"\{.*\"(status|state|result|outcome|success|ok|exit_status|run_status)\" ?: ?(\"?(failed|failure|error|errored|fail|partial|ko|aborted)|false)",
        b'"status|"state|"result|"outcome|"success|"ok|"exit_status|"run_status',
        "exit_json",
        0.55,
        caseless=True,
    ),
    _s(
        "exit_counts",
        rb"\{.*\"(failed|failures|errors|error_count|failed_count|num_failed|rejected|failed_tables|failed_rows)\" ?: ?([1-9]|\[ ?[\"{\d])",
        b'"fail|"error|"num_failed|"reject',
        "exit_json",
        0.5,
        caseless=True,
    ),
)
