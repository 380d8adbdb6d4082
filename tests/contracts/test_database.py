"""Addresses of databases: each part in its own schema, what the user's query says kept, no password in a sentence."""

from pathlib import Path

import pytest

from data_quality.contracts.database import DatabaseSettings, address_of
from data_quality.contracts.settings import load_settings
from data_quality.contracts.yaml_file import BadConfiguration

URL = "postgresql://u:p%40ss@db:6543/meter"


def test_each_part_looks_in_its_own_schema_first() -> None:
    database = DatabaseSettings(url=URL)
    assert database.of("dagster", driver="psycopg2") == (
        "postgresql+psycopg2://u:p%40ss@db:6543/meter?connect_timeout=10&options=-c%20search_path%3Ddagster"
    )
    assert "search_path" not in database.of("warehouse")
    assert len({database.of(part) for part in ("store", "warehouse", "dagster", "mlflow")}) == 4


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (
            "postgresql:///n?host=/run/pg&connect_timeout=3",
            "postgresql:///n?host=/run/pg&connect_timeout=3&options=-c%20search_path%3Dmlflow",
        ),
        (
            "postgresql://h/n?options=-c%20lock_timeout%3D5s&sslmode=require&connect_timeout=3",
            "postgresql://h/n?options=-c%20lock_timeout%3D5s%20-c%20search_path%3Dmlflow"
            "&sslmode=require&connect_timeout=3",
        ),
    ],
)
def test_what_the_query_of_a_url_says_stays(given: str, wanted: str) -> None:
    assert DatabaseSettings(url=given).of("mlflow") == wanted


def test_a_part_may_live_elsewhere_and_the_others_follow_the_one_url() -> None:
    database = DatabaseSettings(url=URL, mlflow_url="postgresql://models/m")
    assert address_of(database.of("mlflow")) == "models:5432/m"
    assert address_of(database.of("store")) == "db:6543/meter"
    alone = DatabaseSettings(dagster_url="postgresql://h/n")
    assert alone.of("dagster")
    assert alone.of("store") == alone.of("warehouse") == ""


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:hidden@h/n",
        "mysql://u:hidden@h/n",
        "postgresql://u:hid/den@h/n",
        "postgresql://u:hid@den@h/n",
        "postgresql://u:hidden#1@h/n",
        "postgresql://u:hidden%zz@h/n",
        "postgresql://u:hidden @h/n",
        "postgresql://u:hidden@h/n?options=-c%20search_path%3Dmine",
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(BadConfiguration, match=r"expected postgresql://|leave search_path out") as caught:
        load_settings(tmp_path / "none.yaml", {"METERLOOM_DATABASE__URL": url})
    assert "environment variable METERLOOM_DATABASE__URL" in str(caught.value)
    assert "hid" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+psycopg://u:secret@h:1/n?password=secret&options=x", "h:1/n"),
        ("postgresql:///n?host=/run/pg&port=7", "/run/pg:7/n"),
        ("postgresql:///n", "the local socket:5432/n"),
        ("sqlite:///var/store.db", "sqlite:///var/store.db"),
    ],
)
def test_an_address_is_shown_without_user_and_password(url: str, shown: str) -> None:
    assert address_of(url) == shown
