"""Reads a TUF repository with python-tuf: prints name, length and custom facts of each target that it was given the name of."""

import os
import sys
import tempfile

from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface, Updater


class Files(FetcherInterface):
    """What is asked for stands in a folder."""

    def _fetch(self, url):
        try:
            with open(url.removeprefix("file://"), "rb") as file:
                yield file.read()
        except FileNotFoundError:
            raise DownloadHTTPError("not there", 404) from None


repository, *names = sys.argv[1:]
with open(f"{repository}/metadata/1.root.json", "rb") as file:
    root = file.read()
with tempfile.TemporaryDirectory() as own:
    os.mkdir(f"{own}/targets")
    updater = Updater(
        own,
        f"file://{repository}/metadata/",
        f"{own}/targets",
        f"file://{repository}/targets/",
        Files(),
        bootstrap=root,
    )
    updater.refresh()
    for name in names:
        info = updater.get_targetinfo(name)
        if info is None:
            print(name, "is not there")
            continue
        path = updater.download_target(info)
        print(name, os.path.getsize(path), sorted((info.custom or {}).items()))
