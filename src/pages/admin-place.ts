import type { Config } from '../platform/config.ts';

/** Owns where administration is, its pages and its API alike. */

/** Beside everything else: where people develop and test, unless it has a listener of its own. */
export const isAdminBeside = ({ adminPort, environment }: Config): boolean => adminPort === undefined && environment !== 'production';

/** The address of its first page, for a link. @returns undefined where it is nowhere. */
export function adminAddress(config: Config): string | undefined {
  if (config.adminOrigin !== undefined) return `${config.adminOrigin}/admin`;
  return isAdminBeside(config) ? '/admin' : undefined;
}
