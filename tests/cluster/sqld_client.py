"""A client of sqld's HTTP protocol (POST /v2/pipeline). One client is one stream: one SQLite connection at the server,
which keeps its L1 and its transaction from request to request."""
import base64
import http.client
import json


class Failure(Exception):
    """The server answered, and the answer is an error."""


def encode(value):
    if value is None:
        return {"type": "null"}
    if isinstance(value, int):
        return {"type": "integer", "value": str(value)}
    if isinstance(value, float):
        return {"type": "float", "value": value}
    if isinstance(value, str):
        return {"type": "text", "value": value}
    return {"type": "blob", "base64": base64.b64encode(value).decode().rstrip("=")}


def decode(value):
    kind = value["type"]
    if kind == "null":
        return None
    if kind == "integer":
        return int(value["value"])
    if kind == "blob":
        return base64.b64decode(value["base64"] + "==")
    return value["value"]


class Client:
    def __init__(self, address, timeout=20):
        self.connection = http.client.HTTPConnection(address, timeout=timeout)
        self.baton = None

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def run(self, sql, values):
        statement = {"sql": sql, "args": [encode(value) for value in values]}
        request = {"baton": self.baton, "requests": [{"type": "execute", "stmt": statement}]}
        try:
            self.connection.request("POST", "/v2/pipeline", json.dumps(request), {"Content-Type": "application/json"})
            response = self.connection.getresponse()
            body = response.read()
        except http.client.HTTPException as error:
            raise ConnectionError(f"{type(error).__name__}: {error}") from error
        if response.status != 200:
            raise Failure(f"{response.status} {body.decode(errors='replace')}")
        answer = json.loads(body)
        self.baton = answer["baton"]
        result = answer["results"][0]
        if result["type"] != "ok":
            raise Failure(result["error"]["message"])
        return result["response"]["result"]

    def query(self, sql, *values):
        return [tuple(decode(value) for value in row) for row in self.run(sql, values)["rows"]]

    def execute(self, sql, *values):
        return self.run(sql, values)["affected_row_count"]

    def value(self, sql, *values):
        rows = self.query(sql, *values)
        return rows[0][0] if rows else None
