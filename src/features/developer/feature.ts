import type { Feature } from '../../feature.ts';
import { developerRoutes } from './routes.ts';

/** The portal in which developers register and manage their clients and APIs. */
export const developer: Feature = { mounts: () => [{ under: ['/developer'], naming: true, routes: developerRoutes }] };
