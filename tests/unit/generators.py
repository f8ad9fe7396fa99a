# Generators that do a long piece of work, and return what came of it.


def run(work):
    """What the generator `work` returns."""
    while True:
        try:
            next(work)
        except StopIteration as e:
            return e.value
