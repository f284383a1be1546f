"""The one narrow door to the AWS SDK.

Clients are of many shapes that only exist at run time, so they pass as `Any` from here on.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_botocore_config: Any = import_module("botocore.config")
_loaders: Any = import_module("botocore.loaders")
_model: Any = import_module("botocore.model")
_parsers: Any = import_module("botocore.utils")


def client(service: str, *, endpoint: str, region: str, key: str, secret: str) -> Any:
    """A boto3 client of its own session that looks at no setting of the machine."""
    boto3: Any = import_module("boto3")
    session = boto3.session.Session(
        aws_access_key_id=key, aws_secret_access_key=secret, region_name=region
    )
    config = _botocore_config.Config(
        retries={"max_attempts": 1}, connect_timeout=60, read_timeout=300, proxies={}
    )
    return session.client(service, endpoint_url=endpoint, config=config)


def service_model(service: str) -> Any:
    """The model of a service as botocore has it."""
    loader = _loaders.Loader()
    return _model.ServiceModel(loader.load_service_model(service, "service-2"), service)


def parsed_time(value: str | float) -> Any:
    """A datetime from any spelling the SDK reads."""
    return _parsers.parse_timestamp(value)
