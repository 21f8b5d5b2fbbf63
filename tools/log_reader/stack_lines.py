"""What each line of a Python traceback or a Java stack looks like."""

from __future__ import annotations

import re

from tools.log_reader.headers import parse_header

_SUFFIX = r"(?:Exception|Error|Throwable|Failure|Fault|Interrupt|Timeout|Exit|Panic|Abort|NotFound|Forbidden|Refused|Expired|Cancelled|Canceled)"
#: A class name that says by itself that it is an exception's, or that is qualified like a Java class.
CLASS = rf"(?:(?:[A-Za-z_][\w$]*[./])*[A-Z][\w$]*{_SUFFIX}\w*|(?:[a-z_][\w$]*\.){{2,12}}[A-Z][\w$]*)"

TRACEBACK = re.compile(r"Traceback \((?:most recent call last|innermost last)\)")
NOTEBOOK_TRACEBACK = re.compile(r"(?P<name>[A-Za-z_][\w.]*)\s{2,}Traceback \(most recent call last\)")
GROUP_TRACEBACK = re.compile(r"^\s*\+ Exception Group Traceback \(most recent call last\)")
PYTHON_FRAME = re.compile(
    r'^\s*File (?:"(?P<file>[^"]+)"|(?P<cell><[^>]+>|[^\s:,]+\.py))(?::(?P<line2>\d+)|, line (?P<line>\d+))?'
    r"(?:, in (?P<function>[^\n]*))?"
)
NOTEBOOK_FRAME = re.compile(r"^(?:/|<|~|[A-Z]:\\)\S*(?:\.py|>)(?: in (?P<function>\S+))?")
PYTHON_EXCEPTION = re.compile(r"^(?P<name>[A-Za-z_][\w.]*(?:\.<locals>\.\w+)?)(?:: ?(?P<message>.*)|\s*)$")
LINKS = {
    "The above exception was the direct cause of the following exception:": "cause",
    "During handling of the above exception, another exception occurred:": "context",
}
#: What Python prints above the traceback of an exception that ends no more than a thread or a destructor.
INTRODUCED = re.compile(
    r"Exception ignored in|Exception in thread |Error in atexit|Task exception was never retrieved|Unhandled exception in"
)
GUTTER = re.compile(r"^\s*\| ?")
GROUP_MARK = re.compile(r"^\s*\+(?:-\+)?-{4,}")

JAVA_FRAME = re.compile(
    r"^\s+at (?:async )?[^\s()]+:\d+:\d+(?: \{)?$|^\s*at (?:[\w.$<>@-]+/)*(?P<method>[\w.$<>\u00a7@/-]+(?: \[as \w+\])?) ?\((?P<where>[^()]*(?:\([^()]*\))?[^()]*)\)"
)
#: Spark's Java exception whose message is a Python traceback.
JAVA_AROUND_TRACEBACK = re.compile(r"(?:Exception|Error): ?'?Traceback \((?:most recent|innermost)")
#: JavaScript's plain error, which has no class name of its own.
SCRIPT_ERROR = re.compile(r"^(?:Uncaught )?(?P<name>Error): (?P<message>.*)$")
CUT_OUT = re.compile(
    r"\[?\.\.\. ?\[?(?:truncated|skipp)|max output size exceeded|\[\.\.\.\]|<truncated|truncated \d+",
    re.IGNORECASE,
)
JAVA_MORE = re.compile(r"^\s*\.\.\. (?:\d+ (?:more|common frames omitted)|\d+ frames? )")
JAVA_CAUSED = re.compile(
    r"^(?P<indent>\s*)(?P<what>Caused by|Suppressed|Wrapped by|Nested exception is): ?"
    r"(?P<name>[\w$][\w.$/<>-]*)(?::\s?(?P<message>.*)|\s*(?P<tail>.*))$"
)
JAVA_EXCEPTION = re.compile(rf"^(?:: )?(?P<name>{CLASS})(?:: ?(?P<message>.*)|\s*)$")
IN_THREAD = re.compile(rf"Exception in thread \"?[^\"]*\"? ?(?P<name>{CLASS})(?:: ?(?P<message>.*)|\s*)$")
#: An exception that stands somewhere in a line, such as after a logger's own words.
INLINE = re.compile(
    rf"(?:^|[\s:;(\[=>])(?P<name>(?:[a-z_][\w$]*\.)+[A-Z][\w$]*{_SUFFIX}\w*|[A-Z][\w$]*(?:Exception|Error))(?:: ?(?P<message>.*)|\s*$)"
)
STAGE_FAILURE = re.compile(
    rf"(?:most recent failure: (?:Lost task [^:]*?\(TID \d+\)(?: \([^)]*\))?|[^:]*)"
    rf"|Exception while getting task result): (?P<name>{CLASS})(?::? ?(?P<message>.*))$"
)
#: An exception that begins a message, as when one exception's message is another's whole text.
QUOTED = re.compile(rf"^(?P<name>{CLASS}): (?P<message>.*)$")
PY4J_CALL = re.compile(
    rf"An error occurred while calling \S+?\.?:? ?: ?(?P<name>{CLASS})(?:: ?(?P<message>.*)|\s*)$"
)
EXCEPTION_NAME = re.compile(rf"{CLASS}$|[\w$]+(?:\.[\w$]+)+$")
#: What may follow a blank line and still belong to the same exception.
_RESUMES = re.compile(
    r"^(?:== (?:SQL|DataFrame)|-+\^|Driver stacktrace|JVM stacktrace|SQLSTATE|Caused by: |\s*at [\w.$<>/]+\(|\s*\.\.\. \d+ more"
    r"|: [a-z]\w*\.|LINE \d+:|DETAIL:|HINT:|CONTEXT:|[a-z]\w*\.[\w.$]*(?:Exception|Error)\b|The above exception|During handling)"
)
_JAVA_LIBRARY = re.compile(
    r"^(?:javax?|jdk|sun|scala|akka|py4j|kotlin|groovy|shaded|grpc_shaded|shadeddatabricks"
    r"|org\.(?:apache|eclipse|postgresql|scala|json4s|spark|sparkproject|slf4j|codehaus|springframework|mariadb|jboss|datanucleus)"
    r"|com\.(?:databricks|sun|google|amazonaws|amazon|microsoft|azure|fasterxml|mysql|zaxxer|simba|crealytics|esotericsoftware|codahale)"
    r"|io\.(?:netty|delta|unitycatalog|grpc|projectreactor|trino)|net\.(?:snowflake|sf|razorvine)|oracle|reactor|okhttp3)\."
)
_PYTHON_LIBRARY = re.compile(
    r"site-packages|dist-packages|[/\\]lib[/\\]python\d|/databricks/(?:python|spark|jars)|^<frozen|\.pyx$|\.pxi$|/pyspark/|/py4j[/-]|\\Lib\\"
)


def is_log_line(text: str) -> bool:
    """Whether the line begins a new log record (and so can't be part of an exception begun before)."""
    header = parse_header(text)
    return header is not None and (
        header.timestamp is not None or header.level is not None or header.end > 12
    )


def resumes(text: str) -> bool:
    """Whether the line belongs to the exception before it although a blank line stands between."""
    return bool(_RESUMES.match(text))


def is_user_python(file: str) -> bool:
    """Whether a traceback's file is the user's own code and not a library's, the interpreter's or PySpark's."""
    return not _PYTHON_LIBRARY.search(file)


def is_user_java(method: str) -> bool:
    """Whether a Java frame's method is the user's own code."""
    return "." in method and not _JAVA_LIBRARY.match(method)
