import { z } from 'zod';
import { isOwnOrigin } from '../../../oauth/clients/hosts.ts';
import { placesOf } from '../../../oauth/clients/metadata/registration-policy.ts';
import { isWebOrigin } from '../../../oauth/clients/redirect-uri.ts';
import * as store from '../../../oauth/clients/store.ts';
import { type Act, refused } from '../../../pages/operators/act.ts';
import { type ChangedClient, changedClient, doToClient, isWithin } from '../../../pages/operators/on-client.ts';
import { listProviders } from '../providers.ts';

/** Owns the act that lets a client act for users at providers. */

const services = z.strictObject({
  services: z.array(z.string().max(100)).max(100).default([]),
  origins: z
    .array(z.string().max(300).refine(isWebOrigin, 'must be an origin, such as https://app.example, without a path'))
    .max(20)
    .default([]),
});

export const allowServices: Act<z.infer<typeof services>, ChangedClient> = {
  summary: 'Set the upstream providers at which a client may act for users. An empty list removes them all',
  scope: 'admin:clients',
  input: services,
  result: changedClient,
  async run(app, id, allowed) {
    const known = new Set((await listProviders(app.database)).map((provider) => provider.id));
    const problems = allowed.services.flatMap((service, n) =>
      known.has(service) ? [] : [{ field: `services.${n}`, detail: 'there is no such provider' }],
    );
    if (!allowed.services.length && allowed.origins.length)
      problems.push({ field: 'origins', detail: 'is only allowed together with services' });
    const own = allowed.origins.findIndex((origin) => isOwnOrigin(origin, placesOf(app.config).own));
    if (own >= 0) problems.push({ field: `origins.${own}`, detail: "must not be this server's own origin" });
    if (problems.length) return refused('invalid', problems);
    const { services, origins } = { services: [...new Set(allowed.services)], origins: [...new Set(allowed.origins)] };
    // An operator cannot grant more than the operator's own rights.
    if (!isWithin(app.actor, { scopes: [], services })) return refused('above');
    return doToClient(app, id, [store.allowServices(id, { services, origins })], {
      type: 'client_services_changed',
      detail: { services, origins },
    });
  },
};
