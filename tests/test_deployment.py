"""What `deploy/` holds, as far as it can be held against the types of Dagster and Kubernetes without a cluster."""

import re
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.instance.config import dagster_instance_config

DEPLOY = Path(__file__).parent.parent / "deploy"
SECRET_WORDS = re.compile(r"KEY|SECRET|TOKEN|PASSWORD|DATABASE_URL", re.IGNORECASE)
SNAKE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def document(name: str) -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


def launcher_settings(values: dict[str, Any]) -> dict[str, Any]:
    """The `run_launcher` that the chart writes into the instance's `dagster.yaml`."""
    given = values["runLauncher"]["config"]["k8sRunLauncher"]
    settings = {SNAKE.sub("_", name).lower(): value for name, value in given.items()}
    for name in ("env_config_maps", "env_secrets"):
        settings[name] = [each["name"] for each in settings[name]]
    settings["run_k8s_config"] = {
        SNAKE.sub("_", name).lower(): value for name, value in settings["run_k8s_config"].items()
    }
    return settings | {
        "service_account_name": values["global"]["serviceAccountName"],
        "instance_config_map": "dagster-instance",
        "postgres_password_secret": values["global"]["postgresqlSecretName"],
        "dagster_home": values["global"]["dagsterHome"],
        "job_namespace": "socialanalyzer",
    }


@pytest.mark.parametrize("name", ["dagster.yaml", "../dagster.yaml"])
def test_an_instance_file_is_one_that_dagster_reads(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg2://nobody@127.0.0.1:1/none")
    (tmp_path / "dagster.yaml").write_text((DEPLOY / name).read_text(encoding="utf-8"), encoding="utf-8")
    settings, _custom = dagster_instance_config(str(tmp_path))
    assert settings["run_retries"]["retry_on_asset_or_op_failure"] is False


def test_the_chart_queues_and_watches_runs_as_the_instance_file_does() -> None:
    values, instance = document("kubernetes/values.yaml"), document("dagster.yaml")
    queue = values["dagsterDaemon"]["runCoordinator"]["config"]["queuedRunCoordinator"]
    assert queue["maxConcurrentRuns"] == instance["run_queue"]["max_concurrent_runs"]
    assert queue["tagConcurrencyLimits"] == instance["run_queue"]["tag_concurrency_limits"]
    assert values["additionalInstanceConfig"]["run_retries"] == instance["run_retries"]
    assert values["retention"]["sensor"]["purgeAfterDays"] == instance["retention"]["sensor"]["purge_after_days"]


def test_every_batch_is_a_pod_of_its_own_without_root_with_requests_and_secrets_by_name() -> None:
    pytest.importorskip("dagster_k8s", reason="dagster-k8s is not installed: the extra `kubernetes`")
    from dagster._config import process_config
    from dagster_k8s.container_context import K8sContainerContext
    from dagster_k8s.job import DagsterK8sJobConfig, UserDefinedDagsterK8sConfig, construct_dagster_k8s_job

    settings = launcher_settings(document("kubernetes/values.yaml"))
    checked = process_config(dg.Shape(DagsterK8sJobConfig.config_type_run_launcher()), settings)
    assert checked.success, checked.errors
    context = K8sContainerContext(
        run_k8s_config=UserDefinedDagsterK8sConfig.from_dict(settings["run_k8s_config"]),
        **{
            name: settings[name]
            for name in (
                "env_config_maps", "env_secrets", "env_vars", "volumes", "volume_mounts", "resources",
                "security_context", "service_account_name", "image_pull_policy",
            )
        },
    )  # fmt: skip
    config = DagsterK8sJobConfig(
        job_image="registry.example.com/socialanalyzer:0.1.0", dagster_home=settings["dagster_home"],
        instance_config_map=settings["instance_config_map"],
        postgres_password_secret=settings["postgres_password_secret"],
    )  # fmt: skip
    job = construct_dagster_k8s_job(config, ["run"], "batch", user_defined_k8s_config=context.run_k8s_config)
    assert (job.spec.completions or 1, job.spec.backoff_limit) == (1, 0), "Dagster and the batch decide about a rerun"
    pod = job.spec.template.spec
    (container,) = pod.containers
    assert (pod.security_context.run_as_non_root, pod.security_context.run_as_user) == (True, 10001)
    assert container.security_context.allow_privilege_escalation is False
    assert set(container.resources.requests) == {"cpu", "memory"}
    assert {each.secret_ref.name for each in container.env_from if each.secret_ref} == {"socialanalyzer-secrets"}
    literal = [each.name for each in container.env if each.value and SECRET_WORDS.search(each.name)]
    assert literal == []


def test_compose_keeps_root_and_the_network_out_and_names_each_variable_it_needs() -> None:
    services = document("compose/compose.yaml")["services"]
    assert set(services) == {"postgres", "migrate", "code", "daemon", "webserver", "sandbox"}
    ours = {name: each for name, each in services.items() if name != "postgres"}
    assert all(each["cap_drop"] == ["ALL"] for each in ours.values())
    published = [port for each in services.values() for port in each.get("ports", ())]
    assert [port.split(":")[0] for port in published] == ["127.0.0.1"]
    assert services["sandbox"]["profiles"] == ["sandbox"]
    example = (DEPLOY / "compose" / "compose.env.example").read_text(encoding="utf-8")
    needed = re.findall(r"\$\{(\w+):\?", (DEPLOY / "compose" / "compose.yaml").read_text(encoding="utf-8"))
    assert all(f"\n{name}=\n" in example for name in needed)


def test_no_file_holds_a_secret() -> None:
    held = []
    for path in DEPLOY.rglob("*"):
        if path.is_file():
            held += re.findall(
                rf"^\s*(\w*(?:{SECRET_WORDS.pattern})\w*)[=:] *['\"]?([^\s'\"#$]+)", path.read_text(), re.MULTILINE
            )
    by_name = {"postgresqlSecretName", "generatePostgresqlPasswordSecret", "generateCeleryConfigSecret", "DATABASE_URL"}
    assert {name for name, _ in held} <= by_name


def test_the_image_runs_as_a_user_of_its_own_and_its_context_holds_what_it_copies() -> None:
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users == ["10001:10001"]
    assert sum(line.startswith("FROM ") for line in lines) == 2, "what builds is not in what runs"
    allowed = (DEPLOY.parent / ".dockerignore").read_text(encoding="utf-8").split()
    copied = [
        name for line in lines if line.startswith("COPY ") and "--from" not in line for name in line.split()[1:-1]
    ]
    assert all((DEPLOY.parent / name).exists() for name in copied)
    assert all(f"!{name}" in allowed for name in copied)
