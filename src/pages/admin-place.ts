import type { Config } from '../platform/config.ts';

/** Owns where administration is served: its pages and its API. */

/** Administration shares the main listener in development and tests, unless it has its own. */
export const isAdminBeside = ({ adminPort, environment }: Config): boolean => adminPort === undefined && environment !== 'production';

/** @returns the address of its first page, for a link; undefined where administration is not served. */
export function adminAddress(config: Config): string | undefined {
  if (config.adminOrigin !== undefined) return `${config.adminOrigin}/admin`;
  return isAdminBeside(config) ? '/admin' : undefined;
}
