"""A Slurm cluster of one node on loopback, which root can start without systemd."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

NEEDED = ("slurmctld", "slurmd", "munged", "sbatch")
TEMPLATE = """\
ClusterName=local
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
SlurmUser=root
SlurmdUser=root
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPort={first}
SlurmdPort={second}
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=4000 State=UNKNOWN
PartitionName=low Nodes={host} Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=high Nodes={host} MaxTime=INFINITE State=UP PriorityTier=9 PreemptMode=OFF
"""


def missing():
    """Return what is missing to start a cluster, or an empty text."""
    if os.geteuid() != 0:
        return "only root can start Slurm"
    lacking = [name for name in NEEDED if shutil.which(name) is None]
    return f"no {', '.join(lacking)} (apt-get install slurm-wlm munge)" if lacking else ""


class OneNode:
    """The cluster's daemons; `environment` makes Slurm's commands use it."""

    def __init__(self, folder):
        self.folder, host = folder, socket.gethostname().partition(".")[0]
        for name in ("state", "spool"):
            (folder / name).mkdir()
        conf = folder / "slurm.conf"
        first, second = free_ports(2)
        conf.write_text(TEMPLATE.format(host=host, folder=folder, first=first, second=second))
        self.environment = os.environ | {"SLURM_CONF": str(conf)}
        self.processes = []
        self._start_munge()
        for name in ("slurmctld", "slurmd"):
            self._start(name, "-D", "-f", str(conf))
        self._wait_for_node()

    def ask(self, *command):
        """Run one of Slurm's commands and return what it prints."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    def stop(self):
        with suppress(subprocess.CalledProcessError):
            self.ask("scancel", "--me")
            time.sleep(2)
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)

    def _start_munge(self):
        """Start the authentication daemon, unless one runs."""
        if subprocess.run(["munge", "-n"], capture_output=True, check=False).returncode == 0:
            return
        place = Path("/run/munge")
        place.mkdir(exist_ok=True)
        shutil.chown(place, "munge", "munge")
        self._start("setpriv", "--reuid=munge", "--regid=munge", "--init-groups", "munged", "-F")
        end = time.monotonic() + 30
        while subprocess.run(["munge", "-n"], capture_output=True, check=False).returncode:
            assert time.monotonic() < end, "munged does not answer"
            time.sleep(0.2)

    def _start(self, *command):
        with (self.folder / f"{Path(command[0]).name}.out").open("wb") as log:
            self.processes.append(
                subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
            )

    def _wait_for_node(self):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with suppress(subprocess.CalledProcessError):
                if "idle" in self.ask("sinfo", "--noheader", "--format=%T"):
                    return
            time.sleep(0.5)
        raise AssertionError((self.folder / "slurmctld.log").read_text()[-2000:])


def free_ports(count):
    """Return numbers of ports that nothing listens at."""
    opened = [socket.socket() for _ in range(count)]
    try:
        for one in opened:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in opened]
    finally:
        for one in opened:
            one.close()
