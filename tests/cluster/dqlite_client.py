#!/usr/bin/python3
"""A client of dqlite's wire protocol: what go-dqlite does for a Go program, small enough to read.

As a program it makes a cluster out of nodes that were started by dqlite_host:

    dqlite_client.py LEADER add ID ADDRESS      a started node joins, with a vote
    dqlite_client.py LEADER remove ID           a node leaves for good
    dqlite_client.py NODE leader                who leads, as this node knows it
    dqlite_client.py NODE cluster               the nodes, their addresses and roles
    dqlite_client.py LEADER sql DATABASE SQL    runs one statement, prints the rows
"""
import socket
import struct
import sys

# Requests and responses are told apart by these numbers.
LEADER, CLIENT, OPEN, EXEC_SQL, QUERY_SQL, ADD, ASSIGN, REMOVE, DUMP, CLUSTER = 0, 1, 3, 8, 9, 12, 13, 14, 15, 16
FAILURE, ROWS = 0, 7
INTEGER, REAL, TEXT, BLOB, NULL = 1, 2, 3, 4, 5
VOTER = 0
ROLES = ("voter", "standby", "spare")
MORE_ROWS, LAST_ROW = b"\xee" * 8, b"\xff" * 8


class Failure(Exception):
    """The node answered, and the answer is an error."""

    def __init__(self, code, text):
        super().__init__(f"{text} ({code})")
        self.code = code


def padded(data):
    return data + b"\0" * (-len(data) % 8)


def text(string):
    return padded(string.encode() + b"\0")


def word(number):
    return struct.pack("<Q", number)


def encode_parameters(values):
    """The count, a type for each, then the values, everything in words of eight bytes."""
    if not values:
        return b""
    types, body = [], b""
    for value in values:
        if value is None:
            types.append(NULL)
            body += word(0)
        elif isinstance(value, int):
            types.append(INTEGER)
            body += struct.pack("<q", value)
        elif isinstance(value, float):
            types.append(REAL)
            body += struct.pack("<d", value)
        elif isinstance(value, str):
            types.append(TEXT)
            body += text(value)
        else:
            types.append(BLOB)
            body += word(len(value)) + padded(value)
    return padded(bytes([len(types), *types])) + body


class Reader:
    """Takes a message apart."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, size):
        part = self.data[self.at : self.at + size]
        self.at += size
        return part

    def word(self):
        return struct.unpack("<Q", self.take(8))[0]

    def text(self):
        end = self.data.index(b"\0", self.at)
        part = self.data[self.at : end]
        self.at = end + 1 + -(end + 1) % 8
        return part.decode()

    def value(self, kind):
        if kind == TEXT:
            return self.text()
        if kind == BLOB:
            size = self.word()
            return self.take(size + -size % 8)[:size]
        data = self.take(8)
        if kind == NULL:
            return None
        return struct.unpack("<d" if kind == REAL else "<q", data)[0]


class Client:
    """One connection to one node; after open(), one SQLite connection inside it."""

    def __init__(self, address, timeout=20):
        host, port = address.rsplit(":", 1)
        self.address = address
        self.socket = socket.create_connection((host, int(port)), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.database = None
        self.socket.sendall(word(1))  # the version of the protocol
        self.call(CLIENT, word(0))

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def receive(self, size):
        parts = []
        while size:
            part = self.socket.recv(min(size, 1 << 20))
            if not part:
                raise ConnectionError(f"{self.address} hung up")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def answer(self):
        words, kind, _, _ = struct.unpack("<IBBH", self.receive(8))
        body = Reader(self.receive(words * 8))
        if kind == FAILURE:
            raise Failure(body.word(), body.text())
        return kind, body

    def call(self, request, body):
        self.socket.sendall(struct.pack("<IBBH", len(body) // 8, request, 0, 0) + body)
        return self.answer()

    # ---- the cluster

    def leader(self):
        """The leader's address; empty while nobody leads."""
        _, body = self.call(LEADER, word(0))
        body.word()
        return body.text()

    def cluster(self):
        _, body = self.call(CLUSTER, word(1))
        return [(body.word(), body.text(), ROLES[body.word()]) for _ in range(body.word())]

    def add(self, node, address):
        self.call(ADD, word(node) + text(address))
        self.call(ASSIGN, word(node) + word(VOTER))

    def remove(self, node):
        self.call(REMOVE, word(node))

    def dump(self, database):
        """The files of a database as this node has them, leader or not: {name: bytes}."""
        _, body = self.call(DUMP, text(database))
        files = {}
        for _ in range(body.word()):
            name = body.text()
            files[name] = body.take(body.word())
        return files

    # ---- SQL, on the leader only

    def open(self, name):
        _, body = self.call(OPEN, text(name) + word(0) + text("volatile"))
        self.database = body.word() & 0xFFFFFFFF
        return self

    def execute(self, sql, *values):
        """Runs a statement that returns nothing; the number of rows that it changed."""
        _, body = self.call(EXEC_SQL, word(self.database) + text(sql) + encode_parameters(values))
        body.word()
        return body.word()

    def query(self, sql, *values):
        """All rows of a SELECT."""
        kind, body = self.call(QUERY_SQL, word(self.database) + text(sql) + encode_parameters(values))
        rows = []
        while kind == ROWS:
            columns = body.word()
            for _ in range(columns):
                body.text()
            while True:
                head = body.take(8)
                if head in (MORE_ROWS, LAST_ROW):
                    break
                # Four bits for each column's type, in words.
                head += body.take(((columns + 15) // 16 - 1) * 8)
                kinds = [head[i // 2] >> 4 * (i % 2) & 15 for i in range(columns)]
                rows.append(tuple(body.value(kind) for kind in kinds))
            if head == LAST_ROW:
                break
            kind, body = self.answer()
        return rows

    def value(self, sql, *values):
        """The first column of the first row, or None."""
        rows = self.query(sql, *values)
        return rows[0][0] if rows else None


def main(arguments):
    if len(arguments) < 2:
        sys.exit(__doc__)
    address, command, *rest = arguments
    with Client(address) as node:
        if command == "add" and len(rest) == 2:
            node.add(int(rest[0]), rest[1])
        elif command == "remove" and len(rest) == 1:
            node.remove(int(rest[0]))
        elif command == "leader" and not rest:
            print(node.leader())
        elif command == "cluster" and not rest:
            for row in node.cluster():
                print("|".join(map(str, row)))
        elif command == "sql" and len(rest) == 2:
            node.open(rest[0])
            if not rest[1].lstrip().upper().startswith("SELECT"):
                node.execute(rest[1])
                return
            for row in node.query(rest[1]):
                print("|".join("" if value is None else str(value) for value in row))
        else:
            sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (Failure, OSError) as error:
        sys.exit(f"dqlite_client: {error}")
