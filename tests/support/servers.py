"""Real servers for tests, each on free ports of loopback with its data in a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

import amqp
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from async_tasks.engine.embedded import find_server
from tests.support.processes import Process, free_port
from tests.support.waiting import wait_until

PASSWORD = "store-password-of-tests"


class Server(ABC):
    """A server that tests start, kill and pause. ``start`` returns when it serves.

    Args:
        folder: where its data, configuration and log are.
    """

    #: Seconds within which it must serve.
    patience = 30.0

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: Process

    @property
    @abstractmethod
    def url(self) -> str:
        """How a client reaches it, password included."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether it serves a real client."""

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def alive(self) -> bool:
        """Whether its process runs (also when it is paused)."""
        return self.process.alive

    def start(self) -> None:
        """Start it with the data it had, and wait until it serves."""
        self.process.start()

        def ready() -> bool:
            assert self.alive, f"{type(self).__name__} ended:\n{self.process.tail()}"
            return self.ready()

        wait_until(ready, self.patience, lambda: f"{type(self).__name__}:\n{self.process.tail()}")

    def stop(self) -> None:
        """End it as an operator does."""
        self.process.stop(60)

    def kill(self) -> None:
        """End it at once, with SIGKILL."""
        self.process.kill()

    def restart(self) -> None:
        """End it as an operator does, and start it with the data it had."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """SIGSTOP: connections stay and nothing is answered, as in a network's black hole."""
        self.process.pause()

    def resume(self) -> None:
        """SIGCONT."""
        self.process.resume()

    def ensure(self) -> None:
        """Make it serve, whatever the last test did to it."""
        if self.alive:
            self.resume()
        else:
            self.start()


class StoreServer(Server):
    """Redis or Valkey with a password and every write on the disk before it is answered.

    Args:
        program: the server's program.
        folder: where its data, configuration and log are.
    """

    def __init__(self, program: Path, folder: Path) -> None:
        super().__init__(folder)
        configuration = folder / "server.conf"
        configuration.write_text(
            f'bind 127.0.0.1\nport {self.port}\nrequirepass {PASSWORD}\ndir "{folder}"\nsave ""\n'
            "appendonly yes\nappendfsync always\nmaxmemory-policy noeviction\n"
        )
        self.process = Process([str(program), str(configuration)], folder / "server.log")

    @property
    def url(self) -> str:
        """How a client reaches it, password included."""
        return f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        """A client of its own connections; close it."""
        return redis.Redis.from_url(self.url, decode_responses=True, socket_timeout=2, retry=Retry(NoBackoff(), 0))

    def ready(self) -> bool:
        """Whether it answers a client."""
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def wipe(self) -> None:
        """Forget everything."""
        with self.client() as client:
            # Limits that a test may have set, and then its data.
            client.config_set("maxmemory", 0)
            client.flushall()


