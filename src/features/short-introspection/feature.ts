import type { Feature } from '../../feature.ts';
import { createShortIntrospection } from './short-way.ts';

/** A short way for the usual introspection (RFC 7662). Without it the library answers the same, with more work. */
export const shortIntrospection: Feature = {
  inFront: ({ config, ...parts }) => createShortIntrospection({ ...parts, issuer: config.issuer }),
};
