import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { startTestServer, type TestServer } from '../support/environment.ts';
import { openMcpApi } from '../support/mcp-api.ts';
import { SCOPE } from '../support/owned-apis.ts';
import { type LoopbackApp, Visitor } from '../support/visitor.ts';

/**
 * mcp-remote lets an MCP client that speaks over stdio reach an MCP server that wants a token. The API is one that a developer registered in the
 * portal, and its server is the SDK's own.
 */

const PROXY = join(import.meta.dirname, '../../node_modules/mcp-remote/dist/proxy.js');

describe('mcp-remote', () => {
  let server: TestServer;
  let api: LoopbackApp;
  let folder: string;
  before(async () => {
    server = await startTestServer();
    folder = await mkdtemp(join(tmpdir(), 'mcp-remote-'));
    api = await openMcpApi(server);
  });
  after(async () => {
    api.close();
    await rm(folder, { recursive: true });
    await server.close();
  });

  /** Starts mcp-remote, and signs in when it asks for that. @returns what the tool answers, and how often the user was asked. */
  async function useTool(person: { email: string; password: string }): Promise<{ text: string; visits: number }> {
    const transport = new StdioClientTransport({
      command: process.execPath,
      args: [PROXY, `${api.origin}/mcp`],
      // Without a PATH it finds no program that opens a browser, and prints the address.
      env: { PATH: '', HOME: folder, MCP_REMOTE_CONFIG_DIR: folder },
      stderr: 'pipe',
    });
    let told = '';
    let visits = 0;
    transport.stderr?.on('data', (chunk) => {
      told += chunk;
      const address = /by visiting:\n(\S+)\n/.exec(told)?.[1];
      if (!address || visits) return;
      visits++;
      new Visitor(server.issuer, person).visit(address).catch((error) => transport.stderr?.emit('error', error));
    });
    const client = new Client({ name: 'a test', version: '1.0.0' });
    try {
      await client.connect(transport);
      const { content } = (await client.callTool({ name: 'whoami', arguments: {} })) as { content: { text: string }[] };
      return { text: String(content[0]?.text), visits };
    } catch (error) {
      throw new Error(told, { cause: error });
    } finally {
      await client.close();
    }
  }

  it('registers itself, gets a token for the API, and calls it; later it asks nobody', async () => {
    const { id, email, password } = await server.createPerson();
    const first = await useTool({ email, password });
    assert.deepEqual(JSON.parse(first.text).sub, id);
    assert(JSON.parse(first.text).scopes.includes(SCOPE.name), first.text);
    assert.equal(first.visits, 1);
    assert.deepEqual(await useTool({ email, password }), { ...first, visits: 0 });
  });
});
