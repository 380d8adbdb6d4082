"""Settings: defaults, then file, then environment; an unknown key is refused where it stands."""

from pathlib import Path

import pytest

from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import load_project, load_settings
from data_quality.contracts.yaml_file import BadConfiguration, load_yaml, place_of


def write(folder: Path, text: str) -> Path:
    path = folder / "meterloom.yaml"
    path.write_text(text)
    return path


def test_the_environment_beats_the_file_and_the_file_the_defaults(tmp_path: Path) -> None:
    path = write(tmp_path, "mqtt: {host: broker, port: 1}\n")
    settings = load_settings(path, {"METERLOOM_MQTT__PORT": "2", "OTHER": "x", "METERLOOM_PROJECT": "y"})
    assert (settings.mqtt.host, settings.mqtt.port, settings.server.dagster_port) == ("broker", 2, 3000)
    assert load_settings(tmp_path / "none.yaml", {}).mqtt.port == 1883


def test_an_unknown_key_is_refused_with_file_line_and_suggestion(tmp_path: Path) -> None:
    path = write(tmp_path, "mqtt:\n  host: a\n  prot: 5\n")
    with pytest.raises(BadConfiguration, match=r"meterloom.yaml, line 3, column 3: .*did you mean 'port'\?"):
        load_settings(path, {})


@pytest.mark.parametrize(
    ("variable", "sentence"),
    [
        ("METERLOOM_MQTT__PROT", "environment variable METERLOOM_MQTT__PROT: unknown key"),
        ("METERLOOM_MQQT__PORT", "did you mean METERLOOM_MQTT__"),
        ("METERLOOM_ZZZZZZZZ", "expected METERLOOM_SECTION__KEY"),
        ("METERLOOM_MQTT__PORT", "environment variable METERLOOM_MQTT__PORT: mqtt.port"),
    ],
)
def test_a_wrong_variable_is_refused_by_its_name(tmp_path: Path, variable: str, sentence: str) -> None:
    with pytest.raises(BadConfiguration, match=sentence.replace("(", r"\(")):
        load_settings(tmp_path / "none.yaml", {variable: "many"})


def test_a_secret_is_read_from_the_file_that_its_variable_names_unless_the_variable_itself_is_there(
    tmp_path: Path,
) -> None:
    secret, variable = tmp_path / "mqtt", "METERLOOM_MQTT__PASSWORD_FILE"
    secret.write_text("of the file\n")
    secret.chmod(0o400)
    none = tmp_path / "none.yaml"
    assert load_settings(none, {variable: str(secret)}).mqtt.password == "of the file"
    assert load_settings(none, {variable: str(secret), "METERLOOM_MQTT__PASSWORD": "own"}).mqtt.password == "own"
    # A setting whose own name ends so names its file as ever.
    assert load_settings(none, {"METERLOOM_MQTT__CA_FILE": "/ca.pem"}).mqtt.ca_file == "/ca.pem"
    with pytest.raises(BadConfiguration, match=rf"{variable}: no file of text at .*name one that can be read"):
        load_settings(none, {variable: str(tmp_path / "gone")})
    with pytest.raises(BadConfiguration, match="METERLOOM_MQTT__PROT_FILE: unknown key"):
        load_settings(none, {"METERLOOM_MQTT__PROT_FILE": str(secret)})
    secret.chmod(0o444)
    with pytest.raises(BadConfiguration, match="a secret, in a file that others can read") as fault:
        load_settings(none, {variable: str(secret)})
    assert "of the file" not in str(fault.value)


def test_one_setting_moves_every_store_to_postgresql(tmp_path: Path) -> None:
    files = load_project(tmp_path, {})
    assert files.store_url.startswith("sqlite:///")
    assert files.mlflow_uri.startswith("sqlite:///")
    server = load_project(tmp_path, {"METERLOOM_DATABASE__URL": "postgresql://u:p@h/n"})
    start = "://u:p@h/n?connect_timeout=10&options=-c%20search_path%3D"
    assert server.store_url == f"postgresql+psycopg{start}meterloom"
    assert server.mlflow_uri == f"postgresql+psycopg2{start}mlflow"


def test_every_folder_of_a_project_lies_where_its_settings_say(tmp_path: Path) -> None:
    write(tmp_path, "paths: {data: /elsewhere/var, landing: in}\n")
    project = load_project(tmp_path, {})
    assert project.landing_dir == tmp_path / "in"
    assert project.lake_dir == Path("/elsewhere/var/lake")
    assert project.sites_dir == tmp_path / "sites"
    assert {p.parent for p in (project.marts_dir, project.quarantine_dir)} == {Path("/elsewhere/var")}
    assert project.reports_dir == tmp_path / "reports"
    assert project.people_file == tmp_path / "people.yaml"
    assert project.warehouse_file.suffix == ".duckdb"
    assert project.mlflow_artifacts_dir.name == "artifacts"


def test_a_place_is_that_of_the_nearest_key_that_exists(tmp_path: Path) -> None:
    document = load_yaml(write(tmp_path, "a:\n  - b: 1\n  - c: 2\n"))
    assert place_of(document, ("a", 1, "c")) == (3, 5)
    assert place_of(document, ("a", 1, "missing")) == (3, 5)
    assert place_of(document, ("a", 9)) == (1, 1)


def test_a_yaml_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match=r"line 3, column 1: not valid YAML"):
        load_yaml(write(tmp_path, "a: 1\nb: [\n"))
    with pytest.raises(BadInput, match="a directory"):
        load_yaml(tmp_path)
