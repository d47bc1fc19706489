"""The manifests: valid in every release that is supported, agreeing with each other and with the configuration."""

import kubernetes_validate
import pytest
import yaml
from yamllint import linter
from yamllint.config import YamlLintConfig

from evergrant.assembly import ROUTE_NAMES
from tests.deploy.reading import DEPLOY, documents, settings
from tests.tools import ROOT

FOLDER = DEPLOY / "kubernetes"
MANIFESTS = [file for file in sorted(FOLDER.glob("*.yaml")) if file.name != "kustomization.yaml"]
RELEASES = ("1.31", "1.34", "1.37")
MOUNTED = "/run/secrets/evergrant"
(DEPLOYMENT,) = documents(FOLDER / "deployment.yaml")
(JOB,) = documents(FOLDER / "migrate.yaml")
POD = DEPLOYMENT["spec"]["template"]
CONTAINER = POD["spec"]["containers"][0]
KEEPER = documents(FOLDER / "keeper.yaml")[0]["spec"]["template"]


@pytest.mark.parametrize("file", sorted(DEPLOY.rglob("*.yaml")), ids=lambda file: file.name)
def test_yaml_is_written_in_one_way(file):
    style = YamlLintConfig((ROOT / ".yamllint").read_text(encoding="utf-8"))
    assert [str(problem) for problem in linter.run(file.read_text(encoding="utf-8"), style)] == []


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("file", MANIFESTS, ids=lambda file: file.name)
def test_the_schema_of_each_release_allows_it(file, release):
    for document in documents(file):
        kubernetes_validate.validate(document, release, strict=True)


def test_the_schema_would_have_refused_a_misspelt_key():
    wrong = yaml.safe_load((FOLDER / "service.yaml").read_text(encoding="utf-8").replace("selector", "selectors"))
    with pytest.raises(kubernetes_validate.ValidationError, match="selectors"):
        kubernetes_validate.validate(wrong, RELEASES[-1], strict=True)


def test_what_is_applied_together_is_there():
    (whole,) = documents(FOLDER / "kustomization.yaml")
    apart = {"keeper.yaml", "migrate.yaml", "secret.example.yaml"}
    assert set(whole["resources"]) == {file.name for file in MANIFESTS} - apart
    made = {each["name"]: each["files"] for each in whole["configMapGenerator"]}
    assert all((FOLDER / name).is_file() for files in made.values() for name in files)
    assert {volume(pod, "settings")["configMap"]["name"] for pod in (POD, KEEPER)} == set(made)


def volume(pod, name):
    return next(each for each in pod["spec"]["volumes"] if each["name"] == name)


def test_everybody_selects_the_pods_that_there_are():
    labels = POD["metadata"]["labels"].items()
    selectors = [DEPLOYMENT["spec"]["selector"]["matchLabels"]]
    selectors += [documents(FOLDER / "service.yaml")[0]["spec"]["selector"]]
    selectors += [documents(FOLDER / "disruption-budget.yaml")[0]["spec"]["selector"]["matchLabels"]]
    selectors += [each["labelSelector"]["matchLabels"] for each in POD["spec"]["topologySpreadConstraints"]]
    assert all(each and each.items() <= labels for each in selectors)
    (policy,) = documents(FOLDER / "network-policy.yaml")
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= JOB["spec"]["template"]["metadata"]["labels"].items()
    (scaler,) = documents(FOLDER / "autoscaler.yaml")
    assert scaler["spec"]["scaleTargetRef"]["name"] == DEPLOYMENT["metadata"]["name"]
    (budget,) = documents(FOLDER / "disruption-budget.yaml")
    assert scaler["spec"]["minReplicas"] > budget["spec"]["maxUnavailable"]


def test_the_settings_exist_and_the_secrets_they_name_are_mounted(tmp_path):
    config = settings(tmp_path, FOLDER / "evergrant.toml", {}, MOUNTED)
    (secret,) = documents(FOLDER / "secret.example.yaml")
    assert {config.store.url_file.name, config.keys.key_encryption_key_file.name} == set(secret["stringData"])
    assert volume(POD, "secrets")["secret"]["secretName"] == secret["metadata"]["name"]
    assert {"name": "secrets", "mountPath": MOUNTED, "readOnly": True} in CONTAINER["volumeMounts"]
    assert config.server.address == ("0.0.0.0", CONTAINER["ports"][0]["containerPort"])


def test_the_jobs_settings_exist_and_are_those_of_the_nodes(tmp_path):
    (migrating,) = JOB["spec"]["template"]["spec"]["containers"]
    config = settings(tmp_path, None, {each["name"]: each["value"] for each in migrating["env"]}, MOUNTED)
    nodes = settings(tmp_path, FOLDER / "evergrant.toml", {}, MOUNTED)
    assert (config.issuer, config.store.url) == (nodes.issuer, nodes.store.url)
    assert migrating["image"] == CONTAINER["image"]


def test_probes_ask_what_the_server_answers():
    asked = {name: CONTAINER[name]["httpGet"]["path"].strip("/") for name in CONTAINER if name.endswith("Probe")}
    assert asked == {"startupProbe": "healthz", "livenessProbe": "healthz", "readinessProbe": "readyz"}
    assert set(asked.values()) <= set(ROUTE_NAMES)


def test_a_node_is_killed_only_after_it_was_forgotten_and_could_have_stopped(tmp_path):
    pause = int(CONTAINER["lifecycle"]["preStop"]["exec"]["command"][1])
    grace = settings(tmp_path, FOLDER / "evergrant.toml", {}, MOUNTED).server.shutdown_grace
    assert POD["spec"]["terminationGracePeriodSeconds"] > pause + grace


def test_the_keepers_settings_exist_and_it_may_finish_a_refresh(tmp_path):
    config = settings(tmp_path, FOLDER / "keeper.toml", {}, "/run/secrets/evergrant-keeper")
    keeper = config.keeper
    (container,) = KEEPER["spec"]["containers"]
    assert keeper.listen == f"0.0.0.0:{container['ports'][0]['containerPort']}"
    assert keeper.vault_url.startswith("postgresql://")
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert KEEPER["spec"]["terminationGracePeriodSeconds"] > pause + keeper.request_timeout + keeper.commit_allowance
    labels = KEEPER["metadata"]["labels"]
    _, service, budget = documents(FOLDER / "keeper.yaml")
    assert service["spec"]["selector"] == budget["spec"]["selector"]["matchLabels"] == labels
    assert labels.items() != POD["metadata"]["labels"].items()


@pytest.mark.parametrize("pod", [POD, KEEPER, JOB["spec"]["template"]], ids=["node", "keeper", "job"])
def test_no_container_may_become_root_or_write_where_it_runs(pod):
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    assert pod["spec"]["securityContext"]["runAsUser"] == 10001
    for container in pod["spec"]["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        }  # fmt: skip
