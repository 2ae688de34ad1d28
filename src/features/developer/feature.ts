import type { Feature } from '../../feature.ts';
import { openErrorBook } from './errors/error-book.ts';
import { followPkceUse } from './pkce/pkce-use.ts';
import { developerRoutes } from './routes.ts';

/** The portal in which developers register and manage their clients and APIs. */
export const developer: Feature = {
  followers: (parts) => [openErrorBook(parts.database, parts.log), followPkceUse(parts)],
  mounts: () => [{ under: ['/developer'], naming: true, routes: developerRoutes }],
};
