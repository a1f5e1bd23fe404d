"""The model server for a cluster of Ray, as a Serve configuration names it.

    applications:
      - name: askpage
        import_path: cli.models.ray_app:build
        args: {models_url: "abfs://…", model_server_most_replicas: 8}

The arguments are settings by their names; what is not given comes from the environment of the cluster's
machines (`ASKPAGE_…`), secrets among it. `infra/ray/` has whole configurations.
"""

from __future__ import annotations

from typing import Any

from bot.app import CannotServe
from cli.models.server import build_on_ray
from core.settings import Settings


def build(args: dict[str, Any]) -> Any:
    """Return the application. Raises CannotServe without a key: Ray's proxies listen to other machines."""
    settings = Settings(**args)
    if not settings.model_server.key.get_secret_value():
        raise CannotServe(
            "A cluster's model server needs a key: set ASKPAGE_MODEL_SERVER_KEY on its machines"
        )
    return build_on_ray(settings)
