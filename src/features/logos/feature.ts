import type { Feature } from '../../feature.ts';
import { under } from '../../http/under.ts';
import { placesOf } from '../../oauth/clients/metadata/registration-policy.ts';
import { keepLogosFetched } from './fetcher.ts';
import { clientLogos } from './serving.ts';

/** Logos of clients: fetched once, redrawn, and served from this origin. Without them pages show the first letter of a name. */
export const logos: Feature = {
  assets: (database) => [under(['/logos/'], clientLogos(database))],
  tasks: ({ config, database, log }) => [
    keepLogosFetched({ database, log, openings: config.outgoingAllow, loopbackPages: placesOf(config).loopbackPages }),
  ],
};
