"""Whether the Hugging Face hub can be reached, and whether a token is set."""

import os
import time
from typing import ClassVar

from workbench.core.children import Credential
from workbench.doctor.machine_check import CHECKS, Check, CheckProbe

TIMEOUT_SECONDS = 3.0
OFFLINE_VARIABLES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


@CHECKS.register
class HubAccess(Check):
    """Whether the Hugging Face hub answers within three seconds, and whether a token is set; nothing here needs it."""

    method: ClassVar[str] = "hub-access"
    title: ClassVar[str] = "Hugging Face hub"
    order: ClassVar[int] = 45
    online: ClassVar[bool] = True
    credentials: ClassVar[tuple[Credential, ...]] = ("hub",)

    def measure(self, probe: CheckProbe) -> None:
        import httpx
        from huggingface_hub import constants, get_token

        probe.fact("token set", get_token() is not None)
        if name := next((name for name in OFFLINE_VARIABLES if os.environ.get(name, "0").upper() in ("1", "TRUE")), ""):
            probe.fact("reachable", False)
            probe.warn(f"{name} keeps everything off the hub.", f"Unset {name} to load models from there.")
            return
        began = time.perf_counter()
        try:
            answer = httpx.head(constants.ENDPOINT, timeout=TIMEOUT_SECONDS)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            probe.fact("reachable", False)
            probe.warn(
                f"The hub cannot be reached ({type(error).__name__}); everything but loading from it works.",
                "Import models from folders, or check the network and its proxy.",
            )
            return
        probe.fact("reachable", True)
        probe.fact("answered with status", answer.status_code)
        probe.fact("answered after", time.perf_counter() - began, "s")
