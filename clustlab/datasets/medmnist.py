"""MedMNIST: twelve sets of small medical images, of 28 or 64 pixels, each in one file."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from clustlab.datasets import formats
from clustlab.datasets.published import SPLIT_HELP, Published, PublishedImages
from clustlab.params import param
from clustlab.types import Array

SITE = "https://zenodo.org/records/10519652/files"
CITED = (
    "Yang et al. (2023), MedMNIST v2: A large-scale lightweight benchmark for 2D and 3D biomedical "
    "image classification, Scientific Data 10:41, https://medmnist.com; images from"
)
ORGANS = (
    *("bladder", "left femur", "right femur", "heart", "left kidney", "right kidney", "liver"),
    *("left lung", "right lung", "pancreas", "spleen"),
)
FINDINGS = (  # in the order of the columns in the file
    *("atelectasis", "cardiomegaly", "effusion", "infiltration", "mass", "nodule"),
    *("pneumonia", "pneumothorax", "consolidation", "oedema", "emphysema", "fibrosis"),
    *("pleural thickening", "hernia"),
)


@dataclass(frozen=True)
class MedMnist(PublishedImages):
    """One compressed archive of numpy's a size, in <data folder>/medmnist or ~/.medmnist."""

    classes: ClassVar[tuple[str, ...]]
    md5: ClassVar[dict[str, str]]  # by size

    split: Literal["train + val + test", "train", "val", "test"] = param(  # type: ignore[assignment]  # other parts than its parent's
        "train + val + test", help=SPLIT_HELP
    )
    pixels: Literal["28", "64"] = param("28", help="Height and width of the images.")

    @property
    def _file(self) -> str:
        size = "" if self.pixels == "28" else f"_{self.pixels}"
        return f"medmnist/{self.name}{size}.npz"

    def needed(self) -> list[tuple[str, ...]]:
        """The one file."""
        return [(self._file,)]

    def place(self, root: Path, name: str) -> Path:
        """In the data folder, or where the package medmnist keeps it."""
        own, other = root / name, Path.home() / ".medmnist" / Path(name).name
        return other if other.is_file() and not own.is_file() else own

    def published(self) -> dict[str, Published]:
        """Its address."""
        url = f"{SITE}/{Path(self._file).name}?download=1"
        return {self._file: Published((url,), self.md5[self.pixels])}

    def read(self, root: Path, part: str) -> tuple[Array, Array]:
        """Images (n, h, w, c) and classes (n,), or (n, findings) of 0 and 1."""
        file = self.place(root, self._file)
        images = formats.array_in_archive(file, f"{part}_images")
        labels = formats.array_in_archive(file, f"{part}_labels")
        return images[..., None] if images.ndim == 3 else images, labels

    def class_names(self, root: Path) -> dict[str, tuple[str, ...]]:
        """One labelling."""
        return {"class": self.classes}

    def part_in_words(self) -> str:
        """Split and size."""
        return f"{self.split}, {self.pixels} x {self.pixels}"


@dataclass(frozen=True)
class BloodMnist(MedMnist):
    """17,092 single blood cells under a microscope, in eight kinds, in colour.

    Cells are stained and stand in the middle, so colour and outline say much; kinds differ in
    frequency, from 7% (lymphocytes) to 20% (neutrophils).
    """

    name: ClassVar[str] = "bloodmnist"
    title: ClassVar[str] = "BloodMNIST"
    licence: ClassVar[str] = "CC BY 4.0"
    source: ClassVar[str] = f"{CITED} Acevedo et al. (2020), Data in Brief 30:105474"
    md5: ClassVar[dict[str, str]] = {
        "28": "7053d0359d879ad8a5505303e11de1dc",
        "64": "2b94928a2ae4916078ca51e05b6b800b",
    }
    classes: ClassVar[tuple[str, ...]] = (
        *("basophil", "eosinophil", "erythroblast", "immature granulocyte", "lymphocyte"),
        *("monocyte", "neutrophil", "platelet"),
    )


@dataclass(frozen=True)
class PathMnist(MedMnist):
    """107,180 pieces of stained tissue of the colon, in nine kinds, in colour.

    The test part is from another hospital than the rest: features that follow the stain instead of
    the tissue show there.
    """

    name: ClassVar[str] = "pathmnist"
    title: ClassVar[str] = "PathMNIST"
    licence: ClassVar[str] = "CC BY 4.0"
    source: ClassVar[str] = f"{CITED} Kather et al. (2019), PLOS Medicine 16(1)"
    md5: ClassVar[dict[str, str]] = {
        "28": "a8b06965200029087d5bd730944a56c1",
        "64": "55aa9c1e0525abe5a6b9d8343a507616",
    }
    classes: ClassVar[tuple[str, ...]] = (
        *("adipose", "background", "debris", "lymphocytes", "mucus", "smooth muscle"),
        *("normal colon mucosa", "cancer-associated stroma", "adenocarcinoma epithelium"),
    )


