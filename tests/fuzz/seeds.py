"""Where fuzzing begins: the corpus of requests, and what was found once (corpus/TARGET/*)."""

from pathlib import Path

from tests.strictness.cases import load

CORPUS = Path(__file__).parent / "corpus"


def seeds(target: str) -> list[bytes]:
    """Every seed of `target`, each once."""
    found = [path.read_bytes() for path in sorted((CORPUS / target).glob("*"))]
    streams = [case.stream for case in load() if len(case.stream) < 4096]
    if target == "requests":
        found += streams
    elif target == "chunks":
        found += [
            stream.partition(b"\r\n\r\n")[2]
            for stream in streams
            if b"\r\nTransfer-Encoding: chunked\r\n\r\n" in stream
        ]
    elif target == "cookies":
        found += [
            line.partition(b":")[2].strip()
            for stream in streams
            for line in stream.split(b"\r\n")
            if line.lower().startswith(b"cookie:")
        ]
    else:
        found += [stream.split(b" ")[1] for stream in streams if stream.count(b" ") > 1]
    return list(dict.fromkeys(found))
