"""What can be wrong with a JMESPath before there is an answer to look into."""


def jmespath_trouble(path: str) -> str:
    """Why a path cannot be read, "" if it can."""
    import jmespath  # only where it is used: the command line starts in a fifth of a second
    from jmespath.exceptions import JMESPathError

    try:
        jmespath.compile(path)
    except JMESPathError as error:
        return " ".join(str(error).split())[:160]
    return ""