class RabbitServer(Server):
    """One RabbitMQ node with an epmd of its own. About 6 s to start; virtual hosts cost 15 ms.

    Args:
        program: RabbitMQ's own ``rabbitmq-server`` script, not the distribution's wrapper.
        folder: where its data, configuration and log are.
    """

    patience = 90.0

    def __init__(self, program: Path, folder: Path) -> None:
        super().__init__(folder)
        self.starts = 0
        self.epmd_port, self.dist_port = free_port(), free_port()
        self.node = f"async_tasks_{os.getpid()}_{self.port}@localhost"
        home = folder / "home"
        home.mkdir()
        (folder / "enabled_plugins").write_text("[].\n")
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\nlog.console = true\nlog.console.level = info\n"
            "vm_memory_high_watermark.absolute = 1GB\ndisk_free_limit.absolute = 50MB\n"
        )
        self._env = os.environ | {
            "HOME": str(home),
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_DIST_PORT": str(self.dist_port),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            # One scheduler that does not spin: the tests share the machine with it.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "+S 1:1 +sbwt none +A 8 -kernel inet_dist_use_interface {127,0,0,1}"
            ),
            # The script then becomes the server instead of waiting for it, and signals reach it.
            "RUNNING_UNDER_SYSTEMD": "true",
        }
        self.process = Process([str(program)], folder / "server.log", env=self._env)
        # Its own name service in the foreground; the server would start one that outlives it.
        self.epmd = Process(
            ["epmd", "-port", str(self.epmd_port), "-address", "127.0.0.1"], folder / "epmd.log", env=self._env
        )

    @property
    def url(self) -> str:
        """How a client reaches the default virtual host, password included."""
        return self.url_of("%2F")

    def url_of(self, vhost: str) -> str:
        """How a client reaches a virtual host, password included."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/{vhost}"

    def start(self) -> None:
        """Start it with the data it had, and wait until it serves."""
        self.starts += 1
        if not self.epmd.alive:
            self.epmd.start()
        super().start()

    def ready(self) -> bool:
        """Whether it answers a client."""
        try:
            with amqp.Connection(f"127.0.0.1:{self.port}", connect_timeout=2, read_timeout=2):
                return True
        except (OSError, amqp.AMQPError):
            return False

    def end(self) -> None:
        """End it and its name service for good."""
        self.kill()
        self.epmd.kill()

    def evaluate(self, expressions: str) -> str:
        """Evaluate Erlang in the running server: a few milliseconds, where ``rabbitmqctl`` takes half a second.

        Args:
            expressions: such as ``rabbit_disk_monitor:set_disk_free_limit("1GB")``, without a full stop.

        Returns:
            The value of the last one as Erlang prints it.
        """
        command = ["erl_call", "-sname", self.node, "-e"]
        done = subprocess.run(
            command, env=self._env, input=f"{expressions}.\n", capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, f"erl_call: {done.stdout}{done.stderr}"
        assert done.stdout.startswith("{ok, "), done.stdout
        return done.stdout.strip().removeprefix("{ok, ").removesuffix("}")

    def add_vhost(self, name: str) -> str:
        """Make a virtual host and return its URL: no queue or exchange of another test is there."""
        self.evaluate(
            f'ok = rabbit_vhost:add(<<"{name}">>, <<"tests">>), ok = rabbit_auth_backend_internal:set_permissions('
            f'<<"guest">>, <<"{name}">>, <<".*">>, <<".*">>, <<".*">>, <<"tests">>)'
        )
        return self.url_of(name)

    def add_user(self, vhost: str, name: str, configure: str, write: str, read: str) -> str:
        """Make a user with rights in one virtual host and return its URL; the patterns are RabbitMQ's.

        The user ends with the server.
        """

        def binary(text: str) -> str:
            escaped = text.replace("\\", "\\\\")
            return f'<<"{escaped}">>'

        patterns = ", ".join(binary(pattern) for pattern in (configure, write, read))
        self.evaluate(
            f'rabbit_auth_backend_internal:add_user({binary(name)}, <<"{name}">>, <<"tests">>), '
            f'ok = rabbit_auth_backend_internal:set_permissions({binary(name)}, {binary(vhost)}, {patterns}, <<"tests">>)'
        )
        return f"amqp://{name}:{name}@127.0.0.1:{self.port}/{vhost}"

    def delete_vhost(self, name: str) -> None:
        """Remove a virtual host with everything in it."""
        self.evaluate(f'rabbit_vhost:delete(<<"{name}">>, <<"tests">>)')

    def depths(self, vhost: str) -> Mapping[str, int]:
        """The messages in each queue of a virtual host, waiting and unacknowledged together."""
        listed = self.evaluate(
            'lists:flatten([io_lib:format("~s=~w ", '
            "[element(4, proplists:get_value(name, I)), proplists:get_value(messages, I)]) "
            f'|| I <- rabbit_amqqueue:info_all(<<"{vhost}">>, [name, messages])])'
        )
        pairs = (pair.split("=") for pair in listed.strip('"[]').split())
        return {name: int(messages) for name, messages in pairs}


def redis_program() -> Path:
    """The distribution's Redis; fails when it is missing."""
    return _installed("redis-server", "redis-server")


def valkey_program() -> Path:
    """The server of the embedded default."""
    return find_server()


def rabbitmq_program() -> Path:
    """RabbitMQ's start script without the distribution's change of user; fails when it is missing."""
    _installed("epmd", "rabbitmq-server")
    _installed("erl_call", "rabbitmq-server")
    packaged = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    return packaged if packaged.exists() else _installed("rabbitmq-server", "rabbitmq-server")


def _installed(program: str, package: str) -> Path:
    found = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    assert found, f"{program} is missing, and these tests need the real server: apt install {package}"
    return Path(found)
