"""Stand-ins for terraform, gcloud, docker, git and `trivia deploy`.

Each records its arguments, its input and what secrets its environment holds, and answers as the real one
does. What there is in the cloud are files of one folder.
"""

import json
import os
import sys
from pathlib import Path

DIGEST = "sha256:" + "d" * 64
COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "ya29.token"  # noqa: S105 - of no project
MACHINES = "https://www.googleapis.com/compute/v1/projects/quiz-project/zones/us-central1-b/instances"


def main() -> int:
    state = Path(os.environ["STAND_IN_STATE"])
    program, words = Path(sys.argv[0]).name, sys.argv[1:]
    given = sys.stdin.read() if "--data-file=-" in words else ""
    watched = ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING")
    environment = {name: os.environ[name] for name in watched if name in os.environ}
    with (state / "calls.jsonl").open("a") as calls:
        record = {"argv": [program, *words], "stdin": given, "environment": environment}
        calls.write(json.dumps(record) + "\n")
    broken = state / "broken"
    if broken.exists() and broken.read_text() in " ".join([program, *words]):
        # In colours, as Terraform writes it.
        print("\x1b[31mError: \x1b[0mnothing in particular", file=sys.stderr)
        return 1
    early = state / "too-early"
    if early.exists() and early.read_text() in " ".join([program, *words]):
        early.unlink()
        print("Error 404: Cannot find metric(s) that match type = logging…", file=sys.stderr)
        return 1
    return answer(program, words, given, state)


def answer(program: str, words: list[str], given: str, state: Path) -> int:  # noqa: PLR0912 - a case a command
    match program, words:
        case "git", ["rev-parse", *_]:
            print(COMMIT)
        case "git", ["status", *_]:
            print((state / "uncommitted").read_text() if (state / "uncommitted").exists() else "", end="")
        case "terraform", ["version", "-json"]:
            print(json.dumps({"terraform_version": (state / "terraform-version").read_text()}))
        case "terraform", [_, "output", "-raw", name]:
            print({"database_instance": "trivia-db", "database_address": "10.9.0.3"}[name], end="")
        case "gcloud", ["auth", "print-access-token"]:
            print(TOKEN)
        case "gcloud", ["artifacts", *_]:
            if not (state / "pushed").exists():
                print("ERROR: (gcloud.artifacts.docker.images.describe) Image not found.", file=sys.stderr)
                return 1
            print(DIGEST)
        case ("docker", ["buildx", "build", *_]) | ("gcloud", ["builds", *_]):
            (state / "pushed").touch()
        case "gcloud", ["secrets", "versions", "list", secret, *_]:
            # One that was rotated out, and perhaps the one that counts.
            print("DISABLED\nENABLED" if (state / f"secret-{secret}").exists() else "DISABLED")
        case "gcloud", ["secrets", "versions", "add", secret, *_]:
            (state / f"secret-{secret}").write_text(given)
        case "gcloud", ["secrets", "versions", "access", *_]:
            print((state / "secret-trivia-prefect-auth").read_text())
        case "gcloud", ["compute", "instance-groups", *_]:
            print(f"{MACHINES}/trivia-api-new1\tPROVISIONING\n{MACHINES}/trivia-api-7f3k\tRUNNING")
        case "gcloud", ["compute", "start-iap-tunnel", *_]:
            port = next(word for word in words if "local-host-port" in word).rpartition(":")[2]
            return serve(int(port), state)
        case _:
            pass
    return 0


def serve(port: int, state: Path) -> int:
    """Answer as the API does behind a tunnel, until the tunnel is closed.

    As long as there is a file `no-tables`, which the first question takes away, its database is empty.
    """
    import base64
    import socket

    with socket.create_server(("127.0.0.1", port)) as listener:
        # It ends by itself if nobody ends it.
        listener.settimeout(60)
        while True:
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                return 1
            with connection:
                request = connection.recv(4096)
                password = base64.b64encode((state / "secret-trivia-prefect-auth").read_bytes())
                status = b"200 OK"
                if not request.startswith(b"POST /api/work_pools/filter "):
                    status = b"404 Not Found"
                elif b"Authorization: Basic " + password not in request:
                    status = b"401 Unauthorized"
                elif (state / "no-tables").exists():
                    (state / "no-tables").unlink()
                    status = b"500 Internal Server Error"
                connection.sendall(
                    b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]"
                )


if __name__ == "__main__":
    sys.exit(main())
