"""Certificates in a dial by TLS: which are trusted, which one is shown, what a dial says of them.
The files: storage/certificates.py."""

from firmware import lazy
from firmware.station.security import BAD_OWN_CERTIFICATE

files = lazy.load("storage.certificates")


def load(profile, all_roots):
    """-> (TLS context of a security profile, name of the pair that it shows or None). all_roots:
    of two roots of which one takes the place of the other both. Raises ValueError."""
    import tls

    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_REQUIRED  # chain, host name and dates
    names = files.names(files.CENTRAL)
    if not all_roots:
        names = files.current(files.CENTRAL) or names
    if not names:
        why = "no CA: SecurityProfile %d needs that of the Central System as /certs/ca.der"
        raise ValueError(why % profile)
    for name in names:
        try:
            context.load_verify_locations(files.read(name))
        except ValueError:
            raise ValueError("/certs/%s: not a certificate in DER" % name)
    if profile < 3:
        return context, None
    why = "SecurityProfile 3 needs /certs/client.der and client.key.der"
    why = "no client certificate: " + why
    for name, *pair in files.pairs():
        try:
            files.show(context, *pair)
            return context, name
        except ValueError as e:
            name += ", client.key.der" if name[-4:] == ".der" else ""
            why = "/certs/%s: %s in DER" % (name, e)
    raise ValueError(why)


def failed(settings, unknown, shown, log):
    """A dial failed: the root of whoever was there is `unknown`, or the pair `shown` may be
    refused. True: the next is at once, with what was before."""
    try:
        if unknown and files.before():
            settings.refused |= 2
            return True
        if not unknown and files.refused(shown):
            log("the new certificate is refused, the old one is tried")
            return True
    except OSError as e:
        log("/certs: %s" % e)
    return False


def worked(settings, shown, back):
    """A connection is up: what it was made with stays, its rival goes. -> what there is to say;
    `back` gets what of it is a security event."""
    said = []
    try:
        before = files.before()
        if before and not settings.refused & 2 and files.current(files.CENTRAL):
            files.remove(before)
            said.append("the new root works, the old one is forgotten")
        works = shown and files.worked(shown)
        if works:
            said.append("the new certificate works, the old one is forgotten")
        elif works is False:
            said.append("the old certificate is in force again, for the new one did not work")
            back.append((BAD_OWN_CERTIFICATE, said[-1], 0))
    except OSError as e:
        said.append("/certs: %s" % e)
    return said
