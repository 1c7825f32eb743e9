"""Connections by identity: no key in any setting; a real Azurite with TLS takes tokens of the identity endpoint."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from azure.storage.queue import QueueServiceClient
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from local import azurite
from local.config import AZURITE_KEY, HUB_ACCOUNT
from local.process import spawn, stop
from tests.conftest import wait_for_port
from tests.integration.functions.hosting import free_port, until

HEADER = "the secret of the identity endpoint"
CLIENT = "33333333-3333-3333-3333-333333333333"
APP = """
import azure.functions as func
app = func.FunctionApp()

@app.function_name("work")
@app.queue_trigger(arg_name="message", queue_name="by-identity", connection="STORE")
@app.queue_output(arg_name="out", queue_name="by-identity-out", connection="STORE")
def work(message: func.QueueMessage, out: func.Out[str]) -> None:
    out.set(message.get_body().decode().upper())
"""


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "storage of a test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / "cert.pem", folder / "key.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return pem, secret


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A real Azurite with TLS that accepts tokens: the queue service's address and the certificate to trust."""
    folder = tmp_path_factory.mktemp("tls")
    pem, key = certificate(folder)
    blob, queue, table = free_port(), free_port(), free_port()
    command = azurite.command(folder, blob=blob, queue=queue, table=table)
    log = folder / "azurite.log"
    process = spawn(
        [*command, "--oauth", "basic", "--cert", str(pem), "--key", str(key)], log=log, environ=azurite.environment()
    )
    try:
        wait_for_port(queue, log)
        yield f"https://127.0.0.1:{queue}/{HUB_ACCOUNT}", pem
    finally:
        stop(process)


class Identity(BaseHTTPRequestHandler):
    """The token endpoint of App Service (https://learn.microsoft.com/azure/app-service/overview-managed-identity)."""

    def do_GET(self) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        self.server.asked.append(query)  # type: ignore[attr-defined]  # kept on the server
        if self.headers.get("X-IDENTITY-HEADER") != HEADER:
            self.send_error(401)
            return
        now = int(time.time())
        claims = {
            "aud": "https://storage.azure.com",
            "iss": "https://sts.windows.net/t/",
            "iat": now - 60,
            "nbf": now - 60,
        }
        token = jwt.encode({**claims, "exp": now + 3600}, "no one checks the signature here, but it is long", "HS256")
        answer = json.dumps({"access_token": token, "expires_on": str(now + 3600), "token_type": "Bearer",
                             "resource": query["resource"]})  # fmt: skip
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, *given: Any) -> None:
        return


@pytest.fixture
def endpoint() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Identity)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("settings", "client"),
    [({"STORE__credential": "managedidentity", "STORE__clientId": CLIENT}, CLIENT), ({}, None)],
    ids=["assigned identity", "default chain"],
)
def test_a_queue_is_listened_and_written_to_by_identity(
    starts, storage: tuple[str, Path], endpoint: Any, settings: dict[str, str], client: str | None
) -> None:
    """https://learn.microsoft.com/azure/azure-functions/functions-reference#configure-an-identity-based-connection."""
    address, pem = storage
    text = f"DefaultEndpointsProtocol=https;AccountName={HUB_ACCOUNT};AccountKey={AZURITE_KEY};QueueEndpoint={address}"
    service = QueueServiceClient.from_connection_string(text, connection_verify=str(pem))
    queue, out = service.get_queue_client("by-identity"), service.get_queue_client("by-identity-out")
    if not list(service.list_queues(name_starts_with="by-identity")):
        queue.create_queue()
    host = starts(
        app=APP,
        STORE="",
        STORE__queueServiceUri=address,
        SSL_CERT_FILE=str(pem),
        IDENTITY_ENDPOINT=f"http://127.0.0.1:{endpoint.server_port}/msi/token",
        IDENTITY_HEADER=HEADER,
        **settings,
    )
    queue.send_message(base64.b64encode(b"leise").decode())

    def answered() -> list[str]:
        if not list(service.list_queues(name_starts_with="by-identity-out")):
            return []
        return [base64.b64decode(one.content).decode() for one in out.receive_messages()]

    assert until(answered, 40) == ["LEISE"], host.log.read_text()
    assert {asked.get("client_id") for asked in endpoint.asked} == {client}
    assert all(asked["resource"] == "https://storage.azure.com" for asked in endpoint.asked)
    assert HEADER not in host.log.read_text()
    service.close()


def test_an_unknown_kind_of_credential_is_refused_by_name(starts) -> None:
    """https://learn.microsoft.com/azure/azure-functions/functions-reference#common-properties-for-identity-based-connections."""
    host = starts(app=APP, wait=False, STORE="", STORE__queueServiceUri="https://x", STORE__credential="certificate")
    assert host.process.wait(60) == 1
    assert "STORE__credential is 'certificate'; managedidentity is expected" in host.log.read_text()
