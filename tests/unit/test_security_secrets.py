"""What only its owner should know is in no message, no log line and no file."""

import json
import logging
from io import StringIO

import pytest

from flows.embedded import check_server
from trivia_render.errors import BadInputError, WorkflowServerError
from trivia_render.models.redaction import redacted_url, shown_value, without_users
from trivia_render.settings import load_settings
from trivia_render.telemetry.logs import CloudFormatter, TextFormatter

PASSWORD = "hunter2"  # noqa: S105 # pragma: allowlist secret


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:hunter2@host.example/api", "https://…@host.example/api"),
        ("a http://me:hunt@er2@h/x, postgresql+asyncpg://p:q@10.0.0.5/prefect?ssl=require", None),
        ("https://hunter2@h", "https://…@h"),
        ("postgresql+asyncpg://prefect:ab/cd+hunter2@db:5432/x", "postgresql+asyncpg://…@db:5432/x"),
        ("see http://127.0.0.1:4200/runs/a@b", "see http://127.0.0.1:4200/runs/a@b"),
        ("see https://h/a@b and mail me@h", "see https://h/a@b and mail me@h"),
        ("no address, 3 @ 4", "no address, 3 @ 4"),
    ],
)
def test_an_address_loses_its_user_and_password(text: str, shown: str | None) -> None:
    found = without_users(text)
    assert "hunter2" not in found
    assert "p:q" not in found
    assert shown in {None, found}


def test_a_shown_address_loses_its_signature_too() -> None:
    url = "https://me:x@storage.example/b/o.png?X-Goog-Signature=abc&X-Goog-Expires=9"
    assert redacted_url(f"'{url}' is odd") == "'https://…@storage.example/b/o.png?…' is odd"


@pytest.mark.parametrize("formatter", [CloudFormatter(), TextFormatter()], ids=["json", "text"])
def test_no_log_line_has_a_password_in_its_message_its_stack_or_its_fields(
    formatter: logging.Formatter,
) -> None:
    output = StringIO()
    handler = logging.StreamHandler(output)
    handler.setFormatter(formatter)
    logger = logging.Logger("trivia_render.test")
    logger.addHandler(handler)
    url = f"https://me:{PASSWORD}@host.example/api"
    error = WorkflowServerError(f"{url} is away.", evidence=f"  {url}", remedy=f"Ask {url}.")
    logger.error("at %s", url, exc_info=error, extra={"remedy": url})
    assert PASSWORD not in output.getvalue()
    assert "host.example/api" in output.getvalue()


@pytest.mark.parametrize(
    "url",
    [
        "http://me:ab hunter2@127.0.0.1:9/api",
        "http://me:ab/hunter2@127.0.0.1:9/api",
        "http://me:ab#hunter2@127.0.0.1:9/api",
        "me:hunter2@127.0.0.1:9/api",
        "127.0.0.1:4200/api",
    ],
)
def test_an_address_of_the_server_has_no_password_in_whatever_form(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", url)
    with pytest.raises(BadInputError) as refused:
        load_settings()
    assert "hunter2" not in str(refused.value)
    assert "PREFECT_API_URL" in str(refused.value)


@pytest.mark.parametrize(
    "variable", ["TRIVIA_SECRETS", "PREFECT_API_AUTH_STRING", "X_API_KEY", "DATABASE_CONNECTION_URL"]
)
def test_a_bad_value_is_not_quoted_where_its_name_says_secret(variable: str) -> None:
    assert PASSWORD not in shown_value(variable, f"me:{PASSWORD}")


def test_a_bad_value_is_quoted_without_password_and_not_at_any_length() -> None:
    assert shown_value("TRIVIA_ENCODER", f"http://me:{PASSWORD}@h") == "(not shown)"
    assert shown_value("TRIVIA_ENCODER", "h264") == "'h264'"
    assert len(shown_value("TRIVIA_ENCODER", "x" * 10_000)) < 300


def test_an_address_of_prefect_with_a_password_is_refused_and_the_password_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", f"http://me:{PASSWORD}@127.0.0.1:4200/api")
    with pytest.raises(BadInputError, match="PREFECT_API_AUTH_STRING") as caught:
        load_settings()
    assert PASSWORD not in str(caught.value)
    assert PASSWORD not in json.dumps([caught.value.message, caught.value.evidence, caught.value.remedy])


@pytest.mark.parametrize("end", ["api", "api\n", ""])
def test_a_server_that_does_not_answer_is_named_without_its_password(end: str) -> None:
    with pytest.raises(WorkflowServerError) as caught:
        check_server(f"http://me:{PASSWORD}@127.0.0.1:9/{end}")
    assert PASSWORD not in str(caught.value)
