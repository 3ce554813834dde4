"""The server's command inside `docker run`: what the image runs, with what follows its name."""

from collections.abc import Iterator, Mapping, Sequence

from kvplan.errors import OptionsError

RUNTIMES = ("docker", "podman", "nerdctl")
"""Programs whose `run` takes an image and then the words for what is in it."""

_STARTS: Mapping[str, tuple[str, ...]] = {
    "vllm/vllm-openai": ("vllm", "serve"),
    "ggml-org/llama.cpp:server": ("llama-server",),
    "lmsysorg/sglang": (),
    "nvidia/tensorrt-llm/release": (),
}
"""
Images of the engines' makers and what they start themselves; `()` where the command follows the image.

Sources: ENTRYPOINT in vLLM's docker/Dockerfile, in llama.cpp's .devops/*.Dockerfile (target server), and none
in SGLang's docker/Dockerfile and TensorRT-LLM's docker/Dockerfile.multi.
"""

_HEEDED = ("VLLM_", "SGLANG_", "LLAMA_ARG_")
"""How variables begin that engines read; no other one of a container is kept, as it may be a secret."""


def command_inside(words: Sequence[str]) -> list[str]:
    """
    Return the command that a container of *words* runs, its variables before it.

    *words* begin behind the runtime's name. Raises OptionsError where the image is not one of an engine's
    maker, or is told to start something else.
    """
    found = next(((at, image) for at, word in enumerate(words) if (image := _image(word))), None)
    if found is None or any(word.partition("=")[0] == "--entrypoint" for word in words[: found[0]]):
        raise OptionsError(
            "which server this container runs is not known: give the server's command, as in "
            "`vllm serve MODEL` and what follows the image"
        )
    at, image = found
    return [*_variables(words[:at]), *_STARTS[image], *words[at + 1 :]]


def _image(word: str) -> str | None:
    """Return the image that a word names, with whichever registry before it and tag behind it."""
    if word.startswith(("-", "/", ".", "~", "$")):  # an option, or a folder that is mounted
        return None
    folder, slash, last = word.partition("@")[0].rpartition("/")
    name, _, tag = last.partition(":")
    path = folder + slash + name
    named = (path, f"{path}:{tag.partition('-')[0]}")
    ends = (image for image in _STARTS for each in named if each == image or each.endswith(f"/{image}"))
    return next(ends, None)


def _variables(words: Sequence[str]) -> Iterator[str]:
    """Yield the variables that a container is given and an engine reads."""
    for option, value in zip(words, [*words[1:], ""], strict=True):
        name, equals, text = option.partition("=")
        if option in ("-e", "--env"):
            text = value
        elif not (name == "--env" and equals):
            continue
        if text.startswith(_HEEDED) and "=" in text:
            yield text
