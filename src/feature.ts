import type { IncomingMessage, ServerResponse } from 'node:http';
import type Koa from 'koa';
import type { Command } from './command-line/command.ts';
import type { Proxies } from './http/host.ts';
import type { Part } from './http/under.ts';
import type { App, StartingApp } from './oauth/app.ts';
import type { ProtocolFeature } from './oauth/feature.ts';
import type { PagesFeature } from './pages/feature.ts';
import type { Config } from './platform/config.ts';
import type { Statement } from './platform/database.ts';
import type { SealedColumn } from './platform/sealed-column.ts';
import type { SignInFeature } from './sign-in/feature.ts';

/**
 * A feature is a part that a deployment could do without. It lives in one folder of src/features/, and this contract is all that the rest
 * of the server knows of it. A feature imports the kernel, never another feature. To remove one, delete its folder and its line in
 * src/features.ts.
 */
export type Feature = ProtocolFeature & SignInFeature & PagesFeature & ServerFeature;

/** Routes below some paths. `naming`: they may give a client a name, so the names of verified clients are read first. */
export type Mount = { under: string[]; naming?: true; routes(app: App<Feature>): Part };

/** Answers a request before the application, or passes it with its body to `otherwise`. */
export type InFront = (request: IncomingMessage, response: ServerResponse, otherwise: () => void) => void;

/** A listener of its own, beside the public one. */
export type Apart = {
  origin: string;
  host: string | undefined;
  port: number;
  /** Its pages. */
  mount: Mount;
  /** @param pages the middleware that every signed-in page needs, followed by the routes of `mount`. */
  application(pages: Part[]): Koa;
};

/** What a feature adds to the server itself. */
type ServerFeature = {
  /** Stores what must exist before the server answers requests. */
  prepare?(app: StartingApp<Feature>): Promise<void>;
  /** Middleware before the pages, for paths that need neither forms nor a unit of work. */
  early?(house: StartingApp<Feature>): Part[];
  /** What answers some requests in front of the application. Built again for each new provider. */
  inFront?(app: StartingApp<Feature> & Pick<App, 'provider' | 'counts'>): InFront;
  mounts?(config: Config): Mount[];
  listener?(app: StartingApp<Feature> & { ask: typeof fetch; proxies: Proxies }): Apart | undefined;
  /** Background work, until the server stops. */
  tasks?(house: StartingApp<Feature>): { stop(): Promise<unknown> }[];
  /** Ends what somebody could use again after a physical restore: see features/backups/restored-backup.ts. */
  afterRestore?(): Statement[];
  /** Columns that the key ring encrypts: see platform/sealed-column.ts. */
  sealed?: SealedColumn[];
  /** Commands of `munjigi` that no route of the admin API gives. They are loaded by the command line alone. */
  commands?(): Promise<readonly Command[]>;
};
