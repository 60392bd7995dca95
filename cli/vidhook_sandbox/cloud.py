"""The local cloud: MiniStack with the real template.yaml deployed."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import click
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from vidhook import subscribers
from vidhook.task import Subscriber
from vidhook.wiring import Edges, settings_of
from vidhook_console.proxy import BUILT_IN, Console, serving
from vidhook_sandbox import ROOT, build_folder, need_extra, program
from vidhook_sandbox.package import Package, pack
from vidhook_sandbox.provider import KEYS, SampleProvider, provider_files
from vidhook_sandbox.subscriber import SampleSubscriber

STACK, REGION, ARTIFACTS = "vidhook", "us-east-1", "vidhook-sandbox-artifacts"
# Different from a deployment on AWS: providers, subscribers and the API are on this machine.
NETWORKS = "127.0.0.0/8,::1/128"
ROOT_KEY = "test"  # its id and its secret
NEEDED = re.compile(
    "PATH|HOME|USER|LOGNAME|LANG|LC_[A-Z]+|TZ|PYTHONPATH|PYTHONHOME|LD_LIBRARY_PATH|SSL_CERT_(FILE|DIR)"
)


@dataclass(frozen=True)
class Cloud:
    """A running local cloud. `outputs` are the stack's, in snake_case; `wait_scale` is as in `running`."""

    endpoint: str
    outputs: dict[str, str]
    log: Path
    process: "subprocess.Popen[bytes]"
    wait_scale: float = 1.0

    def client(self, service: str, connections: int = 10) -> Any:
        """Returns a boto3 client with the root key of the local cloud, for so many requests at once."""
        return _client(self.endpoint, service, connections)

    @cached_property
    def edges(self) -> Edges:
        """The edges of the stack, with the rights of the root key."""
        return Edges({name.upper(): value for name, value in self.outputs.items()}, client=self.client)

    def use(self, provider: SampleProvider) -> None:
        """Puts the bundled provider files that the sample provider speaks into the stack, with its address."""
        for name, text in provider_files(provider).items():
            self.edges.ledger.providers.put(name, text)

    def subscribe(self, subscriber: SampleSubscriber, **terms: Any) -> Subscriber:
        """Adds the sample subscriber and gives it its secret; `terms` are the fields of vidhook.subscribers.Terms."""
        added, secret = subscribers.add(
            subscribers.Terms(subscriber.url, **terms),
            ledger=self.edges.ledger,
            secrets=self.edges.secrets,
            http=self.edges.http,
            clock=self.edges.clock,
        )
        subscriber.secrets.append(secret)
        return added

    def submit(self, **submission: Any) -> dict[str, Any]:
        """Invokes the submit function and returns its answer. Raises RuntimeError with its message when it refuses."""
        answer = self.client("lambda").invoke(
            FunctionName=self.outputs["submit_function"], Payload=json.dumps(submission)
        )
        body: dict[str, Any] = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise RuntimeError(body["errorMessage"])
        return body

    def console(self, samples: Sequence[Mapping[str, Any]] = BUILT_IN) -> contextlib.AbstractContextManager[str]:
        """Serves the console of the stack, with the root key, while the block lasts; the block gets its address."""
        console = Console(
            stack=STACK,
            region=REGION,
            account=None,
            api_url=self.outputs["api_url"],
            videos=[self.outputs["videos_url"], self.edges.bucket.presigned("any", seconds=1)],
            http=self.edges.http,
            credentials=lambda: Credentials(ROOT_KEY, ROOT_KEY),
            program=f"AWS_ENDPOINT_URL={self.endpoint} {program()} --region {REGION}",
            sandbox=True,
            wait_scale=self.wait_scale,
            samples=samples,
        )
        return serving(console)

    def facts(self) -> dict[str, str]:
        """Returns what `vidhook sandbox` prints: what a program needs to use the cloud."""
        return {"endpoint": self.endpoint, "region": REGION, **self.outputs, "log": str(self.log)}


@contextlib.contextmanager
def running(port: int = 0, wait_scale: float = 1.0, auth: bool = False) -> Iterator[Cloud]:
    """Yields a local cloud, and removes all of it when the block ends.

    Every Wait state lasts `wait_scale` times as long as it says; with `auth` IAM is enforced. Port 0 takes a free one.
    Raises ClickException, with one line for the user, if it cannot be started.
    """
    need_extra()
    port = _free_port(port)
    home = Path(tempfile.mkdtemp(prefix="vidhook-sandbox-"))
    log = home / "ministack.log"
    endpoint = f"http://127.0.0.1:{port}"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "vidhook_sandbox.emulator"],  # -P: import nothing from the current folder
            env=_environment(port, wait_scale, auth, home),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        packaged = pack(ROOT / "template.yaml", ARTIFACTS, build_folder())
        _await_health(endpoint, process, log)
        outputs = _deploy(endpoint, packaged)
        keys = json.dumps(KEYS)
        _client(endpoint, "secretsmanager").put_secret_value(SecretId=outputs["provider_secret"], SecretString=keys)
        yield Cloud(endpoint, outputs, log, process, wait_scale)
    finally:
        assert process.stdin
        process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        shutil.rmtree(home, ignore_errors=True)


