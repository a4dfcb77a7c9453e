"""PostgreSQL in a temporary folder, and the MLflow server of docs/how-to/team on it."""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import closing, suppress
from importlib.util import find_spec
from pathlib import Path

import yaml
from cluster.one_node import free_ports
from helpers import ROOT

COMPOSE = ROOT / "docs" / "how-to" / "team" / "compose.yaml"
PASSWORDS = {
    "POSTGRES_PASSWORD": "dat4base-hunter",
    "MLFLOW_AUTH_ADMIN_PASSWORD": "adm1n-hunter-2",
    "MLFLOW_FLASK_SERVER_SECRET_KEY": "s3cret-key-hunter",
}
PROGRAMS = ("initdb", "postgres")


def missing():
    """Return what is missing to start the server, or an empty text."""
    lacking = [name for name in PROGRAMS if program(name) is None]
    if lacking:
        return f"no {', '.join(lacking)} (apt-get install postgresql)"
    packages = [name for name in ("psycopg", "flask_wtf") if find_spec(name) is None]
    return f"no {', '.join(packages)} (pip install 'bpexp[server]')" if packages else ""


def program(name):
    """Return the path of one of PostgreSQL's programs, which Debian keeps out of PATH."""
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(debian[-1]) if debian else None)


class Postgres:
    """A database server on loopback whose files are in a temporary folder.

    PostgreSQL refuses to run as root, so root starts it as another user.
    """

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp())
        (self.port,) = free_ports(1)
        self.environment = os.environ | {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": "mlflow",
            "PGPASSWORD": PASSWORDS["POSTGRES_PASSWORD"],
        }
        self._user = []
        password = self.folder / "password"
        password.write_text(PASSWORDS["POSTGRES_PASSWORD"])
        if os.geteuid() == 0:
            user = "postgres" if "postgres" in {u.pw_name for u in pwd.getpwall()} else "nobody"
            self._user = ["setpriv", f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}"]
            self._user += ["--clear-groups"]
            for path in (self.folder, password):
                shutil.chown(path, user)
        data = str(self.folder / "data")
        subprocess.run(
            [*self._user, program("initdb"), "--auth=scram-sha-256", f"--pwfile={password}",
             "--username=mlflow", "--encoding=UTF8", "--no-locale", "-D", data],
            cwd=self.folder, check=True, capture_output=True,
        )  # fmt: skip
        password.unlink()
        self._process = start(
            [*self._user, program("postgres"), "-D", data, "-p", str(self.port),
             "-k", str(self.folder), "-c", "listen_addresses=127.0.0.1"],
            self.folder, os.environ, "postgres.out",
        )  # fmt: skip
        wait_for(self.port, self._process)
        self.query("SELECT 1")
        self.execute("CREATE DATABASE mlflow")

    def query(self, command, *values, database="postgres"):
        """Return the rows of a query."""
        with self._connect(database) as connection:
            return connection.execute(command, values).fetchall()

    def execute(self, command):
        with self._connect("postgres") as connection:
            connection.execute(command)

    def _connect(self, database):
        import psycopg

        end = time.monotonic() + 60
        while True:
            try:
                return closing(
                    psycopg.connect(
                        host="127.0.0.1", port=self.port, dbname=database, user="mlflow",
                        password=PASSWORDS["POSTGRES_PASSWORD"], autocommit=True,
                    )
                )  # fmt: skip
            except psycopg.OperationalError:  # it listens before it takes connections
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)

    def stop(self):
        self._process.send_signal(signal.SIGINT)  # a fast shutdown
        self._process.wait(timeout=60)
        shutil.rmtree(self.folder)


class TeamServer:
    """The service `mlflow` of the compose file: its command and environment, on loopback."""

    def __init__(self, folder, postgres):
        self.folder = folder
        (self.port,) = free_ports(1)
        self.address = f"http://127.0.0.1:{self.port}"
        compose = yaml.safe_load(COMPOSE.read_text())
        service = compose["services"]["mlflow"]
        (folder / "auth.ini").write_text(compose["configs"]["auth"]["content"])
        here = {"PGHOST", "PGPORT", "PGUSER", "PGPASSWORD"}
        environment = (
            os.environ
            | {name: substituted(value) for name, value in service["environment"].items()}
            | {name: postgres.environment[name] for name in here}
            | {"MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini")}
        )
        command = service["command"]
        for there, value in (
            ("--host 0.0.0.0", "--host 127.0.0.1"),
            ("--port 5000", f"--port {self.port}"),
            ("--workers 4", "--workers 2"),
            ("/artifacts", str(folder / "artifacts")),
        ):
            assert there in command
            command = command.replace(there, value)
        words = [sys.executable, "-m", *shlex.split(command)]
        self._process = start(words, folder, environment, "server.out")
        wait_for(self.port, self._process)

    def user(self, name="admin", password=PASSWORDS["MLFLOW_AUTH_ADMIN_PASSWORD"]):
        """Return the environment of a user of the server."""
        return os.environ | {
            "MLFLOW_TRACKING_URI": self.address,
            "MLFLOW_TRACKING_USERNAME": name,
            "MLFLOW_TRACKING_PASSWORD": password,
        }

    def client(self):
        """Return MLflow's client of users and rights; its requests need the variables of `user`."""
        from mlflow.server import get_app_client

        return get_app_client("basic-auth", tracking_uri=self.address)

    def stop(self):
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait(timeout=60)


def substituted(value):
    """Return a value of the compose file with passwords in the place of their variables."""
    for name, password in PASSWORDS.items():
        value = value.replace(f"${{{name}:?}}", password)
    assert "${" not in value
    return value


def start(command, folder, environment, log):
    with (folder / log).open("wb") as output:
        return subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip


def wait_for(port, process):
    """Wait until something listens at a port."""
    end = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < end:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.1)
    raise AssertionError(f"nothing listens at {port}, exit code {process.returncode}")
