"""Drives the server with the Python SDK's client, in both eras; the arguments are the server's command."""

import asyncio
import sys

from mcp import Client, ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import ResourceTemplateReference


async def drive(client, revision):
    tools = (await client.list_tools()).tools
    assert len(tools) > 20, len(tools)
    answer = await client.call_tool("vm_status", {"vmid": 102})
    assert not answer.is_error and answer.structured_content["name"] == "docker", answer
    refused = await client.call_tool("vm_status", {"vmid": 200})
    assert refused.is_error and "container_status" in refused.content[0].text, refused
    assert [str(r.uri) for r in (await client.list_resources()).resources] == ["proxmox://cluster"]
    assert len((await client.list_resource_templates()).resource_templates) == 4
    read = await client.read_resource("proxmox://guest/102")
    assert "name: docker" in read.contents[0].text, read
    assert "diagnose_guest" in [p.name for p in (await client.list_prompts()).prompts]
    prompt = await client.get_prompt("diagnose_guest", {"vmid": "102"})
    assert len(prompt.messages) == 3, prompt
    guest = ResourceTemplateReference(type="ref/resource", uri="proxmox://guest/{vmid}")
    completed = await client.complete(guest, {"name": "vmid", "value": "dock"})
    assert completed.completion.values == ["102 (docker)"], completed
    print(revision, len(tools))


async def main(command, *args):
    server = StdioServerParameters(command=command, args=args)
    async with Client(server) as client:
        await drive(client, client.session.protocol_version)
    async with stdio_client(server) as (read, write):
        async with ClientSession(read, write) as session:
            await drive(session, (await session.initialize()).protocol_version)


asyncio.run(main(*sys.argv[1:]))
