"""MNIST and Fashion-MNIST: images with labels, from IDX files."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from bpexp.data.dataset import Dataset, make_dataset
from bpexp.data.idx import read_idx
from bpexp.data.labels import listed
from bpexp.data.preparation import pixels
from bpexp.errors import ConfigError, DataError, out_of_range, reason

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
DEEPEST = 3  # levels of folders that are searched: root, MNIST, raw
MNIST_URL = "https://storage.googleapis.com/cvdf-datasets/mnist/"
FASHION_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"

# SHA-256 of the gzipped files for download.
MNIST_SERVED = dict(
    zip(
        FILES,
        (
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
        strict=True,
    )
)
FASHION_SERVED = dict(
    zip(
        FILES,
        (
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
        strict=True,
    )
)
# SHA-256 of MNIST's unpacked files: users' files may have been compressed again.
MNIST_UNPACKED = dict(
    zip(
        FILES,
        (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
        strict=True,
    )
)


def mnist(
    *,
    root: str | None = None,
    scale: bool = True,
    checksum: bool = True,
    limit: int | None = None,
) -> Dataset:
    """MNIST: 60,000 and 10,000 handwritten digits of 28x28 pixels.

    The data set of LeCun, Bottou, Bengio & Haffner (1998).

    Args:
        root: a folder with the four IDX files under their usual names, gzipped or not; null:
            downloaded once and cached.
        scale: divide the pixels, 0 .. 255, by 255.
        checksum: refuse files in `root` whose contents are not MNIST's.
        limit: keep the first examples of the training split only.
    """
    known = MNIST_UNPACKED if checksum else None
    return _idx_images("mnist", root, MNIST_URL, MNIST_SERVED, known, scale, limit)


def fashion_mnist(
    *, root: str | None = None, scale: bool = True, limit: int | None = None
) -> Dataset:
    """Fashion-MNIST: 60,000 and 10,000 pieces of clothing of 28x28 pixels (Xiao et al. 2017).

    Args:
        root: a folder with the four IDX files under their usual names, gzipped or not; null:
            downloaded once and cached.
        scale: divide the pixels, 0 .. 255, by 255.
        limit: keep the first examples of the training split only.
    """
    return _idx_images("fashion_mnist", root, FASHION_URL, FASHION_SERVED, None, scale, limit)


def _idx_images(
    name: str,
    root: str | None,
    url: str,
    served: Mapping[str, str],
    unpacked: Mapping[str, str] | None,
    scale: bool,
    limit: int | None,
) -> Dataset:
    if root is None:
        paths = [_download(name, file, url, served[file]) for file in FILES]
    else:
        folder = Path(os.path.expanduser(root))
        paths = [_find(name, folder, file) for file in FILES]
    arrays = [
        read_idx(path, 3 if "images" in file else 1, unpacked[file] if unpacked else None)
        for path, file in zip(paths, FILES, strict=True)
    ]
    for images, labels, path in (
        (arrays[0], arrays[1], paths[0]),
        (arrays[2], arrays[3], paths[2]),
    ):
        if len(images) != len(labels):
            raise DataError(f"{path}: {len(images)} images but {len(labels)} labels")
    train, test = ((pixels(arrays[i], 255, scale), arrays[i + 1]) for i in (0, 2))
    height, width = arrays[0].shape[1:]
    return make_dataset(
        name,
        str(paths[0].parent) if root else url,
        train,
        test,
        n_classes=10,
        limit=limit,
        image_shape=(height, width),
    )


def _find(name: str, root: Path, file: str) -> Path:
    """Return one of the four files, under any of its usual names.

    Args:
        name: the name of the data set.
        root: the folder that holds the files or folders with them: MNIST/raw/, as other libraries
            create it, or a folder for each file.
        file: one of FILES.

    Raises:
        ConfigError: `root` is not a folder.
        DataError: there is no such file in it.
    """
    if not os.path.isdir(root):  # unlike Path.is_dir, never raises
        raise ConfigError(out_of_range("data.root", str(root), "a folder"))
    level = [root]
    for _ in range(DEEPEST):
        entries = [entry for folder in level for entry in _entries(folder)]
        for entry in entries:
            if _plain(entry.name) == file and entry.is_file():
                return entry
        usual = (_letters(name), "raw", _letters(file))
        level = [e for e in entries if _letters(_plain(e.name)) in usual and e.is_dir()]
    held = listed([entry.name for entry in _entries(root)]) or "nothing"
    raise DataError(f"{root}: no {file} or {file}.gz; it holds {held}")


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {reason(error)}") from None


def _plain(name: str) -> str:
    """Return a file's name as in FILES: train-images.idx3-ubyte.gz is train-images-idx3-ubyte."""
    plain = re.sub("[._ ]", "-", name.lower().removesuffix(".gz"))
    return re.sub("^test-", "t10k-", plain)


def _letters(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())


def _download(name: str, file: str, url: str, checksum: str) -> Path:
    """Return a file of the cache, after downloading it if it is missing.

    pooch writes a temporary file, checks it, and moves it into place. A failed download is repeated
    twice.
    """
    import pooch

    try:
        cache = pooch.create(
            path=pooch.os_cache("bpexp") / name,
            base_url=url,
            registry={f"{file}.gz": f"sha256:{checksum}"},
            retry_if_failed=2,  # after 1 and 2 seconds
        )
        return Path(cache.fetch(f"{file}.gz"))
    except Exception as error:  # many types of requests, and pooch's ValueError for a wrong hash
        raise DataError(
            f"data: {name} cannot be downloaded: {reason(error)}; "
            "data.root=FOLDER reads files of your own"
        ) from None
