/**
 * Owns what the columns of a file of users mean: those of Cognito, Firebase, Okta and Auth0 are known by their names, and --columns says what
 * others mean.
 * @see https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-using-import-tool.html
 * @see https://firebase.google.com/docs/cli/auth#file_format
 */

export const MEANINGS = [
  ...(['email', 'name', 'given_name', 'family_name', 'id', 'username', 'password_hash', 'salt'] as const),
  ...(['email_verified', 'disabled', 'enabled', 'status', 'locale'] as const),
] as const;
export type Meaning = (typeof MEANINGS)[number];

/** Names in small letters and digits alone. Of two columns with one meaning the one named first here counts, if it has a value. */
const NAMES: Record<Meaning, string[]> = {
  email: ['email', 'emailaddress', 'mail', 'primaryemail', 'useremail', '이메일', '이메일주소', '메일'],
  name: ['name', 'displayname', 'fullname', 'realname', '이름', '성명'],
  given_name: ['givenname', 'firstname', 'first', 'given'],
  family_name: ['familyname', 'lastname', 'surname', 'last', 'family'],
  id: ['sub', 'id', 'uuid', 'userid', 'localid', 'uid', 'subject'],
  username: ['username', 'login', 'cognitousername', 'preferredusername', 'nickname', '아이디'],
  password_hash: [
    ...['passwordhash', 'hashedpassword', 'encryptedpassword', 'passworddigest', 'custompasswordhashhashvalue', 'passwordhashed'],
    ...['hash', 'password'],
  ],
  salt: ['salt', 'passwordsalt'],
  email_verified: ['emailverified', 'isemailverified', 'emailconfirmed', 'verifiedemail', 'verified'],
  disabled: ['disabled', 'blocked', 'isdisabled', 'suspended', 'isblocked'],
  enabled: ['enabled', 'active', 'isactive', 'isenabled'],
  status: ['status', 'userstatus', 'accountstatus'],
  locale: ['locale', 'language', 'preferredlanguage', 'lang', '언어'],
};

const BY_NAME = new Map(MEANINGS.flatMap((meaning) => NAMES[meaning].map((name, rank): [string, Column] => [name, { meaning, rank }])));

export type Column = { meaning: Meaning; rank: number };

const bare = (name: string): string => name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');

/** What a project of Firebase writes, without a header. */
export const FIREBASE_HEADER = [
  ...['UID', 'Email', 'Email Verified', 'Password Hash', 'Password Salt', 'Name', 'Photo URL'],
  ...['Google', 'Facebook', 'Twitter', 'GitHub'].flatMap((one) => [`${one} ID`, `${one} Email`, `${one} Display Name`, `${one} Photo URL`]),
  ...['User Creation Time', 'Last Sign-In Time', 'Phone Number'],
];

export type Columns = ReadonlyMap<string, Meaning>;

/**
 * @param text pairs such as `email=E-Mail,name=Full Name`. @returns by the name of the file's column.
 * @throws Error with what would be right.
 */
export function parseColumns(text: string): Columns {
  return new Map(
    text.split(',').map((pair) => {
      const [meaning = '', ...name] = pair.split('=').map((part) => part.trim());
      const right = MEANINGS.find((one) => one === meaning);
      if (!right || !name.join('='))
        throw new Error(`--columns: write ours=theirs, such as email=E-Mail, with one of ${MEANINGS.join(', ')}`);
      return [name.join('='), right];
    }),
  );
}

/** @param field the name of a column, or the path of a member: `profile.firstName`. @returns undefined for a column that nobody needs. */
export function columnFor(field: string, given: Columns): Column | undefined {
  const meaning = given.get(field);
  if (meaning) return { meaning, rank: -1 };
  const known = BY_NAME.get(bare(field)) ?? BY_NAME.get(bare(field.slice(field.lastIndexOf('.') + 1)));
  // What --columns names takes the place of what would be known.
  return known && ![...given.values()].includes(known.meaning) ? known : undefined;
}
