"""Queries, mutations and subscriptions by gql, over HTTP and both WebSocket protocols: gql_client.py URL TOKEN WEBSITE"""

import asyncio
import sys

from gql import Client, gql
from gql.dsl import DSLQuery, DSLSchema, dsl_gql
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.exceptions import TransportQueryError
from gql.transport.websockets import WebsocketsTransport
from graphql import GraphQLError

base, token, website = sys.argv[1:]
headers = {"Authorization": f"Bearer {token}"}
LIVE = gql("subscription($id: ID!) { liveVisitors(websiteId: $id) { visitors domain } }")


def with_values(document, **values):
    document.variable_values = values
    return document


async def over_http():
    transport = AIOHTTPTransport(url=f"{base}/graphql", headers=headers)
    async with Client(transport=transport, fetch_schema_from_transport=True) as session:
        # Built from the introspected schema, not from text.
        schema = DSLSchema(session.client.schema)
        query = DSLQuery(schema.Query.website(id=website).select(schema.Website.domain, schema.Website.timezone))
        assert (await session.execute(dsl_gql(query)))["website"] == {"domain": "shop.example", "timezone": "UTC"}
        # The client checks documents by itself.
        try:
            await session.execute(gql("{ nothing }"))
            raise AssertionError("a field that is not there")
        except GraphQLError as error:
            assert "nothing" in error.message
        # A repeated mutation creates one team.
        create = "mutation($input: TeamCreateInput!) { teamCreate(input: $input) { team { id } clientMutationId } }"
        values = {"input": {"name": "Python", "clientMutationId": "gql-1"}}
        first, second = [await session.execute(with_values(gql(create), **values)) for _ in range(2)]
        assert first == second and first["teamCreate"]["clientMutationId"] == "gql-1", (first, second)
        try:
            await session.execute(with_values(gql("query($id: ID!) { website(id: $id) { domain } }"), id="nonsense"))
            raise AssertionError("no website")
        except TransportQueryError as error:
            assert error.errors[0]["extensions"]["code"] == "VALIDATION_ERROR", error.errors


async def over_websocket(protocols):
    url = base.replace("http", "ws") + "/graphql/ws"
    transport = WebsocketsTransport(url=url, init_payload=headers, subprotocols=protocols)
    async with Client(transport=transport) as session:
        async for answer in session.subscribe(with_values(LIVE, id=website)):
            assert answer["liveVisitors"] == {"visitors": 0, "domain": "shop.example"}, answer
            break


asyncio.run(over_http())
print("ok gql over HTTP")
for protocols in (["graphql-transport-ws"], ["graphql-ws"], None):
    asyncio.run(asyncio.wait_for(over_websocket(protocols), 30))
    print(f"ok gql over {protocols or 'what it offers by itself'}")
