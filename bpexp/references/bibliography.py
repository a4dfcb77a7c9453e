"""The bibliography: every paper that a docstring of the package cites, for BibTeX.

A docstring cites a paper as (He et al. 2015) or He et al. (2015), with an equation's number if need
be. That is the only pointer: what `find_cited` finds in the docstrings of a choice's factory, an
instrument or a prediction are the papers behind it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

PLAIN = re.compile(r"[(),#\s]+")


@dataclass(frozen=True)
class Reference:
    """A paper.

    Attributes:
        key: the key of its BibTeX entry.
        cited: how docstrings cite it, without brackets: authors and year.
        authors: given names first.
        title: of the paper; braces keep capitals.
        year: of publication, as the citation has it.
        venue: BibTeX fields that say where: booktitle, or journal with volume and pages.
        arxiv: the preprint's number, or empty.
    """

    key: str
    cited: str
    authors: tuple[str, ...]
    title: str
    year: int
    venue: Mapping[str, str] = field(default_factory=dict)
    arxiv: str = ""

    @property
    def bibtex(self) -> str:
        """The BibTeX entry."""
        kinds = {"journal": "article", "booktitle": "inproceedings"}
        kind = next((kinds[name] for name in self.venue if name in kinds), "misc")
        fields = {
            "title": self.title,
            "author": " and ".join(self.authors),
            **self.venue,
            "year": str(self.year),
        }
        if self.arxiv:
            fields |= {"eprint": self.arxiv, "archiveprefix": "arXiv"}
        lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
        return "\n".join([f"@{kind}{{{self.key},", *lines, "}"])


def find_cited(texts: Iterable[str]) -> list[Reference]:
    """Return the references that texts cite, in the order of the bibliography."""
    found = set().union(*map(_cited_in, texts))
    return [paper for paper in REFERENCES if paper.key in found]


@cache
def _cited_in(text: str) -> frozenset[str]:
    """Return the keys of the references that a text cites; many runs have the same few texts."""
    plain = PLAIN.sub(" ", text)
    return frozenset(
        paper.key for paper in REFERENCES if re.search(rf"(?<!\w){paper.cited}(?!\w)", plain)
    )


def _proceedings(name: str, **fields: str) -> dict[str, str]:
    return {"booktitle": name, **fields}


def _nips(volume: int) -> dict[str, str]:
    name = "Advances in Neural Information Processing Systems"
    return _proceedings(name, volume=str(volume))


ICLR = _proceedings("International Conference on Learning Representations")


def _icml(**fields: str) -> dict[str, str]:
    return _proceedings("Proceedings of the International Conference on Machine Learning", **fields)


REFERENCES: tuple[Reference, ...] = (
    Reference(
        "polyak1964", "Polyak 1964", ("Boris T. Polyak",),
        "Some methods of speeding up the convergence of iteration methods", 1964,
        {"journal": "{USSR} Computational Mathematics and Mathematical Physics",
         "volume": "4", "number": "5", "pages": "1--17"},
    ),
    Reference(
        "alpaydin1998", "Alpaydin & Kaynak 1998", ("Ethem Alpaydin", "Cenk Kaynak"),
        "Optical Recognition of Handwritten Digits", 1998,
        {"howpublished": "{UCI} Machine Learning Repository"},
    ),
    Reference(
        "lecun1998", "LeCun et al. 1998",
        ("Yann LeCun", "L{\\'e}on Bottou", "Genevieve B. Orr", "Klaus-Robert M{\\\"u}ller"),
        "Efficient {BackProp}", 1998,
        _proceedings("Neural Networks: Tricks of the Trade", series="LNCS", volume="1524",
                     publisher="Springer", pages="9--50"),
    ),
    Reference(
        "lecun1998mnist", "LeCun Bottou Bengio & Haffner 1998",
        ("Yann LeCun", "L{\\'e}on Bottou", "Yoshua Bengio", "Patrick Haffner"),
        "Gradient-based learning applied to document recognition", 1998,
        {"journal": "Proceedings of the {IEEE}", "volume": "86", "number": "11",
         "pages": "2278--2324"},
    ),
    Reference(
        "dugas2001", "Dugas et al. 2001",
        ("Charles Dugas", "Yoshua Bengio", "Fran{\\c{c}}ois B{\\'e}lisle", "Claude Nadeau",
         "Ren{\\'e} Garcia"),
        "Incorporating second-order functional knowledge for better option pricing", 2001,
        _nips(13),
    ),
    Reference(
        "efron2004", "Efron et al. 2004",
        ("Bradley Efron", "Trevor Hastie", "Iain Johnstone", "Robert Tibshirani"),
        "Least angle regression", 2004,
        {"journal": "The Annals of Statistics", "volume": "32", "number": "2",
         "pages": "407--499"},
    ),
    Reference(
        "cho2009", "Cho & Saul 2009", ("Youngmin Cho", "Lawrence K. Saul"),
        "Kernel methods for deep learning", 2009, _nips(22),
    ),
    Reference(
        "glorot2010", "Glorot & Bengio 2010", ("Xavier Glorot", "Yoshua Bengio"),
        "Understanding the difficulty of training deep feedforward neural networks", 2010,
        _proceedings("Proceedings of the International Conference on Artificial Intelligence and "
                     "Statistics", series="PMLR", volume="9", pages="249--256"),
    ),
    Reference(
        "nair2010", "Nair & Hinton 2010", ("Vinod Nair", "Geoffrey E. Hinton"),
        "Rectified linear units improve restricted {B}oltzmann machines", 2010,
        _icml(pages="807--814"),
    ),
    Reference(
        "maas2013", "Maas et al. 2013", ("Andrew L. Maas", "Awni Y. Hannun", "Andrew Y. Ng"),
        "Rectifier nonlinearities improve neural network acoustic models", 2013,
        _proceedings("{ICML} Workshop on Deep Learning for Audio, Speech and Language Processing"),
    ),
    Reference(
        "sutskever2013", "Sutskever et al. 2013",
        ("Ilya Sutskever", "James Martens", "George Dahl", "Geoffrey Hinton"),
        "On the importance of initialization and momentum in deep learning", 2013,
        _icml(series="PMLR", volume="28", pages="1139--1147"),
    ),
    Reference(
        "saxe2014", "Saxe et al. 2014",
        ("Andrew M. Saxe", "James L. McClelland", "Surya Ganguli"),
        "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks",
        2014, ICLR, "1312.6120",
    ),
    Reference(
        "he2015", "He et al. 2015",
        ("Kaiming He", "Xiangyu Zhang", "Shaoqing Ren", "Jian Sun"),
        "Delving deep into rectifiers: Surpassing human-level performance on {ImageNet} "
        "classification", 2015,
        _proceedings("{IEEE} International Conference on Computer Vision", pages="1026--1034"),
        "1502.01852",
    ),
    Reference(
        "ioffe2015", "Ioffe & Szegedy 2015", ("Sergey Ioffe", "Christian Szegedy"),
        "Batch normalization: Accelerating deep network training by reducing internal covariate "
        "shift", 2015, _icml(series="PMLR", volume="37", pages="448--456"), "1502.03167",
    ),
    Reference(
        "kingma2015", "Kingma & Ba 2015", ("Diederik P. Kingma", "Jimmy Ba"),
        "Adam: A method for stochastic optimization", 2015, ICLR, "1412.6980",
    ),
    Reference(
        "ba2016", "Ba et al. 2016", ("Jimmy Lei Ba", "Jamie Ryan Kiros", "Geoffrey E. Hinton"),
        "Layer normalization", 2016, {}, "1607.06450",
    ),
    Reference(
        "clevert2016", "Clevert et al. 2016",
        ("Djork-Arn{\\'e} Clevert", "Thomas Unterthiner", "Sepp Hochreiter"),
        "Fast and accurate deep network learning by exponential linear units ({ELU}s)", 2016,
        ICLR, "1511.07289",
    ),
    Reference(
        "he2016", "He et al. 2016",
        ("Kaiming He", "Xiangyu Zhang", "Shaoqing Ren", "Jian Sun"),
        "Identity mappings in deep residual networks", 2016,
        _proceedings("European Conference on Computer Vision", pages="630--645"), "1603.05027",
    ),
    Reference(
        "hendrycks2016", "Hendrycks & Gimpel 2016", ("Dan Hendrycks", "Kevin Gimpel"),
        "{G}aussian error linear units ({GELU}s)", 2016, {}, "1606.08415",
    ),
    Reference(
        "mishkin2016", "Mishkin & Matas 2016", ("Dmytro Mishkin", "Jiri Matas"),
        "All you need is a good init", 2016, ICLR, "1511.06422",
    ),
    Reference(
        "poole2016", "Poole et al. 2016",
        ("Ben Poole", "Subhaneil Lahiri", "Maithra Raghu", "Jascha Sohl-Dickstein",
         "Surya Ganguli"),
        "Exponential expressivity in deep neural networks through transient chaos", 2016,
        _nips(29), "1606.05340",
    ),
    Reference(
        "klambauer2017", "Klambauer et al. 2017",
        ("G{\\\"u}nter Klambauer", "Thomas Unterthiner", "Andreas Mayr", "Sepp Hochreiter"),
        "Self-normalizing neural networks", 2017, _nips(30), "1706.02515",
    ),
    Reference(
        "loshchilov2017", "Loshchilov & Hutter 2017", ("Ilya Loshchilov", "Frank Hutter"),
        "{SGDR}: Stochastic gradient descent with warm restarts", 2017, ICLR, "1608.03983",
    ),
    Reference(
        "pennington2017", "Pennington et al. 2017",
        ("Jeffrey Pennington", "Samuel S. Schoenholz", "Surya Ganguli"),
        "Resurrecting the sigmoid in deep learning through dynamical isometry: theory and practice",
        2017, _nips(30), "1711.04735",
    ),
    Reference(
        "schoenholz2017", "Schoenholz et al. 2017",
        ("Samuel S. Schoenholz", "Justin Gilmer", "Surya Ganguli", "Jascha Sohl-Dickstein"),
        "Deep information propagation", 2017, ICLR, "1611.01232",
    ),
    Reference(
        "balduzzi2017", "Balduzzi et al. 2017",
        ("David Balduzzi", "Marcus Frean", "Lennox Leary", "J. P. Lewis", "Kurt Wan-Duo Ma",
         "Brian McWilliams"),
        "The shattered gradients problem: If resnets are the answer, then what is the question?",
        2017, _icml(series="PMLR", volume="70"), "1702.08591",
    ),
    Reference(
        "xiao2017", "Xiao et al. 2017", ("Han Xiao", "Kashif Rasul", "Roland Vollgraf"),
        "{Fashion-MNIST}: a novel image dataset for benchmarking machine learning algorithms",
        2017, {}, "1708.07747",
    ),
    Reference(
        "yang2017", "Yang & Schoenholz 2017", ("Greg Yang", "Samuel S. Schoenholz"),
        "Mean field residual networks: On the edge of chaos", 2017, _nips(30), "1712.08969",
    ),
    Reference(
        "elfwing2018", "Elfwing et al. 2018", ("Stefan Elfwing", "Eiji Uchibe", "Kenji Doya"),
        "Sigmoid-weighted linear units for neural network function approximation in reinforcement "
        "learning", 2018,
        {"journal": "Neural Networks", "volume": "107", "pages": "3--11"}, "1702.03118",
    ),
    Reference(
        "hanin2018", "Hanin 2018", ("Boris Hanin",),
        "Which neural net architectures give rise to exploding and vanishing gradients?", 2018,
        _nips(31), "1801.03744",
    ),
    Reference(
        "hanin2018products", "Hanin & Nica 2018", ("Boris Hanin", "Mihai Nica"),
        "Products of many large random matrices and gradients in deep neural networks", 2018, {},
        "1812.05994",
    ),
    Reference(
        "jacot2018", "Jacot et al. 2018",
        ("Arthur Jacot", "Franck Gabriel", "Cl{\\'e}ment Hongler"),
        "Neural tangent kernel: Convergence and generalization in neural networks", 2018,
        _nips(31), "1806.07572",
    ),
    Reference(
        "lee2018", "Lee et al. 2018",
        ("Jaehoon Lee", "Yasaman Bahri", "Roman Novak", "Samuel S. Schoenholz",
         "Jeffrey Pennington", "Jascha Sohl-Dickstein"),
        "Deep neural networks as {G}aussian processes", 2018, ICLR, "1711.00165",
    ),
    Reference(
        "lee2019", "Lee et al. 2019",
        ("Jaehoon Lee", "Lechao Xiao", "Samuel S. Schoenholz", "Yasaman Bahri", "Roman Novak",
         "Jascha Sohl-Dickstein", "Jeffrey Pennington"),
        "Wide neural networks of any depth evolve as linear models under gradient descent", 2019,
        _nips(32), "1902.06720",
    ),
    Reference(
        "yang2019", "Yang et al. 2019",
        ("Greg Yang", "Jeffrey Pennington", "Vinay Rao", "Jascha Sohl-Dickstein",
         "Samuel S. Schoenholz"),
        "A mean field theory of batch normalization", 2019, ICLR, "1902.08129",
    ),
    Reference(
        "zhang2019fixup", "Zhang et al. 2019",
        ("Hongyi Zhang", "Yann N. Dauphin", "Tengyu Ma"),
        "Fixup initialization: Residual learning without normalization", 2019, ICLR, "1901.09321",
    ),
    Reference(
        "zhang2019rms", "Zhang & Sennrich 2019", ("Biao Zhang", "Rico Sennrich"),
        "Root mean square layer normalization", 2019, _nips(32), "1910.07467",
    ),
    Reference(
        "de2020", "De & Smith 2020", ("Soham De", "Samuel L. Smith"),
        "Batch normalization biases residual blocks towards the identity function in deep networks",
        2020, _nips(33), "2002.10444",
    ),
    Reference(
        "hanin2020", "Hanin & Nica 2020", ("Boris Hanin", "Mihai Nica"),
        "Finite depth and width corrections to the neural tangent kernel", 2020, ICLR, "1909.05989",
    ),
    Reference(
        "bachlechner2021", "Bachlechner et al. 2021",
        ("Thomas Bachlechner", "Bodhisattwa Prasad Majumder", "Henry Mao", "Gary Cottrell",
         "Julian McAuley"),
        "{ReZero} is all you need: fast convergence at large depth", 2021,
        _proceedings("Proceedings of the Conference on Uncertainty in Artificial Intelligence",
                     series="PMLR", volume="161"),
        "2003.04887",
    ),
    Reference(
        "brock2021", "Brock et al. 2021", ("Andrew Brock", "Soham De", "Samuel L. Smith"),
        "Characterizing signal propagation to close the performance gap in unnormalized {ResNets}",
        2021, ICLR, "2101.08692",
    ),
)  # fmt: skip
