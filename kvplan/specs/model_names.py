"""
What the name of a model says: organisation, model, size, and the format of the weights.

The one place where names are taken apart: hub ids, Ollama's and LM Studio's names, llama.cpp's files. A
name selects an entry of the catalogue, which the answer says; it decides no bytes but those of weights in
16 bits.
"""

import re

from kvplan.records import record

_BIT_WORDS = r"(?:ud[-_.])?i?q\d(?:[-_](?:k|0|1|nl|xxs|xs|s|m|l|xl))*|tq[12]_0|[2-8]-?bits?"
_FORMATS = (
    r"awq|gptq|fp[48]|nvfp4|mxfp[48]|int[248]|w\d+a\d+|gguf|quantized|autoround|bnb|mlx|hqq|exl[23]|eetq|aqlm|"
    rf"quark|torchao|qat|bf16|fp16|f16|f32|{_BIT_WORDS}"
)
_DETAILS = (
    r"dynamic|static|block|kv|per|tensor|channel|pertensor|sym|asym|\d+g|g\d+|marlin|dwq|ct|unsloth|imatrix|"
    r"i1|moe|v\d|hf|(?<=gptq.)\db|mixed"
)
_RELEASE = re.compile(
    rf"[-_.@:](?:unsloth[-_])?(?P<release>(?:{_FORMATS})(?:[-_.:@](?:{_FORMATS}|{_DETAILS}))*)$",
    re.IGNORECASE,
)
"""What a release in other weights adds: -AWQ, -FP8-dynamic, -quantized.w4a16, -GGUF:Q4_K_M, -bnb-4bit."""

_SHARD = re.compile(r"-\d{5}-of-\d{5}$")
_WORD = re.compile(r"\d+(?:\.\d+)*[a-z]*|[a-z]+")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([bmt])")
_MILLIONS = {"m": 1, "b": 10**3, "t": 10**6}
_SIXTEEN_BITS = {"bf16": "bfloat16", "fp16": "float16", "f16": "float16"}

TUNED = frozenset({"instruct", "chat", "it", "base", "hf", "pt"})
"""Words that tell the trainings of one model apart, and not its shapes."""

OLLAMAS = "Ollama's"
_GGUF = re.compile(rf".*gguf.*|{_BIT_WORDS}|{OLLAMAS}", re.IGNORECASE)
"""Formats of GGUF files."""


@record
class ModelName:
    """
    A name, taken apart.

    `model` is the name without `organisation` and `release`, the format of the weights in the words of the
    name (None if it names none). `words` are the model's, in lower case: `llama3.1:8b` has those of
    `Llama-3.1-8B`. A `tagged` name is in Ollama's form.
    """

    organisation: str | None
    model: str
    release: str | None
    tagged: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the model's name, a number apart from letters before it."""
        return tuple(_WORD.findall(self.model.lower()))

    @property
    def plain_words(self) -> tuple[str, ...]:
        """The words without those that tell trainings apart."""
        return tuple(word for word in self.words if word not in TUNED)

    @property
    def sixteen_bits(self) -> str | None:
        """The dtype of weights that are plain numbers of 16 bits by the name; None for all others."""
        return _SIXTEEN_BITS.get((self.release or "").lower())

    @property
    def other_weights(self) -> bool:
        """Whether the name says that the weights are in any other format."""
        return self.release is not None and not self.sixteen_bits

    @property
    def gguf(self) -> bool:
        """Whether the weights are in a GGUF file, which says nothing of a cache."""
        return _GGUF.fullmatch(self.release or "") is not None


def take_apart(name: str) -> ModelName:
    """Return what *name* says; a name of no known form is all `model`."""
    organisation, slash, last = name.strip().rstrip("/").rpartition("/")
    is_file = last.lower().endswith(".gguf")
    last = _SHARD.sub("", last[: -len(".gguf")]) if is_file else last
    found = _RELEASE.search(last)
    release = found["release"] if found else None
    if is_file and (release is None or release.lower() in _SIXTEEN_BITS):
        # Norms stand in 32 bits in it.
        release = f"GGUF:{release}" if release else "GGUF"
    model = last[: found.start()] if found else last
    tagged = ":" in model or (":" in last and not slash)
    if tagged and release is None:
        release = OLLAMAS
    return ModelName(
        organisation=organisation.rpartition("/")[2] or None if slash else None,
        model=model,
        release=release,
        tagged=tagged,
    )


def family(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words before the first size: `qwen 3` of `qwen 3 8b`."""
    first = next((at for at, word in enumerate(words) if _SIZE.fullmatch(word)), len(words))
    return words[:first]


def size_of(words: tuple[str, ...]) -> float | None:
    """Return the first size of a name's words in millions of parameters; None if it has none."""
    found = next((size for word in words if (size := _SIZE.fullmatch(word))), None)
    return float(found[1]) * _MILLIONS[found[2]] if found else None


def without_active(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return a name's words without the active parameters of a mixture of experts: `30b a 3b` is `30b`."""
    for at in range(1, len(words) - 1):
        if words[at] == "a" and _SIZE.fullmatch(words[at - 1]) and _SIZE.fullmatch(words[at + 1]):
            return words[:at] + words[at + 2 :]
    return words
