"""A real server that speaks S3, with one bucket: moto's, in a process of its own, as it keeps what it has in memory."""

import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from urllib.request import urlopen

import boto3

from launcher import ports
from tests.waiting import eventually

NAME = "attachments"
KEY, SECRET = "letters", "with/slash+plus"


class Bucket:
    """Starts with the context and ends with it; can be frozen and killed meanwhile."""

    def __init__(self) -> None:
        self.port = ports.pick()

    def __enter__(self) -> Self:
        command = [str(Path(sys.executable).parent / "moto_server"), "-H", "127.0.0.1", "-p", str(self.port)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(self._answers)
        self._client.create_bucket(Bucket=NAME)
        return self

    def __exit__(self, *exception: Any) -> None:
        self.kill()

    @property
    def url(self) -> str:
        """For ATTACHMENT_STORAGE_URL."""
        return f"s3+http://{KEY}:with%2Fslash%2Bplus@127.0.0.1:{self.port}/{NAME}?region=us-east-1"

    @property
    def keys(self) -> set[str]:
        return {each["Key"] for each in self._client.list_objects_v2(Bucket=NAME).get("Contents", [])}

    def facts(self, key: str) -> dict[str, Any]:
        return dict(self._client.head_object(Bucket=NAME, Key=key))

    def lose(self, key: str) -> None:
        self._client.delete_object(Bucket=NAME, Key=key)

    def kill(self) -> None:
        self.thaw()
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGCONT)

    @property
    def _client(self) -> Any:
        return boto3.client(
            "s3", endpoint_url=f"http://127.0.0.1:{self.port}", aws_access_key_id=KEY, aws_secret_access_key=SECRET,
            region_name="us-east-1",
        )  # fmt: skip

    def _answers(self) -> bool:
        with urlopen(f"http://127.0.0.1:{self.port}/moto-api/", timeout=2) as answer:
            return bool(answer.status == 200)
