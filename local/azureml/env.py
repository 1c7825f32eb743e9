"""The variables with which an unmodified MLClient(DefaultAzureCredential(), ...) reaches the laptop's workspace."""

from local.azureml.connect_proxy import proxy_port
from local.config import Cloud


def client_environment(cloud: Cloud) -> dict[str, str]:
    """Give exactly what azure-ai-ml and azure-identity read: the cloud's metadata, the authorities, the identity.

    REQUESTS_CA_BUNDLE holds certifi's authorities and ours, so that a shell that has it still trusts the rest.
    HTTPS_PROXY leads the storage hosts that azure-ai-ml insists on (local uploads, downloads) to this laptop, and every
    other host where it is.
    """
    return {
        "ARM_CLOUD_METADATA_URL": f"https://127.0.0.1:{cloud.azureml_tls_port}/metadata/endpoints?api-version=2019-05-01",
        "REGISTRY_DISCOVERY_ENDPOINT_URL": f"https://127.0.0.1:{cloud.azureml_tls_port}/",
        "REQUESTS_CA_BUNDLE": str(cloud.ca_bundle.absolute()),
        "IDENTITY_ENDPOINT": f"http://127.0.0.1:{cloud.azureml_port}/msi/token",
        "IDENTITY_HEADER": cloud.keys["identity"],
        "HTTPS_PROXY": f"http://127.0.0.1:{proxy_port(cloud)}",
        "NO_PROXY": "127.0.0.1,localhost",
    }
