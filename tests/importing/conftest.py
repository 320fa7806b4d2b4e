import pytest


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch):
    """An empty folder for imported sets."""
    monkeypatch.setenv("CLUSTLAB_DATA", str(tmp_path / "data"))
    return tmp_path / "data"
