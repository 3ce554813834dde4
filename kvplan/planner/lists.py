"""Several values of one option in one text, as a command line has them."""


def split_values(name: str, text: str) -> list[str]:
    """
    Return the parts between commas of an option's text.

    A cache format's own commas, `q8_0,value=q4_0`, part nothing.
    """
    parts: list[str] = []
    for part in (each.strip() for each in text.split(",")):
        if name == "kv_dtype" and "=" in part and parts:
            parts[-1] += f",{part}"
        elif part:
            parts.append(part)
    return parts
