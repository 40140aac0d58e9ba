"""Look for secrets in the project's files: `python -m tests.secret_scan` lists them and writes the baseline.

The baseline, .secrets.baseline, names what was found and looked at by a person: examples and stand-ins. It
holds hashes of them, in the form of detect-secrets, which is what looks.
"""

import importlib.metadata
import json
import re
import subprocess
import tempfile
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

from detect_secrets import SecretsCollection
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.settings import transient_settings

ROOT = Path(__file__).parents[1]
BASELINE = ROOT / ".secrets.baseline"

#: Those that know a form. Detectors by entropy find each hash of the golden frames, and no secret beside.
DETECTORS = (
    *("ArtifactoryDetector", "AWSKeyDetector", "AzureStorageKeyDetector", "BasicAuthDetector"),
    *("CloudantDetector", "DiscordBotTokenDetector", "GitHubTokenDetector", "GitLabTokenDetector"),
    *("JwtTokenDetector", "KeywordDetector", "MailchimpDetector", "NpmDetector", "OpenAIDetector"),
    *("PrivateKeyDetector", "PypiTokenDetector", "SendGridDetector", "SlackDetector", "SquareOAuthDetector"),
    *("StripeDetector", "TelegramBotTokenDetector", "TwilioKeyDetector"),
)
FILTERS = (
    "detect_secrets.filters.allowlist.is_line_allowlisted",
    "detect_secrets.filters.heuristic.is_indirect_reference",
    "detect_secrets.filters.heuristic.is_likely_id_string",
    "detect_secrets.filters.heuristic.is_templated_secret",
    "detect_secrets.filters.heuristic.is_prefixed_with_dollar_sign",
)
#: Hashes alone, which may spell anything.
PASSED_OVER = re.compile(r"\.(?:lock|png|jpg|gif|svg|wav|flac|baseline)$|(?:^|/)golden/frames\.json$")


#: What every secret of those forms has beside it or in it. Other lines are not looked at: that takes long.
_WORTH_A_LOOK = re.compile(
    rb"-----BEGIN|AIza|ya29\.|GOCSPX-|GOOG[0-9A-Z]{10}|private_key_id|(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z0-9]"
    rb"|gh[oprsu]_|github_pat_|glpat-|xox[abeprs]-|hooks\.slack|[sr]k_live_|sk-[A-Za-z0-9]|sq0csp|eyJ[A-Za-z0-9]|SG\."
    rb"|npm_|_authToken|pypi-|AccountKey|AKC[A-Za-z0-9]{10}|\bAP[A-Za-z0-9]{10}|SK[0-9a-f]{32}|[0-9]{8,10}:[A-Za-z0-9_-]{35}"
    rb"|[MNO][A-Za-z0-9_-]{23,25}\.|-us[0-9]{1,2}\b|://[^/\s:@]*:[^\s@]*@"
    rb"|(?:passw|pwd|secret|token|api_?key|access_?key|private_?key|auth|credential|contrase|service_?key|db_?key|key_?pass)"
    rb"\w*['\"\])]{0,3}\s{0,5}(?::|=|!=|=>|:=|\(|,)",
    re.IGNORECASE,
)


class GoogleDetector(RegexBasedDetector):  # type: ignore[misc]
    """Keys and tokens of Google Cloud, which detect-secrets has no detector for."""

    secret_type = "Google Cloud Key"  # noqa: S105
    denylist = (
        re.compile(r"AIza[0-9A-Za-z_-]{35}"),
        re.compile(r"ya29\.[0-9A-Za-z_-]{20,}"),
        re.compile(r"GOCSPX-[0-9A-Za-z_-]{28}"),
        re.compile(r"GOOG[0-9A-Z]{10,60}"),
        re.compile(r"\"private_key_id\": *\"[0-9a-f]{40}\""),
    )


class PasswordDetector(RegexBasedDetector):  # type: ignore[misc]
    """Users with their passwords, in the forms in which this project's own secrets are written."""

    secret_type = "User And Password"  # noqa: S105
    denylist = (
        re.compile(
            r"(?:auth_?string|prefect_auth)[\"']?\s*[:=]\s*[\"']?[^\s\"':${}<]+:([^\s\"']{6,})", re.IGNORECASE
        ),
        re.compile(r"authorization[\"']?\s*[:=]\s*[\"']?basic\s+([A-Za-z0-9+/=_-]{8,})", re.IGNORECASE),
        re.compile(r"://[^\s/@:\"'${}<]+:([^\s@\"'${}<…]+)@"),
    )


def scan(root: Path, names: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """Return what is found, by file: its kind, the hash of the secret, its line."""
    here = f"file://{Path(__file__).resolve()}"
    own = [{"name": detector.__name__, "path": here} for detector in (GoogleDetector, PasswordDetector)]
    config = {
        "plugins_used": [*({"name": name} for name in DETECTORS), *own],
        "filters_used": [{"path": path} for path in FILTERS],
    }
    results = {}
    with transient_settings(config), tempfile.TemporaryDirectory() as folder:
        for name in names:
            if PASSED_OVER.search(name):
                continue
            lines = (root / name).read_bytes().split(b"\n")
            numbers = [number for number, line in enumerate(lines, start=1) if _WORTH_A_LOOK.search(line)]
            if not numbers:
                continue
            # Under its own name, by which the detectors know how its language quotes.
            copy = Path(folder, Path(name).name)
            copy.write_bytes(b"\n".join(lines[number - 1] for number in numbers) + b"\n")
            found = SecretsCollection()
            found.scan_file(str(copy))
            copy.unlink()
            items = [
                {
                    "type": item.type,
                    "hashed_secret": item.secret_hash,
                    "line_number": numbers[item.line_number - 1],
                }
                for items in found.data.values()
                for item in items
            ]
            if items:
                results[name] = sorted(
                    items, key=lambda item: (item["line_number"], item["type"], item["hashed_secret"])
                )
    return dict(sorted(results.items()))


def unknown(found: dict[str, list[dict[str, Any]]]) -> Generator[str, None, None]:
    """Yield what the baseline does not know, by its place. A secret is known in its file, on any line."""
    baseline = json.loads(BASELINE.read_text(encoding="utf-8"))["results"] if BASELINE.exists() else {}
    known = {(name, item["hashed_secret"]) for name, items in baseline.items() for item in items}
    for name, items in found.items():
        for item in items:
            if (name, item["hashed_secret"]) not in known:
                yield f"{name}:{item['line_number']}: {item['type']}"


def project_files() -> list[str]:
    """Return the names of all files that are in the repository or could be added to it."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=30)
    return [name for name in done.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def main() -> None:
    """Write the baseline, and print what is new in it: look at each of these."""
    found = scan(ROOT, project_files())
    for place in unknown(found):
        print(f"new: {place}")
    results = {
        name: [{"filename": name, "is_verified": False, **item} for item in items]
        for name, items in found.items()
    }
    content = {
        "version": importlib.metadata.version("detect-secrets"),
        "plugins_used": [{"name": name} for name in DETECTORS],
        "filters_used": [{"path": path} for path in FILTERS],
        "results": results,
    }
    BASELINE.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
