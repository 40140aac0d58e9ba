"""What no module of this project does: run what it reads, or hand a text to a shell."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDERS = ("trivia_render", "flows", "tasks", "deployments", "infra", "bench")

#: Reading these, or what they call themselves, runs what is read.
MODULES = frozenset(
    {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "jsonpickle"}
)
CALLS = frozenset({"eval", "exec", "compile", "__import__", "os.system", "os.popen", "subprocess.getoutput",
                   "subprocess.getstatusoutput", "yaml.load", "yaml.load_all", "yaml.unsafe_load",
                   "yaml.full_load", "numpy.load", "np.load", "input", "tempfile.mktemp"})  # fmt: skip


def findings(source: str) -> Iterator[str]:
    """Yield each forbidden thing of a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Call):
            yield from _of_call(node)
            continue
        elif isinstance(node, ast.Constant) and node.value in ("pickle", "compressed/pickle"):
            yield f"line {node.lineno}: the serializer {node.value}"
            continue
        else:
            continue
        for name in names:
            if name.partition(".")[0] in MODULES:
                yield f"line {node.lineno}: import of {name}"


def _of_call(node: ast.Call) -> Iterator[str]:
    name = ast.unparse(node.func)
    if name in CALLS:
        yield f"line {node.lineno}: {name}()"
    for keyword in node.keywords:
        value = keyword.value
        if keyword.arg == "shell" and not (isinstance(value, ast.Constant) and value.value is False):
            yield f"line {node.lineno}: shell="
        if keyword.arg == "allow_pickle" and not (isinstance(value, ast.Constant) and value.value is False):
            yield f"line {node.lineno}: allow_pickle="


MODULES_OF_OURS = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def test_no_module_reads_what_could_run_and_none_asks_a_shell() -> None:
    assert len(MODULES_OF_OURS) > 200
    found = [
        f"{path.relative_to(ROOT)}, {finding}"
        for path in MODULES_OF_OURS
        for finding in findings(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "planted",
    [
        "import pickle",
        "from marshal import loads",
        "def f():\n    import cloudpickle.compat",
        "eval(text)",
        "exec(open(name).read())",
        "os.system(text)",
        "subprocess.run(text, shell=True)",
        "subprocess.run(text, shell=flag)",
        "yaml.load(text, Loader=yaml.Loader)",
        "np.load(path, allow_pickle=True)",
        "flow(result_serializer='pickle')",
    ],
)
def test_each_of_these_would_be_found(planted: str) -> None:
    assert list(findings(planted))


def test_every_flow_and_task_that_keeps_results_keeps_them_as_json() -> None:
    serializers: dict[str, str] = {}
    for path in sorted([*(ROOT / "flows").glob("*.py"), *(ROOT / "tasks").glob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef):
                continue
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) in {"flow", "task"}:
                    given = {keyword.arg: ast.unparse(keyword.value) for keyword in decorator.keywords}
                    if given.get("persist_result") != "False" or ast.unparse(decorator.func) == "flow":
                        serializers[f"{path.stem}.{node.name}"] = given.get("result_serializer", "none")
    assert {"render_video.render_video", "render_clip.render_clip"} <= set(serializers)
    assert {name: kind for name, kind in serializers.items() if kind not in JSON_ONLY} == {}


JSON_ONLY = frozenset({"'json'", "PLAIN_JSON"})


def test_yaml_of_ours_needs_no_more_than_plain_values() -> None:
    files = [*(ROOT / "deployments").glob("*.yml"), ROOT / "prefect.yaml"]
    assert [path.name for path in files if yaml.safe_load(path.read_text(encoding="utf-8")) is None] == []
