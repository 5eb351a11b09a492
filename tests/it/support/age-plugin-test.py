#!/usr/bin/env python3
"""An age plugin for tests, in the standard library alone: ChaCha20-Poly1305 (RFC 8439) with keys
that lie in the folder AGE_PLUGIN_TEST_KEYS, called by their id.

    age-plugin-test --generate    makes a key, and prints its recipient and its identity

AGE_PLUGIN_TEST_MODE has it misbehave: see MODES. What it was started with goes to the file
AGE_PLUGIN_TEST_LOG, where that is set."""

import base64
import hashlib
import hmac
import os
import struct
import sys
import time

MODES = ["", "ask", "refuse", "crash", "hangup", "garbage", "nothing", "odd"]
ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def polymod(values):
    total = 1
    for value in values:
        top = total >> 25
        total = (total & 0x1FFFFFF) << 5 ^ value
        for i, g in enumerate([0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3]):
            total ^= g if top >> i & 1 else 0
    return total


def expand(prefix):
    return [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]


def bech32(prefix, data):
    bits = int.from_bytes(data, "big") << (-len(data) * 8 % 5)
    count = -(-len(data) * 8 // 5)
    digits = [bits >> 5 * (count - 1 - i) & 31 for i in range(count)]
    check = polymod(expand(prefix) + digits + [0] * 6) ^ 1
    digits += [check >> 5 * (5 - i) & 31 for i in range(6)]
    return prefix + "1" + "".join(ALPHABET[d] for d in digits)


def unbech32(text):
    prefix, _, data = text.lower().rpartition("1")
    digits = [ALPHABET.index(c) for c in data]
    assert polymod(expand(prefix) + digits) == 1
    count = len(digits[:-6]) * 5 // 8
    bits = int("".join(f"{d:05b}" for d in digits[:-6])[: count * 8], 2)
    return bits.to_bytes(count, "big")


def block(key, counter, nonce):
    state = list(struct.unpack("<16I", b"expand 32-byte k" + key + struct.pack("<I", counter) + nonce))
    work = state[:]

    def quarter(a, b, c, d):
        for x, y, z, r in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)]:
            work[x] = (work[x] + work[y]) & 0xFFFFFFFF
            v = work[z] ^ work[x]
            work[z] = (v << r | v >> (32 - r)) & 0xFFFFFFFF

    for _ in range(10):
        for i in range(4):
            quarter(i, i + 4, i + 8, i + 12)
        for a, b, c, d in [(0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]:
            quarter(a, b, c, d)
    return struct.pack("<16I", *[(x + y) & 0xFFFFFFFF for x, y in zip(work, state)])


def poly1305(key, text):
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for i in range(0, len(text), 16):
        total = (total + int.from_bytes(text[i : i + 16] + b"\1", "little")) * r % ((1 << 130) - 5)
    total += int.from_bytes(key[16:], "little")
    return (total & ((1 << 128) - 1)).to_bytes(16, "little")


def tag(key, nonce, sealed):
    padded = sealed + b"\0" * (-len(sealed) % 16)
    return poly1305(block(key, 0, nonce)[:32], padded + struct.pack("<QQ", 0, len(sealed)))


def xor(key, nonce, text):
    stream = b"".join(block(key, 1 + i, nonce) for i in range(-(-len(text) // 64)))
    return bytes(x ^ y for x, y in zip(text, stream))


def key_of(ident, salt):
    with open(os.path.join(os.environ["AGE_PLUGIN_TEST_KEYS"], ident.hex()), "rb") as file:
        return hmac.new(file.read(), salt, hashlib.sha256).digest()


def b64(data):
    return base64.b64encode(data).decode().rstrip("=")


def unb64(text):
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


def send(tag, *args, body=b""):
    text = b64(body)
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    if len(text) % 64 == 0:
        lines.append("")
    print("->", tag, *args)
    print("\n".join(lines), flush=True)


def receive():
    head = sys.stdin.readline()
    if not head:
        sys.exit("the client went away")
    words = head.rstrip("\n").split(" ")
    assert words[0] == "->", head
    body = ""
    while True:
        line = sys.stdin.readline().rstrip("\n")
        body += line
        if len(line) < 64:
            return words[1], words[2:], unb64(body)


def answer():
    tag, args, body = receive()
    return (args, body) if tag == "ok" else None


def phase_one():
    commands = []
    while True:
        command = receive()
        if command[0] == "done":
            return commands
        commands.append(command)


def ask():
    send("msg", body=b"touch the \x1b[31mtoken")
    assert answer() is not None
    send("confirm", b64(b"go on"), b64(b"stop"), body=b"Is the token in?")
    if (said := answer()) is None or said[0] != ["yes"]:
        return "the token is not in"
    send("request-public", body=b"Name of the token?")
    if (said := answer()) is None or said[1] != b"red":
        return "no such token"
    send("request-secret", body=b"PIN?")
    if (said := answer()) is None or said[1] != b"1234":
        return "the PIN is wrong"
    return None


def misbehave(mode):
    if mode == "crash":
        print("first\nno token in the slot", file=sys.stderr)
        sys.exit(3)
    if mode == "hangup":
        sys.stdout.close()
        os.close(1)
        time.sleep(60)
    if mode == "garbage":
        print("Usage: age-plugin-test")
        sys.exit(0)
    if mode == "nothing":
        send("done")
        sys.exit(0)
    if mode == "odd":
        send("sing", "a", "song", body=b"la" * 100)
        assert receive()[0] == "unsupported"
    why = {"refuse": "the token\nis locked", "ask": None}.get(mode)
    if mode == "ask":
        why = ask()
    if why:
        send("error", "internal", body=why.encode())
        answer()
        send("done")
        sys.exit(0)


def wrap(commands):
    recipients = [unbech32(args[0]) for name, args, _ in commands if name == "add-recipient"]
    keys = [body for name, _, body in commands if name == "wrap-file-key"]
    for index, file_key in enumerate(keys):
        for ident in recipients:
            salt = os.urandom(16)
            key = key_of(ident, salt)
            sealed = xor(key, bytes(12), file_key)
            body = sealed + tag(key, bytes(12), sealed)
            send("recipient-stanza", index, "test", b64(ident), b64(salt), body=body)
            assert answer() is not None


def unwrap(commands):
    identities = [unbech32(args[0]) for name, args, _ in commands if name == "add-identity"]
    for name, args, body in commands:
        if name != "recipient-stanza" or args[1] != "test":
            continue
        ident, salt = unb64(args[2]), unb64(args[3])
        if ident not in identities:
            continue
        key = key_of(ident, salt)
        sealed, mac = body[:-16], body[-16:]
        if hmac.compare_digest(mac, tag(key, bytes(12), sealed)):
            send("file-key", args[0], body=xor(key, bytes(12), sealed))
            assert answer() is not None


def main():
    if log := os.environ.get("AGE_PLUGIN_TEST_LOG"):
        with open(log, "a") as file:
            keys = sorted(name for name in os.environ if name.startswith("SOPS_AGE_KEY"))
            print(*sys.argv[1:], *keys, file=file)
    if sys.argv[1:] == ["--generate"]:
        ident = os.urandom(16)
        with open(os.path.join(os.environ["AGE_PLUGIN_TEST_KEYS"], ident.hex()), "wb") as file:
            file.write(os.urandom(32))
        print(bech32("age1test", ident))
        print(bech32("age-plugin-test-", ident).upper())
        return
    mode = os.environ.get("AGE_PLUGIN_TEST_MODE", "")
    assert mode in MODES
    commands = phase_one()
    misbehave(mode)
    if sys.argv[1] == "--age-plugin=recipient-v1":
        wrap(commands)
    elif sys.argv[1] == "--age-plugin=identity-v1":
        unwrap(commands)
    else:
        sys.exit("an unknown state machine")
    send("done")


main()
