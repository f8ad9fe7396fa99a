"""What is told of long jobs, an upload or an update, for every version. Loaded for that."""


def note(outbox, action, status, name=None):
    """A job `name`, of which `action` tells, has come to `status`; None: it is over. That is told
    in order; who triggers `action` meanwhile hears where it stands."""
    outbox.running[action] = name and (status, name)
    del outbox.news[:-7]
    outbox.news.append((action, status))
    outbox.notify()


async def tell(outbox, silent):
    """The oldest of its news. What is lost with the connection, or not answered, is told again;
    but not to who never answers that (`silent`)."""
    one = outbox.news[0]
    if await _told(outbox, silent, *outbox.message("status", *one)) and one in outbox.news[:1]:
        outbox.news.pop(0)


async def tell_update(outbox, update, silent):
    """The same of an update, whose news outlive the power."""
    if await _told(outbox, silent, *outbox.message("updated", update.news[0])):
        update.told()


async def _told(outbox, silent, action, payload):
    before = action in silent
    conf = await outbox.ask(action, payload)
    return conf is not None or outbox.refused or before
