import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { randomSecret } from '../../src/platform/secrets.ts';
import type { TestSite, TestStock } from '../../test/support/environment.ts';
import type { Credentials } from '../../test/support/flow.ts';
import { createHouse, type House, type TestProcess } from '../../test/support/processes.ts';
import { freePort } from '../bootstrap/free-port.mjs';
import { type Balancer, openBalancer } from './balancer.ts';
import { LOAD, type Load, type LoadOptions, prepareLoad } from './load.ts';

/** What a fault is played on: two nodes as in production behind a balancer, on one database, with users, clients and a load. */
export type Ground = {
  issuer: string;
  house: House;
  /** What every node begins with. */
  secrets: Secrets;
  nodes: TestProcess[];
  /** The issuer as clients reach it, through the balancer. */
  site: TestSite;
  load: Load;
  /** Stops a node by SIGTERM and starts it on the same port. @param root of another version. @returns how many milliseconds it took to stop. */
  restart(index: number, more?: NodeVariables, root?: string): Promise<number>;
  close(): Promise<void>;
};

export type NodeVariables = Record<string, string>;

export type GroundOptions = {
  databaseUrl: string;
  /** What the nodes have as DATABASE_URL, if they reach the database in another way than the trial does. */
  nodeDatabaseUrl?: string;
  /** More of each node's environment. */
  variables?: (index: number) => NodeVariables;
  load?: Partial<LoadOptions>;
  /** Where the program of the nodes is, for another version of it. */
  root?: string;
};

export type Secrets = { cookieKeys: string[]; dataEncryptionKeys: Uint8Array<ArrayBuffer>[] };

const NODES = 2;
const PEOPLE = 3;
const PREPARE_ATTEMPTS = 20;
const PREPARE_AGAIN_MS = 500;

// All load comes from one address, which would reach the limits of one client.
const LIMITS = 'authorize=1000000,par=1000000,device=1000000,token=1000000';

export async function openGround({ databaseUrl, nodeDatabaseUrl, variables = () => ({}), load, root }: GroundOptions): Promise<Ground> {
  const folder = mkdtempSync(join(tmpdir(), 'munjigi-faults-'));
  const closing: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })];
  const close = async () => {
    for (const end of closing.reverse()) await end();
  };
  try {
    const port = await freePort();
    const issuer = `http://localhost:${port}`;
    const secrets: Secrets = { cookieKeys: [randomSecret()], dataEncryptionKeys: [new Uint8Array(randomBytes(32))] };
    const house = await createHouse(databaseUrl, { issuer, ...secrets });
    closing.push(() => house.close());
    const ports = [await freePort(), await freePort()];
    const start = (index: number, more: NodeVariables = {}, of = root) =>
      house.start(
        {
          ...production(ports[index] as number),
          ...(nodeDatabaseUrl ? { DATABASE_URL: nodeDatabaseUrl } : {}),
          ...variables(index),
          ...more,
        },
        of,
      );
    const nodes: TestProcess[] = [];
    for (let index = 0; index < NODES; index++) nodes.push(await onceItAnswers(() => start(index)));
    const balancer: Balancer = await openBalancer(port, ports, folder);
    closing.push(() => balancer.close());
    const stored = root ? await stockOf(root, databaseUrl) : house;
    if (root) closing.push(() => stored.close());
    const site: TestSite = { ...house, ...stored, logLines: () => [], send: fetch };
    const people: Credentials[] = [];
    while (people.length < PEOPLE) people.push(await onceItAnswers(() => stored.createPerson()));
    const prepared = await onceItAnswers(() => prepareLoad({ balancer: balancer.name, site, people, options: { ...LOAD, ...load } }));
    closing.push(() => prepared.abandon());
    return {
      ...{ issuer, house, secrets, nodes, site, close },
      load: prepared,
      async restart(index, more, of) {
        const begun = performance.now();
        await nodes[index]?.kill('SIGTERM');
        const took = performance.now() - begun;
        nodes[index] = await start(index, more, of);
        return took;
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Preparing is no part of a trial: a busy machine may take its time. */
export async function onceItAnswers<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt === PREPARE_ATTEMPTS) throw error;
      await pause(PREPARE_AGAIN_MS);
    }
  }
}

/** Users and clients as another version of the program stores them, which knows the schema of its time. */
async function stockOf(root: string, databaseUrl: string): Promise<TestStock & { close(): Promise<void> }> {
  const of = (file: string) => import(join(root, file));
  const [{ openDatabase }, { createLog }, { stock }] = await Promise.all([
    of('src/platform/database.ts'),
    of('src/platform/log.ts'),
    of('test/support/environment.ts'),
  ]);
  const [database, side] = [openDatabase(databaseUrl, createLog('silent')), new pg.Pool({ connectionString: databaseUrl, max: 2 })];
  return {
    ...stock(database, side),
    async close() {
      await Promise.all([database.close(), side.end()]);
    },
  };
}

/** The settings of a production node, but for what makes a trial possible on one machine. */
const production = (port: number): NodeVariables => ({
  NODE_ENV: 'production',
  HOST: '127.0.0.1',
  PORT: String(port),
  DRAIN_SECONDS: '3',
  // As where the operator says nothing.
  DATABASE_WAIT_SECONDS: '',
  TRUST_PROXY: '127.0.0.1',
  // No trial reads mail.
  SMTP_URL: 'smtp://localhost:1',
  REQUEST_LIMITS: LIMITS,
});