def _deploy(endpoint: str, packaged: Package) -> dict[str, str]:
    """Creates the stack. Returns its outputs in snake_case."""
    s3, cloudformation = _client(endpoint, "s3"), _client(endpoint, "cloudformation")
    # With this tag the emulator uses our id for the API, so that its address is known before the deployment.
    template = json.loads(packaged.template)
    template["Resources"]["Api"]["Properties"]["Tags"] = {"ms-custom-id": STACK}
    api_url = f"{endpoint}/_aws/execute-api/{STACK}/$default"
    template["Outputs"]["ApiUrl"]["Value"] = api_url  # else it has a host name that few machines can resolve
    parameters = {"AllowedNetworks": NETWORKS, "VideosUrl": f"{api_url}/v1/videos"}
    s3.create_bucket(Bucket=ARTIFACTS)
    for key, content in {**packaged.objects, "template.json": json.dumps(template).encode()}.items():
        s3.put_object(Bucket=ARTIFACTS, Key=key, Body=content)
    try:
        cloudformation.create_stack(
            StackName=STACK,
            TemplateURL=f"{endpoint}/{ARTIFACTS}/template.json",
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        )
    except ClientError as error:
        raise click.ClickException(f"the template is refused: {error.response['Error']['Message']}") from error
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        stack = cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]
        if not stack["StackStatus"].endswith("_IN_PROGRESS"):
            break
        time.sleep(0.05)
    if stack["StackStatus"] != "CREATE_COMPLETE":
        events = reversed(cloudformation.describe_stack_events(StackName=STACK)["StackEvents"])
        failed = [event for event in events if event["ResourceStatus"].endswith("_FAILED")]
        why = [f"{event['LogicalResourceId']}, {event.get('ResourceStatusReason')}" for event in failed]
        raise click.ClickException(f"the stack is {stack['StackStatus']}: {''.join(why[:1])}")
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
    facts = {name.lower(): value for name, value in settings_of(outputs).items()}
    return {**facts, "stack": STACK}


def _await_health(endpoint: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            direct.open(f"{endpoint}/_ministack/health", timeout=5).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    last = log.read_text(errors="replace").strip().splitlines()[-1:]
    raise click.ClickException(f"MiniStack does not start: {''.join(last) or 'its log is empty'}")


def _environment(port: int, wait_scale: float, auth: bool, home: Path) -> dict[str, str]:
    """Returns the environment of MiniStack: of our own only what any program needs.

    Other settings mean something else: SERVICES and the like are LocalStack's, PYTHONIOENCODING would keep its workers
    from being understood, and AWS settings and proxies lead away from this machine.
    """
    ours = {name: value for name, value in os.environ.items() if NEEDED.fullmatch(name)}
    return {
        **ours,
        "AUTH": str(auth).lower(),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "false",  # IoT and SFTP would listen on every interface
        "SFTP_ENABLED": "false",
        "LAMBDA_ACCOUNT_CONCURRENCY": "0",  # no limit: emulator.py has its own
        "LAMBDA_WARM_TTL_SECONDS": "30",
        "LOG_LEVEL": "WARNING",
        "SFN_WAIT_SCALE": str(wait_scale),
        "TMPDIR": str(home),
        "S3_DATA_DIR": str(home / "s3"),
        "STATE_DIR": str(home / "state"),
    }


@cache
def _session() -> boto3.Session:
    """Returns a session that needs nothing of the user's own AWS settings, such as a profile that is not there."""
    variables = {**botocore.session.Session.SESSION_VARIABLES, "profile": (None, None, None, None)}
    return boto3.Session(botocore_session=botocore.session.Session(session_vars=variables))


def _client(endpoint: str, service: str, connections: int = 10) -> Any:
    return _session().client(
        service,  # type: ignore[call-overload]
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=ROOT_KEY,
        aws_secret_access_key=ROOT_KEY,
        config=Config(proxies={}, max_pool_connections=connections, s3={"addressing_style": "path"}),
    )


def _free_port(port: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise click.ClickException(f"port {port}: {error.strerror}; choose another with --port") from error
        chosen: int = probe.getsockname()[1]
        return chosen
