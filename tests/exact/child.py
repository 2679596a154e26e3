"""A child process of the proofs."""


def work() -> int:
    return 41 + 1


if __name__ == "__main__":
    work()
