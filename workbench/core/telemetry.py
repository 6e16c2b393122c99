"""No library of ours tells its makers that it was used: page, command line, jobs and every other child are covered.

TRL reports each training, Gradio each start of a page, the hub library its use. All of them read these variables when
they are imported, so that they are set before: by this package for its own processes, by `child_environment` for
all others.
"""

TELEMETRY_OFF = {
    "DO_NOT_TRACK": "1",
    "DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}
"""What each library calls its switch."""
