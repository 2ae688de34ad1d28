import { languageOf } from '../../../http/language.ts';
import { translate } from '../../../http/render.ts';
import { rolesWithin } from '../../../pages/operators/act.ts';
import { type ActPage, actPage, goBack, type Question } from '../../../pages/operators/acting.ts';
import { type Person, personOf } from '../../../pages/operators/named.ts';
import { pathOfPerson } from '../../../pages/operators/paths.ts';
import type { OwnPage, Visit } from '../../../pages/own-pages.ts';
import { allowedTo } from '../../../pages/permissions.ts';
import * as accessActs from '../acts/access.ts';
import * as peopleActs from '../acts/people.ts';

/** Owns the pages of the operators' acts on a user. */

type PersonAct = Omit<ActPage, 'ask'> & { path: string; question?: (visit: Visit, person: Person) => Partial<Question> };

export const PERSON_ACTS: PersonAct[] = [
  { path: '/disable', act: peopleActs.disablePerson, words: 'disable_person', grave: true },
  { path: '/enable', act: peopleActs.enablePerson, words: 'enable_person' },
  { path: '/end-sessions', act: peopleActs.endSessionsOfPerson, words: 'end_sessions', grave: true },
  { path: '/end-access', act: accessActs.endAccessOfPerson, words: 'end_access_of_person', grave: true },
  { path: '/remove-factors', act: peopleActs.removeFactorsOfPerson, words: 'remove_factors', grave: true },
  {
    path: '/role',
    act: peopleActs.changeRole,
    words: 'change_role',
    question: (visit, { role }) => ({
      fields: [{ name: 'role', label: 'admin.person.role', kind: 'select', value: role, options: rolesFor(visit) }],
      input: (form) => ({ role: form.get('role') }),
    }),
  },
];

/** @returns the roles that this operator may give. */
const rolesFor = ({ account, ctx }: Visit) =>
  rolesWithin(allowedTo(account.role)).map((role) => ({ value: role, label: translate(languageOf(ctx), `admin.role.${role}`) }));

export const PERSON_ACT_PAGES: Record<string, OwnPage> = Object.fromEntries(
  PERSON_ACTS.map(({ path, question, ...page }) => [
    `/admin/people/:account${path}`,
    actPage({
      ...page,
      async ask(visit) {
        const person = await personOf(visit);
        return { target: person.id, name: `${person.name} · ${person.email}`, back: pathOfPerson(person.id), ...question?.(visit, person) };
      },
    }),
  ]),
);

/** An account that an operator creates. Its user chooses a password with the mail. */
export const newPerson = actPage({
  act: peopleActs.createPerson,
  words: 'create_person',
  async ask(visit) {
    return {
      target: '',
      back: '/admin/people',
      fields: [
        { name: 'email', label: 'admin.person.email', kind: 'text' },
        { name: 'name', label: 'admin.person.name', kind: 'text' },
        { name: 'role', label: 'admin.person.role', kind: 'select', value: 'user', options: rolesFor(visit) },
        {
          name: 'language',
          label: 'admin.person.mail_language',
          kind: 'select',
          value: languageOf(visit.ctx),
          options: ['ko', 'en'].map((value) => ({ value, label: translate(languageOf(visit.ctx), `language.${value}`) })),
        },
      ],
      input: (form) => Object.fromEntries(['email', 'name', 'role', 'language'].map((name) => [name, form.get(name) ?? ''])),
    };
  },
  tell: (visit, { id }: { id: string }) => goBack(visit, pathOfPerson(id)),
});
