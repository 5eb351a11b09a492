"""AWS as moto plays it, with KMS keys that never change, so that files can be kept:
kms-server.py PORT [BASE]. Four regions hold two keys each; `alias/one` is the first. With BASE it
is `https://localhost:PORT`, with a new certificate in BASE.crt."""

import sys

from moto.kms import models
from moto.server import main
from werkzeug.serving import make_ssl_devcert

ACCOUNT = "123456789012"

for at, region in enumerate(["eu-west-1", "us-east-1", "cn-north-1", "us-gov-west-1"]):
    backend = models.kms_backends[ACCOUNT][region]
    for number in (1, 2):
        digit = str(2 * at + number)
        models.generate_key_id = lambda *_, digit=digit: "-".join(digit * n for n in (8, 4, 4, 4, 12))
        models.generate_master_key = lambda digit=digit: digit.encode() * 32
        key = backend.create_key(None, "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", "", None)
        if number == 1:
            backend.create_alias(key.id, "alias/one")

arguments = ["-H", "127.0.0.1", "-p", sys.argv[1]]
if len(sys.argv) > 2:
    certificate, key = make_ssl_devcert(sys.argv[2], host="localhost")
    arguments += ["-c", certificate, "-k", key]
main(arguments)
