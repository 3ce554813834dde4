"""Links between GPUs, by name or by their rate. Every rate is of one direction."""

from kvplan.errors import UnitError, UnknownNameError, did_you_mean
from kvplan.records import record
from kvplan.units import parse_rate

_INDEX = "https://alpha-one-index.github.io/ai-infra-index/specs/networking-interconnects.html"
_BOTH_WAYS = "both directions together are twice this"


@record
class Link:
    """A link: its `rate` in one direction is text with a unit, `source` says where it was read."""

    name: str
    rate: str
    source: str | None = None

    @property
    def bytes_per_second(self) -> int:
        """Bytes per second in one direction, before any protocol takes its part."""
        return parse_rate(self.rate)


LINKS: tuple[Link, ...] = (
    Link(name="ethernet-10", rate="10Gbps", source="its name: IEEE 802.3ae"),
    Link(name="ethernet-25", rate="25Gbps", source="its name: IEEE 802.3by"),
    Link(name="ethernet-100", rate="100Gbps", source="its name: IEEE 802.3ba"),
    Link(name="roce-100", rate="100Gbps", source="Ethernet of 100 Gb/s"),
    Link(name="pcie3x16", rate="16GB/s", source=f"{_INDEX}: PCIe 3.0 x16; {_BOTH_WAYS}"),
    Link(
        name="infiniband-hdr",
        rate="200Gbps",
        source=f"{_INDEX}: HDR, four lanes of 50 Gb/s; 48 GB/s both ways are printed as effective",
    ),
    Link(name="roce-200", rate="200Gbps", source="Ethernet of 200 Gb/s"),
    Link(name="pcie4x16", rate="32GB/s", source=f"{_INDEX}: PCIe 4.0 x16; {_BOTH_WAYS}"),
    Link(
        name="infiniband-ndr",
        rate="400Gbps",
        source=f"{_INDEX}: NDR, four lanes of 100 Gb/s; 96 GB/s both ways are printed as effective",
    ),
    Link(name="roce-400", rate="400Gbps", source="Ethernet of 400 Gb/s"),
    Link(name="pcie5x16", rate="64GB/s", source=f"{_INDEX}: PCIe 5.0 x16; {_BOTH_WAYS}"),
    Link(
        name="infiniband-xdr",
        rate="800Gbps",
        source=f"{_INDEX}: XDR, four lanes of 200 Gb/s; 192 GB/s both ways are printed as effective",
    ),
    Link(name="roce-800", rate="800Gbps", source="Ethernet of 800 Gb/s"),
    Link(name="pcie6x16", rate="128GB/s", source=f"{_INDEX}: PCIe 6.0 x16; {_BOTH_WAYS}"),
    Link(name="nvlink2", rate="150GB/s", source=f"{_INDEX}: V100, 300 GB/s both ways"),
    Link(name="nvlink3", rate="300GB/s", source=f"{_INDEX}: A100, 600 GB/s both ways"),
    Link(name="nvlink4", rate="450GB/s", source=f"{_INDEX}: H100 and H200, 900 GB/s both ways"),
    Link(name="nvlink5", rate="900GB/s", source=f"{_INDEX}: B200 and GB200, 1,800 GB/s both ways"),
)
"""From the slowest to the fastest; NVLink's are of all links of one GPU together."""


def find_link(text: str) -> Link:
    """
    Return the link of a name (`nvlink4`, `infiniband-ndr`), or of a rate (`400Gbps`, `50GB/s`).

    Raises UnknownNameError for any other name, and UnitError for a rate without its unit.
    """
    wanted = text.strip().lower()
    for link in LINKS:
        if link.name == wanted:
            return link
    if wanted[:1].isdigit():
        parse_rate(text)
        return Link(name=text.strip(), rate=text)
    names = [link.name for link in LINKS]
    raise UnknownNameError(
        f"unknown link {text[:40]!r}{did_you_mean(text, names)}; known are {', '.join(names)}, "
        "or give a rate of one direction: 400Gbps, 50GB/s"
    )


def read_link(text: str) -> str:
    """Return the text of a link that is understood; raise UnitError for one that is not."""
    try:
        return find_link(text).name
    except UnknownNameError as error:
        raise UnitError(str(error)) from None


def slowest_that_moves(bytes_per_second: float) -> Link | None:
    """Return the slowest link that moves so many bytes per second alone; None if none does."""
    return next((link for link in LINKS if link.bytes_per_second >= bytes_per_second), None)
