import { listed } from '../../../pages/operators/acting.ts';
import type { ClientAct } from '../../../pages/operators/named.ts';
import { listProviders } from '../providers.ts';
import { allowServices } from './acts.ts';

/** The operator's page that lets a client act for users at providers. */
export const servicesOfClient: ClientAct = {
  path: '/services',
  act: allowServices,
  words: 'allow_services',
  question: async ({ app: { database } }, { services, origins }) => ({
    fields: [
      {
        name: 'services',
        label: 'admin.client.services',
        kind: 'checks',
        value: services,
        options: (await listProviders(database)).map(({ id, name }) => ({ value: id, label: name })),
      },
      { name: 'origins', label: 'admin.client.origins', hint: 'admin.client.origins_hint', kind: 'lines', value: origins.join('\n') },
    ],
    input: (form) => ({ services: form.getAll('services'), origins: listed(form.get('origins')) }),
  }),
};