@dataclass(frozen=True)
class DermaMnist(MedMnist):
    """10,015 pigmented marks on skin in seven kinds, in colour.

    Two in three are plain moles, so a method that makes clusters of equal size divides these and
    mixes the rare kinds.
    """

    name: ClassVar[str] = "dermamnist"
    title: ClassVar[str] = "DermaMNIST"
    licence: ClassVar[str] = "CC BY-NC 4.0"
    source: ClassVar[str] = f"{CITED} Tschandl et al. (2018), Scientific Data 5:180161"
    md5: ClassVar[dict[str, str]] = {
        "28": "0744692d530f8e62ec473284d019b0c7",
        "64": "b70a2f5635c6199aeaa28c31d7202e1f",
    }
    classes: ClassVar[tuple[str, ...]] = (
        *("actinic keratosis, carcinoma", "basal cell carcinoma", "benign keratosis"),
        *("dermatofibroma", "melanoma", "melanocytic nevus", "vascular lesion"),
    )


@dataclass(frozen=True)
class OctMnist(MedMnist):
    """109,309 cuts through the retina, taken by light, in four kinds, grey.

    The kinds differ in fine changes of bright layers that lie differently in each image.
    """

    name: ClassVar[str] = "octmnist"
    title: ClassVar[str] = "OCTMNIST"
    licence: ClassVar[str] = "CC BY 4.0"
    source: ClassVar[str] = f"{CITED} Kermany et al. (2018), Cell 172(5)"
    md5: ClassVar[dict[str, str]] = {
        "28": "c68d92d5b585d8d81f7112f81e2d0842",
        "64": "e229e9440236b774d9f0dfef9d07bdaf",
    }
    classes: ClassVar[tuple[str, ...]] = (
        *("choroidal neovascularisation", "diabetic macular oedema", "drusen", "normal"),
    )


@dataclass(frozen=True)
class PneumoniaMnist(MedMnist):
    """5,856 X-ray images of the chests of children, with pneumonia or without, grey.

    How a child lies and how dark the image is vary more than what is sought.
    """

    name: ClassVar[str] = "pneumoniamnist"
    title: ClassVar[str] = "PneumoniaMNIST"
    licence: ClassVar[str] = "CC BY 4.0"
    source: ClassVar[str] = f"{CITED} Kermany et al. (2018), Cell 172(5)"
    md5: ClassVar[dict[str, str]] = {
        "28": "28209eda62fecd6e6a2d98b1501bb15f",
        "64": "8f4eceb4ccffa70c672198ea285246c6",
    }
    classes: ClassVar[tuple[str, ...]] = ("normal", "pneumonia")


@dataclass(frozen=True)
class BreastMnist(MedMnist):
    """780 ultrasound images of breasts, malignant or not, grey: few enough for a quick try.

    One in four is malignant; speckle and the edge of the image weigh more than the finding.
    """

    name: ClassVar[str] = "breastmnist"
    title: ClassVar[str] = "BreastMNIST"
    licence: ClassVar[str] = "CC BY 4.0"
    source: ClassVar[str] = f"{CITED} Al-Dhabyani et al. (2020), Data in Brief 28:104863"
    md5: ClassVar[dict[str, str]] = {
        "28": "750601b1f35ba3300ea97c75c52ff8f6",
        "64": "742edef2a1fd1524b2efff4bd7ba9364",
    }
    classes: ClassVar[tuple[str, ...]] = ("malignant", "normal or benign")


@dataclass(frozen=True)
class RetinaMnist(MedMnist):
    """1,600 photographs of the back of the eye, in five grades of disease, in colour.

    The grades are steps of one scale, so that neighbouring ones overlap.
    """

    name: ClassVar[str] = "retinamnist"
    title: ClassVar[str] = "RetinaMNIST"
    licence: ClassVar[str] = "CC BY 4.0"
    source: ClassVar[str] = f"{CITED} the DeepDRiD challenge (2020)"
    md5: ClassVar[dict[str, str]] = {
        "28": "bd4c0672f1bba3e3a89f0e4e876791e4",
        "64": "afda852cc34dcda56f86ad2b2457dbcc",
    }
    classes: ClassVar[tuple[str, ...]] = tuple(f"grade {i}" for i in range(5))


