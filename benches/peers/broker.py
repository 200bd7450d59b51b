"""A RabbitMQ of the measurement's own, on free ports of this machine; it ends with whoever started it."""

import os
import pathlib
import signal
import socket
import subprocess
import time

PROGRAMS = pathlib.Path("/usr/lib/rabbitmq/bin")


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for own in sockets:
        own.bind(("127.0.0.1", 0))
    ports = [own.getsockname()[1] for own in sockets]
    for own in sockets:
        own.close()
    return ports


class Broker:
    """`None` of [`Broker.start`] where RabbitMQ is not installed."""

    @classmethod
    def start(cls, folder):
        return cls(folder) if (PROGRAMS / "rabbitmq-server").exists() else None

    def __init__(self, folder):
        self.port, epmd, distribution = free_ports(3)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\nlog.file = false\nlog.console = true\n"
            "default_user = chiasm\ndefault_pass = secret\nloopback_users = none\n"
        )
        (folder / "enabled_plugins").write_text("[].\n")
        environment = os.environ | {
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(epmd),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_NODENAME": f"peers-{self.port}@localhost",
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }
        log = open(folder / "server.log", "w")
        options = {"env": environment, "stdout": log, "stderr": log, "stdin": subprocess.DEVNULL, "start_new_session": True}
        self.mapper = subprocess.Popen(["epmd", "-port", str(epmd)], **options)
        self.server = subprocess.Popen([PROGRAMS / "rabbitmq-server"], **options)
        self.url = f"amqp://chiasm:secret@127.0.0.1:{self.port}/%2F"
        until = time.monotonic() + 90
        while not self.answers():
            if time.monotonic() > until or self.server.poll() is not None:
                self.stop()
                raise RuntimeError(f"RabbitMQ did not start: {folder / 'server.log'}")
            time.sleep(0.2)

    def answers(self):
        """Whether the broker speaks AMQP, not only listens."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as own:
                own.sendall(b"AMQP\x00\x00\x09\x01")
                return own.recv(1) == b"\x01"
        except OSError:
            return False

    def stop(self):
        for process in (self.server, self.mapper):
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
