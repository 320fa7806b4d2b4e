"""What is told of images that come in: counted one by one, said in sentences."""

from collections import Counter
from collections.abc import Mapping

from clustlab.importing.image_files import DEEP, Extent, Picture, Recipe, Trait, extent_of

SIZES_KEPT = 10_000  # different ones that are counted

DEEP_WORDS = {
    Trait.BITS_16: "with 16 bits",
    Trait.BITS_32: "with 32 bits",
    Trait.DECIMAL: "of decimal numbers",
}

REMARKS = {  # what is told of one image, and of several
    Trait.TRANSPARENT: (
        "image is transparent in parts, which become {ground}.",
        "images are transparent in parts, which become {ground}.",
    ),
    Trait.TURNED: (
        "image is turned upright, as its camera has noted.",
        "images are turned upright, as their cameras have noted.",
    ),
    Trait.SEVERAL: (
        "file holds several frames or pages, of which the first is taken.",
        "files hold several frames or pages, of which the first is taken.",
    ),
    Trait.INK: (
        "image is made for printing inks (CMYK) and becomes a usual one.",
        "images are made for printing inks (CMYK) and become usual ones.",
    ),
    Trait.CUT_COLOUR: (
        "image has 16 bits a colour, of which the upper 8 are kept.",
        "images have 16 bits a colour, of which the upper 8 are kept.",
    ),
}


def counted(n: int, one: str, many: str) -> str:
    """A number of things with what they do, such as `3 images are turned`."""
    return f"{n:,} {one if n == 1 else many}"


class Tally:
    """Counts of what images were, and of what becomes of them."""

    def __init__(self) -> None:
        self.n = 0
        self.sizes: Counter[tuple[int, int]] = Counter()  # (h, w)
        self.traits: Counter[Trait] = Counter()
        self.extents: dict[Trait, Extent] = {}  # of each kind of deep images

    def add(self, picture: Picture) -> None:
        """Count an image."""
        self.n += 1
        if picture.size in self.sizes or len(self.sizes) < SIZES_KEPT:
            self.sizes[picture.size] += 1
        for trait in picture.traits:
            self.traits[trait] += 1
        extent = extent_of(picture)
        if extent is not None:
            for kind in set(DEEP) & set(picture.traits):
                low, high = self.extents.get(kind, extent)
                self.extents[kind] = (min(low, extent[0]), max(high, extent[1]))

    def sentences(self, recipe: Recipe, extents: Mapping[Trait, Extent]) -> list[str]:
        """What becomes of the images, in sentences that hold before and after.

        Parameters
        ----------
        extents : mapping
            Values that become black and white, for each kind of deep images.
        """
        out = [self._about_size(recipe), self._about_colour(recipe)]
        for kind, words in DEEP_WORDS.items():
            if self.traits[kind]:
                low, high = extents[kind]
                scaled = counted(self.traits[kind], f"image {words} is", f"images {words} are")
                out.append(
                    f"{scaled} scaled by the range of all such images: {low:,g} becomes black and "
                    f"{high:,g} white."
                )
        for trait, (one, many) in REMARKS.items():
            if self.traits[trait]:
                told = counted(self.traits[trait], one, many)
                out.append(told.format(ground=recipe.ground))
        return out

    def _about_size(self, recipe: Recipe) -> str:
        height, width = recipe.size
        if set(self.sizes) == {recipe.size}:
            return f"All are {width} x {height} pixels, and stay so."
        by_area = sorted(self.sizes, key=lambda size: (size[0] * size[1], size[1]))
        least, most = by_area[0], by_area[-1]
        if len(self.sizes) == 1:
            were = f"All have {_size(least)} pixels"
        else:
            were = (
                f"They have {len(self.sizes):,} sizes, from {_size(least)} to {_size(most)} pixels"
            )
        how = {
            "crop": "the middle of each is cut out in these proportions",
            "pad": f"each is shown whole on {recipe.ground}",
            "stretch": "each is stretched to these proportions",
        }[recipe.fit]
        return f"{were}; they become {width} x {height}: {how}."

    def _about_colour(self, recipe: Recipe) -> str:
        in_colour = self.traits[Trait.COLOUR]
        told = "All are grey" if not in_colour else counted(in_colour, "is", "are") + " in colour"
        told = "All are in colour" if in_colour == self.n else told
        if recipe.channels == "grey":
            return f"{told}, and all become grey." if in_colour else "All are grey."
        return f"{told}." if in_colour == self.n else f"{told}; all are stored as colour."


def _size(size: tuple[int, int]) -> str:
    return f"{size[1]:,} x {size[0]:,}"