@dataclass(frozen=True)
class TissueMnist(MedMnist):
    """236,386 cells of the kidney's outer part in eight kinds, grey.

    Seven cuts through each cell are laid over each other, the brightest point of all is kept.
    """

    name: ClassVar[str] = "tissuemnist"
    title: ClassVar[str] = "TissueMNIST"
    licence: ClassVar[str] = "CC BY 4.0"
    source: ClassVar[str] = f"{CITED} Ljosa et al. (2012), Nature Methods 9(7), set BBBC051"
    md5: ClassVar[dict[str, str]] = {
        "28": "ebe78ee8b05294063de985d821c1c34b",
        "64": "123ece2eba09d0aa5d698fda57103344",
    }
    classes: ClassVar[tuple[str, ...]] = (
        *("collecting duct, connecting tubule", "distal convoluted tubule"),
        *("glomerular endothelial cell", "interstitial endothelial cell", "leukocyte", "podocyte"),
        *("proximal tubule segment", "thick ascending limb"),
    )


@dataclass(frozen=True)
class Organs(MedMnist):
    """Eleven organs in cuts through a body."""

    licence: ClassVar[str] = "CC BY 4.0"
    source: ClassVar[str] = f"{CITED} Bilic et al. (2023), Medical Image Analysis 84:102680"
    classes: ClassVar[tuple[str, ...]] = ORGANS


@dataclass(frozen=True)
class OrganAMnist(Organs):
    """58,830 organs in cuts across the body by computed tomography, grey.

    Each of eleven organs fills its image; left and right kidneys, lungs and femurs look alike.
    """

    name: ClassVar[str] = "organamnist"
    title: ClassVar[str] = "OrganAMNIST"
    md5: ClassVar[dict[str, str]] = {
        "28": "68e3f8846a6bd62f0c9bf841c0d9eacc",
        "64": "2dcccc29b88e6da5a01161ef20cda288",
    }


@dataclass(frozen=True)
class OrganCMnist(Organs):
    """23,583 organs in cuts seen from the front of the body by computed tomography, grey.

    The same bodies as in OrganAMNIST, cut the other way: the eleven organs have other outlines.
    """

    name: ClassVar[str] = "organcmnist"
    title: ClassVar[str] = "OrganCMNIST"
    md5: ClassVar[dict[str, str]] = {
        "28": "b9ceb9546e10131b32923c5bbeaea2b1",
        "64": "3ce34a8724ea6f548e6db4744d03b6a9",
    }


@dataclass(frozen=True)
class OrganSMnist(Organs):
    """25,211 organs in cuts seen from the side of the body by computed tomography, grey.

    From the side left and right look almost the same, which makes this the hardest of the three.
    """

    name: ClassVar[str] = "organsmnist"
    title: ClassVar[str] = "OrganSMNIST"
    md5: ClassVar[dict[str, str]] = {
        "28": "9ab87b696fb54e2a387ebe992d6ed5f1",
        "64": "53a6d115339d874c25e309a994ff46d3",
    }


@dataclass(frozen=True)
class ChestMnist(MedMnist):
    """112,120 X-ray images of chests, grey, each with or without fourteen findings.

    An image may have several findings or none, so each finding is a set of two classes of its own;
    which one scores are computed against can be chosen on the pages.
    """

    name: ClassVar[str] = "chestmnist"
    title: ClassVar[str] = "ChestMNIST"
    licence: ClassVar[str] = "CC BY 4.0"
    source: ClassVar[str] = f"{CITED} Wang et al. (2017), ChestX-ray8, CVPR"
    md5: ClassVar[dict[str, str]] = {
        "28": "02c8a6516a18b556561a56cbdd36c4a8",
        "64": "9de6cd0b934ebb5b7426cfba5efbae16",
    }

    finding: Literal[
        "atelectasis",
        "cardiomegaly",
        "effusion",
        "infiltration",
        "mass",
        "nodule",
        "pneumonia",
        "pneumothorax",
        "consolidation",
        "oedema",
        "emphysema",
        "fibrosis",
        "pleural thickening",
        "hernia",
    ] = param("atelectasis", help="Which finding scores are computed against.")

    def read(self, root: Path, part: str) -> tuple[Array, Array]:
        """Images (n, h, w, 1) and 0 or 1 for each finding (n, 14), the chosen one first."""
        images, labels = super().read(root, part)
        order = [FINDINGS.index(finding) for finding in self._findings()]
        return images, labels[:, order]

    def class_names(self, root: Path) -> dict[str, tuple[str, ...]]:
        """One labelling a finding."""
        return dict.fromkeys(self._findings(), ("without", "with"))

    def part_in_words(self) -> str:
        """Split, size and the finding that figures refer to."""
        return f"{super().part_in_words()}, {self.finding}"

    def _findings(self) -> list[str]:
        return [self.finding, *(each for each in FINDINGS if each != self.finding)]
