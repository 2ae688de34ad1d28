import { chooseLanguage, LANGUAGES, languageOf, supported } from '../../http/language.ts';
import { writeTogether } from '../../oauth/store/unit-of-work.ts';
import { backTo, type OwnPage, recordOwnEvent, show, type Visit } from '../../pages/own-pages.ts';
import { nameFault, tidyName } from '../../people/names.ts';
import { isReservedUsername, restsFor } from '../../people/usernames.ts';
import { Prisma, type Statement } from '../../platform/database.ts';
import { isUniqueViolation } from '../../platform/sql-errors.ts';

/** Owns a user's name, user name and language. */

const USERNAME = /^[a-z0-9][a-z0-9._-]{2,29}$/;
type Fields = { name: string; username: string; language: string };

export const profile: OwnPage = {
  recent: true,

  async show(visit) {
    const { account, ctx } = visit;
    page(visit, { name: account.name, username: account.username, language: supported(account.locale ?? '') ?? languageOf(ctx) });
  },

  async submit(visit, form) {
    const { account, ctx, app } = visit;
    const fields = {
      name: tidyName(form.get('name') ?? ''),
      username: (form.get('username') ?? '').normalize('NFKC').trim().toLowerCase(),
      language: form.get('language') ?? '',
    };
    const wrong = problemOf(fields, account);
    if (wrong) return page(visit, fields, wrong);
    const locale = LANGUAGES.find((language) => language === fields.language) ?? account.locale;
    const changed = (['name', 'username'] as const).filter((field) => fields[field] !== account[field]);
    const changes = [...changed, ...(locale !== account.locale ? ['language'] : [])];
    if (changes.length) {
      try {
        const kept = await writeTogether(app.database, [
          { purpose: 'keep', once: true, statement: changeProfile(account.id, { ...fields, locale }) },
          { purpose: 'keep', statement: recordOwnEvent(visit, 'profile_changed', { detail: { changes } }) },
        ]);
        // Another user gave the name up recently. It counts as taken for everyone else.
        if (!kept) return page(visit, fields, 'account.profile.username_taken');
      } catch (error) {
        if (!isUniqueViolation(error)) throw error;
        return page(visit, fields, 'account.profile.username_taken');
      }
    }
    // This browser may use another language from the switch above the page. The latest choice wins.
    const language = supported(locale ?? '');
    if (language) chooseLanguage(ctx, language);
    backTo(visit, '/account/profile');
  },
};

// Values from before these rules may stay.
function problemOf({ name, username, language }: Fields, before: { name: string; username: string }): string | undefined {
  const fault = name === before.name ? undefined : nameFault(name);
  if (fault) return fault === 'missing' ? 'account.profile.name_missing' : 'account.profile.name_wrong';
  if (username !== before.username && !USERNAME.test(username)) return 'account.profile.username_wrong';
  if (username !== before.username && isReservedUsername(username)) return 'account.profile.username_reserved';
  if (language && !LANGUAGES.some((known) => known === language)) return 'account.profile.language_wrong';
  return undefined;
}

function page(visit: Visit, fields: Fields, problem?: string): void {
  const { language: chosen, ...named } = fields;
  show(visit, 'account/profile', { ...named, chosen, problem });
}

type Profile = { name: string; username: string; locale: string | null };

/**
 * Changes no row while the user name is reserved because another user gave it up.
 * @throws a unique violation (23505) when another account has it.
 */
function changeProfile(accountId: string, { name, username, locale }: Profile): Statement {
  return Prisma.sql`
    update user_account set name = ${name}, username = ${username}, locale = ${locale}, updated_at = now()
    where id = ${accountId} and (username = ${username} or not ${restsFor(username, accountId)})`;
}
