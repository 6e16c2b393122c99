"""When to try again: exponential back-off with jitter, and what a server says itself (Retry-After)."""

import datetime
import email.utils
import random

FIRST_WAIT_SECONDS, MOST_WAIT_SECONDS = 1.0, 300.0  # seconds
LONGEST_BACK_OFF_SECONDS = 60.0


def back_off(tries: int) -> float:
    """Seconds to wait after so many tries: 1, 2, 4 … up to 60, each shortened by up to half at random.

    Jitter keeps many clients from coming back at once:
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    longest: float = min(LONGEST_BACK_OFF_SECONDS, FIRST_WAIT_SECONDS * 2 ** (tries - 1))
    return longest * random.uniform(0.5, 1)


def retry_after(header: str | None) -> float:
    """The seconds a Retry-After header asks for, given as a number or as a date; 0 when it says nothing.

    https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
    """
    if not header:
        return 0.0
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        when = email.utils.parsedate_to_datetime(header)
    except (TypeError, ValueError):
        return 0.0
    if when.tzinfo is None:
        when = when.replace(tzinfo=datetime.UTC)
    return max(0.0, (when - datetime.datetime.now(datetime.UTC)).total_seconds())
