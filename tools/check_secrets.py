"""No secret in .dvc/config, which git keeps for everybody; `make lint` and pre-commit run this."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from configobj import ConfigObj, ConfigObjError

from classifier.base.errors import UserError
from classifier.base.process import run

CONFIG = Path(".dvc/config")
# DVC's options that are, or hold, a credential. A name, a path or a command does not let anyone in.
SECRETS = {
    "access_key_id", "account_key", "client_secret", "connection_string", "gdrive_client_secret",
    "oss_key_id", "oss_key_secret", "passphrase", "password", "sas_token", "secret_access_key",
    "session_token", "sse_customer_key", "token",
}  # fmt: skip
# A password behind the user's name, or for a web server the name alone; a parameter.
IN_URL = re.compile(
    r"://[^/@:]*:.+@|https?://[^/]+@|[?&][^=&]*(sig|token|password|signature)=", re.IGNORECASE
)


def secrets(sections: Mapping[str, Any]) -> Iterator[str]:
    """Yield the name of each option that gives a secret away."""
    for section, options in sections.items():
        if not isinstance(options, Mapping):
            continue
        for name, value in options.items():
            if name.lower() in SECRETS or IN_URL.search(str(value)):
                yield f"{section}: {name}"


def main() -> None:
    """Raise `UserError` that names the first secret, not its value."""
    try:
        config = ConfigObj(str(CONFIG), interpolation=False)
    except ConfigObjError as error:
        raise UserError(f"{CONFIG}: {error}") from error
    for found in secrets(config):
        raise UserError(
            f"{CONFIG}: {found}: is a secret that git would keep; set it with "
            "`dvc remote modify --local` or in the environment, and replace it"
        )


if __name__ == "__main__":
    run(main)
