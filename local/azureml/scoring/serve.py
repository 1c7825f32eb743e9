"""Microsoft's inference server on the loopback interface: it binds every interface, and has no option for that.

Run as a script by the Python of a deployment's environment, with the server's own arguments.
"""

import importlib
import sys
from typing import Any


def main() -> None:
    """Start the server with another default host."""
    try:
        constants: Any = importlib.import_module("azureml_inference_server_http.constants")
    except ModuleNotFoundError as error:
        sys.exit(f"The environment of this deployment has no azureml-inference-server-http: {error}")
    constants.DEFAULT_HOST = "127.0.0.1"
    server: Any = importlib.import_module("azureml_inference_server_http.amlserver")
    server.run()


if __name__ == "__main__":
    main()
